"""What a socket-free session needs of its connection, and what it counts there."""

from __future__ import annotations

from typing import Protocol

CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_POLICY = 1008


class FrameLink(Protocol):
    """The way out of a WebSocket session. Sending on a closed link does nothing."""

    def send_text(self, payload: bytes) -> None:
        """Send one text frame."""

    def send_texts(self, payloads: list[bytes]) -> None:
        """Send text frames, all in one piece."""

    def send_binary(self, payload: bytes) -> None:
        """Send one binary frame (only a fault does)."""

    def send_ping(self, payload: bytes) -> None:
        """Send a ping."""

    def send_pong(self, payload: bytes) -> None:
        """Send a pong."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and disconnect."""

    def abort(self) -> None:
        """Break the connection without a close frame."""

    def buffered_bytes(self) -> int:
        """How much was sent that the client has not read yet."""


class ByteLink(Protocol):
    """The way out of an HTTP session."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Close after what was written has left."""
