"""ccxt's binanceusdm and python-binance's futures calls, unchanged but for addresses and keys, plain and under TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.venue_wire.clients import interpreter, told_by
from tests.usdm_harness import RunningUsdm, make_usdm_shell, play_usdm


@pytest.fixture(params=["plain", "tls"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """The folder of the certificate authority, None for plain connections."""
    return tmp_path / "tls" if request.param == "tls" else None


def seen_by(script: str, tls_dir: Path | None) -> dict[str, Any]:
    """Run a client script against a lively venue; what it printed."""
    interpreter()
    told: dict[str, Any] = {}

    async def scenario(venue: RunningUsdm) -> None:
        told.update(await told_by(script, venue, ca=tls_dir / "ca.pem" if tls_dir else None))

    play_usdm(scenario, make_usdm_shell(activity=5.0), tls_dir)
    return told


def test_ccxt_trades_futures_here_as_on_the_exchange(authority: Path | None) -> None:
    told = seen_by("client_ccxt_usdm.py", authority)
    contracts = ["BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"]
    for name in ("markets", "tickers", "bids_asks", "funding_rates", "watched_tickers"):
        assert told[name] == contracts, name
    assert told["precision"] == [0.1, 0.001]
    assert told["kind"] == ["swap", True, True, "USDT"]
    assert told["book"] == [5, 5, True]
    assert [told["candles"], told["mark_candles"], told["index_candles"], told["public_trades"]] == [5, 5, 5, 5]
    assert told["funding"] == [True, True, True]
    assert [told[name] for name in ("created", "fetched", "open", "cancelled")] == ["open", "open", 1, "canceled"]
    assert [told["edited"], told["edited_ws"]] == [0.02, 0.02]
    assert [told["bought"], told["sold"], told["trades"] >= 1, told["orders"] >= 2] == ["closed", "closed", True, True]
    stop = [told[name] for name in ("stop", "stop_fetched", "stops_open", "stop_cancelled")]
    assert stop == ["open", "open", 1, True]
    assert (told["batch"], told["batch_cancelled"], told["left_open"]) == (["open"] * 2, ["canceled"] * 2, 0)
    assert told["position"] == ["long", 0.01, True]
    assert told["flat"] == []
    assert [told["leverage"], told["leverage_read"], told["margin_mode"], told["mode_read"]] == [7, 7, 200, "isolated"]
    assert [told["tiers"], told["hedged"], told["fee"], told["balance"]] == [True, False, True, True]
    assert "commission" in told["ledger"]
    refusals = [told[name] for name in ("unknown", "nothing", "same_mode")]
    assert refusals == ["OrderNotFound", "OrderNotFound", "MarginModeAlreadySet"]
    for name in ("book", "trades", "mark", "order", "trade", "balance"):
        assert told[f"watched_{name}"], name
    assert told["watched_position"] == ["BTC/USDT:USDT", 0.01]
    assert [told["fetched_ws"], told["cancelled_ws"]] == ["open", "canceled"]
    assert [told["balance_ws"], told["positions_ws"]] == [True, 1]


def test_python_binance_trades_futures_here_as_on_the_exchange(authority: Path | None) -> None:
    told = seen_by("client_python_binance_usdm.py", authority)
    assert told["symbols"] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    for name in ("book", "trades", "older_trades", "sums", "candles", "continuous", "index_candles", "mark_candles"):
        assert told[name] == 5, name
    assert [told["marks"], told["prices"], told["best"], told["mark"]] == [3, 3, 3, True]
    assert all(told["ratios"])
    lives = [told[name] for name in ("placed", "found", "open", "modified", "amendments", "cancelled", "bought")]
    assert lives == ["NEW", "NEW", 1, "0.020", 1, "CANCELED", "FILLED"]
    assert [told["algo"], told["algos_open"], told["algo_cancelled"]] == ["NEW", 1, "200"]
    assert [told["batch"], told["countdown"], told["all_cancelled"]] == [["NEW", "NEW"], "60000", 200]
    assert [told["balance"], told["position"], told["leverage"], told["symbol_config"]] == [["USDT"], "0.010", 9, [9]]
    assert [told["margin_type"], told["same_type"], told["mode"], told["assets_mode"]] == [200, -4046, False, False]
    assert "COMMISSION" in told["income"]
    streams = [told[name] for name in ("depth", "sum", "best_one", "mark_all")]
    assert streams == ["btcusdt@depth10", "btcusdt@aggTrade", "btcusdt@bookTicker", "!markPrice@arr@1s"]
    assert told["user"] == ["ORDER_TRADE_UPDATE", True]
    assert [told["placed_ws"], told["found_ws"], told["cancelled_ws"]] == ["NEW", "NEW", "CANCELED"]
    assert all(told[f"{name}_ws"] for name in ("book", "balance", "account", "position"))
