"""The paged ladder against a sorted dict, compared after every operation."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.book.ladder import Ladder
from tests.reference.book import SlowLadder

RANGE_TICKS = 1 << 24
# near one another, at the edges of pages (64), branches (4,096), twigs (262,144), and anywhere
NEAR = st.integers(0, 300)
EDGES = st.sampled_from([0, 63, 64, 4095, 4096, 262_143, 262_144, RANGE_TICKS - 65, RANGE_TICKS - 1])
ANYWHERE = st.integers(0, RANGE_TICKS - 1)
OPERATIONS = st.lists(
    st.tuples(st.one_of(NEAR, EDGES, ANYWHERE), st.sampled_from([0, 0, 1, 7, (1 << 63) - 1])), max_size=120
)


def assert_equal(fast: Ladder, slow: SlowLadder) -> None:
    expected = slow.levels()
    assert fast.levels() == expected
    assert fast.best == (expected[0] if expected else None)
    assert len(fast) == len(expected)
    assert fast.pages_used == len({(price - slow.base_ticks) // 64 for price, _ in expected})


@given(is_bid=st.booleans(), base=st.sampled_from([0, 64, 1 << 40]), operations=OPERATIONS)
def test_every_operation_leaves_both_ladders_equal(is_bid: bool, base: int, operations: list[tuple[int, int]]) -> None:
    fast, slow = Ladder(is_bid, base), SlowLadder(is_bid, base)
    for offset, qty in operations:
        fast.set(base + offset, qty)
        slow.set(base + offset, qty)
        assert_equal(fast, slow)
        assert fast.next_worse(base + offset) == slow.next_worse(base + offset)
        assert fast.qty(base + offset) == slow.qty_lots.get(base + offset, 0)
    fast.clear(base)
    assert fast.levels() == []
    assert fast.pages_used == 0


@pytest.mark.parametrize("is_bid", [True, False])
def test_a_long_random_walk_of_dense_levels_stays_equal(is_bid: bool) -> None:
    source = random.Random(11)
    fast, slow = Ladder(is_bid), SlowLadder(is_bid)
    middle = 1_000_000
    for step in range(20_000):
        middle += source.randint(-3, 3)
        price, qty = middle + source.randint(-200, 200), source.choice([0, 0, source.randint(1, 10**9)])
        fast.set(price, qty)
        slow.set(price, qty)
        if step % 500 == 0:
            assert_equal(fast, slow)
    assert_equal(fast, slow)


def test_a_batch_equals_single_calls_and_counts_what_lies_outside() -> None:
    source = random.Random(5)
    rows = np.array([(source.randint(0, 70_000_000), source.randint(0, 3)) for _ in range(2_000)], dtype=np.int64)
    batch, single = Ladder(True), Ladder(True)
    refused = 0
    for price, qty in rows.tolist():
        try:
            single.set(price, qty)
        except OverflowError:
            refused += 1
    assert batch.apply_array(rows) == refused
    assert 0 < refused < len(rows)
    assert batch.levels() == single.levels()


@pytest.mark.parametrize("price", [-1, 63, 64 + RANGE_TICKS, 1 << 62, -(1 << 62)])
def test_a_price_outside_the_range_is_refused_by_name(price: int) -> None:
    ladder = Ladder(False, 64)
    with pytest.raises(OverflowError, match=r"outside 64\.\.16777279"):
        ladder.set(price, 1)
    assert ladder.levels() == []


def test_a_used_up_pool_refuses_new_pages_and_serves_again_when_one_is_free() -> None:
    ladder = Ladder(True, 0, 2)
    ladder.set(0, 1)
    ladder.set(64, 1)
    ladder.set(65, 1)
    with pytest.raises(MemoryError, match="2 pages"):
        ladder.set(128, 1)
    ladder.set(0, 0)
    ladder.set(128, 4)
    assert ladder.levels() == [(128, 4), (65, 1), (64, 1)]


def test_memory_follows_the_levels_that_stand() -> None:
    ladder = Ladder(False)
    for price in range(0, RANGE_TICKS, 64 * 100):
        ladder.set(price, 1)
    assert ladder.pages_used == len(range(0, RANGE_TICKS, 6400))
    for price in range(0, RANGE_TICKS, 64 * 100):
        ladder.set(price, 0)
    assert ladder.pages_used == 0
