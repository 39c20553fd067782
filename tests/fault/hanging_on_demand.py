"""A strategy that sends nothing, and never comes back from the book at which it finds the file that a test has made."""

from __future__ import annotations

from pathlib import Path

from engine.strategy.api import BookView, Strategy, StrategyConfig


class HangingOnDemandConfig(StrategyConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`order`: the file that a test makes; `sign`: the one that says that it hangs."""

    order: str
    sign: str


class HangingOnDemand(Strategy):
    """A busy loop of Python, on demand."""

    Config = HangingOnDemandConfig

    def on_book(self, book: BookView) -> None:
        """Hang when asked to."""
        if Path(self.config.order).exists():
            Path(self.config.sign).touch()
            while True:
                pass
