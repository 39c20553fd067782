"""The first schema: every table, index and view."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TYPES: dict[str, Any] = {"i": sa.Integer, "l": sa.BigInteger, "t": sa.Text, "b": sa.Boolean}
# name: (columns, key); columns whose name begins with `stop_` may be empty
TABLES = {
    "journals": (
        "journal:i journal_id:t engine_id:i engine:t mode:t",
        "journal",
    ),
    "offsets": (
        "name:t journal:i lane:i epoch:i seq:l segment:l byte:l wall_ns:l records:l rows_written:l updated_wall_ns:l",
        "name journal",
    ),
    "names": (
        "journal:i kind:t number:i name:t",
        "journal kind number",
    ),
    "instruments": (
        "journal:i instrument:i instrument_id:i epoch:i seq:l wall_ns:l venue_id:i symbol:t kind:i version:i "
        "base_asset_id:i quote_asset_id:i settle_asset_id:i tick_size_e8:l lot_size_e8:l multiplier_e8:l "
        "inverse:b min_qty_lots:l max_qty_lots:l min_notional_e8:l",
        "journal instrument",
    ),
    "runs": (
        "journal:i epoch:i start_seq:l start_wall_ns:l build:t config_hash:t stop_seq:l stop_wall_ns:l stop_reason:t",
        "journal epoch",
    ),
    "orders": (
        "journal:i order_handle:l first_epoch:i first_seq:l first_wall_ns:l epoch:i seq:l wall_ns:l "
        "venue_id:i account_id:i strategy_id:i instrument:i position_side:t client_order_id:t "
        "venue_order_id:l parent_handle:l side:t order_type:t time_in_force:t flags:i price_ticks:l "
        "qty_lots:l trigger_ticks:l cum_qty_lots:l leaves_qty_lots:l average_price_e8:l state:t reason:t "
        "venue_code:i changes:l",
        "journal order_handle",
    ),
    "order_states": (
        "journal:i epoch:i seq:l wall_ns:l cause_seq:l order_handle:l account_id:i strategy_id:i instrument:i "
        "is_held:b state:t previous_state:t reason:t venue_code:i venue_order_id:l price_ticks:l qty_lots:l "
        "cum_qty_lots:l leaves_qty_lots:l average_price_e8:l trigger_ticks:l is_triggered:b",
        "journal epoch seq",
    ),
    "fills": (
        "journal:i epoch:i seq:l wall_ns:l cause_seq:l order_handle:l venue_id:i account_id:i strategy_id:i "
        "instrument:i position_side:t client_order_id:t trade_id:l side:t price_ticks:l qty_lots:l "
        "commission_e8:l commission_asset_id:i is_maker:b is_external:b position_lots:l position_cost_e8:l "
        "realised_pnl_e8:l",
        "journal epoch seq",
    ),
    "positions": (
        "journal:i account_id:i instrument_id:i position_side:t epoch:i seq:l wall_ns:l venue_id:i "
        "instrument:i position_lots:l position_cost_e8:l realised_pnl_e8:l fees_quote_e8:l buy_lots:l "
        "sell_lots:l fills:l",
        "journal account_id instrument_id position_side",
    ),
    "position_states": (
        "journal:i epoch:i seq:l wall_ns:l venue_id:i account_id:i instrument:i position_side:t "
        "position_lots:l position_cost_e8:l realised_pnl_e8:l fees_quote_e8:l buy_lots:l sell_lots:l fills:l",
        "journal epoch seq",
    ),
    "profits": (
        "journal:i strategy_id:i account_id:i venue_id:i symbol:t position_side:t epoch:i seq:l wall_ns:l "
        "instrument:i qty_e8:t basis_e8:t closed_e8:t basis_cost_e16:t closed_value_e16:t realised_base_e16:t "
        "fees_e16:t third_fees_e8:t fills:l realised_e8:t cost_e8:t fees_e8:t",
        "journal strategy_id account_id venue_id symbol position_side",
    ),
    "balances": (
        "journal:i account_id:i asset_id:i epoch:i seq:l wall_ns:l venue_id:i free_e8:l locked_e8:l",
        "journal account_id asset_id",
    ),
    "balance_states": (
        "journal:i epoch:i seq:l wall_ns:l asset_id:i venue_id:i account_id:i free_e8:l locked_e8:l",
        "journal epoch seq asset_id",
    ),
    "accounts": (
        "journal:i venue_id:i account_id:i asset_id:i epoch:i seq:l wall_ns:l wallet_e8:l locked_e8:l "
        "unrealised_e8:l equity_e8:l initial_margin_e8:l order_margin_e8:l maintenance_e8:l available_e8:l "
        "margin_ratio_e8:l rate_e8:l funding_e8:l reporting_asset_id:i is_margin:b",
        "journal venue_id account_id asset_id",
    ),
    "account_states": (
        "journal:i epoch:i seq:l wall_ns:l venue_id:i account_id:i asset_id:i wallet_e8:l locked_e8:l "
        "unrealised_e8:l equity_e8:l initial_margin_e8:l order_margin_e8:l maintenance_e8:l available_e8:l "
        "margin_ratio_e8:l rate_e8:l funding_e8:l reporting_asset_id:i is_margin:b",
        "journal epoch seq",
    ),
    "account_positions": (
        "journal:i epoch:i seq:l wall_ns:l row_number:i venue_id:i account_id:i asset_id:i instrument:i "
        "position_side:t is_isolated:b leverage:i position_lots:l mark_e8:l unrealised_e8:l "
        "initial_margin_e8:l maintenance_e8:l liquidation_e8:l funding_due_e8:l",
        "journal epoch seq row_number",
    ),
    "funding": (
        "journal:i epoch:i seq:l wall_ns:l venue_id:i account_id:i instrument:i instrument_id:i amount_e8:l "
        "event_ns:l asset_id:i is_answer:b payments:i",
        "journal epoch seq",
    ),
    "intents": (
        "journal:i epoch:i seq:l wall_ns:l cause_seq:l order_handle:l venue_id:i account_id:i strategy_id:i "
        "instrument:i position_side:t action:t side:t order_type:t time_in_force:t flags:i price_ticks:l "
        "qty_lots:l trigger_ticks:l expire_ns:l target_handle:l parent_handle:l",
        "journal epoch seq",
    ),
    "verdicts": (
        "journal:i epoch:i seq:l wall_ns:l cause_seq:l order_handle:l account_id:i strategy_id:i instrument:i "
        "approved:b reason:t scope:t value:l limit_value:l",
        "journal epoch seq",
    ),
    "parent_states": (
        "journal:i epoch:i seq:l wall_ns:l cause_seq:l order_handle:l venue_id:i account_id:i strategy_id:i "
        "instrument:i position_side:t kind:t state:t previous_state:t reason:t side:t qty_lots:l "
        "filled_lots:l working_lots:l average_price_e8:l children:l",
        "journal epoch seq",
    ),
    "commands": (
        "journal:i epoch:i seq:l wall_ns:l command_id:l uid:l command:t scope_kind:i venue_id:i account_id:i "
        "strategy_id:i instrument:i position_side:t order_handle:l side:t order_type:t time_in_force:t "
        "flags:i price_ticks:l qty_lots:l detail:t reason:t",
        "journal epoch seq",
    ),
    "command_effects": (
        "journal:i epoch:i seq:l wall_ns:l cause_seq:l command_seq:l kind:t order_handle:l outcome:t",
        "journal epoch seq",
    ),
    "alarms": (
        "journal:i epoch:i seq:l wall_ns:l cause_seq:l venue_id:i account_id:i strategy_id:i instrument:i "
        "position_side:t order_handle:l kind:t code:t detail:l text:t",
        "journal epoch seq",
    ),
    "events": (
        "journal:i epoch:i seq:l wall_ns:l cause_seq:l venue_id:i account_id:i strategy_id:i instrument:i "
        "position_side:t order_handle:l session_id:i kind:t state:t previous_state:t reason:t detail:l text:t",
        "journal epoch seq",
    ),
    "risk_states": (
        "journal:i epoch:i seq:l wall_ns:l cause_seq:l venue_id:i account_id:i strategy_id:i instrument:i "
        "position_side:t scope:t trading_state:t reason:t risk_mode:t previous_mode:t latches:i breaker:t "
        "equity_e8:l pnl_e8:l day_start_pnl_e8:l peak_pnl_e8:l drawdown_bps:l loss_streak:l "
        "cooldown_until_ns:l pause_until_ns:l price_move_bps:l volatility_bps:l window_loss_e8:l day:l",
        "journal epoch seq",
    ),
}
INDEXES = (
    ("ix_order_states_order", "order_states", ("journal", "order_handle")),
    ("ix_fills_order", "fills", ("journal", "order_handle")),
    ("ix_fills_time", "fills", ("wall_ns",)),
    ("ix_command_effects_command", "command_effects", ("journal", "epoch", "command_seq")),
)
VIEWS = {
    "v_orders": """SELECT o.journal, o.order_handle, o.client_order_id, o.venue_order_id, v.name AS venue,
    o.account_id, i.symbol, s.name AS strategy, o.side, o.order_type, o.time_in_force,
    CAST(o.price_ticks AS NUMERIC) * i.tick_size_e8 * 0.00000001 AS price, CAST(o.qty_lots AS
    NUMERIC) * i.lot_size_e8 * 0.00000001 AS qty, CAST(o.cum_qty_lots AS NUMERIC) * i.lot_size_e8 *
    0.00000001 AS filled, CAST(o.average_price_e8 AS NUMERIC) * 0.00000001 AS average_price,
    o.state, o.reason, o.venue_code, o.parent_handle, o.first_wall_ns, o.wall_ns, o.changes FROM
    orders o LEFT JOIN instruments i ON i.journal = o.journal AND i.instrument = o.instrument LEFT
    JOIN names s ON s.journal = o.journal AND s.kind = 'strategy' AND s.number = o.strategy_id LEFT
    JOIN names v ON v.journal = o.journal AND v.kind = 'venue' AND v.number = o.venue_id""",
    "v_fills": """SELECT f.journal, f.epoch, f.seq, f.wall_ns, v.name AS venue, f.account_id, i.symbol, s.name AS
    strategy, f.side, f.position_side, CAST(f.price_ticks AS NUMERIC) * i.tick_size_e8 * 0.00000001
    AS price, CAST(f.qty_lots AS NUMERIC) * i.lot_size_e8 * 0.00000001 AS qty, CAST(f.commission_e8
    AS NUMERIC) * 0.00000001 AS commission, a.name AS commission_asset, f.is_maker, f.is_external,
    f.trade_id, f.order_handle, f.client_order_id FROM fills f LEFT JOIN instruments i ON i.journal
    = f.journal AND i.instrument = f.instrument LEFT JOIN names s ON s.journal = f.journal AND
    s.kind = 'strategy' AND s.number = f.strategy_id LEFT JOIN names v ON v.journal = f.journal AND
    v.kind = 'venue' AND v.number = f.venue_id LEFT JOIN names a ON a.journal = f.journal AND a.kind
    = 'asset' AND a.number = f.commission_asset_id""",
    "v_positions": """SELECT p.journal, v.name AS venue, p.account_id, i.symbol, p.position_side, CAST(p.position_lots AS
    NUMERIC) * i.lot_size_e8 * 0.00000001 AS position, CAST(p.position_cost_e8 AS NUMERIC) *
    0.00000001 AS cost, CAST(p.realised_pnl_e8 AS NUMERIC) * 0.00000001 AS realised_pnl,
    CAST(p.fees_quote_e8 AS NUMERIC) * 0.00000001 AS fees, a.name AS money, p.fills, p.wall_ns FROM
    positions p LEFT JOIN instruments i ON i.journal = p.journal AND i.instrument = p.instrument
    LEFT JOIN names v ON v.journal = p.journal AND v.kind = 'venue' AND v.number = p.venue_id LEFT
    JOIN names a ON a.journal = p.journal AND a.kind = 'asset' AND a.number = i.settle_asset_id""",
    "v_profits": """SELECT p.journal, s.name AS strategy, v.name AS venue, p.account_id, p.symbol, p.position_side,
    CAST(p.qty_e8 AS NUMERIC) * 0.00000001 AS position, CAST(p.realised_e8 AS NUMERIC) * 0.00000001
    AS realised_pnl, CAST(p.fees_e8 AS NUMERIC) * 0.00000001 AS fees, a.name AS money,
    p.third_fees_e8, p.fills, p.wall_ns FROM profits p LEFT JOIN instruments i ON i.journal =
    p.journal AND i.instrument = p.instrument LEFT JOIN names s ON s.journal = p.journal AND s.kind
    = 'strategy' AND s.number = p.strategy_id LEFT JOIN names v ON v.journal = p.journal AND v.kind
    = 'venue' AND v.number = p.venue_id LEFT JOIN names a ON a.journal = p.journal AND a.kind =
    'asset' AND a.number = i.settle_asset_id""",
    "v_funding": """WITH told AS ( SELECT journal, account_id, asset_id, amount_e8, instrument_id, (event_ns /
    1800000000000 + 1) / 2 AS hour, MAX(venue_id) AS venue_id, MAX(instrument) AS instrument,
    SUM(CASE WHEN is_answer THEN 0 ELSE 1 END) AS told, MAX(CASE WHEN is_answer THEN CASE WHEN
    payments > 1 THEN payments ELSE 1 END ELSE 0 END) AS listed FROM funding GROUP BY journal,
    account_id, asset_id, amount_e8, instrument_id, (event_ns / 1800000000000 + 1) / 2 ), named AS (
    SELECT journal, account_id, asset_id, amount_e8, hour, SUM(CASE WHEN listed > told THEN listed -
    told ELSE 0 END) AS untold FROM told WHERE instrument_id <> 0 GROUP BY journal, account_id,
    asset_id, amount_e8, hour ), booked AS ( SELECT t.*, CASE WHEN t.instrument_id <> 0 THEN CASE
    WHEN t.told > t.listed THEN t.told ELSE t.listed END WHEN t.told > COALESCE(n.untold, 0) THEN
    t.told - COALESCE(n.untold, 0) ELSE 0 END AS payments FROM told t LEFT JOIN named n ON n.journal
    = t.journal AND n.account_id = t.account_id AND n.asset_id = t.asset_id AND n.amount_e8 =
    t.amount_e8 AND n.hour = t.hour ) SELECT b.journal, CAST(b.hour AS NUMERIC) * 3600000000000 AS
    settled_ns, v.name AS venue, b.account_id, i.symbol, a.name AS asset, b.payments,
    CAST(b.amount_e8 AS NUMERIC) * b.payments AS booked_e8, CAST(b.amount_e8 AS NUMERIC) *
    b.payments * 0.00000001 AS amount FROM booked b LEFT JOIN instruments i ON i.journal = b.journal
    AND i.instrument = b.instrument LEFT JOIN names v ON v.journal = b.journal AND v.kind = 'venue'
    AND v.number = b.venue_id LEFT JOIN names a ON a.journal = b.journal AND a.kind = 'asset' AND
    a.number = b.asset_id WHERE b.payments > 0""",
    "v_decisions": """SELECT n.journal, n.epoch, n.seq, n.wall_ns, v.name AS venue, n.account_id, i.symbol, s.name AS
    strategy, n.order_handle, n.action, n.side, n.order_type, n.time_in_force, CAST(n.price_ticks AS
    NUMERIC) * i.tick_size_e8 * 0.00000001 AS price, CAST(n.qty_lots AS NUMERIC) * i.lot_size_e8 *
    0.00000001 AS qty, r.seq AS verdict_seq, r.approved, r.reason, r.scope, r.value, r.limit_value
    FROM verdicts r JOIN intents n ON n.journal = r.journal AND n.epoch = r.epoch AND n.seq =
    r.cause_seq LEFT JOIN instruments i ON i.journal = n.journal AND i.instrument = n.instrument
    LEFT JOIN names s ON s.journal = n.journal AND s.kind = 'strategy' AND s.number = n.strategy_id
    LEFT JOIN names v ON v.journal = n.journal AND v.kind = 'venue' AND v.number = n.venue_id""",
    "v_commands": """SELECT c.journal, c.epoch, c.seq, c.wall_ns, c.uid, c.command, c.reason, v.name AS venue,
    c.account_id, i.symbol, s.name AS strategy, c.order_handle, c.detail, e.seq AS effect_seq,
    e.kind AS effect, e.outcome FROM commands c LEFT JOIN instruments i ON i.journal = c.journal AND
    i.instrument = c.instrument LEFT JOIN names s ON s.journal = c.journal AND s.kind = 'strategy'
    AND s.number = c.strategy_id LEFT JOIN names v ON v.journal = c.journal AND v.kind = 'venue' AND
    v.number = c.venue_id LEFT JOIN command_effects e ON e.journal = c.journal AND e.epoch = c.epoch
    AND e.command_seq = c.seq""",
}


def upgrade() -> None:
    """Make everything."""
    for name, (columns, key) in TABLES.items():
        made = []
        for part in columns.split():
            column, _, kind = part.partition(":")
            made.append(sa.Column(column, TYPES[kind](), nullable=column.startswith("stop_"), autoincrement=False))
        op.create_table(name, *made, sa.PrimaryKeyConstraint(*key.split(), name=f"pk_{name}"), sqlite_with_rowid=False)
    for name, table, columns_of in INDEXES:
        op.create_index(name, table, list(columns_of))
    for name, text in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {text}")


def downgrade() -> None:
    """Remove everything: the ledger has it all."""
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    for name in TABLES:
        op.drop_table(name)
