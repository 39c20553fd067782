"""What happens before a run: lock, recover what the last run left, fence the epoch.

Below a lane's watermark every byte must be whole: damage there refuses the start. Above it the first bad record cuts;
what was cut is saved beside as `*.cut-<epoch>` and recorded. A front that a killed process left on this boot holds
what was committed and not yet written: it is appended. Everything above the watermark is written again, since after a
failed fsync the kernel may show pages that never reached the platter.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.journal import layout, schemas
from engine.journal.chain import ChainMender
from engine.journal.errors import JournalCorrupt, JournalError, JournalForeign, JournalLocked
from engine.journal.places import (
    LANE_NAMES,
    RESTORING,
    Front,
    Mark,
    SegmentHeader,
    mark_slot,
    parse_marks,
    segment_path,
    segments,
)
from engine.journal.reader import COPY, parsed_identity, read_header
from engine.journal.scan import checksum, ring_stream, scan
from engine.journal.settings import JournalConfig
from engine.model.codes import RecordKind
from engine.runtime.disk import Disk
from engine.runtime.world import World

TAPE_SEGMENTS_READ_MAX = 2


@dataclass
class Recovery:
    """The ground a run stands on. Descriptors belong to the run until `close`."""

    epoch: int
    journal_id: bytes
    boot_id: bytes
    last_seq: int
    next_segment_nos: list[int]
    mark_generations: list[int]
    previous_bytes: list[int]
    front_paths: list[Path]
    recovered: dict[str, Any] = field(default_factory=dict)
    cuts: list[dict[str, Any]] = field(default_factory=list)
    directory_fds: list[int] = field(default_factory=list)
    lock_fds: list[int] = field(default_factory=list)
    chain_heads: list[bytes] = field(default_factory=list)
    # of each lane, as the start found it: what lay above it a power cut may have taken
    synced_seqs: list[int] = field(default_factory=lambda: [0, 0])
    mark_fd: int = -1

    def create_front(self, lane: int, size: int) -> int:
        """A new file of `size` bytes, all of them there (a full tmpfs must not become SIGBUS later); returns its
        descriptor.

        The old file is replaced, not cut: a reader may have it mapped.
        """
        path = self.front_paths[lane]
        partial = path.with_name(path.name + ".new")
        partial.unlink(missing_ok=True)
        fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(fd, 0, size)
            partial.replace(path)
        except OSError as error:
            os.close(fd)
            partial.unlink(missing_ok=True)
            raise JournalError(
                f"{path}: no room for a front of {size} bytes ({error.strerror}); free memory or lower the front's size"
            ) from error
        return fd

    def close(self) -> None:
        """Give back locks and descriptors."""
        for fd in [*self.directory_fds, *self.lock_fds, *([self.mark_fd] if self.mark_fd >= 0 else [])]:
            os.close(fd)
        self.directory_fds, self.lock_fds, self.mark_fd = [], [], -1


@dataclass
class LaneState:
    """What was found of one lane."""

    last_seq: int = 0
    last_kind: int = 0
    next_segment_no: int = 1
    end: tuple[int, int] = (0, 0)
    front_records: int = 0
    cuts: list[dict[str, Any]] = field(default_factory=list)


def page_of(path: Path) -> bytes:
    """The header of a front; empty where there is none."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        return file.read(layout.FRONT_HEADER_BYTES)


def lock(path: Path) -> int:
    """Hold the file for this process; JournalLocked at once where another does."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise JournalLocked(f"{path}: another engine holds this journal (process {holder}); stop it first") from error
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def recover(config: JournalConfig, world: World) -> Recovery:
    """Lock, repair and fence. Raises JournalLocked, JournalCorrupt, JournalError; nothing is sent before it returns."""
    fds: list[int] = []
    try:
        return _Recoverer(config, world, fds).run()
    except OSError as error:
        _close_all(fds)
        raise JournalError(f"{error.filename or config.data_dir}: {error.strerror}") from error
    except BaseException:
        _close_all(fds)
        raise


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


class _Recoverer:
    def __init__(self, config: JournalConfig, world: World, fds: list[int]) -> None:
        self.config = config
        self.disk: Disk = world.disk
        self.world = world
        self.fds = fds
        self.boot_id = world.boot_id()
        self.data_dir = Path(config.data_dir)
        self.front_paths = [Path(config.runtime_dir) / f"{name}.front" for name in LANE_NAMES]
        self.journal_id = b""
        self.epoch = 0
        self.front_notes: dict[str, str] = {}
        # of segments, watermarks and the file of the epoch; fronts may be of a later run
        self.newest_epoch_held = 0

    def run(self) -> Recovery:
        self._make_and_lock()
        is_new = self._read_epoch()
        marks = self._new_marks() if is_new else self._read_marks()
        self._heed_newest_run(marks)
        lanes = [self._recover_lane(lane, marks[lane]) for lane in (0, 1)]
        synced_seqs = [marks[lane].seq for lane in (0, 1)]
        marks = self._advance_marks(marks, lanes)
        last_seq = max(state.last_seq for state in lanes)
        last_seq = max(last_seq, *(mark.seq for mark in marks.values()))
        previous_epoch = 0 if is_new else self.epoch
        mender = ChainMender(self.data_dir, self.journal_id, self.epoch, self.disk)
        chain_heads = [mender.mend(lane, lanes[lane].end) for lane in (0, 1)]
        self._write_epoch(self.epoch + 1)
        result = Recovery(
            self.epoch,
            self.journal_id,
            self.boot_id,
            last_seq,
            [state.next_segment_no for state in lanes],
            [marks[lane].generation for lane in (0, 1)],
            [state.end[1] for state in lanes],
            self.front_paths,
            recovered=self._report(lanes, previous_epoch),
            cuts=[cut for state in lanes for cut in state.cuts],
            lock_fds=list(self.fds),
            chain_heads=chain_heads,
            synced_seqs=synced_seqs,
        )
        self._open_descriptors(result)
        return result

    def _make_and_lock(self) -> None:
        if (self.data_dir / RESTORING).exists():
            text = "a restoration into this directory is running or was broken off; let it end, or restore again"
            raise JournalError(f"{self.data_dir / RESTORING}: {text}")
        for path in (self.data_dir, Path(self.config.runtime_dir)):
            self.disk.make_directory(path)
        self.fds.append(lock(self.data_dir / "lock"))
        if Path(self.config.runtime_dir) != self.data_dir:
            self.fds.append(lock(Path(self.config.runtime_dir) / "journal.lock"))
        for name in LANE_NAMES:
            self.disk.make_directory(self.data_dir / name)

    def _open_descriptors(self, result: Recovery) -> None:
        for name in LANE_NAMES:
            fd = os.open(self.data_dir / name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self.fds.append(fd)
            result.directory_fds.append(fd)
        result.mark_fd = os.open(self.data_dir / "synced", os.O_WRONLY | os.O_CLOEXEC)
        self.fds.append(result.mark_fd)

    # --- identity and epoch

    def _read_epoch(self) -> bool:
        """Read who this journal is; True where it does not exist yet."""
        path = self.data_dir / "epoch"
        if not path.exists():
            if any(segments(self.data_dir, lane) for lane in (0, 1)):
                raise JournalCorrupt(str(path), 0, f"it is missing, though segments are there; {COPY}")
            self.journal_id = self.world.random_bytes(16)
            self.epoch = self._first_epoch() - 1
            return True
        self.journal_id, engine_id, self.epoch = parsed_identity(path, path.read_bytes())
        if engine_id != self.config.engine_id:
            raise JournalError(f"{path}: this journal is of engine {engine_id}, not {self.config.engine_id}")
        return not (self.data_dir / "synced").exists() and self.epoch == 0

    def _first_epoch(self) -> int:
        """Of a directory that is new; above that of the run whose front was left here by another one of this engine's number."""
        fronts = [Front.parse(page_of(path)) for path in self.front_paths]
        left = max((front.epoch for front in fronts if front and front.engine_id == self.config.engine_id), default=0)
        return max(self.config.first_epoch, left + 1)

    def _heed_newest_run(self, marks: dict[int, Mark]) -> None:
        """A file older than what stands beside it, one put back from a copy, gives no run's number and no client order id again.

        A front may be of a later run than all that is here, where the whole directory was put back: its number is not given again
        either, and its records are not taken, for what came before them is missing.
        """
        told_epoch, fronts = self.epoch, [0]
        for lane in (0, 1):
            headers = (read_header(path) for _, path in reversed(segments(self.data_dir, lane)))
            whole = next((item for item in headers if item is not None and item.journal_id == self.journal_id), None)
            front = Front.parse(page_of(self.front_paths[lane]))
            self.epoch = max(self.epoch, marks[lane].epoch, whole.epoch if whole else 0)
            fronts.append(front.epoch if front is not None and front.journal_id == self.journal_id else 0)
        self.newest_epoch_held = self.epoch
        self.epoch = max(self.epoch, *fronts)
        if self.epoch > told_epoch:
            self.front_notes["epoch"] = f"the file told run {told_epoch}, what stands beside it {self.epoch}"

    def _write_epoch(self, epoch: int) -> None:
        facts = {"journal_id": self.journal_id.hex(), "engine_id": self.config.engine_id, "epoch": epoch}
        text = json.dumps(facts, separators=(",", ":")).encode()
        self.disk.replace(self.data_dir / "epoch", b"%s %08x\n" % (text, checksum(text)))
        self.epoch = epoch

    # --- watermarks

    def _new_marks(self) -> dict[int, Mark]:
        marks = {lane: Mark(lane, 0, 0, 0, 0, 0) for lane in (0, 1)}
        data = bytearray(layout.MARK_FILE_BYTES)
        for mark in marks.values():
            slot = mark_slot(mark.lane, 0)
            data[slot : slot + layout.MARK_BYTES] = mark.pack()
        self.disk.replace(self.data_dir / "synced", bytes(data))
        self._write_epoch(self.epoch)
        return marks

    def _read_marks(self) -> dict[int, Mark]:
        path = self.data_dir / "synced"
        marks = parse_marks(path.read_bytes()) if path.exists() else {}
        if len(marks) < 2:
            raise JournalCorrupt(str(path), 0, "no whole watermark of each lane is left; restore it from a copy")
        return marks

    def _advance_marks(self, marks: dict[int, Mark], lanes: list[LaneState]) -> dict[int, Mark]:
        """What recovery has left on the disk is whole and synced: from now on it must stay so."""
        path = self.data_dir / "synced"
        data = bytearray(path.read_bytes())
        advanced = dict(marks)
        for lane, state in enumerate(lanes):
            number, offset = state.end
            if (number, offset) == (marks[lane].segment_no, marks[lane].segment_offset):
                continue
            mark = Mark(
                lane, self.epoch, marks[lane].generation + 1, number, offset, max(state.last_seq, marks[lane].seq)
            )
            slot = mark_slot(lane, mark.generation)
            data[slot : slot + layout.MARK_BYTES] = mark.pack()
            advanced[lane] = mark
        if advanced != marks:
            self.disk.replace(path, bytes(data))
        return advanced

    # --- lanes

    def _recover_lane(self, lane: int, mark: Mark) -> LaneState:
        state = LaneState()
        found = segments(self.data_dir, lane)
        self._check_chain(lane, found, mark)
        keep = self.config.verify_segments or len(found)
        if lane == 1 and self.config.verify_segments:
            keep = min(keep, TAPE_SEGMENTS_READ_MAX)
        first = max(
            0, min(len(found) - keep, next((i for i, item in enumerate(found) if item[0] >= mark.segment_no), 0))
        )
        pending = found[first:]
        tail = b""
        while pending:
            number, path = pending.pop(0)
            is_whole, tail = self._recover_segment(lane, number, path, mark, state)
            if not is_whole or (pending and pending[0][0] != number + 1):
                break
        stream = self._front_stream(lane, state.last_seq)
        self._finish(lane, mark, state, tail, stream, pending)
        return state

    def _check_chain(self, lane: int, found: list[tuple[int, Path]], mark: Mark) -> None:
        numbers = {number for number, _ in found}
        first = min(numbers, default=mark.segment_no)
        for number in range(min(first, mark.segment_no) or 1, mark.segment_no + 1):
            if number not in numbers:
                what = f"the segment is missing, though everything up to sequence {mark.seq} was synced"
                raise JournalCorrupt(str(segment_path(self.data_dir, lane, number)), 0, what)

    def _recover_segment(self, lane: int, number: int, path: Path, mark: Mark, state: LaneState) -> tuple[bool, bytes]:
        """Read one segment: (is it whole, bytes behind its last whole record); JournalCorrupt below the watermark."""
        data = path.read_bytes()
        whole_until = {True: len(data), False: 0}[number < mark.segment_no]
        if number == mark.segment_no:
            whole_until = mark.segment_offset
        header = SegmentHeader.parse(data)
        bad = self._header_damage(header, lane, number)
        if header and not bad:
            schemas.check(self.data_dir, path, header)
            self._check_previous(lane, number, header.previous_bytes, mark)
        if bad and (number < mark.segment_no or whole_until > 0):
            raise JournalCorrupt(str(path), 0, bad)
        if bad:
            state.end = (number, 0)
            return False, data
        result = scan(data, layout.SEGMENT_HEADER_BYTES, lane, state.last_seq)
        if result.end < whole_until:
            raise JournalCorrupt(str(path), result.end, result.damage or "the segment ends before its watermark")
        state.last_seq = result.last_seq
        state.last_kind = result.last_kind or state.last_kind
        state.end = (number, result.end)
        return result.end == len(data), data[result.end :]

    def _check_previous(self, lane: int, number: int, expected: int, mark: Mark) -> None:
        """A segment that lost whole records at its end looks whole; the next one knows its size."""
        path = segment_path(self.data_dir, lane, number - 1)
        if expected and path.exists() and number - 1 <= mark.segment_no and path.stat().st_size != expected:
            raise JournalCorrupt(str(path), path.stat().st_size, f"the segment had {expected} bytes when it was ended")

    def _header_damage(self, header: SegmentHeader | None, lane: int, number: int) -> str:
        if header is None:
            return "the segment's header is damaged"
        if (header.lane, header.segment_no) != (lane, number):
            return f"the segment's header says lane {header.lane}, segment {header.segment_no}"
        if header.journal_id != self.journal_id:
            return "the segment belongs to another journal"
        if header.version != layout.FORMAT_VERSION or header.record_version != layout.RECORD_VERSION:
            return f"the segment is of format {header.version}.{header.record_version}, this build reads 1.1"
        return ""

    def _finish(
        self, lane: int, mark: Mark, state: LaneState, tail: bytes, stream: bytes, later: list[tuple[int, Path]]
    ) -> None:
        """Cut what is torn, append what the front still held, write again what lies above the watermark."""
        number, end = state.end
        if state.end < (mark.segment_no, mark.segment_offset):
            what = f"the lane ends here, though it was synced up to byte {mark.segment_offset} of segment {mark.segment_no}"
            raise JournalCorrupt(str(segment_path(self.data_dir, lane, number)), end, what)
        if tail and tail not in stream:
            self._save_cut(lane, number, end, tail, state)
        for other, path in later:
            self._save_cut(lane, other, 0, path.read_bytes(), state)
            path.unlink()
        if later:
            self.disk.sync_directory(self.data_dir / LANE_NAMES[lane])
        if stream:
            appended = scan(stream, 0, lane, state.last_seq)
            state.last_seq, state.last_kind = appended.last_seq, appended.last_kind or state.last_kind
            state.front_records = appended.records
        state.end = self._rewrite(lane, mark, number, end, stream)
        state.next_segment_no = state.end[0] + 1

    def _rewrite(self, lane: int, mark: Mark, number: int, end: int, stream: bytes) -> tuple[int, int]:
        """Write what lies above the watermark again, with `stream` behind it; returns the lane's new (segment, end)."""
        if stream and end == 0:
            return self._write_new_segment(lane, max(number, mark.segment_no + 1), stream)
        path = segment_path(self.data_dir, lane, number)
        if end == 0:
            if number and path.exists():
                path.unlink()
                self.disk.sync_directory(path.parent)
            return self._previous_end(lane, number)
        start = mark.segment_offset if number == mark.segment_no else 0
        self.disk.rewrite(path, start, path.read_bytes()[start:end] + stream)
        self.disk.sync_directory(path.parent)
        return number, end + len(stream)

    def _previous_end(self, lane: int, number: int) -> tuple[int, int]:
        before = segment_path(self.data_dir, lane, number - 1)
        return (number - 1, before.stat().st_size) if number > 1 and before.exists() else (max(number - 1, 0), 0)

    def _write_new_segment(self, lane: int, number: int, stream: bytes) -> tuple[int, int]:
        fields = dict(zip(layout.HEADER_FIELDS, layout.HEADER.unpack_from(stream), strict=True))
        head = layout.SEGMENT_HEADER.pack(
            layout.SEGMENT_MAGIC,
            layout.FORMAT_VERSION,
            layout.SEGMENT_HEADER_BYTES,
            self.config.engine_id,
            self.epoch,
            lane,
            layout.RECORD_VERSION,
            number,
            fields["seq"] if fields["kind"] else 0,
            fields["wall_ns"],
            layout.SCHEMA_HASH,
            self.journal_id,
            self._previous_end(lane, number)[1],
            bytes(36),
            0,
        )[:-4]
        data = head + checksum(head).to_bytes(4, "little") + stream
        self.disk.replace(segment_path(self.data_dir, lane, number), data)
        return number, len(data)

    def _save_cut(self, lane: int, number: int, offset: int, data: bytes, state: LaneState) -> None:
        path = segment_path(self.data_dir, lane, number)
        saved = path.with_name(f"{path.name}.cut-{self.epoch + 1}")
        self.disk.write(saved, data)
        self.disk.sync_directory(path.parent)
        state.cuts.append(
            {
                "lane": LANE_NAMES[lane],
                "segment": number,
                "offset": offset,
                "bytes": len(data),
                "after_seq": state.last_seq,
                "saved_as": saved.name,
            }
        )

    # --- fronts

    def _front_stream(self, lane: int, last_seq: int) -> bytes:
        """What the front of a killed run on this boot holds above `last_seq`, in segment form."""
        path = self.front_paths[lane]
        if not path.exists():
            return b""
        data = path.read_bytes()
        front = Front.parse(data)
        note = self._distrust(front, lane)
        if note or front is None:
            self.front_notes[LANE_NAMES[lane]] = note
            return b""
        if front.committed > front.written and not schemas.is_readable(front.schema_hash):
            raise JournalForeign(str(path), front.schema_hash, "")
        stream, damage = ring_stream(data, front.written, front.committed, front.ring_bytes, lane, last_seq)
        if damage:
            self.front_notes[LANE_NAMES[lane]] = f"the front is damaged: {damage}"
        return stream

    def _distrust(self, front: Front | None, lane: int) -> str:
        """Why a front's content is not taken; empty = it is."""
        if front is None or front.lane != lane:
            return "no whole front"
        if front.journal_id != self.journal_id:
            if front.committed > front.written:
                path = self.front_paths[lane]
                raise JournalError(
                    f"{path}: the front holds unwritten records of another journal; "
                    "use another runtime_dir or move it away"
                )
            return "front of another journal"
        if front.boot_id != self.boot_id:
            return "front of another boot"
        if front.epoch > self.newest_epoch_held:
            return "front of a run that this journal does not hold"
        if front.epoch != self.newest_epoch_held:
            return "front of an earlier run"
        return ""

    def _report(self, lanes: list[LaneState], previous_epoch: int) -> dict[str, Any]:
        """What the RECOVERED record says; empty where the last run ended in order or there was none."""
        ended = lanes[0].last_kind == RecordKind.STOP and not any(state.cuts for state in lanes)
        ended = ended and not any(state.front_records for state in lanes) and "epoch" not in self.front_notes
        if previous_epoch == 0 or ended:
            return {}
        return {
            "previous_epoch": previous_epoch,
            "last_seq": max(state.last_seq for state in lanes),
            "ledger_from_front": lanes[0].front_records,
            "tape_from_front": lanes[1].front_records,
            "cut_bytes": sum(cut["bytes"] for state in lanes for cut in state.cuts),
            "front_notes": self.front_notes,
        }
