"""Contracts with a multiplier, and inverse ones: what an order adds to every limit of money, at L - 1, L and L + 1."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import LimitScope, Reason
from tests.gate_harness import BUY, E8, NAMES, SCOPES, SELL, refusing_scope, respecified, valued, verdict
from tests.orders_harness import Rig

every_scope = pytest.mark.parametrize(("scope", "number"), SCOPES, ids=NAMES)
# one lot (0.001 contracts) at the mid of 100, worked by hand: 0.001 x 100 x multiplier; of an inverse one 0.001 x multiplier
CONTRACTS = {
    "ten": (10 * E8, False, E8),
    "hundredth": (E8 // 100, False, E8 // 1000),
    "inverse": (100 * E8, True, E8 // 10),
    "inverse ten": (10 * E8, True, E8 // 100),
}
every_contract = pytest.mark.parametrize(
    ("multiplier_e8", "inverse", "lot_value_e8"), CONTRACTS.values(), ids=CONTRACTS
)
MONEY = [
    ("max_order_notional_e8", Reason.NOTIONAL_ABOVE_MAX, 0),
    ("max_position_notional_e8", Reason.POSITION_NOTIONAL, 60),
    ("max_gross_exposure_e8", Reason.GROSS_EXPOSURE, 60),
    ("max_net_exposure_e8", Reason.NET_EXPOSURE, 60),
    ("max_leverage_e4", Reason.LEVERAGE, 60),
    ("capital_budget_e8", Reason.CAPITAL_BUDGET, 60),
]


def contract(multiplier_e8: int, inverse: bool, rate_e8: int = E8) -> Rig:
    """A perpetual; of an inverse one the coin is what it is settled in."""
    rig = Rig()
    settle = "BTC" if inverse else "USDT"
    terms: dict[str, Any] = {
        "multiplier_e8": multiplier_e8,
        "inverse": inverse,
        "settle_asset": settle,
        "min_notional_e8": 0,
    }
    respecified(rig, kind=1, **terms)
    return valued(rig, rate_e8)


@pytest.mark.invariant("R21")
@every_scope
@every_contract
@pytest.mark.parametrize(("field", "reason", "there"), MONEY, ids=[row[0] for row in MONEY])
def test_a_contract_reaches_every_limit_of_money_at_its_own_value(
    scope: LimitScope,
    number: int,
    multiplier_e8: int,
    inverse: bool,
    lot_value_e8: int,
    field: str,
    reason: Reason,
    there: int,
) -> None:
    """60 lots are held or work; 40 more reach the limit of 100 lots, whatever a lot is worth. An order alone has 40."""
    limit_e8 = (there + 40) * lot_value_e8
    for side in (BUY, SELL):
        for qty_lots, expected in ((39, Reason.NONE), (40, Reason.NONE), (41, reason)):
            rig = contract(multiplier_e8, inverse)
            rig.tables.move(1, position_lots=(1 - 2 * side) * (there - there // 3))
            rig.tables.move(1, **{("buy_lots", "sell_lots")[side]: there // 3})
            if field == "max_leverage_e4":
                rig.tables.set_scope(scope, number, equity_e8=limit_e8)
                rig.tables.set_limit_row(scope, number, max_leverage_e4=10_000)
            else:
                rig.tables.set_limit_row(scope, number, **{field: limit_e8})
            assert verdict(rig, side=side, qty_lots=qty_lots) is expected
        assert refusing_scope(rig) is scope


@every_contract
def test_exposure_is_the_contracts_value_and_only_a_linear_ones_follows_the_price(
    multiplier_e8: int, inverse: bool, lot_value_e8: int
) -> None:
    rig = contract(multiplier_e8, inverse)
    rig.tables.move(1, position_lots=-30, buy_lots=10, sell_lots=20)
    for mid_ticks in (10_000, 12_000, 7_500):
        rig.set_market(bid_ticks=mid_ticks - 1, ask_ticks=mid_ticks + 1)
        rig.tables.revalue()
        lot_e8 = lot_value_e8 if inverse else lot_value_e8 * mid_ticks // 10_000
        for scope, number in SCOPES:
            found = rig.tables.scope(scope, number)
            assert (found["net_e8"], found["gross_e8"]) == (-30 * lot_e8, 50 * lot_e8)
            assert (found["net_if_bought_e8"], found["net_if_sold_e8"]) == (-20 * lot_e8, -50 * lot_e8)


def test_an_inverse_contract_is_valued_before_its_market_has_a_price() -> None:
    rig = contract(100 * E8, True)
    rig.set_market(bid_ticks=0, ask_ticks=0, last_ticks=0)
    rig.tables.move(1, position_lots=10)
    assert rig.tables.scope(LimitScope.INSTRUMENT, 1)["gross_e8"] == E8


def test_the_reporting_currency_takes_an_inverse_contract_by_the_rate_of_its_quote_asset() -> None:
    """100 contracts of 100: 10 000 of the quote asset, at 0.999 and a half."""
    rig = contract(100 * E8, True, rate_e8=99_950_000)
    rig.tables.move(1, position_lots=100_000)
    assert rig.tables.scope(LimitScope.INSTRUMENT, 1)["gross_e8"] == 10_000 * E8
    assert rig.tables.scope(LimitScope.ENGINE, 0)["gross_e8"] == 9_995 * E8
