"""Desk's snapshots of the ledger: after so many records that matter, after so many minutes, and when the engine has stopped."""

from __future__ import annotations

from collections.abc import Iterator

from engine.journal.errors import ImageError, JournalError
from engine.model.codes import RecordKind
from engine.recovery.maker import SnapshotMaker
from engine.runtime.clock import Clock

NS_PER_MINUTE = 60_000_000_000
# how often the watermark is looked at
LOOK_NS = 1_000_000_000
# after a fault: it is told once a cause, and tried again
RETRY_NS = 60_000_000_000


class SnapshotKeeper:
    """`records` that change state, or `minutes` with one at least, make a snapshot due. Poll often: little is done at a time."""

    def __init__(self, maker: SnapshotMaker, clock: Clock, *, records: int, minutes: int) -> None:
        self._maker, self._clock = maker, clock
        self._records, self._interval_ns = records, minutes * NS_PER_MINUTE
        self._next_look_ns = 0
        self._written_ns = clock.monotonic_ns()
        self._fault = ""

    def poll(self) -> Iterator[str]:
        """Fold and write as far as it is due; yields what there is to say."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_look_ns:
            return
        try:
            is_behind = self._maker.step()
            self._next_look_ns = now_ns if is_behind else now_ns + LOOK_NS
            if self._is_due(now_ns) and not is_behind:
                self._maker.write()
                self._written_ns = now_ns
            self._fault = ""
        except (ImageError, JournalError, OSError, ValueError, IndexError) as error:
            self._next_look_ns = now_ns + RETRY_NS
            if str(error) != self._fault:
                self._fault = str(error)
                yield f"no snapshot can be made: {error}"

    def _is_due(self, now_ns: int) -> bool:
        used = self._maker.used_since
        if used and self._maker.last_kind == RecordKind.STOP:
            return True
        return used >= self._records or (used > 0 and now_ns - self._written_ns >= self._interval_ns)

    @property
    def fault(self) -> str:
        """Why no snapshot can be made; empty = all is well."""
        return self._fault
