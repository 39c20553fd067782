"""The WebSocket link on real sockets: what reaches a session, what is answered, what ends a connection and who hears why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from engine.model.codes import Counter, SessionState
from engine.model.instruments import InstrumentSpec
from engine.runtime.clock import Clock
from engine.runtime.net import Connection, connect_websocket
from engine.runtime.session import Session
from engine.runtime.wslink import WsReceiver
from tests.feed_harness import FeedHarness

SPEC = InstrumentSpec(
    venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000_000
)
TRADE = b'{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"1.00","q":"1.00","T":1,"m":false}'


class Peer(WSListener):
    """The server's end: keeps what it got."""

    def __init__(self) -> None:
        self.transport: WSTransport | None = None
        self.frames: list[tuple[WSMsgType, bytes]] = []
        self.connected = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.connected.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.frames.append((frame.msg_type, frame.get_payload_as_bytes()))
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    async def got(self, kind: WSMsgType) -> bytes:
        async with asyncio.timeout(2):
            while True:
                for found, payload in self.frames:
                    if found == kind:
                        return payload
                await asyncio.sleep(0.002)


class Line:
    """One connection between a harness' session and a peer."""

    def __init__(self, harness: FeedHarness, peer: Peer, connection: Connection, failures: list[BaseException]) -> None:
        self.harness = harness
        self.peer = peer
        self.connection = connection
        self.failures = failures

    @property
    def transport(self) -> Any:
        return self.peer.transport

    @property
    def receiver(self) -> WsReceiver:
        """What carries the bytes: over a socket it counts them."""
        assert isinstance(self.connection.receiver, WsReceiver)
        return self.connection.receiver

    async def frames_reach(self, count: int) -> None:
        async with asyncio.timeout(2):
            while self.receiver.data_frames < count:
                await asyncio.sleep(0.002)

    async def ended(self) -> str:
        async with asyncio.timeout(2):
            return await self.connection.closed


def on_line(scenario: Callable[[Line], Awaitable[None]], session: Session | None = None) -> None:
    async def with_server() -> None:
        peer = Peer()
        server = await ws_create_server(lambda _request: peer, "127.0.0.1", 0, enable_auto_pong=False)
        harness = FeedHarness(SPEC, clock=Clock(), connects=False)
        failures: list[BaseException] = []
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream"
        connection = await connect_websocket(
            session or harness.session, harness.pipeline, harness.clock, url, on_fatal=failures.append
        )
        await peer.connected.wait()
        try:
            await scenario(Line(harness, peer, connection, failures))
        finally:
            connection.lose("test over")
            server.close()
            await server.wait_closed()
            await asyncio.sleep(0.02)

    asyncio.run(with_server())


def test_text_and_binary_frames_reach_the_session_and_the_pipeline_has_run() -> None:
    async def scenario(line: Line) -> None:
        line.transport.send(WSMsgType.TEXT, TRADE)
        line.transport.send(WSMsgType.BINARY, TRADE)
        await line.frames_reach(2)
        assert [event["kind"] for event in line.harness.events()] == [4, 4]
        assert line.harness.session.frames == 2

    on_line(scenario)


def test_a_fragmented_message_is_one_frame_to_the_session() -> None:
    async def scenario(line: Line) -> None:
        line.transport.send(WSMsgType.TEXT, TRADE[:10], fin=False)
        line.transport.send(WSMsgType.CONTINUATION, TRADE[10:30], fin=False)
        line.transport.send(WSMsgType.PING, b"in between")
        line.transport.send(WSMsgType.CONTINUATION, TRADE[30:])
        await line.frames_reach(1)
        assert line.harness.count(Counter.MALFORMED_FRAMES) == 0
        assert len(line.harness.events()) == 1
        assert await line.peer.got(WSMsgType.PONG) == b"in between"

    on_line(scenario)


def test_a_burst_far_above_the_rings_loses_no_frame() -> None:
    count = 60_000

    async def scenario(line: Line) -> None:
        frame = bytes((0x81, len(TRADE))) + TRADE
        line.transport.underlying_transport.write(frame * count)
        async with asyncio.timeout(30):
            while line.receiver.data_frames < count:
                time.sleep(0.05)  # a starved process: the kernel's buffers fill meanwhile
                await asyncio.sleep(0)
        assert line.harness.session.lost == 0
        assert line.harness.session.frames == count

    on_line(scenario)


def test_a_ping_is_answered_with_its_own_payload() -> None:
    async def scenario(line: Line) -> None:
        line.transport.send_ping(b"1763640000123")
        assert await line.peer.got(WSMsgType.PONG) == b"1763640000123"
        assert line.receiver.pings == 1

    on_line(scenario)


@pytest.mark.parametrize("size", [1, 125, 126, 5000, 70_000])
def test_what_a_session_sends_arrives_whole(size: int) -> None:
    async def scenario(line: Line) -> None:
        message = bytes(65 + i % 26 for i in range(size))
        assert line.connection.link.send_bytes(message)
        assert await line.peer.got(WSMsgType.TEXT) == message

    on_line(scenario)


def test_the_peers_close_code_is_the_reason_that_the_session_hears() -> None:
    async def scenario(line: Line) -> None:
        line.transport.send_close(WSCloseCode.POLICY_VIOLATION, b"too many requests")
        line.transport.disconnect()
        assert await line.ended() == "closed by the peer, code 1008: too many requests"
        assert line.harness.session.state == SessionState.DOWN
        assert not line.connection.link.send_bytes(b"x")

    on_line(scenario)


def test_a_peer_that_vanishes_is_a_lost_connection() -> None:
    async def scenario(line: Line) -> None:
        line.transport.underlying_transport.abort()
        assert await line.ended() == "connection lost"
        assert line.harness.session.state == SessionState.DOWN

    on_line(scenario)


def test_a_continuation_of_nothing_is_refused_with_a_protocol_error() -> None:
    async def scenario(line: Line) -> None:
        line.transport.send(WSMsgType.CONTINUATION, b"x")
        assert "continuation of no message" in await line.ended()
        assert (await line.peer.got(WSMsgType.CLOSE))[:2] == (1002).to_bytes(2, "big")

    on_line(scenario)


def test_an_orderly_close_is_answered_and_told() -> None:
    async def scenario(line: Line) -> None:
        async with asyncio.timeout(2):
            await line.connection.close()
        assert (await line.peer.got(WSMsgType.CLOSE))[:2] == (1000).to_bytes(2, "big")
        assert line.harness.session.state == SessionState.DOWN
        assert line.failures == []

    on_line(scenario)


def test_a_failure_in_the_hot_path_ends_the_connection_and_reaches_the_application() -> None:
    async def scenario(line: Line) -> None:
        line.transport.send(WSMsgType.TEXT, b"{}")
        line.transport.send(WSMsgType.TEXT, b"{}")
        reason = await line.ended()
        assert reason == "TypeError: session broken: on_frame is missing"
        assert [type(failure) for failure in line.failures] == [TypeError]

    on_line(scenario, Session("broken", 1))
