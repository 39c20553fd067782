"""A daemon that trades USD-M futures, and what the venue does to it: positions equal the venue's whatever was lost on the way.

One venue and one daemon live through all of it; after each test the daemon must be trading again. At the end nothing may be open,
no order may have left twice or while halted, and positions and wallet must be the venue's.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo.markets import USDM
from engine.demo.venue_client import FuturesWitness
from engine.model.codes import HaltReason, RecordKind, TradingState
from tests.fault.evidence import (
    READY_NS_MAX,
    STOP_NS_MAX,
    assert_agreed_after_stop,
    assert_nothing_opened_while_halted,
    outages,
    placed,
    time_syncs,
    unknown,
)
from tests.fault.market import Market


@pytest.fixture(scope="module")
def lasting() -> Iterator[Market]:
    """A venue with futures and a daemon that quotes them."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-usdm-"))
    market = Market(root, activity=4.0, traded=USDM)
    market.write_config(
        replaced={
            'credential = "demo"': 'credential = "demo"\norder_timeout_ms = 1000',
            "interval_s = 5": "interval_s = 1",
        }
    )
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["orders_acked"] >= 4, "orders at the venue")
    yield market
    market.close()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def market(lasting: Market) -> Iterator[Market]:
    """The daemon trades before the test, and after it."""
    yield lasting
    lasting.fault("reset")
    lasting.wait_state(TradingState.ACTIVE, HaltReason.NONE, 40)
    acked = lasting.counters()["orders_acked"]
    lasting.wait_for(lambda: lasting.counters()["orders_acked"] >= acked + 3, "it trades on", 40)


def wait_fills(market: Market, more: int) -> None:
    """So many fills more, by the daemon's counters."""
    fills = market.counters()["fills"]
    market.wait_for(lambda: market.counters()["fills"] >= fills + more, "fills", 60)


def test_the_account_is_set_as_configured_before_trading(market: Market) -> None:
    (row,) = market.witness.get("symbolConfig", signed=True, symbol="BTCUSDT")
    assert (row["leverage"], row["marginType"]) == (5, "CROSSED")


def test_it_trades_both_ways_and_sells_what_it_does_not_own(market: Market) -> None:
    wait_fills(market, 4)
    assert isinstance(market.witness, FuturesWitness)
    assert market.witness.balances().get("BTC", 0) == 0


@pytest.mark.invariant("R15")
def test_an_expired_listen_key_stops_at_once_and_trading_goes_on_with_a_new_one(market: Market) -> None:
    seq = market.counters()["journal_last_seq"]
    market.fault("end_user_streams")
    market.wait_for(lambda: bool(outages(market, seq)), "halted and ACTIVE again", 30)
    (outage,) = outages(market, seq)
    assert outage["stop_ns"] <= STOP_NS_MAX
    assert outage["ready_ns"] <= READY_NS_MAX
    assert_nothing_opened_while_halted(market)


@pytest.mark.invariant("R15")
def test_lost_connections_are_made_again_and_the_account_read(market: Market) -> None:
    seq, reconciles = market.counters()["journal_last_seq"], market.counters()["reconciles"]
    market.fault("disconnect", kind="all", abrupt=True)
    market.wait_for(lambda: bool(outages(market, seq)), "halted and ACTIVE again", 40)
    assert market.counters()["reconciles"] > reconciles


@pytest.mark.invariant("R14")
@pytest.mark.parametrize("executed", [True, False])
def test_an_order_of_which_nobody_knows_is_asked_for(market: Market, executed: bool) -> None:
    before = market.counters()["unknown_orders"]
    market.fault("order_error", count=2, code=-1007, executed=executed)
    market.wait_for(lambda: market.counters()["unknown_orders"] > before, "an UNKNOWN order", 40)
    market.wait_for(lambda: not unknown(market), "every order known again", 60)
    assert market.counters()["illegal_transitions"] == 0


def test_fills_that_the_stream_lost_are_booked_once(market: Market) -> None:
    market.fault("mute_user_events", count=0, fraction=0.5, for_s=4)
    wait_fills(market, 4)
    market.fault("reset")
    market.wait_for(lambda: not unknown(market), "every order known again", 60)
    trades = [row["payload"]["trade_id"] for row in market.ledger_records(RecordKind.FILL)]
    assert len(trades) == len(set(trades))


def test_events_told_twice_or_out_of_order_change_nothing(market: Market) -> None:
    market.fault("duplicate_user_events", on=True)
    market.fault("reorder_user_events", count=0, fraction=0.5)
    wait_fills(market, 3)
    assert market.counters()["illegal_transitions"] == 0


@pytest.mark.invariant("R07")
def test_a_timestamp_outside_the_window_has_the_clock_measured_again(market: Market) -> None:
    before = len(time_syncs(market))
    market.fault("timestamp_errors", count=3)
    market.wait_for(lambda: len(time_syncs(market)) > before, "the clock measured", 20)
    assert market.counters()["trading_state"] == TradingState.ACTIVE


@pytest.mark.invariant("R17")
@pytest.mark.parametrize("kind", ["ws-api", "rest"])
def test_a_wish_for_quiet_holds_for_orders_and_rest_alike(market: Market, kind: str) -> None:
    before = market.counters()["rate_limited"]
    market.fault("limited", status=429, retry_after_s=2, kind=kind)
    market.wait_for(lambda: market.counters()["rate_limited"] > before, "told to be quiet", 20)
    assert market.counters()["reconcile_mismatches"] == 0


@pytest.mark.invariant("R17")
def test_a_ban_halts_until_it_is_over(market: Market) -> None:
    market.fault("limited", status=418, retry_after_s=3, kind="ws-api")
    market.wait_state(TradingState.HALTED, HaltReason.VENUE, 20)
    seconds = market.wait_state(TradingState.ACTIVE, HaltReason.NONE, 40)
    assert seconds > 1.0


@pytest.mark.invariant("R15")
def test_connections_that_only_look_alive_are_found_dead_and_replaced(market: Market) -> None:
    seq = market.counters()["journal_last_seq"]
    market.fault("half_open", kind="all")
    market.wait_for(lambda: bool(outages(market, seq)), "halted and ACTIVE again", 60)
    assert_nothing_opened_while_halted(market)


@pytest.mark.invariant("R01")
def test_killed_with_orders_open_it_finds_orders_and_position_again(market: Market) -> None:
    for _ in range(3):
        wait_fills(market, 1)
        market.kill()
        market.start()
        market.wait_active()
    market.wait_for(lambda: market.counters().get("orders_acked", 0) >= 3, "orders of the new run", 40)
    assert market.counters()["reconcile_mismatches"] == 0


def test_at_the_end_everything_agrees(market: Market) -> None:
    # run alone, too, there is something to agree on: a stop in the middle, and fills
    seq = market.counters()["journal_last_seq"]
    market.fault("disconnect", kind="ws-api", abrupt=True)
    market.wait_for(lambda: outages(market, seq) != [], "halted, and back", 40)
    wait_fills(market, 2)
    market.wait_for(lambda: any(row["seq"] > seq for row in placed(market)), "orders on disk", 40)
    assert_nothing_opened_while_halted(market)
    assert_agreed_after_stop(market)
    assert len(market.witness.trades("BTCUSDT")) >= 2
    told = market.witness.get("/fapi/v3/positionRisk", signed=True)
    held = {row["symbol"]: float(row["positionAmt"]) for row in told}
    booked = {row["symbol"]: float(row["position"]) for row in market.ledger().positions.values()}
    assert held.get("BTCUSDT", 0.0) == booked.get("BTCUSDT", 0.0)
    market.start()
    market.wait_active()
