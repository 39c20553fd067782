"""Held orders: triggers, expiry, display, close-position, refusals - the pure logic over the real trigger table."""

from __future__ import annotations

import pytest

from engine.execution.hold import PASSING_REASONS
from engine.model.codes import (
    AlarmCode,
    OrderFlag,
    OrderState,
    OrderType,
    ParentState,
    Reason,
    Side,
    TimeInForce,
    TrailKind,
    TriggerSource,
)
from engine.model.instructions import Change, Held, OrderTerms
from tests.execution_rig import INSTRUMENT, PRICE, TICK_E8, Rig

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


def held(rig: Rig, **terms: int) -> None:
    rig.begin(Held(instrument_id=INSTRUMENT, order=OrderTerms(**{"qty_lots": 10, **terms})))


@pytest.mark.parametrize(
    ("order_type", "side", "quiet", "meets"),
    [
        (OrderType.STOP, Side.SELL, PRICE - 99, PRICE - 100),
        (OrderType.STOP, Side.BUY, PRICE - 101, PRICE - 100),
        (OrderType.STOP_LIMIT, Side.SELL, PRICE - 99, PRICE - 101),
        (OrderType.MARKET_IF_TOUCHED, Side.SELL, PRICE - 101, PRICE - 100),
        (OrderType.LIMIT_IF_TOUCHED, Side.BUY, PRICE - 99, PRICE - 100),
    ],
)
def test_an_order_is_released_under_its_own_handle_when_its_price_is_met_and_not_one_tick_before(
    order_type: int, side: int, quiet: int, meets: int
) -> None:
    rig = Rig()
    held(rig, side=side, order_type=order_type, trigger_ticks=PRICE - 100, price_ticks=PRICE - 150)
    assert rig.ends(1) == [OrderState.HELD]
    assert rig.price(quiet) == 0
    assert not rig.orders
    assert rig.price(meets) == 1
    order = rig.orders[1]
    is_limit = order_type in (OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED)
    assert order.terms.order_type == (OrderType.LIMIT if is_limit else OrderType.MARKET)
    assert order.terms.price_ticks == (PRICE - 150 if is_limit else 0)
    assert order.terms.qty_lots == 10


def test_a_gap_through_the_trigger_triggers_once() -> None:
    rig = Rig()
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE)
    assert rig.price(PRICE // 2) == 1
    assert rig.price(PRICE // 3) == 0
    assert len(rig.orders) == 1


@pytest.mark.parametrize("source", list(TriggerSource))
def test_each_price_source_is_heard_by_those_who_asked_for_it_only(source: TriggerSource) -> None:
    rig = Rig()
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE, trigger_source=source)
    size = 1 if source in (TriggerSource.LAST, TriggerSource.BID_ASK) else TICK_E8
    for other in TriggerSource:
        if other != source:
            assert rig.price(1, other) == 0
    assert rig.price(PRICE * size, source) == 1


def test_a_sell_watches_the_bid_and_a_buy_the_ask() -> None:
    rig = Rig()
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE, trigger_source=TriggerSource.BID_ASK)
    assert rig.price(PRICE + 1, TriggerSource.BID_ASK, ask=PRICE + 5) == 0
    assert rig.price(PRICE, TriggerSource.BID_ASK, ask=PRICE + 5) == 1
    rig = Rig()
    held(rig, side=Side.BUY, order_type=OrderType.STOP, trigger_ticks=PRICE, trigger_source=TriggerSource.BID_ASK)
    assert rig.price(PRICE + 5, TriggerSource.BID_ASK, ask=PRICE - 1) == 0
    assert rig.price(PRICE - 5, TriggerSource.BID_ASK, ask=PRICE) == 1


def test_a_trailing_stop_follows_up_and_never_down_and_tells_each_move() -> None:
    rig = Rig()
    held(rig, side=Side.SELL, order_type=OrderType.TRAILING_STOP, trail_kind=TrailKind.TICKS, trail_amount=50)
    rig.price(PRICE)
    rig.price(PRICE + 30)
    rig.price(PRICE + 10)
    assert [news.trigger_ticks for news in rig.held] == [0, PRICE - 50, PRICE - 20]
    assert rig.price(PRICE - 19) == 0
    assert rig.price(PRICE - 20) == 1


def test_a_trailing_stop_begins_at_its_activation_price() -> None:
    rig = Rig()
    held(
        rig,
        side=Side.BUY,
        order_type=OrderType.TRAILING_STOP,
        trail_kind=TrailKind.BPS,
        trail_amount=100,
        activation_ticks=PRICE - 500,
    )
    assert rig.price(PRICE) == 0
    assert rig.price(PRICE + 400) == 0
    rig.price(PRICE - 500)
    assert rig.price(PRICE - 500 + 94) == 0
    assert rig.price(PRICE - 500 + 95) == 1


def test_a_trailing_stop_limit_is_priced_from_where_it_fires() -> None:
    rig = Rig()
    held(
        rig,
        side=Side.SELL,
        order_type=OrderType.TRAILING_STOP_LIMIT,
        trail_kind=TrailKind.TICKS,
        trail_amount=50,
        limit_offset_ticks=-7,
    )
    rig.price(PRICE + 100)
    rig.price(PRICE + 50)
    assert rig.orders[1].terms.price_ticks == PRICE + 50 - 7


def test_a_held_order_is_cancelled_without_the_venue() -> None:
    rig = Rig()
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE)
    assert rig.parents.change(Change(handle=1, action="cancel"), 7) == Reason.NONE
    assert rig.ends(1)[-1] == OrderState.CANCELED
    assert rig.last_status() == ParentState.CANCELED
    assert rig.price(1) == 0
    assert not rig.holding


def test_a_strategy_cannot_touch_anothers_order() -> None:
    rig = Rig()
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE)
    assert rig.parents.change(Change(handle=1, action="cancel"), 8) == Reason.UNKNOWN_ORDER
    assert rig.price(1) == 1


def test_a_released_order_is_cancelled_at_the_venue() -> None:
    rig = Rig()
    held(rig, side=Side.SELL, order_type=OrderType.STOP_LIMIT, trigger_ticks=PRICE, price_ticks=PRICE)
    rig.price(PRICE)
    rig.approve()
    rig.parents.change(Change(handle=1, action="cancel"), 7)
    assert rig.orders[1].is_cancel_asked
    rig.confirm_cancel(1)
    assert rig.last_status() == ParentState.CANCELED


def test_a_held_order_is_amended_in_place() -> None:
    rig = Rig()
    held(rig, side=Side.SELL, order_type=OrderType.STOP_LIMIT, trigger_ticks=PRICE, price_ticks=PRICE)
    change = Change(handle=1, action="amend", trigger_ticks=PRICE - 10, qty_lots=4, price_ticks=PRICE - 20)
    assert rig.parents.change(change, 7) == Reason.NONE
    assert rig.price(PRICE) == 0
    assert rig.price(PRICE - 10) == 1
    assert (rig.orders[1].terms.qty_lots, rig.orders[1].terms.price_ticks) == (4, PRICE - 20)


def test_what_opens_ends_refused_where_the_gate_refuses_it() -> None:
    rig = Rig()
    held(rig, side=Side.BUY, order_type=OrderType.STOP, trigger_ticks=PRICE)
    rig.price(PRICE)
    rig.refuse(1, Reason.POSITION_LIMIT)
    assert rig.ends(1)[-1] == OrderState.REFUSED
    assert rig.held[-1].reason == Reason.POSITION_LIMIT
    assert rig.last_status() == ParentState.REJECTED
    rig.advance(60 * SECOND)
    assert not rig.asked()


def test_what_closes_is_tried_again_with_a_back_off_and_told_once() -> None:
    rig = Rig(position=10)
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE, flags=OrderFlag.REDUCE_ONLY)
    rig.price(PRICE)
    tries, begun = [], rig.now_mono_ns
    for _ in range(5):
        rig.refuse(1)
        while not rig.asked():
            rig.advance(10_000_000)
        tries.append((rig.now_mono_ns - begun) // 10_000_000 * 10)
    gaps = [after - before for before, after in zip([0, *tries], tries, strict=False)]
    assert gaps == [250, 500, 1000, 2000, 4000]
    assert [code for code, _ in rig.alarms] == [AlarmCode.PROTECTION_FAILED]
    rig.approve()
    rig.fill(1, 10)
    assert rig.last_status() == ParentState.DONE


def test_a_good_till_date_order_expires_by_event_time_held_or_working() -> None:
    rig = Rig()
    terms = {"time_in_force": TimeInForce.GTD, "expire_ns": rig.now_wall_ns + 10 * SECOND}
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE, **terms)
    rig.advance(10 * SECOND - 1)
    assert rig.ends(1) == [OrderState.HELD]
    rig.advance(1)
    assert rig.ends(1)[-1] == OrderState.EXPIRED
    assert rig.last_status() == ParentState.EXPIRED
    rig = Rig()
    held(rig, side=Side.BUY, order_type=OrderType.LIMIT, price_ticks=PRICE, **terms)
    assert rig.orders[1].terms.time_in_force == TimeInForce.GTC
    rig.approve()
    rig.advance(10 * SECOND)
    assert rig.orders[1].is_cancel_asked
    rig.confirm_cancel(1)
    assert rig.last_status() == ParentState.EXPIRED


def test_a_wall_clock_that_was_set_back_makes_an_order_live_as_long_as_its_date() -> None:
    rig = Rig()
    held(
        rig,
        side=Side.SELL,
        order_type=OrderType.STOP,
        trigger_ticks=PRICE,
        time_in_force=TimeInForce.GTD,
        expire_ns=rig.now_wall_ns + 10 * SECOND,
    )
    rig.now_wall_ns -= 5 * SECOND
    rig.advance(10 * SECOND)
    assert rig.ends(1) == [OrderState.HELD]
    rig.advance(5 * SECOND)
    assert rig.ends(1)[-1] == OrderState.EXPIRED


def test_a_day_order_ends_with_the_session() -> None:
    rig = Rig()
    rig.parents.day_end_ns = 22 * 3600 * SECOND
    rig.now_wall_ns = 20_000 * DAY + 21 * 3600 * SECOND
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE, time_in_force=TimeInForce.DAY)
    rig.advance(3599 * SECOND)
    assert rig.ends(1) == [OrderState.HELD]
    rig.advance(SECOND)
    assert rig.ends(1)[-1] == OrderState.EXPIRED
    rig.now_wall_ns = 20_000 * DAY + 22 * 3600 * SECOND
    assert rig.parents.session_end_ns() == 20_001 * DAY + 22 * 3600 * SECOND


def test_a_part_is_shown_and_the_next_when_it_is_filled() -> None:
    rig = Rig()
    held(rig, side=Side.BUY, order_type=OrderType.LIMIT, price_ticks=PRICE, display_lots=4)
    shown = []
    while rig.asked():
        (order,) = rig.asked()
        shown.append(order.terms.qty_lots)
        rig.approve()
        rig.fill(order.handle, order.terms.qty_lots)
    assert shown == [4, 4, 2]
    assert rig.last_status() == ParentState.DONE
    assert rig.ends(1)[-1] == OrderState.FILLED
    assert rig.held[-1].filled_lots == 10


def test_a_displayed_order_that_is_cancelled_shows_no_more() -> None:
    rig = Rig()
    held(rig, side=Side.BUY, order_type=OrderType.LIMIT, price_ticks=PRICE, display_lots=4)
    (order,) = rig.asked()
    rig.approve()
    rig.fill(order.handle, 3)
    rig.parents.change(Change(handle=1, action="cancel"), 7)
    rig.confirm_cancel(order.handle)
    assert rig.ends(1)[-1] == OrderState.CANCELED
    assert rig.held[-1].filled_lots == 3
    assert not rig.asked()


@pytest.mark.parametrize("reason", sorted(PASSING_REASONS))
def test_a_later_part_that_is_refused_for_the_moment_waits_until_orders_pass(reason: Reason) -> None:
    rig = Rig()
    held(rig, side=Side.BUY, order_type=OrderType.LIMIT, price_ticks=PRICE, display_lots=4)
    (first,) = rig.asked()
    rig.approve()
    rig.is_valid = False
    rig.fill(first.handle, 4)
    (second,) = rig.asked()
    rig.refuse(second.handle, reason)
    rig.parents.on_tick()
    rig.advance(60 * SECOND)
    assert not rig.asked()
    assert rig.ends(1)[-1] == OrderState.HELD
    rig.is_valid = True
    rig.parents.on_tick()
    (third,) = rig.asked()
    assert third.terms.qty_lots == 4


def test_the_first_part_that_is_refused_refuses_the_order() -> None:
    rig = Rig()
    held(rig, side=Side.BUY, order_type=OrderType.LIMIT, price_ticks=PRICE, display_lots=4)
    (first,) = rig.asked()
    rig.refuse(first.handle, Reason.HALTED)
    assert rig.ends(1)[-1] == OrderState.REFUSED
    assert rig.last_status() == ParentState.REJECTED


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_part_that_waits_is_cancelled_and_killed_like_any_other(is_killed: bool) -> None:
    rig = Rig()
    held(rig, side=Side.BUY, order_type=OrderType.LIMIT, price_ticks=PRICE, display_lots=4)
    rig.approve()
    rig.fill(rig.open_orders()[0].handle, 4)
    rig.refuse(rig.asked()[0].handle, Reason.HALTED)
    if is_killed:
        rig.parents.sweep(is_kill=True)
    else:
        rig.parents.change(Change(handle=1, action="cancel"), 7)
    assert rig.ends(1)[-1] == OrderState.CANCELED
    rig.parents.on_tick()
    assert not rig.asked()


def test_close_position_takes_the_position_as_it_is_when_the_price_is_met() -> None:
    rig = Rig(position=10)
    flags = OrderFlag.CLOSE_POSITION
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE, flags=flags, qty_lots=0)
    rig.move_position(7)
    rig.others_working[Side.SELL] = 2
    rig.price(PRICE)
    assert rig.orders[1].terms.qty_lots == 17
    assert rig.orders[1].terms.flags == OrderFlag.REDUCE_ONLY


def test_close_position_of_nothing_ends_without_an_order() -> None:
    rig = Rig(position=0)
    flags = OrderFlag.CLOSE_POSITION
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE, flags=flags, qty_lots=0)
    rig.price(PRICE)
    assert not rig.orders
    assert rig.ends(1)[-1] == OrderState.CANCELED


def test_kill_ends_what_opens_and_leaves_held_what_closes() -> None:
    rig = Rig(position=10)
    terms = OrderTerms(side=Side.BUY, order_type=OrderType.STOP, qty_lots=1, trigger_ticks=PRICE)
    rig.begin(Held(instrument_id=INSTRUMENT, order=terms), handle=1)
    closing = OrderTerms(
        side=Side.SELL, order_type=OrderType.STOP, qty_lots=1, trigger_ticks=PRICE - 1, flags=OrderFlag.REDUCE_ONLY
    )
    rig.begin(Held(instrument_id=INSTRUMENT, order=closing), handle=2)
    rig.parents.sweep(is_kill=True)
    assert rig.ends(1)[-1] == OrderState.CANCELED
    assert rig.ends(2)[-1] == OrderState.HELD
    rig.price(PRICE - 1)
    assert list(rig.orders) == [2]


@pytest.mark.parametrize(
    "terms",
    [
        {"qty_lots": 0},
        {"order_type": OrderType.STOP},
        {"order_type": OrderType.LIMIT},
        {"order_type": OrderType.TRAILING_STOP},
        {"order_type": OrderType.LIMIT, "price_ticks": 1, "display_lots": 10},
        {"order_type": OrderType.STOP, "trigger_ticks": 1, "time_in_force": TimeInForce.GTD},
    ],
)
def test_an_order_that_makes_no_sense_ends_refused_at_once(terms: dict[str, int]) -> None:
    rig = Rig()
    held(rig, side=Side.SELL, **terms)
    assert rig.ends(1) == [OrderState.REFUSED]
    assert rig.last_status() == ParentState.REJECTED
    assert not rig.orders
    assert not rig.holding
