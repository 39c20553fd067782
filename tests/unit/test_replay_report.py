"""What a demo on a recorded market says did not hold: the recording counts, not what the engine counted of it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.demo.replay import failures

CHECKED = "at least 95 % of best bids and offers were checked"


def summary(recorded: dict[str, int], synchronised: dict[str, int], checked: int) -> dict[str, Any]:
    """A demo of which everything else holds; the engine says that it saw no more than it checked."""
    return {
        "orders": 9,
        "positions_engine": {},
        "positions_venue": {},
        "balances_equal": True,
        "pnl_engine": "0",
        "pnl_venue": "0",
        "book_gaps": 0,
        "book_seen": checked,
        "book_checked": checked,
        "book_equal": checked,
        "refused_on_purpose": "QTY_ABOVE_MAX",
        "open_orders_after_kill": 0,
        "open_orders_at_end": 0,
        "journal": {"verified": True},
        "frames": {"missing": 0, "extra": 0, "unread_at_close": 0},
        "market_events": 20_000,
        "replay": {
            "family": "usdm",
            "frames_played": 20_000,
            "frames_recorded": 20_000,
            "tickers_recorded": recorded,
            "tickers_synchronised": synchronised,
        },
    }


def test_a_demo_that_checked_what_was_recorded_holds() -> None:
    assert failures(summary({"BTCUSDT": 9_000, "ETHUSDT": 90}, {"BTCUSDT": 8_990, "ETHUSDT": 70}, 9_000)) == []


def test_tickers_that_the_engine_never_counted_are_missed_all_the_same() -> None:
    found = failures(summary({"BTCUSDT": 9_000}, {"BTCUSDT": 9_000}, 8_000))
    assert found == [CHECKED]


@pytest.mark.parametrize("count", [1, 90])
def test_a_market_that_was_never_synchronised_is_named_however_small(count: int) -> None:
    (found,) = failures(summary({"BTCUSDT": 9_000, "ETHUSDT": count}, {"BTCUSDT": 9_000}, 9_000))
    assert found.endswith("ETHUSDT")


def test_a_market_with_too_few_tickers_is_named() -> None:
    (found,) = failures(summary({"BTCUSDT": 9_000, "ETHUSDT": 300}, {"BTCUSDT": 9_000, "ETHUSDT": 250}, 9_250))
    assert found.endswith("ETHUSDT")
