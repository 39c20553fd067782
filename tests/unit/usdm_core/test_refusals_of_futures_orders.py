"""Every filter and form rule of new orders has its own code, and each test fails when its guard is taken out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.usdm_core.stage import ANNE, BOB, SYMBOL, Stage, e8


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"side": "HOLD"}, -1117),
        ({"type": "ICEBERG"}, -1116),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"time_in_force": "RPI"}, -1115),
        ({"time_in_force": None}, -1102),
        ({"quantity_e8": None}, -1102),
        ({"price_e8": None}, -1102),
        ({"client_order_id": "no spaces please"}, -4015),
        ({"position_side": "LONG"}, -4061),
        ({"stp_mode": "DECREMENT"}, -5039),
        ({"price_match": "BEST"}, -5037),
        ({"good_till_ns": 1}, -1106),
        ({"price_e8": -1}, -4001),
        ({"price_e8": e8("99.001")}, -1111),
        ({"price_e8": e8("99.05")}, -4014),
        ({"price_e8": e8("0")}, -4013),
        ({"price_e8": e8("10000.1")}, -4002),
        ({"price_e8": e8("150.1")}, -4016),
        ({"side": "SELL", "price_e8": e8("49.9")}, -4024),
        ({"quantity_e8": 0}, -4003),
        ({"quantity_e8": e8("0.0001")}, -1111),
        ({"quantity_e8": e8("0.005")}, -4004),
        ({"quantity_e8": e8("0.015")}, -4023),
        ({"quantity_e8": e8("10000.01")}, -4005),
        ({"quantity_e8": e8("0.05")}, -4164),
        ({"reduce_only": True}, -2022),
        ({"symbol": "NOPEUSDT"}, -1121),
    ],
)
def test_a_limit_order_is_refused_with_the_code_of_its_fault(changes: dict[str, Any], code: int) -> None:
    stage = Stage()
    terms = dict(changes)
    stage.refuses(code, stage.limit, ANNE, terms.pop("side", "BUY"), "99.0", "1", **terms)
    assert stage.core.drain() == []
    assert stage.limit(ANNE, "BUY", "99.0", "1").status == "NEW"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"time_in_force": "GTC"}, -1106),
        ({"price_e8": e8("99")}, -1106),
        ({"price_match": "QUEUE"}, -5038),
        ({"quantity_e8": e8("500.01")}, -4005),
    ],
)
def test_a_market_order_takes_no_limit_fields(changes: dict[str, Any], code: int) -> None:
    stage = Stage()
    stage.refuses(code, stage.market, ANNE, "BUY", "1", **changes)
    assert stage.core.open_orders(ANNE) == []


def test_prices_of_both_sides_are_bounded_only_where_they_hurt() -> None:
    stage = Stage()
    assert stage.limit(ANNE, "BUY", "49.0", "1").status == "NEW"  # a low bid is no danger
    assert stage.limit(ANNE, "SELL", "151.0", "1").status == "NEW"


def test_a_market_order_whose_counterparty_is_far_away_is_refused() -> None:
    stage = Stage(symbol={"multiplier_up": "1.05"})
    stage.refuses(-4131, stage.market, ANNE, "BUY", "1")  # the agents' best ask is tens of percent away
    stage.limit(BOB, "SELL", "105.0", "1")
    assert stage.market(ANNE, "BUY", "1").status == "FILLED"


def test_the_number_of_open_orders_is_bounded() -> None:
    stage = Stage(symbol={"max_num_orders": 2})
    stage.limit(ANNE, "BUY", "99.0", "1")
    stage.limit(ANNE, "BUY", "98.0", "1")
    stage.refuses(-2025, stage.limit, ANNE, "BUY", "97.0", "1")
    assert stage.limit(BOB, "BUY", "97.0", "1").status == "NEW"


def test_orders_are_taken_only_while_the_contract_trades() -> None:
    stage = Stage()
    order = stage.limit(ANNE, "BUY", "99.0", "1")
    stage.core.set_status(SYMBOL, "PRE_SETTLE", stage.now_ns)
    assert stage.core.rules(SYMBOL).status == "PRE_SETTLE"
    stage.refuses(-1122, stage.limit, ANNE, "BUY", "98.0", "1")
    stage.refuses(-5024, stage.modify, ANNE, "BUY", "98.0", "1", order_id=order.order_id)
    assert stage.core.cancel(ANNE, SYMBOL, stage.now_ns, order_id=order.order_id).status == "CANCELED"


def test_an_account_that_may_not_trade_places_nothing() -> None:
    stage = Stage(frozen=("anne",))
    stage.refuses(-4088, stage.limit, ANNE, "BUY", "99.0", "1")
    stage.refuses(-4088, stage.algo, ANNE, "BUY", "STOP_MARKET", "110.0", quantity="1")
    assert not stage.core.account(ANNE).can_trade


def test_the_least_notional_does_not_hold_for_reduce_only() -> None:
    stage = Stage()
    stage.trade(ANNE, BOB, "100.0", "1")
    stage.refuses(-4164, stage.limit, ANNE, "SELL", "101.0", "0.04")
    assert stage.limit(ANNE, "SELL", "101.0", "0.04", reduce_only=True).status == "NEW"


def test_filters_are_told_in_the_futures_form() -> None:
    names = {row["filterType"]: row for row in Stage().core.rules(SYMBOL).filters()}
    assert names["MIN_NOTIONAL"] == {"filterType": "MIN_NOTIONAL", "notional": "5"}
    assert names["MAX_NUM_ORDERS"]["limit"] == 200
    assert names["PERCENT_PRICE"]["multiplierUp"] == "1.5000"
    assert names["PRICE_FILTER"]["tickSize"] == "0.1"
