"""The recorder's database and named readers in a backup: what was restored goes on and loses and doubles nothing."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.backup import postgres
from engine.backup.layout import BackupError, read_manifest
from engine.cli.main import main
from engine.desk.recorder.address import resolve
from engine.desk.recorder.database import Database
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.settings import RecorderPlan
from engine.exit_codes import ExitCode
from engine.journal.reader import JournalReader
from engine.journal.tailing import NamedReader, OffsetAhead
from engine.model.codes import Lane
from engine.runtime.clock import Clock
from tests.config_text import GOOD
from tests.journal_harness import memory_folder
from tests.postgres_server import PostgresServer, binaries
from tests.reference_rows import Reference, database_rows, differences
from tests.varied_ledger import VariedLedger

SQLITE, ELSEWHERE, POSTGRESQL = "sqlite", "sqlite elsewhere", "postgresql"


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[PostgresServer | None]:
    server = PostgresServer() if binaries() is not None else None
    yield server
    if server is not None:
        server.close()


@pytest.fixture(name="ledger")
def fixture_ledger() -> Iterator[VariedLedger]:
    with memory_folder() as folder:
        ledger = VariedLedger(folder, 41)
        ledger.write(400)
        yield ledger
        ledger.journal.close()


def database_of(server: PostgresServer | None, kind: str) -> str:
    if kind == SQLITE:
        return SQLITE
    if server is None:
        pytest.skip("no PostgreSQL server here; on Debian or Ubuntu: apt-get install postgresql")
    return server.database()


def config_for(folder: Path, ledger: VariedLedger, url: str) -> str:
    lines = [f'data_dir = "{ledger.data_dir}"' if line.startswith("data_dir") else line for line in GOOD.splitlines()]
    head, _, rest = "\n".join(lines).partition("[recorder]")
    after = rest.partition("\n[")[2]
    path = folder / "engine.toml"
    path.write_text(f'{head}[recorder]\ndatabase = "{url}"\n' + (f"[{after}" if after else ""))
    return str(path)


def recorder_of(data_dir: Path, url: str, batch: int = 30) -> Recorder:
    return Recorder(RecorderPlan(data_dir, resolve(url, data_dir), batch_records=batch), Clock())


def record_all(recorder: Recorder) -> None:
    while recorder.step():
        pass


def read_on(data_dir: Path, count: int) -> list[tuple[int, int]]:
    """What a named reader is given, and has made use of."""
    reader = NamedReader(data_dir, "copy")
    taken = [(record.epoch, record.seq) for record in reader.take(count)]
    reader.commit()
    reader.close()
    return taken


def ledger_keys(data_dir: Path) -> list[tuple[int, int]]:
    return [(record.epoch, record.seq) for record in JournalReader(data_dir).records(Lane.LEDGER)]


@pytest.mark.parametrize("kind", [SQLITE, ELSEWHERE, POSTGRESQL])
def test_what_was_restored_records_and_reads_on_without_a_loss_or_a_double(
    tmp_path: Path, ledger: VariedLedger, server: PostgresServer | None, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger is written and recorded while the copy is made."""
    url = f"sqlite:///{tmp_path}/elsewhere.sqlite" if kind == ELSEWHERE else database_of(server, kind)
    config = config_for(tmp_path, ledger, url)
    recorder = recorder_of(ledger.data_dir, url)
    recorder.step()
    read = read_on(ledger.data_dir, 100)
    stopping = threading.Event()

    def go_on() -> None:
        while not stopping.is_set():
            ledger.write(10)
            recorder.step()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        assert main(["backup", str(tmp_path / "copies"), "--config", config, "--json"]) == ExitCode.OK
    finally:
        stopping.set()
        thread.join()
    recorder.close()
    made = json.loads(capsys.readouterr().out)
    read_on(ledger.data_dir, 50)

    new = tmp_path / "new"
    words = ["restore", str(tmp_path / "copies"), "--to", str(new)]
    if kind == POSTGRESQL:
        assert server is not None
        assert made["database_rows"] > 0
        url = server.database()
        words += ["--database", url]
    assert main(words) == ExitCode.OK
    if kind == ELSEWHERE:
        assert "comes back as recorder.sqlite" in made["notes"]
        url = SQLITE
    restored = recorder_of(new, url)
    assert restored.open().offset.seq <= read_manifest(tmp_path / "copies", "000001").seq
    record_all(restored)
    other = VariedLedger(tmp_path / "on", 42, data_dir=new)
    other.write(100)
    record_all(restored)
    assert differences(database_rows(restored.database), Reference(new).rows) == []
    restored.close()
    # the reader is given what it had not made use of when the copy was made, and nothing else
    rest = []
    while found := read_on(new, 500):
        rest += found
    assert read + rest == ledger_keys(new)
    other.journal.close()


def backed_up(tmp_path: Path, ledger: VariedLedger, server: PostgresServer | None) -> str:
    url = database_of(server, POSTGRESQL)
    recorder = recorder_of(ledger.data_dir, url)
    record_all(recorder)
    recorder.close()
    assert main(["backup", str(tmp_path / "copies"), "--config", config_for(tmp_path, ledger, url)]) == ExitCode.OK
    return url


def test_a_database_that_knows_more_than_a_restored_journal_is_not_recorded_into(
    tmp_path: Path, ledger: VariedLedger, server: PostgresServer | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The host of the engine is lost, the database on another one is not."""
    url = backed_up(tmp_path, ledger, server)
    ledger.write(50)
    recorder = recorder_of(ledger.data_dir, url)
    record_all(recorder)
    recorder.close()
    assert main(["restore", str(tmp_path / "copies"), "--to", str(tmp_path / "new")]) == ExitCode.OK
    assert "`tradewind restore DIR --database URL`" in capsys.readouterr().err
    for restart in (False, True):
        if restart:
            VariedLedger(tmp_path / "on", 43, data_dir=tmp_path / "new").journal.close()
        with pytest.raises(OffsetAhead, match="put back from an earlier copy"):
            recorder_of(tmp_path / "new", url).step()
        status = ["sql", "status", "--dir", str(tmp_path / "new"), "--database", url]
        assert main(status) == ExitCode.NO_INPUT
        assert "put back from an earlier copy" in capsys.readouterr().err
    words = ["backup", str(tmp_path / "others"), "--data-dir", str(tmp_path / "new"), "--config"]
    assert main([*words, config_for(tmp_path, ledger, url)]) == ExitCode.IO_ERROR
    assert "the journal was put back from an earlier copy" in capsys.readouterr().err


def test_a_database_is_put_back_whole_into_an_empty_one_or_not_at_all(
    tmp_path: Path, ledger: VariedLedger, server: PostgresServer | None, capsys: pytest.CaptureFixture[str]
) -> None:
    url = backed_up(tmp_path, ledger, server)
    assert server is not None
    words = ["restore", str(tmp_path / "copies"), "--database"]
    assert main([*words, url]) == ExitCode.IO_ERROR
    assert "nothing is overwritten: name an empty database" in capsys.readouterr().err
    assert main([*words, "sqlite"]) == ExitCode.USAGE
    assert main([*words, "postgresql://nobody@127.0.0.1:1/none"]) == ExitCode.UNAVAILABLE
    new = server.database()
    assert main([*words, new]) == ExitCode.OK
    one, other = (Database(resolve(name, tmp_path)) for name in (url, new))
    assert database_rows(one) == database_rows(other)
    # one row less is found, and so is a dump that was altered
    manifest = read_manifest(tmp_path / "copies", "000001")
    assert manifest.database is not None
    dumped = tmp_path / "copies" / "points" / "000001" / "files" / manifest.database.file
    with other.transaction() as connection:
        connection.execute(text("DELETE FROM order_states WHERE seq = (SELECT MIN(seq) FROM order_states)"))
    short = postgres.dump(resolve(new, tmp_path), ledger.data_dir, tmp_path / "short")
    with pytest.raises(BackupError, match=r"order_states .* of "):
        postgres.put_back(tmp_path / "short", manifest.database, resolve(server.database(), tmp_path))
    assert short.rows["order_states"] == manifest.database.rows["order_states"] - 1
    one.close()
    other.close()
    content = bytearray(dumped.read_bytes())
    content[len(content) // 2] ^= 1
    dumped.write_bytes(content)
    assert main([*words, server.database()]) == ExitCode.IO_ERROR
    assert "damaged" in capsys.readouterr().err


def test_without_pg_dump_the_mend_is_named_and_a_copy_without_the_database_can_be_had(
    tmp_path: Path, ledger: VariedLedger, server: PostgresServer | None, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    url = database_of(server, POSTGRESQL)
    recorder = recorder_of(ledger.data_dir, url)
    record_all(recorder)
    recorder.close()
    monkeypatch.setattr(postgres, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["backup", str(tmp_path / "copies"), "--config", config_for(tmp_path, ledger, url)]
    assert main(words) == ExitCode.IO_ERROR
    told = capsys.readouterr().err
    assert "apt-get install postgresql-client" in told
    assert "--without-database" in told
    assert list((tmp_path / "copies" / "points").iterdir()) == []
    assert main([*words, "--without-database", "--json"]) == ExitCode.OK
    assert "the recorder's database is not in it" in json.loads(capsys.readouterr().out)["notes"]
    assert read_manifest(tmp_path / "copies", "000001").database is None


def test_the_password_is_given_by_the_environment_and_never_as_an_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    tool = tmp_path / "pg_dump"
    tool.write_text('#!/bin/sh\necho "$PGPASSWORD|$*"\n')
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    seen.append(postgres.run("pg_dump", "postgresql+psycopg://me:p%2Fw@db/desk?sslmode=verify-full", "--list"))
    assert seen == ["p/w|--dbname=postgresql://me@db/desk?sslmode=verify-full --list\n"]
