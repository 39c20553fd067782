"""Which trades have been booked: each side of an (instrument, trade id) once, whatever reports it and how often."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.oms.scribe cimport FillFacts

cdef enum Verdict:
    TRADE_NEW = 0
    TRADE_REPEATED = 1
    TRADE_CONTRADICTED = 2   # its id stands for another trade

cdef struct TradeKey:
    int64_t trade_id
    uint32_t instrument_id
    uint32_t terms_tag       # of price and quantity, which both sides have alike; 0 = the place is free
    uint32_t buyer_tag       # of the handle of our order, or OTHERS_TAG; 0 = this side has not been booked
    uint32_t seller_tag

cdef enum:
    FOREIGN_CAPACITY = 1024  # a power of two

cdef enum:
    # `is_external` of a FILL that takes a trade back: booked as another's once, and an order's of ours
    TAKEN_BACK = 2

cdef struct ForeignFill:
    int64_t trade_id
    int64_t qty_lots
    int64_t cum_lots                 # of its order after it, as the stream told; 0 = a list said nothing of it
    int64_t named_id                 # a list's id for a fill without one, 0 = none yet
    uint32_t instrument_id
    uint32_t order_tag               # of the venue's number; of our handle where a fill of another's turned out to be ours

cdef class TradeSet:
    cdef TradeKey* table
    cdef TradeKey* queue             # oldest first, so that memory is bounded
    cdef uint32_t capacity
    cdef uint32_t mask
    cdef uint64_t head
    cdef uint64_t tail
    cdef int64_t[512] forgotten_max  # highest id dropped per instrument: at or below it a trade counts as seen
    cdef int64_t[512] newest         # highest id seen per instrument, 0 = none
    cdef uint64_t[512] newest_handle # the youngest order handle that there was when `newest` was added
    cdef ForeignFill[FOREIGN_CAPACITY] foreign  # the newest of orders that are not ours, and every fill without an id
    cdef uint64_t foreign_count
    # `order_handle`: 0 = not known to be of an order of ours; `youngest_handle`: the last that was given to an order.
    cdef int judge(self, const FillFacts* facts, uint64_t order_handle) noexcept nogil
    cdef int add(self, const FillFacts* facts, uint64_t order_handle, uint64_t youngest_handle) noexcept nogil
    cdef int add_foreign(self, const FillFacts* facts, int64_t venue_order_id, int64_t cum_lots, uint64_t order_handle,
                         uint64_t youngest_handle) noexcept nogil
    # The trade under its id, whatever stood there; True where the venue's ids began anew, and the old ones were forgotten.
    cdef bint replace(self, const FillFacts* facts, uint64_t order_handle, uint64_t youngest_handle) noexcept nogil
    cdef bint began_anew(self, const FillFacts* facts, uint64_t order_handle) noexcept nogil
    cdef void forget(self, uint32_t instrument_id) noexcept nogil
    # Is the trade booked, and its side as another's.
    cdef bint stands_as_others(self, const FillFacts* facts) noexcept nogil
    # Its side is an order's of ours from now on: taken back, and as that never again.
    cdef void mark_taken(self, const FillFacts* facts) noexcept nogil
    # What was taken back of an order without telling of which trades (`note_untold`, then `claim_untold`); NULL = nothing.
    cdef ForeignFill* untold_of(self, uint32_t instrument_id, uint64_t order_handle) noexcept nogil
    cdef void note_untold(self, uint32_t instrument_id, int64_t qty_lots) noexcept nogil
    cdef void claim_untold(self, uint32_t instrument_id, int64_t qty_lots, uint64_t order_handle) noexcept nogil
    cdef void _note_others(self, const FillFacts* facts, uint64_t order_handle) noexcept nogil
    cdef int _judge_side(self, const TradeKey* key, const FillFacts* facts, uint64_t order_handle) noexcept nogil
    cdef void _put(self, const TradeKey* key) noexcept nogil
    cdef bint _has_unnamed(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil
    cdef bint _is_named_again(self, uint32_t instrument_id, uint32_t tag, int64_t trade_id, int64_t qty_lots) noexcept nogil
    cdef bint _is_covered(self, uint32_t instrument_id, uint32_t tag, int64_t qty_lots, int64_t cum_lots, bint has_unnamed) noexcept nogil
    cdef void _note(self, uint32_t instrument_id, uint32_t tag, int64_t trade_id, int64_t qty_lots, int64_t cum_lots) noexcept nogil
    cdef uint32_t _place(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil
    cdef void _drop(self, const TradeKey* key) noexcept nogil
