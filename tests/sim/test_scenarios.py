"""One scenario gives the same orders and fills over real sockets, in the in-process simulation and on paper."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from engine.model.codes import OrderState
from tests.sim.scenario import Prices, Scenario, normalised, scenarios
from tests.sim.scripted import Scripted
from tests.sim.stages import play_sockets, play_virtual, prices_of, still_venue

CASES = scenarios()
NAMES = [f"{kind.removeprefix('binance-')}: {row.name}" for kind, row in CASES]


def check(kind: str, scenario: Scenario, strategy: Scripted) -> None:
    """What became of the orders is what the scenario says."""
    prices: Prices = prices_of(still_venue(0), kind)
    assert {name: strategy.states[name] for name in scenario.orders} == {
        name: OrderState[state] for name, state in scenario.orders.items()
    }
    expected = [(name, prices.of(price), Decimal(qty), role) for name, price, qty, role in scenario.fills]
    assert normalised(strategy.fills) == expected


@pytest.mark.parametrize(("kind", "scenario"), CASES, ids=NAMES)
def test_in_the_process(tmp_path: Path, kind: str, scenario: Scenario) -> None:
    check(kind, scenario, play_virtual(tmp_path, kind, "sim", scenario))


@pytest.mark.parametrize(("kind", "scenario"), CASES, ids=NAMES)
def test_on_paper(tmp_path: Path, kind: str, scenario: Scenario) -> None:
    check(kind, scenario, play_virtual(tmp_path, kind, "paper", scenario))


@pytest.mark.parametrize(("kind", "scenario"), CASES, ids=NAMES)
def test_over_sockets(tmp_path: Path, kind: str, scenario: Scenario) -> None:
    check(kind, scenario, play_sockets(tmp_path, kind, scenario))
