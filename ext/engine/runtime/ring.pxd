"""Bounded single-producer single-consumer ring of 64-byte descriptors."""
from libc.stdint cimport uint64_t
from engine.model.descriptor cimport Descriptor

cdef class Ring:
    cdef Descriptor* slots
    cdef readonly uint64_t capacity
    cdef uint64_t mask
    cdef uint64_t head          # next to claim, producer's
    cdef uint64_t tail          # next to read, consumer's
    cdef readonly uint64_t high_water
    cdef readonly uint64_t refused
    cdef readonly str name
    cdef void* _memory
    # Claim the next slot, or NULL when full (counted in `refused`). Fill it, then publish().
    cdef Descriptor* claim(self) noexcept nogil
    cdef void publish(self) noexcept nogil
    # The oldest unread slot, or NULL. Valid until release().
    cdef Descriptor* peek(self) noexcept nogil
    cdef void release(self) noexcept nogil
    cdef bint push(self, const Descriptor* item) noexcept nogil
    cdef uint64_t depth(self) noexcept nogil
