"""The book that a recording begins with: its own snapshot, a predecessor's end, or what bookTickers prove.

A recording without a snapshot may continue another of the same folder: the first diff then joins the last update id of that
one exactly. Where there is none, the book is put together by looking ahead: a level that a bookTicker shows, at a price that
no diff has touched up to that update id, stood there from the beginning. Levels that never become the best stay unknown
until a diff names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.sim.replay.book import BUY, SELL, RecordedBook
from engine.sim.replay.frames import Diff, Family, Levels, RecordingError, Ticker
from engine.sim.replay.recording import MarketFacts, Survey, survey


@dataclass(frozen=True)
class StartBook:
    """A market's book before its first diff, and in words where it comes from."""

    book: RecordedBook
    origin: str


def start_book(found: Survey, symbol: str) -> StartBook:
    """The best of the three ways for one market; raises ``RecordingError`` when even bookTickers are missing."""
    facts = found.markets[symbol]
    snapshot = facts.snapshot
    if snapshot is not None:
        book = RecordedBook(snapshot.update_id, snapshot.bids, snapshot.asks)
        return StartBook(book, f"the snapshot recorded on line {facts.snapshot_line + 1}")
    before = predecessor(found, facts)
    if before is not None:
        return StartBook(before[1], f"the end of {before[0].name}, which this recording continues")
    book = look_ahead(found, facts)
    levels = f"{len(book.sides[BUY])} bids and {len(book.sides[SELL])} asks"
    return StartBook(book, f"no snapshot and no predecessor: {levels} that later bookTickers prove")


# --- a predecessor ---------------------------------------------------------------------------------------------------


def predecessor(found: Survey, facts: MarketFacts) -> tuple[Path, RecordedBook] | None:
    """The recording of the same folder that ends where this one begins, and the book at its end."""
    diff = facts.first_diff
    if diff is None:
        return None
    own = {path.resolve() for path in found.paths}
    folder = found.paths[0].resolve().parent
    prefix = found.paths[0].name.partition("_")[0]
    others = [path for path in sorted(folder.glob(f"*{found.paths[0].suffix}")) if path.resolve() not in own]
    for path in sorted(others, key=lambda path: path.name.partition("_")[0] != prefix):
        book = _book_at_end(path, found.family, facts.symbol, diff)
        if book is not None:
            return path, book
    return None


def _book_at_end(path: Path, family: Family, symbol: str, following: Diff) -> RecordedBook | None:
    """The book at the end of ``path`` when ``following`` joins its last update; None when it does not."""
    try:
        found = survey((path,))
    except RecordingError:
        return None
    facts = found.markets.get(symbol)
    joins_at = following.previous_id if family == "usdm" else following.first_id - 1
    if facts is None or found.family != family or facts.last_update_id != joins_at:
        return None
    book = start_book(found, symbol).book
    for event in _events(found, symbol):
        if isinstance(event, Diff):
            book.apply(event)
    return book if book.gaps == 0 else None


def _events(found: Survey, symbol: str) -> Iterator[Diff | Ticker]:
    """Diffs and bookTickers of one symbol in their order."""
    for line in found.lines():
        if line.symbol == symbol and isinstance(line.event, Diff | Ticker):
            yield line.event


# --- looking ahead ---------------------------------------------------------------------------------------------------


class _Proof:
    """Levels of one side that stood there before any diff touched them."""

    def __init__(self) -> None:
        self.levels: dict[int, int] = {}
        self.touched: set[int] = set()

    def touch(self, rows: Levels) -> None:
        self.touched.update(price_e8 for price_e8, _ in rows)

    def show(self, price_e8: int, qty_e8: int) -> None:
        if price_e8 and price_e8 not in self.touched:
            self.levels.setdefault(price_e8, qty_e8)


def look_ahead(found: Survey, facts: MarketFacts) -> RecordedBook:
    """The proven part of the first book. A bookTicker counts once the diffs have covered its update id without its price."""
    diff = facts.first_diff
    if diff is None or not facts.tickers:
        raise RecordingError(
            f"{found.paths[0]}: {facts.symbol} has neither a snapshot nor depth and bookTicker frames to make a book of"
        )
    bids, asks, covered_id = _Proof(), _Proof(), 0
    waiting: list[Ticker] = []
    for event in _events(found, facts.symbol):
        if isinstance(event, Ticker):
            waiting.append(event)
        else:
            bids.touch(event.bids)
            asks.touch(event.asks)
            covered_id = event.last_id
        while waiting and waiting[0].update_id <= covered_id:
            ticker = waiting.pop(0)
            bids.show(ticker.bid_e8, ticker.bid_qty_e8)
            asks.show(ticker.ask_e8, ticker.ask_qty_e8)
    update_id = diff.previous_id if found.family == "usdm" else diff.first_id - 1
    return RecordedBook(update_id, list(bids.levels.items()), list(asks.levels.items()))
