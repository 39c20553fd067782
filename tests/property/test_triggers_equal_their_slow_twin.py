"""The trigger table in C and its twin that looks at every price again: the same fire, at the same events and levels."""

from __future__ import annotations

import os
import random

import pytest

from engine.execution.triggers import TriggerTable
from engine.model.codes import TrailKind
from tests.reference.triggers import SlowTrigger

ROUNDS = 4000 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 300
KINDS = {"none": TrailKind.NONE, "units": TrailKind.TICKS, "bps": TrailKind.BPS}


def make(dice: random.Random, middle: int) -> dict[str, int | bool | str]:
    """Terms of one trigger around a price."""
    kind = dice.choice(list(KINDS))
    near = middle // 50 + 2
    is_above = dice.random() < 0.5
    amount = {"none": 0, "units": dice.randint(1, near), "bps": dice.randint(1, 400)}[kind]
    has_level = kind == "none" or dice.random() < 0.3
    return {
        "is_above": is_above,
        "is_ask": dice.random() < 0.5,
        "source": dice.randrange(4),
        "level": middle + dice.randint(-near, near) if has_level else 0,
        "kind": kind,
        "amount": amount,
        "activation": middle + dice.randint(-near, near) if kind != "none" and dice.random() < 0.5 else 0,
    }


def add(table: TriggerTable, terms: dict[str, int | bool | str]) -> int:
    """The same trigger in the table."""
    return table.add(
        1,
        is_above=bool(terms["is_above"]),
        is_ask=bool(terms["is_ask"]),
        source=int(terms["source"]),
        level=int(terms["level"]),
        trail_kind=KINDS[str(terms["kind"])],
        trail_amount=int(terms["amount"]),
        activation=int(terms["activation"]),
    )


@pytest.mark.parametrize("seed", range(4))
def test_triggers_fire_at_the_same_events_and_levels(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(ROUNDS // 4):
        table = TriggerTable()
        middle = dice.choice([50, 10_000, 3_000_000, 6_500_000_000_000, 1 << 52])
        twins: dict[int, SlowTrigger] = {}
        for _ in range(dice.randint(1, 6)):
            terms = make(dice, middle)
            twins[add(table, terms)] = SlowTrigger(**terms)  # type: ignore[arg-type]
        price = middle
        for _ in range(60):
            price = max(price + dice.randint(-middle // 200 - 1, middle // 200 + 1), 2)
            source, ask = dice.randrange(4), price + dice.randint(0, 3)
            bid = price if dice.random() < 0.9 else 0
            fired = {key for key, _, has_fired in table.look(1, source, bid, ask) if has_fired}
            expected = {key for key, twin in twins.items() if twin.sees(source, bid, ask)}
            assert fired == expected
            for key in fired:
                del twins[key]
            for key, twin in twins.items():
                assert table.level(key) == (twin.firing_level() or 0)
        assert table.count == len(twins)


def test_a_trigger_carried_over_a_restart_goes_on_where_it_stood() -> None:
    dice = random.Random(7)
    for _ in range(ROUNDS):
        amount = dice.randint(1, 400)
        one, two = TriggerTable(), TriggerTable()
        first = one.add(1, is_above=False, trail_kind=TrailKind.BPS, trail_amount=amount, activation=10_100)
        for _ in range(20):
            one.look(1, 0, dice.randint(10_050, 10_500), 0)
        if one.level(first) == 0:
            continue
        second = two.add(1, is_above=False, trail_kind=TrailKind.BPS, trail_amount=amount, extreme=one.extreme(first))
        assert two.level(second) == one.level(first)


def test_the_table_takes_so_many_and_gives_their_places_back() -> None:
    table = TriggerTable()
    ids = [table.add(1 + n % 3, is_above=True, level=100) for n in range(4096)]
    assert len(set(ids)) == 4096
    assert table.add(1, is_above=True, level=100) == 0
    assert all(table.drop(key) for key in ids[::2])
    assert not table.drop(ids[0])
    again = table.add(1, is_above=True, level=100)
    assert again not in (0, *ids)
    assert len(table.look(2, 0, 100, 100)) in (682, 683)
    assert table.look(2, 0, 100, 100) == []
