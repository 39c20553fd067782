"""Is a journal whole: every byte read, every checksum and sequence number checked. Safe beside a running engine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.journal import layout
from engine.journal.cursor import Record
from engine.journal.decode import kind_name, payload
from engine.journal.errors import JournalCorrupt, JournalError
from engine.journal.losses import Gap, Loss, RunFacts, sorted_out
from engine.journal.places import LANE_NAMES, Mark, SegmentHeader, segment_path, segments
from engine.journal.reader import COPY, JournalReader, read_header, read_identity, read_marks
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
    """What `verify` found. `gaps`: (first, last) of the numbers that are in neither lane; `losses`: those of them that a power
    cut may have taken, told by run; `unexplained`: those that none can have taken.
    """

    lanes: dict[str, LaneReport]
    damage: list[Damage] = []
    gaps: list[tuple[int, int]] = []
    losses: list[Loss] = []
    unexplained: list[tuple[int, int]] = []
    cut_tails: list[str] = []
    runs: list[Run] = []

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
        """No damage below a watermark, and no number missing that a power cut cannot have taken."""
        return not any(item.below_watermark for item in self.damage) and not self.unexplained

    def as_dict(self) -> dict[str, Any]:
        totals = {"whole": self.is_whole, "records": self.records, "bytes": self.bytes}
        span = {"first_seq": self.first_seq, "last_seq": self.last_seq}
        notes = {"notes": [str(loss) for loss in self.losses]}
        return totals | span | notes | {str(key): value for key, value in msgspec.to_builtins(self).items()}


def verify(directory: Path | str) -> Report:
    """Read the whole journal below `directory`. JournalError where there is none."""
    reader = JournalReader(directory)
    report = Report({name: LaneReport() for name in LANE_NAMES})
    marks = read_marks(reader.directory)
    journal_id = _verify_identity(reader.directory, report)
    for lane in (0, 1):
        _verify_lane(reader.directory, lane, marks.get(lane), report, journal_id)
    report.cut_tails = sorted(str(path) for path in reader.directory.glob("*/*.cut-*"))
    if not any(item.below_watermark for item in report.damage):
        _verify_sequence(reader, marks, report)
    if len(marks) < len(LANE_NAMES) and report.records:
        what = "no whole watermark of each lane is left"
        report.damage.append(Damage(str(reader.directory / "synced"), 0, what, True))
    return report


def check_run(directory: Path, epoch: int) -> None:
    """Read every byte of one run's segments; JournalCorrupt where anything is damaged or missing below the watermark."""
    report = Report({name: LaneReport() for name in LANE_NAMES})
    marks = read_marks(directory)
    if len(marks) < len(LANE_NAMES):
        raise JournalCorrupt(str(directory / "synced"), 0, "no whole watermark of each lane is left")
    for lane in (0, 1):
        found = [(number, read_header(path)) for number, path in segments(directory, lane)]
        own = [number for number, header in found if header is None or header.epoch == epoch]
        mark = marks[lane]
        _verify_begin(directory, lane, mark, found, epoch, report)
        if own:
            _verify_lane(directory, lane, mark, report, b"", range(own[0], own[-1] + 1))
        if own or mark.epoch == epoch:
            _verify_end(directory, lane, mark, own[-1] if own else found[-1][0] if found else 0, report)
    for item in report.damage:
        if item.below_watermark:
            raise JournalCorrupt(item.path, item.offset, item.what)


def _verify_begin(
    directory: Path, lane: int, mark: Mark, found: list[tuple[int, SegmentHeader | None]], epoch: int, report: Report
) -> None:
    """Is what an earlier run's last segment is followed by there: retention takes the oldest only."""
    older = [number for number, header in found if header is not None and header.epoch < epoch]
    if not older:
        return
    first = max(older) + 1
    later = min((number for number, _ in found if number >= first), default=mark.segment_no + 1)
    if first < later:
        path = segment_path(directory, lane, first)
        report.damage.append(Damage(str(path), 0, "the segment is missing, though older ones are there", True))


def _verify_end(directory: Path, lane: int, mark: Mark | None, last: int, report: Report) -> None:
    """Is what follows a lane's segment `last` there, and does it say that the segment is as long as it was."""
    following = next((number for number, _ in segments(directory, lane) if number > last), 0)
    if following == last + 1:
        _verify_previous(directory, lane, following, report)
    elif following or (mark and last < mark.segment_no):
        path = segment_path(directory, lane, last + 1)
        report.damage.append(Damage(str(path), 0, "the segment is missing, though later ones were synced", True))


def _verify_identity(directory: Path, report: Report) -> bytes:
    """The journal's id by its `epoch` file; empty where that is damaged, or missing beside segments: no start takes such."""
    try:
        return read_identity(directory)[0]
    except JournalCorrupt as error:
        report.damage.append(Damage(error.path, error.offset, error.what, True))
    except JournalError:
        if any(segments(directory, lane) for lane in (0, 1)):
            what = f"it is missing, though segments are there; {COPY}"
            report.damage.append(Damage(str(directory / "epoch"), 0, what, True))
    return b""


def _verify_lane(
    directory: Path, lane: int, mark: Mark | None, report: Report, journal_id: bytes, wanted: range = range(1 << 63)
) -> None:
    totals = report.lanes[LANE_NAMES[lane]]
    place = (mark.segment_no, mark.segment_offset) if mark else (0, 0)
    last_number = 0
    for number, path in segments(directory, lane):
        if number not in wanted:
            continue
        if last_number and number != last_number + 1:
            report.damage.append(Damage(str(path), 0, f"segments {last_number + 1} to {number - 1} are missing", True))
        _verify_previous(directory, lane, number, report)
        last_number = number
        end, what = _verify_segment(path, lane, number, journal_id, totals)
        if not what and number == place[0] and end < place[1]:
            what = f"the segment ends here, {place[1]} bytes of it were synced"
        if what:
            report.damage.append(Damage(str(path), end, what, (number, end) < place))
    if last_number < place[0] < wanted.stop:
        path = directory / LANE_NAMES[lane] / f"{place[0]:08d}.seg"
        report.damage.append(Damage(str(path), 0, "the segment of the watermark is missing", True))


def _verify_previous(directory: Path, lane: int, number: int, report: Report) -> None:
    """A segment's header says how long the one before it was when it was ended."""
    before = segment_path(directory, lane, number - 1)
    header = read_header(segment_path(directory, lane, number))
    if header and header.previous_bytes and before.exists() and before.stat().st_size != header.previous_bytes:
        what = f"the segment had {header.previous_bytes} bytes when it was ended"
        report.damage.append(Damage(str(before), before.stat().st_size, what, True))


def _verify_segment(path: Path, lane: int, number: int, journal_id: bytes, totals: LaneReport) -> tuple[int, str]:
    data = path.read_bytes()
    totals.segments += 1
    totals.bytes += len(data)
    header = SegmentHeader.parse(data)
    if header is None:
        return 0, "the segment's header is damaged"
    if (header.lane, header.segment_no) != (lane, number):
        return 0, f"the segment's header says lane {header.lane}, segment {header.segment_no}"
    if journal_id and header.journal_id != journal_id:
        return 0, "the segment belongs to another journal"
    result = scan(data, layout.SEGMENT_HEADER_BYTES, lane, totals.last_seq)
    totals.records += result.records
    totals.first_seq = totals.first_seq or result.first_seq
    totals.last_seq = result.last_seq
    return result.end, result.damage


def _verify_sequence(reader: JournalReader, marks: dict[int, Mark], report: Report) -> None:
    """Over both lanes the numbers have no gap, from the first that both lanes can hold (the tape expires earlier)."""
    firsts = [lane.first_seq for lane in report.lanes.values() if lane.first_seq]
    start = max(firsts, default=1)
    if report.first_seq == 1 and _oldest_numbers(reader.directory) == {1}:
        start = 1
    facts, gaps = RunFacts(marks), []
    try:
        gaps = list(_gaps(_noted(reader.records(), facts, report), start))
        gaps = _still_there(reader, gaps, facts.last_epoch)
    except JournalCorrupt as error:
        report.damage.append(Damage(error.path, error.offset, error.what, True))
    report.losses, unexplained = sorted_out(gaps, facts)
    report.gaps = [(gap.first, gap.last) for gap in gaps]
    report.unexplained = [(gap.first, gap.last) for gap in unexplained]


def _noted(records: Iterable[Record], facts: RunFacts, report: Report) -> Iterator[Record]:
    """The records, each noted as it passes."""
    for record in records:
        facts.note(record)
        _note_run(record, report)
        yield record


def _gaps(records: Iterable[Record], start: int) -> Iterator[Gap]:
    """Missing numbers from `start` on."""
    expected = start
    for record in records:
        if record.seq > expected:
            yield Gap(expected, record.seq - 1, record.epoch)
        expected = max(expected, record.seq + 1)


def _still_there(reader: JournalReader, gaps: list[Gap], last_epoch: int) -> list[Gap]:
    """Beside a running engine one lane is read a moment before the other: what was missing of its run may have come since."""
    settled = [gap for gap in gaps if gap.epoch < last_epoch]
    current = gaps[len(settled) :]
    for _ in range(LOOKS_MAX):
        if current:
            time.sleep(LOOK_PAUSE_S)
            first, behind = current[0].first, current[-1].last + 1
            current = list(_gaps(reader.records(from_seq=first, to_seq=behind), first))
    return settled + current


def _oldest_numbers(directory: Path) -> set[int]:
    """Numbers of the oldest segment of each lane that has any."""
    return {found[0][0] for lane in (0, 1) if (found := segments(directory, lane))}


def _note_run(record: Record, report: Report) -> None:
    if record.kind == RecordKind.START:
        build = str(payload(record).get("build", ""))
        report.runs.append(Run(record.epoch, record.seq, record.wall_ns, build, False))
    elif record.kind == RecordKind.STOP and report.runs:
        report.runs[-1] = msgspec.structs.replace(report.runs[-1], stopped=True)


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
