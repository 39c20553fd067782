"""The compiled book and the slow one give the same events and the same books after every operation."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sim.matching import ANY, EVENT_DTYPE, OP_DTYPE, MatchingEngine
from tests.reference.matching import (
    AMEND,
    CANCEL,
    MASS_CANCEL,
    NEW,
    PREVENTED,
    REFRESHED,
    TRADE,
    Operation,
    SlowMatching,
)

SYMBOLS = 2


def submit(engine: MatchingEngine, op: Operation) -> list[tuple[int, ...]]:
    fields = asdict(op)
    fields["order_type"] = fields.pop("type")
    count = engine.submit(**fields)
    events = engine.events()
    assert len(events) == count
    return list(events)


def assert_same_books(engine: MatchingEngine, twin: SlowMatching) -> None:
    assert engine.live_orders == len(twin.waiting)
    assert all(engine.hidden(number) == order.hidden for number, order in twin.waiting.items())
    assert engine.free_pages_left() == twin.pages_max - len(twin.pages())
    for symbol in range(SYMBOLS):
        for side in (0, 1):
            assert engine.queue(symbol, side) == twin.queue(symbol, side)
            depth = twin.depth(symbol, side)
            assert engine.depth(symbol, side, 1000) == depth
            assert engine.best(symbol, side) == (depth[0] if depth else (0, 0))
            for price, qty in depth:
                assert engine.level_qty(symbol, side, price) == qty
                assert engine.level_qty(symbol, 1 - side, price) == 0


operations = st.builds(
    Operation,
    op=st.sampled_from([NEW, NEW, NEW, NEW, CANCEL, AMEND, MASS_CANCEL, 7]),
    side=st.sampled_from([0, 1, 0, 1, 0, 1, 2]),
    type=st.sampled_from([0, 0, 0, 0, 0, 1, 2]),
    tif=st.sampled_from([0, 0, 0, 0, 1, 2, 3]),
    flags=st.sampled_from([0, 0, 0, 0, 1, 16, 17, 4]),
    stp=st.sampled_from([0, 1, 2, 3, 4, 4, 5]),
    symbol=st.sampled_from([0, 0, 0, 1, 2, ANY]),
    owner=st.sampled_from([0, 1, 1, 2, ANY]),
    order_id=st.integers(0, 12),
    price=st.one_of(st.integers(95, 105), st.sampled_from([0, -1, 1, 63, 64, 4095, 4096, 2**18, 2**24 - 1, 2**24])),
    qty=st.one_of(st.integers(1, 9), st.sampled_from([0, -5, 2**62])),
    display=st.sampled_from([0] * 6 + [1, 2, 3, 9, -1]),
    trigger=st.sampled_from([0] * 20 + [3]),
    expire_ns=st.sampled_from([0] * 20 + [3]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(operations, max_size=40))
def test_any_operations_give_the_events_and_books_of_the_slow_twin(ops: list[Operation]) -> None:
    engine, twin = MatchingEngine(SYMBOLS, 8, 4), SlowMatching(SYMBOLS, 8, 4)
    for op in ops:
        assert submit(engine, op) == twin.apply(op)
        assert_same_books(engine, twin)


def sensible(random_source: random.Random, live: list[int], next_id: int) -> Operation:
    """Mostly well-formed traffic around a middle, of few owners, so that books grow and orders meet."""
    draw = random_source.random()
    owner = random_source.randrange(4)
    symbol = random_source.randrange(SYMBOLS)
    side = random_source.randrange(2)
    price = 100_000 + random_source.randrange(-150, 150) + (40 if side else -40)
    qty = random_source.randrange(1, 50)
    stp = random_source.randrange(5)
    if draw < 0.60 or not live:
        tif = random_source.choice([0, 0, 0, 0, 1, 2])
        kind = random_source.choice([0] * 9 + [1])
        flags = random_source.choice([0, 0, 1]) if (tif, kind) == (0, 0) else 0
        display = random_source.choice([0, 0, 5, 11]) if (tif, kind) == (0, 0) else 0
        return Operation(NEW, side, kind, tif, flags, stp, symbol, owner, next_id, price, qty, display)
    target = random_source.choice(live)
    if draw < 0.85:
        return Operation(CANCEL, symbol=target % SYMBOLS, owner=owner, order_id=target)
    if draw < 0.998:
        flags = random_source.choice([0, 0, 1, 16])
        return Operation(
            AMEND, side, 0, 0, flags, stp, target % SYMBOLS, owner, target, price, random_source.randrange(1, 50)
        )
    return Operation(MASS_CANCEL, symbol=random_source.choice([0, 1, ANY]), owner=random_source.choice([1, 2, ANY]))


@pytest.mark.parametrize("seed", range(4))
def test_long_seeded_traffic_gives_the_events_and_books_of_the_slow_twin(seed: int) -> None:
    source = random.Random(seed)
    engine, twin = MatchingEngine(SYMBOLS, 150, 16), SlowMatching(SYMBOLS, 150, 16)
    seen = Counter[int]()
    for number in range(2_000):
        op = sensible(source, list(twin.waiting), number + 1)
        if op.op in (CANCEL, AMEND):
            op.symbol, op.owner = twin.waiting[op.order_id].symbol, twin.waiting[op.order_id].owner
        events = submit(engine, op)
        assert events == twin.apply(op)
        seen.update(event[0] for event in events)
        if number % 5 == 0:
            assert_same_books(engine, twin)
    assert_same_books(engine, twin)
    assert seen[TRADE] > 100
    assert seen[REFRESHED] > 20
    assert seen[PREVENTED] > 3


def test_a_batch_gives_what_single_operations_give() -> None:
    source = random.Random(99)
    single, batch = MatchingEngine(SYMBOLS, 300, 64), MatchingEngine(SYMBOLS, 300, 64)
    rows, expected, live = [], [], list[int]()
    for number in range(3_000):
        op = sensible(source, live, number + 1)
        live.append(op.order_id)
        expected += submit(single, op)
        fields = asdict(op)
        rows.append(tuple(fields.get(str(name), 0) for name in OP_DTYPE.names or ()))
    events = np.concatenate(
        [batch.submit_batch(np.array(rows[start : start + 700], OP_DTYPE)) for start in range(0, len(rows), 700)]
    )
    assert events.dtype == EVENT_DTYPE
    assert [tuple(int(value) for value in event) for event in events] == expected
    assert [batch.queue(s, side) for s in (0, 1) for side in (0, 1)] == [
        single.queue(s, side) for s in (0, 1) for side in (0, 1)
    ]
