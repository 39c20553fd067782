"""What `submit_ouo`, `submit_oto` and `cancel_parent` of strategies promise, against the simulated venue, spot and futures."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.model.codes import OrderState, ParentState, Side
from engine.strategy.api import Leg, Target
from tests.execution_world import SYMBOL, World

KINDS = ("binance-spot", "binance-usdm")
GONE = (OrderState.CANCELED, OrderState.EXPIRED)


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, request.param)
    yield made
    made.close()


def states(world: World, handles: tuple[int, ...]) -> list[OrderState]:
    return [world.strategy.states[handle] for handle in handles]


def test_submit_ouo_reduces_the_other_by_what_one_has_filled(world: World) -> None:
    world.buy("0.01")
    above, below = world.on_tick(world.ask_price - world.tick), world.on_tick(world.bid - 60)
    legs = (Leg(side=Side.SELL, qty="0.01", price=above), Leg(side=Side.SELL, qty="0.01", trigger=below))
    handles = world.ask(lambda s: s.submit_ouo(SYMBOL, *legs))
    world.run()
    assert states(world, handles) == [OrderState.NEW, OrderState.HELD]
    world.trade("BUY", "0.004", above)
    world.run()
    assert world.position == Decimal("0.006")
    assert states(world, handles) == [OrderState.PARTIALLY_FILLED, OrderState.HELD]
    world.print_at(below)
    world.run(1)
    assert world.strategy.states[handles[1]] == OrderState.FILLED
    assert world.strategy.states[handles[0]] in GONE
    assert world.position == 0
    by_stop = sum(qty for handle, _, _, qty in world.strategy.fills if handle == handles[1])
    assert by_stop == Decimal("0.006")


def test_submit_oto_releases_the_others_once_the_first_is_filled(world: World) -> None:
    price = world.on_tick(world.bid + world.tick)
    above, higher = world.on_tick(world.ask_price + 300), world.on_tick(world.ask_price + 400)
    legs = (Leg(side=Side.SELL, qty="0.004", price=above), Leg(side=Side.SELL, qty="0.004", price=higher))
    handles = world.ask(lambda s: s.submit_oto(SYMBOL, Leg(side=Side.BUY, qty="0.01", price=price), *legs))
    world.run()
    assert states(world, handles) == [OrderState.NEW, OrderState.HELD, OrderState.HELD]
    world.trade("SELL", "0.01", price)
    world.run()
    assert states(world, handles) == [OrderState.FILLED, OrderState.NEW, OrderState.NEW]
    assert {row["price_ticks"] for row in world.open_orders()} == {int(above / world.tick), int(higher / world.tick)}


def test_submit_oto_of_exclusive_others_is_an_oco_after_the_first(world: World) -> None:
    price = world.on_tick(world.bid + world.tick)
    above, below = world.on_tick(world.ask_price + 300), world.on_tick(world.bid - 60)
    legs = (
        Leg(side=Side.BUY, qty="0.01", price=price, emulated=True),
        Leg(side=Side.SELL, qty="0.008", price=above, emulated=True),
        Leg(side=Side.SELL, qty="0.008", trigger=below, emulated=True),
    )
    handles = world.ask(lambda s: s.submit_oto(SYMBOL, *legs, exclusive=True))
    world.run()
    world.trade("SELL", "0.01", price)
    world.run()
    assert states(world, handles) == [OrderState.FILLED, OrderState.NEW, OrderState.HELD]
    world.print_at(below)
    world.run(1)
    assert world.strategy.states[handles[2]] == OrderState.FILLED
    assert world.strategy.states[handles[1]] in GONE


def test_cancel_parent_ends_every_order_of_a_list(world: World) -> None:
    world.buy("0.01")
    above, below = world.on_tick(world.ask_price + 300), world.on_tick(world.bid - 60)
    legs = (Leg(side=Side.SELL, qty="0.01", price=above), Leg(side=Side.SELL, qty="0.01", trigger=below))
    handles = world.ask(lambda s: s.submit_ouo(SYMBOL, *legs))
    world.run()
    (parent,) = world.ask(lambda s: list(s.parents()))
    assert world.ask(lambda s: s.cancel_parent(parent))
    world.run()
    assert states(world, handles) == [OrderState.CANCELED, OrderState.CANCELED]
    assert world.strategy.parents_seen[parent] == ParentState.CANCELED
    assert world.open_orders() == []
    assert world.ask(lambda s: s.parents()) == {}


def test_cancel_parent_of_a_bracket_ends_the_entry_and_keeps_what_protects(world: World) -> None:
    price = world.on_tick(world.bid + world.tick)
    targets = [Target(world.on_tick(world.ask_price + 300))]
    entry = Leg(side=Side.BUY, qty="0.01", price=price)
    parent, handle = world.ask(
        lambda s: s.submit_bracket(SYMBOL, entry, stop=world.on_tick(world.bid - 60), targets=targets)
    )
    world.run()
    world.trade("SELL", "0.004", price)
    world.run()
    assert world.ask(lambda s: s.cancel_parent(parent))
    world.run()
    assert world.strategy.states[handle] in GONE
    assert [row["side"] for row in world.open_orders()] == ["SELL"]
    assert world.strategy.parents_seen[parent] == ParentState.WORKING
    world.print_at(world.on_tick(world.bid - 100))
    world.run(1)
    assert world.position == 0
    assert world.strategy.parents_seen[parent] == ParentState.DONE


def test_cancel_parent_of_nothing_is_false(world: World) -> None:
    assert world.ask(lambda s: s.cancel_parent(12345)) is False
