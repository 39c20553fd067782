"""The live network of the World: WebSockets over picows, and one small keep-alive HTTP/1.1 client.

Errors are NetError with a sentence that names the address, the cause and the mend; what a server answers is a value.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from picows import WSError, ws_connect

from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.http_reply import HttpResponse, parse_response
from engine.runtime.net_errors import NetError, NotAskedError, explain
from engine.runtime.session import Link, Session
from engine.runtime.wslink import WsReceiver

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 10.0
FRAME_BYTES_MAX = 16 * 1024 * 1024

# picows logs what we already handle; the hot process writes nothing to stderr but its own start, stop and fatal lines
_picows_log = logging.getLogger("picows.client")
_picows_log.addHandler(logging.NullHandler())
_picows_log.propagate = False


def tls_context(ca_file: str | Path | None = None) -> ssl.SSLContext:
    """A client context that verifies names and certificates against the system's authorities, or `ca_file` (PEM) alone."""
    if ca_file is None:
        return ssl.create_default_context()
    if not Path(ca_file).is_file():
        raise NetError(
            f"the certificate authority file {ca_file} does not exist: set tls_ca to a PEM file, or leave it out"
        )
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError as error:
        raise NetError(f"the certificate authority file {ca_file} is no PEM certificate: {error.reason}") from error


@dataclass
class ReconnectPolicy:
    """Exponential back-off with full jitter, and when a healthy connection is replaced before the exchange ends it.

    The delay before attempt n is uniform in 0 .. min(cap, base * 2^n); `reset` after a connection has proved itself.
    `rotate_after_s`: exchanges end a connection after 24 h, so a new one is made before, at a time that differs per connection.
    """

    rng: random.Random = field(repr=False)
    base_s: float = 0.25
    cap_s: float = 30.0
    lifetime_s: float = 24 * 3600.0
    rotation_margin_s: float = 3600.0
    attempts: int = 0

    def next_delay_s(self) -> float:
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(self.attempts, 32))
        self.attempts += 1
        return self.rng.uniform(0.0, ceiling)

    def reset(self) -> None:
        self.attempts = 0

    def rotate_after_s(self) -> float:
        """Between one and two margins before the end of the connection's life."""
        return max(1.0, self.lifetime_s - self.rotation_margin_s * self.rng.uniform(1.0, 2.0))


class Connecting:
    """Counts the connections that are being made just now."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1


class Receiver(Protocol):
    """What carries a connection's bytes to its session: over a socket, or within the process."""

    @property
    def link(self) -> Link: ...
    @property
    def last_frame_mono_ns(self) -> int: ...
    def ping(self) -> None: ...
    def lose(self, reason: str) -> None: ...


class Connection:
    """A WebSocket that stands: its receiver, and `closed`, which gets the reason when it ends."""

    def __init__(self, receiver: Receiver, closed: asyncio.Future[str]) -> None:
        self.receiver = receiver
        self.link = receiver.link
        self.closed = closed
        self._probed_mono_ns = 0

    def lose(self, reason: str) -> None:
        """End it at once; `closed` gets `reason`."""
        self.receiver.lose(reason)

    def probe(self, now_mono_ns: int, silent_after_ns: int, patience_ns: int) -> None:
        """Tell a silent connection from a dead one: after `silent_after_ns` without a frame ping, and end it if nothing follows.

        A peer that is gone without a word (half-open: no FIN ever comes) is found so in the sum of both times.
        """
        last_mono_ns = self.receiver.last_frame_mono_ns
        if now_mono_ns - last_mono_ns <= silent_after_ns:
            return
        if self._probed_mono_ns <= last_mono_ns:
            self._probed_mono_ns = now_mono_ns
            self.receiver.ping()
        elif now_mono_ns - self._probed_mono_ns > patience_ns:
            self.lose(f"silent for {(now_mono_ns - last_mono_ns) // 1_000_000} ms, also after a ping")

    async def close(self) -> str:
        """Close in order and wait for the end."""
        self.link.close()
        return await self.closed


async def connect_websocket(
    session: Session,
    pipeline: Pipeline,
    clock: Clock,
    url: str,
    *,
    tls: ssl.SSLContext | None = None,
    run_each_frame: bool = False,
    on_fatal: Callable[[BaseException], Any] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = CONNECT_TIMEOUT_S,
    ping_after_s: float | None = None,
    tap: Callable[[bytes], Any] | None = None,
) -> Connection:
    """Connect `session` to `url`; `session.on_open` has run when this returns. Raises NetError.

    `ping_after_s`: a connection silent for so long is pinged, and dropped when no answer comes within as long again.
    `tap`: gets a copy of every data frame, after the session.
    """
    closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_closed(reason: str) -> None:
        if not closed.done():
            closed.set_result(reason)

    receiver = WsReceiver(
        session, pipeline, clock, run_each_frame=run_each_frame, on_fatal=on_fatal, on_closed=on_closed, tap=tap
    )
    try:
        async with asyncio.timeout(timeout_s):
            await ws_connect(
                lambda: receiver,
                url,
                ssl_context=tls,
                websocket_handshake_timeout=timeout_s,
                enable_auto_pong=False,
                enable_auto_ping=ping_after_s is not None,
                auto_ping_idle_timeout=ping_after_s or 1.0,
                auto_ping_reply_timeout=ping_after_s or 1.0,
                max_frame_size=FRAME_BYTES_MAX,
                max_redirects=0,
                extra_headers=dict(headers) if headers else None,
                use_aiofastnet=False,
            )
    except (OSError, WSError, ValueError) as error:
        raise explain(url, error) from error
    return Connection(receiver, closed)


class HttpConnection(asyncio.Protocol):
    """One kept-alive connection: one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reply: asyncio.Future[HttpResponse] | None = None
        self.buffer = bytearray()
        self.is_reusable = True
        self.used = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio.Transport
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.reply is None or self.reply.done():
            # bytes that answer nothing: the connection can no longer be trusted
            self.close()
            return
        try:
            self._deliver(at_end=False)
        except NetError as error:
            self._fail(error)

    def eof_received(self) -> bool:
        try:
            self._deliver(at_end=True)
        except NetError as error:
            self._fail(error)
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        self.is_reusable = False
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(NetError("the server closed the connection before its reply was whole"))

    def _deliver(self, *, at_end: bool) -> None:
        if self.reply is None or self.reply.done():
            return
        found = parse_response(self.buffer, at_end=at_end)
        if found is None:
            return
        response, used = found
        del self.buffer[:used]
        if self.buffer or response.headers.get("connection", "").lower() == "close":
            self.is_reusable = False
        self.reply.set_result(response)

    def _fail(self, error: NetError) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(error)
        self.close()

    async def exchange(self, request: bytes) -> HttpResponse:
        if self.transport is None:
            raise NetError("not connected")
        self.reply = asyncio.get_running_loop().create_future()
        self.used += 1
        self.transport.write(request)
        return await self.reply

    def close(self) -> None:
        self.is_reusable = False
        if self.transport is not None:
            self.transport.close()


class HttpClient:
    """Requests to one base address over kept-alive connections.

    `request` raises NetError where no whole reply came; a reply of any status is a value. A request is sent again only if
    it was a GET on a kept connection that the server had closed in the meantime. `connections_max` requests run at once,
    the rest wait.
    """

    def __init__(
        self,
        base_url: str,
        *,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        connections_max: int = 4,
        connecting: Connecting | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NetError(f"{base_url!r} is no http or https address")
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s
        self.connect_timeout_s = connect_timeout_s
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._host_header = parts.netloc.rpartition("@")[2]
        self._prefix = parts.path.rstrip("/")
        self._tls = (tls or tls_context()) if parts.scheme == "https" else None
        self._headers = dict(headers or {})
        self._idle: list[HttpConnection] = []
        self._slots = asyncio.Semaphore(connections_max)
        self._is_closed = False
        self._connecting = connecting or Connecting()

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout_s: float | None = None,
        before_send: Callable[[], None] | None = None,
    ) -> HttpResponse:
        """`target` is the path below the base address with its query, percent-encoded by the caller.

        `before_send` is called when a connection stands and the next thing is that the bytes leave; NotAskedError keeps them here.
        """
        request = self._encode(method, target, {**self._headers, **(headers or {})}, body)
        async with self._slots:
            try:
                async with asyncio.timeout(timeout_s or self.timeout_s):
                    return await self._attempt(request, before_send, may_repeat=method == "GET")
            except TimeoutError as error:
                raise explain(self.base_url, error) from error

    async def get(self, target: str, **options: Any) -> HttpResponse:
        return await self.request("GET", target, **options)

    async def _attempt(
        self, request: bytes, before_send: Callable[[], None] | None, *, may_repeat: bool
    ) -> HttpResponse:
        while True:
            connection = await self._take()
            was_kept = connection.used > 0
            try:
                if before_send is not None:
                    before_send()
                response = await connection.exchange(request)
            except NotAskedError:
                self._give_back(connection)
                raise
            except NetError as error:
                connection.close()
                if was_kept and may_repeat:
                    continue
                raise NetError(f"{self.base_url}: {error}") from error
            except asyncio.CancelledError:
                # the reply is still to come: nobody else may read it
                connection.close()
                raise
            self._give_back(connection)
            return response

    async def _take(self) -> HttpConnection:
        if self._is_closed:
            raise NetError(f"{self.base_url}: the client is closed")
        while self._idle:
            connection = self._idle.pop()
            if connection.is_reusable:
                return connection
        try:
            with self._connecting:
                return await self.open_connection()
        except OSError as error:
            raise explain(self.base_url, error) from error

    async def open_connection(self) -> HttpConnection:
        """A new connection to the base address; OSError where there is none. Another network has another way."""
        async with asyncio.timeout(self.connect_timeout_s):
            _, made = await asyncio.get_running_loop().create_connection(
                HttpConnection, self._host, self._port, ssl=self._tls
            )
        return made

    def _give_back(self, connection: HttpConnection) -> None:
        if connection.is_reusable and not self._is_closed:
            self._idle.append(connection)
        else:
            connection.close()

    def _encode(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = [f"{method} {self._prefix}{target} HTTP/1.1", f"Host: {self._host_header}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(body)}")
        if any("\r" in line or "\n" in line or not line.isascii() for line in lines):
            raise NetError(f"{self.base_url}: a request line or header holds a line break or is not ASCII")
        text = "\r\n".join(lines)
        return text.encode() + b"\r\n\r\n" + body

    async def close(self) -> None:
        """Close what is idle; requests in flight end by themselves."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)


class LiveNet:
    """The network of the live World."""

    def __init__(self) -> None:
        self._connecting = Connecting()

    @property
    def is_connecting(self) -> bool:
        """Is any connection being made: then names may be looked up on other threads, and the loop must not spin."""
        return self._connecting.count > 0

    def tls_context(self, ca_file: str | Path | None = None) -> ssl.SSLContext:
        return tls_context(ca_file)

    async def connect_websocket(
        self, session: Session, pipeline: Pipeline, clock: Clock, url: str, **options: Any
    ) -> Connection:
        with self._connecting:
            return await connect_websocket(session, pipeline, clock, url, **options)

    def http_client(self, base_url: str, **options: Any) -> HttpClient:
        return HttpClient(base_url, connecting=self._connecting, **options)


__all__ = [
    "Connecting", "Connection", "HttpClient", "HttpConnection", "HttpResponse", "LiveNet", "NetError", "NotAskedError",
    "ReconnectPolicy", "connect_websocket", "explain", "parse_response", "tls_context",
]  # fmt: skip
