"""The control port over its real socket."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import zmq

from engine.control.client import ControlClient, EngineUnreachableError
from engine.control.messages import (
    Accepted,
    AnyReply,
    AnyRequest,
    Kill,
    Ping,
    Pong,
    RefusalCode,
    Refused,
    decode_reply,
    encode,
)
from engine.control.server import Caller, ControlServer, ControlSocketError
from engine.guard.kills import KillOrder
from engine.guard.relay import KillRelay
from engine.model.codes import Stage
from engine.runtime.clock import Clock
from tests.control_harness import FakeEngine, on_loop, running_loop, serving


def test_a_command_travels_to_the_engine_and_its_sequence_back(tmp_path: Path) -> None:
    engine = FakeEngine()
    server = ControlServer(tmp_path / "c.sock", engine.control, counters=engine.counters, clock=Clock())
    with serving(server) as path, ControlClient(path) as client:
        assert client.request(Ping()) == Pong(engine="test", pid=4242)
        reply = client.request(Kill(reason="drill"))
    assert isinstance(reply, Accepted)
    assert reply.sequence == 101
    assert engine.submitted[0].uid == os.geteuid()
    assert engine.counters.stage_count(Stage.CONTROL_REPLY) == 2


def test_the_socket_is_its_owners_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "c.sock", FakeEngine().control)
    with serving(server) as path:
        mode = os.stat(path).st_mode
        assert stat.S_ISSOCK(mode)
        assert mode & 0o077 == 0
    assert not path.exists()


def test_a_thousand_requests_in_flight_are_all_answered_in_order(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "c.sock", lambda _, caller: Pong(engine="x", pid=caller.pid))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
    with serving(server) as path:
        dealer = context.socket(zmq.DEALER)
        dealer.connect(f"ipc://{path}")
        for sent in range(1000):
            dealer.send(encode(Ping()))
            if sent % 100 == 99:
                for _ in range(100):
                    assert dealer.poll(2000)
                    assert decode_reply(dealer.recv()) == Pong(engine="x", pid=os.getpid())
        dealer.close(0)
    context.term()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"hello",
        encode({"type": "kill", "scop": {}}),
        encode({"type": "sell"}),
        # a text that is no UTF-8
        encode({"type": "kill"}).replace(b"kill", b"k\xffll"),
    ],
)
def test_what_is_no_request_is_refused_as_malformed_and_the_port_lives(tmp_path: Path, payload: bytes) -> None:
    engine = FakeEngine()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
    with serving(ControlServer(tmp_path / "c.sock", engine.control)) as path:
        requester = context.socket(zmq.REQ)
        requester.connect(f"ipc://{path}")
        requester.send(payload)
        assert requester.poll(2000)
        reply = decode_reply(requester.recv())
        requester.close(0)
        with ControlClient(path) as client:
            assert isinstance(client.request(Ping()), Pong)
    context.term()
    assert isinstance(reply, Refused)
    assert reply.code == RefusalCode.MALFORMED
    assert engine.submitted == []


def test_another_version_is_refused(tmp_path: Path) -> None:
    with serving(ControlServer(tmp_path / "c.sock", FakeEngine().control)) as path, ControlClient(path) as client:
        reply = client.request(Kill(version=99))
    assert isinstance(reply, Refused)
    assert reply.code == RefusalCode.VERSION


def test_only_allowed_users_may_command(tmp_path: Path) -> None:
    engine = FakeEngine()
    server = ControlServer(tmp_path / "c.sock", engine.control, allowed_uids=frozenset({os.geteuid() + 1}))
    with serving(server) as path, ControlClient(path) as client:
        reply = client.request(Kill())
    assert isinstance(reply, Refused)
    assert reply.code == RefusalCode.FORBIDDEN
    assert engine.submitted == []


def test_another_users_process_is_told_apart_by_the_kernel(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    engine = FakeEngine()
    server = ControlServer(tmp_path / "c.sock", engine.control)
    code = (
        "import os, sys, zmq; os.setgid(65534); os.setuid(65534); s = zmq.Context().socket(zmq.DEALER);"
        "s.connect('ipc://' + sys.argv[1]); s.send(bytes.fromhex(sys.argv[2]));"
        "print(s.recv().hex() if s.poll(3000) else '')"
    )
    with serving(server) as path:
        path.chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), encode(Kill()).hex()], capture_output=True, text=True, check=True
        )
    reply = decode_reply(bytes.fromhex(done.stdout.strip()))
    assert isinstance(reply, Refused)
    assert reply.code == RefusalCode.FORBIDDEN
    assert "65534" in reply.text
    assert engine.submitted == []


def test_a_handler_that_raises_is_told_to_the_caller_and_to_the_loop(tmp_path: Path) -> None:
    raised: list[BaseException] = []

    def handler(request: AnyRequest, caller: Caller) -> AnyReply:
        raise RuntimeError("broken")

    server = ControlServer(tmp_path / "c.sock", handler)
    with running_loop() as loop:
        loop.set_exception_handler(lambda _, context: raised.append(context["exception"]))
        on_loop(loop, lambda: server.open(loop))
        with ControlClient(server.path) as client:
            reply = client.request(Ping())
        on_loop(loop, server.close)
    assert isinstance(reply, Refused)
    assert (reply.code, "broken" in reply.text) == (RefusalCode.INTERNAL, True)
    assert [str(error) for error in raised] == ["broken"]


def test_a_client_without_an_engine_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachableError, match="does not exist"):
        ControlClient(tmp_path / "none.sock")


def test_an_engine_that_does_not_answer_is_given_up_after_the_timeout(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / "c.sock"))
        silent.listen()
        began = time.monotonic()
        unreachable = pytest.raises(EngineUnreachableError, match="within 100 ms")
        with ControlClient(tmp_path / "c.sock", timeout_ms=100) as client, unreachable:
            client.request(Ping())
        assert time.monotonic() - began < 1.0


@pytest.mark.invariant("R27")
def test_a_socket_on_which_an_engine_answers_is_not_taken_over(tmp_path: Path) -> None:
    first = ControlServer(tmp_path / "c.sock", FakeEngine().control)
    with serving(first) as path:
        loop = asyncio.new_event_loop()
        with pytest.raises(ControlSocketError, match="another engine") as caught:
            ControlServer(path, FakeEngine().control).open(loop)
        loop.close()
        assert caught.value.is_taken
        with ControlClient(path) as client:
            assert isinstance(client.request(Ping()), Pong)


def test_the_socket_of_a_killed_engine_is_replaced(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(str(tmp_path / "c.sock"))
    dead.close()
    with serving(ControlServer(tmp_path / "c.sock", FakeEngine().control)) as path, ControlClient(path) as client:
        assert isinstance(client.request(Ping()), Pong)


def test_a_socket_that_another_engine_has_made_in_its_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    first = ControlServer(path, FakeEngine().control)
    second = ControlServer(path, FakeEngine().control)
    with running_loop() as loop:
        on_loop(loop, lambda: first.open(loop))
        path.unlink()
        on_loop(loop, lambda: second.open(loop))
        on_loop(loop, first.close)
        with ControlClient(path) as client:
            assert isinstance(client.request(Ping()), Pong)
        on_loop(loop, second.close)
    assert not path.exists()


@pytest.mark.invariant("R25")
def test_the_guards_kill_is_heard_by_an_engine_that_listens_and_kept_for_none_that_comes_later(tmp_path: Path) -> None:
    relay = KillRelay(tmp_path / "c.sock")
    kill = Kill(reason=KillOrder("", 1000, "drill", 1).told_reason)
    relay.ask(kill)
    engine = FakeEngine()
    with serving(ControlServer(tmp_path / "c.sock", engine.control)):
        relay.ask(kill)
        deadline = time.monotonic() + 10
        while not engine.submitted and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [command.reason for command in engine.submitted] == ["the guard was told by uid 1000 to kill ALL: drill"]
    # a stopped engine: the kernel takes the connection, nobody reads; what was sent goes with the relay's connection
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    silent.bind(str(tmp_path / "c.sock"))
    silent.listen()
    relay.ask(kill)
    time.sleep(0.2)
    relay.close()
    silent.close()
    later = FakeEngine()
    with serving(ControlServer(tmp_path / "c.sock", later.control)):
        time.sleep(0.3)
    assert later.submitted == []


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    with pytest.raises(ControlSocketError, match=r"none/c\.sock"):
        ControlServer(tmp_path / "none" / "c.sock", FakeEngine().control).open(loop)
    loop.close()


HOT = """
import asyncio, gc, os, sys, threading
sys.path.insert(0, os.getcwd())
import uvloop
from engine.control.server import ControlServer
from engine.runtime.clock import Clock
from tests.control_harness import FakeEngine
engine = FakeEngine()
loop = uvloop.new_event_loop()
server = ControlServer(sys.argv[1], engine.control, counters=engine.counters, clock=Clock())
server.open(loop)
loop.call_later(0.05, lambda: print("ready", flush=True))
loop.add_reader(0, loop.stop)
loop.run_forever()
print(threading.active_count(), flush=True)
sys.stdin.readline()
server.close()
"""


def test_the_hot_process_has_one_python_thread(tmp_path: Path) -> None:
    """Every other thread of the process is a C thread: ZeroMQ's two, which never touch Python."""
    hot = subprocess.Popen(
        [sys.executable, "-c", HOT, str(tmp_path / "c.sock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert hot.stdin is not None
    assert hot.stdout is not None
    try:
        assert hot.stdout.readline() == "ready\n"
        with ControlClient(tmp_path / "c.sock") as client:
            for _ in range(20):
                assert isinstance(client.request(Kill()), Accepted)
        tasks = Path(f"/proc/{hot.pid}/task")
        names = sorted((task / "comm").read_text().strip() for task in tasks.iterdir() if task.name != str(hot.pid))
        hot.stdin.write("\n")
        hot.stdin.flush()
        assert hot.stdout.readline() == "1\n"
        assert names == ["ZMQbg/IO/0", "ZMQbg/Reaper"]
        hot.stdin.write("\n")
        hot.stdin.flush()
        assert hot.wait(5) == 0
    finally:
        if hot.poll() is None:
            hot.send_signal(signal.SIGKILL)
            hot.wait()
        hot.stdin.close()
        hot.stdout.close()


PINNED = """
import asyncio, os, sys, time
from engine.control.server import ControlServer
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
loop = asyncio.new_event_loop()
server = ControlServer(sys.argv[1], lambda request, caller: None)
server.open(loop)
tasks = [int(task) for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]
for _ in range(200):  # each thread moves itself once it runs
    cores = [os.sched_getaffinity(task) for task in tasks]
    if not any(core & os.sched_getaffinity(0) for core in cores):
        break
    time.sleep(0.01)
print(os.sched_getaffinity(0), *cores, sep=";")
server.close()
loop.close()
"""


def test_zeromqs_threads_stay_off_the_pinned_core(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    command = [sys.executable, "-c", PINNED, str(tmp_path / "c.sock")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    hot, *others = [set(map(int, cores.strip("{}\n").split(","))) for cores in done.stdout.split(";")]
    assert len(hot) == 1
    assert len(others) == 2
    assert all(not cores & hot for cores in others)


def test_messages_are_typed_both_ways() -> None:
    assert msgspec.msgpack.decode(encode(Kill(reason="x")))["type"] == "kill"
    assert decode_reply(encode(Accepted(sequence=5))) == Accepted(sequence=5)
