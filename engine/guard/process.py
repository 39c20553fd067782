"""The guard's life: watch the engine, keep a warm session at each venue, cancel when it must, say what it did.

It cancels on a kill (its own control socket takes the same messages as the engine's), when the engine's process is gone without
an orderly stop, and when its heartbeat stands still. Nothing in this package can send an order.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from engine.guard.kills import KillOrder, Kills, KillsUnreadable
from engine.guard.notifier import NotifierAlarm
from engine.guard.relay import KillRelay
from engine.guard.sweep import Note, Progress, Sweep
from engine.guard.watch import EngineWatch, Look, Sight
from engine.runtime.clock import Clock
from engine.runtime.net import NetError
from engine.runtime.service import Supervisor
from engine.venues.binance.rest_cancel import CancelRefused, RestCancel

NS_PER_MS = 1_000_000
POLLS_PER_HEARTBEAT = 10
POLL_S_MAX = 0.02
RELAY_INTERVAL_S = 0.5
KILLED_SWEEP_INTERVAL_S = 1.0


class KeyRefused(Exception):
    """A venue does not let the guard's key cancel: no repeating mends that (exit code 77)."""


@dataclass
class GuardedVenue:
    """One venue: its name, what is traded there, how to cancel it.

    `second_look_s`: after so long a request that was under way is too old to be taken.
    """

    name: str
    symbols: tuple[str, ...]
    canceller: RestCancel
    second_look_s: float
    trouble: str = ""
    is_proven: bool = False


@dataclass
class _Sweeping:
    progress: Progress
    task: asyncio.Task[None]


class Guard:
    """Runs until `stop`. `note` writes the log: event name and facts."""

    def __init__(
        self,
        venues: list[GuardedVenue],
        watch: EngineWatch,
        kills: Kills,
        relay: KillRelay,
        supervisor: Supervisor,
        clock: Clock,
        note: Note,
        *,
        heartbeat_ms_max: int,
        keep_alive_s: float,
        notifier: NotifierAlarm | None = None,
    ) -> None:
        self.venues = venues
        self._notifier = notifier
        self.kills = kills
        self.look = Look(Sight.UNSEEN)
        self.last: list[Progress] = []
        self.sweeps = 0
        self._watch = watch
        self._relay = relay
        self._supervisor = supervisor
        self._clock = clock
        self._note = note
        self._poll_s = min(POLL_S_MAX, heartbeat_ms_max / 1000 / POLLS_PER_HEARTBEAT)
        self._keep_alive_s = keep_alive_s
        self._running: dict[str, _Sweeping] = {}
        self._acted_on: tuple[Sight, int] | None = None
        self._wake = asyncio.Event()
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_relay_ns = 0
        self._next_killed_sweep_ns = 0
        self._fault = ""
        self.fatal: BaseException | None = None

    # --- life ---

    async def run(self) -> None:
        """Until `stop`, or until a venue refuses the key (raises KeyRefused)."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        for venue in self.venues:
            self.start(self._keep_warm(venue))
        self._note("started", venues={venue.name: venue.symbols for venue in self.venues})
        self._supervisor.ready(self.state_text())
        try:
            while not self._stopped.is_set():
                self.turn()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            await self._end()
        if self.fatal is not None:
            raise self.fatal

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()
        self._wake.set()

    async def _end(self) -> None:
        self._supervisor.stopping("stopping")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._watch.close()
        self._note("stopped", unverified=[item.symbols for item in self.last if not item.is_verified])

    def start(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine beside the watch; its failure ends the guard, loudly."""
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_end)
        return task

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fatal = self.fatal or error
            self.stop()

    # --- the watch ---

    def turn(self) -> None:
        """One look at the engine, and what follows from it."""
        before, self.look = self.look, self._watch.look()
        if self.look.sight != before.sight or self.look.pid != before.pid:
            self._note("sight", sight=self.look.sight.name, pid=self.look.pid, heartbeat_age_ns=self.look.beat_age_ns)
        if self._watch.fault != self._fault:
            self._fault = self._watch.fault
            self._note("blind" if self._fault else "sees", error=self._fault)
        self._act_on_sight()
        self._hold_killed()
        if self._notifier is not None:
            self._notifier.look(self._note, self.start)
        self._supervisor.beat()
        self._supervisor.status(self.state_text())

    def _act_on_sight(self) -> None:
        """An engine that is lost is swept once for each way it was lost; one that lives again ends its sweeps' second looks."""
        if not self.look.sight.is_lost:
            self._acted_on = None
            return
        lost = (self.look.sight, self.look.pid)
        if lost != self._acted_on:
            self._acted_on = lost
            self.sweep(self.look.sight.value)

    def _hold_killed(self) -> None:
        """While a kill stands and the engine trades on, tell it again and cancel again."""
        if self.look.sight != Sight.ALIVE or self.look.is_halted or not self.is_killed_whole():
            # what was not heard must not reach the next engine after it was armed
            self._relay.close()
            return
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_relay_ns:
            self._next_relay_ns = now_ns + int(RELAY_INTERVAL_S * 1e9)
            self._relay.tell()
        if now_ns >= self._next_killed_sweep_ns and not self._running:
            self._next_killed_sweep_ns = now_ns + int(KILLED_SWEEP_INTERVAL_S * 1e9)
            self.sweep("a kill stands and the engine is not HALTED")

    # --- kills and sweeps ---

    def kill(self, order: KillOrder) -> None:
        """Cancel first, then note the kill so that it holds over restarts of whoever was killed."""
        self.sweep(f"killed: {order.reason}" if order.reason else "killed", [order.symbol] if order.symbol else None)
        self.kills.add(order)
        self._note("killed", symbol=order.symbol, uid=order.uid, reason=order.reason)
        self.start(self._sync_kills())

    async def _sync_kills(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.kills.sync)

    def arm(self, symbol: str, uid: int, reason: str) -> bool:
        """Forget a kill; was there one."""
        stood = self.kills.clear(symbol)
        self._note("armed", symbol=symbol, uid=uid, reason=reason, was_killed=stood)
        return stood

    def is_killed_whole(self) -> bool:
        """Does a kill of everything stand; a file that cannot be read is one."""
        try:
            return any(not item.symbol for item in self.kills.read())
        except KillsUnreadable:
            return True

    def sweep(self, cause: str, symbols: Iterable[str] | None = None) -> None:
        """Cancel everything of `symbols` (all) at every venue until nothing is open. A sweep under way gives way to a new one."""
        began_ns = self._clock.monotonic_ns()
        wanted = None if symbols is None else set(symbols)
        self.sweeps += 1
        self.last = []
        for venue in self.venues:
            chosen = tuple(symbol for symbol in venue.symbols if wanted is None or symbol in wanted)
            if not chosen:
                continue
            progress = Progress(cause, self._with_unfinished(venue, chosen), began_ns)
            self.last.append(progress)
            self._running[venue.name] = _Sweeping(progress, self.start(self._sweep_venue(venue, progress)))
        self._note("sweep", cause=cause, symbols=[item.symbols for item in self.last])

    def _with_unfinished(self, venue: GuardedVenue, chosen: tuple[str, ...]) -> tuple[str, ...]:
        """What a sweep under way has not finished is taken over by the new one.

        One that is finished still owes its second look, at its own time and for all of its symbols: it goes on by itself.
        """
        running = self._running.pop(venue.name, None)
        if running is None or running.progress.is_verified:
            return chosen
        running.task.cancel()
        return (*chosen, *(symbol for symbol in running.progress.symbols if symbol not in chosen))

    async def _sweep_venue(self, venue: GuardedVenue, progress: Progress) -> None:
        """Sweep; then, when no request that was under way can still be taken by the venue, look once more."""
        sweep = Sweep(venue.name, venue.canceller, self._clock, self._note)
        try:
            await sweep.run(progress)
            await asyncio.sleep(venue.second_look_s)
            if self.look.sight != Sight.ALIVE:
                again = Progress(f"second look: {progress.cause}", progress.symbols, self._clock.monotonic_ns())
                await sweep.run(again)
        finally:
            if (mine := self._running.get(venue.name)) is not None and mine.progress is progress:
                del self._running[venue.name]

    # --- the session ---

    async def _keep_warm(self, venue: GuardedVenue) -> None:
        """Connections that stand and a clock that is known, so that the first cancel leaves at once."""
        while True:
            try:
                if not venue.is_proven:
                    await venue.canceller.measure_time()
                    await venue.canceller.prove_rights(venue.symbols[0])
                    venue.is_proven = True
                    self._note("may_cancel", venue=venue.name, clock_offset_ns=venue.canceller.offset_ns)
                await venue.canceller.measure_time()
                self._tell_trouble(venue, "")
            except CancelRefused as refused:
                if refused.is_key:
                    raise KeyRefused(f"{venue.name} refuses the guard's key: {refused}") from None
                self._tell_trouble(venue, str(refused))
            except NetError as error:
                self._tell_trouble(venue, str(error))
            await asyncio.sleep(self._keep_alive_s)

    def _tell_trouble(self, venue: GuardedVenue, trouble: str) -> None:
        if trouble != venue.trouble:
            venue.trouble = trouble
            self._note("venue_unreachable" if trouble else "venue_reached", venue=venue.name, error=trouble)

    # --- what is told ---

    @property
    def is_sweeping(self) -> bool:
        """Is anything not verified yet."""
        return any(not item.progress.is_verified for item in self._running.values())

    def state_text(self) -> str:
        """For `systemctl status` and `ctl guard status`."""
        parts = [self.look.sight.value]
        if self.is_killed_whole():
            parts.append("killed until armed")
        if self.is_sweeping:
            parts.append("cancelling")
        parts += [f"{venue.name}: {venue.trouble}" for venue in self.venues if venue.trouble]
        return "; ".join(parts)
