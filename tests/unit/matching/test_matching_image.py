"""What a saved matching engine promises: it goes on alike, and data that is not whole is refused."""

from __future__ import annotations

import random

import numpy as np
import pytest

from engine.book.matching import EVENT_DTYPE, OP_DTYPE, MatchingEngine, OpKind, TifKind, TradingPhase


def traffic(seed: int, count: int) -> np.ndarray:
    """Operations of every kind around one price; most are taken, some refused."""
    dice = np.random.default_rng(seed)
    ops = np.zeros(count, OP_DTYPE)
    ops["op"] = dice.choice([0, 0, 0, 0, 0, 0, 1, 2, 4], count)
    ops["side"] = dice.integers(0, 2, count)
    ops["type"] = dice.choice([0, 0, 0, 0, 1, 2, 3, 6], count)
    ops["tif"] = dice.choice([0, 0, 0, 1, 3, 4], count)
    ops["flags"] = np.where(ops["op"] == 0, dice.choice([0, 0, 0, 4, 8], count), 0)
    ops["stp"] = dice.integers(0, 5, count)
    ops["owner"] = dice.integers(0, 4, count)
    ops["order_id"] = np.where(ops["op"] == 0, np.arange(count), dice.integers(0, count, count))
    ops["price"] = 1_000 + dice.integers(-5, 6, count)
    ops["qty"] = dice.integers(1, 20, count)
    ops["display"] = np.where(ops["type"] == 6, 2, dice.choice([0, 0, 3], count))
    ops["trigger"] = np.where(np.isin(ops["type"], [2, 3]), 1_000 + dice.integers(-5, 6, count), 0)
    ops["expire_ns"] = np.where(
        (ops["tif"] == TifKind.TIF_GTD) | (ops["op"] == OpKind.OP_ADVANCE), np.arange(count) // 2, 0
    )
    return ops


def busy(own_handles: bool = False) -> MatchingEngine:
    engine = MatchingEngine(2, 200, 64, positions_max=50, trades_kept=20, own_handles=own_handles)
    engine.submit_batch(traffic(1, 600))
    assert engine.live_orders > 20
    assert engine.trade_count > 20
    return engine


@pytest.mark.parametrize("own_handles", [False, True])
def test_a_restored_engine_is_equal_and_goes_on_alike(own_handles: bool) -> None:
    engine = busy(own_handles)
    twin = MatchingEngine.restore(engine.save())
    assert twin.state_hash() == engine.state_hash()
    assert twin.save() == engine.save()
    assert (twin.free_pages_left(), twin.live_orders) == (engine.free_pages_left(), engine.live_orders)
    further = traffic(2, 500)
    further["order_id"] += 1_000
    assert twin.submit_batch(further).tobytes() == engine.submit_batch(further).tobytes()
    assert twin.state_hash() == engine.state_hash()


def test_a_truncated_image_is_refused() -> None:
    image = busy().save()
    for length in [0, 1, 50, 123, 124, 130, len(image) // 2, len(image) - 1]:
        with pytest.raises(ValueError, match="bytes"):
            MatchingEngine.restore(image[:length])
    with pytest.raises(ValueError, match="bytes"):
        MatchingEngine.restore(image + b"\0")


def test_a_flipped_bit_is_refused_wherever_it_is() -> None:
    image = busy().save()
    source = random.Random(3)
    for at in [*range(130), *(source.randrange(len(image)) for _ in range(300)), len(image) - 1]:
        damaged = bytearray(image)
        damaged[at] ^= 1 << source.randrange(8)
        with pytest.raises(ValueError, match=r"damaged|version|saved matching"):
            MatchingEngine.restore(bytes(damaged))


def test_another_version_and_other_data_are_named() -> None:
    image = bytearray(busy().save())
    image[8] = 9
    with pytest.raises(ValueError, match="version 9"):
        MatchingEngine.restore(bytes(image))
    with pytest.raises(ValueError, match="not a saved matching engine"):
        MatchingEngine.restore(bytes(500))


def test_a_call_and_its_phase_are_saved() -> None:
    engine = MatchingEngine(1, 10, 10)
    engine.submit(OpKind.OP_PHASE, TradingPhase.PHASE_AUCTION, 0, 0, 0, 0, 0, 0, 0)
    engine.limit(0, 0, 1, 105, 5)
    engine.submit(OpKind.OP_NEW, 1, 1, 0, 0, 0, 2, 0, 3)
    twin = MatchingEngine.restore(engine.save())
    for each in (engine, twin):
        each.submit(OpKind.OP_PHASE, TradingPhase.PHASE_CONTINUOUS, 0, 0, 0, 0, 0, 0, 0)
    assert twin.events() == engine.events()
    assert twin.trade_count == 1


def test_an_array_of_rows_is_used_again_and_again() -> None:
    one, other = MatchingEngine(1), MatchingEngine(1)
    out = np.zeros(100, EVENT_DTYPE)
    ops = traffic(5, 120)
    for start in range(0, 120, 20):
        rows = one.submit_batch(ops[start : start + 20], out)
        assert rows.base is out
        assert rows.tobytes() == other.submit_batch(ops[start : start + 20]).tobytes()


def test_rows_that_do_not_fit_come_in_an_array_of_their_own() -> None:
    one, other = MatchingEngine(1), MatchingEngine(1)
    ops = traffic(6, 300)
    for length in (0, 1, 7):
        rows = one.submit_batch(ops, np.zeros(length, EVENT_DTYPE))
        expected = other.submit_batch(ops)
        assert len(rows) > length
        assert rows.tobytes() == expected.tobytes()


def test_a_mass_cancel_beyond_every_estimate_loses_no_row() -> None:
    engine = MatchingEngine(1, 5_000, 16)
    for number in range(5_000):
        engine.limit(0, 0, number, 100, 1)
    ops = np.zeros(1, OP_DTYPE)
    ops["op"], ops["symbol"], ops["owner"] = OpKind.OP_MASS_CANCEL, 0, 0
    rows = engine.submit_batch(ops)
    assert rows["order_id"].tolist() == list(range(5_000))
    for number in range(5_000):
        engine.limit(0, 0, number, 100, 1)
    assert engine.submit(OpKind.OP_MASS_CANCEL, 0, 0, 0, 0, 0, 0, 0, 0) == 5_000
    assert [row[5] for row in engine.events()] == list(range(5_000))


def test_rows_outlive_their_engine_and_the_next_batch() -> None:
    engine = MatchingEngine(1)
    first = engine.submit_batch(traffic(7, 50))
    kept = first.copy()
    engine.submit_batch(traffic(8, 50))
    assert engine.events() == []
    del engine
    assert first.tobytes() == kept.tobytes()


def test_rows_are_not_written_where_they_must_not_be() -> None:
    engine = MatchingEngine(1)
    ops = traffic(9, 10)
    with pytest.raises(TypeError, match="EVENT_DTYPE"):
        engine.submit_batch(ops, np.zeros(10, OP_DTYPE))
    with pytest.raises(TypeError, match="OP_DTYPE"):
        engine.submit_batch([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one piece"):
        engine.submit_batch(ops, np.zeros(20, EVENT_DTYPE)[::2])
    fixed = np.zeros(10, EVENT_DTYPE)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        engine.submit_batch(ops, fixed)
    with pytest.raises(ValueError, match="over the operations"):
        engine.submit_batch(ops, ops.view(EVENT_DTYPE))
    assert engine.op_count == 0


def test_slim_calls_say_what_submit_says() -> None:
    slim, full = MatchingEngine(1), MatchingEngine(1)
    assert slim.limit(0, 1, 1, 100, 5, 3) == full.submit(OpKind.OP_NEW, 1, 0, TifKind.TIF_GTC, 0, 3, 1, 100, 5)
    assert slim.ioc(0, 0, 2, 100, 2) == full.submit(OpKind.OP_NEW, 0, 0, TifKind.TIF_IOC, 0, 0, 2, 100, 2)
    assert slim.events() == full.events()
    assert slim.cancel(0, 1, 3) == full.submit(OpKind.OP_CANCEL, 0, 0, 0, 0, 3, 1, 0, 0)
    assert slim.events() == full.events()
    assert slim.state_hash() == full.state_hash()


def test_snapshots_show_one_book_three_ways() -> None:
    engine = MatchingEngine(1)
    for order_id, (side, price, qty) in enumerate([(0, 99, 5), (0, 99, 2), (0, 98, 1), (1, 101, 4), (1, 103, 6)]):
        engine.limit(0, side, order_id, price, qty, order_id)
    assert engine.snapshot_l1(0) == (99, 7, 101, 4)
    bids, asks = engine.snapshot_l2(0, 10)
    assert (bids.tolist(), asks.tolist()) == ([[99, 7], [98, 1]], [[101, 4], [103, 6]])
    orders = engine.snapshot_l3(0)
    assert orders["order_id"].tolist() == [0, 1, 2, 3, 4]
    assert orders["owner"].tolist() == [0, 1, 2, 3, 4]
    assert orders["qty"].tolist() == [5, 2, 1, 4, 6]
    empty = MatchingEngine(1).snapshot_l2(0, 5)
    assert [side.shape for side in empty] == [(0, 2), (0, 2)]


@pytest.mark.parametrize("price_bits", [18, 20, 24, 30])
def test_every_width_of_prices_reaches_its_edges(price_bits: int) -> None:
    engine = MatchingEngine(1, 64, 64, price_bits=price_bits)
    top = 2**price_bits - 1
    prices = sorted({1, 63, 64, 4_095, 4_096, top - 4_096, top - 64, top - 1})
    for order_id, price in enumerate(prices):
        engine.limit(0, 0, order_id, price, 1)
    engine.limit(0, 1, 100, top, 1)
    assert [price for price, _ in engine.depth(0, 0, 100)] == prices[::-1]
    assert engine.ioc(0, 1, 101, 1, 8) == 9
    assert [row[7] for row in engine.events()[1:]] == prices[::-1]
    engine.limit(0, 0, 102, top + 1, 1)
    assert engine.events()[0][0] == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"price_bits": 17}, "price_bits"),
        ({"price_bits": 31}, "price_bits"),
        ({"positions_max": 0}, "positions_max"),
        ({"trades_kept": 0}, "trades_kept"),
    ],
)
def test_sizes_that_cannot_be_are_refused(fields: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MatchingEngine(1, **fields)  # type: ignore[arg-type]
