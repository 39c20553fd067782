"""The paper account outlives the engine: balances, positions, resting and conditional orders, fills."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.config import load
from engine.exit_codes import CommandError
from engine.model.codes import Counter, OrderState
from engine.simulation import START_NS, Simulation
from tests.sim.scenario import Prices, Step
from tests.sim.scripted import SYMBOL, Scripted
from tests.sim.stages import configure, nudge, prices_of, still_venue, trade

KINDS = ["binance-spot", "binance-usdm"]


class PaperRun:
    """One paper engine after the other on the same directories and the same live market."""

    def __init__(self, root: Path, kind: str) -> None:
        self.root, self.kind = root, kind
        loaded = configure(root, kind, "paper")
        text = loaded.path.read_text().replace("cancel_on_start = true", "cancel_on_start = false")
        loaded.path.write_text(text)
        self.shell = still_venue(START_NS)
        self.prices: Prices = prices_of(self.shell, kind)
        self.begun: list[Simulation] = []

    def start(self) -> tuple[Simulation, Scripted]:
        """An engine that sees the market."""
        strategy = Scripted()
        simulation = Simulation(load(self.root / "engine.toml"), self.shell, strategies={"scripted": strategy})
        self.begun.append(simulation)
        simulation.start()
        for _ in range(100):
            if strategy.sees_market:
                break
            simulation.inject(lambda venue, now_ns: nudge(venue, self.kind, self.prices, now_ns))
            simulation.run_for(0.2)
        assert strategy.sees_market
        return simulation, strategy

    def close(self) -> None:
        """End what a failed test left."""
        for simulation in self.begun:
            simulation.crash()

    def move(self, simulation: Simulation, side: str, qty: str, price: str) -> None:
        """The other account trades at the live venue."""
        step, at = Step(do="market", side=side, qty=qty), self.prices.of(price)
        assert at is not None
        simulation.inject(lambda venue, now_ns: trade(venue, self.kind, step, at, now_ns))
        simulation.run_for(0.5)

    def place(
        self, simulation: Simulation, strategy: Scripted, name: str, side: str, qty: str, price: str = ""
    ) -> None:
        """An order of ours."""
        strategy.asked.append(lambda: strategy.place(name, side, qty, self.prices.of(price), {}))
        simulation.run_for(0.5)

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Rows of one kind in the account's file."""
        lines = (self.root / "data" / "paper-account.jsonl").read_text().splitlines()
        return [row for row in map(json.loads, lines) if row["type"] == kind]


@pytest.fixture(params=KINDS)
def paper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PaperRun]:
    """A place for paper engines."""
    found = PaperRun(tmp_path, request.param)
    yield found
    found.close()


def open_orders(simulation: Simulation, kind: str) -> list[Any]:
    """What stands at the paper venue."""
    assert simulation.paper is not None
    core: Any = simulation.paper.venue.core
    return list(core.open_orders(1))


@pytest.mark.parametrize("ends", ["crash", "close"])
def test_a_resting_order_stands_again_after_a_restart_and_fills(paper: PaperRun, ends: str) -> None:
    simulation, strategy = paper.start()
    paper.place(simulation, strategy, "a", "BUY", "0.004", "bid+10")
    paper.place(simulation, strategy, "b", "BUY", "0.002", "ask")
    assert strategy.states == {"a": OrderState.NEW, "b": OrderState.FILLED}
    (before,) = open_orders(simulation, paper.kind)
    getattr(simulation, ends)()

    simulation, strategy = paper.start()
    (again,) = open_orders(simulation, paper.kind)
    assert (again.client_order_id, again.order_id) == (before.client_order_id, before.order_id)
    assert (again.price_e8, again.qty_e8) == (before.price_e8, before.qty_e8)
    paper.move(simulation, "SELL", "0.02", "bid-1")
    assert not open_orders(simulation, paper.kind)
    assert simulation.engine.counters.get(Counter.FILLS) >= 1
    assert simulation.engine.counters.get(Counter.ILLEGAL_TRANSITIONS) == 0
    assert Decimal(strategy.position(SYMBOL).qty) == pytest.approx(Decimal("0.006"), rel=Decimal("0.002"))
    assert simulation.stop()
    assert paper.shell.orders == 0


def test_what_the_account_has_is_the_same_before_and_after(paper: PaperRun) -> None:
    simulation, strategy = paper.start()
    paper.place(simulation, strategy, "a", "BUY", "0.002", "ask")
    paper.place(simulation, strategy, "b", "SELL", "0.002", "bid")
    simulation.crash()
    kind = "balances" if paper.kind == "binance-spot" else "wallet"
    before = paper.rows(kind)[-1]
    trades = paper.rows("trade") + paper.rows("futures_trade")
    simulation, strategy = paper.start()
    assert paper.rows(kind)[0] == before
    assert paper.rows("trade") + paper.rows("futures_trade") == trades
    paper.place(simulation, strategy, "c", "SELL", "0.002", "bid")
    numbers = [row["trade"]["trade_id"] for row in paper.rows("trade") + paper.rows("futures_trade")]
    assert len(set(numbers)) == len(numbers) == 3
    assert simulation.stop()


def test_a_partly_filled_order_goes_on_where_it_was(paper: PaperRun) -> None:
    simulation, strategy = paper.start()
    paper.place(simulation, strategy, "a", "BUY", "0.005", "bid+10")
    simulation.inject(lambda venue, now_ns: trade_at_our_price(venue, paper, now_ns))
    simulation.run_for(0.5)
    assert strategy.states["a"] == OrderState.PARTIALLY_FILLED
    simulation.crash()
    simulation, strategy = paper.start()
    (order,) = open_orders(simulation, paper.kind)
    assert order.executed_e8 == 200_000
    assert order.qty_e8 == 500_000
    paper.move(simulation, "SELL", "0.02", "bid-1")
    assert not open_orders(simulation, paper.kind)
    assert simulation.stop()


def trade_at_our_price(venue: Any, paper: PaperRun, now_ns: int) -> None:
    """Two others trade 0.002 with one another at our bid's price, and leave the book as it was."""
    at = paper.prices.of("bid+10")
    assert at is not None
    for account, side, time_in_force in ((2, "BUY", "GTC"), (1, "SELL", "IOC")):
        step = Step(do="market", side=side, qty="0.002", time_in_force=time_in_force)
        trade(venue, paper.kind, step, at, now_ns, account)


def test_a_file_of_another_market_or_damaged_is_refused(tmp_path: Path) -> None:
    paper = PaperRun(tmp_path, "binance-spot")
    simulation, _ = paper.start()
    simulation.stop()
    path = tmp_path / "data" / "paper-account.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"type":"trade","tra')  # a kill in the middle of a line
    simulation, _ = paper.start()
    simulation.stop()
    path.write_bytes(b"nonsense\n" + whole)
    with pytest.raises(CommandError, match="line 1"):
        paper.start()
    path.write_bytes(whole.replace(b'"spot"', b'"usdm"', 1))
    with pytest.raises(CommandError, match="another market"):
        paper.start()
