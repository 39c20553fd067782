"""Rows and offset, in one transaction: what was recorded and how far it was read never part."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from engine.desk.recorder.faults import RecorderRefused
from engine.desk.recorder.memory import Memory, holding_of, instrument_of
from engine.desk.recorder.rows import Batch
from engine.desk.recorder.schema import TABLES
from engine.desk.recorder.tables import copy_text, insert_text, metadata
from engine.journal.tailing import RECORDER, Offset

# below this many rows a COPY costs more than it saves
COPIED_ROWS_MIN = 64


class OffsetMoved(RecorderRefused):
    """Another recorder has written meanwhile: what we hold is stale."""


def register(connection: Connection, journal_id: str, engine_id: int, lane: int) -> int:
    """The number of a journal in this database; given when it is seen for the first time."""
    tables = metadata().tables
    journals, offsets = tables["journals"], tables["offsets"]
    known = connection.execute(select(journals.c.journal).where(journals.c.journal_id == journal_id)).scalar()
    if known is not None:
        return int(known)
    number = int(connection.execute(select(func.coalesce(func.max(journals.c.journal), 0))).scalar_one()) + 1
    row = {"journal": number, "journal_id": journal_id, "engine_id": engine_id, "engine": "", "mode": ""}
    connection.execute(insert(journals).values(row))
    nothing = dict.fromkeys(TABLES["offsets"].names, 0) | {"name": RECORDER, "journal": number, "lane": lane}
    connection.execute(insert(offsets).values(nothing))
    return number


def read_offset(connection: Connection, journal: int, journal_id: str) -> Offset:
    """How far a journal is recorded."""
    offsets = metadata().tables["offsets"]
    wanted = (offsets.c.name == RECORDER) & (offsets.c.journal == journal)
    row = connection.execute(select(offsets).where(wanted)).mappings().one()
    fields = {name: row[name] for name in ("lane", "epoch", "seq", "segment", "byte", "wall_ns")}
    return Offset(journal_id=journal_id, **fields)


def read_memory(connection: Connection, journal: int, offset: Offset) -> Memory:
    """What the next rows depend on, as the rows that are there say it."""
    tables, memory = metadata().tables, Memory()

    def rows(table: str, *conditions: Any) -> list[dict[str, Any]]:
        own = tables[table]
        chosen = select(own).where(own.c.journal == journal, *conditions).order_by(*own.primary_key)
        return [dict(row) for row in connection.execute(chosen).mappings()]

    by_number = {row["instrument"]: row for row in rows("instruments")}
    for number, columns in by_number.items():
        memory.know(instrument_of(columns))
        memory.instruments = memory.numbers[columns["instrument_id"]] = number
    for columns in rows("profits"):
        strategy_id, account_id, venue_id, symbol, side = (columns[name] for name in TABLES["profits"].key[1:])
        terms = instrument_of(by_number[columns["instrument"]])
        memory.holdings[strategy_id, account_id, venue_id, symbol, side] = holding_of(columns, terms)
    for columns in rows("balances"):
        is_held = bool(columns["free_e8"] or columns["locked_e8"])
        memory.tell_balance(columns["account_id"], columns["asset_id"], columns["venue_id"], is_held=is_held)
    for columns in rows("runs", tables["runs"].c.epoch == offset.epoch):
        memory.run = [columns[name] for name in TABLES["runs"].names]
    for columns in rows("commands", tables["commands"].c.epoch == offset.epoch):
        memory.roots[columns["seq"]] = columns["seq"]
    for columns in rows("command_effects", tables["command_effects"].c.epoch == offset.epoch):
        memory.begin(columns["seq"], columns["command_seq"])
    intents, orders = tables["intents"], tables["orders"]
    seen = select(orders.c.order_handle).where(
        orders.c.journal == journal, orders.c.order_handle == intents.c.order_handle
    )
    pending = (intents.c.epoch == offset.epoch) & (intents.c.parent_handle != 0) & ~seen.exists()
    for columns in rows("intents", pending, intents.c.parent_handle != intents.c.order_handle):
        memory.parents[columns["order_handle"]] = columns["parent_handle"]
    return memory


def write(
    connection: Connection, journal: int, batch: Batch, former: Offset, offset: Offset, records: int, now_wall_ns: int
) -> int:
    """Write a batch and move the offset from `former` to `offset`; returns how many rows. OffsetMoved where it is elsewhere."""
    found = batch.tables()
    count = sum(len(rows) for _, rows in found)
    move_offset(connection, journal, former, offset, records, count, now_wall_ns)
    for table, rows in found:
        write_rows(connection, table, rows)
    if batch.engine is not None:
        journals = metadata().tables["journals"]
        engine, mode = batch.engine
        connection.execute(update(journals).where(journals.c.journal == journal).values(engine=engine, mode=mode))
    return count


def move_offset(
    connection: Connection, journal: int, former: Offset, offset: Offset, records: int, rows: int, now_wall_ns: int
) -> None:
    """From where we believe it is, and from nowhere else: two recorders cannot both write what is next."""
    offsets = metadata().tables["offsets"]
    statement = (
        update(offsets)
        .where(offsets.c.name == RECORDER, offsets.c.journal == journal)
        .where(offsets.c.epoch == bindparam("was_epoch"), offsets.c.seq == bindparam("was_seq"))
        .values(records=offsets.c.records + records, rows_written=offsets.c.rows_written + rows)
    )
    place = {name: getattr(offset, name) for name in ("epoch", "seq", "segment", "byte", "wall_ns")}
    moved = connection.execute(
        statement.values(**place, updated_wall_ns=now_wall_ns), {"was_epoch": former.epoch, "was_seq": former.seq}
    )
    if moved.rowcount != 1:
        raise OffsetMoved("another recorder writes this journal into the same database; one is enough")


def write_rows(connection: Connection, table: str, rows: list[Any]) -> None:
    """Rows of one table, by the quickest way that its database has."""
    spec = TABLES[table]
    # the driver's own cursor: SQLAlchemy would look at every row first
    cursor: Any = connection.connection.cursor()
    try:
        if connection.dialect.name == "postgresql" and not spec.latest and len(rows) >= COPIED_ROWS_MIN:
            with cursor.copy(copy_text(spec, connection.dialect)) as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            cursor.executemany(insert_text(spec, connection.dialect), rows)
    finally:
        cursor.close()


def count_rows(connection: Connection, journal: int) -> dict[str, int]:
    """How many rows of a journal each table has."""
    found = {}
    for name, own in metadata().tables.items():
        found[name] = int(connection.execute(select(func.count()).where(own.c.journal == journal)).scalar_one())
    return found
