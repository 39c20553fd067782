"""Order management as an actor: inputs in, requests and events out.

Every input is worked off at once; what time asks of many orders (time-outs, cancels, queries) is a sweep that goes on in later polls
while the rings out have room, so no burst can overflow them. Trading state is a function of what is known, evaluated after
each input: HALTED(starting | venue | stopping | journal | clock) clears by itself, HALTED(kill | crash loop | mismatch) by `arm`.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset
from engine.journal.journal cimport Journal
from engine.model.approval cimport *
from engine.model.codes cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport (BalanceRow, BalancesPayload, CommandPayload, FillPayload, FundingPaymentPayload, IntentPayload,
                                   Conditions, OrderStatePayload, RecordHeader, StatePayload, TimerPayload, VenuePositionPayload,
                                   MarginTiersPayload, VerdictPayload)
from engine.model.tables cimport (ACCOUNT_ROWS, ENGINE_ROW, INSTRUMENT_CAPACITY, INSTRUMENT_ROWS, POSITION_SIDES, STRATEGY_ROWS,
                                  VENUE_ROWS, Instrument, InstrumentLimits, Tables)
from engine.model.unnamed cimport NO_TRADE_ID
from engine.oms.accounts cimport AccountBook
from engine.oms.lifecycle cimport ExternalOrder, OrderLifecycle
from engine.oms.orders cimport Order
from engine.oms.positions cimport PositionBook, tw_e16_to_e8, tw_value_e16
from engine.oms.scribe cimport FillFacts
from engine.oms.valuation cimport Valuation
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

from engine.model.clientid import encode
from engine.model.codes import OrderState, OrderType, PositionSide, Side, TimeInForce

cdef enum:
    INPUTS_PER_POLL = 16
    SWEEP_PER_POLL = 64
    ROOM_NEEDED = 8             # events or requests that one input or one swept order may cause
    FLATTEN_ORDERS_MAX = 64
    ASSETS = 512
    # SESSION_STATE `detail`: which of the session's two halves it speaks of
    SESSION_ORDERS = 1
    SESSION_USER_STREAM = 2
    # so many readings in a row must disagree: one may have been overtaken by a fill on its way
    POSITION_MISSES_MAX = 3
    # flags of FLATTEN: what closes a position step by step (engine/flatten.py) begins and ends with them
    FLATTEN_HOLD = 1
    FLATTEN_RELEASE = 2

cdef int64_t RECONCILE_RETRY_NS = 1_000_000_000
cdef int64_t POSITION_RETRY_NS = 200_000_000
cdef int64_t REREAD_PAUSE_NS = 4_000_000_000
cdef int64_t RECONCILE_PATIENCE_NS = 60_000_000_000
cdef int64_t HOUR_NS = 3_600_000_000_000
cdef int64_t DAY_NS = 86_400_000_000_000


cdef class Oms(OrderLifecycle):
    """The one keeper of orders, positions and balances.

    `order_timeout_ns`: no answer by then makes an order UNKNOWN. `venue_delay_ns_max`: the longest the venue may take with a request
    (a capability). `cancel_on_start`: cancel own orders left from an earlier run before trading begins. `has_cancel_all`: one request
    cancels a whole symbol; else orders are cancelled one by one.
    """

    def __init__(self, str name, Journal journal not None, Tables tables not None, Counters counters not None,
                 ApprovalRegister register not None, *, bint cancel_on_start=False, bint has_cancel_all=True,
                 str reporting_currency="USDT", int64_t liquidation_near_bps=1000, **options):
        OrderLifecycle.__init__(self, name, journal, tables, counters, register, **options)
        self.accounts = AccountBook(journal, tables, self.book_of_positions, self.scribe, Valuation(tables, reporting_currency),
                                    account_id=self.account_id, venue_id=self.venue_id, near_bps=liquidation_near_bps)
        self.accounts.funding_e8 = self.funding_e8
        self._intents = {}
        self.cancel_on_start = cancel_on_start
        self.has_cancel_all = has_cancel_all
        self.line.trading_state = TRADING_STATE_HALTED
        if self.line.halt_reason == HALT_REASON_CRASH_LOOP:
            # set by the wiring before it made us
            self.sticky_reason = HALT_REASON_CRASH_LOOP
            self.is_mismatched = True
        else:
            self.line.halt_reason = HALT_REASON_STARTING
        tables.sum_lines()

    cdef int do_work(self) except -1:
        cdef int done = 0
        cdef Descriptor* item
        # most polls find nothing: room is looked at only for something
        while done < INPUTS_PER_POLL and (self.approvals.peek() != NULL or self.to_oms.peek() != NULL) and self._has_room():
            item = self.approvals.peek()
            if item != NULL:
                if item.data:
                    self.on_approval(item)
                elif item.record != NULL and (<const IntentPayload*> (item.record + 1)).action == INTENT_ACTION_AMEND:
                    self.on_amend_intent(item, (<const IntentPayload*> (item.record + 1)).qty_lots)
                else:
                    self.on_cancel_intent(item)
                self.approvals.release()
            else:
                item = self.to_oms.peek()
                if item == NULL:
                    break
                self._handle(item)
                self.to_oms.release()
            done += 1
        if self.is_sweeping:
            done += self._sweep()
        return done

    cdef bint _has_room(self) noexcept nogil:
        return (self.order_events.depth() + ROOM_NEEDED <= self.order_events.capacity
                and self.outbound.depth() + ROOM_NEEDED <= self.outbound.capacity
                and not (self.has_risk and self.risk_events.depth() + ROOM_NEEDED > self.risk_events.capacity)
                and not (self.has_execution and self.execution_events.depth() + ROOM_NEEDED > self.execution_events.capacity))

    cdef void _handle(self, const Descriptor* item) noexcept nogil:
        cdef int kind = item.kind
        if item.record == NULL:
            return
        if item.venue_id and item.venue_id != self.venue_id:
            # another line's account: what it says is true there and would be false here
            self.misrouted += 1
            return
        if kind == RECORD_KIND_EXECUTION_REPORT or kind == RECORD_KIND_ORDER_STATUS or kind == RECORD_KIND_OWN_TRADE:
            self.on_report(item)
        elif kind == RECORD_KIND_ORDER_REPLY:
            self.on_reply(item)
        elif kind == RECORD_KIND_TIMER:
            self._on_tick(item)
        elif kind == RECORD_KIND_ACCOUNT_POSITION:
            self._on_balances(item)
        elif kind == RECORD_KIND_COMMAND:
            self._on_command(item)
        elif kind == RECORD_KIND_SESSION_STATE:
            self._on_session(item)
        elif kind == RECORD_KIND_OWN_FRAME_MALFORMED:
            self._on_malformed(item)
        elif kind == RECORD_KIND_TIME_SYNC:
            self._on_time_sync(item)
        elif kind == RECORD_KIND_VENUE_POSITION:
            self._on_venue_position(item)
        elif kind == RECORD_KIND_FUNDING_PAYMENT:
            self._on_funding(item)
        elif kind == RECORD_KIND_MARGIN_TIERS:
            self.accounts.take_terms(item.record)
        elif kind == RECORD_KIND_ACCOUNT_WARNING:
            self._on_warning(item)
        elif kind == RECORD_KIND_RECONCILE_BEGIN:
            self.phase_mono_ns = self.journal.now_mono_ns
        elif kind == RECORD_KIND_RECONCILE_END:
            self._end_reconcile(item)
        if self.phase == RECONCILE_RESOLVING:
            self._resolve(item.seq)
        self._evaluate(item.seq)

    # --- sweeps: what time, kill and lost sessions ask of many orders ---

    cdef void _start_sweep(self, uint64_t cause_seq) noexcept nogil:
        if not self.is_sweeping:
            self.is_sweeping = True
            self.sweep_mark += 1
        self.sweep_cause = cause_seq

    cdef int _sweep(self) noexcept nogil:
        cdef int done = 0
        cdef uint32_t slot = self.pool.first_open, following
        while slot != SLOT_NONE:
            following = self.pool.orders[slot].next_open
            if self.pool.orders[slot].sweep_mark != self.sweep_mark:
                if done >= SWEEP_PER_POLL or not self._has_room():
                    return done
                self.pool.orders[slot].sweep_mark = self.sweep_mark
                self.tend(&self.pool.orders[slot], self.sweep_cause)
                done += 1
            slot = following
        self.is_sweeping = False
        return done

    cdef void _on_tick(self, const Descriptor* item) noexcept nogil:
        cdef const TimerPayload* timer = <const TimerPayload*> (item.record + 1)
        cdef int64_t now_mono_ns = self.journal.now_mono_ns
        if timer.timer_kind == TIMER_KIND_RECONCILE:
            self._start_reconcile()
            return
        if timer.timer_kind != TIMER_KIND_TICK:
            return
        self._start_sweep(item.seq)
        if now_mono_ns >= self.accounts.next_look_mono_ns:
            self.accounts.look(now_mono_ns, item.seq)
        if self.phase == RECONCILE_COLLECTING and now_mono_ns - self.phase_mono_ns > RECONCILE_PATIENCE_NS:
            self.phase = RECONCILE_IDLE
        if (self.phase == RECONCILE_IDLE and now_mono_ns >= self.next_reconcile_mono_ns
                and (self.is_recheck_wanted or not self.line.reconciled)):
            self._start_reconcile()
        if (self.is_reread_wanted and self.phase == RECONCILE_IDLE and self.session_ready
                and now_mono_ns >= self.next_reconcile_mono_ns + REREAD_PAUSE_NS):
            self.is_reread_wanted = False
            self._start_reconcile()

    # --- the session, clock and balances ---

    cdef void _on_session(self, const Descriptor* item) noexcept nogil:
        cdef const StatePayload* state = <const StatePayload*> (item.record + 1)
        cdef uint8_t is_ready = 1 if state.state == SESSION_STATE_READY else 0
        cdef int64_t halves = state.detail if state.detail else SESSION_ORDERS | SESSION_USER_STREAM
        cdef bint was_ready = self.session_ready
        if state.state == SESSION_STATE_CONNECTING or state.state == SESSION_STATE_CONNECTED:
            return
        if halves & SESSION_ORDERS:
            self.line.gateway_ready = is_ready
            self.session_ready = is_ready
        if halves & SESSION_USER_STREAM:
            self.line.user_stream_ready = is_ready
        self.tables.sum_lines()
        self.counters.values[<int> COUNTER_GATEWAY_READY] = self.tables.lines[0].gateway_ready
        if not is_ready:
            # what happened while nobody listened is unknown until the account has been read again
            self.line.reconciled = 0
            self.phase = RECONCILE_IDLE
            self.deferred_count = 0
            self.next_reconcile_mono_ns = self.journal.now_mono_ns
            self._start_sweep(item.seq)
            # in an orderly stop the engine hangs up itself, once all is verified
            if was_ready and not (self.tables.control.stopping and self.pool.open_count == 0):
                self._tell_session_lost(state.reason, halves, item.seq)
        elif self.line.gateway_ready and self.line.user_stream_ready:
            self._start_reconcile()

    cdef void _tell_session_lost(self, uint16_t reason, int64_t halves, uint64_t cause_seq) noexcept nogil:
        if reason == REASON_RATE_BUDGET:
            self.scribe.alarm(ALARM_CODE_RATE_LIMITED, 0, 0, halves, b"banned by the venue (418): halted until the ban is over", cause_seq)
        elif reason == REASON_KEY_REFUSED:
            self.scribe.alarm(ALARM_CODE_KEY_REFUSED, 0, 0, halves, b"the venue refuses the API key: no orders, and no cancels either",
                              cause_seq)
        else:
            self.scribe.alarm(ALARM_CODE_SESSION_LOST, 0, 0, halves, b"the order session or its user stream is lost: no new orders",
                              cause_seq)

    cdef void _on_malformed(self, const Descriptor* item) noexcept nogil:
        """A frame of ours that could not be read may have been a fill: the account is read anew, at most every few seconds."""
        if not self.is_reread_wanted:
            self.is_reread_wanted = True
            self.scribe.alarm(ALARM_CODE_MALFORMED_FRAME, 0, 0, item.record.frame_length,
                              b"a frame of the order session could not be read: the account is read anew", item.seq)

    cdef void _on_time_sync(self, const Descriptor* item) noexcept nogil:
        cdef const StatePayload* state = <const StatePayload*> (item.record + 1)
        self.line.clock_drift_ns = state.detail
        self.tables.sum_lines()
        self.counters.values[<int> COUNTER_CLOCK_DRIFT_NS] = <uint64_t> self.tables.lines[0].clock_drift_ns

    cdef void _on_balances(self, const Descriptor* item) noexcept nogil:
        """What the venue says stands: its free and locked amounts replace ours."""
        cdef const BalancesPayload* balances = <const BalancesPayload*> (item.record + 1)
        cdef const BalanceRow* rows = <const BalanceRow*> (balances + 1)
        cdef int asset
        cdef uint32_t i, count = (item.record.length - sizeof(RecordHeader) - sizeof(BalancesPayload)) // sizeof(BalanceRow)
        count = min(count, balances.count)
        if balances.is_complete:
            for asset in range(ASSETS):
                if self.tables.asset_lines[asset] == self.venue_id:
                    self.tables.control.balance_free_e8[asset] = 0
                    self.tables.control.balance_locked_e8[asset] = 0
        for i in range(count):
            if 0 < rows[i].asset_id < ASSETS and self.tables.asset_lines[rows[i].asset_id] == self.venue_id:
                self.tables.control.balance_free_e8[rows[i].asset_id] = rows[i].free_e8
                self.tables.control.balance_locked_e8[rows[i].asset_id] = rows[i].locked_e8
                self.accounts.take_balance(rows[i].asset_id)
        self.scribe.balances(item.record)

    # --- futures: positions, funding, warnings ---

    cdef void _on_venue_position(self, const Descriptor* item) noexcept nogil:
        """The latest word stands, whichever way it came."""
        cdef const VenuePositionPayload* told = <const VenuePositionPayload*> (item.record + 1)
        cdef int side = item.record.position_side % POSITION_SIDES
        cdef int place = side * INSTRUMENT_CAPACITY + <int> (item.instrument_id % INSTRUMENT_CAPACITY)
        cdef VenuePosition* row = &self.venue_positions[place]
        if told.as_of_ns >= row.as_of_ns:
            row.position_lots = told.position_lots
            row.entry_price_e8 = told.entry_price_e8
            row.as_of_ns = told.as_of_ns
            self.tables.margin_rows[place].isolated_wallet_e8 = told.isolated_wallet_e8
            self.tables.touch_margin(item.instrument_id % INSTRUMENT_CAPACITY)
        if told.is_answer:
            row.is_answered = 1
            row.fills_then = self.book_of_positions.row(self.account_id, item.instrument_id, side).fills

    cdef void _on_funding(self, const Descriptor* item) noexcept nogil:
        """The record is the booking: it stands in the ledger, totals are kept by instrument."""
        cdef const FundingPaymentPayload* paid = <const FundingPaymentPayload*> (item.record + 1)
        self._book_funding(item.instrument_id % INSTRUMENT_CAPACITY, paid)

    cdef void _book_funding(self, uint32_t instrument_id, const FundingPaymentPayload* paid) noexcept nogil:
        """Each settlement once: an answer is all that it paid, so that only what the stream did not tell is added."""
        cdef Settlement* known = self._settlement(instrument_id, paid.asset_id, paid.event_ns)
        cdef Settlement* unnamed
        cdef int64_t moved_e8 = paid.amount_e8
        self.newest_funding_ns = max(self.newest_funding_ns, paid.event_ns)
        if paid.is_answer:
            moved_e8 -= known.amount_e8
        known.amount_e8 += moved_e8
        self.funding_e8[instrument_id] = self.funding_e8[instrument_id] + moved_e8
        if not paid.is_answer or instrument_id == 0 or moved_e8 == 0:
            return
        unnamed = self._settlement(0, paid.asset_id, paid.event_ns)
        if (unnamed.amount_e8 >= moved_e8 > 0) or (unnamed.amount_e8 <= moved_e8 < 0):
            # the stream told of it and not for which contract: now it is known
            unnamed.amount_e8 -= moved_e8
            self.funding_e8[0] = self.funding_e8[0] - moved_e8

    cdef Settlement* _settlement(self, uint32_t instrument_id, uint16_t asset_id, int64_t event_ns) noexcept nogil:
        """What is booked of one settlement: contracts settle on the hour, the news of it comes a little later."""
        cdef int64_t hour = (event_ns + HOUR_NS // 2) // HOUR_NS
        cdef uint32_t i
        cdef Settlement* row
        for i in range(min(self.settlement_count, <uint32_t> SETTLEMENTS_KEPT)):
            row = &self.settlements[i]
            if row.hour == hour and row.instrument_id == instrument_id and row.asset_id == asset_id:
                return row
        row = &self.settlements[self.settlement_count % SETTLEMENTS_KEPT]
        self.settlement_count += 1
        row.hour = hour
        row.amount_e8 = 0
        row.instrument_id = instrument_id
        row.asset_id = asset_id
        return row

    cdef int64_t _funding_since_ns(self) noexcept nogil:
        """From when on settlements are asked for: a day before the latest known, not before our first fill; 0 = none can be missed."""
        if self.first_fill_ns == 0:
            return 0
        return max(self.first_fill_ns, self.newest_funding_ns - DAY_NS)

    cdef void _on_warning(self, const Descriptor* item) noexcept nogil:
        cdef const StatePayload* warning = <const StatePayload*> (item.record + 1)
        if warning.state == ALARM_CODE_MARGIN_CALL:
            self.scribe.alarm(warning.state, 0, 0, 0, b"the venue calls for margin: positions may be liquidated", item.seq)
        elif warning.state == ALARM_CODE_SESSION_LOST:
            self.scribe.alarm(warning.state, 0, 0, 0, b"the dead-man switch was not fed in time: the venue may have cancelled all", item.seq)
        else:
            self.scribe.alarm(warning.state, 0, 0, 0, b"leverage or a mode of the account was changed elsewhere", item.seq)

    cdef bint _positions_agree(self, uint64_t cause_seq) noexcept nogil:
        """Compare what the venue answered with our fills; False while a difference may still be one of timing."""
        cdef bint agree = True
        cdef uint32_t i
        cdef int side
        for i in range(1, self.tables.instrument_count + 1):
            for side in range(POSITION_SIDES):
                if self.tables.instruments[i].kind != 0 and self._is_ours(i) and not self._position_agrees(i, side, cause_seq):
                    agree = False
        return agree

    cdef bint _position_agrees(self, uint32_t instrument_id, int side, uint64_t cause_seq) noexcept nogil:
        cdef int place = side * INSTRUMENT_CAPACITY + <int> instrument_id
        cdef VenuePosition* row = &self.venue_positions[place]
        if not row.is_answered:
            return True
        row.is_answered = 0
        if row.position_lots == self.tables.exposures[place].position_lots:
            row.misses = 0
            row.is_disputed = 0
            return True
        if row.is_disputed:
            return True  # told already, and the symbol stands still
        if row.fills_then == self.book_of_positions.row(self.account_id, instrument_id, side).fills:
            row.misses += 1
        if row.misses < POSITION_MISSES_MAX:
            return False
        row.misses = 0
        row.is_disputed = 1
        self.halt_instrument(instrument_id, HALT_REASON_MISMATCH)
        self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] = self.counters.values[<int> COUNTER_RECONCILE_MISMATCHES] + 1
        self.scribe.alarm(ALARM_CODE_RECONCILE_MISMATCH, instrument_id, 0, row.position_lots,
                          b"the venue's position is not what our fills make: symbol halted, arm takes the venue's over", cause_seq)
        return True

    cdef void _adopt_positions(self, uint32_t instrument_id, uint64_t cause_seq) noexcept nogil:
        """`arm` of a symbol (0: of all) whose position is disputed: a person has looked, and the venue's word counts."""
        cdef uint32_t i
        cdef int side
        for i in range(1, self.tables.instrument_count + 1):
            for side in range(POSITION_SIDES):
                if self.venue_positions[side * INSTRUMENT_CAPACITY + <int> i].is_disputed and self._is_ours(i) and (instrument_id == 0 or instrument_id == i):
                    self._adopt_position(i, side, cause_seq)
                    self.venue_positions[side * INSTRUMENT_CAPACITY + <int> i].is_disputed = 0

    cdef void _adopt_position(self, uint32_t instrument_id, int side, uint64_t cause_seq) noexcept nogil:
        """The difference becomes an external fill without a trade, at the venue's entry price, so that a restart finds it."""
        cdef int place = side * INSTRUMENT_CAPACITY + <int> instrument_id
        cdef const VenuePosition* row = &self.venue_positions[place]
        cdef int64_t missing_lots = row.position_lots - self.tables.exposures[place].position_lots
        cdef FillFacts facts
        if missing_lots == 0:
            return
        memset(&facts, 0, sizeof(FillFacts))
        facts.trade_id = -1
        facts.qty_lots = missing_lots if missing_lots > 0 else -missing_lots
        facts.side = SIDE_BUY if missing_lots > 0 else SIDE_SELL
        facts.position_side = <uint8_t> side
        facts.price_ticks = row.entry_price_e8 // self.tables.instruments[instrument_id].tick_size_e8
        if facts.price_ticks <= 0:
            facts.price_ticks = max(self.tables.markets[instrument_id].last_trade_ticks, <int64_t> 1)
        facts.account_id = self.account_id
        facts.venue_id = self.venue_id
        facts.instrument_id = instrument_id
        facts.is_external = 1
        self._move_position(&facts)
        self.scribe.fill(NULL, &facts, cause_seq)
        self.scribe.position(self.account_id, self.venue_id, instrument_id, side, cause_seq)
        self.scribe.alarm(ALARM_CODE_POSITION_ADOPTED, instrument_id, 0, missing_lots,
                          b"armed: the venue's position was taken over, the difference booked as an external fill", cause_seq)

    # --- commands ---

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
            self._cancel_scope(&scope)
        elif command.command_kind == COMMAND_KIND_STOP:
            self.tables.control.stopping = 1
            memset(&scope, 0, sizeof(Scope))
            self._cancel_scope(&scope)
        elif command.command_kind == COMMAND_KIND_FLATTEN:
            if command.flags & (FLATTEN_HOLD | FLATTEN_RELEASE):
                self._hold(&scope, command.flags & FLATTEN_HOLD)
            else:
                self._flatten(&scope, item.seq)
        elif command.command_kind == COMMAND_KIND_ORDER or command.command_kind == COMMAND_KIND_HEDGE:
            self._operator_order(item, command)
        elif command.command_kind == COMMAND_KIND_AMEND:
            self._operator_amend(item, command)
        elif command.command_kind == COMMAND_KIND_RECONCILE:
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
        self._adopt_positions(scope.instrument_id, cause_seq)
        if scope.instrument_id:
            self.register.instrument_halts[scope.instrument_id % 512] = 0
            self.tables.rearm(INSTRUMENT_ROWS + scope.instrument_id % 512)
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

    cdef bint _is_ours(self, uint32_t instrument_id) noexcept nogil:
        return self.tables.instruments[instrument_id].venue_id == self.venue_id

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

    cdef void _cancel_scope(self, const Scope* scope) noexcept nogil:
        """Cancel-all per symbol first where the whole symbol is meant; singles for the rest, and for what that leaves open."""
        cdef uint8_t[512] by_symbol
        cdef uint32_t slot = self.pool.first_open, instrument_id
        cdef Order* order
        cdef int64_t due_mono_ns = self.journal.now_mono_ns + self.order_timeout_ns
        cdef bint whole_symbols = self.has_cancel_all and self.session_ready and scope.order_handle == 0 and scope.strategy_id == 0
        memset(by_symbol, 0, 512)
        while slot != SLOT_NONE:
            order = &self.pool.orders[slot]
            if not order.ended and self._in_scope(order, scope):
                instrument_id = self.pool.terms(order).instrument_id % 512
                if whole_symbols and by_symbol[instrument_id] == 0:
                    by_symbol[instrument_id] = 1 if self.send_bare(OUTBOUND_CANCEL_ALL, instrument_id, 0, 0) else 2
                self.want_cancel(order, due_mono_ns if by_symbol[instrument_id] == 1 else 0)
            slot = order.next_open

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
        through the gate, on behalf of the strategy whose order it is."""
        cdef Order* order = self.pool.find(item.record.order_handle)
        cdef const ApprovedOrder* terms
        cdef IntentPayload wanted
        cdef Descriptor out = item[0]
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
            out.order_handle = order.order_handle
            out.strategy_id = 0
            self.on_amend_intent(&out, wanted.qty_lots)
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

    cdef void _flatten(self, const Scope* scope, uint64_t cause_seq) noexcept nogil:
        """Cancel what is open in the scope, then close its positions by market orders through the gate."""
        cdef uint32_t instrument_id
        cdef uint8_t position_side
        self._cancel_scope(scope)
        for instrument_id in range(1, self.tables.instrument_count + 1):
            if self._is_ours(instrument_id) and (scope.instrument_id == 0 or scope.instrument_id == instrument_id):
                for position_side in range(POSITION_SIDES):
                    self._flatten_one(instrument_id, position_side, cause_seq)

    cdef int64_t _closing_lots(self, uint32_t instrument_id, uint8_t position_side, int side) noexcept nogil:
        """Lots of market orders under way on this side. Limit orders do not count: flatten is cancelling them."""
        cdef uint32_t slot = self.pool.first_open
        cdef int64_t lots = 0
        while slot != SLOT_NONE:
            if (self.register.slots[slot].instrument_id == instrument_id and self.register.slots[slot].side == side
                    and self.register.slots[slot].position_side == position_side
                    and self.register.slots[slot].order_type == ORDER_TYPE_MARKET):
                lots += self.pool.leaves_lots(&self.pool.orders[slot])
            slot = self.pool.orders[slot].next_open
        return lots

    cdef void _flatten_one(self, uint32_t instrument_id, uint8_t position_side, uint64_t cause_seq) noexcept nogil:
        """One position: a netted account's, or one side of a hedged account's."""
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef int64_t left_lots = self.tables.exposure_row(instrument_id, position_side).position_lots
        cdef int64_t most_lots = min(self.tables.limits[instrument_id].max_order_qty_lots, instrument.max_qty_lots)
        cdef CommandPayload command
        cdef Descriptor item
        cdef RecordHeader header
        cdef int made = 0
        memset(&command, 0, sizeof(CommandPayload))
        memset(&item, 0, sizeof(Descriptor))
        memset(&header, 0, sizeof(RecordHeader))
        command.side = SIDE_SELL if left_lots > 0 else SIDE_BUY
        command.order_type = ORDER_TYPE_MARKET
        # what already works on the closing side (a flatten a moment ago) closes it too: asked twice must not turn the position
        if left_lots > 0:
            left_lots -= self._closing_lots(instrument_id, position_side, SIDE_SELL)
        else:
            left_lots = -left_lots - self._closing_lots(instrument_id, position_side, SIDE_BUY)
        header.instrument_id = instrument_id
        header.position_side = position_side
        item.record = &header
        item.seq = cause_seq
        item.venue_id = self.venue_id
        item.wall_ns = self.journal.now_wall_ns
        item.mono_ns = self.journal.now_mono_ns
        while left_lots > 0 and most_lots > 0 and made < FLATTEN_ORDERS_MAX:
            command.qty_lots = min(left_lots, most_lots)
            self._operator_order(&item, &command)
            left_lots -= command.qty_lots
            made += 1

    # --- reconciliation ---

    cdef void _start_reconcile(self) noexcept nogil:
        """Ask the session to read the account: open orders, trades since the last known one, balances."""
        cdef uint32_t slot = self.pool.first_open, instrument_id
        cdef int side
        cdef uint64_t room = self.outbound.capacity - self.outbound.depth()
        if (self.phase != RECONCILE_IDLE or not self.session_ready or not self.line.user_stream_ready
                or room < self.tables.instrument_count + 4):
            return
        self.phase = RECONCILE_COLLECTING
        self.phase_mono_ns = self.journal.now_mono_ns
        self.next_reconcile_mono_ns = self.journal.now_mono_ns + RECONCILE_RETRY_NS
        self.deferred_count = 0
        self.is_recheck_wanted = False
        for instrument_id in range(1, self.tables.instrument_count + 1):
            for side in range(POSITION_SIDES):
                self.venue_positions[side * INSTRUMENT_CAPACITY + <int> instrument_id].is_answered = 0
        while slot != SLOT_NONE:
            self.pool.orders[slot].is_seen = 0
            slot = self.pool.orders[slot].next_open
        self.send_bare(OUTBOUND_RECONCILE_BEGIN, 0, 0, 0)
        self.send_bare(OUTBOUND_OPEN_ORDERS, 0, 0, 0)
        for instrument_id in range(1, self.tables.instrument_count + 1):
            # without a trade of ours there is nothing that could be missing but of orders that are asked for one by one
            if self.trades.newest[instrument_id % 512] > 0:
                self.send_bare(OUTBOUND_TRADES, instrument_id, <uint64_t> self.trades.newest[instrument_id % 512] + 1, 0)
        self.send_bare(OUTBOUND_ACCOUNT, 0, <uint64_t> self._funding_since_ns(), 0)
        self.send_bare(OUTBOUND_RECONCILE_END, 0, 0, 0)

    cdef void _end_reconcile(self, const Descriptor* item) noexcept nogil:
        """The account has been read: what we think open and the venue did not name is asked for."""
        cdef const StatePayload* state = <const StatePayload*> (item.record + 1)
        cdef uint32_t slot = self.pool.first_open
        cdef Order* order
        if self.phase != RECONCILE_COLLECTING:
            return
        if state.state != 0:
            self.phase = RECONCILE_IDLE
            self.deferred_count = 0
            return
        self.phase = RECONCILE_RESOLVING
        self.line.reconciles += 1
        self.counters.values[<int> COUNTER_RECONCILES] = self.counters.values[<int> COUNTER_RECONCILES] + 1
        while slot != SLOT_NONE:
            order = &self.pool.orders[slot]
            # one in flight has its own time-out; the venue may simply not have had it yet when it was asked
            if order.is_seen == 0 and not order.ended and (order.is_acked or order.is_unknown or order.is_restored):
                order.query_wanted = 1
            if self.cancel_on_start and not self.has_started:
                self.want_cancel(order, 0)
            slot = order.next_open
        self._start_sweep(item.seq)

    cdef void _resolve(self, uint64_t cause_seq) noexcept nogil:
        """RECONCILED once nothing is left to ask: an order not found once is UNKNOWN and counts in full, which is known enough."""
        cdef uint32_t slot = self.pool.first_open
        cdef Order* order
        while slot != SLOT_NONE:
            order = &self.pool.orders[slot]
            if order.is_seen != 2:
                if order.query_wanted or order.query_in_flight or (order.is_unknown and order.misses == 0):
                    return
                if order.venue_cum_lots > order.booked_lots:
                    return
                if self.cancel_on_start and not self.has_started and not order.is_unknown:
                    return
            slot = order.next_open
        self.settle_deferred(cause_seq)
        self.phase = RECONCILE_IDLE
        if not self._positions_agree(cause_seq):
            # read again soon; who was not trading yet goes on waiting
            self.is_recheck_wanted = True
            self.next_reconcile_mono_ns = self.journal.now_mono_ns + POSITION_RETRY_NS
            if not self.line.reconciled:
                return
        self.has_started = True
        self.line.reconciled = 1
        self.tables.sum_lines()
        self.counters.values[<int> COUNTER_RECONCILED] = self.tables.lines[0].reconciled

    # --- trading state ---

    cdef uint8_t _halt_reason(self) noexcept nogil:
        cdef int64_t drift_ns = self.line.clock_drift_ns
        if self.tables.control.kill or self.line.is_killed:
            return HALT_REASON_KILL
        if self.is_mismatched:
            return self.sticky_reason
        if self.tables.control.stopping:
            return HALT_REASON_STOPPING
        if self.tables.control.journal_reserve or self.journal.nearly_full():
            return HALT_REASON_JOURNAL
        if not (self.line.gateway_ready and self.line.user_stream_ready):
            return HALT_REASON_VENUE if self.has_started else HALT_REASON_STARTING
        if not self.line.reconciled:
            return HALT_REASON_STARTING
        if drift_ns > self.tables.engine_limits.clock_drift_ns_max or drift_ns < -self.tables.engine_limits.clock_drift_ns_max:
            return HALT_REASON_CLOCK
        if self.tables.scopes[ENGINE_ROW].trading_state == TRADING_STATE_HALTED:
            return HALT_REASON_RISK
        return HALT_REASON_NONE

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
            self._cancel_scope(&everything)
            self._start_sweep(cause_seq)

    # --- restoration from the ledger of earlier runs ---

    def restore(self, records) -> int:
        """Rebuild orders, positions, fees and sticky halts from ledger records of earlier runs; returns how many were used.

        `records`: objects with `kind`, the header's ids and `payload` bytes, in sequence order (`JournalReader.records`). Nothing is
        sent and nothing is written; the venue's truth decides at reconciliation.
        """
        cdef bytes payload
        cdef const char* data
        cdef int used = 0, kind
        sizes = {
            RECORD_KIND_ORDER_STATE: sizeof(OrderStatePayload), RECORD_KIND_FILL: sizeof(FillPayload),
            RECORD_KIND_COMMAND: sizeof(CommandPayload), RECORD_KIND_TRADING_STATE: sizeof(StatePayload),
            RECORD_KIND_ALARM: sizeof(StatePayload), RECORD_KIND_FUNDING_PAYMENT: sizeof(FundingPaymentPayload),
            RECORD_KIND_INTENT: sizeof(IntentPayload), RECORD_KIND_VERDICT: sizeof(VerdictPayload),
            RECORD_KIND_MARGIN_TIERS: sizeof(MarginTiersPayload),
        }
        for record in records:
            kind = record.kind
            if kind not in sizes:
                continue
            payload = record.payload
            if len(payload) < sizes[kind]:
                raise ValueError(f"ledger record {record.seq}: {len(payload)} bytes of payload, {sizes[kind]} needed")
            if record.venue_id not in (0, self.venue_id):
                continue  # another line's
            data = payload
            if kind == RECORD_KIND_INTENT or kind == RECORD_KIND_VERDICT:
                self._remember_intent(record, kind)
                continue
            if kind == RECORD_KIND_ORDER_STATE:
                self._restore_order(record, <const OrderStatePayload*> data)
            elif kind == RECORD_KIND_FILL:
                self._restore_fill(record, <const FillPayload*> data)
            elif kind == RECORD_KIND_COMMAND:
                self._restore_command(record, <const CommandPayload*> data)
            elif kind == RECORD_KIND_MARGIN_TIERS:
                self.accounts.put_terms(record.instrument_id, <const MarginTiersPayload*> data, <uint32_t> len(payload))
            elif kind == RECORD_KIND_FUNDING_PAYMENT:
                self._book_funding(<uint32_t> record.instrument_id % INSTRUMENT_CAPACITY, <const FundingPaymentPayload*> data)
            else:
                self._restore_state(record, <const StatePayload*> data)
            used += 1
        self._restore_finish()
        self._intents.clear()
        return used

    def _remember_intent(self, object record, int kind) -> None:
        """Conditions stand with the intent: kept until its order is met, or its refusal."""
        if kind == RECORD_KIND_VERDICT:
            if not (<const VerdictPayload*> <const char*> record.payload).approved:
                self._intents.pop(record.order_handle, None)
        elif (<const IntentPayload*> <const char*> record.payload).has_conditions:
            self._intents[record.order_handle] = record.payload

    cdef ApprovedOrder* _admit(self, object record, const OrderStatePayload* state) except *:
        cdef uint64_t handle = record.order_handle
        cdef ApprovedOrder* terms = self.register.admit(handle)
        if terms == NULL:
            self._retire_restored()
            terms = self.register.admit(handle)
        if terms == NULL:
            raise ValueError(f"ledger record {record.seq}: no room for order {handle:#x}; raise the order capacity")
        terms.side = state.side
        terms.order_type = state.order_type
        terms.time_in_force = state.time_in_force
        terms.price_ticks = state.price_ticks
        terms.promise_price_ticks = state.price_ticks
        terms.trigger_ticks = state.trigger_ticks
        terms.flags = state.flags
        terms.position_side = record.position_side
        terms.qty_lots = state.qty_lots
        terms.instrument_id = record.instrument_id
        self._restore_conditions(terms)
        terms.venue_id = self.venue_id
        terms.account_id = self.account_id
        terms.strategy_id = record.strategy_id
        if self.tables.instruments[terms.instrument_id].kind == 0:
            terms.promised_asset_id = (self.tables.instruments[terms.instrument_id].quote_asset_id if state.side == SIDE_BUY
                                       else self.tables.instruments[terms.instrument_id].base_asset_id)
        self.tables.move_open_orders(terms.instrument_id, terms.position_side, terms.strategy_id, 1)
        self.register.rest(self.register.index_of(terms))
        self.pool.begin(self.register.index_of(terms))
        return terms

    cdef int _restore_conditions(self, ApprovedOrder* terms) except -1:
        cdef bytes payload = self._intents.pop(terms.order_handle, None)
        cdef const IntentPayload* intent
        if payload is None or <size_t> len(payload) < sizeof(IntentPayload) + sizeof(Conditions):
            return 0
        intent = <const IntentPayload*> <const char*> payload
        self.register.conditions[self.register.index_of(terms)] = (<const Conditions*> (intent + 1))[0]
        terms.has_conditions = 1
        terms.expire_ns = intent.expire_ns
        return 0

    def _retire_restored(self) -> None:
        """Earlier runs have had more orders than there are slots: those that are over by now make room."""
        cdef uint32_t slot = self.pool.first_open, following
        while slot != SLOT_NONE:
            following = self.pool.orders[slot].next_open
            if self.pool.is_over(&self.pool.orders[slot]):
                self.pool.settle(&self.pool.orders[slot])
                self.pool.reserve(&self.pool.orders[slot])
            slot = following

    cdef int _restore_order(self, object record, const OrderStatePayload* state) except -1:
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
        self.pool.terms(order).qty_lots = state.qty_lots
        if state.state in (ORDER_STATE_CANCELED, ORDER_STATE_EXPIRED, ORDER_STATE_REJECTED, ORDER_STATE_ABSENT):
            order.ended = state.state
            order.venue_cum_lots = state.cum_qty_lots + state.leaves_qty_lots
        elif state.state not in (ORDER_STATE_PENDING_NEW, ORDER_STATE_UNKNOWN, ORDER_STATE_APPROVED):
            order.is_acked = 1
        return 0

    cdef int _restore_fill(self, object record, const FillPayload* fill) except -1:
        cdef uint64_t handle = record.order_handle
        cdef uint32_t instrument_id = record.instrument_id
        cdef int side = record.position_side % POSITION_SIDES
        cdef Order* order = self.pool.find(handle)
        cdef const Instrument* instrument
        self.tables._check(instrument_id)
        instrument = &self.tables.instruments[instrument_id]
        if fill.trade_id != NO_TRADE_ID and not self.trades.add(instrument_id, fill.trade_id, fill.qty_lots):
            return 0
        if self.first_fill_ns == 0:
            self.first_fill_ns = record.wall_ns
        self._bring_over(self.account_id, instrument_id)
        self.book_of_positions.book(self.account_id, instrument_id, side, fill.side, fill.price_ticks, fill.qty_lots,
                                    fill.commission_asset_id, fill.commission_e8)
        self.book_of_strategies.book(record.strategy_id, instrument_id, side, fill.side, fill.price_ticks, fill.qty_lots,
                                     fill.commission_asset_id, fill.commission_e8)
        if order != NULL and not fill.is_external:
            self.tables.move_strategy_position(instrument_id, self.pool.terms(order).position_side, self.pool.terms(order).strategy_id,
                                               fill.qty_lots if fill.side == SIDE_BUY else -fill.qty_lots)
            order.booked_lots += fill.qty_lots
            order.filled_value_e16 = order.filled_value_e16 + tw_value_e16(
                fill.price_ticks, instrument.tick_size_e8, fill.qty_lots, instrument.lot_size_e8)
            order.venue_cum_lots = max(order.venue_cum_lots, order.booked_lots)
            self.pool.reserve(order)
        return 0

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

    cdef int _restore_command(self, object record, const CommandPayload* command) except -1:
        cdef uint32_t instrument_id = record.instrument_id
        cdef uint16_t strategy_id = record.strategy_id
        cdef uint8_t halt = HALT_REASON_KILL if command.command_kind == COMMAND_KIND_KILL else HALT_REASON_NONE
        if command.command_kind != COMMAND_KIND_KILL and command.command_kind != COMMAND_KIND_ARM:
            return 0
        if record.account_id not in (0, self.account_id):
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
        if is_whole:
            memset(self.register.strategy_halts, 0, 64)

    cdef int _restore_state(self, object record, const StatePayload* state) except -1:
        cdef uint32_t instrument_id = record.instrument_id
        if record.kind == RECORD_KIND_ALARM:
            if instrument_id and state.state in (ALARM_CODE_OVERFILL, ALARM_CODE_UNKNOWN_FILL):
                self.halt_instrument(instrument_id, HALT_REASON_MISMATCH)
        elif state.state == TRADING_STATE_HALTED and state.reason in (HALT_REASON_MISMATCH, HALT_REASON_CRASH_LOOP):
            self.sticky_reason = state.reason
            self.is_mismatched = True
        return 0

    cdef int _restore_finish(self) except -1:
        """Ended orders go to the reusable slots; the rest starts as what is certain: acknowledged, or in flight and UNKNOWN."""
        cdef uint32_t slot = self.pool.first_open, following, i
        cdef Order* order
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
            slot = following
        self.tell_open_orders()
        return 0

    # --- cold accessors ---

    @property
    def quiet(self) -> bool:
        """Stopping, and nothing is open at the venue any more."""
        return bool(self.tables.control.stopping) and self.pool.open_count == 0

    @property
    def account_book(self) -> AccountBook:
        return self.accounts

    @property
    def positions_book(self) -> PositionBook:
        return self.book_of_positions

    @property
    def illegal_transitions(self) -> int:
        return self.pool.illegal_transitions

    @property
    def lost_records(self) -> int:
        return self.scribe.lost_records

    def orders(self, bint open_only=True) -> list:
        """Orders as dicts, oldest first; ended ones too (as far as they are remembered) where `open_only` is False."""
        cdef uint32_t slot
        if not open_only:
            return [self._describe(slot) for slot in range(self.register.capacity) if self.register.slots[slot].state != SLOT_FREE]
        rows = []
        slot = self.pool.first_open
        while slot != SLOT_NONE:
            rows.append(self._describe(slot))
            slot = self.pool.orders[slot].next_open
        return rows

    def order(self, uint64_t order_handle) -> dict | None:
        """One order by its handle, or None where it is not remembered."""
        cdef Order* order = self.pool.find(order_handle)
        return None if order == NULL else self._describe(self.pool.slot_of(order))

    def _describe(self, uint32_t slot) -> dict:
        cdef const Order* order = &self.pool.orders[slot]
        cdef const ApprovedOrder* terms = &self.register.slots[slot]
        return {
            "order_handle": order.order_handle, "client_order_id": encode(self.journal.engine_id, order.order_handle),
            "venue_order_id": order.venue_order_id, "instrument_id": terms.instrument_id, "strategy_id": terms.strategy_id,
            "account_id": terms.account_id, "side": Side(terms.side).name, "order_type": OrderType(terms.order_type).name,
            "time_in_force": TimeInForce(terms.time_in_force).name, "state": OrderState(order.state).name,
            "price_ticks": terms.price_ticks, "qty_lots": terms.qty_lots, "cum_qty_lots": order.booked_lots,
            "leaves_qty_lots": self.pool.leaves_lots(order), "value_e8": tw_e16_to_e8(order.filled_value_e16),
            "reason": order.reason, "venue_code": order.venue_code, "is_open": bool(order.is_listed),
            "reserved_lots": terms.reserved_lots, "trigger_ticks": terms.trigger_ticks, "is_triggered": bool(order.is_triggered),
            "venue_algo_id": order.venue_algo_id, "position_side": PositionSide(terms.position_side).name, "expire_ns": terms.expire_ns,
            "flags": terms.flags,
        } | (dict(self.register.conditions[slot]) if terms.has_conditions else {})

    def positions(self) -> list:
        """Positions ever traded: wire units plus the exact 10^-16 figures of `PositionBook.wide`."""
        return self._positions_of(self.book_of_positions, "account_id")

    def strategy_positions(self) -> list:
        """The same by strategy id; 0: operators, and what no order of ours explains."""
        return self._positions_of(self.book_of_strategies, "strategy_id")

    def _positions_of(self, PositionBook book, str owner_name) -> list:
        rows = []
        for owner in range(book.owners):
            for instrument_id in range(1, self.tables.instrument_count + 1):
                for side in range(POSITION_SIDES):
                    if book.row(owner, instrument_id, side).fills:
                        ids = {owner_name: owner, "instrument_id": instrument_id, "position_side": side}
                        rows.append(ids | {"symbol": self.tables.symbol(instrument_id)} | book.wide(owner, instrument_id, side))
        return rows

    def funding(self) -> dict:
        """Funding paid (negative) and received by instrument id, in 10^-8 of the settle asset; 0: the venue did not say for which."""
        return {i: self.funding_e8[i] for i in range(512) if self.funding_e8[i]}

    def venue_positions_told(self) -> list:
        """Futures positions as the venue told them last, in lots."""
        return [
            {"instrument_id": place % INSTRUMENT_CAPACITY, "position_side": place // INSTRUMENT_CAPACITY,
             "position_lots": self.venue_positions[place].position_lots, "as_of_ns": self.venue_positions[place].as_of_ns,
             "is_disputed": bool(self.venue_positions[place].is_disputed)}
            for place in range(POSITION_SIDES * INSTRUMENT_CAPACITY) if self.venue_positions[place].as_of_ns
        ]

    def balances(self) -> list:
        """Assets with something in them: free and locked in 10^-8."""
        return [
            {"asset": self.tables.asset_name(i), "asset_id": i, "free_e8": self.tables.control.balance_free_e8[i],
             "locked_e8": self.tables.control.balance_locked_e8[i]}
            for i in range(1, max(self.tables.asset_count, 1))
            if self.tables.asset_lines[i] == self.venue_id
            and (self.tables.control.balance_free_e8[i] or self.tables.control.balance_locked_e8[i])
        ]

    def external_open_orders(self) -> list:
        """Orders open at the venue that are not ours."""
        cdef uint32_t i
        return [
            {"venue_order_id": self.external_orders[i].venue_order_id, "instrument_id": self.external_orders[i].instrument_id,
             "side": Side(self.external_orders[i].side).name, "price_ticks": self.external_orders[i].price_ticks,
             "qty_lots": self.external_orders[i].qty_lots,
             "client_order_id": (<bytes> self.external_orders[i].client_order_id[:24]).rstrip(b"\0").decode("ascii", "replace")}
            for i in range(self.external_count)
        ]
