"""Flyweight views: one object a kind, shown anew in every callback, over memory that belongs to the engine.

A view remembers the number of the turn in which it was given out; reading it in any other turn raises `StaleView`. The runner
shows a view again only when nobody kept it (its reference count says so) and makes a new one otherwise, so that a kept view
can never come alive with another event's values.
"""
cimport cython

from decimal import Decimal

from engine.model.codes cimport BOOK_STATE_VALID, ORDER_STATE_FILLED, ORDER_STATE_HELD
from engine.model.records cimport Level
from engine.model.tables cimport INSTRUMENT_CAPACITY, MarketState


class StaleView(RuntimeError):
    """A view was read after its callback had returned: copy what you need while the callback runs."""


cdef object _from_e8(object value_e8):
    return Decimal(value_e8).scaleb(-8)


cdef class Turn:
    """The callback that is running: which event, when, and the tables that views read."""

    def __init__(self, Tables tables not None, BookReader reader not None):
        self.number = 1  # views are made with number 0: stale until they are shown
        self.tables = tables
        self.reader = reader
        self.symbols = [None] * INSTRUMENT_CAPACITY

    cdef str symbol(self, uint32_t instrument_id):
        cdef object text = self.symbols[instrument_id]
        if text is None:
            text = self.tables.symbol(instrument_id)
            self.symbols[instrument_id] = text
        return <str> text

    cdef object price(self, uint32_t instrument_id, int64_t price_ticks):
        return _from_e8((<object> price_ticks) * self.tables.instruments[instrument_id].tick_size_e8)

    cdef object quantity(self, uint32_t instrument_id, int64_t qty_lots):
        return _from_e8((<object> qty_lots) * self.tables.instruments[instrument_id].lot_size_e8)


cdef class View:
    """What every view has: the instrument, the sequence of the record behind it, and the event's wall time."""

    def __init__(self, Turn turn not None):
        self._turn = turn

    cdef void show(self, uint32_t instrument_id) noexcept:
        self._number = self._turn.number
        self._instrument_id = instrument_id
        self._seq = self._turn.seq
        self._wall_ns = self._turn.wall_ns

    cdef int _check(self) except -1:
        if self._number != self._turn.number:
            raise StaleView(
                f"this {type(self).__name__} was given to an earlier callback; copy the values you need while it runs"
            )
        return 0

    @property
    def instrument_id(self) -> int:
        self._check()
        return self._instrument_id

    @property
    def symbol(self) -> str:
        self._check()
        return self._turn.symbol(self._instrument_id)

    @property
    def seq(self) -> int:
        """Sequence number of the journal record behind this view."""
        self._check()
        return self._seq

    @property
    def wall_ns(self) -> int:
        """Wall time at which the engine received the event."""
        self._check()
        return self._wall_ns


cdef class BookView(View):
    """An instrument's book as it stands now: best prices without a call into the book, deeper levels on demand."""

    cdef MarketState* _market(self) except NULL:
        self._check()
        return &self._turn.tables.markets[self._instrument_id]

    @property
    def state(self) -> int:
        """`BookState`; only VALID books may be traded on."""
        return self._market().book_state

    @property
    def is_valid(self) -> bool:
        return self._market().book_state == BOOK_STATE_VALID

    @property
    def update_id(self) -> int:
        return self._market().update_id

    @property
    def best_bid_ticks(self) -> int:
        """0 = no bid."""
        return self._market().best_bid_ticks

    @property
    def best_ask_ticks(self) -> int:
        """0 = no ask."""
        return self._market().best_ask_ticks

    @property
    def bid_qty_lots(self) -> int:
        return self._market().best_bid_lots

    @property
    def ask_qty_lots(self) -> int:
        return self._market().best_ask_lots

    @property
    def last_trade_ticks(self) -> int:
        """0 = none seen yet."""
        return self._market().last_trade_ticks

    @property
    def spread_ticks(self) -> int:
        """0 where a side is empty."""
        cdef MarketState* market = self._market()
        if market.best_bid_ticks == 0 or market.best_ask_ticks == 0:
            return 0
        return market.best_ask_ticks - market.best_bid_ticks

    @property
    def mid_ticks(self) -> float:
        """Half way between the best prices, in ticks (exact in halves); nan where a side is empty."""
        cdef MarketState* market = self._market()
        if market.best_bid_ticks == 0 or market.best_ask_ticks == 0:
            return float("nan")
        return 0.5 * (<double> market.best_bid_ticks + <double> market.best_ask_ticks)

    @property
    def microprice_ticks(self) -> float:
        """Best prices weighted by the size on the opposite side, in ticks; nan where a side is empty."""
        cdef MarketState* market = self._market()
        cdef double bid_lots = <double> market.best_bid_lots, ask_lots = <double> market.best_ask_lots
        if market.best_bid_ticks == 0 or market.best_ask_ticks == 0 or bid_lots + ask_lots <= 0:
            return float("nan")
        return (market.best_bid_ticks * ask_lots + market.best_ask_ticks * bid_lots) / (bid_lots + ask_lots)

    @property
    def best_bid(self) -> object:
        """Decimal price, or None."""
        cdef MarketState* market = self._market()
        return self._turn.price(self._instrument_id, market.best_bid_ticks) if market.best_bid_ticks else None

    @property
    def best_ask(self) -> object:
        """Decimal price, or None."""
        cdef MarketState* market = self._market()
        return self._turn.price(self._instrument_id, market.best_ask_ticks) if market.best_ask_ticks else None

    @property
    def bid_qty(self) -> object:
        return self._turn.quantity(self._instrument_id, self._market().best_bid_lots)

    @property
    def ask_qty(self) -> object:
        return self._turn.quantity(self._instrument_id, self._market().best_ask_lots)

    @property
    def spread(self) -> object:
        """Decimal, or None where a side is empty."""
        cdef MarketState* market = self._market()
        if market.best_bid_ticks == 0 or market.best_ask_ticks == 0:
            return None
        return self._turn.price(self._instrument_id, market.best_ask_ticks - market.best_bid_ticks)

    @property
    def mid(self) -> object:
        """Decimal, or None where a side is empty."""
        cdef MarketState* market = self._market()
        if market.best_bid_ticks == 0 or market.best_ask_ticks == 0:
            return None
        return self._turn.price(self._instrument_id, market.best_bid_ticks + market.best_ask_ticks) / 2

    @property
    def microprice(self) -> object:
        """Decimal in the context's precision, or None where a side is empty."""
        cdef MarketState* market = self._market()
        lots = (<object> market.best_bid_lots) + market.best_ask_lots
        if market.best_bid_ticks == 0 or market.best_ask_ticks == 0 or lots <= 0:
            return None
        weighted = (<object> market.best_bid_ticks) * market.best_ask_lots
        weighted += (<object> market.best_ask_ticks) * market.best_bid_lots
        return _from_e8(weighted * self._turn.tables.instruments[self._instrument_id].tick_size_e8) / lots

    def bids(self, int depth=10) -> list:
        """Up to `depth` (at most 1024) bids as (price_ticks, qty_lots), best first."""
        return self._levels(0, depth)

    def asks(self, int depth=10) -> list:
        """Up to `depth` (at most 1024) asks as (price_ticks, qty_lots), best first."""
        return self._levels(1, depth)

    cdef list _levels(self, int side, int depth):
        cdef Level[VIEW_DEPTH_MAX] levels
        cdef int count, i
        self._check()
        if not 0 <= depth <= VIEW_DEPTH_MAX:
            raise ValueError(f"depth {depth} is outside 0..{VIEW_DEPTH_MAX}")
        count = self._turn.reader.read_levels(self._instrument_id, side, depth, levels)
        return [(levels[i].price_ticks, levels[i].qty_lots) for i in range(count)]


cdef class TradeView(View):
    """A public trade."""

    cdef TradePayload* _read(self) except NULL:
        self._check()
        return self._trade

    @property
    def trade_id(self) -> int:
        return self._read().trade_id

    @property
    def price_ticks(self) -> int:
        return self._read().price_ticks

    @property
    def qty_lots(self) -> int:
        return self._read().qty_lots

    @property
    def side(self) -> int:
        """`Side` of the aggressor."""
        return self._read().aggressor_side

    @property
    def trade_ns(self) -> int:
        """The venue's time of the trade."""
        return self._read().trade_ns

    @property
    def event_ns(self) -> int:
        """The venue's time of the message."""
        return self._read().event_ns

    @property
    def price(self) -> object:
        return self._turn.price(self._instrument_id, self._read().price_ticks)

    @property
    def qty(self) -> object:
        return self._turn.quantity(self._instrument_id, self._read().qty_lots)


cdef class OrderView(View):
    """What just happened to one of the strategy's orders; a refusal comes as state REFUSED with its reason."""

    cdef OrderStatePayload* _read(self) except NULL:
        self._check()
        return self._order

    @property
    def handle(self) -> int:
        self._check()
        return self._handle

    @property
    def client_order_id(self) -> str:
        """Empty for an order that never left the engine."""
        return self._read().client_order_id[:24].split(b"\0")[0].decode("ascii", "replace")

    @property
    def venue_order_id(self) -> int:
        return self._read().venue_order_id

    @property
    def state(self) -> int:
        """`OrderState`."""
        return self._read().state

    @property
    def previous_state(self) -> int:
        return self._read().previous_state

    @property
    def reason(self) -> int:
        """`Reason` of a refusal or of the order's end; 0 = none."""
        return self._read().reason

    @property
    def venue_code(self) -> int:
        """The venue's own error code; 0 = none."""
        return self._read().venue_code

    @property
    def side(self) -> int:
        return self._read().side

    @property
    def order_type(self) -> int:
        return self._read().order_type

    @property
    def time_in_force(self) -> int:
        return self._read().time_in_force

    @property
    def price_ticks(self) -> int:
        return self._read().price_ticks

    @property
    def qty_lots(self) -> int:
        return self._read().qty_lots

    @property
    def cum_qty_lots(self) -> int:
        return self._read().cum_qty_lots

    @property
    def leaves_qty_lots(self) -> int:
        return self._read().leaves_qty_lots

    @property
    def average_price_e8(self) -> int:
        return self._read().average_price_e8

    @property
    def flags(self) -> int:
        """`OrderFlag` bits."""
        return self._read().flags

    @property
    def position_side(self) -> int:
        """`PositionSide`; BOTH in a netting account."""
        return (<RecordHeader*> self._read() - 1).position_side

    @property
    def trigger_ticks(self) -> int:
        """Of an order that waits for a price; 0 = none."""
        return self._read().trigger_ticks

    @property
    def is_triggered(self) -> bool:
        """Its price came: it is an order like any other now."""
        return self._read().is_triggered

    @property
    def trigger(self) -> object:
        """Decimal, or None for an order that waits for none."""
        return self._turn.price(self._instrument_id, self._read().trigger_ticks) if self._read().trigger_ticks else None

    @property
    def is_ended(self) -> bool:
        """No more of it can be filled, as far as the engine knows."""
        return self._read().state >= ORDER_STATE_FILLED and self._read().state != ORDER_STATE_HELD

    @property
    def price(self) -> object:
        return self._turn.price(self._instrument_id, self._read().price_ticks)

    @property
    def qty(self) -> object:
        return self._turn.quantity(self._instrument_id, self._read().qty_lots)

    @property
    def leaves_qty(self) -> object:
        return self._turn.quantity(self._instrument_id, self._read().leaves_qty_lots)


cdef class FillView(View):
    """One execution of one of the strategy's orders, already in the position."""

    cdef FillPayload* _read(self) except NULL:
        self._check()
        return self._fill

    @property
    def handle(self) -> int:
        self._check()
        return self._handle

    @property
    def trade_id(self) -> int:
        return self._read().trade_id

    @property
    def side(self) -> int:
        return self._read().side

    @property
    def is_maker(self) -> bool:
        return self._read().is_maker != 0

    @property
    def is_external(self) -> bool:
        return self._read().is_external != 0

    @property
    def price_ticks(self) -> int:
        return self._read().price_ticks

    @property
    def qty_lots(self) -> int:
        return self._read().qty_lots

    @property
    def position_lots(self) -> int:
        """The instrument's position after this fill, signed."""
        return self._read().position_lots

    @property
    def position_cost_e8(self) -> int:
        return self._read().position_cost_e8

    @property
    def realised_pnl_e8(self) -> int:
        return self._read().realised_pnl_e8

    @property
    def commission_e8(self) -> int:
        """In 10^-8 of `commission_asset`."""
        return self._read().commission_e8

    @property
    def commission_asset(self) -> str:
        return self._turn.tables.asset_name(self._read().commission_asset_id)

    @property
    def price(self) -> object:
        return self._turn.price(self._instrument_id, self._read().price_ticks)

    @property
    def qty(self) -> object:
        return self._turn.quantity(self._instrument_id, self._read().qty_lots)


cdef class BarView(View):
    """A closed time bar: [open_wall_ns, close_wall_ns) in the venue's trade time."""

    cdef Bar* _read(self) except NULL:
        self._check()
        return self._bar

    @property
    def interval_ns(self) -> int:
        self._check()
        return self._interval_ns

    @property
    def open_wall_ns(self) -> int:
        return self._read().open_wall_ns

    @property
    def close_wall_ns(self) -> int:
        return self._read().close_wall_ns

    @property
    def open_ticks(self) -> int:
        return self._read().open_ticks

    @property
    def high_ticks(self) -> int:
        return self._read().high_ticks

    @property
    def low_ticks(self) -> int:
        return self._read().low_ticks

    @property
    def close_ticks(self) -> int:
        return self._read().close_ticks

    @property
    def volume_lots(self) -> int:
        return self._read().volume_lots

    @property
    def buy_volume_lots(self) -> int:
        """Volume whose aggressor bought."""
        return self._read().buy_volume_lots

    @property
    def quote_value_e8(self) -> int:
        """Sum of price x quantity in 10^-8 of the quote asset; int64's end where it does not fit."""
        return self._read().quote_value_e8

    @property
    def count(self) -> int:
        """Trades in the bar; 0 = an empty interval, whose four prices are the close before it."""
        return self._read().count

    @property
    def open(self) -> object:
        return self._turn.price(self._instrument_id, self._read().open_ticks)

    @property
    def high(self) -> object:
        return self._turn.price(self._instrument_id, self._read().high_ticks)

    @property
    def low(self) -> object:
        return self._turn.price(self._instrument_id, self._read().low_ticks)

    @property
    def close(self) -> object:
        return self._turn.price(self._instrument_id, self._read().close_ticks)

    @property
    def volume(self) -> object:
        return self._turn.quantity(self._instrument_id, self._read().volume_lots)


cdef class TimerView(View):
    """A timer that came due."""

    @property
    def timer_id(self) -> int:
        self._check()
        return self._timer_id

    @property
    def deadline_mono_ns(self) -> int:
        self._check()
        return self._deadline_mono_ns

    @property
    def data(self) -> object:
        """What was given to `set_timer`."""
        self._check()
        return self._data


@cython.freelist(64)
cdef class WorkingOrder:
    """One of the strategy's own orders, kept up to date by the runner; unlike a view it may be kept."""

    @property
    def leaves_qty_lots(self) -> int:
        return 0 if self.is_ended else self.qty_lots - self.cum_qty_lots

    def __repr__(self) -> str:
        side = "sell" if self.side else "buy"
        return (f"WorkingOrder({self.handle}, {self.symbol}, {side} {self.qty_lots} lots at {self.price_ticks} ticks, "
                f"state {self.state}, done {self.cum_qty_lots})")
