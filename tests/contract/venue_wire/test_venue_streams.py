"""Market streams over real sockets: a local book as the exchange's recipe builds it, control messages, limits."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import aiohttp
import pytest
import websockets

from engine.sim.wire.limits import LimitsConfig
from tests.venue_harness import FAR_BUY, RunningVenue, make_shell, play, receive

Levels = dict[str, str]


def apply(levels: Levels, rows: list[list[str]]) -> None:
    """Set or delete levels."""
    for price, qty in rows:
        if float(qty) == 0:
            levels.pop(price, None)
        else:
            levels[price] = qty


def best(bids: Levels, asks: Levels) -> tuple[str, str, str, str]:
    """Best prices and quantities."""
    bid, ask = max(bids, key=float), min(asks, key=float)
    return bid, bids[bid], ask, asks[ask]


@pytest.mark.invariant("R08")
def test_snapshot_and_diffs_give_the_book_that_book_ticker_tells() -> None:
    async def scenario(venue: RunningVenue) -> None:
        url = f"{venue.ws_url}/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker"
        async with websockets.connect(url) as socket:
            early = await receive(socket, 1)
            snapshot = (await venue.get("depth", symbol="BTCUSDT", limit=5000))[1]
            messages = early + await receive(socket, 200)
        bids, asks = dict(snapshot["bids"]), dict(snapshot["asks"])
        last_id, tickers, checked = snapshot["lastUpdateId"], {}, 0
        for message in messages:
            data = message["data"]
            if message["stream"].endswith("bookTicker"):
                assert data["u"] > last_id or data["u"] <= snapshot["lastUpdateId"], "a ticker after its depth event"
                tickers[data["u"]] = (data["b"], data["B"], data["a"], data["A"])
                continue
            if data["u"] <= last_id:
                continue
            first = data["U"] <= snapshot["lastUpdateId"] + 1
            assert first or data["U"] == last_id + 1, "a hole in the update ids"
            apply(bids, data["b"])
            apply(asks, data["a"])
            last_id = data["u"]
            newest = max((number for number in tickers if number <= last_id), default=None)
            if newest is not None:
                assert best(bids, asks) == tickers[newest]
                checked += 1
        assert checked >= 5

    play(scenario, make_shell(activity=10.0))


def test_two_connections_get_the_same_gapless_diffs() -> None:
    async def scenario(venue: RunningVenue) -> None:
        url = f"{venue.ws_url}/ws/btcusdt@depth@100ms"
        async with websockets.connect(url) as one, websockets.connect(url) as two:
            first, second = await asyncio.gather(receive(one, 10), receive(two, 10))
        for events in (first, second):
            assert all(late["U"] == early["u"] + 1 for early, late in itertools.pairwise(events))
        shared = {event["u"]: event for event in first}
        same = [shared[event["u"]] == event for event in second if event["u"] in shared]
        assert len(same) >= 8
        assert all(same)

    play(scenario, make_shell(activity=10.0))


def test_nothing_is_sent_while_nothing_changes_and_one_change_makes_one_event() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with websockets.connect(f"{venue.ws_url}/ws/btcusdt@depth@100ms/btcusdt@bookTicker") as socket:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.35)
            await venue.signed("POST", "order", FAR_BUY)
            event = (await receive(socket, 1))[0]
            assert (event["e"], event["U"]) == ("depthUpdate", event["u"])
            assert [price for price, _qty in event["b"]] == ["60000.00000000"]
            assert event["a"] == []
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.35)

    play(scenario)


def test_each_stream_carries_its_documented_keys() -> None:
    expected = {
        "btcusdt@trade": "e E s t p q T m M",
        "btcusdt@aggTrade": "e E s a p q f l T m M",
        "btcusdt@bookTicker": "u s b B a A",
        "btcusdt@depth@100ms": "e E s U u b a",
        "btcusdt@depth": "e E s U u b a",
        "btcusdt@depth5": "lastUpdateId bids asks",
        "btcusdt@depth20@100ms": "lastUpdateId bids asks",
        "btcusdt@kline_1s": "e E s k",
        "btcusdt@kline_1m": "e E s k",
        "btcusdt@miniTicker": "e E s c o h l v q",
        "btcusdt@ticker": "e E s p P w x c Q b B a A o h l v q O C F L n",
        "btcusdt@ticker_1h": "e E s p P o h l c w v q O C F L n",
        "btcusdt@avgPrice": "e E s i w T",
        "!miniTicker@arr": "e E s c o h l v q",
    }

    async def scenario(venue: RunningVenue) -> None:
        seen: dict[str, Any] = {}
        async with websockets.connect(f"{venue.ws_url}/stream?streams={'/'.join(expected)}", max_queue=None) as socket:
            async with asyncio.timeout(8):
                while len(seen) < len(expected):
                    message = json.loads(await socket.recv())
                    seen.setdefault(message["stream"], message["data"])
        for name, keys in expected.items():
            data = seen[name][0] if isinstance(seen[name], list) else seen[name]
            assert set(data) == set(keys.split()), name
        assert set(seen["btcusdt@kline_1m"]["k"]) == {*"tTsifLochlvnxqVQB"}
        assert len(seen["btcusdt@depth5"]["bids"]) == 5
        assert len(seen["btcusdt@depth20@100ms"]["asks"]) == 20

    play(scenario, make_shell(activity=10.0))


def test_a_candle_is_told_closed_once_when_the_next_begins() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with websockets.connect(f"{venue.ws_url}/ws/btcusdt@kline_1s") as socket:
            candles = [event["k"] for event in await receive(socket, 7)]
        closed = [candle["t"] for candle in candles if candle["x"]]
        assert len(closed) >= 2
        assert len(set(closed)) == len(closed)
        assert all(candle["T"] == candle["t"] + 999 for candle in candles)

    play(scenario, make_shell(activity=10.0))


def test_control_messages_are_answered_and_wrong_ones_refused() -> None:
    exchanges: list[tuple[str, dict[str, Any]]] = [
        ('{"method":"SUBSCRIBE","params":["ethusdt@ticker","no@such"],"id":1}', {"result": None, "id": 1}),
        ('{"method":"LIST_SUBSCRIPTIONS","id":"x"}', {"result": ["ethusdt@ticker", "no@such"], "id": "x"}),
        ('{"method":"UNSUBSCRIBE","params":["no@such"],"id":null}', {"result": None, "id": None}),
        ('{"method":"LIST_SUBSCRIPTIONS","id":2}', {"result": ["ethusdt@ticker"], "id": 2}),
        ('{"method":"GET_PROPERTY","params":["combined"],"id":3}', {"result": False, "id": 3}),
        ('{"method":"SET_PROPERTY","params":["combined",true],"id":4}', {"result": None, "id": 4}),
        ('{"method":"GET_PROPERTY","params":["combined"],"id":5}', {"result": True, "id": 5}),
    ]
    refusals = [
        ('{"method":"GET_PROPERTY","params":["colour"],"id":6}', 0, 6),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":7}', 1, 7),
        ('{"method":"DANCE","id":8}', 2, 8),
        ('{"method":"SUBSCRIBE","params":"x","id":9}', 2, 9),
        ("{nonsense", 3, None),
        ("[" * 100_000, 3, None),
        ('{"method":"SUBSCRIBE","params":' + "[" * 100_000 + "]" * 100_000 + ',"id":10}', 3, None),
    ]

    async def scenario(venue: RunningVenue) -> None:
        async with websockets.connect(f"{venue.ws_url}/ws") as socket:
            for sent, expected in exchanges:
                await socket.send(sent)
                assert json.loads(await socket.recv()) == expected
            for sent, code, number in refusals:
                await socket.send(sent)
                reply = json.loads(await socket.recv())
                assert (reply["code"], reply.get("id")) == (code, number)

    play(scenario)


def test_a_connection_that_talks_too_much_is_cut() -> None:
    async def talk(socket: websockets.ClientConnection) -> None:
        for number in range(20):
            await socket.send(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
        for _ in range(20):
            await socket.recv()

    async def scenario(venue: RunningVenue) -> None:
        async with websockets.connect(f"{venue.ws_url}/ws") as socket:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await talk(socket)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008

    play(scenario, make_shell(limits=LimitsConfig()))


def test_a_connection_carries_no_more_streams_than_allowed() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with websockets.connect(f"{venue.ws_url}/ws/a@trade/b@trade") as socket:
            await socket.send('{"method":"SUBSCRIBE","params":["c@trade","d@trade"],"id":1}')
            assert json.loads(await socket.recv())["code"] == 2
            await socket.send('{"method":"SUBSCRIBE","params":["a@trade","c@trade"],"id":2}')
            assert json.loads(await socket.recv()) == {"result": None, "id": 2}

    limits = LimitsConfig(streams_per_connection=3, stream_messages_s=50)
    play(scenario, make_shell(limits=limits))


@pytest.mark.parametrize("tail", ["/stream/0", "/ws/1", "/ws/stream/2", "/stream", "/ws"])
def test_the_tails_that_clients_append_are_tolerated(tail: str) -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with websockets.connect(venue.ws_url + tail) as socket:
            await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert json.loads(await socket.recv()) == {"result": [], "id": 1}
            await socket.send('{"method":"GET_PROPERTY","params":["combined"],"id":2}')
            assert json.loads(await socket.recv())["result"] is tail.startswith("/stream")

    play(scenario)


def test_an_unknown_path_or_time_unit_is_refused_at_the_handshake() -> None:
    async def scenario(venue: RunningVenue) -> None:
        for path, status in (("/nothing", 404), ("/ws?timeUnit=HOUR", 400)):
            with pytest.raises(websockets.InvalidStatus) as refusal:
                await websockets.connect(venue.ws_url + path)
            assert refusal.value.response.status_code == status

    play(scenario)


def test_microseconds_come_when_the_url_asks() -> None:
    async def scenario(venue: RunningVenue) -> None:
        url = f"{venue.ws_url}/ws/btcusdt@trade"
        async with websockets.connect(url) as plain, websockets.connect(url + "?timeUnit=MICROSECOND") as fine:
            await asyncio.sleep(0.05)
            order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.001"}
            await venue.signed("POST", "order", order)
            coarse_event, fine_event = (await receive(plain, 1))[0], (await receive(fine, 1))[0]
        assert coarse_event["t"] == fine_event["t"]
        assert fine_event["T"] // 1_000 == coarse_event["T"]

    play(scenario)


def test_a_client_ping_is_answered_with_its_payload() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with venue.http.ws_connect(f"{venue.ws_url}/ws", autoping=False) as socket:
            await socket.ping(b"hello")
            message = await asyncio.wait_for(socket.receive(), 5)
            assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"hello")

    play(scenario)


def test_a_stopping_venue_says_so_raw_and_wrapped() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with (
            websockets.connect(f"{venue.ws_url}/ws") as raw,
            websockets.connect(f"{venue.ws_url}/stream") as wrapped,
        ):
            await asyncio.sleep(0.05)
            venue.shell.shut_down(int(venue.clock.time_ns()))
            assert (await receive(raw, 1))[0]["e"] == "serverShutdown"
            message = (await receive(wrapped, 1))[0]
            assert (message["stream"], message["data"]["e"]) == ("!serverShutdown", "serverShutdown")

    play(scenario)
