"""Which record layouts this build reads, and what it says of the others.

A segment names its layout by a hash (`layout.SCHEMA_HASH`). A ledger outlives builds, so layouts only grow: kinds and
trailing fields of payloads are appended, never moved, renamed or given another number; a kind behind whose fixed part
something stands (`layout.TAILED`) keeps that part as it is. A record of an earlier build is read as one whose later
fields are 0 (`engine.journal.cursor` widens it). A test holds each layout of READABLE, whole, against today's.

A layout that breaks this rule gets another RECORD_VERSION and a hash that no table names: it is refused.
"""

from __future__ import annotations

import json
from pathlib import Path

from engine.journal import layout
from engine.journal.cursor import Cursor
from engine.journal.errors import JournalForeign
from engine.journal.places import SegmentHeader, segments
from engine.model.codes import Lane, RecordKind

# hash of a layout -> the first build that wrote it
READABLE: dict[int, str] = {
    0x2D92C73C3D17B81B: "0.1.0, 21 November 2026",
    0xD7EFC2F2BC0B4ED3: "0.1.0, 22 November 2026",
}


def is_readable(schema_hash: int) -> bool:
    """May records of a segment that names this hash be read as today's."""
    return schema_hash == layout.SCHEMA_HASH or schema_hash in READABLE


def check(data_dir: Path, path: Path, header: SegmentHeader) -> None:
    """JournalForeign where a segment's records cannot be read by this build."""
    if not is_readable(header.schema_hash):
        raise JournalForeign(str(path), header.schema_hash, written_by(data_dir, header))


def written_by(data_dir: Path, header: SegmentHeader) -> str:
    """The build that wrote a segment, as the first record of its run (START) tells it; empty where that is not there.

    START is JSON behind a header that has been the same in every layout.
    """
    for _, path in segments(data_dir, Lane.LEDGER):
        with path.open("rb") as file:
            first = SegmentHeader.parse(file.read(layout.SEGMENT_HEADER_BYTES))
        if first is None or first.epoch != header.epoch:
            continue
        cursor = Cursor(str(path), layout.SEGMENT_HEADER_BYTES)
        record = cursor.next_record()
        cursor.close()
        if record is not None and record.kind == RecordKind.START:
            return str(json.loads(record.payload.rstrip(b"\0")).get("build", ""))
    return ""
