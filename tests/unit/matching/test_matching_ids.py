"""Foreign ids in a crowded table: whatever shares homes, every live order is found and no other."""

from __future__ import annotations

import random

import pytest

from engine.book.matching import EventKind, MatchingEngine, Reason

ORDERS = 64  # of a table of 128 places


def drawn_ids(dice: random.Random) -> list[int]:
    """Ids that follow one another, that differ in their highest bits alone, and ids without order."""
    near = [dice.randrange(1 << 40) * 8 + step for step in range(40)]
    high = [step << 55 | 5 for step in range(60)]
    row = list(range(1, 200))
    return near + high + row + [dice.getrandbits(64) for _ in range(100)]


@pytest.mark.parametrize("seed", range(6))
def test_in_a_crowded_table_every_live_id_is_found_and_no_other(seed: int) -> None:
    dice = random.Random(seed)
    ids, live = drawn_ids(dice), set[int]()
    engine = MatchingEngine(1, ORDERS)
    for step in range(6_000):
        order_id = dice.choice(ids)
        if order_id in live:
            assert engine.limit(0, 0, order_id, 5, 1) == 1
            assert engine.events()[0][2] == Reason.REASON_DUPLICATE_ORDER_ID
            engine.cancel(0, order_id)
            assert engine.events()[0][0] == EventKind.EVENT_CANCELED
            live.remove(order_id)
        elif len(live) < ORDERS:
            engine.limit(0, 0, order_id, dice.randrange(1, 9), 1)
            live.add(order_id)
        if step % 50 == 0:
            assert {name for name in ids if engine.order(name)} == live
