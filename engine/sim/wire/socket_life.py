"""What every WebSocket session lives by: server pings, the pong time-out, the age limit, delivery and accounting."""

from __future__ import annotations

from abc import ABC, abstractmethod

from engine.sim.wire.link import CLOSE_GOING_AWAY, CLOSE_POLICY, FrameLink
from engine.sim.wire.shell import VenueShell

SECOND_NS = 1_000_000_000


class SocketLife(ABC):
    """One WebSocket connection's life; the subclasses speak its protocol."""

    kind = ""
    frame_kind = 0

    def __init__(self, shell: VenueShell, link: FrameLink, unit_ns: int, now_ns: int) -> None:
        self.shell = shell
        self.link = link
        self.unit_ns = unit_ns
        self.opened_ns = now_ns
        self.is_open = True
        self.number = shell.open(self)
        self._ping_interval_ns, self._pong_timeout_ns = (seconds * SECOND_NS for seconds in self._ping_seconds())
        self._next_ping_ns = now_ns + self._ping_interval_ns
        self._unanswered_since_ns = 0

    def _ping_seconds(self) -> tuple[int, int]:
        """How often the server pings, and how long it waits for a pong."""
        return self.shell.wire.ping_interval_s, self.shell.wire.pong_timeout_s

    # --- inbound ---

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
        """Send one text frame and account for it."""
        if self.is_open:
            self.link.send_text(frame)
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
        if now_ns - self.opened_ns >= wire.session_cap_s * SECOND_NS:
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

    @abstractmethod
    def on_key_revoked(self, api_key: str, now_ns: int, /) -> None:
        """React to a key that was revoked."""

    @abstractmethod
    def shut_down(self, now_ns: int, /) -> None:
        """Tell the client that the server stops."""
