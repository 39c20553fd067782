"""Readers that go on where they stopped: named, with an offset that outlives them.

An offset says behind which record of a lane its reader is: the journal's id, (epoch, sequence) and the byte in the segment. Whoever
has made use of the records moves it: in a file of the journal's directory (`NamedReader`), or in a transaction of the reader's own
database together with what it made of them, which then is there exactly once.

Records are given up to the watermark: what is given survives a power cut. `is_live` gives what is written and not synced yet too;
after a power cut such numbers may be given again with a higher epoch, so that (epoch, sequence) still names a record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.journal import layout
from engine.journal.cursor import Record
from engine.journal.errors import JournalError
from engine.journal.places import LANE_NAMES, segment_path, segments
from engine.journal.reader import LaneFollower, read_epoch, read_header, read_identity, read_marks
from engine.model.codes import Lane
from engine.runtime.disk import Disk

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
FOLDER = "readers"
# the reader that copies the ledger into a database: its offset stands there
RECORDER = "recorder"
COUNTED_BYTES_MAX = 4 << 20
_WITHOUT_END = (1 << 62, 0)


class Offset(msgspec.Struct, frozen=True, kw_only=True):
    """Behind which record a reader is. `epoch` 0: it has read nothing yet. `byte`: where the next record begins in `segment`."""

    journal_id: str = ""
    lane: int = Lane.LEDGER
    epoch: int = 0
    seq: int = 0
    segment: int = 0
    byte: int = 0
    wall_ns: int = 0


@dataclass(frozen=True)
class Lag:
    """How far a reader is behind what it may read. `is_exact` False: `records` is counted in the next 4 MiB and extrapolated.

    `age_ns` is how long ago the oldest record was written that the reader has not read; 0 where it has read all.
    """

    records: int
    bytes: int
    age_ns: int
    is_exact: bool = True


class RecordsExpired(JournalError):
    """Segments were deleted before the reader had read them: sequence `after_seq` + 1 to `next_seq` - 1 at most are lost to it."""

    def __init__(self, lane: int, after_seq: int, next_seq: int, first_segment: int, last_segment: int) -> None:
        what = (
            f"segments {first_segment} to {last_segment} of the {LANE_NAMES[lane]} were deleted before they were read"
        )
        super().__init__(f"{what}: records between sequence {after_seq} and {next_seq} are lost to this reader")
        self.after_seq = after_seq
        self.next_seq = next_seq
        self.first_segment = first_segment
        self.last_segment = last_segment


class OffsetAhead(JournalError):
    """The offset is behind records that the journal does not have: it was put back from a copy that is older than the offset."""


class NoJournalYet(JournalError):
    """No engine has made a journal here."""


class OtherJournal(JournalError):
    """The offset is of another journal than the one that lies here."""


def journal_identity(data_dir: Path) -> tuple[str, int]:
    """The journal's id and its engine's number. NoJournalYet where there is none, JournalCorrupt where its file is damaged."""
    if not (data_dir / "epoch").exists():
        raise NoJournalYet(f"{data_dir}: no journal here yet")
    journal_id, engine_id, _ = read_identity(data_dir)
    return journal_id.hex(), engine_id


class TailingReader:
    """Records of one lane behind `offset`, as they become durable (`is_live`: as they are written). Never waits, never writes.

    `take` raises RecordsExpired where retention was quicker (`skip_expired` goes on behind the hole), OtherJournal where the offset
    is of another journal, JournalCorrupt for damage below the watermark.
    """

    def __init__(
        self, data_dir: Path | str, lane: int = Lane.LEDGER, offset: Offset | None = None, *, is_live: bool = False
    ) -> None:
        self.data_dir = Path(data_dir)
        self.is_live = is_live
        journal_id, self.engine_id = journal_identity(self.data_dir)
        self.offset = offset or Offset(journal_id=journal_id, lane=int(lane))
        self._check_identity(journal_id)
        self._follower: LaneFollower | None = None
        self._run_epoch = 0

    @property
    def lane(self) -> int:
        """Which lane it reads."""
        return self.offset.lane

    def take(self, count: int) -> list[Record]:
        """Up to `count` records behind the offset, which moves behind them; none where nothing is there (yet)."""
        follower = self._ready()
        if follower is None:
            return []
        last = (self.offset.epoch, self.offset.seq)
        limit = self._limit()
        found, place = follower.take(count, limit)
        while self.is_live and found and (found[-1].epoch, found[-1].seq) <= last:
            # a live reader begins with the segment, which it has read in part
            found, place = follower.take(count, limit)
        if not found:
            self._look_again(follower)
            return found
        newest = found[-1]
        self.offset = msgspec.structs.replace(
            self.offset, epoch=newest.epoch, seq=newest.seq, wall_ns=newest.wall_ns, segment=place[0], byte=place[1]
        )
        return [record for record in found if (record.epoch, record.seq) > last] if self.is_live else found

    def skip_expired(self) -> None:
        """Go on with the first record there is, past what was deleted unread."""
        numbers = [number for number, _ in segments(self.data_dir, self.lane)]
        self._drop()
        if numbers and self.offset.segment < numbers[0]:
            place = {"segment": numbers[0], "byte": layout.SEGMENT_HEADER_BYTES}
            self.offset = msgspec.structs.replace(self.offset, **place)

    def lag(self, now_wall_ns: int) -> Lag:
        """How far behind; reads at most 4 MiB. OffsetAhead as `take`."""
        if not self.is_live:
            self.require_reached()
        limit = self._limit() if not self.is_live else self._end()
        behind = self._bytes_behind(limit)
        if not behind:
            return Lag(0, 0, 0)
        ahead = TailingReader(self.data_dir, self.lane, self.offset, is_live=self.is_live)
        records = counted = oldest_ns = 0
        while counted < COUNTED_BYTES_MAX and (found := ahead.take(4096)):
            oldest_ns = oldest_ns or found[0].wall_ns
            records += len(found)
            counted += sum(record.length for record in found)
        ahead.close()
        if not records:
            return Lag(0, 0, 0)
        is_exact = counted < COUNTED_BYTES_MAX
        records = records if is_exact else max(records, records * behind // counted)
        return Lag(records, behind, max(now_wall_ns - oldest_ns, 0), is_exact)

    def require_reached(self) -> None:
        """OffsetAhead where the journal does not go as far as the offset.

        What was durable when it was given stays, but for a journal that was put back from an earlier copy.
        """
        number, byte = self.offset.segment, self.offset.byte
        mark = read_marks(self.data_dir).get(self.lane)
        path = segment_path(self.data_dir, self.lane, number)
        is_cut = path.exists() and path.stat().st_size < byte
        if is_cut or (mark is not None and (number, byte) > (mark.segment_no, mark.segment_offset)):
            raise OffsetAhead(
                f"{self.data_dir}: this reader has read up to sequence {self.offset.seq} of epoch {self.offset.epoch}, and the "
                f"{LANE_NAMES[self.lane]} does not have them: the journal was put back from an earlier copy; restore the reader's "
                "own state of that copy too (docs/backup.md), or begin anew"
            )

    def close(self) -> None:
        """Give back the open segment; `take` opens it again."""
        self._drop()

    def _check_identity(self, journal_id: str) -> None:
        if self.offset.journal_id != journal_id:
            own = self.offset.journal_id
            raise OtherJournal(f"{self.data_dir} holds journal {journal_id}, the offset is of journal {own}")

    def _drop(self) -> None:
        if self._follower is not None:
            self._follower.close()
        self._follower = None

    def _limit(self) -> tuple[int, int]:
        """(segment, byte) up to which records may be given."""
        if self.is_live:
            return _WITHOUT_END
        mark = read_marks(self.data_dir).get(self.lane)
        return (mark.segment_no, mark.segment_offset) if mark else (0, 0)

    def _end(self) -> tuple[int, int]:
        found = segments(self.data_dir, self.lane)
        return (found[-1][0], found[-1][1].stat().st_size) if found else (0, 0)

    def _bytes_behind(self, limit: tuple[int, int]) -> int:
        """Bytes between the offset and `limit`, over the segments that are there."""
        total = 0
        for number, path in segments(self.data_dir, self.lane):
            if number < self.offset.segment or number > limit[0]:
                continue
            first = self.offset.byte if number == self.offset.segment else layout.SEGMENT_HEADER_BYTES
            last = limit[1] if number == limit[0] else path.stat().st_size
            total += max(last - first, 0)
        return total

    def _ready(self) -> LaneFollower | None:
        """The follower at the offset's place; None where there is no segment yet."""
        if self._follower is None:
            follower = LaneFollower(self.data_dir, self.lane)
            follower.journal_id = bytes.fromhex(self.offset.journal_id)
            self._run_epoch = read_epoch(self.data_dir)
            if not self._place(follower):
                follower.close()
                return None
            self._follower = follower
        return self._follower

    def _place(self, follower: LaneFollower) -> bool:
        numbers = [number for number, _ in segments(self.data_dir, self.lane)]
        number, byte = self.offset.segment, self.offset.byte
        if not numbers:
            return False
        if number == 0:
            return follower.seek(numbers[0])
        if self.is_live:
            # what was written and not synced may have been cut and written anew since: read the segment again, by (epoch, sequence)
            later = [one for one in numbers if one >= number]
            self._check_expired(numbers)
            return follower.seek(number if number in numbers else (later or numbers[-1:])[0])
        self.require_reached()
        if number in numbers:
            return follower.seek(number, byte)
        self._check_expired(numbers)
        return follower.seek(numbers[0])

    def _check_expired(self, numbers: list[int]) -> None:
        """Was anything deleted that stands behind the offset? A segment knows the size of the one before it."""
        number, first = self.offset.segment, numbers[0]
        if number >= first:
            if number > numbers[-1] and not self.is_live:
                raise JournalError(f"{self.data_dir}: segment {number} of the {LANE_NAMES[self.lane]} is missing")
            return
        header = read_header(segment_path(self.data_dir, self.lane, first))
        if header is None or (first == number + 1 and header.previous_bytes == self.offset.byte):
            return
        raise RecordsExpired(self.lane, self.offset.seq, header.first_seq, number, first - 1)

    def _look_again(self, follower: LaneFollower) -> None:
        """Nothing more in this segment: it may have been deleted with those behind it, or, of what is not synced, written anew."""
        # a journal that was moved away, and another one begun in its place, is not what the offset is of
        self._check_identity(journal_identity(self.data_dir)[0])
        number = follower.place[0]
        if self.is_live and read_epoch(self.data_dir) != self._run_epoch:
            self._drop()
            return
        if not segment_path(self.data_dir, self.lane, number + 1).exists():
            later = [one for one, _ in segments(self.data_dir, self.lane) if one > number]
            if later:
                self.offset = msgspec.structs.replace(self.offset, segment=number, byte=follower.place[1])
                self._drop()
                self._check_expired(later)


class ReaderState(msgspec.Struct, frozen=True, kw_only=True):
    """A reader's file. `kept`: where the offset that counts stands, `file` or the words for a database; `note`: how it is."""

    name: str
    offset: Offset
    kept: str = "file"
    is_live: bool = False
    updated_wall_ns: int = 0
    note: str = ""


def reader_path(data_dir: Path, name: str) -> Path:
    """The file of a reader. ValueError for a name that is none."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a reader: 1 to 64 of a-z 0-9 _ . -, beginning with a letter or digit")
    return data_dir / FOLDER / f"{name}.json"


def load_state(path: Path) -> ReaderState | None:
    """What a reader's file says; None where there is none. JournalError where it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ReaderState)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalError(f"{path}: not a reader's offset ({error}); remove it to read from the beginning") from None


def save_state(data_dir: Path, state: ReaderState, *, is_durable: bool = True) -> None:
    """Write a reader's file; durable: the old or the new content is there after a power cut."""
    path = reader_path(data_dir, state.name)
    disk = Disk()
    disk.make_directory(path.parent)
    data = msgspec.json.encode(state) + b"\n"
    if is_durable:
        disk.replace(path, data)
        return
    partial = path.with_name(path.name + ".new")
    partial.write_bytes(data)
    partial.replace(path)


def reader_paths(data_dir: Path) -> list[Path]:
    """The files of all readers of a journal, by name."""
    folder = data_dir / FOLDER
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


class NamedReader:
    """A tailing reader whose offset is kept in `data_dir/readers/NAME.json`.

    ``take``, make use of the records, then ``commit``: a reader that dies in between is given them again, none is left out.
    """

    def __init__(self, data_dir: Path | str, name: str, lane: int = Lane.LEDGER, *, is_live: bool = False) -> None:
        self.name = name
        former = load_state(reader_path(Path(data_dir), name))
        if former is not None and former.kept != "file":
            raise JournalError(f"reader {name} keeps its offset in {former.kept}, not in a file; take another name")
        if former is not None and former.offset.lane != lane:
            raise JournalError(f"reader {name} reads the {LANE_NAMES[former.offset.lane]}; take another name")
        self.tail = TailingReader(data_dir, lane, former.offset if former else None, is_live=is_live)

    def take(self, count: int) -> list[Record]:
        """As `TailingReader.take`."""
        return self.tail.take(count)

    def commit(self, now_wall_ns: int = 0) -> None:
        """All that `take` gave so far was made use of: durable when this returns."""
        tail = self.tail
        state = ReaderState(
            name=self.name, offset=tail.offset, is_live=tail.is_live, updated_wall_ns=now_wall_ns or tail.offset.wall_ns
        )
        save_state(tail.data_dir, state)

    def close(self) -> None:
        """Give back the open segment; what was not committed is given again to the next one of this name."""
        self.tail.close()
