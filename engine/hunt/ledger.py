"""The engine's side as it stands in the ledger: read record by record as it grows, over all lives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.journal import decode
from engine.journal.cursor import Record
from engine.journal.reader import LaneFollower
from engine.model.codes import Lane, RecordKind

WANTED = frozenset(
    {
        *(RecordKind.FILL, RecordKind.ORDER_STATE, RecordKind.ALARM, RecordKind.TRADING_STATE, RecordKind.CUT),
        *(
            RecordKind.START,
            RecordKind.RECOVERED,
            RecordKind.RECONCILE_END,
            RecordKind.STRATEGY_STATE,
            RecordKind.COMMAND,
        ),
        *(RecordKind.ORDER_BYTES, RecordKind.VERDICT, RecordKind.SESSION_STATE, RecordKind.VENUE_HEALTH),
        RecordKind.OWN_FRAME_MALFORMED,
        RecordKind.PARENT_STATE,
    }
)


@dataclass(frozen=True)
class Entry:
    """A record that checkers look at."""

    seq: int
    kind: RecordKind
    wall_ns: int
    mono_ns: int
    epoch: int
    instrument_id: int
    strategy_id: int
    order_handle: int
    body: dict[str, Any]
    position_side: int = 0


@dataclass
class Ledger:
    """The tail of the ledger. `new()` gives what came since the last call; `reopen` after the files may have changed."""

    data_dir: Path
    last_seq: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    recent: list[str] = field(default_factory=list)
    _follower: LaneFollower | None = None

    def reopen(self) -> None:
        """Begin again behind what was read; files were replaced or cut."""
        if self._follower is not None:
            self._follower.close()
        self._follower = None

    def new(self) -> Iterator[Entry]:
        """Entries that were not given yet."""
        if self._follower is None:
            self._follower = LaneFollower(self.data_dir, Lane.LEDGER, self.last_seq)
        while (record := self._follower.next_record()) is not None:
            self.last_seq = record.seq
            if record.kind in WANTED:
                yield self._entry(record)

    def _entry(self, record: Record) -> Entry:
        kind = RecordKind(record.kind)
        body: dict[str, Any] = {}
        if kind == RecordKind.VERDICT:
            body = {"reason": int.from_bytes(record.payload[:2], "little")}
        elif kind != RecordKind.ORDER_BYTES:
            body = decode.payload(record)
        self.kinds[kind.name] += 1
        return Entry(
            record.seq, kind, record.wall_ns, record.mono_ns, record.epoch, record.instrument_id, record.strategy_id,
            record.order_handle, body, record.position_side,
        )  # fmt: skip
