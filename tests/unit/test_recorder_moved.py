"""The recorder's SQLite file is moved, deleted or replaced beside it: what stands under the name is what is recorded into."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.desk.recorder.database import Database
from engine.desk.recorder.faults import DatabaseMoved
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.settings import RecorderPlan
from engine.desk.recorder.worker import RecorderWorker
from engine.runtime.clock import Clock
from tests.journal_harness import memory_folder
from tests.reference_rows import Reference, database_rows, differences
from tests.varied_ledger import FIRST_WALL_NS, VariedLedger

NAMES = ("x.sqlite", "x.sqlite-wal", "x.sqlite-shm")


@pytest.fixture(name="ledger")
def fixture_ledger() -> Iterator[VariedLedger]:
    with memory_folder() as folder:
        ledger = VariedLedger(folder, 31)
        ledger.write(400)
        yield ledger
        ledger.journal.close()


def url_in(folder: Path, name: str = "x.sqlite") -> str:
    return f"sqlite+pysqlite:///{folder / name}"


def recorder_of(ledger: VariedLedger, batch: int = 100) -> Recorder:
    plan = RecorderPlan(ledger.data_dir, url_in(ledger.data_dir.parent), {"intents": 3650}, batch)
    return Recorder(plan, Clock.virtual(wall_ns=FIRST_WALL_NS))


def record_all(recorder: Recorder) -> None:
    while recorder.step():
        pass


def wrong(ledger: VariedLedger, name: str = "x.sqlite") -> list[str]:
    """Where the database differs from the ledger, or is damaged."""
    path = ledger.data_dir.parent / name
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()
    database = Database(url_in(ledger.data_dir.parent, name))
    try:
        return list(differences(database_rows(database), Reference(ledger.data_dir).rows))
    finally:
        database.close()


def move_one(folder: Path) -> None:
    (folder / "x.sqlite").rename(folder / "old.sqlite")


def move_all(folder: Path) -> None:
    for name in NAMES:
        (folder / name).rename(folder / name.replace("x", "old", 1))


def delete_one(folder: Path) -> None:
    (folder / "x.sqlite").unlink()


def delete_all(folder: Path) -> None:
    for name in NAMES:
        (folder / name).unlink()


AWAY = (move_one, move_all, delete_one, delete_all)


@pytest.mark.parametrize("steps", [2, 100])
@pytest.mark.parametrize("take_away", AWAY)
def test_a_file_that_is_gone_is_a_fault_and_a_new_one_is_filled_from_the_beginning(
    ledger: VariedLedger, take_away: Callable[[Path], None], steps: int
) -> None:
    """Also where nothing is left to record: nobody waits for the next record to hear of it."""
    folder, recorder = ledger.data_dir.parent, recorder_of(ledger)
    for _ in range(steps):
        recorder.step()
    take_away(folder)
    with pytest.raises(DatabaseMoved, match=r"x\.sqlite: the file was moved or deleted while it was open"):
        recorder.step()
    old = (folder / "old.sqlite").read_bytes() if (folder / "old.sqlite").exists() else b""
    record_all(recorder)
    ledger.write(50)
    record_all(recorder)
    recorder.close()
    assert wrong(ledger) == []
    assert not old or (folder / "old.sqlite").read_bytes() == old


@pytest.mark.parametrize("take_away", [move_one, move_all])
def test_what_was_moved_with_its_log_or_without_is_whole(
    ledger: VariedLedger, take_away: Callable[[Path], None]
) -> None:
    folder, recorder = ledger.data_dir.parent, recorder_of(ledger)
    record_all(recorder)
    take_away(folder)
    with pytest.raises(DatabaseMoved):
        recorder.step()
    record_all(recorder)
    recorder.close()
    assert wrong(ledger, "old.sqlite") == []


def test_retention_too_writes_into_no_file_that_is_gone(ledger: VariedLedger) -> None:
    recorder = recorder_of(ledger)
    record_all(recorder)
    move_all(ledger.data_dir.parent)
    with pytest.raises(DatabaseMoved):
        recorder.expire(now=True)
    recorder.expire(now=True)
    record_all(recorder)
    recorder.close()
    assert wrong(ledger) == []


def recorded_beside_a_copy(ledger: VariedLedger) -> Recorder:
    """All is recorded; `copy.sqlite` beside it holds the beginning."""
    folder, other = ledger.data_dir.parent, recorder_of(ledger, 7)
    for _ in range(3):
        other.step()
    other.close()
    (folder / "x.sqlite").rename(folder / "copy.sqlite")
    recorder = recorder_of(ledger)
    record_all(recorder)
    return recorder


@pytest.mark.parametrize("by_rename", [True, False])
def test_a_copy_put_in_its_place_is_recorded_on_from_where_it_is(ledger: VariedLedger, by_rename: bool) -> None:
    """The log of the file before lies beside it: its pages must not come into the copy."""
    folder, recorder = ledger.data_dir.parent, recorded_beside_a_copy(ledger)
    with contextlib.closing(sqlite3.connect(folder / "x.sqlite")) as connection:
        # so that the log holds some of the pages
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
    ledger.write(20)
    record_all(recorder)
    assert (folder / "x.sqlite-wal").stat().st_size > 0
    if not by_rename:
        (folder / "x.sqlite").unlink()
    (folder / "copy.sqlite").rename(folder / "x.sqlite")
    with pytest.raises(DatabaseMoved, match="another file was put in the place of the one that was open"):
        recorder.step()
    record_all(recorder)
    recorder.close()
    assert wrong(ledger) == []


@pytest.mark.parametrize("is_read", [False, True])
def test_a_copy_put_in_its_place_a_moment_after_it_was_moved_is_recorded_on_too(
    ledger: VariedLedger, is_read: bool
) -> None:
    """Seen between the two: what the old log holds goes into the old file, or, where a reader hinders that, nowhere."""
    folder, recorder = ledger.data_dir.parent, recorded_beside_a_copy(ledger)
    with contextlib.closing(sqlite3.connect(folder / "x.sqlite")) as reader:
        reader.execute("PRAGMA wal_checkpoint(RESTART)")
        if is_read:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM intents").fetchone()[0] > 0
        ledger.write(20)
        record_all(recorder)
        (folder / "x.sqlite").rename(folder / "old.sqlite")
        with pytest.raises(DatabaseMoved, match="moved or deleted"):
            recorder.step()
        assert (folder / "x.sqlite-wal").stat().st_size > 0 if is_read else True
        (folder / "copy.sqlite").rename(folder / "x.sqlite")
        record_all(recorder)
    recorder.close()
    assert wrong(ledger) == []


def test_another_files_own_log_is_not_dropped(ledger: VariedLedger) -> None:
    """Of a whole database with what is not in the file yet."""
    folder, recorder = ledger.data_dir.parent, recorder_of(ledger)
    recorder.step()
    other = recorder_of(ledger)
    other.plan = RecorderPlan(ledger.data_dir, url_in(folder, "y.sqlite"), {}, 100)
    other.database = Database(url_in(folder, "y.sqlite"))
    record_all(other)
    for name in NAMES:
        shutil.copy(folder / name.replace("x", "y", 1), folder / "copy")
        (folder / "copy").rename(folder / name)
    other.close()
    with pytest.raises(DatabaseMoved):
        recorder.step()
    assert (folder / "x.sqlite-wal").exists()
    assert recorder.step() == 0
    recorder.close()
    assert wrong(ledger) == []


def test_desk_tells_it_as_a_fault_and_as_an_alarm_for_a_minute_and_records_again(ledger: VariedLedger) -> None:
    folder, told = ledger.data_dir.parent, list[str]()
    clock = Clock.virtual(wall_ns=FIRST_WALL_NS)
    worker = RecorderWorker(lambda: recorder_of(ledger), told.append, clock)
    worker.start()
    try:
        until(lambda: worker.status.is_up)
        assert worker.lasting_fault() == ""
        move_all(folder)
        until(lambda: len(told) == 2)
    finally:
        worker.stop()
    assert "the file was moved or deleted while it was open" in told[0]
    assert told[1].startswith("the recorder records again")
    assert (worker.status.faults, worker.status.is_up) == (1, True)
    assert "x.sqlite: the file was moved or deleted" in worker.lasting_fault()
    clock.advance(61_000_000_000)
    assert worker.lasting_fault() == ""
    assert (folder / "x.sqlite").exists()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.02)
