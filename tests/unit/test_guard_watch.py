"""What the guard sees of an engine, from a counters file and a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.guard.kills import KillOrder, Kills, KillsUnreadable
from engine.guard.watch import EngineWatch, Sight
from engine.model.codes import Counter, TradingState
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters

MS = 1_000_000


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits until its input ends."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield child
    child.kill()
    child.communicate()


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock.virtual()


def engine(path: Path, pid: int, beat_ns: int, state: TradingState = TradingState.ACTIVE) -> Counters:
    """An engine's counters file."""
    counters = Counters(str(path))
    counters.set(Counter.PID, pid)
    counters.set(Counter.HEARTBEAT_MONO_NS, beat_ns)
    counters.set(Counter.TRADING_STATE, state)
    return counters


def settle(kills: Kills) -> None:
    """Who changes the file at once again and again may keep its lock for long."""
    end_s = time.monotonic() + 60
    while not kills.settle(0.05):
        assert time.monotonic() < end_s, kills.fault


def test_without_an_engine_there_is_nothing_to_see(tmp_path: Path, clock: Clock) -> None:
    watch = EngineWatch(tmp_path / "counters", clock, 400 * MS)
    assert watch.look().sight == Sight.UNSEEN
    (tmp_path / "counters").write_bytes(b"not one")
    assert watch.look().sight == Sight.UNSEEN
    assert "no counters file" in watch.fault
    watch.close()


def test_a_heartbeat_that_stands_still_is_a_hang_at_the_second_look_and_one_that_moves_is_none(
    tmp_path: Path, clock: Clock, process: subprocess.Popen[bytes]
) -> None:
    counters = engine(tmp_path / "counters", process.pid, clock.monotonic_ns())
    watch = EngineWatch(tmp_path / "counters", clock, 400 * MS)
    assert watch.look().sight == Sight.ALIVE
    clock.advance(401 * MS)
    assert watch.look().sight == Sight.ALIVE
    seen = watch.look()
    assert (seen.sight, seen.pid, seen.beat_age_ns) == (Sight.HUNG, process.pid, 401 * MS)
    counters.set(Counter.HEARTBEAT_MONO_NS, clock.monotonic_ns())
    assert watch.look().sight == Sight.ALIVE
    # the whole host stood still: both were held up, the engine's beat comes a moment after our first look
    clock.advance(5000 * MS)
    assert watch.look().sight == Sight.ALIVE
    counters.set(Counter.HEARTBEAT_MONO_NS, clock.monotonic_ns())
    assert watch.look().sight == Sight.ALIVE
    watch.close()


def test_a_process_that_has_ended_is_gone_although_nobody_has_waited_for_it(
    tmp_path: Path, clock: Clock, process: subprocess.Popen[bytes]
) -> None:
    engine(tmp_path / "counters", process.pid, clock.monotonic_ns())
    watch = EngineWatch(tmp_path / "counters", clock, 400 * MS)
    assert watch.look().sight == Sight.ALIVE
    process.kill()
    # it stays a zombie until the test waits for it
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert watch.look().sight == Sight.GONE
    watch.close()


def test_an_engine_that_ended_in_order_leaves_nothing_to_guard(
    tmp_path: Path, clock: Clock, process: subprocess.Popen[bytes]
) -> None:
    counters = engine(tmp_path / "counters", process.pid, clock.monotonic_ns())
    watch = EngineWatch(tmp_path / "counters", clock, 400 * MS)
    assert watch.look().sight == Sight.ALIVE
    counters.set(Counter.PID, 0)
    process.kill()
    process.wait(10)
    assert watch.look().sight == Sight.UNSEEN
    watch.close()


def test_a_kill_stays_until_it_is_armed_and_one_symbols_arm_leaves_the_others(tmp_path: Path) -> None:
    kills = Kills(tmp_path)
    assert kills.read() == []
    for symbol in ("BTCUSDT", "ETHUSDT", "BTCUSDT"):
        kills.add(KillOrder(symbol, 1000, "drill", 1))
        settle(kills)
    kills.sync()
    assert sorted(item.symbol for item in Kills(tmp_path).read()) == ["BTCUSDT", "ETHUSDT"]
    assert kills.clear("BTCUSDT")
    assert [item.symbol for item in kills.read()] == ["ETHUSDT"]
    assert kills.clear()
    assert not kills.clear()
    settle(kills)
    kills.sync()
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_kills_that_cannot_be_read_is_no_reason_to_trade(tmp_path: Path) -> None:
    kills = Kills(tmp_path)
    kills.path.write_bytes(b"[{")
    with pytest.raises(KillsUnreadable):
        kills.read()


@pytest.mark.invariant("R25")
def test_a_file_of_kills_that_cannot_be_read_stays_a_kill_of_everything_beside_a_narrower_kill_or_arm(
    tmp_path: Path,
) -> None:
    kills = Kills(tmp_path)
    for is_killed_before in (True, False):
        kills.path.write_bytes(b"[{")
        if is_killed_before:
            kills.add(KillOrder("BTCUSDT", 1000, "drill", 1))
            settle(kills)
            assert [item.symbol for item in Kills(tmp_path).read()] == ["", "BTCUSDT"]
        assert kills.clear("BTCUSDT") is is_killed_before
        assert not kills.clear("ETHUSDT")
        settle(kills)
        if is_killed_before:
            assert [item.symbol for item in Kills(tmp_path).read()] == [""]
        else:
            with pytest.raises(KillsUnreadable):
                Kills(tmp_path).read()
        assert kills.clear()
        settle(kills)
        assert Kills(tmp_path).read() == []


@pytest.mark.invariant("R25")
def test_engine_and_guard_change_the_file_by_turns_and_lose_no_kill_of_each_other(tmp_path: Path) -> None:
    def work(draft: str, line: str) -> None:
        kills = Kills(tmp_path, draft=draft)
        for number in range(100):
            kills.make_room()
            kills.add(KillOrder(f"{line}{number}", 1000, "drill", 1, line))
            kills.add(KillOrder("armed again", 1000, "drill", 1, line))
            settle(kills)
            assert kills.clear("armed again", line)
            settle(kills)

    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(work, ".new", "spot"), both.submit(work, ".engine.new", "futures")]:
            done.result(60)
    assert sorted(kill.symbol for kill in Kills(tmp_path).read()) == sorted(
        f"{line}{number}" for line in ("spot", "futures") for number in range(100)
    )


@pytest.mark.invariant("R05")
def test_a_kill_on_a_full_disk_takes_the_room_that_was_kept_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = Kills(tmp_path)
    assert kills.make_room()
    draft = tmp_path / "guard-kills.new"
    blocks = draft.stat().st_blocks
    assert draft.stat().st_size >= 16_384
    assert kills.make_room()
    before = draft.stat().st_ino
    kills.add(KillOrder("", 1000, "drill", 1))
    settle(kills)
    # the same blocks, and nothing behind the text
    assert kills.path.stat().st_ino == before
    assert kills.path.stat().st_blocks <= blocks
    assert kills.path.read_bytes().endswith(b"]")
    assert [item.reason for item in kills.read()] == ["drill"]

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", refuse)
    assert not kills.make_room()
