"""The recorder beside the desk's other duties: a thread of its own, at low priority, that nothing waits for.

A fault is told once a cause and tried again, at first soon and then every half minute; what was down and is up again is told too.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.desk.recorder.faults import DatabaseMoved
from engine.journal.tailing import NoJournalYet
from engine.runtime.clock import Clock

if TYPE_CHECKING:
    from engine.desk.recorder.recorder import Recorder

POLL_S = 0.2
RETRY_S_MIN = 0.25
RETRY_S_MAX = 30.0
STOP_S_MAX = 5.0
ABSENT_S = 2.0
NICENESS = 10
LASTING_S = 10
# a database that went away is told though another was begun at once: its rows may be missed elsewhere
MOVED_S = 60
NS_PER_S = 1_000_000_000


@dataclass
class RecorderStatus:
    """How it goes. `cause`: why nothing is recorded now; `down_since_ns`: by the monotonic clock, 0 while it is well.

    `moved`: what became of a database that was taken away, told until `moved_until_ns`.
    """

    is_up: bool = False
    cause: str = ""
    records: int = 0
    rows: int = 0
    skipped: int = 0
    expired: int = 0
    faults: int = 0
    down_since_ns: int = 0
    moved: str = ""
    moved_until_ns: int = 0


class RecorderWorker:
    """`make` builds the recorder on the thread, since its library takes long to import; `tell` gets a line for people."""

    def __init__(self, make: Callable[[], Recorder], tell: Callable[[str], None], clock: Clock) -> None:
        self.status = RecorderStatus()
        self._make = make
        self._tell = tell
        self._clock = clock
        self._stopping = threading.Event()
        self._retry_s = RETRY_S_MIN
        # a daemon: a database that does not answer must not keep the desk from ending
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end, and wait a little: what it is in the midst of is rolled back where it does not."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S_MAX)

    def lasting_fault(self) -> str:
        """What a person should be told; empty where it is well: nothing has been recorded for ten seconds, and why, or that the
        database was taken away within the last minute."""
        status, now_ns = self.status, self._clock.monotonic_ns()
        down_ns = now_ns - status.down_since_ns if status.down_since_ns else 0
        if down_ns >= LASTING_S * NS_PER_S:
            return f"nothing is recorded: {status.cause}"
        return status.moved if now_ns < status.moved_until_ns else ""

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        recorder: Recorder | None = None
        while not self._stopping.is_set():
            try:
                recorder = recorder or self._make()
                wait_s = self._turn(recorder)
            except NoJournalYet as error:
                # nothing is wrong: the engine has never been started
                self.status.cause, wait_s = str(error), ABSENT_S
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the thread must go on trying
                wait_s = self._failed(error)
            self._stopping.wait(wait_s)
        if recorder is not None:
            recorder.show("the desk has ended", now=True)
            recorder.close()

    def _turn(self, recorder: Recorder) -> float:
        """Record one batch; returns how long to wait for the next."""
        taken = recorder.step()
        status = self.status
        status.records, status.rows, status.skipped = recorder.records, recorder.rows, recorder.skipped
        self._well()
        for table, count in recorder.expire().items():
            status.expired += count
            self._tell(f"{count} rows of {table} that are older than [recorder] keep_days were deleted")
        recorder.show()
        return 0.0 if taken else POLL_S

    def _well(self) -> None:
        status = self.status
        if status.down_since_ns:
            down_s = (self._clock.monotonic_ns() - status.down_since_ns) / NS_PER_S
            self._tell(f"the recorder records again, after {down_s:.1f} s; the ledger has kept what came meanwhile")
        status.is_up, status.cause, status.down_since_ns = True, "", 0
        self._retry_s = RETRY_S_MIN

    def _failed(self, error: Exception) -> float:
        """Tell a new cause; returns how long to wait."""
        status, cause = self.status, str(error) or type(error).__name__
        if cause != status.cause:
            # the ledger keeps what comes; whether that is enough, the cause says
            self._tell(f"nothing is recorded: {cause}; it is tried again")
        status.is_up, status.cause = False, cause
        status.faults += 1
        if isinstance(error, DatabaseMoved):
            status.moved, status.moved_until_ns = cause, self._clock.monotonic_ns() + MOVED_S * NS_PER_S
        status.down_since_ns = status.down_since_ns or self._clock.monotonic_ns()
        wait_s = self._retry_s
        self._retry_s = min(wait_s * 2, RETRY_S_MAX)
        return wait_s
