"""Keeps one venue's order connection: connects, replaces it before the venue ends it, tries again with back-off when it is lost.

The session itself logs on, subscribes its user data and asks for what reconciliation needs; the keeper only carries it. The
pipeline runs after every frame of this connection: own-order events go before market data.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.net import Connection, NetError, ReconnectPolicy

NS_PER_S = 1_000_000_000
POLL_S = 0.05
POLL_CAP_S = 1.0


class Net(Protocol):
    """The part of the World's network that is used."""

    async def connect_websocket(
        self, session: Any, pipeline: Pipeline, clock: Clock, url: str, **options: Any
    ) -> Connection: ...


class OrderSession(Protocol):
    """What is asked of the session beside being a `Session`."""

    @property
    def is_dead(self) -> bool: ...
    @property
    def failure(self) -> str: ...
    @property
    def shutdown_announced(self) -> bool: ...
    def quiet_ns(self) -> int: ...


class OrderKeeper:
    """One venue's order connection. `run` until cancelled; `last_error` says why the latest attempt failed."""

    def __init__(
        self,
        *,
        net: Net,
        clock: Clock,
        pipeline: Pipeline,
        policy: ReconnectPolicy,
        url: str,
        session: OrderSession,
        connect_options: dict[str, Any] | None = None,
        silent_after_s: float = 5.0,
        patience_s: float = 5.0,
        proven_after_s: float = 10.0,
    ) -> None:
        self._net = net
        self._clock = clock
        self._pipeline = pipeline
        self._policy = policy
        self._url = url
        self._session = session
        self._options = {**(connect_options or {}), "run_each_frame": True}
        self._silent_after_s = silent_after_s
        self._patience_s = patience_s
        self._proven_after_s = proven_after_s
        self.last_error = ""

    async def run(self) -> None:
        """Keep the connection until cancelled; then close it in order."""
        while True:
            await self._wait_until_wanted()
            try:
                await self._keep_one()
            except NetError as error:
                self.last_error = str(error)
            self._pipeline.run_to_completion()
            await asyncio.sleep(self._policy.next_delay_s())

    async def _wait_until_wanted(self) -> None:
        """A venue that asked for quiet (429, 418) takes a new connection for another request."""
        while (quiet_ns := self._session.quiet_ns()) > 0:
            await asyncio.sleep(min(quiet_ns / NS_PER_S, POLL_CAP_S))

    async def _keep_one(self) -> None:
        """One connection, from the handshake to its end, its silence, or its replacement."""
        connection = await self._net.connect_websocket(
            self._session, self._pipeline, self._clock, self._url, **self._options
        )
        self._pipeline.run_to_completion()
        began_ns = self._clock.monotonic_ns()
        rotate_ns = began_ns + int(self._policy.rotate_after_s() * NS_PER_S)
        try:
            while not connection.closed.done():
                await asyncio.wait([connection.closed], timeout=POLL_S)
                self._look_after(connection, began_ns, rotate_ns)
            self.last_error = connection.closed.result()
        finally:
            if not connection.closed.done():
                connection.link.close()

    def _look_after(self, connection: Connection, began_ns: int, rotate_ns: int) -> None:
        now_ns = self._clock.monotonic_ns()
        connection.probe(now_ns, int(self._silent_after_s * NS_PER_S), int(self._patience_s * NS_PER_S))
        is_old = now_ns > rotate_ns or self._session.shutdown_announced
        if self._session.is_dead:
            connection.lose(self._session.failure)
        elif is_old and self._session.quiet_ns() <= 0:
            # the account is reconciled after a reconnect, so a planned one between frames loses nothing; inside a wait that
            # the venue asked for there would be no other until it is over, and nobody would hear of our fills
            connection.lose("replaced before the venue ends it")
        elif now_ns - began_ns > self._proven_after_s * NS_PER_S:
            self._policy.reset()
