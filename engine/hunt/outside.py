"""What surrounds the hunted engine - the venue, its doors, the machine's clock - and what a schedule does to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from engine.hunt.life import Life
from engine.runtime.clock import Clock
from engine.sim.wire.shell import VenueShell

NS_PER_S = 1_000_000_000


class Outside:
    """A base of the hunt: everything but the engine. `life` is the engine that lives, None while there is none."""

    clock: Clock
    shell: VenueShell
    life: Life | None
    counts: Counter[str]
    clock_offset_ns: int
    stalled_until_ns: int
    _refused: dict[str, int]
    _wall_offset_ns: int
    _flawed_until_ns: dict[str, int]

    @property
    def now_ns(self) -> int:
        """Monotonic."""
        return int(self.clock.monotonic_ns())

    @property
    def venue_ns(self) -> int:
        """The venue's Unix time."""
        return self.now_ns + self._wall_offset_ns

    def refuses_all(self) -> bool:
        """Does the venue take no connection of any kind."""
        return self._refused.get("all", 0) > self.now_ns

    def is_troubled(self) -> bool:
        """Is a fault of the venue or the way armed, or has the engine just slept."""
        faults = self.shell.faults
        armed = faults.status(self.shell.now_ns)["armed"]
        stalled = self.now_ns - self.stalled_until_ns < 2 * NS_PER_S
        return bool(armed) or stalled or any(until > self.now_ns for until in self._refused.values())

    def flawed(self, symbol: str) -> bool:
        """Does the venue show this symbol's book otherwise than it is."""
        return self._flawed_until_ns.get(symbol, 0) > self.now_ns

    def flaw(self, symbol: str, seconds: float) -> None:
        """From now on the venue shows a book otherwise than it is, for so long."""
        self._flawed_until_ns[symbol] = self.now_ns + int(seconds * NS_PER_S)

    def at_venue(self, action: Callable[[VenueShell, int], object]) -> None:
        """Act on the venue in a turn of its own."""
        life = self.life
        if life is None:
            self.shell.begin(self.venue_ns)
            action(self.shell, self.venue_ns)
            self.shell.finish()
        elif life.loop.is_running():
            life.host.turn(lambda now_ns: action(self.shell, now_ns))
        else:
            with life.loop._running():
                life.host.turn(lambda now_ns: action(self.shell, now_ns))

    def refuse(self, kind: str, seconds: float) -> None:
        """No new connection of a kind (ws, rest, all) for a while."""
        self._refused[kind] = self.now_ns + int(seconds * NS_PER_S)

    def _refuses(self, interface: str) -> bool:
        kinds = ("all", "rest") if interface == "rest" else ("all", "ws")
        return any(self._refused.get(kind, 0) > self.now_ns for kind in kinds)

    def step_clock(self, delta_ns: int) -> None:
        """Set the engine's wall clock."""
        self.counts["wall clock set by an hour"] += abs(delta_ns) >= 3_600 * NS_PER_S
        self.clock_offset_ns += delta_ns
        self.clock.step_wall(delta_ns)

    def stalled(self, milliseconds: int) -> None:
        """The engine has just slept through some time."""
        self.stalled_until_ns = self.now_ns
        self.counts["engine stalled"] += milliseconds > 1_000
