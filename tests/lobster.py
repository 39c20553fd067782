"""LOBSTER files: pairs of order messages and the book after each, and the walk that rebuilds the one from the other.

Facts of the format: prices are dollars x 10,000; an empty level has a price of +-9,999,999,999; type 1 is a new order, 2 a
cancelled part, 3 a deletion, 4 an execution of a shown order, 5 of a hidden one, 6 a cross, 7 a halt; `direction` is the side of
the order that rests. A row of the book file is ask price, ask size, bid price, bid size of each level, best first.
"""

from __future__ import annotations

import math
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

NO_LEVEL = 9_999_999_999
NEW, PART_CANCELLED, DELETED, EXECUTED = 1, 2, 3, 4
ALL_ROWS = 1 << 62
PIECE_BYTES = 1 << 22

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Day:
    """Messages and books of one symbol and day; ``messages`` has the columns type, id, size, price, is_sell."""

    name: str
    messages: Rows
    books: Rows
    tick: int

    @property
    def levels(self) -> int:
        return int(self.books.shape[1]) // 4

    @property
    def price_bits(self) -> int:
        """Bits that hold the day's greatest price in ticks."""
        prices = self.books[:, ::2]
        greatest: int = max(prices[np.abs(prices) != NO_LEVEL].max(initial=1), self.messages[:, 3].max()).item()
        return max(18, (greatest // self.tick).bit_length())


def numbers(text: bytes, columns: list[int], rows_max: int) -> Rows:
    """Columns of rows of comma-separated numbers, which are whole and exact in a double; the text is read a piece at a time."""
    pieces = []
    start, rows = 0, 0
    while start < len(text) and rows < rows_max:
        end = text.find(b"\n", start + PIECE_BYTES) + 1 or len(text)
        piece = text[start:end].replace(b"\r", b"").strip()
        flat = np.fromstring(piece.replace(b"\n", b",").decode("ascii"), sep=",")
        pieces.append(flat.reshape(piece.count(b"\n") + 1, -1)[:, columns].astype(np.int64))
        start, rows = end, rows + len(pieces[-1])
    return np.concatenate(pieces)[:rows_max]


def row_count(text: bytes) -> int:
    """Lines of a file, the last one with or without its end."""
    return text.count(b"\n") + (not text.endswith(b"\n"))


def make_day(name: str, message_text: bytes, book_text: bytes, rows_max: int) -> Day:
    """Read a pair of files; the tick is the greatest unit that all prices are multiples of.

    AssertionError where the files are not of one length, in their first `rows_max` rows or behind them.
    """
    told = row_count(message_text), row_count(book_text)
    if told[0] != told[1]:
        raise AssertionError(
            f"{name}: {told[0]} messages, but {told[1]} books: the files are no pair, or one of them is cut"
        )
    width = book_text[: book_text.index(b"\n")].count(b",") + 1
    messages = numbers(message_text, [1, 2, 3, 4, 5], rows_max)
    books = numbers(book_text, list(range(width)), rows_max)
    messages[:, 4] = messages[:, 4] < 0
    if not len(messages) == len(books) == min(told[0], rows_max):
        raise AssertionError(f"{name}: of {told[0]} rows {len(messages)} messages and {len(books)} books were read")
    prices = books[:, ::2]
    tick = math.gcd(*(int(price) for price in np.unique(prices[np.abs(prices) != NO_LEVEL])))
    moving = messages[np.isin(messages[:, 0], (NEW, PART_CANCELLED, DELETED, EXECUTED)), 3]
    return Day(name, messages, books, math.gcd(tick, *(int(price) for price in np.unique(moving))))


@dataclass(frozen=True)
class Source:
    """Where a pair of files is: inside a zip, or two files beside one another."""

    name: str
    message_path: str
    archive: Path | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def book_path(self) -> str:
        return self.message_path.replace("_message_", "_orderbook_")

    def book_rows(self) -> int:
        """Rows of the book file."""
        if self.archive is None:
            return row_count(Path(self.book_path).read_bytes())
        with zipfile.ZipFile(self.archive) as archive:
            return row_count(archive.read(self.book_path))

    def read(self, rows_max: int = ALL_ROWS) -> Day:
        if self.archive is None:
            return make_day(
                self.name, Path(self.message_path).read_bytes(), Path(self.book_path).read_bytes(), rows_max
            )
        with zipfile.ZipFile(self.archive) as archive:
            return make_day(self.name, archive.read(self.message_path), archive.read(self.book_path), rows_max)


def sources(root: Path | None) -> Iterator[Source]:
    """Every pair below ``lobster/``."""
    if root is None:
        return
    for path in sorted((root / "lobster").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
        for name in sorted(names):
            if "_message_" in name and name.replace("_message_", "_orderbook_") in names:
                yield Source(Path(name).stem, name, path)
    for path in sorted((root / "lobster").glob("*_message_*.csv")):
        if path.with_name(path.name.replace("_message_", "_orderbook_")).exists():
            yield Source(path.stem, str(path))


class OrderBook(Protocol):
    """What the walk needs of a book; each operation gives a reason, 0 where it was done."""

    @property
    def place(self) -> int:
        """Of the last operation: 1 = the order was the oldest of its level, 2 = its level was the best, 3 = both."""

    def add(self, symbol: int, side: int, order_id: int, price: int, qty: int) -> int: ...
    def reduce(self, symbol: int, order_id: int, qty: int) -> int: ...
    def delete(self, symbol: int, order_id: int) -> int: ...
    def execute(self, symbol: int, order_id: int, qty: int) -> int: ...
    def trim(self, symbol: int, side: int, price: int) -> int: ...
    def level_qty(self, symbol: int, side: int, price: int) -> int: ...
    def read_l2(self, symbol: int, out: Rows) -> int: ...


@dataclass
class Walk:
    """What a walk over a day found."""

    ours: Rows
    theirs: Rows
    executions: int
    oldest_first: int
    counts: Counter[str]

    @property
    def rows_compared(self) -> int:
        """All but the first, which the walk was given."""
        return len(self.theirs) - 1

    @property
    def rows_equal(self) -> int:
        """How many of the compared rows are equal, all levels of them."""
        return int((self.ours[1:] == self.theirs[1:]).all(axis=1).sum())


class Walker:
    """Rebuilds a day's books from its messages, in one symbol of a book.

    What stood before the first message, and what comes into view at the far end, is known only by its level's total: such a total
    is an order of its own, which an event of an order that the book does not know is taken from.
    """

    def __init__(self, book: OrderBook, symbol: int) -> None:
        self.book = book
        self.symbol = symbol
        self.counts: Counter[str] = Counter()
        self.oldest_first = 0

    def unnamed(self, side: int, price: int) -> int:
        """The number of the order that stands for a level's unnamed quantity."""
        return 1 << 63 | side << 62 | price

    def adopt(self, side: int, price: int, qty: int) -> None:
        self.counts["adopted"] += 1
        self.must(self.book.add(self.symbol, side, self.unnamed(side, price), price, qty))

    def must(self, reason: int) -> None:
        if reason:
            raise AssertionError(f"the book refused what the file tells: reason {reason}")

    def message(self, kind: int, order_id: int, size: int, price: int, side: int) -> None:
        book, symbol = self.book, self.symbol
        if kind == NEW:
            self.must(book.add(symbol, side, order_id, price, size))
        elif kind == EXECUTED:
            if book.execute(symbol, order_id, size):
                self.must(book.execute(symbol, self.unnamed(side, price), size))
            self.oldest_first += book.place == 3
        else:
            refused = book.delete(symbol, order_id) if kind == DELETED else book.reduce(symbol, order_id, size)
            if refused:
                self.must(book.reduce(symbol, self.unnamed(side, price), size))

    def keep_view(self, side: int, price: int, qty: int) -> None:
        """Forget what lies beyond the file's last level, and take that level from the file where it is missing."""
        self.book.trim(self.symbol, side, price)
        if not self.book.level_qty(self.symbol, side, price):
            self.adopt(side, price, qty)

    def walk(self, day: Day) -> Walk:
        """Every row: the message, the view, then the book as it stands now."""
        theirs = in_ticks(day.books, day.tick)
        ours = np.zeros((len(theirs), day.levels, 4), np.int64)
        for ask, ask_qty, bid, bid_qty in theirs[0].reshape(-1, 4).tolist():
            for side, price, qty in ((0, bid, bid_qty), (1, ask, ask_qty)):
                if qty:
                    self.adopt(side, price, qty)
        self.book.read_l2(self.symbol, ours[0])
        messages = day.messages.copy()
        messages[:, 3] //= day.tick
        rows = zip(messages[1:].tolist(), theirs[1:, -4:].tolist(), ours[1:], strict=True)
        for (kind, *fields), (ask, ask_qty, bid, bid_qty), out in rows:
            if kind <= EXECUTED:
                self.message(kind, *fields)
            if bid_qty:
                self.keep_view(0, bid, bid_qty)
            if ask_qty:
                self.keep_view(1, ask, ask_qty)
            self.book.read_l2(self.symbol, out)
        executions = int((messages[1:, 0] == EXECUTED).sum())
        return Walk(ours.reshape(len(ours), -1), theirs, executions, self.oldest_first, self.counts)


def in_ticks(books: Rows, tick: int) -> Rows:
    """The file's rows with prices in ticks and 0 where there is no level."""
    rows = books.copy()
    rows[:, ::2] = np.where(np.abs(rows[:, ::2]) == NO_LEVEL, 0, rows[:, ::2] // tick)
    return rows
