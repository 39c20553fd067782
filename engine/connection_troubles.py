"""Why connections do not stand, in words: for `ctl status`, for the ledger (and so for the desk), for the supervisor.

A connection that never stood leaves no trace in the order of events, so that a wrong address looked like an engine that waits.
Each new cause becomes a SESSION_STATE input; a cause that stays the same is written once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.journal.errors import JournalFull
from engine.journal.sequencer import Sequencer
from engine.model.codes import RecordKind, SessionState

# StatePayload of ext/engine/model/records.pxd: state, previous_state, reason, pad, detail; text follows
STATE_PAYLOAD = struct.Struct("<HHHHq")
TEXT_BYTES_MAX = 400


@dataclass
class Watched:
    """One keeper: what its connection is called, whether it stands, what its last attempt failed of."""

    name: str
    is_ready: Callable[[], bool]
    last_error: Callable[[], str]
    told: str = field(default="")


class ConnectionTroubles:
    """Looks at the keepers once a tick."""

    def __init__(self, sequencer: Sequencer, venue_id: int, watched: list[Watched], line: str = "") -> None:
        """`line`: the name to tell these connections from another line's by."""
        self._sequencer = sequencer
        self._line = line
        self._venue_id = venue_id
        self._watched = watched
        self.text = ""

    def look(self) -> None:
        """Note each new cause for which a connection does not stand."""
        causes = []
        for item in self._watched:
            cause = "" if item.is_ready() else item.last_error()
            if cause:
                causes.append(f"{item.name}: {cause}")
                if cause != item.told:
                    self._note(item, cause)
            elif item.is_ready():
                item.told = ""
        self.text = "; ".join(f"{self._line}: {cause}" if self._line else cause for cause in causes)

    def _note(self, item: Watched, cause: str) -> None:
        text = f"{item.name} does not stand: {cause}".encode()[:TEXT_BYTES_MAX]
        state = STATE_PAYLOAD.pack(SessionState.CONNECTING, SessionState.DOWN, 0, 0, 0)
        padding = bytes(-len(text) % 8)
        try:
            self._sequencer.submit_record(RecordKind.SESSION_STATE, state + text + padding, venue_id=self._venue_id)
        except JournalFull:
            return
        item.told = cause
