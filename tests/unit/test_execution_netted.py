"""A bracket in an account that nets, whose position others trade away: it waits, and guards what comes back."""

from __future__ import annotations

import pytest

from engine.model.codes import AlarmCode, OrderType, ParentState, Side
from engine.model.instructions import Bracket, ExitPlan, OrderTerms
from tests.execution_rig import INSTRUMENT, PRICE, Rig
from tests.exit_plans import HALVES, STOP

SECOND = 1_000_000_000


def sold(rig: Rig) -> int:
    """Lots of the exits that may still be filled."""
    return rig.closing_lots()


def open_bracket() -> Rig:
    """10 long, a stop and two take-profits."""
    rig = Rig()
    entry = OrderTerms(side=Side.BUY, qty_lots=10, price_ticks=PRICE, handle=10)
    rig.begin(Bracket(instrument_id=INSTRUMENT, entry=entry, exits=ExitPlan(stop=STOP, targets=HALVES)))
    rig.approve()
    rig.fill(10, 10)
    rig.approve()
    return rig


@pytest.mark.parametrize("others_lots", [-10, -13])
def test_a_position_that_others_trade_away_and_back_is_guarded_again(others_lots: int) -> None:
    """In an account that nets: another's sale hides what the bracket's owner still has open."""
    rig = open_bracket()
    rig.move_position(others_lots)
    rig.confirm_cancels()
    assert rig.last_status() == ParentState.WORKING
    assert (sold(rig), rig.parents.watches) == (0, {})
    assert rig.price(STOP.trigger_ticks) == 0
    rig.advance(60 * SECOND)
    rig.move_position(-others_lots - 4)
    rig.approve()
    assert sold(rig) == 6
    rig.move_position(4)
    rig.advance(SECOND)
    rig.confirm_cancels()
    rig.approve()
    assert sold(rig) == 10
    assert rig.price(STOP.trigger_ticks) == 1
    assert [code for code, _ in rig.alarms] == [AlarmCode.PARENT_FAILED]  # told once, also where it is turned


def test_what_was_traded_away_is_sold_at_once_where_it_comes_back_beyond_the_stop() -> None:
    rig = open_bracket()
    rig.move_position(-10)
    rig.confirm_cancels()
    rig.crash()
    rig.move_position(10)
    assert rig.price(STOP.trigger_ticks - 5) == 1
    rig.approve()
    assert [order.terms.qty_lots for order in rig.open_orders() if order.terms.order_type == OrderType.MARKET] == [10]


@pytest.mark.parametrize("by_person", [True, False])
def test_a_bracket_whose_position_was_traded_away_ends_by_a_cancel_of_whomever(by_person: bool) -> None:
    rig = open_bracket()
    rig.move_position(-10)
    rig.confirm_cancels()
    parent = rig.parents.find(1)
    assert parent is not None
    rig.parents.run(parent, lambda: parent.cancel_by(by_person=by_person))
    assert rig.last_status() == ParentState.DONE


def test_a_flatten_ends_a_bracket_with_its_position() -> None:
    rig = open_bracket()
    rig.parents.sweep(is_kill=False)
    rig.confirm_cancels()
    rig.move_position(-10)
    rig.confirm_cancels()
    assert rig.last_status() == ParentState.DONE
    assert (sold(rig), rig.alarms) == (0, [])
