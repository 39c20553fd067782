"""The market maker in the plainest way: everything worked out anew each time the book, an order or the time moves."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, floor, sqrt
from typing import Any, ClassVar

from engine.model.codes import OrderFlag, OrderState, OrderType, Side, TimeInForce, TradingState
from engine.strategy.api import BookView, FillView, OrderView, Strategy, StrategyConfig, TimerView
from engine.strategy.market_maker import MarketMakerConfig

MS = 1_000_000
DIRECTION = {Side.BUY: 1, Side.SELL: -1}


@dataclass
class Standing:
    """What one side of one symbol has at the venue."""

    handle: int = 0
    price_ticks: int = 0
    ready_ns: int = 0
    backoff_ns: int = 0


@dataclass
class Moved:
    """The variance of the mid over the horizon, in ticks squared."""

    mid: float = 0.0
    seen_ns: int = 0
    variance: float = 0.0

    def observe(self, mid: float, now_ns: int, horizon_ns: int) -> None:
        """A mid; forgotten over ten horizons."""
        elapsed_ns = now_ns - self.seen_ns
        if self.seen_ns and elapsed_ns <= 0:
            return
        if self.seen_ns:
            sample = (mid - self.mid) ** 2 * horizon_ns / elapsed_ns
            self.variance += (1.0 - exp(-elapsed_ns / (10.0 * horizon_ns))) * (sample - self.variance)
        self.mid, self.seen_ns = mid, now_ns


class PlainMaker(Strategy):
    """Decides as `MarketMaker` does, with nothing kept but what an order or a mid has left behind."""

    Config: ClassVar[type[StrategyConfig]] = MarketMakerConfig

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.standing: dict[tuple[str, Side], Standing] = {}
        self.moved: dict[str, Moved] = {}
        self.window_begin_ns = 0
        self.window_orders = 0

    def on_start(self) -> None:
        """Nothing stands."""
        self.standing = {(symbol, side): Standing() for symbol in self.symbols for side in Side}
        self.moved = {symbol: Moved() for symbol in self.symbols}
        self.cancel_all()
        self.set_timer(self.config.refresh_ms * MS)

    def on_stop(self) -> None:
        """All of it goes."""
        self.cancel_all()

    def on_book(self, book: BookView) -> None:
        """Look at both sides."""
        bid, ask = book.best_bid_ticks, book.best_ask_ticks
        if not (book.is_valid and 0 < bid < ask and self.trading_state == TradingState.ACTIVE):
            for side in Side:
                self.drop(self.standing[book.symbol, side])
            return
        self.moved[book.symbol].observe(0.5 * (bid + ask), self.now_mono_ns, self.config.horizon_ms * MS)
        for side, price_ticks in zip(Side, self.targets(book), strict=True):
            self.keep(book.symbol, side, price_ticks)

    def on_timer(self, timer: TimerView) -> None:
        """Look at every symbol."""
        self.set_timer(self.config.refresh_ms * MS)
        for symbol in self.symbols:
            self.on_book(self.book(symbol))

    def on_fill(self, fill: FillView) -> None:
        """The position has moved."""
        if not fill.is_external:
            self.on_book(self.book(fill.symbol))

    def on_order(self, order: OrderView) -> None:
        """What became of an order."""
        place = next((place for place, row in self.standing.items() if row.handle == order.handle), None)
        if place is None:
            if not order.is_ended:
                self.cancel(order.handle)
            return
        row = self.standing[place]
        if order.state == OrderState.NEW:
            row.backoff_ns = 0
        if not order.is_ended:
            return
        row.handle = 0
        if order.state == OrderState.FILLED:
            row.ready_ns = max(row.ready_ns, self.now_mono_ns + self.config.fill_pause_ms * MS)
        if order.state in (OrderState.REFUSED, OrderState.REJECTED, OrderState.ABSENT):
            row.backoff_ns = min(max(row.backoff_ns * 2, 500 * MS), 30_000 * MS)
            row.ready_ns = self.now_mono_ns + row.backoff_ns
        self.on_book(self.book(order.symbol))

    def targets(self, book: BookView) -> tuple[int, int]:
        """Bid and ask in ticks."""
        config, bid, ask = self.config, book.best_bid_ticks, book.best_ask_ticks
        lots, most = self.position_lots(book.symbol), self.lots_of(book.symbol, config.max_inventory)
        fair = (1.0 - config.microprice_weight) * book.mid_ticks + config.microprice_weight * book.microprice_ticks
        risk = config.risk_aversion * sqrt(self.moved[book.symbol].variance)
        reservation = fair - max(-1.0, min(1.0, lots / most)) * max(risk, 0.5 * (ask - bid))
        half = 0.5 * max(config.min_spread_ticks, risk)
        low = min(floor(reservation - half), bid + config.improve_ticks, ask - 1)
        high = max(ceil(reservation + half), ask - config.improve_ticks, bid + 1)
        return max(low, bid - config.depth_ticks_max, 1), min(high, ask + config.depth_ticks_max)

    def keep(self, symbol: str, side: Side, price_ticks: int) -> None:
        """Leave it, take it away, or place it."""
        row = self.standing[symbol, side]
        most, position = self.lots_of(symbol, self.config.max_inventory), self.position_lots(symbol)
        lots = min(self.lots_of(symbol, self.config.qty), most - DIRECTION[side] * position)
        wanted = self.is_sendable(symbol, price_ticks, lots)
        is_ready = self.now_mono_ns >= row.ready_ns
        if row.handle:
            if not wanted or (is_ready and abs(row.price_ticks - price_ticks) >= self.config.requote_ticks):
                self.drop(row)
        elif wanted and is_ready and self.may_send():
            row.handle = self.submit_ticks(
                self.instrument_id(symbol), side, price_ticks, lots, OrderType.LIMIT, TimeInForce.GTC,
                OrderFlag.POST_ONLY if self.config.post_only else 0,
            )  # fmt: skip
            row.price_ticks = price_ticks
            row.ready_ns = self.now_mono_ns + self.config.requote_interval_ms * MS

    def drop(self, row: Standing) -> None:
        """Ask for its cancel, if anything stands."""
        if row.handle:
            self.cancel(row.handle)

    def lots_of(self, symbol: str, qty: Any) -> int:
        """A quantity of the configuration, one lot at least."""
        return max(self.instrument(symbol).qty_lots(qty, "down"), 1)

    def is_sendable(self, symbol: str, price_ticks: int, lots: int) -> bool:
        """Does the venue take so much at this price?"""
        instrument = self.instrument(symbol)
        if not max(instrument.min_qty_lots, 1) <= lots <= instrument.max_qty_lots:
            return False
        value_e16 = price_ticks * instrument.tick_size_e8 * lots * instrument.lot_size_e8
        return value_e16 >= instrument.min_notional.scaleb(16)

    def may_send(self) -> bool:
        """One more in this window of ten seconds."""
        if self.now_mono_ns - self.window_begin_ns >= 10_000 * MS:
            self.window_begin_ns, self.window_orders = self.now_mono_ns, 0
        if self.window_orders >= self.config.orders_per_10s_max:
            return False
        self.window_orders += 1
        return True
