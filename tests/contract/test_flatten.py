"""Panic close over real sockets: spot and futures positions, under a kill too, until the venues say flat."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.model.codes import OrderFlag, RecordKind
from tests.contract.lines_market import SPOT, USDM, LinesMarket, limits_of, strategy_of

LINES = ("spot", "futures")


@pytest.fixture(scope="module")
def market() -> Iterator[LinesMarket]:
    """Two venues, and a strategy whose orders rest: whatever has a position, a person made."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-flatten-"))
    found = LinesMarket(root, activity=6.0)
    try:
        found.add_venue("spot", SPOT)
        found.add_venue("futures", USDM)
        strategy = strategy_of(
            "both", ["spot:BTCUSDT", "futures:BTCUSDT"], "tests.contract.both_venues:BothVenues", qty="0.010"
        )
        found.write_config(strategy, limits_of("BTCUSDT", qty="0.02", position="1"))
        found.start()
        found.wait_all_active()
        yield found
    finally:
        found.close()
        shutil.rmtree(root, ignore_errors=True)


def trade(market: LinesMarket, line: str, side: str, qty: str) -> None:
    """A market order of a person, until it is filled: tried again while the book is too thin for it."""

    def sent() -> bool:
        done = market.ctl("order", side, f"{line}:BTCUSDT", qty)
        return done.returncode == 0

    before = position(market, line)
    market.until(sent, f"an order at {line}")
    market.until(lambda: position(market, line) != before, f"a position at {line}")


def position(market: LinesMarket, line: str) -> float:
    """Our position at a line, by the engine's tables."""
    done = market.ctl("book", f"{line}:BTCUSDT")
    return float(json.loads(done.stdout)["position"]) if done.returncode == 0 else 0.0


def flatten(market: LinesMarket, *scope: str) -> dict[str, Any]:
    """`ctl flatten` to its end, which must be flat."""
    done = market.ctl("flatten", *scope, "--reason", "drill")
    assert done.returncode == 0, (done.stdout, done.stderr, market.engine and market.engine.tail(20))
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["is_flat"]
    return found


def venue_position(market: LinesMarket) -> float:
    """The futures position as the venue has it."""
    rows = market.venues["futures"].witness.get("/fapi/v3/positionRisk", signed=True, symbol="BTCUSDT")
    return sum(float(row["positionAmt"]) for row in rows)


def test_flatten_closes_long_and_short_at_both_venues_in_pieces(market: LinesMarket) -> None:
    trade(market, "spot", "buy", "0.02")
    trade(market, "spot", "buy", "0.02")
    trade(market, "futures", "sell", "0.020")
    trade(market, "futures", "sell", "0.020")
    found = flatten(market)
    assert {line: position(market, line) for line in LINES} == {"spot": 0.0, "futures": 0.0}
    assert venue_position(market) == 0.0
    sent = {row["symbol"]: row["orders"] for row in found["rows"]}
    assert all(count >= 2 for count in sent.values()), sent  # no order is larger than its limit
    market.wait_all_active()


def test_flatten_of_one_venue_leaves_the_other_position_alone(market: LinesMarket) -> None:
    trade(market, "spot", "buy", "0.01")
    trade(market, "futures", "buy", "0.010")
    flatten(market, "--venue", "futures")
    assert (position(market, "futures"), position(market, "spot")) == (0.0, 0.01)
    flatten(market)


def test_a_killed_engine_is_flattened_and_stays_killed(market: LinesMarket) -> None:
    trade(market, "spot", "sell", "0.01")
    trade(market, "futures", "buy", "0.020")
    assert market.ctl("kill", "--reason", "panic").returncode == 0
    market.wait_lines(spot="HALTED", futures="HALTED")
    flatten(market)
    assert {line: position(market, line) for line in LINES} == {"spot": 0.0, "futures": 0.0}
    assert venue_position(market) == 0.0
    assert {row["halt_reason"] for row in market.lines().values()} == {"KILL"}
    flagged = [row for row in market.ledger(RecordKind.INTENT) if row["payload"]["flags"] & OrderFlag.PANIC]
    assert flagged
    assert market.ctl("arm").returncode == 0
    market.wait_all_active()


def test_hedge_offsets_a_spot_position_by_the_future_and_twice_is_once(market: LinesMarket) -> None:
    trade(market, "spot", "buy", "0.02")

    def hedged() -> bool:
        return market.ctl("hedge", "--symbol", "spot:BTCUSDT", "--with", "futures:BTCUSDT").returncode == 0

    market.until(hedged, "a hedge")
    market.until(lambda: position(market, "futures") < 0, "a short future")
    # the two books are two markets: a lot more or less by value
    assert position(market, "futures") == pytest.approx(-0.02, abs=0.003)
    again = market.ctl("hedge", "--symbol", "spot:BTCUSDT", "--with", "futures:BTCUSDT")
    assert abs(position(market, "futures") + 0.02) <= 0.004, again.stdout + again.stderr
    flatten(market)


def test_without_a_position_flatten_ends_at_once_with_the_venues_word(market: LinesMarket) -> None:
    assert flatten(market, "--symbol", "futures:BTCUSDT")["is_flat"]
    market.wait_all_active()
