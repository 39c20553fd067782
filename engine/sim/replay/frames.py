"""Recorded lines taken apart: ``<receive time ns> <JSON text>``, the text being a combined-stream frame or a depth snapshot.

A frame is ``{"stream":NAME,"data":EVENT}``; a line without ``stream`` is the body of GET depth. Prices and quantities come
out as integers of 1e-8, times as Unix nanoseconds.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

E8_ZEROS = "00000000"
MS_NS = 1_000_000
HEAD = b'{"stream":"'
MARK = b'","data":'
GZIP_MAGIC = b"\x1f\x8b"

Levels = list[tuple[int, int]]


class RecordingError(ValueError):
    """A recording that cannot be replayed; the text names the file and the line or what is missing."""


class DepthEvent(msgspec.Struct):
    """A ``depthUpdate``; ``pu`` is -1 on spot."""

    s: str
    E: int
    U: int
    u: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    pu: int = -1
    T: int = 0


class TickerEvent(msgspec.Struct):
    """A ``bookTicker``."""

    s: str
    u: int
    b: str
    B: str
    a: str
    A: str


class TradeEvent(msgspec.Struct):
    """A ``trade``; ``X`` tells on USD-M what it was (an insurance fund's deal is no trade of the book)."""

    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool
    X: str = "MARKET"


class SnapshotBody(msgspec.Struct, rename="camel"):
    """The body of GET depth."""

    last_update_id: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


DEPTH = msgspec.json.Decoder(DepthEvent)
TICKER = msgspec.json.Decoder(TickerEvent)
TRADE = msgspec.json.Decoder(TradeEvent)
SNAPSHOT = msgspec.json.Decoder(SnapshotBody)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A recorded depth snapshot in units of 1e-8, best levels first."""

    update_id: int
    bids: Levels
    asks: Levels


def to_e8(text: str) -> int:
    """Decimal text as units of 1e-8; digits below are cut off."""
    if text[-9:-8] == ".":
        return int(text[:-9] + text[-8:])
    whole, _, part = text.partition(".")
    return int(whole + (part + E8_ZEROS)[:8])


def to_levels(rows: list[tuple[str, str]]) -> Levels:
    """Rows of price and quantity as integers."""
    return [(to_e8(price), to_e8(qty)) for price, qty in rows]


def read_snapshot(text: bytes) -> Snapshot:
    """The body of GET depth."""
    body = SNAPSHOT.decode(text)
    return Snapshot(body.last_update_id, to_levels(body.bids), to_levels(body.asks))


def split(text: bytes) -> tuple[bytes, bytes] | None:
    """Stream name and event of a combined frame, both as they stand in it; None for a line of another kind."""
    at = text.find(MARK)
    if at < 0 or not text.startswith(HEAD):
        return None
    return text[len(HEAD) : at], text[at + len(MARK) : -1]


def kind_of(stream: str) -> str:
    """``depth``, ``bookTicker`` or ``trade`` of a stream name; what else there is by its own name."""
    tail = stream.partition("@")[2]
    return "depth" if tail == "depth" or tail.startswith("depth@") else tail


def open_lines(path: Path) -> BinaryIO:
    """A recording's bytes, compressed by gzip or not, as its first bytes tell."""
    with path.open("rb") as file:
        is_packed = file.read(2) == GZIP_MAGIC
    return cast(BinaryIO, gzip.open(path)) if is_packed else path.open("rb")


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(receive time in ns, text) of each line; raises ``RecordingError`` for a line of another form.

    A capture whose writer was killed may end in the middle of a line: what is whole before it is taken.
    """
    with open_lines(path) as file:
        number = 0
        try:
            for number, line in enumerate(file, 1):
                stamp, _, text = line.rstrip(b"\r\n").partition(b" ")
                if not line.endswith(b"\n") and not text.endswith(b"}"):
                    return
                if not stamp.isdigit() or not text.startswith(b"{"):
                    raise RecordingError(f"{path}, line {number}: not '<receive time ns> <JSON object>'")
                yield int(stamp), text
        except EOFError:
            return
        except OSError as error:
            raise RecordingError(f"{path}, after line {number}: {error}") from error
