"""The recorder's connection: opened when it is needed, its schema brought up to this build's, given up at the first fault."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    ProgrammingError,
    SQLAlchemyError,
)

from engine.desk.recorder.address import shown
from engine.desk.recorder.faults import DatabaseDown, DatabaseMoved, RecorderFault, RecorderRefused
from engine.runtime.held_file import HeldFile

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_MS = 2_000
CONNECT_S = 5
STATEMENT_MS = 60_000
# any number of our own: one desk at a time changes the schema
SCHEMA_LOCK = 7_283_011


class Database:
    """One connection to the database at `url`. Every fault is DatabaseDown or RecorderRefused, and leaves it closed.

    `is_reading`: nothing can be written over it, and a transaction sees one moment, however long it lasts.
    `leaves_no_trace`: nor are SQLite's two files made beside one that nobody has open; a writer that begins meanwhile spoils
    what is read.
    """

    def __init__(
        self, url: str, *, busy_ms: int = BUSY_MS, is_reading: bool = False, leaves_no_trace: bool = False
    ) -> None:
        self.url = url
        self.shown = shown(url)
        self._busy_ms = busy_ms
        self._is_reading = is_reading
        self._leaves_no_trace = leaves_no_trace
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        # who only reads writes nothing into a file that is gone
        self._file = HeldFile(self.path) if self.is_sqlite and not is_reading else None

    @property
    def path(self) -> Path:
        """The file of a SQLite database."""
        return Path(sqlalchemy.make_url(self.url).database or "")

    @property
    def is_sqlite(self) -> bool:
        """Is it a file of ours."""
        return self.url.startswith("sqlite")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that holds the right to write from its beginning; rolled back on any error."""
        with self._told():
            connection = self._connected()
            with connection.begin():
                yield connection

    def require_file(self) -> None:
        """DatabaseMoved, and closed, where the file that is open stands no longer under its name. Each use begins with it."""
        with self._told():
            if self._connection is not None and self._file is not None and (change := self._file.change()):
                fold_log(self._connection)
                raise DatabaseMoved(
                    f"{self.shown}: {change}; what stands there now is opened, or made anew from the ledger"
                )

    def migrate(self) -> None:
        """Bring the schema to this build's. RecorderRefused where a newer build has been here."""
        with self._told():
            connection = self._connected()
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(sqlalchemy.text(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})"))
                config = alembic_config(connection)
                refuse_newer(connection, ScriptDirectory.from_config(config), self.shown)
                command.upgrade(config, "head")

    def revision(self) -> str:
        """The schema that is there; empty for none. RecorderRefused where a newer build made it."""
        if self.is_sqlite and not self.path.exists():
            return ""
        with self._told():
            connection = self._connected()
            with connection.begin():
                scripts = ScriptDirectory.from_config(alembic_config(connection))
                refuse_newer(connection, scripts, self.shown)
                return ", ".join(MigrationContext.configure(connection).get_current_heads())

    @staticmethod
    def head() -> str:
        """The schema that this build writes."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        return ScriptDirectory.from_config(config).get_current_head() or ""

    def close(self) -> None:
        """Give the connection up; the next use opens another."""
        connection, engine = self._connection, self._engine
        self._connection = self._engine = None
        try:
            if connection is not None:
                connection.close()
        except (SQLAlchemyError, OSError):
            # it was broken: that is why it is given up
            pass
        if engine is not None:
            engine.dispose()
        if connection is not None and self._file is not None:
            self._file.closed()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Faults of the driver in our words."""
        try:
            yield
        except BaseException as error:
            driver = self._engine.dialect.dbapi if self._engine is not None else None
            self.close()
            fault = fault_of(error, driver)
            if fault is None:
                raise
            raise fault(f"{self.shown}: {cause(error)}") from error

    def _connected(self) -> Connection:
        self.require_file()
        if self._connection is None:
            if self._file is not None:
                self._file.opening()
            self._engine = (
                reading_engine(self.url, leaves_no_trace=self._leaves_no_trace)
                if self._is_reading
                else make_engine(self.url, self._busy_ms)
            )
            self._connection = self._engine.connect()
            if self._file is not None:
                self._file.opened()
        return self._connection


def fold_log(connection: Connection) -> None:
    """Write what only the log holds into the old file, wherever it went: what left with it is whole then."""
    with contextlib.suppress(SQLAlchemyError, sqlite3.Error):
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fault_of(error: BaseException, driver: Any) -> type[RecorderFault] | None:
    """Does an error pass by itself, or must somebody do something; None where it is not the database's."""
    refusals: tuple[type[BaseException], ...] = (
        IntegrityError,
        ProgrammingError,
        DataError,
        NoSuchModuleError,
        ArgumentError,
    )
    others: tuple[type[BaseException], ...] = (SQLAlchemyError,)
    if driver is not None:
        refusals += (driver.IntegrityError, driver.ProgrammingError, driver.DataError)
        others += (driver.Error,)
    if isinstance(error, refusals):
        return RecorderRefused
    return DatabaseDown if isinstance(error, others) else None


def cause(error: BaseException) -> str:
    """The driver's own words, on one line."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(original).split()) or type(original).__name__


def make_engine(url: str, busy_ms: int) -> Engine:
    """An engine for one connection."""
    if not url.startswith("sqlite"):
        arguments = {
            "connect_timeout": CONNECT_S,
            "application_name": "tradewind-recorder",
            "options": f"-c statement_timeout={STATEMENT_MS} -c lock_timeout=20000",
        }
        return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, connect_args=arguments)
    arguments = {"timeout": busy_ms / 1000, "check_same_thread": False}
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, connect_args=arguments)
    event.listen(engine, "connect", prepare_sqlite)
    event.listen(engine, "begin", begin_immediate)
    return engine


def reading_engine(url: str, *, leaves_no_trace: bool = False) -> Engine:
    """An engine for one connection that only reads."""
    if url.startswith("sqlite"):
        scheme, _, path = url.partition(":///")
        # without a log there is no writer, and SQLite would make one to read by, owned by who reads, and leave it
        is_still = leaves_no_trace and not Path(f"{path}-wal").exists()
        how = "mode=ro&immutable=1" if is_still else "mode=ro"
        engine = sqlalchemy.create_engine(
            f"{scheme}:///file:{quote(path)}?{how}&uri=true", poolclass=sqlalchemy.NullPool
        )
        event.listen(engine, "connect", begin_by_us)
        event.listen(engine, "begin", begin_reading)
        return engine
    arguments = {
        "connect_timeout": CONNECT_S,
        "application_name": "tradewind-export",
        "options": "-c default_transaction_read_only=on",
    }
    return sqlalchemy.create_engine(
        url, poolclass=sqlalchemy.NullPool, connect_args=arguments, isolation_level="REPEATABLE READ"
    )


def prepare_sqlite(connection: Any, _record: object) -> None:
    """WAL, synced at checkpoints: a power cut may take the last transactions, offset and rows alike; the ledger has them."""
    begin_by_us(connection, _record)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -65536", "wal_autocheckpoint = 4000"):
        connection.execute(f"PRAGMA {pragma}")


def begin_by_us(connection: Any, _record: object) -> None:
    """Transactions are begun by us: the driver would begin them late, and not at all to read or to change the schema."""
    connection.isolation_level = None


def begin_reading(connection: Connection) -> None:
    """What is read from here on is of the moment of the first query."""
    connection.exec_driver_sql("BEGIN")


def begin_immediate(connection: Connection) -> None:
    """The right to write is asked for at once, where waiting for it loses nothing."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for our migrations over this connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def refuse_newer(connection: Connection, scripts: ScriptDirectory, where: str) -> None:
    """RecorderRefused where the database was migrated by a build that knows more than this one."""
    known = {script.revision for script in scripts.walk_revisions()}
    present = MigrationContext.configure(connection).get_current_heads()
    unknown = sorted(set(present) - known)
    if unknown:
        raise RecorderRefused(
            f"{where}: its schema is {', '.join(unknown)}, this build knows {', '.join(sorted(known))}: "
            "a newer Tradewind has recorded here; run that one, or record into another database"
        )
