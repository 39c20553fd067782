"""The level-2 book against two dicts: every view of both, with and without own orders, after every operation."""

from __future__ import annotations

import math
import os
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.book.checksums import kraken_crc32, okx_crc32
from engine.book.l2 import L2Book
from tests.reference.l2 import SlowL2, kraken_checksum, okx_checksum

LONG = os.environ.get("TRADEWIND_AMOUNT") == "long"
RANGE_TICKS = 1 << 24
HUGE = (1 << 63) - 1
MIDDLE = 8_000_000
PRICES = st.one_of(
    st.integers(MIDDLE - 40, MIDDLE + 40),
    st.integers(MIDDLE - 40, MIDDLE + 40),
    st.sampled_from([0, 63, 64, 4095, 4096, 262_143, 262_144, RANGE_TICKS - 65, RANGE_TICKS - 1]),
    st.integers(0, RANGE_TICKS - 1),
)
QUANTITIES = st.one_of(st.sampled_from([0, 0, 0, 1, 7, HUGE]), st.integers(0, 1000))
SIDES = st.integers(0, 1)
LEVELS = st.tuples(SIDES, PRICES, QUANTITIES)
OPERATIONS = st.one_of(
    st.tuples(st.just("set"), LEVELS),
    st.tuples(st.just("set"), LEVELS),
    st.tuples(st.just("own"), LEVELS),
    st.tuples(st.just("rows"), st.lists(LEVELS, max_size=12)),
    st.tuples(st.just("truncate"), st.integers(0, 12)),
    st.tuples(st.just("clear"), st.just(0)),
)


def is_near(found: float | None, exact: Fraction | None) -> bool:
    """Within 4 units of the last place, as promised."""
    if found is None or exact is None:
        return found is None and exact is None
    return abs(Fraction(found) - exact) <= 4 * Fraction(math.ulp(found))


def assert_side_equal(fast: L2Book, slow: SlowL2, side: int, net: bool, wanted: int) -> None:
    expected = slow.levels(side, net)
    assert fast.levels(side, net=net) == expected
    assert fast.best(side, net) == (expected[0] if expected else None)
    for depth in (0, 1, 5, 1000):
        assert fast.depth(side, depth, net).tolist() == [list(row) for row in expected[:depth]]
        assert fast.lots(side, depth, net) == slow.lots(side, depth, net)
    assert_cumulative_equal(fast, slow, side, net)
    assert fast.sweep(side, wanted, net) == slow.sweep(side, wanted, net)
    exact = slow.average(side, wanted, net)
    assert is_near(fast.average_price(side, wanted, net), exact)
    assert fast.price_for(side, wanted, net) == (slow.sweep(side, wanted, net)[2] if exact is not None else None)


def assert_cumulative_equal(fast: L2Book, slow: SlowL2, side: int, net: bool) -> None:
    rows = slow.cumulative(side, 8, net)
    if rows and rows[-1][1] > HUGE:
        with pytest.raises(OverflowError, match="sum up"):
            fast.cumulative(side, 8, net)
        return
    assert fast.cumulative(side, 8, net).tolist() == [list(row) for row in rows]


def assert_equal(fast: L2Book, slow: SlowL2, wanted: int) -> None:
    for net in (False, True):
        for side in (0, 1):
            assert_side_equal(fast, slow, side, net, wanted)
        tops = slow.tops(net)
        assert fast.spread(net) == (tops[1][0] - tops[0][0] if tops else None)
        assert fast.doubled_mid(net) == (tops[1][0] + tops[0][0] if tops else None)
        assert fast.mid(net) == ((tops[1][0] + tops[0][0]) / 2 if tops else None)
        assert is_near(fast.microprice(net), slow.microprice(net))
        for depth in (1, 5):
            assert is_near(fast.imbalance(depth, net), slow.imbalance(depth, net))
    assert_state_equal(fast, slow)


def assert_state_equal(fast: L2Book, slow: SlowL2) -> None:
    pages = {(side, (price - slow.base_ticks) // 64) for side in (0, 1) for price in slow.quantities[side]}
    assert fast.pool.pages_used == len(pages)
    assert (fast.level_count(0), fast.level_count(1)) == tuple(map(len, slow.quantities))
    assert fast.far_levels == slow.far_levels
    for side in (0, 1):
        assert fast.own_levels(side) == sorted(slow.own[side].items(), reverse=side == 0)
    assert fast.check() == expected_faults(slow)
    assert kraken_crc32(fast) == kraken_checksum(slow, 5, 8)
    assert okx_crc32(fast, 2, 4) == okx_checksum(slow, 2, 4)


def expected_faults(slow: SlowL2) -> tuple[str, ...]:
    """What the check may say of a sound book: that its sides meet."""
    tops = slow.tops()
    if tops is None or tops[0][0] < tops[1][0]:
        return ()
    return ("locked",) if tops[0][0] == tops[1][0] else ("crossed",)


def run(fast: L2Book, slow: SlowL2, name: str, value: object) -> None:
    """One operation on both."""
    match name, value:
        case "set", (int() as side, int() as price, int() as qty):
            fast.set(side, slow.base_ticks + price, qty)
            slow.set(side, slow.base_ticks + price, qty)
        case "own", (int() as side, int() as price, int() as qty):
            fast.set_own(side, slow.base_ticks + price, qty)
            slow.set_own(side, slow.base_ticks + price, qty)
        case "rows", list() as rows:
            moved = [(side, slow.base_ticks + price + 100 * (qty == 7), qty) for side, price, qty in rows]
            assert fast.apply(np.array(moved, dtype=np.int64).reshape(-1, 3)) == slow.apply(moved)
        case "truncate", int() as depth:
            assert fast.truncate(depth) == slow.truncate(depth)
        case _:
            fast.clear(slow.base_ticks)
            slow.clear(slow.base_ticks)


@given(
    base=st.sampled_from([0, 64, 1 << 40]), operations=st.lists(OPERATIONS, max_size=30), wanted=st.integers(1, 5000)
)
def test_every_operation_leaves_every_view_equal(base: int, operations: list[tuple[str, object]], wanted: int) -> None:
    fast, slow = L2Book(base_ticks=base), SlowL2(base)
    for name, value in operations:
        run(fast, slow, name, value)
        assert_equal(fast, slow, wanted)
    assert_equal(fast, slow, HUGE)


@pytest.mark.parametrize("seed", range(40 if LONG else 2))
def test_a_long_random_walk_with_own_orders_stays_equal(seed: int) -> None:
    source = random.Random(seed)
    fast, slow = L2Book(), SlowL2()
    middle = 1_000_000
    for step in range(6_000):
        middle += source.randint(-2, 2)
        side = source.randint(0, 1)
        price = middle + (source.randint(1, 120) if side else -source.randint(1, 120))
        run(fast, slow, "set", (side, price, source.choice([0, 0, source.randint(1, 500)])))
        if source.random() < 0.1:
            held = slow.levels(side)
            own = source.choice(held) if held else (price, 10)
            run(fast, slow, "own", (side, own[0], source.choice([0, 0, own[1], source.randint(1, 600)])))
        if step % 300 == 0:
            assert_equal(fast, slow, source.randint(1, 20_000))
    assert_equal(fast, slow, 5_000)


@given(
    levels=st.lists(LEVELS, max_size=80),
    price_decimals=st.integers(0, 12),
    qty_decimals=st.integers(0, 12),
    price_unit=st.sampled_from([1, 5, 10, 25, 10_000]),
    qty_unit=st.sampled_from([1, 100, 10_000_000]),
    keeps_zeros=st.booleans(),
)
def test_checksums_equal_those_of_the_texts_as_sent(
    levels: list[tuple[int, int, int]],
    price_decimals: int,
    qty_decimals: int,
    price_unit: int,
    qty_unit: int,
    keeps_zeros: bool,
) -> None:
    fast, slow = L2Book(), SlowL2()
    for side, price, qty in levels:
        run(fast, slow, "set", (side, price, qty % 1_000_000_007))
    units = (price_unit, qty_unit)
    assert kraken_crc32(fast, *units) == kraken_checksum(slow, price_decimals, qty_decimals, *units)
    places = (price_decimals, qty_decimals)
    assert okx_crc32(fast, *places, *units, keeps_zeros) == okx_checksum(slow, *places, *units, keeps_zeros)
