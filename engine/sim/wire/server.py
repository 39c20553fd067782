"""The sockets of the simulated venue, around socket-free sessions: REST by asyncio protocols, WebSockets by picows."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import ssl
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from engine.runtime.clock import Clock
from engine.sim.frame_text import append_text_frame
from engine.sim.reject import VenueReject
from engine.sim.wire.admin import AdminSession
from engine.sim.wire.errors import as_api_error, error_json
from engine.sim.wire.opening import open_session
from engine.sim.wire.rest_session import RestSession, time_unit
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.socket_life import SocketLife
from engine.sim.wire.stream_session import Target, open_error

STOP_GRACE_S = 0.2
INBOUND_FRAME_BYTES_MAX = 1 << 20


class PortBusyError(Exception):
    """A port that cannot be listened on."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where to listen; 0 is any free port, None not at all."""

    rest: int = 0
    ws: int = 0
    rest_tls: int | None = None
    ws_tls: int | None = None


class RestProtocol(asyncio.Protocol):
    """One accepted HTTP connection."""

    def __init__(self, server: VenueServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._session: RestSession | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session."""
        self._transport = cast(asyncio.Transport, transport)
        self._server.transports.add(self._transport)
        self._session = RestSession(self._server.shell, self, peer_address(transport))

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the session, inside a turn."""
        if self._session is not None:
            now_ns = self._server.begin_turn()
            self._session.on_bytes(data, now_ns)
            self._server.shell.finish()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End the session."""
        if self._session is not None:
            self._session.on_closed()
        if self._transport is not None:
            self._server.transports.discard(self._transport)
        self._session = self._transport = None

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close after the pending bytes."""
        if self._transport is not None:
            self._transport.close()


class AdminProtocol(asyncio.Protocol):
    """One connection to the admin socket."""

    def __init__(self, server: VenueServer) -> None:
        self._server = server
        self._session = AdminSession(server.shell)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)
        self._server.transports.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the way back."""
        if self._transport is not None:
            self._server.transports.discard(self._transport)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer commands, inside a turn."""
        now_ns = self._server.begin_turn()
        reply = self._session.on_bytes(data, now_ns)
        self._server.shell.finish()
        if self._transport is not None:
            self._transport.write(reply)


class SocketListener(WSListener):
    """One accepted WebSocket: makes its session when the handshake is done."""

    def __init__(self, server: VenueServer, target: Target, unit_ns: int) -> None:
        super().__init__()
        self._server = server
        self._target = target
        self._unit_ns = unit_ns
        self._session: SocketLife | None = None
        self._parts: list[bytes] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin a session."""
        self._server.transports.add(transport.underlying_transport)
        now_ns = self._server.begin_turn()
        self._session = self._server.open_session(transport, self._target, self._unit_ns, now_ns)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand a frame to the session, inside a turn."""
        session = self._session
        if session is None or not session.is_open:
            return
        self._server.begin_turn()
        kind = frame.msg_type
        if kind == WSMsgType.PING:
            session.arrive(partial(session.on_ping, frame.get_payload_as_bytes()))
        elif kind == WSMsgType.PONG:
            session.arrive(session.on_pong)
        elif kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            self._data_frame(session, frame)
        self._server.shell.finish()

    def _data_frame(self, session: SocketLife, frame: WSFrame) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > INBOUND_FRAME_BYTES_MAX:
            session.end(WSCloseCode.MESSAGE_TOO_BIG.value, "message too long")
        elif frame.fin:
            message = b"".join(self._parts)
            self._parts.clear()
            session.arrive(partial(session.on_text, message))

    def pause_writing(self) -> None:
        """A slow reader is no news; one that stays slow is cut by its session (``write_buffer_bytes_max``)."""

    def resume_writing(self) -> None:
        """See ``pause_writing``."""

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """End the session."""
        self._server.transports.discard(transport.underlying_transport)
        if self._session is not None:
            self._session.on_closed()
        self._session = None


class SocketLink:
    """A picows transport as a session's way out. Text frames of one turn of the loop leave in one write."""

    __slots__ = ("_pending", "_transport", "_underlying")

    def __init__(self, transport: WSTransport) -> None:
        self._transport = transport
        self._underlying = transport.underlying_transport
        self._pending = bytearray()

    def send_text(self, payload: bytes) -> None:
        """Send one text frame, with what else this turn sends."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        append_text_frame(self._pending, payload)

    def _flush(self) -> None:
        if self._pending:
            self._underlying.write(bytes(self._pending))
            self._pending.clear()

    def send_texts(self, payloads: list[bytes]) -> None:
        """Send text frames in their order."""
        for payload in payloads:
            self.send_text(payload)

    def send_binary(self, payload: bytes) -> None:
        """Send one binary frame."""
        self._flush()
        self._transport.send(WSMsgType.BINARY, payload)

    def send_ping(self, payload: bytes) -> None:
        """Send a ping."""
        self._flush()
        self._transport.send_ping(payload)

    def send_pong(self, payload: bytes) -> None:
        """Send a pong."""
        self._flush()
        self._transport.send_pong(payload)

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and disconnect."""
        self._flush()
        self._transport.send_close(WSCloseCode(code), reason.encode())
        self._transport.disconnect()

    def abort(self) -> None:
        """Break the connection."""
        self._pending.clear()
        self._transport.disconnect(False)

    def buffered_bytes(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return len(self._pending) + self._underlying.get_write_buffer_size()


def peer_address(transport: asyncio.BaseTransport) -> str:
    """The client's address without its port."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else "local"


class VenueServer:
    """Listens, runs the market, and stops in order."""

    def __init__(self, shell: VenueShell, clock: Clock) -> None:
        self.shell = shell
        self._clock = clock
        # Monotonic time set off to the wall clock of the start: a stepped wall clock neither stops the streams nor
        # floods them.
        self._wall_offset_ns: int = clock.time_ns() - clock.monotonic_ns()
        self._servers: list[asyncio.Server] = []
        self._timer: asyncio.TimerHandle | None = None
        self.addresses: dict[str, int | str] = {}
        self.transports: set[asyncio.Transport] = set()
        self.handshakes_failed = 0
        self.ended = asyncio.Event()
        self.has_failed = False

    # --- turns ---

    def now_ns(self) -> int:
        """The venue's Unix time."""
        return self._clock.monotonic_ns() + self._wall_offset_ns

    def begin_turn(self) -> int:
        """Run the market up to now; returns now (Unix ns)."""
        now_ns = self.now_ns()
        self.shell.begin(now_ns)
        return now_ns

    def _turn(self) -> None:
        now_ns = self.begin_turn()
        self.shell.finish()
        pause_ns = min(self.shell.next_wake_ns() - now_ns, self.shell.wire.turn_ms * 1_000_000)
        self._timer = asyncio.get_running_loop().call_later(max(pause_ns, 100_000) / 1e9, self._turn)

    # --- life ---

    async def start(self, host: str, ports: Ports, tls: ssl.SSLContext | None, admin: Path | None) -> None:
        """Open every port and let the market begin. Raises ``PortBusyError`` naming the port, with none left open."""
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)
        try:
            await self._open_all(host, ports, tls, admin)
        except PortBusyError:
            await self.stop()
            raise
        self._turn()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """A client that does not trust the test authority is the client's affair; all else is told as usual."""
        message = str(context.get("message", ""))
        if message.startswith("SSL handshake failed") or isinstance(context.get("exception"), ConnectionError):
            self.handshakes_failed += 1
        else:
            loop.default_exception_handler(context)
            if "transport" not in context:  # a turn of the market failed: nothing would move any more
                self.ended.set()
                self.has_failed = True

    async def _open_all(self, host: str, ports: Ports, tls: ssl.SSLContext | None, admin: Path | None) -> None:
        await self._open_rest("rest", host, ports.rest, None)
        await self._open_ws("ws", host, ports.ws, None)
        if tls is not None and ports.rest_tls is not None:
            await self._open_rest("rest_tls", host, ports.rest_tls, tls)
        if tls is not None and ports.ws_tls is not None:
            await self._open_ws("ws_tls", host, ports.ws_tls, tls)
        if admin is not None:
            await self._open_admin(admin)

    async def stop(self) -> None:
        """Give the shutdown notice, close every connection and port, finish the frame log."""
        if self._timer is not None:
            self._timer.cancel()
        self.shell.shut_down(self.now_ns())
        for session in tuple(self.shell.sessions):
            session.force_close(False)
        await self._until_closed()
        for transport in tuple(self.transports):
            transport.abort()
        for server in self._servers:
            server.close()
            await server.wait_closed()
        self.shell.frame_log.close()

    async def _until_closed(self) -> None:
        """Give clients a moment to take what was sent."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + STOP_GRACE_S
        while self.shell.sessions and loop.time() < deadline_s:
            await asyncio.sleep(0.005)

    async def _open_rest(self, name: str, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: RestProtocol(self), host, port, ssl=tls, backlog=1024)
        except OSError as error:
            raise _port_error(name, host, port, error) from error
        self._opened(name, server)

    async def _open_ws(self, name: str, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        try:
            server = await ws_create_server(
                self._route,
                host,
                port,
                ssl=tls,
                enable_auto_pong=False,
                max_frame_size=INBOUND_FRAME_BYTES_MAX,
                backlog=1024,
            )
        except OSError as error:
            raise _port_error(name, host, port, error) from error
        self._opened(name, server)

    async def _open_admin(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        before = os.umask(0o077)
        try:
            loop = asyncio.get_running_loop()
            self._servers.append(await loop.create_unix_server(lambda: AdminProtocol(self), str(path)))
        except OSError as error:
            raise PortBusyError(f"admin socket {path} cannot be opened: {error}") from error
        finally:
            os.umask(before)
        self.addresses["admin"] = str(path)

    def _opened(self, name: str, server: asyncio.Server) -> None:
        self._servers.append(server)
        self.addresses[name] = server.sockets[0].getsockname()[1]

    def write_ready_file(self, path: Path, host: str) -> None:
        """Tell who waits for it, in one rename, where the venue listens."""
        text = json.dumps({"pid": os.getpid(), "host": host, **self.addresses})
        temporary = path.with_name(path.name + ".new")
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)

    # --- WebSocket connections ---

    def _route(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        """Choose the interface by the URL; refuse what is none, and too many connections."""
        target = Target(request.path.decode("latin-1"))
        try:
            refusal = open_error(target, self.shell.usdm is not None)
            if refusal is not None:
                raise refusal
            return SocketListener(self, target, time_unit(target.time_unit_text()))
        except VenueReject as reject:
            error = as_api_error(reject)
            response = WSUpgradeResponse.create_error_response(
                error.status, error_json(error.code, error.msg), {"Content-Type": "application/json"}
            )
            return WSUpgradeResponseWithListener(response, None)

    def open_session(self, transport: WSTransport, target: Target, unit_ns: int, now_ns: int) -> SocketLife | None:
        """Make the session of an accepted connection; None when the address opened too many."""
        address = peer_address(transport.underlying_transport)
        return open_session(self.shell, SocketLink(transport), target, unit_ns, now_ns, address)


def _port_error(name: str, host: str, port: int, error: OSError) -> PortBusyError:
    reason = "is in use by another program" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error})"
    return PortBusyError(f"{name.replace('_', ' ')} port {host}:{port} {reason}; choose another or 0 for any free one")
