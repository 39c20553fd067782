"""What a recording holds, found by reading it once: family, symbols, streams, price and lot steps, its snapshots.

The family is told by the content: USD-M diffs carry ``pu``, spot diffs do not; a recording without a diff is of the family
that a folder on its path is named after. The tick is the greatest step that divides every recorded price. The lot is the
greatest that divides every traded quantity: books hold a few quantities between two lots, trades none.

What was read stays in memory, decoded, while it is below ``KEPT_BYTES_MAX``; a longer recording is read again to be played.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path

import msgspec

from engine.sim.replay.frames import (
    READERS,
    Diff,
    Event,
    Family,
    PublicTrade,
    RecordingError,
    Snapshot,
    Ticker,
    kind_of,
    read_lines,
    read_snapshot,
    split,
    symbol_of,
)
from engine.sim.replay.joins import FileFacts, check_joins, check_names

OFFSET_SAMPLES_MAX = 2_000
KEPT_BYTES_MAX = 64 << 20


class Line(msgspec.Struct, gc=False):
    """One line. ``text`` is the whole frame, ``data`` the event in it, ``event`` what it says where it is of the book.

    ``stream`` is empty for a snapshot.
    """

    stamp_ns: int
    text: bytes
    data: bytes
    stream: str
    symbol: str
    event: Event | Snapshot | None


@dataclass
class MarketFacts:
    """One symbol of a recording; prices and quantities in units of 1e-8."""

    symbol: str
    tick_e8: int = 0
    book_lot_e8: int = 0
    trade_lot_e8: int = 0
    first_price_e8: int = 0
    first_diff: Diff | None = None
    first_diff_line: int = -1
    last_update_id: int = -1
    trades: int = 0
    tickers: int = 0
    tickers_before: int = 0  # those before the place where a client gets its book
    snapshot: Snapshot | None = None  # the first one recorded that is not older than the diffs
    snapshot_line: int = -1

    @property
    def snapshot_place(self) -> int:
        """The line before which a client should have its depth snapshot: where one was recorded, else after the first diff."""
        return self.snapshot_line if self.snapshot is not None else self.first_diff_line + 1

    @property
    def tickers_of_book(self) -> int:
        """bookTickers that a client with a book can compare with it."""
        return self.tickers - self.tickers_before

    @property
    def lot_e8(self) -> int:
        """The quantity step."""
        return self.trade_lot_e8 or self.book_lot_e8


@dataclass
class Survey:
    """A whole recording: one or more files that continue one another."""

    paths: tuple[Path, ...]
    family: Family = "spot"
    markets: dict[str, MarketFacts] = field(default_factory=dict)
    streams: dict[str, int] = field(default_factory=dict)  # stream name -> frames, those of no single market too
    frames: int = 0
    first_ns: int = 0
    last_ns: int = 0
    clock_offset_ns: int = 0  # the exchange's event time less the receive time
    snapshot_owners: dict[int, str] = field(default_factory=dict)  # line number -> the symbol of the snapshot there
    kept: list[Line] | None = field(default_factory=list)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols with frames, in order of appearance."""
        return tuple(self.markets)

    def lines(self) -> Iterator[Line]:
        """Every line, from memory where it is kept."""
        return read(self.paths) if self.kept is None else iter(self.kept)


def read(paths: Iterable[Path]) -> Iterator[Line]:
    """The lines of files one after another; raises ``RecordingError`` naming what cannot be read."""
    names: dict[bytes, tuple[str, str, str]] = {}
    for path in paths:
        for number, (stamp_ns, text) in enumerate(read_lines(path), 1):
            try:
                yield _line(stamp_ns, text, names)
            except (msgspec.DecodeError, ValueError) as error:
                raise RecordingError(f"{path}, line {number}: {error}") from error


def _line(stamp_ns: int, text: bytes, names: dict[bytes, tuple[str, str, str]]) -> Line:
    parts = split(text)
    if parts is None:
        return Line(stamp_ns, text, text, "", "", read_snapshot(text))
    head, data = parts
    known = names.get(head)
    if known is None:
        stream = head.decode("latin-1")
        known = names[head] = (stream, symbol_of(stream), kind_of(stream))
    stream, symbol, kind = known
    reader = READERS.get(kind) if symbol else None
    return Line(stamp_ns, text, data, stream, symbol, None if reader is None else reader(data))


def survey(paths: tuple[Path, ...], kept_bytes_max: int = KEPT_BYTES_MAX) -> Survey:
    """Read a recording once; raises ``RecordingError`` when there is nothing in it that can be replayed.

    The same where its files do not continue one another.
    """
    check_names(paths)
    surveyor = _Surveyor(paths)
    kept_bytes = 0
    for path in paths:
        surveyor.begin_file(path)
        for line in read((path,)):
            surveyor.take(line)
            kept_bytes += len(line.text)
            if kept_bytes > kept_bytes_max:
                surveyor.found.kept = None
    return surveyor.finish()


class _Surveyor:
    """Collects facts line by line."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.found = Survey(paths)
        self._number = 0
        self._files: list[FileFacts] = []
        self._snapshots: list[tuple[int, Snapshot, FileFacts, dict[str, int]]] = []
        self._offsets: list[int] = []

    def begin_file(self, path: Path) -> None:
        """What is taken from now on is of this file."""
        self._files.append(FileFacts(path))

    def take(self, line: Line) -> None:
        found = self.found
        found.first_ns = found.first_ns or line.stamp_ns
        found.last_ns = line.stamp_ns
        file = self._files[-1]
        file.first_ns = file.first_ns or line.stamp_ns
        file.last_ns = line.stamp_ns
        if found.kept is not None:
            found.kept.append(line)
        event = line.event
        if line.stream:
            found.frames += 1
            found.streams[line.stream] = found.streams.get(line.stream, 0) + 1
        if isinstance(event, Snapshot):
            tickers = {symbol: facts.tickers for symbol, facts in found.markets.items()}
            self._snapshots.append((self._number, event, file, tickers))
        elif event is not None:
            facts = found.markets.get(line.symbol)
            if facts is None:
                facts = found.markets[line.symbol] = MarketFacts(line.symbol)
            file.symbols.add(line.symbol)
            self._take_event(facts, event, line.stamp_ns)
        self._number += 1

    def _take_event(self, facts: MarketFacts, event: Event, stamp_ns: int) -> None:
        if isinstance(event, Diff):
            self._take_diff(facts, event, stamp_ns)
        elif isinstance(event, Ticker):
            facts.tickers += 1
            facts.tick_e8 = gcd(facts.tick_e8, event.bid_e8, event.ask_e8)
            facts.first_price_e8 = facts.first_price_e8 or event.bid_e8 or event.ask_e8
        elif event.is_of_book:
            _take_trade(facts, event)

    def _take_diff(self, facts: MarketFacts, diff: Diff, stamp_ns: int) -> None:
        self._files[-1].take_diff(facts.symbol, diff)
        if facts.first_diff is None:
            facts.first_diff, facts.first_diff_line = diff, self._number
            facts.tickers_before = facts.tickers
        facts.last_update_id = diff.last_id
        if len(self._offsets) < OFFSET_SAMPLES_MAX:
            self._offsets.append(diff.event_ns - stamp_ns)
        for rows in (diff.bids, diff.asks):
            for price_e8, qty_e8 in rows:
                facts.tick_e8 = gcd(facts.tick_e8, price_e8)
                facts.book_lot_e8 = gcd(facts.book_lot_e8, qty_e8)

    # --- the end -------------------------------------------------------------------------------------------------

    def finish(self) -> Survey:
        found = self.found
        if not found.markets:
            raise RecordingError(f"{found.paths[0]}: no depth, bookTicker or trade frame in it")
        found.family = self._family()
        if self._offsets:
            found.clock_offset_ns = sorted(self._offsets)[len(self._offsets) // 2]
        for facts in found.markets.values():
            facts.first_price_e8 = facts.first_price_e8 or _price_in(facts.first_diff)
        for line, snapshot, file, tickers in self._snapshots:
            facts = self._owner(snapshot)
            file.snapshots.add(facts.symbol)
            found.snapshot_owners[line] = facts.symbol
            if facts.snapshot is None and _reaches(facts, snapshot):
                facts.snapshot, facts.snapshot_line = snapshot, line
                facts.tickers_before = tickers.get(facts.symbol, 0)
        check_joins(self._files)
        return found

    def _family(self) -> Family:
        for file in self._files:
            if file.families:
                return "usdm" if "usdm" in file.families else "spot"
        return "usdm" if "usdm" in self.found.paths[0].resolve().parts else "spot"

    def _owner(self, snapshot: Snapshot) -> MarketFacts:
        """A snapshot names no symbol: it is of the market whose first price is nearest to its best level."""
        price_e8 = (snapshot.bids or snapshot.asks or [(1, 0)])[0][0]
        facts = self.found.markets.values()
        return min(facts, key=lambda row: max(row.first_price_e8, price_e8) / max(1, min(row.first_price_e8, price_e8)))


def _take_trade(facts: MarketFacts, trade: PublicTrade) -> None:
    facts.trades += 1
    facts.tick_e8 = gcd(facts.tick_e8, trade.price_e8)
    facts.trade_lot_e8 = gcd(facts.trade_lot_e8, trade.qty_e8)
    facts.first_price_e8 = facts.first_price_e8 or trade.price_e8


def _reaches(facts: MarketFacts, snapshot: Snapshot) -> bool:
    """Whether a snapshot is not older than the first diff, so that no change between them is missing."""
    diff = facts.first_diff
    if diff is None:
        return True
    return snapshot.update_id >= (diff.previous_id if diff.previous_id >= 0 else diff.first_id - 1)


def _price_in(diff: Diff | None) -> int:
    """A price of the market when nothing better is known: the best bid that the first diff names."""
    rows = [] if diff is None else diff.bids or diff.asks
    return max((price_e8 for price_e8, _ in rows), default=1)
