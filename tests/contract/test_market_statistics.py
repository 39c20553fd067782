"""The whole daemon against the simulated spot venue: what a strategy subscribes to arrives, stands in the tape."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo.markets import USDM
from engine.journal import decode
from engine.model.codes import Lane, RecordKind
from tests.fault.market import PROJECT, Market

LISTENER = "tests.fault.statistics_listener:StatisticsListener"
WORDS = ["ticker", "mini_ticker", "agg_trade"]
KINDS = {RecordKind.KLINE, RecordKind.TICKER_24H, RecordKind.MINI_TICKER, RecordKind.AGG_TRADE}


@pytest.fixture
def market() -> Iterator[Market]:
    root = Path(tempfile.mkdtemp(prefix="tradewind-statistics-"))
    found = Market(root)
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def kinds_on_tape(market: Market) -> set[int]:
    return {record.kind for record in market.reader().records(Lane.TAPE)}


def notes(market: Market) -> set[str]:
    rows = market.ledger_records(RecordKind.STRATEGY_STATE)
    return {row["payload"].get("text", "") for row in rows}


def test_what_a_strategy_subscribes_to_reaches_it_and_the_tape(market: Market) -> None:
    subscribed = f"class = {json.dumps(LISTENER)}\nsubscriptions = {json.dumps(WORDS)}"
    market.write_config(replaced={'class = "engine.strategy.market_maker:MarketMaker"': subscribed})
    market.start()
    market.wait_active()
    market.wait_for(lambda: kinds_on_tape(market) >= KINDS, "a record of each kind", 30)
    expected = {f"heard {name} of BTCUSDT" for name in ("on_kline", "on_ticker", "on_agg_trade")}
    market.wait_for(lambda: notes(market) >= expected, "a note of each callback", 30)
    assert market.counters()["malformed_frames"] == 0
    records = [
        decode.as_dict(record) for record in market.reader().records(Lane.TAPE) if record.kind == RecordKind.KLINE
    ]
    assert {record["payload"]["interval"] for record in records} <= {"1s", "1m"}
    assert all(record["frame_crc32c"] and record["frame_length"] for record in records)
    listed = subprocess.run(
        [sys.executable, "-m", "engine", "journal", "cat", "--dir", str(market.place.data_dir), "--kind", "MINI_TICKER", "--json"],
        capture_output=True, text=True, timeout=60, check=True, cwd=PROJECT,
    )  # fmt: skip
    row = json.loads(listed.stdout.splitlines()[0])
    assert row["payload"]["rows"][0]["symbol"]


FUTURES_WORDS = [
    *WORDS,
    "all_tickers",
    "mark_price",
    "liquidations",
    "contract_info",
    "funding",
    "open_interest",
    "long_short_accounts",
    "top_trader_accounts",
    "top_trader_positions",
    "taker_volume",
]
FUTURES_KINDS = {*KINDS, RecordKind.MARK_PRICE, RecordKind.OPEN_INTEREST, RecordKind.LONG_SHORT_RATIO}


@pytest.fixture
def futures() -> Iterator[Market]:
    root = Path(tempfile.mkdtemp(prefix="tradewind-futures-"))
    found = Market(root, traded=USDM)
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def test_futures_statistics_come_over_their_own_route_and_a_contract_that_settles_is_refused_at_once(
    futures: Market,
) -> None:
    listener = LISTENER.replace("StatisticsListener", "FuturesListener")
    subscribed = f"class = {json.dumps(listener)}\nsubscriptions = {json.dumps(FUTURES_WORDS)}"
    futures.write_config(replaced={'class = "engine.strategy.market_maker:MarketMaker"': subscribed})
    futures.start()
    futures.wait_active()
    futures.wait_for(lambda: kinds_on_tape(futures) >= FUTURES_KINDS, "a record of each kind", 60)
    names = ("on_kline", "on_ticker", "on_agg_trade", "on_mark_price", "on_open_interest", "on_long_short_ratio")
    expected = {f"heard {name} of BTCUSDT" for name in names}
    futures.wait_for(lambda: notes(futures) >= expected, "a note of each callback", 30)
    counters = futures.counters()
    assert counters["malformed_frames"] == 0
    assert counters["feed_sessions_ready"] == 2
    assert counters["tickers_checked"] > 0
    assert counters["tickers_equal"] == counters["tickers_checked"]
    futures.fault("usdm_status", symbol="BTCUSDT", status="SETTLING")
    futures.wait_for(lambda: "heard on_instrument of BTCUSDT" in notes(futures), "the contract's new status", 30)
    (update,) = futures.ledger_records(RecordKind.INSTRUMENT_UPDATE)
    assert (update["payload"]["is_trading"], update["payload"]["text"]) == (0, "SETTLING")
    bid = futures.ctl("order", "buy", "BTCUSDT", "0.010", "--price", "1000")
    assert "INSTRUMENT_NOT_TRADING" in bid.stdout + bid.stderr


def test_what_the_venue_has_not_is_refused_before_anything_opens(market: Market) -> None:
    subscribed = f'class = {json.dumps(LISTENER)}\nsubscriptions = ["mark_price"]'
    market.write_config(replaced={'class = "engine.strategy.market_maker:MarketMaker"': subscribed})
    child = market.start()
    assert market.wait_dead() == 78
    assert 'a venue of kind "binance-spot" has no "mark_price"' in child.tail()
