"""Raw depth frames against JSON, Decimal and a dict: same verdicts, same levels, whatever texts the numbers come in."""

from __future__ import annotations

import json
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.book.l2 import ASK, BID, L2Book
from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.raw_depth import APPLIED, GAP, NO_SNAPSHOT, OLD, RawDepth
from tests.reference.l2 import SlowL2

TICK, LOT = Decimal("0.05"), Decimal("0.002")
HALF_RANGE = 1 << 23


def decimal_text(number: Decimal, padding: int) -> str:
    """A decimal with `padding` more zeros than it needs."""
    text = f"{number.normalize():f}"
    return text if padding == 0 else (text if "." in text else text + ".") + "0" * padding


PADDING = st.integers(0, 3)
PRICES = st.builds(
    lambda ticks, padding: decimal_text(ticks * TICK, padding),
    st.one_of(st.integers(1_000, 1_080), st.integers(1, 40_000_000)),
    PADDING,
)
QUANTITIES = st.builds(
    decimal_text, st.one_of(st.just(Decimal(0)), st.integers(0, 10**9).map(lambda n: n * Decimal("0.0005"))), PADDING
)
SIDE = st.lists(st.tuples(PRICES, QUANTITIES), max_size=8)
# how far the frame's first and last id lie behind what the book knows, and whether the numbers have spaces between
UPDATES = st.lists(st.tuples(st.integers(-6, 3), st.integers(0, 8), SIDE, SIDE, st.booleans()), max_size=8)


class SlowFeed:
    """The exchange's rule for spot books, in words of its documentation."""

    def __init__(self) -> None:
        self.book = SlowL2()
        self.last_id = 0
        self.waits = True

    def rows(self, data: dict[str, Any], names: str) -> list[tuple[int, int, int]]:
        """(side, ticks, lots); a quantity between two lots is rounded down, but never to nothing."""
        found = []
        for side, name in enumerate(names.split()):
            for price, qty in data[name]:
                lots = int((Decimal(qty) / LOT).to_integral_value(ROUND_FLOOR))
                found.append((side, int(Decimal(price) / TICK), max(lots, int(Decimal(qty) > 0))))
        return found

    def snapshot(self, text: bytes) -> None:
        """The book is this."""
        data = json.loads(text)
        best = int(Decimal((data["bids"] or data["asks"])[0][0]) / TICK) if data["bids"] or data["asks"] else 0
        self.book.clear(best - HALF_RANGE)
        self.book.apply(self.rows(data, "bids asks"))
        self.last_id, self.waits = data["lastUpdateId"], False

    def apply(self, text: bytes) -> int:
        """A verdict."""
        data = json.loads(text)
        if self.waits:
            return NO_SNAPSHOT
        if data["u"] <= self.last_id:
            return OLD
        if data["U"] > self.last_id + 1:
            self.waits = True
            return GAP
        self.book.apply(self.rows(data, "b a"))
        self.last_id = data["u"]
        return APPLIED


def made_feed() -> tuple[RawDepth, L2Book, int]:
    tables = Tables()
    spec = InstrumentSpec(
        venue_id=1,
        symbol="ABCUSDT",
        base_asset="ABC",
        quote_asset="USDT",
        tick_size_e8=int(TICK * 10**8),
        lot_size_e8=int(LOT * 10**8),
    )
    instrument_id = tables.add_instrument(spec)
    feed, book = RawDepth(MarketCodec(tables, 1)), L2Book()
    feed.attach("ABCUSDT", book)
    return feed, book, instrument_id


def assert_equal(book: L2Book, slow: SlowFeed) -> None:
    assert book.levels(BID) == slow.book.levels(0)
    assert book.levels(ASK) == slow.book.levels(1)
    assert (book.update_id, book.far_levels) == (slow.last_id, slow.book.far_levels)


@given(bids=SIDE, asks=SIDE, updates=UPDATES, again=SIDE)
def test_frames_of_any_text_make_the_book_that_decimals_make(
    bids: list[tuple[str, str]],
    asks: list[tuple[str, str]],
    updates: list[tuple[int, int, Any, Any, bool]],
    again: list[tuple[str, str]],
) -> None:
    (feed, book, instrument_id), slow = made_feed(), SlowFeed()
    snapshot = json.dumps({"lastUpdateId": 50, "bids": bids, "asks": asks}).encode()
    assert feed.snapshot(instrument_id, snapshot) == APPLIED
    slow.snapshot(snapshot)
    for behind, width, bid_rows, ask_rows, has_spaces in updates:
        first = max(1, slow.last_id + 1 + behind)
        frame = {
            "e": "depthUpdate",
            "E": 1,
            "s": "ABCUSDT",
            "U": first,
            "u": first + width,
            "b": bid_rows,
            "a": ask_rows,
        }
        text = json.dumps(frame, separators=None if has_spaces else (",", ":")).encode()
        assert feed.apply(text) == slow.apply(text), feed.reason
        assert_equal(book, slow)
        if slow.waits:
            snapshot = json.dumps({"lastUpdateId": slow.last_id + 20, "bids": again, "asks": asks}).encode()
            assert feed.snapshot(instrument_id, snapshot) == APPLIED
            slow.snapshot(snapshot)
            assert_equal(book, slow)
    assert set(book.check()) <= {"crossed", "locked"}
