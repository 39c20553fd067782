"""A strategy's open orders by handle."""
cimport cython
from libc.stdint cimport uint64_t

from engine.strategy.views cimport WorkingOrder

@cython.final
cdef class OwnOrders:
    cdef void** _slots             # open addressing: a WorkingOrder whose reference is the table's, or NULL
    cdef int _bits
    cdef readonly uint64_t count
    cdef void* _first              # the order that came first; each names the one behind it
    cdef void* _last
    cdef uint64_t _home(self, uint64_t handle) noexcept nogil
    cdef void** _slot_of(self, uint64_t handle) noexcept nogil
    # The order, borrowed, or NULL.
    cdef void* find(self, uint64_t handle) noexcept nogil
    # Another under its handle; one that stands already is the same order.
    cdef int put(self, WorkingOrder order) except -1
    # Was it there.
    cdef bint drop(self, uint64_t handle)
    cdef int _grow(self) except -1
    # All of them, in the order in which they came.
    cdef list rows(self)
