"""The risk monitor as an actor: it measures, by scope, and says what the gate may let pass; it sends nothing itself.

Profit is a function of FILL and FUNDING_PAYMENT records and of the market: cash plus what open lots are worth at their mark. A restart
makes the same rows from the ledger, and takes peak, day start, streaks, latches and modes from the latest RISK_STATE of each scope.
Time is the inputs' stamps. Limits are kept here twice: as configured or commanded (`base`), and, scaled by the risk modes, in
`tables.limit_rows`, which is all that the gate reads.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strlen
from engine.model.codes cimport *
from engine.model.records cimport RecordHeader
from engine.model.tables cimport (
    ACCOUNT_ROWS, ENGINE_ROW, INSTRUMENT_CAPACITY, INSTRUMENT_ROWS, LIMIT_ROW_COUNT, LINE_CAPACITY, POSITION_SIDES, STRATEGY_CAPACITY,
    STRATEGY_ROWS, VENUE_LIMIT_ROWS, VENUE_ROWS, Instrument, InstrumentLimits, MarketState, ScopeState,
)
from engine.model.funding cimport FundingBook
from engine.risk.measures cimport *

from engine.journal.errors import JournalFull
from engine.model.codes import Lane, RecordKind
from engine.model.commanded_limits import CommandedLimits
from engine.model.limits import LimitBook, LimitRefusedError, Source, decode_change, encode

cdef extern from *:
    int __builtin_ctzll(unsigned long long) noexcept nogil

cdef enum:
    EVENTS_PER_POLL = 64
    PERCENT = 100
    BPS = 10000

cdef int64_t E8 = 100_000_000
cdef int64_t NS_PER_S = 1_000_000_000
cdef int64_t DAY_NS = 86_400_000_000_000
# a held instrument that the market does not tell of for so long after the start is valued at its latest trade
cdef int64_t MARK_PATIENCE_NS = 30_000_000_000
cdef frozenset LOSS_LIMITS = frozenset({"max_daily_loss_e8", "max_drawdown_e8", "max_drawdown_bps"})


cdef inline int64_t _scaled(int64_t limit, int percent) noexcept nogil:
    return limit if limit == INT64_MAX or percent >= PERCENT else tw_risk_scale(limit, percent, PERCENT)


cdef class RiskMonitor(Actor):
    """`to_risk`: commands, ticks, funding and venue health from the sequencer; `risk_events`: fills and order states from OMS."""

    def __cinit__(self, *args, **kwargs):
        self.base = <LimitRow*> calloc(LIMIT_ROW_COUNT, sizeof(LimitRow))
        self.measures = <Measure*> calloc(LIMIT_ROW_COUNT, sizeof(Measure))
        self.positions = <TradeRow*> calloc(POSITION_SIDES * INSTRUMENT_CAPACITY, sizeof(TradeRow))
        self.strategies = <TradeRow*> calloc(STRATEGY_CAPACITY * INSTRUMENT_CAPACITY, sizeof(TradeRow))
        self.position_values_e8 = <int64_t*> calloc(POSITION_SIDES * INSTRUMENT_CAPACITY, sizeof(int64_t))
        self.position_costs_e8 = <int64_t*> calloc(POSITION_SIDES * INSTRUMENT_CAPACITY, sizeof(int64_t))
        self.strategy_values_e8 = <int64_t*> calloc(STRATEGY_CAPACITY * INSTRUMENT_CAPACITY, sizeof(int64_t))
        self.windows = <PriceWindow*> calloc(INSTRUMENT_CAPACITY, sizeof(PriceWindow))
        self.volatilities = <Volatility*> calloc(INSTRUMENT_CAPACITY, sizeof(Volatility))
        if not (self.base and self.measures and self.positions and self.strategies and self.position_values_e8 and self.position_costs_e8
                and self.strategy_values_e8 and self.windows and self.volatilities):
            raise MemoryError("risk monitor")

    def __dealloc__(self):
        free(self.base)
        free(self.measures)
        free(self.positions)
        free(self.strategies)
        free(self.position_values_e8)
        free(self.position_costs_e8)
        free(self.strategy_values_e8)
        free(self.windows)
        free(self.volatilities)

    def __init__(self, str name, Journal journal not None, Tables tables not None, Counters counters not None, object settings, *,
                 Ring to_risk not None, Ring risk_events not None):
        Actor.__init__(self, name)
        self.journal = journal
        self.tables = tables
        self.counters = counters
        self.to_risk = to_risk
        self.risk_events = risk_events
        self.book_of_funding = FundingBook()
        memcpy(self.base, tables.limit_rows, LIMIT_ROW_COUNT * sizeof(LimitRow))
        self._take_settings(settings)
        self.limits = LimitBook(self)
        self.commanded = CommandedLimits()

    def _take_settings(self, object settings) -> None:
        cdef int mode
        self.day_offset_ns = settings.day_offset_ns
        self.loss_window_ns = settings.loss_window_ns
        self.volatility_halflife_s = settings.volatility_halflife_s
        self.calm_ns = settings.calm_ns
        self.breaker_terms = BreakerTerms(settings.breaker_window_ns, settings.breaker_cooldown_ns, settings.breaker_failures,
                                          settings.breaker_probes)
        for mode in range(4):
            self.rules[mode] = ModeRule(INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, 0, PERCENT, TRADING_STATE_ACTIVE, 0, 0)
        for terms in settings.modes:
            self.rules[<int> terms.mode] = ModeRule(
                terms.drawdown_e8, terms.drawdown_bps, terms.window_loss_e8, terms.volatility_bps, terms.venue_health, terms.percent,
                terms.state, terms.until_arm, 1)

    cdef int do_work(self) except -1:
        cdef int done = self._work_events()
        cdef Descriptor* item
        # limits first: what a command sets holds for the next order that is looked at
        while done < EVENTS_PER_POLL:
            item = self.to_risk.peek()
            if item == NULL:
                break
            if item.kind == RECORD_KIND_COMMAND:
                self._on_command(item)
            elif item.kind == RECORD_KIND_TIMER:
                self._on_tick()
            elif item.kind == RECORD_KIND_FUNDING_PAYMENT and item.record != NULL:
                self._take_funding(item.instrument_id, <const FundingPaymentPayload*> (item.record + 1))
            elif item.kind == RECORD_KIND_VENUE_HEALTH and item.record != NULL:
                self._on_health(item)
            self.to_risk.release()
            done += 1
        return done + self._work_markets()

    cdef int _work_events(self) noexcept nogil:
        cdef int done = 0
        cdef Descriptor* item
        while done < EVENTS_PER_POLL:
            item = self.risk_events.peek()
            if item == NULL:
                break
            if item.record != NULL and item.kind == RECORD_KIND_FILL:
                self._on_fill(item)
            elif item.record != NULL and item.kind == RECORD_KIND_ORDER_STATE:
                self._on_order(item)
            self.risk_events.release()
            done += 1
        return done

    cdef int _work_markets(self) noexcept nogil:
        """Instruments whose prices moved since the last look."""
        cdef int word, bit, done = 0
        cdef uint64_t changed
        for word in range(8):
            changed = self.tables.changed_markets[word]
            if changed == 0:
                continue
            self.tables.changed_markets[word] = 0
            while changed:
                bit = __builtin_ctzll(changed)
                changed &= changed - 1
                self._on_market(<uint32_t> (word * 64 + bit))
                done += 1
        return done

    # --- trades and what they are worth

    cdef void _on_fill(self, const Descriptor* item) noexcept nogil:
        cdef const RecordHeader* header = item.record
        cdef uint32_t instrument_id = header.instrument_id
        if instrument_id == 0 or instrument_id > self.tables.instrument_count:
            return
        self._book_fill(instrument_id, header.venue_id, header.account_id, header.strategy_id, header.position_side,
                        <const FillPayload*> (header + 1), True)
        self._revalue(instrument_id)
        if self.is_ready:
            # the six hundred rows that a fill does not move are measured with the second
            self._note_loss()
            self._measure_holders(instrument_id)
            self._publish()

    cdef void _book_fill(self, uint32_t instrument_id, uint16_t venue_id, uint16_t account_id, uint16_t strategy_id, int side,
                         const FillPayload* fill, bint is_live) noexcept nogil:
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef uint16_t fee_asset_id = fill.commission_asset_id, settle_id = instrument.settle_asset_id
        cdef int result, place = (side % POSITION_SIDES) * INSTRUMENT_CAPACITY + <int> instrument_id
        cdef Trade trade
        memset(&trade, 0, sizeof(Trade))
        trade.price_e8 = fill.price_ticks * instrument.tick_size_e8
        trade.lots = fill.qty_lots if fill.side == SIDE_BUY else -fill.qty_lots
        trade.lot_e8 = instrument.lot_size_e8
        trade.multiplier_e8 = instrument.multiplier_e8
        trade.inverse = instrument.inverse
        if fee_asset_id == settle_id:
            trade.fee_e16 = tw_risk_product(fill.commission_e8, E8)
        elif fee_asset_id == instrument.base_asset_id:
            trade.fee_e16 = tw_risk_product(fill.commission_e8, trade.price_e8)
        elif fee_asset_id == instrument.quote_asset_id and fee_asset_id and trade.price_e8 > 0:
            # of an inverse contract, settled in its base
            trade.fee_e16 = tw_divide_half_even(<tw_wide> fill.commission_e8 * E8 * E8, trade.price_e8)
        elif fee_asset_id and fill.commission_e8:
            trade.other_fee_asset_id = fee_asset_id
            trade.other_fee_e8 = fill.commission_e8
            trade.other_fee_settle_e8 = tw_risk_scale(fill.commission_e8, self.tables.rates_e8[fee_asset_id % 512],
                                                      self.tables.rates_e8[settle_id % 512])
        self.is_traded[instrument_id] = 1
        self.account_of[instrument_id] = account_id
        self.position_costs_e8[place] = fill.position_cost_e8
        result = trade_book(&self.positions[place], &trade)
        self._count_trip(ENGINE_ROW, result, is_live)
        self._count_trip(self.tables.limit_row_of(LIMIT_SCOPE_ACCOUNT, account_id), result, is_live)
        self._count_trip(self.tables.limit_row_of(LIMIT_SCOPE_VENUE, venue_id), result, is_live)
        self._count_trip(self.tables.limit_row_of(LIMIT_SCOPE_INSTRUMENT, instrument_id), result, is_live)
        if strategy_id and strategy_id < STRATEGY_CAPACITY:
            self.strategies_in[instrument_id] |= <uint64_t> 1 << strategy_id
            result = trade_book(&self.strategies[strategy_id * INSTRUMENT_CAPACITY + <int> instrument_id], &trade)
            self._count_trip(self.tables.limit_row_of(LIMIT_SCOPE_STRATEGY, strategy_id), result, is_live)

    cdef void _take_funding(self, uint32_t instrument_id, const FundingPaymentPayload* paid) noexcept nogil:
        """What the income list names after the stream, or again, is no new profit."""
        cdef int64_t unnamed_e8
        cdef int64_t moved_e8 = self.book_of_funding.take(instrument_id, paid, &unnamed_e8)
        self._book_funding(instrument_id, paid.asset_id, moved_e8)
        self._book_funding(0, paid.asset_id, -unnamed_e8)

    cdef void _book_funding(self, uint32_t instrument_id, uint16_t asset_id, int64_t amount_e8) noexcept nogil:
        """Funding is the position's; where the venue does not say whose, it goes to the first instrument that settles in the asset."""
        cdef uint32_t i
        if amount_e8 == 0:
            return
        for i in range(1, self.tables.instrument_count + 1):
            if instrument_id == i or (instrument_id == 0 and self.tables.instruments[i].settle_asset_id == asset_id):
                self.positions[i].cash_e16 = self.positions[i].cash_e16 + tw_risk_product(amount_e8, E8)
                self.positions[i].is_used = 1
                self.is_traded[i] = 1
                self._revalue(i)
                return

    cdef void _count_trip(self, int row, int result, bint is_live) noexcept nogil:
        """A round trip ended: losses in a row, and the cool-down that they begin."""
        cdef ScopeState* scope = &self.tables.scopes[row]
        cdef int64_t cooldown_ns = self.tables.limit_rows[row].loss_cooldown_ns
        if result > 0:
            scope.loss_streak = 0
        if result >= 0:
            return
        scope.loss_streak += 1
        if not is_live or scope.loss_streak < self.tables.limit_rows[row].max_loss_streak:
            return
        # without a time it lasts until a person arms
        scope.cooldown_until_mono_ns = tw_risk_sum(self.journal.now_mono_ns, cooldown_ns) if cooldown_ns > 0 else INT64_MAX
        self._alarm(row, ALARM_CODE_LIMIT_BREACHED, scope.loss_streak, b"losses in a row: cool-down, only what reduces passes")
        self._tell(row, scope.risk_mode)

    cdef int64_t _mark_e8(self, uint32_t instrument_id) noexcept nogil:
        """Mark price, else mid, else last trade, 10^-8; 0 where the market has told nothing."""
        cdef const MarketState* market = &self.tables.markets[instrument_id]
        cdef int64_t tick_e8 = self.tables.instruments[instrument_id].tick_size_e8
        if market.mark_e8 > 0 and self.tables.instruments[instrument_id].kind:
            return market.mark_e8
        if market.best_bid_ticks > 0 and market.best_ask_ticks > 0:
            return (market.best_bid_ticks + market.best_ask_ticks) * tick_e8 // 2
        return market.last_trade_ticks * tick_e8

    cdef void _add(self, int row, int64_t change_e8) noexcept nogil:
        self.measures[row].pnl_e8 = tw_risk_sum(self.measures[row].pnl_e8, change_e8)

    cdef void _revalue(self, uint32_t instrument_id) noexcept nogil:
        """Profit of one instrument anew, and of every scope that holds it by the difference."""
        cdef int side, place, strategy_id
        cdef int64_t mark_e8 = self._mark_e8(instrument_id), value_e8, change_e8 = 0
        cdef int64_t quote_e8 = 0
        cdef uint64_t holders = self.strategies_in[instrument_id]
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        self.marks_e8[instrument_id] = mark_e8
        for side in range(POSITION_SIDES):
            place = side * INSTRUMENT_CAPACITY + <int> instrument_id
            if self.positions[place].is_used:
                value_e8 = trade_valued(&self.positions[place], instrument, mark_e8, self.tables.rates_e8)
                change_e8 = tw_risk_sum(change_e8, value_e8 - self.position_values_e8[place])
                self.position_values_e8[place] = value_e8
                quote_e8 = tw_risk_sum(quote_e8, trade_quoted(&self.positions[place], instrument, mark_e8, self.tables.rates_e8))
        # instrument rows are in the quote asset
        self.measures[self.tables.limit_row_of(LIMIT_SCOPE_INSTRUMENT, instrument_id)].pnl_e8 = quote_e8
        self._add(ENGINE_ROW, change_e8)
        if self.account_of[instrument_id]:
            self._add(self.tables.limit_row_of(LIMIT_SCOPE_ACCOUNT, self.account_of[instrument_id]), change_e8)
        if instrument.venue_id:
            self._add(self.tables.limit_row_of(LIMIT_SCOPE_VENUE, instrument.venue_id), change_e8)
        for strategy_id in range(1, STRATEGY_CAPACITY):
            if holders >> strategy_id == 0:
                break
            if holders >> strategy_id & 1:
                place = strategy_id * INSTRUMENT_CAPACITY + <int> instrument_id
                value_e8 = trade_valued(&self.strategies[place], instrument, mark_e8, self.tables.rates_e8)
                self._add(STRATEGY_ROWS + strategy_id, value_e8 - self.strategy_values_e8[place])
                self.strategy_values_e8[place] = value_e8

    # --- the market

    cdef void _on_market(self, uint32_t instrument_id) noexcept nogil:
        cdef const MarketState* market = &self.tables.markets[instrument_id % INSTRUMENT_CAPACITY]
        if instrument_id == 0 or instrument_id > self.tables.instrument_count:
            return
        if market.book_state == BOOK_STATE_VALID and market.best_bid_ticks > 0 and market.best_ask_ticks > 0:
            self._watch_move(instrument_id, market.best_bid_ticks + market.best_ask_ticks)
        if not self.is_traded[instrument_id] or self.marks_e8[instrument_id] == self._mark_e8(instrument_id):
            return
        self._revalue(instrument_id)
        if not self.is_ready:
            return
        self._measure_holders(instrument_id)

    cdef void _measure_holders(self, uint32_t instrument_id) noexcept nogil:
        """The scopes whose profit an instrument's is part of."""
        cdef uint64_t holders = self.strategies_in[instrument_id]
        cdef int strategy_id
        self._measure(ENGINE_ROW)
        self._measure(self.tables.limit_row_of(LIMIT_SCOPE_ACCOUNT, self.account_of[instrument_id]))
        self._measure(self.tables.limit_row_of(LIMIT_SCOPE_VENUE, self.tables.instruments[instrument_id].venue_id))
        self._measure(self.tables.limit_row_of(LIMIT_SCOPE_INSTRUMENT, instrument_id))
        for strategy_id in range(1, STRATEGY_CAPACITY):
            if holders >> strategy_id == 0:
                break
            if holders >> strategy_id & 1:
                self._measure(STRATEGY_ROWS + strategy_id)

    cdef void _watch_move(self, uint32_t instrument_id, int64_t mid) noexcept nogil:
        """The price-move breaker: a move above the limit begins the pause, and the window begins anew."""
        cdef int row = self.tables.limit_row_of(LIMIT_SCOPE_INSTRUMENT, instrument_id)
        cdef const LimitRow* limits = &self.tables.limit_rows[row]
        cdef ScopeState* scope = &self.tables.scopes[row]
        if limits.max_price_move_bps == INT64_MAX:
            return
        scope.price_move_bps = price_move(&self.windows[instrument_id], limits.price_move_window_ns, self.journal.now_mono_ns, mid)
        if scope.price_move_bps <= limits.max_price_move_bps:
            return
        # from this price on: a further move begins a further pause
        price_forget(&self.windows[instrument_id])
        price_move(&self.windows[instrument_id], limits.price_move_window_ns, self.journal.now_mono_ns, mid)
        scope.pause_until_mono_ns = tw_risk_sum(self.journal.now_mono_ns, limits.price_move_pause_ns)
        self._alarm(row, ALARM_CODE_LIMIT_BREACHED, scope.price_move_bps, b"the price moved too far within its window: pause")
        self._tell(row, scope.risk_mode)

    # --- time

    cdef void _on_tick(self) noexcept nogil:
        cdef int64_t now_ns = self.journal.now_mono_ns
        cdef uint32_t venue_id
        cdef uint8_t before
        self.today = self._day_of(self.journal.now_wall_ns)
        if self.first_tick_ns == 0:
            self.first_tick_ns = now_ns
        self.tables.revalue_all()
        if (not self.is_ready and self._all_marked()) or (self.is_ready and self._awaits_value()):
            self.is_ready = True
            self._value_balances()
            self._measure_all()
        for venue_id in range(16):
            if self.breakers[venue_id].state == BREAKER_STATE_OPEN:
                before = self.breakers[venue_id].state
                breaker_tick(&self.breakers[venue_id], &self.breaker_terms, now_ns)
                self._tend_breaker(venue_id, before)
        if now_ns >= self.next_second_ns:
            self.next_second_ns = now_ns + NS_PER_S
            self._on_second()

    cdef void _on_second(self) noexcept nogil:
        cdef uint32_t i, open_breakers = 0
        cdef const MarketState* market
        cdef int64_t mid
        for i in range(1, self.tables.instrument_count + 1):
            market = &self.tables.markets[i]
            mid = market.best_bid_ticks + market.best_ask_ticks
            if market.book_state != BOOK_STATE_VALID or market.best_bid_ticks <= 0 or market.best_ask_ticks <= 0:
                mid = 0
            volatility_add(&self.volatilities[i], self.volatility_halflife_s, self.journal.now_mono_ns, mid)
            self.measures[INSTRUMENT_ROWS + <int> i].volatility_bps = volatility_bps(&self.volatilities[i])
            if self.is_traded[i]:
                self._revalue(i)
        for i in range(16):
            open_breakers += (self.breakers[i].state == BREAKER_STATE_OPEN) + (self.rest_health[i] == BREAKER_STATE_OPEN)
        self.counters.values[<int> COUNTER_BREAKERS_OPEN] = open_breakers
        if self.is_ready:
            self._value_balances()
            self._measure_all()
            self._tell_peaks()

    cdef void _tell_peaks(self) noexcept nogil:
        """A peak is written down within a second: a restart measures the drawdown from it."""
        cdef int row
        for row in range(LIMIT_ROW_COUNT):
            if self.measures[row].peak_e8 != self.measures[row].told_peak_e8:
                self._tell(row, self.tables.scopes[row].risk_mode)

    cdef bint _all_marked(self) noexcept nogil:
        """Has the market told of every instrument that is held; after half a minute the latest trade must do."""
        cdef uint32_t i
        cdef int side
        if self.journal.now_mono_ns - self.first_tick_ns >= MARK_PATIENCE_NS:
            return True
        for i in range(1, self.tables.instrument_count + 1):
            if not self.is_traded[i] or self._mark_e8(i) > 0:
                continue
            for side in range(POSITION_SIDES):
                if self.positions[side * INSTRUMENT_CAPACITY + <int> i].lots != 0:
                    return False
        return True

    cdef bint _awaits_value(self) noexcept nogil:
        """An account was read for the first time: its line trades as soon as its equity is known."""
        cdef int line
        for line in range(1, LINE_CAPACITY):
            if self.tables.lines[line].reconciled and not self.tables.lines[line].is_valued:
                return True
        return False

    cdef void _value_balances(self) noexcept nogil:
        """Equity of each line and of all: balances at their rates, and what open positions of derivatives have earned."""
        cdef int64_t[LINE_CAPACITY] totals_e8
        cdef int64_t all_e8 = 0, amount_e8
        cdef uint32_t i
        cdef int row, line
        memset(totals_e8, 0, sizeof(totals_e8))
        for i in range(1, self.tables.asset_count):
            line = self.tables.asset_lines[i] % LINE_CAPACITY
            amount_e8 = tw_risk_sum(self.tables.control.balance_free_e8[i], self.tables.control.balance_locked_e8[i])
            totals_e8[line] = tw_risk_sum(totals_e8[line], tw_risk_scale(amount_e8, self.tables.rates_e8[i], E8))
        for i in range(1, self.tables.instrument_count + 1):
            if self.is_traded[i] and self.tables.instruments[i].kind:
                line = self.tables.instruments[i].venue_id % LINE_CAPACITY
                totals_e8[line] = tw_risk_sum(totals_e8[line], self._unrealised_e8(i))
        for line in range(LINE_CAPACITY):
            all_e8 = tw_risk_sum(all_e8, totals_e8[line])
            self.measures[ACCOUNT_ROWS + line].equity_base_e8 = totals_e8[line]
            self.measures[VENUE_ROWS + line].equity_base_e8 = totals_e8[line]
            if self.tables.lines[line].reconciled:
                self.tables.lines[line].is_valued = 1
        self.measures[ENGINE_ROW].equity_base_e8 = all_e8
        for row in range(STRATEGY_ROWS):
            self.measures[row].pnl_then_e8 = self.measures[row].pnl_e8

    cdef int64_t _unrealised_e8(self, uint32_t instrument_id) noexcept nogil:
        """What the open lots of a derivative have earned, in the reporting currency: a wallet does not hold it yet."""
        cdef const Instrument* instrument = &self.tables.instruments[instrument_id]
        cdef int64_t total_e8 = 0, worth_e8
        cdef int side, place
        for side in range(POSITION_SIDES):
            place = side * INSTRUMENT_CAPACITY + <int> instrument_id
            if self.positions[place].lots:
                worth_e8 = tw_risk_e8(tw_contract_value_e16(self.marks_e8[instrument_id], <tw_wide> self.positions[place].lots * instrument.lot_size_e8,
                                                            instrument.multiplier_e8, instrument.inverse))
                total_e8 = tw_risk_sum(total_e8, tw_risk_sum(worth_e8, -self.position_costs_e8[place]))
        return tw_risk_scale(total_e8, self.tables.rates_e8[instrument.settle_asset_id % 512], E8)

    # --- measuring a scope

    cdef void _measure_all(self) noexcept nogil:
        """Every scope that there is: of the instruments only those that the engine knows, not the five hundred that it may."""
        cdef int row
        self._note_loss()
        for row in range(INSTRUMENT_ROWS + <int> self.tables.instrument_count + 1):
            self._measure(row)
        self._publish()

    cdef void _note_loss(self) noexcept nogil:
        self.measures[ENGINE_ROW].window_loss_e8 = loss_add(
            &self.losses, self.loss_window_ns, self.journal.now_mono_ns, self.measures[ENGINE_ROW].pnl_e8)

    cdef void _publish(self) noexcept nogil:
        cdef const ScopeState* scope = &self.tables.scopes[ENGINE_ROW]
        self.counters.values[<int> COUNTER_RISK_MODE] = scope.risk_mode
        self.counters.values[<int> COUNTER_DAY_LOSS_E8] = <uint64_t> max(-scope.day_pnl_e8, <int64_t> 0)
        self.counters.values[<int> COUNTER_DRAWDOWN_BPS] = <uint64_t> scope.drawdown_bps

    cdef void _measure(self, int row) noexcept nogil:
        cdef Measure* measure = &self.measures[row]
        cdef ScopeState* scope = &self.tables.scopes[row]
        cdef int64_t at_peak_e8
        if not measure.has_begun:
            measure.has_begun = 1
            measure.day = self.today
            measure.day_start_e8 = measure.peak_e8 = measure.pnl_e8
            if row == ENGINE_ROW or measure.pnl_e8 != 0:
                self._tell(row, scope.risk_mode)
        if self.today > measure.day:
            self._roll_day(row, self.today)
        measure.peak_e8 = max(measure.peak_e8, measure.pnl_e8)
        scope.day_pnl_e8 = tw_risk_sum(measure.pnl_e8, -measure.day_start_e8)
        scope.drawdown_e8 = tw_risk_sum(measure.peak_e8, -measure.pnl_e8)
        scope.equity_e8 = tw_risk_sum(measure.equity_base_e8, tw_risk_sum(measure.pnl_e8, -measure.pnl_then_e8))
        if STRATEGY_ROWS <= row < INSTRUMENT_ROWS:
            scope.equity_e8 = self.base[row].capital_budget_e8 if self.base[row].capital_budget_e8 != INT64_MAX else 0
            at_peak_e8 = scope.equity_e8
        else:
            at_peak_e8 = tw_risk_sum(scope.equity_e8, scope.drawdown_e8)
        # without a known equity only the amount can be judged
        scope.drawdown_bps = (tw_risk_scale_up(scope.drawdown_e8, BPS, at_peak_e8)
                              if measure.equity_base_e8 > 0 or STRATEGY_ROWS <= row < INSTRUMENT_ROWS else 0)
        self._latch(row)
        self._judge_mode(row)

    cdef void _roll_day(self, int row, int64_t day) noexcept nogil:
        """A new day begins where the profit stands; what a day's loss held back is free."""
        cdef Measure* measure = &self.measures[row]
        measure.day = day
        measure.day_start_e8 = measure.pnl_e8
        measure.latches &= ~<uint8_t> RISK_LATCH_DAILY_LOSS
        self._set_state(row)
        if measure.pnl_e8 != 0 or row == ENGINE_ROW:
            self._tell(row, self.tables.scopes[row].risk_mode)

    cdef void _latch(self, int row) noexcept nogil:
        """A loss beyond its limit holds the scope at REDUCING, even when the price comes back."""
        cdef const LimitRow* limits = &self.base[row]
        cdef const ScopeState* scope = &self.tables.scopes[row]
        cdef uint8_t found = 0
        if scope.day_pnl_e8 < -limits.max_daily_loss_e8:
            found |= RISK_LATCH_DAILY_LOSS
        if scope.drawdown_e8 > limits.max_drawdown_e8 or scope.drawdown_bps > limits.max_drawdown_bps:
            found |= RISK_LATCH_DRAWDOWN
        found &= ~self.measures[row].latches
        if not found:
            return
        self.measures[row].latches |= found
        self._set_state(row)
        if found & RISK_LATCH_DAILY_LOSS:
            self._alarm(row, ALARM_CODE_LIMIT_BREACHED, scope.day_pnl_e8, b"the loss of the day is above its limit: only what reduces passes")
        if found & RISK_LATCH_DRAWDOWN:
            self._alarm(row, ALARM_CODE_LIMIT_BREACHED, scope.drawdown_e8, b"the drawdown is above its limit: only what reduces passes until arm")
        self._tell(row, scope.risk_mode)

    # --- modes

    cdef int _wanted_mode(self, int row) noexcept nogil:
        """The highest mode of which a threshold is reached: the engine's by losses, an instrument's by volatility, a venue's by health."""
        cdef const ScopeState* scope = &self.tables.scopes[row]
        cdef const ModeRule* rule
        cdef int mode
        cdef uint8_t health
        for mode in range(3, 0, -1):
            rule = &self.rules[mode]
            if not rule.is_set:
                continue
            if row == ENGINE_ROW and (scope.drawdown_e8 >= rule.drawdown_e8 or scope.drawdown_bps >= rule.drawdown_bps
                                      or self.measures[row].window_loss_e8 >= rule.window_loss_e8):
                return mode
            if row >= INSTRUMENT_ROWS and self.measures[row].volatility_bps >= rule.volatility_bps:
                return mode
            if VENUE_ROWS <= row < STRATEGY_ROWS and rule.venue_health:
                health = max(self.breakers[row - VENUE_ROWS].state, self.rest_health[row - VENUE_ROWS])
                if health >= rule.venue_health:
                    return mode
        return RISK_MODE_NORMAL

    cdef void _judge_mode(self, int row) noexcept nogil:
        """Up at once; down when the cause has been gone for the calm time, unless the mode waits for a person."""
        cdef int wanted = self._wanted_mode(row), mode = self.tables.scopes[row].risk_mode
        cdef Measure* measure = &self.measures[row]
        if wanted > mode:
            self._set_mode(row, wanted)
        elif wanted == mode:
            measure.calm_since_ns = 0
        elif not self.rules[mode].until_arm:
            if measure.calm_since_ns == 0:
                measure.calm_since_ns = max(self.journal.now_mono_ns, <int64_t> 1)
            if self.journal.now_mono_ns - measure.calm_since_ns >= self.calm_ns:
                self._set_mode(row, wanted)

    cdef void _set_mode(self, int row, int mode) noexcept nogil:
        cdef uint8_t previous = self.tables.scopes[row].risk_mode
        self.tables.scopes[row].risk_mode = <uint8_t> mode
        self.measures[row].calm_since_ns = 0
        self._set_state(row)
        if row == ENGINE_ROW or VENUE_ROWS <= row < STRATEGY_ROWS:
            self._apply_all()
        else:
            self._apply_row(row)
        self._publish()
        if mode != previous:
            self._alarm(row, ALARM_CODE_RISK_MODE, mode, b"the risk mode changed: limits and trading state follow its rule")
        self._tell(row, previous)

    cdef void _set_state(self, int row) noexcept nogil:
        """What the scope allows at most, and why: the strictest of mode, latches and the order breaker."""
        cdef ScopeState* scope = &self.tables.scopes[row]
        cdef uint8_t latches = self.measures[row].latches
        scope.trading_state = self.rules[scope.risk_mode % 4].state
        scope.reason = REASON_RISK_MODE if scope.trading_state != TRADING_STATE_ACTIVE else REASON_NONE
        if latches and scope.trading_state != TRADING_STATE_HALTED:
            scope.trading_state = TRADING_STATE_REDUCING
            scope.reason = REASON_DAILY_LOSS if latches & RISK_LATCH_DAILY_LOSS else REASON_DRAWDOWN
        if VENUE_ROWS <= row < STRATEGY_ROWS and not breaker_allows(&self.breakers[row - VENUE_ROWS]):
            scope.trading_state = TRADING_STATE_HALTED
            scope.reason = REASON_VENUE_UNHEALTHY

    cdef int _percent_of(self, int row) noexcept nogil:
        """What the modes leave of a scope's limits: its own, its venue's and the engine's, the least."""
        cdef int percent = min(self.rules[self.tables.scopes[ENGINE_ROW].risk_mode % 4].percent,
                               self.rules[self.tables.scopes[row].risk_mode % 4].percent)
        cdef int venue_row
        if row >= INSTRUMENT_ROWS:
            venue_row = self.tables.limit_row_of(LIMIT_SCOPE_VENUE, self.tables.instruments[row - INSTRUMENT_ROWS].venue_id)
            percent = min(percent, <int> self.rules[self.tables.scopes[venue_row].risk_mode % 4].percent)
        return percent

    cdef void _apply_all(self) noexcept nogil:
        cdef int row
        for row in range(LIMIT_ROW_COUNT):
            self._apply_row(row)

    cdef void _apply_row(self, int row) noexcept nogil:
        """The limits in force: sizes, exposures, leverage and budgets scaled, all else as set."""
        cdef int percent = self._percent_of(row)
        cdef LimitRow limits = self.base[row]
        cdef InstrumentLimits* instrument
        limits.max_order_qty_lots = _scaled(limits.max_order_qty_lots, percent)
        limits.max_order_notional_e8 = _scaled(limits.max_order_notional_e8, percent)
        limits.max_position_lots = _scaled(limits.max_position_lots, percent)
        limits.max_position_notional_e8 = _scaled(limits.max_position_notional_e8, percent)
        limits.max_gross_exposure_e8 = _scaled(limits.max_gross_exposure_e8, percent)
        limits.max_net_exposure_e8 = _scaled(limits.max_net_exposure_e8, percent)
        limits.max_leverage_e4 = _scaled(limits.max_leverage_e4, percent)
        limits.capital_budget_e8 = _scaled(limits.capital_budget_e8, percent)
        self.tables.limit_rows[row] = limits
        self.tables.limits_generation += 1
        if row == ENGINE_ROW and limits.is_set:
            self.tables.engine_limits.max_open_orders = <int> min(limits.max_open_orders, <int64_t> 2147483647)
            self.tables.engine_limits.message_burst = <int> min(limits.message_burst, <int64_t> 2147483647)
            self.tables.engine_limits.message_rate_per_s = limits.message_rate_per_s
        if row >= INSTRUMENT_ROWS and self.tables.limits[row - INSTRUMENT_ROWS].is_set:
            instrument = &self.tables.limits[row - INSTRUMENT_ROWS]
            instrument.max_order_qty_lots = limits.max_order_qty_lots
            instrument.max_order_notional_e8 = limits.max_order_notional_e8
            instrument.max_position_lots = limits.max_position_lots
            instrument.price_collar_bps = limits.price_collar_bps
            instrument.max_open_orders = <int> min(limits.max_open_orders, <int64_t> 2147483647)

    # --- the venue's health

    cdef void _on_order(self, const Descriptor* item) noexcept nogil:
        """Answers to order requests: an order whose answer is missing is a failure, one that the venue answered is none."""
        cdef const OrderStatePayload* order = <const OrderStatePayload*> (item.record + 1)
        cdef uint32_t venue_id = item.venue_id % VENUE_LIMIT_ROWS
        cdef Breaker* breaker = &self.breakers[venue_id]
        cdef uint8_t before = breaker.state
        cdef uint8_t state = order.state, previous = order.previous_state
        if state == ORDER_STATE_PENDING_NEW:
            breaker_begin(breaker)
        elif state == ORDER_STATE_UNKNOWN and previous != ORDER_STATE_UNKNOWN:
            breaker_fail(breaker, &self.breaker_terms, self.journal.now_mono_ns)
        elif previous == ORDER_STATE_PENDING_NEW and (state != ORDER_STATE_REJECTED or order.venue_code != 0):
            breaker_succeed(breaker, &self.breaker_terms)
        elif previous == ORDER_STATE_PENDING_NEW:
            breaker.is_probing = 0  # never sent: it says nothing of the venue
        else:
            return
        if before != BREAKER_STATE_CLOSED or breaker.state != before:
            self._tend_breaker(venue_id, before)

    cdef void _tend_breaker(self, uint32_t venue_id, uint8_t before) noexcept nogil:
        cdef int row = VENUE_ROWS + <int> venue_id
        cdef uint8_t state = self.breakers[venue_id].state
        self._set_state(row)
        if state == before:
            return
        if state == BREAKER_STATE_OPEN:
            self._alarm(row, ALARM_CODE_BREAKER_OPEN, venue_id, b"order requests stay without an answer: no new orders to this venue")
        self._judge_mode(row)
        self._tell(row, self.tables.scopes[row].risk_mode)

    cdef void _on_health(self, const Descriptor* item) noexcept nogil:
        """What the venue's other requests show: `detail` is the worst breaker of them all."""
        cdef const StatePayload* health = <const StatePayload*> (item.record + 1)
        cdef uint32_t venue_id = item.record.venue_id % VENUE_LIMIT_ROWS
        self.rest_health[venue_id] = <uint8_t> health.detail
        if health.state == BREAKER_STATE_OPEN and health.previous_state != BREAKER_STATE_OPEN:
            self._alarm(VENUE_ROWS + <int> venue_id, ALARM_CODE_BREAKER_OPEN, venue_id, b"requests to the venue fail: they pause, cancels still go")
        self._judge_mode(VENUE_ROWS + <int> venue_id)

    # --- a person's commands

    cdef void _on_command(self, const Descriptor* item) noexcept:
        cdef const CommandPayload* command
        if item.record == NULL:
            return
        command = <const CommandPayload*> (item.record + 1)
        if command.command_kind == COMMAND_KIND_ARM:
            self._arm(item)
        elif command.command_kind == COMMAND_KIND_LIMITS:
            try:
                self._change_limits(item, command)
            except (LimitRefusedError, ValueError):
                # the caller was refused for the same reason before the command was journaled
                self.refused_changes += 1
            except Exception:
                # a change that broke off in the middle: nobody can say which limits hold
                self.tables.control.kill = 1
                self._alarm(ENGINE_ROW, ALARM_CODE_KILLED, 0, b"a change of limits failed within the engine: halted until arm")

    cdef void _arm(self, const Descriptor* item) noexcept nogil:
        """A person has looked: what waited for one is free, and drawdown counts from here. A day's loss stays a day's loss."""
        cdef const RecordHeader* header = item.record
        cdef int row
        if header.strategy_id:
            self._arm_row(self.tables.limit_row_of(LIMIT_SCOPE_STRATEGY, header.strategy_id))
        elif header.instrument_id:
            self._arm_row(self.tables.limit_row_of(LIMIT_SCOPE_INSTRUMENT, header.instrument_id))
        elif header.account_id:
            self._arm_row(self.tables.limit_row_of(LIMIT_SCOPE_ACCOUNT, header.account_id))
        elif header.venue_id:
            self._arm_row(self.tables.limit_row_of(LIMIT_SCOPE_VENUE, header.venue_id))
        else:
            loss_forget(&self.losses)
            self.measures[ENGINE_ROW].window_loss_e8 = 0
            for row in range(LIMIT_ROW_COUNT):
                self._arm_row(row)

    cdef void _arm_row(self, int row) noexcept nogil:
        cdef Measure* measure = &self.measures[row]
        cdef ScopeState* scope = &self.tables.scopes[row]
        cdef bint was_held = (measure.latches or scope.risk_mode or scope.loss_streak or scope.cooldown_until_mono_ns
                              or scope.pause_until_mono_ns or scope.drawdown_e8)
        self.tables.rearm(row)
        if not was_held:
            return
        measure.latches = 0
        measure.peak_e8 = measure.pnl_e8
        scope.drawdown_e8 = scope.drawdown_bps = scope.loss_streak = 0
        scope.cooldown_until_mono_ns = scope.pause_until_mono_ns = 0
        self._set_mode(row, self._wanted_mode(row))
        if self.is_ready:
            self._measure(row)

    cdef int _change_limits(self, const Descriptor* item, const CommandPayload* command) except -1:
        """COMMAND LIMITS: planned again, applied, and written down as it applies. What is refused here was refused to the caller."""
        cdef RecordHeader* record = item.record
        cdef const char* text = <const char*> (command + 1)
        cdef uint32_t rest = record.length - <uint32_t> (sizeof(RecordHeader) + sizeof(CommandPayload))
        if command.detail_size > rest:
            self.refused_changes += 1
            return 0
        detail = (<bytes> text[:command.detail_size])
        reason = (<bytes> text[command.detail_size:rest]).rstrip(b"\0").decode("utf-8", "replace")
        changed = self.limits.apply(decode_change(detail), Source(command.uid, record.wall_ns, reason))
        try:
            self.journal.append(Lane.LEDGER, RecordKind.LIMITS, encode(changed), cause_seq=item.seq)
        except JournalFull:
            # it applies; the command stands in the ledger, and the next start asks for it anew
            self.refused_changes += 1
        return 0

    # --- what the limit book asks for

    def set_limit(self, int scope, int scope_id, str field, int64_t value) -> None:
        """One field of a scope's limits as configured or commanded; in force, scaled, at once."""
        cdef int row = self.tables._row_of(scope, scope_id)
        values = dict(self.base[row])
        if field not in values:
            raise KeyError(field)
        if field in LOSS_LIMITS and value > values[field]:
            # a person lets more be lost: what held the scope is judged anew
            self.measures[row].latches = 0
        values[field] = value
        values["is_set"] = 1
        self.base[row] = values
        self._set_state(row)
        self._apply_row(row)
        if self.is_ready:
            self._measure(row)

    def lot_e8(self, uint32_t instrument_id) -> int:
        self.tables._check(instrument_id)
        return self.tables.instruments[instrument_id].lot_size_e8

    def base_row(self, int scope, int scope_id) -> dict:
        """A scope's limits before modes scale them."""
        return dict(self.base[self.tables._row_of(scope, scope_id)])

    def measured(self, int scope, int scope_id) -> dict:
        """What is known of a scope beside `tables.scope`."""
        cdef int row = self.tables._row_of(scope, scope_id)
        return dict(self.measures[row]) | {"percent": self._percent_of(row)}

    def breaker(self, int venue_id) -> int:
        """BreakerState of a venue's order requests."""
        return self.breakers[venue_id % VENUE_LIMIT_ROWS].state

    # --- the ledger

    cdef int64_t _day_of(self, int64_t wall_ns) noexcept nogil:
        return (wall_ns - self.day_offset_ns) // DAY_NS

    cdef int64_t _wall_of(self, int64_t mono_ns) noexcept nogil:
        if mono_ns == 0 or mono_ns == INT64_MAX:
            return mono_ns
        return tw_risk_sum(mono_ns, self.journal.now_wall_ns - self.journal.now_mono_ns)

    cdef void _address(self, int row, uint8_t* scope, uint16_t* venue_id, uint16_t* account_id, uint16_t* strategy_id,
                       uint32_t* instrument_id) noexcept nogil:
        """Whose row it is, as a record's header says it."""
        if row >= INSTRUMENT_ROWS:
            scope[0] = LIMIT_SCOPE_INSTRUMENT
            instrument_id[0] = <uint32_t> (row - INSTRUMENT_ROWS)
        elif row >= STRATEGY_ROWS:
            scope[0] = LIMIT_SCOPE_STRATEGY
            strategy_id[0] = <uint16_t> (row - STRATEGY_ROWS)
        elif row >= VENUE_ROWS:
            scope[0] = LIMIT_SCOPE_VENUE
            venue_id[0] = <uint16_t> (row - VENUE_ROWS)
        elif row >= ACCOUNT_ROWS:
            scope[0] = LIMIT_SCOPE_ACCOUNT
            account_id[0] = <uint16_t> (row - ACCOUNT_ROWS)

    cdef void _tell(self, int row, uint8_t previous_mode) noexcept nogil:
        """RISK_STATE: the scope as it stands."""
        cdef const ScopeState* scope = &self.tables.scopes[row]
        cdef Measure* measure = &self.measures[row]
        cdef RiskStatePayload* out
        cdef RecordHeader* record = self.journal.claim(
            LANE_LEDGER, RECORD_KIND_RISK_STATE, sizeof(RecordHeader) + sizeof(RiskStatePayload), True)
        if record == NULL:
            return
        out = <RiskStatePayload*> (record + 1)
        memset(out, 0, sizeof(RiskStatePayload))
        self._address(row, &out.scope, &record.venue_id, &record.account_id, &record.strategy_id, &record.instrument_id)
        measure.told_peak_e8 = measure.peak_e8
        out.equity_e8 = scope.equity_e8
        out.pnl_e8 = measure.pnl_e8
        out.day_start_pnl_e8 = measure.day_start_e8
        out.peak_pnl_e8 = measure.peak_e8
        out.drawdown_bps = scope.drawdown_bps
        out.loss_streak = scope.loss_streak
        out.cooldown_until_ns = self._wall_of(scope.cooldown_until_mono_ns)
        out.pause_until_ns = self._wall_of(scope.pause_until_mono_ns)
        out.price_move_bps = scope.price_move_bps
        out.volatility_bps = measure.volatility_bps
        out.window_loss_e8 = measure.window_loss_e8
        out.day = measure.day
        out.reason = scope.reason
        out.trading_state = scope.trading_state
        out.risk_mode = scope.risk_mode
        out.previous_mode = previous_mode
        out.latches = measure.latches
        if VENUE_ROWS <= row < STRATEGY_ROWS:
            out.breaker = self.breakers[row - VENUE_ROWS].state
        record.cause_seq = self.journal.input_seq
        self.journal.commit(record)

    cdef void _alarm(self, int row, int code, int64_t detail, const char* text) noexcept nogil:
        cdef uint32_t size = <uint32_t> strlen(text)
        cdef uint8_t scope = LIMIT_SCOPE_ENGINE
        cdef StatePayload* out
        cdef RecordHeader* record = self.journal.claim(
            LANE_LEDGER, RECORD_KIND_ALARM, sizeof(RecordHeader) + ((<uint32_t> sizeof(StatePayload) + size + 7) & ~<uint32_t> 7), True)
        self.counters.values[<int> COUNTER_ALARMS] = self.counters.values[<int> COUNTER_ALARMS] + 1
        if record == NULL:
            return
        out = <StatePayload*> (record + 1)
        self._address(row, &scope, &record.venue_id, &record.account_id, &record.strategy_id, &record.instrument_id)
        out.state = code
        out.reason = code
        out.detail = detail
        memcpy(out + 1, text, size)
        record.cause_seq = self.journal.input_seq
        self.journal.commit(record)
