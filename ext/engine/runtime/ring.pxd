"""Bounded single-producer single-consumer ring of 64-byte descriptors, over memory or a mapping that two processes share."""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from engine.model.descriptor cimport Descriptor

cdef extern from "ring.h" nogil:
    ctypedef struct TwSlot:
        uint64_t word[8]
    ctypedef struct TwRingBlock:
        uint64_t magic
        uint32_t version
        uint32_t slot_bytes
        uint64_t capacity
        uint32_t crc32c
        char name[32]
        uint64_t head
        uint64_t tail_seen
        uint64_t high_water
        uint64_t refused
        uint64_t tail
        uint64_t head_seen
    ctypedef struct TwRing:
        TwRingBlock* block
        TwSlot* slots
        uint64_t mask
    uint64_t tw_ring_depth(const TwRing*) noexcept
    TwSlot* tw_ring_claim(const TwRing*) noexcept
    uint64_t tw_ring_claim_many(const TwRing*, uint64_t, TwSlot**) noexcept
    void tw_ring_publish_many(const TwRing*, uint64_t) noexcept
    void tw_ring_copy(TwSlot*, const void*) noexcept
    bint tw_ring_push(const TwRing*, const void*) noexcept
    TwSlot* tw_ring_peek(const TwRing*) noexcept
    uint64_t tw_ring_peek_many(const TwRing*, TwSlot**) noexcept
    void tw_ring_release_many(const TwRing*, uint64_t) noexcept

# Final and inline: a call costs no more than its loads and stores, in whichever module it stands.
@cython.final
cdef class Ring:
    cdef TwRing ring
    cdef readonly uint64_t capacity
    cdef readonly str name
    cdef readonly str role
    cdef readonly str path
    cdef void* _memory
    cdef size_t _mapping_bytes
    cdef int _fd
    cdef int _lay_out(self, str name, uint64_t capacity) except -1
    cdef int _map(self, uint64_t size) except -1
    cdef int _point(self, str name, uint64_t capacity) except -1
    cdef int _validate(self, str path) except -1
    cdef int _take_role(self, str role) except -1
    cdef int _require(self, str role) except -1

    # -- producer

    # Claim the next slot, or NULL when full (counted in `refused`). Fill it, then publish().
    cdef inline Descriptor* claim(self) noexcept nogil:
        return <Descriptor*> tw_ring_claim(&self.ring)

    cdef inline void publish(self) noexcept nogil:
        tw_ring_publish_many(&self.ring, 1)

    # Claim up to `wanted` slots that stand one behind the other from first[0]; returns how many (fewer at the ring's end, 0 = full).
    cdef inline uint64_t claim_many(self, uint64_t wanted, Descriptor** first) noexcept nogil:
        return tw_ring_claim_many(&self.ring, wanted, <TwSlot**> first)

    cdef inline void publish_many(self, uint64_t count) noexcept nogil:
        tw_ring_publish_many(&self.ring, count)

    cdef inline bint push(self, const Descriptor* item) noexcept nogil:
        return tw_ring_push(&self.ring, item)

    # -- consumer

    # The oldest unread slot, or NULL. Valid until release().
    cdef inline Descriptor* peek(self) noexcept nogil:
        return <Descriptor*> tw_ring_peek(&self.ring)

    cdef inline void release(self) noexcept nogil:
        tw_ring_release_many(&self.ring, 1)

    # Unread slots that stand one behind the other from first[0], oldest first; returns how many (0 = empty).
    cdef inline uint64_t peek_many(self, Descriptor** first) noexcept nogil:
        return tw_ring_peek_many(&self.ring, <TwSlot**> first)

    cdef inline void release_many(self, uint64_t count) noexcept nogil:
        tw_ring_release_many(&self.ring, count)

    # Index of the oldest unread slot, and a slot by its index, for a consumer that looks ahead: tail <= index < tail + depth.
    cdef inline uint64_t read_index(self) noexcept nogil:
        return self.ring.block.tail

    cdef inline Descriptor* at(self, uint64_t index) noexcept nogil:
        return <Descriptor*> &self.ring.slots[index & self.ring.mask]

    # -- anyone

    cdef inline uint64_t depth(self) noexcept nogil:
        return tw_ring_depth(&self.ring)
