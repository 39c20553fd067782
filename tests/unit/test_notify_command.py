"""A channel that runs a program: what it is told, when it counts as delivered, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path

import msgspec
import pytest

from engine.guard.notifier import NotifierAlarm
from engine.model.codes import AlarmCode
from engine.notify import command
from engine.notify.alarms import Alarm, severity
from engine.notify.channel import DeliveryFailed
from engine.notify.command import Command
from engine.notify.heartbeat import Beat, NotifierSight, read_beat, write_beat
from engine.notify.message import Message, form
from engine.runtime.clock import Clock

S = 1_000_000_000


def message(code: str = "KILLED") -> Message:
    alarm = Alarm(key="k-1", code=code, severity=severity(code), text="why", wall_ns=1, engine="test")
    return form("page", [(alarm, 0)], 5)


def script(root: Path, text: str) -> str:
    path = root / "page"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def send(program: Command) -> str:
    """The failure's text; empty for delivered."""
    try:
        asyncio.run(program.send(message()))
    except DeliveryFailed as error:
        return str(error)
    return ""


def test_the_program_gets_the_alarm_on_its_input_and_in_its_environment_and_nothing_else_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "secret-place")
    program = script(tmp_path, f'cat > {tmp_path}/in; env > {tmp_path}/env; test "$1" = ops')
    assert send(Command([program, "ops"], 30)) == ""
    told = json.loads((tmp_path / "in").read_text())
    assert (told["id"], told["alarms"][0]["code"]) == ("k-1", "KILLED")
    environment = (tmp_path / "env").read_text()
    assert "TRADEWIND_ALERT_SEVERITY=critical" in environment
    assert "TRADEWIND_ALERT_TITLE=test: KILLED: why" in environment
    assert 'TRADEWIND_ALERT={"format":1' in environment
    assert "CREDENTIALS_DIRECTORY" not in environment


def test_another_exit_code_than_0_and_a_program_that_is_not_there_are_failures(tmp_path: Path) -> None:
    told = send(Command([script(tmp_path, "echo no credit >&2; exit 3")], 30))
    assert told.endswith("exit code 3 no credit")
    assert "cannot be run" in send(Command([str(tmp_path / "absent")], 30))


def test_a_program_that_reads_nothing_can_still_deliver(tmp_path: Path) -> None:
    assert send(Command([script(tmp_path, "exit 0")], 30)) == ""


def test_a_program_that_hangs_is_killed_with_what_it_began(tmp_path: Path) -> None:
    program = script(tmp_path, f"sleep 600 & echo $! > {tmp_path}/child; sleep 600")
    assert "took longer than" in send(Command([program], 1.0))
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 20
    while is_alive(child):
        assert time.monotonic() < deadline, "what it began lives on"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_exit_code_0_is_delivered_at_once_whatever_it_left_running_and_that_is_left_alone(tmp_path: Path) -> None:
    """What is left holds its input and its errors."""
    text = f"exec 3<&0; sleep 600 & echo $! > {tmp_path}/child; exit 0"
    began = time.monotonic()
    assert send(Command([script(tmp_path, text)], 20)) == ""
    assert time.monotonic() - began < 10
    child = int((tmp_path / "child").read_text())
    try:
        assert is_alive(child)
    finally:
        kill(child)


def test_what_it_left_running_may_still_read_its_input_and_write_errors(tmp_path: Path) -> None:
    text = f"""exec 3<&0
        (while [ ! -e {tmp_path}/go ]; do sleep 0.05; done
        cat <&3 > {tmp_path}/in; echo late >&2; echo $? > {tmp_path}/written) &
        exit 0"""
    assert send(Command([script(tmp_path, text)], 20)) == ""
    (tmp_path / "go").touch()
    deadline = time.monotonic() + 20
    while not (tmp_path / "written").exists() or not (tmp_path / "written").read_text():
        assert time.monotonic() < deadline, "it was killed"
        time.sleep(0.02)
    assert (tmp_path / "written").read_text() == "0\n"
    assert json.loads((tmp_path / "in").read_text())["id"] == "k-1"


def test_a_program_that_fails_is_told_with_its_errors_though_something_is_left_running(tmp_path: Path) -> None:
    text = f"sleep 600 & echo $! > {tmp_path}/child; echo no credit > /dev/stderr; exit 3"
    try:
        assert send(Command([script(tmp_path, text)], 20)).endswith("exit code 3 no credit")
    finally:
        kill(int((tmp_path / "child").read_text()))


def test_a_program_that_ignores_its_input_and_hangs_is_killed_in_time(tmp_path: Path) -> None:
    """More than a pipe holds: who writes it to a pipe waits for the program."""
    big = msgspec.structs.replace(message(), body=b"x" * 1_000_000)
    program = script(tmp_path, f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/child; wait")
    began = time.monotonic()
    with pytest.raises(DeliveryFailed, match="took longer than"):
        asyncio.run(Command([program], 1.0).send(big))
    assert time.monotonic() - began < 10
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 20
    while is_alive(child):
        assert time.monotonic() < deadline, "what it began lives on"
        time.sleep(0.02)
    assert send(Command([script(tmp_path, f"cat > {tmp_path}/in")], 20)) == ""


def test_a_program_that_writes_errors_without_end_fills_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    true_truncate = os.ftruncate

    def truncate(descriptor: int, size: int) -> None:
        sizes.append(os.fstat(descriptor).st_size)
        true_truncate(descriptor, size)

    monkeypatch.setattr(os, "ftruncate", truncate)
    monkeypatch.setattr(command, "ERRORS_BYTES_MAX", 10_000)
    told = send(
        Command(
            [script(tmp_path, "for n in 1 2 3 4 5 6; do seq 1 9000 >&2; sleep 0.2; done; echo end >&2; exit 4")], 30
        )
    )
    assert told.endswith("end")
    assert len(sizes) > 1
    assert max(sizes) < 5 * 9_000 * 5


def beat(clock: Clock, fault: str = "") -> Beat:
    now_ns = clock.monotonic_ns()
    return Beat(
        pid=os.getpid(), mono_ns=now_ns, wall_ns=1, pending=0, oldest_pending_s=0, unacknowledged=0, fault=fault
    )


@pytest.mark.invariant("R33")
def test_a_notifier_without_a_sign_of_life_or_that_reaches_nobody_is_seen(tmp_path: Path) -> None:
    clock = Clock.virtual()
    sight = NotifierSight(tmp_path, clock, heartbeat_s_max=15)
    assert not sight.look()
    clock.advance(14 * S)
    assert not sight.look()
    clock.advance(2 * S)
    assert sight.look()
    assert "no sign of life" in sight.fault
    write_beat(tmp_path, beat(clock))
    clock.advance(S)
    assert sight.look()
    assert sight.fault == ""
    write_beat(tmp_path, beat(clock, "ops: HTTP 500"))
    clock.advance(S)
    assert sight.look()
    assert "HTTP 500" in sight.fault
    write_beat(tmp_path, beat(clock))
    clock.advance(17 * S)
    assert not sight.look()
    assert "17 s old" in sight.fault
    (tmp_path / "notifier.json").write_text("torn")
    assert read_beat(tmp_path) is None


@pytest.mark.invariant("R33")
def test_the_guard_says_so_and_runs_the_commands_until_one_run_succeeds_and_again_later(tmp_path: Path) -> None:
    clock = Clock.virtual()
    notes: list[tuple[str, dict[str, object]]] = []
    fates = ["fail", "ok", "ok"]
    sent: list[Message] = []

    class Page:
        async def send(self, message: Message) -> None:
            sent.append(message)
            if fates.pop(0) == "fail":
                raise DeliveryFailed("exit code 1")

        async def close(self) -> None: ...

    guard = NotifierAlarm("test", NotifierSight(tmp_path, clock, 15), {"page": Page()}, clock, repeat_s=300)

    async def turns(seconds: int) -> None:
        for _ in range(seconds):
            clock.advance(S)
            guard.look(lambda event, **facts: notes.append((event, facts)), asyncio.ensure_future)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    asyncio.run(turns(60))
    assert [event for event, _ in notes] == ["notifier_lost", "not_told", "told"]
    assert sent[0].id == sent[1].id
    assert AlarmCode.NOTIFIER_LOST.name.encode() in sent[0].body
    asyncio.run(turns(300))
    assert [event for event, _ in notes][3:] == ["told"]
    write_beat(tmp_path, beat(clock))
    asyncio.run(turns(10))
    assert notes[-1][0] == "notifier_back"
    assert len(sent) == 3
