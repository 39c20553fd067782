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


def test_what_the_venue_has_not_is_refused_before_anything_opens(market: Market) -> None:
    subscribed = f'class = {json.dumps(LISTENER)}\nsubscriptions = ["mark_price"]'
    market.write_config(replaced={'class = "engine.strategy.market_maker:MarketMaker"': subscribed})
    child = market.start()
    assert market.wait_dead() == 78
    assert 'a venue of kind "binance-spot" has no "mark_price"' in child.tail()
