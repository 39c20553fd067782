"""What fees leave over can never be closed: it ends the instruction, and is not tried for ever."""

from __future__ import annotations

import pytest

from engine.model.codes import AlarmCode, ParentState, Reason, Side
from engine.model.instructions import Bracket, ExitPlan, OrderTerms, Protection, StopPlan, TargetPlan
from tests.execution_rig import INSTRUMENT, PRICE, Rig

SECOND = 1_000_000_000
EXITS = ExitPlan(stop=StopPlan(trigger_ticks=PRICE - 100), targets=(TargetPlan(price_ticks=PRICE + 50),))
# 10 lots of 0.01 at 100.00 are worth 10
NOTIONAL_E8 = 5 * 10**8


def begin(rig: Rig, kind: str, exits: ExitPlan = EXITS) -> None:
    """Ten lots are there, and are protected."""
    if kind == "protection":
        rig.position = 10
        rig.begin(Protection(instrument_id=INSTRUMENT, exits=exits))
        return
    entry = OrderTerms(side=Side.BUY, qty_lots=10, price_ticks=PRICE, handle=10)
    rig.begin(Bracket(instrument_id=INSTRUMENT, entry=entry, exits=exits))
    rig.approve()
    rig.fill(10, 10)


@pytest.mark.parametrize("kind", ["bracket", "protection"])
@pytest.mark.parametrize("balance_lots", [8, 10])
def test_what_is_less_than_the_venue_takes_ends_it_done(kind: str, balance_lots: int) -> None:
    rig = Rig(kind=0, market_ticks=PRICE, min_notional_e8=NOTIONAL_E8, balance_lots=balance_lots)
    begin(rig, kind)
    rig.approve()
    [target] = [order for order in rig.open_orders() if order.terms.side == Side.SELL]
    assert target.terms.qty_lots == balance_lots
    rig.balance_lots = balance_lots - 7
    rig.fill(target.handle, 7)
    rig.confirm_cancel(target.handle)
    rig.advance(60 * SECOND)
    assert (rig.last_status(), rig.told[-1].reason) == (ParentState.DONE, Reason.QTY_BELOW_MIN)
    assert not rig.timers
    assert not rig.alarms


@pytest.mark.parametrize("kind", ["bracket", "protection"])
def test_a_stop_that_fired_is_over_when_the_balance_is_gone(kind: str) -> None:
    rig = Rig(kind=0, market_ticks=PRICE, balance_lots=9)
    begin(rig, kind, ExitPlan(stop=EXITS.stop))
    rig.price(PRICE - 100)
    rig.approve()
    [order] = [order for order in rig.open_orders() if order.terms.side == Side.SELL]
    rig.balance_lots = 0
    rig.fill(order.handle, 9)
    rig.advance(60 * SECOND)
    assert rig.last_status() == ParentState.DONE
    assert not rig.timers
    assert not rig.alarms


def test_a_balance_that_is_told_after_the_fill_is_waited_for_and_the_stop_stands_meanwhile() -> None:
    rig = Rig(kind=0, market_ticks=PRICE, balance_lots=0)
    begin(rig, "bracket", ExitPlan(stop=EXITS.stop))
    rig.advance(SECOND)
    rig.balance_lots = 10
    assert rig.price(PRICE - 100) == 1
    assert [order.terms.qty_lots for order in rig.asked()] == [10]
    rig.advance(60 * SECOND)
    assert rig.last_status() == ParentState.WORKING


def test_what_other_orders_hold_is_no_dust() -> None:
    rig = Rig(kind=0, market_ticks=PRICE)
    rig.others_working[Side.SELL] = 10
    begin(rig, "protection", ExitPlan(stop=EXITS.stop))
    rig.price(PRICE - 100)
    rig.advance(60 * SECOND)
    assert rig.last_status() == ParentState.WORKING
    assert [code for code, _ in rig.alarms] == [AlarmCode.PROTECTION_FAILED]
