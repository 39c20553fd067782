"""What a database does not hold of a journal's past: rows that retention deleted, and what an older build did not record.

It stands in `offsets`, a row for each such table: nothing of it up to `wall_ns`.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from engine.desk.recorder.schema import TABLES
from engine.desk.recorder.tables import metadata

WITHOUT = "without "


def tell_gone(connection: Connection, table: str, journal: int, wall_ns: int) -> None:
    """Rows of `table` up to this time are not there any more."""
    offsets, name = metadata().tables["offsets"], WITHOUT + table
    former = gone_until(connection, journal).get(table, 0)
    row = dict.fromkeys(TABLES["offsets"].names, 0)
    row |= {"name": name, "journal": journal, "wall_ns": max(wall_ns, former)}  # type: ignore[dict-item]
    connection.execute(delete(offsets).where(offsets.c.journal == journal, offsets.c.name == name))
    connection.execute(insert(offsets).values(row))


def gone_until(connection: Connection, journal: int) -> dict[str, int]:
    """Until when nothing is there, by table; a table that is whole is not in it."""
    offsets = metadata().tables["offsets"]
    chosen = select(offsets.c.name, offsets.c.wall_ns).where(
        offsets.c.journal == journal, offsets.c.name.startswith(WITHOUT)
    )
    return {name.removeprefix(WITHOUT): wall_ns for name, wall_ns in connection.execute(chosen)}
