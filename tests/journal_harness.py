"""Journals for tests: small, in a memory file system where there is one, with records whose content can be checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from engine.journal import layout
from engine.journal.cursor import Record
from engine.journal.journal import Journal
from engine.journal.places import Mark, mark_slot, parse_marks
from engine.journal.reader import JournalReader
from engine.journal.settings import JournalConfig
from engine.model.codes import Lane, RecordKind
from engine.runtime.world import World

SHARED_MEMORY = Path("/dev/shm")
KINDS = {Lane.LEDGER: RecordKind.OWN_FRAME_OTHER, Lane.TAPE: RecordKind.MARKET_FRAME_OTHER}


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder whose fsync costs nothing, gone afterwards."""
    with TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as name:
        yield Path(name)


def small_config(folder: Path, **changes: Any) -> JournalConfig:
    """Fronts of 64 KiB, segments of 8 KiB, below `folder`."""
    config = JournalConfig(
        data_dir=folder / "data",
        runtime_dir=folder / "run",
        engine_id=7,
        ledger_front_bytes=1 << 16,
        tape_front_bytes=1 << 16,
        segment_bytes=1 << 13,
        sync_interval_ms=1.0,
    )
    return msgspec.structs.replace(config, **changes)


def open_stepped(config: JournalConfig, world: World | None = None) -> Journal:
    """A journal without a thread: bytes move only in `flush`."""
    return Journal.open(config, world or World.virtual(1), threaded=False)


def content(number: int) -> bytes:
    """The payload of record `number`: its number, then 0 to 200 bytes that follow from it."""
    length = number * 37 % 201
    return number.to_bytes(8, "little") + bytes((number + index) & 0xFF for index in range(length))


def append_numbered(journal: Journal, number: int, *, reserve: bool = False) -> int:
    """Append record `number`: every third to the ledger, the others to the tape."""
    lane = Lane.LEDGER if number % 3 == 0 else Lane.TAPE
    payload = content(number)
    return journal.append(
        lane, KINDS[lane], payload, frame_length=len(payload), wall_ns=number, mono_ns=number, reserve=reserve
    )


def numbers(records: Iterator[Record] | list[Record]) -> list[int]:
    """The numbers of the numbered records, each checked against its content."""
    found = []
    for record in records:
        if record.kind not in KINDS.values():
            continue
        number = int.from_bytes(record.payload[:8], "little")
        assert record.payload[: record.frame_length] == content(number)
        assert record.lane == (Lane.LEDGER if number % 3 == 0 else Lane.TAPE)
        found.append(number)
    return found


def read_numbers(data_dir: Path, lane: int | None = None) -> list[int]:
    return numbers(JournalReader(data_dir).records(lane))


def copy_journal(source: Path, target: Path) -> None:
    """A data directory's copy, locks and all."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def leave_mark(data_dir: Path, lane: int, segment_no: int, offset: int, seq: int) -> None:
    """Write the watermark that a lane had at a place: the newest whole one from now on."""
    path = data_dir / "synced"
    data = bytearray(path.read_bytes())
    newest = parse_marks(bytes(data))[lane]
    mark = Mark(lane, newest.epoch, newest.generation + 1, segment_no, offset, seq)
    slot = mark_slot(lane, mark.generation)
    data[slot : slot + layout.MARK_BYTES] = mark.pack()
    path.write_bytes(data)
