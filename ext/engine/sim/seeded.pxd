"""The venue's seeded generator; compiled agents may draw without a Python call."""
from libc.stdint cimport uint64_t

cdef class SeededRandom:
    cdef uint64_t state
    cdef double spare
    cdef bint has_spare
    cdef uint64_t next(self) noexcept nogil
    cpdef uint64_t bits64(self)
    cpdef double unit(self)
    cpdef double between(self, double low, double high)
    cpdef uint64_t below(self, uint64_t bound)
    cpdef bint chance(self, double probability)
    cpdef double exponential(self, double mean)
    cpdef double gauss(self)
    cpdef double lognormal(self, double mean, double sigma)
