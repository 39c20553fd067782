"""The shipped units as systemd's own tools judge them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.exit_codes import ExitCode
from engine.orderly_stop import STOP_TIMEOUT_S

ROOT = Path(__file__).resolve().parents[2]
UNITS = ["tradewind@", "tradewind-desk@", "tradewind-guard@"]
EXPOSURE_MAX = 1.5
VERSION_MIN = 250


def analyzer() -> str:
    """systemd-analyze, or the test is passed over with the reason."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"systemd (\d+)", told)[0]) < VERSION_MIN:
        pytest.skip(f"systemd-analyze is older than {VERSION_MIN}: it cannot judge offline")
    return program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The units with a program that is there, as they are after an installation."""
    for name in UNITS:
        text = (ROOT / f"systemd/{name}.service").read_text()
        (tmp_path / f"{name}.service").write_text(text.replace("/opt/tradewind/bin/tradewind", "/bin/true"))
    return tmp_path


def settings(name: str) -> dict[str, list[str]]:
    """Key -> values of a unit, in order."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "systemd" / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One look with the units' own folder before the system's."""
    env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "SYSTEMD_COLORS": "0"}
    return subprocess.run([analyzer(), *words], capture_output=True, text=True, env=env, check=False, timeout=60)


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_as_systemd_wants_it(folder: Path, name: str) -> None:
    done = analyze(folder, "verify", "--man=no", str(folder / f"{name}.service"))
    ours = [line for line in done.stderr.splitlines() if "tradewind" in line]
    assert ours == []


@pytest.mark.parametrize("drop_in", ["numba.conf", "pinned-core.conf"])
def test_a_drop_in_is_as_systemd_wants_it(folder: Path, drop_in: str) -> None:
    place = folder / "tradewind@.service.d"
    place.mkdir()
    shutil.copy(ROOT / "systemd/drop-ins" / drop_in, place)
    done = analyze(folder, "verify", "--man=no", str(folder / "tradewind@.service"))
    assert [line for line in done.stderr.splitlines() if "tradewind" in line] == []


@pytest.mark.parametrize("name", UNITS)
def test_a_units_exposure_is_small(folder: Path, name: str) -> None:
    done = analyze(
        folder, "security", "--offline=yes", f"--threshold={int(EXPOSURE_MAX * 10)}", str(folder / f"{name}.service")
    )
    told = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert told, done.stderr
    assert float(told[0]) <= EXPOSURE_MAX
    assert "ignoring" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_tells_readiness_and_progress_itself(name: str) -> None:
    unit = settings(f"{name}.service")
    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert int(unit["WatchdogSec"][0]) >= 5
    codes = {ExitCode(int(code)) for code in unit["RestartPreventExitStatus"][0].split()}
    assert {ExitCode.USAGE, ExitCode.NO_PERMISSION, ExitCode.CONFIG} <= codes
    assert not codes & {ExitCode.UNAVAILABLE, ExitCode.INTERNAL, ExitCode.TEMPORARY}
    # an engine that crashes again and again stays up, HALTED; systemd does not give up on it
    assert unit["StartLimitIntervalSec"] == ["0"]


def test_the_engine_keeps_its_fronts_and_has_time_for_an_orderly_stop() -> None:
    unit = settings("tradewind@.service")
    assert unit["RuntimeDirectoryPreserve"] == ["yes"]
    assert unit["RuntimeDirectory"] == unit["StateDirectory"] == ["tradewind/%i"]
    assert int(unit["TimeoutStopSec"][0]) > STOP_TIMEOUT_S
    loaded = {value.partition(":")[0] for value in unit["LoadCredential"]}
    assert loaded == {value.partition(":")[0] for value in unit["SetCredential"]} == {"%i.key", "%i.pem", "%i.secret"}
