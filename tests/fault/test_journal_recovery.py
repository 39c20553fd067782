"""What a killed process, a torn tail and flipped bits leave: an exact prefix, or a refusal that names the place."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from mmap import mmap
from pathlib import Path

import msgspec
import pytest

from engine.journal import layout
from engine.journal.errors import JournalCorrupt, JournalError, JournalLocked
from engine.journal.journal import Journal
from engine.journal.places import segment_path, segments
from engine.journal.reader import JournalReader
from engine.journal.recovery import recover
from engine.journal.scan import is_whole, scan
from engine.journal.settings import JournalConfig, first_epoch_at
from engine.journal.verify import verify
from engine.model import clientid
from engine.model.codes import Lane, RecordKind
from engine.runtime.world import World
from tests.journal_harness import (
    append_numbered,
    copy_journal,
    memory_folder,
    numbers,
    open_stepped,
    read_numbers,
    small_config,
)

KILLS = 40


def written_journal(config: JournalConfig, count: int) -> Path:
    """A closed journal of `count` numbered records; returns its data directory."""
    journal = open_stepped(config)
    for number in range(count):
        append_numbered(journal, number)
        if number % 16 == 15:
            journal.flush()
    journal.close()
    return Path(config.data_dir)


def child_appends(config: JournalConfig, acknowledged: mmap, first: int) -> None:
    """Append numbered records as fast as they go, noting each after its commit; ends by being killed."""
    journal = Journal.open(config, World.live())
    number = first
    while True:
        try:
            append_numbered(journal, number)
        except JournalError:
            time.sleep(0.0005)
            continue
        number += 1
        acknowledged[:8] = struct.pack("<q", number)


def killed_run(config: JournalConfig, first: int, after_s: float) -> int:
    """Fork a writer, kill it after a while; returns the first number that it has not acknowledged."""
    acknowledged = mmap(-1, 4096)
    acknowledged[:8] = struct.pack("<q", first)
    child = os.fork()
    if child == 0:
        try:
            child_appends(config, acknowledged, first)
        finally:
            os._exit(3)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer ended by itself"
    (value,) = struct.unpack("<q", acknowledged[:8])
    acknowledged.close()
    return int(value)


@pytest.mark.invariant("R01")
def test_after_kill_9_every_acknowledged_record_is_there_and_nothing_else(tried: Callable[[str, int], None]) -> None:
    chance = random.Random(11)
    with memory_folder() as folder:
        config = small_config(folder, ledger_front_bytes=1 << 18, tape_front_bytes=1 << 18, segment_bytes=1 << 18)
        first = written = last_seq = 0
        for _ in range(KILLS):
            acknowledged = killed_run(config, first, chance.uniform(0.004, 0.04))
            recovery = recover(config, World.live())
            recovery.close()
            found = numbers(JournalReader(config.data_dir).records(from_seq=last_seq + 1))
            assert found == list(range(first, first + len(found)))
            assert acknowledged <= first + len(found) <= acknowledged + 1
            written = max(written, len(found))
            first += len(found)
            last_seq = recovery.last_seq
        assert written > 100, "no run wrote anything worth losing"
        report = verify(config.data_dir)
        assert report.is_whole
        assert report.gaps == []
    tried("R01", KILLS)


@pytest.mark.invariant("R01")
def test_unwritten_records_in_the_front_are_appended_at_the_next_start() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        journal = open_stepped(config)
        for number in range(50):
            append_numbered(journal, number)
        journal.crash()
        assert segments(Path(config.data_dir), Lane.LEDGER) == []
        again = open_stepped(config)
        assert again.recovery is not None
        assert again.recovery.recovered["ledger_from_front"] == 18
        assert again.sequence == 51 + 2
        again.close()
        assert read_numbers(config.data_dir) == list(range(50))


@pytest.mark.invariant("R01")
def test_a_front_of_another_boot_is_not_taken_for_this_one() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        journal = open_stepped(config)
        append_numbered(journal, 0)
        journal.flush()
        append_numbered(journal, 3)
        journal.crash()
        path = Path(config.runtime_dir) / "ledger.front"
        page = bytearray(path.read_bytes())
        page[40:56] = bytes(16)
        from engine.journal.scan import checksum

        page[72:76] = checksum(bytes(page[:72])).to_bytes(4, "little")
        path.write_bytes(page)
        again = open_stepped(config)
        assert again.recovery is not None
        assert again.recovery.recovered["front_notes"] == {"ledger": "front of another boot"}
        again.close()
        assert read_numbers(config.data_dir) == [0]


@pytest.mark.invariant("R03")
def test_a_journal_cut_at_any_byte_gives_its_exact_prefix_and_keeps_the_rest_aside(
    tried: Callable[[str, int], None],
) -> None:
    with memory_folder() as folder:
        config = small_config(folder, segment_bytes=1 << 20, tape_front_bytes=1 << 16)
        journal = open_stepped(config)
        untouched_mark = (Path(config.data_dir) / "synced").read_bytes()
        number = 0
        while journal.ledger.status()["committed"] < 16_384:
            append_numbered(journal, number)
            number += 3
        journal.flush()
        epoch = (Path(config.data_dir) / "epoch").read_bytes()
        whole = segment_path(Path(config.data_dir), 0, 1).read_bytes()
        journal.crash()
        ends = record_ends(whole)
        assert len(whole) >= 16_384
        target = small_config(folder / "cut", segment_bytes=1 << 20)
        for length in range(len(whole)):
            path = prepare_cut(target, epoch, untouched_mark, whole[:length])
            recovery = recover(target, World.virtual(1))
            recovery.close()
            expected = max((end for end in ends if end <= length), default=0)
            kept = path.read_bytes() if path.exists() else b""
            assert kept == whole[: max(expected, 128 if length >= 128 else 0)]
            torn = whole[len(kept) : length]
            assert [cut["bytes"] for cut in recovery.cuts] == ([len(torn)] if torn else [])
            if torn:
                assert (path.parent / str(recovery.cuts[0]["saved_as"])).read_bytes() == torn
    tried("R03", len(whole))


def record_ends(segment: bytes) -> list[int]:
    """Offsets behind each record of a segment."""
    ends, at = [], layout.SEGMENT_HEADER_BYTES
    while at < len(segment):
        at += int.from_bytes(segment[at : at + 4], "little")
        ends.append(at)
    return ends


def prepare_cut(config: JournalConfig, epoch: bytes, mark: bytes, segment: bytes) -> Path:
    """A data directory whose ledger is `segment` alone, with no watermark to speak of."""
    data_dir = Path(config.data_dir)
    shutil.rmtree(data_dir, ignore_errors=True)
    (data_dir / "ledger").mkdir(parents=True)
    (data_dir / "epoch").write_bytes(epoch)
    (data_dir / "synced").write_bytes(mark)
    path = segment_path(data_dir, 0, 1)
    path.write_bytes(segment)
    return path


@pytest.mark.invariant("R04")
def test_every_flipped_bit_of_a_thousand_records_is_seen(tried: Callable[[str, int], None]) -> None:
    with memory_folder() as folder:
        config = small_config(folder, segment_bytes=1 << 20, ledger_front_bytes=1 << 20)
        journal = open_stepped(config)
        for number in range(1000):
            journal.append(Lane.LEDGER, RecordKind.INTENT, bytes([number & 0xFF]) * (number % 49))
        journal.close()
        data = bytearray(segment_path(Path(config.data_dir), 0, 1).read_bytes())
        offset, flipped, missed = layout.SEGMENT_HEADER_BYTES, 0, []
        while offset < len(data):
            length = int.from_bytes(data[offset : offset + 4], "little")
            for at in range(offset, offset + length):
                for bit in range(8):
                    data[at] ^= 1 << bit
                    if is_whole(data, offset):
                        missed.append((at, bit))
                    data[at] ^= 1 << bit
            flipped += length * 8
            offset += length
        assert missed == []
        assert flipped > 1000 * 80 * 8
    tried("R04", flipped)


@pytest.mark.invariant("R04")
def test_damage_below_the_watermark_refuses_the_start_and_names_segment_and_offset() -> None:
    chance = random.Random(4)
    with memory_folder() as folder:
        source = written_journal(small_config(folder / "source"), 300)
        target = small_config(folder / "copy", verify_segments=0)
        found = [path for lane in (0, 1) for _, path in segments(source, lane)]
        assert len(found) > 4
        for _ in range(150):
            victim = chance.choice(found)
            copy_journal(source, Path(target.data_dir))
            path = Path(target.data_dir) / victim.relative_to(source)
            data = bytearray(path.read_bytes())
            at = chance.randrange(len(data))
            data[at] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
            begin = max((end for end in [0, 128, *record_ends(victim.read_bytes())] if end <= at), default=0)
            with pytest.raises(JournalCorrupt) as refusal:
                recover(target, World.virtual(1))
            assert (refusal.value.path, refusal.value.offset) == (str(path), begin)
            report = verify(target.data_dir)
            assert not report.is_whole
            assert (report.damage[0].path, report.damage[0].offset) == (str(path), begin)


@pytest.mark.invariant("R04")
def test_a_missing_synced_segment_refuses_the_start() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        data_dir = written_journal(config, 300)
        victim = segments(data_dir, Lane.LEDGER)[-1][1]
        victim.unlink()
        with pytest.raises(JournalCorrupt, match="missing"):
            recover(config, World.virtual(1))


@pytest.mark.invariant("R04")
def test_a_broken_epoch_file_or_lost_watermarks_refuse_the_start() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        data_dir = written_journal(config, 10)
        epoch, synced = (data_dir / "epoch").read_bytes(), (data_dir / "synced").read_bytes()
        (data_dir / "epoch").write_bytes(epoch.replace(b'"epoch":1', b'"epoch":0'))
        with pytest.raises(JournalCorrupt, match="epoch"):
            recover(config, World.virtual(1))
        (data_dir / "epoch").write_bytes(epoch)
        (data_dir / "synced").write_bytes(bytes(len(synced)))
        with pytest.raises(JournalCorrupt, match="synced"):
            recover(config, World.virtual(1))


def test_scan_refuses_a_sequence_that_goes_back_and_a_record_of_the_other_lane() -> None:
    journal = Journal.in_memory()
    for _ in range(3):
        journal.append(Lane.LEDGER, RecordKind.INTENT, b"x")
    data = journal.front_bytes(Lane.LEDGER)
    assert scan(data, 0, 0).records == 3
    assert scan(data, 0, 0, last_seq=1).damage == "its sequence number does not follow the one before"
    assert scan(data, 0, 1).damage == "it belongs to the other lane"


@pytest.mark.invariant("R27")
def test_a_second_engine_is_refused_at_once_with_one_line() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        journal = Journal.open(config, World.live())
        begun = time.monotonic()
        with pytest.raises(JournalLocked, match="another engine holds this journal") as refusal:
            Journal.open(config, World.live())
        assert time.monotonic() - begun < 1.0
        assert str(os.getpid()) in str(refusal.value)
        assert "\n" not in str(refusal.value)
        journal.close()
        Journal.open(config, World.live()).close()


@pytest.mark.invariant("R27")
def test_a_second_process_is_refused_and_each_run_has_its_own_epoch() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        script = (
            "import sys; from pathlib import Path; from engine.journal.journal import Journal\n"
            "from engine.journal.settings import JournalConfig; from engine.runtime.world import World\n"
            "d = Path(sys.argv[1])\n"
            "c = JournalConfig(data_dir=d/'data', runtime_dir=d/'run', engine_id=7)\n"
            "Journal.open(c, World.live()).close()\n"
        )
        journal = Journal.open(config, World.live())
        second = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, timeout=30)
        assert second.returncode == 1
        assert "JournalLocked" in second.stderr
        assert journal.epoch == 1
        journal.close()
        epochs = []
        for _ in range(3):
            journal = Journal.open(config, World.live())
            epochs.append(journal.epoch)
            journal.crash()
        assert epochs == [2, 3, 4]


@pytest.mark.invariant("R03")
@pytest.mark.invariant("R04")
@pytest.mark.parametrize("size", [0, 1, 127])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_segment_below_the_watermark_that_is_empty_or_a_stump_refuses_the_start_and_cuts_nothing(
    number: int, size: int
) -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        for _ in range(3):
            data_dir = written_journal(config, 4)
        path = segment_path(data_dir, Lane.LEDGER, number)
        path.write_bytes(path.read_bytes()[:size])
        before = {item: item.read_bytes() for _, item in segments(data_dir, Lane.LEDGER)}
        with pytest.raises(JournalCorrupt) as told:
            recover(config, World.virtual(1))
        assert told.value.path == str(path)
        assert {item: item.read_bytes() for _, item in segments(data_dir, Lane.LEDGER)} == before
        assert not (report := verify(data_dir)).is_whole
        assert {(damage.path, damage.below_watermark) for damage in report.damage} == {(str(path), True)}


@pytest.mark.invariant("R27")
@pytest.mark.parametrize("is_crashed", [False, True])
def test_an_epoch_file_put_back_from_an_old_copy_gives_no_run_number_again(is_crashed: bool) -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        data_dir = written_journal(config, 4)
        old = (data_dir / "epoch").read_bytes()
        for _ in range(2):
            written_journal(config, 4)
        journal = open_stepped(config)
        journal.flush()
        append_numbered(journal, 77)
        if is_crashed:
            journal.crash()
        else:
            journal.close()
        (data_dir / "epoch").write_bytes(old)
        recovery = recover(config, World.virtual(1))
        recovery.close()
        assert recovery.epoch == 5
        assert recovery.recovered["previous_epoch"] == 4
        assert recovery.recovered["front_notes"]["epoch"] == "the file told run 1, what stands beside it 4"
        taken = recovery.recovered["ledger_from_front"] + recovery.recovered["tape_from_front"]
        assert taken == (1 if is_crashed else 0)


@pytest.mark.invariant("R03")
@pytest.mark.invariant("R27")
def test_the_front_of_a_run_that_a_directory_put_back_does_not_hold_is_not_appended_and_its_number_not_given_again() -> (
    None
):
    with memory_folder() as folder:
        config = small_config(folder)
        data_dir = written_journal(config, 9)
        copy_journal(data_dir, folder / "copy")
        written_journal(config, 4)
        journal = open_stepped(config)
        append_numbered(journal, 20)
        journal.flush()
        append_numbered(journal, 21)
        journal.crash()
        copy_journal(folder / "copy", data_dir)
        recovery = recover(config, World.virtual(1))
        recovery.close()
        assert recovery.epoch == 4
        assert recovery.recovered["front_notes"]["ledger"] == "front of a run that this journal does not hold"
        assert numbers(JournalReader(data_dir).records()) == list(range(9))


def test_a_journal_of_another_engine_is_refused() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        written_journal(config, 3)
        with pytest.raises(JournalError, match="engine 7, not 8"):
            recover(small_config(folder, engine_id=8), World.virtual(1))


def test_an_orderly_stop_leaves_nothing_to_recover() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        written_journal(config, 20)
        journal = open_stepped(config)
        assert journal.recovery is not None
        assert journal.recovery.recovered == {}
        journal.close(reason="test")
        kinds = [record.kind for record in JournalReader(config.data_dir).records(Lane.LEDGER)]
        assert kinds.count(RecordKind.START) == kinds.count(RecordKind.STOP) == 2
        assert RecordKind.RECOVERED not in kinds
        runs = verify(config.data_dir).runs
        assert [(run.epoch, run.stopped) for run in runs] == [(1, True), (2, True)]


def test_sequence_goes_on_over_runs_without_a_gap() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        number = 0
        for _ in range(6):
            journal = open_stepped(config)
            for _ in range(20):
                append_numbered(journal, number)
                number += 1
            journal.crash()
        open_stepped(config).close()
        records = list(JournalReader(config.data_dir).records())
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert numbers(records) == list(range(number))


@pytest.mark.invariant("R27")
@pytest.mark.parametrize(("other", "first"), [(0, 78), (1, 50)])
def test_a_directory_that_is_new_goes_on_above_what_was_here_before_it(other: int, first: int) -> None:
    """By the clock, and above the run whose front another directory of the same engine left: the account knows its ids."""
    with memory_folder() as folder:
        config = small_config(folder)
        gone = msgspec.structs.replace(
            config, data_dir=folder / "gone", engine_id=config.engine_id + other, first_epoch=77
        )
        journal = open_stepped(gone)
        assert journal.epoch == 77
        append_numbered(journal, 1)
        journal.close()
        fresh = msgspec.structs.replace(config, first_epoch=50)
        for epoch in (first, first + 1):
            recovery = recover(fresh, World.virtual(2))
            recovery.close()
            assert recovery.epoch == epoch
            assert recovery.recovered.get("previous_epoch", 0) == (0 if epoch == first else first)
        assert numbers(JournalReader(fresh.data_dir).records()) == []


def test_the_number_of_a_first_run_is_the_time_in_seconds_and_fits_a_client_order_id() -> None:
    day_ns = 86_400 * 1_000_000_000
    since_ns = 1_767_225_600 * 1_000_000_000
    assert [first_epoch_at(wall_ns) for wall_ns in (0, since_ns, since_ns + day_ns)] == [1, 1, 86_400]
    assert clientid.encode(3843, first_epoch_at(2**63 - 1) + 1_000_000 << 32 | 0xFFFFFFFF)
    with pytest.raises(ValueError):
        clientid.encode(3843, first_epoch_at(2**63 - 1) + 1_000_001 << 32)
