"""What a replayed core knows where it stands: for `--break`, `--until` and the interactive prompt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from engine.control.answers import book_status
from engine.control.catalog import asset_end
from engine.core import Core
from engine.model.codes import BookState, HaltReason, TradingState
from engine.model.instruments import E8, format_e8
from engine.venue_health import limit_desk

NS_PER_S = 1_000_000_000


def state(core: Core) -> dict[str, Any]:
    """Everything, by section: what `sections` names."""
    return {name: section(core) for name, section in SECTIONS.items()}


def lines_of(core: Core) -> list[dict[str, Any]]:
    """Each line's trading state."""
    found = []
    for line in core.lines:
        row = core.tables.line_state(line.venue_id)
        found.append(
            {
                "line": line.name,
                "state": TradingState(row["trading_state"]).name,
                "reason": HaltReason(row["halt_reason"]).name,
                "reconciled": bool(row["reconciled"]),
                "killed": bool(row["is_killed"]),
                "open_orders": row["open_orders"],
            }
        )
    return found


def orders(core: Core) -> list[dict[str, Any]]:
    """Open orders of every line."""
    return [order_row(core, row) for line in core.lines for row in line.oms.orders()]


def order(core: Core, order_handle: int) -> dict[str, Any] | None:
    """One order, open or as far as it is remembered; None where it is not."""
    for line in core.lines:
        if (row := line.oms.order(order_handle)) is not None:
            return order_row(core, row)
    return None


def order_row(core: Core, row: dict[str, Any]) -> dict[str, Any]:
    """An order in the instrument's units."""
    instrument = core.tables.instrument(row["instrument_id"])
    tick_e8, lot_e8 = instrument["tick_size_e8"], instrument["lot_size_e8"]
    return {
        "order_handle": row["order_handle"],
        "client_order_id": row["client_order_id"],
        "venue_order_id": row["venue_order_id"],
        "symbol": core.tables.symbol(row["instrument_id"]),
        "strategy_id": row["strategy_id"],
        "state": row["state"],
        "side": row["side"],
        "type": row["order_type"],
        "price": format_e8(row["price_ticks"] * tick_e8),
        "qty": format_e8(row["qty_lots"] * lot_e8),
        "filled": format_e8(row["cum_qty_lots"] * lot_e8),
        "reason": row["reason"],
    }


def positions(core: Core) -> list[dict[str, Any]]:
    """What the accounts hold of each instrument, with the profit realised."""
    found = []
    for line in core.lines:
        for row in line.oms.positions():
            lot_e8 = core.tables.instrument(row["instrument_id"])["lot_size_e8"]
            found.append(
                {
                    "line": line.name,
                    "symbol": row["symbol"],
                    "position": format_e8(row["position_lots"] * lot_e8),
                    "realised": format_e8(row["realised_e16"] // E8),
                    "fees": format_e8(row["fees_quote_e16"] // E8),
                    "fills": row["fills"],
                }
            )
    return found


def books(core: Core) -> list[dict[str, Any]]:
    """The top of each configured symbol's book, and what is working there."""
    _, mono_ns = core.journal.now_ns
    found = []
    for line in core.lines:
        for instrument_id in line.instrument_ids:
            row = book_status(core.tables, instrument_id, mono_ns)
            best = {"bid": row.bid, "bid_qty": row.bid_qty, "ask": row.ask, "ask_qty": row.ask_qty}
            state_name = BookState(row.state).name
            found.append({"symbol": row.symbol, "state": state_name, **best, "age_ms": row.age_ns // 1_000_000})
    return found


def limits(core: Core) -> list[dict[str, Any]]:
    """Every limit that is in force, with what is used of it."""
    table = limit_desk(core).table(core.journal.sequence, None)
    return [msgspec.to_builtins(row) for row in table.rows]


def balances(core: Core) -> list[dict[str, Any]]:
    """Assets with something in them."""
    if asset_end(core.tables) == 1:
        return []
    return [
        {
            "line": line.name,
            "asset": row["asset"],
            "free": format_e8(row["free_e8"]),
            "locked": format_e8(row["locked_e8"]),
        }
        for line in core.lines
        for row in line.oms.balances()
    ]


def time_of(wall_ns: int) -> str:
    """A wall clock stamp for a person, in UTC."""
    moment = datetime.fromtimestamp(wall_ns // NS_PER_S, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{wall_ns % NS_PER_S:09d}"


SECTIONS = {
    "lines": lines_of,
    "orders": orders,
    "positions": positions,
    "books": books,
    "limits": limits,
    "balances": balances,
}
