"""The venue's shell state: the core, who may call it, what is limited and who listens. No sockets, no clock.

A turn is: ``begin(now_ns)`` (run the market up to now and publish), handle what arrived, ``finish()`` (publish what
that caused). ``now_ns`` is Unix time in nanoseconds, given by whoever owns the clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Protocol

from engine.sim.api import Venue
from engine.sim.usdm.api import UsdmVenue
from engine.sim.wire.config import WireConfig
from engine.sim.wire.faults import Faults
from engine.sim.wire.frame_log import FrameLog
from engine.sim.wire.limits import AddressLimits, Limits, LimitsConfig
from engine.sim.wire.publisher import SECOND_NS, Publisher
from engine.sim.wire.signing import KeyRing
from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig
from engine.sim.wire.usdm.side import UsdmSide


class Session(Protocol):
    """One connection, as the shell sees it."""

    kind: str

    def on_second(self, now_ns: int, /) -> None:
        """Do what is due about once a second (pings, time-outs, the age limit)."""

    def shut_down(self, now_ns: int, /) -> None:
        """Tell the client that the server stops."""

    def force_close(self, abrupt: bool, /) -> None:
        """Disconnect on request of a test."""

    def on_key_revoked(self, api_key: str, now_ns: int, /) -> None:
        """React to a key that was revoked."""

    def end_user_stream(self, now_ns: int, /) -> int:
        """End the connection's user data and not the connection; returns how many streams that were."""


class VenueShell:
    """Everything that sessions share."""

    def __init__(
        self,
        core: Venue,
        wire: WireConfig,
        limits: LimitsConfig,
        start_ns: int,
        frame_log: FrameLog | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.usdm: UsdmSide | None = None
        self.core = core
        self.wire = wire
        self.limits = Limits(limits)
        self.keys = KeyRing(core.key)
        self.faults = Faults() if faults is None else faults
        self.now_ns = start_ns
        self.frame_log = frame_log if frame_log is not None else FrameLog(None)
        self.publisher = Publisher(core, wire, self.faults, start_ns)
        self.publisher.on_first_fill = lambda account_id, at_ns: self.limits.account(account_id).first_fill(at_ns)
        self.sessions: dict[Session, int] = {}
        self.requests = 0
        self.orders = 0
        self.connections = 0
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._timer_number = 0
        self._next_second_ns = start_ns
        # who is told of own events before anybody else hears of them
        self.before_publish: Callable[[Sequence[object]], None] | None = None

    def add_usdm(self, core: UsdmVenue, limits: UsdmLimitsConfig, wire: UsdmWireConfig, start_ns: int) -> UsdmSide:
        """Let the venue trade USD-M futures too, with the accounts and keys of spot."""
        self.usdm = UsdmSide(core, limits, wire, self.limits, self.faults, start_ns)
        return self.usdm

    # --- time ---

    def server_us(self, now_ns: int) -> int:
        """The venue's own idea of the time in microseconds, which a test may have shifted."""
        return now_ns // 1_000 + self.faults.clock_offset_ms * 1_000

    def begin(self, now_ns: int) -> None:
        """Run the market, the timed streams and what was postponed up to ``now_ns``."""
        self.now_ns = now_ns
        if now_ns >= self.faults.next_end_ns:
            self.faults.advance(now_ns)
        self.core.advance(now_ns)
        if self.usdm is not None:
            self.usdm.core.advance(now_ns)
        self.finish()
        self.publisher.tick(now_ns)
        if self.usdm is not None:
            self.usdm.tick(now_ns)
        while self._timers and self._timers[0][0] <= now_ns:
            heapq.heappop(self._timers)[2]()
        if now_ns >= self._next_second_ns:
            self._next_second_ns = now_ns + SECOND_NS
            for session in tuple(self.sessions):
                session.on_second(now_ns)

    def finish(self) -> None:
        """Publish every event that the core has ready."""
        events = self.core.drain()
        if events and self.before_publish is not None:
            self.before_publish(events)
        if events:
            self.publisher.publish(events)
        if self.usdm is not None:
            self.usdm.publish(self.before_publish)

    def next_wake_ns(self) -> int:
        """When ``begin`` should be called next at the latest (Unix ns)."""
        due = min(self.core.next_wake_ns(), self.publisher.next_timer_ns(), self._next_second_ns)
        if self.usdm is not None:
            due = min(due, self.usdm.next_wake_ns())
        return min(due, self._timers[0][0]) if self._timers else due

    def obey_market(self, _line: bytes) -> dict[str, object] | None:
        """Obey a command of the test port that is the market's own; None where it is not."""
        return None

    def later(self, at_ns: int, call: Callable[[], None]) -> None:
        """Call back in the first turn at or after ``at_ns``."""
        self._timer_number += 1
        heapq.heappush(self._timers, (at_ns, self._timer_number, call))

    # --- connections ---

    def open(self, session: Session) -> int:
        """Register a connection; returns its number (from 1)."""
        self.connections += 1
        self.sessions[session] = self.connections
        return self.connections

    def closed(self, session: Session) -> None:
        """Forget a connection."""
        self.sessions.pop(session, None)

    def symbols(self) -> frozenset[str]:
        """Every symbol that is traded, on spot or USD-M."""
        return self.publisher.symbols | frozenset(() if self.usdm is None else self.usdm.digits)

    def addresses(self, address: str) -> list[AddressLimits]:
        """What a client's address has used, on each interface."""
        spot: list[AddressLimits] = [self.limits.address(address)]
        return spot if self.usdm is None else [*spot, self.usdm.limits.address(address)]

    def disconnect(self, kind: str, abrupt: bool) -> int:
        """Close every connection of ``kind`` ("stream", "user", "ws-api", "rest" or "all"); returns how many."""
        chosen = [session for session in self.sessions if kind in ("all", session.kind)]
        for session in chosen:
            session.force_close(abrupt)
        return len(chosen)

    def shut_down(self, now_ns: int) -> None:
        """Send every WebSocket client the serverShutdown notice."""
        for session in tuple(self.sessions):
            session.shut_down(now_ns)

    def revoke(self, api_key: str, now_ns: int) -> None:
        """Stop accepting a key and end the sessions that logged on with it."""
        self.keys.revoke(api_key)
        for session in tuple(self.sessions):
            session.on_key_revoked(api_key, now_ns)

    def reply_at_ns(self, now_ns: int, is_order: bool) -> int:
        """When a reply made now may leave: later than now while a test delays replies."""
        return now_ns + self.faults.reply_delay_ns(is_order)

    def end_user_streams(self, now_ns: int) -> int:
        """End every user data stream without a drop; returns how many."""
        return sum(session.end_user_stream(now_ns) for session in tuple(self.sessions))

    def charge(self, address: AddressLimits, kind: str, weight: int, now_ns: int) -> None:
        """Count one request of an interface ("rest", "ws-api"); refuses 429 and 418, also those that a test asked for."""
        forced = self.faults.take_limited(kind) if address.may_come(now_ns) else None
        if forced is not None:
            address.quiet(forced.status, now_ns + forced.retry_after_s * SECOND_NS)
        address.charge(weight, now_ns)
