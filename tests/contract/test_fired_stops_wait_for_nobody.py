"""A fired protective stop in the whole engine, on the simulated venue: it waits for nobody's resting order, and turns nothing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.model.codes import CommandKind, OrderState, ParentState, RecordKind, Side
from engine.strategy.api import Away, Leg, Target
from tests.execution_world import SYMBOL, World

KINDS = ("binance-spot", "binance-usdm")


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, request.param)
    yield made
    made.close()


@pytest.fixture
def spot(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, "binance-spot")
    yield made
    made.close()


def test_a_fired_stop_does_not_wait_for_a_quote_that_rests_far_away(world: World) -> None:
    world.buy("0.01")
    quote = world.ask(lambda s: s.sell(SYMBOL, "0.01", world.on_tick(world.ask_price + 900)))
    world.ask(lambda s: s.protect(SYMBOL, stop=Away(60), placement="engine"))
    world.run()
    assert world.strategy.states[quote] == OrderState.NEW
    world.print_at(world.on_tick(world.bid - 100))
    world.run(0.3)  # long before any back-off would be over
    assert world.position == 0
    expected = OrderState.CANCELED if world.kind == "binance-spot" else OrderState.NEW
    assert world.strategy.states[quote] == expected


def test_a_held_stop_takes_back_what_holds_it_and_goes_out_in_parts(spot: World) -> None:
    spot.buy("0.01")
    quote = spot.ask(lambda s: s.sell(SYMBOL, "0.004", spot.on_tick(spot.ask_price + 900)))
    trigger = spot.on_tick(spot.bid - 60)
    stop = spot.ask(lambda s: s.sell(SYMBOL, "0.01", trigger=trigger, reduce_only=True, emulated=True))
    spot.run()
    spot.print_at(trigger)
    spot.run(0.3)
    assert spot.position == 0
    assert spot.strategy.states[quote] == OrderState.CANCELED
    assert spot.strategy.states[stop] == OrderState.FILLED
    assert spot.strategy.parents_seen[stop] == ParentState.DONE
    sold = [qty for _, side, _, qty in spot.strategy.fills if side == Side.SELL]
    assert sum(sold) == Decimal("0.01")
    assert len(spot.ledger(RecordKind.INTENT)) >= 4  # buy, quote, two parts


def test_take_profits_and_the_stop_never_turn_the_position(world: World) -> None:
    world.buy("0.01")
    targets = [Target(Away(200), share=5000), Target(Away(400), share=5000)]
    handle = world.ask(lambda s: s.protect(SYMBOL, stop=Away(60), targets=targets, placement="engine"))
    world.run()
    assert sum(row["leaves_qty_lots"] for row in world.open_orders()) == world.lots
    world.print_at(world.on_tick(world.bid - 100))
    world.run(1)
    assert world.position == 0
    assert world.open_orders() == []
    assert world.strategy.parents_seen[handle] == ParentState.DONE


def test_a_take_profit_that_an_operator_cancels_stays_away(world: World) -> None:
    world.buy("0.01")
    targets = [Target(Away(300), share=5000), Target(Away(600), share=5000)]
    handle = world.ask(lambda s: s.protect(SYMBOL, stop=Away(60), targets=targets, placement="engine"))
    world.run()
    first, second = sorted(world.open_orders(), key=lambda row: row["price_ticks"])
    world.simulation.command(CommandKind.CANCEL, order_handle=first["order_handle"])
    world.run(12)
    assert [row["order_handle"] for row in world.open_orders()] == [second["order_handle"]]
    assert any(b"cancelled by a person" in bytes(record.payload) for record in world.ledger(RecordKind.ALARM))
    world.print_at(world.on_tick(world.bid - 100))
    world.run(1)
    assert world.position == 0
    assert world.strategy.parents_seen[handle] == ParentState.DONE


def test_a_brackets_take_profit_is_one_order_however_its_entry_is_filled(world: World) -> None:
    price = world.on_tick(world.bid + 1)
    entry = Leg(side=Side.BUY, qty="0.02", price=price)
    world.ask(lambda s: s.submit_bracket(SYMBOL, entry, stop=Away(500), targets=[Target(Away(600))]))
    world.run(0.2)
    for _ in range(10):
        world.trade("SELL", "0.002", price)
        sells = [row for row in world.open_orders() if row["side"] == "SELL"]
        assert len(sells) <= 1
    world.run(1)
    (target,) = [row for row in world.open_orders() if row["side"] == "SELL"]
    assert target["leaves_qty_lots"] == world.lots
    exits = {record.order_handle for record in world.ledger(RecordKind.VERDICT)}
    assert len(exits) <= 10  # the entry, and an order for each quarter of a second at most
    assert world.position == Decimal("0.02")


def test_take_profits_are_back_as_soon_as_the_book_is_after_a_restart(world: World) -> None:
    world.buy("0.01")
    world.ask(lambda s: s.protect(SYMBOL, stop=Away(60), targets=[Target(Away(300))], placement="engine"))
    world.run()
    assert sum(row["leaves_qty_lots"] for row in world.open_orders()) == world.lots
    world.simulation.crash()
    world._core.cancel_all(1, SYMBOL, world.simulation.clock.time_ns())
    world.start()
    world.run(0.3)
    assert sum(row["leaves_qty_lots"] for row in world.open_orders()) == world.lots


def test_a_take_profit_that_the_venue_cancels_comes_back_but_not_at_once(world: World) -> None:
    world.buy("0.01")
    world.ask(lambda s: s.protect(SYMBOL, stop=Away(60), targets=[Target(Away(300))], placement="engine"))
    world.run()
    world.simulation.inject(lambda _, now_ns: world._core.cancel_all(1, SYMBOL, now_ns))
    world.run(0.6)
    assert world.open_orders() == []
    world.run(1)
    assert sum(row["leaves_qty_lots"] for row in world.open_orders()) == world.lots
