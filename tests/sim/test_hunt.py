"""The hunt itself: the same seed is the same run, fixed seeds violate nothing and reach every rare state, a failure is cut down."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import msgspec
import pytest

from engine.hunt import party
from engine.hunt.breaks import BREAKS
from engine.hunt.check import Violation
from engine.hunt.checks_whole import FillsOnce
from engine.hunt.party import SHARED_MEMORY, Told, hunt_once
from engine.hunt.schedule import FAULTS, Schedule, calm_ends, draw, is_calm, load
from engine.hunt.shrink import Shrinker
from engine.hunt.sometimes import ELSEWHERE, LONG, SOMETIMES, table
from engine.hunt.truth import Truth, VenueFill
from engine.model.clientid import encode
from tests.venue_harness import REPOSITORY

OWN = encode(1, 1 << 32 | 5)

IS_LONG = os.environ.get("TRADEWIND_AMOUNT") == "long"
# in this order until every rare state was reached; the first ones reach most
SEEDS = (1, 5, 16, 6, 24, 3, 32, 26, 13, 19, 51, *range(20, 31))
SEEDS_MIN = 4
SECONDS = 260
LONG_SEEDS = range(1_000, 1_000 + int(os.environ.get("TRADEWIND_HUNT_SEEDS", "200")))
LONG_HOURS = 0.5
# so many it takes until the most seldom has been met
LONG_SEEDS_MIN = 40
LONG_REACHED: Counter[str] = Counter()
# what is taken away, whose checker must find it, under which faults, at which venue, from which seed on
BROKEN = {
    "sends twice": ("R14", [], "", 1),
    "forgets fronts": ("R01", ["crashes"], "", 1),
    "disk lies": ("R03", ["disks"], "", 5),
    "ignores kills": ("R25", ["commands"], "", 3),
    "no dead man": ("R16", ["crashes"], "usdm", 6),
    "hides fills": ("R01", ["others"], "spot", 1),
    "asks inside a wait": ("R17", ["limits"], "", 3),
    "forgets its ledger": ("R01", ["crashes"], "", 1),
    "loops unhindered": ("R22", ["conduct"], "", 8),
    "trusts old books": ("R10", ["links"], "", 4),
    "waits for no disk": ("R02", ["syncs"], "", 6),
}
SEEDS_UNTIL_FOUND = 8
DESK = ("readers compared", "rows compared", "alarms compared", "alarms waited for")


@cache
def outcomes() -> list[Told]:
    """The fixed seeds as far as they are needed, run once for all tests of this file."""
    found: list[Told] = []
    reached: Counter[str] = Counter()
    for seed in SEEDS:
        found.append(hunt_once(draw(seed, SECONDS)))
        reached.update(found[-1].reached)
        if len(found) >= SEEDS_MIN and all(reached[state] for state in SOMETIMES.keys() - LONG):
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
    assert sorted(state for state in SOMETIMES.keys() - LONG if not reached[state]) == []
    # and what is compared is compared often
    for what in (
        "books compared",
        "fills compared",
        "limits compared",
        "timers looked at",
        "compared with the venue",
        *DESK,
    ):
        assert reached[what] >= len(outcomes()) - 1, what


@pytest.mark.parametrize(
    ("made", "booked", "told"),
    [
        ([(5, OWN)], [(5, OWN)], ""),
        ([(5, "by hand")], [(5, "")], ""),
        ([(5, OWN), (5, "by hand")], [(5, OWN), (5, "")], ""),  # our quote met our own hand
        ([], [(5, OWN)], "the venue made none"),
        ([], [(5, "")], "the venue made none"),
        ([(5, "by hand")], [(5, OWN)], "the venue made none"),
        ([(5, OWN)], [(5, OWN), (5, "")], "and as another's"),
    ],
)
def test_what_the_venue_never_made_or_what_is_booked_twice_over_is_found(
    made: list[tuple[int, str]], booked: list[tuple[int, str]], told: str
) -> None:
    fills = {("BTCUSDT", *key): VenueFill("BTCUSDT", *key, "BUY", 10, 1, 0) for key in made}
    tables = SimpleNamespace(instrument=lambda _: {"lot_size_e8": 1}, instrument_id=lambda *_: 1)
    engine = SimpleNamespace(tables=tables, lines=[SimpleNamespace(venue_id=1)])
    hunt = SimpleNamespace(
        schedule=SimpleNamespace(durability="group"),
        truth=Truth(fills=fills),
        life=SimpleNamespace(engine=engine),
        counts=Counter(),
        lost_power_at_s=-1,
    )
    check = FillsOnce(hunt)
    for key in booked:
        check.booked["BTCUSDT", *key] += 1
        check.lots["BTCUSDT", *key] = (10, "BUY")
    if not told:
        check.at_quiet()
        return
    with pytest.raises(Violation, match=told):
        check.at_quiet()


@pytest.mark.invariant("R35")
def test_each_invariant_has_its_rare_states_or_says_what_shows_it_instead() -> None:
    """docs/simulation.md holds the table, word for word."""
    page = (REPOSITORY / "docs" / "simulation.md").read_text().splitlines()
    rows = table()
    begin = page.index(rows[0])
    assert page[begin : begin + len(rows)] == rows
    named = set(SOMETIMES.values())
    assert named.isdisjoint(ELSEWHERE)
    assert named | ELSEWHERE.keys() == {f"R{number:02d}" for number in range(1, 36)}
    assert SOMETIMES.keys() >= LONG


@pytest.mark.invariant("R18")
@pytest.mark.timeout(120)
def test_readers_that_stall_and_die_change_no_byte_and_no_instant_of_the_engine() -> None:
    """The same seed with and without what befalls its readers; starts are left out, which a snapshot may shorten."""
    quiet = ["links", "replies", "reports", "feeds", "commands"]
    with_readers = hunt_once(draw(4, SECONDS, [*quiet, "readers"]))
    without = hunt_once(draw(4, SECONDS, quiet))
    assert with_readers.key == without.key == ""
    assert with_readers.reached["reader killed in a batch"] + with_readers.reached["desk killed"] > 0
    assert with_readers.digest != without.digest
    assert with_readers.engine_digest == without.engine_digest


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


@pytest.mark.skipif(not IS_LONG, reason="a long run: make sim")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", LONG_SEEDS if IS_LONG else [])
def test_many_seeds_violate_nothing(seed: int) -> None:
    told = hunt_once(draw(seed, LONG_HOURS * 3_600))
    LONG_REACHED.update(told.reached)
    if told.key:
        told.schedule.save(Path(f"sim-{seed}.json"))
    assert told.key == "", f"{told.text}\ntradewind sim --seed {seed} --hours {LONG_HOURS}\n" + "\n".join(told.last)


@pytest.mark.skipif(not IS_LONG or len(LONG_SEEDS) < LONG_SEEDS_MIN, reason="a long run: make sim")
@pytest.mark.invariant("R35")
def test_the_long_run_reaches_what_is_too_seldom_for_the_short_one() -> None:
    assert sorted(state for state in SOMETIMES if not LONG_REACHED[state]) == []


def test_a_run_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own: other tests, and other people, hunt in the shared memory meanwhile."""
    with TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as folder:
        place = Path(folder)
        monkeypatch.setattr(party, "SHARED_MEMORY", place)
        before_ns = place.stat().st_mtime_ns
        hunt_once(msgspec.structs.replace(draw(1, SECONDS, []), seconds=12))
        assert place.stat().st_mtime_ns > before_ns, "nothing was ever written there"
        assert list(place.iterdir()) == []
