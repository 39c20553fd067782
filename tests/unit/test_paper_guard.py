"""What the market half of a paper engine may send: market streams and public GETs, nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.config_schema import VenueSection
from engine.paper_market import MarketOnlyClient, MarketOnlyNet, OrdersStayHere, require_market_stream, require_public
from engine.runtime.net import HttpClient, HttpResponse

STREAMS = "wss://stream.example:9443"
VENUE = VenueSection(
    kind="binance-spot",
    rest_url="https://rest.example",
    stream_url=STREAMS,
    ws_api_url="wss://ws-api.example/ws-api/v3",
    symbols=("BTCUSDT",),
)


class Dialler:
    """A network that remembers which sockets it was asked for."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    async def connect_websocket(self, session: Any, pipeline: Any, clock: Any, url: str, **_: Any) -> None:
        """Remember."""
        self.opened.append(url)


class Recorder(HttpClient):
    """A client that answers itself."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    async def request(self, method: str, target: str, **options: Any) -> HttpResponse:
        """Remember."""
        self.sent.append((method, target, options))
        return HttpResponse(200, {}, b"{}")


def opened(url: str) -> list[str]:
    """The sockets that the network below is asked for when the market half wants this one."""
    below = Dialler()
    unused: Any = None
    asyncio.run(MarketOnlyNet(below, VENUE).connect_websocket(unused, unused, unused, url))
    return below.opened


@pytest.mark.parametrize("route", ["/stream", "/public/stream", "/market/stream"])
def test_market_streams_may_be_opened(route: str) -> None:
    assert opened(STREAMS + route) == [STREAMS + route]


@pytest.mark.parametrize(
    "url",
    [
        f"{STREAMS}/ws-api/v3",
        f"{STREAMS}/ws-fapi/v1",
        f"{STREAMS}/private/ws?listenKey=abc",
        f"{STREAMS}/ws/abcdef",
        f"{STREAMS}/stream/../ws-api/v3",
        f"{STREAMS}.evil.example/stream",
        "wss://ws-api.example/ws-api/v3",
        "wss://elsewhere.example/stream",
    ],
)
def test_no_other_socket_may_be_opened(url: str) -> None:
    with pytest.raises(OrdersStayHere):
        require_market_stream(url, STREAMS)


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/api/v3/depth?symbol=BTCUSDT&limit=1000", {}),
        ("/api/v3/exchangeInfo", {"Accept": "application/json"}),
    ],
)
def test_public_gets_may_be_sent(target: str, headers: dict[str, str]) -> None:
    below = Recorder()
    client = MarketOnlyClient(below, lambda _symbol, _body: None)
    assert asyncio.run(client.get(target, headers=headers)).status == 200
    assert [row[:2] for row in below.sent] == [("GET", target)]


@pytest.mark.parametrize(
    ("method", "target", "headers", "body"),
    [
        ("POST", "/api/v3/order", {}, b""),
        ("DELETE", "/api/v3/openOrders?symbol=BTCUSDT", {}, b""),
        ("PUT", "/fapi/v1/listenKey", {}, b""),
        ("GET", "/api/v3/account?timestamp=1&signature=ab", {}, b""),
        ("GET", "/fapi/v3/balance?timestamp=1", {}, b""),
        ("GET", "/api/v3/myTrades", {"X-MBX-APIKEY": "key"}, b""),
        ("GET", "/api/v3/time", {"x-mbx-apikey": "key"}, b""),
        ("GET", "/api/v3/time", {}, b"symbol=BTCUSDT"),
    ],
)
def test_no_other_request_may_be_sent(method: str, target: str, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(OrdersStayHere):
        require_public(method, target, headers, body)


def test_the_client_passes_on_what_is_public_and_tells_of_snapshots() -> None:
    below, told = Recorder(), []
    client = MarketOnlyClient(below, lambda symbol, body: told.append((symbol, body)))

    async def ask() -> None:
        await client.get("/api/v3/depth?symbol=BTCUSDT&limit=1000")
        await client.get("/api/v3/time")
        with pytest.raises(OrdersStayHere):
            await client.request("POST", "/api/v3/order")
        with pytest.raises(OrdersStayHere):
            await client.request("GET", "/api/v3/account", headers={"X-MBX-APIKEY": "key"})

    asyncio.run(ask())
    assert [row[:2] for row in below.sent] == [
        ("GET", "/api/v3/depth?symbol=BTCUSDT&limit=1000"),
        ("GET", "/api/v3/time"),
    ]
    assert told == [("BTCUSDT", b"{}")]
