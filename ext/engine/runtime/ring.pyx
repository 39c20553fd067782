"""Bounded single-producer single-consumer ring of 64-byte descriptors.

Indices only grow; producer and consumer each own one, published with release and read with acquire order, so that the two
sides may live in different threads. A full ring refuses and counts: what overflow means is the caller's rule.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from engine.model.descriptor cimport Descriptor

cdef extern from *:
    """
    #define TW_LOAD_ACQUIRE(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define TW_STORE_RELEASE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    """
    uint64_t TW_LOAD_ACQUIRE(uint64_t*) noexcept nogil
    void TW_STORE_RELEASE(uint64_t*, uint64_t) noexcept nogil


cdef class Ring:
    """A ring of `capacity` descriptors (a power of two)."""

    def __cinit__(self, str name, uint64_t capacity):
        if capacity < 2 or capacity & (capacity - 1):
            raise ValueError(f"ring {name}: capacity {capacity} is not a power of two above 1")
        self.name = name
        self.capacity = capacity
        self.mask = capacity - 1
        self._memory = calloc(capacity + 1, sizeof(Descriptor))
        if self._memory == NULL:
            raise MemoryError(f"ring {name}")
        self.slots = <Descriptor*> ((<uint64_t> self._memory + 63) & ~(<uint64_t> 63))

    def __dealloc__(self):
        free(self._memory)

    cdef Descriptor* claim(self) noexcept nogil:
        if self.head - TW_LOAD_ACQUIRE(&self.tail) > self.mask:
            self.refused += 1
            return NULL
        return &self.slots[self.head & self.mask]

    cdef void publish(self) noexcept nogil:
        cdef uint64_t depth
        TW_STORE_RELEASE(&self.head, self.head + 1)
        depth = self.head - self.tail
        if depth > self.high_water:
            self.high_water = depth

    cdef Descriptor* peek(self) noexcept nogil:
        if self.tail == TW_LOAD_ACQUIRE(&self.head):
            return NULL
        return &self.slots[self.tail & self.mask]

    cdef void release(self) noexcept nogil:
        TW_STORE_RELEASE(&self.tail, self.tail + 1)

    cdef bint push(self, const Descriptor* item) noexcept nogil:
        cdef Descriptor* slot = self.claim()
        if slot == NULL:
            return False
        memcpy(slot, item, sizeof(Descriptor))
        self.publish()
        return True

    cdef uint64_t depth(self) noexcept nogil:
        return TW_LOAD_ACQUIRE(&self.head) - TW_LOAD_ACQUIRE(&self.tail)

    def __len__(self) -> int:
        return self.depth()

    def offer(self, int kind, uint64_t order_handle=0, int instrument_id=0, int data=0) -> bool:
        """Push a descriptor made of these fields (tests and cold callers)."""
        cdef Descriptor item
        item = Descriptor(kind, 0, 0, 0, instrument_id, 0, data, 0, 0, 0, 0, order_handle, NULL)
        return self.push(&item)

    def poll(self) -> dict | None:
        """Take the oldest descriptor as a dict, or None (tests and cold callers)."""
        cdef Descriptor* slot = self.peek()
        if slot == NULL:
            return None
        fields = {
            "kind": slot.kind, "venue_id": slot.venue_id, "account_id": slot.account_id, "strategy_id": slot.strategy_id,
            "instrument_id": slot.instrument_id, "flags": slot.flags, "data": slot.data, "seq": slot.seq,
            "cause_seq": slot.cause_seq, "wall_ns": slot.wall_ns, "mono_ns": slot.mono_ns,
            "order_handle": slot.order_handle,
        }
        self.release()
        return fields
