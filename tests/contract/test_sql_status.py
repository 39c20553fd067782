"""`tradewind sql status` looks and writes nothing: no database, no table, no schema; what is not there is told in words."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest
import sqlalchemy
from alembic import command

from engine.cli.main import main
from engine.desk.recorder import state
from engine.desk.recorder.address import resolve
from engine.desk.recorder.database import Database, alembic_config
from engine.desk.recorder.faults import DatabaseDown
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.settings import RecorderPlan
from engine.exit_codes import ExitCode
from engine.notify.outbox import connect
from engine.runtime.clock import Clock
from tests.journal_harness import memory_folder
from tests.postgres_server import PostgresServer
from tests.varied_ledger import VariedLedger


@pytest.fixture(name="ledger")
def fixture_ledger() -> Iterator[VariedLedger]:
    with memory_folder() as folder:
        ledger = VariedLedger(folder, 51)
        ledger.write(100)
        yield ledger
        ledger.journal.close()


def trace(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file, when it was written, and its bytes; but the marks by which SQLite's readers are counted."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            is_marks = path.name.endswith("-shm")
            stat = path.stat()
            found[str(path)] = (
                stat.st_ino,
                0 if is_marks else stat.st_mtime_ns,
                b"" if is_marks else path.read_bytes(),
            )
    return found


def status(ledger: VariedLedger, database: str = "sqlite") -> int:
    """The exit code; nothing may be written."""
    folder = ledger.data_dir.parent
    before = trace(folder)
    code = main(["sql", "status", "--dir", str(ledger.data_dir), "--database", database, "--json"])
    assert trace(folder) == before
    return code


def recorded(ledger: VariedLedger) -> Path:
    recorder = Recorder(RecorderPlan(ledger.data_dir, resolve("sqlite", ledger.data_dir)), Clock())
    while recorder.step():
        pass
    recorder.close()
    return ledger.data_dir / "recorder.sqlite"


def migrated_to(url: str, revision: str) -> None:
    database = Database(url)
    with database.transaction() as connection:
        command.upgrade(alembic_config(connection), revision)
    database.close()


def test_a_database_that_is_not_there_is_not_made(ledger: VariedLedger, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(ledger) == ExitCode.NO_INPUT
    assert "recorder.sqlite: no database here: the start of desk, or `tradewind sql import`" in capsys.readouterr().err
    assert not (ledger.data_dir / "recorder.sqlite").exists()


@pytest.mark.parametrize("is_live", [True, False])
def test_a_database_of_somebody_else_is_left_as_it_is(
    ledger: VariedLedger, capsys: pytest.CaptureFixture[str], is_live: bool
) -> None:
    path = ledger.data_dir / "alerts.sqlite"
    with closing(connect(path)) as connection:
        if not is_live:
            connection.close()
        assert status(ledger, f"sqlite:///{path}") == ExitCode.NO_INPUT
    assert "alerts.sqlite: none of the recorder's tables is here" in capsys.readouterr().err
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'alembic%'").fetchall() == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("0001", "its schema is 0001, of an older build; this one writes 0002"),
        ("9999", "a newer Tradewind has recorded"),
    ],
)
def test_a_schema_of_another_build_is_told_and_left(
    ledger: VariedLedger, capsys: pytest.CaptureFixture[str], schema: str, words: str
) -> None:
    path = ledger.data_dir / "recorder.sqlite"
    if schema == "0001":
        migrated_to(resolve("sqlite", ledger.data_dir), schema)
    else:
        recorded(ledger)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (schema,))
    assert status(ledger) == ExitCode.CONFIG
    assert words in capsys.readouterr().err


def test_a_journal_that_is_not_recorded_is_not_entered(
    ledger: VariedLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    with memory_folder() as folder:
        other = VariedLedger(folder, 52)
        other.write(10)
        shutil.move(recorded(other), ledger.data_dir / "recorder.sqlite")
        other.journal.close()
    assert status(ledger) == ExitCode.NO_INPUT
    assert "is not recorded here; journals here: " in capsys.readouterr().err


@pytest.mark.parametrize("is_live", [True, False])
def test_what_is_recorded_is_told_beside_a_recorder_and_without_one(
    ledger: VariedLedger, capsys: pytest.CaptureFixture[str], is_live: bool
) -> None:
    recorded(ledger)
    recorder = Recorder(RecorderPlan(ledger.data_dir, resolve("sqlite", ledger.data_dir)), Clock())
    ledger.write(20)
    recorder.step()
    if not is_live:
        recorder.close()
    assert (ledger.data_dir / "recorder.sqlite-wal").exists() == is_live
    ledger.write(7)
    try:
        assert status(ledger) == ExitCode.OK
    finally:
        recorder.close()
    told = orjson.loads(capsys.readouterr().out)
    assert (told["lag_records"], told["schema"], told["number"]) == (7, "0002", 1)
    assert told["rows"]["offsets"] == 1
    assert sum(told["rows"].values()) > 100


@pytest.mark.parametrize("is_torn", [True, False])
def test_what_was_read_while_a_recorder_began_to_write_is_read_again(
    ledger: VariedLedger, monkeypatch: pytest.MonkeyPatch, is_torn: bool
) -> None:
    recorded(ledger)
    ledger.write(20)
    plan = RecorderPlan(ledger.data_dir, resolve("sqlite", ledger.data_dir))
    recorder = Recorder(plan, Clock())
    reading = state.read_state
    seen: list[int] = []

    def read(database: Database, journal_id: str) -> state.RecordedState:
        found = reading(database, journal_id)
        seen.append(found.offset.seq)
        recorder.step()
        if is_torn and len(seen) == 1:
            raise DatabaseDown("database disk image is malformed")
        return found

    monkeypatch.setattr(state, "read_state", read)
    found = state.recorded_state(plan)
    assert [found.offset.seq - seq for seq in seen] == [20, 0]
    recorder.close()


def test_postgresql_is_not_written_either(
    ledger: VariedLedger, server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = server.database()
    engine = resolve(url, ledger.data_dir)

    def tables() -> list[str]:
        made = sqlalchemy.create_engine(engine, poolclass=sqlalchemy.NullPool)
        with made.connect() as connection:
            return sorted(sqlalchemy.inspect(connection).get_table_names())

    assert status(ledger, url) == ExitCode.NO_INPUT
    assert tables() == []
    migrated_to(engine, "0001")
    older = tables()
    assert status(ledger, url) == ExitCode.CONFIG
    assert tables() == older
    migrated_to(engine, "head")
    assert status(ledger, url) == ExitCode.NO_INPUT
    recorder = Recorder(RecorderPlan(ledger.data_dir, engine), Clock())
    while recorder.step():
        pass
    recorder.close()
    assert status(ledger, url) == ExitCode.OK
    output = capsys.readouterr()
    assert orjson.loads(output.out)["lag_records"] == 0
    for words in ("none of the recorder's tables", "of an older build", "is not recorded here; journals here: none"):
        assert words in output.err
