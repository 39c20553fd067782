"""The hunt itself: the same seed is the same run, fixed seeds violate nothing and reach every rare state, a failure is cut down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from engine.hunt.breaks import BREAKS
from engine.hunt.party import SHARED_MEMORY, Told, hunt_once, key_of
from engine.hunt.schedule import FAULTS, Schedule, calm_ends, draw, is_calm, load
from engine.hunt.shrink import Shrinker
from engine.hunt.sometimes import SOMETIMES
from tests.venue_harness import REPOSITORY

# the fixed seeds are run once: all that look at them share a process
pytestmark = pytest.mark.xdist_group("hunt")
IS_LONG = os.environ.get("TRADEWIND_AMOUNT") == "long"
# in this order until every rare state was reached; the first ones reach most
SEEDS = (20, 3, 10, 1, 5, 14, 19, 11, *range(21, 41))
SEEDS_MIN = 4
SECONDS = 260
LONG_SEEDS = range(1_000, 1_000 + int(os.environ.get("TRADEWIND_HUNT_SEEDS", "200")))
LONG_HOURS = 0.5
# what is taken away, whose checker must find it, under which faults, at which venue, from which seed on
BROKEN = {
    "sends twice": ("R14", [], "", 1),
    "forgets fronts": ("R01", ["crashes"], "", 1),
    "disk lies": ("R03", ["disks"], "", 5),
    "ignores kills": ("R25", ["commands"], "", 3),
    "no dead man": ("R16", ["crashes"], "usdm", 6),
    "hides fills": ("R01", ["others"], "spot", 1),
}
SEEDS_UNTIL_FOUND = 8


@cache
def outcomes() -> list[Told]:
    """The fixed seeds as far as they are needed, run once for all tests of this file."""
    found: list[Told] = []
    reached: Counter[str] = Counter()
    for seed in SEEDS:
        found.append(hunt_once(draw(seed, SECONDS)))
        reached.update(found[-1].reached)
        if len(found) >= SEEDS_MIN and all(reached[state] for state in SOMETIMES):
            break
    return found


def test_a_family_that_is_left_out_changes_nothing_in_the_others() -> None:
    whole, some = draw(7, 600), draw(7, 600, ["links", "disks"])
    wanted = [event for event in whole.events if event.family in ("orders", "links", "disks")]
    assert list(some.events) == wanted
    assert draw(7, 600) == whole != draw(8, 600)


def test_faults_spare_the_calms_and_every_run_ends_with_one() -> None:
    schedule = draw(3, 1_000)
    assert not [event for event in schedule.events if event.family in FAULTS and is_calm(event.at_ms / 1_000)]
    assert calm_ends(schedule.seconds)[-1] == schedule.seconds
    assert {event.family for event in schedule.events} >= {"orders", "links", "disks", "crashes"}


def test_a_saved_schedule_is_read_back_whole(tmp_path: Path) -> None:
    schedule = draw(5, 300)
    schedule.save(tmp_path / "one.json")
    assert load(tmp_path / "one.json") == schedule
    with pytest.raises(ValueError, match="no family of faults"):
        draw(1, 300, ["weather"])


@pytest.mark.invariant("R35")
@pytest.mark.timeout(300)
def test_fixed_seeds_violate_nothing() -> None:
    assert [told.text for told in outcomes() if told.key] == []
    assert sum(told.orders for told in outcomes()) > 500
    assert sum(told.lives for told in outcomes()) > 2 * len(outcomes())


@pytest.mark.invariant("R35")
@pytest.mark.timeout(300)
def test_fixed_seeds_reach_every_rare_state() -> None:
    reached: Counter[str] = Counter()
    for told in outcomes():
        reached.update(told.reached)
    assert [state for state in SOMETIMES if not reached[state]] == []
    # and what is compared is compared often
    for what in ("books compared", "fills compared", "limits compared", "timers looked at", "compared with the venue"):
        assert reached[what] >= len(outcomes()) - 1, what


@pytest.mark.invariant("R28")
@pytest.mark.timeout(120)
def test_the_same_schedule_leaves_the_same_bytes_in_another_process_with_other_hashes() -> None:
    seed = SEEDS[0]
    here = next(told for told in outcomes() if told.schedule.seed == seed)
    imports = "from engine.hunt.party import hunt_once; from engine.hunt.schedule import draw"
    code = f"{imports}; print(hunt_once(draw({seed}, {SECONDS})).digest)"
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.stdout.strip() == here.digest, done.stderr


@pytest.mark.parametrize("guard", list(BROKEN))
@pytest.mark.timeout(120)
def test_a_guard_that_is_taken_away_is_found_out(guard: str) -> None:
    invariant, faults, market, first = BROKEN[guard]
    found = []
    for seed in range(first, first + SEEDS_UNTIL_FOUND):
        told = hunt_once(draw(seed, SECONDS, faults, market, guard))
        found.append(told.invariant)
        if told.key:
            break
    assert found[-1] == invariant
    assert set(BROKEN) == set(BREAKS) - {""}


def test_a_failing_schedule_is_cut_down_to_what_it_needs() -> None:
    schedule = draw(1, SECONDS, ["links", "others"], "spot")
    needed = {schedule.events[20].at_ms, schedule.events[90].at_ms}
    tried: list[Schedule] = []

    def trial(one: Schedule) -> str:
        tried.append(one)
        return "key" if needed <= {event.at_ms for event in one.events} else "another"

    cut = Shrinker(trial, trials_max=400).shrink(schedule, "key", SECONDS)
    assert {event.at_ms for event in cut.events} == needed
    assert len(cut.symbols) == 1
    again = Shrinker(trial, trials_max=400).shrink(schedule, "key", SECONDS)
    assert again == cut


@pytest.mark.timeout(120)
def test_the_command_saves_a_schedule_that_fails_again(tmp_path: Path) -> None:
    schedule = draw(1, SECONDS, [], "spot", "sends twice")
    schedule.save(tmp_path / "given.json")
    command = [
        sys.executable,
        "-m",
        "engine",
        "sim",
        "--schedule",
        str(tmp_path / "given.json"),
        "--json",
        "--save",
        str(tmp_path),
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 1, done.stderr
    (failure,) = json.loads(done.stdout)["failed"]
    assert failure["again"] == f"tradewind sim --schedule {tmp_path / 'sim-1.json'}"
    saved = load(tmp_path / "sim-1.json")
    assert len(saved.events) < 20
    assert key_of(saved) == "R14 no order twice"


@pytest.mark.skipif(not IS_LONG, reason="a long run: make sim")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", LONG_SEEDS if IS_LONG else [])
def test_many_seeds_violate_nothing(seed: int) -> None:
    told = hunt_once(draw(seed, LONG_HOURS * 3_600))
    if told.key:
        told.schedule.save(Path(f"sim-{seed}.json"))
    assert told.key == "", f"{told.text}\ntradewind sim --seed {seed} --hours {LONG_HOURS}\n" + "\n".join(told.last)


def test_a_run_leaves_nothing_behind() -> None:
    before = set(SHARED_MEMORY.glob("hunt-*")) if SHARED_MEMORY.is_dir() else set()
    with TemporaryDirectory() as _:
        hunt_once(msgspec.structs.replace(draw(1, SECONDS, []), seconds=12))
    assert (set(SHARED_MEMORY.glob("hunt-*")) if SHARED_MEMORY.is_dir() else set()) <= before
