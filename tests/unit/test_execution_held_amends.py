"""Held orders given other numbers while they wait, and while they work at the venue."""

from __future__ import annotations

import pytest

from engine.model.codes import AlarmCode, OrderState, OrderType, ParentState, Reason, Side, TimeInForce
from engine.model.instructions import Change
from tests.execution_rig import PRICE, Rig
from tests.unit.test_execution_held import SECOND, held


def amend(rig: Rig, handle: int = 1, **numbers: int) -> int:
    return rig.parents.change(Change(handle=handle, action="amend", **numbers), 7)  # type: ignore[arg-type]


def dated(rig: Rig, **terms: int) -> None:
    """A limit order that ends in ten seconds, at the venue."""
    words = {"side": Side.BUY, "order_type": OrderType.LIMIT, "price_ticks": PRICE, "time_in_force": TimeInForce.GTD}
    held(rig, **{**words, "expire_ns": rig.now_wall_ns + 10 * SECOND, **terms})
    rig.approve()


@pytest.mark.parametrize("numbers", [{"qty_lots": 5}, {"price_ticks": PRICE - 7}, {"qty_lots": 15}])
def test_an_amended_order_at_the_venue_keeps_its_handle_and_its_date(numbers: dict[str, int]) -> None:
    rig = Rig()
    dated(rig)
    rig.fill(1, 2)
    assert amend(rig, **numbers) == Reason.NONE
    assert rig.orders[1].is_cancel_asked
    assert not rig.asked()  # never two of it at once
    rig.confirm_cancel(1)
    (order,) = rig.asked()
    assert order.terms.qty_lots == numbers.get("qty_lots", 10) - 2
    assert order.terms.price_ticks == numbers.get("price_ticks", PRICE)
    assert rig.ends(1)[-1] == OrderState.HELD
    rig.approve()
    rig.advance(10 * SECOND)
    assert order.is_cancel_asked
    rig.confirm_cancel(order.handle)
    assert rig.ends(1)[-1] == OrderState.EXPIRED
    assert rig.held[-1].filled_lots == 2
    assert rig.last_status() == ParentState.EXPIRED


def test_an_amended_order_is_filled_cancelled_and_amended_again_by_its_handle() -> None:
    rig = Rig()
    dated(rig)
    for price in (PRICE - 1, PRICE - 2):
        assert amend(rig, price_ticks=price) == Reason.NONE
        rig.confirm_cancels()
        (order,) = rig.asked()
        assert order.terms.price_ticks == price
        rig.approve()
    assert amend(rig, order.handle, price_ticks=PRICE - 3) == Reason.NONE
    rig.confirm_cancels()
    (order,) = rig.asked()
    rig.approve()
    rig.fill(order.handle, 4)
    rig.parents.change(Change(handle=1, action="cancel"), 7)
    rig.confirm_cancel(order.handle)
    assert rig.ends(1)[-1] == OrderState.CANCELED
    assert rig.held[-1].filled_lots == 4
    assert rig.last_status() == ParentState.CANCELED


def test_a_fill_on_the_way_makes_an_amended_order_no_larger() -> None:
    rig = Rig()
    dated(rig)
    assert amend(rig, qty_lots=5) == Reason.NONE
    rig.fill(1, 4)
    rig.confirm_cancel(1)
    (order,) = rig.asked()
    assert order.terms.qty_lots == 1
    assert amend(rig, qty_lots=4) == Reason.QTY_BELOW_MIN
    rig = Rig()
    dated(rig)
    assert amend(rig, qty_lots=5) == Reason.NONE
    rig.fill(1, 10)
    assert not rig.asked()
    assert rig.last_status() == ParentState.DONE


def test_an_amended_order_that_is_refused_goes_back_to_its_numbers() -> None:
    rig = Rig()
    dated(rig)
    assert amend(rig, price_ticks=PRICE * 3, qty_lots=12) == Reason.NONE
    rig.confirm_cancel(1)
    (order,) = rig.asked()
    rig.refuse(order.handle, Reason.PRICE_COLLAR)
    (order,) = rig.asked()
    assert (order.terms.price_ticks, order.terms.qty_lots) == (PRICE, 10)
    assert [code for code, _ in rig.alarms] == [AlarmCode.PARENT_FAILED]
    assert (rig.held[-1].price_ticks, rig.held[-1].reason) == (PRICE, Reason.PRICE_COLLAR)
    rig.approve()
    rig.advance(10 * SECOND)
    rig.confirm_cancel(order.handle)
    assert rig.last_status() == ParentState.EXPIRED


def test_an_amended_order_that_is_refused_for_the_moments_sake_waits_for_it_to_pass() -> None:
    rig = Rig()
    dated(rig)
    assert amend(rig, price_ticks=PRICE - 1) == Reason.NONE
    rig.confirm_cancel(1)
    (order,) = rig.asked()
    rig.refuse(order.handle, Reason.BOOK_INVALID)
    assert not rig.asked()
    rig.parents.on_tick()
    (order,) = rig.asked()
    assert order.terms.price_ticks == PRICE - 1


@pytest.mark.parametrize("moment", ["asked", "sent", "rests"])
def test_a_restart_amid_an_amendment_sends_it_once_and_keeps_the_date(moment: str) -> None:
    rig = Rig()
    dated(rig)
    assert amend(rig, price_ticks=PRICE - 5) == Reason.NONE
    if moment != "asked":
        rig.confirm_cancel(1)
    if moment == "rests":
        rig.approve()
    rig.crash()
    rig.confirm_cancels()
    waiting = rig.asked()
    if moment != "rests":
        assert [(order.terms.price_ticks, order.terms.qty_lots) for order in waiting] == [(PRICE - 5, 10)]
        rig.approve()
    (order,) = rig.open_orders()
    rig.advance(10 * SECOND)
    assert order.is_cancel_asked
    rig.confirm_cancel(order.handle)
    assert rig.last_status() == ParentState.EXPIRED


def test_the_part_that_works_follows_the_price_of_a_displayed_order() -> None:
    rig = Rig()
    held(rig, side=Side.BUY, order_type=OrderType.LIMIT, price_ticks=PRICE, display_lots=4)
    (first,) = rig.asked()
    rig.approve()
    rig.fill(first.handle, 1)
    assert amend(rig, qty_lots=8) == Reason.NONE
    assert not first.is_cancel_asked  # the part that works is none the larger for it
    assert amend(rig, price_ticks=PRICE + 5) == Reason.NONE
    rig.confirm_cancel(first.handle)
    (order,) = rig.asked()
    assert (order.terms.price_ticks, order.terms.qty_lots) == (PRICE + 5, 4)
    rig.approve()
    rig.fill(order.handle, 4)
    (order,) = rig.asked()
    assert (order.terms.price_ticks, order.terms.qty_lots) == (PRICE + 5, 3)


@pytest.mark.parametrize(
    ("terms", "numbers"),
    [
        ({"order_type": OrderType.STOP, "trigger_ticks": PRICE}, {"price_ticks": PRICE}),
        ({"order_type": OrderType.MARKET_IF_TOUCHED, "trigger_ticks": PRICE}, {"price_ticks": PRICE}),
        ({"order_type": OrderType.LIMIT, "price_ticks": PRICE}, {"trigger_ticks": PRICE}),
    ],
)
def test_a_number_that_its_type_has_not_is_refused(terms: dict[str, int], numbers: dict[str, int]) -> None:
    rig = Rig()
    held(rig, side=Side.SELL, **terms)
    assert amend(rig, **numbers) == Reason.UNSUPPORTED
    assert all(news.price_ticks == terms.get("price_ticks", 0) for news in rig.held)
