"""Futures, wire to wire: both sides of the demo agree, an HMAC key signs, replaces settle, a hedged account is not traded on."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.demo.markets import USDM
from engine.demo.report import engine_positions
from engine.demo.venue_client import FuturesWitness
from engine.exit_codes import ExitCode
from tests.fault.evidence import assert_agreed_after_stop
from tests.fault.market import Market

ROOT = Path(__file__).parents[2]


@pytest.mark.invariant("R34")
def test_the_demo_trades_futures_and_both_sides_agree() -> None:
    command = [sys.executable, "-m", "engine", "demo", "--market", "usdm", "--seconds", "10", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["positions_engine"] == summary["positions_venue"]
    assert summary["pnl_engine"] == summary["pnl_venue"]
    assert summary["balances_equal"] is True
    assert summary["orders"] > 0
    assert summary["frames"]["missing"] == summary["frames"]["extra"] == summary["book_gaps"] == 0
    assert summary["open_orders_after_kill"] == summary["open_orders_at_end"] == 0


@pytest.fixture
def market() -> Iterator[Market]:
    """A venue with futures, the daemon's key an HMAC key."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-usdm-hmac-"))
    found = Market(root, activity=4.0, traded=USDM)
    key = found.place.observer_key
    for name, content in (("hmac.key", key.api_key), ("hmac.secret", key.secret)):
        path = found.place.credentials / name
        path.touch(mode=0o600)
        path.write_text(content)
    found.write_config(
        strategy="tests.fault.replacing_maker:ReplacingMaker",
        replaced={'credential = "demo"': 'credential = "hmac"', 'key_type = "ed25519"': 'key_type = "hmac"'},
    )
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def tell(market: Market, path: str, **params: str) -> None:
    """One signed POST of the account's owner."""
    key = market.place.observer_key
    query = urllib.parse.urlencode(params | {"timestamp": str(time.time_ns() // 1_000_000)})
    query += "&signature=" + hmac.new(key.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    url = f"http://127.0.0.1:{market.ports['rest']}{path}?{query}"
    request = urllib.request.Request(url, method="POST", headers={"X-MBX-APIKEY": key.api_key}, data=b"")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_an_hmac_key_signs_each_request_and_replaces_settle(market: Market) -> None:
    tell(market, "/fapi/v1/positionSide/dual", dualSidePosition="true")  # and the start sets it back
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["replaces_sent"] >= 40, "replaces", 60)
    market.wait_for(lambda: market.counters()["fills"] >= 1, "a fill", 60)
    assert market.witness.get("positionSide/dual", signed=True) == {"dualSidePosition": False}
    assert market.counters()["illegal_transitions"] == 0
    assert_agreed_after_stop(market)


def test_an_account_that_cannot_be_set_keeps_the_engine_from_starting(market: Market) -> None:
    tell(market, "/fapi/v1/positionSide/dual", dualSidePosition="true")
    order = {"symbol": "BTCUSDT", "side": "BUY", "positionSide": "LONG", "type": "MARKET", "quantity": "0.010"}
    tell(market, "/fapi/v1/order", **order)
    market.start()
    assert market.wait_dead() == ExitCode.CONFIG
    assert "position_mode" in market.tail()
    assert "-4068" in market.tail()


def test_a_trade_of_somebody_else_is_booked_and_halts_its_symbol_until_armed(market: Market) -> None:
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["orders_acked"] >= 3, "orders", 40)
    tell(market, "/fapi/v1/order", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.013")
    market.wait_for(lambda: market.counters()["external_fills"] >= 1, "the fill of somebody else", 20)
    sent = market.counters()["orders_sent"]
    assert json.loads(market.ctl("status").stdout)["halted_symbols"]
    time.sleep(0.5)
    assert market.counters()["orders_sent"] == sent
    assert market.ctl("arm", "--reason", "looked").returncode == 0
    market.wait_for(lambda: market.counters()["orders_acked"] >= sent + 1, "it trades on", 40)
    assert_agreed_after_stop(market)


@pytest.mark.invariant("R07")
def test_positions_that_the_venue_closes_by_force_are_booked_each_time(market: Market) -> None:
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["orders_acked"] >= 3, "orders", 40)
    for quantity in ("0.131", "0.143"):
        tell(market, "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity=quantity)
        market.wait_for(lambda: position(market) != 0 and positions_agree(market), "a position, known to both", 30)
        market.fault("usdm_status", symbol="BTCUSDT", status="SETTLING")
        market.fault("usdm_status", symbol="BTCUSDT", status="TRADING")
        assert position(market) == 0
        market.wait_for(lambda: positions_agree(market), "closed for the engine too", 30)
    settled = [row for row in market.witness.trades("BTCUSDT") if row["id"] == 0]
    assert len(settled) == 2
    assert_agreed_after_stop(market)


def test_margin_and_liquidation_price_are_what_the_venue_says(market: Market) -> None:
    """A position of somebody else's hand, so that the symbol stands still: the same numbers on both sides, seen by `ctl`."""
    market.start()
    market.wait_active()
    for _ in range(4):
        tell(market, "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="2.000")
        time.sleep(0.3)
    market.wait_for(lambda: position(market) > 5 and positions_agree(market), "a position, known to both", 40)
    market.wait_for(
        lambda: abs(liquidation_price(market) - told_liquidation_price(market)) < Decimal("0.01"), "one price", 60
    )
    assert liquidation_price(market) > 0
    account = json.loads(market.ctl("account", "--json").stdout)
    (row,) = [row for row in account["accounts"] if row["asset"] == "USDT"]
    assert Decimal(row["equity"]) == Decimal(row["wallet"]) + Decimal(row["unrealised"])
    assert Decimal(account["total"]["equity"]) == Decimal(row["value"])
    assert account["total"]["currency"] == "USDT"


def liquidation_price(market: Market) -> Decimal:
    rows = json.loads(market.ctl("positions", "--json", "--symbol", "BTCUSDT").stdout)["positions"]
    return Decimal(rows[0]["liquidation_price"] or 0) if rows else Decimal(0)


def told_liquidation_price(market: Market) -> Decimal:
    assert isinstance(market.witness, FuturesWitness)
    rows = market.witness.get("/fapi/v3/positionRisk", signed=True, symbol="BTCUSDT")
    return Decimal(rows[0]["liquidationPrice"]) if rows else Decimal(-1)


def position(market: Market) -> Decimal:
    assert isinstance(market.witness, FuturesWitness)
    return market.witness.positions().get("BTCUSDT", Decimal(0))


def positions_agree(market: Market) -> bool:
    return engine_positions(market.ledger(), ("BTCUSDT",))["BTCUSDT"] == position(market)
