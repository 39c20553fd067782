"""A ledger written by an earlier build stays readable; one that this build cannot read is refused with the way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.exit_codes import ExitCode
from engine.journal import layout
from engine.journal.cursor import Record
from engine.journal.decode import payload
from engine.journal.errors import JournalForeign
from engine.journal.journal import Journal
from engine.journal.places import segments
from engine.journal.reader import JournalReader
from engine.journal.scan import checksum
from engine.journal.schemas import READABLE, is_readable
from engine.model.codes import Lane, RecordKind
from engine.runtime.world import World
from tests.journal_harness import memory_folder, open_stepped, small_config
from tests.schema_rule import Schema, faults, frozen

pytestmark = pytest.mark.invariant("R32")
FOREIGN = 0x0101010101010101
TODAY = Schema(layout.schema_text())


def restamp(data_dir: Path, schema_hash: int) -> None:
    """Let every segment say that it was written with another layout."""
    for lane in Lane:
        for _, path in segments(data_dir, lane):
            data = bytearray(path.read_bytes())
            data[56:64] = schema_hash.to_bytes(8, "little")
            data[124:128] = checksum(bytes(data[:124])).to_bytes(4, "little")
            path.write_bytes(data)


def written(folder: Path, payloads: list[tuple[RecordKind, bytes]], *, build: str = "0.0.9") -> Path:
    journal = Journal.open(small_config(folder), World.live(), build=build, threaded=False)
    for kind, data in payloads:
        journal.append(Lane.LEDGER, kind, data)
    journal.close()
    return folder / "data"


def test_every_readable_layout_is_kept_whole() -> None:
    kept = frozen()
    assert {schema_hash: layout.hash_of(text) for schema_hash, text in kept.items()} == {
        each: each for each in READABLE
    }


@pytest.mark.parametrize("schema_hash", sorted(READABLE))
def test_today_reads_what_an_earlier_build_wrote(schema_hash: int) -> None:
    assert faults(Schema(frozen()[schema_hash]), TODAY) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("FILL=68", "FILL=82", "FILL was 68"),
        ("FILL=68\n", "", "FILL was 68"),
        ("FILL=68", "FILL=68\nFEES=68", "68 is FEES and FILL"),
        ("FILL:client_order_id:24s", "FILL:client_order_id:32s", "fields of FILL changed"),
        ("is_external:B pad:3x", "is_external:B fee:B pad:2x", "fields of FILL changed"),
        ("conditions:parent_handle:Q", "conditions:list_handle:Q", "fields of conditions changed"),
        ("HHHHIBBHQIIIHH", "HHHHIBBHQIIIHHQ", "the header changed"),
        ("VENUE_HEALTH:state:H previous_state:H reason:H pad:2x detail:q",
         "VENUE_HEALTH:state:H previous_state:H reason:H pad:2x detail:q since:q", "VENUE_HEALTH grew"),
    ],
)  # fmt: skip
def test_a_change_that_would_lose_old_ledgers_is_found(old: str, new: str, fault: str) -> None:
    text = layout.schema_text()
    assert old in text
    assert any(found.startswith(fault) for found in faults(TODAY, Schema(text.replace(old, new, 1))))


def test_a_field_at_the_end_of_a_payload_is_no_fault() -> None:
    text = layout.schema_text().replace("is_external:B pad:3x", "is_external:B pad:3x rate_e8:q", 1)
    assert faults(TODAY, Schema(text + "\nFEES:amount_e8:q")) == []


@pytest.mark.parametrize("schema_hash", sorted(READABLE))
def test_records_packed_by_an_earlier_layout_decode_to_what_was_packed(schema_hash: int) -> None:
    old = Schema(frozen()[schema_hash])
    kinds = [RecordKind[name] for name in old.fields if name in old.kinds]
    with memory_folder() as folder:
        bodies = [(kind, bytes(range(1, 1 + old.form(kind.name).size))) for kind in kinds]
        data_dir = written(folder, bodies)
        restamp(data_dir, schema_hash)
        found = {record.kind: record for record in JournalReader(data_dir).records(Lane.LEDGER)}
        for kind, body in bodies:
            names = [field.split(":")[0] for field in old.fields[kind.name] if not field.endswith("x")]
            form, today = layout.payload_format(kind)
            expected = dict(zip(names, old.form(kind.name).unpack(body), strict=True))
            read = dict(zip(today, form.unpack_from(found[kind].payload), strict=True))
            assert read == dict.fromkeys(today, 0) | expected
        assert JournalReader(data_dir).last_seq() > len(bodies)


def test_a_payload_shorter_than_todays_is_read_as_zeroes_behind_it() -> None:
    form, _ = layout.payload_format(RecordKind.FILL)
    body = bytes(range(1, 1 + form.size))[: form.size - 24]
    journal = Journal.in_memory()
    journal.append(Lane.LEDGER, RecordKind.FILL, body)
    journal.append(Lane.LEDGER, RecordKind.ALARM, b"\7" * 16)
    fill, alarm = journal.records()
    assert fill.payload == body + bytes(24)
    assert fill.length == layout.RECORD_HEADER_BYTES + form.size
    assert (fill.seq, alarm.seq, len(alarm.payload)) == (1, 2, 16)
    assert payload(fill)["position_lots"] == int.from_bytes(body[56:64], "little")
    with memory_folder() as folder:
        read = [
            r for r in JournalReader(written(folder, [(RecordKind.FILL, body)])).records() if r.kind == RecordKind.FILL
        ]
        assert [record.payload for record in read] == [body + bytes(24)]


def test_the_engine_goes_on_with_a_ledger_of_an_earlier_build() -> None:
    with memory_folder() as folder:
        data_dir = written(folder, [(RecordKind.ALARM, bytes(16))] * 5)
        restamp(data_dir, min(READABLE))
        before = JournalReader(data_dir).last_seq()
        journal = open_stepped(small_config(folder))
        assert journal.sequence > before
        journal.close()
        assert [record.seq for record in JournalReader(data_dir).records()] == list(range(1, before + 3))


@pytest.mark.parametrize("verb", ["cat", "stats"])
def test_a_ledger_that_cannot_be_read_is_refused_by_name_of_its_build(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with memory_folder() as folder:
        data_dir = written(folder, [], build="7.3.1")
        restamp(data_dir, FOREIGN)
        assert not is_readable(FOREIGN)
        assert main(["journal", verb, "--dir", str(data_dir)]) == ExitCode.DATA_ERROR
        said = capsys.readouterr().err
        assert all(words in said for words in ("build 7.3.1", "Go on with that build", "move data_dir aside"))


def test_an_engine_does_not_start_on_a_ledger_that_it_cannot_read() -> None:
    with memory_folder() as folder:
        data_dir = written(folder, [], build="7.3.1")
        restamp(data_dir, FOREIGN)
        before = {path: path.read_bytes() for path in data_dir.glob("*/*.seg")}
        with pytest.raises(JournalForeign, match=r"build 7\.3\.1"):
            open_stepped(small_config(folder))
        assert {path: path.read_bytes() for path in data_dir.glob("*/*.seg")} == before


def test_a_front_that_cannot_be_read_is_not_thrown_away() -> None:
    with memory_folder() as folder:
        journal = Journal.open(small_config(folder), World.live(), threaded=False)
        journal.crash()
        path = folder / "run" / "ledger.front"
        data = bytearray(path.read_bytes())
        data[16:24] = FOREIGN.to_bytes(8, "little")
        data[72:76] = checksum(bytes(data[:72])).to_bytes(4, "little")
        path.write_bytes(data)
        with pytest.raises(JournalForeign, match=r"ledger\.front"):
            open_stepped(small_config(folder))
        assert path.read_bytes() == data


def first_record(data_dir: Path) -> Record:
    return next(iter(JournalReader(data_dir).records()))


def test_build_configuration_and_layout_are_the_first_record_of_a_run() -> None:
    with memory_folder() as folder:
        journal = Journal.open(small_config(folder), World.live(), build="1.2.3", config_hash="c0ffee", threaded=False)
        journal.close()
        record = first_record(folder / "data")
        facts = json.loads(record.payload.rstrip(b"\0"))
        assert (record.seq, record.kind) == (1, RecordKind.START)
        assert (facts["build"], facts["config_hash"]) == ("1.2.3", "c0ffee")
        assert facts["schema_hash"] == f"{layout.SCHEMA_HASH:016x}"
