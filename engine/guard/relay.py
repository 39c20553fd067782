"""Tells the engine of a kill that it may not have heard, over its control socket and without ever waiting for an answer."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import zmq

from engine.control.messages import AnyReply, Kill, Status, decode_reply, encode


class KillRelay:
    """One request at a time; `close` drops what was not heard."""

    def __init__(self, socket_path: Path) -> None:
        self._path = str(socket_path)
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._dealer: zmq.Socket[bytes] | None = None

    def ask(self, request: Kill | Status) -> None:
        """Send a request; where nobody listens, the message is dropped and the next call sends another."""
        if not os.path.exists(self._path):
            return
        # a new connection each time: an old one would keep what a stopped engine has not read for the next engine at this path
        self.close()
        self._context = zmq.Context(1)
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.setsockopt(zmq.LINGER, 0)
        self._dealer.connect(f"ipc://{self._path}")
        self._dealer.send(encode(request), zmq.NOBLOCK)

    def reply(self) -> AnyReply | None:
        """What has come since; None where nothing has, or nothing that this build understands."""
        if self._dealer is None or not self._dealer.poll(0):
            return None
        try:
            reply: AnyReply = decode_reply(self._dealer.recv(zmq.NOBLOCK))
        except msgspec.DecodeError:
            return None
        return reply

    def close(self) -> None:
        """Let go of the socket."""
        if self._dealer is not None and self._context is not None:
            self._dealer.close(0)
            self._context.term()
            self._dealer = self._context = None
