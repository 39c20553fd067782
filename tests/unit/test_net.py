"""The HTTP client and the reconnect policy: replies read piece by piece, connections kept, failures told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from engine.runtime.net import HttpClient, HttpResponse, NetError, NotAskedError, ReconnectPolicy, parse_response

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Name:  v \r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"
Handler = Callable[[int, bytes], bytes | None]


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


class Server:
    """Answers request n by `handler(n, request)`; None closes the connection without a word."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(request)
                reply = self.handler(len(self.requests), request)
                if reply is None:
                    break
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def use(self, scenario: Callable[[HttpClient], Awaitable[None]], **options: Any) -> None:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        client = HttpClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base", **options)
        try:
            await scenario(client)
        finally:
            await client.close()
            server.close()
            await server.wait_closed()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("whole", [OK, CHUNKED], ids=["length", "chunked"])
def test_a_reply_is_whole_at_its_last_byte_and_not_before(whole: bytes) -> None:
    for cut in range(len(whole)):
        assert parse_response(whole[:cut], at_end=False) is None
    found = parse_response(whole + b"rest", at_end=False)
    assert found is not None
    assert found[1] == len(whole)
    assert found[0].body == (b"hi" if whole is OK else b"abc0123456789abcdef")


def test_a_reply_without_a_length_ends_with_the_connection() -> None:
    reply = b"HTTP/1.1 200 OK\r\n\r\nall of it"
    assert parse_response(reply, at_end=False) is None
    assert parse_response(reply, at_end=True) == (HttpResponse(200, {}, b"all of it"), len(reply))


def test_header_names_are_lower_case_and_values_trimmed() -> None:
    found = parse_response(OK, at_end=False)
    assert found is not None
    assert found[0].headers == {"content-length": "2", "x-name": "v"}


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"x" * 70_000,
    ],
)
def test_nonsense_is_refused(nonsense: bytes) -> None:
    with pytest.raises(NetError):
        parse_response(nonsense, at_end=False)


def test_a_wait_that_the_server_asks_for_is_surfaced() -> None:
    assert HttpResponse(429, {"retry-after": "7"}, b"").retry_after_s == 7.0
    assert HttpResponse(429, {}, b"").retry_after_s is None
    assert HttpResponse(429, {"retry-after": "Wed, 21 Oct"}, b"").retry_after_s is None


def test_requests_share_a_kept_connection() -> None:
    async def scenario(client: HttpClient) -> None:
        for _ in range(3):
            assert (await client.get("/path?a=1")).body == b"hi"
        posted = await client.request("POST", "/p", headers={"X-Key": "k"})
        assert posted.status == 200

    server = Server(lambda _n, _request: OK)
    run(server.use(scenario))
    assert server.connections == 1
    assert server.requests[0].startswith(b"GET /base/path?a=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"X-Key: k\r\nContent-Length: 0\r\n" in server.requests[3]


def test_a_get_is_repeated_on_a_new_connection_when_the_kept_one_was_closed() -> None:
    async def scenario(client: HttpClient) -> None:
        assert (await client.get("/a")).status == 200
        assert (await client.get("/b")).status == 200

    server = Server(lambda n, _request: None if n == 2 else OK)
    run(server.use(scenario))
    assert server.connections == 2
    assert [request[10:12] for request in server.requests[1:]] == [b"b ", b"b "]


def test_a_post_is_never_repeated() -> None:
    async def scenario(client: HttpClient) -> None:
        assert (await client.get("/a")).status == 200
        with pytest.raises(NetError, match="before its reply was whole"):
            await client.request("POST", "/order")

    server = Server(lambda n, _request: None if n == 2 else OK)
    run(server.use(scenario))
    assert len(server.requests) == 2


@pytest.mark.invariant("R17")
def test_a_request_can_be_kept_back_until_its_bytes_leave_and_its_connection_serves_the_next() -> None:
    may_leave = True

    def before_send() -> None:
        if not may_leave:
            raise NotAskedError("kept back")

    def closes_the_gate(_n: int, _request: bytes) -> bytes:
        nonlocal may_leave
        may_leave = False
        return OK

    async def scenario(client: HttpClient) -> None:
        nonlocal may_leave
        asked = [asyncio.create_task(client.request("GET", f"/{n}", before_send=before_send)) for n in range(3)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        # both waited for the one connection while the first was answered
        assert [type(answer) for answer in done] == [HttpResponse, NotAskedError, NotAskedError]
        may_leave = True
        assert (await client.request("GET", "/again", before_send=before_send)).status == 200

    server = Server(closes_the_gate)
    run(server.use(scenario, connections_max=1))
    assert (len(server.requests), server.connections) == (2, 1)


@pytest.mark.invariant("R17")
def test_a_get_on_a_kept_connection_that_was_closed_is_not_repeated_where_it_may_no_longer_leave() -> None:
    asked = 0

    def before_send() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise NotAskedError("kept back")

    async def scenario(client: HttpClient) -> None:
        assert (await client.request("GET", "/a", before_send=before_send)).status == 200
        with pytest.raises(NotAskedError):
            await client.request("GET", "/b", before_send=before_send)

    server = Server(lambda n, _request: None if n == 2 else OK)
    run(server.use(scenario))
    assert (len(server.requests), asked) == (2, 3)


def test_a_fresh_connection_that_closes_without_a_word_is_an_error_at_once() -> None:
    async def scenario(client: HttpClient) -> None:
        with pytest.raises(NetError, match="before its reply was whole"):
            await client.get("/a")

    server = Server(lambda _n, _request: None)
    run(server.use(scenario))
    assert len(server.requests) == 1


def test_a_silent_server_is_a_time_out_and_its_connection_is_not_used_again() -> None:
    async def scenario(client: HttpClient) -> None:
        with pytest.raises(NetError, match="no answer in time"):
            await client.get("/a", timeout_s=0.05)
        assert (await client.get("/b")).body == b"hi"

    server = Server(lambda n, _request: b"" if n == 1 else OK)
    run(server.use(scenario))
    assert server.connections == 2


def test_bytes_behind_a_reply_end_the_connection() -> None:
    async def scenario(client: HttpClient) -> None:
        assert (await client.get("/a")).body == b"hi"
        assert (await client.get("/b")).body == b"hi"

    server = Server(lambda _n, _request: OK + b"junk")
    run(server.use(scenario))
    assert server.connections == 2


def test_at_most_so_many_requests_run_at_once() -> None:
    async def scenario(client: HttpClient) -> None:
        replies = await asyncio.gather(*(client.get(f"/{i}") for i in range(10)))
        assert len(replies) == 10

    server = Server(lambda _n, _request: OK)
    run(server.use(scenario, connections_max=2))
    assert server.connections == 2


@pytest.mark.parametrize("target", ["/a\r\nX: 1", "/a\nX: 1", "/ä"])
def test_a_request_cannot_be_split(target: str) -> None:
    async def scenario(client: HttpClient) -> None:
        with pytest.raises(NetError, match="line break"):
            await client.get(target)

    run(Server(lambda _n, _request: OK).use(scenario))


@pytest.mark.parametrize("address", ["ftp://x", "x", "http://"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(NetError, match="no http or https address"):
        HttpClient(address)


def test_delays_are_jittered_below_a_doubling_ceiling_and_start_again() -> None:
    policy = ReconnectPolicy(random.Random(1), base_s=0.5, cap_s=8.0)
    for attempt in range(200):
        policy.attempts = attempt % 40
        delay = policy.next_delay_s()
        assert 0.0 <= delay <= min(8.0, 0.5 * 2.0 ** (attempt % 40))
    policy.attempts = 10
    delays = [policy.next_delay_s() for _ in range(50)]
    assert max(delays) > 6.0
    assert min(delays) < 2.0
    policy.reset()
    assert policy.next_delay_s() <= 0.5


def test_rotation_comes_before_the_exchange_ends_the_connection() -> None:
    policy = ReconnectPolicy(random.Random(1))
    ages = [policy.rotate_after_s() for _ in range(100)]
    assert 22 * 3600 <= min(ages) < max(ages) <= 23 * 3600
    assert len(set(ages)) == 100
