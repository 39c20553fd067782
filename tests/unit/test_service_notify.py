"""What a supervisor is told, seen from its end of the socket."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.runtime.clock import Clock
from engine.runtime.service import Supervisor, notify_address

SECOND_NS = 1_000_000_000


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The address as $NOTIFY_SOCKET gives it, and the supervisor's end."""
    name = str(tmp_path / "notify") if request.param == "path" else "@tradewind-test-" + secrets.token_hex(8)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        end.setblocking(False)
        yield name, end


def heard(end: socket.socket) -> list[str]:
    """Every message that waits."""
    found = []
    while True:
        try:
            found.append(end.recv(4096).decode())
        except BlockingIOError:
            return found


def test_ready_status_and_stopping_reach_the_supervisor(listener: tuple[str, socket.socket]) -> None:
    name, end = listener
    with closing(Supervisor.of_environment(Clock.virtual(), {"NOTIFY_SOCKET": name})) as supervisor:
        supervisor.ready("HALTED (STARTING)")
        supervisor.status("HALTED (STARTING)")
        supervisor.status("ACTIVE")
        supervisor.stopping("stopping")
        supervisor.extend(2.5)
    assert heard(end) == [
        f"READY=1\nMAINPID={os.getpid()}\nSTATUS=HALTED (STARTING)",
        "STATUS=ACTIVE",
        "STOPPING=1\nSTATUS=stopping",
        "EXTEND_TIMEOUT_USEC=2500000",
    ]


def test_beats_come_four_times_in_the_watchdogs_interval_and_no_oftener(listener: tuple[str, socket.socket]) -> None:
    name, end = listener
    clock = Clock.virtual()
    told = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "8000000", "WATCHDOG_PID": str(os.getpid())}
    with closing(Supervisor.of_environment(clock, told)) as supervisor:
        for _ in range(80):
            supervisor.beat()
            clock.advance(SECOND_NS // 10)
    assert heard(end) == ["WATCHDOG=1"] * 4


@pytest.mark.parametrize("told", [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "never"}])
def test_without_a_watchdog_of_our_own_there_are_no_beats(
    listener: tuple[str, socket.socket], told: dict[str, str]
) -> None:
    name, end = listener
    with closing(Supervisor.of_environment(Clock.virtual(), {"NOTIFY_SOCKET": name, **told})) as supervisor:
        supervisor.beat()
    assert heard(end) == []


def test_a_status_cannot_hold_another_assignment(listener: tuple[str, socket.socket]) -> None:
    name, end = listener
    with closing(Supervisor.of_environment(Clock.virtual(), {"NOTIFY_SOCKET": name})) as supervisor:
        supervisor.status("lost\nMAINPID=1")
    assert heard(end) == ["STATUS=lost MAINPID=1"]


def test_a_supervisor_that_is_gone_or_does_not_read_hurts_nobody(tmp_path: Path) -> None:
    Supervisor.of_environment(Clock.virtual(), {}).ready("nobody asked")
    gone = Supervisor(str(tmp_path / "nobody"), Clock.virtual())
    gone.ready("nobody listens")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "deaf"))
        deaf = Supervisor(str(tmp_path / "deaf"), Clock.virtual())
        for number in range(2000):
            deaf.status(f"{number}")
        assert end.recv(4096) == b"STATUS=0"
    gone.close()
    deaf.close()
    deaf.ready("closed")


def test_an_address_of_another_family_is_not_spoken_to() -> None:
    assert notify_address("vsock:2:1234") == ""
    assert notify_address("/run/notify") == "/run/notify"
    assert notify_address("@notify") == "\0notify"
    Supervisor("vsock:2:1234", Clock.virtual()).ready("nothing happens")
