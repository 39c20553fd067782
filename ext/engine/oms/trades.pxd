"""Which trades have been booked: each (instrument, trade id) once, whatever reports it and how often."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef struct TradeKey:
    int64_t trade_id
    uint32_t instrument_id
    uint32_t is_used

cdef class TradeSet:
    cdef TradeKey* table
    cdef TradeKey* queue             # oldest first, so that memory is bounded
    cdef uint32_t capacity
    cdef uint32_t mask
    cdef uint64_t head
    cdef uint64_t tail
    cdef int64_t[512] forgotten_max  # highest id dropped per instrument: at or below it a trade counts as seen
    cdef int64_t[512] newest         # highest id seen per instrument, 0 = none
    cdef bint add(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil
    cdef bint has(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil
    cdef uint32_t _place(self, uint32_t instrument_id, int64_t trade_id) noexcept nogil
    cdef void _drop(self, const TradeKey* key) noexcept nogil
