"""Public REST: refusals with the exchange's words, waits that are kept, times measured with their error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.runtime.clock import Clock
from engine.runtime.net import HttpClient
from engine.venues.binance.rest_market import RestMarket, VenueError


def reply(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Exchange:
    """Gives the replies in turn and keeps when each request came."""

    def __init__(self, *replies: bytes) -> None:
        self.replies = list(replies)
        self.targets: list[str] = []
        self.clock = Clock()
        self.came_mono_ns: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.targets.append(head.split(b" ")[1].decode())
                self.came_mono_ns.append(self.clock.monotonic_ns())
                writer.write(self.replies.pop(0))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def with_exchange(exchange: Exchange, scenario: Callable[[RestMarket], Awaitable[Any]]) -> None:
    async def run() -> None:
        server = await asyncio.start_server(exchange.serve, "127.0.0.1", 0)
        http = HttpClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        try:
            await scenario(RestMarket(http, exchange.clock))
        finally:
            await http.close()
            server.close()
            await server.wait_closed()
            await asyncio.sleep(0.01)

    asyncio.run(run())


def test_a_refusal_carries_the_exchanges_code_and_text() -> None:
    async def scenario(rest: RestMarket) -> None:
        with pytest.raises(VenueError, match="Invalid symbol") as caught:
            await rest.depth("NOSUCH")
        assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (400, -1121, None)
        with pytest.raises(VenueError, match="<html>"):
            await rest.depth("BTCUSDT")

    body = b'{"code":-1121,"msg":"Invalid symbol."}'
    with_exchange(Exchange(reply("400 Bad Request", body), reply("403 Forbidden", b"<html>")), scenario)


@pytest.mark.invariant("R17")
@pytest.mark.parametrize("status", ["429 Too Many Requests", "418 I'm a teapot"])
def test_nothing_is_sent_before_the_wait_that_the_exchange_asks_for_is_over(status: str) -> None:
    exchange = Exchange(reply(status, b'{"code":-1003,"msg":"Too many"}', "Retry-After: 1"), reply("200 OK", b"{}"))

    async def scenario(rest: RestMarket) -> None:
        with pytest.raises(VenueError, match="Too many") as caught:
            await rest.depth("BTCUSDT")
        assert caught.value.retry_after_s == 1.0
        assert rest.rate_limited == 1
        assert await rest.depth("BTCUSDT", 100) == b"{}"

    with_exchange(exchange, scenario)
    assert exchange.targets == ["/api/v3/depth?symbol=BTCUSDT&limit=1000", "/api/v3/depth?symbol=BTCUSDT&limit=100"]
    assert exchange.came_mono_ns[1] - exchange.came_mono_ns[0] >= 1_000_000_000


class OrderSide:
    """What the order session shares: quiet for a while, and little weight."""

    def __init__(self, quiet_s: float, polls_without_weight: int) -> None:
        self.clock = Clock()
        self.quiet_until_ns = self.clock.monotonic_ns() + int(quiet_s * 1e9)
        self.polls_without_weight = polls_without_weight
        self.taken: list[int] = []
        self.told: list[tuple[int, int]] = []

    def quiet_ns(self) -> int:
        return max(0, self.quiet_until_ns - int(self.clock.monotonic_ns()))

    def keep_quiet(self, duration_ns: int, status: int) -> None:
        self.told.append((duration_ns, status))

    def take_weight(self, weight: int) -> bool:
        self.polls_without_weight -= 1
        if self.polls_without_weight < 0:
            self.taken.append(weight)
        return self.polls_without_weight < 0


@pytest.mark.invariant("R17")
def test_quiet_and_weight_are_shared_with_the_order_connection() -> None:
    exchange = Exchange(reply("200 OK", b"{}"), reply("418 I'm a teapot", b"{}", "Retry-After: 7"))
    shared = OrderSide(0.3, 3)

    async def scenario(rest: RestMarket) -> None:
        rest.share(shared)
        await rest.depth("BTCUSDT")
        with pytest.raises(VenueError):
            await rest.depth("BTCUSDT", 5000)

    with_exchange(exchange, scenario)
    assert exchange.came_mono_ns[0] >= shared.quiet_until_ns
    assert [weight for weight in shared.taken if weight] == [50, 250]
    assert shared.told == [(7_000_000_000, 418)]


def test_the_weight_that_the_exchange_counts_is_kept() -> None:
    async def scenario(rest: RestMarket) -> None:
        await rest.depth("BTCUSDT")
        assert rest.used_weight_1m == 51

    with_exchange(Exchange(reply("200 OK", b"{}", "X-MBX-USED-WEIGHT-1M: 51")), scenario)


def test_a_depth_that_the_exchange_does_not_offer_is_a_mistake_of_ours() -> None:
    async def scenario(rest: RestMarket) -> None:
        with pytest.raises(ValueError, match="depth limit 7"):
            await rest.depth("BTCUSDT", 7)

    with_exchange(Exchange(), scenario)


def test_symbols_are_asked_for_as_one_encoded_list() -> None:
    exchange = Exchange(reply("200 OK", b'{"symbols":[]}'))

    async def scenario(rest: RestMarket) -> None:
        with pytest.raises(ValueError, match="does not list BTCUSDT, ETHUSDT"):
            await rest.exchange_info(1, ["BTCUSDT", "ETHUSDT"])

    with_exchange(exchange, scenario)
    assert exchange.targets == ["/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%2C%22ETHUSDT%22%5D"]


def test_the_offset_of_the_venues_clock_is_measured_within_its_error() -> None:
    clock = Clock()
    ahead_ns = 3_600_000_000_000
    stamp = (clock.time_ns() + ahead_ns) // 1_000_000
    exchange = Exchange(reply("200 OK", b'{"serverTime":%d}' % stamp))

    async def scenario(rest: RestMarket) -> None:
        sample = await rest.server_time()
        assert sample.round_trip_ns > 0
        # the stamp was made before the request: the test's own start adds to the error
        assert abs(sample.offset_ns - ahead_ns) <= sample.error_ns + 200_000_000

    with_exchange(exchange, scenario)
