"""The tables of the recorder, as data: names, columns in their order, keys. Needs no SQL library.

Numbers are exact: quantities in lots, prices in ticks (`instruments` has their size in 10^-8), money in 10^-8 of the asset named
beside it, times in nanoseconds since 1970. Codes stand as the names of `engine.model.codes`, so that a query reads as it is meant.
"""

from __future__ import annotations

from dataclasses import dataclass

# what each column type is: `i` and `l` whole numbers of 32 and 64 bits, `t` text, `b` truth
TYPES = frozenset("iltb")
RECORD_KEY = ("journal", "epoch", "seq")
RECORD = "journal:i epoch:i seq:l wall_ns:l"
_ABOUT = "venue_id:i account_id:i strategy_id:i instrument:i position_side:t"
_MEASURES = (
    "equity_e8:l pnl_e8:l day_start_pnl_e8:l peak_pnl_e8:l drawdown_bps:l loss_streak:l cooldown_until_ns:l "
    "pause_until_ns:l price_move_bps:l volatility_bps:l window_loss_e8:l day:l"
)
_POSITION = "position_lots:l position_cost_e8:l realised_pnl_e8:l fees_quote_e8:l buy_lots:l sell_lots:l fills:l"
_ACCOUNT = (
    "wallet_e8:l locked_e8:l unrealised_e8:l equity_e8:l initial_margin_e8:l order_margin_e8:l maintenance_e8:l "
    "available_e8:l margin_ratio_e8:l rate_e8:l funding_e8:l reporting_asset_id:i is_margin:b"
)


@dataclass(frozen=True)
class TableSpec:
    """One table. `latest`: holds the last state of each key, written over; `kept`: columns that the first row decides."""

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    latest: bool = False
    kept: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in their order."""
        return tuple(name for name, _ in self.columns)

    @property
    def by_record(self) -> bool:
        """Has a row (or several) for each record of its kind, in the ledger's order."""
        return self.key[:3] == RECORD_KEY


def table(
    name: str, columns: str, key: str = " ".join(RECORD_KEY), *, latest: bool = False, kept: str = ""
) -> TableSpec:
    """A table from text: `name:type` for each column."""
    pairs = tuple((column, kind) for column, _, kind in (part.partition(":") for part in columns.split()))
    return TableSpec(name, pairs, tuple(key.split()), latest, tuple(kept.split()))


TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        table("journals", "journal:i journal_id:t engine_id:i engine:t mode:t", "journal"),
        table(
            "offsets",
            "name:t journal:i lane:i epoch:i seq:l segment:l byte:l wall_ns:l records:l rows_written:l updated_wall_ns:l",
            "name journal",
        ),
        table("names", "journal:i kind:t number:i name:t", "journal kind number", latest=True),
        table(
            "instruments",
            "journal:i instrument:i instrument_id:i epoch:i seq:l wall_ns:l venue_id:i symbol:t kind:i version:i "
            "base_asset_id:i quote_asset_id:i settle_asset_id:i tick_size_e8:l lot_size_e8:l multiplier_e8:l inverse:b "
            "min_qty_lots:l max_qty_lots:l min_notional_e8:l",
            "journal instrument",
        ),
        table(
            "runs",
            "journal:i epoch:i start_seq:l start_wall_ns:l build:t config_hash:t stop_seq:l stop_wall_ns:l stop_reason:t",
            "journal epoch",
            latest=True,
        ),
        table(
            "orders",
            f"journal:i order_handle:l first_epoch:i first_seq:l first_wall_ns:l epoch:i seq:l wall_ns:l {_ABOUT} "
            "client_order_id:t venue_order_id:l parent_handle:l side:t order_type:t time_in_force:t flags:i "
            "price_ticks:l qty_lots:l trigger_ticks:l cum_qty_lots:l leaves_qty_lots:l average_price_e8:l "
            "state:t reason:t venue_code:i changes:l",
            "journal order_handle",
            latest=True,
            kept="first_epoch first_seq first_wall_ns parent_handle",
        ),
        table(
            "order_states",
            f"{RECORD} cause_seq:l order_handle:l account_id:i strategy_id:i instrument:i is_held:b state:t "
            "previous_state:t reason:t venue_code:i venue_order_id:l price_ticks:l qty_lots:l cum_qty_lots:l "
            "leaves_qty_lots:l average_price_e8:l trigger_ticks:l is_triggered:b venue_id:i position_side:t "
            "client_order_id:t side:t order_type:t time_in_force:t",
        ),
        table(
            "fills",
            f"{RECORD} cause_seq:l order_handle:l {_ABOUT} client_order_id:t trade_id:l side:t price_ticks:l "
            "qty_lots:l commission_e8:l commission_asset_id:i is_maker:b is_external:b position_lots:l "
            "position_cost_e8:l realised_pnl_e8:l",
        ),
        table(
            "positions",
            f"journal:i account_id:i instrument_id:i position_side:t epoch:i seq:l wall_ns:l venue_id:i instrument:i "
            f"{_POSITION}",
            "journal account_id instrument_id position_side",
            latest=True,
        ),
        table(
            "position_states",
            f"{RECORD} venue_id:i account_id:i instrument:i position_side:t {_POSITION}",
        ),
        table(
            "profits",
            "journal:i strategy_id:i account_id:i venue_id:i symbol:t position_side:t epoch:i seq:l wall_ns:l "
            "instrument:i qty_e8:t basis_e8:t closed_e8:t basis_cost_e16:t closed_value_e16:t realised_base_e16:t "
            "fees_e16:t third_fees_e8:t fills:l realised_e8:t cost_e8:t fees_e8:t",
            "journal strategy_id account_id venue_id symbol position_side",
            latest=True,
        ),
        table(
            "balances",
            "journal:i account_id:i asset_id:i epoch:i seq:l wall_ns:l venue_id:i free_e8:l locked_e8:l",
            "journal account_id asset_id",
            latest=True,
        ),
        table(
            "balance_states",
            f"{RECORD} asset_id:i venue_id:i account_id:i free_e8:l locked_e8:l is_complete:b",
            "journal epoch seq asset_id",
        ),
        table(
            "transfers",
            f"{RECORD} row_number:i venue_id:i account_id:i asset_id:i change_e8:l event_ns:l",
            "journal epoch seq row_number",
        ),
        table(
            "accounts",
            f"journal:i venue_id:i account_id:i asset_id:i epoch:i seq:l wall_ns:l {_ACCOUNT}",
            "journal venue_id account_id asset_id",
            latest=True,
        ),
        table("account_states", f"{RECORD} venue_id:i account_id:i asset_id:i {_ACCOUNT}"),
        table(
            "account_positions",
            f"{RECORD} row_number:i venue_id:i account_id:i asset_id:i instrument:i position_side:t is_isolated:b leverage:i "
            "position_lots:l mark_e8:l unrealised_e8:l initial_margin_e8:l maintenance_e8:l liquidation_e8:l "
            "funding_due_e8:l",
            "journal epoch seq row_number",
        ),
        table(
            "funding",
            f"{RECORD} venue_id:i account_id:i instrument:i instrument_id:i amount_e8:l event_ns:l asset_id:i "
            "is_answer:b payments:i",
        ),
        table(
            "intents",
            f"{RECORD} cause_seq:l order_handle:l {_ABOUT} action:t side:t order_type:t time_in_force:t flags:i "
            "price_ticks:l qty_lots:l trigger_ticks:l expire_ns:l target_handle:l parent_handle:l",
        ),
        table(
            "verdicts",
            f"{RECORD} cause_seq:l order_handle:l account_id:i strategy_id:i instrument:i approved:b reason:t scope:t "
            "value:l limit_value:l",
        ),
        table(
            "parent_states",
            f"{RECORD} cause_seq:l order_handle:l {_ABOUT} kind:t state:t previous_state:t reason:t side:t qty_lots:l "
            "filled_lots:l working_lots:l average_price_e8:l children:l",
        ),
        table(
            "commands",
            f"{RECORD} command_id:l uid:l command:t scope_kind:i {_ABOUT} order_handle:l side:t order_type:t "
            "time_in_force:t flags:i price_ticks:l qty_lots:l detail:t reason:t",
        ),
        table("command_effects", f"{RECORD} cause_seq:l command_seq:l kind:t order_handle:l outcome:t"),
        table("alarms", f"{RECORD} cause_seq:l {_ABOUT} order_handle:l kind:t code:t detail:l text:t"),
        table(
            "events",
            f"{RECORD} cause_seq:l {_ABOUT} order_handle:l session_id:i kind:t state:t previous_state:t reason:t "
            "detail:l text:t",
        ),
        table(
            "risk_states",
            f"{RECORD} cause_seq:l {_ABOUT} scope:t trading_state:t reason:t risk_mode:t previous_mode:t latches:i "
            f"breaker:t {_MEASURES}",
        ),
    )
}

# what a number of days may be set for: everything that grows with time
EXPIRABLE = (*(spec.name for spec in TABLES.values() if spec.by_record), "orders")
# states in which an order may not trade any more
CLOSED_STATES = ("FILLED", "CANCELED", "REJECTED", "EXPIRED", "ABSENT", "REFUSED")

_PRICE = "CAST({0}.price_ticks AS NUMERIC) * i.tick_size_e8 * 0.00000001 AS price"
_QTY = "CAST({0}.qty_lots AS NUMERIC) * i.lot_size_e8 * 0.00000001 AS qty"
_INSTRUMENT = "LEFT JOIN instruments i ON i.journal = {0}.journal AND i.instrument = {0}.instrument"
_STRATEGY = "LEFT JOIN names s ON s.journal = {0}.journal AND s.kind = 'strategy' AND s.number = {0}.strategy_id"
_VENUE = "LEFT JOIN names v ON v.journal = {0}.journal AND v.kind = 'venue' AND v.number = {0}.venue_id"

# Names and decimal amounts for people and reports: exact in PostgreSQL, in SQLite to 15 digits. Not part of the exact tables.
VIEWS: dict[str, str] = {
    "v_orders": f"""SELECT o.journal, o.order_handle, o.client_order_id, o.venue_order_id, v.name AS venue, o.account_id, i.symbol,
    s.name AS strategy, o.side, o.order_type, o.time_in_force, {_PRICE.format("o")}, {_QTY.format("o")},
    CAST(o.cum_qty_lots AS NUMERIC) * i.lot_size_e8 * 0.00000001 AS filled,
    CAST(o.average_price_e8 AS NUMERIC) * 0.00000001 AS average_price, o.state, o.reason, o.venue_code, o.parent_handle,
    o.first_wall_ns, o.wall_ns, o.changes
FROM orders o {_INSTRUMENT.format("o")} {_STRATEGY.format("o")} {_VENUE.format("o")}""",
    "v_fills": f"""SELECT f.journal, f.epoch, f.seq, f.wall_ns, v.name AS venue, f.account_id, i.symbol, s.name AS strategy, f.side,
    f.position_side, {_PRICE.format("f")}, {_QTY.format("f")}, CAST(f.commission_e8 AS NUMERIC) * 0.00000001 AS commission,
    a.name AS commission_asset, f.is_maker, f.is_external, f.trade_id, f.order_handle, f.client_order_id
FROM fills f {_INSTRUMENT.format("f")} {_STRATEGY.format("f")} {_VENUE.format("f")}
LEFT JOIN names a ON a.journal = f.journal AND a.kind = 'asset' AND a.number = f.commission_asset_id""",
    "v_positions": f"""SELECT p.journal, v.name AS venue, p.account_id, i.symbol, p.position_side,
    CAST(p.position_lots AS NUMERIC) * i.lot_size_e8 * 0.00000001 AS position,
    CAST(p.position_cost_e8 AS NUMERIC) * 0.00000001 AS cost, CAST(p.realised_pnl_e8 AS NUMERIC) * 0.00000001 AS realised_pnl,
    CAST(p.fees_quote_e8 AS NUMERIC) * 0.00000001 AS fees, a.name AS money, p.fills, p.wall_ns
FROM positions p {_INSTRUMENT.format("p")} {_VENUE.format("p")}
LEFT JOIN names a ON a.journal = p.journal AND a.kind = 'asset' AND a.number = i.settle_asset_id""",
    "v_profits": f"""SELECT p.journal, s.name AS strategy, v.name AS venue, p.account_id, p.symbol, p.position_side,
    CAST(p.qty_e8 AS NUMERIC) * 0.00000001 AS position, CAST(p.realised_e8 AS NUMERIC) * 0.00000001 AS realised_pnl,
    CAST(p.fees_e8 AS NUMERIC) * 0.00000001 AS fees, a.name AS money, p.third_fees_e8, p.fills, p.wall_ns
FROM profits p {_INSTRUMENT.format("p")} {_STRATEGY.format("p")} {_VENUE.format("p")}
LEFT JOIN names a ON a.journal = p.journal AND a.kind = 'asset' AND a.number = i.settle_asset_id""",
    # what was told by the stream and what the income list names are the same payments: counted as `engine.model.funding` does
    "v_funding": f"""WITH told AS (
    SELECT journal, account_id, asset_id, amount_e8, instrument_id, (event_ns / 1800000000000 + 1) / 2 AS hour,
        MAX(venue_id) AS venue_id, MAX(instrument) AS instrument, SUM(CASE WHEN is_answer THEN 0 ELSE 1 END) AS told,
        MAX(CASE WHEN is_answer THEN CASE WHEN payments > 1 THEN payments ELSE 1 END ELSE 0 END) AS listed
    FROM funding GROUP BY journal, account_id, asset_id, amount_e8, instrument_id, (event_ns / 1800000000000 + 1) / 2
), named AS (
    SELECT journal, account_id, asset_id, amount_e8, hour, SUM(CASE WHEN listed > told THEN listed - told ELSE 0 END) AS untold
    FROM told WHERE instrument_id <> 0 GROUP BY journal, account_id, asset_id, amount_e8, hour
), booked AS (
    SELECT t.*, CASE WHEN t.instrument_id <> 0 THEN CASE WHEN t.told > t.listed THEN t.told ELSE t.listed END
        WHEN t.told > COALESCE(n.untold, 0) THEN t.told - COALESCE(n.untold, 0) ELSE 0 END AS payments
    FROM told t LEFT JOIN named n ON n.journal = t.journal AND n.account_id = t.account_id AND n.asset_id = t.asset_id
        AND n.amount_e8 = t.amount_e8 AND n.hour = t.hour
)
SELECT b.journal, CAST(b.hour AS NUMERIC) * 3600000000000 AS settled_ns, v.name AS venue, b.account_id, i.symbol, a.name AS asset,
    b.payments,     CAST(b.amount_e8 AS NUMERIC) * b.payments AS booked_e8,
    CAST(b.amount_e8 AS NUMERIC) * b.payments * 0.00000001 AS amount
FROM booked b {_INSTRUMENT.format("b")} {_VENUE.format("b")}
LEFT JOIN names a ON a.journal = b.journal AND a.kind = 'asset' AND a.number = b.asset_id
WHERE b.payments > 0""",
    "v_decisions": f"""SELECT n.journal, n.epoch, n.seq, n.wall_ns, v.name AS venue, n.account_id, i.symbol, s.name AS strategy,
    n.order_handle, n.action, n.side, n.order_type, n.time_in_force, {_PRICE.format("n")}, {_QTY.format("n")},
    r.seq AS verdict_seq, r.approved, r.reason, r.scope, r.value, r.limit_value
FROM verdicts r JOIN intents n ON n.journal = r.journal AND n.epoch = r.epoch AND n.seq = r.cause_seq
{_INSTRUMENT.format("n")} {_STRATEGY.format("n")} {_VENUE.format("n")}""",
    "v_commands": f"""SELECT c.journal, c.epoch, c.seq, c.wall_ns, c.uid, c.command, c.reason, v.name AS venue, c.account_id,
    i.symbol, s.name AS strategy, c.order_handle, c.detail, e.seq AS effect_seq, e.kind AS effect, e.outcome
FROM commands c {_INSTRUMENT.format("c")} {_STRATEGY.format("c")} {_VENUE.format("c")}
LEFT JOIN command_effects e ON e.journal = c.journal AND e.epoch = c.epoch AND e.command_seq = c.seq""",
}
# beside the keys: (name, table, columns)
INDEXES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("ix_order_states_order", "order_states", ("journal", "order_handle")),
    ("ix_fills_order", "fills", ("journal", "order_handle")),
    ("ix_fills_time", "fills", ("wall_ns",)),
    ("ix_command_effects_command", "command_effects", ("journal", "epoch", "command_seq")),
)
