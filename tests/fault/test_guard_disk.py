"""R05, R25: a kill of a dead engine on a full disk: the guard's file takes it, and the engine's next start finds it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from engine.app import Engine
from engine.control.commands import OperatorCommand
from engine.control.messages import ScopeKind
from engine.guard.kills import KillOrder, Kills
from engine.kept_kills import KeptKills
from engine.model.codes import CommandKind
from tests.fault.test_disk_calls import fill
from tests.fault.test_journal_disk import mounted_tmpfs


def filled(path: Path) -> None:
    """Everything that is left."""
    with pytest.raises(OSError, match="No space left"):
        fill(path)


@pytest.mark.invariant("R05")
@pytest.mark.invariant("R25")
def test_a_kill_is_kept_on_a_disk_that_is_full_where_room_was_made_before(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "data", "64k") as data_dir:
        kills = Kills(data_dir)
        assert kills.make_room()
        filled(data_dir / "rest")
        for line in ("spot", "futures"):
            kills.add(KillOrder("", 1000, "drill", 1, line))
            assert kills.settle()
            kills.sync()
            # what the first file held may be taken by others
            kills.make_room()
        assert [kill.venue for kill in Kills(data_dir).read()] == ["spot", "futures"]
        assert kills.clear(venue="spot")
        assert kills.settle()
        assert [kill.venue for kill in Kills(data_dir).read()] == ["futures"]
        assert kills.clear()
        assert kills.settle()
        assert Kills(data_dir).read() == []


@pytest.mark.invariant("R05")
def test_without_that_room_a_full_disk_takes_no_kill_and_leaves_what_stood(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "data", "64k") as data_dir:
        kills = Kills(data_dir)
        kills.add(KillOrder("", 1000, "drill", 1, "spot"))
        assert kills.settle()
        filled(data_dir / "rest")
        kills.add(KillOrder("", 1000, "drill", 1, "futures"))
        assert not kills.settle()
        assert "No space left" in kills.fault or "no room" in kills.fault
        assert [kill.venue for kill in Kills(data_dir).read()] == ["spot"]
        assert [kill.venue for kill in kills.read()] == ["spot", "futures"]


ARM_SPOT = OperatorCommand(kind=CommandKind.ARM, uid=1000, scope_kind=ScopeKind.VENUE, venue_id=3)
SECOND_NS = 1_000_000_000


def kept_kills(data_dir: Path, said: list[str]) -> KeptKills:
    """Of an engine of two lines with a guard, which is killed by nobody here."""
    lines = [SimpleNamespace(name="spot", venue_id=3), SimpleNamespace(name="futures", venue_id=4)]
    venues = {line.name: SimpleNamespace(symbols=("BTCUSDT",)) for line in lines}
    engine = SimpleNamespace(
        lines=lines,
        line=lambda number: next((line for line in lines if line.venue_id == number), None),
        loaded=SimpleNamespace(config=SimpleNamespace(venue=venues, guard=object())),
    )
    return KeptKills(cast(Engine, engine), data_dir, lambda _command: 1, said.append)


@pytest.mark.invariant("R05")
@pytest.mark.invariant("R25")
def test_an_arm_of_one_line_clears_the_guards_file_on_a_full_disk(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "data", "96k") as data_dir:
        guard, said = Kills(data_dir), list[str]()
        guard.add(*(KillOrder("", 1000, "drill", 1, line) for line in ("spot", "futures")))
        assert guard.settle()
        assert guard.make_room()
        kills = kept_kills(data_dir, said)
        kills.obey()
        filled(data_dir / "rest")
        kills.forget(ARM_SPOT)
        assert ([kill.venue for kill in Kills(data_dir).read()], said) == (["futures"], [])


@pytest.mark.invariant("R05")
@pytest.mark.invariant("R25")
def test_an_arm_that_the_disk_does_not_take_is_told_and_clears_the_file_when_there_is_room(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "data", "64k") as data_dir:
        guard, said = Kills(data_dir), list[str]()
        guard.add(*(KillOrder("", 1000, "drill", 1, line) for line in ("spot", "futures")))
        assert guard.settle()
        kills = kept_kills(data_dir, said)
        filled(data_dir / "rest")
        kills.forget(ARM_SPOT)
        kills.each_tick(SECOND_NS)
        assert [kill.venue for kill in Kills(data_dir).read()] == ["spot", "futures"]
        assert said == [kills.trouble] != [""]
        (data_dir / "rest").unlink()
        kills.each_tick(2 * SECOND_NS)
        assert ([kill.venue for kill in Kills(data_dir).read()], kills.trouble) == (["futures"], "")
