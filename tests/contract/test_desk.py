"""The desk over its real port, beside an engine's files."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.desk.server import DeskPlaces, DeskPortError, DeskServer
from engine.model.codes import AlarmCode, Counter, HaltReason, RecordKind, Stage, TradingState
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from tests.config_text import GOOD
from tests.ledger_harness import Ledger, body


def get(address: str, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def wait_until(condition: Any, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.02)


class Beside:
    """A desk on a free port beside a counters file and a ledger that this test writes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[dict[str, Any]] = []
        places = DeskPlaces("test", root / "runtime" / "counters", root / "data", "127.0.0.1:0")
        self.desk = DeskServer(places, self.events.append)
        self.thread = threading.Thread(target=self.desk.run)
        self.thread.start()

    def counters(self) -> Counters:
        (self.root / "runtime").mkdir(exist_ok=True)
        counters = Counters(str(self.root / "runtime" / "counters"))
        counters.set(Counter.PID, os.getpid())
        counters.set(Counter.HEARTBEAT_MONO_NS, Clock().monotonic_ns())
        return counters

    def state(self, path: str) -> tuple[int, dict[str, Any]]:
        status, content = get(self.desk.address, path)
        return status, orjson.loads(content)

    def samples(self) -> dict[tuple[str, ...], float]:
        text = get(self.desk.address, "/metrics")[1].decode()
        return {
            (sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "engine")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    made = Beside(tmp_path)
    yield made
    made.desk.stop()
    made.thread.join(5)


def test_a_desk_without_an_engine_says_so_and_stays(beside: Beside) -> None:
    status, state = beside.state("/healthz")
    assert (status, state["alive"]) == (503, False)
    assert "is the engine running" in state["cause"]
    assert beside.state("/readyz")[0] == 503
    assert beside.samples() == {("tradewind_up",): 0.0}


def test_counters_gauges_and_latencies_are_scraped_from_the_mapped_file(beside: Beside) -> None:
    counters = beside.counters()
    counters.add(Counter.FILLS, 3)
    counters.set(Counter.CLOCK_DRIFT_NS, -2_000_000)
    counters.set(Counter.JOURNAL_LAST_SEQ, 77)
    for value_ns in (100, 200, 300_000):
        counters.record_ns(Stage.BYTES_READY, value_ns)
    samples = beside.samples()
    assert samples["tradewind_up",] == 1
    assert samples["tradewind_fills_total",] == 3
    assert samples["tradewind_clock_drift_seconds",] == pytest.approx(-0.002)
    assert samples["tradewind_journal_last_seq",] == 77
    latency = "tradewind_stage_latency_seconds"
    assert samples[f"{latency}_count", "bytes_ready"] == 3
    assert samples[f"{latency}_sum", "bytes_ready"] == pytest.approx(300_300e-9)
    assert samples[f"{latency}_bucket", "1.28e-07", "bytes_ready"] == 1
    assert samples[f"{latency}_bucket", "2.56e-07", "bytes_ready"] == 2
    assert samples[f"{latency}_bucket", "+Inf", "bytes_ready"] == 3
    assert samples["tradewind_stage_latency_quantile_seconds", "0.5", "bytes_ready"] == pytest.approx(200e-9, rel=0.01)


def test_the_engines_rings_are_scraped_too(beside: Beside) -> None:
    counters, ring = beside.counters(), Ring("intents", 4)
    for kind in range(6):
        ring.offer(kind)
    ring.poll()
    counters.show_rings([Ring("to_oms", 8), ring])
    samples = beside.samples()
    assert samples["tradewind_ring_depth", "intents"] == 3
    assert samples["tradewind_ring_high_water", "intents"] == 4
    assert samples["tradewind_ring_refused_total", "intents"] == 2
    assert samples["tradewind_ring_high_water", "to_oms"] == 0


def test_every_counter_is_a_metric_or_hidden_on_purpose(beside: Beside) -> None:
    beside.counters()
    names = {key[0] for key in beside.samples()}
    for counter in Counter:
        name = f"tradewind_{counter.name.lower()}"
        told = {name, f"{name}_total", "tradewind_start_time_seconds", "tradewind_clock_drift_seconds"} & names
        assert told or counter in (Counter.STAND_BY_0, Counter.HEARTBEAT_MONO_NS), name


def test_alive_is_progress_and_ready_is_permission_to_trade(beside: Beside) -> None:
    counters = beside.counters()
    counters.set(Counter.TRADING_STATE, TradingState.HALTED)
    counters.set(Counter.HALT_REASON, HaltReason.KILL)
    assert beside.state("/healthz")[0] == 200
    status, state = beside.state("/readyz")
    assert (status, state["cause"]) == (503, "trading is HALTED (KILL)")
    counters.set(Counter.TRADING_STATE, TradingState.ACTIVE)
    assert beside.state("/readyz")[0] == 200


def test_an_engine_that_makes_no_progress_or_is_gone_is_not_alive(beside: Beside) -> None:
    counters = beside.counters()
    counters.set(Counter.HEARTBEAT_MONO_NS, Clock().monotonic_ns() - 6_000_000_000)
    status, state = beside.state("/healthz")
    assert (status, "no progress" in state["cause"]) == (503, True)
    counters.set(Counter.HEARTBEAT_MONO_NS, Clock().monotonic_ns())
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    counters.set(Counter.PID, gone.pid)
    assert beside.state("/healthz")[1]["cause"] == "the engine does not run"
    assert beside.samples()["tradewind_up",] == 0


def test_an_engine_that_comes_and_is_replaced_is_followed(beside: Beside) -> None:
    beside.counters().add(Counter.FILLS, 1)
    assert beside.samples()["tradewind_fills_total",] == 1
    (beside.root / "runtime" / "counters").unlink()
    beside.counters().add(Counter.FILLS, 5)
    assert beside.samples()["tradewind_fills_total",] == 5


def test_the_ledgers_events_are_printed_from_the_start_of_the_run_on(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.restart()
    ledger.journal.flush()
    beside = Beside(tmp_path)
    try:
        wait_until(lambda: beside.events)
        assert [event["kind"] for event in beside.events].count("START") == 1
        assert beside.events[0]["kind"] == "START"
        ledger.add(RecordKind.ALARM, body(RecordKind.ALARM, state=AlarmCode.KILLED))
        ledger.add(RecordKind.TRADING_STATE, body(RecordKind.TRADING_STATE, reason=HaltReason.KILL))
        wait_until(lambda: len(beside.events) >= 3)
        assert [event["kind"] for event in beside.events[-2:]] == ["ALARM", "TRADING_STATE"]
        assert beside.events[-2]["state"] == "KILLED"
        ledger.restart()
        wait_until(lambda: beside.events[-1]["kind"] == "START")
    finally:
        beside.desk.stop()
        beside.thread.join(5)
        ledger.journal.close(reason="test")


def test_another_path_is_not_found_and_another_method_refused(beside: Beside) -> None:
    assert get(beside.desk.address, "/")[0] == 404
    host, port = beside.desk.address.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert b" 501 " in connection.recv(1000)


def test_a_busy_port_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(DeskPortError, match=f"{address} is in use") as caught:
            DeskServer(DeskPlaces("test", Path("none"), Path("none"), address), lambda _: None)
        assert "\n" not in str(caught.value)


def desk_process(config: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "engine", "desk", "--config", str(config), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_desk_process_ends_with_0_on_sigterm_and_with_69_on_a_busy_port(tmp_path: Path) -> None:
    # without alerts and signed heads, which need credentials
    before, _, rest = GOOD.replace('audit_credential = "audit"\n', "").partition("[alerts]")
    (tmp_path / "engine.toml").write_text(before + "[reconcile]" + rest.partition("[reconcile]")[2])
    ledger = Ledger(tmp_path)
    ledger.journal.flush()
    first = desk_process(tmp_path / "engine.toml", "--listen", "127.0.0.1:0", "--json")
    assert first.stderr is not None
    assert first.stdout is not None
    try:
        address = first.stderr.readline().strip().rsplit("/", 1)[1]
        assert orjson.loads(first.stdout.readline())["kind"] == "START"
        second = desk_process(tmp_path / "engine.toml", "--listen", address)
        _, told = second.communicate(timeout=10)
        assert second.returncode == 69
        assert told.count("\n") == 1
        assert f"{address} is in use" in told
        first.send_signal(signal.SIGTERM)
        assert first.wait(10) == 0
    finally:
        if first.poll() is None:
            first.kill()
        first.communicate()
        ledger.journal.close(reason="test")
