"""What a recording holds, found by reading it once: family, symbols, streams, price and lot steps, its snapshots.

The family is told by the content: USD-M diffs carry ``pu``, spot diffs do not; a recording without a diff is of the family
that a folder on its path is named after. The tick is the greatest step that divides every recorded price. The lot is the
greatest that divides every traded quantity: books hold a few quantities between two lots, trades none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path
from typing import Literal

import msgspec

from engine.sim.replay.frames import (
    DEPTH,
    MS_NS,
    TICKER,
    TRADE,
    DepthEvent,
    RecordingError,
    Snapshot,
    kind_of,
    read_lines,
    read_snapshot,
    split,
    to_e8,
)

Family = Literal["spot", "usdm"]
OFFSET_SAMPLES_MAX = 2_000


@dataclass
class MarketFacts:
    """One symbol of a recording; prices and quantities in units of 1e-8."""

    symbol: str
    tick_e8: int = 0
    book_lot_e8: int = 0
    trade_lot_e8: int = 0
    first_price_e8: int = 0
    first_diff: DepthEvent | None = None
    first_diff_line: int = -1
    last_update_id: int = -1
    trades: int = 0
    tickers: int = 0
    snapshot: Snapshot | None = None  # the first one recorded that is not older than the diffs
    snapshot_line: int = -1

    @property
    def snapshot_place(self) -> int:
        """The line before which a client should have its depth snapshot: where one was recorded, else after the first diff."""
        return self.snapshot_line if self.snapshot is not None else self.first_diff_line + 1

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
    lines: int = 0
    first_ns: int = 0
    last_ns: int = 0
    clock_offset_ns: int = 0  # the exchange's event time less the receive time
    snapshot_symbols: dict[int, str] = field(default_factory=dict)  # line number -> whose snapshot

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols with frames, in order of appearance."""
        return tuple(self.markets)


def lines_of(paths: Iterable[Path]) -> Iterator[tuple[int, bytes]]:
    """The lines of files one after another."""
    for path in paths:
        yield from read_lines(path)


def survey(paths: tuple[Path, ...]) -> Survey:
    """Read a recording once; raises ``RecordingError`` when there is nothing in it that can be replayed."""
    reader = _Surveyor(paths)
    for stamp_ns, text in lines_of(paths):
        reader.take(stamp_ns, text)
    return reader.finish()


class _Surveyor:
    """Collects facts line by line."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.found = Survey(paths)
        self._streams: dict[bytes, tuple[str, str]] = {}  # name as it stands -> (name, kind)
        self._snapshots: list[tuple[int, Snapshot]] = []
        self._offsets: list[int] = []
        self._has_diffs = self._has_previous_ids = False

    def take(self, stamp_ns: int, text: bytes) -> None:
        found = self.found
        found.first_ns = found.first_ns or stamp_ns
        found.last_ns = stamp_ns
        parts = split(text)
        try:
            if parts is None:
                self._snapshots.append((found.lines, read_snapshot(text)))
            else:
                found.frames += 1
                self._take_frame(stamp_ns, *parts)
        except msgspec.DecodeError as error:
            raise RecordingError(f"{found.paths[0]} and on, line {found.lines + 1}: {error}") from error
        found.lines += 1

    def _take_frame(self, stamp_ns: int, head: bytes, event: bytes) -> None:
        known = self._streams.get(head)
        if known is None:
            name = head.decode("latin-1")
            known = self._streams[head] = (name, kind_of(name))
        name, kind = known
        self.found.streams[name] = self.found.streams.get(name, 0) + 1
        if "@" not in name or name.startswith("!"):
            return
        symbol = name.partition("@")[0].upper()
        facts = self.found.markets.get(symbol)
        if facts is None:
            facts = self.found.markets[symbol] = MarketFacts(symbol)
        if kind == "depth":
            self._take_diff(facts, DEPTH.decode(event), stamp_ns)
        elif kind == "bookTicker":
            self._take_ticker(facts, event)
        elif kind == "trade":
            self._take_trade(facts, event)

    def _take_diff(self, facts: MarketFacts, diff: DepthEvent, stamp_ns: int) -> None:
        self._has_diffs = True
        self._has_previous_ids |= diff.pu >= 0
        if facts.first_diff is None:
            facts.first_diff, facts.first_diff_line = diff, self.found.lines
        facts.last_update_id = diff.u
        if len(self._offsets) < OFFSET_SAMPLES_MAX:
            self._offsets.append(diff.E * MS_NS - stamp_ns)
        for side in (diff.b, diff.a):
            for price, qty in side:
                facts.tick_e8 = gcd(facts.tick_e8, to_e8(price))
                facts.book_lot_e8 = gcd(facts.book_lot_e8, to_e8(qty))

    def _take_ticker(self, facts: MarketFacts, event: bytes) -> None:
        ticker = TICKER.decode(event)
        facts.tickers += 1
        bid_e8, ask_e8 = to_e8(ticker.b), to_e8(ticker.a)
        facts.tick_e8 = gcd(facts.tick_e8, bid_e8, ask_e8)
        facts.first_price_e8 = facts.first_price_e8 or bid_e8 or ask_e8

    def _take_trade(self, facts: MarketFacts, event: bytes) -> None:
        trade = TRADE.decode(event)
        facts.trades += 1
        facts.tick_e8 = gcd(facts.tick_e8, to_e8(trade.p))
        facts.trade_lot_e8 = gcd(facts.trade_lot_e8, to_e8(trade.q))
        facts.first_price_e8 = facts.first_price_e8 or to_e8(trade.p)

    # --- the end -------------------------------------------------------------------------------------------------

    def finish(self) -> Survey:
        found = self.found
        found.markets = {symbol: facts for symbol, facts in found.markets.items() if _is_a_market(facts)}
        if not found.markets:
            raise RecordingError(f"{found.paths[0]}: no depth, bookTicker or trade frame in it")
        found.family = self._family()
        if self._offsets:
            found.clock_offset_ns = sorted(self._offsets)[len(self._offsets) // 2]
        for facts in found.markets.values():
            facts.first_price_e8 = facts.first_price_e8 or _middle_of(facts.first_diff)
        for line, snapshot in self._snapshots:
            facts = self._owner(snapshot)
            found.snapshot_symbols[line] = facts.symbol
            if facts.snapshot is None and _reaches(facts, snapshot):
                facts.snapshot, facts.snapshot_line = snapshot, line
        return found

    def _family(self) -> Family:
        if self._has_diffs:
            return "usdm" if self._has_previous_ids else "spot"
        return "usdm" if "usdm" in self.found.paths[0].resolve().parts else "spot"

    def _owner(self, snapshot: Snapshot) -> MarketFacts:
        """A snapshot names no symbol: it is of the market whose first price is nearest to its best level."""
        price_e8 = (snapshot.bids or snapshot.asks or [(1, 0)])[0][0]
        facts = self.found.markets.values()
        return min(facts, key=lambda row: max(row.first_price_e8, price_e8) / max(1, min(row.first_price_e8, price_e8)))


def _reaches(facts: MarketFacts, snapshot: Snapshot) -> bool:
    """Whether a snapshot is not older than the first diff, so that no change between them is missing."""
    diff = facts.first_diff
    return diff is None or snapshot.update_id >= (diff.pu if diff.pu >= 0 else diff.U - 1)


def _is_a_market(facts: MarketFacts) -> bool:
    return facts.first_diff is not None or facts.tickers > 0 or facts.trades > 0


def _middle_of(diff: DepthEvent | None) -> int:
    """A price of the market when nothing better is known: the best bid that the first diff names."""
    rows = [] if diff is None else diff.b or diff.a
    return max((to_e8(price) for price, _ in rows), default=1)
