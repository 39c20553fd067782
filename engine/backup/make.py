"""A backup beside the running engine: everything below the watermark, which nobody writes again, and copies of what is small.

The consistent point is the watermark of each lane: what is synced there can be replayed alone. Nothing of the engine is stopped,
locked or asked. A second backup into the same directory copies only what is new.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from engine.backup.fold import FOLD_VERSION, fold, fold_hash
from engine.backup.layout import (
    CHUNK_BYTES,
    MANIFEST_NAME,
    BackedFile,
    BackupError,
    DatabasePoint,
    LanePoint,
    Manifest,
    point_names,
    read_manifest,
    sha256_of,
)
from engine.backup.verify import check_point
from engine.desk.recorder.address import FILE_NAME as RECORDER_FILE
from engine.journal import layout
from engine.journal.chain import ENTRY
from engine.journal.cursor import Cursor
from engine.journal.head import HEADS_FILE, encode_head, read_heads
from engine.journal.places import LANE_NAMES, Mark, segments
from engine.journal.reader import read_header, read_identity, read_marks
from engine.journal.tailing import FOLDER, reader_paths
from engine.model.codes import Lane
from engine.recovery.snapshot import NAME, age_of
from engine.runtime.clock import Clock
from engine.runtime.disk import Disk
from engine.runtime.world import World

NEVER_COPIED = frozenset({"lock", "epoch", "synced"})
TRIES = 20
TAPE_POLL_S = 0.05
TAPE_POLLS_MAX = 20

# done bytes, all bytes, what
Tell = Callable[[int, int, str], None]


# copies what is recorded of a data directory's journal, of one moment, into a folder
DatabaseSource = Callable[[Path, Path], DatabasePoint | None]


@dataclass
class Source:
    """What is backed up: an engine's data directory, its configuration's file, and whether the tape goes along.

    `database`: the recorder's, where it does not lie in the data directory.
    """

    data_dir: Path
    config: Path | None = None
    with_tape: bool = False
    notes: list[str] = field(default_factory=list)
    database: DatabaseSource | None = None


@dataclass(frozen=True)
class Taken:
    """What is fixed at once, before anything is copied."""

    journal_id: bytes
    engine_id: int
    epoch: int
    marks: dict[int, Mark]


def make(source: Source, directory: Path, build: str, clock: Clock, tell: Tell) -> tuple[str, Manifest]:
    """Make a point in `directory` and verify it: read back whole, and folded to the same state as the source.

    Returns the point's name and manifest. Raises BackupError, JournalError, OSError; a point that is not whole is not left behind.
    """
    disk = Disk()
    if directory.resolve().is_relative_to(source.data_dir.resolve()):
        raise BackupError(
            f"{directory} lies in what is copied, {source.data_dir}: name a place outside, best on another disk"
        )
    disk.make_directory(directory)
    with alone_in(directory):
        names = point_names(directory)
        name = f"{int(names[-1]) + 1 if names else 1:06d}"
        partial = directory / "points" / f"{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "files").mkdir(parents=True)
        try:
            database = copy_readers(source, partial / "files")
            taken = take(source.data_dir)
            require_same_history(directory, taken)
            backed = list(copied_segments(source, directory, taken, tell))
            copy_small(source, taken, partial / "files")
            seq = taken.marks[Lane.LEDGER].seq
            state = fold(source.data_dir, seq, lambda at: tell(at, seq, "folding the source"))
            manifest = manifest_of(source, taken, backed, partial, fold_hash(state), build, clock, database)
            disk.write(partial / MANIFEST_NAME, msgspec.json.format(msgspec.json.encode(manifest)))
            sync_tree(partial, disk)
            partial.rename(directory / "points" / name)
            disk.sync_directory(directory / "points")
            check_point(directory, name, tell)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(directory / "points" / name, ignore_errors=True)
            raise
    return name, manifest


def cut_at(data_dir: Path, seq: int, mark: Mark) -> Mark:
    """The mark behind the tape's last record up to a sequence; it lies below `mark`."""
    end, last = (0, 0), 0
    for number, path in reversed(segments(data_dir, Lane.TAPE)):
        header = read_header(path)
        if number > mark.segment_no or header is None or header.first_seq > seq:
            continue
        cursor = Cursor(str(path), layout.SEGMENT_HEADER_BYTES)
        while (record := cursor.next_record()) is not None and record.seq <= seq:
            end, last = (number, cursor.offset), record.seq
        cursor.close()
        if last:
            return Mark(Lane.TAPE, mark.epoch, mark.generation, *end, last)
    return Mark(Lane.TAPE, mark.epoch, mark.generation, 0, 0, 0)


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """No second backup into the directory at the same time."""
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise BackupError(f"{directory}: another backup is being made there") from error
    try:
        yield
    finally:
        os.close(fd)


def take(data_dir: Path) -> Taken:
    """Identity and watermarks of one and the same run: a start between two looks raises the epoch, and is looked at again."""
    for _ in range(TRIES):
        before = read_identity(data_dir)
        marks = read_marks(data_dir)
        if len(marks) == len(LANE_NAMES):
            marks[Lane.TAPE] = tape_mark(data_dir, marks[Lane.LEDGER].seq, marks[Lane.TAPE])
        after = read_identity(data_dir)
        if before == after and len(marks) == len(LANE_NAMES):
            return Taken(*after, marks)
    raise BackupError(f"{data_dir}: no whole watermark of each lane can be read")


def tape_mark(data_dir: Path, ledger_seq: int, mark: Mark) -> Mark:
    """The tape up to the ledger's last sequence, no further and no less: the two lanes have one sequence, without a gap."""
    # what the tape has of these numbers was committed before and is synced a moment later, unless there is nothing
    for _ in islice(World.live().polls(TAPE_POLL_S), TAPE_POLLS_MAX):
        mark = read_marks(data_dir).get(Lane.TAPE, mark)
        if mark.seq >= ledger_seq:
            break
    return mark if mark.seq <= ledger_seq else cut_at(data_dir, ledger_seq, mark)


def require_same_history(directory: Path, taken: Taken) -> None:
    """A directory holds points of one journal; a journal that was put back has another history from then on."""
    for name in point_names(directory):
        manifest = read_manifest(directory, name)
        if manifest.journal_id != taken.journal_id.hex():
            raise BackupError(f"{directory}: holds backups of another journal; give each engine a directory of its own")
        if (manifest.epoch, manifest.seq) > (taken.epoch, taken.marks[Lane.LEDGER].seq):
            raise BackupError(f"{directory}: point {name} is ahead of this journal: use an empty directory")


# --- segments ---


def copied_segments(source: Source, directory: Path, taken: Taken, tell: Tell) -> Iterator[BackedFile]:
    """Copy what is below the watermarks and is not there yet; yields every segment of the point with its chain."""
    wanted = below(source.data_dir, Lane.LEDGER, taken.marks[Lane.LEDGER])
    tape = below(source.data_dir, Lane.TAPE, taken.marks[Lane.TAPE])
    # a tape may begin anywhere, as after it has expired, but the segment of its watermark must be there
    wanted += tape if source.with_tape else tape[-1:]
    total, done = sum(size for _, size in wanted), 0
    for path, size in wanted:
        relative = f"{path.parent.name}/{path.name}"
        target = directory / relative
        tell(done, total, relative)
        copy_segment(path, target, size)
        yield BackedFile(relative, size, sha256_of(target, size))
        chain = path.with_suffix(".chain")
        if chain.exists():
            content = chain_until(chain.read_bytes(), size)
            write_new(target.with_suffix(".chain"), content)
            chain_target = target.with_suffix(".chain")
            yield BackedFile(f"{path.parent.name}/{chain.name}", len(content), sha256_of(chain_target, len(content)))
        done += size
    tell(total, total, "segments")


def below(data_dir: Path, lane: int, mark: Mark) -> list[tuple[Path, int]]:
    """Segments of a lane and how many of their bytes are synced."""
    found = [(number, path) for number, path in segments(data_dir, lane) if number <= mark.segment_no]
    return [(path, mark.segment_offset if number == mark.segment_no else path.stat().st_size) for number, path in found]


def copy_segment(source: Path, target: Path, size: int) -> None:
    """Put the first `size` bytes at `target`; one that has them already is left. BackupError for another history's."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if read_header(source) != read_header(target):
            raise BackupError(f"{target}: holds a segment of another history; use an empty directory")
        if target.stat().st_size >= size:
            if not begins_alike(source, target, size):
                raise BackupError(
                    f"{target}: differs from {source}: damaged, or of another history; use an empty directory"
                )
            return
    partial = target.with_name(target.name + ".partial")
    with source.open("rb") as reading, partial.open("wb") as writing:
        left = size
        while left and (data := reading.read(min(left, CHUNK_BYTES))):
            writing.write(data)
            left -= len(data)
        writing.flush()
        os.fsync(writing.fileno())
    if left:
        raise BackupError(f"{source}: ends {left} bytes before its watermark")
    partial.replace(target)
    Disk().sync_directory(target.parent)


def begins_alike(first: Path, second: Path, size: int) -> bool:
    """Are the first bytes the same."""
    with first.open("rb") as one, second.open("rb") as other:
        left = size
        while left:
            data = one.read(min(left, CHUNK_BYTES))
            if not data or data != other.read(len(data)):
                return False
            left -= len(data)
    return True


def chain_until(content: bytes, size: int) -> bytes:
    """The entries of a chain that are about the first `size` bytes of its segment; the next start binds what follows."""
    end = 0
    while end + ENTRY.size <= len(content):
        _, _, _, _, _, offset, length, *_ = ENTRY.unpack_from(content, end)
        if offset + length > size:
            break
        end += ENTRY.size
    return content[:end]


# --- what reads the ledger ---


def copy_readers(source: Source, folder: Path) -> DatabasePoint | None:
    """Offsets of named readers, and the recorder's database. Copied before the marks are taken: none is ahead of the copy.

    A reader whose offset is copied is given again what came since; a recorder makes the rows that are not in its copy.
    """
    found = reader_paths(source.data_dir)
    if found:
        (folder / FOLDER).mkdir()
    for path in found:
        write_new(folder / FOLDER / path.name, path.read_bytes())
    recorder = source.data_dir / RECORDER_FILE
    if recorder.exists():
        copy_database(recorder, folder / RECORDER_FILE)
    if source.database is None:
        return None
    return source.database(source.data_dir, folder)


# --- what is small ---


def copy_small(source: Source, taken: Taken, folder: Path) -> None:
    """Names, kills, snapshots, databases, the configuration. Copied after the marks were taken: they may know more, never less."""
    for path in sorted(source.data_dir.iterdir()):
        if not path.is_file() or path.name in NEVER_COPIED or path.name.endswith((".new", "-wal", "-shm", "-journal")):
            continue
        if path.name == RECORDER_FILE:
            continue
        if path.suffix == ".sqlite":
            copy_database(path, folder / path.name)
        elif path.name == HEADS_FILE:
            write_new(folder / path.name, heads_until(path, taken.marks))
        else:
            write_new(folder / path.name, path.read_bytes())
    mark = taken.marks[Lane.LEDGER]
    for path in sorted((source.data_dir / "snapshots").glob("*.snapshot")):
        epoch, seq = age_of(path)
        if NAME.fullmatch(path.name) and (epoch, seq) <= (taken.epoch, mark.seq) and seq <= mark.seq:
            (folder / "snapshots").mkdir(exist_ok=True)
            write_new(folder / "snapshots" / path.name, path.read_bytes())
    if source.config is not None:
        write_new(folder / "engine.toml", source.config.read_bytes())


def heads_until(path: Path, marks: dict[int, Mark]) -> bytes:
    """Signed heads of what is in the copy: one of more would say of a restored journal that it was altered."""
    kept = []
    for item in read_heads(path):
        lanes = [(item.head.lane(lane), mark) for lane, mark in marks.items()]
        if all(
            head is None or (head.segment, head.end) <= (mark.segment_no, mark.segment_offset) for head, mark in lanes
        ):
            kept.append(encode_head(item))
    return b"".join(kept)


def copy_database(source: Path, target: Path) -> None:
    """A database that is being written: SQLite's own online backup, which gives the state of one moment."""
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=10.0)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)
            # no log beside it: the copy is one file
            writing.execute("PRAGMA journal_mode = DELETE")
            fault = writing.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.Error as error:
        raise BackupError(f"{source}: cannot be copied: {error}") from error
    if fault != "ok":
        raise BackupError(f"{source}: the copy is not whole: {fault}")


def write_new(path: Path, content: bytes) -> None:
    """Write beside and rename: an older point never sees half a file."""
    partial = path.with_name(path.name + ".partial")
    Disk().write(partial, content)
    partial.replace(path)


def sync_tree(folder: Path, disk: Disk) -> None:
    """Make every name below durable."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            disk.sync_directory(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    disk.sync_directory(folder)


def manifest_of(
    source: Source,
    taken: Taken,
    backed: list[BackedFile],
    partial: Path,
    fold_of_source: str,
    build: str,
    clock: Clock,
    database: DatabasePoint | None,
) -> Manifest:
    """The point in words."""
    files = [
        BackedFile(path.relative_to(partial / "files").as_posix(), size := path.stat().st_size, sha256_of(path, size))
        for path in sorted((partial / "files").rglob("*"))
        if path.is_file()
    ]
    points = {
        name: LanePoint(mark.segment_no, mark.segment_offset, mark.seq, mark.generation, mark.epoch)
        for lane, name in enumerate(LANE_NAMES)
        if (mark := taken.marks[lane])
    }
    return Manifest(
        engine_id=taken.engine_id,
        journal_id=taken.journal_id.hex(),
        epoch=taken.epoch,
        created_wall_ns=clock.time_ns(),
        build=build,
        lanes=points,
        segments=backed,
        files=files,
        fold=fold_of_source,
        notes=source.notes,
        fold_version=FOLD_VERSION,
        database=database,
    )
