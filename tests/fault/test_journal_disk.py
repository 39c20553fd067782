"""A disk that fails, fills up, writes short, or loses what was not synced."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.journal import layout
from engine.journal.audit import audit
from engine.journal.chain import chain_path
from engine.journal.errors import JournalError, JournalFull
from engine.journal.journal import Journal
from engine.journal.places import LANE_NAMES, Mark, segment_path
from engine.journal.reader import JournalReader
from engine.journal.settings import JournalConfig
from engine.journal.verify import verify
from engine.model.codes import Lane, RecordKind
from engine.runtime.world import World
from tests.journal_harness import append_numbered, memory_folder, numbers, open_stepped, read_numbers, small_config

RECORDS = 60
SECTOR = 512
IS_LONG = os.environ.get("TRADEWIND_AMOUNT") == "long"
CRASH_POINTS, SEEDS = (500, 2_000) if IS_LONG else (100, 5)
TRACED_CALLS = 700 if IS_LONG else 260


def scenario(config: JournalConfig, mode: str, at: int, code: int) -> tuple[Journal, int]:
    """A run of numbered records with the disk's I/O number `at` at fault; returns (journal, records committed)."""
    journal = open_stepped(config)
    journal.trace(1000)
    journal.set_fault(mode, at, code)
    committed = 0
    for number in range(RECORDS):
        try:
            append_numbered(journal, number)
        except JournalFull:
            append_numbered(journal, number, reserve=True)
        committed += 1
        if number % 5 == 4:
            journal.flush()
    return journal, committed


def failing_lanes(journal: Journal) -> list[int]:
    return [code for code, lane in ((0, journal.ledger), (1, journal.tape)) if lane.status()["error"]]


@pytest.mark.invariant("R05")
@pytest.mark.parametrize("mode", ["once", "sticky"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_each_failing_io_stops_new_orders_keeps_the_reserve_and_loses_nothing(mode: str, code: int) -> None:
    with memory_folder() as folder:
        k = 0
        while True:
            k += 1
            config = small_config(folder / str(k), segment_bytes=1 << 10)
            journal, committed = scenario(config, mode, k, code)
            if journal.io_count < k:
                if closes(journal):
                    break
                assert_restart_is_clean(config, committed)
                continue
            assert journal.error == code
            assert journal.is_nearly_full
            with pytest.raises(JournalFull, match="the disk failed"):
                journal.append(Lane.LEDGER, RecordKind.INTENT, b"a new order")
            assert journal.append(Lane.LEDGER, RecordKind.INTENT, b"a cancel", reserve=True) > 0
            assert_no_sync_is_tried_again(journal)
            with pytest.raises(JournalError, match="not written to its end"):
                journal.close()
            assert_restart_is_clean(config, committed)
        assert k > 30


def closes(journal: Journal) -> bool:
    """End the run in order; False where the disk failed at its very end, which must not pass in silence."""
    try:
        journal.close()
    except JournalError:
        return False
    return True


def assert_no_sync_is_tried_again(journal: Journal) -> None:
    """After a failed sync nothing more is asked of that lane."""
    for lane in failing_lanes(journal):
        asked = [operation for operation, of_lane, *_ in journal.traced() if of_lane == lane]
        failed = (journal.ledger, journal.tape)[lane].status()["error_operation"]
        before = len(asked)
        journal.flush()
        assert len([operation for operation, of_lane, *_ in journal.traced() if of_lane == lane]) == before
        if failed == "sync":
            assert asked[-1] == "sync"


def assert_restart_is_clean(config: JournalConfig, committed: int) -> None:
    """What the front still held is written by the next run; the journal is whole."""
    again = open_stepped(config)
    assert not again.is_nearly_full
    again.close()
    assert read_numbers(Path(config.data_dir)) == list(range(committed))
    report = verify(config.data_dir)
    assert report.is_whole
    assert report.gaps == []
    assert report.cut_tails == []


@pytest.mark.invariant("R05")
def test_short_writes_are_continued() -> None:
    with memory_folder() as folder:
        k = 0
        while True:
            k += 1
            config = small_config(folder / str(k), segment_bytes=1 << 10)
            journal, committed = scenario(config, "short", k, 0)
            assert journal.error == 0
            ran_out = journal.io_count < k
            journal.close()
            assert read_numbers(Path(config.data_dir)) == list(range(committed))
            assert verify(config.data_dir).is_whole
            if ran_out:
                break
        assert k > 30


@pytest.mark.invariant("R05")
def test_a_failed_tape_does_not_stop_the_ledger_from_being_written() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        journal = open_stepped(config)
        journal.flush()
        journal.append(Lane.TAPE, RecordKind.TRADE, b"lost to the disk")
        journal.set_fault("once", journal.io_count + 1, errno.ENOSPC)
        journal.flush()
        assert failing_lanes(journal) == [Lane.TAPE]
        assert journal.error_text == "open of tape: No space left on device"
        journal.append(Lane.LEDGER, RecordKind.INTENT, b"a cancel", reserve=True)
        journal.flush()
        assert JournalReader(config.data_dir).last_seq(Lane.LEDGER) == journal.sequence
        journal.crash()


@pytest.mark.invariant("R05")
def test_a_full_front_refuses_new_orders_before_cancels() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder))
        refused_at = nearly_full_at = 0
        for number in range(1, 2000):
            if journal.is_nearly_full and not nearly_full_at:
                nearly_full_at = number
            try:
                journal.append(Lane.LEDGER, RecordKind.INTENT, bytes(100))
            except JournalFull:
                refused_at = number
                break
        assert 0 < nearly_full_at < refused_at
        for _ in range((1 << 13) // 184 - 1):
            journal.append(Lane.LEDGER, RecordKind.ORDER_BYTES, bytes(100), reserve=True)
        with pytest.raises(JournalFull):
            journal.append(Lane.LEDGER, RecordKind.ORDER_BYTES, bytes(1000), reserve=True)
        journal.flush()
        assert not journal.is_nearly_full
        journal.append(Lane.LEDGER, RecordKind.INTENT, bytes(100))
        journal.close()


@pytest.mark.invariant("R05")
def test_the_writer_thread_reports_a_failing_disk_to_the_hot_side() -> None:
    with memory_folder() as folder:
        journal = Journal.open(small_config(folder), World.live())
        journal.flush()
        journal.set_fault("sticky", journal.io_count + 1, errno.EIO)
        journal.append(Lane.LEDGER, RecordKind.INTENT, b"x")
        journal.flush()
        assert journal.error == errno.EIO
        assert journal.is_nearly_full
        with pytest.raises(JournalError, match="Input/output error"):
            journal.close()


@contextmanager
def mounted_tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """A real, tiny tmpfs; the test is skipped where mounting is not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder.mkdir(parents=True)
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={size}".encode()) != 0:
        pytest.skip(f"mounting a tmpfs is not permitted here ({os.strerror(ctypes.get_errno())})")
    try:
        yield folder
    finally:
        libc.umount2(os.fsencode(folder), 2)


@pytest.mark.invariant("R05")
def test_a_real_full_disk_stops_orders_and_a_restart_with_room_has_everything() -> None:
    with memory_folder() as folder, mounted_tmpfs(folder / "disk", "64k") as disk:
        config = small_config(folder, data_dir=disk / "data")
        journal = open_stepped(config)
        number = 0
        while not journal.error:
            append_numbered(journal, number)
            number += 1
            if number % 10 == 0:
                journal.flush()
        assert journal.error == errno.ENOSPC
        assert journal.is_nearly_full
        with pytest.raises(JournalError):
            journal.close()
        with pytest.raises(JournalError, match="No space left"):
            open_stepped(config)
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.mount(b"tmpfs", os.fsencode(disk), b"tmpfs", 32, b"size=1m") == 0
        open_stepped(config).close()
        assert read_numbers(Path(config.data_dir)) == list(range(number))


# --- power cuts


@dataclass
class SimulatedDisk:
    """What a power cut leaves of the files that a trace of I/O wrote: synced data whole, the rest by sectors."""

    source: Path
    chance: random.Random
    durable_bytes: dict[tuple[int, int], int] = field(default_factory=dict)
    pending: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)
    named: set[tuple[int, int]] = field(default_factory=set)
    synced: bytearray = field(default_factory=bytearray)
    pending_marks: list[tuple[int, bytes]] = field(default_factory=list)
    # of the files of chain entries: synced, and written (always at the end)
    durable_entries: dict[tuple[int, int], int] = field(default_factory=dict)
    written_entries: dict[tuple[int, int], int] = field(default_factory=dict)

    def apply(self, operation: str, lane: int, number: int, offset: int, length: int, mark: bytes) -> None:
        place = (lane, number)
        if operation == "chain":
            self.written_entries[place] = offset + length
        elif operation == "sync chain":
            self.durable_entries[place] = self.written_entries.get(place, 0)
        elif operation == "write":
            self.pending.setdefault(place, []).append((offset, length))
        elif operation == "sync":
            done = self.pending.pop(place, [])
            self.durable_bytes[place] = max([self.durable_bytes.get(place, 0), *(o + n for o, n in done)])
        elif operation == "sync directory":
            self.named.add(place)
        elif operation == "watermark":
            self.pending_marks.append((offset, mark))
        elif operation == "sync watermark":
            for at, data in self.pending_marks:
                self.synced[at : at + len(data)] = data
            self.pending_marks = []

    def leave(self, target: Path) -> None:
        """Write what is left to `target`."""
        for name in LANE_NAMES:
            (target / name).mkdir(parents=True)
        (target / "epoch").write_bytes((self.source / "epoch").read_bytes())
        marks = bytearray(self.synced)
        for at, data in self.pending_marks:
            if self.chance.random() < 0.5:
                marks[at : at + len(data)] = data
        (target / "synced").write_bytes(marks)
        for place in self.named | {place for place in self.pending if self.chance.random() < 0.5}:
            segment_path(target, *place).write_bytes(self._torn(place))
            if place in self.named or self.chance.random() < 0.5:
                chain_path(target, *place).write_bytes(self._torn_entries(place))

    def _torn_entries(self, place: tuple[int, int]) -> bytes:
        """Synced entries; then each sector of those written since is there or is zeroes, and the file may end anywhere."""
        whole = chain_path(self.source, *place).read_bytes()
        durable, written = self.durable_entries.get(place, 0), self.written_entries.get(place, 0)
        data = bytearray(whole[:written])
        for at in range(durable, written, SECTOR):
            until = min(at // SECTOR * SECTOR + SECTOR, written)
            if self.chance.random() < 0.3:
                data[at:until] = bytes(until - at)
        return bytes(data[: self.chance.randint(durable, written)] if self.chance.random() < 0.5 else data)

    def _torn(self, place: tuple[int, int]) -> bytes:
        """Synced bytes; then each unsynced sector is there or is zeroes, and the file may end at any of them."""
        whole = segment_path(self.source, *place).read_bytes()
        durable = self.durable_bytes.get(place, 0)
        data = bytearray(whole[:durable])
        for offset, length in self.pending.get(place, []):
            at = max(offset, durable)
            while at < offset + length:
                until = min(at // SECTOR * SECTOR + SECTOR, offset + length)
                data.extend(bytes(max(0, at - len(data))))
                if self.chance.random() < 0.7:
                    data[at:until] = whole[at:until]
                at = until
        return bytes(
            data[: max(durable, self.chance.randint(durable, len(data)) if self.chance.random() < 0.5 else len(data))]
        )


def traced_run(config: JournalConfig) -> tuple[Journal, bytes]:
    """A run whose I/O is noted; returns it crashed, and the watermark file as it was before the run."""
    journal = open_stepped(config)
    before = (Path(config.data_dir) / "synced").read_bytes()
    journal.trace(10_000)
    number = 0
    while journal.io_count < TRACED_CALLS:
        append_numbered(journal, number)
        number += 1
        if number % 7 == 0:
            journal.flush()
    return journal, before


@pytest.mark.invariant("R02")
def test_a_power_cut_loses_nothing_below_the_watermark_and_cuts_above_it(tried: Callable[[str, int], None]) -> None:
    chance = random.Random(2)
    with memory_folder() as folder:
        source = small_config(folder / "source", segment_bytes=1 << 11, chain_block_bytes=1 << 9)
        journal, before = traced_run(source)
        trace = journal.traced()
        journal.crash()
        all_records = {record.seq: record.data for record in JournalReader(source.data_dir).records()}
        lanes = {lane: [r.seq for r in JournalReader(source.data_dir).records(lane)] for lane in (0, 1)}
        points = sorted(chance.sample(range(len(trace) + 1), CRASH_POINTS))
        cuts = cases = 0
        for point in points:
            for seed in range(SEEDS):
                cases += 1
                target = small_config(folder / f"{point}-{seed}")
                disk = SimulatedDisk(Path(source.data_dir), random.Random(f"{point}-{seed}"), synced=bytearray(before))
                for operation, lane, number, offset, length, mark in trace[:point]:
                    disk.apply(operation, lane, number, offset, length, mark[3])
                disk.leave(Path(target.data_dir))
                promised = promised_seqs(trace[:point])
                if seed == 0:
                    assert verify(target.data_dir).is_whole  # before any start, too
                cuts += assert_prefix_survives(target, all_records, lanes, promised)
                shutil.rmtree(folder / f"{point}-{seed}")
        assert cuts > cases // 10, "the simulated disk tore nothing"
        assert cases == CRASH_POINTS * SEEDS
        tried("R02", cases)


def promised_seqs(trace: list[tuple[str, int, int, int, int, tuple[int, int, int, bytes]]]) -> dict[int, int]:
    """The last sequence of each lane that the engine called synced."""
    promised = {0: 0, 1: 0}
    for operation, lane, *_, mark in trace:
        if operation == "watermark":
            parsed = Mark.parse(mark[3])
            assert parsed is not None
            promised[lane] = max(promised[lane], parsed.seq)
    return promised


def assert_prefix_survives(
    config: JournalConfig, records: dict[int, bytes], lanes: dict[int, list[int]], promised: dict[int, int]
) -> int:
    """Each lane is a prefix of what was written, at least up to its watermark; returns how many tails were cut."""
    again = open_stepped(config)
    assert again.recovery is not None
    cuts = again.recovery.cuts
    again.close()
    for lane in (0, 1):
        kept = [record for record in JournalReader(config.data_dir).records(lane) if record.epoch == 1]
        assert [record.seq for record in kept] == lanes[lane][: len(kept)]
        assert all(record.data == records[record.seq] for record in kept)
        assert (kept[-1].seq if kept else 0) >= promised[lane]
    for cut in cuts:
        saved = Path(config.data_dir) / str(cut["lane"]) / str(cut["saved_as"])
        assert saved.stat().st_size == cut["bytes"]
    noted = [r for r in JournalReader(config.data_dir).records(Lane.LEDGER) if r.kind == RecordKind.CUT]
    assert len(noted) == len(cuts)
    assert_losses_are_told(config, records, promised)
    # the chain is whole over what is left, and nobody is accused of what a power cut took
    assert audit(config.data_dir).findings == []
    return len(cuts)


def assert_losses_are_told(config: JournalConfig, records: dict[int, bytes], promised: dict[int, int]) -> None:
    """Numbers in neither lane are told by run and lane, all of them, and held against nobody."""
    report = verify(config.data_dir)
    assert report.is_whole, (report.damage, report.unexplained)
    kept = {record.seq for record in JournalReader(config.data_dir).records() if record.epoch == 1}
    missing = {seq for seq in records if seq < max(kept, default=0)} - kept
    assert sum(loss.numbers for loss in report.losses) == len(missing)
    for loss in report.losses:
        assert (loss.epoch, loss.first_seq, loss.last_seq) == (1, min(missing), max(missing))
        assert loss.is_recovered
        assert max(promised[LANE_NAMES.index(loss.lane)], loss.synced_seq) < loss.first_seq


def test_watermark_slots_lie_in_sectors_of_their_own() -> None:
    assert layout.MARK_SLOT_BYTES % SECTOR == 0
    assert layout.MARK_BYTES <= SECTOR


def test_numbered_records_are_told_apart_by_content() -> None:
    journal = Journal.in_memory()
    for number in range(10):
        append_numbered(journal, number)
    assert numbers(journal.records()) == list(range(10))
