"""The ledger of earlier runs, as a start reads it: from the newest snapshot that stands in it, or from its beginning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.journal.cursor import Cursor, Record
from engine.journal.errors import ImageError, JournalError
from engine.journal.places import segment_path, segments
from engine.journal.reader import read_header
from engine.model.codes import Lane
from engine.recovery.behind import check_behind
from engine.recovery.ledger_fold import LedgerFold
from engine.recovery.pour import LedgerPour
from engine.recovery.snapshot import Place, Snapshot, parse, paths

# who looks whether a snapshot fits this engine: raises ImageError
Check = Callable[[Snapshot], None]


@dataclass
class Recovered:
    """What a start took. `records`: of the ledger behind the snapshot; `checked_bytes`: of the ledger before it, looked at and not
    folded; `passed_over`: snapshots that were not taken, and why."""

    snapshot: str = ""
    snapshot_seq: int = 0
    checked_bytes: int = 0
    records: int = 0
    used: int = 0
    last_seq: int = 0
    passed_over: dict[str, str] = field(default_factory=dict)

    @property
    def has_news(self) -> bool:
        """Is there anything to tell about snapshots."""
        return bool(self.snapshot or self.passed_over)


class EarlierRuns:
    """Records of epochs below `below_epoch`. Without `uses_snapshots` all of them are folded, whatever snapshots there are."""

    def __init__(self, data_dir: Path, below_epoch: int, *, uses_snapshots: bool = True) -> None:
        self.data_dir = data_dir
        self.below_epoch = below_epoch
        self.uses_snapshots = uses_snapshots

    def fold_into(self, fold: LedgerFold, check: Check) -> Recovered:
        """Everything into `fold`, which has folded nothing yet.

        Raises JournalCorrupt for damage below the watermark, JournalError where the ledger does not reach back to its first
        record and no snapshot bridges what is missing.
        """
        told = Recovered()
        pour = LedgerPour(self.data_dir)
        snapshot = self._newest(told, check) if self.uses_snapshots else None
        if snapshot is not None:
            place = snapshot.place
            told.checked_bytes = check_behind(self.data_dir, place)
            fold.load(snapshot.sections, seq=place.seq, epoch=place.epoch, crc32c=place.crc32c)
            pour.stand_behind(place)
            told.snapshot, told.snapshot_seq = snapshot.name, place.seq
        else:
            self._require_beginning(told)
        try:
            told.records = pour.into(fold, below_epoch=self.below_epoch)
        finally:
            pour.close()
        told.used, told.last_seq = fold.used, fold.last_seq
        return told

    def _newest(self, told: Recovered, check: Check) -> Snapshot | None:
        """The newest snapshot that is whole, fits, and whose last record stands in the ledger."""
        for path in paths(self.data_dir):
            try:
                snapshot = parse(path.read_bytes())
                require_standing(self.data_dir, snapshot, self.below_epoch)
                check(snapshot)
            except (ImageError, JournalError, OSError) as error:
                told.passed_over[path.name] = str(error)
                continue
            return snapshot
        return None

    def _require_beginning(self, told: Recovered) -> None:
        first = next(iter(segments(self.data_dir, Lane.LEDGER)), None)
        if first is None or first[0] == 1:
            return
        why = "; ".join(f"{name}: {text}" for name, text in told.passed_over.items()) or "there is none"
        raise JournalError(
            f"{first[1].parent}: the ledger begins with segment {first[0]}, and no snapshot tells what stood before it ({why}); "
            "put the older segments back, or start the build that wrote the snapshots once and let its desk write one that this "
            "build reads"
        )


def require_standing(data_dir: Path, snapshot: Snapshot, below_epoch: int) -> None:
    """Raises ImageError where the snapshot's last record does not stand where it says."""
    place = snapshot.place
    if place.epoch >= below_epoch:
        raise ImageError(f"it is of epoch {place.epoch}, which is not over")
    path = segment_path(data_dir, Lane.LEDGER, place.segment)
    header = read_header(path) if path.exists() else None
    if header is None or header.journal_id != snapshot.journal_id or header.engine_id != snapshot.engine_id:
        raise ImageError(f"its last record is of segment {place.segment}, which is not there or of another journal")
    record = record_at(path, place)
    if record is None or (record.seq, record.epoch, record.crc32c) != (place.seq, place.epoch, place.crc32c):
        raise ImageError(f"its last record {place.seq} does not stand at byte {place.offset} of {path.name}")


def record_at(path: Path, place: Place) -> Record | None:
    """The record at a place; None where there is no whole one."""
    cursor = Cursor(str(path), place.offset)
    try:
        return cursor.next_record()
    finally:
        cursor.close()
