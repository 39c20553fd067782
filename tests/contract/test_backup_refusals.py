"""When a backup is not made: what would not be whole, or would not be of this journal, is refused and leaves nothing behind."""

from __future__ import annotations

import fcntl
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.backup import make as making
from engine.backup.layout import BackupError, point_names, read_manifest
from engine.backup.make import Source, make
from engine.backup.restore import restore
from engine.journal.tailing import OffsetAhead, TailingReader
from engine.model.codes import Lane, OrderState, RecordKind
from engine.runtime.clock import Clock
from tests.ledger_harness import Ledger


def quiet(_done: int, _total: int, _what: str) -> None:
    """Nobody watches."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    fill(made, 40)
    yield made
    made.journal.close(reason="test")


def fill(ledger: Ledger, count: int) -> None:
    for handle in range(1, count + 1):
        ledger.order((ledger.journal.epoch << 32) | handle, OrderState.NEW)
        ledger.journal.append(Lane.TAPE, RecordKind.MARKET_FRAME_OTHER, b"frame")
    ledger.journal.flush()


def backed_up(data_dir: Path, directory: Path, *, tape: bool = False) -> str:
    return make(Source(data_dir, with_tape=tape), directory, "test", Clock(), quiet)[0]


def test_one_backup_at_a_time_is_made_in_a_directory(tmp_path: Path, ledger: Ledger) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    with (copies / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="another backup is being made there"):
            backed_up(ledger.data_dir, copies)
    assert backed_up(ledger.data_dir, copies) == "000001"


@pytest.mark.parametrize("victim", ["ledger/00000001.seg", "points/000001.partial/files/kills"])
def test_a_copy_that_is_not_what_was_read_is_no_point(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    """The disk under the copy lies: what was written is read back before the point counts."""
    (ledger.data_dir / "kills").write_text("a kill that stands")
    copies, sync = tmp_path / "copies", making.sync_tree

    def spoil(folder: Path, disk: Any) -> None:
        sync(folder, disk)
        content = bytearray((copies / victim).read_bytes())
        content[-3] ^= 1
        (copies / victim).write_bytes(content)

    monkeypatch.setattr(making, "sync_tree", spoil)
    with pytest.raises(BackupError, match="damaged"):
        backed_up(ledger.data_dir, copies)
    assert point_names(copies) == []
    assert list((copies / "points").iterdir()) == []


def test_a_copied_segment_that_was_altered_is_found_by_the_next_backup(tmp_path: Path, ledger: Ledger) -> None:
    backed_up(ledger.data_dir, tmp_path / "copies")
    path = tmp_path / "copies" / "ledger" / "00000001.seg"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupError, match="damaged, or of another history"):
        backed_up(ledger.data_dir, tmp_path / "copies")
    assert point_names(tmp_path / "copies") == ["000001"]


def test_a_directory_that_is_ahead_of_the_journal_is_refused(tmp_path: Path, ledger: Ledger) -> None:
    """The data directory was put back by other means than ours."""
    ledger.restart()
    shutil.copytree(ledger.data_dir, tmp_path / "earlier")
    fill(ledger, 10)
    backed_up(ledger.data_dir, tmp_path / "copies")
    with pytest.raises(BackupError, match="point 000001 is ahead of this journal"):
        backed_up(tmp_path / "earlier", tmp_path / "copies")


def test_two_histories_of_one_journal_are_not_mixed_in_a_directory(tmp_path: Path, ledger: Ledger) -> None:
    backed_up(ledger.data_dir, tmp_path / "copies", tape=True)
    for name, count in (("one", 5), ("two", 9)):
        restore(tmp_path / "copies", "", tmp_path / name / "data", Clock(), quiet)
        other = Ledger(tmp_path / name)
        fill(other, count)
        other.journal.close(reason="test")
    backed_up(tmp_path / "one" / "data", tmp_path / "others")
    with pytest.raises(BackupError, match="another history"):
        backed_up(tmp_path / "two" / "data", tmp_path / "others")


def test_a_damaged_database_is_not_copied(tmp_path: Path, ledger: Ledger) -> None:
    path = ledger.data_dir / "alerts.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE alarm (key TEXT PRIMARY KEY, text TEXT)")
        database.executemany("INSERT INTO alarm VALUES (?, ?)", [(str(number), "x" * 400) for number in range(200)])
        database.commit()
    content = bytearray(path.read_bytes())
    for place in range(5 * 4096, 6 * 4096):
        content[place] = 0xFF
    path.write_bytes(content)
    with pytest.raises(BackupError, match=r"alerts\.sqlite: "):
        backed_up(ledger.data_dir, tmp_path / "copies")
    assert point_names(tmp_path / "copies") == []


def test_a_tape_that_is_ahead_is_cut_where_the_ledger_ends(tmp_path: Path, ledger: Ledger) -> None:
    """The lanes have one sequence: a tape beyond the ledger's last number would give that number twice after a restoration."""
    for _ in range(20):
        ledger.journal.append(Lane.TAPE, RecordKind.MARKET_FRAME_OTHER, b"frame")
    ledger.journal.flush()
    backed_up(ledger.data_dir, tmp_path / "copies", tape=True)
    manifest = read_manifest(tmp_path / "copies", "000001")
    assert 0 < manifest.lanes["tape"].seq <= manifest.seq
    restore(tmp_path / "copies", "", tmp_path / "new" / "data", Clock(), quiet)
    other = Ledger(tmp_path / "new")
    fill(other, 3)
    other.journal.close(reason="test")


def test_a_reader_that_knows_what_a_restored_journal_does_not_is_refused(tmp_path: Path, ledger: Ledger) -> None:
    """Its offset was kept elsewhere: in a database, or by a person. Also when the restored journal has grown past that place."""
    backed_up(ledger.data_dir, tmp_path / "copies")
    fill(ledger, 5)
    reader = TailingReader(ledger.data_dir)
    while reader.take(100):
        pass
    reader.close()
    restore(tmp_path / "copies", "", tmp_path / "new" / "data", Clock(), quiet)
    for count in (0, 200):
        if count:
            other = Ledger(tmp_path / "new")
            fill(other, count)
            other.journal.close(reason="test")
        late = TailingReader(tmp_path / "new" / "data", Lane.LEDGER, reader.offset)
        with pytest.raises(OffsetAhead, match="put back from an earlier copy"):
            late.take(10)
        with pytest.raises(OffsetAhead, match="put back from an earlier copy"):
            late.lag(0)


def altered(copies: Path, change: Any) -> None:
    """Change a point's manifest."""
    path = copies / "points" / "000001" / "manifest.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def test_a_copy_that_gives_another_state_is_not_restored(tmp_path: Path, ledger: Ledger) -> None:
    backed_up(ledger.data_dir, tmp_path / "copies")
    altered(tmp_path / "copies", lambda told: told.update(fold="0" * 64))
    with pytest.raises(BackupError, match="gives another state"):
        restore(tmp_path / "copies", "", tmp_path / "new", Clock(), quiet)
    assert not (tmp_path / "new").exists()
    # by what another build makes of a ledger nothing can be said
    altered(tmp_path / "copies", lambda told: told.update(fold_version=1))
    restore(tmp_path / "copies", "", tmp_path / "new", Clock(), quiet)


def test_a_copy_with_a_hole_is_not_restored(tmp_path: Path, ledger: Ledger) -> None:
    for _ in range(2):
        ledger.restart()
        fill(ledger, 5)
    backed_up(ledger.data_dir, tmp_path / "copies", tape=True)

    def without_second(told: dict[str, Any]) -> None:
        told["segments"] = [file for file in told["segments"] if file["path"] != "tape/00000002.seg"]

    altered(tmp_path / "copies", without_second)
    with pytest.raises(BackupError, match="the restored journal is not whole"):
        restore(tmp_path / "copies", "", tmp_path / "new", Clock(), quiet)
    assert not (tmp_path / "new").exists()


def test_a_place_that_is_taken_stays_as_it_is(tmp_path: Path, ledger: Ledger) -> None:
    backed_up(ledger.data_dir, tmp_path / "copies")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").write_text("mine")
    with pytest.raises(BackupError, match="is not empty; nothing is overwritten"):
        restore(tmp_path / "copies", "", tmp_path / "new", Clock(), quiet)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine"]
    assert list(tmp_path.glob(".new*")) == []
