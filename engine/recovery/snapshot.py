"""A snapshot: what one pass over the ledger up to a certain record has made, as a file.

Little-endian. A header of 128 bytes, a table of 32 bytes a section, the sections one behind the other. Every byte stands under a
CRC-32C: the header's own, the table's (in the header), each section's (in the table). The header names the record that was folded
last by place and checksum, so that a snapshot of another ledger, or of one that was cut, is recognised and not taken.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from engine.journal.errors import ImageError
from engine.journal.scan import checksum
from engine.recovery.sections import READABLE, Section, SectionKind
from engine.runtime.disk import Disk

MAGIC = b"TWSNAP01"
FORMAT_VERSION = 1
HEADER_BYTES = 128
HEADER = struct.Struct("<8sIIII16sQQQQIIIq32xI")
ENTRY = struct.Struct("<IIIIQQ")
SECTIONS_MAX = 64
FOLDER = "snapshots"
NAME = re.compile(r"(\d{8,10})-(\d{20})\.snapshot")
KEPT = 3


@dataclass(frozen=True)
class Place:
    """The last record that was folded: its number, checksum, and where it begins in the ledger."""

    epoch: int
    seq: int
    crc32c: int
    segment: int
    offset: int


@dataclass(frozen=True)
class Snapshot:
    """A whole snapshot. `records`: how many records of the ledger it stands for."""

    engine_id: int
    journal_id: bytes
    place: Place
    records: int
    written_wall_ns: int
    sections: tuple[Section, ...]

    @property
    def name(self) -> str:
        """Of its file: epoch and sequence of its last record."""
        return f"{self.place.epoch:08d}-{self.place.seq:020d}.snapshot"

    def pack(self) -> bytes:
        """The file's bytes."""
        at = HEADER_BYTES + ENTRY.size * len(self.sections)
        table = b""
        for part in self.sections:
            table += ENTRY.pack(part.kind, part.line, part.version, checksum(part.data), at, len(part.data))
            at += len(part.data)
        place = self.place
        head = HEADER.pack(
            MAGIC, FORMAT_VERSION, HEADER_BYTES, self.engine_id, place.epoch, self.journal_id, place.seq, place.segment,
            place.offset, self.records, place.crc32c, len(self.sections), checksum(table), self.written_wall_ns, 0,
        )[:-4]  # fmt: skip
        return b"".join([head, checksum(head).to_bytes(4, "little"), table, *[part.data for part in self.sections]])


def parse(data: bytes) -> Snapshot:
    """Raises ImageError where it is not whole, or of a format or a section version that this build does not read."""
    head = data[:HEADER_BYTES]
    if len(head) < HEADER_BYTES or head[:8] != MAGIC:
        raise ImageError("it is no snapshot")
    fields = HEADER.unpack(head)
    _, version, _, engine_id, epoch, journal_id, seq, segment, offset, records, crc, count, table_crc, wall_ns, own = (
        fields
    )
    if checksum(head[:-4]) != own:
        raise ImageError("its header is damaged")
    if version != FORMAT_VERSION or count > SECTIONS_MAX:
        raise ImageError(f"it has format {version}, this build reads {FORMAT_VERSION}")
    table = data[HEADER_BYTES : HEADER_BYTES + count * ENTRY.size]
    if len(table) < count * ENTRY.size or checksum(table) != table_crc:
        raise ImageError("its table of sections is damaged")
    sections = tuple(_section(data, table, number) for number in range(count))
    end = HEADER_BYTES + len(table) + sum(len(part.data) for part in sections)
    if end != len(data):
        raise ImageError(f"it has {len(data)} bytes, its sections end at {end}")
    return Snapshot(engine_id, journal_id, Place(epoch, seq, crc, segment, offset), records, wall_ns, sections)


def _section(data: bytes, table: bytes, number: int) -> Section:
    kind, line, version, crc, at, size = ENTRY.unpack_from(table, number * ENTRY.size)
    part = data[at : at + size]
    if len(part) != size or checksum(part) != crc:
        raise ImageError(f"its section {number} is damaged")
    if kind not in READABLE:
        raise ImageError(f"its section {number} is of kind {kind}, which this build does not know")
    if version not in READABLE[SectionKind(kind)]:
        known = ", ".join(map(str, sorted(READABLE[SectionKind(kind)])))
        raise ImageError(f"its section {SectionKind(kind).name} has version {version}, this build reads {known}")
    return Section(SectionKind(kind), line, version, part)


def paths(data_dir: Path) -> list[Path]:
    """The snapshots of a data directory, the newest first."""
    folder = data_dir / FOLDER
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if NAME.fullmatch(path.name)), key=age_of, reverse=True)


def age_of(path: Path) -> tuple[int, int]:
    """Epoch and sequence in a snapshot's name, what is being written included; (0, 0) for another's."""
    found = NAME.fullmatch(path.name.removesuffix(".new"))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def write(data_dir: Path, snapshot: Snapshot, disk: Disk) -> Path:
    """Put it there, durable and whole or not at all, and let go of what is older than the newest three."""
    folder = data_dir / FOLDER
    disk.make_directory(folder)
    path = folder / snapshot.name
    _clear_halves(folder, path)
    disk.replace(path, snapshot.pack())
    for old in paths(data_dir)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def _clear_halves(folder: Path, written: Path) -> None:
    """What a writer that was killed left, of older snapshots than this: a newer one may be another process's that is at it."""
    for half in folder.glob("*.snapshot.new"):
        if (0, 0) < age_of(half) < age_of(written):
            half.unlink(missing_ok=True)
