"""Where a journal's files lie, and their headers.

Below `data_dir`: `lock`, `epoch`, `synced`, `ledger/00000001.seg` ..., `tape/00000001.seg` ...; below `runtime_dir`:
`journal.lock`, `ledger.front`, `tape.front`. A restoration that is running, or was killed, has `.restoring` in `data_dir`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from engine.journal import layout
from engine.journal.scan import checksum

LANE_NAMES = ("ledger", "tape")
RESTORING = ".restoring"
SEGMENT_NAME = re.compile(r"(\d{8})\.seg")


def segment_path(data_dir: Path, lane: int, number: int) -> Path:
    return data_dir / LANE_NAMES[lane] / f"{number:08d}.seg"


def segments(data_dir: Path, lane: int) -> list[tuple[int, Path]]:
    """(number, path) of a lane's segments, oldest first."""
    folder = data_dir / LANE_NAMES[lane]
    if not folder.is_dir():
        return []
    found = ((SEGMENT_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match)


@dataclass(frozen=True)
class SegmentHeader:
    """The first 128 bytes of a segment. `first_seq` 0: it begins with padding. `previous_bytes` 0: none before it."""

    version: int
    engine_id: int
    epoch: int
    lane: int
    record_version: int
    segment_no: int
    first_seq: int
    created_wall_ns: int
    schema_hash: int
    journal_id: bytes
    previous_bytes: int

    @classmethod
    def parse(cls, data: bytes) -> SegmentHeader | None:
        """None where it is not a whole header."""
        if len(data) < layout.SEGMENT_HEADER_BYTES:
            return None
        head = data[: layout.SEGMENT_HEADER_BYTES]
        fields = layout.SEGMENT_HEADER.unpack(head)
        if fields[0] != layout.SEGMENT_MAGIC or checksum(head[:-4]) != fields[-1]:
            return None
        return cls(fields[1], *fields[3:13])


@dataclass(frozen=True)
class Mark:
    """A watermark: everything of `lane` up to byte `segment_offset` of segment `segment_no` (sequence `seq`) was
    synced.
    """

    lane: int
    epoch: int
    generation: int
    segment_no: int
    segment_offset: int
    seq: int
    position: int = 0

    @classmethod
    def parse(cls, data: bytes) -> Mark | None:
        """None where it is not a whole mark."""
        if len(data) < layout.MARK_BYTES:
            return None
        magic, lane, epoch, crc, generation, number, offset, seq, position, _ = layout.MARK.unpack(
            data[: layout.MARK_BYTES]
        )
        if (
            magic != layout.MARK_MAGIC
            or checksum(data[16 : layout.MARK_BYTES], epoch ^ (lane << 24 & 0xFFFFFFFF)) != crc
        ):
            return None
        return cls(lane, epoch, generation, number, offset, seq, position)

    def pack(self) -> bytes:
        body = (self.generation, self.segment_no, self.segment_offset, self.seq, self.position, 0)
        tail = layout.MARK.pack(b"", 0, 0, 0, *body)[16:]
        crc = checksum(tail, self.epoch ^ (self.lane << 24 & 0xFFFFFFFF))
        return layout.MARK.pack(layout.MARK_MAGIC, self.lane, self.epoch, crc, *body)


def mark_slot(lane: int, generation: int) -> int:
    """Offset in the file `synced` at which a mark stands: two slots a lane, in turn, each in a disk sector of its
    own.
    """
    return (lane * 2 + generation % 2) * layout.MARK_SLOT_BYTES


def parse_marks(data: bytes) -> dict[int, Mark]:
    """The newest whole mark of each lane."""
    newest: dict[int, Mark] = {}
    for slot in range(0, layout.MARK_FILE_BYTES, layout.MARK_SLOT_BYTES):
        mark = Mark.parse(data[slot : slot + layout.MARK_BYTES])
        if mark and (mark.lane not in newest or mark.generation > newest[mark.lane].generation):
            newest[mark.lane] = mark
    return newest


@dataclass(frozen=True)
class Front:
    """A front's header as it stands in the file."""

    lane: int
    schema_hash: int
    engine_id: int
    epoch: int
    ring_bytes: int
    boot_id: bytes
    journal_id: bytes
    committed: int
    last_seq: int
    written: int
    synced_seq: int
    error: int

    @classmethod
    def parse(cls, page: bytes) -> Front | None:
        """None where the page is no whole front header of this format."""
        if len(page) < layout.FRONT_HEADER_BYTES:
            return None
        identity = layout.FRONT_IDENTITY.unpack_from(page)
        magic, version, lane, schema, engine_id, epoch, ring_bytes, boot_id, journal_id, crc = identity
        if magic != layout.FRONT_MAGIC or version != layout.FORMAT_VERSION or checksum(page[:72]) != crc:
            return None
        committed, last_seq, _, _ = layout.FRONT_HOT.unpack_from(page, layout.FRONT_HOT_OFFSET)
        written, _, synced_seq, _, _, _, error, _, _ = layout.FRONT_WRITER.unpack_from(page, layout.FRONT_WRITER_OFFSET)
        return cls(
            lane,
            schema,
            engine_id,
            epoch,
            ring_bytes,
            boot_id,
            journal_id,
            committed,
            last_seq,
            written,
            synced_seq,
            error,
        )
