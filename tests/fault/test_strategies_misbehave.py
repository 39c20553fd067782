"""R23 in the real daemon: a strategy that raises or hangs is disabled alone; its orders go, the engine stays and obeys."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.codes import HaltReason, TradingState
from tests.fault.evidence import alarms
from tests.fault.market import Market

FAULTY, HEALTHY = "maker-btcusdt", "maker-ethusdt"


@pytest.fixture
def market() -> Iterator[Market]:
    """A venue with two symbols, a strategy on each."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-faulty-"))
    found = Market(root, ("BTCUSDT", "ETHUSDT"))
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.invariant("R23")
@pytest.mark.parametrize(("fault", "alarm"), [("raise", "STRATEGY_RAISED"), ("hang", "STRATEGY_HUNG")])
def test_it_is_disabled_alone_its_orders_are_cancelled_and_a_kill_is_served(
    market: Market, fault: str, alarm: str
) -> None:
    market.write_config(
        strategy="tests.fault.resting_maker:RestingMaker", params={"fault": fault, "at_symbol": "BTCUSDT"}
    )
    market.start()
    market.wait_active()

    def state_of(name: str) -> str:
        rows = json.loads(market.ctl("strategies").stdout)["strategies"]
        return next(str(row["state"]) for row in rows if row["strategy"] == name)

    market.wait_for(lambda: state_of(FAULTY) == f"disabled ({alarm})", "the faulty strategy is disabled")
    assert state_of(HEALTHY) == "running"
    market.wait_for(lambda: [row["symbol"] for row in market.witness.open_orders()] == ["ETHUSDT"] * 4, "its orders go")
    time.sleep(0.5)
    assert [row["symbol"] for row in market.witness.open_orders()] == ["ETHUSDT"] * 4
    counters = market.counters()
    assert counters["trading_state"] == TradingState.ACTIVE
    assert (counters["strategy_errors"], counters["strategy_hangs"]) == ((0, 1) if fault == "hang" else (1, 0))
    market.wait_for(lambda: alarms(market).count(alarm) == 1, "the alarm is on disk")

    killed = market.ctl("kill", "--reason", "test")
    assert killed.returncode == 0
    market.wait_for(lambda: market.witness.open_orders() == [], "no open order")
    assert alarms(market).count(alarm) == 1
    market.wait_state(TradingState.HALTED, HaltReason.KILL)
    assert market.engine is not None
    assert market.engine.stop() == 0
