"""A start from a snapshot does not fold what is older. It looks at it all the same: a journal whose bits turn is not traded on.

What is looked at is bounded, so that a start stays within its second however old the ledger is: the newest CHECKED_BYTES_MAX below
the snapshot. What is older still decides nothing any more; `tradewind journal verify` reads all of it.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from engine.journal import layout
from engine.journal.errors import JournalCorrupt
from engine.journal.places import SegmentHeader, segments
from engine.journal.reader import read_header
from engine.journal.scan import scan
from engine.model.codes import Lane
from engine.recovery.snapshot import Place

# some 0.1 s where the kernel has the pages
CHECKED_BYTES_MAX = 256 << 20


def check_behind(data_dir: Path, place: Place, bytes_max: int = CHECKED_BYTES_MAX) -> int:
    """Every checksum of the ledger from `place` back, whole segments while they fit; returns the bytes.

    Raises JournalCorrupt with segment and byte for what is damaged, cut or missing.
    """
    checked, after = 0, 0
    for number, path in reversed(segments(data_dir, Lane.LEDGER)):
        if number > place.segment:
            after = number
            continue
        size = path.stat().st_size
        if number < place.segment and checked + size > bytes_max:
            break
        if after and number != after - 1:
            raise JournalCorrupt(str(path), size, f"segments {number + 1} to {after - 1} are missing behind it")
        require_whole(path, size, place.offset if number == place.segment else size)
        if number < place.segment:
            require_length(path, size, after)
        checked, after = checked + size, number
    return checked


def require_whole(path: Path, size: int, end: int) -> None:
    """The header, and each record up to `end`."""
    if size < layout.SEGMENT_HEADER_BYTES:
        raise JournalCorrupt(str(path), 0, "the segment's header is damaged")
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), size, mmap.MAP_SHARED | mmap.MAP_POPULATE, mmap.PROT_READ) as data,
    ):
        if SegmentHeader.parse(data[: layout.SEGMENT_HEADER_BYTES]) is None:
            raise JournalCorrupt(str(path), 0, "the segment's header is damaged")
        with memoryview(data)[:end] as wanted:
            found = scan(wanted, layout.SEGMENT_HEADER_BYTES, Lane.LEDGER)
    if found.damage or found.end != end:
        raise JournalCorrupt(str(path), found.end, found.damage or f"the segment ends here, not at byte {end}")


def require_length(path: Path, size: int, after: int) -> None:
    """The next segment's header says how long this one was when it was ended."""
    header = read_header(path.with_name(f"{after:08d}.seg"))
    if header is not None and header.previous_bytes not in (0, size):
        raise JournalCorrupt(str(path), size, f"the segment had {header.previous_bytes} bytes when it was ended")
