"""A fired stop whose orders fail: it never gives up, never floods, and a person is told."""

from __future__ import annotations

import pytest

from engine.model.codes import AlarmCode, Contingency, OrderFlag, OrderState, OrderType, ParentState, Reason, Side
from engine.model.instructions import Bracket, ExitPlan, Held, OrderList, OrderTerms, Protection, StopPlan, TargetPlan
from tests.execution_rig import INSTRUMENT, PRICE, Order, Rig
from tests.exit_plans import STOP

SECOND = 1_000_000_000
LOST = [OrderState.EXPIRED, OrderState.CANCELED, OrderState.ABSENT, OrderState.REJECTED]


def protect(rig: Rig, *targets: TargetPlan, stop: StopPlan = STOP) -> None:
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=ExitPlan(stop=stop, targets=targets)))


def hold_stop(rig: Rig) -> None:
    order = OrderTerms(
        side=Side.SELL,
        qty_lots=10,
        order_type=OrderType.STOP,
        trigger_ticks=PRICE - 100,
        flags=OrderFlag.REDUCE_ONLY,
    )
    rig.begin(Held(instrument_id=INSTRUMENT, order=order))


def list_stop(rig: Rig) -> None:
    common = {"side": Side.SELL, "qty_lots": 10, "flags": OrderFlag.REDUCE_ONLY}
    high = OrderTerms(
        order_type=OrderType.LIMIT_IF_TOUCHED, price_ticks=PRICE + 50, trigger_ticks=PRICE + 50, handle=11, **common
    )
    stop = OrderTerms(order_type=OrderType.STOP, trigger_ticks=PRICE - 100, handle=12, **common)
    rig.begin(OrderList(instrument_id=INSTRUMENT, contingency=Contingency.OCO, orders=(high, stop)))


def lose(rig: Rig, state: OrderState) -> int:
    """The venue ends every order of the moment unfilled; how many."""
    count = 0
    while rig.asked():
        order = rig.asked()[0]
        rig.state(order, OrderState.PENDING_NEW)
        rig.state(order, state, reason=Reason.VENUE_REJECT if state == OrderState.REJECTED else Reason.NONE)
        count += 1
    return count


def alarms(rig: Rig) -> list[int]:
    return [code for code, _ in rig.alarms]


def take_all(rig: Rig) -> None:
    for order in rig.asked():
        rig.approve(order.handle)
        rig.fill(order.handle, order.leaves_lots)


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("state", LOST)
@pytest.mark.parametrize("begin", [protect, hold_stop, list_stop])
def test_an_order_that_the_venue_ends_unfilled_comes_back_later_and_later_and_is_told(
    begin: object, state: OrderState, kind: int
) -> None:
    rig = Rig(kind=kind, position=10)
    begin(rig)  # type: ignore[operator]
    rig.price(PRICE - 100)
    assert lose(rig, state) == 1
    assert alarms(rig) == [AlarmCode.PROTECTION_FAILED]
    for delay_ns in (SECOND // 4, SECOND // 2, SECOND, 2 * SECOND, 4 * SECOND, 4 * SECOND):
        rig.advance(delay_ns - 1)
        assert not rig.asked()
        rig.advance(1)
        assert lose(rig, state) == 1
    rig.advance(4 * SECOND)
    take_all(rig)
    assert rig.position == 0
    assert rig.last_status() == ParentState.DONE
    assert alarms(rig) == [AlarmCode.PROTECTION_FAILED]
    assert not rig.timers


@pytest.mark.parametrize("kind", [0, 1])
def test_the_end_of_its_own_order_is_no_room(kind: int) -> None:
    rig = Rig(kind=kind, position=10)
    protect(rig)
    rig.others_working[Side.SELL] = 4
    rig.price(PRICE - 100)
    assert lose(rig, OrderState.REJECTED) <= 2
    rig.advance(SECOND // 4)
    assert lose(rig, OrderState.REJECTED) == 1


def test_the_ends_of_others_do_not_shorten_the_wait_after_a_failure_but_once() -> None:
    rig = Rig(position=10)
    protect(rig)
    rig.others_working[Side.SELL] = 4
    rig.price(PRICE - 100)
    asked = 0
    for number in range(1000):
        for order in rig.asked():
            rig.refuse(order.handle, Reason.INSUFFICIENT_BALANCE)
            asked += 1
        rig.add_stranger(2000 + number, 0, PRICE + 900)
        rig.end_stranger(2000 + number)
        rig.advance(SECOND // 1000)
    assert 4 <= asked <= 8


def test_two_fired_stops_do_not_drive_each_other() -> None:
    rig = Rig()
    for handle in (1, 2):
        entry = OrderTerms(side=Side.BUY, qty_lots=10, price_ticks=PRICE, handle=10 * handle)
        rig.begin(Bracket(instrument_id=INSTRUMENT, entry=entry, exits=ExitPlan(stop=STOP)), handle, handle)
        rig.approve()
        rig.fill(10 * handle, 10)
    rig.others_working[Side.SELL] = 9
    rig.price(PRICE - 100)
    refused = 0
    while rig.asked():
        rig.refuse(rig.asked()[0].handle, Reason.NOTIONAL_ABOVE_MAX)
        refused += 1
    assert refused <= 16
    rig.others_working[Side.SELL] = 0
    rig.advance(4 * SECOND)
    for _ in range(30):
        take_all(rig)
        rig.advance(SECOND // 4)
    assert rig.position == 0


def let_through(rig: Rig, most_lots: int, reason: Reason, step: int = 1) -> None:
    """A gate that takes nothing larger, and a venue that fills what passes."""
    for order in rig.asked():
        if order.terms.qty_lots > most_lots:
            rig.refuse(order.handle, reason)
        else:
            assert order.terms.qty_lots % step == 0
            rig.approve(order.handle)
            rig.fill(order.handle, order.leaves_lots)


def test_pieces_keep_to_the_step_of_orders_at_the_market() -> None:
    rig = Rig(position=100, market_qty_step_lots=5)
    protect(rig)
    rig.price(PRICE - 100)
    for _ in range(20):
        let_through(rig, 12, Reason.QTY_ABOVE_MAX, step=5)
    assert rig.position == 0


@pytest.mark.parametrize("begin", [protect, hold_stop, list_stop])
@pytest.mark.parametrize("reason", [Reason.PRICE_COLLAR, Reason.SLIPPAGE, Reason.NOTIONAL_ABOVE_MAX])
def test_what_the_book_or_a_limit_does_not_take_whole_goes_in_pieces(reason: Reason, begin: object) -> None:
    rig = Rig(position=10)
    begin(rig)  # type: ignore[operator]
    rig.price(PRICE - 100)
    for _ in range(20):
        let_through(rig, 3, reason)
    assert rig.position == 0


def test_no_more_than_eight_pieces_are_open_at_once_and_few_are_refused() -> None:
    rig = Rig(position=1000)
    protect(rig)
    rig.price(PRICE - 100)
    refused = 0
    for _ in range(100):
        for order in rig.asked():
            if order.terms.qty_lots > 10:
                rig.refuse(order.handle, Reason.NOTIONAL_ABOVE_MAX)
                refused += 1
            else:
                rig.state(order, OrderState.PENDING_NEW)
    assert refused <= 6
    assert len(rig.open_orders()) == 8


def test_pieces_grow_again_as_the_book_fills_up() -> None:
    rig = Rig(position=1000)
    protect(rig)
    rig.price(PRICE - 100)
    sizes = []
    for turn in range(40):
        sizes += [order.terms.qty_lots for order in rig.asked()]
        let_through(rig, 2 if turn < 12 else 10_000, Reason.SLIPPAGE)
        rig.advance(SECOND // 4)
    assert rig.position == 0
    assert max(sizes[12:]) > 16


def test_a_stop_limit_that_waits_for_its_own_target_is_still_sent_with_its_limit() -> None:
    rig = Rig(kind=0, position=10)
    limited = StopPlan(trigger_ticks=PRICE - 100, limit_offset_ticks=20)
    protect(rig, TargetPlan(price_ticks=PRICE + 50), stop=limited)
    rig.approve()
    rig.price(PRICE - 100)
    rig.advance(2 * SECOND)
    rig.confirm_cancels()
    [order] = rig.asked()
    assert (order.terms.order_type, order.terms.price_ticks) == (OrderType.LIMIT, PRICE - 120)
    rig.refuse(order.handle, Reason.PRICE_COLLAR)
    rig.advance(SECOND)
    assert [order.terms.order_type for order in rig.asked()] == [OrderType.MARKET]


def test_a_protection_that_has_fired_ends_with_its_position_and_closes_no_other() -> None:
    rig = Rig(position=10)
    protect(rig, TargetPlan(price_ticks=PRICE + 50, share_bps=5000))
    rig.approve()
    rig.price(PRICE - 100)
    [stop] = rig.asked()
    rig.approve(stop.handle)
    rig.fill(stop.handle, 10, PRICE - 100)
    rig.move_position(7)
    assert not rig.asked()
    rig.crash()
    assert not rig.asked()
    rig.confirm_cancels()
    assert rig.last_status() == ParentState.DONE


def test_a_held_stop_that_a_person_cancels_at_the_venue_does_not_come_back() -> None:
    rig = Rig(position=10)
    hold_stop(rig)
    rig.price(PRICE - 100)
    order: Order = rig.orders[1]
    rig.approve(1)
    rig.state(order, OrderState.PENDING_CANCEL)
    rig.confirm_cancel(1)
    rig.advance(10 * SECOND)
    assert not rig.asked()
    assert rig.last_status() == ParentState.CANCELED


def test_a_lists_stop_that_was_filled_in_part_closes_the_rest_and_no_more() -> None:
    rig = Rig(kind=0, position=10)
    list_stop(rig)
    rig.price(PRICE - 100)
    rig.approve()
    rig.fill(12, 4)
    rig.state(rig.orders[12], OrderState.EXPIRED)
    assert [order.terms.qty_lots for order in rig.asked()] == [6]
    rig.crash()
    rig.advance(4 * SECOND)
    assert [order.terms.qty_lots for order in rig.asked()] == [6]
    take_all(rig)
    assert rig.position == 0
    assert rig.last_status() == ParentState.DONE
    assert not rig.timers


def test_a_lists_stop_that_fails_ends_when_nothing_is_left_to_close() -> None:
    rig = Rig(position=10)
    list_stop(rig)
    rig.price(PRICE - 100)
    assert lose(rig, OrderState.REJECTED) == 1
    rig.move_position(-10)
    rig.advance(4 * SECOND)
    assert not rig.asked()
    assert rig.last_status() != ParentState.WORKING


def test_a_parents_state_is_written_at_most_once_for_an_event() -> None:
    rig = Rig(kind=0, position=10)
    protect(rig, TargetPlan(price_ticks=PRICE + 50, share_bps=4000))
    rig.approve()
    rig.price(PRICE - 100)
    rig.approve()
    written = len(rig.told)
    rig.confirm_cancels()
    assert len(rig.told) == written + 1
    rig.approve()
    written = len(rig.told)
    for order in rig.open_orders()[:1]:
        rig.fill(order.handle, order.leaves_lots)
    assert len(rig.told) <= written + 2  # its state, and the trade
