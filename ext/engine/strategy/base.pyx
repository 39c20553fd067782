"""The compiled half of a strategy: intents, own orders, positions, timers, bars, notes."""
from cpython.ref cimport Py_REFCNT
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from engine.model.codes cimport (
    ALARM_CODE_STRATEGY_HUNG, INTENT_ACTION_REPLACE, INTENT_ACTION_SUBMIT, LANE_LEDGER, LIMIT_SCOPE_ACCOUNT, LIMIT_SCOPE_VENUE, RECORD_KIND_STRATEGY_STATE, TIMER_KIND_STRATEGY,
)
from engine.model.native cimport LIST_SIZE_MAX
from engine.model.records cimport Conditions, IntentPayload, RecordHeader, StatePayload
from engine.model.tables cimport (
    ASSET_CAPACITY, ENGINE_ROW, INSTRUMENT_CAPACITY, INSTRUMENT_ROWS, STRATEGY_ROWS, Exposure, InstrumentLimits, LimitRow,
)
from engine.strategy.own_orders cimport OwnOrders
from engine.strategy.views cimport WorkingOrder

from engine.model.instructions import Change, encode

cdef enum:
    NOTE_BYTES_MAX = 1000

cdef tuple CALLBACK_NAMES = (
    "on_start", "on_stop", "on_book", "on_trade", "on_bar", "on_order", "on_fill", "on_timer", "on_agg_trade", "on_kline",
    "on_ticker", "on_mark_price", "on_funding", "on_open_interest", "on_long_short_ratio", "on_liquidation", "on_instrument",
    "on_parent",
)


cdef object _left(int64_t limit, object used):
    """What is left of a limit; INT64_MAX of none."""
    return limit if limit == INT64_MAX else max(limit - used, 0)


cdef object _reached(object worth, int side):
    """What a position or a scope's net exposure has reached in the direction of `side`, with all that works there."""
    return worth["net_if_bought_e8"] if side == 0 else -worth["net_if_sold_e8"]


cdef object _exposure_left(object limits, object state, int side):
    """What an order may add to a scope's exposure: gross, budget, net and leverage, in the scope's currency."""
    cdef object most_e4 = limits["max_leverage_e4"], left = min(
        _left(limits["max_gross_exposure_e8"], state["gross_e8"]), _left(limits["capital_budget_e8"], state["gross_e8"]),
        _left(limits["max_net_exposure_e8"], _reached(state, side)))
    if most_e4 != INT64_MAX:
        left = min(left, max(max(state["equity_e8"], 0) * most_e4 // 10_000 - state["gross_e8"], 0))
    return left


cdef object _in_quote(object value_e8, int64_t rate_e8):
    """Reporting currency to quote asset, rounded down; nothing where no rate is known."""
    if value_e8 == INT64_MAX:
        return INT64_MAX
    return min(value_e8 * 100_000_000 // rate_e8, INT64_MAX) if rate_e8 > 0 else 0


cdef class StrategyBase:
    """What `engine.Strategy` is built on; authors subclass that one."""

    def __cinit__(self, *args, **kwargs):
        self.name = ""
        self.symbols = ()
        self._instrument_ids = {}
        self._timer_data = {}
        self._held_timers = []
        self._handlers = [None] * len(CALLBACK_NAMES)
        self._book_views = [None] * INSTRUMENT_CAPACITY
        self._event_views = [None] * len(CALLBACK_NAMES)

    # -- what authors override ----------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Called once before anything else, and again when a person arms the strategy after it was disabled."""

    def on_stop(self) -> None:
        """Called once when the engine stops in order; its orders are cancelled by the engine."""

    def on_book(self, book) -> None:
        """A subscribed book changed. Changes are conflated: the view always shows the latest."""

    def on_trade(self, trade) -> None:
        """A public trade of a subscribed symbol."""

    def on_bar(self, bar) -> None:
        """A subscribed bar closed."""

    def on_order(self, order) -> None:
        """One of the strategy's orders changed, or was refused (state REFUSED and a reason)."""

    def on_fill(self, fill) -> None:
        """One of the strategy's orders was filled in part or in full; `on_order` came before."""

    def on_timer(self, timer) -> None:
        """A timer came due."""

    def on_agg_trade(self, trade) -> None:
        """Trades of one taker at one price, together (subscription `agg_trade`)."""

    def on_kline(self, kline) -> None:
        """The venue's own candle moved or closed (`kline_1m` and so on)."""

    def on_ticker(self, ticker) -> None:
        """The last 24 hours of a symbol (`ticker`, `mini_ticker`, and of every symbol: `all_tickers`, `all_mini_tickers`)."""

    def on_mark_price(self, mark) -> None:
        """Mark price, index price and the coming funding (`mark_price`)."""

    def on_funding(self, funding) -> None:
        """A funding was settled (`funding`); first those of the past, oldest first."""

    def on_open_interest(self, interest) -> None:
        """How many contracts are open (`open_interest`)."""

    def on_long_short_ratio(self, ratio) -> None:
        """Longs against shorts (`long_short_accounts`, `top_trader_accounts`, `top_trader_positions`, `taker_volume`)."""

    def on_liquidation(self, liquidation) -> None:
        """A forced order of somebody (`liquidations`)."""

    def on_instrument(self, instrument) -> None:
        """Reference data of a symbol of this strategy changed: status, limits, tick or lot."""

    def on_parent(self, parent) -> None:
        """One of the strategy's instructions - a held order, list, bracket, protection, algorithm - changed."""

    # -- what authors call --------------------------------------------------------------------------------------------

    def submit_ticks(self, uint32_t instrument_id, uint8_t side, int64_t price_ticks, int64_t qty_lots,
                     uint8_t order_type=0, uint8_t time_in_force=0, uint16_t flags=0, int64_t trigger_ticks=0, int64_t expire_ns=0,
                     *, uint8_t position_side=0, uint8_t trigger_source=0, uint8_t trail_kind=0, int64_t trail_amount=0,
                     int64_t limit_offset_ticks=0, int64_t activation_ticks=0, int64_t display_lots=0) -> int:
        """Ask for an order, in integers (`Side`, `OrderType`, `TimeInForce`, `OrderFlag`, `TriggerSource`, `TrailKind`); its handle at
        once. `expire_ns` is wall time. What the venue does not do by itself the engine holds and does.

        The answer comes by `on_order`. Raises OverflowError for numbers that do not fit their field, ValueError for an
        instrument that does not exist."""
        cdef IntentPayload wish
        cdef Conditions conditions
        cdef bint is_more = (trigger_source or trail_kind or limit_offset_ticks or activation_ticks or display_lots) != 0
        self._check_turn()
        if not 0 < instrument_id <= self._tables.instrument_count:
            raise ValueError(f"no instrument has the id {instrument_id}")
        wish = IntentPayload(INTENT_ACTION_SUBMIT, side, order_type, time_in_force, flags, position_side, is_more, price_ticks, qty_lots,
                             trigger_ticks, expire_ns, 0)
        memset(&conditions, 0, sizeof(Conditions))
        conditions.display_lots, conditions.activation_ticks, conditions.trail_amount = display_lots, activation_ticks, trail_amount
        conditions.limit_offset_ticks, conditions.trail_kind, conditions.trigger_source = limit_offset_ticks, trail_kind, trigger_source
        return self._desk.place(self.strategy_id, &wish, &conditions if is_more else NULL, instrument_id)

    def submit_list_ticks(self, uint32_t instrument_id, uint8_t contingency, legs) -> int:
        """Ask for two or three orders of one list (`Contingency`); the handle of the first, the others' follow it one by one.

        `legs`: mappings with the arguments of `submit_ticks` by name (side, qty_lots and what the type needs). OCO: two, of which
        one fills; OTO: the second is placed when the first is filled; OTOCO: the second and third then as an OCO.
        """
        cdef IntentPayload[3] wishes
        cdef Conditions[3] conditions
        cdef int i, count = len(legs)
        self._check_turn()
        if not 0 < instrument_id <= self._tables.instrument_count:
            raise ValueError(f"no instrument has the id {instrument_id}")
        if not 2 <= count <= LIST_SIZE_MAX:
            raise ValueError(f"a list of {count} orders: two or three")
        for i in range(count):
            read_leg(dict(legs[i]), &wishes[i], &conditions[i])
            conditions[i].contingency = contingency
        return self._desk.place_list(self.strategy_id, wishes, conditions, count, instrument_id)

    def amend_ticks(self, uint64_t handle, int64_t qty_lots) -> bool:
        """Ask for a smaller total quantity of an open order, in its place; False where it is not open or larger than that, or the
        venue cannot: then `replace_ticks`. The answer comes by `on_order`."""
        self._check_turn()
        return self._desk.amend(self.strategy_id, handle, qty_lots)

    cdef uint64_t ask(self, uint32_t instrument_id, uint8_t side, int64_t price_ticks, int64_t qty_lots, uint8_t order_type,
                      uint8_t time_in_force, uint16_t flags) except 0:
        """`submit_ticks` for compiled strategies: inside a callback, for an instrument that exists."""
        cdef IntentPayload wish = IntentPayload(
            INTENT_ACTION_SUBMIT, side, order_type, time_in_force, flags, 0, 0, price_ticks, qty_lots, 0, 0, 0)
        return self._desk.submit(self.strategy_id, &wish, instrument_id)

    def replace_ticks(self, uint64_t handle, int64_t price_ticks, int64_t qty_lots, int64_t trigger_ticks=0) -> int:
        """Ask for another price and total quantity; the handle of the order that takes the place - of one that the engine holds its
        own -, or 0 when the old one has ended. The venue cancels the old order and places the new one, which keeps type, time in force, flags, side of the position and
        - where none is named - the trigger."""
        cdef IntentPayload wish
        cdef WorkingOrder order
        self._check_turn()
        order = self._desk.find(self.strategy_id, handle)
        if order is None or order.is_ended:
            return 0
        if order.is_staged or order.is_child:
            # the engine's own: it keeps its handle
            change = Change(handle=handle, action="amend", price_ticks=price_ticks, qty_lots=qty_lots, trigger_ticks=trigger_ticks)
            return handle if self._desk.instruct(self.strategy_id, order.instrument_id, handle, encode(change), True) == 0 else 0
        wish = IntentPayload(INTENT_ACTION_REPLACE, order.side, order.order_type, order.time_in_force, order.flags, order.position_side,
                             order.has_conditions, price_ticks, qty_lots, trigger_ticks or order.trigger_ticks, order.expire_ns, handle)
        return self._desk.place(self.strategy_id, &wish, &order.conditions if order.has_conditions else NULL, order.instrument_id)

    def new_handle(self) -> int:
        """A handle that nobody has: for the orders of an instruction."""
        self._check_turn()
        return self._tables.next_handle()

    def instruct(self, uint32_t instrument_id, uint64_t handle, bytes text, orders=()) -> int:
        """Ask the execution stage for something (JSON of `engine.model.instructions`); a `Reason`, 0 = it is on its way.

        `orders`: (handle, OrderTerms) of the orders in it, which are the strategy's own from now on; refused here they end a turn later."""
        cdef uint16_t reason
        self._check_turn()
        if not 0 < instrument_id <= self._tables.instrument_count:
            raise ValueError(f"no instrument has the id {instrument_id}")
        for order_handle, terms in orders:
            self._desk.track_staged(self.strategy_id, instrument_id, order_handle, terms)
        reason = self._desk.instruct(self.strategy_id, instrument_id, handle, text, False)
        if reason:
            for order_handle, _ in orders:
                self._desk._refuse(self._desk.find(self.strategy_id, order_handle), reason, 0)
        return reason

    def change(self, uint32_t instrument_id, uint64_t handle, bytes text) -> bool:
        """Ask for a change of an instruction that is under way; False where there is no room: ask again."""
        self._check_turn()
        return self._desk.instruct(self.strategy_id, instrument_id, handle, text, True) == 0

    def parents(self) -> dict:
        """This strategy's instructions that are not over: instrument id by handle."""
        return {} if self._desk is None else dict(self._desk.parents[self.strategy_id])

    def cancel(self, uint64_t handle) -> bool:
        """Ask for a cancel; False when the order has ended or is not this strategy's. Never refused by the gate."""
        self._check_turn()
        return self._desk.cancel(self.strategy_id, handle)

    def cancel_all(self) -> int:
        """Ask for a cancel of every open order of this strategy; how many were asked for now."""
        self._check_turn()
        return self._desk.cancel_all(self.strategy_id)

    def orders(self, object symbol=None) -> list:
        """This strategy's open orders (of one symbol), oldest first, as `WorkingOrder` objects that may be kept."""
        cdef uint32_t instrument_id
        if self._desk is None:
            return []
        working = (<OwnOrders> self._desk.orders[self.strategy_id]).rows()
        if symbol is None:
            return working
        instrument_id = self._instrument_id(symbol)
        return [order for order in working if (<WorkingOrder> order).instrument_id == instrument_id]

    def order(self, uint64_t handle) -> object:
        """One open order of this strategy, or None."""
        return None if self._desk is None else self._desk.find(self.strategy_id, handle)

    def instrument_id(self, object symbol) -> int:
        """The number of a subscribed symbol, for the calls in integers."""
        return self._instrument_id(symbol)

    def instrument_version(self, object symbol) -> int:
        """Counts changes of the symbol's reference data."""
        return self._tables.instruments[self._instrument_id(symbol)].version

    def instrument_row(self, object symbol) -> dict:
        return self._tables.instrument(self._instrument_id(symbol))

    def asset_names(self, object symbol) -> tuple:
        """Base and quote asset."""
        cdef uint32_t row = self._instrument_id(symbol)
        return (self._tables.asset_name(self._tables.instruments[row].base_asset_id),
                self._tables.asset_name(self._tables.instruments[row].quote_asset_id))

    def position_lots(self, object symbol) -> int:
        """The account's position in the symbol, signed, with every fill that was reported so far."""
        return self._tables.exposures[self._instrument_id(symbol)].position_lots

    def limits_room(self, object symbol, int side) -> tuple:
        """What the limits in force leave for one order on `side`: (order lots, order value, position lots, position value, exposure).

        Values in 10^-8 of the quote asset, INT64_MAX = not limited; what no rate is known for leaves nothing. In a hedged account
        the position is the one that the side opens: LONG for a buy, SHORT for a sell.
        """
        cdef uint32_t row_id = self._instrument_id(symbol)
        cdef const LimitRow* own = &self._tables.limit_rows[INSTRUMENT_ROWS + <int> row_id]
        cdef const InstrumentLimits* required = &self._tables.limits[row_id]
        cdef uint16_t venue_id = self._tables.instruments[row_id].venue_id
        cdef uint8_t position_side = (1 + (side != 0)) if self._tables.hedges[venue_id & 15] else 0
        cdef const Exposure* ours = self._tables.exposure_row(row_id, position_side)
        cdef const Exposure* mine = self._tables.strategy_row(row_id, position_side, self.strategy_id)
        cdef int64_t rate_e8 = self._tables.rates_e8[self._tables.instruments[row_id].quote_asset_id]
        order_lots, order_e8, position_lots, position_e8 = own.max_order_qty_lots, INT64_MAX, own.max_position_lots, INT64_MAX
        exposure_e8 = INT64_MAX
        if required.is_set:
            order_lots, position_lots = min(order_lots, required.max_order_qty_lots), min(position_lots, required.max_position_lots)
            order_e8 = required.max_order_notional_e8
        for row in (ENGINE_ROW, self._tables.limit_row_of(LIMIT_SCOPE_ACCOUNT, venue_id), self._tables.limit_row_of(LIMIT_SCOPE_VENUE, venue_id),
                    STRATEGY_ROWS + self.strategy_id, INSTRUMENT_ROWS + <int> row_id):
            limits, state, rate = dict(self._tables.limit_rows[<int> row]), dict(self._tables.scopes[<int> row]), rate_e8
            worth = dict(mine.worth if row == STRATEGY_ROWS + self.strategy_id else ours.worth)
            if row == INSTRUMENT_ROWS + <int> row_id:
                worth, rate = dict(ours.quoted), 100_000_000
            order_e8 = min(order_e8, _in_quote(limits["max_order_notional_e8"], rate))
            position_e8 = min(position_e8, _in_quote(_left(limits["max_position_notional_e8"], _reached(worth, side)), rate))
            exposure_e8 = min(exposure_e8, _in_quote(_exposure_left(limits, state, side), rate))
        lots_then = (ours.position_lots + ours.working_buy_lots) if side == 0 else (ours.working_sell_lots - ours.position_lots)
        return order_lots, order_e8, _left(position_lots, lots_then), position_e8, exposure_e8

    def free_balance_e8(self, str asset, object symbol=None) -> int:
        """What the account has of an asset and has not promised to open orders, in 10^-8; 0 for one never heard of.

        `symbol` says whose account is meant: a strategy that trades at several venues or accounts must give one (ValueError).
        """
        rows = self._instrument_ids.values() if symbol is None else (self._instrument_id(symbol),)
        lines = {self._tables.instruments[<uint32_t> row].venue_id for row in rows}
        if len(lines) > 1:
            raise ValueError(f"{asset}: this strategy trades at several venues or accounts; give a symbol of the one that is meant")
        cdef int asset_id = self._tables.find_asset(asset, lines.pop() if lines else 1)
        return self._tables.control.balance_free_e8[asset_id] if 0 < asset_id < ASSET_CAPACITY else 0

    def book(self, object symbol) -> BookView:
        """The symbol's book as it stands; valid until the callback returns."""
        self._check_turn()
        return self.show_book(self._instrument_id(symbol))

    def set_timer(self, int64_t delay_ns, object data=None) -> int:
        """Call `on_timer` with `data` after `delay_ns` on the monotonic clock; the timer's id."""
        self._check_turn()
        if delay_ns < 0:
            raise ValueError(f"a timer cannot be due {-delay_ns} ns ago")
        timer_id = self._timers.schedule(self._turn.mono_ns + delay_ns, TIMER_KIND_STRATEGY, self.strategy_id)
        self._timer_data[timer_id] = data
        return timer_id

    def set_timer_at(self, int64_t wall_ns, object data=None) -> int:
        """Call `on_timer` when as much time has passed as the wall clock lacks now; a later step of it moves nothing."""
        self._check_turn()
        return self.set_timer(max(wall_ns - self._turn.wall_ns, 0), data)

    def cancel_timer(self, uint64_t timer_id) -> bool:
        """Take a timer back; False when it has fired or is not this strategy's."""
        if timer_id not in self._timer_data:
            return False
        del self._timer_data[timer_id]
        self._timers.drop(timer_id)
        return True

    def subscribe_bars_ns(self, object symbol, int64_t interval_ns) -> None:
        self._check_turn()
        if interval_ns < 1_000_000:
            raise ValueError(f"a bar of {interval_ns} ns: a millisecond at least")
        self._bars.subscribe(self.strategy_id, self._instrument_id(symbol), interval_ns, self._turn.wall_ns, self._turn.mono_ns)

    def log(self, str text) -> None:
        """Write a note into the journal (a STRATEGY_STATE record that changes nothing), cut at 1,000 bytes of UTF-8."""
        self._check_turn()
        self.write_state(self.status, 0, text.encode("utf-8", "replace"))

    @property
    def now_ns(self) -> int:
        """Wall time of the event that is being handled: the only clock a strategy has."""
        return self._turn.wall_ns if self._turn is not None else 0

    @property
    def now_mono_ns(self) -> int:
        """Monotonic time of the event that is being handled, for differences."""
        return self._turn.mono_ns if self._turn is not None else 0

    @property
    def trading_state(self) -> int:
        """`TradingState`: while it is not ACTIVE the gate refuses what adds risk."""
        return self._tables.lines[0].trading_state if self._tables is not None else 0

    # -- what a compiled strategy overrides; a Python one is reached through its cached methods ------------------------

    cdef int handle_start(self) except -1:
        self._handlers[CALLBACK_START]()
        return 0

    cdef int handle_stop(self) except -1:
        self._handlers[CALLBACK_STOP]()
        return 0

    cdef int handle_book(self, BookView book) except -1:
        self._handlers[CALLBACK_BOOK](book)
        return 0

    cdef int handle_trade(self, TradeView trade) except -1:
        self._handlers[CALLBACK_TRADE](trade)
        return 0

    cdef int handle_bar(self, BarView bar) except -1:
        self._handlers[CALLBACK_BAR](bar)
        return 0

    cdef int handle_order(self, OrderView order) except -1:
        self._handlers[CALLBACK_ORDER](order)
        return 0

    cdef int handle_fill(self, FillView fill) except -1:
        self._handlers[CALLBACK_FILL](fill)
        return 0

    cdef int handle_timer(self, TimerView timer) except -1:
        self._handlers[CALLBACK_TIMER](timer)
        return 0

    cdef int handle_event(self, int callback, View event) except -1:
        self._handlers[callback](event)
        return 0

    # -- the runner's side --------------------------------------------------------------------------------------------

    cdef int attach(self, str name, uint16_t strategy_id, dict instrument_ids, OrderDesk desk, Turn turn, Tables tables,
                    Journal journal, TimerQueue timers, BarBook bars) except -1:
        """Give the strategy its place; its overridden callbacks are looked up here, once."""
        if self._desk is not None:
            raise ValueError(f"strategy {self.name} is attached already")
        self.name = name
        self.strategy_id = strategy_id
        self.symbols = tuple(instrument_ids)
        self._instrument_ids = instrument_ids
        self._desk, self._turn, self._tables, self._journal = desk, turn, tables, journal
        self._timers, self._bars = timers, bars
        for callback, callback_name in enumerate(CALLBACK_NAMES):
            if getattr(type(self), callback_name) is not getattr(StrategyBase, callback_name):
                self._handlers[callback] = getattr(self, callback_name)
                self.wants |= 1 << callback
        return 0

    cdef int call(self, int callback, View view) except -1:
        if callback == CALLBACK_BOOK:
            return self.handle_book(<BookView> view)
        if callback == CALLBACK_TRADE:
            return self.handle_trade(<TradeView> view)
        if callback == CALLBACK_ORDER:
            return self.handle_order(<OrderView> view)
        if callback == CALLBACK_FILL:
            return self.handle_fill(<FillView> view)
        if callback == CALLBACK_TIMER:
            return self.handle_timer(<TimerView> view)
        if callback == CALLBACK_BAR:
            return self.handle_bar(<BarView> view)
        if callback >= CALLBACK_AGG_TRADE:
            return self.handle_event(callback, view)
        return self.handle_start() if callback == CALLBACK_START else self.handle_stop()

    cdef BookView show_book(self, uint32_t instrument_id):
        """The instrument's view, shown for this turn; a new one if somebody kept the last."""
        cdef BookView view = <BookView> self._book_views[instrument_id]
        # two references: the list's and ours; a third is a strategy's
        if view is None or (view._number != self._turn.number and Py_REFCNT(view) > 2):
            view = BookView(self._turn)
            self._book_views[instrument_id] = view
        view.show(instrument_id)
        return view

    cdef void drop_timers(self):
        for timer_id in self._timer_data:
            self._timers.drop(timer_id)
        self._timer_data.clear()
        self._held_timers.clear()

    cdef void write_state(self, uint16_t status, uint16_t reason, bytes text) noexcept:
        """Write a STRATEGY_STATE record: StrategyStatus, and an AlarmCode as reason when it is DISABLED."""
        cdef size_t size = min(len(text), NOTE_BYTES_MAX)
        cdef RecordHeader* record = self._journal.claim(
            LANE_LEDGER, RECORD_KIND_STRATEGY_STATE, sizeof(RecordHeader) + sizeof(StatePayload) + size, True)
        cdef StatePayload* payload
        if record == NULL:
            return
        record.cause_seq = self._turn.seq
        record.strategy_id = self.strategy_id
        payload = <StatePayload*> (record + 1)
        payload[0] = StatePayload(status, self.status, reason, 0, 0)
        if reason == ALARM_CODE_STRATEGY_HUNG:
            # the turn behind the callback that hung: what a clock ended, a replay must not wait for
            payload.detail = <int64_t> self._turn.number
        # the rounded-up end of the record is part of its text
        memset(payload + 1, 0, (size + 7) & ~(<size_t> 7))
        memcpy(payload + 1, <const char*> text, size)
        self._journal.commit(record)

    cdef int _check_turn(self) except -1:
        if not self.is_in_callback:
            raise RuntimeError(f"strategy {self.name or type(self).__name__}: this call belongs inside a callback")
        return 0

    cdef uint32_t _instrument_id(self, object symbol) except 0:
        found = self._instrument_ids.get(symbol)
        if found is None:
            raise KeyError(f"{symbol!r} is not among this strategy's symbols {list(self.symbols)}: add it to its config")
        return found


cdef int read_leg(dict leg, IntentPayload* wish, Conditions* conditions) except -1:
    """One order of a list from its arguments by name; TypeError for one that is none."""
    memset(wish, 0, sizeof(IntentPayload))
    memset(conditions, 0, sizeof(Conditions))
    wish.action = INTENT_ACTION_SUBMIT
    wish.side = leg.pop("side")
    wish.qty_lots = leg.pop("qty_lots")
    wish.price_ticks = leg.pop("price_ticks", 0)
    wish.order_type = leg.pop("order_type", 0)
    wish.time_in_force = leg.pop("time_in_force", 0)
    wish.flags = leg.pop("flags", 0)
    wish.position_side = leg.pop("position_side", 0)
    wish.trigger_ticks = leg.pop("trigger_ticks", 0)
    wish.expire_ns = leg.pop("expire_ns", 0)
    wish.has_conditions = 1
    conditions.display_lots = leg.pop("display_lots", 0)
    conditions.activation_ticks = leg.pop("activation_ticks", 0)
    conditions.trail_kind = leg.pop("trail_kind", 0)
    conditions.trail_amount = leg.pop("trail_amount", 0)
    conditions.limit_offset_ticks = leg.pop("limit_offset_ticks", 0)
    conditions.trigger_source = leg.pop("trigger_source", 0)
    if leg:
        raise TypeError(f"an order of a list has no {', '.join(leg)}")
    return 0
