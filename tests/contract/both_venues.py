"""A strategy whose orders rest far from the market at each of its symbols, whichever venues they are of."""

from __future__ import annotations

from decimal import Decimal

from engine.model.codes import Side, TradingState
from engine.strategy.api import BookView, OrderView, Strategy, StrategyConfig

AWAY_BPS = 150


class BothVenuesConfig(StrategyConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`levels` orders a side and symbol, each a tick behind the last."""

    qty: Decimal
    levels: int = 2


class BothVenues(Strategy):
    """Keeps its orders where nobody trades; what ends is sent anew."""

    Config = BothVenuesConfig

    def on_start(self) -> None:
        """Nothing rests yet."""
        self.resting: dict[str, set[int]] = {symbol: set() for symbol in self.symbols}

    def on_book(self, book: BookView) -> None:
        """Fill up the symbol's levels."""
        if not book.is_valid or self.trading_state != TradingState.ACTIVE:
            return
        instrument, resting = self.instrument(book.symbol), self.resting[book.symbol]
        lots = instrument.qty_lots(self.config.qty, "down")
        away_ticks = book.best_bid_ticks * AWAY_BPS // 10_000
        for number in range(len(resting), 2 * self.config.levels):
            side = Side.BUY if number % 2 == 0 else Side.SELL
            near = book.best_bid_ticks - away_ticks if side == Side.BUY else book.best_ask_ticks + away_ticks
            price_ticks = near - number if side == Side.BUY else near + number
            resting.add(self.submit_ticks(instrument.instrument_id, side, price_ticks, lots))

    def on_order(self, order: OrderView) -> None:
        """What ended does not rest."""
        if order.is_ended:
            self.resting[order.symbol].discard(order.handle)
