"""Limits on the real daemon: read with their use, tightened at once, loosened when said so, kept over a restart; modes at work."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.model.codes import HaltReason, RecordKind, TradingState
from tests.fault.market import Market

RESTING = "tests.fault.resting_maker:RestingMaker"


@pytest.fixture
def market() -> Iterator[Market]:
    """A venue and a configuration; the daemon is the test's to start."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-limits-"))
    found = Market(root, ("BTCUSDT",))
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def limits(market: Market, *words: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """`ctl limits get` by scope, name and key."""
    done = market.ctl("limits", "get", *words)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return {(row["scope"], row["name"], row["limit"]): row for row in json.loads(done.stdout)["limits"]}


def command(market: Market, *words: str, code: int = 0) -> str:
    """A command's stdout, or what it says on stderr where it is refused."""
    done = market.ctl("limits", *words)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stderr if code else done.stdout


def verdict(market: Market, qty: str) -> str:
    """What the gate says to an order by hand, away from the market, on a book that is whole; NONE where it passes."""
    for _ in range(50):
        found = verdict_now(market, qty)
        if found not in ("BOOK_INVALID", "STALE"):
            return found
        time.sleep(0.1)
    return found


def verdict_now(market: Market, qty: str) -> str:
    """The verdict of one order, whatever the book is."""
    price = f"{market.witness.mid('BTCUSDT') * Decimal('0.99'):.2f}"
    done = market.ctl("order", "buy", "BTCUSDT", qty, "--price", price, "--post-only")
    return str(json.loads(done.stdout)["reason"]) if done.stdout else done.stderr


def test_limits_are_shown_tightened_at_once_and_loosened_only_with_the_flag_over_a_restart(market: Market) -> None:
    market.write_config(strategy=RESTING, params={"levels": 1})
    market.start()
    market.wait_active()
    key = ("instrument", "BTCUSDT", "max_order_qty")
    shown = limits(market)
    assert shown[key]["source"] == "config"
    assert shown[key]["value"] == "0.01"
    assert ("engine", "", "max_open_orders") in shown
    assert verdict(market, "0.01") == "NONE"

    command(market, "set", "max_order_qty=0.005", "--symbol", "BTCUSDT", "--reason", "drill")
    assert verdict(market, "0.01") == "QTY_ABOVE_MAX"
    row = limits(market, "--symbol", "BTCUSDT")[key]
    assert (row["value"], row["source"], row["reason"]) == ("0.005", "command", "drill")
    assert row["uid"] >= 0

    told = command(market, "set", "max_order_qty=0.008", "--symbol", "BTCUSDT", code=1)
    assert "--loosen" in told
    told = command(market, "set", "max_order_qty=0.0000001", "--symbol", "BTCUSDT", code=1)
    assert "no multiple of the lot" in told
    assert verdict(market, "0.01") == "QTY_ABOVE_MAX"

    market.wait_for(lambda: market.ledger_records(RecordKind.LIMITS) != [], "the LIMITS record on disk")
    market.kill()
    market.start()
    market.wait_active()
    assert limits(market)[key]["value"] == "0.005"
    assert verdict(market, "0.01") == "QTY_ABOVE_MAX"

    command(market, "set", "max_order_qty=0.02", "--symbol", "BTCUSDT", "--loosen")
    assert verdict(market, "0.01") == "NONE"
    command(market, "set", "max_order_qty=0.004", "max_open_orders=7", "--symbol", "BTCUSDT")
    told = command(market, "reset", "--symbol", "BTCUSDT", code=1)
    assert "this loosens max_order_qty, max_open_orders" in told
    command(market, "reset", "--symbol", "BTCUSDT", "--loosen")
    assert limits(market)[key]["source"] == "config"


def is_reconciled(market: Market) -> bool:
    """The daemon that was started last, not the file that the one before has left."""
    found = market.counters()
    return market.engine is not None and found.get("pid") == market.engine.process.pid and found["reconciled"] == 1


def was_active_after(market: Market, sequence: int) -> bool:
    """Did the engine trade at any time after that record."""
    rows = market.ledger_records(RecordKind.TRADING_STATE)
    return any(row["seq"] > sequence and row["payload"]["state"] == "ACTIVE" for row in rows)


def test_a_drawdown_takes_the_mode_that_halts_until_a_person_arms_also_over_a_restart(market: Market) -> None:
    """The market maker loses its fees: the smallest thresholds are reached by its first trades."""
    modes = (
        '[risk.modes]\ncalm_s = 0\n\n[risk.modes.ELEVATED]\ndrawdown = "0.00000001"\nlimits_percent = 50\n\n'
        '[risk.modes.CRITICAL]\ndrawdown = "0.5"\nlimits_percent = 10\nstate = "halted"\nuntil_arm = true\n\n[reconcile]\n'
    )
    market.write_config(replaced={"[reconcile]\n": modes})
    market.start()
    market.wait_active()
    market.wait_state(TradingState.HALTED, HaltReason.RISK, 60)
    row = limits(market)["instrument", "BTCUSDT", "max_order_qty"]
    assert (row["value"], row["in_force"]) == ("0.01", "0.001")
    market.wait_for(lambda: market.witness.open_orders() == [], "no open order at the venue")
    assert verdict(market, "0.01") == "HALTED"

    market.kill()
    market.start()
    market.wait_for(lambda: is_reconciled(market), "reconciled", 60)
    market.wait_state(TradingState.HALTED, HaltReason.RISK, 30)
    told = [row["payload"] for row in market.ledger_records(RecordKind.RISK_STATE)]
    assert {"ELEVATED", "CRITICAL"} & {row["risk_mode"] for row in told}
    armed = json.loads(market.ctl("arm", "--reason", "looked").stdout)["sequence"]
    # by the ledger: its next trades may halt it again before a poll sees it trade
    market.wait_for(lambda: was_active_after(market, armed), "ACTIVE again", 60)


def test_order_requests_without_an_answer_open_the_breaker_and_the_gate_refuses_until_it_is_well(
    market: Market,
) -> None:
    """The venue does not know what became of three orders (-1007): UNKNOWN all, and no fourth leaves before the cool-down ends."""
    health = "[health]\nfailures = 3\nprobes = 1\ncooldown_ms = 8000\n\n[reconcile]\n"
    market.write_config(strategy=RESTING, params={"levels": 1}, replaced={"[reconcile]\n": health})
    market.start()
    market.wait_active()
    assert market.ctl("pause").returncode == 0
    market.fault("order_error", count=3, code=-1007, executed=False)
    assert [verdict(market, "0.001") for _ in range(3)] == ["NONE"] * 3
    market.wait_for(lambda: verdict(market, "0.001") == "VENUE_UNHEALTHY", "the breaker opens")
    alarms = [row["payload"]["state"] for row in market.ledger_records(RecordKind.ALARM)]
    assert "BREAKER_OPEN" in alarms
    assert market.ctl("cancel").returncode == 0
    market.wait_for(lambda: verdict(market, "0.001") == "NONE", "the breaker lets a probe through", 40)
