"""Random operations by the million: garbage in every byte mixed with what is plausible; nothing is lost, nothing breaks.

``make sanitize`` runs this on a build with address and undefined-behaviour checks and asks for the full 10^7 operations
(TRADEWIND_FUZZ=full); so does TRADEWIND_AMOUNT=long.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import pytest

from engine.book.matching import EVENT_DTYPE, OP_DTYPE, MatchingEngine

Ops = npt.NDArray[np.void]
BATCH = 100_000
SLICE = 1_000
SYMBOLS = 4
EDGES = np.array([0, 1, -1, 2, 63, 64, 4095, 2**18 - 1, 2**24 - 1, 2**24, 2**62, 2**63 - 1, -(2**63)], np.int64)
WIDTHS = {"price": (95, 106), "qty": (1, 20), "trigger": (95, 106), "display": (1, 9)}
KINDS = [0] * 320 + [1] * 60 + [2] * 90 + [3, 4, 4, 4, 5, 5, 6, 7, 7, 7, 7, 8, 255]
FLAGS = [0] * 10 + [1, 2, 4, 8, 8, 9, 10, 12, 32, 40]
SIZES = {
    "tiny": (8, 4, {"positions_max": 2, "trades_kept": 3}),
    "ordinary": (2_000, 300, {"own_handles": True}),
    "large": (50_000, 2_000, {"price_bits": 30}),
}


def plausible(source: np.random.Generator, count: int, first_id: int) -> Ops:
    """Operations that are mostly legal: a market of few prices, in which every type meets the others."""
    ops, numbers = np.zeros(count, OP_DTYPE), first_id + np.arange(count)
    ops["op"] = source.choice(KINDS, count)
    for name, most in (("side", 2), ("stp", 5), ("symbol", SYMBOLS), ("owner", 6)):
        ops[name] = source.integers(0, most, count)
    for name, (low, high) in WIDTHS.items():
        ops[name] = source.integers(low, high, count)
    ops["price"] += np.where(ops["side"] == 1, 3, -3)
    ops["type"] = source.choice([0] * 10 + [1, 2, 3, 4, 5, 6, 6], count)
    ops["tif"] = source.choice([0] * 8 + [1, 2, 3, 4], count)
    ops["flags"] = source.choice(FLAGS, count)
    ops["order_id"] = numbers
    make_legal(ops)
    ops["display"] *= (ops["type"] == 6) | ((source.random(count) < 0.2) & (ops["tif"] != 1) & (ops["tif"] != 2))
    ops["trigger"] *= (ops["type"] > 1) | (ops["op"] == 6)
    ops["expire_ns"] = numbers * 10 + source.integers(1, 4_000, count)
    ops["expire_ns"] *= ops["tif"] == 3
    ops["expire_ns"][ops["op"] == 4] = numbers[ops["op"] == 4] * 10
    opens = source.random(count) < 0.6
    for name in ("price", "trigger"):
        ops[name][(ops["op"] == 6) & opens] = 0
    ops["side"][ops["op"] == 5] = source.integers(0, 5, count)[ops["op"] == 5]
    ops["side"][(ops["op"] == 5) & opens] = 0
    return ops


def make_legal(ops: Ops) -> None:
    """Take from most orders what their type does not know."""
    takes_any_price = np.isin(ops["type"], (1, 2, 4))
    ops["tif"][takes_any_price & np.isin(ops["tif"], (1, 2))] = 0
    ops["tif"][ops["type"] == 1] = 0
    is_immediate = np.isin(ops["tif"], (1, 2))
    ops["flags"][takes_any_price | is_immediate] &= 8
    ops["flags"][ops["type"] != 6] &= 15
    is_dark = (ops["flags"] & 4) > 0
    ops["display"][(takes_any_price | is_immediate | is_dark) & (ops["type"] != 6)] = 0


def aim(source: np.random.Generator, ops: Ops, known: Ops, trade_count: int) -> None:
    """Let cancels and amends name orders that were accepted a while ago, busts a late trade."""
    at = np.flatnonzero((ops["op"] == 1) | (ops["op"] == 2))
    if len(known):
        picked = known[source.integers(0, len(known), len(at))]
        for name in ("order_id", "symbol", "owner"):
            ops[name][at] = picked[name]
    amends = ops["op"] == 2
    ops["flags"][amends] = source.choice([0, 0, 0, 1, 16], int(amends.sum()))
    for name in ("display", "trigger"):
        ops[name][amends] *= source.random(int(amends.sum())) < 0.2
    busts = ops["op"] == 7
    ops["order_id"][busts] = np.maximum(0, trade_count - source.integers(0, 40, int(busts.sum())))


def spoil(source: np.random.Generator, ops: Ops, now_ns: int) -> None:
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
    ops["expire_ns"][(ops["op"] == 4) & (ops["expire_ns"] > now_ns)] = now_ns


def batch_of(engine: MatchingEngine, seed: int, count: int) -> tuple[list[Ops], list[npt.NDArray[np.void]]]:
    """Put ``count`` operations through the engine, slice by slice; gives both sides."""
    source, first = np.random.default_rng(seed), engine.op_count
    ops = plausible(source, count, 1 + first)
    known, given, answers = ops[:0], list[Ops](), list[npt.NDArray[np.void]]()
    for start in range(0, count, SLICE):
        part = ops[start : start + SLICE]
        aim(source, part, known, engine.trade_count)
        spoil(source, part, (first + start) * 10)
        rows = engine.submit_batch(part)
        accepted = rows[rows["kind"] == 0]
        fresh = part[accepted["op_index"].astype(np.int64) - first - start].copy()
        fresh["order_id"] = accepted["order_id"]
        known = np.concatenate([known, fresh])[-3 * SLICE // 4 :]
        given.append(part)
        answers.append(rows)
    return given, answers


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


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", SIZES)
def test_any_operations_are_answered_and_the_engine_stays_whole(size: str, amount: str) -> None:
    is_full = amount == "long" or os.environ.get("TRADEWIND_FUZZ") == "full"
    batches, count = (34, BATCH) if is_full else (1, 70_000)
    orders_max, pages_max, options = SIZES[size]
    engine = MatchingEngine(SYMBOLS, orders_max, pages_max, **options)  # type: ignore[arg-type]
    seen = np.zeros(11, np.int64)
    for number in range(batches):
        _, answers = batch_of(engine, number + 100 * orders_max, count)
        rows = np.concatenate(answers)
        assert_answered(rows, number * count, count)
        assert_uncrossed(engine)
        assert engine.live_orders <= orders_max
        seen += np.bincount(rows["kind"], minlength=11)
        if number % 8 == 0:
            copy = MatchingEngine.restore(engine.save())
            assert copy.state_hash() == engine.state_hash()
            engine = copy
    assert (seen > 0).all()


def test_how_operations_are_cut_into_arrays_changes_nothing() -> None:
    first, whole, parts = (MatchingEngine(SYMBOLS, 500, 100) for _ in range(3))
    given, answers = batch_of(first, 5, 30_000)
    ops, rows = np.concatenate(given), np.concatenate(answers)
    assert whole.submit_batch(ops).tobytes() == rows.tobytes()
    cuts = sorted(np.random.default_rng(1).integers(0, len(ops), 50).tolist())
    out = np.zeros(100, EVENT_DTYPE)
    pieces = [parts.submit_batch(piece, out).copy() for piece in np.split(ops, cuts)]
    assert np.concatenate(pieces).tobytes() == rows.tobytes()
    assert first.state_hash() == whole.state_hash() == parts.state_hash()
