"""How many orders the venue lets be open: the gate refuses the one too many, at L - 1, L and L + 1, before the venue does."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import Contingency, IntentAction, OrderFlag, OrderState, OrderType, Reason, TimeInForce
from tests.gate_harness import SELL, everything_native, respecified, valued, verdict
from tests.orders_harness import SECOND_NS, Rig

FUTURES = 1
STOP, TOUCH, MARKET = int(OrderType.STOP), int(OrderType.MARKET_IF_TOUCHED), int(OrderType.MARKET)
STOP_TERMS = {"order_type": STOP, "price_ticks": 0, "trigger_ticks": 10_100}
FAR = {"price_ticks": 9_900}


def limited(**caps: int) -> Rig:
    """A venue that has everything, with these caps."""
    return valued(everything_native(Rig(), **caps))


def waiting(rig: Rig, row: int = 1) -> dict[str, int]:
    return rig.register.waiting(row)


def known(rig: Rig, handle: int) -> dict[str, Any]:
    found = rig.oms.order(handle)
    assert found is not None
    return found


def listed(rig: Rig, first: int, index: int, **terms: Any) -> Reason:
    fields = {"contingency": int(Contingency.OTO), "list_size": 2, "list_index": index, "list_handle": first}
    handle = first if index == 0 else rig.next_handle()
    return verdict(rig, order_handle=handle, **(fields | terms))


@pytest.mark.invariant("R21")
@pytest.mark.parametrize(
    ("cap", "terms", "reason"),
    [
        ("max_orders", FAR, Reason.VENUE_ORDERS),
        ("max_orders", STOP_TERMS, Reason.VENUE_ORDERS),
        ("max_conditional_orders", STOP_TERMS, Reason.VENUE_CONDITIONAL_ORDERS),
        ("max_account_conditional_orders", STOP_TERMS, Reason.VENUE_CONDITIONAL_ORDERS),
        ("max_iceberg_orders", FAR | {"display_lots": 5}, Reason.VENUE_ICEBERG_ORDERS),
    ],
)
def test_as_many_as_the_venue_takes_and_no_more(cap: str, terms: dict[str, int], reason: Reason) -> None:
    rig = limited(**{cap: 3})
    for expected in (Reason.NONE, Reason.NONE, Reason.NONE, reason, reason):
        assert verdict(rig, **terms) is expected
    found = rig.verdict()
    assert (found["value"], found["limit_value"]) == (4, 3)


@pytest.mark.parametrize(
    ("cap", "terms"),
    [
        ("max_orders", FAR),
        ("max_conditional_orders", STOP_TERMS),
        ("max_account_conditional_orders", STOP_TERMS),
        ("max_iceberg_orders", FAR | {"display_lots": 5}),
    ],
)
def test_an_order_in_flight_open_or_unknown_takes_a_place_until_its_end(cap: str, terms: dict[str, int]) -> None:
    rig = limited(**{cap: 1})
    handle = rig.intend(**terms)
    assert verdict(rig, **terms) is not Reason.NONE, "in flight"
    rig.tick(2 * SECOND_NS)
    assert known(rig, handle)["state"] == OrderState.UNKNOWN.name
    assert verdict(rig, **terms) is not Reason.NONE, "UNKNOWN"
    rig.accepted(handle, is_waiting=int("trigger_ticks" in terms))
    assert verdict(rig, **terms) is not Reason.NONE, "open"
    rig.canceled(handle)
    assert verdict(rig, **terms) is Reason.NONE


def test_each_symbol_has_its_own_places_and_the_account_has_places_for_all() -> None:
    rig = limited(max_conditional_orders=1)
    respecified(rig, 2, native_order_types=rig.tables.instrument(1)["native_order_types"], max_conditional_orders=1)
    assert verdict(rig, **STOP_TERMS) is Reason.NONE
    assert verdict(rig, instrument_id=2, **STOP_TERMS) is Reason.NONE
    native = rig.tables.instrument(1)["native_order_types"]
    for row in (1, 2):
        respecified(rig, row, native_order_types=native, max_account_conditional_orders=3)
    assert verdict(rig, **STOP_TERMS) is Reason.NONE
    assert verdict(rig, instrument_id=2, **STOP_TERMS) is Reason.VENUE_CONDITIONAL_ORDERS


def test_what_takes_the_market_at_once_leaves_nothing_open_and_needs_no_place() -> None:
    rig = limited(max_orders=1)
    assert verdict(rig, **FAR) is Reason.NONE
    assert verdict(rig, order_type=MARKET, price_ticks=0) is Reason.NONE
    assert verdict(rig, time_in_force=int(TimeInForce.IOC), **FAR) is Reason.NONE
    assert verdict(rig, time_in_force=int(TimeInForce.FOK), **FAR) is Reason.NONE
    assert verdict(rig, **FAR) is Reason.VENUE_ORDERS


def test_spot_counts_what_waits_among_all_and_futures_count_it_apart() -> None:
    for kind, expected in ((0, Reason.VENUE_ORDERS), (FUTURES, Reason.NONE)):
        rig = limited(kind=kind, max_orders=1)
        assert verdict(rig, **STOP_TERMS) is Reason.NONE
        assert verdict(rig, **FAR) is expected


def test_a_futures_order_whose_price_came_waits_no_longer_and_a_spot_one_counts_until_its_end() -> None:
    for kind, expected in ((0, Reason.VENUE_CONDITIONAL_ORDERS), (FUTURES, Reason.NONE)):
        rig = limited(kind=kind, max_conditional_orders=1)
        handle = rig.intend(**STOP_TERMS)
        rig.accepted(handle, is_waiting=1, is_conditional=kind)
        assert verdict(rig, **STOP_TERMS) is Reason.VENUE_CONDITIONAL_ORDERS
        rig.trade(handle, 4, 4)
        assert known(rig, handle)["is_triggered"]
        assert verdict(rig, **STOP_TERMS) is expected
        rig.canceled(handle, 4)
        assert waiting(rig)["conditional"] == (1 if expected is Reason.NONE else 0)


def test_a_replaced_order_makes_room_for_the_one_that_replaces_it() -> None:
    for cap, terms in (("max_orders", FAR), ("max_conditional_orders", STOP_TERMS)):
        rig = limited(**{cap: 1})
        target = rig.open_order(**terms)
        replace = {"action": int(IntentAction.REPLACE), "target_handle": target}
        assert verdict(rig, **(terms | replace | {"qty_lots": 9})) is Reason.NONE


def test_a_list_takes_one_place_with_all_its_legs_and_keeps_it_until_the_last_has_ended() -> None:
    rig = limited(max_order_lists=2)
    firsts = [rig.next_handle() for _ in range(3)]
    for first in firsts[:2]:
        assert listed(rig, first, 0, **FAR) is Reason.NONE
        assert listed(rig, first, 1, side=SELL, price_ticks=10_100) is Reason.NONE
    assert waiting(rig)["lists"] == 2
    assert listed(rig, firsts[2], 0, **FAR) is Reason.VENUE_ORDER_LISTS
    assert (rig.verdict()["value"], rig.verdict()["limit_value"]) == (3, 2)
    rig.accepted(firsts[0])
    rig.canceled(firsts[0])
    assert listed(rig, firsts[2], 0, **FAR) is Reason.VENUE_ORDER_LISTS, "its second order is open yet"
    rig.canceled(firsts[2] + 1)
    assert waiting(rig)["lists"] == 1
    assert listed(rig, rig.next_handle(), 0, **FAR) is Reason.NONE


def test_one_order_of_a_type_and_side_at_most_closes_the_whole_position() -> None:
    rig = limited(kind=FUTURES)
    rig.tables.move(1, position_lots=20)
    close = {"flags": int(OrderFlag.CLOSE_POSITION), "qty_lots": 0, "side": SELL, "price_ticks": 0}
    stop = close | {"order_type": STOP, "trigger_ticks": 9_900}
    handle = rig.intend(**stop)
    rig.accepted(handle, is_waiting=1, is_conditional=1)
    assert verdict(rig, **(stop | {"trigger_ticks": 9_800})) is Reason.CLOSE_POSITION_TWICE
    assert verdict(rig, **(close | {"order_type": TOUCH, "trigger_ticks": 10_100})) is Reason.NONE
    assert verdict(rig, side=SELL, qty_lots=9, **(STOP_TERMS | {"trigger_ticks": 9_900})) is Reason.NONE
    rig.canceled(handle)
    assert verdict(rig, **stop) is Reason.NONE


def test_a_venue_that_names_no_number_has_none() -> None:
    rig = limited()
    for _ in range(12):
        assert verdict(rig, **STOP_TERMS) is Reason.NONE
    assert waiting(rig) == {"conditional": 12, "iceberg": 0, "lists": 0}
