"""A market maker that tells how many threads of its process have ever run Python."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from engine.model.codes import OrderState
from engine.strategy.api import OrderView
from engine.strategy.market_maker import MarketMaker, MarketMakerConfig


class ThreadCounterConfig(MarketMakerConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`report` is the file to write to."""

    report: str


class ThreadCounter(MarketMaker):
    """Quotes like its parent; at each acknowledgement writes down what the interpreter says of its threads."""

    Config = ThreadCounterConfig

    def on_order(self, order: OrderView) -> None:
        """The threads that Python knows by name, and those that hold a Python state at all, C threads included."""
        super().on_order(order)
        if order.state == OrderState.NEW:
            Path(self.config.report).write_text(f"{threading.active_count()} {len(sys._current_frames())}")
