"""Who makes snapshots: a cold process that folds the ledger as it is synced, and writes down what it has, now and again.

Only records below the watermark are folded: what lies above it may be cut by a power failure, and its numbers given again.
"""

from __future__ import annotations

from pathlib import Path

from engine.config import Config
from engine.journal.errors import ImageError, JournalError
from engine.journal.places import segment_path
from engine.journal.reader import read_header, read_marks
from engine.model.codes import Lane
from engine.recovery.earlier import require_standing
from engine.recovery.pour import UINT32_MAX, LedgerPour
from engine.recovery.shadow import Shadow
from engine.recovery.snapshot import Place, Snapshot, parse, paths, write
from engine.runtime.disk import Disk

# so many sequence numbers at once: others of the process get their turn
NUMBERS_PER_STEP = 200_000


class SnapshotMaker:
    """Folds one data directory's ledger. Not for the engine's own process: it keeps stages of its own."""

    def __init__(self, config: Config, data_dir: Path, disk: Disk | None = None) -> None:
        self.config, self.data_dir, self.disk = config, data_dir, disk or Disk()
        self.names_path = data_dir / "names.json"
        self.records = 0
        self.written_seq = 0
        self.used_then = 0
        self._looked_seq = 0
        self._names: tuple[int, int, int] | None = None
        self._shadow: Shadow | None = None
        self._pour = LedgerPour(data_dir)

    @property
    def last_seq(self) -> int:
        """Of the latest record folded; 0 = none."""
        return self._shadow.fold.last_seq if self._shadow is not None else 0

    @property
    def last_kind(self) -> int:
        """Of the same its kind; 0 where it came with a snapshot."""
        return self._shadow.fold.last_kind if self._shadow is not None else 0

    @property
    def used_since(self) -> int:
        """Records since the last snapshot that had something to say."""
        return self._shadow.fold.used - self.used_then if self._shadow is not None else 0

    def step(self, upto_seq: int | None = None) -> bool:
        """Fold what has been synced (and is not above `upto_seq`), `NUMBERS_PER_STEP` numbers at most; False where nothing is left.

        Raises JournalError, ImageError.
        """
        mark = read_marks(self.data_dir).get(Lane.LEDGER)
        if mark is None:
            return False
        end_seq = mark.seq if upto_seq is None else min(mark.seq, upto_seq)
        if end_seq <= max(self.last_seq, self._looked_seq):
            return False
        # names are durable before the first record that uses them: what was synced can be read with those of now
        self._renew()
        if self._shadow is None:
            return False
        # numbers, not records: most are on the tape
        self._looked_seq = min(end_seq, max(self._looked_seq, self.last_seq) + NUMBERS_PER_STEP)
        self.records += self._pour.into(self._shadow.fold, upto_seq=self._looked_seq)
        return self._looked_seq < end_seq

    def write(self) -> Path | None:
        """Put down what has been folded, read back before; None where nothing was since then. Raises ImageError, OSError."""
        if self._shadow is None or self.last_seq == self.written_seq:
            return None
        snapshot = self._snapshot(self._shadow)
        again = Shadow(self.config, self.names_path)
        again.load(parse(snapshot.pack()))
        if again.sections() != list(snapshot.sections):
            raise ImageError(f"the snapshot at {self.last_seq} does not read back as what it was written from")
        path = write(self.data_dir, snapshot, self.disk)
        self.written_seq, self.used_then = self.last_seq, self._shadow.fold.used
        return path

    def _snapshot(self, shadow: Shadow) -> Snapshot:
        segment, fold = self._pour.segment, shadow.fold
        header = read_header(segment_path(self.data_dir, Lane.LEDGER, segment))
        if header is None:
            raise ImageError(f"ledger segment {segment} cannot be read any more")
        place = Place(fold.last_epoch, fold.last_seq, fold.last_crc32c, segment, self._pour.offset)
        wall_ns = int(self.data_dir.joinpath("synced").stat().st_mtime_ns)
        return Snapshot(header.engine_id, header.journal_id, place, self.records, wall_ns, tuple(shadow.sections()))

    def _renew(self) -> None:
        """Stages with the names of now; what was folded is carried over, at first from the newest snapshot that stands."""
        if not self.names_path.exists():
            return
        found = self.names_path.stat()
        names = (found.st_mtime_ns, found.st_size, found.st_ino)
        if names == self._names:
            return
        before, self._names = self._shadow, names
        self._shadow = Shadow(self.config, self.names_path)
        if before is None:
            self._begin(self._shadow)
            return
        fold = before.fold
        self._shadow.fold.load(
            before.fold.sections(), seq=fold.last_seq, epoch=fold.last_epoch, crc32c=fold.last_crc32c
        )
        self.used_then -= fold.used

    def _begin(self, shadow: Shadow) -> None:
        for path in paths(self.data_dir):
            try:
                snapshot = parse(path.read_bytes())
                require_standing(self.data_dir, snapshot, UINT32_MAX)
                Shadow(self.config, self.names_path).load(snapshot)
            except (ImageError, JournalError, OSError):
                continue
            shadow.load(snapshot)
            self._pour.stand_behind(snapshot.place)
            self.records, self.written_seq = snapshot.records, snapshot.place.seq
            return
