"""Kills that outlive every process: a file beside the journal, written by the guard, read by the engine at its start.

An engine that was dead or hung when it was killed has no KILL in its journal. It finds this file when it starts again, and is
killed before it trades. `arm` removes what it clears, by the engine's hand and by the guard's.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

FILE_NAME = "guard-kills.json"


class KillOrder(msgspec.Struct, frozen=True):
    """Who killed what, when and why. An empty `symbol` is the whole engine."""

    symbol: str
    uid: int
    reason: str
    wall_ns: int


class KillsUnreadable(Exception):
    """The file is damaged: whoever reads it must take it for a kill of everything."""


class Kills:
    """The kills of one engine, by its data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE_NAME

    def read(self) -> list[KillOrder]:
        """What stands; raises KillsUnreadable."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=list[KillOrder])
        except FileNotFoundError:
            return []
        except (msgspec.DecodeError, OSError) as error:
            raise KillsUnreadable(f"{self.path}: {error}") from error

    def add(self, order: KillOrder) -> None:
        """Note a kill, so that it outlives this process; `sync` makes it outlive a power cut, too."""
        self._replace([*(item for item in self._standing() if item.symbol != order.symbol), order])

    def clear(self, symbol: str = "") -> bool:
        """Forget the kill of a symbol, or all of them; was there one. A damaged file is cleared only as a whole."""
        stood = self._standing()
        left = [item for item in stood if symbol and item.symbol != symbol]
        if left:
            self._replace(left)
        else:
            self.path.unlink(missing_ok=True)
        return len(left) < len(stood)

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        for path, flags in ((self.path, os.O_RDONLY), (self.path.parent, os.O_RDONLY | os.O_DIRECTORY)):
            try:
                descriptor = os.open(path, flags | os.O_CLOEXEC)
            except FileNotFoundError:
                # armed again in the meantime
                continue
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _standing(self) -> list[KillOrder]:
        """What stands; in place of a file that cannot be read, the kill of everything that it counts as."""
        try:
            return self.read()
        except KillsUnreadable as error:
            return [KillOrder("", os.getuid(), f"what stood before cannot be read: {error}", 0)]

    def _replace(self, orders: list[KillOrder]) -> None:
        draft = self.path.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(orders))
        draft.replace(self.path)
