"""Old segments go, new ones stay, and the journal stays readable."""

from __future__ import annotations

from engine.journal.journal import Journal
from engine.journal.reader import JournalReader
from engine.journal.retention import DAY_NS, expire, expired
from engine.journal.verify import verify
from engine.model.codes import Lane, RecordKind
from engine.runtime.world import World
from tests.journal_harness import memory_folder, open_stepped, small_config


def daily(journal: Journal, days: int) -> None:
    """Some tape and a ledger record on each of `days` days."""
    for day in range(1, days + 1):
        for _ in range(20):
            journal.append(Lane.TAPE, RecordKind.TRADE, bytes(120), wall_ns=day * DAY_NS, mono_ns=day)
        journal.append(Lane.LEDGER, RecordKind.ALARM, b"", wall_ns=day * DAY_NS, mono_ns=day)
        journal.flush()


def test_segments_older_than_the_days_kept_are_let_go_without_a_hole() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder, segment_bytes=1 << 12))
        daily(journal, 10)
        journal.close()
        before = [record.wall_ns for record in JournalReader(folder / "data").records(Lane.TAPE)]
        gone = expire(folder / "data", Lane.TAPE, 3, 10 * DAY_NS)
        assert gone
        assert expired(folder / "data", Lane.TAPE, 3, 10 * DAY_NS) == []
        kept = [record.wall_ns for record in JournalReader(folder / "data").records(Lane.TAPE)]
        assert kept == before[-len(kept) :]
        assert kept.count(8 * DAY_NS) == kept.count(10 * DAY_NS) == 20
        assert min(kept) >= 5 * DAY_NS
        assert verify(folder / "data").is_whole
        open_stepped(small_config(folder)).close()


def test_the_segment_being_written_is_never_let_go() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder))
        daily(journal, 2)
        assert expire(folder / "data", Lane.LEDGER, 0, 10_000 * DAY_NS) == []
        journal.close()
        open_stepped(small_config(folder)).close()


def test_a_virtual_world_is_a_function_of_its_seed_and_the_real_one_is_not() -> None:
    first, second, other = World.virtual(5), World.virtual(5), World.virtual(6)
    assert first.random_bytes(16) == second.random_bytes(16) != other.random_bytes(16)
    assert first.clock.time_ns() == second.clock.time_ns()
    assert first.process_id == 0
    live, again = World.live(), World.live()
    assert live.seed != again.seed
    assert live.random_bytes(16) != again.random_bytes(16)
    assert len(live.boot_id()) == 16
    assert live.process_id > 0


def test_two_virtual_runs_of_one_seed_leave_the_same_bytes() -> None:
    images = []
    for _ in range(2):
        with memory_folder() as folder:
            journal = open_stepped(small_config(folder), World.virtual(9))
            daily(journal, 3)
            journal.close()
            images.append([path.read_bytes() for path in sorted((folder / "data").glob("*/*.seg"))])
    assert images[0] == images[1]
