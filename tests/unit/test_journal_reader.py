"""Reading: whole, by lane, from a number on, live, and from a killed engine's front."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.journal.cursor import Cursor
from engine.journal.errors import JournalCorrupt, JournalError
from engine.journal.journal import Journal
from engine.journal.places import SegmentHeader, segment_path, segments
from engine.journal.reader import JournalReader, LaneFollower, MergedFollower
from engine.journal.scan import checksum
from engine.journal.verify import stats, verify
from engine.model.codes import Lane, RecordKind
from engine.runtime.world import World
from tests.journal_harness import (
    append_numbered,
    leave_mark,
    memory_folder,
    numbers,
    open_stepped,
    read_numbers,
    small_config,
)


def filled(folder: Path, count: int = 200) -> Path:
    journal = open_stepped(small_config(folder))
    for number in range(count):
        append_numbered(journal, number)
        if number % 20 == 0:
            journal.flush()
    journal.close()
    return folder / "data"


def test_a_cursor_of_a_missing_file_closes_no_descriptor_of_another(tmp_path: Path) -> None:
    before = os.fstat(0)
    with pytest.raises(FileNotFoundError):
        Cursor(str(tmp_path / "none"), 0)
    assert os.fstat(0) == before


def test_both_lanes_are_merged_by_sequence() -> None:
    with memory_folder() as folder:
        reader = JournalReader(filled(folder))
        assert [record.seq for record in reader.records()] == list(range(1, 203))
        assert numbers(reader.records()) == list(range(200))
        assert numbers(reader.records(Lane.LEDGER)) == list(range(0, 200, 3))


@pytest.mark.parametrize(("first", "last"), [(1, 1), (17, 43), (150, 150), (200, 999), (500, 600)])
def test_a_span_of_sequence_numbers_is_read_without_the_rest(first: int, last: int) -> None:
    with memory_folder() as folder:
        reader = JournalReader(filled(folder))
        expected = [seq for seq in range(1, 203) if first <= seq <= last]
        assert [record.seq for record in reader.records(from_seq=first, to_seq=last)] == expected
        for lane in Lane:
            found = [record.seq for record in reader.records(lane, from_seq=first, to_seq=last)]
            assert found == [seq for seq in expected if seq in {r.seq for r in reader.records(lane)}]


def test_last_seq_is_found_without_reading_all() -> None:
    with memory_folder() as folder:
        reader = JournalReader(filled(folder))
        assert reader.last_seq() == reader.last_seq(Lane.LEDGER) == 202
        assert reader.last_seq(Lane.TAPE) == 201


def test_no_journal_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal here"):
        JournalReader(tmp_path)


def test_a_follower_sees_records_as_they_are_written_over_segments() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder, segment_bytes=1 << 11))
        follower = MergedFollower(folder / "data")
        seen: list[int] = []
        for number in range(300):
            append_numbered(journal, number)
            if number % 11 == 0:
                journal.flush()
                while (record := follower.next_record()) is not None:
                    seen.append(record.seq)
                assert seen == list(range(1, number + 3))
        assert len(segments(folder / "data", Lane.TAPE)) > 5
        follower.close()
        journal.close()


def test_a_record_waits_for_the_smaller_number_of_the_other_lane() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder))
        journal.append(Lane.TAPE, RecordKind.TRADE, b"")
        journal.append(Lane.LEDGER, RecordKind.ALARM, b"")
        journal.flush()
        tape = segment_path(folder / "data", Lane.TAPE, 1)
        hidden = tape.rename(tape.with_name("aside"))
        follower = MergedFollower(folder / "data")
        first = follower.next_record()
        assert first is not None
        assert first.seq == 1
        assert follower.next_record() is None
        hidden.rename(tape)
        assert [record.seq for record in iter(follower.next_record, None) if record] == [2, 3]
        journal.close()


def test_a_follower_does_not_wait_for_what_an_ended_run_has_lost() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder))
        before = (folder / "data" / "synced").read_bytes()
        for _ in range(20):
            journal.append(Lane.TAPE, RecordKind.TRADE, b"")
            journal.append(Lane.LEDGER, RecordKind.ALARM, b"")
        journal.flush()
        journal.crash()
        segment_path(folder / "data", Lane.TAPE, 1).unlink()  # a power cut: the tape's name never reached the platter
        (folder / "data" / "synced").write_bytes(before)
        (folder / "run" / "tape.front").unlink()
        journal = open_stepped(small_config(folder))
        journal.flush()
        follower = MergedFollower(folder / "data")
        found = [record.seq for record in iter(follower.next_record, None) if record]
        assert found == [1, *range(3, 42, 2), 42, 43]
        journal.close()


def test_reading_beside_a_writing_engine_gives_every_record_once_and_whole() -> None:
    with memory_folder() as folder:
        config = small_config(folder, ledger_front_bytes=1 << 18, tape_front_bytes=1 << 18, segment_bytes=1 << 15)
        journal = Journal.open(config, World.live())
        done = threading.Event()

        def write() -> None:
            for number in range(6000):
                append_numbered(journal, number)
                if number % 100 == 0:
                    time.sleep(0.001)
            journal.flush()
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        while not (folder / "data" / "tape").is_dir():
            time.sleep(0.001)
        found = [record.seq for record in JournalReader(folder / "data").tail(poll_s=0.001, stop=done.is_set)]
        writer.join()
        rest = [record.seq for record in JournalReader(folder / "data").records(from_seq=len(found) + 1)]
        assert found + rest == list(range(1, 6002))
        assert len(found) > 1000
        journal.close()


def test_tail_of_one_lane_begins_behind_a_number() -> None:
    with memory_folder() as folder:
        reader = JournalReader(filled(folder))
        found = [record.seq for record in reader.tail(150, Lane.LEDGER, stop=lambda: True)]
        assert found == [record.seq for record in reader.records(Lane.LEDGER) if record.seq > 150]


def test_what_a_killed_engine_left_in_its_front_is_read_with_the_runtime_directory() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        journal = open_stepped(config)
        append_numbered(journal, 0)
        journal.flush()
        append_numbered(journal, 3)
        append_numbered(journal, 4)
        journal.crash()
        assert read_numbers(folder / "data") == [0]
        assert numbers(JournalReader(folder / "data", folder / "run").records()) == [0, 3, 4]


def test_an_unfinished_tail_ends_the_reading_and_goes_on_when_it_is_whole() -> None:
    with memory_folder() as folder:
        data_dir = filled(folder)
        _, path = segments(data_dir, Lane.LEDGER)[-1]
        whole = path.read_bytes()
        (data_dir / "synced").unlink()  # no watermark: nothing is promised
        path.write_bytes(whole[:-50])
        follower = LaneFollower(data_dir, Lane.LEDGER, 0)
        before = [record.seq for record in iter(follower.next_record, None) if record]
        assert before[-1] < 202
        path.write_bytes(whole)
        after = follower.next_record()
        assert after is not None
        assert after.seq == 202


@pytest.mark.invariant("R04")
def test_damage_below_the_watermark_is_reported_with_its_place() -> None:
    with memory_folder() as folder:
        data_dir = filled(folder)
        path = segments(data_dir, Lane.TAPE)[0][1]
        data = bytearray(path.read_bytes())
        data[128 + 90] ^= 1
        path.write_bytes(data)
        with pytest.raises(JournalCorrupt, match="checksum") as damage:
            list(JournalReader(data_dir).records())
        assert (damage.value.path, damage.value.offset) == (str(path), 128)


def test_a_segment_of_another_record_layout_is_refused() -> None:
    with memory_folder() as folder:
        data_dir = filled(folder, 5)
        path = segments(data_dir, Lane.TAPE)[0][1]
        data = bytearray(path.read_bytes())
        data[56:64] = b"\1" * 8
        data[124:128] = checksum(bytes(data[:124])).to_bytes(4, "little")
        path.write_bytes(data)
        header = SegmentHeader.parse(bytes(data))
        assert header is not None
        assert header.schema_hash == 0x0101010101010101
        with pytest.raises(JournalError, match="another record layout"):
            list(JournalReader(data_dir).records())


def test_verify_counts_what_is_there() -> None:
    with memory_folder() as folder:
        report = verify(filled(folder))
        assert report.is_whole
        assert (report.records, report.first_seq, report.last_seq) == (202, 1, 202)
        assert report.bytes == sum(path.stat().st_size for path in (folder / "data").glob("*/*.seg"))
        assert [(run.epoch, run.stopped) for run in report.runs] == [(1, True)]
        assert report.as_dict()["lanes"]["ledger"]["records"] == 69


@pytest.mark.invariant("R04")
def test_a_segment_that_lost_whole_records_at_its_end_is_seen() -> None:
    with memory_folder() as folder:
        data_dir = filled(folder)
        middle = segments(data_dir, Lane.TAPE)[1][1]
        header = middle.read_bytes()[:128]
        middle.write_bytes(header)
        report = verify(data_dir)
        assert not report.is_whole
        assert (report.damage[0].path, report.damage[0].offset) == (str(middle), 128)
        with pytest.raises(JournalCorrupt, match="bytes when it was ended"):
            open_stepped(small_config(folder, verify_segments=0))
        with pytest.raises(JournalCorrupt, match="bytes when it was ended"):
            list(JournalReader(data_dir).records(Lane.TAPE))


@pytest.mark.invariant("R02")
@pytest.mark.parametrize("lane", [Lane.LEDGER, Lane.TAPE])
def test_a_reader_does_not_take_a_cut_off_end_below_the_watermark_for_the_end(lane: Lane) -> None:
    with memory_folder() as folder:
        data_dir = filled(folder)
        path = segments(data_dir, lane)[-1][1]
        data, last = path.read_bytes(), list(JournalReader(data_dir).records(lane))[-1]
        for lost in (1, 100, last.length):
            path.write_bytes(data[:-lost])
            for read in (
                JournalReader(data_dir).records(lane),
                JournalReader(data_dir).tail(0, lane, stop=lambda: True),
            ):
                with pytest.raises(JournalCorrupt) as damage:
                    list(read)
                assert (damage.value.path, damage.value.offset) == (str(path), len(data) - last.length)
        # above the watermark it is one
        leave_mark(data_dir, lane, segments(data_dir, lane)[-1][0], len(data) - last.length, last.seq - 1)
        assert [record.seq for record in JournalReader(data_dir).records(lane)][-1] < last.seq


def turned(data: bytearray, at: int) -> bytes:
    data[at + 60] ^= 1
    return bytes(data)


@pytest.mark.invariant("R04")
@pytest.mark.parametrize(
    "damage",
    [
        turned,
        lambda data, at: data[:at] + bytes(len(data) - at),
        lambda data, at: data[:at],
        lambda data, at: data[: at + 20],
    ],
    ids=["a bit", "zeros", "cut off", "torn"],
)
def test_a_follower_that_stood_at_the_end_is_told_of_damage_in_what_comes_next(
    damage: Callable[[bytearray, int], bytes],
) -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder))
        append_numbered(journal, 1)
        journal.flush()
        # a file's time of change is as coarse as the kernel's tick
        os.utime(folder / "data" / "synced", ns=(1, 1))
        follower = LaneFollower(folder / "data", Lane.LEDGER)
        while follower.next_record() is not None:
            continue
        at = follower.place[1]
        for number in range(2, 8):
            append_numbered(journal, number)
        journal.flush()
        path = segment_path(folder / "data", Lane.LEDGER, 1)
        data = bytearray(path.read_bytes())
        assert len(data) > at + 60
        path.write_bytes(damage(data, at))
        journal.close()
        with pytest.raises(JournalCorrupt) as told:
            follower.next_record()
        assert told.value.offset == at


@pytest.mark.invariant("R04")
def test_a_follower_that_stood_at_a_segments_end_is_told_of_the_next_one_that_is_gone() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        journal = open_stepped(config)
        append_numbered(journal, 1)
        journal.close()
        follower = LaneFollower(folder / "data", Lane.LEDGER)
        os.utime(folder / "data" / "synced", ns=(1, 1))
        while follower.next_record() is not None:
            continue
        for _ in range(2):
            open_stepped(config).close()
        gone = segment_path(folder / "data", Lane.LEDGER, 2)
        gone.unlink()
        with pytest.raises(JournalCorrupt, match="missing") as told:
            follower.next_record()
        assert told.value.path == str(gone)


def test_verify_takes_an_expired_tape_for_what_it_is() -> None:
    with memory_folder() as folder:
        data_dir = filled(folder)
        for _, path in segments(data_dir, Lane.TAPE)[:2]:
            path.unlink()
        assert verify(data_dir).is_whole
        segments(data_dir, Lane.LEDGER)[-1][1].unlink()
        assert not verify(data_dir).is_whole


def test_verify_beside_a_writing_engine_finds_nothing_wrong() -> None:
    with memory_folder() as folder:
        config = small_config(folder, ledger_front_bytes=1 << 18, tape_front_bytes=1 << 18, segment_bytes=1 << 15)
        journal = Journal.open(config, World.live())
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                append_numbered(journal, number)
                number += 1
                if number % 50 == 0:
                    time.sleep(0.001)

        writer = threading.Thread(target=write)
        writer.start()
        journal.flush()
        try:
            for _ in range(10):
                report = verify(folder / "data")
                assert report.is_whole, report
        finally:
            stop.set()
            writer.join()
        journal.close()


def test_stats_give_counts_bytes_and_rates() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder))
        for number in range(1, 11):
            journal.append(Lane.TAPE, RecordKind.TRADE, bytes(48), wall_ns=journal.now_ns[0] + number * 1_000_000_000)
        journal.close()
        found = stats(JournalReader(folder / "data"))
        trades = next(row for row in found["kinds"] if row["kind"] == "TRADE")
        assert (trades["records"], trades["bytes"]) == (10, 1280)
        assert found["span_s"] == pytest.approx(10.0)
        assert found["lanes"]["tape"]["bytes_per_day"] == 128 * 86_400
