"""The recorder's tables as SQLAlchemy has them, and the statements that write them, in the words of each database."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Dialect, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text

from engine.desk.recorder.schema import INDEXES, TABLES, TableSpec

COLUMN_TYPES: dict[str, Any] = {"i": Integer, "l": BigInteger, "t": Text, "b": Boolean}


@cache
def metadata() -> MetaData:
    """All tables; in SQLite each is its own primary key's tree, so that rows that come in order are appended."""
    found = MetaData()
    for spec in TABLES.values():
        make_table(found, spec)
    for name, table, columns in INDEXES:
        Index(name, *(found.tables[table].c[column] for column in columns))
    return found


def make_table(into: MetaData, spec: TableSpec) -> Table:
    """One table; every column is there but those of a run that has not stopped yet."""
    columns = [
        Column(name, COLUMN_TYPES[kind](), nullable=name.startswith("stop_"), autoincrement=False)
        for name, kind in spec.columns
    ]
    key = PrimaryKeyConstraint(*spec.key, name=f"pk_{spec.name}")
    return Table(spec.name, into, *columns, key, sqlite_with_rowid=False)


def insert_text(spec: TableSpec, dialect: Dialect) -> str:
    """INSERT of one row as the driver takes it; of a table of latest states with what happens to the row that is there."""
    quoted = quoter(dialect)
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    names = ", ".join(map(quoted, spec.names))
    text = f"INSERT INTO {quoted(spec.name)} ({names}) VALUES ({', '.join([mark] * len(spec.columns))})"
    if not spec.latest:
        return text
    key = ", ".join(map(quoted, spec.key))
    changed = ", ".join(
        f"{quoted(name)} = {updated(spec.name, name, quoted)}"
        for name in spec.names
        if name not in spec.key and name not in spec.kept
    )
    return f"{text} ON CONFLICT ({key}) DO UPDATE SET {changed}"


def updated(table: str, name: str, quoted: Any) -> str:
    """What a column of a latest row becomes: the new row's, but that changes are counted on."""
    new = f"excluded.{quoted(name)}"
    return f"{quoted(table)}.{quoted(name)} + {new}" if name == "changes" else new


def copy_text(spec: TableSpec, dialect: Dialect) -> str:
    """PostgreSQL's COPY of rows into a table."""
    quoted = quoter(dialect)
    return f"COPY {quoted(spec.name)} ({', '.join(map(quoted, spec.names))}) FROM STDIN"


def quoter(dialect: Dialect) -> Any:
    """Names as the database takes them."""
    return dialect.identifier_preparer.quote
