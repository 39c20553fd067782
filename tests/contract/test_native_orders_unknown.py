"""Conditional orders and lists whose fate is open for a while: answers lost, connections broken, an engine started again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.model.codes import Contingency, OrderType, Reason, Side
from tests.native_rig import MAKER, TAKER, FuturesRig, NativeRig, limit_order

BUY, SELL = int(Side.BUY), int(Side.SELL)
OCO, OTOCO = int(Contingency.OCO), int(Contingency.OTOCO)
STOP: dict[str, Any] = {
    "order_type": int(OrderType.STOP), "price_ticks": 0, "qty_lots": 100, "side": BUY, "trigger_ticks": 10_100,
}  # fmt: skip
LEGS: tuple[dict[str, Any], ...] = (
    {"side": SELL, "price_ticks": 10_200, "qty_lots": 100},
    STOP | {"side": SELL, "trigger_ticks": 9_800},
)
REFUSED = '{"cmd": "order_error", "count": 1, "code": -1007, "executed": false}'
KINDS = {"spot": NativeRig, "futures": FuturesRig}
Make = Callable[..., NativeRig]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[NativeRig] = []

    def one(kind: str = "spot", **options: Any) -> NativeRig:
        rig = KINDS[kind](**options)
        made.append(rig)
        if "before" not in options:
            rig.others(MAKER, "SELL", "103.00", "10")
            rig.others(MAKER, "BUY", "97.00", "10")
            rig.trade_at("100.00")
        return rig

    yield one
    for rig in made:
        if not rig.loop.is_closed():
            rig.close()


def waiting_at_venue(rig: NativeRig) -> list[str]:
    return rig.venue_algos() if isinstance(rig, FuturesRig) else rig.venue_open()


@pytest.mark.invariant("R14")
@pytest.mark.parametrize("kind", KINDS)
def test_a_conditional_order_whose_answer_was_lost_is_unknown_and_then_found(make: Make, kind: str) -> None:
    rig = make(kind)
    handle = rig._offer(**STOP)
    rig.disconnect()
    rig.until_state(handle, "UNKNOWN")
    assert rig.exposure()["working_buy_lots"] == 100, "an order that is UNKNOWN counts in full"
    rig.until_state(handle, "NEW")
    assert waiting_at_venue(rig) == [rig.client_id(handle)]
    rig.until_active()
    rig.trade_at("101.00")
    rig.until_state(handle, "FILLED")
    assert (rig.position(), rig.oms.illegal_transitions) == (100, 0)


@pytest.mark.invariant("R14")
@pytest.mark.parametrize("kind", KINDS)
def test_one_that_was_triggered_and_filled_while_unknown_is_booked_once(make: Make, kind: str) -> None:
    rig = make(kind)
    handle = rig._offer(**STOP)
    rig.disconnect()
    rig.run(0.02)
    rig.trade_at("101.00")
    rig.until_state(handle, "FILLED")
    rig.run(3)
    assert (rig.position(), rig.exposure()["working_buy_lots"]) == (100, 0)
    assert rig.register.halts()["instruments"] == {}
    assert rig.oms.illegal_transitions == 0


@pytest.mark.invariant("R14")
@pytest.mark.parametrize("kind", KINDS)
def test_one_that_never_arrived_is_absent_only_after_the_venues_longest_delay(make: Make, kind: str) -> None:
    rig = make(kind)
    rig.fault(REFUSED)
    handle = rig.intend(**STOP)
    assert rig.state(handle) == "UNKNOWN"
    rig.run(13)
    assert rig.state(handle) == "UNKNOWN", "not found once is not enough before send + recvWindow + the longest delay"
    rig.until_state(handle, "ABSENT")
    assert rig.order(handle)["reason"] == Reason.NOT_FOUND
    assert rig.exposure()["working_buy_lots"] == 0


@pytest.mark.invariant("R14")
def test_a_list_whose_answer_was_lost_is_found_order_by_order(make: Make) -> None:
    rig = make()
    handles = [rig.next_handle(), rig.next_handle()]
    for index, leg in enumerate(LEGS):
        rig._offer(
            order_handle=handles[index], list_handle=handles[0], list_size=2, list_index=index, contingency=OCO, **leg
        )
    rig.disconnect()
    rig.until(lambda: "UNKNOWN" in rig.states_of(handles))
    assert rig.exposure()["working_sell_lots"] == 100
    rig.until(lambda: rig.states_of(handles) == ["NEW", "NEW"])
    rig.until_active()
    rig.trade_at("98.00")
    rig.until(lambda: rig.states_of(handles) == ["EXPIRED", "FILLED"])
    assert rig.position() == -100


@pytest.mark.invariant("R14")
def test_a_list_that_never_arrived_ends_absent_as_a_whole(make: Make) -> None:
    rig = make()
    rig.fault(REFUSED)
    handles = rig.intend_list(OCO, *LEGS)
    assert rig.states_of(handles) == ["UNKNOWN", "UNKNOWN"]
    rig.until(lambda: rig.states_of(handles) == ["ABSENT", "ABSENT"], 60)
    assert rig.exposure()["working_sell_lots"] == 0


@pytest.mark.invariant("R14")
@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_whose_answer_was_lost_leaves_nothing_open(make: Make, kind: str) -> None:
    rig = make(kind)
    handle = rig.intend(**STOP)
    rig.cancel_now(handle)
    rig.disconnect()
    rig.until_state(handle, "CANCELED")
    rig.until_active()
    assert waiting_at_venue(rig) == []
    assert rig.exposure()["working_buy_lots"] == 0


@pytest.mark.invariant("R12")
@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_that_crosses_the_trigger_books_the_fill(make: Make, kind: str) -> None:
    """The cancel is on its way while the price comes: the venue does not know a waiting order any more."""
    rig = make(kind)
    handle = rig.intend(**STOP)
    rig.others(MAKER, "SELL", "101.00", "0.1")
    rig.cancel_now(handle)
    rig.others(TAKER, "BUY", "101.00", "0.1", "IOC")
    rig.until_state(handle, "FILLED", "CANCELED")
    rig.run(3)
    order = rig.order(handle)
    assert rig.position() == order["cum_qty_lots"] == 100
    assert order["state"] == "FILLED"
    assert rig.oms.illegal_transitions == 0


@pytest.mark.invariant("R26")
@pytest.mark.parametrize("kind", KINDS)
def test_a_restart_finds_waiting_orders_again_and_carries_them_on(make: Make, kind: str) -> None:
    first = make(kind)
    waiting = first.intend(**STOP)
    gone = first.intend(**(STOP | {"trigger_ticks": 10_050}))
    trailing = first.intend(
        **(
            STOP
            | {"order_type": int(OrderType.TRAILING_STOP), "trigger_ticks": 0, "trail_kind": 2, "trail_amount": 150}
        )
    )
    first.close()
    rig = make(kind, before=first)
    assert rig.states_of([waiting, gone, trailing]) == ["NEW", "NEW", "NEW"]
    terms = rig.order(waiting)
    assert (terms["trigger_ticks"], terms["order_type"], terms["is_triggered"]) == (10_100, "STOP", False)
    assert (rig.order(trailing)["trail_amount"], rig.order(trailing)["trail_kind"]) == (150, 2)
    rig.others(MAKER, "SELL", "100.60", "0.1")
    rig.trade_at("100.50")
    rig.until_state(gone, "FILLED")
    rig.cancel(waiting)
    rig.until_state(waiting, "CANCELED")
    rig.cancel(trailing)
    rig.until_state(trailing, "CANCELED")
    assert (rig.position(), waiting_at_venue(rig)) == (100, [])
    assert rig.register.halts()["instruments"] == {}


@pytest.mark.invariant("R26")
def test_a_restart_finds_a_list_again_and_still_counts_its_pair_once(make: Make) -> None:
    first = make()
    entry, target, stop = first.intend_list(OTOCO, {"side": BUY, "price_ticks": 9_950, "qty_lots": 100}, *LEGS)
    first.others(TAKER, "SELL", "99.50", "0.1")
    first.until_state(entry, "FILLED")
    first.close()
    rig = make(before=first)
    assert rig.states_of([target, stop]) == ["NEW", "NEW"]
    assert rig.exposure()["working_sell_lots"] == 100
    rig.trade_at("98.00")
    rig.until_state(stop, "FILLED")
    rig.until_state(target, "EXPIRED")
    assert (rig.position(), rig.exposure()["working_sell_lots"]) == (0, 0)


@pytest.mark.invariant("R26")
@pytest.mark.parametrize("kind", KINDS)
def test_what_happened_while_the_engine_was_down_is_booked_once(make: Make, kind: str) -> None:
    first = make(kind)
    handle = first.intend(**STOP)
    first.disconnect()
    first.close()
    trade_while_nobody_listens(first)
    rig = make(kind, before=first)
    rig.until_state(handle, "FILLED")
    rig.run(3)
    assert rig.position() == 100
    assert rig.oms.positions()[0]["fills"] == 1


def trade_while_nobody_listens(rig: NativeRig) -> None:
    for account, side in ((MAKER, "SELL"), (TAKER, "BUY")):
        request = limit_order(rig.is_futures, side, "101.00", "0.100", "GTC" if side == "SELL" else "IOC")
        rig.core.place(account, request, rig.host.begin_turn())
        rig.host.end_turn()
