"""The recorder's import into PostgreSQL, and the same rows by COPY alone; on a server of the benchmark's own in memory."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from engine.desk.recorder.address import resolve
from engine.desk.recorder.database import Database
from engine.desk.recorder.memory import Memory
from engine.desk.recorder.rows import RowMaker
from engine.desk.recorder.schema import TABLES
from engine.desk.recorder.settings import BATCH_RECORDS
from engine.journal.tailing import TailingReader

ROOT = Path(__file__).parents[2]


def server() -> Any:
    """A PostgreSQL server, as the tests start theirs; None where none is installed."""
    sys.path.insert(0, str(ROOT))
    from tests.postgres_server import PostgresServer, binaries

    return PostgresServer() if binaries() is not None else None


def server_cpu_s(postmaster_pid: int) -> float:
    """Seconds on a processor of a server's processes, those that have ended too."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(path.parent.name) == postmaster_pid or int(fields[1]) == postmaster_pid:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def copied(data_dir: Path, url: str) -> tuple[float, float, int]:
    """The same rows by psycopg's COPY, in the same batches; latest states once, at the end. Making them is not counted."""
    database = Database(resolve(url, data_dir))
    database.migrate()
    database.close()
    maker, tail = RowMaker(1, Memory()), TailingReader(data_dir)
    latest: dict[str, dict[Any, Any]] = {}
    took, cpu_took, count = 0.0, 0.0, 0
    with psycopg.connect(url) as connection:
        batches: list[list[tuple[str, list[Any]]]] = []
        while records := tail.take(BATCH_RECORDS):
            batch = maker.make(records)
            for name, states in batch.latest.items():
                latest.setdefault(name, {}).update(states)
            batches.append([(name, rows) for name, rows in batch.rows.items() if rows])
        batches.append([(name, list(states.values())) for name, states in latest.items() if states])
        began, cpu_began = time.perf_counter(), time.process_time()
        for tables in batches:
            for name, rows in tables:
                copy_rows(connection, name, rows)
                count += len(rows)
            connection.commit()
        took, cpu_took = time.perf_counter() - began, time.process_time() - cpu_began
    return took, cpu_took, count


def copy_rows(connection: psycopg.Connection[Any], table: str, rows: list[Any]) -> None:
    """One table's rows, as psycopg's documentation does it."""
    names = ", ".join(f'"{name}"' for name in TABLES[table].names)
    with connection.cursor() as cursor, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)
