"""Runaway strategies in a real daemon: exactly as many orders leave as its limits say, and the venue's quota is never overrun."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fault.evidence import alarms, assert_agreed_after_stop, placed
from tests.fault.market import Market

FLOODING = "tests.fault.runaway:Flooding"
CHURNING = "tests.fault.runaway:Churning"
STRATEGY = "maker-btcusdt"
TEN_SECONDS_NS = 10_000_000_000


@contextmanager
def running(strategy: str, params: dict[str, Any], risk: dict[str, int], **limits: int) -> Iterator[Market]:
    """A daemon with this strategy and these limits of its own and of the venue."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-runaway-"))
    market = Market(root, limits=limits)
    keys = "".join(f"{name} = {value}\n" for name, value in risk.items())
    market.write_config(strategy=strategy, params=params, replaced={"[reconcile]": f"[runaway]\n{keys}\n[reconcile]"})
    try:
        market.start()
        market.wait_active()
        yield market
    finally:
        market.close()
        shutil.rmtree(root, ignore_errors=True)


def is_disabled(market: Market) -> bool:
    (row,) = json.loads(market.ctl("strategies").stdout)["strategies"]
    return str(row["state"]).startswith("disabled")


def wait_disabled(market: Market) -> None:
    market.wait_for(lambda: is_disabled(market), "the strategy is disabled", 30)


@pytest.mark.invariant("R22")
def test_of_a_loop_in_one_callback_nothing_leaves_until_a_person_arms_and_then_neither() -> None:
    with running(FLOODING, {}, {"orders_per_input_max": 15}) as market:
        wait_disabled(market)
        assert "STRATEGY_RAISED" in alarms(market)
        assert (
            market.counters()["intents"] == 15
        )  # what was asked beyond is never passed on, and these meet a disabled strategy
        errors = market.counters()["strategy_errors"]
        assert market.ctl("arm", "--strategy", STRATEGY).returncode == 0
        market.wait_for(lambda: market.counters()["strategy_errors"] > errors, "armed, it does it again", 20)
        wait_disabled(market)
        market.wait_for(lambda: market.counters()["intents"] == 30, "no more than its count", 10)
        assert market.counters()["orders_sent"] == 0
        assert market.fault("status")["orders"] == 0


@pytest.mark.invariant("R22")
def test_a_strategy_that_feeds_on_its_own_fills_is_disabled_after_n_executions() -> None:
    with running(CHURNING, {}, {"executions_per_10s_max": 12}) as market:
        wait_disabled(market)
        # the first order and one for each of twelve fills; the thirteenth fill has no order of its own. How many fills the
        # orders under way still get depends on how many levels each of them takes.
        sent = market.counters()["orders_sent"]
        assert sent <= 1 + 12
        assert market.counters()["fills"] >= 13
        time.sleep(1.0)
        assert market.counters()["orders_sent"] == sent
        assert_agreed_after_stop(market)


@pytest.mark.invariant("R22")
def test_of_a_flood_over_many_books_exactly_the_limit_leaves_and_the_storm_of_refusals_disables() -> None:
    with running(FLOODING, {"asked": 60}, {"rejections_per_10s_max": 100}) as market:
        wait_disabled(market)
        market.wait_for(lambda: market.witness.open_orders() == [], "its orders are cancelled", 20)
        time.sleep(1.0)
        # twenty orders may be open: the twenty-first never left, neither before nor after it was disabled
        assert market.counters()["orders_sent"] == 20
        market.wait_for(lambda: len(placed(market)) == 20, "the journal on disk says so too", 10)
        assert_agreed_after_stop(market)
        assert len(placed(market)) == 20


@pytest.mark.invariant("R17")
def test_a_flood_uses_at_most_four_fifths_of_the_quota_and_the_venue_never_refuses() -> None:
    params = {"asked": 3, "cancels": True}
    risk = {"rejections_per_10s_max": 100_000}
    with running(FLOODING, params, risk, orders_10s=30, weight_minute=1_200) as market:
        # by the venue's clock: two whole windows of ten seconds pass in any case
        deadline = time.monotonic() + 21
        most_weight = 0
        while time.monotonic() < deadline:
            shown = market.fault("status")["limits"]["127.0.0.1"]
            assert shown["refusals"] == shown["inside_retry_after"] == 0
            most_weight = max(most_weight, shown["weight_used"])
            time.sleep(0.2)
        assert 0 < most_weight <= 1_200
        windows = Counter(row["wall_ns"] // TEN_SECONDS_NS for row in placed(market))
        assert max(windows.values()) <= 24
        assert sorted(windows.values())[-2] >= 20, windows  # it did press against the limit
        assert market.counters()["venue_rejects"] == 0
        assert market.counters()["rate_limited"] > 0
