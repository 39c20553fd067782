"""The recorder's database on PostgreSQL in a backup: `pg_dump`'s custom format of our tables, of one moment, with its rows counted.

The dump is taken before the ledger's watermark is read: what it holds is never ahead of the ledger that goes with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, func, inspect, select, text

from engine.backup.layout import BackupError, DatabasePoint
from engine.desk.recorder.database import Database
from engine.desk.recorder.schema import TABLES, VIEWS
from engine.desk.recorder.store import read_offset
from engine.desk.recorder.tables import metadata
from engine.journal.tailing import Offset, TailingReader, journal_identity
from engine.model.codes import Lane

DUMP_NAME = "recorder.pgdump"
DEBIAN = Path("/usr/lib/postgresql")
INSTALL = "install PostgreSQL's client programs (Debian and Ubuntu: apt-get install postgresql-client)"
RELATIONS = (*TABLES, *VIEWS, "alembic_version")
TEXT_MAX = 500


def program(name: str) -> str:
    """Where a client program is: on the path, or where Debian keeps them, the newest. BackupError with the mend."""
    found = shutil.which(name)
    if found:
        return found
    versions = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3])) if DEBIAN.is_dir() else []
    if not versions:
        mend = f"{INSTALL}, or leave it out: --without-database" if name == "pg_dump" else INSTALL
        raise BackupError(f"the recorder's database is on PostgreSQL, and {name} is not here: {mend}")
    return str(versions[-1])


def run(name: str, url: str, *arguments: str) -> str:
    """Run a client program on a database; its output. The password goes by the environment: arguments are seen by everybody."""
    parts = urlsplit(url)
    environment = dict(os.environ)
    if parts.password is not None:
        environment["PGPASSWORD"] = unquote(parts.password)
        url = url.replace(f":{parts.password}@", "@", 1)
    plain = url.replace("postgresql+psycopg:", "postgresql:", 1)
    command = [program(name), f"--dbname={plain}", *arguments]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    if done.returncode:
        told = " ".join(done.stderr.decode(errors="replace").split())
        raise BackupError(f"{name} failed with {done.returncode}: {told[-TEXT_MAX:]}")
    return done.stdout.decode(errors="replace")


def dump(url: str, data_dir: Path, target: Path) -> DatabasePoint:
    """Dump our tables to `target`; what is in them. BackupError, RecorderFault; OffsetAhead for one of another history."""
    database = Database(url, is_reading=True)
    program("pg_dump")
    try:
        schema = database.revision()
        if not schema:
            raise BackupError(f"{database.shown}: nothing is recorded there")
        with database.transaction() as connection:
            # the counts and the dump see the same moment
            moment = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
            server = str(connection.execute(text("SHOW server_version")).scalar_one())
            rows = counted(connection)
            offset = recorded(connection, data_dir)
            tables = [f"--table={name}" for name in RELATIONS if name not in TABLES or name in rows]
            options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={moment}", f"--file={target}")
            run("pg_dump", url, *options, *tables)
    finally:
        database.close()
    return DatabasePoint(file=DUMP_NAME, server=server, schema=schema, rows=rows, epoch=offset.epoch, seq=offset.seq)


def counted(connection: Connection) -> dict[str, int]:
    """Rows of each of our tables that is there, of every journal."""
    there = set(inspect(connection).get_table_names())
    tables = metadata().tables
    chosen = [name for name in TABLES if name in there]
    return {
        name: int(connection.execute(select(func.count()).select_from(tables[name])).scalar_one()) for name in chosen
    }


def recorded(connection: Connection, data_dir: Path) -> Offset:
    """Up to where a directory's journal is recorded; OffsetAhead where the journal does not go so far."""
    journal_id, _ = journal_identity(data_dir)
    journals = metadata().tables["journals"]
    number = connection.execute(select(journals.c.journal).where(journals.c.journal_id == journal_id)).scalar()
    if number is None:
        return Offset(journal_id=journal_id)
    offset = read_offset(connection, int(number), journal_id)
    TailingReader(data_dir, Lane.LEDGER, offset).require_reached()
    return offset


def put_back(dumped: Path, point: DatabasePoint, url: str) -> None:
    """Put a dump into a database that has none of our tables, all or nothing, and count its rows. BackupError."""
    database = Database(url)
    try:
        with database.transaction() as connection:
            inspector = inspect(connection)
            taken = {*inspector.get_table_names(), *inspector.get_view_names()} & set(RELATIONS)
        if taken:
            where = f"{database.shown}: has {', '.join(sorted(taken)[:3])} already"
            raise BackupError(f"{where}; nothing is overwritten: name an empty database")
        database.close()
        run("pg_restore", url, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(dumped))
        with database.transaction() as connection:
            rows = counted(connection)
        schema = database.revision()
    finally:
        database.close()
    if (schema, rows) != (point.schema, point.rows):
        wrong = [name for name in {*rows, *point.rows} if rows.get(name) != point.rows.get(name)]
        told = ", ".join(f"{name} {rows.get(name)} of {point.rows.get(name)}" for name in sorted(wrong))
        raise BackupError(f"{database.shown}: schema {schema}, rows that were not restored as they were: {told}")
