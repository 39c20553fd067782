"""Is a journal whole: every byte read, every checksum and sequence number checked. Safe beside a running engine."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from engine.journal import layout
from engine.journal.cursor import Record
from engine.journal.decode import kind_name, payload
from engine.journal.errors import JournalCorrupt
from engine.journal.places import LANE_NAMES, SegmentHeader, segment_path, segments
from engine.journal.reader import JournalReader, read_header, read_marks
from engine.journal.scan import scan
from engine.model.codes import RecordKind

LOOKS_MAX = 3
LOOK_PAUSE_S = 0.02


class Damage(msgspec.Struct, frozen=True):
    """A place where bytes are not what was written. `below_watermark`: the engine would refuse to start."""

    path: str
    offset: int
    what: str
    below_watermark: bool


class Run(msgspec.Struct, frozen=True):
    """One run of the engine, from its START record. `stopped`: it ended in order."""

    epoch: int
    first_seq: int
    wall_ns: int
    build: str
    stopped: bool


class LaneReport(msgspec.Struct):
    """Totals of one lane."""

    segments: int = 0
    bytes: int = 0
    records: int = 0
    first_seq: int = 0
    last_seq: int = 0


class Report(msgspec.Struct):
    """What `verify` found. `gaps`: (first, last) missing sequence numbers; `cut_gaps` of them are explained by CUT
    records.
    """

    lanes: dict[str, LaneReport]
    damage: list[Damage]
    gaps: list[tuple[int, int]]
    cut_tails: list[str]
    cut_gaps: int
    runs: list[Run]

    @property
    def records(self) -> int:
        return sum(lane.records for lane in self.lanes.values())

    @property
    def bytes(self) -> int:
        return sum(lane.bytes for lane in self.lanes.values())

    @property
    def first_seq(self) -> int:
        return min((lane.first_seq for lane in self.lanes.values() if lane.first_seq), default=0)

    @property
    def last_seq(self) -> int:
        return max((lane.last_seq for lane in self.lanes.values()), default=0)

    @property
    def is_whole(self) -> bool:
        """No damage below a watermark and no number missing that a CUT does not explain."""
        return not any(item.below_watermark for item in self.damage) and len(self.gaps) == self.cut_gaps

    def as_dict(self) -> dict[str, Any]:
        totals = {"whole": self.is_whole, "records": self.records, "bytes": self.bytes}
        span = {"first_seq": self.first_seq, "last_seq": self.last_seq}
        return totals | span | {str(key): value for key, value in msgspec.to_builtins(self).items()}


def verify(directory: Path | str) -> Report:
    """Read the whole journal below `directory`. JournalError where there is none."""
    reader = JournalReader(directory)
    report = Report({name: LaneReport() for name in LANE_NAMES}, [], [], [], 0, [])
    for lane in (0, 1):
        _verify_lane(reader.directory, lane, report)
    report.cut_tails = sorted(str(path) for path in reader.directory.glob("*/*.cut-*"))
    if not any(item.below_watermark for item in report.damage):
        _verify_sequence(reader, report)
    return report


def _verify_lane(directory: Path, lane: int, report: Report) -> None:
    totals = report.lanes[LANE_NAMES[lane]]
    mark = read_marks(directory).get(lane)
    place = (mark.segment_no, mark.segment_offset) if mark else (0, 0)
    last_number = 0
    for number, path in segments(directory, lane):
        if last_number and number != last_number + 1:
            report.damage.append(Damage(str(path), 0, f"segments {last_number + 1} to {number - 1} are missing", True))
        _verify_previous(directory, lane, number, report)
        last_number = number
        end, what = _verify_segment(path, lane, totals)
        if what:
            report.damage.append(Damage(str(path), end, what, (number, end) < place))
    if last_number < place[0]:
        path = directory / LANE_NAMES[lane] / f"{place[0]:08d}.seg"
        report.damage.append(Damage(str(path), 0, "the segment of the watermark is missing", True))


def _verify_previous(directory: Path, lane: int, number: int, report: Report) -> None:
    """A segment's header says how long the one before it was when it was ended."""
    before = segment_path(directory, lane, number - 1)
    header = read_header(segment_path(directory, lane, number))
    if header and header.previous_bytes and before.exists() and before.stat().st_size != header.previous_bytes:
        what = f"the segment had {header.previous_bytes} bytes when it was ended"
        report.damage.append(Damage(str(before), before.stat().st_size, what, True))


def _verify_segment(path: Path, lane: int, totals: LaneReport) -> tuple[int, str]:
    data = path.read_bytes()
    totals.segments += 1
    totals.bytes += len(data)
    if SegmentHeader.parse(data) is None:
        return 0, "the segment's header is damaged"
    result = scan(data, layout.SEGMENT_HEADER_BYTES, lane, totals.last_seq)
    totals.records += result.records
    totals.first_seq = totals.first_seq or result.first_seq
    totals.last_seq = result.last_seq
    return result.end, result.damage


def _verify_sequence(reader: JournalReader, report: Report) -> None:
    """Over both lanes the numbers have no gap, from the first that both lanes can hold (the tape expires earlier)."""
    firsts = [lane.first_seq for lane in report.lanes.values() if lane.first_seq]
    expected = start = max(firsts, default=1)
    if report.first_seq == 1 and _oldest_numbers(reader.directory) == {1}:
        expected = start = 1
    cut_epochs: set[int] = set()
    gaps: list[tuple[int, int, int]] = []
    try:
        for record in reader.records():
            _note_run(record, report, cut_epochs)
            if record.seq > expected and record.seq > start:
                gaps.append((expected, record.seq - 1, record.epoch))
            expected = max(expected, record.seq + 1)
    except JournalCorrupt as error:
        report.damage.append(Damage(error.path, error.offset, error.what, True))
    gaps = [gap for gap in gaps if not _is_there_now(reader, gap)]
    report.gaps = [(first, last) for first, last, _ in gaps]
    report.cut_gaps = sum(any(epoch in (cut, cut - 1) for cut in cut_epochs) for _, _, epoch in gaps)


def _is_there_now(reader: JournalReader, gap: tuple[int, int, int]) -> bool:
    """Beside a running engine one lane is read a moment before the other: what was missing may have come since."""
    first, last, _ = gap
    for _ in range(LOOKS_MAX):
        if sum(1 for _ in reader.records(from_seq=first, to_seq=last)) == last - first + 1:
            return True
        time.sleep(LOOK_PAUSE_S)
    return False


def _oldest_numbers(directory: Path) -> set[int]:
    """Numbers of the oldest segment of each lane that has any."""
    return {found[0][0] for lane in (0, 1) if (found := segments(directory, lane))}


def _note_run(record: Record, report: Report, cut_epochs: set[int]) -> None:
    if record.kind == RecordKind.START:
        build = str(payload(record).get("build", ""))
        report.runs.append(Run(record.epoch, record.seq, record.wall_ns, build, False))
    elif record.kind == RecordKind.STOP and report.runs:
        report.runs[-1] = msgspec.structs.replace(report.runs[-1], stopped=True)
    elif record.kind == RecordKind.CUT:
        cut_epochs.add(record.epoch)


class KindTotals(msgspec.Struct):
    """Records and bytes of one kind."""

    lane: str
    kind: str
    records: int
    bytes: int


def stats(reader: JournalReader) -> dict[str, Any]:
    """Counts and bytes by lane and kind, the span of time, and the rates over it (bytes a day: the disk forecast)."""
    counts: Counter[tuple[int, int]] = Counter()
    sizes: Counter[tuple[int, int]] = Counter()
    first_ns = last_ns = last_seq = 0
    for record in reader.records():
        key = (record.lane, record.kind)
        counts[key] += 1
        sizes[key] += record.length
        first_ns = first_ns or record.wall_ns
        last_ns, last_seq = max(last_ns, record.wall_ns), record.seq
    rows = [KindTotals(LANE_NAMES[k[0]], kind_name(k[1]), counts[k], sizes[k]) for k in sorted(counts)]
    span_s = max((last_ns - first_ns) / 1e9, 1e-9)
    lanes = {
        name: {
            "records": sum(row.records for row in rows if row.lane == name),
            "bytes": (size := sum(row.bytes for row in rows if row.lane == name)),
            "bytes_per_day": int(size / span_s * 86_400) if counts else 0,
        }
        for name in LANE_NAMES
    }
    return {"last_seq": last_seq, "span_s": span_s, "lanes": lanes, "kinds": [msgspec.to_builtins(row) for row in rows]}
