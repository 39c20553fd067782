"""A ledger of orders into SQLite: what the recorder takes for a row, and what the standard module takes for the same rows alone.

A month of orders is written to a journal in a memory file system and imported into a fresh database, in turn with `executemany` of
the same rows in the same batches into the same tables; medians of the rounds. The whole month is ``--orders 1000000 --rounds 1``.
Run: ``python bench/recorder.py [--orders N] [--rounds N] [--json] [--record]``.
"""

from __future__ import annotations

import gc
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from parts.history import arguments
from parts.order_month import OrderMonth
from parts.rows import Row, report
from sqlalchemy.dialects import sqlite

from engine.desk.recorder.database import Database
from engine.desk.recorder.memory import Memory
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.rows import RowMaker
from engine.desk.recorder.schema import TABLES
from engine.desk.recorder.settings import BATCH_RECORDS, RecorderPlan
from engine.desk.recorder.tables import insert_text
from engine.journal.tailing import TailingReader
from engine.model.instruments import InstrumentSpec
from engine.runtime.clock import Clock

ROWS_S_WANTED = 100_000
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
    recorder = Recorder(RecorderPlan(data_dir, f"sqlite+pysqlite:///{path}"), Clock())
    recorder.open()
    began, cpu_began = time.perf_counter(), time.process_time()
    while recorder.step():
        pass
    took, cpu_took = time.perf_counter() - began, time.process_time() - cpu_began
    rows = recorder.rows
    recorder.close()
    remove(path)
    return Measured(took, cpu_took, rows)


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


def main() -> int:
    """Parse, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--folder", help="where the ledger and the databases are made, instead of a memory file system")
    options = parser.parse_args()
    memory = Path("/dev/shm")
    place = options.folder or (memory if memory.is_dir() else None)
    folder = Path(tempfile.mkdtemp(prefix="tradewind-bench-", dir=place))
    try:
        month = OrderMonth(folder, SYMBOLS, options.orders)
        month.write()
        rounds: list[tuple[Measured, Measured]] = []
        for _ in range(options.rounds):
            gc.collect()
            rounds.append((recorded(month.data_dir, folder), inserted(month.data_dir, folder)))
    finally:
        shutil.rmtree(folder)
    ours = statistics.median(one.us_a_row for one, _ in rounds)
    plain = statistics.median(other.us_a_row for _, other in rounds)
    rows = rounds[0][0].rows
    if not options.json:
        sys.stdout.write(
            f"{options.orders:,} orders, {month.records:,} records, {rows:,} rows: "
            f"{1e6 / ours:,.0f} rows/s (plain executemany {1e6 / plain:,.0f}), "
            f"{statistics.median(one.rows / one.cpu_seconds for one, _ in rounds):,.0f} a second on a processor\n"
        )
    name = f"a row into SQLite, of {options.orders:,} orders"
    report("recorder", [Row(name, "us", ours, "plain executemany", plain, 1e6 / ROWS_S_WANTED)], options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
