"""A stop that has fired: it waits for nobody, and all that close together never turn the position."""

from __future__ import annotations

import pytest

from engine.execution.parent import Parent
from engine.model.codes import AlarmCode, OrderFlag, OrderState, ParentState, Reason, Side
from engine.model.instructions import Bracket, ExitPlan, OrderTerms, Protection, StopPlan, TargetPlan
from tests.execution_rig import INSTRUMENT, PRICE, Rig

SECOND = 1_000_000_000
STOP = StopPlan(trigger_ticks=PRICE - 100)
HALVES = (TargetPlan(price_ticks=PRICE + 50, share_bps=5000), TargetPlan(price_ticks=PRICE + 90, share_bps=5000))


def bracket(rig: Rig, exits: ExitPlan) -> Parent:
    entry = OrderTerms(side=Side.BUY, qty_lots=10, price_ticks=PRICE, handle=10)
    return rig.begin(Bracket(instrument_id=INSTRUMENT, entry=entry, exits=exits))


def protect(rig: Rig, exits: ExitPlan) -> Parent:
    return rig.begin(Protection(instrument_id=INSTRUMENT, exits=exits))


def sells(rig: Rig) -> list[tuple[int, int]]:
    """(price, leaves) of the exits that may still be filled."""
    return sorted(
        (o.terms.price_ticks, o.leaves_lots) for o in rig.orders.values() if o.terms.side == 1 and o.leaves_lots
    )


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
