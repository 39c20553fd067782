"""A strategy whose orders rest far from the market, so that a test decides what happens to them; it misbehaves on demand."""

from __future__ import annotations

import collections
import itertools
from decimal import Decimal
from typing import Literal

from engine.model.codes import Side, TradingState
from engine.strategy.api import BookView, OrderView, Strategy, StrategyConfig

Fault = Literal["none", "raise", "hang", "hang_in_c"]
AWAY_BPS = 150


class RestingMakerConfig(StrategyConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`levels` orders a side, each a tick behind the last. With `at_symbol` traded, the fault comes once all rest."""

    qty: Decimal
    max_inventory: Decimal
    levels: int = 2
    fault: Fault = "none"
    at_symbol: str = ""


class RestingMaker(Strategy):
    """Keeps its orders where nobody trades; what ends is sent anew while trading is ACTIVE."""

    Config = RestingMakerConfig

    def on_start(self) -> None:
        """Nothing rests yet."""
        self.resting: dict[int, OrderView | None] = {}
        self.acknowledged: set[int] = set()

    def on_book(self, book: BookView) -> None:
        """Fill up to the number of levels; misbehave when everything rests."""
        config = self.config
        wanted = 2 * config.levels
        if config.fault != "none" and config.at_symbol in self.symbols and len(self.acknowledged) == wanted:
            self.misbehave()
        if not book.is_valid or self.trading_state != TradingState.ACTIVE:
            return
        instrument = self.instrument(book.symbol)
        lots = instrument.qty_lots(config.qty, "down")
        away_ticks = book.best_bid_ticks * AWAY_BPS // 10_000
        for number in range(len(self.resting), wanted):
            side = Side.BUY if number % 2 == 0 else Side.SELL
            near = book.best_bid_ticks - away_ticks if side == Side.BUY else book.best_ask_ticks + away_ticks
            price_ticks = near - number if side == Side.BUY else near + number
            self.resting[self.submit_ticks(instrument.instrument_id, side, price_ticks, lots)] = None

    def on_order(self, order: OrderView) -> None:
        """Know what rests."""
        if order.is_ended:
            self.resting.pop(order.handle, None)
            self.acknowledged.discard(order.handle)
        elif order.handle in self.resting:
            self.acknowledged.add(order.handle)

    def misbehave(self) -> None:
        """As a faulty strategy does it."""
        if self.config.fault == "raise":
            raise ZeroDivisionError("on purpose")
        if self.config.fault == "hang_in_c":
            # one call that never returns to the interpreter: no signal handler of Python runs any more
            collections.deque(itertools.repeat(None), maxlen=0)
        while True:
            pass
