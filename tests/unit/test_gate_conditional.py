"""Orders that wait for a price, show a part, end at a time, close a position or stand in a list: what the gate asks of each."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import (
    Contingency,
    LimitScope,
    OrderFlag,
    OrderType,
    Reason,
    TimeInForce,
    TrailKind,
    TriggerSource,
)
from engine.model.instruments import to_e8
from tests.gate_harness import (
    BUY,
    E8,
    EVERY_FEATURE,
    EVERY_TYPE,
    LOT_E8,
    SELL,
    everything_native,
    respecified,
    valued,
    verdict,
)
from tests.orders_harness import SECOND_NS, Rig

STOP, STOP_LIMIT = int(OrderType.STOP), int(OrderType.STOP_LIMIT)
TOUCH, TOUCH_LIMIT = int(OrderType.MARKET_IF_TOUCHED), int(OrderType.LIMIT_IF_TOUCHED)
TRAIL = int(OrderType.TRAILING_STOP)


@pytest.fixture
def rig() -> Rig:
    return valued(everything_native(Rig()))


@pytest.mark.parametrize("kind", [STOP, STOP_LIMIT, TOUCH, TOUCH_LIMIT])
@pytest.mark.parametrize("side", [BUY, SELL], ids=["buy", "sell"])
def test_a_trigger_lies_on_the_far_side_of_the_market_by_at_least_one_tick(rig: Rig, kind: int, side: int) -> None:
    """The last trade is at 10_000: at it, or beyond, the order would go at once."""
    above = (side == BUY) == (kind in (STOP, STOP_LIMIT))
    away = 1 if above else -1
    for trigger, expected in (
        (10_000 + away, Reason.NONE),
        (10_000, Reason.TRIGGERED_AT_ONCE),
        (10_000 - away, Reason.TRIGGERED_AT_ONCE),
    ):
        price = 0 if kind in (STOP, TOUCH) else trigger
        assert verdict(rig, side=side, order_type=kind, trigger_ticks=trigger, price_ticks=price) is expected


@pytest.mark.parametrize(
    ("source", "price_ticks"),
    [(TriggerSource.LAST, 10_000), (TriggerSource.MARK, 10_020)],
    ids=["last", "mark"],
)
def test_the_trigger_is_compared_with_the_price_that_it_waits_for(
    rig: Rig, source: TriggerSource, price_ticks: int
) -> None:
    rig.set_market(mark_e8=to_e8("100.2"))
    terms = {"order_type": STOP, "price_ticks": 0, "trigger_source": int(source)}
    assert verdict(rig, trigger_ticks=price_ticks, **terms) is Reason.TRIGGERED_AT_ONCE
    assert verdict(rig, trigger_ticks=price_ticks + 1, **terms) is Reason.NONE


def test_a_price_that_nobody_has_told_triggers_nothing(rig: Rig) -> None:
    terms = {"order_type": STOP, "price_ticks": 0, "trigger_source": int(TriggerSource.MARK)}
    assert verdict(rig, trigger_ticks=10_100, **terms) is Reason.STALE


@pytest.mark.parametrize("trigger_ticks", [0, -1, 10_000_001])
def test_a_trigger_is_a_price_within_the_venues_range(rig: Rig, trigger_ticks: int) -> None:
    assert verdict(rig, order_type=STOP, price_ticks=0, trigger_ticks=trigger_ticks) is Reason.TRIGGER_PRICE


@pytest.mark.parametrize("trigger_ticks", [0, -1])
def test_a_trigger_is_a_price_where_the_venue_names_no_least_one(rig: Rig, trigger_ticks: int) -> None:
    everything_native(rig, min_price_ticks=0)
    assert verdict(rig, order_type=STOP, price_ticks=0, trigger_ticks=trigger_ticks) is Reason.TRIGGER_PRICE


def test_how_far_the_trigger_lies_off_is_not_collared_but_the_limit_beyond_it_is(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, price_collar_bps=100)
    assert verdict(rig, order_type=STOP, price_ticks=0, trigger_ticks=15_000) is Reason.NONE
    terms = {"order_type": STOP_LIMIT, "trigger_ticks": 15_000}
    for price_ticks, expected in (
        (15_149, Reason.NONE),
        (15_150, Reason.NONE),
        (15_151, Reason.PRICE_COLLAR),
        (14_850, Reason.NONE),
        (14_849, Reason.PRICE_COLLAR),
        (0, Reason.PRICE_NOT_POSITIVE),
    ):
        assert verdict(rig, price_ticks=price_ticks, **terms) is expected


def test_a_conditional_order_is_valued_at_the_worse_of_trigger_and_limit(rig: Rig) -> None:
    rig.tables.set_limits(
        1, max_order_qty_lots=10**6, max_order_notional_e8=10 * 12_000 * 1_000, max_position_lots=10**6,
        price_collar_bps=5000, max_open_orders=50,
    )  # fmt: skip
    stop = {"order_type": STOP, "price_ticks": 0}
    assert verdict(rig, trigger_ticks=12_000, **stop) is Reason.NONE
    assert verdict(rig, trigger_ticks=12_001, **stop) is Reason.NOTIONAL_ABOVE_MAX
    limit = {"order_type": STOP_LIMIT, "trigger_ticks": 11_000}
    assert verdict(rig, price_ticks=12_000, **limit) is Reason.NONE
    assert verdict(rig, price_ticks=12_001, **limit) is Reason.NOTIONAL_ABOVE_MAX


def test_the_least_value_is_asked_of_the_lower_of_trigger_and_limit(rig: Rig) -> None:
    # 0.5 at least: 5 lots of 0.1 at 100.00
    terms = {"order_type": STOP_LIMIT, "side": SELL, "qty_lots": 6, "trigger_ticks": 8_500}
    assert verdict(rig, price_ticks=8_334, **terms) is Reason.NONE
    assert verdict(rig, price_ticks=8_333, **terms) is Reason.NOTIONAL_BELOW_MIN


def test_the_size_of_what_becomes_a_market_order_is_held_to_the_slippage_of_todays_book(rig: Rig) -> None:
    rig.books.set_side(1, [(10_010, 50), (10_030, 51)])
    terms = {"order_type": STOP, "price_ticks": 0, "trigger_ticks": 10_100}
    assert verdict(rig, qty_lots=500, **terms) is Reason.NONE
    rig.tables.set_limit_row(LimitScope.INSTRUMENT, 1, max_slippage_bps=20)
    assert verdict(rig, qty_lots=100, **terms) is Reason.NONE
    assert verdict(rig, qty_lots=101, **terms) is Reason.SLIPPAGE
    assert verdict(rig, qty_lots=102, **terms) is Reason.SLIPPAGE, "more than ten levels hold"


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ({"trail_kind": int(TrailKind.BPS), "trail_amount": 100}, Reason.NONE),
        ({"trail_kind": int(TrailKind.BPS), "trail_amount": 100, "activation_ticks": 10_100}, Reason.NONE),
        ({"trail_kind": int(TrailKind.BPS), "trail_amount": 100, "activation_ticks": -1}, Reason.TRIGGER_PRICE),
        ({"trail_kind": int(TrailKind.BPS), "trail_amount": 0}, Reason.UNSUPPORTED),
        ({"trail_kind": int(TrailKind.BPS), "trail_amount": -1}, Reason.UNSUPPORTED),
        ({}, Reason.UNSUPPORTED),
        ({"trail_kind": int(TrailKind.TICKS), "trail_amount": 100}, Reason.UNSUPPORTED),
    ],
)
def test_a_trailing_stop_has_a_distance_and_a_price_to_be_valued_at(
    rig: Rig, conditions: dict[str, int], reason: Reason
) -> None:
    assert verdict(rig, side=SELL, order_type=TRAIL, price_ticks=0, **conditions) is reason


# --- shown in part, ending at a time ---


@pytest.mark.parametrize(
    ("display_lots", "reason"),
    [(-1, Reason.DISPLAY_QTY), (1, Reason.NONE), (9, Reason.NONE), (10, Reason.DISPLAY_QTY), (11, Reason.DISPLAY_QTY)],
)
def test_an_iceberg_shows_more_than_nothing_and_less_than_all(rig: Rig, display_lots: int, reason: Reason) -> None:
    assert verdict(rig, display_lots=display_lots) is reason


def test_an_order_that_ends_at_a_time_ends_in_the_future(rig: Rig) -> None:
    terms = {"time_in_force": int(TimeInForce.GTD)}
    now_ns = rig.clock.time_ns()
    assert verdict(rig, expire_ns=now_ns, **terms) is Reason.EXPIRE_TIME
    assert verdict(rig, expire_ns=now_ns + 1, **terms) is Reason.UNSUPPORTED, (
        "too near for the venue: the stage holds it"
    )
    assert verdict(rig, expire_ns=now_ns + 700 * SECOND_NS, **terms) is Reason.NONE


# --- closing a position ---


def test_closing_a_position_takes_no_quantity_and_needs_one_to_close() -> None:
    rig = valued(everything_native(Rig(), kind=1))
    flags = int(OrderFlag.CLOSE_POSITION)
    stop = {"side": SELL, "order_type": STOP, "price_ticks": 0, "trigger_ticks": 9_900, "flags": flags, "qty_lots": 0}
    assert verdict(rig, **stop) is Reason.REDUCING_ONLY
    rig.tables.move(1, position_lots=20)
    assert verdict(rig, **(stop | {"qty_lots": 5})) is Reason.QTY_ABOVE_MAX
    assert verdict(rig, **stop) is Reason.NONE
    profit = stop | {"order_type": TOUCH, "trigger_ticks": 10_100}
    assert verdict(rig, **profit) is Reason.NONE, "stop and profit at once: neither can turn the position"
    assert verdict(rig, **(stop | {"side": BUY, "trigger_ticks": 10_100})) is Reason.REDUCING_ONLY
    assert rig.exposure()["working_sell_lots"] == 0


# --- lists ---


def leg(rig: Rig, contingency: Contingency, index: int, size: int, handle: int, **terms: Any) -> Reason:
    fields = {"contingency": int(contingency), "list_size": size, "list_index": index, "list_handle": handle}
    return verdict(rig, **(fields | terms))


def test_the_two_orders_of_an_oco_count_once(rig: Rig) -> None:
    rig.tables.set_balance(rig.tables.asset_id("BTC"), to_e8("0.02"), 0)
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, max_gross_exposure_e8=20 * LOT_E8)
    first = rig.next_handle()
    rig._handles = first
    above = {"side": SELL, "qty_lots": 20, "price_ticks": 10_100, "order_handle": first}
    below = {"side": SELL, "qty_lots": 20, "order_type": STOP, "trigger_ticks": 9_900, "price_ticks": 0}
    assert leg(rig, Contingency.OCO, 0, 2, first, **above) is Reason.NONE
    assert leg(rig, Contingency.OCO, 1, 2, first, **below) is Reason.NONE
    assert rig.exposure()["working_sell_lots"] == 20
    assert rig.register.promised(rig.tables.asset_id("BTC")) == to_e8("0.02")
    assert verdict(rig, side=SELL, qty_lots=5) is Reason.GROSS_EXPOSURE


def test_the_larger_of_an_ocos_orders_counts(rig: Rig) -> None:
    first = rig.next_handle()
    rig._handles = first
    rig.tables.set_limit_row(LimitScope.INSTRUMENT, 1, max_position_lots=30)
    assert (
        leg(rig, Contingency.OCO, 0, 2, first, side=SELL, qty_lots=20, price_ticks=10_100, order_handle=first)
        is Reason.NONE
    )
    below = {"side": SELL, "order_type": STOP, "trigger_ticks": 9_900, "price_ticks": 0}
    assert leg(rig, Contingency.OCO, 1, 2, first, qty_lots=31, **below) is Reason.POSITION_LIMIT
    assert leg(rig, Contingency.OCO, 1, 2, first, qty_lots=30, **below) is Reason.NONE


def test_a_leg_of_another_list_is_no_sibling(rig: Rig) -> None:
    first = rig.next_handle()
    rig._handles = first
    rig.tables.set_limit_row(LimitScope.INSTRUMENT, 1, max_position_lots=30)
    assert (
        leg(rig, Contingency.OCO, 0, 2, first, side=SELL, qty_lots=20, price_ticks=10_100, order_handle=first)
        is Reason.NONE
    )
    below = {"side": SELL, "order_type": STOP, "trigger_ticks": 9_900, "price_ticks": 0}
    assert leg(rig, Contingency.OCO, 1, 2, first + 500, qty_lots=11, **below) is Reason.POSITION_LIMIT


def test_what_waits_for_the_first_order_of_a_list_counts_at_once_but_needs_no_balance_yet(rig: Rig) -> None:
    rig.tables.set_balance(rig.tables.asset_id("BTC"), 0, 0)
    first = rig.next_handle()
    rig._handles = first
    assert leg(rig, Contingency.OTOCO, 0, 3, first, qty_lots=20, order_handle=first) is Reason.NONE
    above = {"side": SELL, "qty_lots": 20, "price_ticks": 10_100}
    below = {"side": SELL, "qty_lots": 20, "order_type": STOP, "trigger_ticks": 9_900, "price_ticks": 0}
    assert leg(rig, Contingency.OTOCO, 1, 3, first, **above) is Reason.NONE
    assert leg(rig, Contingency.OTOCO, 2, 3, first, **below) is Reason.NONE
    assert rig.exposure()["working_buy_lots"] == 20
    assert rig.exposure()["working_sell_lots"] == 20
    assert rig.register.promised(rig.tables.asset_id("BTC")) == 0
    assert verdict(rig, side=SELL, qty_lots=5) is Reason.INSUFFICIENT_BALANCE


def test_a_conditional_buy_promises_what_its_worse_price_costs(rig: Rig) -> None:
    usdt = rig.tables.asset_id("USDT")
    assert verdict(rig, order_type=STOP_LIMIT, trigger_ticks=10_100, price_ticks=10_200) is Reason.NONE
    assert rig.register.promised(usdt) >= 10 * 10_200 * 1_000
    rig.tables.set_balance(usdt, 3 * E8, 0)
    assert (
        verdict(rig, order_type=STOP, qty_lots=20, trigger_ticks=10_100, price_ticks=0) is Reason.INSUFFICIENT_BALANCE
    )


@pytest.mark.parametrize(
    "other", [{"strategy_id": 2}, {"instrument_id": 2}, {"list_index": 0}], ids=["strategy", "instrument", "place"]
)
def test_a_leg_that_is_not_one_with_its_list_is_refused(rig: Rig, other: dict[str, Any]) -> None:
    everything_native(rig)
    respecified(rig, 2, native_order_types=EVERY_TYPE | EVERY_FEATURE)
    first = rig.next_handle()
    rig._handles = first
    terms = {"side": BUY, "qty_lots": 100}
    assert leg(rig, Contingency.OCO, 0, 2, first, order_handle=first, price_ticks=9_990, **terms) is Reason.NONE
    above = terms | {"order_type": STOP, "trigger_ticks": 10_100, "price_ticks": 0}
    assert leg(rig, Contingency.OCO, 1, 2, first, **(above | other)) is Reason.UNSUPPORTED
    rig._handles = first
    assert leg(rig, Contingency.OCO, 1, 2, first, **above) is Reason.NONE
    assert rig.exposure()["working_buy_lots"] == 100


@pytest.mark.parametrize("first_is", [Contingency.OTO, Contingency.OTOCO])
def test_a_leg_of_another_contingency_counts_no_less_than_in_full(rig: Rig, first_is: Contingency) -> None:
    first = rig.next_handle()
    rig._handles = first
    size = 3 if first_is is Contingency.OTOCO else 2
    rig.tables.set_limit_row(LimitScope.INSTRUMENT, 1, max_position_lots=100)
    leg(rig, first_is, 0, size, first, side=BUY, qty_lots=100, order_handle=first, price_ticks=9_990)
    above = {"side": BUY, "qty_lots": 100, "order_type": STOP, "trigger_ticks": 10_100, "price_ticks": 0}
    assert leg(rig, Contingency.OCO, 1, 2, first, **above) is Reason.UNSUPPORTED
    assert rig.exposure()["working_buy_lots"] == 100


def test_two_sides_of_a_list_both_count_in_full_also_when_one_moves(rig: Rig) -> None:
    first = rig.next_handle()
    rig._handles = first
    stop = {"order_type": STOP, "trigger_ticks": 9_900, "price_ticks": 0}
    assert leg(rig, Contingency.OCO, 0, 2, first, side=BUY, qty_lots=20, order_handle=first) is Reason.NONE
    assert leg(rig, Contingency.OCO, 1, 2, first, side=SELL, qty_lots=20, **stop) is Reason.NONE
    for handle in (first, first + 1):
        rig.accepted(handle)
    working = rig.exposure()
    assert (working["working_buy_lots"], working["working_sell_lots"]) == (20, 20)
