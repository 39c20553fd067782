"""Held orders, lists, brackets and protection in the whole engine against the simulated venue, spot and futures: placed, amended,
triggered, filled, cancelled - and after a kill -9 in each phase."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.journal import decode
from engine.model.codes import (
    CommandKind,
    OrderFlag,
    OrderState,
    OrderType,
    ParentState,
    RecordKind,
    Side,
    TriggerSource,
)
from engine.model.instructions import Change, Held, OrderTerms, encode
from engine.strategy.api import Away, Leg, Target
from tests.execution_world import OVER, SYMBOL, Asked, World

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


def test_a_held_stop_is_one_order_from_held_to_filled(world: World) -> None:
    world.buy("0.01")
    trigger = world.on_tick(world.bid - 50)
    handle = world.ask(lambda s: s.sell(SYMBOL, "0.01", trigger=trigger, reduce_only=True, emulated=True))
    world.run()
    assert world.strategy.states[handle] == OrderState.HELD
    assert world.open_orders() == []
    world.print_at(trigger)
    world.run(1)
    assert world.position == 0
    assert world.strategy.history[handle] == [OrderState.HELD, OrderState.NEW, OrderState.FILLED] or (
        world.strategy.history[handle][0] == OrderState.HELD and world.strategy.history[handle][-1] == OrderState.FILLED
    )
    assert world.strategy.parents_seen[handle] == ParentState.DONE


def place(strategy: Asked, leg: Leg) -> int:
    instrument = strategy.instrument(SYMBOL)
    return strategy.submit_ticks(instrument.instrument_id, **leg.ticks(instrument))


def test_every_conditional_type_is_released_when_its_price_is_met(world: World) -> None:
    world.buy("0.012")
    below, above = world.on_tick(world.bid - 40), world.on_tick(world.ask_price + 40)
    plain: dict[str, Any] = {"qty": "0.002", "emulated": True, "side": Side.SELL}
    legs = {
        "stop": Leg(trigger=below, **plain),
        "stop limit": Leg(trigger=below, price=world.on_tick(below - 400), **plain),
        "touched": Leg(trigger=above, type=OrderType.MARKET_IF_TOUCHED, **plain),
        "limit if touched": Leg(
            trigger=above, price=world.on_tick(world.bid - 400), type=OrderType.LIMIT_IF_TOUCHED, **plain
        ),
        "trailing": Leg(trail=Decimal(30), **plain),
        "trailing limit": Leg(trail_bps=10, limit_offset=Decimal(1), type=OrderType.TRAILING_STOP_LIMIT, **plain),
    }
    handles = {name: world.ask(partial(place, leg=leg)) for name, leg in legs.items()}
    world.run()
    assert {world.strategy.states[handle] for handle in handles.values()} == {OrderState.HELD}
    world.print_at(above)
    world.run()
    for name in ("touched", "limit if touched"):
        assert world.strategy.states[handles[name]] == OrderState.FILLED
    world.print_at(below)
    world.run()
    for name in ("stop", "stop limit", "trailing"):
        assert world.strategy.states[handles[name]] == OrderState.FILLED, name
    assert world.strategy.states[handles["trailing limit"]] != OrderState.HELD


def test_a_held_order_is_amended_and_cancelled(world: World) -> None:
    world.buy("0.01")
    low = world.on_tick(world.bid - 200)
    handle = world.ask(lambda s: s.sell(SYMBOL, "0.01", trigger=low, reduce_only=True, emulated=True))
    near = world.on_tick(world.bid - 30)
    assert world.ask(lambda s: s.amend_held(SYMBOL, handle, trigger=near, qty="0.004"))
    world.print_at(near)
    world.run()
    assert world.position == Decimal("0.006")
    other = world.ask(lambda s: s.sell(SYMBOL, "0.006", trigger=low, reduce_only=True, emulated=True))
    assert world.ask(lambda s: s.cancel(other))
    world.run()
    assert world.strategy.states[other] == OrderState.CANCELED


def test_a_bid_ask_stop_hears_the_book_and_not_the_trades(world: World) -> None:
    world.buy("0.01")
    trigger = world.on_tick(world.bid - 20)
    leg: dict[str, Any] = {
        "trigger": trigger,
        "trigger_source": TriggerSource.BID_ASK,
        "reduce_only": True,
        "emulated": True,
    }
    handle = world.ask(lambda s: s.sell(SYMBOL, "0.01", **leg))
    world.print_at(trigger)
    world.run()
    assert world.strategy.states[handle] == OrderState.FILLED


def test_a_bracket_from_entry_to_stop(world: World) -> None:
    entry = Leg(side=Side.BUY, qty="0.008")
    targets = (Target(Away(300), share=5000), Target(Away(600), share=5000))
    parent, handle = world.ask(lambda s: s.submit_bracket(SYMBOL, entry, stop=Away(60), targets=targets))
    world.run(2)
    assert world.strategy.states[handle] == OrderState.FILLED
    assert world.position == Decimal("0.008")
    lots = sum(row["leaves_qty_lots"] for row in world.open_orders())
    assert lots == world.lots
    average = world.strategy.fills[0][2]
    world.print_at(world.on_tick(average - 70))
    world.run(2)
    assert world.position == 0
    assert world.open_orders() == []
    assert world.strategy.parents_seen[parent] == ParentState.DONE


def test_a_bracket_from_entry_to_its_targets(world: World) -> None:
    entry = Leg(side=Side.BUY, qty="0.008")
    targets = (Target(Away(30), share=5000), Target(Away(50), share=5000))
    parent, _ = world.ask(lambda s: s.submit_bracket(SYMBOL, entry, stop=Away(200), targets=targets))
    world.run(2)
    average = world.strategy.fills[0][2]
    world.print_at(world.on_tick(average + 60))
    world.run(2)
    assert world.position == 0
    assert world.strategy.parents_seen[parent] == ParentState.DONE
    assert world.open_orders() == []


def test_protection_follows_the_position_until_it_is_flat(world: World) -> None:
    world.buy("0.01")
    handle = world.ask(lambda s: s.protect(SYMBOL, stop=Away(60), targets=[Target(Away(500))], placement="engine"))
    world.run()
    lot = sum(row["leaves_qty_lots"] for row in world.open_orders())
    world.buy("0.006")
    world.run()
    assert sum(row["leaves_qty_lots"] for row in world.open_orders()) * 5 == lot * 8
    world.print_at(world.on_tick(world.bid - 150))
    world.run(2)
    assert world.position == 0
    assert world.open_orders() == []
    assert world.strategy.parents_seen[handle] == ParentState.DONE


def test_kill_leaves_protection_held_and_it_goes_on_after_arm(world: World) -> None:
    world.buy("0.01")
    world.ask(lambda s: s.protect(SYMBOL, stop=Away(60), placement="engine"))
    world.simulation.command(CommandKind.KILL, reason="test")
    world.run()
    world.print_at(world.on_tick(world.bid - 150))
    world.run(2)
    assert world.position == Decimal("0.01")
    world.simulation.command(CommandKind.ARM, reason="test")
    world.run(8)
    assert world.position == 0


def test_an_oco_of_the_engine_fills_one(world: World) -> None:
    world.buy("0.01")
    above, below = world.on_tick(world.ask_price + 300), world.on_tick(world.bid - 40)
    legs = (
        Leg(side=Side.SELL, qty="0.01", price=above, emulated=True),
        Leg(side=Side.SELL, qty="0.01", trigger=below, emulated=True),
    )
    handles = world.ask(lambda s: s.submit_oco(SYMBOL, *legs))
    world.run()
    assert [world.strategy.states[handle] for handle in handles] == [OrderState.NEW, OrderState.HELD]
    world.print_at(below)
    world.run()
    assert [world.strategy.states[handle] for handle in handles] == [OrderState.CANCELED, OrderState.FILLED]
    assert world.position == 0


def test_a_person_instructs_pauses_and_cancels(spot: World) -> None:
    spot.buy("0.01")
    engine = spot.simulation.engine
    row = engine.tables.instrument_id(engine.lines[0].venue_id, SYMBOL)
    low = int(spot.on_tick(spot.bid - 40) / spot.tick)
    text = (
        b'{"kind":"held","instrument_id":%d,"order":{"side":1,"order_type":2,"qty_lots":%d,"trigger_ticks":%d,"flags":10}}'
        % (
            row,
            engine.tables.exposure(row)["position_lots"],
            low,
        )
    )
    spot.simulation.command(CommandKind.INSTRUCT, detail=text)
    spot.run()
    (held,) = spot.ledger(RecordKind.HELD_ORDER)
    spot.simulation.command(CommandKind.PAUSE, order_handle=held.order_handle)
    spot.print_at(spot.on_tick(spot.bid - 50))
    spot.run()
    assert spot.position == Decimal("0.01")
    spot.simulation.command(CommandKind.INSTRUCT, detail=encode(Change(handle=held.order_handle, action="resume")))
    spot.print_at(spot.on_tick(spot.bid - 5))
    spot.run()
    assert spot.position == 0


# --- kill -9 -----------------------------------------------------------------------------------------------------------


def test_a_held_order_survives_a_crash_and_is_released_once(world: World) -> None:
    world.buy("0.01")
    trigger = world.on_tick(world.bid - 60)
    handle = world.ask(lambda s: s.sell(SYMBOL, "0.01", trigger=trigger, reduce_only=True, emulated=True))
    world.run()
    world.crash()
    world.run()
    assert world.strategy.states[handle] == OrderState.HELD
    world.print_at(trigger)
    world.run()
    assert world.position == 0
    world.crash()
    world.run(2)
    assert world.position == 0
    assert world.open_orders() == []


def test_what_triggered_while_away_is_released_at_the_first_valid_book(world: World) -> None:
    world.buy("0.01")
    handle = world.ask(lambda s: s.protect(SYMBOL, stop=Away(60), targets=[Target(Away(500))], placement="engine"))
    world.run()
    world.simulation.crash()
    low = world.on_tick(world.bid - 150)
    core = world._core

    world.start()
    world.print_at(low)
    world.run(3)
    assert world.position == 0
    assert world.strategy.parents_seen[handle] in OVER
    assert core is world._core


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_persons_held_iceberg_goes_on_after_an_orderly_stop(world: World, side: Side) -> None:
    is_buy = side == Side.BUY
    price = world.on_tick(world.bid - 20) if is_buy else world.on_tick(world.ask_price + 20)
    if not is_buy:
        world.buy("0.006")
    flags = OrderFlag.EMULATED if is_buy else OrderFlag.EMULATED | OrderFlag.REDUCE_ONLY
    order = OrderTerms(
        side=side,
        qty_lots=world.of_lots("0.006"),
        display_lots=world.of_lots("0.002"),
        price_ticks=int(price / world.tick),
        flags=flags,
    )
    world.simulation.command(CommandKind.INSTRUCT, detail=encode(Held(instrument_id=world.instrument_id, order=order)))
    world.run()
    shown = [(row["state"], row["qty_lots"]) for row in world.open_orders()]
    assert shown == [("NEW", order.display_lots)]
    world.stop()
    world.start()
    world.run(3)
    assert [(row["state"], row["qty_lots"]) for row in world.open_orders()] == shown
    for _ in range(12):
        world.print_at(price)
        world.run(0.3)
    *_, last = [decode.payload(record) for record in world.ledger(RecordKind.PARENT_STATE)]
    assert (last["state"], last["filled_lots"]) == ("DONE", order.qty_lots)
    assert world.position == Decimal("0.006" if is_buy else 0)
    # nothing was asked for that the gate had to refuse, and nobody was woken up for it
    assert [record for record in world.ledger(RecordKind.VERDICT) if not decode.payload(record)["approved"]] == []
    texts = [str(decode.payload(record)) for record in world.ledger(RecordKind.ALARM)]
    assert [text for text in texts if "PROTECTION_FAILED" in text or "PARENT_FAILED" in text] == []


@pytest.mark.parametrize("phase", ["entry", "part", "filled", "stopping"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_bracket_that_is_killed_in_any_phase_protects_exactly_what_it_filled(
    tmp_path: Path, kind: str, phase: str
) -> None:
    world = World(tmp_path, kind)
    price = world.on_tick(world.bid - 20)
    entry = Leg(side=Side.BUY, qty="0.008", price=price)
    world.ask(lambda s: s.submit_bracket(SYMBOL, entry, stop=Away(200), targets=[Target(Away(800))]))
    world.run()
    if phase == "entry":
        world.crash()
    for _ in range(40):
        if world.bid <= price:
            break
        world.trade("SELL", "0.3", price)
    if phase == "part":
        world.run(0.002)
        world.crash()
    while world.position < Decimal("0.008"):
        world.trade("SELL", "0.3", price)
        world.run()
    world.run()
    if phase == "filled":
        world.crash()
    working = sum(row["leaves_qty_lots"] for row in world.open_orders() if row["side"] == "SELL")
    row = world.simulation.engine.tables.instrument_id(world.simulation.engine.lines[0].venue_id, SYMBOL)
    world.run()
    working = sum(row["leaves_qty_lots"] for row in world.open_orders() if row["side"] == "SELL")
    assert 0 < working <= world.simulation.engine.tables.exposure(row)["position_lots"]
    if phase == "stopping":
        world.print_at(world.on_tick(price - 250))
        world.simulation.run_for(0.001)
        world.crash()
        world.run(3)
    else:
        world.print_at(world.on_tick(price - 250))
        world.run(3)
    assert world.position == 0
    assert world.open_orders() == []
    world.close()
