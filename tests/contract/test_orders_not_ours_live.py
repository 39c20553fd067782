"""Another client's limit order on the account, with a real venue and a real engine: the operator sees it, and what ends it."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.demo.markets import SPOT, USDM, DemoMarket
from engine.demo.venue_client import FuturesWitness
from engine.journal import decode
from engine.model.codes import AlarmCode, Lane, RecordKind
from tests.fault.market import Market

RESTING = "tests.fault.resting_maker:RestingMaker"
MARKETS = {"spot": SPOT, "usdm": USDM}
WEB_ID = "web_1"


@pytest.fixture(params=["spot", "usdm"])
def market(request: pytest.FixtureRequest) -> Iterator[Market]:
    """An engine with two orders at rest on each side."""
    traded: DemoMarket = MARKETS[request.param]
    root = Path(tempfile.mkdtemp(prefix="tradewind-others-"))
    found = Market(root, traded=traded)
    found.write_config(strategy=RESTING, params={"levels": 2})
    try:
        found.start()
        found.wait_active()
        found.wait_for(lambda: len(found.witness.open_orders()) == 4, "4 orders at the venue")
        yield found
    finally:
        found.close()
        shutil.rmtree(root, ignore_errors=True)


def place_by_hand(market: Market) -> str:
    """A purchase far below the market, sent by another client with a key of the account; its price."""
    key = market.place.observer_key
    price = str((market.witness.bid("BTCUSDT") * Decimal("0.98")).quantize(Decimal(1)))
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    order |= {"price": price, "newClientOrderId": WEB_ID, "timestamp": str(time.time_ns() // 1_000_000)}
    query = urllib.parse.urlencode(order)
    query += "&signature=" + hmac.new(key.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    path = market.witness.prefix + "order"
    url = f"http://127.0.0.1:{market.ports['rest']}{path}?{query}"
    request = urllib.request.Request(url, method="POST", headers={"X-MBX-APIKEY": key.api_key}, data=b"")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as reply:
        assert reply.status == 200
    return price


def reconciled(market: Market) -> dict[str, Any]:
    """What `ctl reconcile` says; no difference, exit code 0."""
    done = market.ctl("reconcile")
    assert done.returncode == 0, (done.stdout, done.stderr)
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["is_read"], told["differences"], told["halted_symbols"]) == (True, [], [])
    return told


def at_venue(market: Market) -> list[str]:
    return [row["clientOrderId"] for row in market.witness.open_orders()]


def alarms(market: Market) -> list[str]:
    records = market.reader().records(Lane.LEDGER)
    return [decode.payload(record)["state"] for record in records if record.kind == RecordKind.ALARM]


def not_ours(market: Market) -> list[dict[str, Any]]:
    """What is told whatever the exit code is; empty while the account cannot be read."""
    rows: list[dict[str, Any]] = json.loads(market.ctl("reconcile").stdout or '{"not_ours": []}')["not_ours"]
    return rows


def is_futures(market: Market) -> bool:
    return isinstance(market.witness, FuturesWitness)


@pytest.mark.invariant("R34")
def test_another_clients_order_is_told_halts_nothing_and_a_kill_of_its_symbol_takes_it_too(market: Market) -> None:
    assert reconciled(market)["not_ours"] == []
    price = place_by_hand(market)
    market.wait_for(lambda: bool(reconciled(market)["not_ours"]), "the order is told", 30)
    ((row,), count) = (reconciled(market)[name] for name in ("not_ours", "not_ours_count"))
    (order,) = [row for row in market.witness.open_orders() if row["clientOrderId"] == WEB_ID]
    assert count == 1
    assert row | {"line": ""} == {
        "line": "", "symbol": "BTCUSDT", "side": "BUY", "qty": "0.01", "price": price,
        "venue_order_id": order["orderId"], "client_order_id": WEB_ID, "is_marked": False,
    }  # fmt: skip
    assert alarms(market) == [AlarmCode.RECONCILE_MISMATCH.name]
    status = json.loads(market.ctl("status").stdout)
    assert (status["halted_symbols"], status["open_orders"]) == ({}, 4)
    assert WEB_ID not in market.ctl("orders").stdout
    assert market.ctl("kill", "--symbol", "BTCUSDT").returncode == 0
    market.wait_for(lambda: at_venue(market) == [], "nothing is open on the symbol, whoever's it was", 30)
    market.wait_for(lambda: not not_ours(market), "nor told any more", 30)


@pytest.mark.parametrize("words", [("cancel", "--symbol", "BTCUSDT"), ("stop",)])
def test_a_cancel_and_a_stop_take_ours_and_leave_it(market: Market, words: tuple[str, ...]) -> None:
    place_by_hand(market)
    market.wait_for(lambda: bool(not_ours(market)), "the order is told", 30)
    before = set(at_venue(market)) - {WEB_ID}
    assert market.ctl(*words).returncode == 0
    assert market.engine is not None
    if words == ("stop",):
        assert market.wait_dead() == 0
    else:
        market.wait_for(lambda: not before & set(at_venue(market)), "ours are cancelled", 30)
    left = set(at_venue(market))
    assert WEB_ID in left
    assert not before & left


def test_where_none_of_ours_is_open_a_kill_leaves_it_on_spot_and_a_start_tells_it_again(market: Market) -> None:
    place_by_hand(market)
    market.wait_for(lambda: bool(not_ours(market)), "the order is told", 30)
    assert market.ctl("pause", "--reason", "a look").returncode == 0
    market.wait_for(lambda: at_venue(market) == [WEB_ID], "only the other's order is left", 30)
    assert market.ctl("kill").returncode == 0
    if is_futures(market):
        market.wait_for(lambda: at_venue(market) == [], "everything of each symbol is cancelled", 30)
        return
    time.sleep(1)
    market.start()
    market.wait_for(lambda: len(not_ours(market)) == 1, "a start tells it again", 30)
    assert at_venue(market) == [WEB_ID]
