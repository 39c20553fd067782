"""The hash chain on disk: entries beside each segment, what a start makes good of them, and the head.

`ext/engine/journal/chain.h` has the layout of an entry and says what its hash covers. A lane's chain goes over all its
segments and runs. The writer stores an entry once its block is synced; what a run left behind its last entry is bound by
the next start, before anything new is written.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from engine.journal import layout
from engine.journal.errors import JournalCorrupt
from engine.journal.places import LANE_NAMES, segment_path
from engine.journal.scan import checksum, scan
from engine.runtime.disk import Disk

ENTRY = struct.Struct("<4sIIIQQQQQQ32s32s")
ENTRY_MAGIC = b"CHN1"
CHAIN_NAME = re.compile(r"(\d{8})\.chain")
# what a head that stands for nothing yet is made of
GENESIS_TEXT = b"tradewind chain\0"


@dataclass(frozen=True)
class Entry:
    """One block: bytes [offset, offset + length) of a segment, bound to `previous`. Sequences 0: it holds no record."""

    lane: int
    epoch: int
    segment_no: int
    offset: int
    length: int
    first_seq: int
    last_seq: int
    previous: bytes
    hash: bytes

    @property
    def end(self) -> int:
        """The byte behind the block."""
        return self.offset + self.length

    @classmethod
    def parse(cls, data: bytes) -> Entry | None:
        """None where it is not a whole entry."""
        if len(data) != ENTRY.size:
            return None
        magic, lane, epoch, crc, number, offset, length, first, last, _, previous, digest = ENTRY.unpack(data)
        if magic != ENTRY_MAGIC or checksum(data[16:], epoch ^ (lane << 24 & 0xFFFFFFFF)) != crc:
            return None
        return cls(lane, epoch, number, offset, length, first, last, previous, digest)

    def pack(self) -> bytes:
        """The entry as it stands in the file."""
        numbers = (self.segment_no, self.offset, self.length, self.first_seq, self.last_seq, 0)
        tail = ENTRY.pack(b"", 0, 0, 0, *numbers, self.previous, self.hash)[16:]
        crc = checksum(tail, self.epoch ^ (self.lane << 24 & 0xFFFFFFFF))
        return ENTRY.pack(ENTRY_MAGIC, self.lane, self.epoch, crc, *numbers, self.previous, self.hash)

    def hash_of(self, data: bytes | memoryview) -> bytes:
        """What the hash must be where the block's bytes are `data`."""
        head = struct.pack("<IIQQ", self.lane, self.epoch, self.segment_no, self.offset)
        tail = struct.pack("<QQQ", self.length, self.first_seq, self.last_seq)
        digest = hashlib.sha256(self.previous)
        for part in (head, data, tail):
            digest.update(part)
        return digest.digest()


def genesis(journal_id: bytes, lane: int) -> bytes:
    """The head before the first block of a lane."""
    return hashlib.sha256(GENESIS_TEXT + journal_id + lane.to_bytes(4, "little")).digest()


def chain_path(data_dir: Path, lane: int, number: int) -> Path:
    """Where the entries of a segment stand."""
    return segment_path(data_dir, lane, number).with_suffix(".chain")


def chain_files(data_dir: Path, lane: int) -> list[tuple[int, Path]]:
    """(segment number, path) of a lane's files of entries, oldest first."""
    folder = data_dir / LANE_NAMES[lane]
    if not folder.is_dir():
        return []
    found = ((CHAIN_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match)


def read_entries(path: Path) -> tuple[list[Entry], int]:
    """The whole entries at a file's start, and how many bytes stand behind them."""
    data = path.read_bytes()
    entries: list[Entry] = []
    while (entry := Entry.parse(data[len(entries) * ENTRY.size : (len(entries) + 1) * ENTRY.size])) is not None:
        entries.append(entry)
    return entries, len(data) - len(entries) * ENTRY.size


def last_entry(data_dir: Path, lane: int) -> Entry | None:
    """The newest entry of a lane; None where nothing is chained."""
    for _, path in reversed(chain_files(data_dir, lane)):
        entries, _ = read_entries(path)
        if entries:
            return entries[-1]
    return None


@dataclass(frozen=True)
class ChainMender:
    """What a start does to the chain of each lane once the lane's end is known. `epoch`: of the run that is over."""

    data_dir: Path
    journal_id: bytes
    epoch: int
    disk: Disk

    def mend(self, lane: int, end: tuple[int, int]) -> bytes:
        """Bind what the last run left unbound up to `end` (segment, byte); returns the lane's head.

        Where nothing is chained yet (a journal of an older build, or a new one) the chain begins with the next segment.
        Raises JournalCorrupt where an entry speaks of synced bytes that are not there.
        """
        self._set_aside(lane, end[0])
        files = chain_files(self.data_dir, lane)
        before = [entries[-1] for _, path in files[:-2] if (entries := read_entries(path)[0])]
        head = before[-1].hash if before else genesis(self.journal_id, lane)
        if not files:
            return head
        # the last two: a run that was cut while it began a segment left the one before whole
        for number, path in files[-2:]:
            entries, behind = read_entries(path)
            if entries:
                head = entries[-1].hash
            size = end[1] if number == end[0] else self._size(lane, number)
            if entries and entries[-1].end > size:
                what = f"the chain binds {entries[-1].end} synced bytes, the segment has {size}"
                raise JournalCorrupt(str(segment_path(self.data_dir, lane, number)), size, what)
            # a START names the head that it begins on: no power cut may take that back
            self.disk.sync_file(path)
            if behind:
                self.disk.replace(path, b"".join(entry.pack() for entry in entries))
            covered = entries[-1].end if entries else 0
            if covered < size:
                head = self._bind(lane, number, covered, size, head)
        for number in range(files[-1][0] + 1, end[0] + 1):
            size = end[1] if number == end[0] else self._size(lane, number)
            if size:
                head = self._bind(lane, number, 0, size, head)
        return head

    def _set_aside(self, lane: int, last_number: int) -> None:
        """Entries of segments that were cut go with them."""
        for number, path in chain_files(self.data_dir, lane):
            if number > last_number:
                path.replace(path.with_name(f"{path.name}.cut-{self.epoch + 1}"))

    def _size(self, lane: int, number: int) -> int:
        path = segment_path(self.data_dir, lane, number)
        return path.stat().st_size if path.exists() else 0

    def _bind(self, lane: int, number: int, start: int, end: int, head: bytes) -> bytes:
        """One block of bytes [start, end) of a segment, durable."""
        with segment_path(self.data_dir, lane, number).open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
        found = scan(data, 0 if start else layout.SEGMENT_HEADER_BYTES, lane)
        bare = Entry(
            lane, self.epoch, number, start, len(data), found.first_seq, found.last_seq if found.first_seq else 0, head, b""
        )  # fmt: skip
        entry = Entry(**{**bare.__dict__, "hash": bare.hash_of(data)})
        path = chain_path(self.data_dir, lane, number)
        kept = path.read_bytes() if path.exists() else b""
        self.disk.replace(path, kept + entry.pack())
        return entry.hash
