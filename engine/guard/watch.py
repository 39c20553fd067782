"""Is the engine there, and does it make progress: from its counters file and its process, without its doing."""

from __future__ import annotations

import os
import select
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from engine.model.codes import Counter, TradingState
from engine.runtime.clock import Clock
from engine.runtime.counters_reader import CountersError, CountersReader


class Sight(StrEnum):
    """What the guard sees of the engine."""

    UNSEEN = "no engine has been here, or it has ended in order"
    ALIVE = "the engine makes progress"
    GONE = "the engine's process is gone"
    HUNG = "the engine makes no progress"

    @property
    def is_lost(self) -> bool:
        """Is there an engine that no longer looks after its orders."""
        return self in (Sight.GONE, Sight.HUNG)


@dataclass(frozen=True)
class Look:
    """One look: what is seen, and of whom."""

    sight: Sight
    pid: int = 0
    beat_age_ns: int = 0
    is_halted: bool = True


class EngineWatch:
    """Looks when it is asked to. `heartbeat_ns_max`: how old the engine's heartbeat may be."""

    def __init__(self, counters_path: Path, clock: Clock, heartbeat_ns_max: int) -> None:
        self._path = counters_path
        self._clock = clock
        self._heartbeat_ns_max = heartbeat_ns_max
        self._reader: CountersReader | None = None
        self._pid = 0
        self._descriptor = -1
        self._stale_beat_ns = -1
        self.fault = ""

    def look(self) -> Look:
        """What is seen now. A stale heartbeat is told by the second look in a row that finds the same one."""
        reader = self._open()
        pid = reader.value(Counter.PID) if reader is not None else 0
        if reader is None or pid == 0:
            self._follow(0)
            return Look(Sight.UNSEEN)
        self._follow(pid)
        beat_ns = reader.value(Counter.HEARTBEAT_MONO_NS)
        age_ns = self._clock.monotonic_ns() - beat_ns if beat_ns else 0
        is_halted = reader.value(Counter.TRADING_STATE) == TradingState.HALTED
        if self._is_gone():
            return Look(Sight.GONE, pid, age_ns, is_halted)
        # looked at twice: after the whole host stood still, the engine's thread may come a moment later than this one
        is_hung = age_ns > self._heartbeat_ns_max and beat_ns == self._stale_beat_ns
        self._stale_beat_ns = beat_ns if age_ns > self._heartbeat_ns_max else -1
        return Look(Sight.HUNG if is_hung else Sight.ALIVE, pid, age_ns, is_halted)

    def close(self) -> None:
        """Let go of the file and the process."""
        self._follow(0)
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open(self) -> CountersReader | None:
        """The engine's counters; opened again when an engine of another layout has replaced the file."""
        if self._reader is not None and not self._reader.is_current():
            self._reader.close()
            self._reader = None
        if self._reader is None:
            try:
                self._reader = CountersReader(self._path)
                self.fault = ""
            except CountersError as error:
                self.fault = str(error) if self._path.exists() else ""
        return self._reader

    def _follow(self, pid: int) -> None:
        """Hold the process itself, so that its number given to another one later does not deceive."""
        if pid == self._pid:
            return
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._pid, self._descriptor, self._stale_beat_ns = pid, -1, -1
        if pid:
            try:
                self._descriptor = os.pidfd_open(pid)
            except OSError:
                # it had ended before we looked
                self._descriptor = -1

    def _is_gone(self) -> bool:
        if self._descriptor < 0:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))
