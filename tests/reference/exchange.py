"""A seeded exchange that knows its own book: diffs, tickers and snapshots, and the truth at every update id."""

from __future__ import annotations

import json
import random

from tests.reference.book import Levels, SlowBook, Update

DEPTH = 8


def decimal(value_e2: int) -> str:
    return f"{value_e2 // 100}.{value_e2 % 100:02d}000000"


def as_text(levels: tuple[tuple[int, int], ...] | Levels) -> list[list[str]]:
    """Ticks of 0.01 and lots of 0.01 as decimal text."""
    return [[decimal(price), decimal(qty)] for price, qty in levels]


class SlowExchange:
    """One symbol. `step` makes the next update; `top_at` is the book's top behind the update that ends with this id."""

    def __init__(self, seed: int, symbol: str = "BTCUSDT", *, futures: bool = False) -> None:
        self.random = random.Random(seed)
        self.symbol = symbol
        self.futures = futures
        self.book = SlowBook()
        self.middle = 100_000
        self.top_at: dict[int, tuple[Levels, Levels]] = {}
        bids = tuple((self.middle - 1 - i, 100) for i in range(DEPTH))
        asks = tuple((self.middle + 1 + i, 100) for i in range(DEPTH))
        self._commit(Update(1, 1, bids, asks))
        self.previous_id = 1

    def _commit(self, update: Update) -> Update:
        self.previous_id = self.book.update_id
        self.book.apply(update)
        self.top_at[update.last_id] = (self.book.bids.levels()[:DEPTH], self.book.asks.levels()[:DEPTH])
        return update

    def step(self) -> Update:
        """Move the middle, clear what it would cross, add and remove levels around it."""
        self.middle += self.random.choice([-2, -1, 0, 0, 0, 1, 2])
        bids = {price: 0 for price in self.book.bids.qty_lots if price >= self.middle}
        asks = {price: 0 for price in self.book.asks.qty_lots if price <= self.middle}
        for _ in range(self.random.randint(1, 4)):
            offset, qty = self.random.randint(1, 30), self.random.choice([0, self.random.randint(1, 9999)])
            if self.random.random() < 0.5:
                bids[self.middle - offset] = qty
            else:
                asks[self.middle + offset] = qty
        bids[self.middle - DEPTH] = self.random.randint(1, 99)
        asks[self.middle + DEPTH] = self.random.randint(1, 99)
        first = self.book.update_id + 1 + (self.random.randint(0, 5) if self.futures else 0)
        update = Update(first, first + self.random.randint(0, 9), tuple(bids.items()), tuple(asks.items()))
        return self._commit(update)

    def frame(self, update: Update) -> bytes:
        fields = {
            "e": "depthUpdate",
            "E": 1_700_000_000_000,
            "s": self.symbol,
            "U": update.first_id,
            "u": update.last_id,
        }
        if self.futures:
            fields["pu"] = self.previous_id
        return json.dumps(
            fields | {"b": as_text(update.bids), "a": as_text(update.asks)}, separators=(",", ":")
        ).encode()

    def ticker(self) -> bytes:
        (bid, bid_qty), (ask, ask_qty) = self.book.bids.levels()[0], self.book.asks.levels()[0]
        fields = {"u": self.book.update_id, "s": self.symbol, "b": decimal(bid), "B": decimal(bid_qty)}
        return json.dumps(fields | {"a": decimal(ask), "A": decimal(ask_qty)}, separators=(",", ":")).encode()

    def snapshot(self) -> bytes:
        bids, asks = self.book.bids.levels(), self.book.asks.levels()
        return json.dumps({"lastUpdateId": self.book.update_id, "bids": as_text(bids), "asks": as_text(asks)}).encode()
