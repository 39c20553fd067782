"""Brackets and protection by the scenario: size, stop, targets, break-even, trailing, refusals, kill."""

from __future__ import annotations

import pytest

from engine.execution.exit_state import GROW_NS
from engine.execution.parent import MarketView
from engine.model.codes import (
    AlarmCode,
    NativeFeature,
    OrderFlag,
    OrderState,
    OrderType,
    ParentState,
    Reason,
    Side,
    TrailKind,
)
from engine.model.instructions import (
    AtrTrail,
    Bracket,
    BreakEven,
    Change,
    Distance,
    ExitPlan,
    OrderTerms,
    Placement,
    StopPlan,
    TargetPlan,
)
from tests.execution_rig import INSTRUMENT, PRICE, Rig
from tests.exit_plans import HALVES, STOP, bracket, protect, sells

SECOND = 1_000_000_000
NATIVE = (1 << OrderType.LIMIT) | (1 << OrderType.MARKET) | (1 << OrderType.STOP) | NativeFeature.CLOSE_POSITION


def ticks(amount: int) -> Distance:
    return Distance(unit=TrailKind.TICKS, amount=amount)


# --- brackets ---


def test_a_partly_filled_entry_is_protected_for_exactly_what_it_filled() -> None:
    rig = Rig()
    bracket(rig, ExitPlan(stop=STOP, targets=HALVES))
    rig.approve()
    rig.fill(10, 4)
    assert sells(rig) == [(PRICE + 50, 2), (PRICE + 90, 2)]
    rig.approve()
    rig.price(PRICE - 100)
    assert rig.orders[10].is_cancel_asked
    rig.confirm_cancels()
    assert sells(rig) == [(0, 4)]
    assert rig.asked()[0].terms.flags == OrderFlag.REDUCE_ONLY
    rig.approve()
    for order in rig.open_orders():
        rig.fill(order.handle, 4)
    assert rig.last_status() == ParentState.DONE
    assert rig.position == 0


def test_the_fill_may_be_told_before_the_order() -> None:
    rig = Rig()
    bracket(rig, ExitPlan(stop=STOP, targets=HALVES))
    rig.approve()
    rig.fill(10, 10, fill_first=True)
    assert sells(rig) == [(PRICE + 50, 5), (PRICE + 90, 5)]


def test_a_target_that_is_filled_leaves_the_stop_for_the_rest() -> None:
    rig = Rig()
    bracket(rig, ExitPlan(stop=STOP, targets=HALVES))
    rig.approve()
    rig.fill(10, 10)
    rig.approve()
    first = min(o.handle for o in rig.open_orders() if o.terms.price_ticks == PRICE + 50)
    rig.fill(first, 5)
    rig.price(PRICE - 100)
    rig.confirm_cancels()
    assert sells(rig) == [(0, 5)]


def test_a_cancel_of_the_entry_keeps_the_exits_of_what_was_filled() -> None:
    rig = Rig()
    bracket(rig, ExitPlan(stop=STOP))
    rig.approve()
    rig.fill(10, 3)
    rig.parents.change(Change(handle=10, action="cancel"), 7)
    rig.confirm_cancels()
    assert rig.last_status() == ParentState.WORKING
    rig.parents.change(Change(handle=1, action="cancel"), 7)
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 3)]


def test_a_person_ends_the_exits_too() -> None:
    rig = Rig()
    bracket(rig, ExitPlan(stop=STOP, targets=HALVES))
    rig.approve()
    rig.fill(10, 10)
    rig.approve()
    rig.parents.change(Change(handle=1, action="cancel"), 0)
    rig.confirm_cancels()
    assert rig.last_status() == ParentState.DONE
    assert rig.price(PRICE - 100) == 0


def test_an_entry_that_is_never_filled_leaves_nothing() -> None:
    rig = Rig()
    bracket(rig, ExitPlan(stop=STOP))
    rig.approve()
    rig.parents.change(Change(handle=1, action="cancel"), 7)
    rig.confirm_cancels()
    assert rig.last_status() == ParentState.CANCELED
    assert not rig.holding


def test_an_entry_filled_after_its_cancel_is_protected_all_the_same() -> None:
    rig = Rig()
    bracket(rig, ExitPlan(stop=STOP))
    rig.approve()
    rig.parents.change(Change(handle=1, action="cancel"), 7)
    rig.confirm_cancels()
    rig.orders[10].state = OrderState.UNKNOWN
    rig.fill(10, 10)
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 10)]


def test_a_held_entry_waits_for_its_price() -> None:
    rig = Rig()
    bracket(rig, ExitPlan(stop=STOP), order_type=OrderType.STOP, trigger_ticks=PRICE + 10, price_ticks=0)
    assert rig.ends(10) == [OrderState.HELD]
    rig.price(PRICE + 10)
    assert list(rig.orders) == [10]


def test_distances_count_from_the_average_entry_price() -> None:
    rig = Rig()
    plan = ExitPlan(
        stop=StopPlan(distance=Distance(unit=TrailKind.BPS, amount=100)), targets=(TargetPlan(distance=ticks(70)),)
    )
    bracket(rig, plan)
    rig.approve()
    rig.fill(10, 10, PRICE - 20)
    assert sells(rig) == [(PRICE + 50, 10)]
    rig.approve()
    assert rig.price(PRICE - 119) == 0
    assert rig.price(PRICE - 120) == 1


def test_a_position_closed_by_its_owner_ends_the_exits() -> None:
    rig = Rig()
    bracket(rig, ExitPlan(stop=STOP, targets=HALVES))
    rig.approve()
    rig.fill(10, 10)
    rig.approve()
    rig.move_position(-10, by_owner=True)
    rig.confirm_cancels()
    assert rig.last_status() == ParentState.DONE
    assert (sells(rig), rig.alarms) == ([], [])


@pytest.mark.parametrize("kind", [0, 1])
def test_two_brackets_never_close_more_than_the_position(kind: int) -> None:
    rig = Rig(kind=kind)
    first = OrderTerms(side=Side.BUY, qty_lots=10, price_ticks=PRICE, handle=10)
    second = OrderTerms(side=Side.BUY, qty_lots=10, price_ticks=PRICE, handle=20)
    rig.begin(Bracket(instrument_id=INSTRUMENT, entry=first, exits=ExitPlan(stop=STOP)), handle=1)
    rig.begin(Bracket(instrument_id=INSTRUMENT, entry=second, exits=ExitPlan(stop=STOP)), handle=2)
    rig.approve()
    rig.fill(10, 10)
    rig.fill(20, 10)
    rig.move_position(-8)
    rig.price(PRICE - 100)
    assert rig.closing_lots() == 12


# --- protection ---


def test_protection_is_as_large_as_the_position_whatever_changes_it() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50),)))
    assert sells(rig) == [(PRICE + 50, 10)]
    rig.approve()
    rig.move_position(5)
    rig.advance(GROW_NS)
    assert sells(rig) == [(PRICE + 50, 10)]  # its cancel is under way, and nothing is sent beside it
    rig.confirm_cancels()
    assert sells(rig) == [(PRICE + 50, 15)]
    rig.approve()
    rig.move_position(-9)
    rig.confirm_cancels()
    assert rig.closing_lots() <= rig.position
    rig.approve()
    assert sells(rig) == [(PRICE + 50, 6)]


def test_protection_of_nothing_is_refused() -> None:
    rig = Rig()
    protect(rig, ExitPlan(stop=STOP))
    assert rig.last_status() == ParentState.REJECTED


def test_a_strategy_cannot_take_protection_away_a_person_can() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP))
    rig.parents.change(Change(handle=1, action="cancel"), 7)
    assert rig.last_status() == ParentState.WORKING
    rig.parents.change(Change(handle=1, action="cancel"), 0)
    assert rig.last_status() == ParentState.CANCELED
    assert rig.price(1) == 0


def test_short_positions_are_closed_by_buying() -> None:
    rig = Rig(position=-10)
    protect(rig, ExitPlan(stop=StopPlan(distance=ticks(100)), targets=(TargetPlan(distance=ticks(50)),)))
    (target,) = rig.asked()
    assert (target.terms.side, target.terms.price_ticks) == (Side.BUY, PRICE - 50)
    rig.approve()
    rig.price(PRICE + 100)
    rig.confirm_cancels()
    (stop,) = rig.asked()
    assert (stop.terms.side, stop.terms.qty_lots) == (Side.BUY, 10)


def test_a_stop_that_is_filled_in_part_goes_on_with_the_rest() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP))
    rig.price(PRICE - 100)
    rig.approve()
    order = rig.open_orders()[0]
    rig.fill(order.handle, 4)
    rig.state(order, OrderState.EXPIRED)
    assert sells(rig) == [(0, 6)]


def test_the_stop_moves_to_break_even_and_only_up() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP, break_even=BreakEven(after=ticks(40), offset_ticks=5)))
    rig.price(PRICE + 39)
    assert rig.price(PRICE + 5) == 0
    assert rig.price(PRICE + 40) == 1
    assert rig.price(PRICE + 6) == 0
    assert rig.price(PRICE + 5) == 1
    assert sells(rig) == [(0, 10)]


def test_a_trailing_stop_keeps_its_way_when_the_plan_moves_it() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=StopPlan(trail=ticks(60)), break_even=BreakEven(after=ticks(200))))
    assert rig.price(PRICE - 59) == 0
    rig.price(PRICE + 300)
    assert rig.price(PRICE + 241) == 0
    assert rig.price(PRICE + 240) == 1


def test_an_activated_trail_has_its_first_stop_until_then() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=StopPlan(distance=ticks(100), trail=ticks(20), activation=ticks(50))))
    rig.price(PRICE + 49)
    assert rig.price(PRICE + 10) == 0
    rig.price(PRICE + 50)
    assert rig.price(PRICE + 31) == 0
    assert rig.price(PRICE + 30) == 1


def test_the_average_range_of_bars_is_the_trails_distance() -> None:
    rig = Rig(position=10)
    atr = AtrTrail(interval_ns=60 * SECOND, bars=3, multiple_e4=20_000)
    protect(rig, ExitPlan(stop=StopPlan(distance=ticks(500), atr=atr)))
    assert rig.listening
    minute = 60 * SECOND
    for number, prices in enumerate([(0, 10), (4, 14), (6, 16), (10,)]):
        for price in prices:
            rig.parents.on_market(
                MarketView(
                    instrument_id=INSTRUMENT,
                    is_valid=True,
                    trade_ticks=PRICE + price,
                    trade_lots=1,
                    event_ns=(1000 + number) * minute,
                )
            )
    # ranges 10, 10, 10: twice their mean is 20
    rig.price(PRICE + 30)
    assert rig.price(PRICE + 11) == 0
    assert rig.price(PRICE + 10) == 1


def test_a_refused_stop_is_tried_again_and_a_person_is_told_once() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP))
    rig.price(PRICE - 100)
    for _ in range(4):
        rig.refuse(max(rig.orders))
        rig.advance(5 * SECOND)
    assert [code for code, _ in rig.alarms] == [AlarmCode.PROTECTION_FAILED]
    rig.approve()
    assert sells(rig) == [(0, 10)]


def test_a_refused_target_never_makes_the_stop_wait() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50),)))
    rig.refuse(max(rig.orders), Reason.PRICE_COLLAR)
    assert not rig.asked()
    assert [code for code, _ in rig.alarms] == [AlarmCode.PARENT_FAILED]
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 10)]


def test_kill_leaves_the_stop_held_and_arm_lets_it_go_on() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP))
    rig.parents.sweep(is_kill=True)
    assert rig.told[-1].reason == Reason.HALTED
    assert rig.last_status() == ParentState.WORKING
    rig.price(PRICE - 100)
    rig.refuse(max(rig.orders), Reason.HALTED)
    assert not rig.asked()
    rig.parents.on_armed()
    assert sells(rig) == [(0, 10)]


def test_other_orders_that_hold_the_position_are_waited_for_and_told() -> None:
    rig = Rig(kind=0, position=10)
    rig.others_working[Side.SELL] = 10
    protect(rig, ExitPlan(stop=STOP))
    rig.price(PRICE - 100)
    assert not rig.asked()
    assert rig.alarms
    rig.others_working[Side.SELL] = 4
    rig.advance(SECOND)
    assert sells(rig) == [(0, 6)]


def test_a_spot_exit_is_no_larger_than_the_balance() -> None:
    rig = Rig(kind=0, position=10, balance_lots=9)
    protect(rig, ExitPlan(stop=STOP))
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 9)]


def test_exits_too_small_for_the_venue_wait_for_more() -> None:
    rig = Rig(kind=0, position=1, min_notional_e8=5 * PRICE * 10_000)
    protect(rig, ExitPlan(targets=(TargetPlan(price_ticks=PRICE),)))
    assert not rig.asked()
    rig.move_position(4)
    assert sells(rig) == [(PRICE, 5)]


def test_a_held_target_takes_at_the_market_when_its_price_is_met() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50, is_held=True, share_bps=3000),)))
    assert not rig.asked()
    rig.price(PRICE + 50)
    assert sells(rig) == [(0, 3)]


def test_another_plan_takes_the_old_targets_back() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50),)))
    rig.approve()
    plan = ExitPlan(stop=StopPlan(trigger_ticks=PRICE - 10), targets=(TargetPlan(price_ticks=PRICE + 60),))
    assert rig.parents.change(Change(handle=1, action="amend", exits=plan), 7) == Reason.NONE
    assert rig.closing_lots() <= 10
    rig.confirm_cancels()
    assert sells(rig) == [(PRICE + 60, 10)]
    assert rig.price(PRICE - 10) == 1


@pytest.mark.parametrize("placement", ["auto", "native"])
def test_a_native_stop_closes_the_position_and_the_engine_watches_until_it_rests(placement: Placement) -> None:
    rig = Rig(position=10, native_order_types=NATIVE)
    protect(rig, ExitPlan(stop=STOP, placement=placement))
    (native,) = rig.asked()
    assert (native.terms.order_type, native.terms.flags) == (OrderType.STOP, OrderFlag.CLOSE_POSITION)
    assert native.terms.trigger_ticks == PRICE - 100
    assert rig.table.count == 1
    rig.approve()
    assert rig.table.count == 0
    rig.state(native, OrderState.CANCELED)
    assert rig.table.count == 1


@pytest.mark.parametrize("placement", ["engine", "native"])
def test_the_size_of_a_protection_is_told_as_the_position_changes(placement: Placement) -> None:
    rig = Rig(position=20, native_order_types=NATIVE)
    protect(rig, ExitPlan(stop=STOP, placement=placement))
    rig.approve()
    for lots, whole in ((-15, 5), (7, 12)):
        rig.move_position(lots)
        assert rig.told[-1].qty_lots == whole


def test_a_native_stop_whose_fate_is_unknown_does_not_hold_the_engines_back() -> None:
    rig = Rig(position=10, native_order_types=NATIVE)
    protect(rig, ExitPlan(stop=STOP))
    (native,) = rig.asked()
    rig.state(native, OrderState.PENDING_NEW)
    rig.state(native, OrderState.UNKNOWN)
    rig.price(PRICE - 100)
    assert native.is_cancel_asked
    assert sells(rig)[-1] == (0, 10)  # the venue cuts both to the position: neither can turn it
    assert rig.asked()[0].terms.flags == OrderFlag.REDUCE_ONLY


def test_a_native_stop_at_break_even_is_moved_without_two_at_once() -> None:
    rig = Rig(position=10, native_order_types=NATIVE)
    even = BreakEven(after=ticks(40))
    protect(rig, ExitPlan(stop=STOP, placement="native", break_even=even))
    (old,) = rig.asked()
    rig.approve()
    rig.price(PRICE + 40)
    assert old.is_cancel_asked
    assert not rig.asked()
    assert rig.table.count == 1
    rig.confirm_cancels()
    (new,) = rig.asked()
    assert new.terms.trigger_ticks == PRICE


def test_break_even_never_loosens_a_stop() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=StopPlan(trigger_ticks=PRICE + 20), break_even=BreakEven(after=ticks(40))))
    rig.price(PRICE + 40)
    assert rig.price(PRICE + 21) == 0
    assert rig.price(PRICE + 20) == 1


def test_a_refused_take_profit_is_told_once_for_each_reason_and_shown() -> None:
    rig = Rig()
    bracket(rig, ExitPlan(targets=(TargetPlan(price_ticks=PRICE + 50),)))
    rig.approve()
    rig.fill(10, 10)
    for reason in (Reason.PRICE_COLLAR, Reason.PRICE_COLLAR, Reason.MESSAGE_RATE):
        [order] = rig.asked()
        rig.refuse(order.handle, reason)
        assert rig.told[-1].reason == reason
        rig.advance(10 * SECOND)
    assert rig.alarms == [
        (AlarmCode.PARENT_FAILED, "a take-profit is refused: PRICE_COLLAR"),
        (AlarmCode.PARENT_FAILED, "a take-profit is refused: MESSAGE_RATE"),
    ]
