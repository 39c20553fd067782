"""Panic close of a hedged futures account: LONG and SHORT of one symbol are two positions, and both are closed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.model.codes import RecordKind
from tests.contract.lines_market import HEDGED, LinesMarket, limits_of, lines_market, strategy_of


@pytest.fixture
def market() -> Iterator[LinesMarket]:
    """A futures venue, and a strategy that holds a long and a short position there."""
    with lines_market("hedged-", activity=6.0) as found:
        found.add_venue("futures", HEDGED)
        strategy = strategy_of("pair", ["BTCUSDT"], "tests.contract.hedged_pair:HedgedPair", qty="0.020")
        found.write_config(strategy, limits_of("BTCUSDT", qty="0.02", position="1"))
        found.trade()
        yield found


def held(market: LinesMarket) -> dict[str, float]:
    """The venue's positions by side, empty ones left out."""
    rows = market.venues["futures"].witness.get("/fapi/v3/positionRisk", signed=True, symbol="BTCUSDT")
    return {row["positionSide"]: float(row["positionAmt"]) for row in rows if float(row["positionAmt"])}


def open_orders(market: LinesMarket) -> int:
    """Orders open, by the venue's word."""
    return len(market.venues["futures"].witness.open_orders())


def test_flatten_closes_the_long_and_the_short_of_a_hedged_account(market: LinesMarket) -> None:
    market.until(lambda: held(market) == {"LONG": 0.04, "SHORT": -0.04}, "a long and a short position")
    market.until(lambda: open_orders(market) == 2, "an order of each rests")
    done = market.ctl("flatten", "--reason", "drill")
    assert done.returncode == 0, (done.stdout, done.stderr)
    found = json.loads(done.stdout)
    assert found["is_flat"]
    assert (held(market), open_orders(market)) == ({}, 0)
    rows = {row["symbol"].rpartition(" ")[2]: row for row in found["rows"]}
    assert set(rows) == {"LONG", "SHORT"}
    assert all(row["orders"] >= 2 and row["position"] == "0" for row in rows.values()), rows
    sides = {
        row["position_side"] for row in market.ledger(RecordKind.COMMAND) if row["payload"]["command_kind"] == "ORDER"
    }
    assert sides == {"LONG", "SHORT"}
    market.wait_all_active()
