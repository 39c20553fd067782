"""What every WebSocket session lives by: server pings, the pong time-out, the age limit, delivery and accounting."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from engine.sim.wire import fault_commands
from engine.sim.wire.faults import TO_VENUE
from engine.sim.wire.link import CLOSE_GOING_AWAY, CLOSE_POLICY, FrameLink
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.transit import FaultyLink, Lane

SECOND_NS = 1_000_000_000
HELD_EVENT_NS = 300_000_000


class SocketLife(ABC):
    """One WebSocket connection's life; the subclasses speak its protocol."""

    kind = ""
    frame_kind = 0

    def __init__(self, shell: VenueShell, link: FrameLink, unit_ns: int, now_ns: int) -> None:
        self.shell = shell
        self.unit_ns = unit_ns
        self.opened_ns = now_ns
        self.is_open = True
        self.number = shell.open(self)
        self.link = FaultyLink(link, shell, self.kind, self.number, self._account)
        self._arrivals = Lane(shell, self.kind, self.number, TO_VENUE)
        self._held_event = b""
        self._ping_interval_ns, self._pong_timeout_ns = (seconds * SECOND_NS for seconds in self._ping_seconds())
        self._next_ping_ns = now_ns + self._ping_interval_ns
        self._unanswered_since_ns = 0

    def _ping_seconds(self) -> tuple[int, int]:
        """How often the server pings, and how long it waits for a pong."""
        return self.shell.wire.ping_interval_s, self.shell.wire.pong_timeout_s

    # --- inbound ---

    def arrive(self, handle: Callable[[int], None]) -> None:
        """Let ``handle(now_ns)`` take what was received, when it is there: a fault may delay or lose it."""
        if self.shell.faults.on_links or self._arrivals.waiting:
            self._arrivals.carry(lambda: self._taken(handle))
        else:
            handle(self.shell.now_ns)

    def _taken(self, handle: Callable[[int], None]) -> None:
        if self.is_open:
            handle(self.shell.now_ns)
            self.shell.finish()

    @abstractmethod
    def on_text(self, data: bytes, now_ns: int) -> None:
        """Take one text frame."""

    def on_ping(self, payload: bytes, _now_ns: int, /) -> None:
        """Answer a client's ping."""
        if self.is_open:
            self.link.send_pong(payload)

    def on_pong(self, _now_ns: int, /) -> None:
        """A pong, asked for or not, shows that the client lives."""
        self._unanswered_since_ns = 0

    def on_closed(self) -> None:
        """The connection is gone."""
        self.is_open = False
        self.shell.closed(self)

    # --- outbound ---

    def deliver(self, frame: bytes) -> None:
        """Send one text frame; it is accounted for when it leaves."""
        if self.is_open:
            self.link.send_text(frame)

    def deliver_all(self, frames: list[bytes]) -> None:
        """Send text frames in their order, in one piece where nothing hinders."""
        if self.is_open:
            self.link.send_texts(frames)

    def deliver_event(self, frame: bytes) -> None:
        """Send one user data event, which a fault may lose, double, or let the next one overtake."""
        faults = self.shell.faults
        if not (faults.on_user_events or self._held_event):
            self._send_event(frame)
            return
        if faults.strike(fault_commands.MuteUserEvents) is not None:
            return
        if not self._held_event and faults.strike(fault_commands.ReorderUserEvents) is not None:
            self._held_event = frame
            self.shell.later(self.shell.now_ns + HELD_EVENT_NS, self._release_event)
            return
        self._send_event(frame)
        if faults.strike(fault_commands.DuplicateUserEvents) is not None:
            self._send_event(frame)
        self._release_event()

    def _release_event(self) -> None:
        held, self._held_event = self._held_event, b""
        if held:
            self._send_event(held)

    def _send_event(self, frame: bytes) -> None:
        if self.is_open:
            self.link.send_text(frame, "user")

    def _account(self, frame: bytes) -> None:
        self.shell.frame_log.add(self.number, self.frame_kind, frame)

    def end(self, code: int, reason: str) -> None:
        """Close with a close frame; nothing is sent afterwards."""
        if self.is_open:
            self.is_open = False
            self.link.close(code, reason)

    # --- the shell's calls ---

    def on_second(self, now_ns: int, /) -> None:
        """Ping in time; drop a client that answers none for long or does not read, and any after 24 h."""
        wire = self.shell.wire
        if self.link.buffered_bytes() > wire.write_buffer_bytes_max:
            self.force_close(True)
            return
        if now_ns - self.opened_ns >= self.shell.faults.session_cap_ns(self.kind, wire.session_cap_s):
            self.end(CLOSE_GOING_AWAY, "connection is older than the limit")
            return
        if self._unanswered_since_ns and now_ns - self._unanswered_since_ns >= self._pong_timeout_ns:
            self.end(CLOSE_POLICY, "Pong timeout")
            return
        if now_ns >= self._next_ping_ns and self.is_open:
            self._next_ping_ns = now_ns + self._ping_interval_ns
            self._unanswered_since_ns = self._unanswered_since_ns or now_ns
            self.link.send_ping(str(now_ns // 1_000_000).encode())

    def force_close(self, abrupt: bool, /) -> None:
        """Disconnect on request of a test."""
        if not abrupt:
            self.end(CLOSE_GOING_AWAY, "disconnected by the server")
        elif self.is_open:
            self.is_open = False
            self.link.abort()

    def end_user_stream(self, _now_ns: int, /) -> int:
        """End what the connection has of user data, and not the connection; returns how many streams that were."""
        return 0

    @abstractmethod
    def on_key_revoked(self, api_key: str, now_ns: int, /) -> None:
        """React to a key that was revoked."""

    @abstractmethod
    def shut_down(self, now_ns: int, /) -> None:
        """Tell the client that the server stops."""
