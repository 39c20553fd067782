"""The order desk: what strategies ask for becomes INTENT records and descriptors for the gate.

Nothing here calls a strategy. A wish that cannot be passed on (disabled, paused, ring full, journal full) is refused with a
notice that the runner delivers in a later turn. Cancels are never refused: one that finds no room waits and is retried.
"""
from libc.string cimport memcpy, memset

from engine.model.codes cimport (
    COUNTER_REFUSED, INTENT_ACTION_AMEND, INTENT_ACTION_CANCEL, INTENT_ACTION_SUBMIT, LANE_LEDGER, NATIVE_FEATURE_AMEND, ORDER_FLAG_REDUCE_ONLY,
    ORDER_STATE_FILLED, ORDER_STATE_HELD, ORDER_STATE_NEW, ORDER_STATE_NONE, ORDER_STATE_PARTIALLY_FILLED, ORDER_TYPE_LIMIT,
    PARENT_STATE_DONE, REASON_JOURNAL_FULL, REASON_MESSAGE_RATE, REASON_NONE, REASON_RING_FULL, REASON_STRATEGY_DISABLED,
    REASON_STRATEGY_PAUSED, REASON_UNSUPPORTED, RECORD_KIND_HELD_ORDER, RECORD_KIND_INSTRUCTION, RECORD_KIND_INTENT,
    RECORD_KIND_VERDICT,
)
from engine.model.native cimport native_reason
from engine.model.records cimport ParentStatePayload, VerdictPayload
from engine.model.tables cimport STRATEGY_CAPACITY, StrategyState

from engine.model.instructions import Held, OrderList, OrderTerms, encode


cdef object terms_of(const IntentPayload* wish, const Conditions* conditions, uint64_t handle):
    """An order with all its terms as an instruction names it."""
    cdef dict more = {}
    if conditions != NULL:
        more = {
            "trigger_source": conditions.trigger_source, "trail_kind": conditions.trail_kind, "trail_amount": conditions.trail_amount,
            "activation_ticks": conditions.activation_ticks, "limit_offset_ticks": conditions.limit_offset_ticks,
            "display_lots": conditions.display_lots,
        }
    return OrderTerms(
        side=wish.side, order_type=wish.order_type, qty_lots=wish.qty_lots, price_ticks=wish.price_ticks,
        trigger_ticks=wish.trigger_ticks, time_in_force=wish.time_in_force, expire_ns=wish.expire_ns, flags=wish.flags,
        position_side=wish.position_side, handle=handle, **more)


cdef class OrderDesk:
    """Intents out, own orders kept. One desk serves all strategies of a runner."""

    def __init__(self, Journal journal not None, Tables tables not None, Counters counters not None, Ring intents not None,
                 Turn turn not None, int account_id, uint32_t orders_per_input_max, Ring instructions=None):
        self._journal = journal
        self._tables = tables
        self._counters = counters
        self._intents = intents
        self._instructions = instructions
        self.parents = [{} for _ in range(STRATEGY_CAPACITY)]
        self._turn = turn
        self._account_id = account_id
        self._orders_per_input_max = orders_per_input_max
        self.orders = [OwnOrders() for _ in range(STRATEGY_CAPACITY)]
        self.notices = []
        self.waiting_cancels = {}

    cdef uint64_t submit(self, uint16_t strategy_id, const IntentPayload* wish, uint32_t instrument_id) except 0:
        """Pass a new order or a replace on; its handle. Never fails: what cannot go on is refused a turn later."""
        cdef uint64_t handle = self._tables.next_handle()
        self._submit_as(handle, strategy_id, wish, NULL, instrument_id)
        return handle

    cdef uint64_t place(self, uint16_t strategy_id, const IntentPayload* wish, const Conditions* conditions, uint32_t instrument_id) except 0:
        cdef uint64_t handle
        if native_reason(&self._tables.instruments[instrument_id], wish, conditions, self._turn.wall_ns) != REASON_NONE:
            return self.hold(strategy_id, wish, conditions, instrument_id)
        handle = self._tables.next_handle()
        self._submit_as(handle, strategy_id, wish, conditions, instrument_id)
        return handle

    cdef uint64_t place_list(self, uint16_t strategy_id, const IntentPayload* wishes, Conditions* conditions, int count,
                             uint32_t instrument_id) except 0:
        """All of them are native or none is: a list is one request, or the engine's own work."""
        cdef uint64_t first
        cdef int i
        for i in range(count):
            conditions[i].list_size = <uint8_t> count
            conditions[i].list_index = <uint8_t> i
            if native_reason(&self._tables.instruments[instrument_id], &wishes[i], &conditions[i], self._turn.wall_ns) != REASON_NONE:
                return self.hold_list(strategy_id, wishes, conditions, count, instrument_id)
        first = self._tables.next_handle()
        for i in range(1, count):
            self._tables.next_handle()
        for i in range(count):
            conditions[i].list_handle = first
            self._submit_as(first + i, strategy_id, &wishes[i], &conditions[i], instrument_id)
        return first

    cdef uint64_t hold(self, uint16_t strategy_id, const IntentPayload* wish, const Conditions* conditions, uint32_t instrument_id) except 0:
        """What the venue does not do by itself: to the execution stage. Not a replace: an order at the venue stays there."""
        cdef uint64_t handle = self._tables.next_handle()
        if wish.action != INTENT_ACTION_SUBMIT:
            self._refuse(self._track(strategy_id, handle, instrument_id), REASON_UNSUPPORTED, 0)
            return handle
        terms = terms_of(wish, conditions, handle)
        self._hold_as(strategy_id, instrument_id, handle, Held(instrument_id=instrument_id, handle=handle, order=terms), [terms])
        return handle

    cdef uint64_t hold_list(self, uint16_t strategy_id, const IntentPayload* wishes, const Conditions* conditions, int count,
                            uint32_t instrument_id) except 0:
        cdef uint64_t first = self._tables.next_handle(), handle = first
        cdef int i
        cdef list orders = []
        for i in range(count):
            orders.append(terms_of(&wishes[i], &conditions[i], handle))
            handle = self._tables.next_handle()
        wish = OrderList(instrument_id=instrument_id, handle=handle, contingency=conditions[0].contingency, orders=tuple(orders))
        self._hold_as(strategy_id, instrument_id, handle, wish, orders)
        return first

    def _hold_as(self, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle, wish, list orders) -> None:
        """The instruction, and its orders tracked; refused here they end a turn later."""
        cdef uint16_t reason
        for terms in orders:
            self.track_staged(strategy_id, instrument_id, terms.handle, terms)
        reason = self.instruct(strategy_id, instrument_id, handle, encode(wish), False)
        if reason != REASON_NONE:
            for terms in orders:
                self._refuse(self.find(strategy_id, terms.handle), reason, 0)

    cdef bint amend(self, uint16_t strategy_id, uint64_t handle, int64_t qty_lots) except -1:
        """False where there is nothing to make smaller, or the venue cannot."""
        cdef WorkingOrder order = self.find(strategy_id, handle)
        if (order is None or order.is_ended or order.cancel_requested or not order.cum_qty_lots < qty_lots < order.qty_lots
                or not self._tables.instruments[order.instrument_id].native_order_types & NATIVE_FEATURE_AMEND):
            return False
        return self._send_change(order, INTENT_ACTION_AMEND, qty_lots)

    cdef int drop_list(self, WorkingOrder order) except -1:
        cdef int i
        for i in range(order.list_size):
            if order.list_handle + i != order.handle:
                self.cancel(order.strategy_id, order.list_handle + i)
        return 0

    cdef int _submit_as(self, uint64_t handle, uint16_t strategy_id, const IntentPayload* wish, const Conditions* conditions,
                        uint32_t instrument_id) except -1:
        cdef uint64_t intent_seq = 0
        cdef uint16_t reason = self._reason_against(strategy_id)
        cdef WorkingOrder order = self._track(strategy_id, handle, instrument_id)
        cdef Descriptor* slot = NULL
        order.side = wish.side
        order.order_type = wish.order_type
        order.time_in_force = wish.time_in_force
        order.flags = wish.flags
        order.price_ticks = wish.price_ticks
        order.qty_lots = wish.qty_lots
        order.replaces = wish.target_handle
        order.trigger_ticks = wish.trigger_ticks
        order.expire_ns = wish.expire_ns
        order.position_side = wish.position_side
        if conditions != NULL:
            order.conditions = conditions[0]
            order.has_conditions = True
            order.list_handle = conditions.list_handle
            order.list_size = conditions.list_size
        self._tables.strategies[strategy_id].orders += 1
        if self._is_runaway(strategy_id):
            # not even written down: a loop of orders must not fill the journal
            self._refuse(order, REASON_MESSAGE_RATE, 0)
            return 0
        if reason == REASON_NONE:
            slot = self._intents.claim()
            if slot == NULL:
                reason = REASON_RING_FULL
        intent_seq = self._write_intent(order, wish, conditions, False)
        if intent_seq == 0:
            reason = REASON_JOURNAL_FULL
        if reason != REASON_NONE:
            self._refuse(order, reason, intent_seq)
        else:
            self._push(slot, order, wish.action, intent_seq)
        return 0

    cdef bint cancel(self, uint16_t strategy_id, uint64_t handle) except -1:
        """Ask for a cancel; False when the order has ended or is not the strategy's. Asking twice sends one."""
        cdef WorkingOrder order = self.find(strategy_id, handle)
        if order is None or order.is_ended:
            return False
        if not order.cancel_requested:
            order.cancel_requested = True
            if not self._pass_cancel(order):
                self.waiting_cancels[handle] = order
        return True

    cdef int cancel_all(self, uint16_t strategy_id) except -1:
        """Ask for a cancel of every open order of the strategy; returns how many were asked for now."""
        cdef int count = 0
        for order in (<OwnOrders> self.orders[strategy_id]).rows():
            if not (<WorkingOrder> order).cancel_requested and not (<WorkingOrder> order).is_child:
                count += self.cancel(strategy_id, (<WorkingOrder> order).handle)
        for handle, instrument_id in list((<dict> self.parents[strategy_id]).items()):
            if (<OwnOrders> self.orders[strategy_id]).find(handle) == NULL:
                self._send_stage_cancel(strategy_id, instrument_id, handle)
        return count

    cdef int cancel_quotes(self, uint16_t strategy_id, uint32_t instrument_id) except -1:
        """Ask for a cancel of the strategy's resting limit orders in one instrument that could add risk: stops and reduce-only
        orders stay. Returns how many were asked for now."""
        cdef int count = 0
        cdef WorkingOrder order
        for item in (<OwnOrders> self.orders[strategy_id]).rows():
            order = <WorkingOrder> item
            if (order.instrument_id == instrument_id and order.order_type == ORDER_TYPE_LIMIT and not order.cancel_requested
                    and not order.flags & ORDER_FLAG_REDUCE_ONLY and not order.is_child and not order.is_staged):
                count += self.cancel(strategy_id, order.handle)
        return count

    cdef int flush(self) except -1:
        """Retry cancels that found no room."""
        cdef WorkingOrder order
        cdef int done = 0
        for handle in list(self.waiting_cancels):
            order = self.waiting_cancels[handle]
            if not order.is_ended and not self._pass_cancel(order):
                return done
            del self.waiting_cancels[handle]
            done += 1
        return done

    cdef WorkingOrder find(self, uint16_t strategy_id, uint64_t handle):
        cdef void* found = (<OwnOrders> self.orders[strategy_id]).find(handle)
        return None if found == NULL else <WorkingOrder> found

    cdef WorkingOrder apply(self, const Descriptor* event):
        """Bring the strategy's own order up to an ORDER_STATE record; an order of an earlier run is taken in."""
        cdef const OrderStatePayload* payload = <const OrderStatePayload*> (event.record + 1)
        cdef WorkingOrder order = self.find(event.strategy_id, event.order_handle)
        if order is None:
            order = self._adopt(event, payload)
            if order is None:
                return None
        order.price_ticks = payload.price_ticks
        order.qty_lots = payload.qty_lots
        order.cum_qty_lots = payload.cum_qty_lots
        order.state = payload.state
        order.is_triggered = payload.is_triggered
        if payload.state == ORDER_STATE_NEW or payload.state == ORDER_STATE_PARTIALLY_FILLED:
            # open again after a cancel was asked for: the cancel was refused or overtaken, and may be asked for anew
            order.cancel_requested = len(self.waiting_cancels) and event.order_handle in self.waiting_cancels
        elif payload.state >= ORDER_STATE_FILLED and payload.state != ORDER_STATE_HELD:
            self.end(order, payload.state)
        return order

    cdef int note_parent(self, const Descriptor* event) except -1:
        """PARENT_STATE of one of the strategy's instructions."""
        cdef const ParentStatePayload* parent = <const ParentStatePayload*> (event.record + 1)
        if parent.state >= PARENT_STATE_DONE:
            (<dict> self.parents[event.strategy_id]).pop(event.order_handle, None)
        else:
            (<dict> self.parents[event.strategy_id])[event.order_handle] = event.instrument_id
        return 0

    cdef uint16_t instruct(self, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle, bytes text, bint is_safe) except? 0xFFFF:
        """INSTRUCTION, written down and passed on. `is_safe`: it only takes away, so it needs no leave and may use the reserve."""
        cdef RecordHeader* record
        cdef Descriptor* slot
        cdef uint16_t reason = REASON_NONE if is_safe else self._reason_against(strategy_id)
        if reason == REASON_NONE and not is_safe and self._is_runaway(strategy_id):
            reason = REASON_MESSAGE_RATE
        if self._instructions is None:
            return REASON_UNSUPPORTED
        if reason != REASON_NONE:
            return reason
        slot = self._instructions.claim()
        if slot == NULL:
            return REASON_RING_FULL
        record = self._journal.claim(LANE_LEDGER, RECORD_KIND_INSTRUCTION, <uint32_t> (sizeof(RecordHeader) + len(text)), is_safe)
        if record == NULL:
            return REASON_JOURNAL_FULL
        memset(record + 1, 0, record.length - sizeof(RecordHeader))
        memcpy(record + 1, <const char*> text, len(text))
        record.cause_seq = self._turn.seq
        record.venue_id = self._tables.instruments[instrument_id].venue_id
        record.account_id = record.venue_id
        record.strategy_id = strategy_id
        record.instrument_id = instrument_id
        record.order_handle = handle
        self._journal.commit(record)
        memset(slot, 0, sizeof(Descriptor))
        slot.kind = RECORD_KIND_INSTRUCTION
        slot.venue_id, slot.account_id = record.venue_id, record.account_id
        slot.strategy_id, slot.instrument_id = strategy_id, instrument_id
        slot.seq = slot.cause_seq = record.seq
        slot.wall_ns, slot.mono_ns = self._turn.wall_ns, self._turn.mono_ns
        slot.order_handle = handle
        slot.record = record
        self._instructions.publish()
        return REASON_NONE

    cdef WorkingOrder track_staged(self, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle, object terms):
        cdef WorkingOrder order = self._track(strategy_id, handle, instrument_id)
        order.is_staged = True
        order.side, order.order_type, order.time_in_force = terms.side, terms.order_type, terms.time_in_force
        order.flags, order.price_ticks, order.qty_lots = terms.flags, terms.price_ticks, terms.qty_lots
        self._tables.strategies[strategy_id].orders += 1
        return order

    cdef bint _send_stage_cancel(self, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle):
        cdef bytes text = b'{"kind":"change","action":"cancel","handle":%d}' % handle
        return self.instruct(strategy_id, instrument_id, handle, text, True) == REASON_NONE

    def _pass_cancel(self, WorkingOrder order) -> bool:
        """To the stage where the order is its own, else to the gate."""
        if self._instructions is not None and (order.is_staged or order.is_child):
            return self._send_stage_cancel(order.strategy_id, order.instrument_id, order.handle)
        return self._send_cancel(order)

    cdef int end(self, WorkingOrder order, uint8_t state) except -1:
        order.state = state
        order.is_ended = True
        if (<OwnOrders> self.orders[order.strategy_id]).drop(order.handle):
            self._tables.strategies[order.strategy_id].open_orders -= 1
        return 0

    cdef WorkingOrder _track(self, uint16_t strategy_id, uint64_t handle, uint32_t instrument_id):
        cdef WorkingOrder order = WorkingOrder.__new__(WorkingOrder)
        order.handle = handle
        order.strategy_id = strategy_id
        order.instrument_id = instrument_id
        order.symbol = self._turn.symbol(instrument_id)
        order.state = ORDER_STATE_NONE
        (<OwnOrders> self.orders[strategy_id]).put(order)
        self._tables.strategies[strategy_id].open_orders += 1
        return order

    cdef WorkingOrder _adopt(self, const Descriptor* event, const OrderStatePayload* payload):
        cdef WorkingOrder order
        if payload.state >= ORDER_STATE_FILLED and payload.state != ORDER_STATE_HELD:
            return None
        order = self._track(event.strategy_id, event.order_handle, event.instrument_id)
        order.side = payload.side
        order.order_type = payload.order_type
        order.time_in_force = payload.time_in_force
        order.flags = payload.flags
        order.trigger_ticks = payload.trigger_ticks
        order.position_side = event.record.position_side
        order.is_staged = event.kind == RECORD_KIND_HELD_ORDER or event.flags == 2
        order.is_child = event.flags == 1
        return order

    cdef bint _is_runaway(self, uint16_t strategy_id) noexcept:
        """Count one order of the strategy for the input that is being handled; True when they are too many."""
        if self._counted_seq[strategy_id] != self._journal.input_seq:
            self._counted_seq[strategy_id] = self._journal.input_seq
            self._counted[strategy_id] = 0
        self._counted[strategy_id] += 1
        if self._counted[strategy_id] <= self._orders_per_input_max:
            return False
        self.runaways |= <uint64_t> 1 << strategy_id
        return True

    cdef uint16_t _reason_against(self, uint16_t strategy_id) noexcept:
        cdef StrategyState* row = &self._tables.strategies[strategy_id]
        if not row.enabled:
            return REASON_STRATEGY_DISABLED
        return REASON_STRATEGY_PAUSED if row.paused else REASON_NONE

    cdef uint64_t _write_intent(self, WorkingOrder order, const IntentPayload* wish, const Conditions* conditions, bint reserve) noexcept:
        """Write the INTENT record; its sequence, or 0 when the ledger has no room."""
        cdef uint32_t size = sizeof(RecordHeader) + sizeof(IntentPayload)
        cdef IntentPayload* intent
        cdef RecordHeader* record
        if conditions != NULL:
            size += sizeof(Conditions)
        record = self._journal.claim(LANE_LEDGER, RECORD_KIND_INTENT, size, reserve)
        if record == NULL:
            return 0
        record.cause_seq = self._turn.seq
        record.venue_id = self._tables.instruments[order.instrument_id].venue_id
        record.account_id = record.venue_id  # a line has one account, which has its number
        record.strategy_id = order.strategy_id
        record.instrument_id = order.instrument_id
        record.order_handle = order.handle
        intent = <IntentPayload*> (record + 1)
        intent[0] = wish[0]
        intent.has_conditions = conditions != NULL
        if conditions != NULL:
            (<Conditions*> (intent + 1))[0] = conditions[0]
        record.position_side = wish.position_side
        self._last_record = record
        return self._journal.commit(record)

    cdef void _push(self, Descriptor* slot, WorkingOrder order, uint8_t action, uint64_t intent_seq) noexcept:
        slot.kind = RECORD_KIND_INTENT
        slot.venue_id = self._last_record.venue_id
        slot.account_id = self._last_record.account_id
        slot.strategy_id = order.strategy_id
        slot.instrument_id = order.instrument_id
        slot.flags = 0
        slot.data = action
        slot.seq = intent_seq
        slot.cause_seq = intent_seq
        slot.wall_ns = self._turn.wall_ns
        slot.mono_ns = self._turn.mono_ns
        slot.order_handle = order.handle
        slot.record = self._last_record
        self._intents.publish()

    cdef int _refuse(self, WorkingOrder order, uint16_t reason, uint64_t intent_seq) except -1:
        """Record a refusal that the gate never saw, and keep it for the next turn."""
        cdef RecordHeader* record
        cdef VerdictPayload* verdict
        cdef uint64_t seq = intent_seq
        if intent_seq != 0:
            record = self._journal.claim(
                LANE_LEDGER, RECORD_KIND_VERDICT, sizeof(RecordHeader) + sizeof(VerdictPayload), False)
            if record != NULL:
                record.cause_seq = intent_seq
                record.venue_id = self._tables.instruments[order.instrument_id].venue_id
                record.account_id = record.venue_id
                record.strategy_id = order.strategy_id
                record.instrument_id = order.instrument_id
                record.order_handle = order.handle
                verdict = <VerdictPayload*> (record + 1)
                memset(verdict, 0, sizeof(VerdictPayload))
                verdict.reason = reason
                seq = self._journal.commit(record)
        # there is nothing to cancel: it never left
        order.cancel_requested = True
        self._counters.values[<int> COUNTER_REFUSED] += 1
        self.notices.append((order, reason, seq or self._turn.seq))
        return 0

    cdef bint _send_cancel(self, WorkingOrder order) noexcept:
        return self._send_change(order, INTENT_ACTION_CANCEL, 0)

    cdef bint _send_change(self, WorkingOrder order, uint8_t action, int64_t qty_lots) noexcept:
        """A cancel or an amend: it only takes risk away, so it may use the journal's reserve."""
        cdef IntentPayload wish
        cdef uint64_t intent_seq
        cdef Descriptor* slot = self._intents.claim()
        if slot == NULL:
            return False
        memset(&wish, 0, sizeof(IntentPayload))
        wish.action = action
        wish.side = order.side
        wish.qty_lots = qty_lots
        wish.target_handle = order.handle
        intent_seq = self._write_intent(order, &wish, NULL, True)
        if intent_seq == 0:
            return False
        self._push(slot, order, action, intent_seq)
        return True
