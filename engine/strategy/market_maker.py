"""An inventory-aware two-sided market maker.

The quotes stand around a reservation price that leans against the inventory, after Avellaneda and Stoikov,
"High-frequency trading in a limit order book" (2008): reservation = fair - q * gamma * sigma^2, half spread growing
with gamma * sigma^2. Here q is the inventory as a fraction of its limit, sigma^2 the variance of the mid over the
horizon, measured as it goes, and fair a mixture of mid and microprice. Quotes join the best price rather than jump
it, never cross, and never add to a full inventory.
"""

from __future__ import annotations

from decimal import Decimal
from math import ceil, exp, floor, sqrt
from typing import Any, ClassVar

from engine.model.codes import OrderFlag, OrderState, OrderType, Side, TimeInForce, TradingState
from engine.strategy.api import BookView, FillView, OrderView, Strategy, StrategyConfig, TimerView
from engine.strategy.instrument import Instrument

MS = 1_000_000
BACKOFF_NS_MAX = 30_000 * MS
RATE_WINDOW_NS = 10_000 * MS
NEVER = 1 << 62  # later than any time, dearer than any price

# looked up once: a member of an enumeration costs a call of Python each time it is named
ACTIVE, NEW, FILLED = int(TradingState.ACTIVE), int(OrderState.NEW), int(OrderState.FILLED)
LIMIT, GTC, POST_ONLY = int(OrderType.LIMIT), int(TimeInForce.GTC), int(OrderFlag.POST_ONLY)
REFUSALS = frozenset({int(OrderState.REFUSED), int(OrderState.REJECTED), int(OrderState.ABSENT)})


class MarketMakerConfig(StrategyConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Quantities are decimals of the base asset, distances ticks, times milliseconds."""

    qty: Decimal
    max_inventory: Decimal
    min_spread_ticks: int = 2
    risk_aversion: float = 1.0
    horizon_ms: int = 1_000
    microprice_weight: float = 0.5
    improve_ticks: int = 0
    depth_ticks_max: int = 20
    requote_ticks: int = 1
    requote_interval_ms: int = 400
    refresh_ms: int = 500
    fill_pause_ms: int = 50
    orders_per_10s_max: int = 80
    post_only: bool = True

    def __post_init__(self) -> None:
        if not self.qty.is_finite() or self.qty <= 0:
            raise ValueError("qty must be positive")
        if not self.max_inventory.is_finite() or self.max_inventory < self.qty:
            raise ValueError("max_inventory must be at least qty")
        positive = ("min_spread_ticks", "horizon_ms", "depth_ticks_max", "requote_ticks", "refresh_ms")
        for name in (*positive, "orders_per_10s_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if not (self.risk_aversion >= 0 and 0 <= self.microprice_weight <= 1):
            raise ValueError("risk_aversion must not be negative, microprice_weight must be within 0..1")
        if min(self.improve_ticks, self.requote_interval_ms, self.fill_pause_ms) < 0:
            raise ValueError("improve_ticks, requote_interval_ms and fill_pause_ms must not be negative")


class Quote:
    """One side of one market: the order that stands there, and when the next may be sent.

    `lots`: what an order of this side would be for now, and `floor_ticks` the lowest price at
    which the venue takes that much (NEVER: at none).
    """

    __slots__ = ("backoff_ns", "floor_ticks", "handle", "lots", "price_ticks", "ready_mono_ns", "side")

    def __init__(self, side: Side) -> None:
        self.side = int(side)
        self.handle = 0
        self.price_ticks = 0
        self.ready_mono_ns = 0
        self.backoff_ns = 0
        self.lots = 0
        self.floor_ticks = NEVER


class Market:
    """What the maker knows of one symbol.

    Until `rest_until_ns` nothing can be done for either side, whatever the target prices are: what stands may not be moved yet
    and what is missing not yet be sent. `rest_above_ticks`: as long as the best bid is here or higher - a lower target might be
    worth less than the venue takes. Whoever changes what these follow from calls `settle`.
    """

    __slots__ = (
        "ask",
        "bid",
        "depth_ticks_max",
        "floor_ticks",
        "forgetting_ns",
        "half_ticks_min",
        "horizon_ns",
        "instrument",
        "inventory",
        "lots",
        "max_lots",
        "mid_mono_ns",
        "mid_ticks",
        "min_value_e16",
        "qty_lots",
        "rest_above_ticks",
        "rest_until_ns",
        "symbol",
        "variance",
    )

    def __init__(self, symbol: str, instrument: Instrument, config: MarketMakerConfig, lots: int) -> None:
        self.symbol = symbol
        self.instrument = instrument
        self.qty_lots = max(instrument.qty_lots(config.qty, "down"), 1)
        self.max_lots = max(instrument.qty_lots(config.max_inventory, "down"), 1)
        self.min_value_e16 = int(instrument.min_notional.scaleb(16))
        self.depth_ticks_max = config.depth_ticks_max
        self.half_ticks_min = 0.5 * config.min_spread_ticks
        self.horizon_ns = config.horizon_ms * MS
        self.forgetting_ns = -10.0 * self.horizon_ns
        self.bid, self.ask = Quote(Side.BUY), Quote(Side.SELL)
        self.mid_ticks = 0.0
        self.mid_mono_ns = 0
        self.variance = 0.0
        self.floor_ticks = self.floor_ticks_of(self.qty_lots)
        self.hold(lots)

    def observe(self, mid_ticks: float, mono_ns: int) -> None:
        """Take a mid into the variance per horizon (ticks squared), forgetting over ten horizons."""
        elapsed_ns = mono_ns - self.mid_mono_ns
        if self.mid_mono_ns:
            if elapsed_ns <= 0:
                return
            moved = mid_ticks - self.mid_ticks
            sample = moved * moved * self.horizon_ns / elapsed_ns if moved else 0.0
            self.variance += (1.0 - exp(elapsed_ns / self.forgetting_ns)) * (sample - self.variance)
        self.mid_ticks = mid_ticks
        self.mid_mono_ns = mono_ns

    def hold(self, lots: int) -> None:
        """The position is this now: how full the inventory is, and what each side may still add to it."""
        self.lots = lots
        self.inventory = max(-1.0, min(1.0, lots / self.max_lots))
        for quote, room in ((self.bid, self.max_lots - lots), (self.ask, self.max_lots + lots)):
            quote.lots = min(self.qty_lots, room)
            quote.floor_ticks = self.floor_ticks if room >= self.qty_lots else self.floor_ticks_of(quote.lots)
        self.settle()

    def floor_ticks_of(self, qty_lots: int) -> int:
        """The lowest price at which the venue takes an order of so much; NEVER where it takes none."""
        instrument = self.instrument
        if not max(instrument.min_qty_lots, 1) <= qty_lots <= instrument.max_qty_lots:
            return NEVER
        return -(-self.min_value_e16 // (instrument.tick_size_e8 * instrument.lot_size_e8 * qty_lots))

    def settle(self) -> None:
        """Until when, and above which best bid, is there nothing to do?"""
        rest_until_ns, floor_ticks = NEVER, 0
        for quote in (self.bid, self.ask):
            if quote.floor_ticks != NEVER:
                rest_until_ns = quote.ready_mono_ns if quote.ready_mono_ns < rest_until_ns else rest_until_ns
                floor_ticks = quote.floor_ticks if quote.floor_ticks > floor_ticks else floor_ticks
            elif quote.handle:
                rest_until_ns = 0  # it is to go, and is asked to until it has gone
        self.rest_until_ns = rest_until_ns
        self.rest_above_ticks = floor_ticks + self.depth_ticks_max


class MarketMaker(Strategy):
    """Quotes both sides of every subscribed symbol."""

    Config: ClassVar[type[StrategyConfig]] = MarketMakerConfig

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.markets: dict[str, Market] = {}
        self.quote_by_handle: dict[int, Quote] = {}
        self._window_begin_ns = 0
        self._window_orders = 0

    # -- callbacks ----------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        config = self.config
        self.quote_by_handle = {}
        self.markets = {
            symbol: Market(symbol, self.instrument(symbol), config, self.position_lots(symbol))
            for symbol in self.symbols
        }
        self.cancel_all()
        self.set_timer(config.refresh_ms * MS)

    def on_stop(self) -> None:
        self.cancel_all()

    def on_book(self, book: BookView) -> None:
        # it runs for every change of a book: what decides nothing is not worked out
        market = self.markets[book.symbol]
        best_bid, best_ask = book.best_bid_ticks, book.best_ask_ticks
        if not (0 < best_bid < best_ask and book.is_valid and self.trading_state == ACTIVE):
            self._pull(market)
            return
        now_ns = self.now_mono_ns
        mid_ticks = 0.5 * (best_bid + best_ask)
        market.observe(mid_ticks, now_ns)
        lots = self.position_lots(market.symbol)
        if lots != market.lots:
            market.hold(lots)
        if now_ns < market.rest_until_ns and best_bid >= market.rest_above_ticks:
            return
        bid_ticks, ask_ticks = self._target_prices(market, best_bid, best_ask, mid_ticks, book.microprice_ticks)
        bid, ask = market.bid, market.ask
        # what stands where it should is left alone
        if not bid.handle or bid_ticks != bid.price_ticks or bid_ticks < bid.floor_ticks:
            self._keep_quote(market, bid, bid_ticks, now_ns)
        if not ask.handle or ask_ticks != ask.price_ticks or ask_ticks < ask.floor_ticks:
            self._keep_quote(market, ask, ask_ticks, now_ns)

    # whatever else happened, the book is looked at in the same way
    _requote = on_book

    def on_timer(self, timer: TimerView) -> None:  # noqa: ARG002 - it only says that time has passed
        self.set_timer(self.config.refresh_ms * MS)
        for symbol in self.markets:
            self._requote(self.book(symbol))

    def on_fill(self, fill: FillView) -> None:
        if not fill.is_external:
            self._requote(self.book(fill.symbol))

    def on_order(self, order: OrderView) -> None:
        quote = self.quote_by_handle.get(order.handle)
        if quote is None:
            if not order.is_ended:
                self.cancel(order.handle)  # left over from a run before this one
            return
        state = order.state
        if state == NEW:
            quote.backoff_ns = 0
        if order.is_ended:
            del self.quote_by_handle[order.handle]
            quote.handle = 0
            if state == FILLED:
                # whoever took it is moving the price: the same quote again would cross what the next book shows
                pause_ns = self.now_mono_ns + self.config.fill_pause_ms * MS
                quote.ready_mono_ns = max(quote.ready_mono_ns, pause_ns)
            if state in REFUSALS:
                self._back_off(quote)
            self.markets[order.symbol].settle()
            self._requote(self.book(order.symbol))

    # -- quoting ------------------------------------------------------------------------------------------------------

    def _target_prices(
        self, market: Market, best_bid: int, best_ask: int, mid_ticks: float, microprice_ticks: float
    ) -> tuple[int, int]:
        """Bid and ask in ticks: around the reservation price, at or behind the best, never crossing."""
        config = self.config
        weight = config.microprice_weight
        fair = (1.0 - weight) * mid_ticks + weight * microprice_ticks
        risk = config.risk_aversion * sqrt(market.variance)
        # a quiet market still leans: half the spread at a full inventory
        lean = 0.5 * (best_ask - best_bid)
        reservation = fair - market.inventory * (risk if risk > lean else lean)
        half = 0.5 * risk if risk > config.min_spread_ticks else market.half_ticks_min
        bid, ask = floor(reservation - half), ceil(reservation + half)
        improve_ticks, depth_ticks = config.improve_ticks, config.depth_ticks_max
        if bid > best_bid + improve_ticks:
            bid = best_bid + improve_ticks
        if bid >= best_ask:
            bid = best_ask - 1
        if ask < best_ask - improve_ticks:
            ask = best_ask - improve_ticks
        if ask <= best_bid:
            ask = best_bid + 1
        if bid < best_bid - depth_ticks:
            bid = best_bid - depth_ticks
        if ask > best_ask + depth_ticks:
            ask = best_ask + depth_ticks
        return bid if bid > 0 else 1, ask

    def _keep_quote(self, market: Market, quote: Quote, price_ticks: int, now_ns: int) -> None:
        """Bring one side to its target: leave it, take it away, or place it."""
        wanted = price_ticks >= quote.floor_ticks
        if quote.handle:
            moved = abs(quote.price_ticks - price_ticks) >= self.config.requote_ticks
            if not wanted or (moved and now_ns >= quote.ready_mono_ns):
                self.cancel(quote.handle)
        elif wanted and now_ns >= quote.ready_mono_ns and self._take_token():
            self._place(market, quote, price_ticks)

    def _place(self, market: Market, quote: Quote, price_ticks: int) -> None:
        """Ask for the order of one side; the next one waits for its interval."""
        flags = POST_ONLY if self.config.post_only else 0
        quote.handle = self.submit_ticks(
            market.instrument.instrument_id, quote.side, price_ticks, quote.lots, LIMIT, GTC, flags
        )
        quote.price_ticks = price_ticks
        quote.ready_mono_ns = self.now_mono_ns + self.config.requote_interval_ms * MS
        self.quote_by_handle[quote.handle] = quote
        market.settle()

    def _pull(self, market: Market) -> None:
        """Take every quote of a market away; cancels are neither throttled nor refused."""
        for quote in (market.bid, market.ask):
            if quote.handle:
                self.cancel(quote.handle)

    def _take_token(self) -> bool:
        """May one more order be sent in this window of ten seconds?"""
        if self.now_mono_ns - self._window_begin_ns >= RATE_WINDOW_NS:
            self._window_begin_ns = self.now_mono_ns
            self._window_orders = 0
        if self._window_orders >= self.config.orders_per_10s_max:
            return False
        self._window_orders += 1
        return True

    def _back_off(self, quote: Quote) -> None:
        """After a refusal or reject: wait, twice as long each time, until the venue takes an order again."""
        quote.backoff_ns = min(max(quote.backoff_ns * 2, 500 * MS), BACKOFF_NS_MAX)
        quote.ready_mono_ns = self.now_mono_ns + quote.backoff_ns
