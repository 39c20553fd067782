"""Ask an engine something and wait for its answer, for so long and no longer."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import msgspec
import zmq

from engine.control.messages import AnyReply, Order, Request, decode_reply, encode

TIMEOUT_MS = 2000


class EngineUnreachableError(Exception):
    """No engine answers at the socket (exit code 69)."""


class ControlClient:
    """A connection to one engine's control port; requests go one after another.

    Raises EngineUnreachableError when there is no socket, when nobody answers within `timeout_ms`, or when the
    answer is not understood. An unanswered command may have been carried out: look at the journal before repeating it.
    """

    def __init__(self, path: str | Path, timeout_ms: int = TIMEOUT_MS) -> None:
        self.path = str(path)
        self.timeout_ms = timeout_ms
        if not os.path.exists(self.path):
            raise EngineUnreachableError(f"no engine answers at {self.path}: the socket does not exist; is it running?")
        if not os.access(self.path, os.W_OK):
            who = "the engine's user, or one of [control] operators who is in the group of its folder"
            raise EngineUnreachableError(f"{self.path} is not open to you: it is for {who}")
        self._context = zmq.Context(1)
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.setsockopt(zmq.LINGER, 0)
        self._dealer.connect(f"ipc://{self.path}")

    def request(self, request: Request | Order) -> AnyReply:
        """Send one request, return its reply."""
        self.send(request)
        return self.receive()

    def send(self, request: Request | Order) -> None:
        """Send one request; `receive` must follow before the next."""
        self._dealer.send(encode(request))

    def receive(self) -> AnyReply:
        """The reply to what was sent."""
        if not self._dealer.poll(self.timeout_ms):
            self._reconnect()
            raise EngineUnreachableError(f"the engine at {self.path} does not answer within {self.timeout_ms} ms")
        try:
            reply: AnyReply = decode_reply(self._dealer.recv())
        except msgspec.DecodeError as error:
            raise EngineUnreachableError(f"the engine at {self.path} answers in another version: {error}") from error
        return reply

    def _reconnect(self) -> None:
        """Drop the connection with its late answer: the next reply must belong to the next request."""
        self._dealer.close(0)
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.setsockopt(zmq.LINGER, 0)
        self._dealer.connect(f"ipc://{self.path}")

    def close(self) -> None:
        """Close the connection."""
        self._dealer.close(0)
        self._context.term()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
