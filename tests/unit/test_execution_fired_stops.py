"""A stop that has fired: it waits for nobody, and all that close together never turn the position."""

from __future__ import annotations

import pytest

from engine.model.codes import AlarmCode, Contingency, OrderFlag, OrderState, OrderType, ParentState, Reason, Side
from engine.model.instructions import (
    Change,
    ExitPlan,
    Held,
    OrderList,
    OrderTerms,
    Protection,
    StopPlan,
    TargetPlan,
)
from tests.execution_rig import INSTRUMENT, PRICE, Rig
from tests.exit_plans import STOP, bracket, protect, sells

SECOND = 1_000_000_000


def test_on_futures_a_fired_stop_goes_out_whole_beside_whatever_rests() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50, share_bps=4000),)))
    rig.approve()
    rig.others_working[Side.SELL] = 6
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 10), (PRICE + 50, 4)]
    assert rig.asked()[0].terms.flags == OrderFlag.REDUCE_ONLY
    assert not rig.alarms
    rig.approve()
    rig.confirm_cancels()
    assert sells(rig) == [(0, 10)]


def test_on_futures_not_even_an_unknown_target_holds_the_stop_back() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50),)))
    rig.approve()
    rig.state(rig.open_orders()[0], OrderState.UNKNOWN)
    rig.price(PRICE - 100)
    assert (0, 10) in sells(rig)


def test_two_stops_of_one_position_together_are_no_larger_than_it() -> None:
    rig = Rig(position=10)
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=ExitPlan(stop=STOP)), 1)
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=ExitPlan(stop=STOP)), 2)
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 10)]
    rig.approve()
    rig.advance(SECOND)
    assert sells(rig) == [(0, 10)]
    rig.fill(max(rig.orders), 10)
    assert rig.last_status(1) == rig.last_status(2) == ParentState.DONE


def test_a_brackets_stop_never_closes_what_another_bracket_opened() -> None:
    rig = Rig(position=10)
    bracket(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50),)))
    rig.approve()
    rig.fill(10, 10)
    rig.approve()
    rig.price(PRICE - 100)
    assert sells(rig) == [(PRICE + 50, 10)]  # twenty are open: the venue would cut neither
    rig.confirm_cancels()
    assert sells(rig) == [(0, 10)]


@pytest.mark.parametrize("reason", [Reason.SHORT_BANNED, Reason.POSITION_LIMIT, Reason.REDUCING_ONLY])
def test_a_stop_that_is_refused_beside_other_orders_takes_them_back(reason: Reason) -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP))
    rig.add_stranger(901, 4, PRICE + 70)
    rig.price(PRICE - 100)
    rig.refuse(max(rig.orders), reason)
    assert sells(rig) == [(0, 6)]  # what nothing else closes goes out in the same turn
    assert rig.strangers_asked == [901]
    rig.approve()
    rig.end_stranger(901)
    assert sells(rig) == [(0, 4), (0, 6)]


def test_on_spot_what_the_targets_do_not_hold_goes_out_at_once() -> None:
    rig = Rig(kind=0, position=10)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50, share_bps=4000),)))
    rig.approve()
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 6), (PRICE + 50, 4)]
    rig.approve()
    rig.confirm_cancels()
    assert sells(rig) == [(0, 4), (0, 6)]


def test_on_spot_a_fired_stop_takes_back_resting_orders_and_each_part_goes_as_it_is_free() -> None:
    rig = Rig(kind=0, position=10)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50, share_bps=2000),)))
    rig.approve()
    rig.add_stranger(901, 3, PRICE + 70)
    rig.add_stranger(902, 3, PRICE + 90)
    rig.add_stranger(903, 2, PRICE + 60, strategy_id=7)  # the strategy's whose stop it is
    rig.price(PRICE - 100)
    assert sells(rig) == [(PRICE + 50, 2)]
    assert [code for code, _ in rig.alarms] == [AlarmCode.PROTECTION_FAILED]
    assert rig.strangers_asked == [903, 902, 901]
    rig.end_stranger(902)
    assert sells(rig) == [(0, 3), (PRICE + 50, 2)]
    rig.confirm_cancels()
    assert sells(rig) == [(0, 2), (0, 3)]
    rig.approve()
    rig.end_stranger(901)
    rig.end_stranger(903)
    assert sorted(sells(rig)) == [(0, 2), (0, 2), (0, 3), (0, 3)]
    assert len(rig.alarms) == 1


def test_on_spot_no_more_orders_are_taken_back_than_the_stop_needs() -> None:
    rig = Rig(kind=0, position=10)
    rig.add_stranger(901, 3, PRICE + 70)
    rig.add_stranger(902, 3, PRICE + 90)
    rig.balance_lots = 13
    protect(rig, ExitPlan(stop=StopPlan(trigger_ticks=PRICE - 100)))
    rig.move_position(-3)
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 1)]
    assert rig.strangers_asked == [902, 901]


def test_a_stop_that_has_fired_takes_no_other_fired_stop_back() -> None:
    rig = Rig(kind=0, position=10)
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=ExitPlan(stop=StopPlan(trigger_ticks=PRICE - 90))), 1)
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=ExitPlan(stop=STOP)), 2)
    rig.price(PRICE - 100)
    rig.approve()
    rig.advance(SECOND)
    assert sells(rig) == [(0, 10)]
    assert not [order for order in rig.orders.values() if order.is_cancel_asked]


def test_a_fired_stop_limit_is_not_taken_back_by_another() -> None:
    rig = Rig(kind=0, position=10)
    limited = StopPlan(trigger_ticks=PRICE - 90, limit_offset_ticks=20)
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=ExitPlan(stop=limited)), 1)
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=ExitPlan(stop=STOP)), 2)
    rig.price(PRICE - 90)
    rig.approve()
    rig.price(PRICE - 100)
    rig.advance(SECOND)
    assert sells(rig) == [(PRICE - 110, 10)]
    assert not [order for order in rig.orders.values() if order.is_cancel_asked]


def test_on_spot_an_unknown_target_counts_in_full() -> None:
    rig = Rig(kind=0, position=10)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50),)))
    rig.approve()
    (target,) = rig.open_orders()
    rig.state(target, OrderState.UNKNOWN)
    rig.price(PRICE - 100)
    assert not rig.asked()
    rig.state(target, OrderState.ABSENT)
    assert sells(rig) == [(0, 10)]


def let_through(rig: Rig, most_lots: int) -> None:
    """A gate that takes no order larger than that, and a venue that fills what passes."""
    for order in rig.asked():
        if order.terms.qty_lots > most_lots:
            rig.refuse(order.handle, Reason.QTY_ABOVE_MAX)
        else:
            rig.approve(order.handle)
            rig.fill(order.handle, order.leaves_lots)


@pytest.mark.parametrize("kind", [0, 1])
def test_a_position_larger_than_one_order_may_be_is_closed_in_pieces_at_once(kind: int) -> None:
    rig = Rig(kind=kind, position=100)
    rig.add_stranger(901, 4, PRICE + 90) if kind else None
    protect(rig, ExitPlan(stop=STOP))
    rig.price(PRICE - 100)
    for _ in range(30):
        let_through(rig, 15)
        assert rig.closing_lots() <= rig.position
    assert rig.position == 0
    assert not rig.strangers_asked
    assert rig.last_status() == ParentState.DONE


# --- held orders ---


@pytest.mark.parametrize("kind", [0, 1])
def test_a_held_stop_larger_than_one_order_may_be_goes_out_in_pieces(kind: int) -> None:
    rig = Rig(kind=kind, position=100)
    held(rig, qty_lots=100)
    rig.price(PRICE - 100)
    for _ in range(30):
        let_through(rig, 15)
    assert rig.position == 0
    assert rig.ends(1)[-1] == OrderState.FILLED
    assert rig.last_status() == ParentState.DONE


def test_a_displayed_order_that_only_closes_waits_for_its_room() -> None:
    rig = Rig(kind=0, position=10)
    rig.add_stranger(901, 10, PRICE + 90)
    held(rig, order_type=OrderType.LIMIT, price_ticks=PRICE, trigger_ticks=0, display_lots=4)
    assert not rig.asked()
    rig.end_stranger(901)
    assert sells(rig) == [(PRICE, 4)]


def held(rig: Rig, **terms: int) -> None:
    fields = {"side": Side.SELL, "qty_lots": 10, "order_type": OrderType.STOP, "trigger_ticks": PRICE - 100}
    rig.begin(Held(instrument_id=INSTRUMENT, order=OrderTerms(**(fields | {"flags": OrderFlag.REDUCE_ONLY} | terms))))


def test_a_held_stop_goes_out_in_parts_as_what_holds_it_is_taken_back() -> None:
    rig = Rig(kind=0, position=10)
    held(rig)
    rig.add_stranger(901, 4, PRICE + 90)
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 6)]
    assert rig.strangers_asked == [901]
    rig.approve()
    rig.end_stranger(901)
    assert sells(rig) == [(0, 4), (0, 6)]
    rig.approve()
    for order in rig.open_orders():
        rig.fill(order.handle, order.leaves_lots)
    assert rig.ends(1)[-1] == OrderState.FILLED
    assert rig.held[-1].filled_lots == 10
    assert rig.last_status() == ParentState.DONE
    assert not rig.timers


def test_a_held_stop_that_nothing_holds_is_one_order_under_its_own_handle() -> None:
    for kind in (0, 1):
        rig = Rig(kind=kind, position=10)
        held(rig)
        rig.price(PRICE - 100)
        assert rig.orders[1].terms.qty_lots == 10


def test_on_futures_a_held_stop_goes_out_whole_beside_whatever_rests() -> None:
    rig = Rig(position=10)
    held(rig)
    rig.add_stranger(901, 10, PRICE + 90)
    rig.price(PRICE - 100)
    assert rig.orders[1].terms.qty_lots == 10
    assert not rig.strangers_asked


def test_a_held_stop_that_is_refused_beside_other_orders_goes_out_in_parts() -> None:
    rig = Rig(position=10)
    held(rig)
    rig.add_stranger(901, 7, PRICE + 90)
    rig.price(PRICE - 100)
    rig.refuse(1, Reason.SHORT_BANNED)
    assert sells(rig) == [(0, 3)]
    assert rig.strangers_asked == [901]
    rig.end_stranger(901)
    assert sells(rig) == [(0, 3), (0, 7)]


def test_what_is_larger_than_the_position_goes_out_for_the_position_and_ends_with_it() -> None:
    rig = Rig(position=6)
    held(rig)
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 6)]
    rig.approve()
    rig.fill(max(rig.orders), 6)
    rig.advance(5 * SECOND)
    assert rig.ends(1)[-1] == OrderState.CANCELED
    assert rig.held[-1].filled_lots == 6
    assert not rig.asked()


def test_a_held_take_profit_waits_for_its_turn_and_takes_nothing_back() -> None:
    rig = Rig(kind=0, position=10)
    held(rig, order_type=OrderType.MARKET_IF_TOUCHED, trigger_ticks=PRICE + 50)
    rig.add_stranger(901, 4, PRICE + 90)
    rig.price(PRICE + 50)
    assert sells(rig) == [(0, 6)]
    assert not rig.strangers_asked
    rig.end_stranger(901)
    assert sells(rig) == [(0, 4), (0, 6)]


def test_parts_survive_a_crash_and_no_more_is_sent_than_is_left() -> None:
    rig = Rig(kind=0, position=10)
    held(rig)
    rig.add_stranger(901, 4, PRICE + 90)
    rig.price(PRICE - 100)
    rig.approve()
    rig.crash()
    assert sells(rig) == [(0, 6)]
    rig.end_stranger(901)
    rig.advance(5 * SECOND)
    assert sells(rig) == [(0, 4), (0, 6)]


def test_a_cancel_of_a_stop_in_parts_ends_every_part() -> None:
    rig = Rig(kind=0, position=10)
    held(rig)
    rig.add_stranger(901, 4, PRICE + 90)
    rig.price(PRICE - 100)
    rig.approve()
    rig.parents.change(Change(handle=1, action="cancel"), 0)
    rig.confirm_cancels()
    rig.end_stranger(901)
    rig.advance(5 * SECOND)
    assert sells(rig) == []
    assert rig.ends(1)[-1] == OrderState.CANCELED


# --- lists ---


def test_a_lists_stop_takes_back_what_holds_it() -> None:
    rig = Rig(kind=0, position=10)
    common = {"side": Side.SELL, "qty_lots": 10, "flags": OrderFlag.REDUCE_ONLY}
    high = OrderTerms(
        order_type=OrderType.LIMIT_IF_TOUCHED, price_ticks=PRICE + 50, trigger_ticks=PRICE + 50, handle=11, **common
    )
    stop = OrderTerms(order_type=OrderType.STOP, trigger_ticks=PRICE - 100, handle=12, **common)
    rig.begin(OrderList(instrument_id=INSTRUMENT, contingency=Contingency.OCO, orders=(high, stop)))
    rig.add_stranger(901, 4, PRICE + 90)
    rig.price(PRICE - 100)
    rig.refuse(12, Reason.REDUCING_ONLY)
    assert rig.strangers_asked == [901]
    assert sells(rig) == [(0, 6)]  # what nothing else closes goes out in the same turn
    rig.end_stranger(901)
    rig.approve(12)
    rig.fill(12, 6)
    assert sells(rig) == [(0, 4)]
    rig.approve()
    rig.fill(max(rig.orders), 4)
    assert rig.last_status() == ParentState.DONE
