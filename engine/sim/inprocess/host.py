"""Runs a venue's shell inside the process: gives it its turns by the World's clock, and wakes it when it has something to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.runtime.clock import Clock
from engine.sim.wire.shell import VenueShell

NS_PER_S = 1_000_000_000
# a loop under the system's clock is not asked to turn more often than this
TURN_NS_MIN = 100_000


class VenueHost:
    """One venue. `start` on the running loop; every message to the venue goes through `turn`."""

    def __init__(self, shell: VenueShell, clock: Clock, *, turn_ns_min: int = TURN_NS_MIN) -> None:
        self.shell = shell
        self._clock = clock
        # monotonic time set off to the wall clock of the start: a stepped wall clock does not move the market
        self._wall_offset_ns: int = clock.time_ns() - clock.monotonic_ns()
        self._turn_ns_min = turn_ns_min
        self._timer: asyncio.TimerHandle | None = None
        self._wake_ns = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def now_ns(self) -> int:
        """The venue's Unix time."""
        return self._clock.monotonic_ns() + self._wall_offset_ns

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the market begin."""
        self._loop = loop
        self._wake()

    def stop(self) -> None:
        """No more turns of its own."""
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()

    def begin_turn(self) -> int:
        """Run the market up to now; returns now (Unix ns)."""
        now_ns = self.now_ns()
        self.shell.begin(now_ns)
        return now_ns

    def turn(self, action: Callable[[int], object]) -> None:
        """One turn of the venue: the market up to now, `action(now_ns)`, and what both caused is published."""
        action(self.begin_turn())
        self.end_turn()

    def end_turn(self) -> None:
        """Publish, and wake earlier where what happened asks for it."""
        self.shell.finish()
        if self._loop is not None and self.shell.next_wake_ns() < self._wake_ns:
            self._schedule()

    def _wake(self) -> None:
        self.begin_turn()
        self.shell.finish()
        if self._loop is not None:
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        assert self._loop is not None
        now_ns = self.now_ns()
        self._wake_ns = max(min(self.shell.next_wake_ns(), now_ns + NS_PER_S), now_ns + self._turn_ns_min)
        self._timer = self._loop.call_later((self._wake_ns - now_ns) / NS_PER_S, self._wake)
