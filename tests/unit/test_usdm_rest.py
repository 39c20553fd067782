"""REST of USD-M: signatures, reference data, the clock measured again after -1021, listen keys, the dead-man switch."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest

from engine.credentials import Credentials
from engine.model.codes import NativeFeature
from engine.model.instruments import INT64_MAX
from engine.runtime.clock import Clock
from engine.runtime.net import HttpResponse
from engine.venues.binance.reference import ReferenceDataError, UnknownSymbolError, decode_rate_limits
from engine.venues.binance.rest_market import VenueError, read_body
from engine.venues.binance.usdm_reference import decode_futures_info
from engine.venues.binance.usdm_rest import UsdmRest

SECRET = "not-a-real-secret"
PERPETUAL: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TRAILING_STOP_MARKET"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
    ],
}


class Exchange:
    """An HTTP client that answers from a list and keeps what was asked."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str] | None, **_options: Any
    ) -> HttpResponse:
        self.asked.append((method, target, headers or {}))
        path = urlsplit(target).path
        if path == "/fapi/v1/time":
            return HttpResponse(200, {}, b'{"serverTime":1763640000000}')
        status, body = self.answers.pop(0)
        return HttpResponse(status, {"x-mbx-used-weight-1m": "17"}, json.dumps(body).encode())

    def queries(self) -> list[dict[str, list[str]]]:
        return [parse_qs(urlsplit(target).query) for _, target, _ in self.asked]


def rest_of(*answers: tuple[int, Any]) -> tuple[UsdmRest, Exchange]:
    exchange = Exchange(*answers)
    rest = UsdmRest(exchange, Clock())  # type: ignore[arg-type]
    rest.authorize(Credentials("hmac", "key-1", SECRET.encode()), 4_000)
    return rest, exchange


def test_a_contract_is_read_exactly() -> None:
    body = json.dumps({"symbols": [PERPETUAL]}).encode()
    (spec,) = decode_futures_info(body, 2, ["BTCUSDT"])
    assert (spec.kind, spec.settle_asset, spec.expiry_ns, spec.is_trading) == (1, "USDT", 0, True)
    assert (spec.tick_size_e8, spec.lot_size_e8, spec.multiplier_e8) == (10_000_000, 100_000, 100_000_000)
    assert (spec.min_qty_lots, spec.max_qty_lots) == (1, 1_000_000)
    assert (spec.min_price_ticks, spec.max_price_ticks) == (5_568, 45_297_640)
    assert (spec.min_notional_e8, spec.max_notional_e8) == (100 * 10**8, INT64_MAX)
    assert (spec.max_orders, spec.max_conditional_orders, spec.max_account_conditional_orders) == (200, 0, 200)
    assert spec.native_order_types & 0xFFFF == 0b1001111
    features = {feature for feature in NativeFeature if spec.native_order_types & feature}
    assert NativeFeature.TRIGGER_MARK in features
    assert not features & {NativeFeature.OCO, NativeFeature.OTO, NativeFeature.ICEBERG}


def test_a_dated_contract_has_its_expiry_and_a_closing_one_is_not_trading() -> None:
    row = PERPETUAL | {"symbol": "BTCUSDT_261225", "contractType": "CURRENT_QUARTER", "status": "SETTLING"}
    (spec,) = decode_futures_info(json.dumps({"symbols": [row]}).encode(), 2)
    assert (spec.kind, spec.expiry_ns, spec.is_trading) == (2, 4133404800000 * 1_000_000, False)


def test_an_unknown_contract_is_named() -> None:
    with pytest.raises(UnknownSymbolError, match="DOGEUSDT"):
        decode_futures_info(json.dumps({"symbols": [PERPETUAL]}).encode(), 2, ["DOGEUSDT"])


def test_the_signature_is_over_the_query_as_it_is_sent() -> None:
    rest, exchange = rest_of((200, []))
    asyncio.run(rest.ask("/fapi/v1/openOrders", list[dict[str, str]], symbol="BTCUSDT"))
    method, target, headers = exchange.asked[-1]
    query, _, signature = urlsplit(target).query.rpartition("&signature=")
    assert (method, headers["X-MBX-APIKEY"]) == ("GET", "key-1")
    assert signature == hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    assert dict(parse_qsl(query))["recvWindow"] == "4000"
    assert rest.used_weight_1m == 17


def test_a_get_outside_the_window_is_sent_again_once_with_the_clock_measured_anew() -> None:
    late = (400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."})
    rest, exchange = rest_of(late, (200, [{"asset": "USDT"}]))
    assert asyncio.run(rest.ask("/fapi/v3/balance", list[dict[str, str]])) == [{"asset": "USDT"}]
    assert [urlsplit(target).path for _, target, _ in exchange.asked].count("/fapi/v1/time") == 2
    rest, exchange = rest_of(late, late)
    with pytest.raises(VenueError) as caught:
        asyncio.run(rest.ask("/fapi/v3/balance", list[dict[str, str]]))
    assert caught.value.code == -1021


def test_what_is_told_the_venue_is_never_sent_twice() -> None:
    rest, exchange = rest_of((400, {"code": -1021, "msg": "late"}))
    with pytest.raises(VenueError):
        asyncio.run(rest.countdown_cancel_all("BTCUSDT", 60_000))
    assert [method for method, _, _ in exchange.asked].count("POST") == 1


def test_the_dead_man_switch_is_told_symbol_and_countdown() -> None:
    rest, exchange = rest_of((200, {"symbol": "BTCUSDT", "countdownTime": "60000"}))
    asyncio.run(rest.countdown_cancel_all("BTCUSDT", 60_000))
    assert exchange.asked[-1][0] == "POST"
    assert urlsplit(exchange.asked[-1][1]).path == "/fapi/v1/countdownCancelAll"
    query = exchange.queries()[-1]
    assert (query["symbol"], query["countdownTime"]) == (["BTCUSDT"], ["60000"])


class ServerTimes(msgspec.Struct):
    serverTime: int  # noqa: N815


class Budget:
    """What connections share: room for `left`, counted as it is taken."""

    def __init__(self, left: int) -> None:
        self.left = left

    def quiet_ns(self) -> int:
        return 0

    def keep_quiet(self, duration_ns: int, status: int) -> None:
        raise AssertionError(f"no {status} is answered here")

    def take_weight(self, weight: int) -> bool:
        taken = weight <= self.left
        self.left -= weight if taken else 0
        return taken


@pytest.mark.invariant("R17")
def test_a_feed_of_the_dead_man_switch_takes_its_weight_from_the_shared_budget_and_waits_for_room() -> None:
    rest, exchange = rest_of(*[(200, {"symbol": "BTCUSDT", "countdownTime": "60000"})] * 2)
    rest.offset_ns = 0
    budget = Budget(19)
    rest.share(budget)

    async def scene() -> None:
        await rest.countdown_cancel_all("BTCUSDT", 60_000)
        assert budget.left == 9
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await rest.countdown_cancel_all("BTCUSDT", 60_000)

    asyncio.run(scene())
    assert (len(exchange.asked), budget.left) == (1, 9)


@pytest.mark.invariant("R25")
def test_all_of_a_symbol_is_cancelled_even_where_the_budget_is_full_and_once_more_outside_the_window() -> None:
    done = (200, {"code": 200, "msg": "The operation of cancel all open order is done."})
    rest, exchange = rest_of((400, {"code": -1021, "msg": "late"}), done, done)
    rest.share(Budget(9))
    asyncio.run(rest.cancel_all("BTCUSDT"))
    assert [method for method, _, _ in exchange.asked] == ["DELETE", "GET", "DELETE", "DELETE"]
    paths = [urlsplit(target).path for _, target, _ in exchange.asked[-2:]]
    assert paths == ["/fapi/v1/allOpenOrders", "/fapi/v1/algoOpenOrders"]
    assert exchange.queries()[-1]["symbol"] == ["BTCUSDT"]
    rest, exchange = rest_of(done, done)
    rest.share(Budget(0))
    asyncio.run(rest.cancel_all("BTCUSDT"))
    assert len(exchange.asked) == 2


def test_a_refused_cancel_of_one_service_does_not_spare_the_other() -> None:
    done = (200, {"code": 200, "msg": "The operation of cancel all open order is done."})
    rest, exchange = rest_of((400, {"code": -2011, "msg": "no"}), done)
    with pytest.raises(VenueError):
        asyncio.run(rest.cancel_all("BTCUSDT"))
    assert len(exchange.asked) == 2


def test_listen_keys_need_the_key_alone_and_a_dead_one_is_told() -> None:
    rest, exchange = rest_of(
        (200, {"listenKey": "abc"}), (200, {"listenKey": "abc"}), (400, {"code": -1125, "msg": "gone"})
    )
    assert asyncio.run(rest.start_listen_key()) == "abc"
    assert asyncio.run(rest.keep_listen_key())
    assert not asyncio.run(rest.keep_listen_key())
    assert [method for method, _, _ in exchange.asked] == ["POST", "PUT", "PUT"]
    assert all("signature" not in target and headers["X-MBX-APIKEY"] for _, target, headers in exchange.asked)


@pytest.mark.invariant("R17")
def test_a_cancel_of_all_that_is_told_to_be_quiet_leaves_the_other_service_alone() -> None:
    rest, exchange = rest_of((429, {"code": -1003, "msg": "Too many requests."}))
    with pytest.raises(VenueError):
        asyncio.run(rest.cancel_all("BTCUSDT"))
    assert [urlsplit(target).path for _, target, _ in exchange.asked] == ["/fapi/v1/allOpenOrders"]


@pytest.mark.invariant("R30")
@pytest.mark.parametrize("body", [b"\xff\xfe{", b"[1", b'{"serverTime":"now"}', b""])
def test_an_answer_that_cannot_be_read_is_a_refusal_and_no_error_of_ours(body: bytes) -> None:
    with pytest.raises(VenueError, match="cannot be read"):
        read_body("/time", HttpResponse(200, {}, body), ServerTimes)
    with pytest.raises(ReferenceDataError):
        decode_rate_limits(body + b"\xff")
