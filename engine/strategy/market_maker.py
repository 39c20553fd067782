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
DIRECTIONS = (1, -1)


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
    """One side of one market: the order that stands there, and when the next may be sent."""

    __slots__ = ("backoff_ns", "handle", "price_ticks", "ready_mono_ns", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.handle = 0
        self.price_ticks = 0
        self.ready_mono_ns = 0
        self.backoff_ns = 0


class Market:
    """What the maker knows of one symbol."""

    __slots__ = (
        "instrument",
        "max_lots",
        "mid_mono_ns",
        "mid_ticks",
        "min_value_e16",
        "qty_lots",
        "quotes",
        "symbol",
        "variance",
    )

    def __init__(self, symbol: str, instrument: Instrument, config: MarketMakerConfig) -> None:
        self.symbol = symbol
        self.instrument = instrument
        self.qty_lots = max(instrument.qty_lots(config.qty, "down"), 1)
        self.max_lots = max(instrument.qty_lots(config.max_inventory, "down"), 1)
        self.min_value_e16 = int(instrument.min_notional.scaleb(16))
        self.quotes = (Quote(Side.BUY), Quote(Side.SELL))
        self.mid_ticks = 0.0
        self.mid_mono_ns = 0
        self.variance = 0.0

    def observe(self, mid_ticks: float, mono_ns: int, horizon_ns: int) -> None:
        """Take a mid into the variance per horizon (ticks squared), forgetting over ten horizons."""
        elapsed_ns = mono_ns - self.mid_mono_ns
        if self.mid_mono_ns and elapsed_ns <= 0:
            return
        if self.mid_mono_ns:
            sample = (mid_ticks - self.mid_ticks) ** 2 * horizon_ns / elapsed_ns
            self.variance += (1.0 - exp(-elapsed_ns / (10.0 * horizon_ns))) * (sample - self.variance)
        self.mid_ticks = mid_ticks
        self.mid_mono_ns = mono_ns


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
        self.quote_by_handle = {}
        self.markets = {symbol: Market(symbol, self.instrument(symbol), self.config) for symbol in self.symbols}
        self.cancel_all()
        self.set_timer(self.config.refresh_ms * MS)

    def on_stop(self) -> None:
        self.cancel_all()

    def on_book(self, book: BookView) -> None:
        self._requote(self.markets[book.symbol], book)

    def on_timer(self, timer: TimerView) -> None:  # noqa: ARG002 - it only says that time has passed
        self.set_timer(self.config.refresh_ms * MS)
        for symbol, market in self.markets.items():
            self._requote(market, self.book(symbol))

    def on_fill(self, fill: FillView) -> None:
        if not fill.is_external:
            self._requote(self.markets[fill.symbol], self.book(fill.symbol))

    def on_order(self, order: OrderView) -> None:
        quote = self.quote_by_handle.get(order.handle)
        if quote is None:
            if not order.is_ended:
                self.cancel(order.handle)  # left over from a run before this one
            return
        if order.state == OrderState.NEW:
            quote.backoff_ns = 0
        if order.is_ended:
            del self.quote_by_handle[order.handle]
            quote.handle = 0
            if order.state == OrderState.FILLED:
                # whoever took it is moving the price: the same quote again would cross what the next book shows
                pause_ns = self.now_mono_ns + self.config.fill_pause_ms * MS
                quote.ready_mono_ns = max(quote.ready_mono_ns, pause_ns)
            if order.state in (OrderState.REFUSED, OrderState.REJECTED, OrderState.ABSENT):
                self._back_off(quote)
            self._requote(self.markets[order.symbol], self.book(order.symbol))

    # -- quoting ------------------------------------------------------------------------------------------------------

    def _requote(self, market: Market, book: BookView) -> None:
        best_bid, best_ask = book.best_bid_ticks, book.best_ask_ticks
        tradable = book.is_valid and 0 < best_bid < best_ask and self.trading_state == TradingState.ACTIVE
        if not tradable:
            self._pull(market)
            return
        market.observe(0.5 * (best_bid + best_ask), self.now_mono_ns, self.config.horizon_ms * MS)
        lots = self.position_lots(market.symbol)
        prices = self._target_prices(market, book, lots)
        for quote, direction, price_ticks in zip(market.quotes, DIRECTIONS, prices, strict=True):
            qty_lots = min(market.qty_lots, market.max_lots - direction * lots)
            self._keep_quote(market, quote, price_ticks, qty_lots)

    def _target_prices(self, market: Market, book: BookView, lots: int) -> tuple[int, int]:
        """Bid and ask in ticks: around the reservation price, at or behind the best, never crossing."""
        config = self.config
        best_bid, best_ask = book.best_bid_ticks, book.best_ask_ticks
        weight = config.microprice_weight
        fair = (1.0 - weight) * book.mid_ticks + weight * book.microprice_ticks
        inventory = max(-1.0, min(1.0, lots / market.max_lots))
        risk = config.risk_aversion * sqrt(market.variance)
        # a quiet market still leans: half the spread at a full inventory
        reservation = fair - inventory * max(risk, 0.5 * (best_ask - best_bid))
        half = 0.5 * max(config.min_spread_ticks, risk)
        bid = min(floor(reservation - half), best_bid + config.improve_ticks, best_ask - 1)
        ask = max(ceil(reservation + half), best_ask - config.improve_ticks, best_bid + 1)
        bid = max(bid, best_bid - config.depth_ticks_max, 1)
        return bid, min(ask, best_ask + config.depth_ticks_max)

    def _keep_quote(self, market: Market, quote: Quote, price_ticks: int, qty_lots: int) -> None:
        """Bring one side to its target: leave it, take it away, or place it."""
        wanted = self._is_sendable(market, price_ticks, qty_lots)
        if quote.handle:
            moved = abs(quote.price_ticks - price_ticks) >= self.config.requote_ticks
            if not wanted or (moved and self.now_mono_ns >= quote.ready_mono_ns):
                self.cancel(quote.handle)
            return
        if not wanted or self.now_mono_ns < quote.ready_mono_ns or not self._take_token():
            return
        flags = OrderFlag.POST_ONLY if self.config.post_only else 0
        quote.handle = self.submit_ticks(
            market.instrument.instrument_id,
            quote.side,
            price_ticks,
            qty_lots,
            OrderType.LIMIT,
            TimeInForce.GTC,
            flags,
        )
        quote.price_ticks = price_ticks
        quote.ready_mono_ns = self.now_mono_ns + self.config.requote_interval_ms * MS
        self.quote_by_handle[quote.handle] = quote

    def _pull(self, market: Market) -> None:
        """Take every quote of a market away; cancels are neither throttled nor refused."""
        for quote in market.quotes:
            if quote.handle:
                self.cancel(quote.handle)

    def _is_sendable(self, market: Market, price_ticks: int, qty_lots: int) -> bool:
        instrument = market.instrument
        if not instrument.min_qty_lots <= qty_lots <= instrument.max_qty_lots:
            return False
        return price_ticks * instrument.tick_size_e8 * qty_lots * instrument.lot_size_e8 >= market.min_value_e16

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
