"""Bounded single-producer single-consumer ring of 64-byte descriptors.

What a stage does with a ring at every poll stands here, inline: a call through the class would cost more than the work.
"""
cimport cython
from libc.stdint cimport uint64_t
from libc.string cimport memcpy
from engine.model.descriptor cimport Descriptor

cdef extern from *:
    """
    #define TW_LOAD_ACQUIRE(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define TW_STORE_RELEASE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    """
    uint64_t TW_LOAD_ACQUIRE(uint64_t*) noexcept nogil
    void TW_STORE_RELEASE(uint64_t*, uint64_t) noexcept nogil

@cython.final
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
    cdef inline Descriptor* claim(self) noexcept nogil:
        if self.head - TW_LOAD_ACQUIRE(&self.tail) > self.mask:
            self.refused += 1
            return NULL
        return &self.slots[self.head & self.mask]

    cdef inline void publish(self) noexcept nogil:
        cdef uint64_t depth
        TW_STORE_RELEASE(&self.head, self.head + 1)
        depth = self.head - self.tail
        if depth > self.high_water:
            self.high_water = depth

    # The oldest unread slot, or NULL. Valid until release().
    cdef inline Descriptor* peek(self) noexcept nogil:
        if self.tail == TW_LOAD_ACQUIRE(&self.head):
            return NULL
        return &self.slots[self.tail & self.mask]

    cdef inline void release(self) noexcept nogil:
        TW_STORE_RELEASE(&self.tail, self.tail + 1)

    cdef inline bint push(self, const Descriptor* item) noexcept nogil:
        cdef Descriptor* slot = self.claim()
        if slot == NULL:
            return False
        memcpy(slot, item, sizeof(Descriptor))
        self.publish()
        return True

    cdef inline uint64_t depth(self) noexcept nogil:
        return TW_LOAD_ACQUIRE(&self.head) - TW_LOAD_ACQUIRE(&self.tail)
