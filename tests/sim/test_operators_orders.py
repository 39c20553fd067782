"""An operator's orders of every kind, by the control port, at a venue: native, held, lists, brackets, protection."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.control.messages import Amend, Cancel, ExitsText, Order, OrderText, Protect, Scope
from tests.sim.operated import SYMBOL, Patient, Stage

BTC = Scope(symbol=SYMBOL)


@pytest.fixture(params=["binance-spot", "binance-usdm"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path, request.param, "sim", Patient()) as found:
        yield found
        found.simulation.stop()


def price(stage: Stage, side: str, off: str) -> str:
    """A price so far from the best one of a side, on the grid of both markets."""
    return f"{(stage.prices.best[side] + Decimal(off)).quantize(Decimal('0.1')):f}"


def asked(stage: Stage, request: Any) -> int:
    """The handle; a second passes."""
    handle = stage.ask(request)
    stage.simulation.run_for(1.0)
    return handle


def orders(stage: Stage) -> list[tuple[str, str]]:
    """Type and state of what is open."""
    return sorted((row["type"], row["state"]) for row in stage.ledger().open_orders())


def hold(stage: Stage, qty: str = "0.02") -> None:
    """A position of ours."""
    asked(stage, Order(scope=BTC, side="buy", qty=qty, price=price(stage, "ask", "50"), time_in_force="ioc"))
    assert stage.filled() == Decimal(qty)


def test_a_stop_waits_at_the_venue_or_in_the_engine_and_is_cancelled_by_its_handle(stage: Stage) -> None:
    hold(stage)
    trigger = price(stage, "bid", "-500")
    words: dict[str, Any] = {"scope": BTC, "side": "sell", "qty": "0.01", "order_type": "stop", "trigger": trigger}
    native = asked(stage, Order(**words))
    held = asked(stage, Order(**words, emulated=True))
    found = {row["handle"]: row for row in stage.ledger().open_orders()}
    assert (found[native]["state"], found[held]["state"]) == ("NEW", "HELD")
    assert Decimal(found[native]["trigger"]) == Decimal(found[held]["trigger"]) == Decimal(trigger)
    for handle in (native, held):
        asked(stage, Cancel(scope=Scope(order=str(handle))))
    assert orders(stage) == []


def test_a_held_stop_is_amended_in_place(stage: Stage) -> None:
    hold(stage)
    words: dict[str, Any] = {"scope": BTC, "side": "sell", "qty": "0.01", "order_type": "stop", "emulated": True}
    held = asked(stage, Order(**words, trigger=price(stage, "bid", "-500")))
    elsewhere = price(stage, "bid", "-700")
    asked(stage, Amend(scope=Scope(order=str(held)), symbol=SYMBOL, trigger=elsewhere))
    [order] = stage.ledger().open_orders()
    assert (order["handle"], order["state"], Decimal(order["trigger"])) == (held, "HELD", Decimal(elsewhere))


@pytest.mark.parametrize("words", [{"qty": "0.006"}, {"price": "-700"}, {"qty": "0.012", "price": "-700"}])
def test_an_amended_order_ends_at_its_date(stage: Stage, words: dict[str, str]) -> None:
    where = price(stage, "bid", "-500")
    dated = asked(
        stage,
        Order(scope=BTC, side="buy", qty="0.01", price=where, time_in_force="gtd", expire="+10s", post_only=True),
    )
    numbers = {"qty": words.get("qty", ""), "price": price(stage, "bid", words["price"]) if "price" in words else ""}
    asked(stage, Amend(scope=Scope(order=str(dated)), qty=numbers["qty"], price=numbers["price"]))
    open_orders = {row["state"]: row for row in stage.ledger().open_orders()}
    assert Decimal(open_orders["NEW"]["qty"]) == Decimal(numbers["qty"] or "0.01")
    assert Decimal(open_orders["NEW"]["price"]) == Decimal(numbers["price"] or where)
    stage.simulation.run_for(10.0)
    assert orders(stage) == []


def test_one_of_two_cancels_the_other_and_a_tree_goes_at_once(stage: Stage) -> None:
    hold(stage)
    leg = OrderText(order_type="stop", trigger=price(stage, "bid", "-500"))
    words: dict[str, Any] = {"scope": BTC, "side": "sell", "qty": "0.01", "price": price(stage, "ask", "500")}
    handle = asked(stage, Order(**words, contingency="oco", legs=(leg,), emulated=True))
    assert len(orders(stage)) == 2
    assert {row["parent"] for row in stage.ledger().open_orders()} == {handle}
    asked(stage, Cancel(scope=Scope(order=str(handle))))
    assert orders(stage) == []


@pytest.mark.parametrize("is_emulated", [False, True])
@pytest.mark.parametrize("order_type", ["LIMIT", "STOP"])
def test_a_cancel_of_one_of_two_cancels_the_other_whoever_keeps_the_list(
    stage: Stage, order_type: str, is_emulated: bool
) -> None:
    hold(stage)
    leg = OrderText(order_type="stop", trigger=price(stage, "bid", "-500"))
    words: dict[str, Any] = {"scope": BTC, "side": "sell", "qty": "0.01", "price": price(stage, "ask", "500")}
    asked(stage, Order(**words, contingency="oco", legs=(leg,), emulated=is_emulated))
    found = {("STOP" if "STOP" in row["type"] else "LIMIT"): row["handle"] for row in stage.ledger().open_orders()}
    assert len(found) == 2
    asked(stage, Cancel(scope=Scope(order=str(found[order_type]))))
    assert orders(stage) == []


def test_a_brackets_exits_follow_what_its_entry_has_filled(stage: Stage) -> None:
    exits = ExitsText(stop_loss="1%", take_profits=(price(stage, "ask", "900") + "@50%", price(stage, "ask", "1900")))
    entry: dict[str, Any] = {"scope": BTC, "side": "buy", "qty": "0.02", "price": price(stage, "ask", "50")}
    handle = asked(stage, Order(**entry, exits=exits))
    stage.simulation.run_for(1.0)
    assert stage.filled() == Decimal("0.02")
    found = stage.ledger()
    assert found.family.parents[handle]["what"] == "bracket"
    sales = [row for row in found.open_orders() if row["side"] == "SELL"]
    targets = [row for row in sales if row["type"] == "LIMIT"]
    assert sum(Decimal(row["leaves"]) for row in targets) == Decimal("0.02")
    assert len({row["price"] for row in targets}) == 2
    assert {row["parent"] for row in sales} == {handle}


def test_a_brackets_entry_target_and_stop_are_amended_by_the_handles_that_are_listed(stage: Stage) -> None:
    exits = ExitsText(stop_loss=price(stage, "bid", "-900"), take_profits=(price(stage, "ask", "900"),))
    words: dict[str, Any] = {"scope": BTC, "side": "buy", "qty": "0.02", "price": price(stage, "bid", "-300")}
    handle = asked(stage, Order(**words, exits=exits))
    [entry] = stage.ledger().open_orders()
    lower = price(stage, "bid", "-400")
    asked(stage, Amend(scope=Scope(order=str(entry["handle"])), price=lower, qty="0.01"))
    [entry] = stage.ledger().open_orders()
    assert (Decimal(entry["price"]), Decimal(entry["qty"]), entry["parent"]) == (
        Decimal(lower),
        Decimal("0.01"),
        handle,
    )
    asked(stage, Amend(scope=Scope(order=str(entry["handle"])), price=price(stage, "ask", "50")))
    [target] = [row for row in stage.ledger().open_orders() if row["side"] == "SELL"]
    higher = price(stage, "ask", "950")
    asked(stage, Amend(scope=Scope(order=str(target["handle"])), price=higher))
    asked(stage, Amend(scope=Scope(order=str(handle)), trigger=price(stage, "bid", "-800")))
    [target] = [row for row in stage.ledger().open_orders() if row["side"] == "SELL"]
    assert (Decimal(target["price"]), Decimal(target["qty"])) == (Decimal(higher), Decimal("0.01"))
    [stop] = stage.ledger().family.parents[handle]["held_exits"]
    assert Decimal(stop["trigger"]) == Decimal(price(stage, "bid", "-800"))
    both = ExitsText(stop_loss=price(stage, "bid", "-700"), take_profits=("2%@50%", "3%"))
    asked(stage, Amend(scope=Scope(order=str(handle)), exits=both))
    stage.simulation.run_for(1.0)
    sales = [row for row in stage.ledger().open_orders() if row["side"] == "SELL"]
    assert sorted(Decimal(row["qty"]) for row in sales) == [Decimal("0.005")] * 2
    [stop] = stage.ledger().family.parents[handle]["held_exits"]
    assert Decimal(stop["trigger"]) == Decimal(price(stage, "bid", "-700"))


def test_a_protection_is_as_large_as_the_position(stage: Stage) -> None:
    hold(stage)
    handle = asked(stage, Protect(scope=BTC, exits=ExitsText(stop_loss="1%"), reason="overnight"))
    parents = stage.ledger().family.parents
    assert (parents[handle]["what"], parents[handle]["state"]) == ("protection", "WORKING")
    asked(stage, Cancel(scope=Scope(order=str(handle))))
    assert stage.ledger().family.parents[handle]["state"] == "CANCELED"
