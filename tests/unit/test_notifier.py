"""R33: from an alarm in the ledger to a channel that has taken it, under virtual time; what fails, hangs or dies on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from engine.model.codes import AlarmCode, HaltReason, RecordKind
from engine.notify import operators, outbox
from engine.notify.outbox import connect
from tests.ledger_harness import Ledger, body
from tests.notify_rig import REPEAT_S, Rig, S, keys_of, open_ledger

LIMIT_NS = 5 * S
Tried = Callable[[str, int], None]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(tmp_path) as made:
        yield made


@pytest.mark.invariant("R33")
@pytest.mark.parametrize("seed", range(20))
def test_an_alarm_is_delivered_within_five_seconds_though_the_first_tries_fail(
    tmp_path: Path, ledger: Ledger, seed: int, tried: Tried
) -> None:
    rig = Rig(tmp_path, ledger, seed)
    ops = rig.channel("ops", *["fail"] * (seed % 3), "ok")
    rig.channel("other", "hang")
    rig.start()
    rig.run_for(1.0 + seed / 100)
    rig.alarm(AlarmCode.KILLED, b"kill", instrument_id=1)
    began_ns = rig.clock.monotonic_ns()
    rig.run_for(5.0)
    assert ops.codes == ["KILLED"]
    assert ops.taken[0][0] - began_ns <= LIMIT_NS
    told = ops.taken[0][1]["alarms"][0]
    assert (told["symbol"], told["text"], told["severity"]) == ("BTCUSDT", "kill", "critical")
    assert told["runbook"] == "docs/runbook.md#killed"
    tried("R33", 1)
    rig.stop()


@pytest.mark.invariant("R33")
def test_a_storm_becomes_few_messages_that_count_every_alarm_and_the_last_is_in_time(
    tmp_path: Path, ledger: Ledger, tried: Tried
) -> None:
    rig = Rig(tmp_path, ledger)
    ops = rig.channel("ops")
    rig.start()
    rig.run_for(0.5)
    last_ns = 0
    for _ in range(30):
        for number in range(100):
            rig.alarm(AlarmCode.FEED_STALE if number else AlarmCode.OVERFILL, flush=False)
        ledger.journal.flush()
        last_ns = rig.clock.monotonic_ns()
        rig.run_for(0.2)
    rig.run_for(5.0)
    assert ops.total == 3000
    assert ops.codes.count("OVERFILL") == 30
    assert len(ops.taken) <= 10 + 6
    assert ops.taken[-1][0] - last_ns <= LIMIT_NS
    assert ops.taken[-1][1]["by_code"]["FEED_STALE"] > 1
    tried("R33", ops.total)
    rig.stop()


def test_alarms_below_a_channels_severity_are_listed_and_not_sent(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    ops, page = rig.channel("ops"), rig.channel("page", severity=2)
    rig.start()
    for code in (AlarmCode.BOOK_GAP, AlarmCode.FEED_STALE, AlarmCode.KILLED):
        rig.alarm(code)
    rig.run_for(2.0)
    assert ops.codes == ["FEED_STALE", "KILLED"]
    assert page.codes == ["KILLED"]
    rows = operators.listed(tmp_path / "alerts.sqlite", open_only=False, last=10)
    assert [(row["code"], row["state"]) for row in rows] == [
        ("BOOK_GAP", "noted"),
        ("FEED_STALE", "told"),
        ("KILLED", "open"),
    ]
    assert rows[2]["told"] == ["ops", "page"]
    rig.stop()


def test_a_halt_is_an_alarm_unless_it_ends_by_itself(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    ops = rig.channel("ops")
    rig.start()
    for reason in HaltReason:
        rig.halt(reason)
    rig.run_for(3.0)
    told = {code.removeprefix("HALTED_") for code in ops.codes}
    assert told == {"CRASH_LOOP", "MISMATCH", "VENUE", "JOURNAL", "CLOCK", "RISK"}
    rig.stop()


@pytest.mark.invariant("R33")
def test_a_notifier_that_dies_loses_nothing_and_sends_what_was_under_way_under_the_same_id(
    tmp_path: Path, ledger: Ledger
) -> None:
    first = Rig(tmp_path, ledger)
    hanging = first.channel("ops", "hang")
    first.start()
    first.alarm(AlarmCode.KILLED)
    first.alarm(AlarmCode.OVERFILL)
    first.run_for(1.0)
    assert len(hanging.tried) == 1
    first.die()
    ledger.add(RecordKind.ALARM, body(RecordKind.ALARM, state=AlarmCode.UNKNOWN_FILL))
    ledger.journal.flush()
    second = Rig(tmp_path, ledger)
    ops = second.channel("ops")
    second.start()
    second.run_for(2.0)
    assert ops.codes == ["KILLED", "OVERFILL", "UNKNOWN_FILL"]
    assert ops.tried[0] == hanging.tried[0]
    second.stop()
    third = Rig(tmp_path, ledger)
    quiet = third.channel("ops")
    third.start()
    third.run_for(3.0)
    assert quiet.tried == []
    third.stop()


@pytest.mark.invariant("R33")
def test_an_alarm_about_a_symbol_names_its_line_also_where_the_record_does_not(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    ops = rig.channel("ops")
    rig.start()
    rig.alarm(AlarmCode.POSITION_UNPROTECTED, instrument_id=1)
    rig.run_for(5.0)
    assert [message.title for message in ops.tried] == ["test: POSITION_UNPROTECTED (sim BTCUSDT)"]
    rows = operators.listed(tmp_path / "alerts.sqlite", open_only=False, last=9)
    assert [(row["venue"], row["symbol"]) for row in rows] == [("sim", "BTCUSDT")]
    rig.stop()


def test_every_message_has_an_id_of_journal_epoch_and_sequence(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    ops = rig.channel("ops", "fail", "fail", "ok")
    rig.start()
    sequence = rig.alarm(AlarmCode.KILLED)
    rig.run_for(5.0)
    assert len(set(keys_of(ops.tried))) == 1
    journal_id, epoch, number = ops.tried[0].id.split("-")
    assert (len(journal_id), epoch, number) == (32, "1", str(sequence))
    rig.stop()


@pytest.mark.invariant("R33")
def test_a_channel_that_takes_nothing_is_alarmed_over_the_other_and_its_end_told(
    tmp_path: Path, ledger: Ledger
) -> None:
    rig = Rig(tmp_path, ledger)
    broken, ops = rig.channel("broken", "fail"), rig.channel("ops")
    rig.start()
    rig.alarm(AlarmCode.KILLED)
    rig.run_for(40.0)
    assert ops.codes == ["KILLED", "CHANNEL_LOST"]
    assert "broken" in ops.taken[1][1]["alarms"][0]["text"]
    assert rig.beats[-1].lost_channels == ("broken",)
    assert not rig.beats[-1].fault
    assert len(broken.tried) < 20
    figures = {item.name: item for item in rig.notifier.figures}
    assert figures["broken"].is_lost
    assert figures["broken"].pending == 2
    broken.plan = ["ok"]
    rig.run_for(30.0)
    assert broken.codes[:2] == ["KILLED", "CHANNEL_LOST"]
    assert ops.taken[-1][1]["alarms"][0]["is_over"]
    assert not rig.beats[-1].lost_channels
    rig.stop()


@pytest.mark.invariant("R33")
def test_when_no_channel_takes_anything_the_sign_of_life_and_the_console_say_so(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    rig.channel("one", "fail")
    rig.channel("two", "hang")
    rig.start()
    rig.alarm(AlarmCode.KILLED)
    rig.run_for(25.0)
    assert "one: it fails" in rig.beats[-1].fault
    assert "two: it hangs" in rig.beats[-1].fault
    assert any("channel one takes nothing" in text for text in rig.said)
    rig.stop()


def test_a_critical_alarm_is_told_again_and_to_others_until_it_is_acknowledged(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    ops, boss = rig.channel("ops"), rig.channel("boss", repeats_only=True)
    rig.start()
    rig.alarm(AlarmCode.KILLED)
    rig.alarm(AlarmCode.OVERFILL)
    rig.alarm(AlarmCode.FEED_STALE)
    rig.run_for(REPEAT_S - 1)
    assert (ops.total, boss.total) == (3, 0)
    rig.run_for(REPEAT_S)
    assert (ops.total, boss.total) == (5, 2)
    assert boss.taken[0][1]["title"].startswith("not acknowledged")
    assert operators.acknowledge(tmp_path / "alerts.sqlite", ["OVERFILL"], 7, "seen", 1)
    rig.run_for(REPEAT_S)
    assert boss.codes[2:] == ["KILLED"]
    assert operators.acknowledge(tmp_path / "alerts.sqlite", ["all"], 7, "seen", 1)
    rig.run_for(3 * REPEAT_S)
    assert boss.total == 3
    assert rig.beats[-1].unacknowledged == 0
    row = operators.listed(tmp_path / "alerts.sqlite", open_only=False, last=3)[0]
    assert (row["state"], row["acknowledged_uid"], row["acknowledged_reason"]) == ("acknowledged", 7, "seen")
    rig.stop()


@pytest.mark.invariant("R33")
@pytest.mark.parametrize("fate", ["fail", "hang"])
def test_a_channel_that_was_down_past_the_repeats_is_told_what_was_acknowledged_meanwhile(
    tmp_path: Path, ledger: Ledger, fate: str
) -> None:
    rig = Rig(tmp_path, ledger)
    ops, down = rig.channel("ops"), rig.channel("down", fate)
    rig.start()
    # one is under way on the channel that is down, the other waits behind it
    rig.alarm(AlarmCode.KILLED)
    rig.alarm(AlarmCode.OVERFILL)
    rig.run_for(2.5 * REPEAT_S)
    assert (ops.codes.count("KILLED"), ops.codes.count("OVERFILL"), down.total) == (3, 3, 0)
    assert operators.acknowledge(tmp_path / "alerts.sqlite", ["all"], 7, "seen", 1)
    rig.run_for(REPEAT_S)
    rig.die()
    again = Rig(tmp_path, ledger)
    ops, down = again.channel("ops"), again.channel("down", "ok")
    again.start()
    again.run_for(2 * REPEAT_S)
    assert {"KILLED", "OVERFILL"} <= set(down.codes)
    assert (down.codes.count("KILLED"), down.codes.count("OVERFILL")) == (1, 1)
    assert not {"KILLED", "OVERFILL"} & set(ops.codes)
    again.stop()


def test_a_repeat_that_waits_is_not_told_any_more_once_somebody_has_acknowledged(
    tmp_path: Path, ledger: Ledger
) -> None:
    rig = Rig(tmp_path, ledger)
    ops = rig.channel("ops")
    rig.start()
    rig.alarm(AlarmCode.KILLED)
    rig.run_for(5.0)
    assert ops.codes == ["KILLED"]
    # another alarm keeps the channel busy while the repeat comes due behind it
    ops.plan = ["fail"]
    rig.alarm(AlarmCode.FEED_STALE)
    rig.run_for(1.2 * REPEAT_S)
    assert ("KILLED", 1) in {(key_code(rig, key), repeat) for (key, _), repeat in rig.notifier.outbox.due.items()}
    assert operators.acknowledge(tmp_path / "alerts.sqlite", ["all"], 7, "seen", 1)
    rig.run_for(5.0)
    ops.plan = ["ok"]
    rig.run_for(60.0)
    assert (ops.codes.count("KILLED"), ops.codes.count("FEED_STALE")) == (1, 1)
    assert rig.notifier.pending() == 0
    rig.stop()


def key_code(rig: Rig, key: str) -> str:
    return rig.notifier.outbox.entries[key].alarm.code


def test_what_the_outbox_has_committed_is_on_disk(tmp_path: Path) -> None:
    connection = connect(tmp_path / "alerts.sqlite")
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_condition_is_told_when_it_begins_and_when_it_is_over_also_by_another_life(
    tmp_path: Path, ledger: Ledger
) -> None:
    rig = Rig(tmp_path, ledger)
    ops = rig.channel("ops")
    rig.start()
    rig.holds = {"ENGINE_GONE": "process 7 ended"}
    rig.run_for(3.0)
    assert ops.codes == ["ENGINE_GONE"]
    rig.die()
    again = Rig(tmp_path, ledger)
    ops = again.channel("ops")
    again.holds = {"ENGINE_GONE": "process 7 ended"}
    again.start()
    again.run_for(3.0)
    assert ops.codes == []
    again.holds = {}
    again.run_for(1.0)
    assert ops.taken[0][1]["alarms"][0]["is_over"]
    again.run_for(2 * REPEAT_S)
    assert ops.total == 1
    again.stop()


def test_what_is_silenced_is_counted_and_told_in_the_end(tmp_path: Path, ledger: Ledger) -> None:
    rig = Rig(tmp_path, ledger)
    ops = rig.channel("ops")
    rig.start()
    rig.run_for(1.0)
    until_ns = rig.clock.time_ns() + 60 * S
    operators.silence(tmp_path / "alerts.sqlite", "FEED_STALE", "", until_ns, 0, "known")
    rig.run_for(2.0)
    for _ in range(7):
        rig.alarm(AlarmCode.FEED_STALE)
    rig.alarm(AlarmCode.KILLED)
    rig.run_for(10.0)
    assert ops.codes == ["KILLED"]
    rig.run_for(60.0)
    assert ops.codes == ["KILLED", "SILENCE_ENDED"]
    assert "7 alarms not told" in ops.taken[1][1]["alarms"][0]["text"]
    rig.alarm(AlarmCode.FEED_STALE)
    rig.run_for(5.0)
    assert ops.codes[-1] == "FEED_STALE"
    rig.stop()


@pytest.mark.invariant("R33")
def test_while_the_disk_refuses_alarms_are_delivered_from_memory_and_that_is_an_alarm_too(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, ledger)
    ops = rig.channel("ops")
    path = tmp_path / "alerts.sqlite"
    rig.start()
    rig.run_for(2.0)

    def refusing(file: Path) -> sqlite3.Connection:
        connection = connect(file)
        connection.execute("PRAGMA query_only = ON")
        return connection

    rig.notifier.outbox.close()
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "connect", refusing)
        rig.alarm(AlarmCode.KILLED)
        rig.run_for(3.0)
        assert ops.codes == ["KILLED", "OUTBOX_FAILED"]
        assert "readonly" in rig.notifier.outbox.fault
        assert operators.listed(path, open_only=False, last=10) == []
    rig.run_for(5.0)
    assert rig.notifier.outbox.fault == ""
    assert ops.taken[-1][1]["alarms"][0]["is_over"]
    rig.stop()
    rows = operators.listed(path, open_only=False, last=10)
    assert sorted(row["code"] for row in rows) == ["KILLED", "OUTBOX_FAILED", "OUTBOX_FAILED"]


def test_numbers_given_again_by_a_later_run_are_read_again(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        rig = Rig(tmp_path, ledger)
        ops = rig.channel("ops")
        rig.start()
        rig.alarm(AlarmCode.KILLED)
        rig.run_for(1.0)
        place = rig.notifier.outbox.place
        assert place is not None
        rig.stop()
        # as after a power cut: the place that was read lies above what the next run began with
        ahead = type(place)(place.journal_id, place.epoch, place.seq + 50)
        with closing(connect(tmp_path / "alerts.sqlite")) as file:
            file.execute("UPDATE fact SET value = ?", (msgspec.json.encode(ahead),))
        ledger.restart()
        again = Rig(tmp_path, ledger)
        ops = again.channel("ops")
        again.start()
        again.alarm(AlarmCode.OVERFILL)
        again.run_for(1.0)
        assert "OVERFILL" in ops.codes
        assert "KILLED" not in ops.codes
        again.stop()


def test_a_run_that_follows_one_without_an_orderly_end_is_told_and_one_after_a_stop_is_not(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        rig = Rig(tmp_path, ledger)
        ops = rig.channel("ops")
        rig.start()
        rig.run_for(1.0)
        ledger.restart()
        rig.run_for(1.0)
        assert ops.codes == []
        ledger.journal.close(reason="crash", record_stop=False)
        ledger.journal = ledger.open()
        ledger.journal.flush()
        rig.run_for(1.0)
        assert ops.codes == ["CRASH_RESTART"]
        rig.stop()
