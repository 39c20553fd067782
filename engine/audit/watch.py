"""STATE_HASH records: the core's state as checksums by section, each so many ticks and where a run ends in order.

They are written between two runs of the pipeline, when all stages are at rest, and are caused by the input that was
applied last: a replay that stands behind the same input has the same, or names the section that differs.
"""

from __future__ import annotations

import contextlib
from typing import Any

from engine.audit.state import CoreState
from engine.journal.cursor import Record
from engine.journal.decode import payload
from engine.journal.errors import JournalFull


class StateWatch:
    """Writes them for one engine (an engine.app.Engine). `ticks`: how many lie between two; 0 = only the last."""

    def __init__(self, engine: Any, ticks: int) -> None:
        self._state = CoreState(engine)
        self._ticks = ticks
        self._passed = 0

    def each_tick(self) -> None:
        """After the run of a tick."""
        self._passed += 1
        if self._ticks and self._passed >= self._ticks:
            self.write()

    def write(self) -> None:
        """One now. Where the journal has no room it is left out: it is nobody's decision."""
        self._passed = 0
        with contextlib.suppress(JournalFull):
            self._state.write()


def differences(recorded: Record, state: CoreState) -> list[str]:
    """Sections of a recorded STATE_HASH that a core's state does not have: names, with the line where there are several."""
    expected = {(row["section"], row["line"]): row["crc32c"] for row in payload(recorded)["rows"]}
    found = {(row["section"], row["line"]): row["crc32c"] for row in state.rows()}
    return [
        f"{section}{f' of line {line}' if line else ''}"
        for section, line in sorted(expected.keys() | found.keys())
        if expected.get((section, line)) != found.get((section, line))
    ]
