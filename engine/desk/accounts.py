"""Accounts and positions as readers see them: ACCOUNT records as rows of text, and what all accounts are worth together.

Decimal text throughout; what is not known is empty. The sum over accounts is in the reporting currency and names what no path of
instruments values: that is left out of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from engine.control.catalog import InstrumentRow
from engine.journal.cursor import Record
from engine.model.instruments import E8, INT64_MAX, format_e8

if TYPE_CHECKING:
    from engine.desk.ledger import Catalog

NOTHING_TOLD = {
    "mark": "",
    "unrealised_pnl": "",
    "leverage": "",
    "margin_type": "",
    "margin": "",
    "maintenance": "",
    "liquidation_price": "",
    "liquidation_distance": "",
    "liquidation_ticks": "",
    "funding_due": "",
}
SUMS = ("equity_e8", "unrealised_e8", "initial_margin_e8", "maintenance_e8", "available_e8", "funding_e8")


def plain(value_e8: int) -> str:
    """10^-8 as decimal text without trailing zeros."""
    return format_e8(value_e8).rstrip("0").rstrip(".")


def average_e8(row: InstrumentRow, lots: int, cost_e8: int) -> int:
    """Average entry price in 10^-8: cost per unit; of an inverse contract units per cost."""
    return average_units_e8(row, lots * row.lot_size_e8, cost_e8)


def average_units_e8(row: InstrumentRow, qty_e8: int, cost_e8: int) -> int:
    """The same of a quantity in 10^-8; 0 where nothing is open."""
    units_e16 = abs(qty_e8) * row.multiplier_e8
    if units_e16 == 0:
        return 0
    if row.inverse:
        return units_e16 // abs(cost_e8) if cost_e8 else 0
    return abs(cost_e8) * E8 * E8 // units_e16


def percent(part: int, whole: int) -> str:
    """part / whole in percent with two decimals."""
    hundredths = part * 10_000 // whole if whole else 0
    return f"{hundredths // 100}.{hundredths % 100:02d} %" if whole else ""


def account_row(catalog: Catalog, record: Record, body: dict[str, Any]) -> dict[str, Any]:
    """One asset of one account; `value` is its equity in the reporting currency, empty where no path values it."""
    rate_e8, ratio_e8 = body["rate_e8"], body["margin_ratio_e8"]
    money = {
        name: plain(body[f"{name}_e8"]) for name in ("wallet", "locked", "unrealised", "equity", "available", "funding")
    }
    return money | {
        "venue": catalog.venue(record.venue_id),
        "account": record.account_id,
        "asset": catalog.asset(body["asset_id"]),
        "initial_margin": plain(body["initial_margin_e8"]),
        "order_margin": plain(body["order_margin_e8"]),
        "maintenance": plain(body["maintenance_e8"]),
        "margin_ratio": "" if not body["is_margin"] else ("all" if ratio_e8 == INT64_MAX else percent(ratio_e8, E8)),
        "rate": plain(rate_e8) if rate_e8 else "",
        "value": plain(body["equity_e8"] * rate_e8 // E8) if rate_e8 else "",
        "seq": record.seq,
        "wall_ns": record.wall_ns,
        "raw": {name: body[name] for name in (*SUMS, "rate_e8", "reporting_asset_id", "wallet_e8", "is_margin")},
    }


def margin_row(catalog: Catalog, row: dict[str, Any]) -> dict[str, Any]:
    """What an ACCOUNT record says of one position."""
    instrument = catalog.instruments.get(row["instrument_id"])
    mark_e8, liquidation_e8 = row["mark_e8"], row["liquidation_e8"]
    told = NOTHING_TOLD | {"mark": plain(mark_e8) if mark_e8 else "", "unrealised_pnl": plain(row["unrealised_e8"])}
    if row["leverage"]:
        told |= {
            "leverage": str(row["leverage"]),
            "margin_type": "isolated" if row["is_isolated"] else "cross",
            "margin": plain(row["initial_margin_e8"]),
            "maintenance": plain(row["maintenance_e8"]),
            "funding_due": plain(row["funding_due_e8"]),
        }
    if liquidation_e8:
        distance_e8 = abs(mark_e8 - liquidation_e8)
        told |= {
            "liquidation_price": plain(liquidation_e8),
            "liquidation_distance": percent(distance_e8, mark_e8),
            "liquidation_ticks": str(distance_e8 // instrument.tick_size_e8) if instrument else "",
        }
    return told


def total(rows: Iterable[dict[str, Any]], currency: str) -> dict[str, Any]:
    """All accounts and venues together in the reporting currency; `unvalued`: assets with something in them and no rate."""
    sums, unvalued = dict.fromkeys(SUMS, 0), []
    for row in rows:
        raw = row["raw"]
        if not raw["rate_e8"]:
            if raw["wallet_e8"] or raw["equity_e8"]:
                unvalued.append(f"{row['equity']} {row['asset']}")
            continue
        for name in SUMS:
            sums[name] += raw[name] * raw["rate_e8"]
    amounts = {name.removesuffix("_e8"): plain(value // E8) for name, value in sums.items()}
    return {"currency": currency, **amounts, "unvalued": unvalued}
