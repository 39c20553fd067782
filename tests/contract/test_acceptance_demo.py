"""The main job: `tradewind demo` trades wire to wire, and both sides' accounts of it are equal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NAMED = {
    "seconds",
    "market_events",
    "book_gaps",
    "book_checked",
    "book_equal",
    "orders",
    "fills",
    "rejects",
    "positions_engine",
    "positions_venue",
    "equity_start",
    "equity_end",
    "callback_to_bytes_ns",
    "journal",
}


@pytest.fixture(scope="module")
def finished() -> subprocess.CompletedProcess[str]:
    """One demo of thirty seconds."""
    command = [sys.executable, "-m", "engine", "demo", "--seconds", "30", "--json"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)


@pytest.fixture(scope="module")
def summary(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one object that it printed."""
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def test_it_ends_with_0_and_prints_one_object_and_nothing_else(
    finished: subprocess.CompletedProcess[str], summary: dict[str, Any]
) -> None:
    assert finished.stderr == ""
    assert summary.keys() >= NAMED
    assert summary["callback_to_bytes_ns"].keys() == {"p50", "p99", "p99_9"}
    assert summary["journal"].keys() == {"records", "bytes", "verified"}


def test_it_trades_on_both_sides_and_is_hardly_ever_rejected(summary: dict[str, Any]) -> None:
    assert summary["orders"] >= 100
    assert summary["fills"] >= 10
    assert summary["buys"] > 0
    assert summary["sells"] > 0
    assert summary["rejects"] <= summary["orders"] / 100


@pytest.mark.invariant("R34")
def test_engine_and_venue_agree_on_positions_balances_and_profit(summary: dict[str, Any]) -> None:
    assert summary["positions_engine"] == summary["positions_venue"]
    assert set(summary["positions_engine"]) == {"BTCUSDT", "ETHUSDT", "SOLUSDT"}
    assert summary["balances_equal"] is True
    assert summary["pnl_engine"] == summary["pnl_venue"]


def test_the_book_equals_the_venues_best_prices_wherever_it_can_be_checked(summary: dict[str, Any]) -> None:
    assert summary["book_gaps"] == 0
    assert summary["book_checked"] >= 0.95 * summary["book_seen"] > 0
    assert summary["book_equal"] == summary["book_checked"]


def test_the_journal_verifies_and_holds_each_frame_that_the_venue_sent(summary: dict[str, Any]) -> None:
    assert summary["journal"]["verified"] is True
    assert summary["journal"]["records"] > summary["market_events"] > 0
    frames = summary["frames"]
    assert frames["missing"] == frames["extra"] == 0
    # the venue may send one more while the engine closes the connection: that one never reached it
    assert frames["sent"] == frames["journaled"] + frames["unread_at_close"]
    assert frames["unread_at_close"] <= 20
    assert frames["journaled"] > summary["market_events"]


def test_it_shows_a_refusal_and_a_kill(summary: dict[str, Any]) -> None:
    assert summary["refused_on_purpose"] == "QTY_ABOVE_MAX"
    assert 0 < summary["kill_ms"] <= 1000
    assert summary["open_orders_after_kill"] == summary["open_orders_at_end"] == 0


def test_latency_from_callback_to_bytes_is_measured(summary: dict[str, Any]) -> None:
    latency = summary["callback_to_bytes_ns"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["p99_9"]
