"""The network of a hunt: that of a simulation, which also shows every message, refuses connections and can fall silent for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from engine.runtime.clock import Clock
from engine.runtime.net import Connection, HttpConnection, NetError
from engine.sim.inprocess.host import VenueHost
from engine.sim.inprocess.net import Mail, MemoryNet, MemoryTransport, Pair
from engine.sim.inprocess.ways import Latency, Way

# what sees a message on its way out: the interface, the bytes; False: it never left
Seen = Callable[[str, bytes], bool]
STREAM, API, REST = "stream", "ws-api", "rest"


def interface_of(url: str) -> str:
    """Which of the venue's WebSocket interfaces a URL names."""
    return API if "/ws-api" in url or "/ws-fapi" in url else STREAM


def hush(mail: Mail) -> None:
    """Let whatever is sent this way get lost: there is nobody at its end, nor a loop that could carry it there."""
    vars(mail).update(send=_lost, call=_lost)


def _lost(_what: object) -> None:
    """Nothing comes of it."""


class WatchedPair(Pair):
    """A WebSocket whose messages are shown before they leave, and from which nothing comes any more once the engine is dead."""

    def __init__(self, net: HuntNet, host: VenueHost, clock: Clock, ways: tuple[Way, Way], interface: str) -> None:
        super().__init__(host, clock, ways)
        self._net = net
        self._interface = interface

    def deliver(self, message: bytes) -> None:
        """The engine's session sends."""
        if not self._net.is_dead and self._net.seen(self._interface, message):
            super().deliver(message)

    def hang_up(self) -> None:
        """The engine closes the connection."""
        if not self._net.is_dead:
            super().hang_up()

    def _at_engine(self, frames: list[bytes]) -> None:
        if not self._net.is_dead:
            super()._at_engine(frames)
            self._net.arrived(self._interface, frames)

    def cut(self) -> None:
        """The engine's process is gone: the venue hears of it later."""
        self._is_gone = True
        hush(self._to_engine)
        if self.session is not None:
            self._to_venue.call(self._end_at_venue)

    def close(self, code: int, reason: str) -> None:
        """The venue closes; to a process that is gone there is nothing to say."""
        if not self._net.is_dead:
            super().close(code, reason)

    def abort(self) -> None:
        """The venue breaks the connection."""
        if not self._net.is_dead:
            super().abort()


class WatchedTransport(MemoryTransport):
    """An HTTP connection of the same kind."""

    def __init__(
        self, net: HuntNet, host: VenueHost, clock: Clock, ways: tuple[Way, Way], client: HttpConnection
    ) -> None:
        self._net = net
        super().__init__(host, clock, ways, client)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """The client sends."""
        if not self._net.is_dead and self._net.seen(REST, bytes(data)):
            super().write(data)

    def _at_engine(self, parts: list[bytes]) -> None:
        if not self._net.is_dead:
            super()._at_engine(parts)

    def cut(self) -> None:
        """The engine's process is gone."""
        self._is_open = False
        hush(self._to_engine)
        self._to_venue.call(lambda: self._host.turn(lambda _now_ns: self.session.on_closed()))


class HuntNet(MemoryNet):
    """`seen(interface, message)` is asked before a message leaves; `refuses` names what takes no new connection."""

    def __init__(
        self,
        host: VenueHost,
        clock: Clock,
        latency: Latency | None,
        seed: int,
        seen: Seen,
        arrived: Callable[[str, list[bytes]], None],
    ) -> None:
        super().__init__(host, clock, latency, seed)
        self.seen = seen
        self.arrived = arrived
        self.is_dead = False
        self.refuses: Callable[[str], bool] = lambda _interface: False
        self._open: list[WatchedPair | WatchedTransport] = []

    def make_pair(self, clock: Clock, url: str) -> Pair:
        """A connection that is watched."""
        pair = WatchedPair(self, self.host, clock, self.ways(), interface_of(url))
        self._open.append(pair)
        return pair

    def make_transport(self, client: HttpConnection) -> MemoryTransport:
        """A connection that is watched; NetError while the venue takes none."""
        if self.is_dead or self.refuses(REST):
            raise NetError("http://127.0.0.1:1: nothing listens there")
        transport = WatchedTransport(self, self.host, self.clock, self.ways(), client)
        self._open.append(transport)
        return transport

    async def connect_websocket(self, *words: Any, **options: Any) -> Connection:
        """As a simulation's; NetError while the venue takes no connection."""
        url = words[3] if len(words) > 3 else options["url"]
        if self.is_dead or self.refuses(interface_of(url)):
            await asyncio.sleep(0.001)
            raise NetError(f"{url}: nothing listens there")
        return await super().connect_websocket(*words, **options)

    def die(self) -> None:
        """The process at this end is killed: what it has sent arrives, and nothing more."""
        self.is_dead = True
        for connection in self._open:
            connection.cut()
        self._open.clear()
