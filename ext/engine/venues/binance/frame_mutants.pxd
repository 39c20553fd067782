"""Memory that ends in a guard page, for decoders that are given mutated frames."""

cdef class Guarded:
    cdef char* base
    cdef size_t mapped
    cdef size_t usable
    cdef char* last(self, size_t size) noexcept nogil
