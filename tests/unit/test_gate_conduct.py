"""How orders follow one another: message rates, duplicates, own orders met, and what a scope may not do at all."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import IntentAction, LimitScope, OrderFlag, OrderType, PositionSide, Reason, TimeInForce
from engine.risk.rehearsal import offer_intent, set_exposure
from tests.gate_harness import BUY, NAMES, SCOPES, SELL, everything_native, refusing_scope, respecified, valued, verdict
from tests.orders_harness import SECOND_NS, Rig

every_scope = pytest.mark.parametrize(("scope", "number"), SCOPES, ids=NAMES)
NO_BUY, NO_SELL, NO_SHORT, RESTRICTED, NO_SELF_TRADE = 1, 2, 4, 8, 16


@pytest.fixture
def rig() -> Rig:
    return valued(Rig())


# --- rates ---


@pytest.mark.invariant("R22")
@every_scope
def test_every_scope_has_a_token_bucket_and_what_is_refused_takes_no_token(
    rig: Rig, scope: LimitScope, number: int
) -> None:
    rig.tables.set_limit_row(scope, number, message_rate_per_s=10, message_burst=3)
    assert verdict(rig, qty_lots=0) is Reason.QTY_NOT_POSITIVE
    assert [verdict(rig) for _ in range(4)] == [Reason.NONE] * 3 + [Reason.MESSAGE_RATE]
    assert refusing_scope(rig) is scope
    rig.tick(99_999_999)
    assert verdict(rig) is Reason.MESSAGE_RATE
    rig.tick(1)
    assert verdict(rig) is Reason.NONE
    assert verdict(rig) is Reason.MESSAGE_RATE


def test_a_full_bucket_is_not_emptied_by_orders_that_another_bucket_refuses(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.ACCOUNT, 1, message_rate_per_s=1, message_burst=3)
    rig.tables.set_limit_row(LimitScope.STRATEGY, 1, message_rate_per_s=1, message_burst=1)
    assert [verdict(rig) for _ in range(5)] == [Reason.NONE] + [Reason.MESSAGE_RATE] * 4
    assert [verdict(rig, strategy_id=2) for _ in range(3)] == [Reason.NONE] * 2 + [Reason.MESSAGE_RATE]


def test_a_rate_without_a_burst_allows_a_seconds_worth(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.STRATEGY, 1, message_rate_per_s=4)
    assert [verdict(rig) for _ in range(5)] == [Reason.NONE] * 4 + [Reason.MESSAGE_RATE]


# --- duplicates ---


@every_scope
def test_the_same_order_again_within_the_window_is_a_duplicate(rig: Rig, scope: LimitScope, number: int) -> None:
    rig.tables.set_limit_row(scope, number, duplicate_window_ns=1000)
    assert verdict(rig) is Reason.NONE
    assert verdict(rig) is Reason.DUPLICATE
    rig.tick(999)
    assert verdict(rig) is Reason.DUPLICATE
    rig.tick(1)
    assert verdict(rig) is Reason.NONE
    assert verdict(rig) is Reason.DUPLICATE, "the window begins again with each approval"


@pytest.mark.parametrize(
    "other",
    [{"side": SELL}, {"qty_lots": 11}, {"price_ticks": 9_999}, {"strategy_id": 2}, {"instrument_id": 2}],
    ids=lambda other: next(iter(other)),
)
def test_what_differs_in_anything_is_no_duplicate(rig: Rig, other: dict[str, int]) -> None:
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, duplicate_window_ns=SECOND_NS)
    assert verdict(rig) is Reason.NONE
    assert verdict(rig, **other) is Reason.NONE
    assert verdict(rig) is Reason.DUPLICATE
    assert verdict(rig, **other) is Reason.DUPLICATE


def test_an_order_that_was_refused_is_none_that_could_be_repeated(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, duplicate_window_ns=SECOND_NS, message_rate_per_s=1, message_burst=1)
    assert verdict(rig, qty_lots=11) is Reason.NONE
    assert verdict(rig) is Reason.MESSAGE_RATE
    rig.tick(SECOND_NS)
    assert verdict(rig) is Reason.NONE


def test_hundreds_of_others_between_do_not_hide_a_duplicate() -> None:
    rig = valued(Rig(capacity=4096))
    rig.tables.set_limits(
        1, max_order_qty_lots=10_000, max_order_notional_e8=10**13, max_position_lots=10**9, price_collar_bps=500,
        max_open_orders=4000,
    )  # fmt: skip
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, duplicate_window_ns=SECOND_NS)
    assert verdict(rig, qty_lots=5) is Reason.NONE
    for number in range(700):
        offer_intent(
            rig.journal, rig.rings["intents"], order_handle=rig.next_handle(), instrument_id=1, price_ticks=9_900,
            qty_lots=6 + number,
        )  # fmt: skip
    rig.pipeline.run_to_completion()
    assert verdict(rig, qty_lots=5) is Reason.DUPLICATE


def test_children_of_a_parent_may_be_alike(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, duplicate_window_ns=SECOND_NS)
    for _ in range(3):
        handle = rig.next_handle()
        offer_intent(
            rig.journal, rig.gate_children, order_handle=handle, instrument_id=1, price_ticks=10_000, qty_lots=10
        )
        rig.pipeline.run_to_completion()
        assert rig.verdict()["reason"] == Reason.NONE


# --- own orders met ---


@every_scope
@pytest.mark.parametrize("side", [BUY, SELL], ids=["buy", "sell"])
def test_an_order_that_would_meet_an_own_resting_one_is_refused_from_its_price_on(
    rig: Rig, scope: LimitScope, number: int, side: int
) -> None:
    away = -1 if side == BUY else 1
    rig.tables.set_limit_row(scope, number, permissions=NO_SELF_TRADE)
    resting = rig.open_order(side=1 - side, price_ticks=10_010, strategy_id=1)
    assert verdict(rig, side=side, price_ticks=10_010 + away) is Reason.NONE
    assert verdict(rig, side=side, price_ticks=10_010) is Reason.SELF_TRADE
    assert verdict(rig, side=side, price_ticks=10_010 - away) is Reason.SELF_TRADE
    rig.canceled(resting)
    assert verdict(rig, side=side, price_ticks=10_010) is Reason.NONE


def test_the_best_own_order_is_known_whatever_has_come_and_gone(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, permissions=NO_SELF_TRADE)
    asks = {price: rig.open_order(side=SELL, price_ticks=price) for price in (10_020, 10_010, 10_030)}
    rig.canceled(asks[10_010])
    assert verdict(rig, price_ticks=10_019) is Reason.NONE
    assert verdict(rig, price_ticks=10_020) is Reason.SELF_TRADE
    rig.trade(asks[10_020], 10, 10)
    assert verdict(rig, price_ticks=10_029) is Reason.NONE
    assert verdict(rig, price_ticks=10_030) is Reason.SELF_TRADE
    assert verdict(rig, price_ticks=10_030, strategy_id=2) is Reason.SELF_TRADE, (
        "another strategy's on the same account"
    )
    assert verdict(rig, price_ticks=10_030, instrument_id=2) is Reason.NONE


def test_a_market_order_meets_the_own_one_at_the_level_that_it_reaches(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, permissions=NO_SELF_TRADE)
    rig.books.set_side(1, [(10_005, 10), (10_010, 50)])
    rig.open_order(side=SELL, price_ticks=10_010)
    market = {"order_type": int(OrderType.MARKET), "price_ticks": 0}
    assert verdict(rig, qty_lots=10, **market) is Reason.NONE
    assert verdict(rig, qty_lots=11, **market) is Reason.SELF_TRADE


def test_an_order_that_cannot_rest_is_not_met(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, permissions=NO_SELF_TRADE)
    rig.intend(side=SELL, price_ticks=10_000, time_in_force=int(TimeInForce.IOC))
    assert verdict(rig, price_ticks=10_000) is Reason.NONE


def test_without_the_permission_bit_own_orders_may_meet(rig: Rig) -> None:
    rig.open_order(side=SELL, price_ticks=10_000)
    assert verdict(rig, price_ticks=10_000) is Reason.NONE


# --- permissions ---


@every_scope
@pytest.mark.parametrize(("bit", "side"), [(NO_BUY, BUY), (NO_SELL, SELL)], ids=["no buy", "no sell"])
def test_a_side_that_is_taken_away(rig: Rig, scope: LimitScope, number: int, bit: int, side: int) -> None:
    rig.tables.set_limit_row(scope, number, permissions=bit)
    assert verdict(rig, side=side) is Reason.RESTRICTED
    assert verdict(rig, side=1 - side) is Reason.NONE
    set_exposure(rig.tables, 1, position_lots=20 if side == SELL else -20)
    assert verdict(rig, side=side, qty_lots=21) is Reason.RESTRICTED
    assert verdict(rig, side=side, qty_lots=20) is Reason.NONE, "what closes a position may always leave"


@every_scope
def test_on_the_restricted_list_only_what_closes_passes(rig: Rig, scope: LimitScope, number: int) -> None:
    set_exposure(rig.tables, 1, position_lots=20)
    rig.tables.set_limit_row(scope, number, permissions=RESTRICTED)
    assert verdict(rig) is Reason.RESTRICTED
    assert verdict(rig, side=SELL, qty_lots=21) is Reason.RESTRICTED
    assert verdict(rig, side=SELL, qty_lots=20) is Reason.NONE


@every_scope
def test_a_short_ban_lets_a_position_be_sold_and_no_more(scope: LimitScope, number: int) -> None:
    for qty_lots, expected in ((14, Reason.NONE), (15, Reason.NONE), (16, Reason.SHORT_BANNED)):
        rig = valued(Rig())
        respecified(rig, kind=1)
        rig.tables.set_limit_row(scope, number, permissions=NO_SHORT)
        rig.tables.move(1, position_lots=20, sell_lots=5)
        assert verdict(rig, side=SELL, qty_lots=qty_lots) is expected
        assert verdict(rig, qty_lots=50) is Reason.NONE


def test_a_short_ban_closes_the_short_side_of_a_hedged_account() -> None:
    rig = valued(everything_native(Rig(), kind=1))
    rig.tables.set_hedge(1, True)
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, permissions=NO_SHORT)
    long_side, short_side = int(PositionSide.LONG), int(PositionSide.SHORT)
    assert verdict(rig, side=SELL, position_side=short_side) is Reason.SHORT_BANNED
    rig.tables.move(1, position_side=long_side, position_lots=20)
    assert verdict(rig, side=SELL, position_side=long_side) is Reason.NONE


# --- position sides ---


def hedged() -> Rig:
    rig = valued(everything_native(Rig(), kind=1))
    rig.tables.set_hedge(1, True)
    return rig


@pytest.mark.parametrize(
    ("hedge", "side", "passes"), [(0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1), (1, 2, 1), (1, 3, 0)]
)
def test_an_account_is_netted_or_hedged_and_orders_say_the_same(hedge: int, side: int, passes: int) -> None:
    rig = hedged()
    rig.tables.set_hedge(1, bool(hedge))
    opening = {"side": SELL if side == 2 else BUY, "position_side": side}
    assert (verdict(rig, **opening) is Reason.NONE) == bool(passes)
    if not passes:
        assert verdict(rig, **opening) is Reason.POSITION_SIDE


@pytest.mark.parametrize("position_side", [1, 2], ids=["long", "short"])
def test_no_more_of_a_side_is_closed_than_is_open(position_side: int) -> None:
    closing = SELL if position_side == 1 else BUY
    rig = hedged()
    rig.tables.move(1, position_side=position_side, position_lots=20 if position_side == 1 else -20)
    terms = {"side": closing, "position_side": position_side}
    assert verdict(rig, qty_lots=21, **terms) is Reason.REDUCING_ONLY
    assert verdict(rig, qty_lots=13, **terms) is Reason.NONE
    assert verdict(rig, qty_lots=8, **terms) is Reason.REDUCING_ONLY
    assert verdict(rig, qty_lots=7, **terms) is Reason.NONE
    assert verdict(rig, side=1 - closing, position_side=3 - position_side, qty_lots=5) is Reason.REDUCING_ONLY


@pytest.mark.parametrize("position_side", [1, 2], ids=["long", "short"])
def test_an_order_of_one_side_of_a_position_does_not_replace_one_of_the_other(position_side: int) -> None:
    closing, other = (SELL, 2) if position_side == 1 else (BUY, 1)
    rig = hedged()
    rig.tables.move(1, position_side=position_side, position_lots=100 if position_side == 1 else -100)
    assert verdict(rig, side=closing, position_side=position_side, qty_lots=100) is Reason.NONE
    opener = rig.open_order(side=closing, position_side=other, qty_lots=100)
    change: dict[str, Any] = {"action": int(IntentAction.REPLACE), "target_handle": opener, "side": closing}
    assert verdict(rig, position_side=position_side, qty_lots=100, **change) is Reason.POSITION_SIDE
    working = rig.tables.exposure(1, position_side)
    assert working["working_sell_lots"] + working["working_buy_lots"] == 100
    assert verdict(rig, position_side=other, qty_lots=90, **change) is Reason.NONE


def test_the_sides_of_a_hedged_position_have_limits_and_exposure_of_their_own() -> None:
    rig = hedged()
    rig.tables.set_limit_row(LimitScope.INSTRUMENT, 1, max_position_lots=50)
    long_side: dict[str, Any] = {"side": BUY, "position_side": 1}
    short_side: dict[str, Any] = {"side": SELL, "position_side": 2}
    assert verdict(rig, qty_lots=51, **long_side) is Reason.POSITION_LIMIT
    assert verdict(rig, qty_lots=50, **long_side) is Reason.NONE
    assert verdict(rig, qty_lots=50, **short_side) is Reason.NONE
    assert rig.tables.exposure(1, 1)["working_buy_lots"] == 50
    assert rig.tables.exposure(1, 2)["working_sell_lots"] == 50
    scope = rig.tables.scope(LimitScope.ENGINE, 0)
    assert scope["gross_e8"] == 100 * 10_000_000
    assert scope["positions"] == 2


def test_reduce_only_on_futures_that_wait_for_a_price_is_cut_by_the_venue() -> None:
    """Stop-loss and take-profit of the whole position at once: neither can turn it."""
    rig = valued(everything_native(Rig(), kind=1))
    rig.tables.move(1, position_lots=20)
    flags = int(OrderFlag.REDUCE_ONLY)
    stop = {"side": SELL, "order_type": int(OrderType.STOP), "price_ticks": 0, "trigger_ticks": 9_900, "flags": flags}
    profit = stop | {"order_type": int(OrderType.MARKET_IF_TOUCHED), "trigger_ticks": 10_100}
    assert verdict(rig, qty_lots=21, **stop) is Reason.REDUCING_ONLY
    assert verdict(rig, qty_lots=20, **stop) is Reason.NONE
    assert verdict(rig, qty_lots=20, **profit) is Reason.NONE
    assert verdict(rig, side=SELL, qty_lots=5, flags=flags) is Reason.REDUCING_ONLY
