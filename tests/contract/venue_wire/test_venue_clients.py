"""ccxt and python-binance, unchanged but for addresses and keys, trade against the venue, plain and under TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.venue_wire.clients import interpreter, told_by
from tests.venue_harness import RunningVenue, make_shell, play


@pytest.fixture(params=["plain", "tls"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """The folder of the certificate authority, None for plain connections."""
    return tmp_path / "tls" if request.param == "tls" else None


def seen_by(script: str, tls_dir: Path | None) -> dict[str, Any]:
    """Run a client script against a lively venue; what it printed."""
    interpreter()
    told: dict[str, Any] = {}

    async def scenario(venue: RunningVenue) -> None:
        told.update(await told_by(script, venue, ca=tls_dir / "ca.pem" if tls_dir else None))

    play(scenario, make_shell(activity=5.0), tls_dir)
    return told


def test_ccxt_trades_here_as_on_the_exchange(authority: Path | None) -> None:
    told = seen_by("client_ccxt.py", authority)
    assert told["markets"] == told["watched_tickers"] == ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    assert told["precision"] == 0.01
    assert told["book"] == [5, 5, True]
    assert told["balance"] == 250_000
    assert (told["created"], told["fetched"], told["open"], told["cancelled"]) == ("open", "open", 1, "canceled")
    assert told["moved"] == [60_001, 0.02]
    assert told["market"] == "closed"
    assert told["trades"] >= 1
    assert told["trigger"] == ["open", "STOP_LOSS_LIMIT", True]
    assert told["stop_loss"] == ["open", "STOP_LOSS", True]
    assert told["take_profit"] == ["open", "TAKE_PROFIT", True]
    assert told["trailing"][:2] == ["open", "STOP_LOSS_LIMIT"]
    assert told["iceberg"][:2] == ["open", "LIMIT"]
    assert told["self_trade"] == "DECREMENT"
    assert (told["oco"], told["after_oco"]) == (["EXECUTING", 1], 0)
    assert told["unknown"] == "OrderNotFound"
    assert told["poor"] == "InsufficientFunds"
    assert told["crossing"] == "OrderImmediatelyFillable"
    assert told["watched_book"]
    assert told["watched_trades"]
    assert told["watched_order"]
    assert told["cancelled_ws"] == "canceled"


def test_python_binance_trades_here_as_on_the_exchange(authority: Path | None) -> None:
    told = seen_by("client_python_binance.py", authority)
    assert told["symbols"] == 3
    assert (told["placed"], told["found"], told["cancelled"], told["sold"]) == ("NEW", "NEW", "CANCELED", "FILLED")
    assert told["tested"] == {}
    assert (told["unencoded"], told["lot"]) == (-1022, -1013)
    assert told["trade"] == sorted(["e", "E", "s", "t", "p", "q", "T", "m", "M"])
    assert told["book"] == sorted(["u", "s", "b", "B", "a", "A"])
    assert told["mini"] == sorted(["e", "E", "s", "c", "o", "h", "l", "v", "q"])
    assert told["both"] == ["data", "stream"]
    assert told["user"] == ["executionReport", "outboundAccountPosition"]
    assert told["stop"] == "NEW"
    assert told["oco"] == ["OCO", ["STOP_LOSS", "LIMIT_MAKER"]]
    assert (told["open_lists"], told["leg"], told["closed_lists"]) == (1, "CANCELED", 0)
    assert told["all_over_rest"] == 1
    assert told["oco_ws"] == "EXECUTING"
    assert told["oto_ws"] == ["NEW", "PENDING_NEW"]
    assert told["lists_cancelled_ws"] == 2
    assert told["placed_ws"] == "NEW"
    assert told["all_cancelled"] == 2
    assert told["depth_cache"]
