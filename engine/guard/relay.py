"""Tells the engine of a kill that it may not have heard: one KILL over its control socket, without waiting for an answer."""

from __future__ import annotations

import os
from pathlib import Path

import zmq

from engine.control.messages import Kill, encode


class KillRelay:
    """One-way: whether it was heard shows in the engine's counters, which say HALTED. `close` drops what was not heard."""

    def __init__(self, socket_path: Path) -> None:
        self._path = str(socket_path)
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._dealer: zmq.Socket[bytes] | None = None

    def tell(self) -> None:
        """Send KILL; where nobody listens, the message is dropped and the next call sends another."""
        if not os.path.exists(self._path):
            return
        # a new connection each time: an old one would keep what a stopped engine has not read for the next engine at this path
        self.close()
        self._context = zmq.Context(1)
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.setsockopt(zmq.LINGER, 0)
        self._dealer.connect(f"ipc://{self._path}")
        self._dealer.send(encode(Kill(reason="the guard was told to kill")), zmq.NOBLOCK)

    def close(self) -> None:
        """Let go of the socket."""
        if self._dealer is not None and self._context is not None:
            self._dealer.close(0)
            self._context.term()
            self._dealer = self._context = None
