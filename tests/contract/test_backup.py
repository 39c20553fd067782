"""A backup beside a running engine, and its restoration: the same state, whole, no order id twice, nothing overwritten."""

from __future__ import annotations

import json
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from engine.backup.fold import fold, fold_hash
from engine.backup.layout import BackupError, point_names, read_manifest
from engine.backup.make import Source, make
from engine.backup.restore import RUNS_AT_LEAST, restore
from engine.backup.verify import check_point
from engine.journal.audit import audit
from engine.journal.head import Head, LaneHead, SignedHead, encode_head, read_heads
from engine.journal.reader import JournalReader, read_epoch, read_marks
from engine.journal.verify import verify
from engine.model import clientid
from engine.model.codes import Lane, OrderState, RecordKind
from engine.runtime.clock import Clock
from tests.config_text import GOOD
from tests.ledger_harness import Ledger, body


def quiet(_done: int, _total: int, _what: str) -> None:
    """Nobody watches."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    fill(made, 1, 40)
    yield made
    made.journal.close(reason="test")


def fill(ledger: Ledger, first: int, last: int) -> None:
    for handle in range(first, last + 1):
        ledger.order((ledger.journal.epoch << 32) | handle, OrderState.NEW, filled=handle)
        ledger.journal.append(Lane.TAPE, RecordKind.MARKET_FRAME_OTHER, b"frame")
    payload = body(RecordKind.POSITION, position_lots=last, position_cost_e8=last * 7, fills=last)
    ledger.add(RecordKind.POSITION, payload, instrument_id=1, account_id=1)
    ledger.journal.flush()


def backed_up(ledger: Ledger, directory: Path, *, tape: bool = False) -> str:
    return make(Source(ledger.data_dir, with_tape=tape), directory, "test", Clock(), quiet)[0]


def restored(directory: Path, target: Path, point: str = "") -> int:
    return restore(directory, point, target, Clock(), quiet)[1]


def state_hash(data_dir: Path, seq: int) -> str:
    return fold_hash(fold(data_dir, seq))


def test_a_place_inside_of_what_is_copied_is_refused_and_nothing_is_made_there(ledger: Ledger) -> None:
    inside = ledger.data_dir / "ledger" / "copies"
    with pytest.raises(BackupError, match="lies in what is copied"):
        backed_up(ledger, inside)
    assert not inside.exists()


@pytest.mark.parametrize("tape", [False, True])
def test_a_restored_journal_is_whole_and_folds_to_the_sources_state_and_an_engine_goes_on_with_it(
    tmp_path: Path, ledger: Ledger, tape: bool
) -> None:
    point = backed_up(ledger, tmp_path / "copies", tape=tape)
    seq = read_manifest(tmp_path / "copies", point).seq
    expected = state_hash(ledger.data_dir, seq)
    restored(tmp_path / "copies", tmp_path / "new" / "data")
    assert state_hash(tmp_path / "new" / "data", seq) == expected
    assert verify(tmp_path / "new" / "data").is_whole
    other = Ledger(tmp_path / "new")
    other.order(9 << 32 | 1, OrderState.FILLED)
    other.journal.flush()
    assert JournalReader(other.data_dir).last_seq() > seq
    other.journal.close(reason="test")
    assert verify(other.data_dir).is_whole
    assert audit(other.data_dir).findings == []


def test_no_client_order_id_comes_again_after_a_restoration_nor_after_a_second_one_of_the_same_copy(
    tmp_path: Path, ledger: Ledger
) -> None:
    backed_up(ledger, tmp_path / "copies")
    lost = set()
    for _ in range(5):
        ledger.restart()
        lost |= {clientid.encode(7, ledger.journal.epoch << 32 | number) for number in range(1, 50)}
    used: list[set[str]] = [lost]
    clock = Clock.virtual(wall_ns=Clock().time_ns())
    for turn in range(3):
        clock.advance(3600 * 1_000_000_000)
        root = tmp_path / f"new{turn}"
        restore(tmp_path / "copies", "", root / "data", clock, quiet)
        other = Ledger(root)
        ids = set()
        for _ in range(5):
            other.restart()
            ids |= {clientid.encode(7, other.journal.epoch << 32 | number) for number in range(1, 50)}
        other.journal.close(reason="test")
        assert all(not ids & former for former in used)
        used.append(ids)
    assert read_epoch(tmp_path / "new0" / "data") > RUNS_AT_LEAST


def test_a_backup_is_consistent_while_the_engine_writes_on(tmp_path: Path, ledger: Ledger) -> None:
    stopping = threading.Event()

    def write_on() -> None:
        handle = 1000
        while not stopping.is_set():
            handle += 1
            ledger.order(handle, OrderState.NEW)
            ledger.journal.append(Lane.TAPE, RecordKind.MARKET_FRAME_OTHER, b"frame")
            if handle % 50 == 0:
                ledger.journal.flush()

    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        points = [backed_up(ledger, tmp_path / "copies") for _ in range(3)]
    finally:
        stopping.set()
        thread.join()
    ledger.journal.flush()
    for number, point in enumerate(points):
        manifest = read_manifest(tmp_path / "copies", point)
        restored(tmp_path / "copies", tmp_path / f"new{number}", point)
        assert state_hash(tmp_path / f"new{number}", manifest.seq) == state_hash(ledger.data_dir, manifest.seq)
        assert verify(tmp_path / f"new{number}").is_whole


def test_a_second_backup_copies_what_is_new_and_the_first_stays_restorable(tmp_path: Path, ledger: Ledger) -> None:
    first = backed_up(ledger, tmp_path / "copies")
    ledger.restart()
    segment = tmp_path / "copies" / "ledger" / "00000001.seg"
    before = segment.stat()
    fill(ledger, 50, 60)
    ledger.restart()
    fill(ledger, 70, 80)
    second = backed_up(ledger, tmp_path / "copies")
    assert point_names(tmp_path / "copies") == [first, second]
    third = backed_up(ledger, tmp_path / "copies")
    assert segment.stat().st_ino != before.st_ino  # it had grown by the end of its run
    assert (tmp_path / "copies" / "ledger" / "00000003.seg").exists()
    for point in (first, second, third):
        check_point(tmp_path / "copies", point, quiet)
        restored(tmp_path / "copies", tmp_path / f"new-{point}", point)
    assert state_hash(tmp_path / f"new-{first}", read_manifest(tmp_path / "copies", first).seq)


def test_databases_and_small_files_go_along_and_locks_do_not(tmp_path: Path, ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.data_dir / "recorder.sqlite")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE fills (seq INTEGER)")
        database.executemany("INSERT INTO fills VALUES (?)", [(number,) for number in range(500)])
        database.commit()
        (ledger.data_dir / "names.json").write_text("{}")
        backed_up(ledger, tmp_path / "copies")
    restored(tmp_path / "copies", tmp_path / "new")
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"ledger", "tape", "epoch", "synced", "names.json", "recorder.sqlite"}
    with closing(sqlite3.connect(tmp_path / "new" / "recorder.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM fills").fetchone() == (500,)


@pytest.mark.parametrize("victim", ["ledger/00000001.seg", "points/000001/files/names.json"])
def test_a_byte_that_has_changed_or_a_file_that_is_gone_is_named_and_not_restored(
    tmp_path: Path, ledger: Ledger, victim: str
) -> None:
    (ledger.data_dir / "names.json").write_text('{"assets": []}')
    backed_up(ledger, tmp_path / "copies")
    path = tmp_path / "copies" / victim
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupError, match=path.name):
        check_point(tmp_path / "copies", "000001", quiet)
    with pytest.raises(BackupError, match=path.name):
        restored(tmp_path / "copies", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert list(tmp_path.glob(".new*")) == []
    path.unlink()
    with pytest.raises((BackupError, FileNotFoundError), match=path.name):
        check_point(tmp_path / "copies", "000001", quiet)


def test_a_chain_and_snapshots_go_as_far_as_the_copy(tmp_path: Path, ledger: Ledger) -> None:
    mark = read_marks(ledger.data_dir)[Lane.LEDGER]
    ends = (mark.segment_offset // 2, mark.segment_offset, mark.segment_offset + 100)
    entries = [struct.pack("<24xQQ88x", begin, end - begin) for begin, end in pairwise((128, *ends))]
    (ledger.data_dir / "ledger" / "00000001.chain").write_bytes(b"".join(entries))
    (ledger.data_dir / "snapshots").mkdir()
    kept, ahead = f"00000001-{mark.seq:020d}.snapshot", f"00000001-{mark.seq + 1:020d}.snapshot"
    for name in (kept, ahead):
        (ledger.data_dir / "snapshots" / name).write_bytes(b"image")
    heads = [signed_head(end) for end in ends]
    (ledger.data_dir / "heads.jsonl").write_bytes(b"".join(encode_head(head) for head in heads))
    backed_up(ledger, tmp_path / "copies")
    assert read_heads(tmp_path / "copies" / "points" / "000001" / "files" / "heads.jsonl") == heads[:2]
    manifest = read_manifest(tmp_path / "copies", "000001")
    chain = next(file for file in manifest.segments if file.path == "ledger/00000001.chain")
    assert chain.bytes == 2 * 128
    assert [file.path for file in manifest.files] == ["heads.jsonl", f"snapshots/{kept}"]


def signed_head(end: int) -> SignedHead:
    lane = LaneHead(segment=1, end=end, seq=1, hash="")
    return SignedHead(head=Head(journal_id="", engine_id=7, wall_ns=1, ledger=lane, tape=None), signature="")


def test_a_directory_of_another_history_is_refused(tmp_path: Path, ledger: Ledger) -> None:
    backed_up(ledger, tmp_path / "copies")
    other = Ledger(tmp_path / "other")
    other.journal.flush()
    with pytest.raises(BackupError, match="another journal"):
        backed_up(other, tmp_path / "copies")
    other.journal.close(reason="test")


def test_a_manifest_that_points_outside_is_refused(tmp_path: Path, ledger: Ledger) -> None:
    point = backed_up(ledger, tmp_path / "copies")
    path = tmp_path / "copies" / "points" / point / "manifest.json"
    told = json.loads(path.read_text())
    told["files"].append({"path": "../../escaped", "bytes": 0, "sha256": ""})
    path.write_text(json.dumps(told))
    with pytest.raises(BackupError, match="no path below"):
        restored(tmp_path / "copies", tmp_path / "new")


def tradewind(*words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "engine", *words], capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_copies_lists_verifies_and_restores_and_overwrites_nothing(
    tmp_path: Path, ledger: Ledger
) -> None:
    (tmp_path / "engine.toml").write_text(GOOD)
    copies, new = str(tmp_path / "copies"), str(tmp_path / "new")
    code, told, _ = tradewind(
        "backup", copies, "--without-database", "--config", str(tmp_path / "engine.toml"), "--json"
    )
    made = json.loads(told)
    assert (code, made["point"], made["verified"]) == (0, "000001", True)
    assert made["notes"].startswith("the tape is not in it; the recorder's database is not in it")
    assert json.loads(tradewind("backup", copies, "--list", "--json")[1])[0]["state_hash"] == made["state_hash"]
    assert tradewind("backup", copies, "--verify")[0] == 0
    assert tradewind("backup", str(tmp_path / "others"), "--data-dir", str(ledger.data_dir))[0] == 0
    code, told, warned = tradewind("restore", copies, "--to", new, "--json")
    assert (code, json.loads(told)["next_epoch"] > 1000) == (0, True)
    assert "no client order id comes again" in warned
    code, _, told = tradewind("restore", copies, "--to", new)
    assert (code, "nothing is overwritten" in told) == (73, True)
    assert tradewind("backup", str(tmp_path / "none"), "--verify")[0] == 74
