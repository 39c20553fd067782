"""`tradewind sim`: what it refuses before it hunts, what it saves and when, how it ends."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from engine.cli import sim
from engine.cli.main import main
from engine.exit_codes import ExitCode
from engine.hunt.party import Hunter, Told, died, key_of
from engine.hunt.schedule import Event, Schedule, draw, load
from engine.hunt.shrink import Shrinker, TimeIsUp
from tests.venue_harness import REPOSITORY

SECONDS = 260
WAIT_S = 100


def command(*words: str) -> list[str]:
    """A command line."""
    return [sys.executable, "-m", "engine", "sim", *words]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--hours", "inf"], "--hours: inf must be more than 0"),
        (["--hours", "nan"], "--hours: nan"),
        (["--hours", "-1"], "--hours: -1"),
        (["--hours", "0"], "--hours: 0"),
        (["--hours", "1e6"], "at most 1000"),
        (["--jobs", "0"], "--jobs: 0 must be"),
        (["--seed", "-1"], "--seed: -1"),
        (["--seeds", "3..1"], "--seeds: '3..1' must be A..B"),
        (["--shrink-s", "0"], "--shrink-s: 0"),
        (["--save", "/there/is/no/such/place"], "is no directory"),
        (["--save", "/proc"], "nothing can be written into /proc"),
        (["--faults", "weather"], "'weather' is no family of faults"),
        (["--schedule", "/there/is/none.json"], "none.json"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_hunted(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.hunt.party.Party.hunt", lambda *_: pytest.fail("something was hunted"))
    assert main(["sim", *words]) == ExitCode.USAGE
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("market", "moon"),
        ("seconds", 0),
        ("symbols", ()),
        ("symbols", ("XRPUSDT",)),
        ("breaks", "nothing known"),
        ("durability", "never"),
        ("position_mode", "two-way"),
        ("events", (Event(1_000, "weather", "rain"),)),
    ],
)
def test_a_schedule_that_says_what_there_is_not_is_refused(
    field: str, value: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"market": "spot", "seconds": SECONDS, "symbols": ("BTCUSDT",), "events": (), field: value}
    Schedule(seed=1, **words).save(tmp_path / "odd.json")  # type: ignore[arg-type]
    assert main(["sim", "--schedule", str(tmp_path / "odd.json")]) == ExitCode.USAGE
    assert "odd.json" in capsys.readouterr().err


def test_a_violation_is_saved_before_the_next_seed_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was saved stays when Ctrl-C ends the hunt."""
    saved: list[Schedule] = []

    def hunt(_party: object, schedules: object) -> object:
        first, second = draw(1, SECONDS), draw(2, SECONDS)
        yield Told(first, "R14 no order twice", "R14", "R14 (no order twice): twice", 5.0)
        saved.append(load(tmp_path / "sim-1.json"))
        yield Told(second)
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.hunt.party.Party.hunt", hunt)
    assert main(["sim", "--seeds", "1..9", "--save", str(tmp_path)]) == ExitCode.INTERRUPTED
    assert saved == [draw(1, SECONDS)] == [load(tmp_path / "sim-1.json")]
    assert [path.name for path in tmp_path.iterdir()] == ["sim-1.json"]


def test_each_lesser_schedule_is_saved_and_the_one_that_was_given_is_not_written_over(tmp_path: Path) -> None:
    given = draw(7, SECONDS)
    given.save(tmp_path / "sim-7.json")
    arguments = ["--schedule", str(tmp_path / "sim-7.json"), "--save", str(tmp_path), "--json"]
    hunted = sim.Hunted(parsed(*arguments))
    hunted.note(Told(given, "R14 no order twice", "R14", "twice", 250.0))
    (failure,) = hunted.failures
    assert failure.path == tmp_path / "sim-7-cut.json"
    assert load(failure.path) == given
    hunted._better(failure, given.replaced(given.events[:3]), 4)
    assert load(failure.path).events == given.events[:3]
    assert load(tmp_path / "sim-7.json") == given


def parsed(*words: str) -> argparse.Namespace:
    """The arguments of a command line."""
    parser = argparse.ArgumentParser()
    sim.add_parser(parser.add_subparsers())
    return parser.parse_args(["sim", *words])


def test_cutting_down_ends_when_its_time_is_over_with_the_least_that_was_found() -> None:
    schedule = draw(1, SECONDS, ["links"], "spot")
    found: list[Schedule] = []

    def trial(one: Schedule) -> str:
        if len(found) == 3:
            raise TimeIsUp
        return "key"

    shrinker = Shrinker(trial, better=lambda less, _runs: found.append(less))
    assert shrinker.shrink(schedule, "key", 100.0) == found[-1]
    assert shrinker.is_out_of_time
    assert shrinker.trials == 4


@pytest.mark.invariant("R30")
@pytest.mark.timeout(120)
def test_a_process_that_dies_in_a_hunt_is_a_finding_as_any_other(tmp_path: Path) -> None:
    schedule = draw(1, SECONDS)
    hunter = Hunter(tmp_path)
    hunter.give(schedule)
    assert hunter.process.pid is not None
    os.kill(hunter.process.pid, signal.SIGKILL)
    told = hunter.take()
    hunter.end()
    assert told == died(schedule, -9)
    assert told.text == "R30 (process fell): the process that hunted it ended by signal SIGKILL"


@pytest.mark.timeout(120)
def test_the_command_saves_a_schedule_that_fails_again(tmp_path: Path) -> None:
    draw(1, SECONDS, [], "spot", "sends twice").save(tmp_path / "given.json")
    words = command("--schedule", str(tmp_path / "given.json"), "--json", "--save", str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 1, done.stderr
    (failure,) = json.loads(done.stdout)["failed"]
    assert failure["again"] == f"tradewind sim --schedule {tmp_path / 'sim-1.json'}"
    saved = load(tmp_path / "sim-1.json")
    assert len(saved.events) < 20
    assert key_of(saved) == "R14 no order twice"


@pytest.mark.timeout(120)
def test_ctrl_c_ends_the_hunt_and_keeps_what_it_has_saved(tmp_path: Path) -> None:
    """Each trial takes its time, so that the cutting down is under way."""
    draw(1, SECONDS, ["crashes"], "", "forgets fronts").save(tmp_path / "given.json")
    words = command("--schedule", str(tmp_path / "given.json"), "--save", str(tmp_path), "--json")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    # a shell's background job, which the tests may be, ignores SIGINT
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    pipe = subprocess.PIPE
    hunt = subprocess.Popen(words, cwd=REPOSITORY, env=environment, stdout=pipe, stderr=pipe, preexec_fn=heard)
    until_s = time.monotonic() + WAIT_S
    while not (tmp_path / "sim-1.json").exists() and time.monotonic() < until_s:
        time.sleep(0.02)
    hunt.send_signal(signal.SIGINT)
    told, faults = hunt.communicate(timeout=WAIT_S)
    assert hunt.returncode == ExitCode.INTERRUPTED, faults
    summary = json.loads(told)
    assert summary["interrupted"] is True
    assert summary["violations"] == 1
    assert load(tmp_path / "sim-1.json").seed == 1
    assert faults == b""
