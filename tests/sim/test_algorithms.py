"""Algorithms end to end: a strategy or an operator asks, the gate passes each child, the venue fills, the ledger tells it all."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.control.messages import Cancel, Order, Pause, Resume, Scope
from engine.journal.explain import explain
from engine.journal.reader import JournalReader
from engine.model.codes import Side
from engine.strategy.api import Strategy
from tests.contract.test_cli import ROOT
from tests.sim.operated import SYMBOL, Patient, Stage

WORLDS = [("binance-spot", "sim"), ("binance-usdm", "sim"), ("binance-spot", "paper")]
# on paper our orders leave no mark on a market that stands still: what was taken seems to stand there still
LEAST_FILLED = {"sim": Decimal("0.04"), "paper": Decimal("0.03")}


@pytest.mark.parametrize(("kind", "mode"), WORLDS)
def test_a_twap_of_a_strategy_is_done_in_its_slices_and_told_all_along(tmp_path: Path, kind: str, mode: str) -> None:
    strategy = Patient(Side.BUY, "0.04", "twap", duration="20s", slices=4, at_end="cross")
    with Stage(tmp_path, kind, mode, strategy) as stage:
        stage.simulation.run_for(11.0)
        assert Decimal("0.01") <= stage.filled() < Decimal("0.04")
        stage.simulation.run_for(22.0)
        assert LEAST_FILLED[mode] <= stage.filled() <= Decimal("0.04")
        [parent] = stage.ledger().family.parents.values()
        assert (parent["what"], parent["strategy"]) == ("twap", "scripted")
        assert parent["state"] == "DONE" or mode == "paper"
        assert parent["children"] >= 4
        assert Decimal(parent["filled"]) == stage.filled()
        assert strategy.heard
        orders = stage.ledger().orders.values()
        assert {order["parent"] for order in orders} == {strategy.parent}
        assert stage.simulation.stop()
        chain = explain(JournalReader(stage.loaded.data_dir), str(strategy.parent))
        assert chain is not None
        assert {"asked", "signal", "verdict", "fill", "parent"} <= {step.name for step in chain.steps}


def test_an_operators_twap_can_be_paused_resumed_and_cancelled_as_a_tree(tmp_path: Path) -> None:
    with Stage(tmp_path, "binance-spot", "sim", Patient()) as stage:
        words = {"duration": "60s", "slices": "6", "style": "join"}
        handle = stage.ask(Order(scope=Scope(symbol=SYMBOL), side="buy", qty="0.06", algo="twap", algo_words=words))
        stage.simulation.run_for(1.0)
        assert [order["parent"] for order in stage.ledger().open_orders()] == [handle]
        scope = Scope(order=str(handle))
        stage.ask(Pause(scope=scope))
        stage.simulation.run_for(21.0)
        assert stage.ledger().open_orders() == []
        assert stage.ledger().family.parents[handle]["state"] == "PAUSED"
        stage.ask(Resume(scope=scope))
        stage.simulation.run_for(1.0)
        [order] = stage.ledger().open_orders()
        assert Decimal(order["qty"]) == Decimal("0.03")
        stage.ask(Cancel(scope=scope))
        stage.simulation.run_for(1.0)
        assert stage.ledger().open_orders() == []
        assert stage.ledger().family.parents[handle]["state"] == "CANCELED"
        stage.simulation.stop()


def test_an_iceberg_shows_one_part_after_the_other(tmp_path: Path) -> None:
    with Stage(tmp_path, "binance-spot", "sim", Patient()) as stage:
        bid = stage.prices.best["bid"] + Decimal("0.01")
        handle = stage.ask(
            Order(scope=Scope(symbol=SYMBOL), side="buy", qty="0.05", price=f"{bid:f}", display="0.01", algo="iceberg")
        )
        for _ in range(12):
            stage.simulation.run_for(0.5)
            assert len(stage.ledger().open_orders()) <= 1
            stage.sell_into("0.02")
        assert stage.ledger().family.parents[handle]["state"] == "DONE"
        assert stage.filled() == Decimal("0.05")
        stage.simulation.stop()


def test_a_pegs_order_follows_the_best_price_and_a_share_of_the_volume_is_kept(tmp_path: Path) -> None:
    with Stage(tmp_path, "binance-spot", "sim", Patient()) as stage:
        peg = stage.ask(
            Order(scope=Scope(symbol=SYMBOL), side="sell", qty="0.01", algo="peg", algo_words={"to": "best"})
        )
        stage.simulation.run_for(1.0)
        [order] = stage.ledger().open_orders()
        assert Decimal(order["price"]) == stage.prices.best["ask"]
        stage.ask(Cancel(scope=Scope(order=str(peg))))
        words = {"participation": "10%", "style": "take", "retry": "100ms"}
        stage.ask(Order(scope=Scope(symbol=SYMBOL), side="buy", qty="1", algo="pov", algo_words=words))
        for _ in range(5):
            stage.simulation.run_for(0.5)
            stage.sell_into("0.5", "bid-200")
        stage.simulation.run_for(2.0)
        found = [row for row in stage.ledger().family.parents.values() if row["what"] == "pov"]
        traded, filled = found[0]["progress"]["traded_lots"], found[0]["progress"]["filled_lots"]
        # a tenth of what was traded, ours included: a little behind, never above
        assert traded // 20 < filled <= traded // 10
        stage.simulation.stop()


def test_an_algorithm_goes_on_after_a_crash_with_what_is_left(tmp_path: Path) -> None:
    strategy = Patient(Side.BUY, "0.04", "twap", duration="40s", slices=4)
    with Stage(tmp_path, "binance-spot", "sim", strategy) as first:
        first.simulation.run_for(12.0)
        before = first.filled()
        assert Decimal(0) < before < Decimal("0.04")
        shell = first.simulation.venue
        first.simulation.crash()
    with Stage(tmp_path, "binance-spot", "sim", Patient(), shell) as again:
        again.simulation.run_for(45.0)
        assert again.filled() == Decimal("0.04")
        assert again.ledger().family.parents[strategy.parent]["state"] == "DONE"
        again.simulation.stop()


@pytest.mark.parametrize("page", ["README.md", "docs/execution.md"])
def test_what_a_page_teaches_of_a_bracket_and_a_twap_works_as_it_stands(tmp_path: Path, page: str) -> None:
    """The page's strategies, word for word, at the venue of the README's tour and within the limits of its engine."""
    texts = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    limits = tour_limits()
    for number, text in enumerate(text for text in texts if "self.execute(" in text or "self.submit_bracket(" in text):
        (tmp_path / str(number)).mkdir()
        with Stage(tmp_path / str(number), "binance-spot", "sim", taught(text), limits=limits) as stage:
            stage.simulation.run_for(5.0)
            [parent] = stage.ledger().open_parents()
            assert (parent["what"], parent["state"]) in (("twap", "WORKING"), ("bracket", "WORKING"))
            assert stage.filled() > 0
            refused = [row for row in stage.ledger().orders.values() if row["state"] in ("REFUSED", "REJECTED")]
            assert (refused, parent["reason"]) == ([], "NONE")
            shell = stage.simulation.venue
            stage.simulation.crash()
        with Stage(tmp_path / str(number), "binance-spot", "sim", taught(text), shell, limits) as again:
            again.simulation.run_for(5.0)
            assert [found["handle"] for found in again.ledger().open_parents()] == [parent["handle"]]
            again.simulation.stop()


def tour_limits() -> str:
    """What the engine of the README's tour allows of its symbol."""
    text = (ROOT / "config" / "demo.toml").read_text()
    return text.split(f"[risk.instrument.{SYMBOL}]\n")[1].split("\n[")[0]


def taught(text: str) -> Strategy:
    """The strategy that a page defines."""
    found: dict[str, Any] = {}
    exec(compile(text, "page", "exec"), found)
    kinds = [value for value in found.values() if isinstance(value, type) and issubclass(value, Strategy)]
    [kind] = [value for value in kinds if value is not Strategy]
    strategy: Strategy = kind()
    return strategy
