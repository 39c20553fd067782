"""A ledger of orders into SQL: what the recorder takes for a row, and what the database's own quick way takes for the same rows.

A month of orders is written to a journal in a memory file system and imported into a fresh database, in turn with `executemany`
(SQLite) or COPY (PostgreSQL, where a server is installed) of the same rows in the same batches; medians of the rounds. The whole
month is ``--orders 1000000 --rounds 1``.
Run: ``python bench/recorder.py [--orders N] [--rounds N] [--only sqlite|postgresql] [--json] [--record]``.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from parts import recorder_postgres
from parts.history import arguments
from parts.order_month import OrderMonth
from parts.recorder_import import imported
from parts.rows import Row, report
from sqlalchemy.dialects import sqlite

from engine.desk.recorder.address import resolve
from engine.desk.recorder.database import Database
from engine.desk.recorder.memory import Memory
from engine.desk.recorder.rows import RowMaker
from engine.desk.recorder.schema import TABLES
from engine.desk.recorder.settings import BATCH_RECORDS
from engine.desk.recorder.tables import insert_text
from engine.journal.tailing import TailingReader
from engine.model.instruments import InstrumentSpec

ROWS_S_WANTED = 100_000
POSTGRESQL_ROWS_S_WANTED = 50_000
SYMBOLS = [
    InstrumentSpec(
        venue_id=1, symbol=f"{base}USDT", base_asset=base, quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000
    )
    for base in ("BTC", "ETH", "SOL")
]


@dataclass(frozen=True)
class Measured:
    """Seconds of one import, those of them that it was on a processor, and how many rows it wrote."""

    seconds: float
    cpu_seconds: float
    rows: int

    @property
    def us_a_row(self) -> float:
        """Microseconds."""
        return self.seconds * 1e6 / self.rows


def recorded(data_dir: Path, folder: Path) -> Measured:
    """The recorder, from the ledger's bytes to the last commit."""
    path = folder / "ours.sqlite"
    measured = Measured(*imported(data_dir, f"sqlite+pysqlite:///{path}"))
    remove(path)
    return measured


def inserted(data_dir: Path, folder: Path) -> Measured:
    """The same rows by `executemany` alone: making them is not counted."""
    path = folder / "plain.sqlite"
    database = Database(f"sqlite+pysqlite:///{path}")
    database.migrate()
    database.close()
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -65536", "wal_autocheckpoint = 4000"):
        connection.execute(f"PRAGMA {pragma}")
    texts = {name: insert_text(spec, sqlite.dialect(paramstyle="qmark")) for name, spec in TABLES.items()}
    maker, tail = RowMaker(1, Memory()), TailingReader(data_dir)
    took, cpu_took, rows = 0.0, 0.0, 0
    while records := tail.take(BATCH_RECORDS):
        batch = maker.make(records)
        began, cpu_began = time.perf_counter(), time.process_time()
        connection.execute("BEGIN IMMEDIATE")
        for table, found in batch.tables():
            connection.executemany(texts[table], found)
        connection.execute("COMMIT")
        took += time.perf_counter() - began
        cpu_took += time.process_time() - cpu_began
        rows += batch.count()
    connection.close()
    remove(path)
    return Measured(took, cpu_took, rows)


def remove(path: Path) -> None:
    """A database with what stands beside it."""
    for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        name.unlink(missing_ok=True)


Rounds = list[tuple[Measured, Measured]]


def sqlite_rounds(data_dir: Path, folder: Path, count: int) -> Rounds:
    """The recorder and `executemany` in turn."""
    found = []
    for _ in range(count):
        gc.collect()
        found.append((recorded(data_dir, folder), inserted(data_dir, folder)))
    return found


def postgresql_rounds(data_dir: Path, count: int) -> tuple[Rounds, float]:
    """The recorder and COPY in turn, and the server's microseconds on a processor for a row; nothing without a server."""
    server = recorder_postgres.server()
    if server is None:
        return [], 0.0
    found, server_us = [], []
    try:
        for _ in range(count):
            gc.collect()
            url, began = server.database(), recorder_postgres.server_cpu_s(server.pid)
            ours = Measured(*imported(data_dir, resolve(url, data_dir)))
            server_us.append((recorder_postgres.server_cpu_s(server.pid) - began) * 1e6 / ours.rows)
            found.append((ours, Measured(*recorder_postgres.copied(data_dir, server.database()))))
    finally:
        server.close()
    return found, statistics.median(server_us)


def row_of(rounds: Rounds, where: str, yardstick: str, rows_s_wanted: int, options: argparse.Namespace) -> Row:
    """Medians, and a line of what they come to."""
    ours = statistics.median(one.us_a_row for one, _ in rounds)
    plain = statistics.median(other.us_a_row for _, other in rounds)
    if not options.json:
        sys.stdout.write(
            f"{where}: {options.orders:,} orders, {rounds[0][0].rows:,} rows: {1e6 / ours:,.0f} rows/s "
            f"({yardstick} {1e6 / plain:,.0f}), "
            f"{statistics.median(one.rows / one.cpu_seconds for one, _ in rounds):,.0f} a second on a processor\n"
        )
    return Row(f"a row into {where}, of {options.orders:,} orders", "us", ours, yardstick, plain, 1e6 / rows_s_wanted)


def main() -> int:
    """Parse, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--folder", help="where the ledger and the databases are made, instead of a memory file system")
    options = parser.parse_args()
    memory = Path("/dev/shm")
    place = options.folder or (memory if memory.is_dir() else None)
    folder = Path(tempfile.mkdtemp(prefix="tradewind-bench-", dir=place))
    rows = []
    try:
        month = OrderMonth(folder, SYMBOLS, options.orders)
        month.write()
        if options.only != "postgresql":
            rounds = sqlite_rounds(month.data_dir, folder, options.rounds)
            rows.append(row_of(rounds, "SQLite", "plain executemany", ROWS_S_WANTED, options))
        if options.only != "sqlite":
            rounds, server_us = postgresql_rounds(month.data_dir, options.rounds)
            if rounds:
                rows.append(row_of(rounds, "PostgreSQL", "COPY alone", POSTGRESQL_ROWS_S_WANTED, options))
                if not options.json:
                    sys.stdout.write(f"the server: {server_us:.1f} us on a processor for a row\n")
    finally:
        shutil.rmtree(folder)
    report("recorder", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
