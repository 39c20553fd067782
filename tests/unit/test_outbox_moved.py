"""R33: `alerts.sqlite` is moved, deleted or replaced beside the notifier: that is told, and what waits is on disk again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.model.codes import AlarmCode
from engine.notify import operators
from tests.ledger_harness import Ledger
from tests.notify_rig import REPEAT_S, Rig, S, open_ledger

NAME = "alerts.sqlite"
NAMES = (NAME, f"{NAME}-wal", f"{NAME}-shm")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(tmp_path) as made:
        yield made


def move_one(root: Path) -> None:
    (root / NAME).rename(root / "old.sqlite")


def move_all(root: Path) -> None:
    for name in NAMES:
        (root / name).rename(root / name.replace("alerts", "old", 1))


def delete_one(root: Path) -> None:
    (root / NAME).unlink()


def delete_all(root: Path) -> None:
    for name in NAMES:
        (root / name).unlink()


def listed(root: Path, *, open_only: bool = False) -> list[dict[str, Any]]:
    return operators.listed(root / NAME, open_only=open_only, last=100)


@pytest.mark.invariant("R33")
@pytest.mark.parametrize("take_away", [move_one, move_all, delete_one, delete_all])
def test_a_file_that_is_gone_is_a_critical_alarm_and_what_waits_is_in_a_new_one(
    tmp_path: Path, ledger: Ledger, take_away: Callable[[Path], None]
) -> None:
    rig = Rig(tmp_path, ledger)
    ops, chat = rig.channel("ops"), rig.channel("chat", "fail")
    rig.start()
    for code in (AlarmCode.OVERFILL, AlarmCode.KILLED):
        rig.alarm(code)
    rig.run_for(3.0)
    # less than a second before: nothing but the old file knows it
    operators.acknowledge(tmp_path / NAME, ["OVERFILL"], 7, "seen", 5)
    take_away(tmp_path)
    rig.run_for(2.0)
    old = (tmp_path / "old.sqlite").read_bytes() if (tmp_path / "old.sqlite").exists() else b""
    if old:
        # also where it left without its log: who acknowledged what stands there
        with closing(sqlite3.connect(f"file:{tmp_path / 'old.sqlite'}?immutable=1", uri=True)) as connection:
            told = connection.execute("SELECT acked_uid, ack_reason FROM alarm WHERE code = 'OVERFILL'").fetchall()
        assert told == [(7, "seen")]
    assert ops.codes == ["OVERFILL", "KILLED", "OUTBOX_FAILED"]
    told = ops.taken[-1][1]["alarms"][0]
    assert told["severity"] == "critical"
    assert f"{NAME}: the file was moved or deleted while it was open; what waits, stands or is silenced" in told["text"]
    assert any("the file was moved or deleted" in line for line in rig.said)
    rows = {row["code"]: row for row in listed(tmp_path)}
    assert rows.keys() == {"OVERFILL", "KILLED", "OUTBOX_FAILED"}
    assert {code: row["state"] for code, row in rows.items()} == {
        "OVERFILL": "acknowledged",
        "KILLED": "open",
        "OUTBOX_FAILED": "open",
    }
    assert all(row["waits_for"] == ["chat"] for row in rows.values())
    assert "the file that was here before" in rows["OVERFILL"]["acknowledged_reason"]
    assert not old or (tmp_path / "old.sqlite").read_bytes() == old
    rig.die()

    again = Rig(tmp_path, ledger)
    ops, chat = again.channel("ops"), again.channel("chat")
    again.start()
    again.run_for(20.0)
    assert sorted(chat.codes) == ["KILLED", "OUTBOX_FAILED", "OVERFILL"]
    assert ops.codes == []
    again.run_for(REPEAT_S)
    assert sorted(ops.codes) == ["KILLED", "OUTBOX_FAILED"]
    operators.acknowledge(tmp_path / NAME, ["all"], 7, "seen", 5)
    again.run_for(2 * REPEAT_S)
    assert len(ops.codes) == 2
    again.stop()
    assert not old or (tmp_path / "old.sqlite").read_bytes() == old


@pytest.mark.invariant("R33")
def test_an_alarm_in_the_same_moment_and_one_under_way_are_not_lost(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    rig.channel("ops", "hang")
    rig.start()
    rig.alarm(AlarmCode.OVERFILL)
    rig.run_for(1.05)
    move_all(tmp_path)
    rig.alarm(AlarmCode.KILLED)
    rig.run_for(0.15)
    assert {row["code"] for row in listed(tmp_path)} >= {"OVERFILL", "KILLED"}
    sent = rig.channels[0].message
    assert sent is not None
    rig.die()
    again = Rig(tmp_path, ledger)
    ops = again.channel("ops")
    again.start()
    again.run_for(10.0)
    assert ops.tried[0].id == sent.id
    assert {"OVERFILL", "KILLED"} <= set(ops.codes)
    again.stop()


def test_the_place_in_the_ledger_and_what_is_under_way_come_along(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    rig.channel("ops", "hang")
    rig.start()
    rig.alarm(AlarmCode.OVERFILL)
    rig.run_for(1.05)
    wanted = ("SELECT value FROM fact WHERE name = 'place'", "SELECT channel, body FROM message")
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        before = [connection.execute(text).fetchall() for text in wanted]
    assert all(before)
    move_all(tmp_path)
    rig.run_for(1.5)
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        assert [connection.execute(text).fetchall() for text in wanted] == before
    rig.stop()


def test_a_silence_goes_on_and_its_count(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    ops = rig.channel("ops")
    rig.start()
    rig.run_for(1.0)
    operators.silence(tmp_path / NAME, "FEED_STALE", "", rig.clock.time_ns() + 60 * S, 0, "known")
    rig.run_for(2.0)
    rig.alarm(AlarmCode.FEED_STALE)
    rig.run_for(1.0)
    delete_all(tmp_path)
    rig.run_for(2.0)
    rig.alarm(AlarmCode.FEED_STALE)
    rig.run_for(60.0)
    assert ops.codes == ["OUTBOX_FAILED", "SILENCE_ENDED"]
    assert "2 alarms not told" in ops.taken[1][1]["alarms"][0]["text"]
    rig.stop()


def test_silences_of_what_is_put_in_its_place_stay_beside_those_of_before(tmp_path: Path, ledger: Ledger) -> None:
    """Under numbers of their own: each begins with 1."""
    rig = Rig(tmp_path, ledger)
    rig.start()
    rig.run_for(1.0)
    rig.notifier.outbox.close()
    shutil.copy(tmp_path / NAME, tmp_path / "copy")
    until_ns = rig.clock.time_ns() + 600 * S
    operators.silence(tmp_path / NAME, "FEED_STALE", "", until_ns, 0, "here")
    operators.silence(tmp_path / "copy", "KILLED", "", until_ns, 0, "there")
    rig.run_for(2.0)
    (tmp_path / "copy").rename(tmp_path / NAME)
    rig.run_for(3.0)
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        rows = connection.execute("SELECT code, reason FROM silence WHERE told = 0 ORDER BY code").fetchall()
    assert rows == [("FEED_STALE", "here"), ("KILLED", "there")]
    assert sorted(item.code for item in rig.notifier.outbox.silences) == ["FEED_STALE", "KILLED"]
    rig.stop()


@pytest.mark.invariant("R33")
def test_an_older_copy_in_its_place_gets_what_waits_and_gives_what_waits_in_it(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    rig.channel("ops", "fail")
    rig.start()
    rig.alarm(AlarmCode.OVERFILL)
    rig.run_for(1.0)
    rig.stop()
    shutil.copy(tmp_path / NAME, tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy")) as connection, connection:
        connection.execute("INSERT INTO message SELECT 'chat', body FROM message")
    now = Rig(tmp_path, ledger)
    ops, chat = now.channel("ops"), now.channel("chat", "fail")
    now.start()
    now.run_for(30.0)
    assert ops.codes == ["OVERFILL"]
    now.alarm(AlarmCode.KILLED)
    now.run_for(3.0)
    (tmp_path / "copy").rename(tmp_path / NAME)
    now.run_for(8.0)
    assert "another file was put in the place" in ops.taken[2][1]["alarms"][0]["text"]
    # told again by the copy, which did not know it
    assert sorted(ops.codes) == ["KILLED", "OUTBOX_FAILED", "OVERFILL", "OVERFILL"]
    waiting = {row["code"]: row["waits_for"] for row in listed(tmp_path)}
    assert waiting == {"OVERFILL": [], "KILLED": ["chat"], "OUTBOX_FAILED": ["chat"]}
    assert chat.codes == []
    now.stop()
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.invariant("R33")
def test_a_file_that_is_no_outbox_is_told_and_memory_is_written_when_it_is_gone(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    ops = rig.channel("ops")
    rig.start()
    rig.alarm(AlarmCode.KILLED)
    rig.run_for(2.0)
    (tmp_path / "other").write_bytes(b"no database " * 1000)
    (tmp_path / "other").rename(tmp_path / NAME)
    rig.alarm(AlarmCode.OVERFILL)
    rig.run_for(5.0)
    assert "not a database" in rig.notifier.outbox.fault
    # that it was taken away, and, for as long as it lasts, that nothing is kept
    assert sorted(ops.codes) == ["KILLED", "OUTBOX_FAILED", "OUTBOX_FAILED", "OVERFILL"]
    (tmp_path / NAME).unlink()
    rig.run_for(5.0)
    assert rig.notifier.outbox.fault == ""
    assert ops.taken[-1][1]["alarms"][0]["is_over"]
    assert {row["code"] for row in listed(tmp_path, open_only=True)} == {"KILLED", "OVERFILL", "OUTBOX_FAILED"}
    rig.stop()
