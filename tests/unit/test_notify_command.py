"""A channel that runs a program: what it is told, when it counts as delivered, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from engine.guard.notifier import NotifierAlarm
from engine.model.codes import AlarmCode
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


def send(command: Command) -> str:
    """The failure's text; empty for delivered."""
    try:
        asyncio.run(command.send(message()))
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
    while Path(f"/proc/{child}").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "what it began lives on"
        time.sleep(0.02)


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
