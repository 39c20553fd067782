"""The stage that runs strategies: events of four rings in sequence order, one callback after the other, never nested.

Before the events: what was refused locally in an earlier turn. Order events of a strategy reach its own orders first, then
`on_order`, then `on_fill`; the position was moved by the OMS before it told us. A strategy that raises or hangs is disabled,
its orders are cancelled, and the others go on with the same event.
"""
from cpython.ref cimport Py_REFCNT
from libc.string cimport memcpy, memset

from engine.strategy.failure import describe_error

from engine.model.codes cimport (
    ALARM_CODE_STRATEGY_HUNG, ALARM_CODE_STRATEGY_RAISED, COMMAND_KIND_ARM, COMMAND_KIND_PAUSE, COMMAND_KIND_RESUME,
    COMMAND_KIND_STOP, COUNTER_ALARMS, COUNTER_STRATEGY_CALLS, COUNTER_STRATEGY_CONFLATED, COUNTER_STRATEGY_ERRORS,
    COUNTER_STRATEGY_HANGS, LANE_LEDGER, ORDER_STATE_APPROVED, ORDER_STATE_PENDING_CANCEL, ORDER_STATE_PENDING_NEW,
    ORDER_STATE_PENDING_REPLACE, ORDER_STATE_REFUSED, ORDER_STATE_REJECTED, REASON_BOOK_INVALID, REASON_HALTED,
    REASON_JOURNAL_FULL, REASON_REDUCING_ONLY, REASON_SESSION_DOWN, REASON_STALE, RECORD_KIND_AGG_TRADE, RECORD_KIND_ALARM,
    BOOK_STATE_VALID, RECORD_KIND_COMMAND, RECORD_KIND_CONTRACT_INFO, RECORD_KIND_FILL, RECORD_KIND_HELD_ORDER, RECORD_KIND_PARENT_STATE, RECORD_KIND_FUNDING_RATE,
    RECORD_KIND_INSTRUMENT_UPDATE, RECORD_KIND_KLINE, RECORD_KIND_LIQUIDATION, RECORD_KIND_LONG_SHORT_RATIO,
    RECORD_KIND_MARK_PRICE, RECORD_KIND_MINI_TICKER, RECORD_KIND_OPEN_INTEREST, RECORD_KIND_ORDER_STATE, RECORD_KIND_TICKER_24H,
    RECORD_KIND_TIMER, RECORD_KIND_TRADE,
    STAGE_STRATEGY_DONE, TIMER_KIND_BAR, TIMER_KIND_STRATEGY,
)
from engine.model.bookreader cimport BookReader
from engine.model.records cimport (
    CommandPayload, FillPayload, FundingRatePayload, FundingRow, InstrumentUpdatePayload, KlinePayload, LiquidationPayload,
    LongShortRatioPayload, ParentStatePayload, MarkPricePayload, MiniTickerRow, OpenInterestPayload, RecordHeader, StatePayload, Ticker24hRow,
    TickersPayload, TimerPayload, TradePayload, VerdictPayload,
)
from engine.model.tables cimport STRATEGY_CAPACITY, StrategyState
from engine.runtime.watchdog cimport tw_turn_begin, tw_turn_end, tw_turn_was_interrupted
from engine.strategy.base cimport (
    CALLBACK_AGG_TRADE, CALLBACK_BAR, CALLBACK_BOOK, CALLBACK_COUNT, CALLBACK_FILL, CALLBACK_FUNDING, CALLBACK_INSTRUMENT,
    CALLBACK_KLINE, CALLBACK_LIQUIDATION, CALLBACK_LONG_SHORT_RATIO, CALLBACK_MARK_PRICE, CALLBACK_OPEN_INTEREST, CALLBACK_ORDER, CALLBACK_PARENT,
    CALLBACK_START, CALLBACK_STOP, CALLBACK_TICKER, CALLBACK_TIMER, CALLBACK_TRADE,
    STRATEGY_STATUS_CREATED, STRATEGY_STATUS_DISABLED, STRATEGY_STATUS_PAUSED, STRATEGY_STATUS_RUNNING,
    STRATEGY_STATUS_STOPPED,
)
from engine.strategy.market_views cimport (
    FundingView, InstrumentView, ParentView, KlineView, LiquidationView, LongShortRatioView, MarkPriceView, OpenInterestView, TickerView,
)
from engine.strategy.own_orders cimport OwnOrders
from engine.strategy.views cimport BarView, BookView, FillView, OrderView, TimerView, TradeView

cdef extern from *:
    int __builtin_ctzll(unsigned long long) noexcept nogil

cdef enum:
    EVENTS_PER_POLL = 256
    ERROR_TEXT_MAX = 600

cdef int64_t REJECTION_WINDOW_NS = 10_000_000_000

cdef uint64_t LAST_SEQ = 0xFFFFFFFFFFFFFFFF


# by callback, from CALLBACK_AGG_TRADE on
cdef tuple EVENT_VIEWS = (None,) * <int> CALLBACK_AGG_TRADE + (
    TradeView, KlineView, TickerView, MarkPriceView, FundingView, OpenInterestView, LongShortRatioView, LiquidationView, InstrumentView, ParentView,
)


cdef inline uint64_t seq_of(const Descriptor* event) noexcept nogil:
    return event.seq if event.seq else event.cause_seq


cdef inline void offer(void* ring, void** best, uint64_t* lowest) noexcept nogil:
    """Make the ring the best where its oldest event is older."""
    cdef const Descriptor* event = (<Ring> ring).peek()
    if event != NULL and seq_of(event) < lowest[0]:
        lowest[0] = seq_of(event)
        best[0] = ring


cdef inline bint is_trade(uint16_t kind) noexcept nogil:
    return kind == RECORD_KIND_TRADE or kind == RECORD_KIND_AGG_TRADE


cdef inline bint is_statistics(uint16_t kind) noexcept nogil:
    return RECORD_KIND_KLINE <= kind <= RECORD_KIND_CONTRACT_INFO


cdef void aim(View view, int callback, const void* payload, size_t extra):
    """Point an event's view at its payload; `extra` is what the payload alone does not say."""
    if callback == CALLBACK_AGG_TRADE:
        (<TradeView> view)._trade = <TradePayload*> payload
    elif callback == CALLBACK_KLINE:
        (<KlineView> view)._kline = <const KlinePayload*> payload
    elif callback == CALLBACK_TICKER:
        (<TickerView> view)._row = <const Ticker24hRow*> payload
        (<TickerView> view)._is_full = extra != 0
    elif callback == CALLBACK_MARK_PRICE:
        (<MarkPriceView> view)._mark = <const MarkPricePayload*> payload
    elif callback == CALLBACK_FUNDING:
        (<FundingView> view)._row = <const FundingRow*> payload
    elif callback == CALLBACK_OPEN_INTEREST:
        (<OpenInterestView> view)._interest = <const OpenInterestPayload*> payload
    elif callback == CALLBACK_LONG_SHORT_RATIO:
        (<LongShortRatioView> view)._ratio = <const LongShortRatioPayload*> payload
    elif callback == CALLBACK_LIQUIDATION:
        (<LiquidationView> view)._liquidation = <const LiquidationPayload*> payload
    elif callback == CALLBACK_PARENT:
        (<ParentView> view)._parent = <const ParentStatePayload*> payload
    else:
        (<InstrumentView> view)._update = <const InstrumentUpdatePayload*> payload
        (<InstrumentView> view)._text_bytes = extra


cdef class StrategyRunner(Actor):
    """Runs strategies: see the module.

    Rings in: `order_events` (ORDER_STATE, FILL), `refusals` (VERDICT), `market_events` (book changes, trades), `to_strategy`
    (TIMER, COMMAND). Ring out: `intents`. `trade_kind`: which of TRADE and AGG_TRADE makes `on_trade` and bars - never both.
    `bar_delay_ns`: how long after a bar's end its timer waits for late trades. `after_hang`: called, without arguments, right
    after a hanging strategy was disabled, so that the application can look at the control port before anything else.

    A runaway is disabled like one that raises: more than `orders_per_input_max` orders in answer to one input (order N + 1 is
    never passed on), more than `rejections_per_10s_max` of its orders refused or rejected in ten seconds for what they are
    (not for a halt, a stale book, a lost session or a full journal), or more than `executions_per_10s_max` fills in ten seconds.
    """

    def __init__(self, str name, Journal journal not None, Tables tables not None, Counters counters not None, *,
                 Ring order_events not None, Ring refusals not None, Ring market_events not None, Ring to_strategy not None,
                 Ring intents not None, TimerQueue timers not None, Clock clock not None, BookReader reader=None,
                 Watchdog watchdog=None, int account_id=1, int trade_kind=RECORD_KIND_TRADE, int64_t bar_delay_ns=100_000_000,
                 object after_hang=None, uint32_t orders_per_input_max=1000, uint32_t rejections_per_10s_max=200,
                 uint32_t executions_per_10s_max=1000, Ring instructions=None, Ring parent_events=None):
        Actor.__init__(self, name)
        if not is_trade(trade_kind):
            raise ValueError(f"trade_kind {trade_kind} is neither TRADE nor AGG_TRADE")
        self._journal, self._tables, self._counters, self._clock = journal, tables, counters, clock
        self._order_events, self._refusals = order_events, refusals
        self._market_events, self._to_strategy = market_events, to_strategy
        self._timers = timers
        self._turn = Turn(tables, reader if reader is not None else BookReader())
        self._parent_events = parent_events if parent_events is not None else Ring(f"{name}.parent_events", 2)
        self._desk = OrderDesk(journal, tables, counters, intents, self._turn, account_id, orders_per_input_max, instructions)
        self._bars = BarBook(tables, timers, bar_delay_ns)
        self._trade_kind = trade_kind
        self._rejections_max = rejections_per_10s_max
        self._executions_max = executions_per_10s_max
        self._after_hang = after_hang
        self._strategies = [None] * STRATEGY_CAPACITY
        self._watchdog = watchdog
        memset(&self._no_watchdog, 0, sizeof(tw_watchdog))
        self._hang = &watchdog.state if watchdog is not None else &self._no_watchdog
        self._scanned = market_events.read_index()
        self._by_interval = {}

    def attach(self, StrategyBase strategy not None, str name, int strategy_id, symbols, int venue_id=1, subscriptions=()) -> None:
        """Give a strategy its number (1..63), name, symbols and what it hears beside books and trades (`Subscription` rows).

        `symbols`: the venue's own, all at `venue_id`; or, for several lines, a mapping of what the strategy calls them to instrument ids.
        Raises ValueError naming what does not fit."""
        if not 0 < strategy_id < STRATEGY_CAPACITY:
            raise ValueError(f"strategy {name}: its id {strategy_id} is outside 1..{STRATEGY_CAPACITY - 1}")
        if self._strategies[strategy_id] is not None:
            raise ValueError(f"strategy {name}: id {strategy_id} is taken by {self._strategies[strategy_id].name}")
        ids = dict(symbols) if isinstance(symbols, dict) else {name: self._tables.instrument_id(venue_id, name) for name in symbols}
        unknown = [symbol for symbol, instrument_id in ids.items() if instrument_id == 0]
        if unknown:
            raise ValueError(f"strategy {name}: the venue has no symbol {', '.join(unknown)}")
        strategy.attach(name, strategy_id, ids, self._desk, self._turn, self._tables, self._journal, self._timers, self._bars)
        self._strategies[strategy_id] = strategy
        self._attached |= <uint64_t> 1 << strategy_id
        self._unstarted |= <uint64_t> 1 << strategy_id
        for symbol, instrument_id in ids.items():
            self._turn.symbols[instrument_id] = symbol
            self._subscribers[<uint32_t> instrument_id] |= <uint64_t> 1 << strategy_id
        for callback in range(CALLBACK_COUNT):
            if strategy.wants & (1 << callback):
                self._wanting[<int> callback] |= <uint64_t> 1 << strategy_id
        for row in subscriptions:
            self._subscribe(row, <uint64_t> 1 << strategy_id)

    def _subscribe(self, row, uint64_t bit) -> None:
        """Note who hears what a `Subscription` brings."""
        cdef int kind = row.kind
        if kind == RECORD_KIND_KLINE:
            interval = row.interval.encode()
            self._by_interval[interval] = (<uint64_t> self._by_interval.get(interval, 0)) | bit
        elif kind == RECORD_KIND_LONG_SHORT_RATIO:
            self._by_ratio[<int> row.ratio_kind & 3] |= bit
        elif row.is_all_market:
            self._all_market[kind & 31] |= bit
        else:
            self._by_kind[kind & 31] |= bit

    @property
    def strategies(self) -> tuple:
        """The attached strategies by id."""
        return tuple(strategy for strategy in self._strategies if strategy is not None)

    def start(self) -> None:
        """Start every strategy that has not been started, stamped with the journal's turn.

        Without this call they start by themselves before the first event that reaches the runner.
        """
        self._turn.seq = self._journal.input_seq
        self._turn.wall_ns = self._journal.now_wall_ns
        self._turn.mono_ns = self._journal.now_mono_ns
        self._start_all()

    def expect_hangs(self, dict told not None) -> None:
        """In a replay: the callbacks that hung then, by number, and what was said of them. They alone are watched, and hang again."""
        self._hung_turns = told
        self._hang = &self._no_watchdog

    def stop(self) -> None:
        """Tell every running strategy that the engine stops (the STOP command does the same)."""
        for strategy in self.strategies:
            self._stop(<StrategyBase> strategy)

    cdef int do_work(self) except -1:
        cdef int done = 0
        cdef void* ring
        if self._desk.waiting_cancels:
            done += self._desk.flush()
        if self._desk.notices:
            done += self._deliver_notices()
        self._scan_market()
        while done < EVENTS_PER_POLL:
            ring = self._next_ring()
            if ring == NULL:
                break
            done += self._handle(ring)
        return done

    # -- events, in sequence order ------------------------------------------------------------------------------------

    cdef void* _next_ring(self) noexcept nogil:
        """The ring whose oldest event has the lowest sequence; order events first where sequences are equal. NULL: all are empty."""
        cdef void* best = NULL
        cdef uint64_t lowest = LAST_SEQ
        offer(<void*> self._order_events, &best, &lowest)
        offer(<void*> self._refusals, &best, &lowest)
        offer(<void*> self._parent_events, &best, &lowest)
        offer(<void*> self._to_strategy, &best, &lowest)
        offer(<void*> self._market_events, &best, &lowest)
        return best

    cdef int _handle(self, void* ring) except -1:
        cdef Descriptor event = (<Ring> ring).peek()[0]
        # released first: a callback's own intents may come round through another ring, and an exception must not repeat it
        (<Ring> ring).release()
        if event.instrument_id >= INSTRUMENT_CAPACITY or event.strategy_id >= STRATEGY_CAPACITY:
            return 1
        self._set_turn(&event)
        if self._unstarted:
            self._start_all()
            self._set_turn(&event)
        if ring == <void*> self._market_events:
            self._handle_market(&event)
        elif ring == <void*> self._order_events:
            self._handle_order_event(&event)
        elif ring == <void*> self._parent_events:
            self._handle_parent_event(&event)
        elif ring == <void*> self._refusals:
            self._handle_refusal(&event)
        else:
            self._handle_input(&event)
        return 1

    cdef void _set_turn(self, const Descriptor* event) noexcept nogil:
        self._turn.seq = seq_of(event)
        self._turn.wall_ns = self._journal.now_wall_ns if self._journal.now_wall_ns else event.wall_ns
        self._turn.mono_ns = self._journal.now_mono_ns if self._journal.now_mono_ns else event.mono_ns

    # -- market -------------------------------------------------------------------------------------------------------

    cdef void _scan_market(self) noexcept nogil:
        """Count the book events that came in, so that all but an instrument's last are conflated into it."""
        cdef uint64_t tail = self._market_events.read_index()
        cdef uint64_t head = tail + self._market_events.depth()
        cdef Descriptor* event
        self._scanned = max(self._scanned, tail)
        while self._scanned < head:
            event = self._market_events.at(self._scanned)
            if not is_trade(event.kind) and not is_statistics(event.kind) and event.instrument_id < INSTRUMENT_CAPACITY:
                self._books_waiting[event.instrument_id] += 1
            self._scanned += 1

    cdef int _handle_market(self, const Descriptor* event) except -1:
        cdef uint64_t calls = self.calls
        if is_trade(event.kind):
            if event.kind == self._trade_kind and event.record != NULL:
                self._deliver_trade(event)
            if event.kind == RECORD_KIND_AGG_TRADE and event.record != NULL:
                self._tell(self._by_kind[<int> RECORD_KIND_AGG_TRADE] & self._subscribers[event.instrument_id], CALLBACK_AGG_TRADE,
                           event.record + 1, 0, event.instrument_id)
        elif is_statistics(event.kind):
            if event.record != NULL:
                self._deliver_statistics(event)
        else:
            if self._books_waiting[event.instrument_id] > 1:
                self._books_waiting[event.instrument_id] -= 1
                self.conflated += 1
                self._counters.values[<int> COUNTER_STRATEGY_CONFLATED] += 1
            else:
                self._books_waiting[event.instrument_id] = 0
                self._pull_quotes(event.instrument_id)
                self._deliver_book(event)
        if self.calls != calls:
            self._counters.record(STAGE_STRATEGY_DONE, self._clock.lap_ns() - event.mono_ns)
        return 0

    cdef int _deliver_book(self, const Descriptor* event) except -1:
        cdef uint64_t wanting = self._subscribers[event.instrument_id] & self._wanting[<int> CALLBACK_BOOK]
        cdef StrategyBase strategy
        while wanting:
            strategy = <StrategyBase> self._strategies[__builtin_ctzll(wanting)]
            wanting &= wanting - 1
            if self._hears(strategy, CALLBACK_BOOK):
                self._turn.number += 1
                self._call(strategy, CALLBACK_BOOK, strategy.show_book(event.instrument_id))
        return 0

    cdef int _pull_quotes(self, uint32_t instrument_id) except -1:
        """A book that stops being VALID takes the resting quotes in it along, before its strategies are told."""
        cdef bint is_valid = self._tables.markets[instrument_id].book_state == BOOK_STATE_VALID
        cdef int strategy_id
        if self._was_valid[instrument_id] and not is_valid:
            for strategy_id in range(1, STRATEGY_CAPACITY):
                if self._attached & (<uint64_t> 1 << strategy_id) and (<OwnOrders> self._desk.orders[strategy_id]).count:
                    self._desk.cancel_quotes(strategy_id, instrument_id)
        self._was_valid[instrument_id] = is_valid
        return 0

    # -- market statistics --------------------------------------------------------------------------------------------

    cdef int _deliver_statistics(self, const Descriptor* event) except -1:
        """An event of the venue's statistics to those who subscribed to it and override its callback."""
        cdef const void* payload = event.record + 1
        cdef uint64_t symbol = self._subscribers[event.instrument_id], kind = self._by_kind[event.kind & 31]
        if event.kind == RECORD_KIND_KLINE:
            kind = <uint64_t> self._by_interval.get(<bytes> (<const KlinePayload*> payload).interval, 0)
            return self._tell(kind & symbol, CALLBACK_KLINE, payload, 0, event.instrument_id)
        if event.kind == RECORD_KIND_TICKER_24H or event.kind == RECORD_KIND_MINI_TICKER:
            return self._deliver_tickers(event)
        if event.kind == RECORD_KIND_MARK_PRICE:
            return self._tell(kind & symbol, CALLBACK_MARK_PRICE, payload, 0, event.instrument_id)
        if event.kind == RECORD_KIND_FUNDING_RATE:
            return self._deliver_funding(event, kind & symbol)
        if event.kind == RECORD_KIND_OPEN_INTEREST:
            return self._tell(kind & symbol, CALLBACK_OPEN_INTEREST, payload, 0, event.instrument_id)
        if event.kind == RECORD_KIND_LONG_SHORT_RATIO:
            kind = self._by_ratio[(<const LongShortRatioPayload*> payload).ratio_kind & 3]
            return self._tell(kind & symbol, CALLBACK_LONG_SHORT_RATIO, payload, 0, event.instrument_id)
        if event.kind == RECORD_KIND_LIQUIDATION:
            return self._tell(kind & symbol, CALLBACK_LIQUIDATION, payload, 0, event.instrument_id)
        return 0

    cdef int _deliver_tickers(self, const Descriptor* event) except -1:
        """Each row by itself; an array of all symbols goes to those who asked for all of them."""
        cdef const TickersPayload* tickers = <const TickersPayload*> (event.record + 1)
        cdef const char* rows = <const char*> tickers + sizeof(TickersPayload)
        cdef bint is_full = event.kind == RECORD_KIND_TICKER_24H
        cdef size_t size = sizeof(Ticker24hRow) if is_full else sizeof(MiniTickerRow)
        cdef uint64_t wanting = self._all_market[event.kind & 31]
        cdef uint32_t i
        if event.instrument_id:
            wanting = self._by_kind[event.kind & 31] & self._subscribers[event.instrument_id]
        if wanting:
            for i in range(tickers.count):
                self._tell(wanting, CALLBACK_TICKER, rows + i * size, is_full, (<const MiniTickerRow*> (rows + i * size)).instrument_id)
        return 0

    cdef int _deliver_funding(self, const Descriptor* event, uint64_t wanting) except -1:
        cdef const FundingRatePayload* funding = <const FundingRatePayload*> (event.record + 1)
        cdef const FundingRow* rows = <const FundingRow*> (funding + 1)
        cdef uint32_t i
        for i in range(funding.count):
            self._tell(wanting, CALLBACK_FUNDING, &rows[i], 0, event.instrument_id)
        return 0

    cdef int _deliver_instrument(self, const Descriptor* event) except -1:
        cdef size_t text_bytes = event.record.length - sizeof(RecordHeader) - sizeof(InstrumentUpdatePayload)
        return self._tell(self._subscribers[event.instrument_id], CALLBACK_INSTRUMENT, event.record + 1, text_bytes, event.instrument_id)

    cdef int _tell(self, uint64_t wanting, int callback, const void* payload, size_t extra, uint32_t instrument_id) except -1:
        """One callback each for the strategies of `wanting` that override it, with a view of their own."""
        cdef StrategyBase strategy
        cdef View view
        wanting &= self._wanting[callback]
        while wanting:
            strategy = <StrategyBase> self._strategies[__builtin_ctzll(wanting)]
            wanting &= wanting - 1
            if not self._hears(strategy, callback):
                continue
            self._turn.number += 1
            view = <View> strategy._event_views[callback]
            # two references: the list's and ours; a third is a strategy's
            if view is None or Py_REFCNT(view) > 2:
                view = EVENT_VIEWS[callback](self._turn)
                strategy._event_views[callback] = view
            aim(view, callback, payload, extra)
            view.show(instrument_id)
            self._call(strategy, callback, view)
        return 0

    cdef int _deliver_trade(self, const Descriptor* event) except -1:
        cdef uint64_t wanting = self._subscribers[event.instrument_id] & self._wanting[<int> CALLBACK_TRADE]
        cdef TradePayload* trade = <TradePayload*> (event.record + 1)
        cdef list builders = self._bars.of(event.instrument_id)
        cdef BarBuilder builder
        cdef StrategyBase strategy
        if builders is not None:
            for item in builders:
                builder = <BarBuilder> item
                self._close_bars(builder, trade.trade_ns)
                builder.add(trade.trade_ns, trade.price_ticks, trade.qty_lots, trade.aggressor_side)
        while wanting:
            strategy = <StrategyBase> self._strategies[__builtin_ctzll(wanting)]
            wanting &= wanting - 1
            if self._hears(strategy, CALLBACK_TRADE):
                self._turn.number += 1
                if strategy._trade_view is None or Py_REFCNT(strategy._trade_view) > 1:
                    strategy._trade_view = TradeView(self._turn)
                strategy._trade_view._trade = trade
                strategy._trade_view.show(event.instrument_id)
                self._call(strategy, CALLBACK_TRADE, strategy._trade_view)
        return 0

    cdef int _close_bars(self, BarBuilder builder, int64_t wall_ns) except -1:
        """Close and deliver what ends at or before `wall_ns`; a bar whose begin was not seen is left out."""
        cdef uint64_t wanting
        cdef StrategyBase strategy
        while builder.close_next(wall_ns):
            if builder.closed.open_wall_ns < builder.origin_ns:
                continue
            wanting = builder.subscribers & self._wanting[<int> CALLBACK_BAR]
            while wanting:
                strategy = <StrategyBase> self._strategies[__builtin_ctzll(wanting)]
                wanting &= wanting - 1
                if self._hears(strategy, CALLBACK_BAR):
                    self._turn.number += 1
                    if strategy._bar_view is None or Py_REFCNT(strategy._bar_view) > 1:
                        strategy._bar_view = BarView(self._turn)
                    strategy._bar_view._bar = &builder.closed
                    strategy._bar_view._interval_ns = builder.interval_ns
                    strategy._bar_view.show(builder.instrument_id)
                    self._call(strategy, CALLBACK_BAR, strategy._bar_view)
        return 0

    # -- own orders ---------------------------------------------------------------------------------------------------

    cdef int _handle_order_event(self, const Descriptor* event) except -1:
        """ORDER_STATE or FILL. The OMS tells the state before the fill; should the fill stand first, the state is taken first."""
        cdef Descriptor* following
        cdef Descriptor state
        if event.record == NULL or self._strategies[event.strategy_id] is None:
            return 0
        if event.kind == RECORD_KIND_ORDER_STATE:
            return self._deliver_order_state(event)
        if event.kind != RECORD_KIND_FILL:
            return 0
        following = self._order_events.peek()
        if (following != NULL and following.kind == RECORD_KIND_ORDER_STATE and following.record != NULL
                and following.order_handle == event.order_handle
                and following.record.cause_seq == event.record.cause_seq):
            state = following[0]
            self._order_events.release()
            self._deliver_order_state(&state)
        return self._deliver_fill(event)

    cdef int _deliver_order_state(self, const Descriptor* event) except -1:
        cdef OrderStatePayload* payload = <OrderStatePayload*> (event.record + 1)
        cdef StrategyBase strategy = <StrategyBase> self._strategies[event.strategy_id]
        cdef WorkingOrder order = self._desk.apply(event)
        if order is not None and not order.is_ended and not order.is_child and strategy.status == STRATEGY_STATUS_DISABLED:
            # it was under way when its strategy was disabled, or came back after a refused cancel
            self._desk.cancel(event.strategy_id, event.order_handle)
        if payload.state in (ORDER_STATE_APPROVED, ORDER_STATE_PENDING_NEW, ORDER_STATE_PENDING_CANCEL,
                             ORDER_STATE_PENDING_REPLACE):
            return 0
        if payload.state == ORDER_STATE_REFUSED:
            self._tables.strategies[event.strategy_id].refusals += 1
        if payload.state == ORDER_STATE_REFUSED or payload.state == ORDER_STATE_REJECTED:
            self._count_rejection(strategy, payload.reason)
        return self._deliver_order(event.strategy_id, event.instrument_id, event.order_handle, payload)

    cdef int _deliver_order(self, uint16_t strategy_id, uint32_t instrument_id, uint64_t handle,
                            OrderStatePayload* payload) except -1:
        cdef StrategyBase strategy = <StrategyBase> self._strategies[strategy_id]
        if not self._hears(strategy, CALLBACK_ORDER):
            return 0
        self._turn.number += 1
        if strategy._order_view is None or Py_REFCNT(strategy._order_view) > 1:
            strategy._order_view = OrderView(self._turn)
        strategy._order_view._order = payload
        strategy._order_view._handle = handle
        strategy._order_view.show(instrument_id)
        return self._call(strategy, CALLBACK_ORDER, strategy._order_view)

    cdef int _deliver_fill(self, const Descriptor* event) except -1:
        cdef StrategyBase strategy = <StrategyBase> self._strategies[event.strategy_id]
        self._tables.strategies[event.strategy_id].fills += 1
        self._count_execution(strategy)
        if not self._hears(strategy, CALLBACK_FILL):
            return 0
        self._turn.number += 1
        if strategy._fill_view is None or Py_REFCNT(strategy._fill_view) > 1:
            strategy._fill_view = FillView(self._turn)
        strategy._fill_view._fill = <FillPayload*> (event.record + 1)
        strategy._fill_view._handle = event.order_handle
        strategy._fill_view.show(event.instrument_id)
        return self._call(strategy, CALLBACK_FILL, strategy._fill_view)

    cdef int _deliver_notices(self) except -1:
        """What was refused without the gate, in the order of asking; what is refused meanwhile waits for the next poll."""
        cdef list notices = self._desk.notices
        cdef uint64_t seq
        self._desk.notices = []
        for order, reason, seq in notices:
            self._turn.seq = seq
            self._turn.wall_ns = self._journal.now_wall_ns
            self._turn.mono_ns = self._journal.now_mono_ns
            self._deliver_refusal(<WorkingOrder> order, reason)
        return len(notices)

    cdef int _deliver_refusal(self, WorkingOrder order, uint16_t reason) except -1:
        cdef OrderStatePayload payload
        memset(&payload, 0, sizeof(OrderStatePayload))
        payload.price_ticks = order.price_ticks
        payload.qty_lots = order.qty_lots
        payload.previous_state = order.state
        payload.state = ORDER_STATE_REFUSED
        payload.reason = reason
        payload.side = order.side
        payload.order_type = order.order_type
        payload.time_in_force = order.time_in_force
        self._desk.end(order, ORDER_STATE_REFUSED)
        if order.list_size:
            self._desk.drop_list(order)
        self._tables.strategies[order.strategy_id].refusals += 1
        self._count_rejection(<StrategyBase> self._strategies[order.strategy_id], reason)
        return self._deliver_order(order.strategy_id, order.instrument_id, order.handle, &payload)

    cdef int _count_execution(self, StrategyBase strategy) except -1:
        """Disable a strategy that trades again and again (its own feed-back, its own other side), until a person has looked."""
        cdef uint16_t row = strategy.strategy_id
        if self._turn.mono_ns - self._executions_since[row] >= REJECTION_WINDOW_NS:
            self._executions_since[row] = self._turn.mono_ns
            self._executions[row] = 0
        self._executions[row] += 1
        if self._executions[row] > self._executions_max and self._is_live(strategy):
            self._disable(strategy, False, b"runaway: too many executions in ten seconds")
        return 0

    cdef int _count_rejection(self, StrategyBase strategy, uint16_t reason) except -1:
        """Disable a strategy whose orders are refused again and again for what they are."""
        cdef uint16_t row = strategy.strategy_id
        if reason in (REASON_HALTED, REASON_REDUCING_ONLY, REASON_BOOK_INVALID, REASON_STALE, REASON_SESSION_DOWN,
                      REASON_JOURNAL_FULL):
            return 0
        if self._turn.mono_ns - self._rejections_since[row] >= REJECTION_WINDOW_NS:
            self._rejections_since[row] = self._turn.mono_ns
            self._rejections[row] = 0
        self._rejections[row] += 1
        if self._rejections[row] > self._rejections_max and self._is_live(strategy):
            self._disable(strategy, False, b"runaway: too many of its orders were refused in ten seconds")
        return 0

    cdef int _handle_parent_event(self, const Descriptor* event) except -1:
        """HELD_ORDER: an own order like any other. PARENT_STATE: an instruction of the strategy's."""
        if event.record == NULL or self._strategies[event.strategy_id] is None:
            return 0
        if event.kind == RECORD_KIND_HELD_ORDER:
            return self._deliver_order_state(event)
        if event.kind != RECORD_KIND_PARENT_STATE:
            return 0
        self._desk.note_parent(event)
        return self._tell(<uint64_t> 1 << event.strategy_id, CALLBACK_PARENT, event.record + 1, 0, event.instrument_id)

    cdef int _handle_refusal(self, const Descriptor* event) except -1:
        """A VERDICT of the gate against one of our orders; a full journal leaves the reason in the descriptor only."""
        cdef WorkingOrder order
        cdef uint16_t reason = event.data
        if self._strategies[event.strategy_id] is None:
            return 0
        order = self._desk.find(event.strategy_id, event.order_handle)
        if order is None:
            return 0
        if event.record != NULL:
            reason = (<VerdictPayload*> (event.record + 1)).reason
        return self._deliver_refused_change(order, reason) if event.flags else self._deliver_refusal(order, reason)

    cdef int _deliver_refused_change(self, WorkingOrder order, uint16_t reason) except -1:
        """The order stays as it is; its owner hears why it was not changed."""
        cdef OrderStatePayload payload
        if order.is_ended:
            return 0
        memset(&payload, 0, sizeof(OrderStatePayload))
        payload.price_ticks = order.price_ticks
        payload.trigger_ticks = order.trigger_ticks
        payload.qty_lots = order.qty_lots
        payload.cum_qty_lots = order.cum_qty_lots
        payload.leaves_qty_lots = order.qty_lots - order.cum_qty_lots
        payload.previous_state = payload.state = order.state
        payload.reason = reason
        payload.side = order.side
        payload.order_type = order.order_type
        payload.time_in_force = order.time_in_force
        self._tables.strategies[order.strategy_id].refusals += 1
        self._count_rejection(<StrategyBase> self._strategies[order.strategy_id], reason)
        return self._deliver_order(order.strategy_id, order.instrument_id, order.handle, &payload)

    # -- timers and commands ------------------------------------------------------------------------------------------

    cdef int _handle_input(self, const Descriptor* event) except -1:
        if event.record == NULL:
            return 0
        if event.kind == RECORD_KIND_TIMER:
            return self._handle_timer(event)
        if event.kind == RECORD_KIND_COMMAND:
            return self._handle_command(event)
        if event.kind == RECORD_KIND_INSTRUMENT_UPDATE:
            return self._deliver_instrument(event)
        return 0

    cdef int _handle_timer(self, const Descriptor* event) except -1:
        cdef TimerPayload* timer = <TimerPayload*> (event.record + 1)
        cdef StrategyBase strategy
        if timer.timer_kind == TIMER_KIND_BAR:
            self._timers.drop(timer.timer_id)
            if 0 <= timer.data < len(self._bars.builders):
                self._close_bars(<BarBuilder> self._bars.builders[timer.data], self._turn.wall_ns - self._bars.delay_ns)
                self._bars.schedule(timer.data, self._turn.wall_ns, self._turn.mono_ns)
            return 0
        strategy = self._strategies[event.record.strategy_id % STRATEGY_CAPACITY]
        if timer.timer_kind != TIMER_KIND_STRATEGY or strategy is None or timer.timer_id not in strategy._timer_data:
            return 0
        # a replay brings the record while the timer still waits here
        self._timers.drop(timer.timer_id)
        if strategy.status == STRATEGY_STATUS_PAUSED:
            strategy._held_timers.append((timer.timer_id, timer.deadline_mono_ns))
            return 0
        return self._deliver_timer(strategy, timer.timer_id, timer.deadline_mono_ns)

    cdef int _deliver_timer(self, StrategyBase strategy, uint64_t timer_id, int64_t deadline_mono_ns) except -1:
        cdef object data = strategy._timer_data.pop(timer_id)
        if not self._hears(strategy, CALLBACK_TIMER):
            return 0
        self._turn.number += 1
        if strategy._timer_view is None or Py_REFCNT(strategy._timer_view) > 1:
            strategy._timer_view = TimerView(self._turn)
        strategy._timer_view._timer_id = timer_id
        strategy._timer_view._deadline_mono_ns = deadline_mono_ns
        strategy._timer_view._data = data
        strategy._timer_view.show(0)
        return self._call(strategy, CALLBACK_TIMER, strategy._timer_view)

    cdef int _resume_timers(self, StrategyBase strategy) except -1:
        """Deliver what came due while the strategy was paused and was not cancelled since."""
        cdef list held = strategy._held_timers
        strategy._held_timers = []
        for timer_id, deadline_mono_ns in held:
            if timer_id in strategy._timer_data:
                self._deliver_timer(strategy, timer_id, deadline_mono_ns)
        return 0

    cdef int _handle_command(self, const Descriptor* event) except -1:
        """PAUSE, RESUME, ARM and STOP of one strategy or, with strategy 0, of all. The rest is not ours."""
        cdef CommandPayload* command = <CommandPayload*> (event.record + 1)
        cdef uint16_t strategy_id = event.record.strategy_id
        for strategy in self.strategies:
            if strategy_id == 0 or (<StrategyBase> strategy).strategy_id == strategy_id:
                self._apply_command(<StrategyBase> strategy, command.command_kind, strategy_id != 0)
        return 0

    cdef int _apply_command(self, StrategyBase strategy, uint16_t command_kind, bint is_named) except -1:
        if command_kind == COMMAND_KIND_PAUSE and strategy.status == STRATEGY_STATUS_RUNNING:
            self._set_status(strategy, STRATEGY_STATUS_PAUSED, 0, b"paused by command")
            self._desk.cancel_all(strategy.strategy_id)
        elif command_kind == COMMAND_KIND_RESUME and strategy.status == STRATEGY_STATUS_PAUSED:
            self._set_status(strategy, STRATEGY_STATUS_RUNNING, 0, b"resumed by command")
            self._resume_timers(strategy)
        elif command_kind == COMMAND_KIND_ARM and strategy.status == STRATEGY_STATUS_DISABLED and is_named:
            self._start(strategy)
        elif command_kind == COMMAND_KIND_STOP:
            self._stop(strategy)
        return 0

    # -- a strategy's life --------------------------------------------------------------------------------------------

    cdef int _start_all(self) except -1:
        for strategy in self.strategies:
            if self._unstarted & (<uint64_t> 1 << (<StrategyBase> strategy).strategy_id):
                self._start(<StrategyBase> strategy)
        return 0

    cdef int _start(self, StrategyBase strategy) except -1:
        self._unstarted &= ~(<uint64_t> 1 << strategy.strategy_id)
        self._set_status(strategy, STRATEGY_STATUS_RUNNING, 0, b"started")
        if strategy.wants & (1 << <int> CALLBACK_START):
            self._turn.number += 1
            self._call(strategy, CALLBACK_START, None)
        return 0

    cdef int _stop(self, StrategyBase strategy) except -1:
        if strategy.status != STRATEGY_STATUS_RUNNING and strategy.status != STRATEGY_STATUS_PAUSED:
            return 0
        if strategy.wants & (1 << <int> CALLBACK_STOP):
            self._turn.number += 1
            self._call(strategy, CALLBACK_STOP, None)
        if strategy.status != STRATEGY_STATUS_DISABLED:
            self._set_status(strategy, STRATEGY_STATUS_STOPPED, 0, b"stopped")
            self._desk.cancel_all(strategy.strategy_id)
        strategy.drop_timers()
        return 0

    cdef int _set_status(self, StrategyBase strategy, uint16_t status, uint16_t reason, bytes text) except -1:
        cdef StrategyState* row = &self._tables.strategies[strategy.strategy_id]
        strategy.write_state(status, reason, text)
        strategy.status = status
        row.enabled = status == STRATEGY_STATUS_RUNNING or status == STRATEGY_STATUS_PAUSED
        row.paused = status == STRATEGY_STATUS_PAUSED
        row.started = status != STRATEGY_STATUS_CREATED
        row.disabled_reason = <unsigned char> reason
        return 0

    cdef bint _hears(self, StrategyBase strategy, int callback) noexcept:
        """A running strategy hears everything it overrides; a paused one only of its own orders and fills."""
        if not strategy.wants & (1 << callback):
            return False
        if strategy.status == STRATEGY_STATUS_RUNNING:
            return True
        return strategy.status == STRATEGY_STATUS_PAUSED and (
            callback == CALLBACK_ORDER or callback == CALLBACK_FILL or callback == CALLBACK_PARENT)

    cdef int _call(self, StrategyBase strategy, int callback, View view) except -1:
        """One turn: the callback between two ticks of the watchdog's number. Whatever it raises disables its strategy only."""
        cdef bint hung = False
        cdef object error = None
        cdef bytes told = None
        cdef tw_watchdog* hang = self._hang
        if self._hung_turns is not None:
            told = self._hung_turns.pop(self._turn.number + 1, None)
            if told is not None and self._watchdog is not None:
                hang = &self._watchdog.state
        self.calls += 1
        self._counters.values[<int> COUNTER_STRATEGY_CALLS] += 1
        strategy.is_in_callback = True
        tw_turn_begin(hang)
        try:
            strategy.call(callback, view)
            hung = tw_turn_was_interrupted(hang)
            tw_turn_end(hang)
        except BaseException as raised:
            # BaseException: a strategy's SystemExit, or the watchdog's interrupt, must not take the engine down
            hung = tw_turn_was_interrupted(hang)
            tw_turn_end(hang)
            error = raised
        strategy.is_in_callback = False
        self._turn.number += 1
        if told is not None:
            self._disable(strategy, True, told)
        elif error is not None or hung:
            self._disable(strategy, hung, describe_error(error).encode("utf-8", "replace") if error is not None
                          else b"hung, and went on")
        elif self._desk.runaways and self._is_live(strategy):
            if self._desk.runaways & (<uint64_t> 1 << strategy.strategy_id):
                self._disable(strategy, False, b"runaway: too many orders in answer to one input")
        return 0

    cdef bint _is_live(self, StrategyBase strategy) noexcept:
        return strategy.status == STRATEGY_STATUS_RUNNING or strategy.status == STRATEGY_STATUS_PAUSED

    cdef int _disable(self, StrategyBase strategy, bint hung, bytes text) except -1:
        """Disable until a person arms it by name; its orders are cancelled, its timers and bars dropped."""
        cdef uint16_t code = ALARM_CODE_STRATEGY_HUNG if hung else ALARM_CODE_STRATEGY_RAISED
        self._counters.values[<int> (COUNTER_STRATEGY_HANGS if hung else COUNTER_STRATEGY_ERRORS)] += 1
        self._set_status(strategy, STRATEGY_STATUS_DISABLED, code, text)
        self._write_alarm(strategy, code, text)
        self._desk.cancel_all(strategy.strategy_id)
        strategy.drop_timers()
        self._bars.forget(strategy.strategy_id)
        self._desk.runaways &= ~(<uint64_t> 1 << strategy.strategy_id)
        self._rejections[strategy.strategy_id] = 0
        self._executions[strategy.strategy_id] = 0
        if hung and self._after_hang is not None:
            self._after_hang()
        return 0

    cdef int _write_alarm(self, StrategyBase strategy, uint16_t code, bytes text) except -1:
        cdef size_t size = min(len(text), ERROR_TEXT_MAX)
        cdef RecordHeader* record = self._journal.claim(
            LANE_LEDGER, RECORD_KIND_ALARM, sizeof(RecordHeader) + sizeof(StatePayload) + size, True)
        self._counters.values[<int> COUNTER_ALARMS] += 1
        if record == NULL:
            return 0
        record.cause_seq = self._turn.seq
        record.strategy_id = strategy.strategy_id
        (<StatePayload*> (record + 1))[0] = StatePayload(code, 0, code, 0, 0)
        memset(<char*> (record + 1) + sizeof(StatePayload), 0, (size + 7) & ~(<size_t> 7))
        memcpy(<char*> (record + 1) + sizeof(StatePayload), <const char*> text, size)
        self._journal.commit(record)
        return 0
