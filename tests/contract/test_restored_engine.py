"""A whole engine on a restored journal: it trades, is copied meanwhile, ends; another goes on with the copy and doubles nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.demo import report
from engine.desk.ledger import LedgerFold
from engine.journal import decode
from engine.journal.reader import JournalReader
from engine.journal.verify import verify
from engine.model.codes import Lane, RecordKind
from tests.fault.market import Market

SYMBOL = "BTCUSDT"


@pytest.fixture(name="market")
def fixture_market() -> Iterator[Market]:
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="tradewind-restored-", dir=memory if memory.is_dir() else None))
    market = Market(root)
    yield market
    market.close()
    shutil.rmtree(root, ignore_errors=True)


def tradewind(*words: str) -> Any:
    command = [sys.executable, "-m", "engine", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def backup(market: Market, name: str) -> int:
    """A copy beside whatever runs, with a recorder's database that is behind; the sequence that it goes to."""
    tradewind("sql", "import", "--dir", str(market.place.data_dir))
    tradewind("backup", str(market.root / name), "--config", str(market.place.engine_config))
    manifest = json.loads((market.root / name / "points" / "000001" / "manifest.json").read_text())
    return int(manifest["lanes"]["ledger"]["seq"])


def go_on_with(market: Market, name: str) -> Path:
    """Put a copy back into a directory of its own and start an engine on it."""
    new = market.root / f"{name}-restored"
    tradewind("restore", str(market.root / name), "--to", str(new))
    market.write_config(replaced={f'data_dir = "{market.place.data_dir}"': f'data_dir = "{new}"'})
    market.start()
    return new


def booked(data_dir: Path) -> Counter[int]:
    """Fills by the venue's number of their trade."""
    records = JournalReader(data_dir).records(Lane.LEDGER)
    return Counter(int(decode.payload(record)["trade_id"]) for record in records if record.kind == RecordKind.FILL)


def trades(market: Market) -> dict[int, dict[str, Any]]:
    return {int(row["id"]): row for row in market.witness.trades(SYMBOL)}


def stop_and_compare(market: Market, data_dir: Path) -> None:
    """The engine ends; the venue's trades are booked once each, position and balances are the venue's, no order id came twice."""
    assert market.engine is not None
    assert market.engine.stop() == 0
    at_venue = trades(market)
    found = booked(data_dir)
    assert max(found.values()) == 1
    assert set(found) == set(at_venue)
    state = LedgerFold(data_dir).refresh()
    assert report.engine_positions(state, (SYMBOL,)) == report.venue_positions({SYMBOL: list(at_venue.values())})
    assert report.same_balances(report.engine_balances(state), market.witness.balances())
    orders = Counter(row["clientOrderId"] for row in all_orders(market))
    assert max(orders.values()) == 1
    assert verify(data_dir).is_whole
    assert market.witness.open_orders() == []
    tradewind("sql", "import", "--dir", str(data_dir))
    with closing(sqlite3.connect(data_dir / "recorder.sqlite")) as recorded:
        assert Counter(row[0] for row in recorded.execute("SELECT trade_id FROM fills")) == found


def orders_until(data_dir: Path, seq: int) -> set[int]:
    """The venue's numbers of orders that a copy up to this sequence knows."""
    records = JournalReader(data_dir).records(Lane.LEDGER, to_seq=seq)
    states = (decode.payload(record) for record in records if record.kind == RecordKind.ORDER_STATE)
    return {int(state["venue_order_id"]) for state in states}


def halts(data_dir: Path) -> set[str]:
    """What the engine alarmed since it goes on with the copy."""
    records = list(JournalReader(data_dir).records(Lane.LEDGER))
    alarms = [record for record in records if record.kind == RecordKind.ALARM and record.epoch > 1000]
    return {decode.payload(record)["state"] for record in alarms} & {"UNKNOWN_FILL", "RECONCILE_MISMATCH"}


def not_ours(market: Market) -> list[dict[str, Any]]:
    """What `ctl reconcile` names as open and not in the ledger; while something with our mark is, it ends with 1."""
    done = market.ctl("reconcile")
    rows: list[dict[str, Any]] = json.loads(done.stdout)["not_ours"]
    assert done.returncode == 1 or not rows, done.stdout
    return rows


def all_orders(market: Market) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = market.witness.get("allOrders", signed=True, symbol=SYMBOL, limit=1000)
    return rows


def test_an_engine_goes_on_with_a_copy_of_all_that_there_was(market: Market) -> None:
    """Copied while it trades, and again when it has ended; the second is put back."""
    market.start()
    market.wait_active()
    market.wait_for(lambda: len(trades(market)) >= 5, "trades", 60)
    online = backup(market, "online")
    market.wait_for(lambda: len(trades(market)) >= 8, "more trades", 60)
    stop_and_compare(market, market.place.data_dir)
    ended = backup(market, "ended")
    assert ended > online
    before = LedgerFold(market.place.data_dir).refresh()
    epoch = before.epoch
    new = go_on_with(market, "ended")
    market.wait_active()
    count = len(trades(market))
    market.wait_for(lambda: len(trades(market)) >= count + 3, "trades after the restoration", 60)
    stop_and_compare(market, new)
    after = LedgerFold(new).refresh()
    assert after.epoch > epoch + 1000
    first_active = next(
        record
        for record in JournalReader(new).records(Lane.LEDGER, from_seq=ended + 1)
        if record.kind == RecordKind.TRADING_STATE and decode.payload(record)["state"] == "ACTIVE"
    )
    assert not [
        record for record in JournalReader(new).records(Lane.LEDGER, from_seq=ended + 1, to_seq=first_active.seq)
        if record.kind in (RecordKind.FILL, RecordKind.POSITION)
    ]  # fmt: skip


def test_an_engine_on_an_older_copy_books_what_it_missed_once_and_waits_for_an_operator_where_it_must(
    market: Market,
) -> None:
    """What was ordered and traded after the copy is in no ledger: the venue tells it."""
    market.start()
    market.wait_active()
    market.wait_for(lambda: len(trades(market)) >= 4, "trades", 60)
    online = backup(market, "online")
    known = orders_until(market.place.data_dir, online)
    market.wait_for(
        lambda: len({row["orderId"] for row in trades(market).values()} - known) >= 2,
        "trades of orders after the copy",
        60,
    )
    market.kill()
    new = go_on_with(market, "online")
    missed = len(trades(market)) - sum(booked(new).values())
    assert missed > 0
    market.wait_for(lambda: bool(set(trades(market)) <= set(booked(new))), "what was missed is booked", 60)
    market.wait_for(lambda: bool(halts(new)), "the symbol waits for an operator", 30)
    for order in not_ours(market):
        assert order["is_marked"], order
        assert market.ctl("cancel", "--order", order["client_order_id"]).returncode == 0
    market.wait_for(lambda: not not_ours(market), "what was open beside the copy has ended", 30)
    assert market.ctl("reconcile", "--adopt").returncode == 0
    assert market.ctl("arm", "--symbol", SYMBOL).returncode == 0
    count = len(trades(market))
    market.wait_for(lambda: len(trades(market)) >= count + 3, "trades after the restoration", 60)
    stop_and_compare(market, new)
    assert JournalReader(new).last_seq() > online
