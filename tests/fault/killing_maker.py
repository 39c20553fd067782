"""A market maker that ends its own process with SIGKILL in a chosen window of an order's life.

The windows of R01, seen from the strategy: nothing of the order is journaled yet; it is journaled and not sent (a second order's
refusal is told in that turn); it is sent and not answered (a timer that is due at once fires after that turn); it is acknowledged.
"""

from __future__ import annotations

import os
import signal
from typing import Literal

from engine.model.codes import OrderState, Side
from engine.strategy.api import BookView, OrderView, TimerView
from engine.strategy.market_maker import MarketMaker, MarketMakerConfig

Window = Literal["before_append", "after_append", "after_send", "after_ack", "never"]


def die() -> None:
    """As `kill -9` does it."""
    os.kill(os.getpid(), signal.SIGKILL)


class KillingMakerConfig(MarketMakerConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`orders` of this run pass; the next one is killed in its `window`."""

    window: Window
    orders: int


class KillingMaker(MarketMaker):
    """Quotes like its parent until its order comes."""

    Config = KillingMakerConfig

    def on_start(self) -> None:
        """Begin to count."""
        self.acknowledged = 0
        self.is_marked = False
        super().on_start()

    @property
    def is_time(self) -> bool:
        """Have the orders that shall pass been acknowledged?"""
        return bool(self.acknowledged >= self.config.orders)

    def on_book(self, book: BookView) -> None:
        """Before anything of the next order exists; and after it was submitted, what ends its window."""
        if self.config.window == "before_append" and self.is_time:
            die()
        before = set(self.quote_by_handle)
        instrument_id, far_lots = book.instrument_id, 1_000_000_000
        super().on_book(book)
        if self.is_time and not self.is_marked and set(self.quote_by_handle) - before:
            self.is_marked = True
            if self.config.window == "after_append":
                # the gate refuses this one; the refusal is told when OMS has journaled the other and it has not left yet
                self.refused = self.submit_ticks(instrument_id, Side.BUY, 1, far_lots)
            if self.config.window == "after_send":
                self.set_timer(0)

    def on_timer(self, timer: TimerView) -> None:
        """The first turn after the marked order was sent."""
        if self.is_marked and self.config.window == "after_send":
            die()
        super().on_timer(timer)

    def on_order(self, order: OrderView) -> None:
        """The refusal between journal and wire; or the venue's acknowledgement."""
        if self.is_marked and self.config.window == "after_append" and order.state == OrderState.REFUSED:
            die()
        if order.state == OrderState.NEW:
            self.acknowledged += 1
            if self.config.window == "after_ack" and self.is_time:
                die()
        super().on_order(order)
