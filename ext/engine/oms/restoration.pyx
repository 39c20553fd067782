"""Restoration: orders, positions, fees and sticky halts as the ledger of earlier runs tells them.

Nothing is sent and nothing is written; what was in flight then is UNKNOWN now, and the venue's truth decides at reconciliation.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memset
from engine.journal.cursor cimport header_of
from engine.model.approval cimport SLOT_NONE, ApprovedOrder
from engine.model.codes cimport *
from engine.model.records cimport (CommandPayload, Conditions, FillPayload, FundingPaymentPayload, IntentPayload, MarginTiersPayload,
                                   OrderStatePayload, RecordHeader, StatePayload, VerdictPayload)
from engine.model.tables cimport POSITION_SIDES, Instrument
from engine.model.unnamed cimport NO_TRADE_ID
from engine.oms.commands cimport Commands
from engine.oms.orders cimport DISPUTE_RESTORED, Order
from engine.oms.positions cimport tw_value_e16
from engine.oms.scribe cimport FillFacts
from engine.oms.trades cimport TAKEN_BACK, TRADE_CONTRADICTED, TRADE_REPEATED


cdef size_t _least_bytes(int kind) noexcept nogil:
    """The fixed part of a payload that is read here; 0 = the kind is not."""
    if kind == RECORD_KIND_ORDER_STATE:
        return sizeof(OrderStatePayload)
    if kind == RECORD_KIND_FILL:
        return sizeof(FillPayload)
    if kind == RECORD_KIND_INTENT:
        return sizeof(IntentPayload)
    if kind == RECORD_KIND_VERDICT:
        return sizeof(VerdictPayload)
    if kind == RECORD_KIND_COMMAND:
        return sizeof(CommandPayload)
    if kind == RECORD_KIND_TRADING_STATE or kind == RECORD_KIND_ALARM:
        return sizeof(StatePayload)
    if kind == RECORD_KIND_FUNDING_PAYMENT:
        return sizeof(FundingPaymentPayload)
    return sizeof(MarginTiersPayload) if kind == RECORD_KIND_MARGIN_TIERS else 0


cdef class Restoration(Commands):
    """Reads a ledger once, before the first poll; a base of `Oms`.

    `fold` takes record by record, `finish_fold` makes of them what a start begins with. What lies between the two is a function of the
    records alone, and can be kept as a snapshot (engine/oms/fold_image.pyx).
    """

    def __dealloc__(self):
        free(self._pending)

    def restore(self, records) -> int:
        """Rebuild orders, positions, fees and sticky halts from ledger records of earlier runs; returns how many were used.

        `records`: objects with `kind`, the header's ids and `payload` bytes, in sequence order (`JournalReader.records`). Nothing is
        sent and nothing is written; the venue's truth decides at reconciliation.
        """
        cdef int used = 0
        cdef list kept = []
        for record in records:
            if _least_bytes(record.kind):
                used += self.fold(header_of(record, kept))
                kept.clear()
        self.finish_fold()
        return used

    cdef int fold(self, const RecordHeader* record) except -1:
        cdef int kind = record.kind
        cdef size_t size = record.length - sizeof(RecordHeader), least = _least_bytes(kind)
        cdef const void* payload = record + 1
        cdef int64_t unnamed_e8
        if least == 0:
            return 0
        if size < least:
            raise ValueError(f"ledger record {record.seq}: {size} bytes of payload, {least} needed")
        if kind == RECORD_KIND_ORDER_STATE or kind == RECORD_KIND_INTENT:
            self._youngest_handle = max(self._youngest_handle, record.order_handle)
        if record.venue_id and record.venue_id != self.venue_id:
            return 0  # another line's
        if kind == RECORD_KIND_INTENT:
            self._remember_intent(record)
            return 0
        if kind == RECORD_KIND_VERDICT:
            return self._apply_verdict(record)
        if kind == RECORD_KIND_ORDER_STATE:
            self._restore_order(record, <const OrderStatePayload*> payload)
        elif kind == RECORD_KIND_FILL:
            self._restore_fill(record, <const FillPayload*> payload)
        elif kind == RECORD_KIND_COMMAND:
            self._restore_command(record, <const CommandPayload*> payload)
        elif kind == RECORD_KIND_MARGIN_TIERS:
            self.accounts.put_terms(record.instrument_id, <const MarginTiersPayload*> payload, <uint32_t> size)
        elif kind == RECORD_KIND_FUNDING_PAYMENT:
            self.book_of_funding.take(record.instrument_id, <const FundingPaymentPayload*> payload, &unnamed_e8)
        else:
            self._restore_state(record, <const StatePayload*> payload)
        return 1

    # --- intents: conditions, a replace's target and the price of the promise stand there, until the order is met ---

    cdef int _remember_intent(self, const RecordHeader* record) except -1:
        cdef const IntentPayload* intent = <const IntentPayload*> (record + 1)
        cdef PendingIntent* row
        if intent.action != INTENT_ACTION_SUBMIT and intent.action != INTENT_ACTION_REPLACE:
            return 0
        row = self._intent_of(record.order_handle)
        if row == NULL:
            row = self._push_pending()
        memset(row, 0, sizeof(PendingIntent))
        row.order_handle = record.order_handle
        row.seq = record.seq
        row.intent = intent[0]
        if intent.has_conditions and record.length >= sizeof(RecordHeader) + sizeof(IntentPayload) + sizeof(Conditions):
            row.conditions = (<const Conditions*> (intent + 1))[0]
            row.has_conditions = 1
        return 0

    cdef int _apply_verdict(self, const RecordHeader* record) noexcept:
        cdef const VerdictPayload* verdict = <const VerdictPayload*> (record + 1)
        cdef PendingIntent* row = self._intent_of(record.order_handle)
        if row == NULL or row.seq != record.cause_seq:
            return 0  # of another intent: a refused change of the order
        if verdict.approved:
            row.approved_ticks = verdict.value
        else:
            self._drop_pending(row)
        return 0

    cdef PendingIntent* _intent_of(self, uint64_t order_handle) noexcept:
        """The latest first: a few at most wait for their verdict."""
        cdef uint32_t i
        for i in range(self._pending_count, 0, -1):
            if self._pending[i - 1].order_handle == order_handle:
                return &self._pending[i - 1]
        return NULL

    cdef PendingIntent* _push_pending(self) except NULL:
        cdef uint32_t room = self._pending_room
        cdef PendingIntent* grown
        if self._pending_count == room:
            room = room * 2 if room else 64
            grown = <PendingIntent*> realloc(self._pending, room * sizeof(PendingIntent))
            if grown == NULL:
                raise MemoryError("intents of a ledger")
            self._pending = grown
            self._pending_room = room
        self._pending_count += 1
        return &self._pending[self._pending_count - 1]

    cdef void _drop_pending(self, PendingIntent* row) noexcept:
        self._pending_count -= 1
        row[0] = self._pending[self._pending_count]

    cdef ApprovedOrder* _admit(self, const RecordHeader* record, const OrderStatePayload* state) except NULL:
        cdef uint64_t handle = record.order_handle
        cdef ApprovedOrder* terms = self.register.admit(handle)
        cdef Restoration line
        if terms == NULL:
            for line in self._peers or (self,):
                line._retire_restored()
            terms = self.register.admit(handle)
        if terms == NULL:
            raise ValueError(f"ledger record {record.seq}: no room for order {handle:#x}; raise the order capacity")
        terms.side = state.side
        terms.order_type = state.order_type
        terms.time_in_force = state.time_in_force
        terms.price_ticks = state.price_ticks
        terms.trigger_ticks = state.trigger_ticks
        terms.flags = state.flags
        terms.position_side = record.position_side
        terms.qty_lots = state.qty_lots
        terms.instrument_id = record.instrument_id
        self._restore_intent(terms, state)
        terms.venue_id = self.venue_id
        terms.account_id = self.account_id
        terms.strategy_id = record.strategy_id
        if self.tables.instruments[terms.instrument_id].kind == 0 and not self._is_pending(terms):
            terms.promised_asset_id = (self.tables.instruments[terms.instrument_id].quote_asset_id if state.side == SIDE_BUY
                                       else self.tables.instruments[terms.instrument_id].base_asset_id)
        self.tables.move_open_orders(terms.instrument_id, terms.position_side, terms.strategy_id, 1)
        self.register.enter(self.register.index_of(terms))
        self.pool.begin(self.register.index_of(terms))
        self._restore_replace(terms, state)
        return terms

    cdef int _restore_intent(self, ApprovedOrder* terms, const OrderStatePayload* state) except -1:
        """What the order's state does not tell: the price that its money was promised by, its conditions and what it replaces."""
        cdef int64_t approved_ticks = 0
        cdef PendingIntent* row = self._intent_of(terms.order_handle)
        if row != NULL:
            approved_ticks = row.approved_ticks
            terms.expire_ns = row.intent.expire_ns
            terms.target_handle = row.intent.target_handle if row.intent.action == INTENT_ACTION_REPLACE else 0
            if row.has_conditions:
                self.register.conditions[self.register.index_of(terms)] = row.conditions
                terms.has_conditions = 1
            self._drop_pending(row)
        if approved_ticks <= 0:
            approved_ticks = self._price_unrecorded(terms, state)
        terms.promise_price_ticks = approved_ticks
        return 0

    cdef int64_t _price_unrecorded(self, const ApprovedOrder* terms, const OrderStatePayload* state) noexcept nogil:
        """A ledger whose approvals name no price: the limit price, else the highest that is known of the order or its market."""
        cdef int64_t ticks = max(state.trigger_ticks, self.tables.reference_ticks(terms.instrument_id))
        if state.price_ticks > 0:
            return state.price_ticks
        if terms.has_conditions:
            ticks = max(ticks, self.register.conditions[self.register.index_of(terms)].activation_ticks)
        return ticks

    cdef bint _is_pending(self, const ApprovedOrder* terms) noexcept nogil:
        """A leg that waits for another of its list promises nothing, as at its approval."""
        cdef const Conditions* conditions
        if not terms.has_conditions:
            return False
        conditions = &self.register.conditions[self.register.index_of(terms)]
        return conditions.list_size and conditions.list_index > 0 and conditions.contingency != CONTINGENCY_OCO

    cdef void _restore_replace(self, const ApprovedOrder* terms, const OrderStatePayload* state) noexcept nogil:
        """While the order that was to go is open, money counts once for both. One refused at once replaced nothing."""
        cdef Order* old
        if terms.target_handle == 0 or state.state == ORDER_STATE_REJECTED:
            return
        old = self.pool.find(terms.target_handle)
        if old != NULL and old.is_listed:
            old.successor_handle = terms.order_handle

    cdef void _retire_restored(self) noexcept:
        """Earlier runs have had more orders than there are slots: those that are over by now make room."""
        cdef uint32_t slot = self.pool.first_open, following
        while slot != SLOT_NONE:
            following = self.pool.orders[slot].next_open
            if self.pool.is_over(&self.pool.orders[slot]):
                self.pool.settle(&self.pool.orders[slot])
                self.pool.reserve(&self.pool.orders[slot])
            slot = following

    cdef int _restore_order(self, const RecordHeader* record, const OrderStatePayload* state) except -1:
        cdef Order* order
        cdef uint64_t handle = record.order_handle
        self.tables._check(record.instrument_id)
        order = self.pool.find(handle)
        if order == NULL:
            order = &self.pool.orders[self.register.index_of(self._admit(record, state))]
        order.is_restored = 1
        order.last_seq = record.seq
        if state.venue_order_id:
            order.venue_order_id = state.venue_order_id
        order.reason = state.reason
        order.venue_code = state.venue_code
        order.state = state.state
        order.is_triggered = state.is_triggered
        self.pool.terms(order).is_triggered = state.is_triggered
        if state.is_triggered and self.tables.instruments[record.instrument_id].kind != 0:
            self.register.trigger(self.pool.slot_of(order))  # spot counts it among those that wait until it ends
        self.pool.terms(order).qty_lots = state.qty_lots
        if state.state in (ORDER_STATE_CANCELED, ORDER_STATE_EXPIRED, ORDER_STATE_REJECTED, ORDER_STATE_ABSENT):
            order.ended = state.state
            order.ended_mono_ns = -1
            order.venue_cum_lots = state.cum_qty_lots + state.leaves_qty_lots
        elif state.state not in (ORDER_STATE_PENDING_NEW, ORDER_STATE_UNKNOWN, ORDER_STATE_APPROVED):
            order.is_acked = 1
        return 0

    cdef int _restore_fill(self, const RecordHeader* record, const FillPayload* fill) except -1:
        cdef uint64_t handle = record.order_handle
        cdef uint32_t instrument_id = record.instrument_id
        cdef int side = record.position_side % POSITION_SIDES
        cdef Order* order = self.pool.find(handle)
        cdef const Instrument* instrument
        cdef int64_t lots
        self.tables._check(instrument_id)
        instrument = &self.tables.instruments[instrument_id]
        if not self._note_trade(instrument_id, fill, handle):
            return 0
        if self.first_fill_ns == 0:
            self.first_fill_ns = record.wall_ns
        self._bring_over(self.account_id, instrument_id)
        self.book_of_positions.book(self.account_id, instrument_id, side, fill.side, fill.price_ticks, fill.qty_lots,
                                    fill.commission_asset_id, fill.commission_e8)
        self.book_of_strategies.book(record.strategy_id, instrument_id, side, fill.side, fill.price_ticks, fill.qty_lots,
                                     fill.commission_asset_id, fill.commission_e8)
        self.tables.move_strategy_position(instrument_id, <uint8_t> side, record.strategy_id,
                                           fill.qty_lots if fill.side == SIDE_BUY else -fill.qty_lots)
        if order != NULL:
            # an external one of an order of ours is an overfill: of the order is what it still had
            lots = fill.qty_lots
            if fill.is_external:
                lots = min(lots, max(self.pool.terms(order).qty_lots - order.booked_lots, <int64_t> 0))
            order.booked_lots += lots
            if order.booked_lots >= order.venue_cum_lots:
                order.dispute = 0
            order.filled_value_e16 = order.filled_value_e16 + tw_value_e16(
                fill.price_ticks, instrument.tick_size_e8, lots, instrument.lot_size_e8)
            order.venue_cum_lots = max(order.venue_cum_lots, order.booked_lots)
            self.pool.reserve(order)
        return 0

    cdef bint _note_trade(self, uint32_t instrument_id, const FillPayload* fill, uint64_t order_handle) noexcept:
        """False for a trade that was read before. One whose id stood for another was booked because a person had it so."""
        cdef FillFacts facts
        cdef int verdict
        # only the alarm right behind such a fill says whose it was
        self.trades.claim_untold(instrument_id, 0, 0)
        if fill.trade_id == NO_TRADE_ID:
            if fill.is_external and order_handle == 0:
                self.trades.note_untold(instrument_id, fill.qty_lots)
            return True
        memset(&facts, 0, sizeof(FillFacts))
        facts.instrument_id = instrument_id
        facts.trade_id = fill.trade_id
        facts.price_ticks = fill.price_ticks
        facts.qty_lots = fill.qty_lots
        facts.side = fill.side
        if fill.is_external == TAKEN_BACK:
            # the trade's other side is what it undoes: of that order, whichever it was, from now on
            facts.side = SIDE_SELL if fill.side == SIDE_BUY else SIDE_BUY
            self.trades.mark_taken(&facts)
            return True
        verdict = self.trades.add(&facts, order_handle, self._youngest_handle)
        if verdict == TRADE_CONTRADICTED:
            self.trades.replace(&facts, order_handle, self._youngest_handle)
        return verdict != TRADE_REPEATED

    cdef int _bring_over(self, int account_id, uint32_t instrument_id) except -1:
        """Before the first fill of a row: what was held under the symbol's other tick or lot goes on here."""
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef uint32_t i
        cdef int side
        for side in range(POSITION_SIDES):
            if self.book_of_positions.row(account_id, instrument_id, side).fills:
                return 0
        for i in range(1, self.tables.instrument_count + 1):
            if i == instrument_id or self.tables.instruments[i].venue_id != instrument.venue_id:
                continue
            if memcmp(self.tables.instruments[i].symbol, instrument.symbol, sizeof(instrument.symbol)) == 0:
                if self.book_of_positions.carry(i, instrument_id):
                    self.book_of_strategies.carry(i, instrument_id)
        return 0

    cdef int _restore_command(self, const RecordHeader* record, const CommandPayload* command) except -1:
        cdef uint32_t instrument_id = record.instrument_id
        cdef uint16_t strategy_id = record.strategy_id
        cdef uint8_t halt = HALT_REASON_KILL if command.command_kind == COMMAND_KIND_KILL else HALT_REASON_NONE
        if command.command_kind != COMMAND_KIND_KILL and command.command_kind != COMMAND_KIND_ARM:
            return 0
        if record.account_id and record.account_id != self.account_id:
            return 0
        if strategy_id:
            self.register.strategy_halts[strategy_id % 64] = halt
        elif instrument_id:
            self.register.instrument_halts[instrument_id % 512] = halt
        else:
            self._restore_wide(halt, record.venue_id == 0 and record.account_id == 0)
        return 0

    cdef void _restore_wide(self, uint8_t halt, bint is_whole) noexcept:
        """A kill or an `arm` of the whole engine, or of this line."""
        if is_whole:
            self.tables.control.kill = 1 if halt else 0
        elif halt:
            self.line.is_killed = 1
        if halt:
            return
        self.line.is_killed = 0
        self._arm_instruments()
        self.is_mismatched = False
        self.sticky_reason = HALT_REASON_NONE
        if is_whole:
            memset(self.register.strategy_halts, 0, 64)

    cdef int _restore_state(self, const RecordHeader* record, const StatePayload* state) except -1:
        cdef uint32_t instrument_id = record.instrument_id
        if record.kind == RECORD_KIND_ALARM:
            if instrument_id and state.state in (ALARM_CODE_OVERFILL, ALARM_CODE_UNKNOWN_FILL, ALARM_CODE_TRADE_ID_CONFLICT,
                                                   ALARM_CODE_FILL_MISSING):
                self.halt_instrument(instrument_id, HALT_REASON_MISMATCH)
            if state.state == ALARM_CODE_FILL_MISSING:
                self._restore_dispute(self.pool.find(record.order_handle), state.detail)
            elif state.state == ALARM_CODE_POSITION_ADOPTED:
                self.trades.claim_untold(instrument_id, state.detail, record.order_handle)
        elif state.state == TRADING_STATE_HALTED and state.reason in (HALT_REASON_MISMATCH, HALT_REASON_CRASH_LOOP):
            self.sticky_reason = state.reason
            self.is_mismatched = True
        return 0

    cdef void _restore_dispute(self, Order* order, int64_t missing_lots) noexcept:
        """What the venue had counted of it beyond what was booked: asked for again, and until then nobody's `arm` frees its symbol."""
        cdef int64_t leaves_lots
        if order == NULL or not order.is_listed:
            return
        leaves_lots = self.pool.terms(order).qty_lots - order.booked_lots
        order.venue_cum_lots = max(order.venue_cum_lots, order.booked_lots + min(missing_lots, leaves_lots))
        if order.venue_cum_lots > order.booked_lots:
            order.dispute = DISPUTE_RESTORED

    cdef int finish_fold(self) except -1:
        """Ended orders go to the reusable slots; the rest starts as what is certain: acknowledged, or in flight and UNKNOWN."""
        cdef uint32_t slot = self.pool.first_open, following, i
        cdef Order* order
        self._pending_count = 0
        if self.line.halt_reason == HALT_REASON_CRASH_LOOP:
            # a fact of this start: what earlier runs were armed for does not lift it
            self.sticky_reason = HALT_REASON_CRASH_LOOP
            self.is_mismatched = True
        for i in range(1, self.tables.instrument_count + 1):
            if self.tables.instruments[i].is_trading:
                self._bring_over(self.account_id, i)
        while slot != SLOT_NONE:
            following = self.pool.orders[slot].next_open
            order = &self.pool.orders[slot]
            order.submit_mono_ns = self.journal.now_mono_ns
            order.deadline_mono_ns = self.journal.now_mono_ns
            if order.state == ORDER_STATE_UNKNOWN:
                self.pool.exposure(self.pool.terms(order)).unknown_orders += 1
                order.is_unknown = 1
            if order.state in (ORDER_STATE_PENDING_CANCEL, ORDER_STATE_PENDING_REPLACE):
                order.state = ORDER_STATE_NEW
            self.pool.settle(order)
            self.pool.reserve(order)
            if order.dispute and order.is_listed:
                self.halt_instrument(self.pool.terms(order).instrument_id, HALT_REASON_MISMATCH)
            slot = following
        self.tell_open_orders()
        return 0
