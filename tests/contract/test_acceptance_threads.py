"""The running daemon has exactly one Python thread, read from the system; what else runs in it is C."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.market import Market

# the journal's writer, the watchdog, and ZeroMQ's two; libuv names its pool, which looks up host names, after itself
C_THREADS = {"journal-writer": 1, "watchdog": 1, "ZMQbg/Reaper": 1, "ZMQbg/IO/0": 1}


@pytest.fixture
def market() -> Iterator[Market]:
    """A venue, and a daemon that makes markets on it."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-threads-"))
    found = Market(root)
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def threads_of(pid: int) -> tuple[str, Counter[str]]:
    """Name of the main thread, and how many others there are of each name."""
    tasks = {int(task.name): (task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()}
    return tasks.pop(pid), Counter(tasks.values())


def test_a_trading_daemon_has_one_python_thread(market: Market) -> None:
    market.write_config(
        strategy="tests.fault.thread_counter:ThreadCounter", params={"report": str(market.root / "seen")}
    )
    engine = market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["orders_sent"] > 5, "orders")
    assert market.ctl("status").returncode == 0
    for _ in range(20):
        _, others = threads_of(engine.process.pid)
        assert others == C_THREADS
        time.sleep(0.05)
    market.wait_for((market.root / "seen").exists, "the strategy's own count")
    assert (market.root / "seen").read_text() == "1 1"
