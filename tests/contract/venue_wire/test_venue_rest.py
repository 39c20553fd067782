"""REST endpoints over real sockets: shapes as the recorded messages have them, parameter rules, order life."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from engine.sim.wire.limits import LimitsConfig
from tests.venue_harness import (
    ED_KEY,
    ED_PRIVATE,
    FAR_BUY,
    KEY,
    LIMIT_BUY,
    SECOND_KEY,
    RunningVenue,
    data_folder,
    hmac_hex,
    make_shell,
    play,
)

FIXTURES = "fixtures/nautilus/binance/spot/http_json"


def recorded(name: str) -> Any:
    """A recorded reply, or a skip where there is none."""
    folder = data_folder()
    if folder is None:
        pytest.skip("no recorded venue messages on this machine (TRADEWIND_DATA)")
    paths = sorted(folder.glob(f"{FIXTURES}/{name}"))
    if not paths:
        pytest.skip(f"no recorded {name}")
    return json.loads(paths[0].read_text())


def keys(value: Any) -> Any:
    """The key set of an object, or of a list's first object."""
    return set(value[0] if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("name", "path", "params"),
    [
        ("server_time_response.json", "time", {}),
        ("depth_response.json", "depth", {"symbol": "BTCUSDT"}),
        ("trades_response.json", "trades", {"symbol": "BTCUSDT"}),
        ("avg_price_response.json", "avgPrice", {"symbol": "BTCUSDT"}),
        ("ticker_24hr_response.json", "ticker/24hr", {"symbol": "BTCUSDT"}),
        ("ticker_price_response.json", "ticker/price", {"symbol": "BTCUSDT"}),
        ("book_ticker_response.json", "ticker/bookTicker", {"symbol": "BTCUSDT"}),
    ],
)
def test_public_replies_have_the_recorded_keys(name: str, path: str, params: dict[str, str]) -> None:
    expected = recorded(name)

    async def scenario(venue: RunningVenue) -> None:
        sell = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.001"}
        await venue.signed("POST", "order", sell)
        status, body = await venue.get(path, **params)
        assert status == 200
        assert keys(body) == keys(expected)

    play(scenario)


def test_account_replies_have_the_recorded_keys() -> None:
    expected = {
        "account": recorded("account_response.json"),
        "placed": recorded("new_order_full_response.json"),
        "order": recorded("order_response.json"),
        "open": recorded("open_orders_response.json"),
        "cancelled": recorded("cancel_order_response.json"),
        "trades": recorded("account_trades_response.json"),
    }

    async def scenario(venue: RunningVenue) -> None:
        market = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.001"}
        _, filled, _ = await venue.signed("POST", "order", market)
        _, placed, _ = await venue.signed("POST", "order", FAR_BUY)
        identity = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
        replies = {
            "account": (await venue.signed("GET", "account"))[1],
            "placed": filled,
            "order": (await venue.signed("GET", "order", identity))[1],
            "open": (await venue.signed("GET", "openOrders", {"symbol": "BTCUSDT"}))[1],
            "cancelled": (await venue.signed("DELETE", "order", identity))[1],
            "trades": (await venue.signed("GET", "myTrades", {"symbol": "BTCUSDT"}))[1],
        }
        for name, reply in replies.items():
            assert keys(reply) == keys(expected[name]), name
        assert keys(filled["fills"]) == keys(expected["placed"]["fills"])
        assert keys(replies["account"]["balances"]) == {"asset", "free", "locked"}

    play(scenario)


def test_exchange_info_has_the_recorded_symbol_keys_and_all_filters() -> None:
    expected = recorded("exchange_info_response.json")

    async def scenario(venue: RunningVenue) -> None:
        _, info = await venue.get("exchangeInfo")
        assert set(info) == set(expected) - {"sors"}
        assert keys(info["symbols"]) == keys(expected["symbols"])
        assert [symbol["symbol"] for symbol in info["symbols"]] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
        kinds = [row["filterType"] for row in info["symbols"][0]["filters"]]
        assert {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "NOTIONAL", "PERCENT_PRICE_BY_SIDE"} <= set(kinds)
        assert info["exchangeFilters"] == []
        assert [row["rateLimitType"] for row in info["rateLimits"]] == [
            "REQUEST_WEIGHT",
            "ORDERS",
            "ORDERS",
            "RAW_REQUESTS",
        ]

    play(scenario)


def test_one_symbol_gives_an_object_and_symbols_an_array() -> None:
    async def scenario(venue: RunningVenue) -> None:
        for path in ("ticker/24hr", "ticker/price", "ticker/bookTicker", "ticker"):
            assert isinstance((await venue.get(path, symbol="BTCUSDT"))[1], dict)
            one = (await venue.get(path, symbols='["BTCUSDT"]'))[1]
            assert [row["symbol"] for row in one] == ["BTCUSDT"]
        assert len((await venue.get("ticker/price"))[1]) == 3
        mini = (await venue.get("ticker/24hr", symbol="BTCUSDT", type="MINI"))[1]
        assert "bidPrice" not in mini
        assert "lastPrice" in mini

    play(scenario)


@pytest.mark.parametrize(
    ("path", "query", "code", "text"),
    [
        ("depth", "", -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        ("depth", "symbol=", -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        ("depth", "symbol=NOPE", -1121, "Invalid symbol."),
        ("depth", "symbol=btcusdt", -1100, "Illegal characters found in parameter 'symbol'; legal range is "),
        ("depth", "symbol=BTCUSDT&limit=x", -1100, "Illegal characters found in parameter 'limit'; legal range is "),
        ("depth", "symbol=BTCUSDT&limit=", -1105, "Parameter 'limit' was empty."),
        (
            "depth",
            "symbol=BTCUSDT&a=1",
            -1104,
            "Not all sent parameters were read; read '1' parameter(s) but was sent '2'.",
        ),
        ("ping", "a=1", -1101, "Too many parameters; expected '0' and received '1'."),
        ("depth", "symbol=BTCUSDT&symbol=ETHUSDT", -1101, "Duplicate values for a parameter detected."),
        ("klines", "symbol=BTCUSDT&interval=7m", -1120, "Invalid interval."),
        ("ticker/price", "symbol=BTCUSDT&symbols=%5B%22ETHUSDT%22%5D", -1128, "Combination of optional parameters"),
        ("ticker/price", "symbols=BTCUSDT", -1100, "Illegal characters found in parameter 'symbols'"),
        ("ticker", "", -1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!"),
        ("ticker", "symbol=BTCUSDT&windowSize=60m", -1130, "Data sent for parameter 'windowSize' is not valid."),
        ("aggTrades", "symbol=BTCUSDT&fromId=1&startTime=1", -1128, "Combination of optional parameters invalid."),
    ],
)
def test_a_wrong_parameter_is_refused_in_the_exchanges_words(path: str, query: str, code: int, text: str) -> None:
    async def scenario(venue: RunningVenue) -> None:
        status, body, headers = await venue.raw("GET", path, query, key=None)
        assert (status, body["code"]) == (400, code)
        assert body["msg"].startswith(text)
        assert headers["content-type"].startswith("application/json")

    play(scenario)


def test_clients_may_send_the_security_parameters_to_public_endpoints() -> None:
    async def scenario(venue: RunningVenue) -> None:
        status, body, _ = await venue.raw("GET", "time", "timestamp=1&recvWindow=5&signature=x", key=None)
        assert status == 200
        assert abs(body["serverTime"] - venue.now_ms()) < 2_000

    play(scenario)


def test_unknown_paths_and_methods_are_refused_as_http_does() -> None:
    async def scenario(venue: RunningVenue) -> None:
        assert (await venue.raw("GET", "nothing", "", key=None))[0] == 404
        assert (await venue.raw("PUT", "depth", "", key=None))[0] == 405

    play(scenario)


def test_security_refusals_come_in_the_exchanges_order() -> None:
    async def scenario(venue: RunningVenue) -> None:
        now = venue.now_ms()
        cases = [
            ("timestamp=1&signature=ff", None, 401, -2014),
            ("timestamp=1&signature=ff", "tooshort", 401, -2014),
            ("timestamp=1&signature=ff", "A" * 64, 401, -2015),
            ("signature=ff", KEY, 400, -1102),
            ("timestamp=1&signature=ff", KEY, 400, -1021),
            (f"timestamp={now + 5_000}&signature=ff", KEY, 400, -1021),
            (f"timestamp={now}&signature=ff", KEY, 400, -1022),
            (f"timestamp={now}", KEY, 400, -1102),
        ]
        for query, key, status, code in cases:
            got, body, _ = await venue.raw("GET", "account", query, key=key)
            assert (got, body["code"]) == (status, code), query

    play(scenario)


def test_a_value_must_be_percent_encoded_before_signing() -> None:
    async def scenario(venue: RunningVenue) -> None:
        decoded = urlencode({**FAR_BUY, "timestamp": venue.now_ms()}) + "&newClientOrderId=a b"
        sent = decoded.replace(" ", "%20") + "&signature=" + hmac_hex(decoded)
        status, body, _ = await venue.raw("POST", "order", "", sent)
        assert (status, body["code"]) == (400, -1022)
        encoded = decoded.replace(" ", "%20")
        status, body, _ = await venue.raw("POST", "order", "", encoded + "&signature=" + hmac_hex(encoded))
        assert (status, body["code"]) == (400, -1100)

    play(scenario)


def test_an_ed25519_key_signs_rest_requests_too() -> None:
    async def scenario(venue: RunningVenue) -> None:
        text = urlencode({"omitZeroBalances": "true", "timestamp": venue.now_ms()})
        signature = quote(base64.b64encode(ED_PRIVATE.sign(text.encode())).decode(), safe="")
        status, body, _ = await venue.raw("GET", "account", f"{text}&signature={signature}", key=ED_KEY)
        assert status == 200
        assert {row["asset"] for row in body["balances"]} == {"BTC", "ETH", "SOL", "USDT"}
        status, body, _ = await venue.raw("GET", "account", f"{text}&signature={signature.lower()}", key=ED_KEY)
        assert (status, body["code"]) == (400, -1022)

    play(scenario)


@pytest.mark.parametrize("split", ["query", "body", "both"])
def test_an_order_may_come_in_query_body_or_both(split: str) -> None:
    async def scenario(venue: RunningVenue) -> None:
        text = urlencode({**FAR_BUY, "timestamp": venue.now_ms()})
        cut = {"query": len(text), "body": 0, "both": text.index("&type")}[split]
        query, body = text[:cut].rstrip("&"), text[cut:].lstrip("&")
        signature = "&signature=" + hmac_hex(query + body)
        if body:
            body += signature
        else:
            query += signature
        status, reply, _ = await venue.raw("POST", "order", query, body if split != "query" else "")
        assert (status, reply["status"]) == (200, "NEW")

    play(scenario)


def test_an_order_lives_through_its_queries_and_its_cancel_with_a_form_body() -> None:
    async def scenario(venue: RunningVenue) -> None:
        _, placed, _ = await venue.signed("POST", "order", {**FAR_BUY, "newClientOrderId": "mine"}, in_body=True)
        assert placed["price"] == "60000.00000000"
        assert placed["fills"] == []
        identity = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
        _, found, _ = await venue.signed("GET", "order", identity)
        assert (found["orderId"], found["status"], found["isWorking"]) == (placed["orderId"], "NEW", True)
        _, rows, _ = await venue.signed("GET", "openOrders")
        assert [row["clientOrderId"] for row in rows] == ["mine"]
        _, mine, _ = await venue.signed("GET", "account", {"omitZeroBalances": "true"})
        usdt = next(row for row in mine["balances"] if row["asset"] == "USDT")
        assert usdt == {"asset": "USDT", "free": "249400.00000000", "locked": "600.00000000"}
        _, gone, _ = await venue.signed("DELETE", "order", identity, in_body=True)
        assert (gone["origClientOrderId"], gone["status"]) == ("mine", "CANCELED")
        assert gone["clientOrderId"] != "mine"
        status, body, _ = await venue.signed("DELETE", "order", identity)
        assert (status, body) == (400, {"code": -2011, "msg": "Unknown order sent."})
        _, rows, _ = await venue.signed("GET", "allOrders", {"symbol": "BTCUSDT"})
        assert [row["status"] for row in rows] == ["CANCELED"]
        assert (await venue.signed("GET", "openOrders", {"symbol": "BTCUSDT"}))[1] == []

    play(scenario)


def test_accounts_do_not_see_one_anothers_orders() -> None:
    async def scenario(venue: RunningVenue) -> None:
        _, placed, _ = await venue.signed("POST", "order", FAR_BUY)
        identity = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
        status, body, _ = await venue.signed("GET", "order", identity, key=SECOND_KEY)
        assert (status, body["code"]) == (400, -2013)
        status, body, _ = await venue.signed("DELETE", "order", identity, key=SECOND_KEY)
        assert (status, body["code"]) == (400, -2011)

    play(scenario)


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"quantity": None}, -1102, "Mandatory parameter 'quantity'"),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "MAGIC"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"price": "60000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.000015"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "60000.123456789"}, -1111, "Parameter 'price' has too much precision."),
        ({"price": "-1"}, -1100, "Illegal characters found in parameter 'price'"),
        ({"quantity": "30"}, -2010, "Account has insufficient balance for requested action."),
        ({"newClientOrderId": "a.b"}, -1100, "Illegal characters found in parameter 'newClientOrderId'"),
        ({"newOrderRespType": "LONG"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
        ({"unknown": "1"}, -1104, "Not all sent parameters were read; read '6' parameter(s) but was sent '7'."),
    ],
)
def test_a_wrong_order_is_refused_and_changes_nothing(change: dict[str, str | None], code: int, text: str) -> None:
    params = {name: value for name, value in {**FAR_BUY, **change}.items() if value is not None}

    async def scenario(venue: RunningVenue) -> None:
        for path in ("order/test", "order"):
            if path == "order/test" and code == -2010:
                continue
            status, body, _ = await venue.signed("POST", path, params)
            assert (status, body["code"]) == (400, code)
            assert body["msg"].startswith(text)
        assert (await venue.signed("GET", "openOrders"))[1] == []

    play(scenario)


def test_replies_take_the_asked_shape() -> None:
    async def scenario(venue: RunningVenue) -> None:
        shapes = {}
        for shape in ("ACK", "RESULT", "FULL"):
            _, body, _ = await venue.signed("POST", "order", {**FAR_BUY, "newOrderRespType": shape})
            shapes[shape] = set(body)
        assert shapes["ACK"] == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
        assert shapes["FULL"] - shapes["RESULT"] == {"fills"}
        assert "status" in shapes["RESULT"]
        maker = {name: value for name, value in FAR_BUY.items() if name != "timeInForce"}
        _, body, _ = await venue.signed("POST", "order", {**maker, "type": "LIMIT_MAKER"})
        assert set(body) == shapes["ACK"]
        _, body, _ = await venue.signed("POST", "order/test", FAR_BUY)
        assert body == {}

    play(scenario)


def test_cancel_replace_tells_which_half_failed() -> None:
    async def scenario(venue: RunningVenue) -> None:
        _, first, _ = await venue.signed("POST", "order", FAR_BUY)
        request = {**FAR_BUY, "price": "60001.00", "cancelReplaceMode": "STOP_ON_FAILURE"}
        request["cancelOrderId"] = first["orderId"]
        status, body, _ = await venue.signed("POST", "order/cancelReplace", request)
        assert status == 200
        assert (body["cancelResult"], body["newOrderResult"]) == ("SUCCESS", "SUCCESS")
        assert body["newOrderResponse"]["price"] == "60001.00000000"
        status, body, _ = await venue.signed("POST", "order/cancelReplace", request)
        assert (status, body["code"]) == (400, -2022)
        assert body["data"] == {
            "cancelResult": "FAILURE",
            "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
            "newOrderResponse": None,
        }
        request["cancelReplaceMode"] = "ALLOW_FAILURE"
        status, body, _ = await venue.signed("POST", "order/cancelReplace", request)
        assert (status, body["code"]) == (409, -2021)
        assert (body["data"]["cancelResult"], body["data"]["newOrderResult"]) == ("FAILURE", "SUCCESS")

    play(scenario)


def test_a_used_up_order_count_may_still_cancel() -> None:
    async def scenario(venue: RunningVenue) -> None:
        _, first, _ = await venue.signed("POST", "order", FAR_BUY)
        request = {**FAR_BUY, "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": first["orderId"]}
        status, body, _ = await venue.signed("POST", "order/cancelReplace", request)
        assert (status, body["code"]) == (429, -1015)
        request["orderRateLimitExceededMode"] = "CANCEL_ONLY"
        status, body, _ = await venue.signed("POST", "order/cancelReplace", request)
        assert (status, body["code"], body["data"]["cancelResult"]) == (429, -2021, "SUCCESS")
        assert body["data"]["newOrderResponse"]["code"] == -1015
        status, body, _ = await venue.signed("POST", "order/cancelReplace", request)
        assert (status, body["code"], body["data"]["cancelResult"]) == (400, -2022, "FAILURE")
        assert (await venue.signed("GET", "openOrders"))[1] == []

    play(scenario, make_shell(limits=LimitsConfig(orders_day=1)))


def test_cancel_all_returns_each_cancel_and_refuses_when_there_is_none() -> None:
    async def scenario(venue: RunningVenue) -> None:
        ids = [(await venue.signed("POST", "order", FAR_BUY))[1]["orderId"] for _ in range(3)]
        _, rows, _ = await venue.signed("DELETE", "openOrders", {"symbol": "BTCUSDT"})
        assert sorted(row["orderId"] for row in rows) == ids
        status, body, _ = await venue.signed("DELETE", "openOrders", {"symbol": "BTCUSDT"})
        assert (status, body["code"]) == (400, -2011)

    play(scenario)


def test_a_crossing_order_fills_and_stands_in_the_trade_history() -> None:
    async def scenario(venue: RunningVenue) -> None:
        _, best = await venue.get("ticker/bookTicker", symbol="BTCUSDT")
        order = {**LIMIT_BUY, "timeInForce": "IOC", "quantity": best["askQty"], "price": best["askPrice"]}
        _, body, _ = await venue.signed("POST", "order", order)
        assert (body["status"], body["executedQty"]) == ("FILLED", best["askQty"])
        assert {fill["price"] for fill in body["fills"]} == {best["askPrice"]}
        assert {fill["commissionAsset"] for fill in body["fills"]} == {"BTC"}
        _, trades, _ = await venue.signed("GET", "myTrades", {"symbol": "BTCUSDT", "orderId": body["orderId"]})
        assert [trade["id"] for trade in trades] == [fill["tradeId"] for fill in body["fills"]]
        assert all(trade["isBuyer"] and not trade["isMaker"] for trade in trades)
        _, public = await venue.get("trades", symbol="BTCUSDT", limit=1)
        assert public[0]["id"] == trades[-1]["id"]
        _, fees, _ = await venue.signed("GET", "account/commission", {"symbol": "BTCUSDT"})
        assert fees["standardCommission"]["taker"] == "0.00100000"

    play(scenario)


def test_times_are_microseconds_when_the_header_asks() -> None:
    async def scenario(venue: RunningVenue) -> None:
        headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
        async with venue.http.get(f"{venue.rest_url}/time", headers=headers) as reply:
            assert abs((await reply.json())["serverTime"] - venue.now_ms() * 1_000) < 2_000_000
        async with venue.http.get(f"{venue.rest_url}/time", headers={"X-MBX-TIME-UNIT": "HOUR"}) as reply:
            assert (await reply.json())["code"] == -1194

    play(scenario)


def test_klines_of_every_interval_are_aligned_and_touch() -> None:
    lengths = {"1s": 1, "1m": 60, "5m": 300, "1h": 3_600, "4h": 14_400, "1d": 86_400}

    async def scenario(venue: RunningVenue) -> None:
        for interval, seconds in lengths.items():
            _, rows = await venue.get("klines", symbol="ETHUSDT", interval=interval, limit=5)
            assert rows
            for row in rows:
                assert len(row) == 12
                assert row[0] % (seconds * 1_000) == 0
                assert row[6] == row[0] + seconds * 1_000 - 1
            assert all(late[0] == early[6] + 1 for early, late in itertools.pairwise(rows))
        for interval in ("3m", "15m", "30m", "2h", "6h", "8h", "12h", "3d", "1w", "1M"):
            assert (await venue.get("klines", symbol="ETHUSDT", interval=interval))[0] == 200

    play(scenario, make_shell(activity=1.0))
