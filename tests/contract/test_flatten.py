"""Panic close over real sockets: spot and futures positions, under a kill too, until the venues say flat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.model.codes import OrderFlag, RecordKind
from tests.contract.lines_market import SPOT, USDM, LinesMarket, limits_of, lines_market, strategy_of

LINES = ("spot", "futures")


@pytest.fixture(scope="module")
def market() -> Iterator[LinesMarket]:
    """Two venues, and a strategy whose orders rest: whatever has a position, a person made."""
    with lines_market("flatten-", activity=6.0) as found:
        found.add_venue("spot", SPOT)
        found.add_venue("futures", USDM)
        strategy = strategy_of(
            "both", ["spot:BTCUSDT", "futures:BTCUSDT"], "tests.contract.both_venues:BothVenues", qty="0.010"
        )
        found.write_config(strategy, limits_of("BTCUSDT", qty="0.02", position="1"))
        found.trade()
        yield found


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


def hedge(market: LinesMarket, line: str, other: str) -> tuple[int, dict[str, Any]]:
    """`ctl hedge` of a line's position by the other's symbol; exit code and answer."""
    done = market.ctl("hedge", "--symbol", f"{line}:BTCUSDT", "--with", f"{other}:BTCUSDT")
    return done.returncode, json.loads(done.stdout) if done.stdout else {"why": done.stderr}


@pytest.mark.parametrize(("line", "other", "side"), [("spot", "futures", "buy"), ("futures", "spot", "sell")])
def test_hedge_offsets_a_position_in_parts_whatever_rests_far_away_and_twice_is_once(
    market: LinesMarket, line: str, other: str, side: str
) -> None:
    for _ in range(2):
        trade(market, line, side, "0.02")
    held = position(market, line)
    bid = float(json.loads(market.ctl("book", f"{other}:BTCUSDT").stdout)["bid"])
    # an order that rests is no exposure: of the hedging side and as large as a part, far from the market
    way, far = ("sell", bid * 1.06) if side == "buy" else ("buy", bid * 0.94)
    resting = market.ctl("order", way, f"{other}:BTCUSDT", "0.02", "--price", f"{far:.1f}")
    assert resting.returncode == 0, resting.stdout + resting.stderr

    def hedged() -> bool:
        found.update(hedge(market, line, other)[1])
        return bool(found.get("is_hedged")) or "offset already" in found["why"]

    found: dict[str, Any] = {}
    market.until(hedged, "a hedge")
    # the two books are two markets: a lot more or less by value
    market.until(lambda: abs(position(market, other) + held) <= 0.004, f"an offset of {held}")
    asked = [row["payload"] for row in market.ledger(RecordKind.COMMAND) if row["payload"]["command_kind"] == "HEDGE"]
    assert len(asked) >= 2  # no order is larger than its limit
    hedge(market, line, other)
    assert abs(position(market, other) + held) <= 0.004
    flatten(market)


def test_a_hedge_that_stays_undone_says_what_remains_and_why(market: LinesMarket) -> None:
    trade(market, "spot", "buy", "0.02")
    # what the strategy has resting counts in the limit
    assert market.ctl("pause").returncode == 0
    market.until(lambda: not market.venues["futures"].witness.open_orders(), "a paused strategy's orders are gone")
    limit = ("limits", "set", "--symbol", "futures:BTCUSDT")
    assert market.ctl(*limit, "max_position=0.006").returncode == 0
    try:
        market.until(lambda: "remaining" in hedge(market, "spot", "futures")[1], "a hedge that was begun")
        code, found = hedge(market, "spot", "futures")
        assert (code, found["is_hedged"]) == (1, False), found
        assert float(found["remaining"]) > 0.01
        assert "max position: 0.006 BTC" in found["why"]
        assert position(market, "futures") == pytest.approx(-0.006, abs=0.0011)
    finally:
        assert market.ctl(*limit, "max_position=1", "--loosen").returncode == 0
        assert market.ctl("resume").returncode == 0
    flatten(market)


def test_without_a_position_flatten_ends_at_once_with_the_venues_word(market: LinesMarket) -> None:
    assert flatten(market, "--symbol", "futures:BTCUSDT")["is_flat"]
    market.wait_all_active()
