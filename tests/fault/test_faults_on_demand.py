"""Each fault of `tradewind venue ctl` against a daemon that trades: what the venue does, and what the daemon makes of it.

One venue and one daemon live through all of them, one after the other: after each the faults are reset, and the daemon must be
trading again. At the end its positions and balances must be the venue's, and no order may have left twice or while halted.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.model.codes import HaltReason, RecordKind, TradingState
from tests.fault.evidence import (
    alarms,
    assert_agreed_after_stop,
    assert_no_order_twice,
    assert_nothing_opened_while_halted,
    outages,
    placed,
    time_syncs,
)
from tests.fault.market import Market

SYMBOL = "BTCUSDT"


@pytest.fixture(scope="module")
def lasting() -> Iterator[Market]:
    """A venue and a daemon that quotes; checked against each other at the end."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-faults-on-demand-"))
    market = Market(root, activity=4.0)
    market.write_config(replaced={'credential = "demo"': 'credential = "demo"\norder_timeout_ms = 1000'})
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["orders_acked"] >= 4, "orders at the venue")
    yield market
    market.close()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def market(lasting: Market) -> Iterator[Market]:
    """The daemon trades before the fault, and after it."""
    yield lasting
    lasting.fault("reset")
    lasting.wait_state(TradingState.ACTIVE, HaltReason.NONE, 40)
    trades_on(lasting)


def trades_on(market: Market) -> None:
    """Further orders are acknowledged."""
    acked = market.counters()["orders_acked"]
    market.wait_for(lambda: market.counters()["orders_acked"] >= acked + 3, "it trades on", 40)


def grows(market: Market, counter: str, by: int = 1, timeout_s: float = 20.0) -> None:
    """A counter of the daemon rises."""
    before = market.counters()[counter]
    market.wait_for(lambda: market.counters()[counter] >= before + by, f"{counter} rises", timeout_s)


def strikes(market: Market, verb: str) -> int:
    """How often the venue says that a fault struck."""
    return int(market.fault("status")["faults"]["strikes"].get(verb, 0))


def last_seq(market: Market) -> int:
    """The newest record: what comes after it has a larger sequence."""
    return int(market.counters()["journal_last_seq"])


def book_is_valid(market: Market) -> bool:
    """The daemon's book, by its CLI."""
    book = json.loads(market.ctl("book", SYMBOL).stdout)
    return bool(book["state"] == "VALID" and 0 <= book["age_ns"] < 2_000_000_000)


def assert_prices_are_the_venues(market: Market) -> None:
    """Best prices are checked against bookTicker again, and equal."""
    before = market.counters()
    market.wait_for(
        lambda: market.counters()["tickers_checked"] > before["tickers_checked"] + 20, "best prices checked", 30
    )

    def unequal() -> int:
        now = market.counters()
        return (now["tickers_checked"] - now["tickers_equal"]) - (before["tickers_checked"] - before["tickers_equal"])

    # the counters are read while they are written: between the two a ticker may be counted once
    market.wait_for(lambda: unequal() == 0, "every best price is equal", 5)


def round_trips_ns(market: Market, after_seq: int) -> list[int]:
    """From each order's bytes to its answer, by the journal's stamps."""
    sent = {row["order_handle"]: row["mono_ns"] for row in placed(market) if row["seq"] > after_seq}
    return [
        row["mono_ns"] - sent[row["order_handle"]]
        for row in market.ledger_records(RecordKind.ORDER_REPLY)
        if row.get("order_handle") in sent and row["payload"]["action"] in (0, "SUBMIT")
    ]


# --- the way between ---


def test_latency_each_way_is_waited_for_and_nothing_is_taken_for_lost(market: Market) -> None:
    before, seq = market.counters(), last_seq(market)
    market.fault("latency", kind="ws-api", to_venue_ms=40, from_venue_ms=30, jitter_ms=15)
    market.wait_for(lambda: len(round_trips_ns(market, seq)) >= 5, "orders answered under latency", 30)
    assert min(round_trips_ns(market, seq)[2:]) >= 70_000_000
    assert market.counters()["reconnects"] == before["reconnects"]
    assert market.counters()["trading_state"] == TradingState.ACTIVE


@pytest.mark.invariant("R14")
@pytest.mark.parametrize("way", ["to-venue", "from-venue"])
def test_lost_messages_leave_orders_unknown_until_the_venue_has_told(market: Market, way: str) -> None:
    before = market.counters()["unknown_orders"]
    market.fault("drop", kind="ws-api", way=way, fraction=0.5, for_s=15)
    market.wait_for(lambda: market.counters()["unknown_orders"] > before, "an UNKNOWN order", 20)
    assert strikes(market, "drop") > 0
    market.fault("reset")
    trades_on(market)
    assert_no_order_twice(market)


@pytest.mark.invariant("R08")
def test_lost_market_frames_are_gaps_and_the_book_is_made_anew(market: Market) -> None:
    market.fault("drop", kind="stream", way="from-venue", fraction=0.3, for_s=3)
    grows(market, "book_gaps")
    market.fault("reset")
    market.wait_for(lambda: book_is_valid(market), "a VALID book", 20)
    assert_prices_are_the_venues(market)


@pytest.mark.invariant("R15")
def test_a_half_open_order_connection_is_found_by_asking_and_replaced(market: Market) -> None:
    seq = last_seq(market)
    market.fault("half_open", kind="ws-api")
    market.wait_for(lambda: outages(market, seq) != [], "lost, and back", 40)
    assert "SESSION_LOST" in alarms(market)
    assert outages(market, seq)[0]["stop_ns"] <= 10_000_000
    assert_nothing_opened_while_halted(market)


def test_a_half_open_market_stream_is_found_by_a_ping_and_replaced(market: Market) -> None:
    reconnects = market.counters()["reconnects"]
    market.fault("half_open", kind="stream")
    market.wait_for(lambda: market.counters()["reconnects"] > reconnects, "a reconnect", 40)
    market.wait_for(lambda: book_is_valid(market), "a VALID book", 20)
    assert_prices_are_the_venues(market)


@pytest.mark.parametrize("abrupt", [False, True])
def test_disconnects_clean_and_abrupt_are_reconnects(market: Market, abrupt: bool) -> None:
    seq, reconnects = last_seq(market), market.counters()["reconnects"]
    assert market.fault("disconnect", kind="all", abrupt=abrupt)["closed"] >= 2
    market.wait_for(lambda: market.counters()["reconnects"] >= reconnects + 2, "both reconnect", 40)
    market.wait_for(lambda: outages(market, seq) != [], "halted, and back", 40)
    assert_nothing_opened_while_halted(market)


# --- the user stream ---


@pytest.mark.invariant("R15")
@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("disconnect", {"kind": "ws-api", "abrupt": True}),
        ("end_user_streams", {}),
        ("session_cap", {"kind": "ws-api", "seconds": 1, "for_s": 3}),
    ],
)
def test_a_lost_user_stream_stops_in_the_same_turn_and_is_ready_within_5_s(
    market: Market, verb: str, arguments: dict[str, Any]
) -> None:
    seq = last_seq(market)
    market.fault(verb, **arguments)
    market.wait_for(lambda: outages(market, seq) != [], "lost, and back", 40)
    for outage in outages(market, seq):
        assert outage["stop_ns"] <= 10_000_000
        assert outage["ready_ns"] <= 5_000_000_000
    assert_nothing_opened_while_halted(market)


def test_a_shutdown_notice_is_answered_by_a_new_connection(market: Market) -> None:
    seq = last_seq(market)
    market.fault("shutdown_notice")
    market.wait_for(lambda: outages(market, seq) != [], "a new order connection", 40)
    assert market.counters()["trading_state"] == TradingState.ACTIVE


@pytest.mark.invariant("R11")
def test_doubled_and_overtaking_user_events_change_nothing(market: Market) -> None:
    duplicates = market.counters()["duplicate_reports"]
    market.fault("duplicate_user_events", fraction=0.7)
    market.fault("reorder_user_events", count=0, fraction=0.5)
    market.wait_for(lambda: market.counters()["duplicate_reports"] > duplicates + 5, "doubles are seen", 30)
    grows(market, "fills", 2, 40)
    assert strikes(market, "reorder_user_events") > 0
    assert market.counters()["illegal_transitions"] == 0


@pytest.mark.invariant("R34")
def test_lost_user_events_are_found_by_reading_the_account(market: Market) -> None:
    market.fault("mute_user_events", count=0, fraction=0.5, for_s=4)
    market.wait_for(lambda: strikes(market, "mute_user_events") >= 6, "events are lost", 30)
    market.fault("reset")
    reconciles = market.counters()["reconciles"]
    assert market.ctl("reconcile").returncode == 0
    market.wait_for(lambda: market.counters()["reconciles"] > reconciles, "the account was read", 20)


# --- refusals ---


@pytest.mark.invariant("R17")
@pytest.mark.parametrize(("status", "kind"), [(429, "ws-api"), (418, "ws-api"), (418, "rest"), (429, "rest")])
def test_nothing_is_asked_inside_retry_after(market: Market, status: int, kind: str) -> None:
    def inside() -> int:
        return int(market.fault("status")["limits"]["127.0.0.1"]["inside_retry_after"])

    before, refused, limited = inside(), strikes(market, "limited"), market.counters()["rate_limited"]
    in_flight = 4  # what had left before the refusal was read cannot be called back
    market.fault("limited", status=status, kind=kind, retry_after_s=3)
    if kind == "rest":
        market.fault("gap", symbol=SYMBOL)
    market.wait_for(lambda: strikes(market, "limited") > refused, "the refusal", 30)
    if status == 418:
        market.wait_state(TradingState.HALTED, HaltReason.VENUE)
        market.wait_for(lambda: "RATE_LIMITED" in alarms(market), "the alarm", 10)
    elif kind == "ws-api":
        market.wait_for(lambda: market.counters()["rate_limited"] > limited, "it is counted", 10)
    acked = market.counters()["orders_acked"]
    market.wait_for(lambda: market.counters()["orders_acked"] >= acked + 2, "it trades on", 40)
    assert inside() - before <= in_flight
    assert_nothing_opened_while_halted(market)


@pytest.mark.invariant("R07")
def test_a_refused_timestamp_is_measured_once_within_2_s_and_nothing_is_resent(market: Market) -> None:
    seq = last_seq(market)

    def refused_orders() -> list[dict[str, Any]]:
        rows = market.ledger_records(RecordKind.ORDER_REPLY)
        refused = [row for row in rows if row["seq"] > seq and row["payload"]["error_code"] == -1021]
        return [row for row in refused if row["payload"]["action"] in (0, "SUBMIT")]

    def syncs_after(refusal: dict[str, Any]) -> list[dict[str, Any]]:
        return [row for row in time_syncs(market) if row["seq"] > refusal["seq"]]

    # what is struck is the next signed request, whatever it asks: again until it was an order
    for _ in range(20):
        struck = strikes(market, "timestamp_errors")
        market.fault("timestamp_errors", count=1)
        market.wait_for(lambda struck=struck: strikes(market, "timestamp_errors") > struck, "a refusal", 30)  # type: ignore[misc]
        trades_on(market)
        if refused_orders():
            break
    refusals = refused_orders()
    assert refusals != []
    for refusal in refusals:
        market.wait_for(lambda refusal=refusal: syncs_after(refusal) != [], "measured anew", 10)  # type: ignore[misc]
        assert 0 <= syncs_after(refusal)[0]["mono_ns"] - refusal["mono_ns"] <= 2_000_000_000
        assert sum(row["order_handle"] == refusal["order_handle"] for row in placed(market)) == 1
    assert_no_order_twice(market)


@pytest.mark.invariant("R07")
def test_a_clock_that_steps_by_more_than_a_second_halts_until_it_is_back(market: Market) -> None:
    market.fault("clock_step", ms=-400)
    market.fault("clock_step", ms=-1_100)
    market.fault("timestamp_errors", count=1)
    market.wait_state(TradingState.HALTED, HaltReason.CLOCK, 40)
    market.wait_for(lambda: "CLOCK_DRIFT" in alarms(market), "the alarm", 10)
    sent = market.counters()["orders_sent"]
    # ACTIVE, a second brings several orders
    time.sleep(1.0)
    assert market.counters()["orders_sent"] == sent
    assert market.counters()["trading_state"] == TradingState.HALTED
    market.fault("clock_offset", ms=0)
    market.fault("reset")
    market.fault("timestamp_errors", count=1)
    assert market.ctl("reconcile").returncode == 0
    market.wait_state(TradingState.ACTIVE, HaltReason.NONE, 60)
    market.wait_for(lambda: market.counters()["orders_sent"] > sent, "it trades on", 40)
    assert_nothing_opened_while_halted(market)


@pytest.mark.invariant("R14")
@pytest.mark.parametrize(("code", "executed"), [(-1006, True), (-1006, False), (-1007, True), (-1007, False)])
def test_an_order_with_an_unknown_outcome_is_asked_for_and_never_sent_again(
    market: Market, code: int, executed: bool
) -> None:
    before = market.counters()["unknown_orders"]
    # a cancel that is answered so may have been carried out and leave nothing unknown: it goes on until an order is struck
    market.fault("order_error", count=50, code=code, executed=executed)
    market.wait_for(lambda: market.counters()["unknown_orders"] > before, "an UNKNOWN order", 40)
    market.fault("reset")
    trades_on(market)
    assert_no_order_twice(market)


# --- what cannot be ---


@pytest.mark.invariant("R30")
@pytest.mark.parametrize("target", ["stream", "user", "ws-api"])
def test_malformed_frames_are_counted_and_the_session_lives(market: Market, target: str) -> None:
    before = market.counters()
    for mode in ("cut", "garbage", "types", "utf8", "huge", "binary"):
        struck = strikes(market, "malformed")
        market.fault("malformed", target=target, mode=mode, count=2)
        market.wait_for(lambda struck=struck: strikes(market, "malformed") >= struck + 2, f"{mode} frames", 30)  # type: ignore[misc]
        # a symbol that a damaged report halted as a mismatch waits for a person, who has now looked
        if json.loads(market.ctl("status").stdout)["halted_symbols"]:
            assert market.ctl("arm", "--reason", "a damaged report").returncode == 0
    market.wait_for(lambda: market.counters()["malformed_frames"] >= before["malformed_frames"] + 2, "counted", 20)
    if target == "user":
        market.wait_for(lambda: market.counters()["reconciles"] > before["reconciles"], "the account is read anew", 20)
        assert "MALFORMED_FRAME" in alarms(market)


@pytest.mark.invariant("R30")
def test_a_malformed_snapshot_is_asked_for_again(market: Market) -> None:
    struck = strikes(market, "malformed")
    market.fault("malformed", target="rest", mode="cut", count=1)
    market.fault("gap", symbol=SYMBOL)
    market.wait_for(lambda: strikes(market, "malformed") > struck, "a damaged snapshot", 30)
    market.wait_for(lambda: book_is_valid(market), "a VALID book", 30)
    assert_prices_are_the_venues(market)


@pytest.mark.invariant("R09")
@pytest.mark.parametrize("flaw", ["crossed", "locked", "zero-price", "negative-price", "negative-qty", "jump"])
def test_a_book_that_cannot_be_is_left_and_made_anew(market: Market, flaw: str) -> None:
    struck = strikes(market, "bad_book")
    market.fault("bad_book", symbol=SYMBOL, flaw=flaw, count=5)
    market.wait_for(lambda: strikes(market, "bad_book") >= struck + 5, "flawed books", 30)
    market.wait_for(lambda: book_is_valid(market), "a VALID book", 30)
    assert_prices_are_the_venues(market)


def test_in_the_end_the_daemon_agrees_with_the_venue(lasting: Market) -> None:
    lasting.fault("reset")
    lasting.wait_state(TradingState.ACTIVE, HaltReason.NONE, 40)
    # run alone, too, there is something to agree on: a stop in the middle, and fills
    seq = last_seq(lasting)
    lasting.fault("disconnect", kind="ws-api", abrupt=True)
    lasting.wait_for(lambda: outages(lasting, seq) != [], "halted, and back", 40)
    lasting.wait_for(lambda: any(row["seq"] > seq for row in placed(lasting)), "orders on disk", 40)
    lasting.wait_for(lambda: lasting.counters()["fills"] >= 2, "fills", 60)
    assert_nothing_opened_while_halted(lasting)
    assert_agreed_after_stop(lasting)
    assert len(lasting.witness.trades(SYMBOL)) >= 2
