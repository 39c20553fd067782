"""Rows that are older than the configuration keeps them: deleted in batches, each a short transaction, oldest first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select, tuple_

from engine.desk.recorder.gone import tell_gone
from engine.desk.recorder.schema import CLOSED_STATES, TABLES
from engine.desk.recorder.tables import metadata

BATCH_ROWS = 5_000
DAY_NS = 86_400_000_000_000


def expire_rows(connection: Connection, table: str, journal: int, horizon_wall_ns: int, limit: int = BATCH_ROWS) -> int:
    """Delete at most `limit` rows of a journal that are older; returns how many. Less than `limit`: no old ones are left.

    Rows of records stand in the order of time, so the first that is not old ends it. `orders` goes by handle; open ones stay.
    """
    if table == "orders":
        return expire_orders(connection, journal, horizon_wall_ns, limit)
    own, spec = metadata().tables[table], TABLES[table]
    keys = [own.c[name] for name in spec.key[1:]]
    oldest = select(*keys, own.c.wall_ns).where(own.c.journal == journal).order_by(*keys).limit(limit)
    old: list[Any] = []
    for row in connection.execute(oldest):
        if row.wall_ns >= horizon_wall_ns:
            break
        old.append(row)
    if old:
        # every row up to the last old one is old
        last = tuple(old[-1])[:-1]
        connection.execute(delete(own).where(own.c.journal == journal, tuple_(*keys) <= last))
        tell_gone(connection, table, journal, old[-1].wall_ns)
    return len(old)


def expire_orders(connection: Connection, journal: int, horizon_wall_ns: int, limit: int) -> int:
    """Closed orders whose last change is older."""
    own = metadata().tables["orders"]
    old = (
        select(own.c.order_handle)
        .where(own.c.journal == journal, own.c.wall_ns < horizon_wall_ns, own.c.state.in_(CLOSED_STATES))
        .order_by(own.c.order_handle)
        .limit(limit)
    )
    gone = connection.execute(delete(own).where(own.c.journal == journal, own.c.order_handle.in_(old)))
    if gone.rowcount:
        tell_gone(connection, "orders", journal, horizon_wall_ns)
    return int(gone.rowcount)
