"""Take-profits: one order each, gone when a person says so, back when the venue or the moment was to blame."""

from __future__ import annotations

import pytest

from engine.execution.exit_state import GROW_NS
from engine.model.codes import AlarmCode, Reason, Side
from engine.model.instructions import Change, ExitPlan, TargetPlan
from tests.execution_rig import PRICE, Rig
from tests.exit_plans import HALVES, STOP, bracket, protect, sells

SECOND = 1_000_000_000


@pytest.mark.parametrize("kind", [0, 1])
def test_a_target_is_one_order_however_many_fills_it_is_for(kind: int) -> None:
    rig = Rig(kind=kind, position=1)
    protect(rig, ExitPlan(targets=(TargetPlan(price_ticks=PRICE),)))
    for _ in range(40):
        rig.approve()
        rig.move_position(1)
        rig.advance(10_000_000)
        rig.confirm_cancels()
        assert len(sells(rig)) <= 1
        assert rig.closing_lots() <= rig.position
    rig.advance(GROW_NS)
    rig.confirm_cancels()
    rig.approve()
    assert sells(rig) == [(PRICE, 41)]
    assert len(rig.orders) <= 4  # forty fills in 0.4 s


def test_a_target_does_not_grow_where_others_hold_the_rest() -> None:
    rig = Rig(position=6)
    protect(rig, ExitPlan(targets=(TargetPlan(price_ticks=PRICE),)))
    rig.approve()
    rig.others_working[Side.SELL] = 4
    rig.move_position(4)
    rig.advance(10 * SECOND)
    assert sells(rig) == [(PRICE, 6)]
    assert len(rig.orders) == 1


@pytest.mark.parametrize("strategy_id", [0, 7])
def test_a_take_profit_that_a_person_cancels_stays_away_and_the_stop_covers_all(strategy_id: int) -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP, targets=HALVES))
    rig.approve()
    first = next(order for order in rig.open_orders() if order.terms.price_ticks == PRICE + 50)
    assert rig.parents.change(Change(handle=first.handle, action="cancel"), strategy_id) == Reason.NONE
    rig.confirm_cancels()
    rig.advance(60 * SECOND)
    assert sells(rig) == [(PRICE + 90, 5)]
    assert [code for code, _ in rig.alarms] == [AlarmCode.PARENT_FAILED]
    rig.crash()
    rig.advance(60 * SECOND)
    assert sells(rig) == [(PRICE + 90, 5)]
    rig.price(PRICE - 100)
    assert (0, 10) in sells(rig)


@pytest.mark.parametrize("strategy_id", [0, 7])
def test_a_brackets_take_profit_that_a_person_cancels_stays_away(strategy_id: int) -> None:
    rig = Rig()
    bracket(rig, ExitPlan(stop=STOP, targets=HALVES))
    rig.approve()
    rig.fill(10, 10)
    rig.approve()
    target = max(rig.open_orders(), key=lambda order: order.terms.price_ticks)
    assert rig.parents.change(Change(handle=target.handle, action="cancel"), strategy_id) == Reason.NONE
    rig.confirm_cancels()
    rig.advance(60 * SECOND)
    assert sells(rig) == [(PRICE + 50, 5)]


def test_a_take_profit_that_the_venue_cancels_comes_back_later_each_time_and_not_for_ever() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50),)))
    waits = []
    for _ in range(5):
        rig.approve()
        rig.confirm_cancel(max(rig.orders))
        begun = rig.now_mono_ns
        assert not rig.asked()
        while not rig.asked():
            rig.advance(SECOND // 10)
        waits.append((rig.now_mono_ns - begun) // SECOND)
    assert waits == [1, 2, 4, 8, 16]
    rig.approve()
    rig.confirm_cancel(max(rig.orders))
    rig.advance(600 * SECOND)
    assert sells(rig) == []
    assert [code for code, _ in rig.alarms] == [AlarmCode.PARENT_FAILED]
    rig.price(PRICE - 100)
    assert sells(rig) == [(0, 10)]


@pytest.mark.parametrize("reason", [Reason.BOOK_INVALID, Reason.STALE, Reason.SESSION_DOWN, Reason.HALTED])
def test_what_is_refused_for_the_moments_sake_goes_out_when_the_moment_has_passed(reason: Reason) -> None:
    rig = Rig(position=10, is_valid=False)
    protect(rig, ExitPlan(stop=STOP, targets=(TargetPlan(price_ticks=PRICE + 50),)))
    rig.refuse(max(rig.orders), reason)
    rig.parents.on_tick()
    assert not rig.asked()
    assert not rig.alarms  # as at every restart: the book comes a moment after the account
    rig.is_valid = True
    rig.parents.on_tick()
    assert sells(rig) == [(PRICE + 50, 10)]
    for _ in range(20):  # and nothing spins where the gate goes on refusing
        for order in rig.asked():
            rig.refuse(order.handle, reason)
        rig.parents.on_tick()
    assert len(rig.orders) <= 3


def test_a_fired_stop_that_is_refused_for_the_moments_sake_goes_out_when_it_has_passed() -> None:
    rig = Rig(position=10)
    protect(rig, ExitPlan(stop=STOP))
    rig.price(PRICE - 100)
    for _ in range(6):  # the next try would be seconds away
        rig.refuse(max(rig.orders), Reason.BOOK_INVALID)
        rig.advance(5 * SECOND)
    rig.refuse(max(rig.orders), Reason.BOOK_INVALID)
    rig.parents.on_tick()
    assert sells(rig) == [(0, 10)]
