"""Recordings of several venues' REST bodies and socket frames, found by pattern below the folder of recorded data.

Two layouts: lines `<time>: <frame>`, `<url> -> <time>: <body>` (and what was sent, which is passed over) in `VENUE.0`,
`VENUE.http.*`, `VENUE.ws.*`; and JSON lines of one recording, `<venue>_*.jsonl`. Either may be packed with gzip, a zip holds
bare frames.
"""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import gcd
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from engine.book.l2 import ASK, BID, L2Book

FRAME = re.compile(rb"^\d+(?:\.\d+)?: (.*)$", re.DOTALL)
BODY = re.compile(rb"^(https?://\S+) -> \d+(?:\.\d+)?: (.*)$", re.DOTALL)

Levels = list[tuple[str, str]]

# Numbers that are no strings in the frame stay what they were: 5e-05 is 0.00005.
DECODER = msgspec.json.Decoder(float_hook=lambda text: f"{Decimal(text):f}")


@dataclass(frozen=True)
class Body:
    """The answer to a GET."""

    url: str
    text: bytes


def files_of(root: Path, venue: str, kind: str = "") -> list[Path]:
    """Files of a venue ("kraken", "kraken_futures"), upper case or lower; of the first layout those whose name holds `kind`."""
    name = re.compile(rf"^{venue}(?:\.|_v\d|_advanced|_\d|_[a-z]+usdt)", re.IGNORECASE)
    folder = root / "captures"
    return sorted(
        path for path in folder.glob("*") if name.match(path.name) and (kind in path.name or ".jsonl" in path.name)
    )


def lines_of(path: Path) -> Iterator[bytes]:
    """Lines of a file, unpacked."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    yield from (line.rstrip() for line in member)
        return
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for line in file:
            yield line.rstrip()


def frames_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """(connection, frame) of what was received."""
    if ".jsonl" in path.name:
        for line in lines_of(path):
            row = msgspec.json.decode(line)
            if row.get("t") == "recv":
                yield row["conn"], row["data"].encode()
        return
    for line in lines_of(path):
        match = FRAME.match(line)
        if match:
            yield path.name, match[1]
        elif path.suffix == ".zip":
            yield path.name, line


def bodies_of(paths: Iterable[Path]) -> Iterator[Body]:
    """Answers to GETs."""
    for path in paths:
        for line in lines_of(path):
            if ".jsonl" in path.name:
                row = msgspec.json.decode(line)
                if row.get("t") == "http":
                    yield Body(row["url"], row["data"].encode())
                continue
            match = BODY.match(line)
            if match:
                yield Body(match[1].decode(), match[2])


def scaled(text: str, decimals: int) -> int:
    """A decimal text as an integer of 10^-decimals."""
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(decimals, "0"))


@dataclass(frozen=True)
class Grid:
    """The greatest step that divides every number of a column: `unit` x 10^-decimals."""

    decimals: int
    unit: int

    @classmethod
    def of(cls, texts: Iterable[str]) -> Grid:
        """From the column itself."""
        column = set(texts)
        decimals = max((len(text.partition(".")[2]) for text in column), default=0)
        return cls(decimals, gcd(*(scaled(text, decimals) for text in column)) or 1)

    def count(self, text: str) -> int:
        """Steps in a number."""
        return scaled(text, self.decimals) // self.unit

    @property
    def size_text(self) -> str:
        """The step as a decimal."""
        digits = str(self.unit).rjust(self.decimals + 1, "0")
        return f"{digits[: len(digits) - self.decimals]}.{digits[len(digits) - self.decimals :]}".rstrip(".")


@dataclass
class BookUpdate:
    """One update of one book as it was sent; numbers stay texts."""

    key: str
    is_snapshot: bool
    bids: Levels
    asks: Levels
    checksum: int = 0
    first_id: int = 0
    last_id: int = 0


class TextBook:
    """An L2 book fed with texts, on the grid of all that its feed ever sent."""

    def __init__(self, updates: Iterable[BookUpdate]) -> None:
        levels = [level for update in updates for side in (update.bids, update.asks) for level in side]
        self.price, self.qty = Grid.of(price for price, _ in levels), Grid.of(qty for _, qty in levels)
        self.pads_zeros = any("." in text and text.endswith("0") for level in levels for text in level)
        self.book = L2Book()

    def rows(self, side: int, levels: Levels) -> list[tuple[int, int, int]]:
        """(side, ticks, lots)."""
        return [(side, self.price.count(price), self.qty.count(qty)) for price, qty in levels]

    def apply(self, update: BookUpdate) -> None:
        """A snapshot replaces the book."""
        rows = self.rows(BID, update.bids) + self.rows(ASK, update.asks)
        if update.is_snapshot:
            self.book.clear_around(max((row[1] for row in rows if row[0] == BID), default=0))
        self.book.apply(as_array(rows))

    @property
    def is_crossed(self) -> bool:
        """Best bid at or above best ask."""
        spread = self.book.spread()
        return spread is not None and spread <= 0


def as_array(rows: list[tuple[int, int, int]]) -> npt.NDArray[np.int64]:
    """Rows for L2Book.apply."""
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def pairs(levels: Any) -> Levels:
    """The first two of each level."""
    return [(str(level[0]), str(level[1])) for level in levels]
