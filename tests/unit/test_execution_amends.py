"""Brackets and protections given other numbers: the entry, one take-profit, the stop, a part of the plan."""

from __future__ import annotations

import pytest

from engine.execution.bracket import BracketParent
from engine.model.codes import AlarmCode, OrderType, ParentState, Reason, Side, TimeInForce
from engine.model.instructions import Bracket, Change, ExitPlan, OrderTerms, Protection, StopPlan, TargetPlan
from tests.execution_rig import INSTRUMENT, PRICE, Order, Rig

SECOND = 1_000_000_000
STOP = StopPlan(trigger_ticks=PRICE - 500)
TARGETS = (TargetPlan(price_ticks=PRICE + 100, share_bps=5000), TargetPlan(price_ticks=PRICE + 200, share_bps=5000))
PLAN = ExitPlan(stop=STOP, targets=TARGETS)


def bracket(rig: Rig, **terms: int) -> BracketParent:
    """An entry that works at the venue."""
    words = {
        "side": Side.BUY,
        "qty_lots": 10,
        "order_type": OrderType.LIMIT,
        "price_ticks": PRICE,
        "handle": 2,
        **terms,
    }
    parent = rig.begin(Bracket(instrument_id=INSTRUMENT, entry=OrderTerms(**words), exits=PLAN))
    assert isinstance(parent, BracketParent)
    rig.approve()
    return parent


def amend(rig: Rig, handle: int, **numbers: int) -> int:
    return rig.parents.change(Change(handle=handle, action="amend", **numbers), 0)  # type: ignore[arg-type]


def exits(rig: Rig, **parts: object) -> int:
    plan = ExitPlan(**{"stop": STOP, "targets": TARGETS, **parts})  # type: ignore[arg-type]
    return rig.parents.change(Change(handle=1, action="amend", exits=plan), 0)


def sales(rig: Rig) -> list[tuple[int, int]]:
    """Price and size of what rests or is asked for on the closing side."""
    rows: list[Order] = [*rig.open_orders(), *rig.asked()]
    return sorted((row.terms.price_ticks, row.leaves_lots) for row in rows if row.terms.side == Side.SELL)


def settle(rig: Rig) -> None:
    """Every cancel and every order is confirmed."""
    for _ in range(3):
        rig.confirm_cancels()
        rig.approve()


@pytest.mark.parametrize("numbers", [{"price_ticks": PRICE - 20}, {"qty_lots": 6}, {"qty_lots": 20}])
def test_an_entry_at_the_venue_is_amended_and_what_it_filled_stays_protected(numbers: dict[str, int]) -> None:
    rig = Rig()
    bracket(rig)
    rig.fill(2, 4)
    rig.approve()
    assert amend(rig, 2, **numbers) == Reason.NONE
    assert rig.orders[2].is_cancel_asked
    rig.confirm_cancel(2)
    (entry,) = (order for order in rig.asked() if order.terms.side == Side.BUY)
    assert entry.terms.price_ticks == numbers.get("price_ticks", PRICE)
    assert entry.terms.qty_lots == numbers.get("qty_lots", 10) - 4
    settle(rig)
    assert sales(rig) == [(PRICE + 100, 2), (PRICE + 200, 2)]
    assert amend(rig, 2, price_ticks=PRICE - 30) == Reason.NONE  # by the handle that it was given first, too
    rig.confirm_cancel(entry.handle)
    (entry,) = (order for order in rig.asked() if order.terms.side == Side.BUY)
    rig.approve()
    rig.fill(entry.handle, entry.terms.qty_lots)
    rig.advance(SECOND)
    settle(rig)
    assert sum(lots for _, lots in sales(rig)) == numbers.get("qty_lots", 10)
    assert rig.last_status() == ParentState.WORKING


def test_an_amended_entry_keeps_its_date_and_is_cancelled_by_its_first_handle() -> None:
    for way in ("date", "cancel"):
        rig = Rig()
        bracket(rig, time_in_force=TimeInForce.GTD, expire_ns=rig.now_wall_ns + 10 * SECOND)
        assert amend(rig, 2, price_ticks=PRICE - 20) == Reason.NONE
        settle(rig)
        (entry,) = rig.open_orders()
        if way == "date":
            rig.advance(10 * SECOND)
        else:
            assert rig.parents.change(Change(handle=2, action="cancel"), 7) == Reason.NONE
        assert entry.is_cancel_asked
        rig.confirm_cancel(entry.handle)
        assert not rig.asked()
        assert rig.last_status() == (ParentState.EXPIRED if way == "date" else ParentState.CANCELED)


def test_a_cancel_amid_an_amendment_ends_the_entry() -> None:
    rig = Rig()
    bracket(rig)
    assert amend(rig, 2, price_ticks=PRICE - 20) == Reason.NONE
    assert rig.parents.change(Change(handle=1, action="cancel"), 7) == Reason.NONE
    rig.confirm_cancel(2)
    assert not rig.asked()
    assert rig.last_status() == ParentState.CANCELED


def test_an_amended_entry_that_is_refused_goes_out_with_its_old_numbers() -> None:
    rig = Rig()
    bracket(rig)
    assert amend(rig, 2, price_ticks=PRICE + 90) == Reason.NONE
    rig.confirm_cancel(2)
    (entry,) = rig.asked()
    rig.refuse(entry.handle, Reason.PRICE_COLLAR)
    (entry,) = rig.asked()
    assert (entry.terms.price_ticks, entry.terms.qty_lots) == (PRICE, 10)
    assert [code for code, _ in rig.alarms] == [AlarmCode.PARENT_FAILED]
    rig.approve()
    assert rig.last_status() == ParentState.WORKING


def test_what_would_close_at_once_or_is_filled_already_is_refused_and_leaves_the_entry_where_it_is() -> None:
    rig = Rig()
    bracket(rig)
    rig.fill(2, 4)
    assert amend(rig, 2, price_ticks=PRICE - 600) == Reason.TRIGGERED_AT_ONCE  # beyond its stop
    assert amend(rig, 2, qty_lots=4) == Reason.QTY_BELOW_MIN
    assert amend(rig, 2, trigger_ticks=PRICE) == Reason.UNSUPPORTED
    rig.is_valid = False
    assert amend(rig, 2, price_ticks=PRICE - 1) == Reason.BOOK_INVALID
    assert not rig.orders[2].is_cancel_asked


@pytest.mark.parametrize("moment", ["asked", "sent", "rests"])
def test_a_restart_amid_an_amendment_sends_the_rest_of_the_entry_once(moment: str) -> None:
    rig = Rig()
    bracket(rig)
    rig.fill(2, 4)
    settle(rig)
    assert amend(rig, 2, price_ticks=PRICE - 20) == Reason.NONE
    if moment != "asked":
        rig.confirm_cancel(2)
    if moment == "rests":
        rig.approve()
    rig.crash()
    settle(rig)
    entries = [order for order in rig.open_orders() if order.terms.side == Side.BUY]
    assert [(order.terms.price_ticks, order.leaves_lots) for order in entries] == [(PRICE - 20, 6)]


def filled(rig: Rig) -> dict[int, int]:
    """A bracket whose entry is filled: its take-profits, handle by price."""
    bracket(rig)
    rig.fill(2, 10)
    settle(rig)
    return {order.terms.price_ticks: order.handle for order in rig.open_orders()}


def test_one_take_profit_is_moved_by_its_handle_and_nothing_else() -> None:
    rig = Rig(market_ticks=PRICE)
    targets = filled(rig)
    assert amend(rig, targets[PRICE + 100], price_ticks=PRICE + 150) == Reason.NONE
    assert not rig.orders[targets[PRICE + 200]].is_cancel_asked
    assert not rig.asked()
    settle(rig)
    assert sales(rig) == [(PRICE + 150, 5), (PRICE + 200, 5)]
    assert amend(rig, targets[PRICE + 200], price_ticks=PRICE - 50) == Reason.TRIGGERED_AT_ONCE
    assert amend(rig, targets[PRICE + 200], qty_lots=3) == Reason.UNSUPPORTED
    rig.crash()
    settle(rig)
    assert sales(rig) == [(PRICE + 150, 5), (PRICE + 200, 5)]
    assert rig.price(PRICE - 500) == 1


def test_the_stop_is_moved_either_way_and_takes_no_take_profit_back() -> None:
    rig = Rig(market_ticks=PRICE)
    filled(rig)
    assert amend(rig, 1, trigger_ticks=PRICE + 10) == Reason.TRIGGERED_AT_ONCE
    for level in (PRICE - 300, PRICE - 900):
        assert amend(rig, 1, trigger_ticks=level) == Reason.NONE
        assert not any(order.is_cancel_asked for order in rig.open_orders())
        assert rig.price(level + 1) == 0
    rig.crash()
    assert rig.price(PRICE - 899) == 0
    assert rig.price(PRICE - 900) == 1


def test_a_new_stop_alone_and_new_take_profits_alone_leave_the_others_as_they_are() -> None:
    rig = Rig(market_ticks=PRICE)
    filled(rig)
    assert exits(rig, stop=StopPlan(trigger_ticks=PRICE - 300)) == Reason.NONE
    assert not any(order.is_cancel_asked for order in rig.open_orders())
    one = (TargetPlan(price_ticks=PRICE + 400),)
    assert exits(rig, stop=StopPlan(trigger_ticks=PRICE - 300), targets=one) == Reason.NONE
    settle(rig)
    rig.advance(SECOND)
    settle(rig)
    assert sales(rig) == [(PRICE + 400, 10)]
    assert exits(rig, stop=StopPlan(trigger_ticks=PRICE + 1), targets=one) == Reason.TRIGGERED_AT_ONCE
    assert rig.price(PRICE - 299) == 0
    assert rig.price(PRICE - 300) == 1


def test_a_protections_take_profit_and_stop_are_moved_too() -> None:
    rig = Rig(position=10, market_ticks=PRICE)
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=PLAN))
    settle(rig)
    (first, *_) = rig.open_orders()
    assert amend(rig, first.handle, price_ticks=PRICE + 170) == Reason.NONE
    assert amend(rig, 1, trigger_ticks=PRICE - 600) == Reason.NONE
    settle(rig)
    assert sales(rig) == [(PRICE + 170, 5), (PRICE + 200, 5)]
    assert amend(rig, 1, price_ticks=PRICE) == Reason.UNSUPPORTED
    assert rig.price(PRICE - 500) == 0
    assert rig.price(PRICE - 600) == 1
    assert amend(rig, 1, trigger_ticks=PRICE - 700) == Reason.ORDER_NOT_OPEN
