"""Several venues and accounts in one engine, on real simulated venues over real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.model.codes import RecordKind
from tests.contract.lines_market import SPOT, USDM, LinesMarket, limits_of, lines_market, strategy_of

RESTING = "tests.fault.resting_maker:RestingMaker"
LEVELS = 5


@pytest.fixture(scope="module")
def market() -> Iterator[LinesMarket]:
    """A spot venue and a futures venue that both trade BTCUSDT, and one strategy with orders at both."""
    with lines_market("lines-") as found:
        found.add_venue("spot", SPOT)
        found.add_venue("futures", USDM)
        symbols = ["spot:BTCUSDT", "futures:BTCUSDT"]
        strategy = strategy_of("both", symbols, "tests.contract.both_venues:BothVenues", qty="0.010", levels=LEVELS)
        found.write_config(strategy, limits_of("spot:BTCUSDT") + limits_of("futures:BTCUSDT"))
        found.trade()
        yield found


def wait_resting(market: LinesMarket) -> None:
    """Every line ACTIVE, and the strategy's orders rest at both venues."""
    market.wait_all_active()
    for line in market.venues:
        market.until(lambda line=line: len(market.open_orders(line)) == 2 * LEVELS, f"orders rest at {line}")  # type: ignore[misc]


def test_one_strategy_has_orders_at_both_venues_and_no_client_order_id_twice(market: LinesMarket) -> None:
    wait_resting(market)
    ids = [row["clientOrderId"] for venue in market.venues.values() for row in venue.witness.open_orders()]
    assert len(ids) == len(set(ids)) == 4 * LEVELS
    venues = {row["venue_id"] for row in market.ledger(RecordKind.ORDER_STATE)}
    assert venues == {1, 2}


def test_a_venue_that_hangs_up_halts_its_own_line_and_no_other(market: LinesMarket) -> None:
    wait_resting(market)
    before = len(market.ledger(RecordKind.TRADING_STATE))
    market.venues["futures"].fault("disconnect", kind="all", abrupt=True)
    market.until(lambda: len(market.ledger(RecordKind.TRADING_STATE)) >= before + 2, "halted and back")
    wait_resting(market)
    news = market.ledger(RecordKind.TRADING_STATE)[before:]
    assert {row["venue_id"] for row in news} == {2}
    assert news[0]["payload"]["state"] == "HALTED"


@pytest.mark.parametrize(
    ("option", "value"), [("--venue", "futures"), ("--account", "2"), ("--symbol", "futures:BTCUSDT")]
)
def test_a_kill_of_one_line_cancels_there_and_leaves_the_other_alone(
    market: LinesMarket, option: str, value: str
) -> None:
    wait_resting(market)
    assert market.ctl("kill", option, value, "--reason", "drill").returncode == 0
    market.until(lambda: len(market.open_orders("futures")) == 0, "nothing open at futures")
    assert len(market.open_orders("spot")) == 2 * LEVELS
    if option != "--symbol":
        market.wait_lines(futures="HALTED", spot="ACTIVE")
        assert market.lines()["futures"]["halt_reason"] == "KILL"
    assert market.ctl("arm", option, value).returncode == 0
    wait_resting(market)


def test_a_killed_line_stays_killed_over_a_restart(market: LinesMarket) -> None:
    wait_resting(market)
    assert market.ctl("kill", "--venue", "spot").returncode == 0
    market.until(lambda: len(market.open_orders("spot")) == 0, "nothing open at spot")
    market.start()
    market.wait_lines(futures="ACTIVE", spot="HALTED")
    market.until(lambda: len(market.open_orders("futures")) == 2 * LEVELS, "orders rest at futures")
    assert len(market.open_orders("spot")) == 0
    assert market.ctl("arm", "--venue", "spot").returncode == 0
    wait_resting(market)


def test_a_plain_symbol_that_two_lines_trade_is_refused_and_its_venue_asked_for(market: LinesMarket) -> None:
    done = market.ctl("cancel", "--symbol", "BTCUSDT")
    assert done.returncode == 1
    assert "name one" in done.stderr


def test_balances_are_each_lines_own(market: LinesMarket) -> None:
    wait_resting(market)
    for line, venue in market.venues.items():
        assert venue.witness.balances()["USDT"] > 0, line
    rows = market.ledger(RecordKind.BALANCE)
    assert {row["venue_id"] for row in rows} == {1, 2}


def test_an_orderly_stop_ends_with_nothing_open_at_either_venue(market: LinesMarket) -> None:
    wait_resting(market)
    assert market.engine is not None
    assert market.engine.stop() == 0, market.engine.tail()
    assert {line: len(market.open_orders(line)) for line in market.venues} == {"spot": 0, "futures": 0}


@pytest.mark.invariant("R28")
def test_sessions_of_two_venues_with_commands_and_cut_connections_replay_equal_signatures_too(
    market: LinesMarket,
) -> None:
    market.start()
    wait_resting(market)
    market.venues["futures"].fault("disconnect", kind="all", abrupt=True)
    assert market.ctl("kill", "--venue", "spot").returncode == 0
    market.until(lambda: len(market.open_orders("spot")) == 0, "nothing open at spot")
    assert market.ctl("arm", "--venue", "spot").returncode == 0
    wait_resting(market)
    assert market.engine is not None
    assert market.engine.stop() == 0, market.engine.tail()
    for outcome in market.replayed():
        assert (outcome["state"], outcome["notes"]) == ("equal", [])
        assert outcome["counts"]["requests"] > 2 * LEVELS
        assert outcome["counts"]["states"] > 0
