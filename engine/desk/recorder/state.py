"""What a database holds of a journal, looked at only: nothing is made, migrated or locked there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from engine.desk.recorder.database import Database
from engine.desk.recorder.faults import DatabaseDown, NothingRecorded, RecorderRefused
from engine.desk.recorder.settings import RecorderPlan
from engine.desk.recorder.store import count_rows, read_offset
from engine.desk.recorder.tables import metadata
from engine.journal.tailing import Offset, journal_identity

WHO = "the start of desk, or `tradewind sql import`,"


@dataclass(frozen=True)
class RecordedState:
    """`number`: the journal's in this database; `rows` by table."""

    database: str
    schema: str
    number: int
    offset: Offset
    rows: dict[str, int]


def recorded_state(plan: RecorderPlan) -> RecordedState:
    """NothingRecorded where there is no such database, table or journal; RecorderRefused for a schema of another build.

    DatabaseDown; NoJournalYet.
    """
    journal_id, _ = journal_identity(plan.data_dir)
    database = Database(plan.url, is_reading=True, leaves_no_trace=True)
    log = Path(f"{database.path}-wal")
    is_still = database.is_sqlite and not log.exists()
    try:
        try:
            state = read_state(database, journal_id)
        except DatabaseDown:
            if not (is_still and log.exists()):
                raise
        else:
            if not (is_still and log.exists()):
                return state
        # somebody has begun to write meanwhile: what was read is of no one moment
        database.close()
        return read_state(database, journal_id)
    finally:
        database.close()


def read_state(database: Database, journal_id: str) -> RecordedState:
    """As `recorded_state`, once."""
    if database.is_sqlite and not database.path.exists():
        raise NothingRecorded(f"{database.shown}: no database here: {WHO} makes it")
    schema, own = database.revision(), database.head()
    if not schema:
        text = f"none of the recorder's tables is here: if this is the right database, {WHO} makes them"
        raise NothingRecorded(f"{database.shown}: {text}")
    if schema != own:
        text = f"its schema is {schema}, of an older build; this one writes {own}: {WHO} brings it up to that"
        raise RecorderRefused(f"{database.shown}: {text}")
    journals = metadata().tables["journals"]
    with database.transaction() as connection:
        known = {row.journal_id: int(row.journal) for row in connection.execute(select(journals))}
        number = known.get(journal_id)
        if number is None:
            there = ", ".join(sorted(known)) or "none"
            text = f"journal {journal_id} is not recorded here; journals here: {there}; {WHO} begins it"
            raise NothingRecorded(f"{database.shown}: {text}")
        offset, rows = read_offset(connection, number, journal_id), count_rows(connection, number)
    return RecordedState(database.shown, schema, number, offset, rows)
