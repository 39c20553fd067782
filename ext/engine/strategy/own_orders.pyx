"""A strategy's open orders by handle, without a Python integer for each look: an order is looked for at every event of it.

Linear probing, half full at most, what stands behind a dropped one is moved up. Walked in the order in which they came, as a dict is:
what asks for the cancel of all must ask in the same order in a replay.
"""
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport calloc, free

cdef enum:
    FIRST_BITS = 6


cdef class OwnOrders:
    """Of one strategy. Memory is taken with the first order."""

    def __dealloc__(self):
        cdef uint64_t i
        if self._slots == NULL:
            return
        for i in range(<uint64_t> 1 << self._bits):
            if self._slots[i] != NULL:
                Py_DECREF(<WorkingOrder> self._slots[i])
        free(self._slots)

    cdef uint64_t _home(self, uint64_t handle) noexcept nogil:
        return (handle * 0x9E3779B97F4A7C15u) >> (64 - self._bits)

    cdef void** _slot_of(self, uint64_t handle) noexcept nogil:
        """Where it stands, or the free slot where it would."""
        cdef uint64_t place = self._home(handle), mask = (<uint64_t> 1 << self._bits) - 1
        while self._slots[place] != NULL and (<WorkingOrder> self._slots[place]).handle != handle:
            place = (place + 1) & mask
        return &self._slots[place]

    cdef void* find(self, uint64_t handle) noexcept nogil:
        return NULL if self._slots == NULL else self._slot_of(handle)[0]

    cdef int put(self, WorkingOrder order) except -1:
        cdef void** slot
        if self._slots == NULL or 2 * (self.count + 1) > <uint64_t> 1 << self._bits:
            self._grow()
        slot = self._slot_of(order.handle)
        if slot[0] != NULL:
            self.drop(order.handle)
            slot = self._slot_of(order.handle)
        Py_INCREF(order)
        slot[0] = <void*> order
        self.count += 1
        order.behind = NULL
        order.before = self._last
        if self._last == NULL:
            self._first = slot[0]
        else:
            (<WorkingOrder> self._last).behind = slot[0]
        self._last = slot[0]
        return 0

    cdef bint drop(self, uint64_t handle):
        cdef uint64_t mask = (<uint64_t> 1 << self._bits) - 1, hole, place
        cdef void** slot
        cdef void* found = self.find(handle)
        if found == NULL:
            return False
        slot = self._slot_of(handle)
        hole = place = <uint64_t> (slot - self._slots)
        while True:
            place = (place + 1) & mask
            if self._slots[place] == NULL:
                break
            # it may stand in the hole where its home does not lie behind the hole
            if ((place - self._home((<WorkingOrder> self._slots[place]).handle)) & mask) >= ((place - hole) & mask):
                self._slots[hole] = self._slots[place]
                hole = place
        self._slots[hole] = NULL
        self.count -= 1
        if (<WorkingOrder> found).before == NULL:
            self._first = (<WorkingOrder> found).behind
        else:
            (<WorkingOrder> (<WorkingOrder> found).before).behind = (<WorkingOrder> found).behind
        if (<WorkingOrder> found).behind == NULL:
            self._last = (<WorkingOrder> found).before
        else:
            (<WorkingOrder> (<WorkingOrder> found).behind).before = (<WorkingOrder> found).before
        Py_DECREF(<WorkingOrder> found)
        return True

    cdef int _grow(self) except -1:
        cdef void** old = self._slots
        cdef void** slots
        cdef int bits = FIRST_BITS if old == NULL else self._bits + 1
        cdef uint64_t i
        slots = <void**> calloc(<size_t> 1 << bits, sizeof(void*))
        if slots == NULL:
            raise MemoryError("own orders")
        self._slots = slots
        i = 0 if old == NULL else <uint64_t> 1 << self._bits
        self._bits = bits
        while i:
            i -= 1
            if old[i] != NULL:
                self._slot_of((<WorkingOrder> old[i]).handle)[0] = old[i]
        free(old)
        return 0

    cdef list rows(self):
        cdef list found = []
        cdef void* order = self._first
        while order != NULL:
            found.append(<WorkingOrder> order)
            order = (<WorkingOrder> order).behind
        return found

    # --- for tests ---

    def add(self, WorkingOrder order not None) -> None:
        self.put(order)

    def remove(self, uint64_t handle) -> bool:
        return self.drop(handle)

    def get(self, uint64_t handle) -> WorkingOrder | None:
        cdef void* found = self.find(handle)
        return None if found == NULL else <WorkingOrder> found

    def all(self) -> list:
        return self.rows()

    def __len__(self) -> int:
        return self.count


def working_order(uint64_t handle) -> WorkingOrder:
    """An order with nothing but its handle (tests)."""
    cdef WorkingOrder order = WorkingOrder.__new__(WorkingOrder)
    order.handle = handle
    return order
