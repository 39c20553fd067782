"""The daemon as a service: what its supervisor hears, and what it does about crashes, stops and wrong addresses."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo.processes import Child
from engine.model.codes import Counter, HaltReason, RecordKind, TradingState
from engine.runtime.counters_reader import CountersReader
from tests.fault.market import Market

RESTING = "tests.fault.resting_maker:RestingMaker"


class Supervisor:
    """The other end of $NOTIFY_SOCKET, in the abstract namespace as systemd's own may be."""

    def __init__(self, name: str, watchdog_s: float = 1.0) -> None:
        self.end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.end.bind(f"\0{name}")
        self.end.setblocking(False)
        self.env = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}
        self.lines: list[str] = []

    def hear(self) -> list[str]:
        """Every assignment so far."""
        while True:
            try:
                self.lines += self.end.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.lines

    def heard(self, line: str) -> bool:
        """Has this assignment come."""
        return line in self.hear()

    def beats(self) -> int:
        """How many watchdog beats have come."""
        return self.hear().count("WATCHDOG=1")


@pytest.fixture
def market() -> Iterator[Market]:
    """A venue, and a configuration with one symbol."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-service-"))
    found = Market(root)
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def supervisor(market: Market) -> Iterator[Supervisor]:
    """What the daemon is told to notify."""
    found = Supervisor(f"tradewind-test-{os.getpid()}-{market.root.name}")
    yield found
    found.end.close()


def start(market: Market, supervisor: Supervisor) -> Child:
    """A daemon as systemd starts it: notify socket, watchdog, credentials directory."""
    env = {"CREDENTIALS_DIRECTORY": str(market.place.credentials), **supervisor.env}
    market.engine = Child("engine", ["run", "--config", str(market.place.engine_config)], market.root, env)
    return market.engine


def test_a_supervisor_hears_ready_progress_state_and_the_stop(market: Market, supervisor: Supervisor) -> None:
    engine = start(market, supervisor)
    market.wait_for(lambda: supervisor.heard("READY=1"), "READY")
    assert f"MAINPID={engine.process.pid}" in supervisor.lines
    # READY means that the control port answers
    assert market.ctl("status").returncode == 0
    market.wait_for(lambda: supervisor.heard("STATUS=ACTIVE"), "the state")
    beats = supervisor.beats()
    market.wait_for(lambda: supervisor.beats() >= beats + 3, "beats")
    assert engine.stop() == 0
    assert supervisor.heard("STOPPING=1")
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in supervisor.lines)


@pytest.mark.parametrize("verb", ["desk", "guard"])
def test_the_processes_beside_the_engine_tell_readiness_and_beat_too(
    market: Market, supervisor: Supervisor, verb: str
) -> None:
    market.write_config(replaced={"[desk]\n": "[guard]\nheartbeat_ms_max = 500\n\n[desk]\n"})
    env = {"CREDENTIALS_DIRECTORY": str(market.place.credentials), **supervisor.env}
    market.engine = Child(verb, [verb, "--config", str(market.place.engine_config)], market.root, env)
    market.wait_for(lambda: supervisor.heard("READY=1"), "READY")
    beats = supervisor.beats()
    market.wait_for(lambda: supervisor.beats() >= beats + 2, "beats")
    assert market.engine.stop() == 0
    assert supervisor.heard("STOPPING=1")


@pytest.mark.invariant("R23")
def test_beats_stop_while_an_actor_hangs_and_the_engine_ends_itself(market: Market, supervisor: Supervisor) -> None:
    market.write_config(strategy=RESTING, params={"fault": "hang_in_c", "at_symbol": "BTCUSDT"})
    engine = start(market, supervisor)
    market.wait_for(lambda: heartbeat_age_s(market) > 0.8, "a hang", 40)
    supervisor.hear()
    beats = supervisor.beats()
    assert beats > 0
    assert engine.process.wait(30) == -signal.SIGABRT
    assert supervisor.beats() == beats


def test_a_stop_that_never_reached_the_venue_is_quick_and_says_so(market: Market) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    ws = f'ws_api_url = "ws://127.0.0.1:{market.ports["ws"]}"'
    market.write_config(replaced={ws: f'ws_api_url = "ws://127.0.0.1:{port}"'})
    engine = market.start()

    def troubles() -> str:
        done = market.ctl("status")
        return str(json.loads(done.stdout)["troubles"]) if done.returncode == 0 else ""

    # told in words, to whoever asks and in the ledger, which the desk prints
    market.wait_for(lambda: "nothing listens there" in troubles(), "the cause in `ctl status`")
    assert f"127.0.0.1:{port}" in troubles()

    def told() -> list[str]:
        rows = market.ledger_records(RecordKind.SESSION_STATE)
        return [row["payload"].get("text", "") for row in rows]

    market.wait_for(lambda: any("the order connection does not stand" in text for text in told()), "the event")
    began = time.monotonic()
    assert engine.stop() == 69
    assert time.monotonic() - began < 12
    last = engine.tail().splitlines()[-1]
    assert "this run sent no order, the journal knows of none open" in last
    assert "nothing listens there" in last


@pytest.mark.invariant("R26")
def test_a_crash_loops_halt_outlives_an_orderly_stop_and_the_arm_of_one_strategy(market: Market) -> None:
    market.write_config(replaced={'crash_loop = "off"': "crash_loop = { count = 2, minutes = 60 }"})
    for _ in range(2):
        market.start()
        market.wait_for(lambda: market.counters().get("pid") == pid_of(market), "a start")
        market.wait_for(lambda: market.ctl("status").returncode == 0, "it answers")
        market.kill()
    start_halted(market)
    # a stop in order does not make a person look
    assert market.engine is not None
    assert market.engine.stop() in (0, 69)
    assert counted_starts(market) >= 2
    start_halted(market)
    # nor does a strategy that nobody has to enable, or one that is enabled again: both say what stays
    refused = market.ctl("arm", "--strategy", "maker-btcusdt")
    assert refused.returncode == 1
    assert "nothing to arm" in refused.stderr
    assert "trading stays HALTED (CRASH_LOOP)" in refused.stderr
    assert market.ctl("kill", "--strategy", "maker-btcusdt").returncode == 0
    armed = market.ctl("arm", "--strategy", "maker-btcusdt")
    assert armed.returncode == 0, armed.stderr
    told = json.loads(armed.stdout)
    assert (told["trading_state"], told["halt_reason"]) == ("HALTED", "CRASH_LOOP")
    assert counted_starts(market) >= 2
    assert market.engine.stop() in (0, 69)
    start_halted(market)
    assert market.ctl("arm", "--reason", "looked at it").returncode == 0
    assert counted_starts(market) == 0
    market.wait_state(TradingState.ACTIVE, HaltReason.NONE, 30)
    assert market.engine.stop() == 0
    market.start()
    market.wait_active()


def pid_of(market: Market) -> int:
    """The process of the engine that was started last."""
    assert market.engine is not None
    return int(market.engine.process.pid)


def counted_starts(market: Market) -> int:
    """Starts that no orderly stop and no arm has followed, as the next start will count them."""
    return len((market.place.data_dir / "starts").read_text().split())


def start_halted(market: Market) -> None:
    """A start that stays HALTED(CRASH_LOOP) although the account is read."""
    market.start()
    market.wait_for(lambda: market.counters().get("pid") == pid_of(market), "a start", 30)
    market.wait_for(lambda: market.counters()["reconciled"] == 1, "the account is read", 30)
    market.wait_state(TradingState.HALTED, HaltReason.CRASH_LOOP)


@pytest.mark.invariant("R34")
def test_the_account_is_read_again_every_interval(market: Market) -> None:
    market.write_config(replaced={"interval_s = 5": "interval_s = 1"})
    market.start()
    market.wait_active()
    reconciles = market.counters()["reconciles"]
    market.wait_for(lambda: market.counters()["reconciles"] >= reconciles + 3, "three more", 20)
    timers = [row for row in market.ledger_records(RecordKind.TIMER) if row["payload"]["timer_kind"] == "RECONCILE"]
    asked = [row["payload"]["deadline_mono_ns"] for row in timers]
    assert len(asked) >= 3
    assert all(later - earlier >= 1_000_000_000 for earlier, later in itertools.pairwise(asked))


def heartbeat_age_s(market: Market) -> float:
    """How old the engine's heartbeat is, -1 while there is none."""
    if not market.counters():
        return -1.0
    with CountersReader(market.place.runtime_dir / "counters") as reader:
        beat_ns = reader.value(Counter.HEARTBEAT_MONO_NS)
    return (time.monotonic_ns() - beat_ns) / 1e9 if beat_ns else -1.0
