"""Letting go of old segments. Safe beside a running engine: the segments from the watermark's on are never touched."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from engine.journal.places import SegmentHeader, segments
from engine.journal.reader import read_header, read_marks

DAY_NS = 86_400_000_000_000


def expired(data_dir: Path, lane: int, keep_days: float, now_wall_ns: int) -> list[Path]:
    """Segments of `lane` whose last record is older than `keep_days`, oldest first.

    A segment ends where the next one begins, so the first segment that is not old ends the list: what stays has no hole.
    """
    mark = read_marks(data_dir).get(lane)
    if mark is None:
        return []
    horizon_ns = now_wall_ns - int(keep_days * DAY_NS)
    found = segments(data_dir, lane)
    old: list[Path] = []
    for (number, path), (_, following) in pairwise(found):
        header: SegmentHeader | None = read_header(following)
        if number >= mark.segment_no or header is None or header.created_wall_ns >= horizon_ns:
            break
        old.append(path)
    return old


def expire(data_dir: Path, lane: int, keep_days: float, now_wall_ns: int) -> list[Path]:
    """Delete the expired segments of `lane` with their chain entries, which go first; returns which."""
    gone = expired(data_dir, lane, keep_days, now_wall_ns)
    for path in gone:
        path.with_suffix(".chain").unlink(missing_ok=True)
        path.unlink()
    return gone
