"""What desk sees by itself, beside the ledger: conditions that hold for a while, each with its words.

They are looked at, not heard: an engine that is gone writes no record, and a journal whose disk failed cannot be read.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.guard.watch import EngineWatch, Sight
from engine.model.codes import Counter, HaltReason
from engine.notify.alarms import DISK_LOW, ENGINE_GONE, ENGINE_HUNG, GUARD_GONE, JOURNAL_FAILED
from engine.runtime.clock import Clock
from engine.runtime.counters_reader import CountersError, CountersReader

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
SLOW_LOOK_NS = 2 * NS_PER_S
# a guard that is being restarted is back before this
GUARD_GRACE_NS = 10 * NS_PER_S
BYTES_PER_MB = 1_000_000
CONNECT_S = 0.5

# condition -> its words
Found = dict[str, str]


@dataclass(frozen=True)
class Watched:
    """Whose files, and from when on something is wrong. `guard_socket` None: no guard is configured."""

    counters: Path
    data_dir: Path
    guard_socket: Path | None
    heartbeat_ms_max: int
    disk_free_mb_min: int


@dataclass
class Conditions:
    """`look` gives all that hold now. `faults`: other parts of desk, by condition, each telling its own words or nothing."""

    watched: Watched
    clock: Clock
    faults: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    _slow: Found = field(default_factory=dict)
    _next_slow_ns: int = 0
    _guard_missed_ns: int = 0

    def __post_init__(self) -> None:
        self._engine = EngineWatch(self.watched.counters, self.clock, self.watched.heartbeat_ms_max * NS_PER_MS)

    def look(self) -> Found:
        """Conditions that hold now, with their words."""
        now_ns = self.clock.monotonic_ns()
        if now_ns >= self._next_slow_ns:
            self._next_slow_ns = now_ns + SLOW_LOOK_NS
            self._slow = dict(self._slow_conditions(now_ns))
        found = dict(self._engine_conditions())
        for condition, fault in self.faults.items():
            if text := fault():
                found[condition] = text
        return found | self._slow

    def _engine_conditions(self) -> Iterator[tuple[str, str]]:
        look = self._engine.look()
        if look.sight is Sight.GONE:
            yield ENGINE_GONE, f"process {look.pid} ended without an orderly stop"
        elif look.sight is Sight.HUNG:
            yield ENGINE_HUNG, f"process {look.pid} makes no progress"

    def _halt_reason(self) -> int:
        try:
            with CountersReader(self.watched.counters) as reader:
                return int(reader.value(Counter.HALT_REASON))
        except CountersError:
            return 0

    def _slow_conditions(self, now_ns: int) -> Iterator[tuple[str, str]]:
        if self._halt_reason() == HaltReason.JOURNAL:
            yield JOURNAL_FAILED, "halted because the journal cannot be written: cancels still leave, orders do not"
        free_mb = free_megabytes(self.watched.data_dir)
        if free_mb is not None and free_mb < self.watched.disk_free_mb_min:
            yield (
                DISK_LOW,
                f"{free_mb} MB are free for {self.watched.data_dir}, wanted are {self.watched.disk_free_mb_min}",
            )
        if self.watched.guard_socket is None or answers(self.watched.guard_socket):
            self._guard_missed_ns = 0
            return
        self._guard_missed_ns = self._guard_missed_ns or now_ns
        if now_ns - self._guard_missed_ns >= GUARD_GRACE_NS:
            yield GUARD_GONE, "the guard does not answer: nobody cancels when the engine dies"

    def close(self) -> None:
        """Let go of the engine's files."""
        self._engine.close()


def free_megabytes(path: Path) -> int | None:
    """What ordinary users may still write there; None where it cannot be told."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize // BYTES_PER_MB


def answers(path: Path) -> bool:
    """Does somebody listen on the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(CONNECT_S)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
