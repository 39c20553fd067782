"""What is recorded of a ledger gives the same files as the ledger: every table, as CSV and Parquet, and the statement of a day."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from engine.cli.export import NAMES
from engine.cli.main import main
from engine.desk.export import TABLES, Window
from engine.desk.export_files import write
from engine.desk.recorder import database
from engine.desk.recorder.address import resolve
from engine.desk.recorder.expiry import DAY_NS
from engine.desk.recorder.faults import RecorderRefused
from engine.desk.recorder.history import RecordedLedger
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.settings import RecorderPlan
from engine.desk.source import LedgerSource, Source
from engine.desk.statement import UnknownAccountError, statement
from engine.exit_codes import ExitCode
from engine.journal import layout
from engine.journal.reader import JournalReader
from engine.model.codes import Lane, RecordKind
from engine.runtime.clock import Clock
from tests.config_text import GOOD
from tests.journal_harness import memory_folder
from tests.ledger_harness import Ledger, body
from tests.postgres_server import PostgresServer
from tests.varied_ledger import FIRST_WALL_NS, VariedLedger

ALL = (0, (1 << 63) - 1)
SECOND_NS = 1_000_000_000


@pytest.fixture(name="ledger")
def fixture_ledger() -> Iterator[VariedLedger]:
    """Four runs of everything, some of them killed, an instrument that changes its tick, and several segments."""
    with memory_folder() as folder:
        ledger = VariedLedger(folder, 31, segment_bytes=1 << 16, is_plausible=True)
        for _ in range(4):
            ledger.write(400)
            ledger.restart()
        ledger.journal.flush()
        yield ledger
        ledger.journal.close()


def recorded(ledger: VariedLedger, url: str = "sqlite", **keep_days: int) -> Recorder:
    plan = RecorderPlan(ledger.data_dir, resolve(url, ledger.data_dir), keep_days, batch_records=300)
    recorder = Recorder(plan, Clock.virtual(wall_ns=FIRST_WALL_NS))
    while recorder.step():
        pass
    return recorder


def files(folder: Path, source: Source, window: tuple[int, int]) -> dict[str, bytes]:
    """Every table in both forms."""
    folder.mkdir()
    for name, table in TABLES.items():
        for form in ("csv", "parquet"):
            write(folder / f"{name}.{form}", form, table.columns, table.rows(Window(source, *window)))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def middle_of(ledger: VariedLedger) -> tuple[int, int]:
    """A part of the ledger's time."""
    last = ledger.journal.sequence
    return FIRST_WALL_NS + last // 3 * SECOND_NS, FIRST_WALL_NS + last // 2 * SECOND_NS


def must_be_alike(tmp_path: Path, ledger: VariedLedger, database_source: Source) -> None:
    for number, window in enumerate((ALL, middle_of(ledger))):
        ours = files(tmp_path / f"ledger{number}", LedgerSource(ledger.data_dir), window)
        theirs = files(tmp_path / f"database{number}", database_source, window)
        assert len(ours) == 2 * len(NAMES)
        assert [name for name in ours if ours[name] != theirs[name]] == []
        assert all(content.count(b"\n") > 1 for name, content in ours.items() if name.endswith("csv"))


def test_a_ledger_and_its_database_are_exported_file_for_file_alike_in_sqlite(
    tmp_path: Path, ledger: VariedLedger
) -> None:
    recorded(ledger).close()
    must_be_alike(tmp_path, ledger, RecordedLedger(resolve("sqlite", ledger.data_dir), ledger.data_dir))


def test_a_ledger_and_its_database_are_exported_file_for_file_alike_in_postgresql(
    tmp_path: Path, ledger: VariedLedger, server: PostgresServer
) -> None:
    url = server.database()
    recorded(ledger, url).close()
    must_be_alike(tmp_path, ledger, RecordedLedger(resolve(url, ledger.data_dir), ledger.data_dir))


def test_the_statement_of_a_day_is_the_same_from_both(ledger: VariedLedger) -> None:
    recorded(ledger).close()
    source = RecordedLedger(resolve("sqlite", ledger.data_dir))
    for window in (middle_of(ledger), (FIRST_WALL_NS, FIRST_WALL_NS + DAY_NS), (0, 1)):
        ours = statement(LedgerSource(ledger.data_dir), *window)
        assert statement(source, *window) == ours
        assert of_account(source, window, 2) == of_account(LedgerSource(ledger.data_dir), window, 2)
    assert ours["counts"] == {"orders": 0, "carried": 0, "fills": 0}


def of_account(source: Source, window: tuple[int, int], account_id: int) -> dict[str, Any] | str:
    """Its statement, or which accounts there are instead."""
    try:
        return statement(source, *window, account_id)
    except UnknownAccountError as error:
        return str(error)


def configured(tmp_path: Path, ledger: VariedLedger) -> str:
    path = tmp_path / "engine.toml"
    lines = [f'data_dir = "{ledger.data_dir}"' if line.startswith("data_dir") else line for line in GOOD.splitlines()]
    head, _, rest = "\n".join(lines).partition("[recorder]")
    after = rest.partition("\n[")[2]
    path.write_text(f'{head}[recorder]\ndatabase = "sqlite"\n' + (f"[{after}" if after else ""))
    return str(path)


def test_what_retention_took_from_the_ledger_is_read_from_the_database_and_told(
    tmp_path: Path, ledger: VariedLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(ledger).close()
    whole = files(tmp_path / "whole", LedgerSource(ledger.data_dir), ALL)
    midnight_ns = FIRST_WALL_NS // DAY_NS * DAY_NS
    day = statement(LedgerSource(ledger.data_dir), midnight_ns, midnight_ns + DAY_NS)
    for path in sorted((ledger.data_dir / "ledger").glob("0000000[123].seg")):
        path.unlink()
    config = configured(tmp_path, ledger)
    # the beginning of a run is gone: what it wrote later has no symbols and prices any more
    left = LedgerSource(ledger.data_dir)
    fills = list(TABLES["fills"].rows(Window(left, *ALL)))
    assert fills[0]["symbol"].startswith("#")
    assert not fills[-1]["symbol"].startswith("#")
    assert left.begins_ns() == next(
        record.wall_ns
        for record in JournalReader(ledger.data_dir).records(Lane.LEDGER)
        if record.kind == RecordKind.INSTRUMENT and record.epoch == fills[0]["epoch"] + 1
    )
    for name in NAMES:
        out = tmp_path / f"{name}.csv"
        assert main(["export", name, "--config", config, "--out", str(out)]) == ExitCode.OK
        told = capsys.readouterr().err
        assert "the ledger begins at " in told
        assert "read from sqlite" in told
        assert out.read_bytes() == whole[out.name]
    # without a configuration it is told, and by hand it can be had
    words = ("export", "fills", "--dir", str(ledger.data_dir), "--out")
    assert main([*words, str(tmp_path / "short.csv")]) == ExitCode.OK
    assert "not in it, or not by name: `--from-database`" in capsys.readouterr().err
    assert (tmp_path / "short.csv").read_bytes() != whole["fills.csv"]
    assert main([*words, str(tmp_path / "by-hand.parquet"), "--from-database"]) == ExitCode.OK
    assert (tmp_path / "by-hand.parquet").read_bytes() == whole["fills.parquet"]
    capsys.readouterr()
    main(["statement", "--day", "2096-10-02", "--config", config, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found == {"day": "2096-10-02"} | json.loads(json.dumps(day))


def test_a_database_that_lacks_rows_is_refused_with_which_and_until_when(
    tmp_path: Path, ledger: VariedLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = recorded(ledger, fills=2)
    recorder._clock.step_wall(middle_of(ledger)[0] + 2 * DAY_NS - recorder._clock.time_ns())
    while recorder.expire(now=True):
        pass
    recorder.close()
    words = ("--dir", str(ledger.data_dir), "--from-database", "sqlite", "--out")
    assert main(["export", "pnl", *words, str(tmp_path / "pnl.csv")]) == ExitCode.NO_INPUT
    assert "without fills up to 2096-10-02 " in capsys.readouterr().err
    assert main(["export", "alarms", *words, str(tmp_path / "alarms.csv")]) == ExitCode.OK
    source = RecordedLedger(resolve("sqlite", ledger.data_dir), ledger.data_dir)
    kinds = TABLES["fills"].kinds
    assert source.missing(kinds, middle_of(ledger)[0]) == {}
    assert list(source.missing(kinds, middle_of(ledger)[0] - 2 * DAY_NS)) == ["fills"]


def test_an_asset_that_a_complete_list_does_not_name_any_more_is_nothing_everywhere(tmp_path: Path) -> None:
    """In the fold, in SQL, also by a recorder that begins anew in between, and in both exports."""
    ledger = Ledger(tmp_path)
    for is_complete, rows in ((1, ((1, 100), (2, 50))), (0, ((1, 90),)), (1, ((1, 80),)), (1, ((1, 70),)), (1, ())):
        head = body(RecordKind.BALANCE, count=len(rows), is_complete=is_complete)
        told = b"".join(layout.BALANCE_ROW.pack(asset_id, amount, 0) for asset_id, amount in rows)
        ledger.add(RecordKind.BALANCE, head + told, account_id=1, venue_id=1)
        ledger.journal.flush()
        recorder = Recorder(RecorderPlan(ledger.data_dir, resolve("sqlite", ledger.data_dir)), Clock())
        recorder.step()
        recorder.close()
    plain = sqlite3.connect(ledger.data_dir / "recorder.sqlite")
    assert plain.execute("SELECT asset_id, free_e8 FROM balances ORDER BY 1").fetchall() == [(1, 0), (2, 0)]
    assert plain.execute("SELECT free_e8 FROM balance_states WHERE asset_id = 2").fetchall() == [(50,), (0,)]
    plain.close()
    sources = (LedgerSource(ledger.data_dir), RecordedLedger(resolve("sqlite", ledger.data_dir), ledger.data_dir))
    for source in sources:
        found = list(TABLES["balances"].rows(Window(source, *ALL)))
        assert [(row["free"], row["total"]) for row in found] == [("0", "0"), ("0", "0")]
    assert len({str(list(TABLES["balances"].rows(Window(source, *ALL)))) for source in sources}) == 1
    ledger.journal.close()


def test_of_several_journals_in_one_database_one_must_be_named(tmp_path: Path, ledger: VariedLedger) -> None:
    url = f"sqlite:///{tmp_path}/shared.sqlite"
    recorded(ledger, url).close()
    other = VariedLedger(tmp_path / "other", 32)
    other.write(100)
    recorded(other, url).close()
    resolved = resolve(url, tmp_path)
    with pytest.raises(
        RecorderRefused, match=r"name the journal by --journal; journals there: .*\(varied\), .*\(varied\)"
    ):
        RecordedLedger(resolved, tmp_path / "gone")
    assert RecordedLedger(resolved, other.data_dir).journal == 2
    named = RecordedLedger(resolved, None, RecordedLedger(resolved, ledger.data_dir).offset.journal_id)
    assert named.journal == 1
    other.journal.close()


def test_an_older_schema_is_brought_up_with_what_can_be_known_and_says_what_it_lacks(
    tmp_path: Path, ledger: VariedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = recorded(ledger)
    made = recorder.database
    with made.transaction() as connection:
        command.downgrade(database.alembic_config(connection), "0001")
    recorder.close()
    with pytest.raises(RecorderRefused, match="its schema is 0001, this build reads 0002"):
        RecordedLedger(made.url, ledger.data_dir)
    made.migrate()
    with made.transaction() as connection:
        ended = "SELECT count(*) FROM order_states s JOIN orders o USING (journal, order_handle) WHERE {}"
        every = connection.execute(
            text(ended.format("s.side = o.side AND s.client_order_id = o.client_order_id"))
        ).scalar()
        assert every == connection.execute(text("SELECT count(*) FROM order_states")).scalar()
    made.close()
    source = RecordedLedger(made.url, ledger.data_dir)
    assert list(source.gone_until_ns) == ["transfers"]
    assert source.gone_until_ns["transfers"] == source.offset.wall_ns
    ledger.write(400)
    recorded(ledger).close()
    plain = sqlite3.connect(ledger.data_dir / "recorder.sqlite")
    assert plain.execute("SELECT count(*) FROM transfers").fetchone()[0] > 0
    plain.close()
