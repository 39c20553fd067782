"""The manual's examples run as they stand."""

from __future__ import annotations

import re
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import pytest

from engine.model.codes import Side
from engine.strategy.loader import load_strategy
from engine.strategy.market_maker import MarketMakerConfig
from tests.strategy_harness import SECOND_NS, rehearsal, states

MANUAL = (Path(__file__).resolve().parents[2] / "docs" / "strategies.md").read_text()


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", MANUAL, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    made = types.ModuleType("my_strategies")
    monkeypatch.setitem(sys.modules, "my_strategies", made)
    exec(compile(example("python"), "my_strategies.py", "exec"), made.__dict__)
    return made


def test_the_first_example_is_loaded_by_its_configuration_and_trades(module: types.ModuleType) -> None:
    section: dict[str, Any] = tomllib.loads(example("toml"))["strategy"]["dip"]
    strategy = load_strategy(section["class"], section["params"])
    assert isinstance(strategy, module.BuyTheDip)
    with rehearsal(strategy) as stage:
        stage.runner.start()
        stage.trade("BTCUSDT", 10_000, 1)
        stage.run()
        stage.advance(120 * SECOND_NS)
        stage.book("BTCUSDT", [(9_900, 10)], [(9_905, 10)])
        stage.run()
        [intent] = stage.intents()
        assert (intent["side"], intent["price_ticks"], intent["qty_lots"]) == (Side.BUY, 9_900, 100)
        stage.fill(intent["handle"], 100)
        stage.run()
        assert states(stage)[-1][3] == "bought 0.00100000 at 99.00000000, position 0.00100000"


def test_every_parameter_of_the_market_maker_is_in_its_table() -> None:
    table = MANUAL[MANUAL.index("## The market maker") :]
    for name, default in zip(
        MarketMakerConfig.__struct_fields__[2:], MarketMakerConfig.__struct_defaults__, strict=True
    ):
        written = str(default).lower() if isinstance(default, bool) else str(default)
        assert re.search(rf"\| `{name}` \| {re.escape(written)} \|", table), name
