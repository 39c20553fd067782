"""Where a backup is put back: an empty directory is filled from within, a mount point too, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from engine.backup import place as places
from engine.backup import restore as restoring
from engine.backup.layout import BackupError
from engine.backup.make import Source, make
from engine.backup.restore import restore
from engine.cli.main import main
from engine.exit_codes import ExitCode
from engine.journal.errors import JournalError
from engine.journal.reader import read_epoch
from engine.journal.verify import verify
from engine.model.codes import OrderState
from engine.runtime.clock import Clock
from engine.runtime.disk import Disk
from tests.ledger_harness import Ledger

RESTORED = {"ledger", "tape", "epoch", "synced", "a_file"}


def quiet(_done: int, _total: int, _what: str) -> None:
    """Nobody watches."""


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """A backup of a small ledger."""
    ledger = Ledger(tmp_path / "source")
    for handle in range(1, 30):
        ledger.order((ledger.journal.epoch << 32) | handle, OrderState.NEW)
    (ledger.data_dir / "a_file").write_text("{}")
    ledger.journal.flush()
    make(Source(ledger.data_dir), tmp_path / "copies", "test", Clock(), quiet)
    ledger.journal.close(reason="test")
    return tmp_path / "copies"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty directory."""
    path = tmp_path / "disk" / "data"
    path.mkdir(parents=True)
    return path


def names_in(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def restored(copies: Path, target: Path) -> None:
    restore(copies, "", target, Clock(), quiet)


def run_on(target: Path) -> None:
    """An engine goes on there."""
    ledger = Ledger(target.parent)
    ledger.order(9 << 32 | 1, OrderState.FILLED)
    ledger.journal.close(reason="test")
    assert verify(target).is_whole


def busy(monkeypatch: pytest.MonkeyPatch, *kept: Path) -> None:
    """`kept` are mount points: nothing can be renamed onto them, nor they themselves."""
    rename = Path.rename

    def refuse(self: Path, onto: Path) -> Path:
        if self in kept or Path(onto) in kept:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self), None, str(onto))
        return rename(self, onto)

    monkeypatch.setattr(Path, "rename", refuse)


@pytest.fixture
def mounting() -> list[str]:
    """The words that begin a command with mounts of its own."""
    words = ["unshare", "-m", "sh", "-c"]
    try:
        tried = subprocess.run([*words, "mount -t tmpfs none /mnt"], capture_output=True, check=False, timeout=30)
    except FileNotFoundError:
        pytest.skip("no unshare here: a mount point needs it")
    if tried.returncode:
        pytest.skip(f"this user may not mount a tmpfs: {tried.stderr.decode().strip()}")
    return words


def test_a_mount_point_is_restored_into(copies: Path, target: Path, mounting: list[str]) -> None:
    python = f"{sys.executable} -m engine"
    script = f"mount -t tmpfs none {target} && {python} restore {copies} --to {target} && ls -A {target}"
    done = subprocess.run([*mounting, script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert {"verified", *RESTORED} <= set(done.stdout.split())
    assert ".restoring" not in done.stdout
    assert names_in(target) == set()


def test_a_place_that_nothing_can_be_renamed_onto_is_restored_into(
    copies: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = target.stat().st_ino
    busy(monkeypatch, target)
    restored(copies, target)
    assert names_in(target) == RESTORED
    assert target.stat().st_ino == before
    assert read_epoch(target) > restoring.RUNS_AT_LEAST
    run_on(target)


def test_an_absent_place_is_made(copies: Path, tmp_path: Path) -> None:
    restored(copies, tmp_path / "new" / "data")
    assert names_in(tmp_path / "new" / "data") == RESTORED
    assert names_in(tmp_path / "new") == {"data"}
    run_on(tmp_path / "new" / "data")


def test_the_file_systems_own_folder_is_nothing_unless_something_lies_in_it(copies: Path, target: Path) -> None:
    (target / "lost+found").mkdir(mode=0o700)
    (target / "lost+found" / "#12").write_text("somebody's")
    with pytest.raises(BackupError, match="is not empty; nothing is overwritten"):
        restored(copies, target)
    assert main(["restore", str(copies), "--to", str(target)]) == ExitCode.CANNOT_CREATE
    (target / "lost+found" / "#12").unlink()
    assert main(["restore", str(copies), "--to", str(target)]) == ExitCode.OK
    assert names_in(target) == RESTORED | {"lost+found"}
    run_on(target)


def test_the_file_systems_own_folder_that_this_user_may_not_read_is_roots(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = target / "lost+found"
    folder.mkdir(mode=0o700)
    iterdir = Path.iterdir

    def refuse(self: Path) -> Iterator[Path]:
        if self == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert places.is_free(target) == (folder.stat().st_uid == 0)


@pytest.mark.parametrize("has_lost_and_found", [False, True])
@pytest.mark.parametrize("failing", ["copy", "check", "first move", "last move", "done", "sync at the end"])
def test_a_restoration_that_fails_leaves_the_place_as_it_was(
    copies: Path, target: Path, monkeypatch: pytest.MonkeyPatch, failing: str, *, has_lost_and_found: bool
) -> None:
    if has_lost_and_found:
        (target / "lost+found").mkdir()
    before = names_in(target)

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "the disk failed", "here")

    rename, sync = Path.rename, Disk.sync_directory
    victim = {"first move": "ledger", "last move": "epoch", "done": ".restoring.done"}.get(failing)
    if victim:
        monkeypatch.setattr(
            Path, "rename", lambda self, onto: fail() if Path(onto).name == victim else rename(self, onto)
        )
    elif failing == "sync at the end":

        def sync_at_the_end(self: Disk, path: Path) -> None:
            if (target / ".restoring.done").exists():
                fail()
            sync(self, path)

        monkeypatch.setattr(Disk, "sync_directory", sync_at_the_end)
    else:
        monkeypatch.setattr(restoring, {"copy": "copy_bytes", "check": "check"}[failing], fail)
    with pytest.raises(OSError, match="the disk failed"):
        restored(copies, target)
    assert names_in(target) == before
    monkeypatch.undo()
    restored(copies, target)
    assert names_in(target) == before | RESTORED


KILLED = """
import os, signal, sys
from pathlib import Path
from engine.backup import place, restore
from engine.runtime.clock import Clock

copies, target, where = sys.argv[1:]
rename = Path.rename


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def killed(self, onto):
    if Path(onto).name == where:
        die()
    return rename(self, onto)


Path.rename = killed
if where == "check":
    restore.check = die
restore.restore(Path(copies), "", Path(target), Clock(), lambda *_: None)
"""


@pytest.mark.parametrize("where", ["check", "ledger", "a_file", "epoch", ".restoring.done"])
def test_a_killed_restoration_starts_no_engine_and_the_next_one_begins_anew(
    copies: Path, target: Path, where: str
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(copies), str(target), where], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    left = names_in(target)
    assert ".restoring" in left
    with pytest.raises(JournalError, match=r"\.restoring: a restoration into this directory is running or was broken"):
        Ledger(target.parent)
    assert names_in(target) == left
    assert main(["restore", str(copies), "--to", str(target)]) == ExitCode.OK
    assert names_in(target) == RESTORED
    run_on(target)


def test_what_came_into_the_place_beside_a_killed_restoration_is_not_overwritten(copies: Path, target: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(copies), str(target), "epoch"], check=False, timeout=60)
    (target / "mine").write_text("mine")
    left = names_in(target)
    with pytest.raises(BackupError, match="is not empty; nothing is overwritten"):
        restored(copies, target)
    assert names_in(target) == left


def test_what_comes_into_the_place_meanwhile_is_not_overwritten(
    copies: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = restoring.check

    def beside(*words: Any) -> None:
        check(*words)
        (target / "a_file").write_text("mine")

    monkeypatch.setattr(restoring, "check", beside)
    with pytest.raises(BackupError, match="is not empty; nothing is overwritten"):
        restored(copies, target)
    assert names_in(target) == {"a_file"}
    assert (target / "a_file").read_text() == "mine"


def test_one_restoration_at_a_time(copies: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check, refused = restoring.check, []

    def second(*words: Any) -> None:
        monkeypatch.setattr(restoring, "check", check)
        with pytest.raises(BackupError, match="another restoration into it is running"):
            restored(copies, target)
        refused.append(True)
        check(*words)

    monkeypatch.setattr(restoring, "check", second)
    restored(copies, target)
    assert refused
    assert names_in(target) == RESTORED


def test_one_that_was_done_while_another_waited_is_left_alone(
    copies: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both saw an empty place; the second one's folder must not keep engines out of what the first one made."""
    held = places.held

    def late(*words: Path) -> AbstractContextManager[None]:
        monkeypatch.setattr(places, "held", held)
        restored(copies, target)
        return held(*words)

    monkeypatch.setattr(places, "held", late)
    with pytest.raises(BackupError, match="is not empty; nothing is overwritten"):
        restored(copies, target)
    assert names_in(target) == RESTORED
    run_on(target)


def test_what_a_finished_restoration_was_taking_away_when_it_was_killed_is_nothing(copies: Path, target: Path) -> None:
    (target / ".restoring.done").mkdir()
    (target / ".restoring.done" / "moved").write_text("[]")
    restored(copies, target)
    assert names_in(target) == RESTORED


def test_a_damaged_list_of_what_was_moved_is_told(copies: Path, target: Path) -> None:
    (target / ".restoring").mkdir()
    (target / ".restoring" / "moved").write_bytes(b"\xff\x00[")
    with pytest.raises(BackupError, match=r"it is damaged, .* empty the directory, then restore again"):
        restored(copies, target)
    assert main(["restore", str(copies), "--to", str(target)]) == ExitCode.IO_ERROR
    shutil.rmtree(target / ".restoring")
    restored(copies, target)


def test_all_names_are_on_the_disk_before_the_place_is_called_restored(
    copies: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsync of each folder that was built, of the place before `epoch` gets its name there and after, and at the end."""
    told: list[str] = []
    sync, rename = Disk.sync_directory, Path.rename

    def synced(self: Disk, path: Path) -> None:
        told.append(f"sync {path.relative_to(target)}")
        sync(self, path)

    def renamed(self: Path, onto: Path) -> Path:
        told.append(f"name {onto.name}")
        return rename(self, onto)

    monkeypatch.setattr(Disk, "sync_directory", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    restored(copies, target)
    first = told.index("name ledger")
    for folder in ("ledger", "tape", ""):
        assert f"sync {Path('.restoring/point', folder)}" in told[:first]
    last = told.index("name epoch")
    assert told[last - 1] == "sync ."
    assert told[last + 1 :] == ["sync .", "name .restoring.done", "sync ."]
    assert set(told[first:last]) == {"sync .", *(f"name {name}" for name in RESTORED - {"epoch"})}
