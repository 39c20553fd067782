"""A connection's way between session and socket: latency, loss, silence and damage, the order of messages kept.

Without an armed fault a message passes straight through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engine.sim.wire.faults import FROM_VENUE, Faults
from engine.sim.wire.link import FrameLink


class Timeline(Protocol):
    """The shell, as a lane needs it."""

    faults: Faults
    now_ns: int

    def later(self, at_ns: int, call: Callable[[], None]) -> None:
        """Call back in the first turn at or after ``at_ns`` (Unix)."""


class Lane:
    """One connection's messages in one direction. ``falls_silent``: one that is lost takes all later ones with it (HTTP)."""

    __slots__ = ("_falls_silent", "_free_ns", "_is_silent", "_kind", "_number", "_time", "_way", "waiting")

    def __init__(self, time: Timeline, kind: str, number: int, way: str, falls_silent: bool = False) -> None:
        self._time = time
        self._kind = kind
        self._number = number
        self._way = way
        self._falls_silent = falls_silent
        self._is_silent = False
        self._free_ns = 0
        self.waiting = 0

    def carry(self, hand_over: Callable[[], None], not_before_ns: int = 0) -> None:
        """Hand the message over, now or later, or lose it."""
        faults, now_ns = self._time.faults, self._time.now_ns
        if self._is_silent or (faults.on_links and self._loses(faults)):
            return
        latency_ns = faults.latency_ns(self._kind, self._way) if faults.on_links else 0
        at_ns = max(now_ns + latency_ns, not_before_ns, self._free_ns if self.waiting else 0)
        if at_ns <= now_ns and not self.waiting:
            hand_over()
            return
        self._free_ns = at_ns
        self.waiting += 1
        self._time.later(at_ns, lambda: self._arrived(hand_over))

    def _loses(self, faults: Faults) -> bool:
        if faults.is_half_open(self._kind, self._number):
            return True
        lost = faults.drops(self._kind, self._way)
        self._is_silent = lost and self._falls_silent
        return lost

    def _arrived(self, hand_over: Callable[[], None]) -> None:
        self.waiting -= 1
        hand_over()


class FaultyLink:
    """A frame link behind a lane. ``account`` is told of every data frame that really leaves."""

    __slots__ = ("_account", "_faults", "_kind", "_lane", "_link")

    def __init__(
        self, link: FrameLink, time: Timeline, kind: str, number: int, account: Callable[[bytes], None]
    ) -> None:
        self._link = link
        self._faults = time.faults
        self._kind = kind
        self._account = account
        self._lane = Lane(time, kind, number, FROM_VENUE)

    def send_text(self, payload: bytes, target: str = "") -> None:
        """Send one text frame; ``target`` says what it is where the connection's kind does not."""
        if not (self._faults.on_links or self._lane.waiting):
            self._pass(payload, False)
            return
        frame, is_binary = self._faults.damage(payload, target or self._kind)
        self._lane.carry(lambda: self._pass(frame, is_binary))

    def send_texts(self, payloads: list[bytes]) -> None:
        """Send text frames, in one piece when none can be hindered."""
        if self._faults.on_links or self._lane.waiting:
            for payload in payloads:
                self.send_text(payload)
            return
        self._link.send_texts(payloads)
        for payload in payloads:
            self._account(payload)

    def _pass(self, frame: bytes, is_binary: bool) -> None:
        if is_binary:
            self._link.send_binary(frame)
        else:
            self._link.send_text(frame)
        self._account(frame)

    def send_ping(self, payload: bytes) -> None:
        """Send a ping."""
        self._lane.carry(lambda: self._link.send_ping(payload))

    def send_pong(self, payload: bytes) -> None:
        """Send a pong."""
        self._lane.carry(lambda: self._link.send_pong(payload))

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and disconnect, behind what is under way."""
        self._lane.carry(lambda: self._link.close(code, reason))

    def abort(self) -> None:
        """Break the connection at once."""
        self._link.abort()

    def buffered_bytes(self) -> int:
        """How much was sent that the client has not read yet."""
        return self._link.buffered_bytes()
