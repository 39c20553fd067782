"""Order management as an actor: inputs in, requests and events out.

Every input is worked off at once; what time asks of many orders (time-outs, cancels, queries) is a sweep that goes on in later polls
while the rings out have room, so no burst can overflow them. Trading state is evaluated after each input. `Oms` is built up in
layers, each a class and a file: `lifecycle` (one order's life, sweeps), `reconciliation` (the account), `commands` (with trading
state), `restoration` (the ledger of earlier runs).
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from engine.journal.journal cimport Journal
from engine.model.approval cimport *
from engine.model.codes cimport *
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport BalanceRow, BalancesPayload, IntentPayload, RecordHeader, StatePayload, TimerPayload
from engine.model.tables cimport INSTRUMENT_CAPACITY, POSITION_SIDES, Tables
from engine.oms.accounts cimport AccountBook
from engine.oms.orders cimport Order
from engine.oms.positions cimport PositionBook, tw_e16_to_e8
from engine.oms.reconciliation cimport RECONCILE_COLLECTING, RECONCILE_IDLE, RECONCILE_RESOLVING
from engine.oms.restoration cimport Restoration
from engine.runtime.counters cimport Counters

from engine.model.clientid import encode
from engine.model.codes import OrderState, OrderType, PositionSide, Side, TimeInForce

cdef enum:
    INPUTS_PER_POLL = 16
    ASSETS = 512
    # SESSION_STATE `detail`: which of the session's two halves it speaks of
    SESSION_ORDERS = 1
    SESSION_USER_STREAM = 2

cdef int64_t REREAD_PAUSE_NS = 4_000_000_000
cdef int64_t RECONCILE_PATIENCE_NS = 60_000_000_000


cdef class Oms(Restoration):
    """The one keeper of orders, positions and balances.

    `order_timeout_ns`: no answer by then makes an order UNKNOWN. `venue_delay_ns_max`: the longest the venue may take with a request
    (a capability). `stop_keeps_protection`: an orderly stop leaves standing what protects positions. `cancel_on_start`: cancel own orders left from an earlier run before trading begins. `has_cancel_all`: one request
    cancels a whole symbol; else orders are cancelled one by one.
    """

    def __init__(self, str name, Journal journal not None, Tables tables not None, Counters counters not None,
                 ApprovalRegister register not None, *, bint cancel_on_start=False, bint has_cancel_all=True, bint stop_keeps_protection=True,
                 str reporting_currency="USDT", int64_t liquidation_near_bps=1000, **options):
        Restoration.__init__(self, name, journal, tables, counters, register, cancel_on_start=cancel_on_start,
                             has_cancel_all=has_cancel_all, stop_keeps_protection=stop_keeps_protection, reporting_currency=reporting_currency,
                             liquidation_near_bps=liquidation_near_bps, **options)
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

    cdef void _handle(self, const Descriptor* item) noexcept nogil:
        cdef int kind = item.kind
        if item.record == NULL:
            return
        if item.venue_id and item.venue_id != self.venue_id:
            # another line's account: what it says is true there and would be false here
            self.misrouted += 1
            return
        if kind == RECORD_KIND_EXECUTION_REPORT or kind == RECORD_KIND_ORDER_STATUS or kind == RECORD_KIND_OWN_TRADE:
            self.is_collecting = self.phase == RECONCILE_COLLECTING
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
            self.phase_mono_ns = self.begun_mono_ns = self.journal.now_mono_ns
            self.is_external_full = False
        elif kind == RECORD_KIND_RECONCILE_END:
            self._end_reconcile(item)
        if self.phase == RECONCILE_RESOLVING:
            self._resolve(item.seq)
        self._evaluate(item.seq)

    # --- time ---

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

    # --- the session, clock, balances and warnings ---

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
            if was_ready and not (self.tables.control.stopping and self._is_settled()):
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

    cdef void _on_warning(self, const Descriptor* item) noexcept nogil:
        cdef const StatePayload* warning = <const StatePayload*> (item.record + 1)
        if warning.state == ALARM_CODE_MARGIN_CALL:
            self.scribe.alarm(warning.state, 0, 0, 0, b"the venue calls for margin: positions may be liquidated", item.seq)
        elif warning.state == ALARM_CODE_SESSION_LOST:
            self.scribe.alarm(warning.state, 0, 0, 0, b"the dead-man switch was not fed in time: the venue may have cancelled all", item.seq)
        else:
            self.scribe.alarm(warning.state, 0, 0, 0, b"leverage or a mode of the account was changed elsewhere", item.seq)

    # --- cold accessors ---

    @property
    def quiet(self) -> bool:
        """Stopping, and nothing is open at the venue any more but what is meant to stay."""
        return bool(self.tables.control.stopping) and self._is_settled()

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
        return self.book_of_funding.by_instrument()

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
