"""A replay of a session whose bytes are not what was written: damage (74), never a difference of the core's, never the end."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.config import load
from engine.exit_codes import CommandError, ExitCode
from engine.journal import layout
from engine.journal.errors import JournalCorrupt
from engine.journal.places import segments
from engine.journal.reader import read_marks
from engine.model.codes import Lane, RecordKind
from engine.replay.recording import headers
from tests.journal_harness import leave_mark
from tests.sim.replaying import of_kind, places, replay, told
from tests.sim.worlds import demo_config, lively_venue, simulate
from tests.venue_harness import REPOSITORY

SESSIONS = 3
OTHER = 'engine.strategy.market_maker:MarketMaker[{"qty": "0.02", "max_inventory": "0.25"}]'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sessions, the last one killed; tapes and ledger of small segments."""
    root = tmp_path_factory.mktemp("recorded")
    loaded = demo_config(root)
    sizes = "ledger_front_bytes = 524288\ntape_front_bytes = 524288\nsegment_bytes = 65536"
    text = loaded.path.read_text().replace("[journal]\n", f"[journal]\nstate_hash_ticks = 20\n{sizes}\n")
    loaded.path.write_text(text)
    loaded, shell = load(loaded.path), lively_venue(5, activity=12.0)
    for number in range(SESSIONS):
        simulation = simulate(loaded, shell, 5 + number)
        simulation.start()
        simulation.run_for(5.0)
        if number < SESSIONS - 1:
            assert simulation.stop()
        else:
            simulation.crash()
    return root / "data"


@pytest.fixture
def copy(recorded: Path, tmp_path: Path) -> Path:
    """To be damaged."""
    return Path(shutil.copytree(recorded, tmp_path / "data"))


def of(data_dir: Path, lane: int, epoch: int) -> list[Path]:
    """The segments of a session's lane."""
    return [path for _, path, header in headers(data_dir, lane) if header.epoch == epoch]


def turn_bit(path: Path, at: int) -> None:
    """One bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 4]))


def call(*words: str) -> subprocess.CompletedProcess[str]:
    """The verb, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "engine", "replay", *words, "--quiet"]
    return subprocess.run(
        command, env=environment, input="go\n", capture_output=True, text=True, timeout=120, check=False
    )


def assert_damaged(done: subprocess.CompletedProcess[str], path: Path, what: str = "damaged at byte") -> None:
    assert (done.returncode, done.stdout) == (ExitCode.IO_ERROR, ""), done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"{path}: {what}" in done.stderr


KINDS = {
    "a decision": (Lane.LEDGER, RecordKind.VERDICT, 80),
    "the kind of an order's state": (Lane.LEDGER, RecordKind.ORDER_STATE, 40),
    "a request": (Lane.LEDGER, RecordKind.ORDER_BYTES, 140),
    "a hash of the state": (Lane.LEDGER, RecordKind.STATE_HASH, 84),
    "what the core began with": (Lane.LEDGER, RecordKind.CORE_START, 100),
    "a price": (Lane.TAPE, RecordKind.BOOK_TICKER, 96),
    "the length of a frame": (Lane.TAPE, RecordKind.BOOK_TICKER, 0),
    "the number of a frame": (Lane.TAPE, RecordKind.BOOK_TICKER, 8),
    "the run of a frame": (Lane.TAPE, RecordKind.BOOK_TICKER, 48),
}


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("epoch", [1, SESSIONS])
@pytest.mark.parametrize("what", KINDS)
def test_a_bit_that_turned_is_damage(copy: Path, what: str, epoch: int) -> None:
    lane, kind, byte = KINDS[what]
    marks = read_marks(copy)
    found = [
        (path, at)
        for path in of(copy, lane, epoch)
        for at, data in places(path)
        if of_kind(kind)(data)
        and (int(path.stem), at + len(data)) <= (marks[lane].segment_no, marks[lane].segment_offset)
    ]
    path, at = found[len(found) // 2]
    turn_bit(path, at + byte)
    for keeps_going in (False, True):
        with pytest.raises(
            (JournalCorrupt, CommandError), match=re.escape(f"{path}: damaged at byte {at}: ")
        ) as caught:
            replay(copy, epoch, keeps_going=keeps_going)
        assert getattr(caught.value, "code", ExitCode.IO_ERROR) == ExitCode.IO_ERROR


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("words", [(), ("--json",), ("--keep-going",), ("--step",), ("--strategy", OTHER)])
@pytest.mark.parametrize("lane", [Lane.LEDGER, Lane.TAPE])
def test_the_verb_names_segment_and_byte(copy: Path, lane: int, words: tuple[str, ...]) -> None:
    path = of(copy, lane, 2)[-1]
    whole = list(places(path))
    at, data = whole[len(whole) // 2]
    turn_bit(path, at + len(data) - 9)
    done = call(str(copy), "--epoch", "2", *words)
    assert done.returncode == ExitCode.IO_ERROR, done.stdout + done.stderr
    assert f"{path}: damaged at byte {at}: " in done.stderr
    assert "DIFFERENT" not in done.stdout


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("which", ["all", "the first", "one within"])
def test_a_synced_segment_of_the_tape_that_is_gone_behind_older_ones_has_not_expired(copy: Path, which: str) -> None:
    own = of(copy, Lane.TAPE, 2)
    assert len(own) > 2
    gone = {"all": own, "the first": own[:1], "one within": own[1:2]}[which]
    for path in gone:
        path.unlink()
    assert_damaged(call(str(copy), "--epoch", "2"), gone[0] if which != "one within" else own[2])


def test_a_tape_that_retention_has_taken_has_expired(copy: Path) -> None:
    for epoch in (1, 2):
        for path in of(copy, Lane.TAPE, epoch):
            path.unlink()
    done = call(str(copy), "--epoch", "2")
    assert done.returncode in (ExitCode.OK, ExitCode.NO_INPUT)
    assert "damaged" not in done.stderr
    assert call(str(copy)).returncode == ExitCode.OK


@pytest.mark.parametrize("epoch", [1, 2, SESSIONS])
def test_a_session_whose_ledger_cannot_be_told_is_not_passed_over_for_another(copy: Path, epoch: int) -> None:
    first = of(copy, Lane.LEDGER, epoch)
    for path in first:
        turn_bit(path, 20)
    assert_damaged(call(str(copy)), first[0])
    assert_damaged(call(str(copy), "--epoch", str(epoch)), first[0])


@pytest.mark.parametrize("epoch", [2, SESSIONS])
def test_a_session_whose_ledger_is_gone_is_not_passed_over_for_another(copy: Path, epoch: int) -> None:
    gone = of(copy, Lane.LEDGER, epoch)
    for path in gone:
        path.unlink()
    assert_damaged(call(str(copy)), gone[0])
    assert_damaged(call(str(copy), "--epoch", str(epoch)), gone[0])


def test_without_watermarks_nothing_is_called_equal(copy: Path) -> None:
    (copy / "synced").write_bytes(bytes(layout.MARK_FILE_BYTES))
    assert_damaged(call(str(copy)), copy / "synced")


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("lane", [Lane.LEDGER, Lane.TAPE])
def test_a_bad_record_above_the_watermark_ends_the_recording_there(copy: Path, lane: int) -> None:
    """As for every reader: nothing that was synced is missing, and the next start cuts it."""
    number, path = segments(copy, lane)[-1]
    found = [(at, data) for at, data in places(path) if data[40:42] != bytes(2)]
    at, data = found[len(found) // 2]
    leave_mark(copy, lane, number, at, int.from_bytes(data[8:16], "little") - 1)
    turn_bit(path, at + len(data) - 9)
    outcome = replay(copy)
    assert outcome.state in ("partly", "equal"), told(outcome)
    assert outcome.last_seq < int.from_bytes(data[8:16], "little")
    assert outcome.differences == []
