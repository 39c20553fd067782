"""Hunts one after the other or in several processes: each in a folder of its own on a memory file system.

A process that dies in a hunt - a fault of compiled code ends it without a word - is a finding as any other.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

import msgspec

from engine.hunt.check import Violation
from engine.hunt.run import Hunt, Outcome
from engine.hunt.schedule import Schedule
from engine.hunt.shrink import TimeIsUp

SHARED_MEMORY = Path("/dev/shm")
# a process hunts so often: what a run leaves in its memory is given back with it
HUNTS_MAX = 20
END_S_MAX = 5.0


class Told(msgspec.Struct):
    """An outcome in plain words, as it crosses between processes. `key` is empty where nothing was violated."""

    schedule: Schedule
    key: str = ""
    invariant: str = ""
    text: str = ""
    seconds: float = 0.0
    lives: int = 0
    orders: int = 0
    fills: int = 0
    digest: str = ""
    engine_digest: str = ""
    # of this process after the run: what a run leaves behind would add up over many
    memory_mb: int = 0
    reached: dict[str, int] = {}
    last: list[str] = []


def told(outcome: Outcome) -> Told:
    """The words of an outcome."""
    found = outcome.violation
    return Told(
        outcome.schedule, "" if found is None else found.key(), "" if found is None else found.invariant,
        "" if found is None else str(found), outcome.seconds, outcome.lives, outcome.orders, outcome.fills, outcome.digest,
        outcome.engine_digest, 0, outcome.reached, outcome.last,
    )  # fmt: skip


def hunt_once(schedule: Schedule, below: Path | None = None) -> Told:
    """One run, in a folder that is gone afterwards."""
    if below is None and SHARED_MEMORY.is_dir():
        below = SHARED_MEMORY
    with tempfile.TemporaryDirectory(dir=below, prefix="hunt-") as folder:
        found = told(Hunt(schedule, Path(folder)).run())
    found.memory_mb = memory_mb()
    return found


def memory_mb() -> int:
    """Anonymous memory of this process once it has given back what it does not use.

    An engine's pools and rings are freed in pieces among others, so that the allocator keeps some 50 MB a life until it is asked.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) // 1024


def key_of(schedule: Schedule) -> str:
    """What a schedule breaks; empty for nothing."""
    return hunt_once(schedule).key


def _serve(connection: Connection, below: Path) -> None:
    """What a process of a party does: hunts what it is given. Ctrl-C is its parent's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            connection.send(hunt_once(connection.recv(), below))


class Hunter:
    """A process that hunts."""

    def __init__(self, below: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, below), daemon=True)
        self.process.start()
        theirs.close()
        self.hunts = 0
        self.schedule: Schedule | None = None

    def give(self, schedule: Schedule) -> None:
        """Begin with a schedule."""
        self.schedule = schedule
        self.hunts += 1
        with contextlib.suppress(BrokenPipeError):  # its end is read by `take`
            self.connection.send(schedule)

    def take(self) -> Told:
        """The outcome, or that the process died of it; waits for either."""
        assert self.schedule is not None
        schedule, self.schedule = self.schedule, None
        try:
            found: Told = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.hunts = HUNTS_MAX
            self.process.join()
            return died(schedule, self.process.exitcode or 0)
        return found

    def end(self) -> None:
        """End the process, whatever it is at."""
        self.connection.close()
        if self.schedule is not None:
            self.process.terminate()
        self.process.join(END_S_MAX)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


def died(schedule: Schedule, code: int) -> Told:
    """What is told of a hunt whose process did not survive it."""
    why = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    found = Violation("R30", "process fell", f"the process that hunted it ended by {why}")
    return Told(schedule, found.key(), found.invariant, str(found), float(schedule.seconds))


class Party:
    """Up to `jobs` processes that hunt, in folders below one that is gone afterwards."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._idle: list[Hunter] = []
        self._busy: dict[Connection, Hunter] = {}
        self._folder = tempfile.TemporaryDirectory(
            dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None, prefix="hunt-", ignore_cleanup_errors=True
        )

    def __enter__(self) -> Party:
        return self

    def __exit__(self, *_: object) -> None:
        for hunter in (*self._idle, *self._busy.values()):
            hunter.end()
        self._folder.cleanup()

    def hunt(self, schedules: Iterable[Schedule]) -> Iterator[Told]:
        """Each schedule's outcome as soon as it is there; schedules are drawn when there is somebody to hunt them."""
        left = iter(schedules)
        while True:
            while len(self._busy) < self.jobs and (schedule := next(left, None)) is not None:
                self._give(schedule)
            if not self._busy:
                return
            for connection in wait(list(self._busy)):
                assert isinstance(connection, Connection)
                yield self._take(connection)

    def trial(self, left_s: Callable[[], float]) -> Callable[[Schedule], str]:
        """What says what a schedule breaks. Raises TimeIsUp where that takes longer than what is left."""

        def key(schedule: Schedule) -> str:
            connection = self._give(schedule)
            if connection.poll(max(0.0, left_s())):
                return self._take(connection).key
            self._busy.pop(connection).end()
            raise TimeIsUp

        return key

    def _give(self, schedule: Schedule) -> Connection:
        hunter = self._idle.pop() if self._idle else Hunter(Path(self._folder.name))
        self._busy[hunter.connection] = hunter
        hunter.give(schedule)
        return hunter.connection

    def _take(self, connection: Connection) -> Told:
        hunter = self._busy[connection]
        found = hunter.take()
        del self._busy[connection]
        if hunter.hunts >= HUNTS_MAX:
            hunter.end()
        else:
            self._idle.append(hunter)
        return found
