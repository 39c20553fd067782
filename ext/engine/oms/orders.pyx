"""The order pool and the order's state machine.

State is derived, not stepped: reports add evidence (acknowledged, most filled, ended, unknown), fills are booked by trade id, and the
shown state is a function of that. So duplicates and any order of arrival give the same order. The table of named
transitions stands behind it as a guard: a move it does not name is refused and counted.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from engine.model.approval cimport SLOT_NONE, ApprovalRegister, ApprovedOrder
from engine.model.codes cimport *
from engine.model.records cimport Conditions
from engine.model.tables cimport INSTRUMENT_CAPACITY, POSITION_SIDES, Exposure, Instrument, Tables
from engine.oms.positions cimport tw_cost_up_e8, tw_value_e16

cdef extern from *:
    """
    /* zeroed memory that the system gives at its first use is used at once: no page is asked for while an order waits */
    static void tw_touch(void *place, size_t size) { for (size_t at = 0; at < size; at += 4096) ((volatile char *) place)[at] = 0; }
    """
    void tw_touch(void*, size_t) noexcept nogil

# what sums of many orders' values still fit 64 bits with
cdef int64_t VALUE_MAX_E8 = <int64_t> 1 << 60

# Every legal transition, by the name of what causes it.
TRANSITIONS = {
    "sent": [(ORDER_STATE_APPROVED, ORDER_STATE_PENDING_NEW)],
    "not sent": [(ORDER_STATE_APPROVED, ORDER_STATE_REJECTED)],
    "accepted": [(s, ORDER_STATE_NEW) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_UNKNOWN)],
    "partly filled": [(s, ORDER_STATE_PARTIALLY_FILLED) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_NEW, ORDER_STATE_UNKNOWN)],
    "filled": [(s, ORDER_STATE_FILLED) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_NEW, ORDER_STATE_PARTIALLY_FILLED, ORDER_STATE_PENDING_CANCEL,
        ORDER_STATE_PENDING_REPLACE, ORDER_STATE_UNKNOWN)],
    "filled late": [(s, ORDER_STATE_FILLED) for s in (
        ORDER_STATE_CANCELED, ORDER_STATE_EXPIRED, ORDER_STATE_ABSENT)],
    "cancel sent": [(s, ORDER_STATE_PENDING_CANCEL) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_NEW, ORDER_STATE_PARTIALLY_FILLED, ORDER_STATE_PENDING_REPLACE,
        ORDER_STATE_UNKNOWN)],
    "cancel refused": [(ORDER_STATE_PENDING_CANCEL, s) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_NEW, ORDER_STATE_PARTIALLY_FILLED, ORDER_STATE_PENDING_REPLACE)],
    "replace sent": [(s, ORDER_STATE_PENDING_REPLACE) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_NEW, ORDER_STATE_PARTIALLY_FILLED)],
    "replace refused": [(ORDER_STATE_PENDING_REPLACE, s) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_NEW, ORDER_STATE_PARTIALLY_FILLED)],
    "canceled": [(s, ORDER_STATE_CANCELED) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_NEW, ORDER_STATE_PARTIALLY_FILLED, ORDER_STATE_PENDING_CANCEL,
        ORDER_STATE_PENDING_REPLACE, ORDER_STATE_UNKNOWN)],
    "expired": [(s, ORDER_STATE_EXPIRED) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_NEW, ORDER_STATE_PARTIALLY_FILLED, ORDER_STATE_PENDING_CANCEL,
        ORDER_STATE_PENDING_REPLACE, ORDER_STATE_UNKNOWN)],
    "rejected": [(s, ORDER_STATE_REJECTED) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_NEW, ORDER_STATE_PENDING_CANCEL, ORDER_STATE_UNKNOWN)],
    "lost sight of": [(s, ORDER_STATE_UNKNOWN) for s in (
        ORDER_STATE_PENDING_NEW, ORDER_STATE_NEW, ORDER_STATE_PARTIALLY_FILLED, ORDER_STATE_PENDING_CANCEL,
        ORDER_STATE_PENDING_REPLACE)],
    "found waiting": [(ORDER_STATE_UNKNOWN, ORDER_STATE_PENDING_NEW), (ORDER_STATE_UNKNOWN, ORDER_STATE_PENDING_REPLACE)],
    "absent": [(ORDER_STATE_UNKNOWN, ORDER_STATE_ABSENT)],
    # of a conditional order: the venue took it, and when its price came it would not place it
    "refused at its trigger": [(ORDER_STATE_PENDING_REPLACE, ORDER_STATE_REJECTED)],
}

cdef uint32_t[16] LEGAL


cdef void _fill_legal():
    for moves in TRANSITIONS.values():
        for old, new in moves:
            LEGAL[<int> old] |= <uint32_t> 1 << <int> new


_fill_legal()


cdef bint is_legal(int old_state, int new_state) noexcept nogil:
    return (LEGAL[old_state & 15] >> (new_state & 15)) & 1


def legal(int old_state, int new_state) -> bool:
    """Is the move named in TRANSITIONS."""
    return is_legal(old_state, new_state)


cdef inline bint _is_pair(const ApprovedOrder* one, const Conditions* of_one, const ApprovedOrder* other, const Conditions* of_other) noexcept nogil:
    """Two ways of one order: what differs in more than its terms is no rival, and both count."""
    return (of_one.list_handle == of_other.list_handle and of_one.contingency == of_other.contingency
            and one.strategy_id == other.strategy_id and one.instrument_id == other.instrument_id and one.venue_id == other.venue_id
            and one.side == other.side and one.position_side == other.position_side)


cdef class OrderPool:
    """Orders in an array parallel to the register's slots; those not over are linked in the open list, oldest first."""

    def __cinit__(self, Tables tables not None, ApprovalRegister register not None):
        self.tables = tables
        self.register = register
        self.orders = <Order*> calloc(register.capacity, sizeof(Order))
        if self.orders == NULL:
            raise MemoryError("order pool")
        tw_touch(self.orders, register.capacity * sizeof(Order))
        self.first_open = self.last_open = SLOT_NONE

    def __dealloc__(self):
        free(self.orders)

    cdef Order* begin(self, uint32_t slot) noexcept nogil:
        cdef Order* order = &self.orders[slot]
        memset(order, 0, sizeof(Order))
        order.order_handle = self.register.slots[slot].order_handle
        order.state = ORDER_STATE_APPROVED
        order.is_listed = 1
        order.is_seen = 2
        order.previous_open = self.last_open
        order.next_open = SLOT_NONE
        if self.last_open == SLOT_NONE:
            self.first_open = slot
        else:
            self.orders[self.last_open].next_open = slot
        self.last_open = slot
        self.open_count += 1
        return order

    cdef Order* find(self, uint64_t order_handle) noexcept nogil:
        cdef ApprovedOrder* terms = self.register.find(order_handle)
        cdef Order* order
        if terms == NULL:
            return NULL
        order = &self.orders[self.register.index_of(terms)]
        # a slot that the gate has just taken and OMS has not seen yet still holds its former order
        return order if order.order_handle == order_handle else NULL

    cdef Order* by_venue_id(self, uint32_t instrument_id, int64_t venue_order_id) noexcept nogil:
        """By the venue's number: a walk over the pool, for reconciliation only. Of two the younger: the venue began its numbers anew."""
        cdef uint32_t slot
        cdef Order* found = NULL
        if venue_order_id <= 0:
            return NULL
        for slot in range(self.register.capacity):
            if (self.orders[slot].venue_order_id == venue_order_id and self.orders[slot].order_handle != 0
                    and self.register.slots[slot].instrument_id == instrument_id
                    and self.find(self.orders[slot].order_handle) == &self.orders[slot]
                    and (found == NULL or self.orders[slot].order_handle > found.order_handle)):
                found = &self.orders[slot]
        return found

    cdef uint32_t slot_of(self, const Order* order) noexcept nogil:
        return <uint32_t> (order - self.orders)

    cdef ApprovedOrder* terms(self, const Order* order) noexcept nogil:
        return &self.register.slots[<uint32_t> (order - self.orders)]

    cdef uint8_t evident_state(self, const Order* order) noexcept nogil:
        if order.booked_lots >= self.terms(order).qty_lots and order.booked_lots > 0:
            return ORDER_STATE_FILLED
        if order.ended:
            return order.ended
        if order.is_unknown:
            return ORDER_STATE_UNKNOWN
        if order.cancel_in_flight:
            return ORDER_STATE_PENDING_CANCEL
        if order.replace_in_flight or order.amend_in_flight:
            return ORDER_STATE_PENDING_REPLACE
        if order.booked_lots > 0:
            return ORDER_STATE_PARTIALLY_FILLED
        if order.is_acked:
            return ORDER_STATE_NEW
        return ORDER_STATE_APPROVED if order.is_list_waiting else ORDER_STATE_PENDING_NEW

    cdef int settle(self, Order* order) noexcept nogil:
        cdef uint8_t state = self.evident_state(order)
        if state == order.state:
            return 0
        if not is_legal(order.state, state):
            self.illegal_transitions += 1
            return -1
        order.state = state
        return 1

    cdef int64_t leaves_lots(self, const Order* order) noexcept nogil:
        """What may still be booked: of an ended order the fills that the venue has counted and we have not."""
        cdef int64_t most_lots = self.terms(order).qty_lots
        if order.ended:
            most_lots = min(most_lots, order.venue_cum_lots)
        return max(most_lots - order.booked_lots, <int64_t> 0)

    cdef bint is_over(self, const Order* order) noexcept nogil:
        return (order.ended != 0 or order.state == ORDER_STATE_FILLED) and self.leaves_lots(order) == 0

    cdef const Conditions* conditions(self, const Order* order) noexcept nogil:
        cdef uint32_t slot = self.slot_of(order)
        return &self.register.conditions[slot] if self.register.slots[slot].has_conditions else NULL

    cdef bint is_listed_with_others(self, const Order* order) noexcept nogil:
        cdef const Conditions* conditions = self.conditions(order)
        return conditions != NULL and conditions.list_size > 1

    cdef Order* rival(self, const Order* order) noexcept nogil:
        """The orders of a list have handles one after the other: that of the pair which is exclusive stands beside this one."""
        cdef const Conditions* conditions = self.conditions(order)
        cdef Order* other = NULL
        if conditions == NULL or conditions.list_size < 2:
            return NULL
        if conditions.contingency == CONTINGENCY_OCO:
            other = self.find(conditions.list_handle + (1 - conditions.list_index))
        elif conditions.contingency == CONTINGENCY_OTOCO and conditions.list_index > 0:
            other = self.find(conditions.list_handle + (3 - conditions.list_index))
        if other == NULL or self.conditions(other) == NULL or not _is_pair(self.terms(order), conditions, self.terms(other), self.conditions(other)):
            return NULL
        return other

    cdef Exposure* exposure(self, const ApprovedOrder* terms) noexcept nogil:
        return &self.tables.exposures[<uint32_t> terms.position_side * INSTRUMENT_CAPACITY + terms.instrument_id]

    cdef void reserve(self, Order* order) noexcept nogil:
        cdef Order* successor
        cdef Order* rival
        if not self.terms(order).has_conditions:
            self._reserve_one(order)
        else:
            # of a pair the first one first: the second counts with what it needs beyond it
            rival = self.rival(order)
            if rival != NULL and self._is_second(order):
                self._reserve_one(rival)
            self._reserve_one(order)
            if rival != NULL and not self._is_second(order):
                self._reserve_one(rival)
        if order.successor_handle:
            successor = self.find(order.successor_handle)
            if successor != NULL:
                self._reserve_one(successor)
            if not order.is_listed:
                order.successor_handle = 0

    cdef bint _is_second(self, const Order* order) noexcept nogil:
        cdef const Conditions* conditions = self.conditions(order)
        return conditions.list_index == (1 if conditions.contingency == CONTINGENCY_OCO else 2)

    cdef void _reserve_one(self, Order* order) noexcept nogil:
        cdef ApprovedOrder* terms = self.terms(order)
        cdef const Instrument* instrument = &self.tables.instruments[terms.instrument_id]
        cdef int64_t lots = self.leaves_lots(order), promised_e8
        cdef Order* replaced = self.find(terms.target_handle) if terms.target_handle else NULL
        cdef const Order* rival = self.rival(order) if terms.has_conditions else NULL
        if not order.is_listed:
            return
        if rival != NULL:
            # what one of an exclusive pair has filled the other cannot fill any more
            lots = max(lots - rival.booked_lots, <int64_t> 0)
        if terms.side == SIDE_BUY:
            promised_e8 = tw_cost_up_e8(tw_value_e16(terms.promise_price_ticks, instrument.tick_size_e8, lots, instrument.lot_size_e8))
        else:
            promised_e8 = tw_cost_up_e8(tw_value_e16(lots, instrument.lot_size_e8, 100000000, 1))
        if replaced != NULL and replaced.is_listed and replaced.successor_handle == order.order_handle:
            # money counts once, lots do not: the old order may fill before it is cancelled, and the new one fills beside that
            promised_e8 = max(promised_e8 - self.terms(replaced).promised_e8, <int64_t> 0)
        if rival != NULL and rival.is_listed and self._is_second(order):
            lots = max(lots - self.leaves_lots(rival), <int64_t> 0)
            promised_e8 = max(promised_e8 - self.terms(rival).promised_e8, <int64_t> 0)
        if lots != terms.reserved_lots:
            self.tables.move_working(terms.instrument_id, terms.position_side, terms.strategy_id, terms.side, lots - terms.reserved_lots)
        terms.reserved_lots = lots
        if instrument.kind != 0:
            self.tables.value_order(terms.instrument_id, terms.position_side % POSITION_SIDES, terms.side, &terms.valued_e8,
                                    self._opening_e8(terms, lots))
            self.tables.touch_margin(terms.instrument_id)
        if terms.promised_asset_id:
            self.register.promised_e8[terms.promised_asset_id] = self.register.promised_e8[terms.promised_asset_id] + (promised_e8 - terms.promised_e8)
            terms.promised_e8 = promised_e8
        if self.is_over(order):
            self._unlist(order)

    cdef int64_t _opening_e8(self, const ApprovedOrder* terms, int64_t lots) noexcept nogil:
        """What an order's leaves may open, at the worst price promised: nothing where it can only close."""
        cdef bint is_closing = terms.position_side != 0 and (terms.side == SIDE_BUY) != (terms.position_side == 1)
        if lots == 0 or is_closing or terms.flags & (ORDER_FLAG_REDUCE_ONLY | ORDER_FLAG_CLOSE_POSITION):
            return 0
        return min(self.tables.settle_value_e8(terms.instrument_id, terms.promise_price_ticks, lots), VALUE_MAX_E8)

    cdef void _unlist(self, Order* order) noexcept nogil:
        """The order is over: off the open list, its slot may be reused."""
        cdef ApprovedOrder* terms = self.terms(order)
        cdef uint32_t slot = self.slot_of(order)
        order.is_listed = 0
        if order.previous_open == SLOT_NONE:
            self.first_open = order.next_open
        else:
            self.orders[order.previous_open].next_open = order.next_open
        if order.next_open == SLOT_NONE:
            self.last_open = order.previous_open
        else:
            self.orders[order.next_open].previous_open = order.previous_open
        self.open_count -= 1
        self.tables.move_open_orders(terms.instrument_id, terms.position_side, terms.strategy_id, -1)
        self.register.close(slot)
