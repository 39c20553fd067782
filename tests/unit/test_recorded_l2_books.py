"""Recorded Binance frames, as raw bytes, straight into L2 books: no gap, and every book equals the ticker sent beside it."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from engine.book.l2 import ASK, BID, L2Book
from engine.model.instruments import InstrumentSpec, to_e8
from engine.model.tables import Tables
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.raw_depth import APPLIED, NO_SNAPSHOT, OLD, RawDepth
from tests.captures import Grid, bodies_of, files_of, frames_of
from tests.recorded import Recording, data_root, instrument_of, recordings

ABSENT = "no recorded data: set TRADEWIND_DATA to the folder that holds binance_raw"
LEVEL = re.compile(rb'\["([0-9.]+)","([0-9.]+)"\]')
Top = tuple[int, int, int, int]
Record = Callable[[str, object], None]


@dataclass
class Tickers:
    """Tops of the book as the exchange told them, by update id."""

    spec: InstrumentSpec
    tops: dict[int, Top] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)

    def add(self, frame: bytes) -> None:
        """One bookTicker frame of the combined stream."""
        data = msgspec.json.decode(frame)["data"]
        steps = (self.spec.tick_size_e8, self.spec.lot_size_e8) * 2
        texts = (data[key] for key in "bBaA")
        bid, bid_qty, ask, ask_qty = (to_e8(text) // step for text, step in zip(texts, steps, strict=True))
        self.tops[data["u"]] = (bid, bid_qty, ask, ask_qty)

    def last_within(self, after_id: int, until_id: int) -> int | None:
        """The id of the last ticker of an update; None where it changed no top."""
        if len(self.ids) != len(self.tops):
            self.ids = sorted(self.tops)
        at = bisect.bisect_right(self.ids, until_id)
        return self.ids[at - 1] if at and self.ids[at - 1] > after_id else None


@dataclass
class Found:
    """What a replay counted."""

    diffs: int = 0
    same_id: int = 0
    same_id_equal: int = 0
    within: int = 0
    within_equal: int = 0

    def compare(self, book: L2Book, tickers: Tickers, before_id: int) -> None:
        """The book behind a diff, with the last ticker within it."""
        bid, ask = book.best(BID), book.best(ASK)
        assert bid is not None
        assert ask is not None
        assert bid[0] < ask[0]
        top = (*bid, *ask)
        self.diffs += 1
        if book.update_id in tickers.tops:
            self.same_id += 1
            self.same_id_equal += top == tickers.tops[book.update_id]
        last = tickers.last_within(before_id, book.update_id)
        if before_id and last is not None:
            self.within += 1
            self.within_equal += top == tickers.tops[last]


def is_depth(text: bytes) -> bool:
    return b"@depth" in text[:80]


def replay(lines: Iterable[bytes], spec: InstrumentSpec, tickers: Tickers) -> tuple[RawDepth, L2Book, Found]:
    """Depth frames and snapshots in their order; what came before the snapshot is kept and given again behind it."""
    tables = Tables()
    instrument_id = tables.add_instrument(spec)
    feed, book, found = RawDepth(MarketCodec(tables, 1)), L2Book(), Found()
    feed.attach(spec.symbol, book)
    kept: list[bytes] = []
    before_id = 0
    for text in lines:
        if is_depth(text):
            frames = [text]
        else:
            assert feed.snapshot(instrument_id, text) in (APPLIED, OLD)
            frames, kept = kept, []
        for frame in frames:
            verdict = feed.apply(frame)
            assert verdict in (APPLIED, OLD, NO_SNAPSHOT), feed.reason
            if verdict == NO_SNAPSHOT:
                kept.append(frame)
            elif verdict == APPLIED:
                found.compare(book, tickers, before_id)
                before_id = book.update_id
    return feed, book, found


def tickers_of(recording: Recording, spec: InstrumentSpec) -> Tickers:
    tickers = Tickers(spec)
    for _, text in recording.lines():
        if b"@bookTicker" in text[:80]:
            tickers.add(text)
    return tickers


def book_lines(recording: Recording) -> Iterator[bytes]:
    for _, text in recording.lines():
        if is_depth(text) or not text.startswith(b'{"stream"'):
            yield text


def assert_sound(feed: RawDepth, book: L2Book) -> None:
    assert (feed.gaps, feed.refused) == (0, 0)
    assert book.check() == ()
    assert book.pool.pages_used > 0


@pytest.mark.parametrize("recording", recordings() or [None], ids=str)
def test_books_of_raw_bytes_have_no_gap_and_equal_the_ticker_at_the_same_update(
    recording: Recording | None, record_property: Record
) -> None:
    if recording is None:
        pytest.skip(ABSENT)
    spec = instrument_of(recording)
    feed, book, found = replay(book_lines(recording), spec, tickers_of(recording, spec))
    assert_sound(feed, book)
    record_property("found", repr(found))
    assert found.diffs == feed.applied > 0
    assert found.same_id > 0
    assert found.within > 0
    if recording.market == "usdm":
        assert (found.same_id_equal, found.within_equal) == (found.same_id, found.within)
    else:
        assert found.same_id_equal > 0.999 * found.same_id
        assert found.within_equal > 0.999 * found.within


def spec_of(symbol: str, frames: list[bytes], kind: int) -> InstrumentSpec:
    levels = [pair for frame in frames for pair in LEVEL.findall(frame)]
    price, qty = Grid.of(pair[0].decode() for pair in levels), Grid.of(pair[1].decode() for pair in levels)
    return InstrumentSpec(
        venue_id=1,
        symbol=symbol,
        base_asset=symbol[:3],
        quote_asset="USDT",
        tick_size_e8=to_e8(price.size_text),
        lot_size_e8=to_e8(qty.size_text),
        kind=kind,
    )


def captured_books(root: Path, venue: str) -> Iterator[tuple[str, bytes, list[bytes]]]:
    """(symbol, snapshot, frames of this symbol) of a venue's captures."""
    frames = [text for path in files_of(root, venue, "ws") for _, text in frames_of(path)]
    for body in bodies_of(files_of(root, venue, "http")):
        match = re.search(r"/depth\?symbol=(\w+)", body.url)
        if match:
            name = match[1].lower().encode() + b"@"
            yield match[1], body.text, [text for text in frames if name in text[:40]]


@pytest.mark.parametrize(("venue", "kind"), [("binance", 0), ("binance_futures", 1)])
def test_captured_books_of_raw_bytes_equal_the_exchanges_ticker(venue: str, kind: int, record_property: Record) -> None:
    root = data_root()
    if root is None or not files_of(root, venue, "ws"):
        pytest.skip(f"no captures of {venue}")
    books = diffs = compared = 0
    for symbol, snapshot, frames in captured_books(root, venue):
        spec = spec_of(symbol, [snapshot, *(text for text in frames if is_depth(text))], kind)
        tickers = Tickers(spec)
        for text in frames:
            if b"@bookTicker" in text[:60]:
                tickers.add(text)
        feed, book, found = replay([snapshot, *(text for text in frames if is_depth(text))], spec, tickers)
        assert (feed.gaps, feed.refused) == (0, 0)
        assert book.check() == ()
        assert found.same_id - found.same_id_equal <= 0.001 * found.same_id
        assert found.within - found.within_equal <= 0.001 * found.within
        books, diffs, compared = books + 1, diffs + found.diffs, compared + found.within
    record_property("books, diffs, tickers", (books, diffs, compared))
    assert books > 0
    assert diffs > 0
    assert compared > 0
