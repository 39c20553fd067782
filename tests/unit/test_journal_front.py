"""Claims, commits and the ring behind them."""

from __future__ import annotations

import random
import time

import pytest

from engine.journal import layout
from engine.journal.errors import JournalError, JournalFull
from engine.journal.journal import Claim, Journal
from engine.journal.reader import JournalReader
from engine.journal.scan import checksum
from engine.model.codes import Lane, RecordKind
from engine.runtime.crc32c import crc32c
from engine.runtime.world import World
from tests.journal_harness import memory_folder, open_stepped, small_config


def test_a_record_has_the_header_it_was_given() -> None:
    journal = Journal.in_memory(engine_id=9, epoch=4)
    journal.set_now(111, 222)
    seq = journal.append(
        Lane.LEDGER,
        RecordKind.INSTRUCTION,
        b"abc",
        cause_seq=5,
        venue_id=1,
        account_id=2,
        strategy_id=3,
        instrument_id=4,
        order_handle=99,
        session_id=6,
        frame_length=7,
        frame_crc32c=8,
    )
    (record,) = journal.records()
    assert (record.seq, record.cause_seq, record.kind, record.lane) == (seq, 5, RecordKind.INSTRUCTION, Lane.LEDGER)
    assert (record.venue_id, record.account_id, record.strategy_id, record.instrument_id) == (1, 2, 3, 4)
    assert (record.order_handle, record.session_id, record.frame_length, record.frame_crc32c) == (99, 6, 7, 8)
    assert (record.engine_id, record.epoch, record.wall_ns, record.mono_ns) == (9, 4, 111, 222)
    assert record.payload == b"abc" + bytes(5)
    assert record.length == 88


def test_stamps_that_were_set_are_kept() -> None:
    journal = Journal.in_memory()
    journal.set_now(1, 2)
    journal.append(Lane.TAPE, RecordKind.TRADE, b"", wall_ns=10, mono_ns=20)
    (record,) = journal.records()
    assert (record.wall_ns, record.mono_ns) == (10, 20)


def test_one_sequence_runs_over_both_lanes() -> None:
    journal = Journal.in_memory()
    given = [journal.append(number % 2, RecordKind.ALARM, b"") for number in range(10)]
    assert given == list(range(1, 11))
    assert [record.seq for record in journal.records(Lane.TAPE)] == [2, 4, 6, 8, 10]


def test_claims_committed_in_the_order_of_claiming_stand_in_that_order() -> None:
    journal = Journal.in_memory()
    claims = [Claim(journal, Lane.TAPE, RecordKind.TRADE, 400) for _ in range(3)]
    claims[2].fill(b"third")
    for number in (0, 1):
        claims[number].fill(b"earlier")
    assert [claim.commit() for claim in claims] == [1, 2, 3]
    assert [record.payload[:7].rstrip(b"\0") for record in journal.records()] == [b"earlier", b"earlier", b"third"]


def test_the_latest_claim_gives_back_what_it_does_not_use() -> None:
    journal = Journal.in_memory()
    claim = Claim(journal, Lane.TAPE, RecordKind.TRADE, 4000)
    claim.fill(b"x" * 9)
    claim.commit()
    assert journal.tape.status()["used"] == 96


def test_an_abandoned_claim_leaves_nothing() -> None:
    journal = Journal.in_memory()
    claim = Claim(journal, Lane.TAPE, RecordKind.TRADE, 4000)
    claim.abandon()
    assert journal.tape.status()["used"] == 0
    assert journal.append(Lane.TAPE, RecordKind.TRADE, b"") == 1
    assert len(journal.records()) == 1


def test_an_earlier_abandoned_claim_becomes_padding() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder))
        first = Claim(journal, Lane.TAPE, RecordKind.TRADE, 200)
        second = Claim(journal, Lane.TAPE, RecordKind.TRADE, 200)
        first.abandon()
        second.fill(b"kept")
        assert second.commit() == 2
        assert first.commit() == 0
        assert not first.renew()
        journal.close()
        assert [record.payload[:4] for record in JournalReader(folder / "data").records(Lane.TAPE)] == [b"kept"]


def test_a_claim_that_was_passed_over_gets_a_place_of_its_own() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder))
        waiting = Claim(journal, Lane.LEDGER, RecordKind.EXECUTION_REPORT, 300)
        waiting.fill(b"waits")
        assert journal.append(Lane.LEDGER, RecordKind.ALARM, b"passes") == 2
        assert waiting.commit() == 0
        assert waiting.renew()
        assert waiting.commit() == 3
        assert journal.ledger.status()["bypassed"] == 1
        journal.close()
        found = [(r.seq, r.kind) for r in JournalReader(folder / "data").records(Lane.LEDGER)]
        assert found[1:3] == [(2, RecordKind.ALARM), (3, RecordKind.EXECUTION_REPORT)]


def test_a_claim_above_an_eighth_of_the_front_is_refused() -> None:
    journal = Journal.in_memory(ring_bytes=1 << 16)
    Claim(journal, Lane.TAPE, RecordKind.TRADE, 1 << 13).abandon()
    with pytest.raises(JournalFull):
        Claim(journal, Lane.TAPE, RecordKind.TRADE, (1 << 13) + 1)
    assert journal.tape.status()["refused"] == 1


def test_nothing_of_an_older_record_shows_in_unset_fields() -> None:
    journal = Journal.in_memory(ring_bytes=4096, discards=True)
    for _ in range(100):
        journal.append(Lane.LEDGER, RecordKind.ALARM, b"\xff" * 176)
    claim = Claim(journal, Lane.LEDGER, RecordKind.FILL, 256)
    claim.commit()
    assert journal.records(Lane.LEDGER)[-1].payload == bytes(176)


@pytest.mark.parametrize("payload_bytes", [0, 8, 40, 48, 120, 1000])
def test_records_survive_the_ring_wrapping_around(payload_bytes: int) -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder, tape_front_bytes=1 << 14, segment_bytes=1 << 15))
        for number in range(1000):
            journal.append(
                Lane.TAPE, RecordKind.MARKET_FRAME_OTHER, bytes([number & 0xFF]) * payload_bytes, session_id=number
            )
            if number % 7 == 0:
                journal.flush()
        journal.close()
        found = list(JournalReader(folder / "data").records(Lane.TAPE))
        assert [record.session_id for record in found] == list(range(1000))
        assert all(record.payload == bytes([record.session_id & 0xFF]) * payload_bytes for record in found)


def test_segments_rotate_at_their_size_and_never_inside_a_record() -> None:
    with memory_folder() as folder:
        config = small_config(folder, segment_bytes=1 << 12)
        journal = open_stepped(config)
        for _ in range(200):
            journal.append(Lane.TAPE, RecordKind.TRADE, bytes(100))
        journal.close()
        sizes = [path.stat().st_size for path in sorted((folder / "data" / "tape").glob("*.seg"))]
        assert len(sizes) > 5
        assert all(size <= 1 << 12 and (size - layout.SEGMENT_HEADER_BYTES) % 184 == 0 for size in sizes)


def test_synced_sequence_follows_what_is_on_the_platter() -> None:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder))
        journal.flush()
        journal.append(Lane.TAPE, RecordKind.TRADE, b"")
        journal.append(Lane.LEDGER, RecordKind.ALARM, b"")
        assert (journal.sequence, journal.synced_sequence) == (3, 0)
        journal.flush()
        assert journal.synced_sequence == 3
        journal.close()


def test_the_writer_syncs_by_itself_within_its_interval() -> None:
    with memory_folder() as folder:
        journal = Journal.open(small_config(folder, sync_interval_ms=5.0), World.live())
        seq = journal.append(Lane.LEDGER, RecordKind.ALARM, b"")
        deadline = time.monotonic() + 5
        while journal.synced_sequence < seq and time.monotonic() < deadline:
            time.sleep(0.005)
        assert journal.synced_sequence >= seq
        assert journal.ledger.status()["syncs"] >= 1
        journal.close()


def test_a_front_that_is_no_power_of_two_is_refused() -> None:
    with memory_folder() as folder, pytest.raises(ValueError, match="power of two"):
        open_stepped(small_config(folder, ledger_front_bytes=100_000))


def test_a_front_without_room_in_the_runtime_directory_is_refused_with_its_mend() -> None:
    with memory_folder() as folder, pytest.raises(JournalError, match="lower the front's size"):
        open_stepped(small_config(folder, tape_front_bytes=1 << 50))


def test_a_closed_journal_can_be_opened_again_after_a_refusal() -> None:
    with memory_folder() as folder:
        with pytest.raises(ValueError):
            open_stepped(small_config(folder, ledger_front_bytes=100_000))
        open_stepped(small_config(folder)).close()


@pytest.mark.parametrize("seed", [0, 1, 0xFFFFFFFF])
def test_the_checksum_in_three_streams_is_the_plain_one(seed: int) -> None:
    data = random.Random(seed).randbytes(20_000)
    sizes = [*range(700), 1023, 1024, 3071, 3072, 3073, 6144, 9999, 20_000]
    for size in sizes:
        assert checksum(data[:size], seed) == crc32c(data[:size], seed), size
    assert checksum(b"123456789") == 0xE3069283  # the check value of RFC 3720's polynomial


def test_append_is_cheap() -> None:
    journal = Journal.in_memory(ring_bytes=1 << 20, discards=True)
    best = min(_append_ns(journal) for _ in range(5))
    assert best < 100, f"{best:.1f} ns a record"


def _append_ns(journal: Journal) -> float:
    begun = time.perf_counter_ns()
    assert journal.append_many(Lane.LEDGER, RecordKind.POSITION, 48, 50_000) == 50_000
    return (time.perf_counter_ns() - begun) / 50_000
