"""Put a point back into an empty directory, so that an engine can start on it and no client order id is used twice.

What the engine did after the point is not in it: runs, and the orders that they sent. A client order id is engine, epoch and
counter, and every start raises the epoch. So the restored journal goes on with an epoch far above any that the lost runs, or
another restoration of the same point, can have had: `RUNS_AT_LEAST` above, and one more for every `SECONDS_A_RUN` since the point.
"""

from __future__ import annotations

import json
from pathlib import Path

from engine.backup.fold import FOLD_VERSION, fold, fold_hash
from engine.backup.layout import BackupError, DatabasePoint, Manifest, place_of, point_names, read_manifest, sha256_of
from engine.backup.place import place
from engine.backup.verify import Tell
from engine.journal import layout
from engine.journal.places import LANE_NAMES, Mark, mark_slot
from engine.journal.scan import checksum
from engine.journal.verify import verify
from engine.runtime.clock import Clock
from engine.runtime.disk import Disk

RUNS_AT_LEAST = 1_000
SECONDS_A_RUN = 10
NS_PER_S = 1_000_000_000
# five digits of base 62 in a client order id
EPOCH_MAX = 62**5 - 1
# the configuration is for people to compare: the engine is started with its own
NOT_RESTORED = frozenset({"engine.toml", "starts"})


def restore(directory: Path, name: str, target: Path, clock: Clock, tell: Tell) -> tuple[Manifest, int]:
    """Restore a point (empty name: the latest) to `target`, absent or an empty directory. Returns its manifest and the new epoch.

    Raises BackupError and OSError; where it fails, `target` is as it was.
    """
    name = name or latest(directory)
    manifest = read_manifest(directory, name)
    epoch = fenced_epoch(manifest, clock.time_ns())
    disk = Disk()
    with place(target, disk) as partial:
        copy_point(directory, name, manifest, partial, tell)
        write_marks(partial, manifest, disk)
        write_epoch(partial, manifest, epoch, disk)
        check(partial, manifest, tell)
    return manifest, epoch


def restore_database(directory: Path, name: str, url: str) -> DatabasePoint:
    """Put the recorder's database of a point into an empty one; its rows are counted. BackupError, RecorderFault."""
    from engine.backup.postgres import put_back

    name = name or latest(directory)
    manifest = read_manifest(directory, name)
    point = manifest.database
    if point is None:
        raise BackupError(f"{directory}: point {name} holds no database on PostgreSQL")
    file = next(file for file in manifest.files if file.path == point.file)
    dumped = place_of(directory, name, file, is_segment=False)
    if sha256_of(dumped, file.bytes) != file.sha256:
        raise BackupError(f"{dumped}: damaged: not what was written")
    put_back(dumped, point, url)
    return point


def latest(directory: Path) -> str:
    """The youngest point. Raises BackupError where there is none."""
    names = point_names(directory)
    if not names:
        raise BackupError(f"{directory}: no backup here")
    return names[-1]


def fenced_epoch(manifest: Manifest, now_wall_ns: int) -> int:
    """The epoch to go on from; the next start raises it by one. BackupError where client order ids have no more."""
    age_s = max(0, now_wall_ns - manifest.created_wall_ns) // NS_PER_S
    epoch = manifest.epoch + RUNS_AT_LEAST + age_s // SECONDS_A_RUN
    if epoch >= EPOCH_MAX:
        raise BackupError(f"epoch {epoch} is above what a client order id can hold: begin with an empty journal")
    return epoch


def copy_point(directory: Path, name: str, manifest: Manifest, target: Path, tell: Tell) -> None:
    """Every file, cut to the bytes of the point, and read back."""
    total, done = sum(file.bytes for file in (*manifest.segments, *manifest.files)), 0
    for lane in LANE_NAMES:
        (target / lane).mkdir(exist_ok=True)
    for files, is_segment in ((manifest.segments, True), (manifest.files, False)):
        for file in files:
            if not is_segment and (file.path in NOT_RESTORED or is_dump(manifest, file.path)):
                continue
            tell(done, total, file.path)
            source, copy = place_of(directory, name, file, is_segment=is_segment), target / file.path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy_bytes(source, copy, file.bytes)
            if sha256_of(copy, file.bytes) != file.sha256:
                raise BackupError(f"{source}: damaged: not what was written")
            done += file.bytes


def is_dump(manifest: Manifest, path: str) -> bool:
    """Is a file the dump of a database, which is put back into a database."""
    return manifest.database is not None and manifest.database.file == path


def copy_bytes(source: Path, target: Path, size: int) -> None:
    """The first `size` bytes, synced."""
    with source.open("rb") as file:
        content = file.read(size)
    Disk().write(target, content)


def write_marks(target: Path, manifest: Manifest, disk: Disk) -> None:
    """The watermarks of the point: below them every byte must be whole from now on."""
    data = bytearray(layout.MARK_FILE_BYTES)
    for lane, name in enumerate(LANE_NAMES):
        point = manifest.lanes[name]
        mark = Mark(lane, point.epoch, point.generation, point.segment_no, point.segment_offset, point.seq)
        slot = mark_slot(lane, mark.generation)
        data[slot : slot + layout.MARK_BYTES] = mark.pack()
    disk.replace(target / "synced", bytes(data))


def write_epoch(target: Path, manifest: Manifest, epoch: int, disk: Disk) -> None:
    """Whose journal it is, and the epoch that fences what is not in it."""
    facts = {"journal_id": manifest.journal_id, "engine_id": manifest.engine_id, "epoch": epoch}
    text = json.dumps(facts, separators=(",", ":")).encode()
    disk.replace(target / "epoch", b"%s %08x\n" % (text, checksum(text)))


def check(target: Path, manifest: Manifest, tell: Tell) -> None:
    """The restored journal is whole, and its ledger gives the state that the source's gave."""
    report = verify(target)
    if not report.is_whole:
        what = (
            "; ".join(f"{item.path} byte {item.offset}: {item.what}" for item in report.damage) or "records are missing"
        )
        raise BackupError(f"the restored journal is not whole: {what}")
    seq = manifest.seq
    found = fold_hash(fold(target, seq, lambda at: tell(at, seq, "folding")))
    if found != manifest.fold and manifest.fold_version == FOLD_VERSION:
        raise BackupError(f"the restored ledger gives another state than the source's at sequence {seq}")
