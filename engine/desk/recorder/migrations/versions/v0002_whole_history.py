"""Every change of an order says all of it, transfers are recorded, a balance says whether it names every asset.

What was recorded before gets an order's terms from its latest state; transfers before are not there, and it is said so.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TERMS: dict[str, Any] = {
    "venue_id": sa.Integer,
    **dict.fromkeys(("position_side", "client_order_id", "side", "order_type", "time_in_force"), sa.Text),
}
TRANSFERS: dict[str, Any] = {
    **dict.fromkeys(("journal", "epoch"), sa.Integer),
    **dict.fromkeys(("seq", "wall_ns"), sa.BigInteger),
    **dict.fromkeys(("row_number", "venue_id", "account_id", "asset_id"), sa.Integer),
    **dict.fromkeys(("change_e8", "event_ns"), sa.BigInteger),
}


def upgrade() -> None:
    """Add, and fill what can be known."""
    if op.get_bind().dialect.name == "postgresql":
        # a month of rows is rewritten once
        op.execute("SET LOCAL statement_timeout = 0")
    columns = [sa.Column(name, kind(), nullable=False, autoincrement=False) for name, kind in TRANSFERS.items()]
    key = sa.PrimaryKeyConstraint("journal", "epoch", "seq", "row_number", name="pk_transfers")
    op.create_table("transfers", *columns, key, sqlite_with_rowid=False)
    for name, kind in TERMS.items():
        nothing = "0" if kind is sa.Integer else ""
        op.add_column("order_states", sa.Column(name, kind(), nullable=False, server_default=nothing))
    op.add_column("balance_states", sa.Column("is_complete", sa.Boolean(), nullable=False, server_default=sa.false()))
    names = ", ".join(TERMS)
    its_order = "o.journal = order_states.journal AND o.order_handle = order_states.order_handle"
    op.execute(
        f"UPDATE order_states SET ({names}) = (SELECT {names.replace('venue_id', 'o.venue_id')} FROM orders o WHERE {its_order}) "
        f"WHERE EXISTS (SELECT 1 FROM orders o WHERE {its_order})"
    )
    for table in ("transfers", "order_states"):
        op.execute(told_gone(table))


def told_gone(table: str) -> str:
    """Of changes without an order the terms are not known; of transfers nothing is."""
    wanted = "name = 'recorder' AND seq > 0"
    until = "wall_ns"
    if table == "order_states":
        wanted += " AND EXISTS (SELECT 1 FROM order_states s WHERE s.journal = offsets.journal AND s.side = '')"
        until = "(SELECT MAX(s.wall_ns) FROM order_states s WHERE s.journal = offsets.journal AND s.side = '')"
    return (
        "INSERT INTO offsets (name, journal, lane, epoch, seq, segment, byte, wall_ns, records, rows_written, updated_wall_ns) "
        f"SELECT 'without {table}', journal, 0, 0, 0, 0, 0, {until}, 0, 0, 0 FROM offsets WHERE {wanted}"
    )


def downgrade() -> None:
    """Forget it: the ledger has it all."""
    op.execute("DELETE FROM offsets WHERE name LIKE 'without %'")
    op.drop_table("transfers")
    op.drop_column("balance_states", "is_complete")
    for name in TERMS:
        op.drop_column("order_states", name)
