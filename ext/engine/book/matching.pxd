"""C contract of the matching engine: operations and events as 64-byte records, nogil calls to apply and to look.

What they mean stands in docs/matching.md; ``Op``, ``Event`` and the enums in ``engine.book.matching_state``.
"""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from engine.book.matching_state cimport Core, Event, Op


@cython.final
cdef class MatchingEngine:
    cdef Core core
    # The rows of the last call; valid until the next one.
    cdef Event* out
    cdef uint64_t out_count

    # apply() applies one operation (apply_all: many) and appends its rows to the core's; begin() before a batch of them empties the rows
    # (-1: the engine is spoilt, nothing may be applied), and end() shows them in `out` (-1: there was no memory for all of them, and the
    # engine is spoilt: triggers are found from rows).
    cdef int begin(self) noexcept nogil
    cdef void apply(self, const Op* op) noexcept nogil
    cdef void apply_all(self, const Op* ops, Py_ssize_t count) noexcept nogil
    cdef int end(self) noexcept nogil
    # One operation, whose rows alone stand in `out` then.
    cdef int apply_one(self, const Op* op) except -1
    # What a level shows; the link of a live order, 0 for none.
    cdef int64_t level_total(self, uint32_t symbol, uint8_t side, int64_t price) noexcept nogil
    cdef uint32_t find(self, uint64_t order_id) noexcept nogil

    # private
    cdef int open(self) except -1
    cdef int check_symbol(self, uint32_t symbol) except -1
    cdef int apply_limit(self, uint8_t tif, uint8_t side, uint32_t symbol, uint32_t owner, uint64_t order_id, int64_t price, int64_t qty) except -1
    cdef int tell_spoilt(self) except -1
    cdef int check_whole(self) except -1
    cdef void forget_rows(self) noexcept nogil
    cdef int check_side(self, uint32_t symbol, uint8_t side) except -1
    cdef object rows_made(self, object events)
