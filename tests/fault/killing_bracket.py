"""A strategy that buys with a bracket and ends its own process with SIGKILL in a chosen phase of it."""

from __future__ import annotations

import os
import signal
from decimal import Decimal
from typing import Literal

from engine.model.codes import OrderState, Side
from engine.strategy.api import Away, BookView, FillView, Leg, OrderView, Strategy, StrategyConfig, Target

Phase = Literal["asked", "entry", "filled", "target", "never"]


class KillingBracketConfig(StrategyConfig, frozen=True, kw_only=True):
    """`phase`: when to die. `qty` of the entry. The market maker's other keys are not looked at."""

    phase: Phase = "never"
    qty: Decimal = Decimal("0.002")
    spread_bps: int = 0
    max_inventory: Decimal = Decimal(0)
    requote_bps: int = 0
    min_quote_life_ms: int = 0


def die() -> None:
    """As `kill -9` does it."""
    os.kill(os.getpid(), signal.SIGKILL)


class KillingBracket(Strategy):
    """One bracket a run, unless one is under way."""

    Config = KillingBracketConfig

    def __init__(self, config: StrategyConfig | None = None) -> None:
        super().__init__(config)
        self.handle = self.entry = 0

    def on_book(self, book: BookView) -> None:
        """Buy, once."""
        if self.handle or self.config.phase == "never" or not book.is_valid:
            return
        leg = Leg(side=Side.BUY, qty=self.config.qty)
        self.handle, self.entry = self.submit_bracket(
            book.symbol, leg, stop=Away(3000), targets=[Target(Away(800), share=5000), Target(Away(900), share=5000)]
        )
        if self.config.phase == "asked":
            self.set_timer(0)

    def on_timer(self, timer: object) -> None:
        """The turn behind the one in which it was asked for."""
        die()

    def on_order(self, order: OrderView) -> None:
        """The entry at the venue, or the first target."""
        if order.state != OrderState.NEW or not self.handle:
            return
        if self.config.phase == "entry" and order.handle == self.entry:
            die()
        if self.config.phase == "target" and order.handle != self.entry:
            die()

    def on_fill(self, fill: FillView) -> None:
        """The first fill of the entry."""
        if self.config.phase == "filled" and fill.handle == self.entry:
            die()
