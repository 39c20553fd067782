"""The control port inside the hot loop: a ZeroMQ ROUTER on an ipc socket, watched by its descriptor.

ZeroMQ's descriptor is edge-triggered: it fires once for a change, so a wake-up drains what is there, and the events are
read again after every send (which may swallow an edge). Nothing here waits. ZeroMQ brings two C threads of its own (I/O
and reaper) and no Python thread: messages are sent by copy, since sending without a copy starts one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zmq

from engine.control.messages import (
    MESSAGE_BYTES_MAX,
    PROTOCOL_VERSION,
    AnyReply,
    AnyRequest,
    RefusalCode,
    Refused,
    decode_request,
    encode,
)
from engine.model.codes import Stage
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters

BATCH_MAX = 16
QUEUE_MAX = 256
PEER = struct.Struct("3i")


class ControlSocketError(Exception):
    """The control socket cannot be made; `is_taken` says that another engine answers there."""

    def __init__(self, text: str, *, is_taken: bool = False) -> None:
        super().__init__(text)
        self.is_taken = is_taken


@dataclass(frozen=True)
class Caller:
    """The process at the other end, as the kernel tells it; uid -1 where it could not be told."""

    uid: int
    pid: int


Handler = Callable[[AnyRequest, Caller], AnyReply]


class ControlServer:
    """Serves one ipc socket. `handler` maps a request to its reply and must not wait.

    Only the engine's own user and root are served, and `operators`, for whom the socket is open to its group. `forbidden` is told
    who else asked. Latency goes to `Stage.CONTROL_REPLY` where counters are given.
    """

    def __init__(
        self,
        path: str | Path,
        handler: Handler,
        *,
        counters: Counters | None = None,
        clock: Clock | None = None,
        allowed_uids: frozenset[int] | None = None,
        operators: frozenset[int] = frozenset(),
        forbidden: Callable[[Caller], None] | None = None,
    ) -> None:
        self.path = str(path)
        self._handler = handler
        self._counters = counters
        self._clock = clock
        self._allowed = (allowed_uids if allowed_uids is not None else frozenset({0, os.geteuid()})) | operators
        self._mode = 0o660 if operators else 0o600
        self._forbidden = forbidden
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._descriptor = -1
        self._inode = -1

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make the socket (mode 0600) and watch it. Raises ControlSocketError."""
        refuse_taken(self.path)
        self._context = zmq.Context(1)
        keep_off_pinned_core(self._context)
        router = self._context.socket(zmq.ROUTER)
        router.setsockopt(zmq.LINGER, 0)
        router.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES_MAX)
        router.setsockopt(zmq.RCVHWM, QUEUE_MAX)
        router.setsockopt(zmq.SNDHWM, QUEUE_MAX)
        self._socket = router
        try:
            bind_private(router, self.path, self._mode)
        except zmq.ZMQError as error:
            self.close()
            raise ControlSocketError(f"control socket {self.path}: {error.strerror}") from error
        self._inode = os.stat(self.path).st_ino
        self._loop = loop
        self._descriptor = int(router.getsockopt(zmq.FD))
        loop.add_reader(self._descriptor, self._on_readable)
        loop.call_soon(self._on_readable)

    def close(self) -> None:
        """Stop serving and remove the socket. May be called twice."""
        if self._loop is not None:
            self._loop.remove_reader(self._descriptor)
            self._loop = None
        if self._socket is not None:
            self._socket.close(0)
            self._socket = None
        if self._context is not None:
            self._context.term()
            self._context = None
            with contextlib.suppress(FileNotFoundError):
                if os.stat(self.path).st_ino == self._inode:  # not one that another engine has made in its place
                    os.unlink(self.path)

    def _on_readable(self) -> None:
        """Serve what is there, at most a batch, then let the market have its turn."""
        for _ in range(BATCH_MAX):
            if self._socket is None or not int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                return
            self._serve_one(self._socket)
        if self._loop is not None:
            self._loop.call_soon(self._on_readable)

    def _serve_one(self, router: zmq.Socket[bytes]) -> None:
        began_ns = self._clock.monotonic_ns() if self._clock is not None else 0
        try:
            # frames, because only a frame knows its descriptor; receiving them starts no thread
            frames = router.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return
        envelope = [frame.bytes for frame in frames[:-1]]
        reply, fault = self._answer(frames[-1])
        with contextlib.suppress(zmq.Again):
            router.send_multipart([*envelope, encode(reply)], zmq.NOBLOCK, copy=True)
        if self._counters is not None and self._clock is not None:
            self._counters.record_ns(Stage.CONTROL_REPLY, self._clock.monotonic_ns() - began_ns)
        if fault is not None:
            raise fault

    def _answer(self, frame: zmq.Frame) -> tuple[AnyReply, BaseException | None]:
        """The reply, and the handler's error where it raised: the caller is told first, then the loop."""
        caller = caller_of(frame)
        if caller.uid not in self._allowed:
            if self._forbidden is not None:
                self._forbidden(caller)
            return Refused(code=RefusalCode.FORBIDDEN, text=f"uid {caller.uid} may not command this engine"), None
        try:
            request = decode_request(frame.bytes)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Refused(code=RefusalCode.MALFORMED, text=str(error)), None
        if request.version != PROTOCOL_VERSION:
            text = f"the engine speaks control version {PROTOCOL_VERSION}, not {request.version}"
            return Refused(code=RefusalCode.VERSION, text=text), None
        try:
            return self._handler(request, caller), None
        except Exception as error:  # noqa: BLE001 - whatever it is, the operator must hear of it; it is raised again
            return Refused(code=RefusalCode.INTERNAL, text=f"{type(error).__name__}: {error}"), error


def caller_of(frame: zmq.Frame) -> Caller:
    """Who sent this message: the credentials the kernel noted when the connection was made."""
    try:
        peer = socket.socket(fileno=os.dup(int(frame.get(zmq.SRCFD))))
    except (OSError, zmq.ZMQError):
        return Caller(-1, -1)
    with peer:
        try:
            pid, uid, _ = PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
        except OSError:
            return Caller(-1, -1)
    return Caller(uid, pid)


def keep_off_pinned_core(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """Threads inherit the core of the thread that makes them: where that is pinned to one, ZeroMQ's two take the others."""
    pinned = os.sched_getaffinity(0)
    others = set(range(os.cpu_count() or 1)) - pinned
    if len(pinned) == 1:
        for core in others:
            context.set(zmq.THREAD_AFFINITY_CPU_ADD, core)


def bind_private(router: zmq.Socket[bytes], path: str, mode: int = 0o600) -> None:
    """Bind with a socket file that only its owner can open, or its group too: `mode` 0660."""
    before = os.umask(0o777 & ~mode)
    try:
        router.bind(f"ipc://{path}")
    finally:
        os.umask(before)


def refuse_taken(path: str) -> None:
    """ZeroMQ takes over a socket file silently: refuse when somebody still listens on it, or when it is no socket."""
    if not os.path.lexists(path):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return
        except OSError as error:
            raise ControlSocketError(f"control socket {path}: {error.strerror}") from error
    raise ControlSocketError(f"control socket {path}: another engine answers there", is_taken=True)
