"""The WebSocket API over real sockets: signatures, logon, orders, user data events, refusals."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from engine.sim.wire.limits import LimitsConfig
from tests.venue_harness import (
    FAR_BUY,
    KEY,
    SECOND_KEY,
    RunningVenue,
    api,
    data_folder,
    ed25519_params,
    hmac_hex,
    make_shell,
    play,
)


def test_public_methods_answer_as_rest_does() -> None:
    pairs: list[tuple[str, str, dict[str, Any]]] = [
        ("ping", "ping", {}),
        ("depth", "depth", {"symbol": "BTCUSDT", "limit": 5}),
        ("trades.recent", "trades", {"symbol": "BTCUSDT"}),
        ("klines", "klines", {"symbol": "BTCUSDT", "interval": "1h", "limit": 2}),
        ("avgPrice", "avgPrice", {"symbol": "BTCUSDT"}),
        ("ticker.price", "ticker/price", {"symbol": "BTCUSDT"}),
        ("ticker.book", "ticker/bookTicker", {}),
    ]

    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            for method, path, params in pairs:
                reply = await client.call(method, params)
                assert reply["status"] == 200
                assert reply["result"] == (await venue.get(path, **params))[1]
            info = (await client.call("v3/exchangeInfo", {"symbols": ["BTCUSDT"]}))["result"]
            assert [row["symbol"] for row in info["symbols"]] == ["BTCUSDT"]
            assert info["rateLimits"][-1]["rateLimitType"] == "CONNECTIONS"
            day = (await client.call("ticker.24hr", {"symbol": "BTCUSDT"}))["result"]
            assert day["symbol"] == "BTCUSDT"
            assert abs((await client.call("time"))["result"]["serverTime"] - venue.now_ms()) < 2_000

    play(scenario)


def test_an_order_lives_and_each_change_is_told_after_its_reply() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            subscribed = await client.signed("userDataStream.subscribe.signature")
            assert subscribed["result"] == {"subscriptionId": 0}
            placed = await client.signed("order.place", {**FAR_BUY, "newClientOrderId": "mine"})
            assert placed["status"] == 200
            kinds = [row["rateLimitType"] for row in placed["rateLimits"]]
            assert kinds == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
            assert client.events == [], "the reply comes first"
            report = await client.event()
            assert report["subscriptionId"] == 0
            event = report["event"]
            assert (event["e"], event["x"], event["X"], event["c"], event["C"]) == (
                "executionReport",
                "NEW",
                "NEW",
                "mine",
                "",
            )
            assert (event["i"], event["n"], event["N"]) == (placed["result"]["orderId"], "0", None)
            position = (await client.event())["event"]
            assert position["e"] == "outboundAccountPosition"
            assert {"a": "USDT", "f": "249400.00000000", "l": "600.00000000"} in position["B"]
            identity = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
            assert (await client.signed("order.status", identity))["result"]["status"] == "NEW"
            assert len((await client.signed("openOrders.status"))["result"]) == 1
            cancelled = (await client.signed("order.cancel", identity))["result"]
            event = (await client.event())["event"]
            assert (event["x"], event["C"], event["c"]) == ("CANCELED", "mine", cancelled["clientOrderId"])
            assert event["w"] is False

    play(scenario)


def test_a_market_order_tells_new_then_each_trade() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            await client.signed("userDataStream.subscribe.signature")
            order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.2"}
            result = (await client.signed("order.place", order))["result"]
            fills = result["fills"]
            assert len(fills) > 1
            reports: list[dict[str, Any]] = []
            while not reports or reports[-1]["X"] != "FILLED":
                event = (await client.event())["event"]
                if event["e"] == "executionReport":
                    reports.append(event)
            assert [report["x"] for report in reports] == ["NEW"] + ["TRADE"] * len(fills)
            trades = reports[1:]
            assert [trade["t"] for trade in trades] == [fill["tradeId"] for fill in fills]
            assert [trade["n"] for trade in trades] == [fill["commission"] for fill in fills]
            assert reports[-1]["z"] == "0.20000000"
            assert reports[-1]["Z"] == result["cummulativeQuoteQty"]

    play(scenario)


def test_user_events_have_the_recorded_keys() -> None:
    folder = data_folder()
    if folder is None:
        pytest.skip("no recorded venue messages on this machine (TRADEWIND_DATA)")
    path = folder / "fixtures/nautilus/binance/spot/user_data_json"
    expected = {
        "executionReport": json.loads((path / "execution_report_wrapped.json").read_text()),
        "outboundAccountPosition": json.loads((path / "account_position_wrapped.json").read_text()),
        "balanceUpdate": json.loads((path / "balance_update_wrapped.json").read_text()),
    }

    async def scenario(venue: RunningVenue) -> None:
        account_id = venue.shell.keys.find(KEY).account_id
        async with api(venue) as client:
            await client.signed("userDataStream.subscribe.signature")
            await client.signed("order.place", FAR_BUY)
            seen: dict[str, dict[str, Any]] = {}
            for _ in range(2):
                message = await client.event()
                seen[message["event"]["e"]] = message
            venue.shell.core.deposit(account_id, "USDT", 100, int(venue.clock.time_ns()))
            venue.shell.finish()
            message = await client.event()
            seen[message["event"]["e"]] = message
        for name, sample in expected.items():
            assert set(seen[name]) == set(sample)
            assert set(seen[name]["event"]) == set(sample["event"]), name

    play(scenario)


def test_logon_is_for_ed25519_and_spares_later_signatures() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            assert (await client.signed("session.logon"))["error"]["code"] == -1022
            status = (await client.call("session.status"))["result"]
            assert (status["apiKey"], status["authorizedSince"], status["userDataStream"]) == (None, None, False)
            assert (await client.call("userDataStream.subscribe"))["status"] == 401
            logged = (await client.log_on())["result"]
            assert set(logged) == {
                "apiKey",
                "authorizedSince",
                "connectedSince",
                "returnRateLimits",
                "serverTime",
                "userDataStream",
            }
            assert logged["authorizedSince"] >= logged["connectedSince"]
            assert (await client.call("account.status"))["error"]["code"] == -1102
            stale = await client.call("account.status", {"timestamp": venue.now_ms() - 60_000})
            assert stale["error"]["code"] == -1021
            mine = await client.call("order.place", {**FAR_BUY, "timestamp": venue.now_ms()})
            assert mine["status"] == 200
            other = await client.signed("openOrders.status", key=SECOND_KEY)
            assert other["result"] == []
            assert (await client.call("userDataStream.subscribe"))["result"] == {"subscriptionId": 0}
            out = (await client.call("session.logout"))["result"]
            assert (out["apiKey"], out["userDataStream"]) == (None, False)
            assert (await client.event())["event"]["e"] == "eventStreamTerminated"
            refused = await client.call("account.status", {"timestamp": venue.now_ms()})
            assert refused["error"]["msg"].startswith("Mandatory parameter 'apiKey'")

    play(scenario)


def test_wrong_signatures_and_keys_are_refused() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            base: dict[str, Any] = {"apiKey": KEY, "timestamp": venue.now_ms()}
            text = f"apiKey={KEY}&timestamp={base['timestamp']}"
            good: dict[str, Any] = {**base, "signature": hmac_hex(text)}
            assert (await client.call("account.status", good))["status"] == 200
            cases = [
                ({**good, "recvWindow": 5000}, 400, -1022),
                ({**good, "signature": good["signature"][::-1]}, 400, -1022),
                (base, 400, -1102),
                ({**good, "apiKey": "B" * 64}, 401, -2015),
                ({**good, "apiKey": "short"}, 401, -2014),
                ({**good, "timestamp": "soon"}, 400, -1100),
            ]
            for params, status, code in cases:
                reply = await client.call("account.status", params)
                assert (reply["status"], reply["error"]["code"]) == (status, code)

    play(scenario)


def test_numbers_may_be_strings_or_numbers_and_are_signed_as_written() -> None:
    async def scenario(venue: RunningVenue) -> None:
        stamp = venue.now_ms()
        for quantity in ('"0.01"', "0.01", "0.0100"):
            sent = quantity.strip('"')
            text = (
                f"apiKey={KEY}&price=60000&quantity={sent}&side=BUY&symbol=BTCUSDT&timeInForce=GTC"
                f"&timestamp={stamp}&type=LIMIT"
            )
            frame = (
                '{"id":"x","method":"order.place","params":{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT",'
                f'"timeInForce":"GTC","price":60000,"quantity":{quantity},"timestamp":{stamp},"apiKey":"{KEY}",'
                f'"signature":"{hmac_hex(text)}"}}}}'
            )
            async with api(venue) as client:
                await client.socket.send(frame)
                reply = json.loads(await client.socket.recv())
                assert (reply["id"], reply["status"]) == ("x", 200)

    play(scenario)


def test_one_subscription_an_account_and_each_its_number() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            assert (await client.signed("userDataStream.subscribe.signature"))["result"]["subscriptionId"] == 0
            again = await client.signed("userDataStream.subscribe.signature")
            assert (again["status"], again["error"]["code"]) == (400, -2035)
            other = await client.signed("userDataStream.subscribe.signature", key=SECOND_KEY)
            assert other["result"]["subscriptionId"] == 1
            listed = await client.call("session.subscriptions")
            assert listed["result"] == [{"subscriptionId": 0}, {"subscriptionId": 1}]
            assert (await client.call("userDataStream.unsubscribe", {"subscriptionId": 7}))["error"]["code"] == -2036
            assert (await client.call("userDataStream.unsubscribe", {"subscriptionId": 0}))["result"] == {}
            ended = await client.event()
            assert (ended["subscriptionId"], ended["event"]["e"]) == (0, "eventStreamTerminated")
            await client.signed("order.place", FAR_BUY)
            await client.signed("order.place", FAR_BUY, key=SECOND_KEY)
            event = await client.event()
            assert (event["subscriptionId"], event["event"]["e"]) == (1, "executionReport")
            assert (await client.call("userDataStream.unsubscribe"))["result"] == {}

    play(scenario)


def test_rate_limits_are_shown_unless_told_otherwise() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            assert "rateLimits" in await client.call("ping")
            assert "rateLimits" not in await client.call("ping", {"returnRateLimits": False})
        async with api(venue, "?returnRateLimits=false") as client:
            assert "rateLimits" not in await client.call("ping")
            assert "rateLimits" in await client.call("ping", {"returnRateLimits": True})

    play(scenario)


@pytest.mark.parametrize(
    ("frame", "number", "code"),
    [
        ("nonsense", None, -1135),
        ('{"id":5}', 5, -1135),
        ('{"id":"a","method":"nothing.such"}', "a", -1020),
        ('{"method":"ping"}', None, -1102),
        ('{"id":"%s","method":"ping"}' % ("x" * 37), None, -1102),
        ('{"id":1,"method":"depth","params":{}}', 1, -1102),
        ('{"id":1,"method":"depth","params":{"symbol":"BTCUSDT","foo":1}}', 1, -1104),
        pytest.param('{"id":1,"method":"ping","params":{"a":' + "[" * 100_000, None, -1135, id="deep"),
    ],
)
def test_a_wrong_request_gets_an_error_envelope(frame: str, number: Any, code: int) -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            await client.socket.send(frame)
            reply = json.loads(await asyncio.wait_for(client.socket.recv(), 5))
            assert (reply["id"], reply["status"], reply["error"]["code"]) == (number, 400, code)

    play(scenario)


def test_a_limited_client_is_told_when_to_come_back() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            await client.call("exchangeInfo")
            reply = await client.call("exchangeInfo")
            assert reply["status"] == 429
            assert reply["error"]["code"] == -1003
            data = reply["error"]["data"]
            assert data["serverTime"] < data["retryAfter"] <= data["serverTime"] + 60_000

    play(scenario, make_shell(limits=LimitsConfig(weight_minute=40)))


def test_cancel_replace_failures_carry_their_data() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            request = {**FAR_BUY, "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "none"}
            reply = await client.signed("order.cancelReplace", request)
            assert (reply["status"], reply["error"]["code"]) == (400, -2022)
            assert reply["error"]["data"]["newOrderResult"] == "NOT_ATTEMPTED"
            request["cancelReplaceMode"] = "ALLOW_FAILURE"
            reply = await client.signed("order.cancelReplace", request)
            assert (reply["status"], reply["error"]["code"]) == (409, -2021)
            assert reply["error"]["data"]["newOrderResponse"]["status"] == "NEW"

    play(scenario)


def test_a_revoked_key_ends_its_session() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            logged = (await client.log_on())["result"]
            await client.call("userDataStream.subscribe")
            venue.shell.revoke(logged["apiKey"], int(venue.clock.time_ns()))
            told = await client.event()
            assert (told["id"], told["status"], told["error"]["code"]) == (None, 401, -2015)
            assert (await client.event())["event"]["e"] == "eventStreamTerminated"
            reply = await client.call("account.status", ed25519_params({"timestamp": venue.now_ms()}))
            assert reply["error"]["code"] == -2015

    play(scenario)
