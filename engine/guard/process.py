"""The guard's life: watch the engine, keep a warm session at each venue, cancel when it must, say what it did.

It cancels on a kill (its own control socket takes the same messages as the engine's), when the engine's process is gone without
an orderly stop, and when its heartbeat stands still. Nothing in this package can send an order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from engine.control.messages import Kill
from engine.guard.hold import ScopedKills
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
# from an engine's ARM to the file without the kill, or to this guard
ARM_WAIT_NS = 1_000_000_000
# the engine changes the file of kills for a moment; first cancels wait for no more than this
KEEP_WAIT_S = 0.05
# whoever has not ended its turn by then was stopped in it: a kill is written without
KEEP_ALONE_NS = 1_000_000_000


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


@dataclass(eq=False)
class _Sweeping:
    venue: str
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
        scoped: ScopedKills | None = None,
    ) -> None:
        self.venues = venues
        self._notifier = notifier
        self.kills = kills
        self.look = Look(Sight.UNSEEN)
        self.last: list[Progress] = []
        self.sweeps = 0
        self._watch = watch
        self._relay = relay
        self._scoped = scoped
        self._supervisor = supervisor
        self._clock = clock
        self._note = note
        self._poll_s = min(POLL_S_MAX, heartbeat_ms_max / 1000 / POLLS_PER_HEARTBEAT)
        self._keep_alive_s = keep_alive_s
        self._running: list[_Sweeping] = []
        self._told_causes: set[str] = set()
        self._halted_pid = 0
        self._armed_until_ns = 0
        self._acted_on: tuple[Sight, int] | None = None
        self._wake = asyncio.Event()
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_relay_ns = 0
        self._next_killed_sweep_ns = 0
        self._next_scoped_sweep_ns = 0
        self._fault = ""
        self._unkept_since_ns = 0
        self.keeping_fault = ""
        self._told_faults: set[str] = set()
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
        if not self.kills.settle(KEEP_ALONE_NS / 1e9, may_go_alone=True):
            self._note("not_kept", error=self.kills.fault)
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
        self._keep()
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
        now_ns = self._clock.monotonic_ns()
        self._end_what_nothing_asks_for()
        if self._was_just_armed(now_ns):
            self._let_go()
            return
        is_killed_whole = self.is_killed_whole()
        self._hold_scoped(now_ns, is_killed_whole)
        if self.look.sight != Sight.ALIVE or self.look.is_halted or not is_killed_whole:
            # what was not heard must not reach the next engine after it was armed
            self._relay.close()
            return
        if now_ns >= self._next_relay_ns:
            self._next_relay_ns = now_ns + int(RELAY_INTERVAL_S * 1e9)
            self._relay.ask(Kill(reason=self._whole_kill().told_reason))
        if now_ns >= self._next_killed_sweep_ns:
            self._next_killed_sweep_ns = now_ns + int(KILLED_SWEEP_INTERVAL_S * 1e9)
            self.sweep("a kill stands and the engine is not HALTED", again=True)

    def _was_just_armed(self, now_ns: int) -> bool:
        """An engine that was HALTED and is not was armed by a person: that reaches the file, or this guard, a moment later."""
        if self.look.sight == Sight.ALIVE:
            if not self.look.is_halted and self._halted_pid == self.look.pid:
                self._armed_until_ns = now_ns + ARM_WAIT_NS
            self._halted_pid = self.look.pid if self.look.is_halted else 0
        return now_ns < self._armed_until_ns and self.look.sight == Sight.ALIVE

    def _let_go(self) -> None:
        """Tell nothing; what was not heard must not reach the engine after it was armed."""
        self._relay.close()
        if self._scoped is not None:
            self._scoped.let_go()

    def _hold_scoped(self, now_ns: int, is_killed_whole: bool = False) -> None:
        """Kills of parts are told; what the engine does not take within a second is cancelled again, as its venue bears it.

        Beside a kill of everything, whose repeats cancel them, too, they are only told.
        """
        if self._scoped is None:
            return
        unheard: list[KillOrder] = []
        if self.look.sight == Sight.ALIVE:
            with contextlib.suppress(KillsUnreadable):
                unheard = self._scoped.hold(self.look.pid, self.standing(), now_ns)
        else:
            self._scoped.let_go()
        # 0: the first look gives the engine its second, too
        if not unheard or is_killed_whole or self.look.is_halted or not self._next_scoped_sweep_ns:
            self._next_scoped_sweep_ns = now_ns + int(KILLED_SWEEP_INTERVAL_S * 1e9)
        elif now_ns >= self._next_scoped_sweep_ns:
            self._next_scoped_sweep_ns = now_ns + int(KILLED_SWEEP_INTERVAL_S * 1e9)
            parts = [self._part(kill) for kill in unheard]
            self.sweep("a kill stands that the engine has not taken", parts, again=True)

    def _part(self, kill: KillOrder) -> tuple[str, str]:
        """(line, symbol) to cancel: the next wider part where the configuration does not have it any more."""
        symbols = next((venue.symbols for venue in self.venues if venue.name == kill.venue), None)
        if symbols is None:
            return "", ""
        return kill.venue, kill.symbol if kill.symbol in symbols else ""

    def _end_what_nothing_asks_for(self) -> None:
        """Sweeps that are not clean end, symbol by symbol, where no kill stands any more and the engine looks after its orders.

        Whoever armed it: such a sweep would cancel the armed engine's orders on and on. That of a dead engine's orders ends clean.
        """
        if self.look.sight != Sight.ALIVE or not (self._told_causes or self._unfinished()):
            return
        try:
            parts = [self._part(kill) for kill in self.standing()]
        except KillsUnreadable:
            return
        if not parts:
            self._told_causes.clear()
        for item in self._unfinished():
            if item.progress.is_waiting and item.progress.cause != Sight.GONE.value:
                self._end_all_but(item, parts)

    def _end_all_but(self, item: _Sweeping, parts: list[tuple[str, str]]) -> None:
        named = {symbol for line, symbol in parts if line in ("", item.venue)}
        ended = [symbol for symbol in item.progress.symbols if not named & {symbol, ""}]
        if not ended:
            return
        self._note("sweep_ended", venue=item.venue, cause=item.progress.cause, symbols=ended)
        item.progress.leave_out(ended)
        if not item.progress.unclean:
            item.task.cancel()
            self._drop(item)

    # --- kills and sweeps ---

    def kill(self, *orders: KillOrder) -> None:
        """Cancel first, then note the kill so that it holds over restarts of whoever was killed. `orders`: its parts."""
        # in memory before anything that can fail
        self.kills.add(*orders)
        reason = orders[0].reason
        self.sweep(f"killed: {reason}" if reason else "killed", [(order.venue, order.symbol) for order in orders])
        if any(order.is_whole for order in orders):
            # the engine has its second to hear of it
            self._next_killed_sweep_ns = self._clock.monotonic_ns() + int(KILLED_SWEEP_INTERVAL_S * 1e9)
        for order in orders:
            self._note("killed", symbol=order.symbol, venue=order.venue, uid=order.uid, reason=order.reason)
        self._keep(KEEP_WAIT_S)

    def _keep(self, wait_s: float = 0.0) -> None:
        """Kills, and what an `arm` cleared, into the file. What it does not take stands in memory, and is tried each turn."""
        if self.kills.is_settled:
            return
        now_ns = self._clock.monotonic_ns()
        self._unkept_since_ns = self._unkept_since_ns or now_ns
        if not self.kills.settle(wait_s, may_go_alone=now_ns >= self._unkept_since_ns + KEEP_ALONE_NS):
            self.keeping_fault = self.kills.fault
            if self.keeping_fault not in self._told_faults:
                # causes change places at each try where both processes want a turn
                self._told_faults.add(self.keeping_fault)
                self._note("not_kept", error=self.keeping_fault)
            return
        self.keeping_fault, self._unkept_since_ns = "", 0
        self._told_faults.clear()
        self.kills.make_room()
        self.start(self._sync_kills())

    async def _sync_kills(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.kills.sync)
        except OSError as error:
            # the file stands, and this process holds it: a guard that ended for it would cancel nothing more
            self._note("not_kept", error=str(error))

    def arm(self, symbol: str, venue: str, uid: int, reason: str) -> bool:
        """Forget the kills in a scope; was there one."""
        stood = self.kills.clear(symbol, venue)
        self._note("armed", symbol=symbol, venue=venue, uid=uid, reason=reason, was_killed=stood)
        self._keep(KEEP_WAIT_S)
        return stood

    def is_killed_whole(self) -> bool:
        """Does a kill of everything stand; a file that cannot be read is one."""
        try:
            return any(item.is_whole for item in self.standing())
        except KillsUnreadable:
            return True

    def _whole_kill(self) -> KillOrder:
        """That of everything, while one stands; for a file that cannot be read, one that says so."""
        try:
            return next(item for item in self.standing() if item.is_whole)
        except KillsUnreadable as error:
            return KillOrder("", os.getuid(), str(error), 0)

    def standing(self) -> list[KillOrder]:
        """The kills that stand, in the file or not yet; raises KillsUnreadable."""
        return self.kills.read()

    def sweep(self, cause: str, parts: Iterable[tuple[str, str]] = (("", ""),), *, again: bool = False) -> None:
        """Cancel everything of the parts, (venue or all, symbol or all), until nothing is open. A sweep under way gives way.

        `again`: once more, for a kill that stands, where the venue's weight allows it by now. What a sweep under way has not
        cleaned yet is left to it.
        """
        began_ns = self._clock.monotonic_ns()
        wanted = tuple(parts)
        begun: list[_Sweeping] = []
        for venue in self.venues:
            named = {symbol for line, symbol in wanted if line in ("", venue.name)}
            chosen = tuple(symbol for symbol in venue.symbols if symbol in named or "" in named)
            if again:
                chosen = () if self._rest_s(venue) else self._without_unfinished(venue, chosen)
            elif chosen:
                chosen = self._with_unfinished(venue, chosen)
            if chosen:
                begun.append(self._begin(venue, Progress(cause, chosen, began_ns, is_repeat=again)))
        if begun or not again:
            self.sweeps += 1
            others = [item for item in self._unfinished() if item not in begun]
            self.last = [item.progress for item in begun + others]
            if not again or cause not in self._told_causes:
                self._note("sweep", cause=cause, symbols=[item.progress.symbols for item in begun])
            self._told_causes.add(cause)

    def _begin(self, venue: GuardedVenue, progress: Progress) -> _Sweeping:
        sweeping = _Sweeping(venue.name, progress, self.start(self._sweep_venue(venue, progress)))
        self._running.append(sweeping)
        sweeping.task.add_done_callback(lambda _task: self._drop(sweeping))
        return sweeping

    def _drop(self, sweeping: _Sweeping) -> None:
        if sweeping in self._running:
            self._running.remove(sweeping)

    def _unfinished(self, venue: str = "") -> list[_Sweeping]:
        """Sweeps, of a venue or of all, of which something is not known to be clean. A finished one may owe its second look."""
        return [item for item in self._running if venue in ("", item.venue) and not item.progress.is_verified]

    def _without_unfinished(self, venue: GuardedVenue, chosen: tuple[str, ...]) -> tuple[str, ...]:
        """A symbol that a sweep under way is still at is repeated by that one, at the pace that its venue bears."""
        unclean = {symbol for item in self._unfinished(venue.name) for symbol in item.progress.unclean}
        return tuple(symbol for symbol in chosen if symbol not in unclean)

    def _with_unfinished(self, venue: GuardedVenue, chosen: tuple[str, ...]) -> tuple[str, ...]:
        """What sweeps under way have not finished is taken over by the new one.

        One that is finished still owes its second look, at its own time and for all of its symbols: it goes on by itself.
        """
        for item in self._unfinished(venue.name):
            item.task.cancel()
            self._drop(item)
            chosen = (*chosen, *(symbol for symbol in item.progress.symbols if symbol not in chosen))
        return chosen

    async def _sweep_venue(self, venue: GuardedVenue, progress: Progress) -> None:
        """Sweep; then, when no request that was under way can still be taken by the venue, look once more.

        A repeated one has no second look: it is for an engine that lives, and whose death is swept by itself.
        """
        sweep = Sweep(venue.name, venue.canceller, self._clock, self._note, lambda: self._rest_s(venue))
        await sweep.run(progress)
        if progress.is_repeat:
            return
        await asyncio.sleep(venue.second_look_s)
        if self.look.sight != Sight.ALIVE:
            again = Progress(f"second look: {progress.cause}", progress.symbols, self._clock.monotonic_ns())
            await sweep.run(again)

    def _rest_s(self, venue: GuardedVenue) -> float:
        """Beside an engine that lives the guard leaves most of the venue's weight to it; for one that is lost it spends all."""
        return venue.canceller.rest_s if self.look.sight == Sight.ALIVE else 0.0

    # --- the session ---

    async def _keep_warm(self, venue: GuardedVenue) -> None:
        """Connections that stand and a clock that is known, so that the first cancel leaves at once."""
        while True:
            self.kills.make_room()
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
        return bool(self._unfinished())

    def state_text(self) -> str:
        """For `systemctl status` and `ctl guard status`."""
        parts = [self.look.sight.value]
        if self.is_killed_whole():
            parts.append("killed until armed")
        if self.keeping_fault:
            parts.append(f"the file of kills is not written yet: {self.keeping_fault}")
        if self.is_sweeping:
            parts.append("cancelling")
        parts += [f"{venue.name}: {venue.trouble}" for venue in self.venues if venue.trouble]
        return "; ".join(parts)
