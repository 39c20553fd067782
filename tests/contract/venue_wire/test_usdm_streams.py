"""USD-M streams over real sockets: routes, keys, the ``pu`` links, user events, the WebSocket API."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import websockets

from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig
from tests.contract.venue_wire.test_usdm_trading import ALGO, BALANCE, FAR_STOP, REPLY, ROW
from tests.usdm_harness import (
    FAR_BUY,
    MARKET_BUY,
    MARKET_SELL,
    SYMBOL,
    RunningUsdm,
    fapi,
    make_usdm_shell,
    own_events,
    play_usdm,
    shaped,
    until,
)
from tests.venue_harness import receive

DEPTH = "e:s E:n T:n s:s ps:s U:n u:n pu:n b:l a:l st:n"
TOP = "e:s u:n s:s ps:s b:s B:s a:s A:s T:n E:n st:n"
MARK = "e:s E:n s:s p:s ap:s i:s P:s r:s T:n st:n"
MINI = "e:s E:n s:s c:s o:s h:s l:s v:s q:s ps:s st:n"
DAY = "e:s E:n s:s p:s P:s w:s c:s Q:s o:s h:s l:s v:s q:s O:n C:n F:n L:n n:n ps:s st:n"
PUBLIC = {
    "btcusdt@depth@0ms": DEPTH,
    "btcusdt@depth": DEPTH,
    "btcusdt@depth@100ms": DEPTH,
    "btcusdt@depth5@100ms": DEPTH,
    "btcusdt@bookTicker": TOP,
    "!bookTicker": TOP,
    "btcusdt@trade": "e:s E:n T:n s:s t:n p:s q:s X:s m:b st:n",
}
MARKET = {
    "btcusdt@aggTrade": "e:s E:n s:s a:n p:s q:s nq:s f:n l:n T:n m:b st:n",
    "btcusdt@markPrice@1s": MARK,
    "btcusdt@markPrice": MARK,
    "!markPrice@arr@1s": MARK,
    "btcusdt@kline_1m": "e:s E:n s:s k:d ps:s st:n",
    "btcusdt_perpetual@continuousKline_1m": "e:s E:n ps:s ct:s k:d st:n",
    "btcusdt@miniTicker": MINI,
    "!miniTicker@arr": MINI,
    "btcusdt@ticker": DAY,
    "!ticker@arr": DAY,
    "!assetIndex@arr": "e:s E:n s:s i:s b:s a:s B:s A:s q:s g:s Q:s G:s",
}
ORDER_EVENT = (
    "s:s c:s S:s o:s f:s q:s p:s ap:s sp:s x:s X:s i:n l:s z:s L:s T:n t:n b:s a:s m:b R:b wt:s ot:s ps:s cp:b pP:b "
    "si:n ss:n rp:s V:s pm:s gtd:n er:s"
)


@pytest.mark.parametrize(("route", "streams"), [("public", PUBLIC), ("market", MARKET)])
def test_each_stream_of_a_route_carries_its_documented_keys(route: str, streams: dict[str, str]) -> None:
    async def scenario(venue: RunningUsdm) -> None:
        seen: dict[str, Any] = {}
        url = f"{venue.ws_url}/{route}/stream?streams={'/'.join(streams)}"
        async with websockets.connect(url, max_queue=None) as socket, asyncio.timeout(30):
            while len(seen) < len(streams):
                message = json.loads(await socket.recv())
                seen.setdefault(message["stream"], message["data"])
        for name, shape in streams.items():
            data = seen[name]
            for row in data if isinstance(data, list) else [data]:
                shaped(row, shape)
        assert set(seen) == set(streams)

    play_usdm(scenario, make_usdm_shell(activity=10.0, wire=UsdmWireConfig(ticker_ms=500)))


@pytest.mark.invariant("R08")
def test_snapshot_and_linked_diffs_give_the_book_that_book_ticker_tells() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        url = f"{venue.ws_url}/public/stream?streams=btcusdt@depth@0ms/btcusdt@bookTicker"
        async with websockets.connect(url, max_queue=None) as socket:
            early = await receive(socket, 1)
            snapshot = await venue.seen("fapi/v1/depth", symbol=SYMBOL, limit=1000)
            messages = [row["data"] for row in early + await receive(socket, 450, 60.0)]
        sides: dict[str, dict[str, str]] = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        tops = {row["u"]: (row["b"], row["B"], row["a"], row["A"]) for row in messages if row["e"] == "bookTicker"}
        events = [row for row in messages if row["e"] == "depthUpdate" and row["u"] >= snapshot["lastUpdateId"]]
        assert (
            events[0]["U"] <= snapshot["lastUpdateId"] <= events[0]["u"] or events[0]["pu"] == snapshot["lastUpdateId"]
        )
        assert all(late["pu"] == early["u"] for early, late in itertools.pairwise(events))
        checked = 0
        for event in events:
            for side, levels in sides.items():
                for price, qty in event[side]:
                    levels.pop(price, None)
                    if float(qty):
                        levels[price] = qty
            if event["u"] in tops:
                bid, ask = max(sides["b"], key=float), min(sides["a"], key=float)
                assert (bid, sides["b"][bid], ask, sides["a"][ask]) == tops[event["u"]]
                checked += 1
        assert checked >= 20

    play_usdm(scenario, make_usdm_shell(activity=10.0))


def test_a_stream_on_the_wrong_route_is_acknowledged_and_stays_silent() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        for route, name in (("public", "btcusdt@aggTrade"), ("market", "btcusdt@bookTicker"), ("private", "x")):
            async with websockets.connect(f"{venue.ws_url}/{route}/ws/1") as socket:
                await socket.send(json.dumps({"method": "SUBSCRIBE", "params": [name], "id": 3}))
                assert await receive(socket, 1) == [{"result": None, "id": 3}]
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(socket.recv(), 0.4)
                await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 4}))
                assert await receive(socket, 1) == [{"result": [name], "id": 4}]

    play_usdm(scenario, make_usdm_shell(activity=10.0))


def test_ten_messages_a_second_are_the_most() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with websockets.connect(f"{venue.ws_url}/public/ws") as socket:
            for number in range(40):
                await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await receive(socket, 41)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008

    play_usdm(scenario, make_usdm_shell(limits=UsdmLimitsConfig()))


# --- user data -----------------------------------------------------------------------------------------------------


def test_an_orders_events_in_documented_shapes() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with own_events(venue) as socket:
            placed = await venue.done("POST", "v1/order", FAR_BUY)
            event = await until(socket, "ORDER_TRADE_UPDATE")
            shaped(event, "e:s E:n T:n o:d")
            shaped(event["o"], ORDER_EVENT)
            assert (event["o"]["i"], event["o"]["x"], event["o"]["X"]) == (placed["orderId"], "NEW", "NEW")
            assert (event["o"]["q"], event["o"]["p"], event["o"]["l"], event["o"]["t"]) == ("0.010", "62000.00", "0", 0)
            named = {"symbol": SYMBOL, "orderId": placed["orderId"]}
            await venue.done("PUT", "v1/order", {**named, "side": "BUY", "quantity": "0.011", "price": "62000.00"})
            assert (await until(socket, "ORDER_TRADE_UPDATE"))["o"]["x"] == "AMENDMENT"
            await venue.done("DELETE", "v1/order", named)
            event = await until(socket, "ORDER_TRADE_UPDATE")
            assert (event["o"]["x"], event["o"]["X"], event["o"]["c"]) == (
                "CANCELED",
                "CANCELED",
                placed["clientOrderId"],
            )

    play_usdm(scenario)


def test_a_fill_is_told_in_brief_in_full_and_as_account_change() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with own_events(venue) as socket:
            placed = await venue.done("POST", "v1/order", MARKET_BUY)
            seen: dict[str, Any] = {}
            async with asyncio.timeout(15):
                while not {"TRADE_LITE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"} <= set(seen):
                    event = json.loads(await socket.recv())
                    if event["e"] != "ORDER_TRADE_UPDATE" or event["o"]["x"] == "TRADE":
                        seen.setdefault(event["e"], event)
            shaped(seen["TRADE_LITE"], "e:s E:n T:n s:s q:s p:s m:b c:s S:s L:s l:s t:n i:n")
            shaped(seen["ORDER_TRADE_UPDATE"]["o"], ORDER_EVENT + " n:s N:s")
            assert seen["TRADE_LITE"]["t"] == seen["ORDER_TRADE_UPDATE"]["o"]["t"] > 0
            update = seen["ACCOUNT_UPDATE"]
            shaped(update, "e:s E:n T:n a:d")
            shaped(update["a"], "m:s B:l P:l")
            shaped(update["a"]["B"][0], "a:s wb:s cw:s bc:s")
            shaped(update["a"]["P"][0], "s:s pa:s ep:s bep:s cr:s up:s mt:s iw:s ps:s")
            assert (update["a"]["m"], update["a"]["B"][0]["bc"]) == ("ORDER", "0")
            assert update["a"]["P"][0]["mt"] == "cross"
            assert placed["status"] == "NEW"

    play_usdm(scenario)


def test_conditional_orders_settings_and_expiry_are_told() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with own_events(venue) as socket:
            await venue.done("POST", "v1/leverage", {"symbol": SYMBOL, "leverage": 9})
            event = await until(socket, "ACCOUNT_CONFIG_UPDATE")
            assert event["ac"] == {"s": SYMBOL, "l": 9}
            await venue.done("POST", "v1/order", MARKET_BUY)
            algo = await venue.done("POST", "v1/algoOrder", FAR_STOP)
            event = await until(socket, "ALGO_UPDATE")
            shaped(event, "e:s T:n E:n o:d")
            shaped(
                event["o"],
                "caid:s aid:n at:s o:s s:s S:s ps:s f:s q:s X:s ai:s ap:s aq:s act:s tp:s p:s V:s wt:s pm:s cp:b pP:b "
                "R:b tt:n gtd:n",
            )
            assert (event["o"]["aid"], event["o"]["X"], event["o"]["ai"]) == (algo["algoId"], "NEW", "")
            assert venue.shell.usdm is not None
            assert venue.shell.usdm.expire_listen_key(1, venue.server.now_ns())
            event = await until(socket, "listenKeyExpired")
            shaped(event, "e:s E:n listenKey:s")
            await venue.done("POST", "v1/order", MARKET_SELL)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.4)

    play_usdm(scenario)


def test_private_connections_by_path_by_subscription_and_by_kind_of_event() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        key = (await venue.listen_key())[1]["listenKey"]
        base = f"{venue.ws_url}/private"
        async with (
            websockets.connect(f"{base}/ws/{key}") as by_path,
            websockets.connect(f"{base}/stream") as combined,
            websockets.connect(f"{base}/ws?listenKey={key}&events=TRADE_LITE/ACCOUNT_UPDATE") as some,
            own_events(venue) as every,
        ):
            await combined.send(json.dumps({"method": "SUBSCRIBE", "params": [key], "id": 1}))
            assert await receive(combined, 1) == [{"result": None, "id": 1}]
            await venue.done("POST", "v1/order", MARKET_BUY)
            told = await receive(every, 1)
            assert told == await receive(by_path, 1)
            assert [{"stream": key, "data": told[0]}] == await receive(combined, 1)
            assert (await receive(some, 1))[0]["e"] in ("TRADE_LITE", "ACCOUNT_UPDATE")

    play_usdm(scenario)


def test_frames_of_usdm_stand_in_the_frame_log(tmp_path: Path) -> None:
    async def scenario(venue: RunningUsdm) -> None:
        before = venue.shell.frame_log.frames
        async with websockets.connect(f"{venue.ws_url}/public/ws/btcusdt@bookTicker") as socket:
            await receive(socket, 5)
        assert venue.shell.frame_log.frames >= before + 5

    play_usdm(scenario, make_usdm_shell(activity=10.0))


# --- ws-fapi -------------------------------------------------------------------------------------------------------


def test_orders_by_the_websocket_api() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with fapi(venue) as api:
            placed = await api.signed("order.place", FAR_BUY)
            assert placed["status"] == 200, placed
            shaped(placed["result"], REPLY)
            assert [row["rateLimitType"] for row in placed["rateLimits"]] == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
            named = {"symbol": SYMBOL, "orderId": placed["result"]["orderId"]}
            shaped((await api.signed("order.status", named))["result"], ROW)
            moved = await api.signed("order.modify", {**named, "side": "BUY", "quantity": "0.011", "price": "62000.00"})
            assert moved["result"]["origQty"] == "0.011"
            assert (await api.signed("order.cancel", named))["result"]["status"] == "CANCELED"
            await api.signed("order.place", MARKET_BUY)
            algo = (await api.signed("algoOrder.place", FAR_STOP))["result"]
            shaped(algo, ALGO)
            gone = (await api.signed("algoOrder.cancel", {"algoId": algo["algoId"]}))["result"]
            shaped(gone, ALGO + " code:s msg:s")
            assert gone["algoStatus"] == "CANCELED"
            again = await api.signed("order.cancel", named)
            assert (again["status"], again["error"]["code"]) == (400, -2011)

    play_usdm(scenario)


def test_data_and_account_by_the_websocket_api() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with fapi(venue) as api:
            assert (await api.call("ping"))["result"] == {}
            book = (await api.call("depth", {"symbol": SYMBOL, "limit": 5}))["result"]
            shaped(book, "lastUpdateId:n E:n T:n bids:l asks:l")
            shaped((await api.call("ticker.price", {"symbol": SYMBOL}))["result"], "symbol:s price:s time:n")
            assert len((await api.call("ticker.book"))["result"]) == 3
            shaped((await api.signed("v2/account.balance"))["result"][0], BALANCE)
            for name in ("account.status", "v2/account.status"):
                assert float((await api.signed(name))["result"]["totalWalletBalance"]) == 100_000
            assert (await api.signed("v2/account.position"))["result"] == []
            assert len((await api.signed("account.position"))["result"]) >= 3
            unknown = await api.call("userDataStream.subscribe")
            assert (unknown["status"], unknown["error"]["code"]) == (400, -1020)

    play_usdm(scenario)


def test_a_logged_on_connection_signs_nothing_and_starts_user_data() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        async with fapi(venue) as api:
            assert (await api.log_on())["status"] == 200
            started = await api.call("userDataStream.start")
            key = started["result"]["listenKey"]
            assert (await api.call("userDataStream.ping"))["result"] == {"listenKey": key}
            async with websockets.connect(f"{venue.ws_url}/private/ws?listenKey={key}") as socket:
                placed = await api.call("order.place", {**FAR_BUY, "timestamp": venue.now_ms()})
                assert placed["status"] == 200, placed
                assert (await until(socket, "ORDER_TRADE_UPDATE"))["o"]["i"] == placed["result"]["orderId"]
            assert (await api.call("userDataStream.stop"))["result"] == {}
            assert (await api.call("userDataStream.ping"))["error"]["code"] == -1125
            assert (await api.call("session.logout"))["result"]["apiKey"] is None

    play_usdm(scenario)
