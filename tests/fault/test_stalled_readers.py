"""R18: every cold reader of a trading daemon stands still: nothing is lost, nothing is slower, and it goes on where it was."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from engine.control.client import ControlClient
from engine.control.messages import EngineStatus, Status, Strategies, StrategyTable
from engine.model.codes import Lane
from engine.runtime.counters_reader import CountersReader
from tests.fault.evidence import assert_agreed_after_stop
from tests.fault.market import Market

LISTINGS = 300
STALLED_S = 2.0
# of this and not more must the engine's rings have refused: own events are never dropped
OWN_RINGS = ("inbound_own", "to_oms", "order_events", "outbound", "to_strategy", "approvals")


@pytest.fixture
def market() -> Iterator[Market]:
    """A venue, and a daemon that quotes two symbols."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="tradewind-stalled-", dir=memory if memory.is_dir() else None))
    found = Market(root, ("BTCUSDT", "ETHUSDT"), activity=4.0)
    found.write_config()
    found.start()
    found.wait_active()
    found.wait_for(lambda: found.counters()["orders_acked"] >= 4, "orders at the venue")
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


@contextmanager
def reading(market: Market, *arguments: str, out: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A reader in a process of its own; its output goes to a file, or to a pipe."""
    command = [sys.executable, "-m", "engine", *arguments, "--config", str(market.place.engine_config)]
    with ExitStack() as stack:
        stdout = stack.enter_context(out.open("w")) if out is not None else subprocess.PIPE
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.communicate()


def sequences(out: Path) -> list[int]:
    """What a follower has printed in whole lines."""
    text = out.read_text()
    return [json.loads(line)["seq"] for line in text[: text.rfind("\n") + 1].splitlines()]


def on_disk(market: Market) -> list[int]:
    """Every ledger record."""
    return [record.seq for record in market.reader().records(Lane.LEDGER)]


def scrape_begun(desk: subprocess.Popen[str]) -> socket.socket:
    """A connection to the desk with half a request under way."""
    assert desk.stderr is not None
    host, _, port = desk.stderr.readline().split(" on ")[1].strip().removeprefix("http://").rpartition(":")
    link = socket.create_connection((host, int(port)), 10)
    link.sendall(b"GET /metrics HTTP/1.1\r\nHost: desk\r\n")
    return link


@pytest.mark.invariant("R18")
@pytest.mark.timeout(240)
def test_readers_that_stand_still_lose_nothing_and_take_nothing_from_the_engine(
    market: Market, tmp_path: Path, tried: Callable[[str, int], None]
) -> None:
    follow = ("journal", "cat", "--follow", "--json", "--lane", "ledger")
    out = tmp_path / "followed.jsonl"
    with ExitStack() as stack:
        desk = stack.enter_context(reading(market, "desk", "--listen", "127.0.0.1:0"))
        follower = stack.enter_context(reading(market, *follow, out=out))
        choked = stack.enter_context(reading(market, *follow[:-2]))
        link = stack.enter_context(scrape_begun(desk))
        market.wait_for(lambda: len(sequences(out)) > 10, "the follower reads", 30)
        assert choked.stdout is not None
        assert choked.stdout.readline()
        # listings asked for and not read
        path = market.place.runtime_dir / "control.sock"
        idle = stack.enter_context(ControlClient(path, timeout_ms=20_000))
        for _ in range(LISTINGS):
            idle.send(Strategies())
        for process in (desk, follower):
            process.send_signal(signal.SIGSTOP)
        stood_at, acked = sequences(out)[-1], market.counters()["orders_acked"]
        began_s = time.monotonic()
        market.wait_for(lambda: market.counters()["orders_acked"] >= acked + 10, "it trades on", 60)
        market.wait_for(lambda: time.monotonic() - began_s > STALLED_S, "they stand still for a while")
        with ControlClient(path, timeout_ms=20_000) as other:
            assert isinstance(other.request(Status()), EngineStatus)
        assert sequences(out)[-1] <= stood_at + 1_000
        rings = CountersReader(market.place.runtime_dir / "counters").rings()
        assert {ring.name: ring.refused for ring in rings if ring.refused and ring.name.startswith(OWN_RINGS)} == {}
        assert all(isinstance(idle.receive(), StrategyTable) for _ in range(LISTINGS))
        for process in (desk, follower):
            process.send_signal(signal.SIGCONT)
        link.sendall(b"Connection: close\r\n\r\n")
        assert b"tradewind_" in b"".join(iter(lambda: link.recv(65_536), b""))
        assert_agreed_after_stop(market)
        last = on_disk(market)[-1]
        deadline = time.monotonic() + 30
        while sequences(out)[-1] < last:
            assert time.monotonic() < deadline, (sequences(out)[-1], last)
            time.sleep(0.05)
    followed = sequences(out)
    assert followed == on_disk(market)
    assert market.counters()["journal_refused"] == 0
    tried("R18", len(followed))
