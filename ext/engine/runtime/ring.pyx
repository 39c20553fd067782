"""Bounded single-producer single-consumer ring of 64-byte descriptors.

Indices only grow; producer and consumer each own one, published with release and read with acquire order, so that the two
sides may live in different threads. A full ring refuses and counts: what overflow means is the caller's rule.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from engine.model.descriptor cimport Descriptor


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
