"""The compiled matching engine and its slow twin side by side: the same operations, and everything they show compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.book.matching import EVENT_DTYPE, OP_DTYPE, MatchingEngine
from tests.matching_traffic import Profile
from tests.reference.matching_engine import SlowMatchingEngine
from tests.reference.matching_records import CONTAINERS, Event, Operation

DEPTH = 1_000


def fast_engine(profile: Profile) -> MatchingEngine:
    """A compiled engine of a profile's size."""
    return MatchingEngine(profile.symbols, profile.orders_max, profile.pages_max, **profile.options())


def submit(engine: MatchingEngine, op: Operation) -> list[Event]:
    """One operation by the call that takes plain numbers."""
    fields: dict[str, Any] = asdict(op)
    fields["order_type"] = fields.pop("type")
    count = engine.submit(**fields)
    rows = engine.events()
    assert len(rows) == count
    return list(rows)


def submit_array(engine: MatchingEngine, ops: Sequence[Operation]) -> list[Event]:
    """Many operations by the call that takes an array of records."""
    rows = engine.submit_batch(np.array([op.record() for op in ops], OP_DTYPE))
    assert rows.dtype == EVENT_DTYPE
    return rows.tolist()  # type: ignore[no-any-return]


def assert_same_state(fast: MatchingEngine, slow: SlowMatchingEngine) -> None:
    """Counts and the hash over everything that decides what comes next."""
    assert (fast.op_count, fast.trade_count, fast.now_ns) == (slow.op_count, slow.trade_count, slow.now_ns)
    assert fast.live_orders == slow.live_orders
    assert fast.free_pages_left() == slow.free_pages_left()
    assert fast.state_hash() == slow.state_hash()


def assert_same_containers(fast: MatchingEngine, slow: SlowMatchingEngine) -> None:
    """Every order in every container, named one by one where the hash could only say that something differs."""
    for symbol in range(slow.symbol_count):
        for container in CONTAINERS:
            assert list(fast.orders_in(symbol, container)) == slow.orders_in(symbol, container), (symbol, container)
        assert fast.phase(symbol) == slow.phase(symbol)
        assert fast.band(symbol) == slow.band(symbol)
        assert fast.last_price(symbol) == slow.last_price(symbol)
    for symbol, owner in slow.positions:
        assert fast.position(owner, symbol) == slow.position(owner, symbol)


def assert_same_views(fast: MatchingEngine, slow: SlowMatchingEngine) -> None:
    """What is shown: best, depth, queues and the three snapshots."""
    for symbol in range(slow.symbol_count):
        depths = [slow.depth(symbol, side, DEPTH) for side in (0, 1)]
        queues = [slow.queue(symbol, side) for side in (0, 1)]
        for side in (0, 1):
            assert fast.best(symbol, side) == slow.best(symbol, side)
            assert fast.depth(symbol, side, DEPTH) == depths[side]
            assert fast.depth(symbol, side, 2) == depths[side][:2]
            assert fast.queue(symbol, side) == queues[side]
            for price, qty in depths[side]:
                assert fast.level_qty(symbol, side, price) == qty
                assert fast.level_qty(symbol, side, price - 1) == slow.level_qty(symbol, side, price - 1)
        for side, owner, qty in ((0, 0, 40), (1, 1, 25), (0, 2, 1)):
            assert fast.takeable(symbol, side, qty, owner) == slow.takeable(symbol, side, qty, owner)
            cost = qty * slow.best(symbol, 1 - side)[0] + 1
            assert fast.lots_for_cost(symbol, side, cost, owner) == slow.lots_for_cost(symbol, side, cost, owner)
        assert fast.snapshot_l1(symbol) == (*slow.best(symbol, 0), *slow.best(symbol, 1))
        shown = [[tuple(row) for row in array.tolist()] for array in fast.snapshot_l2(symbol, DEPTH)]
        assert shown == depths
        rows = [
            (row["order_id"], row["price"], row["qty"], row["owner"], row["side"]) for row in fast.snapshot_l3(symbol)
        ]
        expected = [(number, price, qty, owner, side) for side in (0, 1) for price, number, qty, owner in queues[side]]
        assert rows == expected
        for state in slow.symbols[symbol].orders:
            for order in state:
                assert fast.order(order.order_id) == slow.order(order.order_id)
                assert fast.hidden(order.order_id) == slow.hidden(order.order_id)


def assert_same(fast: MatchingEngine, slow: SlowMatchingEngine) -> None:
    """Everything at once."""
    assert_same_containers(fast, slow)
    assert_same_views(fast, slow)
    assert_same_state(fast, slow)


def restored(engine: MatchingEngine) -> MatchingEngine:
    """A second engine of the same state, by way of bytes."""
    return MatchingEngine.restore(engine.save())


def told(op: Operation) -> str:
    """An operation in the words that make it again; what is left out is 0."""
    named = {name: value for name, value in asdict(op).items() if value}
    return f"Operation({', '.join(f'{name}={value}' for name, value in named.items())})"
