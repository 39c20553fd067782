"""The configurations that are shipped work as they stand."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.config import load
from engine.exit_codes import ExitCode
from engine.strategy.loader import load_strategy
from engine.venue_kinds import kind_of

FOLDER = Path(__file__).resolve().parents[2] / "config"
ENGINES = ["binance-spot.toml", "binance-usdm.toml", "demo.toml", "paper.toml"]


def test_every_shipped_configuration_is_checked_here() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == [*ENGINES, "venue.toml"]


@pytest.mark.parametrize("name", ENGINES)
def test_a_shipped_configuration_passes_the_check(name: str) -> None:
    assert main(["config", "check", str(FOLDER / name)]) == ExitCode.OK


@pytest.mark.parametrize("name", ENGINES)
def test_a_shipped_strategy_loads_with_its_parameters_and_fits_its_limits(name: str) -> None:
    config = load(FOLDER / name).config
    assert config.strategy
    for section in config.strategy.values():
        params = load_strategy(section.class_path, section.params).config
        for symbol in section.symbols:
            assert float(params.qty) <= float(config.risk.instrument[symbol].max_order_qty)
            assert float(params.max_inventory) <= float(config.risk.instrument[symbol].max_position)


@pytest.mark.parametrize("name", ENGINES)
def test_a_shipped_order_address_is_used_with_its_path_once(name: str) -> None:
    (venue,) = load(FOLDER / name).config.venue.values()
    assert kind_of(venue.kind).order_url(venue.ws_api_url).count(kind_of(venue.kind).order_api_path) == 1


@pytest.mark.parametrize("address", ["ws://127.0.0.1:1", "ws://127.0.0.1:1/", "ws://127.0.0.1:1/ws-api/v3"])
def test_an_order_address_without_a_path_means_the_exchanges_own(address: str) -> None:
    assert kind_of("binance-spot").order_url(address) == "ws://127.0.0.1:1/ws-api/v3"


def test_the_demos_key_type_is_one_that_the_shipped_venue_gives_its_account() -> None:
    (venue,) = load(FOLDER / "demo.toml").config.venue.values()
    accounts = tomllib.loads((FOLDER / "venue.toml").read_text())["venue"]["accounts"]
    (demo,) = [account for account in accounts if account["name"] == "demo"]
    assert venue.key_type in {key["kind"] for key in demo["keys"]}
