"""Taking lots from a book, summed while its pages are read, against the levels added up one by one."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.book.ladder import Ladder
from engine.model.bookreader import BookReader
from engine.model.codes import BookState
from engine.model.instruments import InstrumentSpec
from engine.risk.rehearsal import FixedBook, walk
from tests.feed_harness import FeedHarness
from tests.reference.book import SlowLadder, walked

LEVELS_WALKED = 10
MOST = (1 << 63) - 1
# the highest base there is: whatever is taken there needs 128 bits
BASES = st.sampled_from([0, 64, 5_999_936, 1 << 40, (1 << 63) - (1 << 24)])
# in one page, at the edges of pages (64), branches and twigs, far off
OFFSETS = st.one_of(
    st.integers(0, 70),
    st.integers(0, 400),
    st.sampled_from([63, 64, 4095, 4096, 262_143, 262_144, (1 << 24) - 1]),
    st.integers(0, (1 << 24) - 1),
)
LOTS = st.one_of(st.integers(1, 9), st.integers(1, 10**9), st.sampled_from([1 << 40, MOST]))
SPEC = InstrumentSpec(
    venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000_000
)


def pair(is_bid: bool, base: int, levels: dict[int, int]) -> tuple[Ladder, SlowLadder]:
    fast, slow = Ladder(is_bid, base), SlowLadder(is_bid, base)
    for offset, lots in levels.items():
        fast.set(base + offset, lots)
        slow.set(base + offset, lots)
    return fast, slow


def edges(slow: SlowLadder, depth: int) -> list[int]:
    """For each level one lot less than what it and those before it hold, exactly as much, one more."""
    found, held = {1, MOST}, 0
    for _, lots in slow.levels()[: depth + 1]:
        held += lots
        found |= {held - 1, held, held + 1}
    return [lots for lots in found if 0 < lots <= MOST]


@given(
    is_bid=st.booleans(),
    base=BASES,
    levels=st.dictionaries(OFFSETS, LOTS, max_size=16),
    depth=st.sampled_from([0, 1, 2, LEVELS_WALKED, LEVELS_WALKED, 100]),
)
@example(is_bid=True, base=0, levels={}, depth=LEVELS_WALKED)
@example(is_bid=False, base=0, levels={0: 3, (1 << 24) - 1: 4}, depth=LEVELS_WALKED)
def test_a_walk_equals_its_levels_added_up_at_every_edge(
    is_bid: bool, base: int, levels: dict[int, int], depth: int
) -> None:
    fast, slow = pair(is_bid, base, levels)
    for qty_lots in edges(slow, depth):
        assert fast.walk(qty_lots, depth) == slow.walk(qty_lots, depth)
    assert fast.levels() == slow.levels()


@pytest.mark.parametrize("is_bid", [True, False])
@pytest.mark.parametrize("base", [0, 1 << 32, (1 << 63) - (1 << 24)])
def test_both_widths_agree_about_the_largest_quantity_that_64_bits_hold(is_bid: bool, base: int) -> None:
    fits_lots = MOST // (base + (1 << 24) - 1)
    fast, slow = pair(is_bid, base, {(1 << 24) - 1: 1, 100: MOST} if is_bid else {100: 1, (1 << 24) - 1: MOST})
    for qty_lots in (fits_lots, fits_lots + 1):
        assert fast.walk(qty_lots, LEVELS_WALKED) == slow.walk(qty_lots, LEVELS_WALKED)


@pytest.mark.parametrize("is_bid", [True, False])
def test_walks_through_a_book_in_motion_stay_equal(is_bid: bool) -> None:
    source = random.Random(23)
    fast, slow = Ladder(is_bid), SlowLadder(is_bid)
    middle = 1_000_000
    for _ in range(3_000):
        middle += source.randint(-3, 3)
        price, lots = middle + source.randint(-90, 90), source.choice([0, 0, source.randint(1, 100)])
        fast.set(price, lots)
        slow.set(price, lots)
        qty_lots, depth = source.randint(1, 1_500), source.choice([LEVELS_WALKED, 40])
        assert fast.walk(qty_lots, depth) == slow.walk(qty_lots, depth)


@pytest.mark.parametrize("qty_lots", [0, -1])
def test_a_walk_for_no_lots_is_refused(qty_lots: int) -> None:
    with pytest.raises(ValueError, match="not positive"):
        Ladder(True).walk(qty_lots, LEVELS_WALKED)


def row(price_ticks: int, lots: int) -> list[str]:
    return [f"{price_ticks / 100:.2f}", f"{lots / 100:.2f}"]


def a_readers_sides(source: random.Random) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Bids and asks, best first: fewer levels than a walk may take, as many, more."""
    count = source.choice([1, 9, 10, 11, 14])
    bids = [
        (price, source.randint(1, 50)) for price in sorted(source.sample(range(9_000, 10_000), count), reverse=True)
    ]
    asks = [(price, source.randint(1, 50)) for price in sorted(source.sample(range(10_001, 11_000), count))]
    return bids, asks


@pytest.mark.parametrize("seed", range(12))
def test_the_book_stages_reader_and_one_that_reads_levels_walk_alike(seed: int) -> None:
    source = random.Random(seed)
    sides = a_readers_sides(source)
    harness, fixed = FeedHarness(SPEC), FixedBook()
    fields = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "b": [], "a": []}
    harness.frame(json.dumps(fields | {"U": 5, "u": 9}).encode())
    bids, asks = ([row(*level) for level in side] for side in sides)
    harness.snapshot(json.dumps({"lastUpdateId": 9, "bids": bids, "asks": asks}).encode())
    harness.frame(json.dumps(fields | {"U": 10, "u": 10}).encode())
    assert harness.state() == BookState.VALID
    for side, levels in enumerate(sides):
        fixed.set_side(side, levels)
        held = sum(lots for _, lots in levels[:LEVELS_WALKED])
        for qty_lots in {1, held - 1, held, held + 1, source.randint(1, 700)} - {0}:
            expected = walked(levels[:LEVELS_WALKED], qty_lots)
            assert walk(harness.book.reader, 1, side, qty_lots) == expected
            assert walk(fixed, 1, side, qty_lots) == expected


@pytest.mark.parametrize("instrument_id", [1, 2, 70_000, (1 << 32) - 1])
def test_where_there_is_no_book_nothing_is_held(instrument_id: int) -> None:
    assert walk(FeedHarness(SPEC).book.reader, instrument_id, 1, 7) == (0, 7, 0)
    assert walk(BookReader(), instrument_id, 0, 7) == (0, 7, 0)
