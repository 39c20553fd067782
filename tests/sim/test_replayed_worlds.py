"""A hundred worlds, each drawn from its seed, replay equal from their journals: 100 at commit, ten thousand in a long run.

A seed decides the venue (spot, USD-M one-way or hedged), the level of durability, what the strategy asks for (orders of every type,
lists, brackets, protection, algorithms, changes), what people command, every fault, and how often the engine is killed and started.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.hunt.brief import BriefHunt, brief, brief_hunt
from engine.hunt.life import Life
from engine.hunt.replays import Replays

IS_LONG = os.environ.get("TRADEWIND_AMOUNT") == "long"
AT_ONCE = 25
SEEDS = 10_000 if IS_LONG else 100
# what a part of so many seeds has met, beside being equal
LEAST = {"sessions replayed": 25, "states": 50, "outputs": 3_000, "requests": 200, "crashes": 5, "commands": 10, "orders.algo": 5,
         "orders.bracket": 5, "orders.iceberg": 5, "orders.stop": 5, "orders.oco": 5}  # fmt: skip


@pytest.mark.invariant("R28")
@pytest.mark.timeout(0 if IS_LONG else 120)
@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_worlds_of_seeds_replay_equal(first: int, tried: Callable[[str, int], None]) -> None:
    met: Counter[str] = Counter()
    for seed in range(first, first + AT_ONCE):
        with brief_hunt(seed) as hunt:
            outcome = hunt.run()
            assert outcome.violation is None, f"seed {seed}: {outcome.violation}"
            met.update(hunt.replays.counts)
            met.update(hunt.counts)
    for family in ("crashes", "commands"):
        met[family] = sum(count for name, count in met.items() if name.startswith(family + "."))
    assert {name: met[name] for name, least in LEAST.items() if met[name] < least} == {}
    # what follows a refused claim cannot be compared: few sessions have one
    assert met["replayed up to a refused claim"] * 4 < met["sessions replayed"]
    tried("R28", AT_ONCE)


def test_worlds_are_of_every_kind(tmp_path: Path) -> None:
    found = set()
    for seed in range(40):
        folder = tmp_path / str(seed)
        folder.mkdir()
        loaded = BriefHunt(brief(seed), folder).loaded.config
        (venue,) = loaded.venue.values()
        found.add((venue.kind, venue.position_mode if venue.kind != "binance-spot" else "", loaded.journal.durability))
    kinds = {(kind, mode) for kind, mode, _ in found}
    assert kinds == {("binance-spot", ""), ("binance-usdm", "one-way"), ("binance-usdm", "hedge")}
    assert {level for *_, level in found} == {"os", "group", "order"}


# --- each of these is what a replay must find ---


def found_by_the_replay(seed: int) -> str:
    """What the replay says of a seed."""
    with brief_hunt(seed) as hunt:
        outcome = hunt.run()
    return "" if outcome.violation is None else outcome.violation.key()


@pytest.mark.invariant("R28")
def test_a_number_given_from_outside_the_journal_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator's order that takes its number from the engine's own counter: no record holds that."""
    from engine.control.handles import next_handle

    def taken(life: Life) -> int:
        return int(next_handle(life.engine.tables))

    monkeypatch.setattr(Life, "handle_of_person", taken)
    assert "R28 replayed equal" in [found_by_the_replay(seed) for seed in (9, 2, 4, 7, 11)]


@pytest.mark.invariant("R28")
def test_a_strategy_that_does_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: Any = Replays._keep_script

    def forgets(check: Replays) -> None:
        kept(check)
        check.scripts = {epoch: script[:-1] for epoch, script in check.scripts.items()}

    monkeypatch.setattr(Replays, "_keep_script", forgets)
    assert "R28 replayed equal" in [found_by_the_replay(seed) for seed in (0, 1, 2)]
