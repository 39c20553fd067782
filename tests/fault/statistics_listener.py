"""A strategy that trades nothing and notes the first of everything it hears of the venue's statistics."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from engine.model.subscriptions import SUBSCRIPTIONS
from engine.strategy.api import Strategy, StrategyConfig


class StatisticsListener(Strategy):
    """Writes "heard CALLBACK OF SYMBOL" into the journal, once for each of both."""

    class Config(StrategyConfig, frozen=True, kw_only=True):
        """The shipped demo's parameters, which are of no use here."""

        qty: Decimal
        max_inventory: Decimal

    subscriptions: ClassVar[tuple[str, ...]] = ("kline_1s", "kline_1m", "all_mini_tickers")

    def on_start(self) -> None:
        """Nothing heard yet."""
        self.heard: set[tuple[str, str]] = set()

    def note(self, name: str, view: Any) -> None:
        """Once for each callback and symbol."""
        if (name, view.symbol) not in self.heard:
            self.heard.add((name, view.symbol))
            self.log(f"heard {name} of {view.symbol}")


class FuturesListener(StatisticsListener):
    """Where there are no candles of a second."""

    subscriptions: ClassVar[tuple[str, ...]] = ("kline_1m", "all_mini_tickers")


def _listening(name: str) -> Any:
    def callback(self: StatisticsListener, view: Any) -> None:
        self.note(name, view)

    return callback


for _name in sorted({row.callback for row in SUBSCRIPTIONS.values()}):
    setattr(StatisticsListener, _name, _listening(_name))
