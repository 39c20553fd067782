"""Paper trading by the real daemon beside a real venue: it trades, and nothing of it reaches the venue's order side."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.demo.markets import SPOT, USDM, DemoMarket
from engine.exit_codes import ExitCode
from engine.model.codes import OrderState, TradingState
from tests.fault.paper_market import PaperMarket


@pytest.fixture(params=[SPOT, USDM], ids=["spot", "usdm"])
def market(request: pytest.FixtureRequest) -> Iterator[PaperMarket]:
    """A lively venue, the daemon on paper."""
    traded: DemoMarket = request.param
    root = Path(tempfile.mkdtemp(prefix="tradewind-paper-"))
    found = PaperMarket(root, traded, activity=6.0)
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def assert_nothing_reached_the_venue(market: PaperMarket) -> None:
    """No order request ever, no order connection, no private stream, and the venue's own account untouched."""
    assert market.venue_orders() == 0
    assert not {kind for kind, count in market.venue_connections().items() if count} - {"stream", "rest"}


def test_paper_trades_without_a_key_and_no_order_reaches_the_venue(market: PaperMarket) -> None:
    untouched = market.witness.balances()
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["fills"] >= 3, "fills", 60)
    assert_nothing_reached_the_venue(market)
    status = json.loads(market.ctl("status").stdout)
    assert status["mode"] == "paper"
    assert status["reconciled"]
    assert "PAPER" in status_text(market)
    assert status["orders_sent"] >= 3
    market.wait_for(lambda: market.counters()["reconciles"] >= 2, "a reconciliation beside trading", 30)
    assert market.counters()["illegal_transitions"] == 0
    assert market.ctl("stop", "--reason", "seen").returncode == 0
    assert market.wait_dead() == ExitCode.OK
    assert not [row for row in market.ledger().orders.values() if row["state"] in (OrderState.NEW, "NEW")]
    assert_nothing_reached_the_venue(market)
    assert market.witness.balances() == untouched


@pytest.mark.invariant("R07")
def test_a_killed_paper_engine_finds_its_account_again(market: PaperMarket) -> None:
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["fills"] >= 3, "fills", 60)
    market.kill()
    before = totals(market)
    market.start()
    market.wait_active()
    assert totals_at_start(market) == before
    market.wait_for(lambda: market.counters()["fills"] >= 1, "it trades on", 60)
    assert market.counters()["trading_state"] == TradingState.ACTIVE
    assert market.ctl("stop", "--reason", "seen").returncode == 0
    assert market.wait_dead() == ExitCode.OK
    assert engine_volumes(market) == paper_volumes(market)
    assert_nothing_reached_the_venue(market)


def test_the_doctor_wants_no_key_and_no_order_address(market: PaperMarket) -> None:
    command = [sys.executable, "-m", "engine", "doctor", "--config", str(market.place.engine_config), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    checks = {row["name"]: row for row in json.loads(done.stdout)["checks"]}
    assert checks["credentials"]["state"] == "ok"
    assert not any("order API" in name or name.endswith(" account") for name in checks)
    assert checks["simulated market stream"]["state"] == "ok"
    assert not [name for name, row in checks.items() if row["state"] == "fail"]


def status_text(market: PaperMarket) -> str:
    """`ctl status` as people read it."""
    command = [sys.executable, "-m", "engine", "ctl", "status", "--config", str(market.place.engine_config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def totals(market: PaperMarket) -> dict[str, object]:
    """The newest row of what the account has."""
    return next(row for row in reversed(market.account_rows()) if row["type"] in ("balances", "wallet"))


def totals_at_start(market: PaperMarket) -> dict[str, object]:
    """What the latest start wrote first."""
    return next(row for row in market.account_rows() if row["type"] in ("balances", "wallet"))


def engine_volumes(market: PaperMarket) -> dict[str, tuple[Decimal, Decimal]]:
    """Bought and sold by symbol, as the engine's ledger over both runs has it."""
    rows = market.ledger().positions.values()
    return {row["symbol"]: (Decimal(row["bought"]), Decimal(row["sold"])) for row in rows}


def paper_volumes(market: PaperMarket) -> dict[str, tuple[Decimal, Decimal]]:
    """The same as the paper account's file has it."""
    found: dict[str, tuple[Decimal, Decimal]] = {}
    trades = {row["trade"]["trade_id"]: row["trade"] for row in market.account_rows() if "trade" in row}
    for trade in trades.values():
        bought, sold = found.get(trade["symbol"], (Decimal(0), Decimal(0)))
        size = Decimal(trade["qty_e8"]) / 10**8
        found[trade["symbol"]] = (bought + size, sold) if trade["is_buyer"] else (bought, sold + size)
    return found
