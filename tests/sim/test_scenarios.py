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


Outcome = tuple[dict[str, OrderState], list[tuple[str, Decimal | None, Decimal, str]]]


def expected(kind: str, scenario: Scenario) -> Outcome:
    """What the scenario says: the orders' states and the fills."""
    prices: Prices = prices_of(still_venue(0), kind)
    fills = [(name, prices.of(price), Decimal(qty), role) for name, price, qty, role in scenario.fills]
    return {name: OrderState[state] for name, state in scenario.orders.items()}, fills


def outcome(scenario: Scenario, strategy: Scripted) -> Outcome:
    """What became of it."""
    return {name: strategy.states[name] for name in scenario.orders}, [*normalised(strategy.fills)]


@pytest.mark.parametrize(("kind", "scenario"), CASES, ids=NAMES)
def test_in_the_process(tmp_path: Path, kind: str, scenario: Scenario) -> None:
    assert outcome(scenario, play_virtual(tmp_path, kind, "sim", scenario)) == expected(kind, scenario)


@pytest.mark.parametrize(("kind", "scenario"), CASES, ids=NAMES)
def test_on_paper(tmp_path: Path, kind: str, scenario: Scenario) -> None:
    assert outcome(scenario, play_virtual(tmp_path, kind, "paper", scenario)) == expected(kind, scenario)


@pytest.mark.parametrize(("kind", "scenario"), CASES, ids=NAMES)
def test_over_sockets(tmp_path: Path, kind: str, scenario: Scenario) -> None:
    assert outcome(scenario, play_sockets(tmp_path, kind, scenario)) == expected(kind, scenario)
