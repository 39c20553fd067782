"""Numbers that are in neither lane: what a power cut leaves is told and held against nobody, all else is damage."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.exit_codes import ExitCode
from engine.journal import layout, losses
from engine.journal.audit import audit
from engine.journal.errors import JournalCorrupt
from engine.journal.losses import Loss
from engine.journal.places import segments
from engine.journal.reader import JournalReader
from engine.journal.scan import checksum
from engine.journal.settings import JournalConfig
from engine.model.codes import Lane, RecordKind
from engine.notify import source
from engine.notify.alarms import CRASH_RESTART, RECORDS_CUT, Alarm
from engine.notify.source import LedgerAlarms
from tests.journal_harness import leave_mark, memory_folder, open_stepped, small_config

KIND_AT = 40


@pytest.fixture
def cut() -> Iterator[JournalConfig]:
    """A run at level `group` whose power went: the tape ends with its watermark, 3; the ledger goes on with 6 and 8."""
    with memory_folder() as folder:
        config = small_config(folder)
        journal = open_stepped(config)
        for _ in range(2):
            journal.append(Lane.TAPE, RecordKind.TRADE, b"synced")
        journal.flush()
        data_dir = Path(config.data_dir)
        tape = segments(data_dir, Lane.TAPE)[0][1]
        size, marks = tape.stat().st_size, (data_dir / "synced").read_bytes()
        for lane in (Lane.TAPE, Lane.TAPE, Lane.LEDGER, Lane.TAPE, Lane.LEDGER):
            journal.append(lane, RecordKind.ALARM, b"")
        journal.flush()
        journal.crash()
        (data_dir / "synced").write_bytes(marks)
        with tape.open("r+b") as file:
            file.truncate(size)
        for path in Path(config.runtime_dir).iterdir():
            path.unlink()
        yield config


def verified(
    config: JournalConfig, capsys: pytest.CaptureFixture[str], code: ExitCode
) -> tuple[str, dict[str, object]]:
    """What the verb prints, as text and as JSON, with that exit code."""
    arguments = ["journal", "verify", "--dir", str(config.data_dir)]
    assert main(arguments) == code
    text = capsys.readouterr().out
    assert main([*arguments, "--json"]) == code
    return text, json.loads(capsys.readouterr().out)


def without(data_dir: Path, lane: int, seq: int) -> None:
    """Make padding of a record: every checksum is right, and its number is in neither lane."""
    for _, path in segments(data_dir, lane):
        data, at = bytearray(path.read_bytes()), layout.SEGMENT_HEADER_BYTES
        while at < len(data):
            length, _, found = struct.unpack_from("<IIQ", data, at)
            if found == seq:
                data[at + KIND_AT : at + KIND_AT + 2] = bytes(2)
                data[at + 4 : at + 8] = checksum(bytes(data[at + 8 : at + length])).to_bytes(4, "little")
                path.write_bytes(data)
                return
            at += length
    raise AssertionError(f"no record {seq}")


def told_by_the_next_start(config: JournalConfig) -> Alarm:
    alarms = LedgerAlarms(Path(config.data_dir), "engine", None)
    alarms.new()
    open_stepped(config).close()
    (told,) = [alarm for alarm in alarms.new() if alarm.code in (RECORDS_CUT, CRASH_RESTART)]
    alarms.close()
    return told


@pytest.mark.invariant("R02")
def test_what_a_power_cut_took_at_a_records_edge_is_told_before_the_next_start_and_after_it(
    cut: JournalConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {
        "epoch": 1,
        "lane": "tape",
        "first_seq": 4,
        "last_seq": 7,
        "numbers": 3,
        "synced_seq": 3,
        "durability": "group",
    }
    text, before = verified(cut, capsys, ExitCode.OK)
    assert before["gaps"] == [[4, 5], [7, 7]]
    assert before["losses"] == [told | {"is_recovered": False}]
    assert "note: run 1 at level group: 3 numbers from 4 to 7 are in neither lane; the tape ends before them" in text
    open_stepped(cut).close()
    text, after = verified(cut, capsys, ExitCode.OK)
    assert text.startswith("whole\n")
    assert not [record for record in JournalReader(cut.data_dir).records() if record.kind == RecordKind.CUT]
    assert after["losses"] == [told | {"is_recovered": True}]
    assert after["unexplained"] == []
    assert [text in audit(cut.data_dir).notes()[0] for text in ("3 numbers from 4 to 7", "or somebody")] == [True, True]


@pytest.mark.invariant("R02")
def test_what_a_power_cut_took_at_a_records_edge_is_an_alarm_of_the_next_start(cut: JournalConfig) -> None:
    told = told_by_the_next_start(cut)
    assert told.code == RECORDS_CUT
    assert "3 numbers from 4 to 7 are in neither lane" in told.text


@pytest.mark.invariant("R02")
def test_a_loss_that_reaches_further_back_than_is_looked_at_is_told_all_the_same(
    cut: JournalConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # of 4, 5 and 7, in front of the records that a start gives numbers from 9 on
    monkeypatch.setattr(losses, "LOOKED_AT_MAX", 2)
    told = told_by_the_next_start(cut)
    assert told.code == RECORDS_CUT
    assert "1 numbers from 7 to 7" in told.text


@pytest.mark.invariant("R33")
def test_a_restart_is_told_also_where_what_it_lost_cannot_be_read(
    cut: JournalConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> list[Loss]:
        raise JournalCorrupt("tape/00000001.seg", 128, "turned")

    monkeypatch.setattr(source, "lost_before", damaged)
    told = told_by_the_next_start(cut)
    assert told.code == CRASH_RESTART
    assert "what it lost cannot be read: tape/00000001.seg" in told.text


@pytest.mark.invariant("R02")
def test_a_number_that_is_missing_in_the_midst_of_both_lanes_is_no_power_cuts(
    cut: JournalConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    open_stepped(cut).close()
    without(Path(cut.data_dir), Lane.TAPE, 2)
    text, report = verified(cut, capsys, ExitCode.IO_ERROR)
    assert report["unexplained"] == [[2, 2]]
    assert "missing: sequence 2 to 2" in text


@pytest.mark.invariant("R02")
def test_a_lanes_end_that_is_missing_below_the_watermark_which_the_next_start_found_is_no_power_cuts(
    cut: JournalConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    open_stepped(cut).close()
    without(Path(cut.data_dir), Lane.TAPE, 3)
    _, report = verified(cut, capsys, ExitCode.IO_ERROR)
    assert report["unexplained"] == [[3, 5]]


@pytest.mark.invariant("R02")
def test_a_lanes_end_that_is_missing_below_the_watermark_of_the_last_run_is_no_power_cuts(
    cut: JournalConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    without(Path(cut.data_dir), Lane.TAPE, 3)
    _, report = verified(cut, capsys, ExitCode.IO_ERROR)
    assert report["unexplained"] == [[3, 5]]
    tape = segments(Path(cut.data_dir), Lane.TAPE)[0]
    leave_mark(Path(cut.data_dir), Lane.TAPE, tape[0], tape[1].stat().st_size, 2)
    verified(cut, capsys, ExitCode.OK)


@pytest.mark.invariant("R04")
def test_without_a_whole_watermark_a_journal_is_not_whole_since_no_start_takes_it(
    cut: JournalConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    (Path(cut.data_dir) / "synced").unlink()
    text, report = verified(cut, capsys, ExitCode.IO_ERROR)
    assert report["whole"] is False
    assert "no whole watermark of each lane is left" in text
    assert not audit(cut.data_dir).is_whole
