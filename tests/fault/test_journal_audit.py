"""Who alters a journal on purpose repairs its checksums; the hash chain and its signed head find it, and name the first block."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.cli.main import main
from engine.exit_codes import ExitCode
from engine.journal import layout
from engine.journal.audit import AuditReport, Finding, audit
from engine.journal.chain import ENTRY, Entry, chain_files, chain_path, genesis, last_entry, read_entries
from engine.journal.errors import JournalCorrupt
from engine.journal.head import Head, HeadSigner, LaneHead, SignedHead, current_head, is_signed_by, read_heads, signed
from engine.journal.journal import Journal
from engine.journal.places import SegmentHeader, segment_path, segments
from engine.journal.reader import JournalReader, read_identity
from engine.journal.retention import DAY_NS, expire
from engine.journal.scan import checksum
from engine.journal.settings import JournalConfig
from engine.journal.verify import verify
from engine.model.codes import Lane
from engine.runtime.world import World
from tests.journal_harness import append_numbered, copy_journal, leave_mark, memory_folder, open_stepped, small_config

RUN_RECORDS = 150
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def chained(folder: Path) -> JournalConfig:
    """Three runs over many segments, the second one killed; blocks of a kilobyte."""
    config = small_config(folder, segment_bytes=1 << 12, chain_block_bytes=1 << 10)
    for number in range(3):
        journal = open_stepped(config)
        for record in range(RUN_RECORDS):
            append_numbered(journal, record)
            if record % 7 == 6:
                journal.flush()
        if number == 1:
            journal.crash()
        else:
            journal.close()
    return config


@pytest.fixture(scope="module")
def whole() -> Iterator[Path]:
    """The data directory of such a journal; tests copy it."""
    with memory_folder() as folder:
        yield Path(chained(folder).data_dir)


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    target = tmp_path / "data"
    copy_journal(whole, target)
    return target


def first(report: AuditReport) -> Finding:
    found = report.first()
    assert found is not None
    assert not report.is_whole
    return found


def signed_now(data_dir: Path) -> SignedHead:
    return signed(current_head(data_dir, 1), KEY.sign)


def records_of(path: Path) -> list[tuple[int, int, int]]:
    """(offset, length, sequence) of every record of a segment."""
    data, at, found = path.read_bytes(), layout.SEGMENT_HEADER_BYTES, []
    while at < len(data):
        length, _, seq = struct.unpack_from("<IIQ", data, at)
        found.append((at, length, seq))
        at += length
    return found


def repaired(record: bytearray) -> bytes:
    """The record with the checksum of what it says now."""
    record[4:8] = checksum(bytes(record[8:])).to_bytes(4, "little")
    return bytes(record)


def entry_of(data_dir: Path, lane: int, number: int, offset: int) -> Entry:
    """The entry of the block that holds a byte."""
    entries, _ = read_entries(chain_path(data_dir, lane, number))
    return next(entry for entry in entries if entry.offset <= offset < entry.end)


# --- an honest journal ---


def test_a_chain_goes_over_segments_runs_and_a_kill_and_is_whole(data: Path) -> None:
    report = audit(data, [signed_now(data)])
    assert report.is_whole
    assert report.heads == 1
    assert report.findings == []
    assert report.notes() == []
    for lane in (0, 1):
        files = chain_files(data, lane)
        assert [number for number, _ in files] == [number for number, _ in segments(data, lane)]
        assert len(files) > 3
        entries = [entry for _, path in files for entry in read_entries(path)[0]]
        assert entries[0].previous == genesis(read_identity(data)[0], lane)
        assert all(one.hash == two.previous for one, two in pairwise(entries))


def test_hashes_without_the_processors_instructions_are_the_same() -> None:
    with memory_folder() as folder:
        chains = []
        for is_plain in (False, True):
            config = small_config(folder / str(is_plain), chain_block_bytes=1 << 10, plain_hash=is_plain)
            journal = open_stepped(config)
            for record in range(50):
                append_numbered(journal, record)
            journal.close()
            report = audit(config.data_dir)
            assert report.is_whole
            chains.append(report.lanes["ledger"].blocks)
        assert chains[0] == chains[1] > 2


def test_the_thread_closes_blocks_by_their_age_and_a_live_journal_can_be_audited() -> None:
    with memory_folder() as folder:
        config = small_config(folder)
        journal = Journal.open(config, World.live())
        append_numbered(journal, 0)
        append_numbered(journal, 1)
        deadline = World.live().clock.monotonic_ns() + 30_000_000_000
        while last_entry(Path(config.data_dir), Lane.LEDGER) is None:
            assert World.live().clock.monotonic_ns() < deadline
            journal.flush()
        append_numbered(journal, 3)
        journal.flush()
        report = audit(config.data_dir)
        assert report.is_whole
        assert any("not bound yet" in note for note in report.notes())
        journal.close()
        assert audit(config.data_dir).notes() == []


def test_an_older_ledger_says_from_where_on_it_is_chained() -> None:
    with memory_folder() as folder:
        config = small_config(folder, segment_bytes=1 << 12, chain_block_bytes=1 << 10)
        journal = open_stepped(msgspec.structs.replace(config, chain=False))
        for record in range(RUN_RECORDS):
            append_numbered(journal, record)
        journal.close()
        report = audit(config.data_dir)
        assert not report.is_whole
        assert not report.findings
        assert "ledger: unchained: nothing of it can be proved" in report.notes()
        last = JournalReader(config.data_dir).last_seq()
        journal = open_stepped(config)
        append_numbered(journal, 0)
        journal.close()
        report = audit(config.data_dir)
        assert report.is_whole
        assert report.lanes["ledger"].chained_from_seq == last + 1
        assert any(f"ledger: unchained before sequence {last + 1}" in note for note in report.notes())


def test_letting_go_of_old_tape_leaves_both_chains_whole(data: Path) -> None:
    head = signed_now(data)
    gone = expire(data, Lane.TAPE, 1, 10 * DAY_NS)
    assert gone
    report = audit(data, [head])
    assert report.findings == []
    assert report.is_whole
    assert {number for number, _ in chain_files(data, Lane.TAPE)} == {number for number, _ in segments(data, Lane.TAPE)}


# --- altered ones ---


def test_a_changed_byte_under_a_repaired_checksum_is_named(data: Path) -> None:
    path = segment_path(data, Lane.LEDGER, 2)
    offset, length, seq = records_of(path)[4]
    content = bytearray(path.read_bytes())
    record = content[offset : offset + length]
    record[-9] ^= 1
    content[offset : offset + length] = repaired(record)
    path.write_bytes(content)
    assert verify(data).is_whole
    found, entry = first(audit(data)), entry_of(data, Lane.LEDGER, 2, offset)
    assert (found.lane, found.segment, found.offset, found.end) == ("ledger", 2, entry.offset, entry.end)
    assert found.first_seq <= seq <= found.last_seq
    assert "the block was altered" in str(found)


def without(data: bytes, records: list[tuple[int, int, int]], number: int) -> bytes:
    at, length, _ = records[number]
    return data[:at] + data[at + length :]


def twice(data: bytes, records: list[tuple[int, int, int]], number: int) -> bytes:
    at, length, _ = records[number]
    return data[: at + length] + data[at : at + length] + data[at + length :]


def swapped(data: bytes, records: list[tuple[int, int, int]], number: int) -> bytes:
    (at, one, _), (other, two, _) = records[number], records[number + 1]
    return data[:at] + data[other : other + two] + data[at : at + one] + data[other + two :]


@pytest.mark.parametrize("change", [without, twice, swapped])
def test_a_record_that_is_removed_inserted_or_moved_is_named(
    data: Path, change: Callable[[bytes, list[tuple[int, int, int]], int], bytes]
) -> None:
    path = segment_path(data, Lane.TAPE, 3)
    records = records_of(path)
    path.write_bytes(change(path.read_bytes(), records, 5))
    found = first(audit(data))
    assert (found.lane, found.segment) == ("tape", 3)
    assert found.offset <= records[5][0] < found.end
    assert found.first_seq <= records[5][2] <= found.last_seq


def test_a_segment_that_is_gone_is_named_with_and_without_its_entries(data: Path) -> None:
    path = segment_path(data, Lane.LEDGER, 2)
    spans = [seq for _, _, seq in records_of(path)]
    path.unlink()
    found = first(audit(data))
    assert (found.segment, found.first_seq, found.last_seq) == (2, spans[0], spans[-1])
    assert "the segment is missing" in found.what
    chain_path(data, Lane.LEDGER, 2).unlink()
    found = first(audit(data))
    assert found.segment == 2
    assert "missing" in found.what


def test_a_tail_that_was_cut_off_with_its_entries_is_found_by_the_signed_head(data: Path) -> None:
    head = signed_now(data)
    number, path = segments(data, Lane.LEDGER)[-1]
    entries, _ = read_entries(chain_path(data, Lane.LEDGER, number))
    path.write_bytes(path.read_bytes()[: entries[-1].offset])
    found = first(audit(data))
    assert (found.segment, found.first_seq, found.last_seq) == (number, entries[-1].first_seq, entries[-1].last_seq)
    chain_path(data, Lane.LEDGER, number).write_bytes(b"".join(entry.pack() for entry in entries[:-1]))
    assert "bytes of it were synced" in first(audit(data)).what
    leave_mark(data, Lane.LEDGER, number, entries[-2].end, entries[-2].last_seq)
    assert audit(data).is_whole
    assert any("are in neither lane" in note for note in audit(data).notes())
    found = first(audit(data, [head]))
    assert (found.segment, found.last_seq) == (number, entries[-1].last_seq)
    assert "does not hold the head" in found.what


def altered(path: Path, place: int, *, is_repaired: bool = True) -> tuple[int, int]:
    """A record of a segment with another byte in it; (its offset, its sequence)."""
    offset, length, seq = records_of(path)[place]
    content = bytearray(path.read_bytes())
    record = content[offset : offset + length]
    record[-9] ^= 1
    content[offset : offset + length] = repaired(record) if is_repaired else record
    path.write_bytes(content)
    return offset, seq


def test_the_first_altered_block_is_named_though_a_later_one_does_not_even_have_its_checksum(data: Path) -> None:
    numbers = [number for number, _ in segments(data, Lane.LEDGER)]
    offset, _ = altered(segment_path(data, Lane.LEDGER, numbers[1]), 3)
    altered(segment_path(data, Lane.LEDGER, numbers[-1]), 2, is_repaired=False)
    report = audit(data)
    found = first(report)
    assert found.segment == numbers[1]
    assert found.offset <= offset < found.end
    assert {item.segment for item in report.findings} == {numbers[1], numbers[-1]}


def test_what_verify_finds_the_audit_finds_too(data: Path) -> None:
    for number, path in segments(data, Lane.LEDGER)[-2:]:
        path.unlink()
        chain_path(data, Lane.LEDGER, number).unlink()
    assert not verify(data).is_whole
    assert "the segment of the watermark is missing" in [item.what for item in audit(data).findings]


def test_a_lane_that_is_gone_is_found(data: Path) -> None:
    shutil.rmtree(data / "tape")
    assert not verify(data).is_whole
    assert first(audit(data)).lane == "tape"


def test_a_record_behind_the_end_of_a_run_was_not_written_by_it(data: Path) -> None:
    number, path = segments(data, Lane.LEDGER)[-1]
    content = path.read_bytes()
    offset, length, _ = records_of(path)[-2]
    last_seq = JournalReader(data).last_seq()
    forged = bytearray(content[offset : offset + length])
    struct.pack_into("<Q", forged, 8, last_seq + 1)
    path.write_bytes(content + repaired(forged))
    assert verify(data).is_whole
    found = first(audit(data, [signed_now(data)]))
    assert (found.segment, found.first_seq) == (number, last_seq + 1)
    assert "behind the end of run" in found.what


def test_a_key_without_a_signed_head_proves_nothing_and_says_so(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "audit.pub"
    key.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    command = ["journal", "verify", "--dir", str(data), "--audit", "--public-key", str(key)]
    assert main(command) == ExitCode.NO_INPUT
    assert "no signed head to hold the journal against" in capsys.readouterr().err
    HeadSigner(data, KEY.sign).sign(1)
    assert main(command) == ExitCode.OK
    assert "signed heads that it holds: 1" in capsys.readouterr().out
    heads = data / "heads.jsonl"
    kept = heads.read_bytes()
    heads.write_bytes(kept.replace(b'"engine_id":7', b'"engine_id":8'))
    assert main(command) == ExitCode.IO_ERROR
    assert "it was forged" in capsys.readouterr().err
    heads.write_bytes(b"{\n" + kept)
    assert main(command) == ExitCode.IO_ERROR
    assert "line 1 is no signed head" in capsys.readouterr().err


def test_a_whole_segment_behind_the_chain_is_told_of(data: Path) -> None:
    number, path = segments(data, Lane.TAPE)[-1]
    segment_path(data, Lane.TAPE, number + 1).write_bytes(path.read_bytes())
    assert any(note.startswith("tape: ") and "not bound yet" in note for note in audit(data).notes())


def remade(data: Path, lane: int) -> None:
    """What somebody without the key can do: every entry of the lane anew over what the segments say now."""
    head = genesis(read_identity(data)[0], lane)
    for number, path in chain_files(data, lane):
        content, entries = segment_path(data, lane, number).read_bytes(), []
        for entry in read_entries(path)[0]:
            bare = Entry(**{**entry.__dict__, "previous": head})
            head = bare.hash_of(content[entry.offset : entry.end])
            entries.append(Entry(**{**bare.__dict__, "hash": head}).pack())
        path.write_bytes(b"".join(entries))


def test_a_chain_that_was_made_anew_without_the_key_does_not_hold_the_signed_heads(data: Path) -> None:
    heads, numbers = [], [number for number, _ in chain_files(data, Lane.LEDGER)]
    for number in (numbers[1], numbers[-1]):
        entry = read_entries(chain_path(data, Lane.LEDGER, number))[0][-1]
        lane = {"segment": number, "end": entry.end, "seq": entry.last_seq, "hash": entry.hash.hex()}
        head = Head(journal_id=read_identity(data)[0].hex(), engine_id=7, wall_ns=number, ledger=None, tape=None)
        heads.append(signed(msgspec.structs.replace(head, ledger=msgspec.convert(lane, LaneHead)), KEY.sign))
    assert all(is_signed_by(item, KEY.public_key()) for item in heads)
    path = segment_path(data, Lane.LEDGER, numbers[2])
    offset, length, seq = records_of(path)[2]
    content = bytearray(path.read_bytes())
    record = content[offset : offset + length]
    record[-9] ^= 1
    content[offset : offset + length] = repaired(record)
    path.write_bytes(content)
    remade(data, Lane.LEDGER)
    held = audit(data, heads)
    told = [item for item in held.findings if "does not hold" in item.what]
    assert len(told) == 1
    assert told[0].first_seq <= seq <= told[0].last_seq
    assert heads[0].head.ledger is not None
    assert told[0].first_seq == heads[0].head.ledger.seq + 1
    assert (told[0].segment, told[0].offset) == (numbers[2], 0)
    forged = msgspec.structs.replace(heads[1], head=msgspec.structs.replace(heads[1].head, engine_id=8))
    assert not is_signed_by(forged, KEY.public_key())


def test_a_chain_that_was_made_anew_is_not_the_one_that_later_runs_began_on(data: Path) -> None:
    """START names the heads that its run began on: who forgets those is found without a key."""
    altered(segments(data, Lane.LEDGER)[0][1], 3)
    remade(data, Lane.LEDGER)
    report = audit(data)
    assert ["began on a chain that is not here" in item.what for item in report.findings] == [True, True]


def signed_place(data: Path, **change: int | str) -> SignedHead:
    """The head as it is now, signed with something of the ledger's place changed."""
    head = current_head(data, 1)
    assert head.ledger is not None
    if "journal_id" in change:
        return signed(msgspec.structs.replace(head, journal_id=str(change["journal_id"])), KEY.sign)
    return signed(msgspec.structs.replace(head, ledger=msgspec.structs.replace(head.ledger, **change)), KEY.sign)


@pytest.mark.parametrize("change", [{"segment": 1}, {"end": 8}, {"seq": 1}])
def test_a_signed_head_stands_for_its_hash_at_its_place(data: Path, change: dict[str, int]) -> None:
    assert audit(data, [signed_place(data)]).is_whole
    assert "does not hold the head" in first(audit(data, [signed_place(data, **change)])).what


def test_the_signed_head_of_another_journal_proves_nothing_of_this_one(data: Path) -> None:
    found = first(audit(data, [signed_place(data, journal_id="00" * 16)]))
    assert "of another journal" in found.what


def test_bytes_between_the_chain_and_the_next_segment_are_named(data: Path) -> None:
    number, path = segments(data, Lane.TAPE)[1]
    content = path.read_bytes()
    path.write_bytes(content + content[-64:])
    named = [item for item in audit(data).findings if item.what == "bytes that the chain does not bind"]
    assert [(item.segment, item.offset, item.end) for item in named] == [(number, len(content), len(content) + 64)]


def test_an_entry_that_is_damaged_is_named(data: Path) -> None:
    number = segments(data, Lane.TAPE)[1][0]
    path = chain_path(data, Lane.TAPE, number)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    named = [item for item in audit(data).findings if item.what == "an entry of the chain is damaged"]
    assert [item.segment for item in named] == [number]


def test_tape_that_was_let_go_is_told_of(data: Path) -> None:
    gone = len(expire(data, Lane.TAPE, 1, 10 * DAY_NS))
    assert f"tape: begins with segment {gone + 1}: what was before it is proved by nothing" in audit(data).notes()


def test_a_chain_that_begins_anew_shows_by_the_heads_that_starts_have_named(data: Path) -> None:
    for _, path in chain_files(data, Lane.LEDGER)[:2]:
        path.unlink()
    report = audit(data)
    assert "what it stands on is gone" in first(report).what


def test_an_entry_that_is_left_out_or_moved_breaks_the_chain(data: Path) -> None:
    path = chain_path(data, Lane.LEDGER, 2)
    content = path.read_bytes()
    assert len(content) > 2 * ENTRY.size
    path.write_bytes(content[: ENTRY.size] + content[2 * ENTRY.size :])
    assert first(audit(data)).segment == 2
    path.write_bytes(content[ENTRY.size : 2 * ENTRY.size] + content[: ENTRY.size] + content[2 * ENTRY.size :])
    assert first(audit(data)).segment == 2


# --- starts ---


@pytest.mark.invariant("R03")
def test_a_start_binds_what_a_kill_left_at_every_byte_of_the_entries_file(tmp_path: Path) -> None:
    config = small_config(tmp_path, chain_block_bytes=1 << 10)
    journal = open_stepped(config)
    for record in range(60):
        append_numbered(journal, record)
        journal.flush()
    journal.crash()
    number, path = chain_files(Path(config.data_dir), Lane.LEDGER)[-1]
    size = path.stat().st_size
    assert size >= 2 * ENTRY.size
    for cut in range(0, size + 1, 16):
        target = msgspec.structs.replace(config, data_dir=tmp_path / f"cut-{cut}", runtime_dir=tmp_path / f"run-{cut}")
        shutil.copytree(config.data_dir, target.data_dir)
        with chain_path(Path(target.data_dir), Lane.LEDGER, number).open("r+b") as file:
            file.truncate(cut)
        open_stepped(target).close()
        report = audit(target.data_dir)
        assert report.is_whole, report.as_dict()
        assert report.notes() == []


@pytest.mark.invariant("R04")
def test_a_start_refuses_a_segment_that_lost_what_its_chain_binds(data: Path, tmp_path: Path) -> None:
    number, path = segments(data, Lane.LEDGER)[-1]
    path.write_bytes(path.read_bytes()[:-8])
    config = small_config(tmp_path / "again", data_dir=data)
    with pytest.raises(JournalCorrupt):
        open_stepped(config)
    assert SegmentHeader.parse(path.read_bytes()) is not None
    assert number > 0


def test_the_signer_signs_only_what_is_new_and_its_file_is_read_back(data: Path) -> None:
    signer = HeadSigner(data, KEY.sign)
    assert signer.sign(1) is not None
    assert signer.sign(2) is None
    again = HeadSigner(data, KEY.sign)
    assert again.sign(3) is not None
    heads = read_heads(data / "heads.jsonl")
    assert [item.head.wall_ns for item in heads] == [1, 3]
    assert all(is_signed_by(item, KEY.public_key()) for item in heads)
    assert audit(data, heads).is_whole
