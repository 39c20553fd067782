"""Every order type and list that spot has, from the gate to the simulated venue and back: the real session in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.model.clientid import encode
from engine.model.codes import Contingency, IntentAction, OrderType, Reason, RecordKind, Side, TimeInForce, TrailKind
from tests.native_rig import MAKER, TAKER, NativeRig
from tests.orders_harness import decoded

BUY, SELL = int(Side.BUY), int(Side.SELL)
OCO, OTO, OTOCO = int(Contingency.OCO), int(Contingency.OTO), int(Contingency.OTOCO)
BPS = {"trail_kind": int(TrailKind.BPS)}


@pytest.fixture
def rig() -> Iterator[NativeRig]:
    found = NativeRig()
    found.others(MAKER, "SELL", "103.00", "10")
    found.others(MAKER, "BUY", "97.00", "10")
    found.trade_at("100.00")
    yield found
    found.close()


def stop(**fields: Any) -> dict[str, Any]:
    return {"order_type": int(OrderType.STOP), "price_ticks": 0, "qty_lots": 100, **fields}


# --- orders that wait for a price ---

# side, terms, the price that comes, what the order is then
CONDITIONAL = {
    "stop buy": (stop(side=BUY, trigger_ticks=10_100), ["101.00"], "FILLED"),
    "stop sell": (stop(side=SELL, trigger_ticks=9_900), ["99.00"], "FILLED"),
    "touched buy": (stop(side=BUY, order_type=int(OrderType.MARKET_IF_TOUCHED), trigger_ticks=9_900), ["99.00"], "FILLED"),
    "touched sell": (stop(side=SELL, order_type=int(OrderType.MARKET_IF_TOUCHED), trigger_ticks=10_100), ["101.00"], "FILLED"),
    "stop-limit buy": (
        stop(side=BUY, order_type=int(OrderType.STOP_LIMIT), trigger_ticks=10_100, price_ticks=10_150), ["101.00"], "NEW"
    ),
    "stop-limit sell": (
        stop(side=SELL, order_type=int(OrderType.STOP_LIMIT), trigger_ticks=9_900, price_ticks=9_850), ["99.00"], "NEW"
    ),
    "limit-if-touched buy": (
        stop(side=BUY, order_type=int(OrderType.LIMIT_IF_TOUCHED), trigger_ticks=9_900, price_ticks=9_880), ["99.00"], "NEW"
    ),
    "trailing sell": (
        stop(side=SELL, order_type=int(OrderType.TRAILING_STOP), trail_amount=100, **BPS), ["102.00", "101.50", "100.90"], "FILLED"
    ),
    "trailing buy": (
        stop(side=BUY, order_type=int(OrderType.TRAILING_STOP), trail_amount=100, **BPS), ["98.00", "98.50", "99.00"], "FILLED"
    ),
    "trailing sell from a price on": (
        stop(side=SELL, order_type=int(OrderType.TRAILING_STOP), trail_amount=100, activation_ticks=10_150, **BPS),
        ["101.00", "99.00", "102.00", "100.90"],
        "FILLED",
    ),
    "trailing limit": (
        stop(
            side=SELL, order_type=int(OrderType.TRAILING_STOP_LIMIT), trail_amount=100, price_ticks=9_800,
            time_in_force=int(TimeInForce.GTC), **BPS,
        ),
        ["102.00", "100.90"],
        "NEW",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_conditional_order_waits_is_triggered_and_done_under_one_handle(rig: NativeRig, name: str) -> None:
    terms, prices, end = CONDITIONAL[name]
    handle = rig.intend(**terms)
    assert (rig.state(handle), rig.order(handle)["is_triggered"]) == ("NEW", False)
    number = rig.order(handle)["venue_order_id"]
    for price in prices[:-1]:
        rig.trade_at(price)
        assert not rig.order(handle)["is_triggered"], price
    rig.trade_at(prices[-1])
    rig.until_state(handle, end, "FILLED")
    order = rig.order(handle)
    assert order["is_triggered"]
    assert order["venue_order_id"] == number
    if end == "FILLED":
        assert abs(rig.position()) == 100
    else:
        rig.others(TAKER, "SELL" if terms["side"] == BUY else "BUY", str(terms["price_ticks"] / 100), "0.1")
        rig.until_state(handle, "FILLED")
    assert rig.oms.illegal_transitions == 0
    told = [decoded(r)["is_triggered"] for r in rig.records(RecordKind.ORDER_STATE) if r.order_handle == handle]
    assert told[0] == 0
    assert told[-1] == 1


@pytest.mark.parametrize("name", ["stop buy", "stop-limit sell", "trailing sell", "trailing sell from a price on"])
def test_a_waiting_order_is_cancelled(rig: NativeRig, name: str) -> None:
    handle = rig.intend(**CONDITIONAL[name][0])
    assert rig.exposure()["working_buy_lots"] + rig.exposure()["working_sell_lots"] == 100
    rig.cancel(handle)
    rig.until_state(handle, "CANCELED")
    assert rig.venue_open() == []
    assert rig.exposure()["working_buy_lots"] + rig.exposure()["working_sell_lots"] == 0


def test_a_waiting_order_is_replaced_with_another_trigger(rig: NativeRig) -> None:
    old = rig.intend(**CONDITIONAL["stop buy"][0])
    new = rig.intend(
        action=int(IntentAction.REPLACE), target_handle=old, **stop(side=BUY, trigger_ticks=10_200, qty_lots=80)
    )
    assert rig.states_of([old, new]) == ["CANCELED", "NEW"]
    rig.trade_at("101.00")
    assert not rig.order(new)["is_triggered"]
    rig.trade_at("102.00")
    rig.until_state(new, "FILLED")
    assert rig.position() == 80


def test_a_trigger_on_the_wrong_side_is_refused_before_or_by_the_venue(rig: NativeRig) -> None:
    handle = rig.intend(**stop(side=BUY, trigger_ticks=9_900))
    order = rig.oms.order(handle)
    if order is None:
        assert rig.verdict()["reason"] == Reason.TRIGGERED_AT_ONCE
    else:
        assert (order["state"], order["venue_code"]) == ("REJECTED", -2010)


def test_what_the_venue_cannot_do_is_refused_as_unsupported(rig: NativeRig) -> None:
    for fields in (
        stop(side=SELL, order_type=int(OrderType.TRAILING_STOP), trail_kind=int(TrailKind.TICKS), trail_amount=100),
        stop(side=SELL, trigger_ticks=9_900, trigger_source=2),
        {"time_in_force": int(TimeInForce.GTD), "expire_ns": rig.clock.time_ns() + 10**13},
        {"position_side": 1},
    ):
        rig.intend(**fields)
        assert rig.verdict()["reason"] in (Reason.UNSUPPORTED, Reason.POSITION_SIDE), fields


# --- shown in part, made smaller ---


def test_an_iceberg_shows_its_part_and_fills_in_full(rig: NativeRig) -> None:
    handle = rig.intend(price_ticks=9_950, qty_lots=300, display_lots=60)
    assert rig.state(handle) == "NEW"
    bids = dict(rig.core.depth("BTCUSDT").bids)
    assert bids[995 * 10**7] == 60 * 10**5
    rig.others(TAKER, "SELL", "99.50", "0.1")
    rig.until_state(handle, "PARTIALLY_FILLED")
    rig.others(TAKER, "SELL", "99.50", "0.2")
    rig.until_state(handle, "FILLED")
    assert rig.position() == 300


def test_an_order_is_made_smaller_in_its_place_and_keeps_its_name(rig: NativeRig) -> None:
    handle = rig.intend(price_ticks=9_950, qty_lots=300)
    rig.others(TAKER, "SELL", "99.50", "0.1")
    rig.until_state(handle, "PARTIALLY_FILLED")
    rig.intend(order_handle=handle, target_handle=handle, action=int(IntentAction.AMEND), qty_lots=200)
    rig.until(lambda: rig.order(handle)["qty_lots"] == 200)
    assert rig.state(handle) == "PARTIALLY_FILLED"
    assert rig.exposure()["working_buy_lots"] == 100
    assert rig.venue_open() == [encode(7, handle)]
    rig.others(TAKER, "SELL", "99.50", "0.1")
    rig.until_state(handle, "FILLED")
    assert rig.position() == 200
    assert rig.oms.illegal_transitions == 0


def test_an_amend_that_would_add_or_that_is_below_what_is_filled_changes_nothing(rig: NativeRig) -> None:
    handle = rig.intend(price_ticks=9_950, qty_lots=300)
    for lots in (300, 400, 0, -5):
        rig.intend(order_handle=handle, target_handle=handle, action=int(IntentAction.AMEND), qty_lots=lots)
        assert (rig.order(handle)["qty_lots"], rig.state(handle)) == (300, "NEW")
    assert rig.gate.refused_count == 4


# --- lists ---


def oco_legs(side: int = SELL, qty: int = 100) -> tuple[dict[str, Any], dict[str, Any]]:
    """A limit on the good side and a stop on the bad one."""
    limit, trigger = (10_200, 9_800) if side == SELL else (9_800, 10_200)
    return ({"side": side, "price_ticks": limit, "qty_lots": qty}, stop(side=side, trigger_ticks=trigger, qty_lots=qty))


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_filled_limit_of_an_oco_ends_its_stop(rig: NativeRig, side: int) -> None:
    limit, stop_leg = rig.intend_list(OCO, *oco_legs(side))
    assert rig.states_of([limit, stop_leg]) == ["NEW", "NEW"]
    working = rig.exposure()["working_sell_lots" if side == SELL else "working_buy_lots"]
    assert working == 100, "only one of the two can fill"
    rig.others(TAKER, "BUY" if side == SELL else "SELL", "102.00" if side == SELL else "98.00", "0.1")
    rig.until_state(limit, "FILLED")
    rig.until_state(stop_leg, "EXPIRED")
    assert rig.order(stop_leg)["reason"] == Reason.CANCELED_BY_CONTINGENCY
    assert abs(rig.position()) == 100
    assert rig.exposure()["working_sell_lots"] == rig.exposure()["working_buy_lots"] == 0


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_triggered_stop_of_an_oco_ends_its_limit(rig: NativeRig, side: int) -> None:
    stop_leg, limit = rig.intend_list(OCO, *reversed(oco_legs(side)))
    rig.trade_at("98.00" if side == SELL else "102.00")
    rig.until_state(stop_leg, "FILLED")
    rig.until_state(limit, "EXPIRED")
    assert abs(rig.position()) == 100
    assert rig.venue_open() == []


def test_a_cancel_of_one_order_of_a_list_cancels_the_list(rig: NativeRig) -> None:
    limit, stop_leg = rig.intend_list(OCO, *oco_legs())
    rig.cancel(stop_leg)
    rig.until_state(stop_leg, "CANCELED")
    rig.until_state(limit, "CANCELED")
    assert rig.order(limit)["reason"] == Reason.CANCELED_BY_CONTINGENCY
    assert rig.venue_open() == []
    assert rig.exposure()["working_sell_lots"] == 0


def test_an_oto_places_its_second_order_when_the_first_is_filled(rig: NativeRig) -> None:
    first, second = rig.intend_list(
        OTO, {"side": BUY, "price_ticks": 9_950, "qty_lots": 100}, stop(side=SELL, trigger_ticks=9_800)
    )
    assert rig.states_of([first, second]) == ["NEW", "NEW"]
    rig.others(TAKER, "SELL", "99.50", "0.1")
    rig.until_state(first, "FILLED")
    assert not rig.order(second)["is_triggered"]
    rig.trade_at("98.00")
    rig.until_state(second, "FILLED")
    assert rig.position() == 0


def test_the_second_order_of_an_oto_ends_with_the_first(rig: NativeRig) -> None:
    first, second = rig.intend_list(
        OTO, {"side": BUY, "price_ticks": 9_950, "qty_lots": 100}, stop(side=SELL, trigger_ticks=9_800)
    )
    rig.cancel(first)
    rig.until_state(first, "CANCELED")
    rig.until_state(second, "CANCELED", "EXPIRED")
    assert rig.venue_open() == []


@pytest.mark.parametrize("ends_well", [True, False])
def test_an_otoco_is_an_entry_with_a_target_and_a_stop(rig: NativeRig, ends_well: bool) -> None:
    entry, target, stop_leg = rig.intend_list(
        OTOCO, {"side": BUY, "price_ticks": 9_950, "qty_lots": 100}, *oco_legs(SELL)
    )
    assert rig.states_of([entry, target, stop_leg]) == ["NEW"] * 3
    rig.others(TAKER, "SELL", "99.50", "0.1")
    rig.until_state(entry, "FILLED")
    assert rig.exposure()["working_sell_lots"] == 100
    if ends_well:
        rig.others(TAKER, "BUY", "102.00", "0.1")
    else:
        rig.trade_at("98.00")
    rig.until_state(target if ends_well else stop_leg, "FILLED")
    rig.until_state(stop_leg if ends_well else target, "EXPIRED")
    assert (rig.position(), rig.exposure()["working_sell_lots"]) == (0, 0)
    assert rig.oms.illegal_transitions == 0


def test_a_refused_list_leaves_nothing_open(rig: NativeRig) -> None:
    """Both legs above the market: the venue refuses the whole list, whatever each leg would be alone."""
    limit, stop_leg = oco_legs()
    handles = rig.intend_list(OCO, limit, stop_leg | {"trigger_ticks": 10_100})
    assert set(rig.states_of([h for h in handles if rig.oms.order(h)])) <= {"REJECTED", "APPROVED"}
    rig.run(2)
    assert set(rig.states_of([h for h in handles if rig.oms.order(h)])) <= {"REJECTED"}
    assert rig.venue_open() == []


def test_a_list_of_which_one_order_never_comes_does_not_leave(rig: NativeRig) -> None:
    handles = [rig.next_handle(), rig.next_handle()]
    rig.intend(order_handle=handles[0], list_handle=handles[0], list_size=2, contingency=OCO, **oco_legs()[0])
    assert rig.state(handles[0]) == "APPROVED"
    rig.run(2)
    assert (rig.state(handles[0]), rig.order(handles[0])["reason"]) == ("REJECTED", Reason.LIST_INCOMPLETE)
    assert rig.venue_open() == []
    assert rig.exposure()["working_sell_lots"] == 0


def test_kill_cancels_waiting_orders_and_lists(rig: NativeRig) -> None:
    from engine.model.codes import CommandKind

    handles = [rig.intend(**CONDITIONAL["stop buy"][0]), *rig.intend_list(OCO, *oco_legs())]
    rig.command(CommandKind.KILL)
    rig.until(lambda: rig.oms.orders() == [])
    assert set(rig.states_of(handles)) == {"CANCELED"}
    assert rig.venue_open() == []
