"""R33 with real processes and sockets: receivers that refuse, hang, answer 500 or close; a desk that is killed; full disks."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.model.codes import AlarmCode, RecordKind
from engine.notify import operators
from engine.notify.webhook import signature
from tests.fault.alarm_receiver import SECRET, Desk, alarm_receiver, config_with, until, webhook_to
from tests.ledger_harness import Ledger, body

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    made.journal.flush()
    yield made
    made.journal.close(reason="test")


def alarm(ledger: Ledger, code: AlarmCode = AlarmCode.KILLED) -> int:
    sequence = ledger.add(RecordKind.ALARM, body(RecordKind.ALARM, state=code), instrument_id=1)
    ledger.journal.flush()
    return sequence


@pytest.mark.invariant("R33")
def test_a_webhook_that_fails_in_every_way_gets_the_alarm_in_the_end_under_one_key_and_signed(
    tmp_path: Path, ledger: Ledger
) -> None:
    with alarm_receiver(500, "close", "hang", 429, 204) as receiver:
        desk = Desk(config_with(tmp_path, webhook_to(receiver.url, credential="ops")))
        try:
            sequence = alarm(ledger)
            until(lambda: receiver.taken, "the alarm was not taken")
        finally:
            assert desk.stop() == 0
        assert len({headers["Idempotency-Key"] for headers, _, _ in receiver.requests}) == 1
        headers, told, content = receiver.requests[-1]
        assert told["id"] == headers["Idempotency-Key"]
        assert told["id"].endswith(f"-1-{sequence}")
        expected = signature(SECRET, headers["X-Tradewind-Timestamp"], content)
        assert hmac.compare_digest(headers["X-Tradewind-Signature"], expected)
        assert (told["alarms"][0]["code"], told["alarms"][0]["symbol"]) == ("KILLED", "BTCUSDT")


@pytest.mark.invariant("R33")
def test_no_alarm_is_lost_over_kills_of_desk_while_it_delivers(tmp_path: Path, ledger: Ledger) -> None:
    sent: set[int] = set()
    with alarm_receiver("hang", 200, 500, 200) as receiver:
        config = config_with(tmp_path, webhook_to(receiver.url))
        for turn in range(4):
            desk = Desk(config)
            sent |= {alarm(ledger, code) for code in (AlarmCode.KILLED, AlarmCode.OVERFILL, AlarmCode.FEED_STALE)}
            count = len(receiver.requests)
            until(lambda count=count: len(receiver.requests) > count, "nothing was posted")  # type: ignore[misc]
            desk.kill()
            sent.add(alarm(ledger, AlarmCode.UNKNOWN_FILL))
            receiver.plan = ["hang", 200] if turn % 2 else [200, "close", 200]
        receiver.plan = [200]
        desk = Desk(config)
        try:
            until(lambda: receiver.sequences() >= sent, "an alarm is missing")
            rows = operators.listed(tmp_path / "data" / "alerts.sqlite", open_only=False, last=100)
        finally:
            assert desk.stop() == 0
    assert {row["seq"] for row in rows if row["seq"]} == sent


@pytest.mark.invariant("R33")
def test_alarms_are_told_though_desk_can_write_nothing_any_more(tmp_path: Path, ledger: Ledger) -> None:
    def full_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    with alarm_receiver(200) as receiver:
        desk = Desk(config_with(tmp_path, webhook_to(receiver.url)), preexec_fn=full_disk)
        try:
            alarm(ledger)
            until(lambda: {"KILLED", "OUTBOX_FAILED"} <= set(receiver.codes()), "the alarms were not taken")
            with urllib.request.urlopen(f"http://{desk.address}/metrics", timeout=10) as reply:
                assert b'tradewind_alerts_outbox_failed{engine="test"} 1.0' in reply.read()
        finally:
            assert desk.stop() == 0


@pytest.mark.invariant("R33")
def test_an_engine_that_dies_is_an_alarm_though_it_wrote_nothing(tmp_path: Path, ledger: Ledger) -> None:
    engine = "\n".join(
        (
            "import sys, time",
            "from engine.runtime.counters import Counters",
            "from engine.runtime.clock import Clock",
            "from engine.model.codes import Counter",
            "import os",
            "counters = Counters(sys.argv[1])",
            "counters.set(Counter.PID, os.getpid())",
            "print('up', flush=True)",
            "while True:",
            "    counters.set(Counter.HEARTBEAT_MONO_NS, Clock().monotonic_ns())",
            "    time.sleep(0.02)",
        )
    )
    with alarm_receiver(200) as receiver:
        desk = Desk(config_with(tmp_path, webhook_to(receiver.url)))
        command = [sys.executable, "-c", engine, str(tmp_path / "runtime" / "counters")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.5)
            process.kill()
        try:
            until(lambda: "ENGINE_GONE" in receiver.codes(), "nobody was told")
        finally:
            assert desk.stop() == 0


def test_a_second_desk_does_not_deliver_beside_the_first(tmp_path: Path, ledger: Ledger) -> None:
    with alarm_receiver(200) as receiver:
        config = config_with(tmp_path, webhook_to(receiver.url))
        first = Desk(config)
        until(lambda: (tmp_path / "runtime" / "notifier.json").exists(), "no sign of life")
        second = Desk(config)
        _, told = second.process.communicate(timeout=30)
        assert second.process.returncode == 75
        assert "another desk delivers alarms" in told
        assert first.stop() == 0
        assert not (tmp_path / "runtime" / "notifier.json").exists()


def alerts(config: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "engine", "alerts", *words, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_program_that_leaves_a_child_behind_has_delivered_the_test(tmp_path: Path, ledger: Ledger) -> None:
    program, child = tmp_path / "page", tmp_path / "child"
    program.write_text(f"#!/bin/sh\nsleep 600 & echo $! > {child}; exit 0\n")
    program.chmod(0o700)
    config = config_with(tmp_path, f'[alerts.command.page]\nargv = ["{program}"]\ntimeout_ms = 5000\n')
    try:
        code, told = alerts(config, "test", "--json")
        (row,) = json.loads(told)  # a traceback would stand behind it
        assert (code, row["delivered"], row["error"]) == (0, True, "")
        assert row["ms"] < 4000
    finally:
        os.kill(int(child.read_text()), signal.SIGKILL)


def test_databases_that_are_deleted_beside_desk_are_alarms_and_are_made_again(tmp_path: Path, ledger: Ledger) -> None:
    with alarm_receiver(200) as receiver:
        config = config_with(tmp_path, webhook_to(receiver.url))
        config.write_text(config.read_text() + "\n[recorder]\n")
        files = [ledger.data_dir / "recorder.sqlite", ledger.data_dir / "alerts.sqlite"]
        desk = Desk(config)
        try:
            alarm(ledger)
            until(lambda: "KILLED" in receiver.codes(), "the alarm was not taken")
            until(lambda: recorded_alarms(files[0]) == 1, "nothing was recorded")
            # the logs first: what is made anew at once keeps its own
            for path in sorted(ledger.data_dir.glob("*.sqlite*"), key=lambda path: path.suffix == ".sqlite"):
                path.unlink(missing_ok=True)
            until(lambda: {"OUTBOX_FAILED", "RECORDER_FAILED"} <= set(receiver.codes()), "it was not told")
            until(lambda: recorded_alarms(files[0]) == 1, "the ledger was not recorded again")
            alarm(ledger)
            until(lambda: receiver.codes().count("KILLED") == 2, "the next alarm was not taken")
            until(lambda: recorded_alarms(files[0]) == 2, "the next alarm was not recorded")
        finally:
            assert desk.stop() == 0
        texts = [row["text"] for told in receiver.taken for row in told["alarms"] if row["code"].endswith("_FAILED")]
        for path in files:
            assert any(f"{path}: the file was moved or deleted while it was open" in text for text in texts)
    rows = operators.listed(files[1], open_only=True, last=10)
    assert [row["code"] for row in rows].count("KILLED") == 2
    code, told = sql_status(config)
    assert (code, json.loads(told)["rows"]["alarms"]) == (0, 2)


def recorded_alarms(path: Path) -> int:
    """-1 where nothing is there yet; who asks makes no file."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM alarms").fetchone()[0])
    except sqlite3.OperationalError:
        return -1


def sql_status(config: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "engine", "sql", "status", "--json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def test_operators_try_list_acknowledge_and_silence_from_the_command_line(tmp_path: Path, ledger: Ledger) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with alarm_receiver(200) as receiver:
            both = webhook_to(receiver.url) + f'[alerts.webhook.chat]\nurl = "{nobody}"\n'
            config = config_with(tmp_path, both)
            assert alerts(config, "list")[0] == 66
            code, told = alerts(config, "test", "--json")
            rows: list[dict[str, Any]] = json.loads(told)
            assert code == 1
            assert [(row["channel"], row["delivered"]) for row in rows] == [("ops", True), ("chat", False)]
            assert "nothing listens there" in rows[1]["error"]
            assert receiver.taken[0]["alarms"][0]["code"] == "TEST"
            assert alerts(config, "test", "--channel", "ops")[0] == 0
            desk = Desk(config)
            try:
                alarm(ledger)
                until(lambda: "KILLED" in receiver.codes(), "the alarm was not taken")
            finally:
                assert desk.stop() == 0
    code, told = alerts(config, "list", "--open", "--json")
    row = next(item for item in json.loads(told) if item["code"] == "KILLED")
    assert (code, row["state"], row["told"], row["waits_for"]) == (0, "open", ["ops"], ["chat"])
    assert alerts(config, "ack", row["key"], "--reason", "seen") == (0, "1 acknowledged\n")
    assert alerts(config, "ack", row["key"])[0] == 1
    assert alerts(config, "silence", "--for", "2h", "--code", "FEED_STALE")[0] == 0
    assert alerts(config, "silence", "--for", "2h", "--code", "NOTHING")[0] == 2
    assert alerts(config, "silence", "--for", "2 hours", "--symbol", "BTCUSDT")[0] == 2
