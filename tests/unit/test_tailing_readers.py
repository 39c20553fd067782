"""Named readers: each record once, over segments, runs and their own deaths; what retention took is told."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from engine.journal.errors import JournalError
from engine.journal.journal import Journal
from engine.journal.places import segments
from engine.journal.reader import JournalReader, read_marks
from engine.journal.tailing import (
    NamedReader,
    Offset,
    OtherJournal,
    RecordsExpired,
    TailingReader,
    load_state,
    reader_path,
)
from engine.model.codes import Lane
from tests.journal_harness import append_numbered, memory_folder, open_stepped, small_config

ALL = 1 << 30


def write(journal: Journal, first: int, count: int) -> None:
    for number in range(first, first + count):
        append_numbered(journal, number)
    journal.flush()


def keys(data_dir: Path, lane: int = Lane.LEDGER) -> list[tuple[int, int]]:
    return [(record.epoch, record.seq) for record in JournalReader(data_dir).records(lane)]


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("is_live", [False, True])
def test_a_reader_that_dies_anywhere_is_given_each_record_once(lane: Lane, is_live: bool) -> None:
    dice = random.Random(f"{lane}{is_live}")
    with memory_folder() as folder:
        data_dir, seen, number = folder / "data", list[tuple[int, int]](), 0
        for run in range(4):
            journal = open_stepped(small_config(folder, segment_bytes=1 << 11))
            for _ in range(12):
                count = dice.randrange(1, 30)
                write(journal, number, count)
                number += count
                reader = NamedReader(data_dir, "copy", lane, is_live=is_live)
                for _ in range(dice.randrange(4)):
                    found = reader.take(dice.choice((1, 3, 50)))
                    if dice.random() < 0.7:  # else it dies without having kept them
                        reader.commit()
                        seen += [(record.epoch, record.seq) for record in found]
                    else:
                        break
                reader.close()
            journal.crash() if run % 2 else journal.close()
        open_stepped(small_config(folder)).close()
        reader = NamedReader(data_dir, "copy", lane, is_live=is_live)
        while found := reader.take(7):
            seen += [(record.epoch, record.seq) for record in found]
        assert seen == keys(data_dir, lane)


def test_what_is_not_synced_is_given_only_to_a_live_reader() -> None:
    with memory_folder() as folder:
        data_dir = folder / "data"
        journal = open_stepped(small_config(folder))
        write(journal, 0, 30)
        marked = (data_dir / "synced").read_bytes()
        mark = read_marks(data_dir)[Lane.LEDGER]
        write(journal, 30, 30)
        (data_dir / "synced").write_bytes(marked)
        durable, live = TailingReader(data_dir), TailingReader(data_dir, is_live=True)
        assert [record.seq for record in live.take(ALL)] == [seq for _, seq in keys(data_dir)]
        assert [record.seq for record in durable.take(ALL)] == [seq for _, seq in keys(data_dir) if seq <= mark.seq]
        assert (durable.offset.segment, durable.offset.byte) == (mark.segment_no, mark.segment_offset)
        assert durable.take(ALL) == []
        journal.crash()


def test_a_live_reader_goes_on_after_a_cut_without_a_record_twice_or_left_out() -> None:
    """A power cut takes what was not synced, a live reader has read it: numbers come again with the next epoch."""
    with memory_folder() as folder:
        config = small_config(folder)
        data_dir = folder / "data"
        journal = open_stepped(config)
        write(journal, 0, 30)
        marked = (data_dir / "synced").read_bytes()
        path = segments(data_dir, Lane.LEDGER)[-1][1]
        whole = path.stat().st_size
        write(journal, 30, 30)
        live = TailingReader(data_dir, is_live=True)
        before = [(record.epoch, record.seq) for record in live.take(ALL)]
        journal.crash()
        (data_dir / "synced").write_bytes(marked)
        with path.open("r+b") as file:
            file.truncate(whole)
        for number, later in segments(data_dir, Lane.LEDGER):
            if number > int(path.stem):
                later.unlink()
        for front in (folder / "run").glob("*.front"):
            front.unlink()
        again = open_stepped(config)
        write(again, 60, 30)
        after: list[tuple[int, int]] = []
        for _ in range(3):
            after += [(record.epoch, record.seq) for record in live.take(ALL)]
        assert {epoch for epoch, _ in after} == {2}
        assert after == [key for key in keys(data_dir) if key[0] == 2]
        resumed = TailingReader(data_dir, offset=live.offset, is_live=True)
        write(again, 90, 10)
        assert [(r.epoch, r.seq) for r in resumed.take(ALL)] == [(r.epoch, r.seq) for r in live.take(ALL)]
        assert len(set(before) | set(after)) == len(before) + len(after)
        again.close()


def test_what_retention_deleted_unread_is_told_and_can_be_passed_over() -> None:
    with memory_folder() as folder:
        data_dir = folder / "data"
        journal = open_stepped(small_config(folder, segment_bytes=1 << 11))
        write(journal, 0, 10)
        slow, quick = NamedReader(data_dir, "slow", Lane.TAPE), NamedReader(data_dir, "quick", Lane.TAPE)
        slow.take(2)
        slow.commit()
        slow.close()
        write(journal, 10, 200)
        quick.take(ALL)
        quick.commit()
        found = segments(data_dir, Lane.TAPE)
        for _, path in found[:-2]:
            path.unlink()
        assert quick.take(ALL) == []
        slow = NamedReader(data_dir, "slow", Lane.TAPE)
        with pytest.raises(RecordsExpired, match="were deleted before they were read") as told:
            slow.take(1)
        assert (told.value.first_segment, told.value.last_segment) == (1, found[-3][0])
        slow.tail.skip_expired()
        (record,) = slow.take(1)
        assert record.seq == told.value.next_seq
        journal.close()


def test_a_reader_at_the_end_of_a_deleted_segment_has_lost_nothing() -> None:
    with memory_folder() as folder:
        data_dir = folder / "data"
        journal = open_stepped(small_config(folder, segment_bytes=1 << 11))
        write(journal, 0, 300)
        found = segments(data_dir, Lane.LEDGER)
        reader = TailingReader(data_dir)
        while reader.offset.segment < 3:
            reader.take(1)
        second = msgspec.structs.replace(reader.offset, segment=2, byte=found[1][1].stat().st_size)
        first_of_third = TailingReader(data_dir, offset=reader.offset)
        expected = [record.seq for record in first_of_third.take(5)]
        for _, path in found[:2]:
            path.unlink()
        again = TailingReader(data_dir, offset=msgspec.structs.replace(second, seq=0, epoch=0))
        assert expected[0] in [record.seq for record in again.take(6)]
        journal.close()


def test_an_offset_of_another_journal_is_refused() -> None:
    with memory_folder() as folder:
        open_stepped(small_config(folder)).close()
        with pytest.raises(OtherJournal, match="the offset is of journal 00ff"):
            TailingReader(folder / "data", offset=Offset(journal_id="00ff"))


def test_a_reader_without_a_journal_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal here yet"):
        TailingReader(tmp_path)


def test_a_damaged_offset_and_a_wrong_name_are_told() -> None:
    with memory_folder() as folder:
        open_stepped(small_config(folder)).close()
        reader = NamedReader(folder / "data", "copy")
        reader.take(1)
        reader.commit(5)
        state = load_state(reader_path(folder / "data", "copy"))
        assert state is not None
        assert (state.name, state.offset.seq, state.updated_wall_ns) == ("copy", 1, 5)
        with pytest.raises(JournalError, match="reads the ledger; take another name"):
            NamedReader(folder / "data", "copy", Lane.TAPE)
        reader_path(folder / "data", "copy").write_bytes(b"{")
        with pytest.raises(JournalError, match="not a reader's offset"):
            load_state(reader_path(folder / "data", "copy"))
        with pytest.raises(ValueError, match="no name of a reader"):
            NamedReader(folder / "data", "../copy")


def test_lag_is_in_records_bytes_and_age() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder, segment_bytes=1 << 11))
        reader = TailingReader(folder / "data")
        write(journal, 0, 90)
        assert reader.lag(10**18).records == len(reader.take(ALL))
        assert reader.lag(10**18).records == reader.lag(10**18).bytes == 0
        write(journal, 90, 9)
        lag = reader.lag(1000)
        found = reader.take(ALL)
        assert (lag.records, lag.bytes) == (3, sum(record.length for record in found))
        assert lag.age_ns == 1000 - found[0].wall_ns
        assert lag.is_exact
        journal.close()
