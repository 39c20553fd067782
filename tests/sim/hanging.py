"""Strategies that hang in their tenth book: for ever, asleep, or until they are interrupted and go on."""

from __future__ import annotations

import time
from decimal import Decimal

from engine.model.codes import Side
from engine.strategy.api import BookView, Strategy

HANGS_AT = 10
QTY = Decimal("0.001")


class Looping(Strategy):
    """Asks for an order, and never returns."""

    books = 0

    def on_book(self, book: BookView) -> None:
        """Count, ask, hang."""
        self.books += 1
        if self.books < HANGS_AT or not book.is_valid:
            return
        instrument = self.instrument(book.symbol)
        self.submit(book.symbol, Side.BUY, QTY, instrument.price(book.best_bid_ticks - 500))
        self.hang()

    def hang(self) -> None:
        """For ever."""
        while True:
            pass


class Sleeping(Looping):
    """Waits for something that does not come."""

    def hang(self) -> None:
        """An hour."""
        time.sleep(3_600)


class GoingOn(Looping):
    """Takes the interrupt for an error of its own."""

    def hang(self) -> None:
        """Until it is interrupted."""
        try:
            super().hang()
        except BaseException:  # noqa: BLE001 - the worst strategy we can think of
            self.books = 0
