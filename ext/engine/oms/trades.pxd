"""Which trades have been booked: each (instrument, trade id) once, whatever reports it and how often."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef struct TradeKey:
    int64_t trade_id
    uint32_t instrument_id
    uint32_t is_used

cdef enum:
    FOREIGN_CAPACITY = 1024  # a power of two

cdef struct ForeignFill:
    int64_t trade_id
    int64_t qty_lots
    int64_t cum_lots                 # of its order after it, as the stream told; 0 = a list said nothing of it
    int64_t named_id                 # a list's id for a fill without one, 0 = none yet
    uint32_t instrument_id
    uint32_t order_tag

cdef class TradeSet:
    cdef TradeKey* table
    cdef TradeKey* queue             # oldest first, so that memory is bounded
    cdef uint32_t capacity
    cdef uint32_t mask
    cdef uint64_t head
    cdef uint64_t tail
    cdef int64_t[512] forgotten_max  # highest id dropped per instrument: at or below it a trade counts as seen
    cdef int64_t[512] newest         # highest id seen per instrument, 0 = none
    cdef ForeignFill[FOREIGN_CAPACITY] foreign  # the newest of orders that are not ours, and every fill without an id
    cdef uint64_t foreign_count
    cdef bint add(self, uint32_t instrument_id, int64_t trade_id, int64_t qty_lots) noexcept nogil
    cdef bint add_foreign(self, uint32_t instrument_id, int64_t venue_order_id, int64_t trade_id, int64_t qty_lots,
                          int64_t cum_lots) noexcept nogil
    cdef bint has(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil
    cdef bint _has_unnamed(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil
    cdef bint _is_named_again(self, uint32_t instrument_id, uint32_t tag, int64_t trade_id, int64_t qty_lots) noexcept nogil
    cdef bint _is_covered(self, uint32_t instrument_id, uint32_t tag, int64_t qty_lots, int64_t cum_lots, bint has_unnamed) noexcept nogil
    cdef void _note(self, uint32_t instrument_id, uint32_t tag, int64_t trade_id, int64_t qty_lots, int64_t cum_lots) noexcept nogil
    cdef uint32_t _place(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil
    cdef void _drop(self, const TradeKey* key) noexcept nogil
