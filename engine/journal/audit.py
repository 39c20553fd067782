"""Has anything in a journal been altered: every block hashed again, every link of the chain, every signed head.

Checksums find what broke by itself; whoever alters a record on purpose repairs them. The chain finds that too, up to the newest
head that was signed and kept elsewhere. Safe beside a running engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from engine.journal.chain import ENTRY, Entry, chain_files, genesis, read_entries
from engine.journal.decode import payload
from engine.journal.errors import JournalCorrupt
from engine.journal.head import SignedHead
from engine.journal.losses import Loss
from engine.journal.places import LANE_NAMES, segments
from engine.journal.reader import JournalReader, read_header, read_identity
from engine.journal.verify import Damage, verify
from engine.model.codes import Lane, RecordKind


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A place that is not what was written: bytes [offset, end) of a segment, records first_seq to last_seq (0: none known)."""

    lane: str
    segment: int
    offset: int
    end: int
    first_seq: int
    last_seq: int
    what: str

    def __str__(self) -> str:
        place = f"{self.lane} segment {self.segment}"
        if self.end > self.offset:
            place += f", bytes {self.offset} to {self.end}"
        if self.first_seq:
            place += f", sequence {self.first_seq} " + (f"to {self.last_seq}" if self.last_seq else "on")
        return f"{place}: {self.what}"


class LaneAudit(msgspec.Struct):
    """One lane: its blocks, the sequence from which on there is a chain (0: there is none), and what is not bound yet."""

    blocks: int = 0
    chained_from_seq: int = 0
    last_seq: int = 0
    unchained_segments: int = 0
    first_segment: int = 0
    unbound_bytes: int = 0
    # every head that there was: of entries, and the one before the first
    hashes: set[str] = msgspec.field(default_factory=set)
    entries: dict[str, Entry] = msgspec.field(default_factory=dict)


class AuditReport(msgspec.Struct):
    """What was found. `heads`: signed heads that the chain holds."""

    lanes: dict[str, LaneAudit]
    findings: list[Finding]
    heads: int = 0
    # numbers in neither lane that a power cut may have taken
    losses: list[Loss] = []

    @property
    def is_chained(self) -> bool:
        """Is there a chain over the ledger at all."""
        return self.lanes[LANE_NAMES[Lane.LEDGER]].blocks > 0

    @property
    def is_whole(self) -> bool:
        """Nothing was altered, and there is a chain that says so."""
        return self.is_chained and not self.findings

    def first(self) -> Finding | None:
        """The first altered block: of the ledger before the tape, the oldest."""
        return min(self.findings, key=lambda item: (item.lane != "ledger", item.segment, item.offset), default=None)

    def notes(self) -> list[str]:
        """What the chain says nothing about, for a person."""
        told = [f"{loss}, or somebody" for loss in self.losses]
        for name, lane in self.lanes.items():
            if not lane.blocks:
                told.append(f"{name}: unchained: nothing of it can be proved")
            elif lane.unchained_segments:
                text = f"{name}: unchained before sequence {lane.chained_from_seq}"
                told.append(f"{text} ({lane.unchained_segments} segments of an older build)")
            if lane.blocks and lane.first_segment > 1 and not lane.unchained_segments:
                told.append(
                    f"{name}: begins with segment {lane.first_segment}: what was before it is proved by nothing"
                )
            if lane.blocks and lane.unbound_bytes:
                told.append(f"{name}: {lane.unbound_bytes} bytes behind sequence {lane.last_seq} are not bound yet")
        return told

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        lanes = {
            name: {
                "blocks": lane.blocks,
                "chained_from_seq": lane.chained_from_seq,
                "last_seq": lane.last_seq,
                "unchained_segments": lane.unchained_segments,
                "unbound_bytes": lane.unbound_bytes,
            }
            for name, lane in self.lanes.items()
        }
        first = self.first()
        return {
            "whole": self.is_whole,
            "chained": self.is_chained,
            "signed_heads": self.heads,
            "first_altered": None if first is None else msgspec.to_builtins(first),
            "findings": msgspec.to_builtins(self.findings),
            "notes": self.notes(),
            "lanes": lanes,
        }


def audit(directory: Path | str, heads: Sequence[SignedHead] = ()) -> AuditReport:
    """Check both lanes' chains and that they hold `heads`, whose signatures were checked before.

    Raises JournalError where there is no journal.
    """
    data_dir = JournalReader(directory).directory
    report = AuditReport({name: LaneAudit() for name in LANE_NAMES}, [])
    journal_id = read_identity(data_dir)[0]
    for lane in (0, 1):
        LaneWalk(data_dir, lane, journal_id, report).run()
    if report.is_chained:
        check_runs(data_dir, report)
    ours = [item for item in heads if bytes.fromhex(item.head.journal_id) == journal_id]
    for item in heads:
        if item not in ours:
            add(report, 0, 0, 0, 0, 0, 0, f"the signed head is of another journal ({item.head.journal_id})")
    for lane in (0, 1):
        check_heads(lane, ours, report)
    check_bytes(data_dir, report)
    report.heads = 0 if report.findings else len(ours)
    return report


def add(report: AuditReport, lane: int, segment: int, offset: int, end: int, first: int, last: int, what: str) -> None:
    """Note a finding."""
    report.findings.append(
        Finding(
            lane=LANE_NAMES[lane], segment=segment, offset=offset, end=end, first_seq=first, last_seq=last, what=what
        )
    )


class LaneWalk:
    """One lane from its oldest entry to its newest."""

    def __init__(self, data_dir: Path, lane: int, journal_id: bytes, report: AuditReport) -> None:
        self._data_dir, self._lane, self._report = data_dir, lane, report
        self._start = genesis(journal_id, lane)
        self._totals = report.lanes[LANE_NAMES[lane]]
        self._head: bytes | None = None

    def run(self) -> None:
        """Walk."""
        # the entries first: what a live engine writes meanwhile is then behind them, not missing before them
        files = dict(chain_files(self._data_dir, self._lane))
        found = dict(segments(self._data_dir, self._lane))
        first = self._totals.first_segment = min(files, default=0)
        self._totals.unchained_segments = sum(number < first for number in found) if files else len(found)
        self._totals.hashes.add(self._start.hex())
        last = max(
            [*files, *(number for number in found if number in files or number < max(files, default=0))], default=0
        )
        for number in range(first, last + 1) if files else ():
            if number not in files:
                self._missing_entries(number, found)
            else:
                self._segment(number, files[number], found.get(number), is_last=number == last)
        for number, path in found.items() if files else ():
            self._totals.unbound_bytes += path.stat().st_size if number > last else 0

    def _missing_entries(self, number: int, found: dict[int, Path]) -> None:
        size = found[number].stat().st_size if number in found else 0
        what = (
            "the segment's chain entries are missing" if number in found else "the segment and its entries are missing"
        )
        header = read_header(found[number]) if number in found else None
        first = header.first_seq if header else self._totals.last_seq + 1
        add(self._report, self._lane, number, 0, size, first, 0, what)
        self._head = None

    def _segment(self, number: int, path: Path, segment: Path | None, *, is_last: bool) -> None:
        entries, behind = read_entries(path)
        if segment is None:
            self._missing_segment(number, entries)
            return
        data = memoryview(segment.read_bytes())
        expected = 0
        for entry in entries:
            if not self._link(entry, number, expected):
                break
            self._block(entry, data)
            expected = entry.end
        if behind and not (is_last and behind < ENTRY.size):
            add(self._report, self._lane, number, expected, len(data), 0, 0, "an entry of the chain is damaged")
        elif len(data) > expected and not is_last:
            add(self._report, self._lane, number, expected, len(data), 0, 0, "bytes that the chain does not bind")
        elif is_last:
            self._totals.unbound_bytes += max(0, len(data) - expected)

    def _missing_segment(self, number: int, entries: list[Entry]) -> None:
        spans = [entry for entry in entries if entry.first_seq]
        first, last = (spans[0].first_seq, spans[-1].last_seq) if spans else (0, 0)
        end = entries[-1].end if entries else 0
        add(self._report, self._lane, number, 0, end, first, last, "the segment is missing")
        self._head = entries[-1].hash if entries else self._head

    def _link(self, entry: Entry, number: int, expected: int) -> bool:
        """Does the entry follow the one before; the first of all must stand on the beginning, or on what the tape has let go."""
        is_tape_expired = self._lane == Lane.TAPE and self._totals.unchained_segments == 0 and number > 1
        if self._head is None and self._totals.blocks == 0 and entry.previous != self._start and not is_tape_expired:
            what = "the chain does not begin here: what it stands on is gone"
            add(self._report, self._lane, number, entry.offset, entry.end, entry.first_seq, entry.last_seq, what)
        elif self._head is not None and entry.previous != self._head:
            what = "the chain is broken before this block: entries were removed, inserted or put in another order"
            add(self._report, self._lane, number, entry.offset, entry.end, entry.first_seq, entry.last_seq, what)
        if entry.segment_no != number or entry.offset != expected or entry.lane != self._lane:
            what = f"the entry is of segment {entry.segment_no}, byte {entry.offset}"
            add(self._report, self._lane, number, expected, entry.end, entry.first_seq, entry.last_seq, what)
            return False
        self._totals.hashes.add(entry.previous.hex())
        return True

    def _block(self, entry: Entry, data: memoryview) -> None:
        self._head = entry.hash
        totals = self._totals
        totals.blocks += 1
        totals.chained_from_seq = totals.chained_from_seq or entry.first_seq
        totals.last_seq = max(totals.last_seq, entry.last_seq)
        totals.hashes.add(entry.hash.hex())
        totals.entries[entry.hash.hex()] = entry
        what = ""
        if entry.end > len(data):
            what = f"the segment ends at byte {len(data)}: what was bound behind it is gone"
        elif entry.hash_of(data[entry.offset : entry.end]) != entry.hash:
            what = "the block was altered"
        if what:
            end = min(entry.end, max(len(data), entry.offset))
            add(self._report, self._lane, entry.segment_no, entry.offset, end, entry.first_seq, entry.last_seq, what)


def check_runs(data_dir: Path, report: AuditReport) -> None:
    """Each run's START names the heads that it began on: a chain begun anew shows. Nothing of a run stands behind its STOP."""
    ledger = report.lanes[LANE_NAMES[Lane.LEDGER]]
    stopped_epoch = 0
    try:
        for record in JournalReader(data_dir).records(Lane.LEDGER, from_seq=max(ledger.chained_from_seq, 1)):
            if record.kind == RecordKind.START:
                told = payload(record).get("chain", {}).get("ledger", "")
                if told and told not in ledger.hashes:
                    what = f"run {record.epoch} began on a chain that is not here: it was made anew"
                    add(report, Lane.LEDGER, 0, 0, 0, record.seq, record.seq, what)
            elif stopped_epoch and record.epoch == stopped_epoch:
                what = f"a record behind the end of run {stopped_epoch}, which wrote none after its STOP"
                segment, size = newest(data_dir, Lane.LEDGER, record.seq)
                add(report, Lane.LEDGER, segment, 0, size, record.seq, record.seq, what)
                return
            stopped_epoch = record.epoch if record.kind == RecordKind.STOP else 0
    except JournalCorrupt as error:
        add_damage(report, Damage(error.path, error.offset, error.what, below_watermark=True))


def newest(data_dir: Path, lane: int, seq: int) -> tuple[int, int]:
    """(number, bytes) of the segment that a record stands in."""
    found = [(0, 0)]
    for number, path in segments(data_dir, lane):
        header = read_header(path)
        if header is not None and header.first_seq <= seq:
            found.append((number, path.stat().st_size))
    return found[-1]


def check_bytes(data_dir: Path, report: AuditReport) -> None:
    """What `verify` finds without a chain: checksums, the watermark, missing segments, numbers that no power cut takes."""
    plain = verify(data_dir)
    for item in plain.damage:
        if item.below_watermark:
            add_damage(report, item)
    for first, last in (
        plain.unexplained if not report.findings else ()
    ):  # else the chain, or a damage, has named the place
        segment, size = newest(data_dir, Lane.LEDGER, first)
        what = "these numbers are in neither lane, in the midst of both or below the watermark: no power cut takes such"
        add(report, Lane.LEDGER, segment, 0, size, first, last, what)
    report.losses = plain.losses


def add_damage(report: AuditReport, item: Damage) -> None:
    """Note what is damaged, unless the chain has named a block of that segment."""
    path = Path(item.path)
    lane = LANE_NAMES.index(path.parent.name) if path.parent.name in LANE_NAMES else Lane.LEDGER
    number = int(path.stem) if path.stem.isdecimal() else 0
    if not any((found.lane, found.segment) == (LANE_NAMES[lane], number) for found in report.findings):
        end = path.stat().st_size if path.exists() else item.offset
        what = item.what if number else f"{path.name}: {item.what}"
        add(report, lane, number, item.offset, end, 0, 0, what)


def check_heads(lane: int, heads: Sequence[SignedHead], report: AuditReport) -> None:
    """Each signed head must be an entry; the first that is none, and the last before it that is one, enclose what was altered."""
    name, totals = LANE_NAMES[lane], report.lanes[LANE_NAMES[lane]]
    oldest = min((entry.segment_no for entry in totals.entries.values()), default=0)
    held_seq = 0
    for item in sorted(heads, key=lambda item: item.head.wall_ns):
        told = item.head.lane(lane)
        if told is None or (lane == Lane.TAPE and told.segment < oldest):
            continue
        entry = totals.entries.get(told.hash)
        if entry is not None and (entry.segment_no, entry.end, entry.last_seq) == (told.segment, told.end, told.seq):
            held_seq = told.seq
            continue
        what = (
            f"the {name} does not hold the head that was signed at sequence {told.seq} (segment {told.segment}, byte {told.end}): "
            f"it was altered, or cut, behind sequence {held_seq}"
        )
        behind = [entry for entry in totals.entries.values() if entry.last_seq > held_seq]
        segment, offset, end = told.segment, 0, told.end
        if told.seq <= totals.last_seq and behind:  # nothing was cut: the blocks behind the last head that is held
            begin = min(behind, key=lambda entry: (entry.segment_no, entry.offset))
            segment, offset = begin.segment_no, begin.offset
            if segment != told.segment:
                end = max(entry.end for entry in behind if entry.segment_no == segment)
        add(report, lane, segment, offset, end, held_seq + 1, told.seq, what)
        return
