"""``tradewind venue ctl`` and the plan of ``[faults]``: what is asked for is armed and ends; what makes no sense is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.cli import venue
from engine.exit_codes import ExitCode
from engine.sim.wire import fault_commands
from engine.sim.wire.build import build_shell
from engine.sim.wire.config import VenueFile
from engine.sim.wire.fault_desk import begin_plan
from tests.contract.venue_wire.test_venue_sessions import START
from tests.contract.venue_wire.test_venue_verb import refused, running
from tests.venue_harness import REPOSITORY, make_shell

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The admin socket of a running venue."""
    folder = tmp_path_factory.mktemp("venue-ctl")
    with running(folder, "--activity", "0", "--admin", str(folder / "admin.sock")):
        yield folder / "admin.sock"


def ctl(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", "venue", "ctl", *arguments]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY, env=env, check=False)


def status(path: Path) -> dict[str, Any]:
    done = ctl("status", "--json", "--admin", str(path))
    assert done.returncode == ExitCode.OK, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def test_a_fault_is_armed_shown_and_cleared(socket_path: Path) -> None:
    done = ctl("latency", "--kind", "ws-api", "--from-venue-ms", "20", "--for-s", "600", "--admin", str(socket_path))
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.OK, "done\n", "")
    (row,) = status(socket_path)["faults"]["armed"]
    assert (row["cmd"], row["kind"], row["from_venue_ms"], row["strikes"]) == ("latency", "ws-api", 20, 0)
    assert 0 < row["ends_in_s"] <= 600
    shown = ctl("status", TRADEWIND_VENUE_ADMIN=str(socket_path)).stdout
    assert "armed            latency" in shown
    assert ctl("reset", "--ready-file", str(socket_path.with_name("ready.json"))).returncode == ExitCode.OK
    assert status(socket_path)["faults"]["armed"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("dance",), ExitCode.USAGE, "invalid choice: 'dance'"),
        (("drop", "--fraction", "much"), ExitCode.USAGE, "invalid float value"),
        (("drop", "--fraction", "1.5"), ExitCode.REFUSED, "<= 1.0 - at `$.fraction`"),
        (("drop", "--fraction", "nan"), ExitCode.REFUSED, "fraction"),
        (("gap", "NOPE"), ExitCode.REFUSED, "'NOPE' is not traded here"),
        (("bad-book", "BTCUSDT", "sideways"), ExitCode.USAGE, "invalid choice: 'sideways'"),
        (("order-error", "1", "5"), ExitCode.REFUSED, "code"),
        (("reset", "--only", "dance"), ExitCode.REFUSED, "'dance' is no verb"),
        (("account", "99"), ExitCode.REFUSED, "no account has the id 99"),
        (("revoke", "nokey"), ExitCode.REFUSED, "'nokey'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    socket_path: Path, arguments: tuple[str, ...], code: ExitCode, text: str
) -> None:
    done = ctl(*arguments, "--admin", str(socket_path))
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_venue_the_exit_code_says_so(tmp_path: Path) -> None:
    done = ctl("status", "--admin", str(tmp_path / "nobody.sock"))
    assert done.returncode == ExitCode.UNAVAILABLE
    assert "no venue answers" in done.stderr
    assert ctl("status", TRADEWIND_VENUE_ADMIN="").returncode in (ExitCode.USAGE, ExitCode.UNAVAILABLE)


def test_the_help_of_every_verb_names_every_field() -> None:
    shown = ctl("--help").stdout
    assert all(verb.replace("_", "-") in shown for verb in fault_commands.VERBS)
    assert "exit codes" in shown
    detail = ctl("limited", "--help").stdout
    assert all(f"--{name}" in detail for name in ("status", "retry-after-s", "kind", "count", "at-s", "for-s", "json"))


def plan(text: str) -> VenueFile:
    return msgspec.convert(tomllib.loads(text), VenueFile)


def test_a_plan_begins_and_ends_at_its_times() -> None:
    shell = make_shell(start_ns=START)
    file = plan(
        '[faults]\nseed = 5\n[[faults.plan]]\ncmd = "latency"\nat_s = 5\nfor_s = 10\nfrom_venue_ms = 7\n'
        '[[faults.plan]]\ncmd = "clock_step"\nat_s = 6.5\nms = -250\n[[faults.plan]]\ncmd = "timestamp_errors"\ncount = 2\n'
    )
    begin_plan(shell, file.faults.plan)
    seen = {}
    for second in (0, 4, 5, 6, 7, 14, 15):
        shell.begin(START + second * SECOND)
        shown = shell.faults.status(shell.now_ns)
        armed: Any = shown["armed"]
        seen[second] = ([row["cmd"] for row in armed], shown["clock_offset_ms"])
    now, both = ["timestamp_errors"], ["timestamp_errors", "latency"]
    assert seen == {
        0: (now, 0),
        4: (now, 0),
        5: (both, 0),
        6: (both, 0),
        7: (both, -250),
        14: (both, -250),
        15: (now, -250),
    }


def test_a_reset_voids_what_still_waits_to_begin() -> None:
    shell = make_shell(start_ns=START)
    begin_plan(shell, plan('[[faults.plan]]\ncmd = "half_open"\nat_s = 1\n').faults.plan)
    shell.faults.clear()
    shell.begin(START + 2 * SECOND)
    assert shell.faults.status(shell.now_ns)["armed"] == []


@pytest.mark.invariant("R19")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[faults.plan]]\ncmd = "dance"\n', "dance"),
        ('[[faults.plan]]\ncmd = "drop"\nfracton = 0.5\n', "fracton"),
        ('[[faults.plan]]\ncmd = "drop"\nfraction = 2.0\n', "fraction"),
        ('[[faults.plan]]\ncmd = "gap"\nsymbol = "NOPE"\n', "faults.plan entry 1 (gap)"),
    ],
)
def test_a_wrong_plan_stops_the_start(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(text)
    code, told = refused("--config", str(path))
    assert code == venue.EXIT_CONFIG
    assert said in told
    assert told.count("\n") == 1


def test_the_seed_of_the_dice_is_the_configurations(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    path.write_text("[faults]\nseed = 11\n")
    first, second = (build_shell(path, 1, 0.0, START).faults.dice.bits64() for _ in range(2))
    path.write_text("[faults]\nseed = 12\n")
    assert first == second != build_shell(path, 1, 0.0, START).faults.dice.bits64()
