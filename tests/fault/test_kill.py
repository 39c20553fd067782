"""R01, R26: kill -9 in every window of an order's life; the journal, the venue and the position agree afterwards."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.demo import report
from engine.journal import decode
from engine.model.codes import Lane, RecordKind
from tests.fault.market import Market

WINDOWS = ("before_append", "after_append", "after_send", "after_ack")
STRATEGY = "tests.fault.killing_maker:KillingMaker"
KILLS = {"commit": 40, "long": 1000}


@pytest.fixture
def market() -> Iterator[Market]:
    """A venue and a journal on tmpfs where there is one."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="tradewind-kill-", dir=memory if memory.is_dir() else None))
    found = Market(root)
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def assert_no_order_was_sent_twice(market: Market) -> None:
    """Neither by us (bytes in the journal) nor at the venue (its own list, all epochs)."""
    sent = Counter(
        row["order_handle"]
        for row in market.ledger_records(RecordKind.ORDER_BYTES)
        if row["payload"]["action"] == "SUBMIT"
    )
    assert sent
    assert max(sent.values()) == 1
    ids = Counter(row["clientOrderId"] for row in venue_orders(market))
    assert max(ids.values()) == 1


def venue_orders(market: Market) -> list[dict[str, Any]]:
    """Every order of the account at the venue."""
    rows: list[dict[str, Any]] = []
    for symbol in market.symbols:
        page = market.witness.get("allOrders", signed=True, symbol=symbol, orderId=0, limit=1000)
        while page:
            rows += page
            page = market.witness.get(
                "allOrders", signed=True, symbol=symbol, orderId=page[-1]["orderId"] + 1, limit=1000
            )
    return rows


def assert_every_order_at_the_venue_is_in_the_journal(market: Market) -> None:
    """What the venue has, we remember to have sent: no acknowledged record was lost."""
    text = "\n".join(row["payload"]["bytes"] for row in market.ledger_records(RecordKind.ORDER_BYTES))
    missing = [row["clientOrderId"] for row in venue_orders(market) if row["clientOrderId"] not in text]
    assert missing == []


def assert_positions_are_the_venues(market: Market) -> None:
    """Position of each symbol equals what the venue's own trades add up to; balances are equal to the last unit."""
    trades = {symbol: market.witness.trades(symbol) for symbol in market.symbols}
    state = market.ledger()
    assert report.engine_positions(state, market.symbols) == report.venue_positions(trades)
    assert report.same_balances(report.engine_balances(state), market.witness.balances())


def seconds_to_active(market: Market) -> list[float]:
    """For each run, from its START to its first ACTIVE, by the journal; every run begins HALTED and reconciles before that."""
    times_s, began_ns, is_reconciled = [], 0, False
    for record in market.reader().records(Lane.LEDGER):
        if record.kind == RecordKind.START:
            began_ns, is_reconciled = record.wall_ns, False
        elif record.kind == RecordKind.RECONCILE_END:
            is_reconciled = True
        elif record.kind == RecordKind.ORDER_BYTES and b'"order.place"' in record.payload:
            assert is_reconciled, f"an order left before reconciliation: record {record.seq}"
        elif record.kind == RecordKind.TRADING_STATE and decode.payload(record)["state"] == "ACTIVE" and began_ns:
            assert is_reconciled
            times_s.append((record.wall_ns - began_ns) / 1e9)
            began_ns = 0
    return times_s


@pytest.mark.invariant("R01")
@pytest.mark.invariant("R26")
@pytest.mark.timeout(600)
def test_killed_in_every_window_it_recovers_reconciles_and_resumes_without_a_double_order(
    market: Market, amount: str, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(20261120)
    hit = Counter[str]()
    for number in range(KILLS[amount]):
        window = WINDOWS[number % len(WINDOWS)]
        market.write_config(strategy=STRATEGY, params={"window": window, "orders": chance.randrange(3, 12)})
        market.start()
        try:
            assert market.wait_dead(8.0) == -9, market.tail()
            hit[window] += 1
        except subprocess.TimeoutExpired:
            # a maker at its inventory limit may not quote: then any instant does
            market.kill()
    market.write_config()
    market.start()
    market.wait_active()
    time.sleep(1.0)
    assert market.engine is not None
    assert market.engine.stop() == 0, market.engine.tail()
    assert market.witness.open_orders() == []
    times_s = seconds_to_active(market)
    # a restored order's news may bring the kill before the run is ACTIVE; that is a kill like any other
    assert len(times_s) > 0.9 * KILLS[amount]
    assert min(hit[window] for window in WINDOWS) >= KILLS[amount] // 8, hit
    assert_no_order_was_sent_twice(market)
    assert_every_order_at_the_venue_is_in_the_journal(market)
    assert_positions_are_the_venues(market)
    record_property("kill_to_active_s_median", sorted(times_s)[len(times_s) // 2])
    record_property("kill_to_active_s_max", max(times_s))
