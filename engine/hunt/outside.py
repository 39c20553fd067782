"""What surrounds the hunted engine - the venue, its doors, the machine's clock - and what a schedule does to it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from engine.config import LoadedConfig
from engine.hunt.life import HuntWorld, Life
from engine.hunt.place import OURS
from engine.quiet_time import QuietTime
from engine.runtime.clock import Clock
from engine.runtime.disk import Disk
from engine.sim.wire.shell import VenueShell

NS_PER_S = 1_000_000_000


class Outside:
    """A base of the hunt: everything but the engine. `life` is the engine that lives, None while there is none."""

    loaded: LoadedConfig
    clock: Clock
    shell: VenueShell
    life: Life | None
    counts: Counter[str]
    clock_offset_ns: int
    stalled_until_ns: int
    quiet_until_ns: int
    boot: int
    _down_until_ns: int
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

    def open_at_venue(self) -> set[str]:
        """Client order ids of our orders that rest at the venue now."""
        if self.shell.usdm is None:
            return {order.client_order_id for order in self.shell.core.open_orders(OURS)}
        core = self.shell.usdm.core
        waiting = {algo.client_algo_id for algo in core.open_algo_orders(OURS)}
        return waiting | {order.client_order_id for order in core.open_orders(OURS)}

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
        self.counts["wall clock set back"] += delta_ns < -NS_PER_S
        self.clock_offset_ns += delta_ns
        self.clock.step_wall(delta_ns)

    def stalled(self, milliseconds: int) -> None:
        """The engine has just slept through some time."""
        self.stalled_until_ns = self.now_ns
        self.counts["engine stalled"] += milliseconds > 1_000

    def _quiet_time(self) -> QuietTime:
        """The file in which a venue's wish for quiet outlives a process, on this boot of the machine."""
        machine = HuntWorld(self.clock, Disk(), 0, random.Random(0), None, is_virtual=True, boot=self.boot)
        return QuietTime(self.loaded.runtime_dir, machine)

    def _keep_quiet_time(self, life: Life) -> None:
        """As `engine.daemon` does at its end, if it was not killed."""
        access = vars(life).get("_access")
        if access is not None and not life.is_dead:
            left_ns = access.rest.quiet_left_ns()
            self._quiet_time().note(left_ns)
            self.quiet_until_ns = self.now_ns + left_ns

    def _sits_out(self) -> bool:
        """As `engine.daemon` does before it opens anything: wait until the venue takes requests again."""
        left_ns = self._quiet_time().left_ns()
        self._down_until_ns = max(self._down_until_ns, self.now_ns + left_ns)
        self.counts["quiet time sat out"] += left_ns > 0
        return left_ns > 0
