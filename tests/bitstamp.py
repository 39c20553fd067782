"""Bitstamp's order-by-order log with the exchange's own book between the events, and the walk that compares the two.

A line is `<receive time ms> <event> <json>`; ``order_type`` 0 buys, 1 sells. ``order_deleted`` with amount 0 is an order that was
filled, else the amount is what it had open; an order may change its price (a market order eats its way); what takes stands in the
book until it is filled, so the book is crossed for moments. Books and orders come over two channels, and a book carries no time of
its own: one may be logged behind an order that it does not hold yet. A sample is therefore the book of one moment, both sides of
it: that of its line, or that before the last of the events that were logged up to RACE_MS ahead of it.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from engine.model.instruments import to_e8

RACE_MS = 20
SIDES = ("bids", "asks")

Line = tuple[int, str, dict[str, Any]]


class OrderBook(Protocol):
    """What the walk needs of a book; each operation gives a reason, 0 where it was done."""

    def add(self, symbol: int, side: int, order_id: int, price: int, qty: int) -> int: ...
    def reduce(self, symbol: int, order_id: int, qty: int) -> int: ...
    def set_qty(self, symbol: int, order_id: int, qty: int) -> int: ...
    def replace(self, symbol: int, order_id: int, new_id: int, price: int, qty: int) -> int: ...
    def delete(self, symbol: int, order_id: int) -> int: ...
    def best(self, symbol: int, side: int) -> tuple[int, int]: ...
    def level_qty(self, symbol: int, side: int, price: int) -> int: ...


def read_lines(path: Path) -> list[Line]:
    """All lines of a log."""
    with gzip.open(path, "rt") as text:
        parts = (line.split(" ", 2) for line in text)
        return [(int(time_ms), event, json.loads(body)) for time_ms, event, body in parts]


def prices_of(lines: list[Line]) -> Iterator[int]:
    """Every price of orders and books, times 10^8."""
    for _, event, body in lines:
        if event == "order_book":
            yield from (to_e8(price) for side in SIDES for price, _ in body[side])
        elif event != "trade":
            yield to_e8(body["price"])


def grid_of(lines: list[Line]) -> tuple[int, int]:
    """The tick (10^-8) that all prices are multiples of, and the bits that hold the greatest price in ticks."""
    prices = set(prices_of(lines))
    tick_e8 = math.gcd(*prices)
    return tick_e8, max(18, (max(prices) // tick_e8).bit_length())


@dataclass
class Found:
    """What a walk found: samples compared, equal at their line, and equal before events of the same RACE_MS."""

    samples: int = 0
    at_once: int = 0
    raced: int = 0
    unequal: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Walker:
    """Builds the book from the events.

    Orders from before the log are known only by what the exchange's books show beyond its own orders, at prices that no book showed
    before (each reaches 20 levels or so): such a rest is one order, from which events of unknown orders are taken. A filled unknown
    order does not say how much it had: the trade of the same price that follows does.
    """

    def __init__(self, book: OrderBook, tick_e8: int) -> None:
        self.book = book
        self.tick_e8 = tick_e8
        self.found = Found()
        self.prices: dict[int, int] = {}

        self.edges: list[int] = []
        self.filled_unknown: list[tuple[int, int]] = []
        self.before: deque[tuple[int, list[tuple[int, int]]]] = deque()

    def best(self) -> list[tuple[int, int]]:
        return [self.book.best(0, side) for side in (0, 1)]

    def walk(self, lines: list[Line]) -> Found:
        """Every line; samples are the books behind the first."""
        for time_ms, event, body in lines:
            if event == "order_book":
                self.sample(time_ms, body)
                continue
            self.before.append((time_ms, self.best()))
            if event == "trade":
                self.trade(round(body["price"] * 1e8) // self.tick_e8, round(body["amount"] * 1e8))
            else:
                self.order(event, body["id"], body["order_type"], body)
        return self.found

    def order(self, event: str, order_id: int, side: int, body: dict[str, Any]) -> None:
        price, qty = to_e8(body["price"]) // self.tick_e8, to_e8(body["amount"])
        if event == "order_created":
            self.must(self.book.add(0, side, order_id, price, qty))
        elif order_id not in self.prices:
            return self.unknown_order(event, side, price, qty)
        elif event == "order_deleted":
            self.must(self.book.delete(0, order_id))
            del self.prices[order_id]
            return None
        elif price != self.prices[order_id]:
            self.must(self.book.replace(0, order_id, order_id, price, qty))
        else:
            self.must(self.book.set_qty(0, order_id, qty))
        self.prices[order_id] = price
        return None

    def must(self, reason: int) -> None:
        if reason:
            raise AssertionError(f"the book refused what the log tells: reason {reason}")

    def unknown_order(self, event: str, side: int, price: int, qty: int) -> None:
        if event == "order_deleted" and qty:
            self.take_unnamed(side, price, qty)
        else:
            self.filled_unknown.append((side, price))

    def trade(self, price: int, qty: int) -> None:
        for side, filled_price in self.filled_unknown:
            if filled_price == price:
                self.filled_unknown.remove((side, price))
                self.take_unnamed(side, price, qty)
                return

    def unnamed(self, side: int, price: int) -> int:
        return 1 << 63 | side << 62 | price

    def take_unnamed(self, side: int, price: int, qty: int) -> None:
        """Take from the order that stands for what is older than the log; beyond the books' reach there may be none."""
        if self.book.reduce(0, self.unnamed(side, price), qty):
            self.book.delete(0, self.unnamed(side, price))
            self.found.counts["older than the log, out of sight"] += 1

    def sample(self, time_ms: int, body: dict[str, Any]) -> None:
        """Compare the best of both sides, then take in what shows of orders older than the log."""
        sides = [[(to_e8(p) // self.tick_e8, to_e8(q)) for p, q in body[name]] for name in SIDES]
        while self.before and self.before[0][0] < time_ms - RACE_MS:
            self.before.popleft()
        if self.edges:
            self.compare(time_ms, [side[0] if side else (0, 0) for side in sides])
        self.edges = [self.adopt(side, sides[side]) for side in (0, 1)]

    def compare(self, time_ms: int, theirs: list[tuple[int, int]]) -> None:
        self.found.samples += 1
        ours = self.best()
        if ours == theirs:
            self.found.at_once += 1
        elif any(state == theirs for _, state in self.before):
            self.found.raced += 1
        else:
            self.found.unequal.append(f"{time_ms}: ours {ours}, theirs {theirs}")

    def adopt(self, side: int, levels: list[tuple[int, int]]) -> int:
        """Make orders of what stands at prices that no book showed before; returns the side's new edge."""
        sign = 1 if side == 0 else -1
        edge = self.edges[side] * sign if self.edges else 1 << 62
        for price, qty in levels:
            rest = qty - self.book.level_qty(0, side, price)
            if price * sign < edge and rest > 0:
                self.must(self.book.add(0, side, self.unnamed(side, price), price, rest))
        return sign * min([edge, *(price * sign for price, _ in levels)])
