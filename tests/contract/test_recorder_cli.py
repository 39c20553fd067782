"""The recorder as people meet it: `tradewind sql`, `tradewind readers`, desk beside a ledger; SQLite and a real PostgreSQL."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from engine.cli.main import main
from engine.desk.recorder.address import resolve
from engine.desk.recorder.database import Database
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.schema import VIEWS
from engine.desk.recorder.settings import RecorderPlan
from engine.desk.recorder.tables import metadata
from engine.desk.server import DeskPlaces, DeskServer
from engine.exit_codes import ExitCode
from engine.journal.places import segments
from engine.journal.tailing import NamedReader
from engine.model.codes import Lane, OrderState
from engine.runtime.clock import Clock
from tests.contract.test_desk import get
from tests.journal_harness import memory_folder
from tests.ledger_harness import Ledger
from tests.postgres_server import PostgresServer
from tests.reference_rows import Reference, database_rows, differences
from tests.sim.replaying import places
from tests.varied_ledger import VariedLedger


@pytest.fixture(name="ledger")
def fixture_ledger() -> Iterator[VariedLedger]:
    with memory_folder() as folder:
        ledger = VariedLedger(folder, 21)
        ledger.write(300)
        yield ledger
        ledger.journal.close()


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(list(words)) == ExitCode.OK
    return orjson.loads(capsys.readouterr().out)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.02)


def test_an_old_ledger_is_imported_told_of_and_imported_again_from_where_it_was(
    ledger: VariedLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--dir", str(ledger.data_dir), "--json")
    first = answer(capsys, "sql", "import", *where)
    ledger.write(50)
    (row,) = answer(capsys, "readers", *where)
    assert (row["reader"], row["lane"], row["lag_records"], row["fault"]) == ("recorder", "ledger", 50, "")
    assert answer(capsys, "sql", "import", *where)["records"] == 50
    status = answer(capsys, "sql", "status", *where)
    assert (status["lag_records"], status["schema"], status["epoch"]) == (0, "0002", 1)
    assert sum(status["rows"].values()) > first["rows"]
    database = Database(resolve("sqlite", ledger.data_dir))
    assert differences(database_rows(database), Reference(ledger.data_dir).rows) == []
    database.close()


def test_an_import_shows_how_far_it_is_and_says_what_is_wrong(
    ledger: VariedLedger, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["sql", "import", "--dir", str(ledger.data_dir)]) == ExitCode.OK
    assert "100 %" in capsys.readouterr().err
    assert main(["sql", "import", "--dir", str(tmp_path)]) == ExitCode.NO_INPUT
    assert main(["sql", "import", "--dir", str(ledger.data_dir), "--database", "mysql://x/y"]) == ExitCode.USAGE
    away = "postgresql://nobody@127.0.0.1:1/none"
    assert main(["sql", "import", "--dir", str(ledger.data_dir), "--database", away]) == ExitCode.UNAVAILABLE
    told = capsys.readouterr().err
    assert "no journal here yet" in told
    assert "connection failed" in told


@pytest.mark.parametrize("action", ["import", "status"])
@pytest.mark.parametrize("what", ["a record", "the epoch"])
def test_a_damaged_ledger_is_74_and_the_place_is_named(
    ledger: VariedLedger, capsys: pytest.CaptureFixture[str], action: str, what: str
) -> None:
    if action == "status":
        # what is recorded nowhere has no state, whatever the ledger is like
        assert main(["sql", "import", "--dir", str(ledger.data_dir)]) == ExitCode.OK
        ledger.write(50)
        capsys.readouterr()
    ledger.journal.flush()
    path, at = ledger.data_dir / "epoch", 0
    if what == "a record":
        # the last one: behind what is recorded
        path = segments(ledger.data_dir, Lane.LEDGER)[-1][1]
        at = list(places(path))[-1][0]
    content = bytearray(path.read_bytes())
    content[at + 40] ^= 1
    path.write_bytes(content)
    assert main(["sql", action, "--dir", str(ledger.data_dir)]) == ExitCode.IO_ERROR
    told = capsys.readouterr().err
    assert f"tradewind: {path}: damaged at byte {at}: " in told
    assert told.count("\n") == 1


def test_readers_are_listed_with_their_lag(ledger: VariedLedger, capsys: pytest.CaptureFixture[str]) -> None:
    reader = NamedReader(ledger.data_dir, "copy")
    reader.take(10)
    reader.commit()
    ledger.write(5)
    assert main(["readers", "--dir", str(ledger.data_dir)]) == ExitCode.OK
    told = capsys.readouterr().out
    assert "copy" in told
    assert "lag records" in told


def test_desk_records_beside_its_other_duties_and_shows_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    data_dir = ledger.data_dir
    for handle in range(1, 300):
        ledger.order(handle, OrderState.NEW)
    ledger.journal.flush()
    plan = RecorderPlan(data_dir, resolve("sqlite", data_dir))
    events: list[dict[str, Any]] = []
    places = DeskPlaces(
        "test", data_dir / "counters", data_dir, "127.0.0.1:0", make_recorder=lambda: Recorder(plan, Clock())
    )
    desk = DeskServer(places, events.append)
    thread = threading.Thread(target=desk.run)
    thread.start()
    try:
        wait_until(lambda: b"tradewind_recorder_up" in metrics(desk) and up(desk) == 1.0)
        for handle in range(1, 300):
            ledger.order(handle, OrderState.FILLED, filled=50_000)
        ledger.journal.flush()
        wait_until(lambda: rows_in(data_dir) == 598)
        wait_until(lambda: value(desk, "tradewind_reader_lag_records") == 0.0)
        assert value(desk, "tradewind_recorder_rows_total") > 598
    finally:
        desk.stop()
        thread.join(30)
    database = Database(plan.url)
    assert differences(database_rows(database), Reference(data_dir).rows) == []
    database.close()
    ledger.journal.close()


def metrics(desk: DeskServer) -> bytes:
    return get(desk.address, "/metrics")[1]


def value(desk: DeskServer, name: str) -> float:
    lines = [line for line in metrics(desk).decode().splitlines() if line.startswith(name + "{")]
    return float(lines[0].rsplit(" ", 1)[1]) if lines else -1.0


def up(desk: DeskServer) -> float:
    return value(desk, "tradewind_recorder_up")


def rows_in(data_dir: Path) -> int:
    connection = sqlite3.connect(data_dir / "recorder.sqlite")
    try:
        return int(connection.execute("SELECT count(*) FROM order_states").fetchone()[0])
    finally:
        connection.close()


def test_postgresql_holds_what_sqlite_holds(ledger: VariedLedger, server: PostgresServer) -> None:
    ledger.restart()
    ledger.write(300)
    url = server.database()
    recorder = Recorder(RecorderPlan(ledger.data_dir, resolve(url, ledger.data_dir), batch_records=200), Clock())
    while recorder.step():
        pass
    rows = database_rows(recorder.database)
    assert differences(rows, Reference(ledger.data_dir).rows) == []
    with recorder.database.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata()) == []
        for view in VIEWS:
            found = connection.exec_driver_sql(f"SELECT * FROM {view}").fetchall()
            assert len(found) == len(rows.get(view.removeprefix("v_"), found)) or view in ("v_commands", "v_funding")
        # exact there: numeric, where SQLite has floating point
        lots = connection.exec_driver_sql("SELECT qty FROM v_fills LIMIT 1").scalar()
        assert isinstance(lots, Decimal)
    recorder.close()


def test_no_verb_but_those_that_record_imports_the_sql_library() -> None:
    modules = (
        "engine.cli.main, engine.cli.desk, engine.cli.sql, engine.cli.readers, engine.desk.server, engine.cli.doctor"
    )
    code = f"import sys, {modules}; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
