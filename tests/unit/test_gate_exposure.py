"""What an order adds to its scopes' exposure: L - 1 and L pass, L + 1 is refused, by the scope whose limit it is."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import LimitScope, Reason, TradingState
from tests.gate_harness import (
    BUY,
    E8,
    LOT_E8,
    NAMES,
    SCOPES,
    SELL,
    everything_native,
    refusing_scope,
    respecified,
    valued,
    verdict,
)
from tests.orders_harness import SUBMIT, Rig

every_scope = pytest.mark.parametrize(("scope", "number"), SCOPES, ids=NAMES)
both_sides = pytest.mark.parametrize("side", [BUY, SELL], ids=["buy", "sell"])
LIMIT_LOTS = 100
REACHED = [
    ("max_position_notional_e8", Reason.POSITION_NOTIONAL),
    ("max_gross_exposure_e8", Reason.GROSS_EXPOSURE),
    ("max_net_exposure_e8", Reason.NET_EXPOSURE),
    ("max_leverage_e4", Reason.LEVERAGE),
    ("capital_budget_e8", Reason.CAPITAL_BUDGET),
]


def fresh() -> Rig:
    return valued(Rig())


def limit(rig: Rig, scope: LimitScope, number: int, field: str, most_e8: int) -> None:
    """A limit of `most_e8`; of leverage: once the equity, which is as large."""
    if field == "max_leverage_e4":
        rig.tables.set_scope(scope, number, equity_e8=most_e8)
        rig.tables.set_limit_row(scope, number, max_leverage_e4=10_000)
    else:
        rig.tables.set_limit_row(scope, number, **{field: most_e8})


def held(rig: Rig, side: int, position_lots: int, working_lots: int) -> None:
    """A position and working orders of strategy 1 on one side."""
    sign = 1 if side == BUY else -1
    rig.tables.move(1, position_lots=sign * position_lots, **{("buy_lots", "sell_lots")[side]: working_lots})


@pytest.mark.invariant("R21")
@every_scope
@both_sides
@pytest.mark.parametrize(("field", "reason"), REACHED, ids=[row[0] for row in REACHED])
def test_position_and_working_orders_and_the_order_reach_the_limit_and_no_further(
    scope: LimitScope, number: int, side: int, field: str, reason: Reason
) -> None:
    for qty_lots, expected in ((39, Reason.NONE), (40, Reason.NONE), (41, reason)):
        rig = fresh()
        held(rig, side, 40, 20)
        limit(rig, scope, number, field, LIMIT_LOTS * LOT_E8)
        assert verdict(rig, side=side, qty_lots=qty_lots) is expected
    assert refusing_scope(rig) is scope
    assert verdict(rig, side=1 - side, qty_lots=40) is Reason.NONE, "the way back is free"


@pytest.mark.invariant("R21")
@every_scope
def test_the_limits_are_kept_to_the_smallest_unit(scope: LimitScope, number: int) -> None:
    for field, reason in REACHED:
        rig = fresh()
        limit(rig, scope, number, field, 10 * LOT_E8 - 1)
        assert verdict(rig) is reason
        limit(rig, scope, number, field, 10 * LOT_E8)
        assert verdict(rig) is Reason.NONE


@every_scope
def test_the_value_of_one_order(scope: LimitScope, number: int) -> None:
    rig = fresh()
    rig.tables.set_limit_row(scope, number, max_order_notional_e8=10 * LOT_E8)
    for qty_lots, expected in ((9, Reason.NONE), (10, Reason.NONE), (11, Reason.NOTIONAL_ABOVE_MAX)):
        assert verdict(rig, qty_lots=qty_lots) is expected
    assert refusing_scope(rig) is scope


def test_the_largest_order_and_position_of_an_instruments_row() -> None:
    rig = fresh()
    rig.tables.set_limit_row(LimitScope.INSTRUMENT, 1, max_order_qty_lots=20, max_position_lots=50)
    assert verdict(rig, qty_lots=21) is Reason.QTY_ABOVE_MAX
    assert verdict(rig, qty_lots=20) is Reason.NONE
    assert verdict(rig, qty_lots=19) is Reason.NONE
    assert verdict(rig, qty_lots=12) is Reason.POSITION_LIMIT
    assert verdict(rig, qty_lots=11) is Reason.NONE


@every_scope
def test_a_rate_turns_the_quote_asset_into_the_reporting_currency(scope: LimitScope, number: int) -> None:
    """Only instrument rows are in the quote asset itself."""
    rig = valued(Rig(), E8 // 2 * 3)
    worth = 10 * LOT_E8 * (1 if scope is LimitScope.INSTRUMENT else 1.5)
    rig.tables.set_limit_row(scope, number, max_gross_exposure_e8=int(worth))
    assert verdict(rig, qty_lots=11) is Reason.GROSS_EXPOSURE
    assert verdict(rig, qty_lots=10) is Reason.NONE


@pytest.mark.parametrize("field", ["max_order_notional_e8", *(row[0] for row in REACHED)])
def test_without_a_rate_nothing_is_within_a_limit_of_money_but_what_reduces(field: str) -> None:
    rig = Rig()
    rig.tables.set_rate(rig.tables.asset_id("USDT"), 0)
    held(rig, BUY, 20, 0)
    assert verdict(rig, qty_lots=5) is Reason.NONE
    limit(rig, LimitScope.ACCOUNT, 1, field, 10**15)
    assert verdict(rig, qty_lots=5) is Reason.NOT_VALUED
    assert verdict(rig, side=SELL, qty_lots=5) is Reason.NONE


@every_scope
def test_leverage_without_equity_is_refused(scope: LimitScope, number: int) -> None:
    rig = fresh()
    rig.tables.set_limit_row(scope, number, max_leverage_e4=10**9)
    for equity_e8 in (0, -5):
        rig.tables.set_scope(scope, number, equity_e8=equity_e8)
        assert verdict(rig) is Reason.LEVERAGE
    rig.tables.set_scope(scope, number, equity_e8=E8)
    assert verdict(rig) is Reason.NONE


@every_scope
def test_so_many_positions_at_once(scope: LimitScope, number: int) -> None:
    others = 0 if scope is LimitScope.INSTRUMENT else 1
    for most, expected in ((others, Reason.POSITIONS_LIMIT), (others + 1, Reason.NONE), (others + 2, Reason.NONE)):
        rig = fresh()
        if others:
            rig.tables.move(2, position_lots=-5)
        rig.tables.set_limit_row(scope, number, max_positions=most)
        assert verdict(rig) is expected
    rig = fresh()
    rig.tables.move(2, position_lots=-5)
    rig.tables.set_limit_row(scope, number, max_positions=others)
    if others:
        assert verdict(rig, instrument_id=2) is Reason.NONE, "what is open already is no new position"


@every_scope
def test_so_many_open_orders(scope: LimitScope, number: int) -> None:
    rig = fresh()
    rig.tables.set_limit_row(scope, number, max_open_orders=2)
    first = rig.open_order()
    assert verdict(rig) is Reason.NONE
    assert verdict(rig) is Reason.OPEN_ORDERS_LIMIT
    assert refusing_scope(rig) is scope
    rig.canceled(first)
    assert verdict(rig) is Reason.NONE


def test_another_strategys_budget_is_its_own() -> None:
    rig = fresh()
    rig.tables.set_limit_row(LimitScope.STRATEGY, 1, capital_budget_e8=10 * LOT_E8)
    assert verdict(rig, strategy_id=2, qty_lots=50) is Reason.NONE
    assert verdict(rig, qty_lots=10) is Reason.NONE
    assert verdict(rig, qty_lots=5) is Reason.CAPITAL_BUDGET


def test_gross_adds_what_net_sets_off() -> None:
    rig = fresh()
    rig.tables.move(2, position_lots=-60)
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, max_net_exposure_e8=40 * LOT_E8)
    assert verdict(rig, qty_lots=101) is Reason.NET_EXPOSURE
    assert verdict(rig, qty_lots=100) is Reason.NONE
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, max_net_exposure_e8=None, max_gross_exposure_e8=165 * LOT_E8)
    assert verdict(rig, qty_lots=6, instrument_id=2, side=SELL) is Reason.GROSS_EXPOSURE
    assert verdict(rig, qty_lots=5, instrument_id=2, side=SELL) is Reason.NONE
    scope = rig.tables.scope(LimitScope.ENGINE, 0)
    assert scope["gross_e8"] == 165 * LOT_E8
    assert scope["net_e8"] == -60 * LOT_E8
    assert scope["net_if_bought_e8"] == 40 * LOT_E8


def test_who_is_above_a_limit_may_come_down() -> None:
    rig = fresh()
    held(rig, BUY, 200, 0)
    rig.tables.set_limit_row(
        LimitScope.ENGINE, 0, max_gross_exposure_e8=100 * LOT_E8, max_position_notional_e8=10 * LOT_E8
    )
    assert verdict(rig, qty_lots=5) is Reason.POSITION_NOTIONAL
    assert verdict(rig, side=SELL, qty_lots=200) is Reason.NONE
    assert verdict(rig, side=SELL, qty_lots=5) is Reason.NONE, "even through zero, while it does not add"


def test_exposure_follows_the_price_and_the_order_pays_only_for_itself() -> None:
    rig = fresh()
    held(rig, BUY, 100, 0)
    rig.tables.set_limit_row(LimitScope.VENUE, 1, max_gross_exposure_e8=120 * LOT_E8)
    rig.set_market(bid_ticks=11_998, ask_ticks=12_002, last_ticks=12_000)
    assert verdict(rig, qty_lots=5, price_ticks=12_000) is Reason.GROSS_EXPOSURE
    assert rig.tables.scope(LimitScope.VENUE, 1)["gross_e8"] == 120 * LOT_E8
    assert verdict(rig, side=SELL, qty_lots=50, price_ticks=12_000) is Reason.NONE


@pytest.mark.invariant("R21")
def test_exposure_counts_in_flight_open_and_unknown_orders_and_moves_with_every_fill() -> None:
    rig = fresh()
    rig.tables.set_limit_row(LimitScope.STRATEGY, 1, max_gross_exposure_e8=100 * LOT_E8)
    first = rig.intend(qty_lots=30)  # in flight
    second = rig.open_order(qty_lots=30)
    lost = rig.intend(qty_lots=20)
    rig.reply(lost, SUBMIT, status=500, error_code=-1007)
    assert rig.state(lost) == "UNKNOWN"
    assert verdict(rig, qty_lots=21) is Reason.GROSS_EXPOSURE
    rig.trade(second, 10, 10)
    assert verdict(rig, qty_lots=21) is Reason.GROSS_EXPOSURE, "a fill moves lots from working to the position"
    rig.canceled(second, cum_lots=10)
    assert verdict(rig, qty_lots=41) is Reason.GROSS_EXPOSURE
    rig.accepted(first)
    assert verdict(rig, qty_lots=40) is Reason.NONE
    scope: dict[str, Any] = rig.tables.scope(LimitScope.STRATEGY, 1)
    assert (scope["gross_e8"], scope["net_e8"], scope["positions"]) == (100 * LOT_E8, 10 * LOT_E8, 1)
    assert scope["open_orders"] == 3


@pytest.mark.invariant("R21")
@both_sides
def test_what_works_is_valued_anew_when_the_price_moves(side: int) -> None:
    """Orders that have not filled count at the present price, before another order moves the sums."""
    rig = fresh()
    for _ in range(2):
        rig.open_order(side=side, qty_lots=20, price_ticks=10_000)
    rig.set_market(bid_ticks=10_049, ask_ticks=10_051)
    rig.tables.revalue()
    scopes = [rig.tables.scope(scope, number) for scope, number in SCOPES]
    worth = 40 * LOT_E8 * 10_050 // 10_000
    assert [scope["gross_e8"] for scope in scopes] == [worth] * len(SCOPES)
    which, sign = (("net_if_bought_e8", 1), ("net_if_sold_e8", -1))[side]
    assert [scope[which] for scope in scopes] == [sign * worth] * len(SCOPES)


def test_a_value_that_does_not_fit_is_within_no_limit() -> None:
    rig = fresh()
    top = (1 << 63) - 1
    respecified(rig, max_qty_lots=top, max_price_ticks=top, max_notional_e8=top)
    rig.tables.set_limits(
        1, max_order_qty_lots=top, max_order_notional_e8=top, max_position_lots=top, price_collar_bps=500, max_open_orders=9
    )  # fmt: skip
    rig.tables.set_balance(rig.tables.asset_id("USDT"), top, 0)
    assert verdict(rig, qty_lots=1 << 34) is Reason.NONE
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, max_gross_exposure_e8=top - 1)
    assert verdict(rig, qty_lots=5) is Reason.NOT_VALUED


@every_scope
def test_a_gross_exposure_that_left_what_is_counted_is_within_no_limit(scope: LimitScope, number: int) -> None:
    """At half of the range, before the end of it, and wrapped beyond: what grows is refused, what reduces passes."""
    half = 1 << 62
    for gross_e8 in (half - 5 * LOT_E8 + 1, half, 2 * half - 5 * LOT_E8 + 1, -2 * half, -half, -1 - 5 * LOT_E8):
        rig = fresh()
        held(rig, BUY, 40, 0)
        rig.tables.set_limit_row(scope, number, max_net_exposure_e8=100 * LOT_E8)
        rig.tables.set_scope(scope, number, gross_e8=gross_e8)
        assert verdict(rig, side=BUY, qty_lots=5) is Reason.NOT_VALUED
        assert refusing_scope(rig) is scope
        assert verdict(rig, side=SELL, qty_lots=5) is Reason.NONE, "the way back is free"
    rig.tables.set_scope(scope, number, gross_e8=half - 5 * LOT_E8)
    assert verdict(rig, side=BUY, qty_lots=5) is Reason.NONE


def test_an_unset_row_costs_nothing_and_limits_nothing() -> None:
    rig = fresh()
    for scope, number in SCOPES:
        assert rig.tables.limit_row(scope, number)["is_set"] == 0
        assert rig.tables.scope(scope, number)["trading_state"] == TradingState.ACTIVE
    assert verdict(rig, qty_lots=1000) is Reason.NONE


def hedged() -> Rig:
    """40 long of strategy 1, 30 short of strategy 2."""
    rig = valued(everything_native(Rig(), kind=1))
    rig.tables.set_hedge(1, True)
    rig.tables.move(1, position_side=1, position_lots=40, strategy_id=1)
    rig.tables.move(1, position_side=2, position_lots=-30, strategy_id=2)
    return rig


@pytest.mark.invariant("R21")
@pytest.mark.parametrize(("scope", "number"), [row for row in SCOPES if row[0] != LimitScope.STRATEGY])
@pytest.mark.parametrize(
    ("field", "limit_lots", "side", "position_side"),
    [
        ("max_gross_exposure_e8", 100, BUY, 1),
        ("max_gross_exposure_e8", 100, SELL, 2),
        ("max_leverage_e4", 100, SELL, 2),
        ("max_net_exposure_e8", 40, BUY, 1),  # 40 - 30 + 30
        ("max_net_exposure_e8", 20, SELL, 2),  # 30 - 40 + 30
    ],
)
def test_gross_adds_a_hedged_accounts_sides_and_net_sets_them_off(
    scope: LimitScope, number: int, field: str, limit_lots: int, side: int, position_side: int
) -> None:
    for qty_lots, passes in ((29, True), (30, True), (31, False)):
        rig = hedged()
        limit(rig, scope, number, field, limit_lots * LOT_E8)
        assert (verdict(rig, side=side, position_side=position_side, qty_lots=qty_lots) is Reason.NONE) == passes
    assert refusing_scope(rig) is scope


def test_a_hedged_position_of_a_strategy_is_its_own_and_a_close_takes_nothing() -> None:
    rig = hedged()
    rig.tables.set_limit_row(LimitScope.STRATEGY, 1, max_gross_exposure_e8=50 * LOT_E8, max_positions=1)
    assert verdict(rig, side=BUY, position_side=1, qty_lots=11) is Reason.GROSS_EXPOSURE
    assert verdict(rig, side=BUY, position_side=1, qty_lots=10) is Reason.NONE
    assert verdict(rig, side=SELL, position_side=1, qty_lots=40) is Reason.NONE
    assert verdict(rig, side=SELL, position_side=2, qty_lots=5) is Reason.GROSS_EXPOSURE
    rig.tables.set_limit_row(LimitScope.STRATEGY, 1, max_gross_exposure_e8=500 * LOT_E8, max_positions=1)
    assert verdict(rig, side=SELL, position_side=2, qty_lots=5) is Reason.POSITIONS_LIMIT
