"""The ledger in SQL: every record once, whole, however it is cut into batches and whatever the database does."""

from __future__ import annotations

import importlib.util
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from engine.config_recorder_schema import Expirable
from engine.desk.recorder import address, database, expiry
from engine.desk.recorder.database import Database
from engine.desk.recorder.expiry import DAY_NS
from engine.desk.recorder.faults import DatabaseDown, RecorderRefused
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.schema import EXPIRABLE
from engine.desk.recorder.settings import RecorderPlan
from engine.desk.recorder.store import OffsetMoved
from engine.desk.recorder.tables import metadata
from engine.desk.recorder.worker import RecorderWorker
from engine.journal.tailing import OtherJournal
from engine.model.codes import CommandKind, OrderState, RecordKind
from engine.runtime.clock import Clock
from tests.journal_harness import memory_folder
from tests.ledger_harness import Ledger, body
from tests.reference_rows import Reference, database_rows, differences
from tests.varied_ledger import FIRST_WALL_NS, VariedLedger


@pytest.fixture(name="folder")
def fixture_folder() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


def url_in(folder: Path, name: str = "x") -> str:
    return f"sqlite+pysqlite:///{folder / name}.sqlite"


def recorder_of(data_dir: Path, url: str, batch: int = 20_000, **keep_days: int) -> Recorder:
    return Recorder(RecorderPlan(data_dir, url, keep_days, batch), Clock.virtual(wall_ns=FIRST_WALL_NS))


def record_all(recorder: Recorder) -> Recorder:
    while recorder.step():
        pass
    return recorder


def query(path: Path, text: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(text).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("seed", range(2))
def test_every_kind_of_record_is_recorded_as_the_ledger_says_it(folder: Path, seed: int) -> None:
    ledger = VariedLedger(folder, seed)
    for _ in range(3):
        ledger.write(500)
        ledger.restart()
    for batch in (1_000_000, 60):
        recorder = record_all(recorder_of(ledger.data_dir, url_in(folder, f"by-{batch}"), batch))
        assert differences(database_rows(recorder.database), Reference(ledger.data_dir).rows) == []
        assert recorder.skipped == 0
        recorder.close()
    ledger.journal.close()


def test_a_recorder_that_begins_anew_at_every_batch_makes_the_same_rows(folder: Path) -> None:
    """All that the next rows depend on is read back from the tables."""
    ledger = VariedLedger(folder, 9)
    for _ in range(2):
        ledger.write(300)
        ledger.restart()
    recorder = recorder_of(ledger.data_dir, url_in(folder), 70)
    while recorder.step():
        recorder.close()
    assert differences(database_rows(recorder.database), Reference(ledger.data_dir).rows) == []
    ledger.journal.close()


def test_what_is_not_synced_is_not_recorded(folder: Path) -> None:
    ledger = VariedLedger(folder, 4)
    ledger.write(100)
    marked = (ledger.data_dir / "synced").read_bytes()
    expected = Reference(ledger.data_dir).rows
    ledger.write(100)
    (ledger.data_dir / "synced").write_bytes(marked)
    recorder = record_all(recorder_of(ledger.data_dir, url_in(folder)))
    assert differences(database_rows(recorder.database), expected) == []
    recorder.close()
    ledger.journal.crash()


def test_a_second_recorder_of_the_same_journal_writes_nothing_twice(folder: Path) -> None:
    ledger = VariedLedger(folder, 5)
    ledger.write(300)
    one, two = (recorder_of(ledger.data_dir, url_in(folder), 50) for _ in range(2))
    one.step()
    two.step()
    one.database.close()
    with pytest.raises(OffsetMoved, match="one is enough"):
        one.step()
    two.close()
    record_all(one)
    assert differences(database_rows(one.database), Reference(ledger.data_dir).rows) == []
    one.close()
    ledger.journal.close()


def test_journals_share_a_database_and_keep_their_own_numbers(folder: Path) -> None:
    ledgers = [VariedLedger(folder / name, 6) for name in ("a", "b")]
    for ledger in ledgers:
        ledger.write(200)
        record_all(recorder_of(ledger.data_dir, url_in(folder))).close()
    rows = database_rows(Database(url_in(folder)))
    for journal, ledger in enumerate(ledgers, start=1):
        own = {name: [row for row in found if row["journal"] == journal] for name, found in rows.items()}
        own["profits"] = [row | {"journal": 1} for row in own["profits"]]
        expected = Reference(ledger.data_dir, journal).rows
        assert differences(own, expected) == []
        ledger.journal.close()


def test_a_journal_begun_in_the_place_of_another_is_recorded_as_its_own(folder: Path) -> None:
    ledger = VariedLedger(folder, 13)
    ledger.write(200)
    recorder = record_all(recorder_of(ledger.data_dir, url_in(folder)))
    first = Reference(ledger.data_dir).rows
    ledger.journal.close()
    record_all(recorder)
    ledger.data_dir.rename(folder / "old")
    (folder / "run").rename(folder / "old-run")
    another = VariedLedger(folder, 14)
    another.write(100)
    with pytest.raises(OtherJournal):
        record_all(recorder)
    record_all(recorder)
    rows = database_rows(recorder.database)
    assert {row["journal"] for row in rows["intents"]} == {1, 2}
    for journal, expected in ((1, first["intents"]), (2, Reference(another.data_dir, 2).rows["intents"])):
        assert [row for row in rows["intents"] if row["journal"] == journal] == expected
    recorder.close()
    another.journal.close()


def test_the_migrations_make_the_tables_that_are_written(folder: Path) -> None:
    made = Database(url_in(folder))
    made.migrate()
    made.migrate()
    with made.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata()) == []
    assert made.revision() == "0002"
    made.close()


def test_who_only_reads_sees_one_moment_and_writes_nothing(folder: Path) -> None:
    ledger = VariedLedger(folder, 15)
    ledger.write(100)
    recorder = recorder_of(ledger.data_dir, url_in(folder), 50)
    recorder.step()
    reading = Database(url_in(folder), is_reading=True)
    text = "SELECT records FROM offsets"
    with reading.transaction() as connection:
        assert connection.exec_driver_sql(text).scalar() == 50
        recorder.step()
        assert connection.exec_driver_sql(text).scalar() == 50
    with reading.transaction() as connection:
        assert connection.exec_driver_sql(text).scalar() == 100
    with pytest.raises(DatabaseDown, match="readonly"), reading.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM offsets")
    recorder.close()
    ledger.journal.close()


def test_a_schema_of_a_newer_build_is_refused_in_words(folder: Path) -> None:
    ledger = VariedLedger(folder, 7)
    record_all(recorder_of(ledger.data_dir, url_in(folder))).close()
    connection = sqlite3.connect(folder / "x.sqlite")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(RecorderRefused, match=r"its schema is 9999, this build knows 0001, 0002: a newer Tradewind"):
        recorder_of(ledger.data_dir, url_in(folder)).step()
    ledger.journal.close()


def test_a_locked_database_is_waited_for_and_nothing_is_lost(folder: Path) -> None:
    ledger = VariedLedger(folder, 8)
    ledger.write(100)
    recorder = recorder_of(ledger.data_dir, url_in(folder))
    recorder.open()
    other = sqlite3.connect(folder / "x.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseDown, match="database is locked"):
        recorder.step()
    other.execute("ROLLBACK")
    other.close()
    record_all(recorder)
    assert differences(database_rows(recorder.database), Reference(ledger.data_dir).rows) == []
    recorder.close()
    ledger.journal.close()


def test_a_full_disk_leaves_whole_batches_and_recording_goes_on_when_there_is_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = VariedLedger(folder, 10)
    ledger.write(1_500)
    recorder = recorder_of(ledger.data_dir, url_in(folder), 50)
    recorder.open()
    pages = query(folder / "x.sqlite", "PRAGMA page_count")[0][0]
    prepare = database.prepare_sqlite

    def small(connection: Any, record: object) -> None:
        prepare(connection, record)
        connection.execute(f"PRAGMA max_page_count = {pages + 10}")

    recorder.close()
    monkeypatch.setattr(database, "prepare_sqlite", small)
    with pytest.raises(DatabaseDown, match="full"):
        record_all(recorder)
    (records,) = query(folder / "x.sqlite", "SELECT records FROM offsets")[0]
    assert records % 50 == 0
    monkeypatch.setattr(database, "prepare_sqlite", prepare)
    record_all(recorder)
    assert differences(database_rows(recorder.database), Reference(ledger.data_dir).rows) == []
    recorder.close()
    ledger.journal.close()


def test_what_was_refused_proposed_or_approved_stands_beside_the_commands(folder: Path) -> None:
    ledger = Ledger(folder)
    command = ledger.add(RecordKind.COMMAND, body(RecordKind.COMMAND, command_kind=int(CommandKind.ARM), uid=1001))
    note = b'{"action":"arm","uid":1001,"pid":1,"outcome":"approved","approver_uid":1002}'
    ledger.add(RecordKind.OPERATOR, note, cause_seq=command)
    ledger.add(RecordKind.OPERATOR, b'{"action":"arm","uid":1003,"pid":1,"outcome":"refused","code":"FORBIDDEN"}')
    ledger.journal.flush()
    record_all(recorder_of(ledger.data_dir, url_in(folder))).close()
    rows = query(folder / "x.sqlite", "SELECT cause_seq, text FROM events WHERE kind = 'OPERATOR' ORDER BY seq")
    assert [seq for seq, _ in rows] == [command, 0]
    assert '"approver_uid":1002' in rows[0][1]
    assert '"code":"FORBIDDEN"' in rows[1][1]
    assert query(folder / "x.sqlite", "SELECT count(*) FROM command_effects") == [(0,)]
    ledger.journal.close()


def test_old_rows_are_deleted_in_batches_and_the_rest_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "BATCH_ROWS", 7)
    ledger = VariedLedger(folder, 11)
    ledger.write(500)
    recorder = record_all(recorder_of(ledger.data_dir, url_in(folder), fills=2, events=2, orders=2, balance_states=2))
    before = database_rows(recorder.database)
    middle_ns = sorted(row["wall_ns"] for row in before["fills"])[len(before["fills"]) // 2]
    recorder._clock.step_wall(middle_ns + 2 * DAY_NS - recorder._clock.time_ns())
    for _ in range(200):
        if not recorder.expire(now=True):
            break
    after = database_rows(recorder.database)
    for table in ("fills", "events", "balance_states"):
        assert after[table] == [row for row in before[table] if row["wall_ns"] >= middle_ns]
        assert after[table] != before[table]
    closed = {"FILLED", "CANCELED", "REJECTED", "EXPIRED", "ABSENT", "REFUSED"}
    gone = [row for row in before["orders"] if row["wall_ns"] < middle_ns and row["state"] in closed]
    assert after["orders"] == [row for row in before["orders"] if row not in gone]
    assert after["intents"] == before["intents"]
    ledger.write(50)
    assert record_all(recorder).records == recorder.records
    recorder.close()
    ledger.journal.close()


def test_every_table_that_grows_can_be_given_a_number_of_days() -> None:
    assert set(get_args(Expirable)) == set(EXPIRABLE)


def test_an_order_is_shown_with_names_and_decimals(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.order(5, OrderState.NEW)
    ledger.order(5, OrderState.FILLED, filled=50_000)
    ledger.journal.flush()
    record_all(recorder_of(ledger.data_dir, url_in(tmp_path))).close()
    columns = "symbol, strategy, venue, side, price, qty, filled, state, changes"
    (row,) = query(tmp_path / "x.sqlite", f"SELECT {columns} FROM v_orders")
    assert row == ("BTCUSDT", "maker", "sim", "SELL", pytest.approx(30000.01), 0.5, 0.5, "FILLED", 2)
    ledger.journal.close()


def test_an_asset_that_is_met_later_has_its_name(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add(RecordKind.ASSET, body(RecordKind.ASSET, asset_id=77) + b"BNB\0\0\0\0\0", venue_id=1)
    ledger.journal.flush()
    record_all(recorder_of(ledger.data_dir, url_in(tmp_path))).close()
    found = query(tmp_path / "x.sqlite", "SELECT name FROM names WHERE kind = 'asset' AND number = 77")
    assert found == [("BNB",)]
    ledger.journal.close()


@pytest.mark.parametrize(("told", "listed", "booked"), [(1, 0, 1), (0, 1, 1), (1, 1, 1), (2, 1, 2), (1, 3, 3)])
def test_funding_told_by_the_stream_and_named_by_the_list_counts_once(
    tmp_path: Path, told: int, listed: int, booked: int
) -> None:
    ledger = Ledger(tmp_path)
    header = {"instrument_id": 1, "venue_id": 1, "account_id": 1}
    hour_ns = 3_600_000_000_000
    for _ in range(told):
        payload = body(RecordKind.FUNDING_PAYMENT, amount_e8=-500, event_ns=8 * hour_ns + 3, asset_id=2)
        ledger.add(RecordKind.FUNDING_PAYMENT, payload, **header)
    for _ in range(2 if listed else 0):  # the list is read again and again
        answer = {"amount_e8": -500, "event_ns": 8 * hour_ns, "asset_id": 2, "is_answer": 1, "payments": listed}
        ledger.add(RecordKind.FUNDING_PAYMENT, body(RecordKind.FUNDING_PAYMENT, **answer), **header)
    ledger.journal.flush()
    record_all(recorder_of(ledger.data_dir, url_in(tmp_path))).close()
    rows = query(tmp_path / "x.sqlite", "SELECT settled_ns, symbol, asset, payments, booked_e8 FROM v_funding")
    assert rows == [(8 * hour_ns, "BTCUSDT", rows[0][2], booked, -500 * booked)]
    ledger.journal.close()


def test_the_worker_tells_a_fault_once_and_that_it_is_over(folder: Path) -> None:
    ledger = VariedLedger(folder, 12)
    ledger.write(100)
    told: list[str] = []
    faults = iter([DatabaseDown("the server is away"), DatabaseDown("the server is away")])
    recorder = recorder_of(ledger.data_dir, url_in(folder))
    step = recorder.step

    def failing() -> int:
        for fault in faults:
            raise fault
        return step()

    recorder.step = failing  # type: ignore[method-assign]
    worker = RecorderWorker(lambda: recorder, told.append, Clock())
    worker.start()
    deadline = time.monotonic() + 30
    while not (worker.status.is_up and worker.status.records >= 100) and time.monotonic() < deadline:
        time.sleep(0.01)
    worker.stop()
    assert [text.split(":")[0].split(",")[0] for text in told] == ["nothing is recorded", "the recorder records again"]
    assert (worker.status.faults, worker.status.cause) == (2, "")
    assert differences(database_rows(Database(url_in(folder))), Reference(ledger.data_dir).rows) == []
    ledger.journal.close()


def test_without_a_journal_the_worker_waits_and_tells_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    worker = RecorderWorker(lambda: recorder_of(tmp_path, url_in(tmp_path)), told.append, Clock())
    worker.start()
    deadline = time.monotonic() + 30
    while not worker.status.cause and time.monotonic() < deadline:
        time.sleep(0.01)
    worker.stop()
    assert "no journal here yet" in worker.status.cause
    assert (told, worker.status.faults, worker.lasting_fault()) == ([], 0, "")


def test_a_missing_library_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RecorderRefused, match=r"pip install 'tradewind\[sql\]'"):
        address.resolve("sqlite", tmp_path)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("sqlite", "sqlite+pysqlite:///{}/recorder.sqlite"),
        ("sqlite:////var/desk.sqlite", "sqlite+pysqlite:////var/desk.sqlite"),
        ("postgresql://me@db/desk", "postgresql+psycopg://me:p%2Fw@db/desk"),
    ],
)
def test_a_configured_database_becomes_a_url(tmp_path: Path, text: str, url: str) -> None:
    assert address.database_fault(text) == ""
    found = address.resolve(text, tmp_path, "p/w")
    assert found == url.format(tmp_path)
    assert "p%2Fw" not in address.shown(found)


@pytest.mark.parametrize("text", ["mysql://x/y", "postgresql://me:pw@db/desk", "postgresql://db", "sqlite:///", "x"])
def test_what_is_no_database_is_refused(text: str) -> None:
    assert address.database_fault(text)
