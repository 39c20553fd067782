"""A network (`World.net`) whose one address is a simulated venue in this process: the same sessions, the same bytes, no sockets.

Whatever host a URL names, its path chooses the venue's interface, as at the venue's own ports. Messages keep their order in each
direction of a connection and are under way as long as `Latency` says; nothing is ever delivered within the call that sent it. It
runs on any loop: under the system's clock (paper trading) and under virtual time (simulation).
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.memory_socket import MemoryReceiver
from engine.runtime.net import Connection, HttpClient, HttpConnection, NetError
from engine.runtime.session import Session
from engine.sim.inprocess.host import VenueHost
from engine.sim.inprocess.ways import Latency, Way
from engine.sim.reject import VenueReject
from engine.sim.wire.errors import as_api_error
from engine.sim.wire.opening import open_session
from engine.sim.wire.rest_session import RestSession, time_unit
from engine.sim.wire.socket_life import SocketLife
from engine.sim.wire.stream_session import Target, open_error

NS_PER_S = 1_000_000_000
ADDRESS = "in-process"


class Mail:
    """One direction of a connection: messages that arrive at the same instant are handed over together."""

    def __init__(self, clock: Clock, way: Way, hand_over: Callable[[list[bytes]], None]) -> None:
        self._clock = clock
        self._way = way
        self._hand_over = hand_over
        self._batch: list[bytes] = []
        self._batch_ns = -1

    def send(self, message: bytes) -> None:
        """Let a message leave now."""
        at_ns = self._way.arrival_ns(self._clock.monotonic_ns())
        if self._batch and self._batch_ns == at_ns:
            self._batch.append(message)
            return
        self._batch, self._batch_ns = [message], at_ns
        self._arrive(at_ns, partial(self._deliver, self._batch))

    def call(self, action: Callable[[], object]) -> None:
        """Let something that is no message (a close, a ping) happen at the other end, behind what is under way."""
        at_ns = self._way.arrival_ns(self._clock.monotonic_ns())
        self._batch = []
        self._arrive(at_ns, action)

    def _deliver(self, batch: list[bytes]) -> None:
        if self._batch is batch:
            self._batch = []
        self._hand_over(batch)

    def _arrive(self, at_ns: int, action: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        delay_ns = at_ns - self._clock.monotonic_ns()
        if delay_ns <= 0:
            loop.call_soon(action)
        else:
            loop.call_later(delay_ns / NS_PER_S, action)


class Pair:
    """A WebSocket connection: the engine's receiver at one end, the venue's session at the other, as its `FrameLink`."""

    def __init__(self, host: VenueHost, clock: Clock, ways: tuple[Way, Way]) -> None:
        self._host = host
        self._to_venue = Mail(clock, ways[0], self._at_venue)
        self._to_engine = Mail(clock, ways[1], self._at_engine)
        self.receiver: MemoryReceiver | None = None
        self.session: SocketLife | None = None
        self._is_gone = False

    # --- the engine's end ---

    def deliver(self, message: bytes) -> None:
        """The engine's session sends."""
        self._to_venue.send(message)

    def hang_up(self) -> None:
        """The engine closes, or drops, the connection: its own end is gone at once, the venue hears of it later."""
        asyncio.get_running_loop().call_soon(self._end_here, "")
        self._to_venue.call(self._end_at_venue)

    def ping(self) -> None:
        """The engine asks for a sign of life."""
        self._to_venue.call(lambda: self._hand(lambda session: partial(session.on_ping, b"")))

    def _end_here(self, reason: str) -> None:
        self._is_gone = True
        if self.receiver is not None:
            self.receiver.end(reason)

    def _at_engine(self, frames: list[bytes]) -> None:
        if self.receiver is not None and not self._is_gone:
            self.receiver.take(frames)

    # --- the venue's end ---

    def _at_venue(self, messages: list[bytes]) -> None:
        for message in messages:
            self._hand(lambda session, data=message: partial(session.on_text, data))  # type: ignore[misc]

    def _hand(self, handler: Callable[[SocketLife], Callable[[int], None]]) -> None:
        """Let the venue's session take something, inside a turn."""
        session = self.session
        if session is not None and session.is_open:
            self._host.turn(lambda _now_ns: session.arrive(handler(session)))

    def _end_at_venue(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            self._host.turn(lambda _now_ns: session.on_closed())

    def send_text(self, payload: bytes) -> None:
        """Send one text frame."""
        self._to_engine.send(payload)

    def send_texts(self, payloads: list[bytes]) -> None:
        """Send text frames in their order."""
        for payload in payloads:
            self._to_engine.send(payload)

    def send_binary(self, payload: bytes) -> None:
        """Send one binary frame (only a fault does)."""
        self._to_engine.send(payload)

    def send_ping(self, payload: bytes) -> None:  # noqa: ARG002 - a FrameLink's signature
        """Send a ping, which the engine's end answers by itself."""
        self._to_engine.call(self._pinged)

    def _pinged(self) -> None:
        if self.receiver is not None and not self._is_gone:
            self.receiver.touch()
            self._to_venue.call(lambda: self._hand(lambda session: session.on_pong))

    def send_pong(self, payload: bytes) -> None:  # noqa: ARG002 - a FrameLink's signature
        """Send a pong."""
        self._to_engine.call(lambda: self.receiver.touch() if self.receiver is not None else None)

    def close(self, code: int, reason: str) -> None:
        """Close with a code, behind what is under way."""
        text = f": {reason}" if reason else ""
        self._to_engine.call(lambda: self._end_here(f"closed by the peer, code {code}{text}"))
        asyncio.get_running_loop().call_soon(self._end_at_venue)

    def abort(self) -> None:
        """Break the connection."""
        self._to_engine.call(lambda: self._end_here("connection lost"))
        asyncio.get_running_loop().call_soon(self._end_at_venue)

    def buffered_bytes(self) -> int:
        """Everything sent is taken."""
        return 0


class MemoryTransport(asyncio.Transport):
    """An HTTP connection's two directions; the venue's session writes to it as its `ByteLink`."""

    def __init__(self, host: VenueHost, clock: Clock, ways: tuple[Way, Way], client: HttpConnection) -> None:
        super().__init__()
        self._host = host
        self._client = client
        self._to_venue = Mail(clock, ways[0], self._at_venue)
        self._to_engine = Mail(clock, ways[1], self._at_engine)
        self._is_open = True
        self.session = RestSession(host.shell, _Replies(self._to_engine, self._end_by_venue), ADDRESS)
        client.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """The client sends."""
        self._to_venue.send(bytes(data))

    def close(self) -> None:
        """The client closes."""
        if self._is_open:
            self._is_open = False
            asyncio.get_running_loop().call_soon(self._client.connection_lost, None)
            self._to_venue.call(lambda: self._host.turn(lambda _now_ns: self.session.on_closed()))

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return not self._is_open

    def _at_venue(self, parts: list[bytes]) -> None:
        for part in parts:
            self._host.turn(partial(self.session.on_bytes, part))

    def _at_engine(self, parts: list[bytes]) -> None:
        for part in parts:
            if self._is_open:
                self._client.data_received(part)

    def _end_by_venue(self) -> None:
        if self._is_open:
            self._is_open = False
            self._client.eof_received()
            self._client.connection_lost(None)
            self._host.turn(lambda _now_ns: self.session.on_closed())


class _Replies:
    """The way out of the venue's HTTP session."""

    def __init__(self, mail: Mail, end: Callable[[], None]) -> None:
        self._mail = mail
        self._end = end

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._mail.send(data)

    def close(self) -> None:
        """Close after what was written has arrived."""
        self._mail.call(self._end)


class MemoryHttpClient(HttpClient):
    """The HTTP client of `MemoryNet`: the requests' bytes are those of a socket's."""

    def __init__(self, net: MemoryNet, base_url: str, **options: Any) -> None:
        super().__init__(base_url.replace("https://", "http://", 1), **{**options, "tls": None})
        self._net = net

    async def open_connection(self) -> HttpConnection:
        """A new connection to the venue in this process."""
        self._net.connections += 1
        client = HttpConnection()
        self._net.make_transport(client)
        return client


class MemoryNet:
    """The network. `seed` decides jitter; `connections` counts what was opened."""

    is_connecting = False

    def __init__(self, host: VenueHost, clock: Clock, latency: Latency | None = None, seed: int = 1) -> None:
        self.host = host
        self.clock = clock
        self.latency = latency or Latency()
        self.connections = 0
        self._dice = random.Random(seed)

    def ways(self) -> tuple[Way, Way]:
        """Both directions of a new connection: to the venue, from it."""
        latency = self.latency
        return (
            Way(latency.to_venue_us, latency.jitter_us, self._dice),
            Way(latency.from_venue_us, latency.jitter_us, self._dice),
        )

    def make_pair(self, clock: Clock, url: str) -> Pair:  # noqa: ARG002 - a net with faults tells connections apart by it
        """A new WebSocket connection's two ends."""
        return Pair(self.host, clock, self.ways())

    def make_transport(self, client: HttpConnection) -> MemoryTransport:
        """A new HTTP connection's way."""
        return MemoryTransport(self.host, self.clock, self.ways(), client)

    def tls_context(self, ca_file: str | Path | None = None) -> ssl.SSLContext | None:  # noqa: ARG002 - the live one's signature
        """None: nothing leaves the process, so there is nothing to encrypt."""
        return None

    def http_client(self, base_url: str, **options: Any) -> HttpClient:
        """A client of the venue's REST interface."""
        return MemoryHttpClient(self, base_url, **options)

    async def connect_websocket(
        self,
        session: Session,
        pipeline: Pipeline,
        clock: Clock,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,  # noqa: ARG002 - see tls_context
        run_each_frame: bool = False,
        on_fatal: Callable[[BaseException], Any] | None = None,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 - the venue's handshake reads none
        timeout_s: float = 0.0,  # noqa: ARG002 - the venue is here
        ping_after_s: float | None = None,
        tap: Callable[[bytes], Any] | None = None,
    ) -> Connection:
        """Connect `session` to the interface that the URL's path names. Raises NetError, as a refused handshake does."""
        target, unit_ns = read_target(url, self.host.shell.usdm is not None)
        pair = self.make_pair(clock, url)
        closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_closed(reason: str) -> None:
            if not closed.done():
                closed.set_result(reason)

        receiver = MemoryReceiver(
            session, pipeline, clock, pair.deliver, pair.hang_up,
            run_each_frame=run_each_frame, on_ping=pair.ping, on_fatal=on_fatal, on_closed=on_closed, tap=tap,
        )  # fmt: skip
        self.connections += 1
        latency_s = (self.latency.to_venue_us + self.latency.from_venue_us) / 1e6
        await asyncio.sleep(latency_s)
        pair.receiver = receiver
        now_ns = self.host.begin_turn()
        pair.session = open_session(self.host.shell, pair, target, unit_ns, now_ns, ADDRESS)
        receiver.open()
        self.host.end_turn()
        if ping_after_s is not None:
            _watch(receiver, clock, int(ping_after_s * NS_PER_S))
        return Connection(receiver, closed)


def read_target(url: str, has_usdm: bool) -> tuple[Target, int]:
    """The interface that a URL names, and its unit of time in ns; NetError where the venue refuses it."""
    parts = urlsplit(url)
    target = Target(parts.path + (f"?{parts.query}" if parts.query else ""))
    try:
        refusal = open_error(target, has_usdm)
        if refusal is not None:
            raise refusal
        return target, time_unit(target.time_unit_text())
    except VenueReject as reject:
        status = as_api_error(reject).status
        raise NetError(
            f"{url}: the server refused the WebSocket (HTTP {status}): check the path of the address"
        ) from None


def _watch(receiver: MemoryReceiver, clock: Clock, patience_ns: int) -> None:
    """Ping a connection that is silent for so long, and drop it when nothing comes within as long again."""

    def look() -> None:
        if not receiver.link.is_open:
            return
        silent_ns = clock.monotonic_ns() - receiver.last_frame_mono_ns
        if silent_ns >= 2 * patience_ns:
            receiver.lose("no answer to a ping")
            return
        if silent_ns >= patience_ns:
            receiver.ping()
        asyncio.get_running_loop().call_later(patience_ns / NS_PER_S, look)

    asyncio.get_running_loop().call_later(patience_ns / NS_PER_S, look)
