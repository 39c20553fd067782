"""A small venue for tests: one symbol with round numbers, a still book of known levels, two accounts."""

from __future__ import annotations

from typing import Any

from engine.sim.api import AccountPosition, ExecutionReport, OrderRequest, VenueEvent
from engine.sim.config import AccountConfig, KeyConfig, SymbolConfig, VenueConfig
from engine.sim.core import VenueCore
from engine.sim.decimals import config_e8

START_NS = 1_763_640_000_000_000_000
SECOND_NS = 1_000_000_000
ANNE, BOB = 1, 2


def e8(text: str) -> int:
    return config_e8(text)


def symbol(**changes: Any) -> SymbolConfig:
    fields: dict[str, Any] = {
        "symbol": "AAAUSDT",
        "base": "AAA",
        "quote": "USDT",
        "tick_size": "0.01",
        "step_size": "0.001",
        "start_price": "100.00",
        "min_qty": "0.001",
        "max_qty": "10000",
        "max_price": "1000.00",
        "market_max_qty": "5000",
        "mean_order_qty": "1",
        "half_spread_bps": 500.0,
        "levels": 1,
    }
    return SymbolConfig(**{**fields, **changes})


def config(**changes: Any) -> VenueConfig:
    funds = {"USDT": "10000", "AAA": "100"}
    fields: dict[str, Any] = {
        "symbols": (symbol(),),
        "accounts": (
            AccountConfig("anne", (KeyConfig("key-anne", "hmac", "secret-anne"),), funds),
            AccountConfig("bob", (KeyConfig("key-bob", "hmac", "secret-bob"),), funds),
        ),
        "activity": 0.0,
        "backfill_minutes": 0,
    }
    return VenueConfig(**{**fields, **changes})


def empty_venue(**changes: Any) -> VenueCore:
    """A venue whose book has nothing within 1 % of 100.00, where tests put their own orders."""
    return VenueCore(config(**changes), 1, START_NS)


def limit(side: str, price: str, qty: str, **changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "symbol": "AAAUSDT",
        "side": side,
        "type": "LIMIT",
        "time_in_force": "GTC",
        "price_e8": e8(price),
        "quantity_e8": e8(qty),
    }
    return OrderRequest(**{**fields, **changes})


def market(side: str, **changes: Any) -> OrderRequest:
    return OrderRequest(**{"symbol": "AAAUSDT", "side": side, "type": "MARKET", **changes})


def stop(kind: str, side: str, stop_price: str | None, **changes: Any) -> OrderRequest:
    """A stop loss or take profit of 1; a ``_LIMIT`` kind needs price and time in force as changes."""
    fields: dict[str, Any] = {"symbol": "AAAUSDT", "side": side, "type": kind, "quantity_e8": e8("1")}
    if stop_price is not None:
        fields["stop_price_e8"] = e8(stop_price)
    return OrderRequest(**{**fields, **changes})


def reports(events: list[VenueEvent], account_id: int) -> list[ExecutionReport]:
    return [event for event in events if isinstance(event, ExecutionReport) and event.account_id == account_id]


def kinds(events: list[VenueEvent], account_id: int) -> list[tuple[str, str]]:
    return [(report.execution_type, report.status) for report in reports(events, account_id)]


def free_and_locked(venue: VenueCore, account_id: int, asset: str) -> tuple[int, int]:
    rows = {row.asset: (row.free_e8, row.locked_e8) for row in venue.account(account_id).balances}
    return rows[asset]


def last_position(events: list[VenueEvent], account_id: int) -> dict[str, tuple[int, int]]:
    rows = [e for e in events if isinstance(e, AccountPosition) and e.account_id == account_id]
    return {row.asset: (row.free_e8, row.locked_e8) for row in rows[-1].balances}
