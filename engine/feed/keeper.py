"""Keeps one venue's market connection: connects, subscribes, rotates before the venue ends it, and serves resynchronisation.

The keeper knows neither the venue's protocol nor the book: sessions come from a factory, snapshots from a callable, wishes for them
from whoever has `take_resyncs`. Everything that the engine must know goes through the session into the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from engine.model.codes import Counter, SessionState
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.net import Connection, NetError, ReconnectPolicy

NS_PER_S = 1_000_000_000
SESSION_IDS = 32


class MarketSession(Protocol):
    """What the keeper needs of a session beside being a `Session`."""

    state: int
    link: Any
    wants_rotation: bool

    def subscriptions(self) -> list[bytes]: ...
    def put_snapshot(self, instrument_id: int, body: bytes) -> bool: ...
    def settle(self) -> bool: ...


class Books(Protocol):
    """Who says which books want a snapshot."""

    def take_resyncs(self) -> list[int]: ...


class Net(Protocol):
    """The part of the World's network that is used."""

    async def connect_websocket(
        self, session: Any, pipeline: Pipeline, clock: Clock, url: str, **options: Any
    ) -> Connection: ...


@dataclass(frozen=True)
class KeeperSettings:
    """Times of the keeper. After `silent_after_s` without a frame a ping is sent; `patience_s` after it the connection is dead."""

    poll_s: float = 0.02
    silent_after_s: float = 2.0
    patience_s: float = 3.0
    ready_within_s: float = 10.0
    message_interval_s: float = 0.25
    proven_after_s: float = 10.0
    resync_base_s: float = 0.05
    resync_cap_s: float = 1.0


@dataclass
class _Wish:
    """A book that wants a snapshot: when it may be asked for, and how often it was in a row."""

    attempts: int = 0
    not_before_s: float = 0.0
    is_wanted: bool = False
    is_running: bool = False


@dataclass
class _Live:
    session: Any
    connection: Connection
    since_s: float
    rotate_at_s: float
    is_leaving: bool = False


class MarketKeeper:
    """One venue's market connection. `run` until cancelled; `errors` counts failed attempts, `last_error` says why."""

    def __init__(
        self,
        *,
        net: Net,
        clock: Clock,
        counters: Counters,
        pipeline: Pipeline,
        books: Books,
        policy: ReconnectPolicy,
        url: str,
        make_session: Callable[[int], Any],
        fetch_snapshot: Callable[[int], Awaitable[bytes]],
        connect_options: dict[str, Any] | None = None,
        settings: KeeperSettings | None = None,
        first_session_id: int = 1,
    ) -> None:
        self._net = net
        self._clock = clock
        self._counters = counters
        self._pipeline = pipeline
        self._books = books
        self._policy = policy
        self._url = url
        self._make_session = make_session
        self._fetch_snapshot = fetch_snapshot
        self._connect_options = dict(connect_options or {})
        self._settings = settings or KeeperSettings()
        self._first_session_id = first_session_id
        self._sessions_made = 0
        self._live: _Live | None = None
        self._unsettled: list[Any] = []
        self._wishes: dict[int, _Wish] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.errors = 0
        self.last_error = ""
        self.snapshots = 0

    @property
    def session(self) -> Any | None:
        """The session of the connection that stands, or None."""
        return self._live.session if self._live else None

    async def run(self) -> None:
        """Keep the connection until cancelled; then close it in order."""
        resyncs = asyncio.create_task(self._serve_resyncs())
        try:
            while True:
                await self._keep_one()
                await asyncio.sleep(self._policy.next_delay_s())
                self._counters.add(Counter.RECONNECTS)
        finally:
            for task in (resyncs, *self._tasks):
                task.cancel()
            await asyncio.gather(resyncs, *self._tasks, return_exceptions=True)
            if self._live is not None:
                self._live.connection.link.close()
                self._live = None

    async def _keep_one(self) -> None:
        """One connection, and those that take over from it, until one is lost."""
        try:
            self._live = await self._open()
            while self._live is not None:
                await self._watch(self._live)
        except (NetError, TimeoutError) as error:
            self.errors += 1
            self.last_error = str(error)
        finally:
            if self._live is not None:
                self._live.connection.lose("replaced after an error")
            self._live = None

    async def _open(self) -> _Live:
        """Connect, subscribe, and wait until every subscription is acknowledged."""
        session = self._make_session(self._first_session_id + self._sessions_made % SESSION_IDS)
        self._sessions_made += 1
        connection = await self._net.connect_websocket(
            session, self._pipeline, self._clock, self._url, **self._connect_options
        )
        now_s = self._now_s()
        try:
            async with asyncio.timeout(self._settings.ready_within_s):
                await self._subscribe(session, connection)
        except TimeoutError:
            connection.lose("subscriptions not acknowledged")
            raise NetError(f"{self._url}: subscriptions were not acknowledged in time") from None
        except BaseException:
            connection.lose("given up while subscribing")
            raise
        return _Live(session, connection, now_s, now_s + self._policy.rotate_after_s())

    async def _subscribe(self, session: Any, connection: Connection) -> None:
        for message in session.subscriptions():
            if not connection.link.send_bytes(message):
                raise NetError(f"{self._url}: the connection was lost while subscribing")
            await asyncio.sleep(self._settings.message_interval_s)
        while session.state != SessionState.READY:
            if connection.closed.done():
                raise NetError(f"{self._url}: {connection.closed.result()}")
            await asyncio.sleep(self._settings.poll_s)

    async def _watch(self, live: _Live) -> None:
        """Look after a live connection for one poll: its end, its silence, its age."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.poll_s):
                reason = await asyncio.shield(live.connection.closed)
                self.last_error = reason
                self._unsettled.append(live.session)
                self._live = None
                return
        now_s = self._now_s()
        silent_ns, patience_ns = self._settings.silent_after_s * NS_PER_S, self._settings.patience_s * NS_PER_S
        live.connection.probe(self._clock.monotonic_ns(), int(silent_ns), int(patience_ns))
        if now_s - live.since_s > self._settings.proven_after_s:
            self._policy.reset()
        if live.session.wants_rotation and not live.is_leaving:
            live.is_leaving, live.rotate_at_s = True, now_s
        if now_s >= live.rotate_at_s and not live.connection.closed.done():
            await self._rotate(live)

    async def _rotate(self, old: _Live) -> None:
        """Make before break: the old connection goes when the new one is subscribed. Where that fails, the old one stays."""
        try:
            self._live = await self._open()
        except NetError as error:
            self.errors += 1
            self.last_error = str(error)
            old.rotate_at_s = self._now_s() + self._policy.cap_s
            return
        old.connection.link.close()
        self._unsettled.append(old.session)

    async def _serve_resyncs(self) -> None:
        """Fetch snapshots for books that want one, each with its own back-off."""
        while True:
            self._settle_lost()
            for instrument_id in self._books.take_resyncs():
                self._wishes.setdefault(instrument_id, _Wish()).is_wanted = True
            self._start_due(self._wishes.items())
            await asyncio.sleep(self._settings.poll_s)

    def _settle_lost(self) -> None:
        if self._unsettled:
            self._unsettled = [session for session in self._unsettled if not session.settle()]
            self._pipeline.run_to_completion()

    def _start_due(self, wishes: Iterable[tuple[int, _Wish]]) -> None:
        now_s = self._now_s()
        if self._live is None:
            return
        for instrument_id, wish in wishes:
            if not wish.is_wanted or wish.is_running or now_s < wish.not_before_s:
                continue
            if now_s - wish.not_before_s > self._settings.proven_after_s:
                wish.attempts = 0
            delay_s = min(self._settings.resync_cap_s, self._settings.resync_base_s * 2.0**wish.attempts)
            wish.attempts = min(wish.attempts + 1, 16)
            wish.not_before_s = now_s + delay_s
            wish.is_wanted, wish.is_running = False, True
            task = asyncio.create_task(self._resync(instrument_id, wish))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _resync(self, instrument_id: int, wish: _Wish) -> None:
        try:
            body = await self._fetch_snapshot(instrument_id)
            session = self.session
            wish.is_wanted = session is None or not session.put_snapshot(instrument_id, body)
            self.snapshots += 1
            self._pipeline.run_to_completion()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever stops a fetch (network, the venue's refusal), the wish stays
            self.errors += 1
            self.last_error = f"snapshot of instrument {instrument_id}: {error}"
            wish.is_wanted = True
        finally:
            wish.is_running = False

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S


__all__ = ["KeeperSettings", "MarketKeeper"]
