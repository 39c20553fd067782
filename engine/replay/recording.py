"""One recorded session out of a journal's directory: its bytes, and the facts that its core began with."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from engine.config import Config
from engine.control.catalog import Names
from engine.exit_codes import CommandError, ExitCode
from engine.journal import layout
from engine.journal.core_start import CoreStart, read_core_start
from engine.journal.cursor import Record
from engine.journal.errors import JournalCorrupt, JournalError
from engine.journal.places import LANE_NAMES, Front, SegmentHeader, segment_path, segments
from engine.journal.reader import JournalReader, read_header, read_marks
from engine.journal.replay_kinds import BOOKKEEPING
from engine.journal.replayed import RecordedSession
from engine.journal.scan import ring_stream, scan
from engine.model.codes import Lane, RecordKind


class NothingRecorded(CommandError):
    """The session ended before its core had begun."""

    def __init__(self, text: str) -> None:
        super().__init__(ExitCode.NO_INPUT, text)


@dataclass(frozen=True)
class Recording:
    """`session` stands at the START record of `epoch`. `rows`: each instrument's row as it lay in memory, by id."""

    data_dir: Path
    epoch: int
    session: RecordedSession = field(repr=False)
    start: dict[str, Any]
    facts: CoreStart = field(repr=False)
    config: Config = field(repr=False)
    names: Names
    rows: dict[int, bytes] = field(repr=False)
    engine_id: int


def epochs(data_dir: Path) -> list[int]:
    """The sessions (runs) that the ledger holds, oldest first. CommandError where there is no journal."""
    if not (data_dir / LANE_NAMES[Lane.LEDGER]).is_dir():
        raise CommandError(ExitCode.NO_INPUT, f"{data_dir}: no journal here (no ledger folder)")
    return sorted({header.epoch for _, _, header in headers(data_dir, Lane.LEDGER)})


def require_segments(data_dir: Path) -> None:
    """The ledger's segments tell which sessions there are. JournalCorrupt where a synced one is gone, or its header damaged."""
    mark = read_marks(data_dir).get(Lane.LEDGER)
    synced = mark.segment_no if mark is not None else 0
    before = 0
    for number, path in segments(data_dir, Lane.LEDGER):
        if before and number != before + 1:
            break
        if number <= synced and read_header(path) is None:
            raise JournalCorrupt(str(path), 0, "the segment's header is damaged")
        before = number
    if before < synced:
        path = segment_path(data_dir, Lane.LEDGER, before + 1)
        raise JournalCorrupt(str(path), 0, "the segment is missing, though later ones were synced")


def headers(data_dir: Path, lane: int) -> Iterator[tuple[int, Path, SegmentHeader]]:
    """Number, path and header of a lane's segments whose header is whole."""
    for number, path in segments(data_dir, lane):
        header = read_header(path)
        if header is not None:
            yield number, path, header


def open_recording(data_dir: Path, epoch: int | None = None, runtime_dir: Path | None = None) -> Recording:
    """The session of an epoch, the last one where none is named. CommandError where it is missing, JournalCorrupt for damage."""
    known = epochs(data_dir)
    require_segments(data_dir)
    if not known:
        raise CommandError(ExitCode.NO_INPUT, f"{data_dir}: the journal is empty")
    epoch = known[-1] if epoch is None else epoch
    if epoch not in known:
        shown = ", ".join(map(str, known[-8:]))
        raise CommandError(ExitCode.NO_INPUT, f"{data_dir}: no session {epoch} here; the latest are {shown}")
    opening = list(opening_records(data_dir, epoch))
    facts = read_core_start(opening)
    if facts is None and not has_more(data_dir, epoch):
        text = f"session {epoch} ended before its core began (its start failed): there is nothing to replay"
        raise NothingRecorded(f"{data_dir}: {text}")
    if facts is None:
        text = (
            f"session {epoch} was written by a build that did not note what its core began with: it cannot be replayed"
        )
        raise CommandError(ExitCode.NO_INPUT, f"{data_dir}: {text}")
    session = open_session(data_dir, epoch, runtime_dir or recorded_runtime_dir(facts))
    return Recording(
        data_dir=data_dir,
        epoch=epoch,
        session=session,
        start=json.loads(opening[0].payload.rstrip(b"\0")),
        facts=facts,
        config=config_of(facts),
        names=first_names(opening),
        rows={row.instrument_id: row.payload for row in opening if row.kind == RecordKind.INSTRUMENT_ROW},
        engine_id=opening[0].engine_id,
    )


def opening_records(data_dir: Path, epoch: int) -> Iterator[Record]:
    """START and the bookkeeping behind it, up to the first record of the core."""
    has_begun = False
    for record in ledger_of(data_dir, epoch):
        if record.epoch != epoch:
            continue
        has_begun = has_begun or record.kind == RecordKind.START
        if not has_begun:
            continue
        if record.kind not in BOOKKEEPING:
            return
        yield record


def has_more(data_dir: Path, epoch: int) -> bool:
    """Did the session write anything beside bookkeeping."""
    return any(record.epoch == epoch and record.kind not in BOOKKEEPING for record in ledger_of(data_dir, epoch))


def ledger_of(data_dir: Path, epoch: int) -> Iterator[Record]:
    """The ledger from the session's first record on. CommandError where it is damaged."""
    first = next(h.first_seq for _, _, h in headers(data_dir, Lane.LEDGER) if h.epoch == epoch)
    try:
        yield from JournalReader(data_dir).records(Lane.LEDGER, from_seq=first)
    except JournalError as error:
        raise CommandError(ExitCode.IO_ERROR, str(error)) from None


def first_names(opening: list[Record]) -> Names:
    """What ids were called when the session began: the catalog's first record."""
    for record in opening:
        if record.kind == RecordKind.INSTRUMENT and record.instrument_id == 0:
            return msgspec.json.decode(record.payload.rstrip(b"\0"), type=Names)
    raise NothingRecorded("the session ended before its catalog was written: there is nothing to replay")


def config_of(facts: CoreStart) -> Config:
    """The configuration of the run. A key that was not given stands there with its default, which the key itself may not allow."""
    sections = json.loads(facts.config)
    for name, section in sections.items():
        tables = section.values() if name in ("venue", "strategy") else (section,)
        for table in tables:
            for key in [key for key, value in table.items() if value in ("", None)] if isinstance(table, dict) else ():
                del table[key]
    try:
        return msgspec.convert(sections, type=Config)
    except msgspec.ValidationError as error:
        text = (
            f"the session's configuration is not one of this build ({error}): replay it with the build that recorded it"
        )
        raise CommandError(ExitCode.DATA_ERROR, text) from None


def recorded_runtime_dir(facts: CoreStart) -> Path | None:
    """Where the run kept its fronts, if they are still there: a killed engine's last records stand in them alone."""
    found = json.loads(facts.config).get("engine", {}).get("runtime_dir")
    return Path(found) if found and Path(found).is_dir() else None


def open_session(data_dir: Path, epoch: int, runtime_dir: Path | None = None) -> RecordedSession:
    """Both lanes of an epoch, as they lie on disk, and what a killed engine left in its fronts."""
    lanes: list[list[Any]] = []
    journal_id = next(header.journal_id for _, _, header in headers(data_dir, Lane.LEDGER) if header.epoch == epoch)
    marks = read_marks(data_dir)
    for lane in (Lane.LEDGER, Lane.TAPE):
        synced = marks[lane].segment_no if lane in marks else 0
        parts = [mapped(path, lane, may_end=number >= synced) for number, path in paths_of(data_dir, lane, epoch)]
        lanes.append([*parts, *front_part(runtime_dir, lane, epoch, journal_id)])
    return RecordedSession(lanes[0], lanes[1], epoch=epoch)


def paths_of(data_dir: Path, lane: int, epoch: int) -> list[tuple[int, Path]]:
    """Number and path of segments that may hold records of an epoch: recovery writes a front's rest behind the run's own."""
    found = []
    for number, path, header in headers(data_dir, lane):
        if header.epoch not in (epoch, epoch + 1):
            continue
        if header.schema_hash != layout.SCHEMA_HASH:
            text = f"{path}: written with another record layout (schema {header.schema_hash:016x})"
            raise CommandError(ExitCode.DATA_ERROR, f"{text}: replay it with the build that recorded it")
        found.append((number, path))
    return found


def mapped(path: Path, lane: int, *, may_end: bool) -> memoryview:
    """A segment's records, mapped copy on write. `may_end`: up to a bad one, which above the watermark is the end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size <= layout.SEGMENT_HEADER_BYTES:
            return memoryview(bytearray())
        view = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
    finally:
        os.close(descriptor)
    whole = memoryview(view)
    end = scan(whole, layout.SEGMENT_HEADER_BYTES, lane).end if may_end else len(whole)
    return whole[layout.SEGMENT_HEADER_BYTES : end]


def front_part(runtime_dir: Path | None, lane: int, epoch: int, journal_id: bytes) -> list[bytearray]:
    """What stands in the lane's front of that epoch and on no disk yet (numbers that stand there too are passed over).

    Nothing of a front of another run, or of another engine that was given the same folder.
    """
    path = runtime_dir / f"{LANE_NAMES[lane]}.front" if runtime_dir else None
    if path is None or not path.exists():
        return []
    data = path.read_bytes()
    front = Front.parse(data)
    if front is None or (front.lane, front.epoch, front.journal_id) != (lane, epoch, journal_id):
        return []
    stream, _ = ring_stream(data, front.written, front.committed, front.ring_bytes, lane, 0)
    return [bytearray(stream)]
