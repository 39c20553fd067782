"""A strategy that keeps one bid near the best one and moves it by replacing: many replaces, some of orders just filled."""

from __future__ import annotations

from decimal import Decimal

from engine.model.codes import OrderState, Side, TradingState
from engine.strategy.api import BookView, OrderView, Strategy, StrategyConfig

BOOKS_BETWEEN = 5


class ReplacingMakerConfig(StrategyConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`max_inventory` is the configuration's; the bid is given up above it."""

    qty: Decimal
    max_inventory: Decimal


class ReplacingMaker(Strategy):
    """Bids at the best bid; every few books the bid is replaced a tick lower or higher."""

    Config = ReplacingMakerConfig

    def on_start(self) -> None:
        """Nothing works yet."""
        self.handle, self.state, self.books = 0, 0, 0

    def on_book(self, book: BookView) -> None:
        """One order, moved now and then."""
        self.books += 1
        if not book.is_valid or self.trading_state != TradingState.ACTIVE or self.books % BOOKS_BETWEEN:
            return
        instrument = self.instrument(book.symbol)
        lots = instrument.qty_lots(self.config.qty, "down")
        price_ticks = book.best_bid_ticks - self.books // BOOKS_BETWEEN % 3
        if self.handle == 0:
            self.handle = self.submit_ticks(instrument.instrument_id, Side.BUY, price_ticks, lots)
        elif self.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED):
            self.handle = self.replace_ticks(self.handle, price_ticks, lots) or self.handle
            self.state = 0

    def on_order(self, order: OrderView) -> None:
        """What became of it."""
        if order.handle == self.handle:
            self.state = order.state
            if order.is_ended:
                self.handle, self.state = 0, 0
