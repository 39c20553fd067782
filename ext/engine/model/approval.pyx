"""The register behind the one door: see approval.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from engine.model.codes cimport ORDER_FLAG_CLOSE_POSITION, ORDER_TYPE_LIMIT, SIDE_BUY, TIME_IN_FORCE_FOK, TIME_IN_FORCE_IOC
from engine.model.native cimport is_conditional


cdef extern from "engine/model/zero.h" nogil:
    void tw_zero(void*, size_t) noexcept

cdef extern from *:
    """
    /* zeroed memory that the system gives at its first use is used at once: no page is asked for while an order waits */
    static void tw_touch(void *place, size_t size) { for (size_t at = 0; at < size; at += 4096) ((volatile char *) place)[at] = 0; }
    """
    void tw_touch(void*, size_t) noexcept nogil

cdef extern from *:
    void __builtin_prefetch(const void*, int) noexcept nogil


cdef inline uint64_t _mix(uint64_t value) noexcept nogil:
    # SplitMix64 (Steele, Lea, Flood 2014): a bijection, so counters never give the same nonce twice
    value = (value ^ (value >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    value = (value ^ (value >> 27)) * <uint64_t> 0x94D049BB133111EB
    return value ^ (value >> 31)


cdef class ApprovalRegister:
    """Approvals and the orders they became. `nonce_seed` comes from the World; `capacity` orders at most are remembered."""

    def __cinit__(self, uint32_t capacity=8192, uint64_t nonce_seed=0):
        if not 2 <= capacity <= SLOT_CAPACITY_MAX:
            raise ValueError(f"approval register: capacity {capacity} is not within 2..{SLOT_CAPACITY_MAX}")
        cdef uint32_t places = 4
        while places < capacity * 2:
            places *= 2
        self.capacity = capacity
        self.slots = <ApprovedOrder*> calloc(capacity, sizeof(ApprovedOrder))
        self.conditions = <Conditions*> calloc(capacity, sizeof(Conditions))
        self._free = <uint32_t*> calloc(capacity, sizeof(uint32_t))
        self._next_resting = <uint32_t*> calloc(capacity, sizeof(uint32_t))
        self._previous_resting = <uint32_t*> calloc(capacity, sizeof(uint32_t))
        self._next_leg = <uint32_t*> calloc(capacity, sizeof(uint32_t))
        self._previous_leg = <uint32_t*> calloc(capacity, sizeof(uint32_t))
        self._first_alike = <uint32_t*> calloc(places, sizeof(uint32_t))
        self._next_alike = <uint32_t*> calloc(capacity, sizeof(uint32_t))
        if not (self.slots and self.conditions and self._free and self._first_alike and self._next_alike and self._next_resting and self._previous_resting
                and self._next_leg and self._previous_leg):
            raise MemoryError("approval register")
        tw_touch(self.slots, capacity * sizeof(ApprovedOrder))
        tw_touch(self.conditions, capacity * sizeof(Conditions))
        self._place_mask = places - 1
        self._seed = nonce_seed
        self.empty()

    cdef void empty(self) noexcept:
        """No order, no chain; what is promised and halted stays."""
        cdef uint32_t i
        memset(self.slots, 0, self.capacity * sizeof(ApprovedOrder))
        memset(self.conditions, 0, self.capacity * sizeof(Conditions))
        memset(self._first_alike, 0, (self._place_mask + 1) * sizeof(uint32_t))
        memset(self._next_alike, 0, self.capacity * sizeof(uint32_t))
        memset(self.conditional_orders, 0, sizeof(self.conditional_orders))
        memset(self.line_conditional_orders, 0, sizeof(self.line_conditional_orders))
        memset(self.iceberg_orders, 0, sizeof(self.iceberg_orders))
        memset(self.order_lists, 0, sizeof(self.order_lists))
        memset(self._best_resting, 0, sizeof(self._best_resting))
        self.open_orders = 0
        self._closed_head = self._closed_tail = SLOT_NONE
        self._free_count = self.capacity
        for i in range(self.capacity):
            self._free[i] = self.capacity - 1 - i
        for i in range(1024):
            self._first_resting[i] = SLOT_NONE
        for i in range(512):
            self._first_waiting[i] = self._first_leg[i] = SLOT_NONE

    def __dealloc__(self):
        free(self.slots)
        free(self.conditions)
        free(self._free)
        free(self._next_resting)
        free(self._previous_resting)
        free(self._next_leg)
        free(self._previous_leg)
        free(self._first_alike)
        free(self._next_alike)

    def __reduce__(self):
        raise TypeError("approvals cannot be pickled or copied")

    def __copy__(self):
        raise TypeError("approvals cannot be copied")

    def __deepcopy__(self, memo):
        raise TypeError("approvals cannot be copied")

    def halts(self) -> dict:
        """HaltReason numbers of halted instruments and strategies: {"instruments": {id: reason}, "strategies": {id: reason}}."""
        return {
            "instruments": {i: self.instrument_halts[i] for i in range(512) if self.instrument_halts[i]},
            "strategies": {i: self.strategy_halts[i] for i in range(64) if self.strategy_halts[i]},
        }

    def promised(self, int asset_id) -> int:
        """What approved orders may still spend of an asset, in 10^-8."""
        if not 0 < asset_id < 512:
            raise IndexError(asset_id)
        return self.promised_e8[asset_id]

    def waiting(self, uint32_t instrument_id) -> dict:
        """What venues count on an instrument: {"conditional": n, "iceberg": n, "lists": n}, orders in flight and UNKNOWN included."""
        if not 0 < instrument_id < 512:
            raise IndexError(instrument_id)
        return {"conditional": self.conditional_orders[instrument_id], "iceberg": self.iceberg_orders[instrument_id],
                "lists": self.order_lists[instrument_id]}

    cdef int take_issuer(self) except -1:
        if self._issuer_taken:
            raise RuntimeError("this approval register has its gate: a second one may not issue from it")
        self._issuer_taken = True
        return 0

    cdef ApprovedOrder* issue(self, uint64_t order_handle) noexcept nogil:
        cdef ApprovedOrder* item = self._take(order_handle)
        if item == NULL:
            return NULL
        self._counter += 1
        item.nonce = (<uint64_t> item.generation << 32) | <uint32_t> _mix(self._seed + self._counter)
        item.state = SLOT_ISSUED
        self.issued += 1
        self.open_orders += 1
        return item

    cdef ApprovedOrder* admit(self, uint64_t order_handle) noexcept nogil:
        cdef ApprovedOrder* item = self._take(order_handle)
        if item == NULL:
            return NULL
        item.state = SLOT_SPENT
        self.open_orders += 1
        return item

    cdef int consume(self, uint32_t slot, uint64_t nonce, uint64_t order_handle) noexcept nogil:
        cdef ApprovedOrder* item
        if slot < self.capacity and nonce != 0 and order_handle != 0:
            item = &self.slots[slot]
            if (item.state == SLOT_ISSUED and item.nonce == nonce and item.order_handle == order_handle
                    and item.generation == <uint32_t> (nonce >> 32)):
                item.state = SLOT_SPENT
                self.consumed += 1
                return 1
        self.refused += 1
        return 0

    cdef void close(self, uint32_t slot) noexcept nogil:
        cdef ApprovedOrder* item = &self.slots[slot]
        if item.state == SLOT_FREE or item.state == SLOT_CLOSED:
            return
        if item.is_resting:
            self._leave(slot)
        if item.is_waiting:
            self._leave_waiting(slot)
        if item.is_iceberg:
            self.iceberg_orders[item.instrument_id & 511] -= 1
        if item.is_leg:
            self._leave_list(slot)
        item.is_iceberg = 0
        item.state = SLOT_CLOSED
        item.next_closed = SLOT_NONE
        self.open_orders -= 1
        if self._closed_tail == SLOT_NONE:
            self._closed_head = slot
        else:
            self.slots[self._closed_tail].next_closed = slot
        self._closed_tail = slot

    cdef void enter(self, uint32_t slot) noexcept nogil:
        cdef ApprovedOrder* item = &self.slots[slot]
        if item.order_type == ORDER_TYPE_LIMIT:
            self._rest(slot)
        elif is_conditional(item.order_type):
            self._wait(slot)
        if item.has_conditions:
            self._join(slot)

    cdef void _wait(self, uint32_t slot) noexcept nogil:
        cdef ApprovedOrder* item = &self.slots[slot]
        cdef uint32_t row = item.instrument_id & 511, first = self._first_waiting[row]
        if item.is_waiting:
            return
        item.is_waiting = 1
        self.conditional_orders[row] += 1
        self.line_conditional_orders[item.venue_id & 15] += 1
        self._next_resting[slot] = first
        self._previous_resting[slot] = SLOT_NONE
        self._first_waiting[row] = slot
        if first != SLOT_NONE:
            self._previous_resting[first] = slot

    cdef void _join(self, uint32_t slot) noexcept nogil:
        """What its conditions make of it: an iceberg, one of a list."""
        cdef ApprovedOrder* item = &self.slots[slot]
        cdef const Conditions* conditions = &self.conditions[slot]
        cdef uint32_t row = item.instrument_id & 511, first = self._first_leg[row]
        if conditions.display_lots and not item.is_iceberg:
            item.is_iceberg = 1
            self.iceberg_orders[row] += 1
        if conditions.list_size == 0 or item.is_leg:
            return
        if not self.has_list(row, conditions.list_handle):
            self.order_lists[row] += 1
        item.is_leg = 1
        self._next_leg[slot] = first
        self._previous_leg[slot] = SLOT_NONE
        self._first_leg[row] = slot
        if first != SLOT_NONE:
            self._previous_leg[first] = slot

    cdef bint has_list(self, uint32_t instrument_id, uint64_t list_handle) noexcept nogil:
        cdef uint32_t slot = self._first_leg[instrument_id & 511]
        while slot != SLOT_NONE:
            if self.conditions[slot].list_handle == list_handle:
                return True
            slot = self._next_leg[slot]
        return False

    cdef const ApprovedOrder* closing_like(self, uint32_t instrument_id, int side, int position_side, int order_type) noexcept nogil:
        cdef uint32_t slot = self._first_waiting[instrument_id & 511]
        cdef const ApprovedOrder* item
        while slot != SLOT_NONE:
            item = &self.slots[slot]
            if (item.flags & ORDER_FLAG_CLOSE_POSITION and item.side == side and item.position_side == position_side
                    and item.order_type == order_type):
                return item
            slot = self._next_resting[slot]
        return NULL

    cdef void trigger(self, uint32_t slot) noexcept nogil:
        if self.slots[slot].is_waiting:
            self._leave_waiting(slot)

    cdef void _leave_waiting(self, uint32_t slot) noexcept nogil:
        cdef ApprovedOrder* item = &self.slots[slot]
        cdef uint32_t row = item.instrument_id & 511, following = self._next_resting[slot], previous = self._previous_resting[slot]
        if following != SLOT_NONE:
            self._previous_resting[following] = previous
        if previous != SLOT_NONE:
            self._next_resting[previous] = following
        else:
            self._first_waiting[row] = following
        item.is_waiting = 0
        self.conditional_orders[row] -= 1
        self.line_conditional_orders[item.venue_id & 15] -= 1

    cdef void _leave_list(self, uint32_t slot) noexcept nogil:
        cdef ApprovedOrder* item = &self.slots[slot]
        cdef uint32_t row = item.instrument_id & 511, following = self._next_leg[slot], previous = self._previous_leg[slot]
        if following != SLOT_NONE:
            self._previous_leg[following] = previous
        if previous != SLOT_NONE:
            self._next_leg[previous] = following
        else:
            self._first_leg[row] = following
        item.is_leg = 0
        if not self.has_list(row, self.conditions[slot].list_handle):
            self.order_lists[row] -= 1

    cdef void _rest(self, uint32_t slot) noexcept nogil:
        cdef ApprovedOrder* item = &self.slots[slot]
        cdef uint32_t row = (item.instrument_id * 2 + item.side) & 1023
        cdef uint32_t first = self._first_resting[row]
        if item.time_in_force == TIME_IN_FORCE_IOC or item.time_in_force == TIME_IN_FORCE_FOK or item.is_resting or item.side > 1:
            return
        item.is_resting = 1
        self._next_resting[slot] = first
        self._previous_resting[slot] = SLOT_NONE
        self._first_resting[row] = slot
        if first == SLOT_NONE:
            self._best_resting[row] = item.price_ticks
            return
        self._previous_resting[first] = slot
        if (item.price_ticks > self._best_resting[row]) == (item.side == SIDE_BUY):
            self._best_resting[row] = item.price_ticks

    cdef const ApprovedOrder* reached(self, uint32_t instrument_id, int side, int64_t price_ticks) noexcept nogil:
        """A remembered price, bettered by no order that is left, answers nearly always; only where it is met are the orders looked through."""
        cdef uint32_t row = (instrument_id * 2 + (1 - side)) & 1023
        cdef const ApprovedOrder* best
        if self._first_resting[row] == SLOT_NONE:
            return NULL
        if (price_ticks < self._best_resting[row]) if side == SIDE_BUY else (price_ticks > self._best_resting[row]):
            return NULL
        best = self._find_best(row)
        self._best_resting[row] = best.price_ticks
        if (price_ticks < best.price_ticks) if side == SIDE_BUY else (price_ticks > best.price_ticks):
            return NULL
        return best

    cdef const ApprovedOrder* _find_best(self, uint32_t row) noexcept nogil:
        """The highest buy or the lowest sell of a list that is not empty."""
        cdef uint32_t slot = self._first_resting[row]
        cdef const ApprovedOrder* best = &self.slots[slot]
        while slot != SLOT_NONE:
            if (self.slots[slot].price_ticks > best.price_ticks) if row & 1 == SIDE_BUY else (self.slots[slot].price_ticks < best.price_ticks):
                best = &self.slots[slot]
            slot = self._next_resting[slot]
        return best

    cdef void _leave(self, uint32_t slot) noexcept nogil:
        cdef ApprovedOrder* item = &self.slots[slot]
        cdef uint32_t following = self._next_resting[slot], previous = self._previous_resting[slot]
        if following != SLOT_NONE:
            self._previous_resting[following] = previous
        if previous != SLOT_NONE:
            self._next_resting[previous] = following
        else:
            self._first_resting[(item.instrument_id * 2 + item.side) & 1023] = following
        item.is_resting = 0

    cdef ApprovedOrder* _take(self, uint64_t order_handle) noexcept nogil:
        cdef uint32_t slot, generation, place
        if order_handle == 0 or self.find(order_handle) != NULL:
            return NULL
        if self._free_count:
            self._free_count -= 1
            slot = self._free[self._free_count]
        elif self._closed_head != SLOT_NONE:
            slot = self._closed_head
            self._closed_head = self.slots[slot].next_closed
            if self._closed_head == SLOT_NONE:
                self._closed_tail = SLOT_NONE
            self._forget(slot)
        else:
            return NULL
        generation = self.slots[slot].generation + 1
        tw_zero(&self.slots[slot], sizeof(ApprovedOrder))
        self.slots[slot].generation = generation
        self.slots[slot].order_handle = order_handle
        place = self._place(order_handle)
        self._next_alike[slot] = self._first_alike[place]
        self._first_alike[place] = slot + 1
        self._fetch_next()
        return &self.slots[slot]

    cdef void _fetch_next(self) noexcept nogil:
        """Slots are reused oldest first, so the next order's lies cold in memory: ask for it early, and for the one after it, whose
        place the next one tells."""
        cdef uint32_t slot = self.next_slot()
        if not self._free_count and slot != SLOT_NONE:
            slot = self.slots[slot].next_closed
        if slot != SLOT_NONE:
            __builtin_prefetch(&self.slots[slot], 1)
            __builtin_prefetch(<const char*> &self.slots[slot] + 64, 1)
            __builtin_prefetch(<const char*> &self.slots[slot] + 128, 1)

    cdef void _forget(self, uint32_t slot) noexcept nogil:
        """Take the slot out of its handle's chain."""
        cdef uint32_t* link = &self._first_alike[self._place(self.slots[slot].order_handle)]
        while link[0] and link[0] != slot + 1:
            link = &self._next_alike[link[0] - 1]
        if link[0]:
            link[0] = self._next_alike[slot]
