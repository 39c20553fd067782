"""What a service supervisor is told: systemd's notification protocol (sd_notify(3)), a datagram of `NAME=value` lines.

Nothing here waits and nothing here fails: a supervisor that has gone away, or whose socket is full, must not hold up or end an
engine. Where `$NOTIFY_SOCKET` is not set, every call does nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from engine.runtime.clock import Clock

NS_PER_US = 1_000
US_PER_S = 1_000_000
STATUS_CHARACTERS_MAX = 200


class Supervisor:
    """The way to whoever started this process. `watchdog_ns` is how long it waits for a beat; 0 = it does not."""

    def __init__(self, address: str, clock: Clock, watchdog_ns: int = 0) -> None:
        self._address = notify_address(address)
        self._clock = clock
        # four beats in the time that one is waited for: one that is late, or lost, is no reason to be killed
        self._beat_interval_ns = watchdog_ns // 4
        self._next_beat_ns = 0
        self._status = ""
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @classmethod
    def of_environment(cls, clock: Clock, environment: Mapping[str, str] | None = None) -> Supervisor:
        """From `$NOTIFY_SOCKET` and `$WATCHDOG_USEC`; a watchdog that `$WATCHDOG_PID` gives to another process is not ours."""
        told = os.environ if environment is None else environment
        watchdog_us = told.get("WATCHDOG_USEC", "")
        is_ours = told.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        interval_ns = int(watchdog_us) * NS_PER_US if is_ours and watchdog_us.isascii() and watchdog_us.isdigit() else 0
        return cls(told.get("NOTIFY_SOCKET", ""), clock, interval_ns)

    def ready(self, status: str) -> None:
        """The control port answers and the journal is recovered."""
        self._status = status
        self._send(f"READY=1\nMAINPID={os.getpid()}\nSTATUS={one_line(status)}")

    def status(self, text: str) -> None:
        """What `systemctl status` shows; sent only when it has changed."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={one_line(text)}")

    def beat(self) -> None:
        """Every actor was polled since the last beat. Sent at most four times in the watchdog's interval."""
        now_ns = self._clock.monotonic_ns()
        if self._beat_interval_ns and now_ns >= self._next_beat_ns:
            self._next_beat_ns = now_ns + self._beat_interval_ns
            self._send("WATCHDOG=1")

    def stopping(self, status: str) -> None:
        """An orderly stop has begun."""
        self._status = status
        self._send(f"STOPPING=1\nSTATUS={one_line(status)}")

    def extend(self, seconds: float) -> None:
        """What is going on (recovery, a stop that asks the venue) may take so much longer from now on."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * US_PER_S)}")

    def close(self) -> None:
        """No more messages."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            # nobody listens, or the queue is full: the next beat is on its way
            return


def notify_address(text: str) -> str:
    """The socket's address for the kernel: a path as it stands, `@name` in the abstract namespace; others are not spoken here."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def one_line(text: str) -> str:
    """A status is one line: a line break would begin another assignment."""
    return " ".join(text.split())[:STATUS_CHARACTERS_MAX]
