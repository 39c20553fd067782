"""A hunt: a schedule carried out on engine and venue, with every checker looking on, until its end or the first violation.

What is one process here - engine, venue, operator, machine - shares one clock. Time passes in steps of a second; inside a step
events happen at their own instants. An engine that was killed is gone until its supervisor starts the next one; the venue lives on.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from engine.exit_codes import CommandError
from engine.hunt import acts
from engine.hunt.breaks import BREAKS
from engine.hunt.check import Check, Violation
from engine.hunt.desk import TURN_S, Desk
from engine.hunt.disk import PowerCut
from engine.hunt.ledger import Ledger
from engine.hunt.life import STOPPED, EngineEnded, Life, Surroundings
from engine.hunt.net import API
from engine.hunt.person import Person, control_of
from engine.hunt.place import build_venue, configure
from engine.hunt.schedule import CYCLE_S, FIRST_S, STORM_S, Schedule, calm_ends, is_calm
from engine.hunt.truth import Truth
from engine.hunt.wire import Request, read
from engine.journal.errors import JournalCorrupt, JournalError
from engine.journal.reader import JournalReader
from engine.model.codes import RecordKind
from engine.runtime.clock import Clock
from engine.runtime.crash_loop import CrashLoopGuard
from engine.runtime.net import NetError
from engine.sim.inprocess.loop import NEVER_NS, StandstillError
from engine.simulation import START_NS

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
AWAKE_NS = 200_000_000
DEAD_STEP_NS = 20 * NS_PER_MS
# a supervisor's pause before the next start, and how it grows while starts fail
RESTART_S = 0.5
RESTART_S_MAX = 8.0
# a person looks at a halted engine so long after a storm, and again every few seconds
HEAL_AFTER_S = 20
HEAL_EVERY_S = 8
EVENTS_KEPT = 40
# records that name the folder in which a run took place
OF_THE_PLACE = frozenset({"START", "CORE_START", "RECOVERED", "CUT"})
LOOKS_AT_REST = 20
POWER_LOOK_S = 0.007
LOOK_NS = 70 * NS_PER_MS


class Outcome(msgspec.Struct):
    """What a hunt found. `digest` is of everything that it left: equal for the same schedule on any machine.

    `engine_digest` is of the engine's records and requests alone, each with its time.
    """

    schedule: Schedule
    violation: Violation | None = None
    seconds: float = 0.0
    lives: int = 0
    events: int = 0
    orders: int = 0
    fills: int = 0
    digest: str = ""
    engine_digest: str = ""
    reached: dict[str, int] = {}
    last: list[str] = []


class Hunt(Person):
    """One run of a schedule in the folder `root` (best on a memory file system), which must be empty."""

    def __init__(self, schedule: Schedule, root: Path, checks: Iterable[type[Check]] | None = None) -> None:
        from engine.hunt.checks import CHECKS

        self.schedule = schedule
        self.clock = Clock.virtual(wall_ns=START_NS)
        self.begin_ns = self.clock.monotonic_ns()
        self._wall_offset_ns = START_NS - self.begin_ns
        self.shell = build_venue(schedule.market, schedule.symbols, schedule.seed, START_NS)
        self.loaded = configure(root, schedule)
        self.truth = Truth()
        self.shell.before_publish = self._venue_said
        self.ledger = Ledger(self.loaded.data_dir)
        self.life: Life | None = None
        self.lives = 0
        self.boot = 0
        self.counts: Counter[str] = Counter()
        self.last: deque[str] = deque(maxlen=EVENTS_KEPT)
        self.others_weight = False
        self.lost_power_at_s = -1.0
        self.stalled_until_ns = 0
        self.clock_offset_ns = 0
        # until when the venue wants nothing, as an engine knew that ended in order
        self.quiet_until_ns = 0
        self._agenda: list[tuple[int, int, Callable[[], object]]] = []
        self._pump_at_ns = NEVER_NS
        self._number = 0
        self._down_until_ns = self.begin_ns
        self._restart_s = RESTART_S
        self._refused: dict[str, int] = {}
        self._armed_kill: tuple[str, int, float] | None = None
        self._next_down_s = RESTART_S
        self._flawed_until_ns: dict[str, int] = {}
        for event in schedule.events:
            self._note(self.begin_ns + event.at_ms * NS_PER_MS, lambda event=event: self._happen(event))  # type: ignore[misc]
        self.desk = Desk(self.loaded, self.clock, schedule.seed, self.counts, lambda: self.life is not None)
        self._note(self.begin_ns, self._desk_turns)
        self.wire = hashlib.sha256()
        self.checks = [kind(self) for kind in (CHECKS if checks is None else checks)]

    # --- time ----------------------------------------------------------------------------------------------------

    @property
    def at_s(self) -> float:
        """Seconds since the beginning."""
        return (self.now_ns - self.begin_ns) / NS_PER_S

    @property
    def is_calm(self) -> bool:
        """No fault is to be expected."""
        return is_calm(self.at_s)

    def calm_s(self) -> float:
        """For how long it has been calm; 0 in a storm."""
        into = (self.at_s - FIRST_S) % CYCLE_S
        return max(0.0, into - STORM_S) if self.at_s >= FIRST_S else self.at_s

    def in_a_while(self, seconds: float, action: Callable[[], object]) -> None:
        """Let something happen later."""
        self._note(self.now_ns + int(seconds * NS_PER_S), action)
        self._arm()

    def _note(self, at_ns: int, action: Callable[[], object]) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (at_ns, self._number, action))

    def _arm(self) -> None:
        """Let the living engine's loop come back for what is next, if it does not already."""
        life = self.life
        if life is not None and not life.is_dead and self._agenda and self._agenda[0][0] < self._pump_at_ns:
            self._pump_at_ns = self._agenda[0][0]
            life.loop.call_at_ns(self._pump_at_ns, self._pump)

    def _pump(self) -> None:
        """Whatever is due, in its order; then wait for the next."""
        if self.now_ns >= self._pump_at_ns:
            self._pump_at_ns = NEVER_NS
        while self._agenda and self._agenda[0][0] <= self.now_ns:
            heapq.heappop(self._agenda)[2]()
        self._arm()

    def _desk_turns(self) -> None:
        """The desk has its turn, whatever the engine does."""
        self.in_a_while(TURN_S, self._desk_turns)
        try:
            self.desk.turn()
        except JournalCorrupt as damage:
            # it reads what was synced, and says where that is not there
            self.stop_with(Violation("R03", "journal", f"{damage}"))
        except Exception as error:  # noqa: BLE001 - whatever it is, the desk has fallen by itself
            self.stop_with(Violation("R18", "desk fell", f"{type(error).__name__}: {error}"))

    def _happen(self, event: Any) -> None:
        if event.family != "orders":
            self.say(event.text())
        self.counts[f"{event.family}.{event.what}"] += 1
        acts.happen(self, event)

    def say(self, text: str) -> None:
        """Keep a line for the report of a failure."""
        self.last.append(text if " s  " in text[:20] else f"{self.at_s:10.3f} s  {text}")

    def reached(self, what: str, times: int = 1) -> None:
        """A rare state was met."""
        self.counts[what] += times

    # --- the whole -----------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """To the end, or to the first violation."""
        violation = None
        try:
            with BREAKS[self.schedule.breaks]():
                for second in range(1, self.schedule.seconds + 1):
                    self._until(self.begin_ns + second * NS_PER_S)
                    self._each_second(second)
                self._end()
        except Violation as found:
            violation = found
            self.say(f"VIOLATION {found}")
        outcome = self._outcome(violation)
        self._let_go()
        return outcome

    def _outcome(self, violation: Violation | None) -> Outcome:
        digest, engine = hashlib.sha256(), self.wire.copy()
        for name, count in sorted(self.counts.items()):
            digest.update(f"{name}={count};".encode())
        with contextlib.suppress(JournalError, OSError):  # a journal that cannot be read to its end is what was found
            for record in JournalReader(self.loaded.data_dir).records():
                if RecordKind(record.kind).name not in OF_THE_PLACE:
                    engine.update(b"%d %d %d " % (record.seq, record.kind, record.mono_ns) + record.payload)
        digest.update(engine.digest())
        for key in sorted(self.truth.fills):
            digest.update(repr(self.truth.fills[key]).encode())
        return Outcome(
            self.schedule, violation, self.at_s, self.lives, len(self.schedule.events), sum(self.truth.accepted.values()),
            len(self.truth.fills), digest.hexdigest(), engine.hexdigest(), dict(sorted(self.counts.items())), list(self.last),
        )  # fmt: skip

    def _let_go(self) -> None:
        if self.life is not None:
            with contextlib.suppress(Exception):  # what ended the run is told already
                self.life.crash()
            self.life = None
        self.desk.close()
        self.ledger.reopen()

    def _until(self, until_ns: int) -> None:
        while self.now_ns < until_ns:
            if self.life is None and self.now_ns >= self._down_until_ns:
                self._start()
            elif self.life is None:
                self._wait_dead(min(until_ns, self._down_until_ns))
            else:
                self._live(until_ns)

    def _live(self, until_ns: int) -> None:
        life = self.life
        assert life is not None
        try:
            life.loop.run_until_ns(until_ns)
        except Violation:
            raise
        except EngineEnded as end:
            self._bury(end.why)
        except Exception as error:
            raise self._fell(error) from error

    def _fell(self, error: BaseException) -> Violation:
        """The engine ended by an error of its own: a daemon's exit code 70."""
        return Violation("R30", "engine fell", f"{type(error).__name__}: {error}")

    def _wait_dead(self, until_ns: int) -> None:
        """No engine: the venue goes on."""
        until_ns = min(until_ns, self.now_ns + DEAD_STEP_NS)
        self.clock.advance(max(0, until_ns - self.now_ns))
        self.shell.begin(self.venue_ns)
        self.shell.finish()
        self._pump()

    def _each_second(self, second: int) -> None:
        for entry in self.new_entries():
            for check in self.checks:
                check.on_entry(entry)
        # a process that slept has committed what it sent; its writer has had no turn since
        if self.now_ns - self.stalled_until_ns > AWAKE_NS:
            for check in self.checks:
                check.each_second()
        if self.is_calm and self.at_s > FIRST_S and self.calm_s() >= HEAL_AFTER_S and second % HEAL_EVERY_S == 0:
            self._heal()
        if second in calm_ends(self.schedule.seconds):
            self.say("quiet: everything must be whole")
            self._look_at_rest()

    def _look_at_rest(self) -> None:
        """Everything must be whole. The market goes on, so that what has just happened may still be under way: a few looks."""
        for left in reversed(range(LOOKS_AT_REST)):
            try:
                for check in self.checks:
                    check.at_quiet()
                return
            except Violation:
                if not left:
                    raise
            self._until(self.now_ns + LOOK_NS)
            for entry in self.new_entries():
                for check in self.checks:
                    check.on_entry(entry)

    def new_entries(self) -> list[Any]:
        return [] if self.life is None else list(self.ledger.new())

    # --- the engine's lives ------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """What a supervisor does: start the engine; where that fails, wait and try again."""
        loaded = self.loaded
        if self._sits_out():
            return
        self.lives += 1
        guard = loaded.config.engine.crash_loop
        stays_down = False
        loaded.data_dir.mkdir(parents=True, exist_ok=True)
        if not isinstance(guard, str):
            self.guard = CrashLoopGuard(loaded.data_dir, guard.count, guard.minutes)
            stays_down = self.guard.note_start(self.clock.time_ns())
            self.counts["crash loop: stays down"] += stays_down
        around = Surroundings(
            loaded=loaded, shell=self.shell, clock=self.clock, wall_offset_ns=self._wall_offset_ns, boot=self.boot,
            seen=self._seen, arrived=self._arrived, refuses=self._refuses, entered=self._entered, control=control_of,
            stays_down=stays_down,
        )  # fmt: skip
        try:
            life = Life(around, self.schedule.seed * 1_000 + self.lives)
            life.begin()
            life.loop.call_soon(self._pump)
        except Violation:
            raise
        except (EngineEnded, CommandError, NetError, StandstillError, JournalError) as error:
            self._start_failed(error)
            return
        self.life = life
        self._restart_s = RESTART_S
        self.say(f"engine started, life {self.lives}")
        self.ledger.reopen()
        for check in self.checks:
            check.on_start()

    def _entered(self, life: Life) -> None:
        self.life = life
        self._pump_at_ns = NEVER_NS
        self._arm()

    def _start_failed(self, error: Exception) -> None:
        life, self.life = self.life, None
        self.say(f"start failed: {error}")
        self.reached("start failed")
        # one that falls dead, or whose disk fails while it begins, ends as it should
        is_excused = life is not None and (life.is_dead or life.journal.error != 0)
        if isinstance(error, JournalError) and not is_excused:
            raise Violation("R03", "journal", f"a start was refused: {error}")
        if life is not None:
            self._keep_quiet_time(life)
            life.crash()
        self._restart_s = min(RESTART_S_MAX, self._restart_s * 2)
        self._down(self._next_down_s if isinstance(error, EngineEnded) else self._restart_s)

    def _down(self, seconds: float) -> None:
        """The engine stays away for so long, and for what it promised the venue."""
        self._down_until_ns = self.now_ns + int(seconds * NS_PER_S)
        self._armed_kill = None
        self._next_down_s = RESTART_S

    def _bury(self, why: str) -> None:
        life = self.life
        assert life is not None
        self.say(f"engine ends: {why}")
        for check in self.checks:
            check.on_end(why)
        self.life = None
        if why.startswith("power"):
            self._lose_power(life, int(why.split()[-1]))
        if why == STOPPED:
            self.reached("orderly stop ends flat", int(life.stopping.is_flat))
            self._keep_quiet_time(life)
            try:
                life.end_in_order()
            except (
                JournalError
            ) as error:  # a disk that fails at the very end: exit code 74, and the next start recovers
                self.say(f"the stop is not on disk: {error}")
                self.reached("stop while the disk fails")
        else:
            life.crash()
        self.ledger.reopen()
        self._down(self._next_down_s)

    def _lose_power(self, life: Life, roll: int) -> None:
        cut = PowerCut(self.loaded.data_dir, random.Random(roll))
        cut.strike(life.journal)
        self.boot += 1
        self.lost_power_at_s = self.at_s
        self.reached("power cut tears a journal", int(cut.torn > 0))

    def kill(self, when: str, down_s: float, count: int) -> None:
        """Kill the engine now, or at one of the next messages about orders."""
        if self.life is None:
            return
        if when == "now":
            self._next_down_s = down_s
            self.life.end_now("killed")
        else:
            self._armed_kill = (when, count, down_s)

    def power_cut(self, roll: int, down_s: float, looks: int = 1_500) -> None:
        """The machine goes dark with the engine on it."""
        life = self.life
        if life is not None and not life.is_dead:
            status = life.journal.ledger.status()
            if status["committed"] == status["written"] and looks:
                # the cut is to fall while something waits to be written
                self.in_a_while(POWER_LOOK_S, lambda: self.power_cut(roll, down_s, looks - 1))
                return
            self._next_down_s = down_s
            life.hunt_net.is_dead = True
            life.is_dead = True
            life.loop.failure = EngineEnded(f"power cut {roll}")

    def restart_failed(self, life: Life) -> None:
        """A person restarts an engine whose disk had failed; of an engine whose disk did not, its fault is taken back."""
        if self.life is not life or life.is_dead:
            return
        if life.journal.error == 0:
            life.journal.set_fault()
            return
        self.reached("restart after a failed disk")
        self.kill("now", RESTART_S, 1)

    # --- watching --------------------------------------------------------------------------------------------------

    def _seen(self, interface: str, message: bytes) -> bool:
        """A message is about to leave the engine."""
        life = self.life
        request = read(interface, message, self.now_ns)
        if life is None or request is None or life.is_dead:
            return life is not None and not life.is_dead
        if self._strikes("before_send", request):
            return False
        for check in self.checks:
            self._guarded(check.on_request, request)
        self.wire.update(b"%d " % self.now_ns + message)
        self._strikes("after_send", request)
        return True

    def _strikes(self, when: str, request: Request) -> bool:
        """Is the engine killed at this message."""
        if self._armed_kill is None or self._armed_kill[0] != when or not (request.is_place or request.is_cancel):
            return False
        _, count, down_s = self._armed_kill
        self._armed_kill = (when, count - 1, down_s)
        if count > 1 or self.life is None:
            return False
        self._next_down_s = down_s
        self.reached(f"crash {when.replace('_', ' ')}")
        self.life.end_now(f"killed {when.replace('_', ' ')} of {request.method} {' '.join(request.names)}")
        return True

    def _arrived(self, interface: str, frames: list[bytes]) -> None:
        """The engine has taken frames."""
        armed = self._armed_kill
        if armed is None or armed[0] != "after_answer" or interface != API or self.life is None:
            return
        if any(b"newClientOrderId" in frame or b"clientOrderId" in frame for frame in frames):
            self._next_down_s = armed[2]
            self.reached("crash after answer")
            self.life.end_now("killed after an answer")

    def _venue_said(self, events: Any) -> None:
        self.truth.take(events)
        for check in self.checks:
            self._guarded(check.on_venue, events)

    def _guarded(self, call: Callable[[Any], None], what: Any) -> None:
        """A violation found inside the engine's own calls must not be taken for an error of theirs."""
        try:
            call(what)
        except Violation as found:
            if self.life is None:
                raise
            self.life.loop.failure = found

    def stop_with(self, found: Violation) -> None:
        """End the run with a violation that was found inside an event."""
        if self.life is None:
            raise found
        self.life.loop.failure = found

    def _until_dead(self) -> None:
        self._live(self.now_ns + 1)

    def _end(self) -> None:
        for check in self.checks:
            check.at_end()
