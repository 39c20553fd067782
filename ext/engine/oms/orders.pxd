"""Orders as evidence: what was sent, what the venue said; the state is a function of it, so reports may come in any order."""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.model.approval cimport ApprovalRegister, ApprovedOrder
from engine.model.records cimport Conditions
from engine.model.tables cimport Exposure, Tables
from engine.oms.positions cimport tw_wide

cdef enum:
    DISPUTE_TRADE = 1             # a trade of it came under an id that stands for another one
    DISPUTE_MISSING = 2           # the venue has counted more than it could be made to tell
    DISPUTE_RESTORED = 4          # so it was in an earlier run, and it has not been asked in vain again since

cdef struct Order:
    # parallel to the register's slot of the same number, where price, quantity, side and ids stand
    tw_wide filled_value_e16
    uint64_t order_handle
    uint64_t successor_handle     # the order that replaces this one
    int64_t venue_order_id
    int64_t venue_algo_id         # its number at the service for conditional orders, where the venue has one
    int64_t amend_lots            # the quantity last asked for in place; 0 = never
    int64_t booked_lots           # sum of the fills booked: the order's cumulative quantity
    int64_t venue_cum_lots        # the most the venue has reported
    int64_t venue_value_e8        # what that cost by its own word; 0 = it did not say
    int64_t submit_mono_ns
    int64_t ended_mono_ns         # when we took it as ended; -1 = in an earlier run
    int64_t deadline_mono_ns      # an answer is due, or the next query may go
    int64_t query_mono_ns         # when the last query was sent
    int64_t cancel_due_mono_ns
    uint64_t last_seq             # of its latest ORDER_STATE record
    uint32_t next_open
    uint32_t previous_open
    uint32_t sweep_mark
    int32_t venue_code
    uint16_t reason
    uint8_t state                 # shown
    uint8_t ended                 # OrderState by which the venue (or we) ended it; 0 = not ended
    uint8_t is_listed             # stands in the open list
    uint8_t is_acked
    uint8_t is_unknown
    uint8_t cancel_in_flight
    uint8_t cancel_wanted
    uint8_t replace_in_flight     # as the old order of a replace
    uint8_t query_in_flight
    uint8_t cancel_refused       # the venue did not know the order: PENDING_CANCEL until its status has been asked
    uint8_t misses                # queries that did not find it
    uint8_t is_seen               # in the running reconciliation: 0 not named yet, 1 named, 2 began after it
    uint8_t query_wanted
    uint8_t is_restored
    uint8_t is_triggered          # conditional: its price came
    uint8_t amend_in_flight
    uint8_t is_list_waiting       # approved, and waits for the other orders of its list
    uint8_t fetches               # questions for fills that the venue has counted, in vain so far
    uint8_t dispute               # DISPUTE_ bits: what the venue says of its fills cannot be booked without a person
    uint8_t is_kept               # an orderly stop leaves it standing
    char client_order_id[14]      # written when it is first told

@cython.final
cdef class OrderPool:
    cdef Tables tables
    cdef ApprovalRegister register
    cdef Order* orders
    cdef uint32_t first_open
    cdef uint32_t last_open
    cdef readonly uint32_t open_count
    cdef readonly uint64_t illegal_transitions
    cdef Order* begin(self, uint32_t slot) noexcept nogil
    cdef Order* find(self, uint64_t order_handle) noexcept nogil
    cdef Order* by_venue_id(self, uint32_t instrument_id, int64_t venue_order_id) noexcept nogil
    cdef uint32_t slot_of(self, const Order* order) noexcept nogil
    cdef ApprovedOrder* terms(self, const Order* order) noexcept nogil
    # The state that the evidence shows.
    cdef uint8_t evident_state(self, const Order* order) noexcept nogil
    # Move the shown state to the evident one: 1 moved, 0 same, -1 illegal (counted, state kept).
    cdef int settle(self, Order* order) noexcept nogil
    # Make working quantities and promises equal to what the order may still do; its successor's follow.
    cdef void reserve(self, Order* order) noexcept nogil
    cdef int64_t leaves_lots(self, const Order* order) noexcept nogil
    # NULL where the order has none.
    cdef const Conditions* conditions(self, const Order* order) noexcept nogil
    cdef bint is_listed_with_others(self, const Order* order) noexcept nogil
    # The other leg of a pair of which only one can fill; NULL where there is none.
    cdef Order* rival(self, const Order* order) noexcept nogil
    cdef Exposure* exposure(self, const ApprovedOrder* terms) noexcept nogil
    cdef bint is_over(self, const Order* order) noexcept nogil
    cdef bint _is_second(self, const Order* order) noexcept nogil
    cdef void _reserve_one(self, Order* order) noexcept nogil
    cdef int64_t _opening_e8(self, const ApprovedOrder* terms, int64_t lots) noexcept nogil
    cdef void _unlist(self, Order* order) noexcept nogil

cdef bint is_legal(int old_state, int new_state) noexcept nogil
