"""Strategies that run away, for the daemon's limits: one asks without end, one trades without end."""

from __future__ import annotations

from decimal import Decimal

from engine.model.codes import OrderType, Side, TradingState
from engine.strategy.api import BookView, FillView, OrderView, Strategy, StrategyConfig

AWAY_BPS = 100


class RunawayConfig(StrategyConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`asked` orders in one callback; with `cancels` what stands goes first."""

    qty: Decimal
    max_inventory: Decimal
    asked: int = 10_000
    cancels: bool = False


class Flooding(Strategy):
    """Asks for `asked` resting orders at each book, as fast as it can."""

    Config = RunawayConfig

    def on_book(self, book: BookView) -> None:
        """Without end."""
        if not book.is_valid or self.trading_state != TradingState.ACTIVE:
            return
        if self.config.cancels:
            self.cancel_all()
        instrument = self.instrument(book.symbol)
        lots = instrument.qty_lots(self.config.qty, "down")
        price_ticks = book.best_bid_ticks - book.best_bid_ticks * AWAY_BPS // 10_000
        for number in range(self.config.asked):
            self.submit_ticks(instrument.instrument_id, Side.BUY, price_ticks - number % 50, lots)


class Churning(Strategy):
    """Buys what it sold and sells what it bought, each fill the cause of the next order."""

    Config = RunawayConfig

    def on_start(self) -> None:
        """Nothing is under way."""
        self.is_waiting = False
        self.next_side = Side.BUY

    def on_book(self, book: BookView) -> None:
        """The first order, and those that the gate's throttle refused; the fills do the rest."""
        if book.is_valid and self.trading_state == TradingState.ACTIVE and not self.is_waiting:
            self.take(book.symbol)

    def on_fill(self, fill: FillView) -> None:
        """The other way."""
        self.next_side = Side.SELL if fill.side == Side.BUY else Side.BUY
        self.take(fill.symbol)

    def on_order(self, order: OrderView) -> None:
        """Ended without a fill: the next book tries again."""
        if order.is_ended and order.cum_qty_lots == 0:
            self.is_waiting = False

    def take(self, symbol: str) -> None:
        """A market order."""
        instrument = self.instrument(symbol)
        self.is_waiting = True
        lots = instrument.qty_lots(self.config.qty, "down")
        self.submit_ticks(instrument.instrument_id, self.next_side, 0, lots, order_type=OrderType.MARKET)
