"""The notifier's sign of life: a small file in the runtime directory that the engine and the guard look at.

Whoever alarms cannot alarm his own death. So the notifier says once a second that it lives and whether anything is taken from it,
and those who outlive it say so where they can: the engine in the ledger and on stderr, the guard on stderr and by the commands.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from engine.runtime.clock import Clock

FILE_NAME = "notifier.json"
BEAT_NS = 1_000_000_000
NS_PER_S = 1_000_000_000
LOOK_NS = 1_000_000_000


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds. `fault`: why nothing reaches anybody, empty while at least one channel delivers."""

    pid: int
    mono_ns: int
    wall_ns: int
    pending: int
    oldest_pending_s: int
    unacknowledged: int
    fault: str = ""
    lost_channels: tuple[str, ...] = ()


def write_beat(runtime_dir: Path, beat: Beat) -> None:
    """Replace the file; it lies in memory (tmpfs), so nothing is synced. Raises OSError."""
    path = runtime_dir / FILE_NAME
    partial = path.with_name(FILE_NAME + ".new")
    partial.write_bytes(msgspec.json.encode(beat))
    partial.replace(path)


def read_beat(runtime_dir: Path) -> Beat | None:
    """The last sign of life; None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode((runtime_dir / FILE_NAME).read_bytes(), type=Beat)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


class NotifierSight:
    """Looks once a second; `fault` says why alarms reach nobody, empty while they do (or it is too early to tell)."""

    def __init__(self, runtime_dir: Path, clock: Clock, heartbeat_s_max: int) -> None:
        self._runtime_dir = runtime_dir
        self._clock = clock
        self._max_ns = heartbeat_s_max * NS_PER_S
        self._began_ns = clock.monotonic_ns()
        self._next_ns = 0
        self.fault = ""

    def look(self) -> bool:
        """Look if it is time; True where `fault` has changed."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_ns:
            return False
        self._next_ns = now_ns + LOOK_NS
        before, self.fault = self.fault, self._fault(now_ns)
        # a fault that only grows older is not told again
        return bool(before) != bool(self.fault)

    def _fault(self, now_ns: int) -> str:
        beat = read_beat(self._runtime_dir)
        age_ns = now_ns - beat.mono_ns if beat is not None else -1
        if beat is None or not 0 <= age_ns <= self._max_ns:
            if now_ns - self._began_ns <= self._max_ns:
                return ""
            age = f"its last sign of life is {age_ns // NS_PER_S} s old" if age_ns > 0 else "it gives no sign of life"
            return f"nobody is told of alarms: {age}; start tradewind-desk"
        return f"alarms reach nobody: {beat.fault}" if beat.fault else ""


def remove_beat(runtime_dir: Path) -> None:
    """A notifier that ends in order leaves none: whoever looks says so after the same time as for one that died."""
    with contextlib.suppress(OSError):
        (runtime_dir / FILE_NAME).unlink()
