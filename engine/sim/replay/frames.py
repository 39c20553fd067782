"""Recorded lines taken apart: ``<receive time ns> <JSON text>``, the text being a combined-stream frame or a depth snapshot.

A frame is ``{"stream":NAME,"data":EVENT}``; a line without ``stream`` is the body of GET depth. Prices and quantities come
out as integers of 1e-8, times as Unix nanoseconds.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

import msgspec

E8_ZEROS = "00000000"
MS_NS = 1_000_000
HEAD = b'{"stream":"'
MARK = b'","data":'
GZIP_MAGIC = b"\x1f\x8b"
TRADES_OF_THE_BOOK = ("MARKET", "NA", "")

Levels = list[tuple[int, int]]
Family = Literal["spot", "usdm"]


class RecordingError(ValueError):
    """A recording that cannot be replayed; the text names the file and the line or what is missing."""


class Diff(msgspec.Struct, gc=False):
    """A ``depthUpdate``; ``previous_id`` is USD-M's ``pu``, -1 on spot."""

    first_id: int
    last_id: int
    previous_id: int
    event_ns: int
    bids: Levels
    asks: Levels


class Ticker(msgspec.Struct, gc=False):
    """A ``bookTicker``; 0 for an empty side."""

    update_id: int
    bid_e8: int
    bid_qty_e8: int
    ask_e8: int
    ask_qty_e8: int


class PublicTrade(msgspec.Struct, gc=False):
    """A ``trade``. ``is_of_book``: USD-M also tells deals of the insurance fund, which no resting order gave."""

    trade_id: int
    price_e8: int
    qty_e8: int
    time_ns: int
    is_buyer_maker: bool
    is_of_book: bool


class Snapshot(msgspec.Struct, gc=False):
    """A recorded depth snapshot, best levels first."""

    update_id: int
    bids: Levels
    asks: Levels


Event = Diff | Ticker | PublicTrade


class _DiffText(msgspec.Struct):
    E: int
    U: int
    u: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    pu: int = -1


class _TickerText(msgspec.Struct):
    u: int
    b: str
    B: str
    a: str
    A: str


class _TradeText(msgspec.Struct):
    t: int
    p: str
    q: str
    T: int
    m: bool
    X: str = "MARKET"


class _SnapshotText(msgspec.Struct, rename="camel"):
    last_update_id: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


_DIFF = msgspec.json.Decoder(_DiffText)
_TICKER = msgspec.json.Decoder(_TickerText)
_TRADE = msgspec.json.Decoder(_TradeText)
_SNAPSHOT = msgspec.json.Decoder(_SnapshotText)


def to_e8(text: str) -> int:
    """Decimal text as units of 1e-8; digits below are cut off."""
    if text[-9:-8] == ".":
        return int(text[:-9] + text[-8:])
    whole, _, part = text.partition(".")
    return int(whole + (part + E8_ZEROS)[:8])


def to_levels(rows: list[tuple[str, str]]) -> Levels:
    """Rows of price and quantity as integers."""
    return [(to_e8(price), to_e8(qty)) for price, qty in rows]


def read_diff(event: bytes) -> Diff:
    """A ``depthUpdate`` event."""
    diff = _DIFF.decode(event)
    return Diff(diff.U, diff.u, diff.pu, diff.E * MS_NS, to_levels(diff.b), to_levels(diff.a))


def read_ticker(event: bytes) -> Ticker:
    """A ``bookTicker`` event."""
    ticker = _TICKER.decode(event)
    return Ticker(ticker.u, to_e8(ticker.b), to_e8(ticker.B), to_e8(ticker.a), to_e8(ticker.A))


def read_trade(event: bytes) -> PublicTrade:
    """A ``trade`` event."""
    trade = _TRADE.decode(event)
    price_e8, qty_e8 = to_e8(trade.p), to_e8(trade.q)
    is_of_book = trade.X in TRADES_OF_THE_BOOK and price_e8 > 0 and qty_e8 > 0
    return PublicTrade(trade.t, price_e8, qty_e8, trade.T * MS_NS, trade.m, is_of_book)


READERS: dict[str, Callable[[bytes], Event]] = {"depth": read_diff, "bookTicker": read_ticker, "trade": read_trade}


def read_snapshot(text: bytes) -> Snapshot:
    """The body of GET depth."""
    body = _SNAPSHOT.decode(text)
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


def symbol_of(stream: str) -> str:
    """The symbol of a stream name; empty for a stream of no single market."""
    head, mark, _ = stream.partition("@")
    return "" if head.startswith("!") or not mark else head.upper()


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
