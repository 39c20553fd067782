"""Conditional orders of USD-M by its algo service, GTD, closing orders and hedge mode, in virtual time over the real session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.model.clientid import encode
from engine.model.codes import (
    CommandKind,
    IntentAction,
    OrderFlag,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    TrailKind,
    TriggerSource,
)
from tests.native_rig import MAKER, OURS, TAKER, FuturesRig
from tests.orders_harness import SECOND_NS

BUY, SELL = int(Side.BUY), int(Side.SELL)
BPS = {"trail_kind": int(TrailKind.BPS)}
CLOSE = int(OrderFlag.CLOSE_POSITION)


@pytest.fixture
def rig() -> Iterator[FuturesRig]:
    found = FuturesRig()
    found.others(MAKER, "SELL", "103.00", "10")
    found.others(MAKER, "BUY", "97.00", "10")
    found.trade_at("100.00")
    yield found
    found.close()


def stop(**fields: Any) -> dict[str, Any]:
    return {"order_type": int(OrderType.STOP), "price_ticks": 0, "qty_lots": 100, **fields}


def enter(rig: FuturesRig, side: int = BUY, lots: int = 100) -> None:
    """A position from a limit order that another account fills."""
    handle = rig.intend(side=side, price_ticks=10_000, qty_lots=lots)
    rig.others(TAKER, "SELL" if side == BUY else "BUY", "100.00", str(lots / 1000))
    rig.until_state(handle, "FILLED")


CONDITIONAL = {
    "stop buy": (stop(side=BUY, trigger_ticks=10_100), ["101.00"], "FILLED"),
    "stop sell": (stop(side=SELL, trigger_ticks=9_900), ["99.00"], "FILLED"),
    "touched buy": (stop(side=BUY, order_type=int(OrderType.MARKET_IF_TOUCHED), trigger_ticks=9_900), ["99.00"], "FILLED"),
    "stop-limit buy": (
        stop(side=BUY, order_type=int(OrderType.STOP_LIMIT), trigger_ticks=10_100, price_ticks=10_150), ["101.00"], "NEW"
    ),
    "limit-if-touched sell": (
        stop(side=SELL, order_type=int(OrderType.LIMIT_IF_TOUCHED), trigger_ticks=10_100, price_ticks=10_120), ["101.00"], "NEW"
    ),
    "trailing sell": (
        stop(side=SELL, order_type=int(OrderType.TRAILING_STOP), trail_amount=100, **BPS), ["102.00", "101.50", "100.90"], "FILLED"
    ),
    "trailing buy from a price on": (
        stop(side=BUY, order_type=int(OrderType.TRAILING_STOP), trail_amount=100, activation_ticks=9_850, **BPS),
        ["99.00", "101.00", "98.00", "99.00"],
        "FILLED",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_conditional_order_becomes_an_order_of_the_book_under_the_same_handle(rig: FuturesRig, name: str) -> None:
    terms, prices, end = CONDITIONAL[name]
    handle = rig.intend(**terms)
    order = rig.order(handle)
    assert (order["state"], order["is_triggered"], order["venue_order_id"]) == ("NEW", False, 0)
    assert order["venue_algo_id"] > 0
    assert rig.venue_algos() == [encode(7, handle)]
    for price in prices[:-1]:
        rig.trade_at(price)
        assert not rig.order(handle)["is_triggered"], price
    rig.trade_at(prices[-1])
    rig.until_state(handle, end, "FILLED")
    order = rig.order(handle)
    assert order["is_triggered"]
    assert order["venue_order_id"] > 0
    if end != "FILLED":
        rig.others(TAKER, "SELL" if terms["side"] == BUY else "BUY", str(terms["price_ticks"] / 100), "0.1")
        rig.until_state(handle, "FILLED")
    assert abs(rig.position()) == 100
    assert rig.oms.external_open_orders() == []
    assert rig.oms.illegal_transitions == 0


@pytest.mark.parametrize("name", ["stop buy", "stop-limit buy", "trailing sell"])
def test_a_waiting_order_is_cancelled_at_its_service(rig: FuturesRig, name: str) -> None:
    handle = rig.intend(**CONDITIONAL[name][0])
    rig.cancel(handle)
    rig.until_state(handle, "CANCELED")
    assert rig.venue_algos() == []
    assert rig.exposure()["working_buy_lots"] == rig.exposure()["working_sell_lots"] == 0


def test_a_triggered_order_is_cancelled_in_the_book(rig: FuturesRig) -> None:
    handle = rig.intend(**CONDITIONAL["stop-limit buy"][0])
    rig.trade_at("101.00")
    assert rig.venue_open() == [encode(7, handle)]
    rig.cancel(handle)
    rig.until_state(handle, "CANCELED")
    assert rig.venue_open() == []


def test_a_mark_price_order_does_not_hear_the_last_price(rig: FuturesRig) -> None:
    handle = rig.intend(**stop(side=BUY, trigger_ticks=10_100, trigger_source=int(TriggerSource.MARK)))
    rig.trade_at("101.00")
    assert not rig.order(handle)["is_triggered"]
    rig.mark("101.50")
    rig.until_state(handle, "FILLED")


def test_a_waiting_order_is_replaced(rig: FuturesRig) -> None:
    old = rig.intend(**CONDITIONAL["stop buy"][0])
    new = rig.intend(
        action=int(IntentAction.REPLACE), target_handle=old, **stop(side=BUY, trigger_ticks=10_200, qty_lots=80)
    )
    rig.until_state(new, "NEW")
    assert rig.state(old) == "CANCELED"
    assert rig.venue_algos() == [encode(7, new)]
    rig.trade_at("102.00")
    rig.until_state(new, "FILLED")
    assert rig.position() == 80


def test_a_closing_order_closes_whatever_the_position_is_then(rig: FuturesRig) -> None:
    enter(rig, lots=100)
    handle = rig.intend(**stop(side=SELL, trigger_ticks=9_900, qty_lots=0, flags=CLOSE))
    assert rig.state(handle) == "NEW"
    enter(rig, lots=50)
    rig.trade_at("99.00")
    rig.until_state(handle, "FILLED")
    assert (rig.position(), rig.order(handle)["qty_lots"]) == (0, 150)
    assert rig.oms.illegal_transitions == 0


def test_a_closing_order_ends_with_its_position(rig: FuturesRig) -> None:
    enter(rig)
    handle = rig.intend(**stop(side=SELL, trigger_ticks=9_900, qty_lots=0, flags=CLOSE))
    out = rig.intend(side=SELL, price_ticks=9_990, qty_lots=100)
    rig.others(TAKER, "BUY", "99.90", "0.1")
    rig.until_state(out, "FILLED")
    rig.until_state(handle, "EXPIRED")
    assert rig.venue_algos() == []


def test_an_order_that_is_refused_when_its_price_comes_ends_rejected(rig: FuturesRig) -> None:
    enter(rig)
    handle = rig.intend(**stop(side=SELL, trigger_ticks=9_900, flags=int(OrderFlag.REDUCE_ONLY)))
    assert rig.state(handle) == "NEW"
    out = rig.intend(side=SELL, price_ticks=9_990, qty_lots=50)
    if rig.oms.order(out) is not None:
        rig.others(TAKER, "BUY", "99.90", "0.05")
    # the venue finds nothing to reduce: the position went elsewhere
    rig.at_venue(lambda now_ns: _flatten_at_venue(rig, now_ns))
    rig.trade_at("99.00")
    rig.until_state(handle, "REJECTED", "EXPIRED", "CANCELED", "FILLED")
    assert rig.exposure()["working_sell_lots"] == 0 or rig.state(handle) == "FILLED"


def _flatten_at_venue(rig: FuturesRig, now_ns: int) -> None:
    from engine.sim.usdm.api import UsdmOrderRequest

    held = sum(position.qty_e8 for position in rig.core.positions(1, "BTCUSDT"))
    if held > 0:
        request = UsdmOrderRequest(symbol="BTCUSDT", side="SELL", type="MARKET", quantity_e8=held)
        rig.core.place(1, request, now_ns)


def test_a_good_till_date_order_ends_by_itself(rig: FuturesRig) -> None:
    expire_ns = rig.clock.time_ns() + 700 * SECOND_NS
    handle = rig.intend(price_ticks=9_950, qty_lots=100, time_in_force=int(TimeInForce.GTD), expire_ns=expire_ns)
    assert rig.state(handle) == "NEW"
    rig.run(600)
    assert rig.state(handle) == "NEW"
    rig.run(110)
    assert rig.state(handle) == "EXPIRED"
    rig.intend(time_in_force=int(TimeInForce.GTD), expire_ns=rig.clock.time_ns() + 500 * SECOND_NS)
    assert rig.verdict()["reason"] in (Reason.UNSUPPORTED, Reason.EXPIRE_TIME), "the venue wants ten minutes"


def test_an_order_is_made_smaller_under_its_name(rig: FuturesRig) -> None:
    handle = rig.intend(price_ticks=9_950, qty_lots=300)
    rig.others(TAKER, "SELL", "99.50", "0.1")
    rig.until_state(handle, "PARTIALLY_FILLED")
    rig.intend(order_handle=handle, target_handle=handle, action=int(IntentAction.AMEND), qty_lots=200)
    rig.until(lambda: rig.order(handle)["qty_lots"] == 200)
    assert rig.exposure()["working_buy_lots"] == 100
    rig.others(TAKER, "SELL", "99.50", "0.1")
    rig.until_state(handle, "FILLED")
    assert rig.position() == 200


def test_open_conditional_orders_are_found_again_after_a_reconnect(rig: FuturesRig) -> None:
    handles = [rig.intend(**CONDITIONAL[name][0]) for name in ("stop buy", "stop-limit buy", "trailing sell")]
    rig.disconnect()
    rig.until(lambda: rig.tables.control_state()["trading_state"] != 2)
    rig.trade_at("101.00")
    rig.until_active()
    rig.until(lambda: rig.state(handles[0]) == "FILLED")
    assert rig.order(handles[1])["is_triggered"]
    assert (rig.state(handles[2]), rig.order(handles[2])["is_triggered"]) == ("NEW", False)
    assert rig.register.halts()["instruments"] == {}


def test_kill_cancels_waiting_orders_too(rig: FuturesRig) -> None:
    handles = [rig.intend(**CONDITIONAL[name][0]) for name in ("stop buy", "trailing sell")]
    handles.append(rig.intend(price_ticks=9_950))
    rig.command(CommandKind.KILL)
    rig.until(lambda: rig.oms.orders() == [])
    assert (rig.venue_algos(), rig.venue_open()) == ([], [])


def hedge(rig: FuturesRig) -> None:
    """The account keeps a long and a short position apart."""
    rig.at_venue(lambda now_ns: rig.core.set_position_mode(OURS, True, now_ns))
    rig.tables.set_hedge(1, True)


def test_in_hedge_mode_each_order_says_of_which_position_it_is(rig: FuturesRig) -> None:
    hedge(rig)
    long = rig.intend(side=BUY, price_ticks=9_950, qty_lots=100, position_side=1)
    short = rig.intend(side=SELL, price_ticks=10_050, qty_lots=70, position_side=2)
    waiting = rig.intend(**stop(side=BUY, trigger_ticks=10_200, position_side=1))
    assert rig.states_of([long, short, waiting]) == ["NEW"] * 3
    sides = {order.client_order_id: order.position_side for order in rig.core.open_orders(OURS)}
    assert sides == {rig.client_id(long): "LONG", rig.client_id(short): "SHORT"}
    assert [algo.position_side for algo in rig.core.open_algo_orders(OURS)] == ["LONG"]
    working = [rig.tables.exposure(1, side) for side in (0, 1, 2)]
    assert [row["working_buy_lots"] for row in working] == [0, 200, 0]
    assert [row["working_sell_lots"] for row in working] == [0, 0, 70]
    for handle in (long, short, waiting):
        rig.cancel(handle)
    assert rig.states_of([long, short, waiting]) == ["CANCELED"] * 3
    assert [rig.tables.exposure(1, side)["open_orders"] for side in (0, 1, 2)] == [0, 0, 0]


def test_in_hedge_mode_fills_move_the_position_of_their_side(rig: FuturesRig) -> None:
    hedge(rig)
    long = rig.intend(side=BUY, price_ticks=9_990, qty_lots=100, position_side=1)
    rig.others(TAKER, "SELL", "99.90", "0.1")
    rig.until_state(long, "FILLED")
    short = rig.intend(side=SELL, price_ticks=10_010, qty_lots=70, position_side=2)
    rig.others(TAKER, "BUY", "100.10", "0.07")
    rig.until_state(short, "FILLED")
    assert [rig.tables.exposure(1, side)["position_lots"] for side in (0, 1, 2)] == [0, 100, -70]
    out = rig.intend(**stop(side=SELL, trigger_ticks=9_900, position_side=1))
    rig.trade_at("99.00")
    rig.until_state(out, "FILLED")
    assert [rig.tables.exposure(1, side)["position_lots"] for side in (0, 1, 2)] == [0, 0, -70]
    rig.run(2)
    assert rig.register.halts()["instruments"] == {}
