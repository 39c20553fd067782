"""Orders that depend on one another: OCO, OUO, OTO, OTOCO by the scenario; every order of events stands in the property test."""

from __future__ import annotations

import msgspec
import pytest

from engine.execution.lists import ListParent
from engine.model.codes import Contingency, OrderFlag, OrderState, OrderType, ParentState, Reason, Side
from engine.model.instructions import Change, OrderList, OrderTerms, fault_of
from tests.execution_rig import INSTRUMENT, PRICE, Rig

TARGET = OrderTerms(side=Side.SELL, qty_lots=10, price_ticks=PRICE + 100, handle=11)
STOP = OrderTerms(side=Side.SELL, order_type=OrderType.STOP, qty_lots=10, trigger_ticks=PRICE - 100, handle=12)
ENTRY = OrderTerms(side=Side.BUY, qty_lots=10, price_ticks=PRICE, handle=10)


def begin(rig: Rig, contingency: int, *orders: OrderTerms) -> ListParent:
    parent = rig.begin(OrderList(instrument_id=INSTRUMENT, contingency=contingency, orders=orders))
    assert isinstance(parent, ListParent)
    return parent


def test_oco_a_fill_in_part_ends_the_other() -> None:
    rig = Rig(position=10)
    begin(rig, Contingency.OCO, TARGET, STOP)
    rig.approve()
    rig.fill(11, 3)
    assert rig.ends(12)[-1] == OrderState.CANCELED
    assert rig.held[-1].reason == Reason.CANCELED_BY_CONTINGENCY
    assert rig.price(1) == 0
    rig.fill(11, 7)
    assert rig.last_status() == ParentState.DONE


def test_oco_the_stop_waits_for_the_cancel_and_takes_what_is_left() -> None:
    rig = Rig(position=10)
    begin(rig, Contingency.OCO, TARGET, STOP)
    rig.approve()
    rig.price(PRICE - 100)
    assert rig.orders[11].is_cancel_asked
    assert 12 not in rig.orders
    rig.fill(11, 4)
    assert 12 not in rig.orders
    rig.confirm_cancel(11)
    assert rig.orders[12].terms.qty_lots == 6
    rig.approve()
    rig.fill(12, 6)
    assert rig.last_status() == ParentState.DONE


def test_oco_a_target_that_fills_while_it_is_cancelled_leaves_nothing_for_the_stop() -> None:
    rig = Rig(position=10)
    begin(rig, Contingency.OCO, TARGET, STOP)
    rig.approve()
    rig.price(PRICE - 100)
    rig.fill(11, 10)
    assert 12 not in rig.orders
    assert rig.ends(12)[-1] == OrderState.CANCELED
    assert rig.last_status() == ParentState.DONE


def test_oco_an_unknown_target_holds_the_stop_back() -> None:
    rig = Rig(position=10)
    begin(rig, Contingency.OCO, TARGET, STOP)
    rig.approve()
    rig.price(PRICE - 100)
    rig.state(rig.orders[11], OrderState.UNKNOWN)
    assert 12 not in rig.orders
    rig.state(rig.orders[11], OrderState.ABSENT)
    assert rig.orders[12].terms.qty_lots == 10


def test_oco_announced_fills_of_a_cancelled_target_are_waited_for() -> None:
    rig = Rig(position=10)
    begin(rig, Contingency.OCO, TARGET, STOP)
    rig.approve()
    rig.price(PRICE - 100)
    rig.state(rig.orders[11], OrderState.CANCELED, leaves_lots=3)
    assert 12 not in rig.orders
    rig.orders[11].filled_lots = 3
    rig.state(rig.orders[11], OrderState.CANCELED, leaves_lots=0)
    assert rig.orders[12].terms.qty_lots == 7


def test_ouo_a_fill_reduces_the_other_by_what_was_filled() -> None:
    rig = Rig(position=10)
    begin(rig, Contingency.OUO, TARGET, STOP)
    rig.approve()
    rig.fill(11, 3)
    assert rig.ends(12)[-1] == OrderState.HELD
    assert rig.held[-1].qty_lots == 7
    rig.price(PRICE - 100)
    rig.confirm_cancel(11)
    assert rig.orders[12].terms.qty_lots == 7


def test_oto_the_others_wait_for_the_first_to_be_filled() -> None:
    rig = Rig()
    begin(rig, Contingency.OTO, ENTRY, TARGET, STOP)
    rig.approve()
    rig.price(PRICE - 100)
    rig.fill(10, 6)
    assert list(rig.orders) == [10]
    rig.fill(10, 4)
    assert list(rig.orders) == [10, 11]
    rig.price(PRICE - 100)
    assert list(rig.orders) == [10, 11, 12]


def test_oto_a_first_that_ends_half_filled_releases_the_others_for_its_part() -> None:
    rig = Rig()
    begin(rig, Contingency.OTOCO, ENTRY, TARGET, STOP)
    rig.approve()
    rig.fill(10, 6)
    rig.confirm_cancel(10)
    assert rig.orders[11].terms.qty_lots == 6
    assert rig.held[-1].qty_lots == 6


def test_oto_a_first_that_ends_empty_ends_the_others() -> None:
    rig = Rig()
    begin(rig, Contingency.OTOCO, ENTRY, TARGET, STOP)
    rig.refuse(10, Reason.POSITION_LIMIT)
    assert rig.ends(10)[-1] == OrderState.REFUSED
    assert rig.ends(11)[-1] == rig.ends(12)[-1] == OrderState.CANCELED
    assert rig.last_status() == ParentState.REJECTED


def test_otoco_is_an_oco_behind_its_first() -> None:
    rig = Rig()
    begin(rig, Contingency.OTOCO, ENTRY, TARGET, STOP)
    rig.approve()
    rig.fill(10, 10)
    rig.approve()
    rig.price(PRICE - 100)
    rig.confirm_cancel(11)
    rig.approve()
    rig.fill(12, 10)
    assert rig.position == 0
    assert rig.last_status() == ParentState.DONE


def test_a_cancel_of_the_list_ends_every_order() -> None:
    rig = Rig(position=10)
    begin(rig, Contingency.OCO, TARGET, STOP)
    rig.approve()
    rig.parents.change(Change(handle=1, action="cancel"), 7)
    rig.confirm_cancels()
    assert rig.ends(12)[-1] == OrderState.CANCELED
    assert rig.last_status() == ParentState.CANCELED


@pytest.mark.parametrize("strategy_id", [0, 7])
@pytest.mark.parametrize("handle", [11, 12])
@pytest.mark.parametrize("contingency", [Contingency.OCO, Contingency.OTOCO])
def test_a_cancel_of_one_of_a_pair_cancels_the_list_as_at_the_venue(
    contingency: int, handle: int, strategy_id: int
) -> None:
    has_first = contingency == Contingency.OTOCO
    rig = Rig(position=0 if has_first else 10)
    begin(rig, contingency, *([ENTRY] if has_first else []), TARGET, STOP)
    rig.approve()
    if has_first:
        rig.fill(10, 10)
        rig.approve()
    assert rig.parents.change(Change(handle=handle, action="cancel"), strategy_id) == Reason.NONE
    assert rig.orders[11].is_cancel_asked
    assert rig.ends(12)[-1] == OrderState.CANCELED
    assert rig.held[-1].reason == (Reason.NONE if handle == 12 else Reason.CANCELED_BY_CONTINGENCY)
    rig.confirm_cancels()
    rig.price(PRICE - 100)
    assert 12 not in rig.orders
    assert rig.table.count == 0
    assert rig.last_status() == ParentState.CANCELED
    assert rig.parents.change(Change(handle=12, action="cancel"), strategy_id) == Reason.UNKNOWN_ORDER


@pytest.mark.parametrize("handle", [10, 11, 12])
@pytest.mark.parametrize("contingency", [Contingency.OTO, Contingency.OTOCO])
@pytest.mark.parametrize("filled", [0, 6])
def test_a_cancel_before_the_first_is_filled_cancels_what_waits(contingency: int, handle: int, filled: int) -> None:
    rig = Rig()
    begin(rig, contingency, ENTRY, TARGET, STOP)
    rig.approve()
    if filled:
        rig.fill(10, filled)
    rig.parents.change(Change(handle=handle, action="cancel"), 7)
    assert rig.orders[10].is_cancel_asked
    rig.confirm_cancels()
    assert rig.ends(11)[-1] == rig.ends(12)[-1] == OrderState.CANCELED
    assert list(rig.orders) == [10]
    assert rig.last_status() == ParentState.CANCELED


def test_a_cancel_of_what_an_oto_has_released_leaves_the_others() -> None:
    rig = Rig()
    begin(rig, Contingency.OTO, ENTRY, TARGET, STOP)
    rig.approve()
    rig.fill(10, 10)
    rig.approve()
    rig.parents.change(Change(handle=11, action="cancel"), 7)
    rig.confirm_cancels()
    rig.price(PRICE - 100)
    assert rig.orders[12].terms.qty_lots == 10


def test_a_cancel_of_what_makes_way_for_a_fired_stop_leaves_the_stop() -> None:
    rig = Rig(position=10)
    begin(rig, Contingency.OCO, TARGET, STOP)
    rig.approve()
    rig.price(PRICE - 100)
    assert rig.parents.change(Change(handle=11, action="cancel"), 7) == Reason.NONE
    rig.confirm_cancels()
    assert rig.orders[12].terms.qty_lots == 10


def test_ouo_a_cancel_of_one_order_leaves_the_other() -> None:
    rig = Rig(position=10)
    begin(rig, Contingency.OUO, TARGET, STOP)
    rig.approve()
    rig.parents.change(Change(handle=11, action="cancel"), 7)
    rig.confirm_cancels()
    rig.price(PRICE - 100)
    assert rig.orders[12].terms.qty_lots == 10


def test_kill_leaves_a_list_that_only_closes() -> None:
    rig = Rig(position=10)
    closing = [msgspec.structs.replace(order, flags=OrderFlag.REDUCE_ONLY) for order in (TARGET, STOP)]
    begin(rig, Contingency.OCO, *closing)
    rig.approve()
    rig.parents.sweep(is_kill=True)
    rig.confirm_cancel(11)
    rig.price(PRICE - 100)
    assert rig.orders[12].terms.qty_lots == 10
    rig = Rig(position=10)
    begin(rig, Contingency.OCO, TARGET, STOP)
    rig.approve()
    rig.parents.sweep(is_kill=True)
    assert rig.price(PRICE - 100) == 0


def test_an_order_that_the_gate_refuses_takes_the_other_along() -> None:
    rig = Rig(position=10)
    begin(rig, Contingency.OCO, TARGET, STOP)
    rig.refuse(11, Reason.PRICE_COLLAR)
    assert rig.ends(12)[-1] == OrderState.CANCELED
    assert rig.last_status() == ParentState.REJECTED


@pytest.mark.parametrize(
    ("contingency", "orders"),
    [
        (Contingency.OCO, (TARGET, TARGET)),
        (Contingency.OCO, (TARGET, OrderTerms(side=1, order_type=2, qty_lots=9, trigger_ticks=1))),
        (Contingency.OTOCO, (ENTRY, TARGET)),
    ],
)
def test_lists_that_could_fill_twice_are_refused_in_words(contingency: int, orders: tuple[OrderTerms, ...]) -> None:
    assert fault_of(OrderList(instrument_id=1, contingency=contingency, orders=orders))
