"""Order-by-order books on a stream like a stock exchange's: ours in batches and one Python call an operation, beside a Python book.

The stream is drawn from a seed after what LOBSTER's files show (47 % new orders, 40 % deletions, 1 % cancelled parts, 12 %
executions of the oldest order at the best price; three quarters of the orders within five ticks of the best). The yardstick keeps
a dict of orders and a SortedDict of levels a side, each a dict of orders in the order of their arrival, and a total.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from parts.history import arguments
from parts.rows import Row, report
from sortedcontainers import SortedDict

from engine.book.l3 import L3_OP_DTYPE, L3_OUTCOME_DTYPE, L3Book, L3Op

ROUNDS = 11
OPERATIONS = 400_000
CALLS = 100_000
SYMBOLS = 4
ADD, REDUCE, DELETE, EXECUTE = int(L3Op.L3_ADD), int(L3Op.L3_REDUCE), int(L3Op.L3_DELETE), int(L3Op.L3_EXECUTE)

Operation = tuple[int, int, int, int, int, int]  # op, symbol, side, order_id, price, qty


class PlainBook:
    """What one writes first in Python."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, int]] = {}
        self.sides = (SortedDict(), SortedDict())

    def add(self, side: int, order_id: int, price: int, qty: int) -> None:
        """A new order at the end of its level."""
        self.orders[order_id] = (side, price)
        level = self.sides[side].get(price)
        if level is None:
            level = self.sides[side][price] = [0, {}]
        level[0] += qty
        level[1][order_id] = qty

    def take(self, order_id: int, qty: int) -> None:
        """Part of an order, or all of it."""
        side, price = self.orders[order_id]
        level = self.sides[side][price]
        left = level[1][order_id] - qty
        level[0] -= qty
        if left:
            level[1][order_id] = left
            return
        del self.orders[order_id], level[1][order_id]
        if not level[1]:
            del self.sides[side][price]

    def delete(self, order_id: int) -> None:
        """All of an order."""
        side, price = self.orders[order_id]
        self.take(order_id, self.sides[side][price][1][order_id])

    def oldest_of_best(self, side: int) -> tuple[int, int] | None:
        """(order_id, qty) of the order that trades next."""
        levels = self.sides[side]
        if not levels:
            return None
        found: tuple[int, int] = next(iter(levels.peekitem(0 if side else -1)[1][1].items()))
        return found


def stream(seed: int, count: int) -> list[Operation]:
    """Operations that a book takes without refusal, and so does the plain one."""
    dice = random.Random(seed)
    books = [PlainBook() for _ in range(SYMBOLS)]
    live: list[list[int]] = [[] for _ in range(SYMBOLS)]
    found: list[Operation] = []
    for number in range(count):
        symbol, side = dice.randrange(SYMBOLS), dice.randrange(2)
        book, ids, draw = books[symbol], live[symbol], dice.random()
        if draw < 0.47 or len(ids) < 1000:
            away = dice.randrange(5) if dice.random() < 0.75 else dice.randrange(400)
            row = (ADD, symbol, side, number + 1, 100_000 + (away if side else -1 - away), dice.randrange(1, 300))
            book.add(side, *row[3:])
            ids.append(number + 1)
        else:
            row = taking(dice, book, ids, symbol, side, draw)
        found.append(row)
    return found


def taking(dice: random.Random, book: PlainBook, ids: list[int], symbol: int, side: int, draw: float) -> Operation:
    """A deletion, a cancelled part or an execution."""
    oldest = book.oldest_of_best(side) if draw > 0.88 else None
    if oldest:
        order_id, qty = oldest
        qty = qty if dice.random() < 0.8 else max(1, qty // 2)
        book.take(order_id, qty)
        return EXECUTE, symbol, side, order_id, 0, qty
    while (order_id := ids.pop(dice.randrange(len(ids)))) not in book.orders:
        pass
    side, price = book.orders[order_id]
    qty = book.sides[side][price][1][order_id]
    if draw > 0.87 and qty > 1:
        book.take(order_id, qty // 2)
        ids.append(order_id)
        return REDUCE, symbol, side, order_id, 0, qty // 2
    book.delete(order_id)
    return DELETE, symbol, side, order_id, 0, 0


def as_records(rows: list[Operation]) -> npt.NDArray[np.void]:
    """The stream as the batch takes it."""
    records = np.zeros(len(rows), L3_OP_DTYPE)
    for place, name in enumerate(("op", "symbol", "side", "order_id", "price", "qty")):
        records[name] = [row[place] for row in rows]
    return records


def batch(records: npt.NDArray[np.void], out: npt.NDArray[np.void], book: L3Book) -> None:
    """Ours, all in one call."""
    if book.apply_batch(records, out)["reason"].any():
        raise AssertionError("the book refused what the stream tells")


def calls(rows: list[Operation], book: L3Book) -> None:
    """Ours, a Python call each."""
    add, reduce, delete, execute = book.add, book.reduce, book.delete, book.execute
    for op, symbol, side, order_id, price, qty in rows:
        if op == ADD:
            add(symbol, side, order_id, price, qty)
        elif op == DELETE:
            delete(symbol, order_id)
        elif op == EXECUTE:
            execute(symbol, order_id, qty)
        else:
            reduce(symbol, order_id, qty)


def plain(rows: list[Operation], books: list[PlainBook]) -> None:
    """The yardstick, in the same loop."""
    for op, symbol, side, order_id, price, qty in rows:
        if op == ADD:
            books[symbol].add(side, order_id, price, qty)
        elif op == DELETE:
            books[symbol].delete(order_id)
        else:
            books[symbol].take(order_id, qty)


def timed(count: int, call: Callable[..., None], *given: Any) -> float:
    """Nanoseconds an operation."""
    began_ns = time.perf_counter_ns()
    call(*given)
    return (time.perf_counter_ns() - began_ns) / count


def same_books(book: L3Book, books: list[PlainBook]) -> bool:
    """Whether both ended with the same levels."""
    return all(
        dict(book.depth(symbol, side, 1 << 20).tolist())
        == {price: level[0] for price, level in books[symbol].sides[side].items()}
        for symbol in range(SYMBOLS)
        for side in (0, 1)
    )


def fresh() -> L3Book:
    """A book with room for the stream."""
    return L3Book(SYMBOLS, 1 << 17, 4096, price_bits=18)


def measured() -> dict[str, float]:
    """Medians of interleaved rounds."""
    rows = stream(11, OPERATIONS)
    records, out, few = as_records(rows), np.zeros(OPERATIONS, L3_OUTCOME_DTYPE), rows[:CALLS]
    samples: dict[str, list[float]] = {name: [] for name in ("batch", "calls", "plain", "plain few")}
    for _ in range(ROUNDS):
        book, called = fresh(), fresh()
        books, other = ([PlainBook() for _ in range(SYMBOLS)] for _ in range(2))
        samples["batch"].append(timed(OPERATIONS, batch, records, out, book))
        samples["plain"].append(timed(OPERATIONS, plain, rows, books))
        samples["calls"].append(timed(CALLS, calls, few, called))
        samples["plain few"].append(timed(CALLS, plain, few, other))
        if not (same_books(book, books) and same_books(called, other)):
            raise AssertionError("the books differ")
    return {name: statistics.median(values) for name, values in samples.items()}


def main() -> int:
    """Print the rows."""
    options = arguments(__doc__).parse_args()
    found = measured()
    rows = [
        Row("L3: an operation in a batch", "ns", found["batch"], "dict + SortedDict", found["plain"]),
        Row("L3: an operation by one Python call", "ns", found["calls"], "dict + SortedDict", found["plain few"]),
    ]
    report("l3", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
