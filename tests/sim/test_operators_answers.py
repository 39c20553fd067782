"""Every command that does nothing says so: a reason, why, and what works instead; on a spot and on a futures venue."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.control.messages import (
    Accepted,
    Amend,
    Arm,
    Cancel,
    ExitsText,
    Order,
    OrderText,
    Pause,
    Protect,
    Reconcile,
    RefusalCode,
    Refused,
    Resume,
    Scope,
)
from engine.control.server import Caller
from engine.model.codes import Reason, RecordKind
from tests.sim.operated import SYMBOL, Patient, Stage
from tests.sim.test_operators_orders import BTC, asked, hold, orders, price

NOBODY = (9 << 32) + 7
Row = tuple[Any, Reason, str]


@pytest.fixture(params=["binance-spot", "binance-usdm"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path, request.param, "sim", Patient()) as found:
        yield found
        found.simulation.stop()


def of(handle: int) -> Scope:
    """One order."""
    return Scope(order=str(handle))


def amend(handle: int, **words: str) -> Amend:
    """An amendment."""
    return Amend(scope=of(handle), symbol=SYMBOL, **words)  # type: ignore[arg-type]


def told(stage: Stage, request: Any) -> Accepted | Refused:
    """The answer; a second passes."""
    reply = stage.control(request, Caller(0, 1))
    stage.simulation.run_for(1.0)
    assert isinstance(reply, (Accepted, Refused)), reply
    return reply


def rest(stage: Stage, **words: Any) -> int:
    """A limit order of ours that rests."""
    return asked(stage, Order(scope=BTC, side="buy", qty="0.01", price=price(stage, "bid", "-90"), **words))


def check(stage: Stage, rows: list[Row]) -> None:
    """Each request is refused, with this reason and these words."""
    for request, reason, words in rows:
        reply = told(stage, request)
        assert isinstance(reply, Refused), request
        assert (Reason(reply.reason), words in reply.text) == (reason, True), (request, reply)


def test_what_never_was_and_what_has_ended_is_not_changed(stage: Stage) -> None:
    ended, over = rest(stage), rest(stage, emulated=True, time_in_force="gtd", expire="+20m")
    for handle in (ended, over):
        assert isinstance(told(stage, Cancel(scope=of(handle))), Accepted)
    unknown = (Reason.UNKNOWN_ORDER, "no such order")
    rows: list[Row] = [
        (request, *unknown)
        for request in (Cancel(scope=of(NOBODY)), amend(NOBODY, price="1"), amend(NOBODY, trigger="1"))
    ]
    rows += [(kind(scope=of(NOBODY)), Reason.UNKNOWN_ORDER, "") for kind in (Pause, Resume)]
    rows += [
        (Cancel(scope=of(ended)), Reason.ORDER_NOT_OPEN, "CANCELED"),
        (Cancel(scope=of(over)), Reason.ORDER_NOT_OPEN, "CANCELED"),
        (amend(ended, price="1"), Reason.ORDER_NOT_OPEN, "CANCELED"),
        (Pause(scope=of(ended)), Reason.ORDER_NOT_OPEN, "CANCELED"),
        (Resume(scope=of(over)), Reason.ORDER_NOT_OPEN, "CANCELED"),
    ]
    check(stage, rows)
    assert orders(stage) == []


def test_what_cannot_be_changed_says_why_and_which_way_works(stage: Stage) -> None:
    hold(stage)
    resting = rest(stage)
    stop = asked(
        stage, Order(scope=BTC, side="sell", qty="0.01", order_type="stop", trigger=price(stage, "bid", "-500"))
    )
    algo = asked(
        stage,
        Order(scope=BTC, side="buy", qty="0.01", algo="twap", algo_words={"duration": "1h", "slices": "2"}),
    )
    exits = asked(stage, Protect(scope=BTC, exits=ExitsText(stop_loss="5%")))
    same = price(stage, "bid", "-90")
    check(
        stage,
        [
            (amend(resting, price=same, qty="0.01"), Reason.NONE, "already"),
            (amend(resting, trigger=same), Reason.UNSUPPORTED, "cancel it and place another"),
            (amend(stop, price=same), Reason.UNSUPPORTED, "no limit price"),
            (amend(algo, price=same), Reason.UNSUPPORTED, "cancel"),
            (amend(exits, qty="0.01"), Reason.UNSUPPORTED, "cancel"),
            (Resume(scope=of(algo)), Reason.ORDER_NOT_OPEN, "WORKING"),
            (Pause(scope=of(exits)), Reason.UNSUPPORTED, "not paused"),
            (Pause(scope=of(resting)), Reason.UNKNOWN_ORDER, "at the venue is not paused"),
            (Resume(scope=Scope(strategy="scripted")), Reason.NONE, "not paused"),
            (Arm(scope=Scope(strategy="scripted")), Reason.NONE, "nothing to arm"),
        ],
    )
    assert isinstance(told(stage, Pause(scope=of(algo))), Accepted)
    check(stage, [(Pause(scope=of(algo)), Reason.ORDER_NOT_OPEN, "PAUSED")])
    assert isinstance(told(stage, Resume(scope=of(algo))), Accepted)
    assert isinstance(told(stage, Pause(scope=Scope(strategy="scripted"))), Accepted)
    check(stage, [(Pause(scope=Scope(strategy="scripted")), Reason.STRATEGY_PAUSED, "already")])


def test_an_amendment_that_cannot_be_says_why_and_changes_nothing(stage: Stage) -> None:
    hold(stage)
    words: dict[str, Any] = {"scope": BTC, "side": "sell", "qty": "0.01", "emulated": True}
    stop = asked(stage, Order(**words, order_type="stop", trigger=price(stage, "bid", "-500")))
    dated = rest(stage, emulated=True, time_in_force="gtd", expire="+20m")
    exits = ExitsText(stop_loss=price(stage, "bid", "-900"), take_profits=(price(stage, "ask", "900"),))
    entry: dict[str, Any] = {"scope": BTC, "side": "buy", "qty": "0.01", "price": price(stage, "bid", "-300")}
    bracket = asked(stage, Order(**entry, exits=exits))
    before = stage.ledger().open_orders()
    beyond = price(stage, "ask", "500")
    check(
        stage,
        [
            (amend(stop, price=beyond), Reason.UNSUPPORTED, "no limit price"),
            (amend(dated, trigger=beyond), Reason.UNSUPPORTED, "no trigger price"),
            (amend(dated, qty="0.01"), Reason.NONE, "already"),
            (Amend(scope=of(dated), exits=exits), Reason.UNSUPPORTED, "only a bracket or a protection"),
            (Amend(scope=of(NOBODY), exits=exits), Reason.UNKNOWN_ORDER, "no such order"),
            (Amend(scope=of(bracket), exits=exits), Reason.NONE, "already"),
            (
                Amend(scope=of(bracket), exits=ExitsText(stop_loss=beyond)),
                Reason.TRIGGERED_AT_ONCE,
                "nothing was changed",
            ),
        ],
    )
    assert stage.ledger().open_orders() == before
    reply = told(stage, amend(dated, price=price(stage, "bid", "-95")))
    assert isinstance(reply, Accepted)
    assert "sent again" in reply.note


def test_of_many_nothing_to_do_is_no_fault_and_is_said(stage: Stage) -> None:
    for request, words in (
        (Cancel(), "nothing to cancel"),
        (Cancel(scope=BTC), "nothing to cancel"),
        (Resume(), "nothing to resume"),
    ):
        reply = told(stage, request)
        assert isinstance(reply, Accepted)
        assert reply.note == words
    rest(stage)
    reply = told(stage, Cancel())
    assert isinstance(reply, Accepted)
    assert reply.note == "cancels 1 open order"
    assert orders(stage) == []
    assert isinstance(told(stage, Reconcile()), Accepted)


def test_a_refusal_of_the_gate_is_told_in_the_instruments_units(stage: Stage) -> None:
    tables = stage.simulation.engine.tables
    lot_e8, limits = tables.instrument(1)["lot_size_e8"], tables.limit_row(4, 1)
    most = f"{Decimal(limits['max_order_qty_lots'] * lot_e8).scaleb(-8).normalize():f}"
    reply = told(stage, Order(scope=BTC, side="buy", qty="900", price=price(stage, "bid", "-90")))
    assert isinstance(reply, Accepted)
    assert Reason(reply.reason) == Reason.QTY_ABOVE_MAX
    assert f"max order quantity: {most} BTC, asked 900 BTC" in reply.note
    resting = rest(stage)
    reply = told(stage, amend(resting, qty="900"))
    assert isinstance(reply, Refused)
    assert (reply.code, Reason(reply.reason)) == (RefusalCode.STATE, Reason.QTY_ABOVE_MAX)
    assert "asked 900 BTC" in reply.text
    assert orders(stage) == [("LIMIT", "NEW")]
    held = told(stage, Order(scope=BTC, side="buy", qty="900", price="1", algo="iceberg", display="0.01"))
    assert isinstance(held, Accepted)


def test_an_order_is_changed_where_it_is_and_by_nobody_else(stage: Stage) -> None:
    resting = rest(stage)
    reply = told(stage, amend(resting, price=price(stage, "bid", "-95")))
    assert isinstance(reply, Accepted)
    [order] = stage.ledger().open_orders()
    assert Decimal(order["price"]) == Decimal(price(stage, "bid", "-95"))
    intents = [row for row in stage.simulation.records() if row.kind == RecordKind.INTENT]
    assert len(intents) == 2


def leg(stage: Stage) -> OrderText:
    """The stop of a pair."""
    return OrderText(order_type="stop", trigger=price(stage, "bid", "-500"))


def sent(stage: Stage) -> bytes:
    """Everything that left for the venue."""
    rows = [row for row in stage.simulation.records() if row.kind == RecordKind.ORDER_BYTES]
    return b"".join(bytes(row.payload) for row in rows)


@pytest.mark.parametrize("contingency", ["oco", "oto", "otoco", "ouo"])
def test_a_list_is_one_request_where_the_venue_has_it_and_held_elsewhere(stage: Stage, contingency: Any) -> None:
    hold(stage)
    is_native = stage.kind == "binance-spot" and contingency != "ouo"
    is_pair = contingency in ("oco", "ouo")
    legs: tuple[OrderText, ...] = (leg(stage),) if is_pair else (OrderText(price=price(stage, "ask", "600")),)
    legs = (*legs, leg(stage)) if contingency == "otoco" else legs
    side, where = ("sell", price(stage, "ask", "500")) if is_pair else ("buy", price(stage, "bid", "-90"))
    request = Order(scope=BTC, side=side, qty="0.01", price=where, contingency=contingency, legs=legs)  # type: ignore[arg-type]
    handle = asked(stage, request)
    assert (f"orderList.place.{contingency}".encode() in sent(stage)) == is_native
    assert len(orders(stage)) == 1 + len(legs)
    assert {row["parent"] for row in stage.ledger().open_orders()} == ({0} if is_native else {handle})
    if is_native:
        reply = told(stage, amend(handle + 1, price=price(stage, "ask", "400")))
        assert isinstance(reply, Refused)
        assert (Reason(reply.reason), f"ctl cancel --order {handle}" in reply.text) == (Reason.UNSUPPORTED, True)
    assert isinstance(told(stage, Cancel(scope=of(handle))), Accepted)
    assert orders(stage) == []


def test_a_list_of_which_the_gate_refuses_one_order_does_not_leave(stage: Stage) -> None:
    hold(stage)
    far = OrderText(order_type="stop-limit", trigger=price(stage, "bid", "-500"), price="1")
    words: dict[str, Any] = {"scope": BTC, "side": "sell", "qty": "0.01", "price": price(stage, "ask", "500")}
    reply = told(stage, Order(**words, contingency="oco", legs=(far,)))
    assert isinstance(reply, Accepted)
    if stage.kind == "binance-spot":
        assert Reason(reply.reason) == Reason.PRICE_COLLAR
        assert orders(stage) == []
    assert b"orderList.place" not in sent(stage)


def test_a_position_side_is_refused_where_positions_are_netted(stage: Stage) -> None:
    words: dict[str, Any] = {"scope": BTC, "side": "buy", "qty": "0.01", "price": price(stage, "bid", "-90")}
    for request in (
        Order(**words, position_side="long"),
        Protect(scope=BTC, exits=ExitsText(stop_loss="1%"), position_side="short"),
    ):
        reply = told(stage, request)
        assert isinstance(reply, Refused)
        assert "nets its positions" in reply.text
    stage.simulation.engine.tables.set_hedge(1, True)
    stage.is_pure = False
    for request in (Order(**words), Protect(scope=BTC, exits=ExitsText(stop_loss="1%"))):
        reply = told(stage, request)
        assert isinstance(reply, Refused)
        assert "say --position-side long or short" in reply.text
