"""Order management's account: reconciliation with the venue, futures positions, funding."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from engine.model.descriptor cimport Descriptor
from engine.model.funding cimport FundingBook
from engine.oms.accounts cimport AccountBook
from engine.oms.disputes cimport Disputes
from engine.oms.orders cimport Order

cdef enum ReconcilePhase:
    RECONCILE_IDLE = 0
    RECONCILE_COLLECTING = 1    # the session reads the account
    RECONCILE_RESOLVING = 2     # what differs is asked for, order by order

cdef struct VenuePosition:
    # what the venue says of a futures position, and how often it was not what our fills say
    int64_t position_lots
    int64_t entry_price_e8
    int64_t as_of_ns
    uint64_t fills_then          # fills booked when it answered: a reading that a fill overtook says nothing
    uint8_t is_answered          # in the running reconciliation
    uint8_t misses               # answers in a row that disagree
    uint8_t is_disputed          # halted for it: `arm` takes the venue's word over

cdef class Reconciliation(Disputes):
    cdef readonly int phase
    cdef AccountBook accounts
    cdef bint cancel_on_start
    cdef bint stop_keeps_protection
    cdef bint has_started
    cdef bint is_recheck_wanted    # a position disagreed: the account is read again soon
    cdef VenuePosition[1536] venue_positions   # parallel to exposures
    cdef FundingBook book_of_funding
    cdef int64_t phase_mono_ns
    cdef int64_t begun_mono_ns        # when the reading that ends next was begun
    cdef int64_t next_reconcile_mono_ns
    cdef bint _is_ours(self, uint32_t instrument_id) noexcept nogil
    cdef void _on_venue_position(self, const Descriptor* item) noexcept nogil
    cdef void _on_funding(self, const Descriptor* item) noexcept nogil
    cdef int64_t _funding_since_ns(self) noexcept nogil
    cdef bint _positions_agree(self, uint64_t cause_seq) noexcept nogil
    cdef bint _position_agrees(self, uint32_t instrument_id, int side, uint64_t cause_seq) noexcept nogil
    cdef void _adopt(self, uint32_t instrument_id, bint is_told, uint64_t cause_seq) noexcept nogil
    cdef void _adopt_positions(self, uint32_t instrument_id, uint64_t cause_seq) noexcept nogil
    cdef void _adopt_position(self, uint32_t instrument_id, int side, uint64_t cause_seq) noexcept nogil
    cdef bint stays(self, const Order* order) noexcept nogil
    cdef bint _protects(self, const Order* order) noexcept nogil
    cdef void _drop_unlisted(self) noexcept nogil
    cdef bint _promise_late(self, Order* order) noexcept nogil
    cdef void _start_reconcile(self) noexcept nogil
    cdef void _end_reconcile(self, const Descriptor* item) noexcept nogil
    cdef bint _may_still_be_ours(self) noexcept nogil
    cdef void _resolve(self, uint64_t cause_seq) noexcept nogil
