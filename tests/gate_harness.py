"""The gate with limits in every scope: what its tests begin with, and the five scopes that an order of strategy 1 lies in."""

from __future__ import annotations

from typing import Any

from engine.model.codes import LimitScope, OrderType, Reason
from engine.model.instruments import InstrumentSpec
from tests.orders_harness import Rig

E8 = 100_000_000
# one lot at the mid of 100.00: 0.1 of the quote asset
LOT_E8 = 10_000_000
BUY, SELL = 0, 1
SCOPES = [
    (LimitScope.ENGINE, 0),
    (LimitScope.ACCOUNT, 1),
    (LimitScope.VENUE, 1),
    (LimitScope.STRATEGY, 1),
    (LimitScope.INSTRUMENT, 1),
]
NAMES = [scope.name for scope, _ in SCOPES]
EVERY_TYPE = sum(1 << kind for kind in OrderType)
EVERY_FEATURE = 0x7FF0000


def valued(rig: Rig, rate_e8: int = E8) -> Rig:
    """The quote asset has a rate in the reporting currency."""
    rig.tables.set_rate(rig.tables.asset_id("USDT"), rate_e8)
    rig.tables.revalue()
    return rig


def verdict(rig: Rig, **intent: Any) -> Reason:
    """What the gate says to an intent; the defaults buy 10 lots at 100.00."""
    rig.intend(**intent)
    found = rig.verdict()
    assert bool(found["approved"]) == (found["reason"] == 0)
    return Reason(found["reason"])


def refusing_scope(rig: Rig) -> LimitScope | None:
    """Whose limit the latest verdict names."""
    scope = rig.verdict()["scope"]
    return LimitScope(scope - 1) if scope else None


def respecified(rig: Rig, row: int = 1, **changed: Any) -> None:
    """The instrument with other reference data."""
    old = rig.tables.instrument(row)
    symbol = rig.tables.symbol(row)
    names = (
        *("tick_size_e8", "lot_size_e8", "min_qty_lots", "max_qty_lots", "min_price_ticks", "max_price_ticks"),
        *("min_notional_e8", "max_notional_e8", "kind", "native_order_types"),
    )
    kept = {name: old[name] for name in names}
    rig.tables.add_instrument(
        InstrumentSpec(venue_id=1, symbol=symbol, base_asset=symbol[:3], quote_asset="USDT", **(kept | changed))
    )


def everything_native(rig: Rig, **changed: Any) -> Rig:
    """A venue that has every order type and feature."""
    respecified(rig, native_order_types=EVERY_TYPE | EVERY_FEATURE, **changed)
    return rig
