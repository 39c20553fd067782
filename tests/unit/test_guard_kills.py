"""The file of kills between two processes: what one of them notes or clears is not lost by what the other does meanwhile."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from engine.guard.kills import FILE_NAME, KillOrder, Kills
from engine.guard.process import KEEP_ALONE_NS, Guard
from engine.guard.relay import KillRelay
from engine.guard.watch import EngineWatch
from engine.runtime.clock import Clock
from engine.runtime.service import Supervisor
from tests.guard_turns import turn_of_another

SPOT, FUTURES, OTHER = (KillOrder("", 1000, "drill", 1, line) for line in ("spot", "futures", "other"))


class Interrupted(Kills):
    """Something happens while it is about to replace the file."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def _write_draft(self, orders: list[KillOrder]) -> None:
        happens, self.meanwhile = self.meanwhile, lambda: None
        happens()
        super()._write_draft(orders)


def noted(data_dir: Path, *orders: KillOrder) -> None:
    """They stand in the file."""
    kills = Kills(data_dir)
    kills.add(*orders)
    assert kills.settle()


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("guard_lives", [True, False])
def test_a_kill_that_comes_in_the_long_turn_of_an_arm_is_in_the_file_after_it_and_the_arm_is_too(
    tmp_path: Path, guard_lives: bool
) -> None:
    noted(tmp_path, SPOT, OTHER)
    engine, guard = Interrupted(tmp_path, draft=".engine.new"), Kills(tmp_path)

    def meanwhile() -> None:
        guard.add(FUTURES)
        assert not guard.settle(0.01)
        assert not guard.settle(may_go_alone=True)
        assert guard.fault
        assert Kills(tmp_path).read() == [SPOT, OTHER, FUTURES]

    engine.meanwhile = meanwhile
    engine.clear(venue="spot")
    # what the engine had read before is not put in place of it
    assert not engine.settle()
    assert FUTURES in Kills(tmp_path).read()
    assert engine.settle()
    assert Kills(tmp_path).read() == [OTHER, FUTURES]
    if guard_lives:
        assert guard.settle()
        assert guard.fault == ""
    assert Kills(tmp_path).read() == [OTHER, FUTURES]


@pytest.mark.invariant("R25")
def test_who_goes_without_a_turn_takes_nothing_back_that_was_changed_meanwhile(tmp_path: Path) -> None:
    noted(tmp_path, SPOT, OTHER)
    guard = Interrupted(tmp_path)
    guard.meanwhile = lambda: Kills(tmp_path).path.write_bytes(b"[]")
    guard.add(FUTURES)
    with turn_of_another(tmp_path):
        assert not guard.settle(may_go_alone=True)
        assert Kills(tmp_path).read() == []
        assert not guard.settle(may_go_alone=True)
        assert Kills(tmp_path).read() == [FUTURES]
        written = guard.path.stat()
        # what stands as it should is not written over and over
        assert not guard.settle(may_go_alone=True)
        assert (guard.path.stat().st_ino, guard.path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert guard.settle()
    assert guard.is_settled


@pytest.fixture
def bad_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The file of kills cannot be read so many times as there are faults in here."""
    faults: list[int] = []
    read = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if faults and path.name == FILE_NAME:
            raise OSError(faults.pop(), "for a moment")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    return faults


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("scope", ["", "spot"])
def test_an_arm_while_the_file_cannot_be_read_clears_the_kills_of_its_time(
    tmp_path: Path, bad_read: list[int], scope: str
) -> None:
    noted(tmp_path, SPOT)
    engine, guard = Kills(tmp_path, draft=".engine.new"), Kills(tmp_path)
    bad_read += [errno.ENOMEM, errno.EIO]
    assert engine.clear(venue=scope)
    assert not engine.settle()
    assert not engine.is_settled
    # younger than the file that could not be read
    later = KillOrder("BTCUSDT", 1000, "once more", guard.path.stat().st_mtime_ns + 1_000_000_000, "spot")
    guard.add(later)
    assert guard.settle()
    assert engine.settle()
    assert Kills(tmp_path).read() == [later]


@pytest.mark.invariant("R25")
def test_a_file_that_cannot_be_read_for_a_moment_is_not_taken_for_a_damaged_one(
    tmp_path: Path, bad_read: list[int]
) -> None:
    noted(tmp_path, SPOT, OTHER)
    kills = Kills(tmp_path)
    kills.clear(venue="spot")
    kills.add(FUTURES)
    bad_read.append(errno.EIO)
    assert not kills.settle()
    assert "for a moment" in kills.fault
    assert kills.settle()
    assert Kills(tmp_path).read() == [OTHER, FUTURES]


class Full(Kills):
    """Its disk has no room."""

    def _write_draft(self, orders: list[KillOrder]) -> None:
        raise OSError(errno.ENOSPC, "no room")


@pytest.mark.invariant("R25")
def test_causes_that_change_places_at_each_try_are_told_once_each(tmp_path: Path) -> None:
    events: list[str] = []
    parts = cast(EngineWatch, None), Full(tmp_path), cast(KillRelay, None), cast(Supervisor, None)
    guard = Guard(
        [],
        *parts,
        Clock.virtual(),
        lambda event, **_facts: events.append(event),
        heartbeat_ms_max=100,
        keep_alive_s=5.0,
    )
    guard.kills.add(SPOT)
    for _ in range(5):
        guard._keep()
        with turn_of_another(tmp_path):
            guard._keep()
    assert events == ["not_kept"] * 2


class Unsynced(Kills):
    """Does not wait for the disk."""

    def sync(self) -> None:
        """Nothing to wait for here."""


@pytest.mark.invariant("R25")
def test_an_engine_that_was_stopped_in_its_turn_keeps_no_kill_from_being_noted(tmp_path: Path) -> None:
    events: list[str] = []

    def note(event: str, **_facts: Any) -> None:
        events.append(event)

    async def scene() -> None:
        clock = Clock.virtual()
        parts = cast(EngineWatch, None), Unsynced(tmp_path), cast(KillRelay, None), cast(Supervisor, None)
        guard = Guard([], *parts, clock, note, heartbeat_ms_max=100, keep_alive_s=5.0)
        with turn_of_another(tmp_path):
            guard.kill(SPOT)
            assert guard.keeping_fault
            assert (guard.standing(), Kills(tmp_path).read()) == ([SPOT], [])
            clock.advance(KEEP_ALONE_NS)
            guard._keep()
            assert Kills(tmp_path).read() == [SPOT]
            # the other one goes on
            Kills(tmp_path).path.write_bytes(b"[]")
        guard._keep()
        assert (Kills(tmp_path).read(), guard.keeping_fault) == ([SPOT], "")
        assert guard.arm("", "spot", 1000, "")
        assert Kills(tmp_path).read() == []

    asyncio.run(scene())
    assert events.count("not_kept") == 1
