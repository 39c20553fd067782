"""The pinned core belongs to the hot thread alone, in a real engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.market import Market


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    found = Market(tmp_path)
    yield found
    found.close()


def pin(market: Market, cpu: int) -> None:
    path = market.place.engine_config
    text = path.read_text()
    assert "[engine]\n" in text
    path.write_text(text.replace("[engine]\n", f"[engine]\ncpu = {cpu}\n"))


def cores_by_thread(pid: int) -> dict[int, str]:
    """Thread id -> the cores it may use, as the kernel lists them."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
        found[int(task.name)] = lines["Cpus_allowed_list"]
    return found


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core cannot be kept free of the other threads")
def test_only_the_hot_thread_is_kept_on_the_core_that_is_named(market: Market) -> None:
    cpu = max(os.sched_getaffinity(0))
    pin(market, cpu)
    engine = market.start()
    market.wait_active()
    found = cores_by_thread(engine.process.pid)
    assert found.pop(engine.process.pid) == str(cpu)
    # the journal's writer, the watchdog and ZeroMQ's own
    assert len(found) >= 4
    assert str(cpu) not in found.values()
    assert engine.stop() == 0


def test_a_core_that_is_not_there_is_78(market: Market) -> None:
    pin(market, 4095)
    engine = market.start()
    assert market.wait_dead() == 78
    assert "engine.cpu: core 4095 is not among" in engine.tail()
