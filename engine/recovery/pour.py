"""The ledger's segments, poured record by record into a compiled sink: `LaneFollower` without an object a record."""

from __future__ import annotations

from pathlib import Path

from engine.journal.cursor import Cursor, RecordSink
from engine.journal.places import segment_path
from engine.journal.reader import LaneFollower
from engine.model.codes import Lane
from engine.recovery.snapshot import Place

UINT32_MAX = 0xFFFF_FFFF
UINT64_MAX = 0xFFFF_FFFF_FFFF_FFFF


class LedgerPour(LaneFollower):
    """Goes on where it stood; `place` is the latest record that was given."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, Lane.LEDGER)
        self.segment = 0
        self.offset = 0

    def stand_behind(self, place: Place) -> None:
        """Go on with the record behind this one, which stands there."""
        self._open(place.segment)
        if self._cursor is not None:
            self._cursor.close()
        self._cursor = Cursor(str(segment_path(self.data_dir, self.lane, place.segment)), place.offset)
        self._cursor.next_record()
        self.segment, self.offset = place.segment, place.offset

    def into(self, sink: RecordSink, *, upto_seq: int = UINT64_MAX, below_epoch: int = UINT32_MAX) -> int:
        """All that is there up to a sequence and below an epoch; how many records. Raises as `LaneFollower.next_record`."""
        given = 0
        while self._cursor is not None or self._open_first():
            given += self._pour(sink, upto_seq, below_epoch)
            cursor = self._cursor
            if cursor is None or cursor.is_stopped:
                return given
            if not segment_path(self.data_dir, self.lane, self._number + 1).exists():
                mark = self._mark_ahead()
                if mark is not None:
                    given += self._pour(sink, upto_seq, below_epoch)
                    if not cursor.is_stopped:
                        self._require(mark)
                return given
            # written between our last look and the next segment's birth
            given += self._pour(sink, upto_seq, below_epoch)
            if cursor.is_stopped:
                return given
            if not self._open_next():
                return given
        return given

    def _pour(self, sink: RecordSink, upto_seq: int, below_epoch: int) -> int:
        if self._cursor is None:
            return 0
        given = self._cursor.pour(sink, 0, upto_seq, below_epoch)
        if given:
            self.segment, self.offset = self._number, self._cursor.given_at
        return given
