"""Reading a journal from outside: whole, from a sequence number on, or following a live engine. Never writes, never
locks.

What lies below a lane's watermark must be whole: damage there raises JournalCorrupt. A bad or missing end above it is
what the writer has not finished (or a power cut tore): the reader stops there and looks again when it is asked again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.journal import layout, schemas
from engine.journal.cursor import Cursor, Record, parse
from engine.journal.errors import JournalCorrupt, JournalError, JournalForeign
from engine.journal.places import LANE_NAMES, Front, Mark, SegmentHeader, parse_marks, segment_path, segments
from engine.journal.scan import checksum, ring_stream
from engine.model.codes import Lane

LANES = (Lane.LEDGER, Lane.TAPE)
STALL_POLLS = 400
COPY = "put it back from any copy: one that is older than the segments will do"


def read_marks(data_dir: Path) -> dict[int, Mark]:
    """The watermarks on disk; empty where there are none."""
    path = data_dir / "synced"
    return parse_marks(path.read_bytes()) if path.exists() else {}


def read_header(path: Path) -> SegmentHeader | None:
    """A segment's header, None where it is not whole."""
    with path.open("rb") as file:
        return SegmentHeader.parse(file.read(layout.SEGMENT_HEADER_BYTES))


def read_epoch(data_dir: Path) -> int:
    """The current run's epoch; 0 where there is no file. JournalCorrupt where it is damaged."""
    return read_identity(data_dir)[2] if (data_dir / "epoch").exists() else 0


def read_identity(data_dir: Path) -> tuple[bytes, int, int]:
    """Journal id, engine id and epoch; JournalError where there is no journal or the file is damaged."""
    path = data_dir / "epoch"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: no journal here ({error.strerror})") from error
    return parsed_identity(path, data)


def parsed_identity(path: Path, data: bytes) -> tuple[bytes, int, int]:
    """Of the file's bytes."""
    text, _, crc = data.strip().rpartition(b" ")
    if crc != b"%08x" % checksum(text):
        raise JournalCorrupt(str(path), 0, f"its checksum does not match; {COPY}")
    facts = json.loads(text)
    return bytes.fromhex(facts["journal_id"]), int(facts["engine_id"]), int(facts["epoch"])


class LaneFollower:
    """Records of one lane above `after_seq`, as far as they are there. `next_record` gives None at the end and may be
    asked again.
    """

    def __init__(self, data_dir: Path, lane: int, after_seq: int = 0) -> None:
        self.data_dir = data_dir
        self.lane = lane
        self.after_seq = after_seq
        self.bytes_passed = 0
        # of the segments that were opened: all are of one journal
        self.journal_id = b""
        self._number = 0
        self._cursor: Cursor | None = None
        self._head: Record | None = None
        # an end that was looked at, and the file of watermarks as it was then: what lies behind it was not synced
        self._fair_end = ((0, 0), 0, 0)

    def peek(self) -> Record | None:
        """The next record without taking it."""
        if self._head is None:
            self._head = self._read()
        return self._head

    def next_record(self) -> Record | None:
        """Take the next record; None where there is none (yet)."""
        record = self.peek()
        self._head = None
        return record

    def take(self, count: int, limit: tuple[int, int]) -> tuple[list[Record], tuple[int, int]]:
        """Up to `count` records that end at or before `limit` (segment, byte), and the place behind the last of them."""
        found: list[Record] = []
        place = (0, 0)
        while len(found) < count and (record := self.peek()) is not None and self.place <= limit:
            self._head = None
            found.append(record)
            cursor = self._cursor
            if cursor is None:
                break
            # the rest of the segment, without looking for the next one each time
            end = limit[1] if self._number == limit[0] else 1 << 62
            read, after_seq, append = cursor.next_record, self.after_seq, found.append
            offset = cursor.offset
            while len(found) < count and offset < end and (record := read()) is not None:
                if cursor.offset > end:
                    self._head = record if record.seq > after_seq else None
                    break
                offset = cursor.offset
                if record.seq > after_seq:
                    append(record)
            place = (self._number, offset)
        return found, place

    @property
    def place(self) -> tuple[int, int]:
        """(segment, byte) behind the last record that was read, a peeked one included; (0, 0) before the first."""
        return (self._number, self._cursor.offset) if self._cursor is not None else (0, 0)

    def seek(self, number: int, byte: int = layout.SEGMENT_HEADER_BYTES) -> bool:
        """Go on at a place that `place` gave; False where the segment has no header yet."""
        self._head = None
        return self._open(number, byte)

    def close(self) -> None:
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None

    def _read(self) -> Record | None:
        while self._cursor is not None or self._open_first():
            record = self._next_above()
            if record is not None:
                return record
            if not segment_path(self.data_dir, self.lane, self._number + 1).exists():
                return self._at_end()
            record = self._next_above()  # written between our last look and the next segment's birth
            if record is not None:
                return record
            if not self._open_next():
                return None
        return None

    def _next_above(self) -> Record | None:
        cursor = self._cursor
        while cursor is not None:
            record = cursor.next_record()
            if record is None or record.seq > self.after_seq:
                return record
        return None

    def _open_next(self) -> bool:
        """JournalCorrupt where the segment that was read is damaged, or shorter than the next one says that it was.

        It may be longer: what a start cut may have been read before.
        """
        cursor = self._cursor
        if cursor is not None:
            header = read_header(segment_path(self.data_dir, self.lane, self._number + 1))
            what = cursor.damage
            if header is not None and cursor.offset < header.previous_bytes:
                what = what or f"the segment had {header.previous_bytes} bytes when it was ended"
            if what:
                raise JournalCorrupt(str(self._path()), cursor.offset, what)
        return self._open(self._number + 1)

    def _at_end(self) -> Record | None:
        """Nothing follows: JournalCorrupt where more was synced. A record that came meanwhile is given."""
        mark = self._mark_ahead()
        if mark is None:
            return None
        record = self._next_above()  # bytes are there before the watermark says so
        if record is None:
            self._require(mark)
        return record

    def _mark_ahead(self) -> Mark | None:
        """The watermark where it lies behind the end that was read; looked at again when its file was written, or damage came."""
        try:
            facts = (self.data_dir / "synced").stat()
        except FileNotFoundError:
            return None
        end = (self.place, facts.st_ino, facts.st_mtime_ns)
        is_damaged = self._cursor is not None and bool(self._cursor.damage)
        if end == self._fair_end and not is_damaged:
            return None
        mark = read_marks(self.data_dir).get(self.lane)
        if mark is not None and self.place < (mark.segment_no, mark.segment_offset):
            return mark
        self._fair_end = end
        return None

    def _require(self, mark: Mark) -> None:
        """JournalCorrupt where what was synced is still not there. The tape lets go of its oldest segments, also under a reader."""
        cursor = self._cursor
        if cursor is None or segment_path(self.data_dir, self.lane, self._number + 1).exists():
            return
        if self.place >= (mark.segment_no, mark.segment_offset):
            return
        if cursor.damage or self._number == mark.segment_no:
            what = cursor.damage or f"the segment ends here, {mark.segment_offset} bytes of it were synced"
            raise JournalCorrupt(str(self._path()), cursor.offset, what)
        if self.lane == Lane.LEDGER:
            path = segment_path(self.data_dir, self.lane, self._number + 1)
            raise JournalCorrupt(str(path), 0, "the segment is missing, though later ones were synced")

    def _path(self) -> Path:
        return segment_path(self.data_dir, self.lane, self._number)

    def _open_first(self) -> bool:
        """Open the last segment that begins at or below the first wanted sequence."""
        chosen = 0
        for number, path in segments(self.data_dir, self.lane):
            header = read_header(path)
            if chosen and header and header.first_seq == 0:
                continue  # begins with padding: its first sequence is not known
            if chosen and header and header.first_seq > self.after_seq + 1:
                break
            chosen = number
        return bool(chosen) and self._open(chosen)

    def _open(self, number: int, byte: int = layout.SEGMENT_HEADER_BYTES) -> bool:
        path = segment_path(self.data_dir, self.lane, number)
        header = read_header(path)
        if header is None:
            mark = read_marks(self.data_dir).get(self.lane)
            if mark and number <= mark.segment_no:
                raise JournalCorrupt(str(path), 0, "the segment's header is damaged")
            return False
        schemas.check(self.data_dir, path, header)
        if self.journal_id not in (b"", header.journal_id):
            raise JournalError(f"{path}: the segment belongs to another journal than those before it")
        self.journal_id = header.journal_id
        if self._cursor is not None:
            self.bytes_passed += self._cursor.offset
            self._cursor.close()
        self._number = number
        self._cursor = Cursor(str(path), byte)
        return True


class MergedFollower:
    """Both lanes in sequence order. A record waits while one with a smaller number may still come on the other lane.

    Nothing more comes of a run that is over: the next one raised the epoch after it had recovered both lanes.
    """

    def __init__(self, data_dir: Path, after_seq: int = 0) -> None:
        self.data_dir = data_dir
        self.lanes = [LaneFollower(data_dir, lane, after_seq) for lane in LANES]
        self.last_seq = after_seq
        self._stalled_polls = 0

    def next_record(self, *, is_final: bool = False) -> Record | None:
        """The next record, None where there is none (yet). `is_final`: nothing more will come, gaps are real."""
        heads = [(lane.peek(), lane) for lane in self.lanes]
        there = [(head.seq, head, lane) for head, lane in heads if head is not None]
        if not there:
            return None
        seq, head, lane = min(there, key=lambda item: item[0])
        is_gap = seq != self.last_seq + 1 and len(there) == 1 and self.last_seq > 0
        if is_gap and not is_final and head.epoch >= read_epoch(self.data_dir) and not self._is_stalled():
            return None
        self._stalled_polls = 0
        lane.next_record()
        self.last_seq = seq
        return head

    def close(self) -> None:
        for lane in self.lanes:
            lane.close()

    def _is_stalled(self) -> bool:
        """The writer serves both lanes every few milliseconds: a number that does not come in many looks was cut or
        expired.
        """
        self._stalled_polls += 1
        return self._stalled_polls > STALL_POLLS


class JournalReader:
    """The journal in `directory` (the engine's data_dir). With `runtime_dir` also what a killed engine left in its
    fronts.
    """

    def __init__(self, directory: Path | str, runtime_dir: Path | str | None = None) -> None:
        self.directory = Path(directory)
        self.runtime_dir = Path(runtime_dir) if runtime_dir else None
        if not any((self.directory / name).is_dir() for name in LANE_NAMES):
            raise JournalError(f"{self.directory}: no journal here (no ledger or tape folder)")

    def records(self, lane: int | None = None, *, from_seq: int = 0, to_seq: int | None = None) -> Iterator[Record]:
        """Records with from_seq <= seq <= to_seq, in sequence order, of one lane or (None) of both."""
        after = max(from_seq - 1, 0)
        records = self._merged(after) if lane is None else self._single(int(lane), after)
        for record in records:
            if to_seq is not None and record.seq > to_seq:
                return
            yield record

    def tail(
        self,
        after_seq: int = 0,
        lane: int | None = None,
        *,
        poll_s: float = 0.005,
        stop: Callable[[], bool] | None = None,
    ) -> Iterator[Record]:
        """Records above `after_seq` as they are written, without end (until `stop` says so while nothing is there)."""
        follower = self.follow(after_seq, lane)
        while True:
            record = follower.next_record()
            if record is not None:
                yield record
            elif stop is not None and stop():
                return
            else:
                time.sleep(poll_s)

    def follow(self, after_seq: int = 0, lane: int | None = None) -> LaneFollower | MergedFollower:
        """The same without waiting: `next_record()` gives None where nothing is there yet."""
        if lane is None:
            return MergedFollower(self.directory, after_seq)
        return LaneFollower(self.directory, int(lane), after_seq)

    def last_seq(self, lane: int | None = None) -> int:
        """The last sequence number on disk: of a lane, or of both."""
        lanes = LANES if lane is None else (lane,)
        return max(self._last_of(int(one)) for one in lanes)

    def _last_of(self, lane: int) -> int:
        mark = read_marks(self.directory).get(lane)
        last = mark.seq if mark else 0
        follower = LaneFollower(self.directory, lane, max(last - 1, 0))
        while (record := follower.next_record()) is not None:
            last = record.seq
        return last

    def _single(self, lane: int, after_seq: int) -> Iterator[Record]:
        follower = LaneFollower(self.directory, lane, after_seq)
        last = after_seq
        while (record := follower.next_record()) is not None:
            last = record.seq
            yield record
        yield from self._front(lane, last)

    def _merged(self, after_seq: int) -> Iterator[Record]:
        lanes = [self._single(lane, after_seq) for lane in LANES]
        heads = [next(lane, None) for lane in lanes]
        while (first := _earlier(heads)) >= 0:
            record = heads[first]
            heads[first] = next(lanes[first], None)
            if record is not None:
                yield record

    def _front(self, lane: int, last_seq: int) -> list[Record]:
        """What stands in the lane's front above `last_seq`. Damage there is a live engine writing on: it ends the
        list.
        """
        if self.runtime_dir is None:
            return []
        path = self.runtime_dir / f"{LANE_NAMES[lane]}.front"
        if not path.exists():
            return []
        data = path.read_bytes()
        front = Front.parse(data)
        if front is None or front.lane != lane:
            return []
        if front.committed > front.written and not schemas.is_readable(front.schema_hash):
            raise JournalForeign(str(path), front.schema_hash, "")
        stream, _ = ring_stream(data, front.written, front.committed, front.ring_bytes, lane, last_seq)
        return parse(stream)


def _earlier(heads: list[Record | None]) -> int:
    """Which of two heads has the smaller sequence; -1 where both are at their end."""
    ledger, tape = heads
    if ledger is None:
        return 1 if tape is not None else -1
    return 0 if tape is None or ledger.seq < tape.seq else 1
