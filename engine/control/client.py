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


class NotAllowedError(EngineUnreachableError):
    """The socket, or its folder, is not open to the caller (exit code 77)."""


class ControlClient:
    """A connection to one engine's control port; requests go one after another.

    Raises EngineUnreachableError when there is no socket, when nobody answers within `timeout_ms`, or when the
    answer is not understood; of these NotAllowedError where it is not open to the caller. An unanswered command may have been
    carried out: look at the journal before repeating it.
    """

    def __init__(self, path: str | Path, timeout_ms: int = TIMEOUT_MS) -> None:
        self.path = str(path)
        self.timeout_ms = timeout_ms
        refuse_closed(self.path)
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


def refuse_closed(path: str) -> None:
    """EngineUnreachableError where there is no socket, NotAllowedError where the caller may not reach or open it."""
    try:
        os.stat(path)
    except PermissionError:
        is_open = False
    except OSError:
        text = f"no engine answers at {path}: the socket does not exist; is it running?"
        raise EngineUnreachableError(text) from None
    else:
        is_open = os.access(path, os.W_OK)
    if not is_open:
        who = "the engine's user, or one of [control] operators who is in the group of its folder"
        raise NotAllowedError(f"{path} is not open to you: it is for {who}")
