"""`tradewind doctor` against a real simulated venue, a real host, and what is wrong with either."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.cli import doctor_engine, doctor_host, doctor_venue
from engine.cli.doctor_checks import guarded
from engine.cli.main import main
from engine.config import load
from engine.control.server import ControlServer
from engine.desk.server import DeskPlaces, DeskServer
from engine.model.codes import Lane, RecordKind
from tests.config_text import GOOD
from tests.control_harness import FakeEngine, serving
from tests.ledger_harness import Ledger
from tests.order_venue import API_KEY, SECRET

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A simulated venue in its own process, and where it listens."""
    ready = tmp_path_factory.mktemp("venue") / "ready.json"
    command = [sys.executable, "-m", "engine", "venue", "--config", "config/venue.toml", "--ready-file", str(ready)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not ready.exists() or not ready.read_text().strip():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield orjson.loads(ready.read_text())
    finally:
        process.terminate()
        process.wait(10)


def config_at(venue: dict[str, Any]) -> str:
    """GOOD with the venue's ports, its strategy's parameters, and credentials that are in order."""
    text = GOOD.replace("127.0.0.1:1080", f"127.0.0.1:{venue['rest']}").replace('tls_ca = "ca.pem"\n', "")
    for host in ("localhost", "127.0.0.1"):
        text = text.replace(f"{host}:1081", f"127.0.0.1:{venue['ws']}")
    text = text.replace("deadman_ms = 900", "deadman_ms = 60000")
    text = text.replace("{ levels = 2 }", '{ qty = "0.01", max_inventory = "0.1" }').replace(":9464", ":0")
    before, _, rest = text.replace("cpu = 1\n", "").partition("[alerts]")
    # no alerts, which need credentials, and recorded is in data_dir, where nothing has to be set up
    return before + "[reconcile]" + rest.partition("[reconcile]")[2].partition("[recorder]")[0] + "[recorder]\n"


def put_private(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o400)


@pytest.fixture
def config(tmp_path: Path, venue: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "engine.toml"
    path.write_text(config_at(venue))
    keys = {"sim.key": API_KEY, "sim.secret": SECRET.decode(), "guard.key": "opens-nothing"}
    for name, content in (keys | {"guard.pem": "-----BEGIN opens-nothing"}).items():
        put_private(tmp_path / name, content)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return path


def report(capsys: pytest.CaptureFixture[str], config: Path, *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    code = main(["doctor", "--config", str(config), "--json", *options])
    told = orjson.loads(capsys.readouterr().out)
    assert told["ok"] == (code == 0)
    return code, {check["name"]: check for check in told["checks"]}


def test_a_sound_engine_and_venue_have_no_failure(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = report(capsys, config)
    assert code == 0, [check for check in checks.values() if check["state"] == "fail"]
    for name in ("sim market stream", "sim order API", "sim drift", "sim symbols", "credentials sim", "strategy maker"):
        assert checks[name]["state"] == "ok", checks[name]
    assert checks["engine"]["text"] == "none runs"
    assert checks["guard key sim"]["state"] == "ok"
    assert (checks["guard"]["state"], checks["guard"]["text"]) == ("warn", "configured, and none answers")


def test_a_dead_man_switch_that_eats_the_rate_limit_is_told_and_so_is_an_engine_without_a_guard(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    legal = config.read_text()
    config.write_text(legal.replace("deadman_ms = 60000", "deadman_ms = 4999"))
    _, checks = report(capsys, config)
    told, asked = checks["dead-man switch sim"], checks["sim dead-man switch"]
    # two symbols, each fed three times in a countdown at a weight of 10: 30 % of 2400 allow 5000 ms
    assert (told["state"], "721 of the venue's 2400" in told["text"]) == ("warn", True)
    assert (asked["state"], "5000 is the least" in asked["text"]) == ("fail", True)
    config.write_text(legal.replace("deadman_ms = 60000", "deadman_ms = 5000"))
    _, checks = report(capsys, config)
    assert checks["sim dead-man switch"]["state"] == "ok"
    lines = legal.splitlines()
    start = lines.index("[guard]")
    config.write_text("\n".join([*lines[:start], *lines[lines.index("[reconcile]") :]]) + "\n")
    _, checks = report(capsys, config, "--offline")
    assert checks["dead-man switch sim"]["state"] == "ok"
    assert "none is configured" in checks["guard"]["text"]


def test_a_futures_accounts_settings_are_shown_beside_the_configured_ones(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, checks = report(capsys, config)
    assert checks["sim account"]["state"] == "warn"
    assert "BTCUSDT: CROSSED, leverage 20, not ISOLATED, 3" in checks["sim account"]["text"]
    (config.parent / "sim.key").unlink()
    put_private(config.parent / "sim.key", "opens-nothing")
    code, checks = report(capsys, config)
    assert (code, checks["sim account"]["state"]) == (1, "fail")
    assert "-20" in checks["sim account"]["text"]


def test_every_line_that_is_not_ok_tells_the_mend(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text().replace('"BTCUSDT"', '"XXXUSDT"').replace(".BTCUSDT", ".XXXUSDT"))
    (config.parent / "sim.secret").chmod(0o444)
    code, checks = report(capsys, config)
    assert code == 1
    assert checks["sim symbols"]["state"] == "fail"
    assert "open to every user" in checks["credentials sim"]["text"]
    assert all(check["mend"] for check in checks.values() if check["state"] != "ok")
    assert "opens-nothing" not in str(checks)
    assert SECRET.decode() not in str(checks)


def test_a_dead_venue_is_told_for_each_address(
    config: Path, venue: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for port in (venue["rest"], venue["ws"]):
        config.write_text(config.read_text().replace(f"127.0.0.1:{port}", "127.0.0.1:1"))
    code, checks = report(capsys, config)
    assert code == 1
    for name in ("sim market stream", "sim order API", "sim REST"):
        assert "nothing listens there" in checks[name]["text"]
    assert report(capsys, config, "--offline")[0] == 0


def test_a_strategy_that_cannot_be_made_is_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text().replace('qty = "0.01"', 'quantity = "0.01"'))
    code, checks = report(capsys, config, "--offline")
    assert code == 1
    assert "quantity" in checks["strategy maker"]["text"]


def test_a_running_engine_is_told_by_name(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(ControlServer(config.parent / "control.sock", FakeEngine().control)):
        assert "test runs, pid 4242" in report(capsys, config, "--offline")[1]["engine"]["text"]


@pytest.mark.parametrize(
    ("offset_ms", "error_ms", "state"),
    [(0, 1, "ok"), (-400, 1, "ok"), (600, 1, "warn"), (1100, 200, "warn"), (1100, 50, "fail"), (-5000, 1, "fail")],
)
def test_drift_is_judged_less_the_error_of_its_measurement(offset_ms: int, error_ms: int, state: str) -> None:
    check = doctor_venue.drift_check("sim", offset_ms * 1_000_000, error_ms * 1_000_000, 1000)
    assert check.state == state


def test_a_directory_open_to_others_is_told(tmp_path: Path) -> None:
    states = []
    for mode in (0o700, 0o755, 0o777):
        tmp_path.chmod(mode)
        states += [check.state for check in doctor_host.private_directory("data_dir", tmp_path)]
    assert states == ["ok", "warn", "fail"]
    [check] = doctor_host.private_directory("data_dir", tmp_path / "a" / "b")
    assert check.text.endswith("will be made")


def test_the_disk_forecast_follows_the_segments(tmp_path: Path) -> None:
    (tmp_path / "engine.toml").write_text(GOOD)
    config = load(tmp_path / "engine.toml").config
    assert "too little journal yet" in doctor_host.forecast(config, tmp_path / "data").text
    ledger = Ledger(tmp_path)
    for _ in range(100):
        ledger.add(RecordKind.OWN_FRAME_OTHER, b"x" * 1000)
    ledger.journal.close(reason="test")
    [segment] = (tmp_path / "data" / "ledger").glob("*.seg")
    assert doctor_host.bytes_per_day(tmp_path / "data", Lane.LEDGER) is None
    later = segment.stat().st_mtime + 3600
    os.utime(segment, (later, later))
    rate = doctor_host.bytes_per_day(tmp_path / "data", Lane.LEDGER)
    assert rate == pytest.approx(segment.stat().st_blocks * 512 * 24, rel=0.01)
    assert "MiB a day" in doctor_host.forecast(config, tmp_path / "data").text


def test_a_desk_on_its_port_is_as_it_should_be_and_a_stranger_is_not(tmp_path: Path) -> None:
    desk = DeskServer(DeskPlaces("test", tmp_path / "none", tmp_path / "none", "127.0.0.1:0"), lambda _: None)
    thread = threading.Thread(target=desk.run)
    thread.start()
    try:
        assert doctor_engine.port_check(desk.address).state == "ok"
    finally:
        desk.stop()
        thread.join(5)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        check = doctor_engine.port_check(f"127.0.0.1:{stranger.getsockname()[1]}")
    assert (check.state, "in use" in check.text) == ("warn", True)


def test_a_pinned_core_that_we_may_not_use_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "engine.toml").write_text(GOOD.replace("cpu = 1\n", "cpu = 4095\n"))
    checks = {check.name: check for check in doctor_host.processor(load(tmp_path / "engine.toml").config)}
    assert checks["cores"].state == "fail"


def test_filesystems_are_told_by_the_longest_mount_point() -> None:
    assert doctor_host.filesystem_of(Path("/proc/self")) == "proc"
    assert doctor_host.filesystem_of(Path("/dev/shm")) == "tmpfs"


def test_what_cannot_be_looked_at_is_a_warning_and_the_report_goes_on() -> None:
    def broken() -> Iterator[Any]:
        raise PermissionError("no")
        yield

    [check] = guarded("clock", broken)
    assert (check.state, check.name) == ("warn", "clock")
