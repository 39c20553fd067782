"""The clock of the World: live, or virtual."""
from libc.stdint cimport int64_t

cdef class Clock:
    cdef bint is_virtual
    cdef int64_t virtual_mono_ns
    cdef int64_t virtual_wall_ns
    cdef int64_t mono_ns(self) noexcept nogil
    cdef int64_t wall_ns(self) noexcept nogil
