"""What the venue can do to a trading daemon: die, drop a stream, skip an update, lose an answer, move its clock."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.codes import HaltReason, TradingState
from tests.fault.evidence import (
    RESTING,
    alarms,
    assert_agreed_after_stop,
    assert_nothing_opened_while_halted,
    placed,
    time_syncs,
    trading_states,
    unknown,
)
from tests.fault.market import Market
from tests.fault.relay import Relay


@pytest.fixture
def market() -> Iterator[Market]:
    """A venue, and a configuration with one symbol."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-venue-faults-"))
    found = Market(root)
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def start(market: Market, strategy: str = "") -> None:
    """A daemon that trades and has orders at the venue."""
    market.write_config(strategy=strategy)
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["orders_acked"] >= 4, "orders at the venue")


@pytest.fixture
def relays(market: Market) -> Iterator[dict[str, Relay]]:
    """A relay before each of the venue's ports."""
    found = {name: Relay(market.ports[name]) for name in ("rest", "ws")}
    yield found
    for relay in found.values():
        relay.close()


def assert_halted_and_silent(market: Market) -> None:
    """HALTED(VENUE) soon, told by the CLI, and no order leaves."""
    assert market.wait_state(TradingState.HALTED, HaltReason.VENUE) < 2.0
    sent = market.counters()["orders_sent"]
    status = json.loads(market.ctl("status").stdout)
    assert (status["trading_state"], status["halt_reason"]) == ("HALTED", "VENUE")
    time.sleep(1.5)
    assert market.counters()["orders_sent"] == sent


@pytest.mark.invariant("R15")
@pytest.mark.invariant("R34")
def test_a_venue_that_cannot_be_reached_halts_trading_and_what_it_filled_meanwhile_is_booked(
    market: Market, relays: dict[str, Relay]
) -> None:
    market.write_config(
        replaced={f"127.0.0.1:{market.ports[name]}": f"127.0.0.1:{relay.port}" for name, relay in relays.items()}
    )
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["orders_acked"] >= 4, "orders at the venue")
    for relay in relays.values():
        relay.cut()
    assert_halted_and_silent(market)
    sent = market.counters()["orders_sent"]
    for relay in relays.values():
        relay.restore()
    market.wait_state(TradingState.ACTIVE, HaltReason.NONE, 30)
    market.wait_for(lambda: market.counters()["orders_sent"] > sent, "it trades on")
    assert_nothing_opened_while_halted(market)
    assert_agreed_after_stop(market)


def states_of_epoch(market: Market, epoch: int) -> set[str]:
    """The states of the orders that one run of the engine made, as far as the disk has them."""
    return {row["state"] for row in market.ledger().orders.values() if row["epoch"] == epoch}


@pytest.mark.invariant("R34")
def test_a_venue_that_dies_and_comes_back_without_our_orders_is_a_mismatch_that_a_person_clears(market: Market) -> None:
    start(market, RESTING)
    market.kill_venue()
    assert_halted_and_silent(market)
    sent = market.counters()["orders_sent"]
    market.start_venue()
    market.wait_state(TradingState.ACTIVE, HaltReason.NONE, 40)
    # acknowledged orders that the venue does not know: each is asked for twice, the second time when no answer can be late
    market.wait_for(lambda: market.counters()["reconcile_mismatches"] == 4, "the orders are absent", 40)
    market.wait_for(
        lambda: "ABSENT" in states_of_epoch(market, market.counters()["epoch"]), "the journal on disk says so too"
    )
    market.wait_for(lambda: market.counters()["refused"] > 0, "the symbol stands still")
    assert market.counters()["orders_sent"] == sent
    assert market.ctl("arm", "--reason", "looked").returncode == 0
    market.wait_for(lambda: market.counters()["orders_sent"] >= sent + 4, "orders at the new venue", 40)
    assert_nothing_opened_while_halted(market)
    assert_agreed_after_stop(market)


def test_a_lost_market_stream_is_a_gap_and_the_books_are_valid_again_after_it(market: Market) -> None:
    start(market)
    reconnects = market.counters()["reconnects"]
    assert market.fault("disconnect", kind="stream", abrupt=True)["closed"] == 1
    market.wait_for(lambda: market.counters()["reconnects"] > reconnects, "a reconnect")

    def is_valid() -> bool:
        book = json.loads(market.ctl("book", "BTCUSDT").stdout)
        return bool(book["state"] == "VALID" and 0 <= book["age_ns"] < 2_000_000_000)

    market.wait_for(is_valid, "a VALID book that is young")
    sent = market.counters()["orders_sent"]
    market.wait_for(lambda: market.counters()["orders_sent"] > sent, "it trades on")
    counters = market.counters()
    assert counters["tickers_equal"] == counters["tickers_checked"] > 0
    assert_agreed_after_stop(market)


@pytest.mark.invariant("R08")
def test_updates_that_vanish_are_a_gap_that_is_synchronised_again(market: Market) -> None:
    start(market)
    before = market.counters()
    assert before["book_gaps"] == 0
    market.fault("gap", symbol="BTCUSDT", count=2)
    market.wait_for(lambda: market.counters()["book_gaps"] > 0, "the gap is seen")
    market.wait_for(lambda: market.counters()["book_resyncs"] > before["book_resyncs"], "a new synchronisation")
    checked = market.counters()["tickers_checked"]
    market.wait_for(lambda: market.counters()["tickers_checked"] > checked + 20, "best prices are checked again")
    counters = market.counters()
    assert counters["tickers_equal"] == counters["tickers_checked"]
    assert_agreed_after_stop(market)


@pytest.mark.invariant("R15")
@pytest.mark.invariant("R26")
def test_a_lost_user_stream_opens_nothing_until_the_account_is_reconciled(market: Market) -> None:
    start(market)
    reconciles = market.counters()["reconciles"]
    assert market.fault("disconnect", kind="ws-api", abrupt=True)["closed"] == 1
    market.wait_for(lambda: market.counters()["reconciles"] > reconciles, "a reconciliation")
    market.wait_state(TradingState.ACTIVE, HaltReason.NONE)
    sent = market.counters()["orders_sent"]
    market.wait_for(lambda: market.counters()["orders_sent"] > sent, "it trades on")
    market.wait_for(lambda: ("HALTED", "VENUE") in [change[1:] for change in trading_states(market)], "on disk too")
    assert_nothing_opened_while_halted(market)
    assert_agreed_after_stop(market)


@pytest.mark.invariant("R14")
def test_an_order_whose_answer_is_lost_is_unknown_then_resolved_and_never_sent_twice(market: Market) -> None:
    market.write_config(
        strategy=RESTING, replaced={'credential = "demo"': 'credential = "demo"\norder_timeout_ms = 1000'}
    )
    market.fault("drop_order_responses", count=2)
    market.fault("mute_user_events", count=4)
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["unknown_orders"] > 0, "an UNKNOWN order")
    market.wait_for(lambda: market.ledger().open_orders() != [] and unknown(market) == [], "all resolved", 30)
    market.wait_for(lambda: len(market.witness.open_orders()) == 4, "four orders rest")
    market.wait_for(lambda: len({row["client_order_id"] for row in market.ledger().open_orders()}) == 4, "on disk too")
    time.sleep(0.5)
    assert len(market.witness.open_orders()) == 4
    assert len(placed(market)) == 4
    assert_agreed_after_stop(market)


@pytest.mark.invariant("R14")
def test_an_order_that_the_venue_answers_with_timeout_is_not_sent_again(market: Market) -> None:
    market.fault("order_error", count=1, code=-1007, executed=True)
    market.write_config(strategy=RESTING)
    market.start()
    market.wait_active()
    market.wait_for(lambda: len(market.witness.open_orders()) == 4, "four orders rest")
    market.wait_for(lambda: unknown(market) == [] and len(placed(market)) == 4, "all resolved", 30)
    assert_agreed_after_stop(market)


@pytest.mark.invariant("R07")
def test_a_refused_timestamp_asks_the_venues_clock_again_and_trading_goes_on(market: Market) -> None:
    start(market)
    asked = len(time_syncs(market))
    rejects = market.counters()["venue_rejects"]
    market.fault("timestamp_errors", count=1)
    market.wait_for(lambda: len(time_syncs(market)) > asked, "the clock is asked again")
    time.sleep(1.0)
    assert len(time_syncs(market)) == asked + 1
    sent = market.counters()["orders_acked"]
    market.wait_for(lambda: market.counters()["orders_acked"] > sent, "it trades on")
    assert market.counters()["venue_rejects"] <= rejects + 1
    assert_agreed_after_stop(market)


def test_a_venue_clock_that_runs_ahead_is_followed_and_within_the_limit_trading_goes_on(market: Market) -> None:
    start(market)
    market.fault("clock_offset", ms=-700)
    rejects = market.counters()["venue_rejects"]
    market.fault("timestamp_errors", count=1)
    market.wait_for(lambda: abs(market.counters()["clock_drift_ns"]) > 500_000_000, "the drift is measured")
    acked = market.counters()["orders_acked"]
    market.wait_for(lambda: market.counters()["orders_acked"] > acked + 3, "it trades on")
    assert market.counters()["venue_rejects"] <= rejects + 1
    assert market.counters()["trading_state"] == TradingState.ACTIVE
    assert_agreed_after_stop(market)


def test_a_key_that_is_revoked_while_trading_halts_with_an_alarm_of_its_own(market: Market) -> None:
    start(market)
    market.fault("revoke", api_key=market.place.engine_key.api_key)
    market.wait_state(TradingState.HALTED, HaltReason.VENUE)
    market.wait_for(lambda: "KEY_REFUSED" in alarms(market), "the alarm", 15)
    sent = market.counters()["orders_sent"]
    time.sleep(1.0)
    assert market.counters()["orders_sent"] == sent
    assert market.engine is not None
    market.engine.require_alive()
    assert_nothing_opened_while_halted(market)
    market.kill()  # with a refused key a stop can verify nothing, and waits its time out


@pytest.mark.invariant("R17")
def test_a_ban_halts_alarms_and_is_waited_out_without_a_request(market: Market) -> None:
    start(market)

    def inside() -> int:
        return int(market.fault("status")["limits"]["127.0.0.1"]["inside_retry_after"])

    before = inside()
    market.fault("ban", seconds=4)
    market.wait_state(TradingState.HALTED, HaltReason.VENUE)
    market.fault("disconnect", kind="ws-api", abrupt=True)
    market.wait_for(lambda: "RATE_LIMITED" in alarms(market), "the alarm", 15)
    market.wait_state(TradingState.ACTIVE, HaltReason.NONE, 40)
    # what had left before the first refusal was read
    assert inside() - before <= 4
    acked = market.counters()["orders_acked"]
    market.wait_for(lambda: market.counters()["orders_acked"] > acked, "it trades on")
    assert_nothing_opened_while_halted(market)
    assert_agreed_after_stop(market)
