"""The strategy of the wire benchmark: one order for each change of the book, nothing else."""

from __future__ import annotations

from typing import Any

from engine import Strategy

BUY, LIMIT, IOC = 0, 0, 1


class Reply(Strategy):
    """Buys one small lot at the best bid on every book event, or not at all: as IOC it never rests, so no order stays open."""

    def on_book(self, book: Any) -> None:
        """Submit at once: what is timed is everything between the frame and the order's bytes."""
        self.submit_ticks(book.instrument_id, BUY, book.best_bid_ticks, 100, LIMIT, IOC)
