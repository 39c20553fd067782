"""What a person commands - kill, arm, cancel, flatten, orders of their own -, and the trading state that comes of it.

Trading state is a function of what is known: HALTED(starting | venue | stopping | journal | clock) clears by itself,
HALTED(kill | crash loop | mismatch) by `arm`.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from engine.model.approval cimport *
from engine.model.codes cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.native cimport is_stop
from engine.model.records cimport CommandPayload, Conditions, IntentPayload, RecordHeader
from engine.model.tables cimport (
    ACCOUNT_ROWS, ENGINE_ROW, INSTRUMENT_CAPACITY, INSTRUMENT_ROWS, LINE_CAPACITY, POSITION_SIDES, STRATEGY_ROWS, VENUE_ROWS, Instrument,
)
from engine.oms.lifecycle cimport ExternalOrder
from engine.oms.orders cimport DISPUTE_MISSING, DISPUTE_RESTORED, Order
from engine.oms.reconciliation cimport RECONCILE_IDLE, Reconciliation

cdef enum:
    # flags of FLATTEN: what closes a position step by step (engine/flatten.py) begins and ends with them
    FLATTEN_HOLD = 1
    FLATTEN_RELEASE = 2
    FOR_PERSON = 1              # data of an intent, for the gate: see `operator_refused_cause` in terms.pxd
    # flag of RECONCILE: what is disputed is booked as the venue says
    RECONCILE_ADOPT = 1


cdef void _halt_not_adopted(Commands oms, uint32_t instrument_id) noexcept nogil:
    """Of a symbol (0: of all): an order whose fills could not be adopted keeps it halted, whoever arms, and so does its position."""
    cdef uint32_t slot = oms.pool.first_open, i
    cdef int side
    while slot != SLOT_NONE:
        if (oms.pool.orders[slot].dispute & (DISPUTE_MISSING | DISPUTE_RESTORED)
                and (instrument_id == 0 or oms.register.slots[slot].instrument_id == instrument_id)):
            oms.halt_instrument(oms.register.slots[slot].instrument_id, HALT_REASON_MISMATCH)
        slot = oms.pool.orders[slot].next_open
    for i in range(1, oms.tables.instrument_count + 1):
        for side in range(POSITION_SIDES):
            if oms.venue_positions[side * INSTRUMENT_CAPACITY + <int> i].is_disputed and (instrument_id == 0 or instrument_id == i):
                oms.halt_instrument(i, HALT_REASON_MISMATCH)


cdef class Commands(Reconciliation):
    """Commands of persons and the trading state; a base of `Oms`, whose options these are."""

    def __init__(self, *wiring, bint has_cancel_all=True, **options):
        Reconciliation.__init__(self, *wiring, **options)
        self.has_cancel_all = has_cancel_all

    cdef void _on_command(self, const Descriptor* item) noexcept nogil:
        cdef const CommandPayload* command = <const CommandPayload*> (item.record + 1)
        cdef Scope scope
        scope.venue_id = item.record.venue_id
        scope.account_id = item.record.account_id
        scope.strategy_id = item.record.strategy_id
        scope.instrument_id = item.record.instrument_id
        scope.order_handle = item.record.order_handle
        if not self._is_meant(&scope):
            return
        if command.command_kind == COMMAND_KIND_KILL:
            self._kill(item, &scope)
        elif command.command_kind == COMMAND_KIND_ARM:
            self._arm(&scope, item.seq)
        elif command.command_kind == COMMAND_KIND_CANCEL:
            self._cancel_scope(&scope, False, True)
        elif command.command_kind == COMMAND_KIND_STOP:
            self._stop(item.seq)
        elif command.command_kind == COMMAND_KIND_FLATTEN:
            if command.flags & (FLATTEN_HOLD | FLATTEN_RELEASE):
                self._hold(&scope, command.flags & FLATTEN_HOLD)
        elif command.command_kind == COMMAND_KIND_ORDER or command.command_kind == COMMAND_KIND_HEDGE:
            self._operator_order(item, command)
        elif command.command_kind == COMMAND_KIND_AMEND:
            self._operator_amend(item, command)
        elif command.command_kind == COMMAND_KIND_RECONCILE:
            if command.flags & RECONCILE_ADOPT:
                self._adopt(scope.instrument_id, True, item.seq)
            # one that is under way may have asked before what this one is about
            self.is_recheck_wanted = self.phase != RECONCILE_IDLE
            self._start_reconcile()
        self._start_sweep(item.seq)

    cdef void _kill(self, const Descriptor* item, const Scope* scope) noexcept nogil:
        """Stop and cancel: a strategy, a symbol, or - venue, account, all - everything. Sticky until `arm`."""
        if scope.strategy_id:
            self.register.strategy_halts[scope.strategy_id % 64] = HALT_REASON_KILL
        elif scope.instrument_id:
            self.register.instrument_halts[scope.instrument_id % 512] = HALT_REASON_KILL
        elif scope.venue_id or scope.account_id:
            self.line.is_killed = 1
        else:
            self.tables.control.kill = 1
        self._evaluate(item.seq)
        self._cancel_scope(scope)
        self.scribe.alarm(ALARM_CODE_KILLED, scope.instrument_id, 0, scope.strategy_id, b"kill: orders cancelled, halted until arm",
                          item.seq)

    cdef void _arm(self, const Scope* scope, uint64_t cause_seq) noexcept nogil:
        if scope.strategy_id:
            self.register.strategy_halts[scope.strategy_id % 64] = 0
            self.tables.rearm(STRATEGY_ROWS + scope.strategy_id % 64)
            return
        self._adopt(scope.instrument_id, False, cause_seq)
        if scope.instrument_id:
            self.register.instrument_halts[scope.instrument_id % 512] = 0
            self.tables.rearm(INSTRUMENT_ROWS + scope.instrument_id % 512)
            _halt_not_adopted(self, scope.instrument_id)
            return
        if scope.venue_id == 0 and scope.account_id == 0:
            self.tables.rearm_all()
            memset(self.register.strategy_halts, 0, 64)
            self.tables.control.kill = 0
            self.tables.control.journal_reserve = 0
        else:
            self.tables.rearm(VENUE_ROWS + self.venue_id)
            self.tables.rearm(ACCOUNT_ROWS + self.account_id)
        self._arm_instruments()
        _halt_not_adopted(self, 0)
        self.line.is_killed = 0
        self.is_mismatched = False
        self.sticky_reason = HALT_REASON_NONE
        # armed means: trade once the account has been read again
        self.line.reconciled = 0
        self.phase = RECONCILE_IDLE
        self._start_reconcile()

    cdef void _arm_instruments(self) noexcept nogil:
        """Every symbol of this line."""
        cdef uint32_t i
        for i in range(1, self.tables.instrument_count + 1):
            if self._is_ours(i):
                self.register.instrument_halts[i] = 0

    cdef bint _is_meant(self, const Scope* scope) noexcept nogil:
        """Is a command about this line, or about something that is in it."""
        if scope.venue_id and scope.venue_id != self.venue_id:
            return False
        if scope.account_id and scope.account_id != self.account_id:
            return False
        return scope.instrument_id == 0 or (scope.instrument_id <= self.tables.instrument_count and self._is_ours(scope.instrument_id))

    cdef bint _in_scope(self, const Order* order, const Scope* scope) noexcept nogil:
        cdef const ApprovedOrder* terms = self.pool.terms(order)
        if scope.order_handle:
            return order.order_handle == scope.order_handle
        return ((scope.venue_id == 0 or terms.venue_id == scope.venue_id)
                and (scope.account_id == 0 or terms.account_id == scope.account_id)
                and (scope.strategy_id == 0 or terms.strategy_id == scope.strategy_id)
                and (scope.instrument_id == 0 or terms.instrument_id == scope.instrument_id))

    cdef void _cancel_scope(self, const Scope* scope, bint keeps_protection=False, bint spares_others=False) noexcept nogil:
        """Cancel-all per symbol first where the whole symbol is meant; singles for the rest, and for what that leaves open.

        Cancel-all takes orders of others on the account too, a stop that a person placed among them: only a kill or a flatten may.
        """
        cdef uint8_t[512] by_symbol
        cdef uint32_t slot = self.pool.first_open, instrument_id, i
        cdef Order* order
        cdef int64_t due_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns
        cdef bint whole_symbols = self.has_cancel_all and self.session_ready and scope.order_handle == 0 and scope.strategy_id == 0
        # before the account was read, and where others have more open than is listed, theirs may be anywhere
        memset(by_symbol, 2 if spares_others and (self.is_external_full or not self.line.reconciled) else 0, 512)
        for i in range(self.external_count if spares_others else 0):
            if self.external_orders[i].order_handle == 0:
                by_symbol[self.external_orders[i].instrument_id % 512] = 2
        while slot != SLOT_NONE:
            if self.pool.orders[slot].is_kept and not self.pool.orders[slot].ended and keeps_protection:
                by_symbol[self.register.slots[slot].instrument_id % 512] = 2  # cancel-all would take it too
            slot = self.pool.orders[slot].next_open
        slot = self.pool.first_open
        while slot != SLOT_NONE:
            order = &self.pool.orders[slot]
            if not order.ended and self._in_scope(order, scope) and not (keeps_protection and order.is_kept):
                order.is_kept = 0
                instrument_id = self.pool.terms(order).instrument_id % 512
                if whole_symbols and by_symbol[instrument_id] == 0:
                    by_symbol[instrument_id] = 1 if self.send_bare(OUTBOUND_CANCEL_ALL, instrument_id, 0, 0) else 2
                self.want_cancel(order, due_mono_ns if by_symbol[instrument_id] == 1 else 0)
            slot = order.next_open
        self._cancel_externals(scope, whole_symbols, by_symbol)

    cdef void _cancel_externals(self, const Scope* scope, bint whole_symbols, uint8_t* by_symbol) noexcept nogil:
        """What bears our mark and is open at the venue although we held it as ended, or know nothing of it."""
        cdef uint32_t i, instrument_id
        cdef const ExternalOrder* row
        for i in range(self.external_count if self.session_ready else 0):
            row = &self.external_orders[i]
            instrument_id = row.instrument_id % 512
            if (row.order_handle == 0 or (scope.order_handle and scope.order_handle != row.order_handle)
                    or (scope.strategy_id and scope.strategy_id != row.strategy_id)
                    or (scope.instrument_id and scope.instrument_id != row.instrument_id)):
                continue
            if whole_symbols and by_symbol[instrument_id] == 0:
                by_symbol[instrument_id] = 1 if self.send_bare(OUTBOUND_CANCEL_ALL, row.instrument_id, 0, 0) else 2
            if by_symbol[instrument_id] != 1:
                self.cancel_external(row)

    # --- the orderly stop ---

    cdef void _stop(self, uint64_t cause_seq) noexcept nogil:
        """Nothing new, everything is cancelled but what protects positions at the venue; what stays unprotected is told."""
        cdef Scope everything
        cdef uint32_t slot = self.pool.first_open, instrument_id
        cdef int side
        cdef int64_t bare_lots
        self.tables.control.stopping = 1
        memset(&everything, 0, sizeof(Scope))
        while slot != SLOT_NONE:
            self.pool.orders[slot].is_kept = self.stays(&self.pool.orders[slot])
            slot = self.pool.orders[slot].next_open
        self._cancel_scope(&everything, True, True)
        for instrument_id in range(1, self.tables.instrument_count + 1):
            for side in range(POSITION_SIDES if self._is_ours(instrument_id) else 0):
                bare_lots = self._bare_lots(instrument_id, side)
                if bare_lots != 0:
                    self.scribe.alarm(ALARM_CODE_POSITION_UNPROTECTED, instrument_id, 0, bare_lots,
                                      b"the engine stops, and no stop at the venue protects this position", cause_seq)

    cdef int64_t _bare_lots(self, uint32_t instrument_id, int side) noexcept nogil:
        """What of a position no stop order at the venue would close, signed."""
        cdef int64_t position_lots = self.tables.exposures[side * INSTRUMENT_CAPACITY + <int> instrument_id].position_lots
        cdef int64_t covered_lots = 0, size_lots = position_lots if position_lots > 0 else -position_lots
        cdef uint32_t slot = self.pool.first_open
        cdef const ApprovedOrder* terms
        while slot != SLOT_NONE:
            terms = &self.register.slots[slot]
            if (self.pool.orders[slot].is_kept and terms.instrument_id == instrument_id and terms.position_side == side
                    and (terms.side == SIDE_SELL) == (position_lots > 0) and is_stop(terms.order_type)):
                covered_lots += size_lots if terms.flags & ORDER_FLAG_CLOSE_POSITION else self.pool.leaves_lots(&self.pool.orders[slot])
            slot = self.pool.orders[slot].next_open
        size_lots = max(size_lots - covered_lots, <int64_t> 0)
        return size_lots if position_lots > 0 else -size_lots

    cdef bint _is_settled(self) noexcept nogil:
        """All that is open is meant to stay, and the venue has said that it has it."""
        cdef uint32_t slot = self.pool.first_open
        cdef const Order* order
        while slot != SLOT_NONE:
            order = &self.pool.orders[slot]
            if not order.is_kept or not order.is_acked or order.is_unknown or order.query_wanted or order.query_in_flight:
                return False
            slot = order.next_open
        return True

    def left_standing(self) -> list:
        """What an orderly stop leaves, by position: dicts with `position_lots`, `bare_lots` (what no stop at the venue would close) and
        `orders`, the handles that stay."""
        cdef uint32_t slot
        rows = []
        for instrument_id in range(1, self.tables.instrument_count + 1):
            for side in range(POSITION_SIDES):
                orders, slot = [], self.pool.first_open
                while slot != SLOT_NONE:
                    if (self.pool.orders[slot].is_kept and self.register.slots[slot].instrument_id == instrument_id
                            and self.register.slots[slot].position_side == side):
                        orders.append(self.pool.orders[slot].order_handle)
                    slot = self.pool.orders[slot].next_open
                position_lots = self.tables.exposures[side * INSTRUMENT_CAPACITY + <int> instrument_id].position_lots
                if self._is_ours(instrument_id) and (position_lots or orders):
                    rows.append({"instrument_id": instrument_id, "position_side": side, "position_lots": position_lots,
                                 "bare_lots": self._bare_lots(instrument_id, side), "orders": orders})
        return rows

    # --- orders of a person, and closing ---

    cdef void _operator_order(self, const Descriptor* item, const CommandPayload* command) noexcept nogil:
        """A person's order: an intent like any other, to the gate."""
        cdef IntentPayload wanted
        memset(&wanted, 0, sizeof(IntentPayload))
        wanted.action = INTENT_ACTION_SUBMIT
        wanted.side = command.side
        wanted.order_type = command.order_type
        wanted.time_in_force = command.time_in_force
        wanted.flags = command.flags
        wanted.price_ticks = command.price_ticks
        wanted.qty_lots = command.qty_lots
        wanted.position_side = item.record.position_side
        self._offer(item, &wanted, NULL, item.record.order_handle, item.record.instrument_id, 0)

    cdef void _operator_amend(self, const Descriptor* item, const CommandPayload* command) noexcept nogil:
        """A person's other price or quantity of an open order (0 = as it is): less of it in its place, anything else as a replace
        on behalf of the strategy whose order it is; either through the gate."""
        cdef Order* order = self.pool.find(item.record.order_handle)
        cdef const ApprovedOrder* terms
        cdef IntentPayload wanted
        if order == NULL or not order.is_listed:
            return
        terms = self.pool.terms(order)
        memset(&wanted, 0, sizeof(IntentPayload))
        wanted.action = INTENT_ACTION_REPLACE
        wanted.side = terms.side
        wanted.order_type = terms.order_type
        wanted.time_in_force = terms.time_in_force
        wanted.flags = terms.flags
        wanted.position_side = terms.position_side
        wanted.price_ticks = command.price_ticks if command.price_ticks else terms.price_ticks
        wanted.qty_lots = command.qty_lots if command.qty_lots else terms.qty_lots
        wanted.trigger_ticks = terms.trigger_ticks
        wanted.expire_ns = terms.expire_ns
        wanted.target_handle = order.order_handle
        if (wanted.price_ticks == terms.price_ticks and wanted.qty_lots < terms.qty_lots
                and self.tables.instruments[terms.instrument_id].native_order_types & NATIVE_FEATURE_AMEND):
            wanted.action = INTENT_ACTION_AMEND
            self._offer(item, &wanted, NULL, order.order_handle, terms.instrument_id, 0)
        else:
            self._offer(item, &wanted, self.pool.conditions(order), 0, terms.instrument_id, terms.strategy_id)

    cdef void _offer(self, const Descriptor* item, const IntentPayload* wanted, const Conditions* conditions, uint64_t order_handle,
                     uint32_t instrument_id, uint16_t strategy_id) noexcept nogil:
        """An intent of a person to the gate, under this handle or (0) a new one."""
        cdef Descriptor out = item[0]
        cdef RecordHeader* record
        out.order_handle = order_handle
        if out.order_handle == 0:
            self.tables.control.next_handle = self.tables.control.next_handle + 1
            out.order_handle = self.tables.control.next_handle
        out.account_id = self.account_id
        out.strategy_id = strategy_id
        out.data = FOR_PERSON
        record = self.scribe.intent(wanted, conditions, self.account_id, self.venue_id, instrument_id, strategy_id, out.order_handle, item.seq)
        if record == NULL:
            return
        out.kind = RECORD_KIND_INTENT
        out.instrument_id = record.instrument_id
        out.record = record
        out.seq = out.cause_seq = record.seq
        if not self.manual_intents.push(&out):
            self.scribe.refusal(record, REASON_RING_FULL)

    cdef void _hold(self, const Scope* scope, bint is_held) noexcept nogil:
        """The symbols in the scope stand still, their orders are cancelled, while they are being closed; released they trade again."""
        cdef uint32_t i
        cdef uint8_t* halts = self.register.instrument_halts
        for i in range(1, self.tables.instrument_count + 1):
            if not self._is_ours(i) or (scope.instrument_id and scope.instrument_id != i):
                continue
            if is_held and not halts[i]:
                halts[i] = HALT_REASON_FLATTEN
            elif not is_held and halts[i] == HALT_REASON_FLATTEN:
                halts[i] = HALT_REASON_NONE
        if is_held:
            self._cancel_scope(scope)

    # --- trading state ---

    cdef uint8_t _halt_reason(self) noexcept nogil:
        cdef int64_t drift_ns = self.line.clock_drift_ns
        if self.tables.control.kill or self.line.is_killed:
            return HALT_REASON_KILL
        if self.is_mismatched:
            return self.sticky_reason
        if self.tables.control.stopping:
            return HALT_REASON_STOPPING
        if self.tables.control.journal_reserve or self.journal.is_pressed:
            return HALT_REASON_JOURNAL
        if not (self.line.gateway_ready and self.line.user_stream_ready):
            return HALT_REASON_VENUE if self.has_started else HALT_REASON_STARTING
        if not self.line.reconciled or (not self.line.is_valued and self._needs_equity()):
            return HALT_REASON_STARTING
        if drift_ns > self.tables.engine_limits.clock_drift_ns_max or drift_ns < -self.tables.engine_limits.clock_drift_ns_max:
            return HALT_REASON_CLOCK
        if self.tables.scopes[ENGINE_ROW].trading_state == TRADING_STATE_HALTED:
            return HALT_REASON_RISK
        return HALT_REASON_NONE

    cdef bint _needs_equity(self) noexcept nogil:
        """Leverage is limited, and nobody has told what it is a multiple of: any order would be refused for it."""
        cdef int[3] rows
        cdef int i
        rows[0], rows[1], rows[2] = ENGINE_ROW, ACCOUNT_ROWS + self.venue_id % LINE_CAPACITY, VENUE_ROWS + self.venue_id % LINE_CAPACITY
        for i in range(3):
            if (self.tables.limit_rows[rows[i]].is_set and self.tables.limit_rows[rows[i]].max_leverage_e4 != INT64_MAX
                    and self.tables.scopes[rows[i]].equity_e8 == 0):
                return True
        return False

    cdef void _evaluate(self, uint64_t cause_seq) noexcept nogil:
        cdef uint8_t reason = self._halt_reason()
        cdef uint8_t previous = self.line.trading_state
        cdef uint8_t state = TRADING_STATE_ACTIVE if reason == HALT_REASON_NONE else TRADING_STATE_HALTED
        if not self.line.reconciled:
            self.counters.values[<int> COUNTER_RECONCILED] = 0
        if state == TRADING_STATE_ACTIVE and self.tables.scopes[ENGINE_ROW].trading_state == TRADING_STATE_REDUCING:
            state = TRADING_STATE_REDUCING
            self.is_reduced_by_risk = True
        elif state == TRADING_STATE_ACTIVE and previous == TRADING_STATE_REDUCING and not self.is_reduced_by_risk:
            return
        else:
            self.is_reduced_by_risk = False
        if state == previous and reason == self.line.halt_reason and self.is_state_told:
            return
        # the first state of a run is always written: a crash loop must be found by the next one
        self.is_state_told = True
        if reason != self.line.halt_reason:
            self._tell_halt(reason, cause_seq)
        self.line.trading_state = state
        self.line.halt_reason = reason
        self.tables.sum_lines()
        self.scribe.trading_state(previous, cause_seq)

    cdef void _tell_halt(self, uint8_t reason, uint64_t cause_seq) noexcept nogil:
        """Halts that no other alarm tells of, and what one of the risk monitor's asks for."""
        cdef Scope everything
        if reason == HALT_REASON_CLOCK:
            self.scribe.alarm(ALARM_CODE_CLOCK_DRIFT, 0, 0, self.line.clock_drift_ns,
                              b"the venue's clock and ours are too far apart: no new orders", cause_seq)
        elif reason == HALT_REASON_JOURNAL:
            self.scribe.alarm(ALARM_CODE_JOURNAL_NEARLY_FULL, 0, 0, 0,
                              b"the journal's disk failed or cannot keep up: no new orders", cause_seq)
        elif reason == HALT_REASON_RISK:
            # the monitor has told why; what rests could still add to what the halt is about
            memset(&everything, 0, sizeof(Scope))
            self._cancel_scope(&everything, False, True)
            self._start_sweep(cause_seq)
