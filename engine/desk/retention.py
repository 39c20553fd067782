"""Once an hour the desk deletes journal segments that are older than the configuration keeps; the engine never deletes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.journal.errors import JournalError
from engine.journal.retention import expire
from engine.model.codes import Lane
from engine.runtime.clock import Clock

INTERVAL_NS = 3_600_000_000_000


class Retention:
    """`keep_days` by lane; a lane that is not named is kept for ever."""

    def __init__(self, data_dir: Path, keep_days: Mapping[Lane, float], clock: Clock) -> None:
        self._data_dir = data_dir
        self._keep_days = dict(keep_days)
        self._clock = clock
        self._due_mono_ns = 0

    def poll(self) -> Iterator[str]:
        """Delete what has expired, if an hour has passed since the last time; yields what happened, a line a lane."""
        now_mono_ns = self._clock.monotonic_ns()
        if now_mono_ns < self._due_mono_ns:
            return
        self._due_mono_ns = now_mono_ns + INTERVAL_NS
        for lane, days in self._keep_days.items():
            try:
                gone = expire(self._data_dir, lane, days, self._clock.time_ns())
            except (OSError, JournalError) as error:
                yield f"old segments of the {lane.name.lower()} cannot be deleted: {error}"
                continue
            if gone:
                what = f"{len(gone)} segments of the {lane.name.lower()} older than {days:g} days deleted"
                yield f"{what}, {gone[-1].name} the newest of them"
