"""The core's state as one checksum a section: two cores that were given the same inputs have the same, whoever drives them.

Sections are those of StateSection, so that a difference names its stage. What is hashed is what decides: rows in use by their numbers,
no pointers, no caches, no counters for people, nothing that edges write (row 0 of the lines, wishes for snapshots). Read between two
runs of the pipeline, when all stages are at rest.
"""
import msgspec

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.book.ladder cimport LadderCursor, LadderSide, cursor_next, cursor_open
from engine.book.stage cimport Book, BookStage
from engine.execution.stage cimport ExecutionStage
from engine.execution.triggers cimport TRIGGER_CAPACITY
from engine.journal.journal cimport Journal
from engine.model.approval cimport ApprovalRegister, ApprovedOrder, SLOT_FREE
from engine.model.codes cimport *
from engine.model.funding cimport FundingBook, FundingPaid, PAYMENTS_KEPT
from engine.model.records cimport Conditions, Level
from engine.model.tables cimport (
    ACCOUNT_ROWS, INSTRUMENT_CAPACITY, INSTRUMENT_ROWS, LINE_CAPACITY, LIMIT_ROW_COUNT, POSITION_SIDES, STRATEGY_CAPACITY, Exposure, Instrument,
    InstrumentLimits, LimitRow, LineState, MarginAccount, MarginRow, MarginTerms, MarketState, ScopeState, StrategyState, Tables,
)
from engine.oms.lifecycle cimport DeferredTrade, ExternalOrder
from engine.oms.oms cimport Oms
from engine.oms.orders cimport Order
from engine.oms.positions cimport FEE_ASSETS, Position, PositionBook
from engine.oms.reconciliation cimport VenuePosition
from engine.oms.trades cimport FOREIGN_CAPACITY, ForeignFill, TradeKey, TradeSet
from engine.risk.gate cimport RiskGate
from engine.risk.measures cimport Breaker, LossWindow, PriceWindow, TradeRow, Volatility
from engine.risk.monitor cimport Measure, RiskMonitor
from engine.risk.recent cimport ORDERS_KEPT, PriceHistory, RecentOrder
from engine.risk.terms cimport Leg
from engine.runtime.timers cimport TimerQueue
from engine.strategy.bars cimport BarBuilder
from engine.strategy.base cimport StrategyBase
from engine.strategy.desk cimport OrderDesk
from engine.strategy.own_orders cimport OwnOrders
from engine.strategy.runner cimport StrategyRunner
from engine.strategy.views cimport Bar, WorkingOrder

from engine.execution.outside import saved_of
from engine.journal import layout
from engine.model.codes import StateSection

cdef extern from "engine/runtime/crc32c.h":
    uint32_t tw_crc(const void*, uint64_t, uint32_t) noexcept nogil

_ROW, _ = layout.row_format(RECORD_KIND_STATE_HASH)
_HEAD, _ = layout.payload_format(RECORD_KIND_STATE_HASH)


cdef class CoreState:
    """The parts of one core; `engine` has them under the names that engine.app gives them. Raises TypeError where one is of another kind."""
    def __init__(self, engine):
        self.journal, self.tables, self.register, self.book = engine.journal, engine.tables, engine.register, engine.book
        self.monitor, self.gate, self.strategies = engine.monitor, engine.gate, engine.strategies
        self.execution, self.timers = engine.execution, engine.timers
        self.lines = [(line.venue_id, line.oms) for line in engine.lines]

    # --- what is told of it

    def sections(self) -> list:
        """(StateSection, line or 0, CRC-32C, bytes hashed) of every section, in their order."""
        rows = [
            self._of(STATE_SECTION_TABLES, 0, self._tables), self._of(STATE_SECTION_MARKETS, 0, self._markets),
            self._of(STATE_SECTION_BOOKS, 0, self._books), self._of(STATE_SECTION_ORDERS, 0, self._orders),
        ]
        for venue_id, oms in self.lines:
            rows.append(self._of(STATE_SECTION_OMS, venue_id, lambda: self._oms(oms)))
            rows.append(self._of(STATE_SECTION_POSITIONS, venue_id, lambda: self._positions(oms)))
        return rows + [
            self._of(STATE_SECTION_RISK, 0, self._risk), self._of(STATE_SECTION_GATE, 0, self._gate),
            self._of(STATE_SECTION_STRATEGIES, 0, self._strategies), self._of(STATE_SECTION_EXECUTION, 0, self._execution),
            self._of(STATE_SECTION_TIMERS, 0, self._timers), self._of(STATE_SECTION_TURN, 0, self._turn),
        ]

    def rows(self) -> list:
        """The same as records are decoded: by name."""
        names = ("section", "line", "crc32c", "byte_count")
        return [dict(zip(names, (StateSection(row[0]).name, *row[1:]))) for row in self.sections()]

    def payload(self) -> bytes:
        """The sections as a STATE_HASH record has them."""
        rows = self.sections()
        return _HEAD.pack(len(rows)) + b"".join(_ROW.pack(*row) for row in rows)

    def write(self) -> int:
        """A STATE_HASH record, caused by the input that was applied last; its sequence. JournalFull where there is no room."""
        cdef uint64_t cause = self.journal.input_seq
        return self.journal.append(LANE_LEDGER, RECORD_KIND_STATE_HASH, self.payload(), cause_seq=cause)

    def _of(self, int section, int line, take) -> tuple:
        self.crc = 0
        self.byte_count = 0
        take()
        return section, line, self.crc, self.byte_count

    # --- bytes

    cdef void put(self, const void* data, uint64_t size) noexcept nogil:
        self.crc = tw_crc(data, size, self.crc)
        self.byte_count += size

    cdef void number(self, int64_t value) noexcept nogil:
        self.put(&value, sizeof(value))

    cdef void text(self, bytes text):
        self.number(len(text))
        self.put(<const char*> text, len(text))

    # --- sections

    def _tables(self):
        cdef Tables t = self.tables
        cdef uint64_t rows = t.instrument_count + 1
        cdef int side, row
        self.number(t.instrument_count)
        self.put(t.instruments, rows * sizeof(Instrument))
        self.put(t.limits, rows * sizeof(InstrumentLimits))
        self.put(t.margin_terms, rows * sizeof(MarginTerms))
        self.put(t.strategies, STRATEGY_CAPACITY * sizeof(StrategyState))
        for side in range(POSITION_SIDES):
            self.put(&t.exposures[side * INSTRUMENT_CAPACITY], rows * sizeof(Exposure))
            self.put(&t.margin_rows[side * INSTRUMENT_CAPACITY], rows * sizeof(MarginRow))
            for row in range(STRATEGY_CAPACITY):
                if t.strategies[row].started or t.strategies[row].orders or row == 0:
                    self.put(&t.strategy_exposures[(side * STRATEGY_CAPACITY + row) * INSTRUMENT_CAPACITY], rows * sizeof(Exposure))
        self.put(t.limit_rows, (INSTRUMENT_ROWS + rows) * sizeof(LimitRow))
        self.put(t.scopes, (INSTRUMENT_ROWS + rows) * sizeof(ScopeState))
        for row in range(LIMIT_ROW_COUNT):
            if t.executions[row].count:
                self.number(row)
                self.number(t.executions[row].count)
                self.put(t.executions[row].mono_ns, min(<uint64_t> t.executions[row].capacity, t.executions[row].count) * sizeof(int64_t))
        self.put(&t.engine_limits, sizeof(t.engine_limits))
        self.put(t.hedges, sizeof(t.hedges))
        self.put(&t.lines[1], (LINE_CAPACITY - 1) * sizeof(LineState))
        self.number(t.limits_generation)
        self.number(t.control.kill << 2 | t.control.stopping << 1 | t.control.journal_reserve)
        self.number(t.control.next_handle)
        self.number(t.asset_count)
        self.put(t.margins, t.asset_count * sizeof(MarginAccount))
        self.put(t.rates_e8, t.asset_count * sizeof(int64_t))
        self.put(t.asset_lines, t.asset_count)
        self.put(t.control.balance_free_e8, t.asset_count * sizeof(int64_t))
        self.put(t.control.balance_locked_e8, t.asset_count * sizeof(int64_t))
        for name in t._assets[1:]:
            self.text((<str> name).encode())

    def _markets(self):
        self.put(self.tables.markets, (self.tables.instrument_count + 1) * sizeof(MarketState))
        self.put(self.tables.changed_markets, sizeof(self.tables.changed_markets))

    def _books(self):
        cdef Book* book
        cdef uint32_t row
        cdef uint64_t at
        for row in range(1, self.tables.instrument_count + 1):
            book = self.book.books[row]
            if book == NULL:
                continue
            self.number(row)
            self.number(book.phase)
            self.number(book.update_id)
            self.number(book.previous_id)
            self.number(book.sessions)
            self.number(book.doubled_mid_ticks)
            self.number(book.locked_since_mono_ns)
            self.number(book.pending_last_id)
            self.number(book.pending_bytes)
            self.put(book.pending, book.pending_bytes)
            self._ladder(&book.bids)
            self._ladder(&book.asks)
            self.number(book.held_tail - book.held_head)
            self.number(book.candidate.is_set)
            if book.candidate.is_set:
                self.number(book.candidate.earlier)
                self.number(book.candidate.until_id)
                self.put(&book.candidate.ticker, sizeof(book.candidate.ticker))
                self.put(&book.candidate.expected, sizeof(book.candidate.expected))

    cdef void _ladder(self, const LadderSide* side) noexcept nogil:
        cdef LadderCursor cursor
        cdef Level level
        self.number(side.level_count)
        self.number(side.base_ticks)
        if side.level_count == 0:
            return
        cursor_open(&cursor, side)
        while cursor_next(&cursor, &level):
            self.put(&level, sizeof(level))

    def _orders(self):
        cdef ApprovalRegister r = self.register
        cdef const ApprovedOrder* slot
        cdef uint32_t place
        cdef uint64_t rows = self.tables.instrument_count + 1
        for place in range(r.capacity):
            slot = &r.slots[place]
            if slot.state == SLOT_FREE:
                continue
            self.number(place)
            self.put(slot, sizeof(ApprovedOrder))
            if slot.has_conditions:
                self.put(&r.conditions[place], sizeof(Conditions))
        self.number(r.open_orders)
        self.number(r._counter)
        self.put(r.promised_e8, self.tables.asset_count * sizeof(int64_t))
        self.put(r.instrument_halts, rows)
        self.put(r.strategy_halts, sizeof(r.strategy_halts))
        self.put(r.conditional_orders, rows * sizeof(int32_t))
        self.put(r.line_conditional_orders, sizeof(r.line_conditional_orders))
        self.put(r.iceberg_orders, rows * sizeof(int32_t))
        self.put(r.order_lists, rows * sizeof(int32_t))

    def _oms(self, Oms oms):
        cdef uint32_t place
        cdef int side
        cdef uint64_t rows = self.tables.instrument_count + 1
        for place in range(self.register.capacity):
            if self.register.slots[place].state != SLOT_FREE and self.register.slots[place].venue_id == oms.venue_id:
                self.put(&oms.pool.orders[place], sizeof(Order))
        self.number(oms.pool.open_count)
        self.number(oms.first_fill_ns)
        self.number(oms.session_ready << 5 | oms.is_collecting << 4 | oms.is_sweeping << 3 | oms.has_started << 2 | oms.is_recheck_wanted << 1
                    | oms.is_reread_wanted)
        self.number(oms.is_state_told << 2 | oms.is_reduced_by_risk << 1 | oms.is_mismatched)
        self.number(oms.sticky_reason)
        self.number(oms.phase)
        self.number(oms.phase_mono_ns)
        self.number(oms.next_reconcile_mono_ns)
        self.number(oms.listing_mono_ns)
        self.number(oms.sweep_mark)
        self.number(oms.sweep_cause)
        self.number(oms.external_count)
        self.put(oms.external_orders, oms.external_count * sizeof(ExternalOrder))
        self.number(oms.deferred_count)
        self.put(oms.deferred, oms.deferred_count * sizeof(DeferredTrade))
        for side in range(POSITION_SIDES):
            self.put(&oms.venue_positions[side * INSTRUMENT_CAPACITY], rows * sizeof(VenuePosition))
        self._funding(oms.book_of_funding)
        self._trades(oms.trades)
        self.put(oms.accounts.told_mono_ns, self.tables.asset_count * sizeof(int64_t))
        self.put(oms.accounts.told_lots, self.tables.asset_count * sizeof(uint64_t))
        self.number(oms.accounts.next_look_mono_ns)
        for side in range(POSITION_SIDES):
            self.put(&oms.accounts.is_warned[side * INSTRUMENT_CAPACITY], rows)

    cdef void _funding(self, FundingBook book):
        self.put(book.paid_e8, (self.tables.instrument_count + 1) * sizeof(int64_t))
        self.number(book.newest_ns)
        self.number(book.payment_count)
        self.put(book.payments, min(book.payment_count, <uint32_t> PAYMENTS_KEPT) * sizeof(FundingPaid))

    cdef void _trades(self, TradeSet trades):
        cdef uint64_t at
        cdef const TradeKey* key
        cdef uint64_t rows = min(<uint64_t> self.tables.instrument_count + 1, <uint64_t> INSTRUMENT_CAPACITY)
        self.number(trades.head)
        self.number(trades.tail)
        for at in range(trades.tail, trades.head):
            # as it is now: in the queue it stands as it first came
            key = &trades.queue[at & (trades.capacity - 1)]
            self.put(&trades.table[trades._place(key.instrument_id, key.trade_id)], sizeof(TradeKey))
        self.put(trades.forgotten_max, rows * sizeof(int64_t))
        self.put(trades.newest, rows * sizeof(int64_t))
        self.put(trades.newest_handle, rows * sizeof(uint64_t))
        self.number(trades.foreign_count)
        self.put(trades.foreign, min(trades.foreign_count, <uint64_t> FOREIGN_CAPACITY) * sizeof(ForeignFill))

    def _positions(self, Oms oms):
        self._book_of(oms.book_of_positions)
        self._book_of(oms.book_of_strategies)

    cdef void _book_of(self, PositionBook book):
        cdef int owner, side
        cdef uint32_t row
        cdef const Position* position
        for owner in range(book.owners):
            for side in range(POSITION_SIDES):
                for row in range(1, self.tables.instrument_count + 1):
                    position = &book.rows[(owner * POSITION_SIDES + side) * INSTRUMENT_CAPACITY + row]
                    if position.fills == 0 and position.position_lots == 0:
                        continue
                    self.number((<int64_t> owner << 40) | (<int64_t> side << 32) | row)
                    # everything up to the pointer
                    self.put(position, <const char*> &position.more_fees_e8 - <const char*> position)
                    if position.more_fees_e8 != NULL:
                        self.put(position.more_fees_e8, FEE_ASSETS * sizeof(int64_t))
        self.put(book.fees_e8, self.tables.asset_count * sizeof(int64_t))

    def _risk(self):
        cdef RiskMonitor m = self.monitor
        cdef uint64_t rows = self.tables.instrument_count + 1
        cdef uint64_t place
        cdef int side, row
        for row in range(INSTRUMENT_ROWS + rows):
            self._measure(&m.measures[row])
        self.put(m.base, (INSTRUMENT_ROWS + rows) * sizeof(LimitRow))
        for side in range(POSITION_SIDES):
            place = side * INSTRUMENT_CAPACITY
            self.put(&m.positions[place], rows * sizeof(TradeRow))
            self.put(&m.position_values_e8[place], rows * sizeof(int64_t))
            self.put(&m.position_costs_e8[place], rows * sizeof(int64_t))
        for row in range(STRATEGY_CAPACITY):
            if self.tables.strategies[row].started or row == 0:
                self.put(&m.strategies[row * INSTRUMENT_CAPACITY], rows * sizeof(TradeRow))
                self.put(&m.strategy_values_e8[row * INSTRUMENT_CAPACITY], rows * sizeof(int64_t))
        self.put(m.strategies_in, rows * sizeof(uint64_t))
        self.put(m.account_of, rows * sizeof(uint16_t))
        self.put(m.is_traded, rows)
        self.put(m.marks_e8, rows * sizeof(int64_t))
        self.put(m.windows, rows * sizeof(PriceWindow))
        self.put(m.volatilities, rows * sizeof(Volatility))
        self.put(m.breakers, sizeof(m.breakers))
        self.put(m.rest_health, sizeof(m.rest_health))
        self.put(&m.losses, sizeof(LossWindow))
        self.number(m.today)
        self.number(m.next_second_ns)
        self.number(m.first_tick_ns)
        self.number(m.is_ready)
        self._funding(m.book_of_funding)

    cdef void _measure(self, const Measure* row) noexcept nogil:
        # field by field up to the flags: behind them the compiler pads
        self.put(row, <const char*> &row.has_begun - <const char*> row)
        self.number(row.has_begun << 16 | row.latches << 8 | row.is_alarmed)

    def _gate(self):
        cdef RiskGate g = self.gate
        self.number(g.tokens_e9)
        self.number(g.refilled_mono_ns)
        self.number(g.sample_due_mono_ns)
        self.number(g.approved_count)
        self.number(g.refused_count)
        self.number(g.recent.count)
        self.put(g.recent.orders, min(g.recent.count + 1, <uint64_t> ORDERS_KEPT) * sizeof(RecentOrder))
        self.put(g.references.rows, min(<uint64_t> self.tables.instrument_count + 1, <uint64_t> INSTRUMENT_CAPACITY) * sizeof(PriceHistory))
        self.number(g.leg_count)

    def _strategies(self):
        cdef StrategyRunner s = self.strategies
        cdef StrategyBase strategy
        cdef BarBuilder builder
        cdef uint64_t rows = self.tables.instrument_count + 1
        self.number(s._turn.number)
        self.number(s.calls)
        self.number(s.conflated)
        self.number(s._unstarted)
        self.number(s._desk.runaways)
        self.number(len(s._desk.notices))
        self.put(s._rejections, sizeof(s._rejections))
        self.put(s._rejections_since, sizeof(s._rejections_since))
        self.put(s._executions, sizeof(s._executions))
        self.put(s._executions_since, sizeof(s._executions_since))
        self.put(s._was_valid, rows)
        for strategy in s._strategies:
            if strategy is not None:
                self.number(strategy.strategy_id)
                self.number(strategy.status)
                self.text(repr(sorted(strategy._timer_data)).encode())
                self._own_orders(<OwnOrders> s._desk.orders[strategy.strategy_id])
        for handle in s._desk.waiting_cancels:
            self.text(repr(handle).encode())
        for builder in s._bars.builders:
            self.number(builder.origin_ns)
            self.number(builder.is_open)
            self.number(builder.late_trades)
            if builder.is_open:
                self.put(&builder.current, sizeof(Bar))

    cdef void _own_orders(self, OwnOrders orders):
        cdef WorkingOrder order
        if orders is None:
            return
        for order in orders.rows():
            self.number(order.handle)
            self.number(order.instrument_id)
            self.number(order.state << 8 | order.cancel_requested << 3 | order.is_ended << 2 | order.is_staged << 1 | order.is_triggered)
            self.number(order.price_ticks)
            self.number(order.qty_lots)
            self.number(order.cum_qty_lots)
            self.number(order.trigger_ticks)

    def _execution(self):
        cdef ExecutionStage e = self.execution
        cdef uint32_t place
        self.number(e._waits_for_account)
        for handle, parent in sorted(e.parents.parents.items()):
            self.number(handle)
            self.text(msgspec.json.encode(saved_of(parent, 0), order="deterministic"))
        self.number(e.triggers.count)
        if e.triggers.count:
            for place in range(TRIGGER_CAPACITY):
                if e.triggers.rows[place].is_used:
                    self.number(place)
                    self.put(&e.triggers.rows[place], sizeof(e.triggers.rows[place]))

    def _timers(self):
        self.number(self.timers._count)
        self.number(self.timers._last_id)
        self.text(repr(self.timers.next_deadline_mono_ns).encode())

    def _turn(self):
        cdef Journal j = self.journal
        self.number(j.now_wall_ns)
        self.number(j.now_mono_ns)
        self.number(j.input_seq)
        self.number(j.is_pressed)
