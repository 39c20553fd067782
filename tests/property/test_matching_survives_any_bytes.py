"""Random operations by the million: garbage in every byte mixed with what is plausible; nothing is lost, nothing breaks.

``make sanitize`` runs this on a build with address and undefined-behaviour checks, 10^7 operations with TRADEWIND_AMOUNT=long.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("engine.book.matching")
from engine.book.matching import EVENT_DTYPE, OP_DTYPE, MatchingEngine

Ops = npt.NDArray[np.void]
BATCH = 100_000
SYMBOLS = 4
EDGES = np.array([0, 1, -1, 2, 63, 64, 4095, 2**18 - 1, 2**24 - 1, 2**24, 2**62, 2**63 - 1, -(2**63)], np.int64)
WIDTHS = {"price": (95, 106), "qty": (1, 20), "trigger": (95, 106), "display": (1, 9)}
KINDS = [0] * 62 + [1] * 12 + [2] * 16 + [3, 3, 4, 4, 5, 6, 7, 7, 8, 255]
SIZES = {
    "tiny": (8, 4, {"positions_max": 2, "trades_kept": 3}),
    "ordinary": (2_000, 300, {"own_handles": True}),
    "large": (50_000, 2_000, {"price_bits": 30}),
}


def plausible(source: np.random.Generator, count: int, first_id: int) -> Ops:
    """Operations that are mostly legal: a market of few prices, in which every type meets the others."""
    ops = np.zeros(count, OP_DTYPE)
    ops["op"] = source.choice(KINDS, count)
    for name, most in (("side", 2), ("stp", 5), ("symbol", SYMBOLS), ("owner", 6)):
        ops[name] = source.integers(0, most, count)
    for name, (low, high) in WIDTHS.items():
        ops[name] = source.integers(low, high, count)
    ops["type"] = source.choice([0] * 10 + [1, 2, 3, 4, 5, 6, 6], count)
    ops["tif"] = source.choice([0] * 8 + [1, 2, 3, 4], count)
    ops["flags"] = source.choice([0] * 10 + [1, 2, 4, 8, 8, 9, 10, 12, 16, 32], count)
    ops["trigger"] *= ((ops["type"] > 1) | (ops["op"] == 6)).astype(np.int64)
    ops["display"] *= ((ops["type"] == 6) | (source.random(count) < 0.05)).astype(np.int64)
    ops["expire_ns"] = (first_id + np.arange(count)) * 10 + source.integers(0, 4_000, count)
    ops["expire_ns"] *= ((ops["tif"] == 3) | (ops["op"] == 4)).astype(np.int64)
    ops["order_id"] = first_id + np.arange(count)
    names_another = np.isin(ops["op"], (1, 2, 7))
    earlier = np.maximum(1, ops["order_id"].astype(np.int64) - source.integers(1, 200, count))
    ops["order_id"] = np.where(names_another, earlier, ops["order_id"])
    handles = source.integers(1, 9, count) << 32 | source.integers(0, 400, count)
    is_handle = names_another & (ops["op"] != 7) & (source.random(count) < 0.5)
    ops["order_id"][is_handle] = handles[is_handle]
    opens_band = (ops["op"] == 6) & (source.random(count) < 0.6)
    ops["price"][opens_band] = ops["trigger"][opens_band] = 0
    mostly_open = (ops["op"] == 5) & (source.random(count) < 0.6)
    ops["side"] = np.where(ops["op"] == 5, source.integers(0, 5, count), ops["side"])
    ops["side"][mostly_open] = 0
    return ops


def spoil(source: np.random.Generator, ops: Ops) -> None:
    """A tenth has an edge in one of its numbers, a twentieth a byte of garbage, a fiftieth nothing but garbage.

    Only the clock does not leap: it would stand at the end of time for good.
    """
    count = len(ops)
    for name in ("price", "qty", "display", "trigger", "expire_ns"):
        at = source.random(count) < 0.02
        ops[name][at] = source.choice(EDGES, int(at.sum()))
    raw = ops.view(np.uint8).reshape(count, OP_DTYPE.itemsize)
    rows = np.flatnonzero(source.random(count) < 0.05)
    raw[rows, source.integers(0, 64, len(rows))] = source.integers(0, 256, len(rows), np.uint8)
    rows = np.flatnonzero(source.random(count) < 0.02)
    raw[rows] = source.integers(0, 256, (len(rows), 64), np.uint8)
    leaps = (ops["op"] == 4) & (ops["expire_ns"] > 2**40)
    ops["expire_ns"][leaps] = 0


def traffic(seed: int, count: int, first_id: int) -> Ops:
    source = np.random.default_rng(seed)
    ops = plausible(source, count, first_id)
    spoil(source, ops)
    return ops


def assert_answered(rows: npt.NDArray[np.void], first: int, count: int) -> None:
    """Every operation has a row, in order, and no row says what the page does not know."""
    answered = rows["op_index"].astype(np.int64)
    assert answered[0] == first
    assert answered[-1] == first + count - 1
    steps = np.diff(answered)
    assert ((steps == 0) | (steps == 1)).all()
    assert rows["kind"].max() <= 10
    assert rows["reason"].max() <= 34
    assert (rows["qty"][rows["kind"] == 1] > 0).all()
    assert (rows["leaves"] >= 0).all()


def assert_uncrossed(engine: MatchingEngine) -> None:
    for symbol in range(SYMBOLS):
        bid, ask = engine.best(symbol, 0)[0], engine.best(symbol, 1)[0]
        assert engine.phase(symbol) in (1, 2, 3) or not bid or not ask or bid < ask


@pytest.mark.parametrize("size", SIZES)
def test_any_operations_are_answered_and_the_engine_stays_whole(size: str, amount: str) -> None:
    batches = 33 if amount == "long" else 1
    count = BATCH if amount == "long" else 70_000
    orders_max, pages_max, options = SIZES[size]
    engine = MatchingEngine(SYMBOLS, orders_max, pages_max, **options)  # type: ignore[arg-type]
    out = np.zeros(8 * count, EVENT_DTYPE)
    for number in range(batches):
        ops = traffic(number + 100 * orders_max, count, 1 + number * count)
        rows = engine.submit_batch(ops, out)
        assert_answered(rows, number * count, count)
        assert_uncrossed(engine)
        assert engine.live_orders <= orders_max
        if number % 8 == 0:
            copy = MatchingEngine.restore(engine.save())
            assert copy.state_hash() == engine.state_hash()
            engine = copy
    assert engine.trade_count > 100


def test_how_operations_are_cut_into_arrays_changes_nothing() -> None:
    ops = traffic(5, 30_000, 1)
    whole, parts = MatchingEngine(SYMBOLS, 500, 100), MatchingEngine(SYMBOLS, 500, 100)
    rows = whole.submit_batch(ops)
    cuts = sorted(np.random.default_rng(1).integers(0, len(ops), 50).tolist())
    pieces = np.concatenate([parts.submit_batch(piece) for piece in np.split(ops, cuts)])
    assert rows.tobytes() == pieces.tobytes()
    assert whole.state_hash() == parts.state_hash()
