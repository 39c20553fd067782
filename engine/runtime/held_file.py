"""A SQLite file that a process keeps open: does its name still mean that file, or was it moved, deleted, replaced.

An open file goes where its name no longer leads: who writes on says that all is well, and nobody reads what is written.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

Identity = tuple[int, int]
NOWHERE: Identity = (0, 0)


def identity(path: str | Path) -> Identity:
    """Device and inode of what a name leads to; NOWHERE for nothing. OSError where it cannot be told."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return NOWHERE
    return found.st_dev, found.st_ino


def log_of(path: Path) -> tuple[int, ...]:
    """What tells a write-ahead log from any other, its number given again or not; empty for none."""
    try:
        found = os.stat(f"{path}-wal")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class HeldFile:
    """`opening` before each connection and `opened` once it is there; `change` before it is written to; `closed` behind its end.

    The log that an old file left under its name is dropped before another file is opened there: SQLite would copy its
    pages into that.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own = NOWHERE
        self._own_log = NOWHERE
        self._left_log: tuple[int, ...] = ()

    def opening(self) -> None:
        """Before a connection is made."""
        with contextlib.suppress(OSError):
            is_ours = self._own != NOWHERE and identity(self.path) == self._own
            if self._left_log and not is_ours and log_of(self.path) == self._left_log:
                self._unlink_log()
        self._left_log = ()

    def opened(self) -> None:
        """What the name leads to now is ours."""
        self._own = self._own_log = NOWHERE
        with contextlib.suppress(OSError):
            self._own = identity(self.path)
            self._own_log = identity(f"{self.path}-wal")

    def closed(self) -> None:
        """It is not open any more. A log that is still there was left: the file was moved, or its disk took nothing more."""
        with contextlib.suppress(OSError):
            if self._own_log != NOWHERE and identity(f"{self.path}-wal") == self._own_log:
                self._left_log = log_of(self.path)
        self._own_log = NOWHERE

    def change(self) -> str:
        """What became of the file in words, once; empty while it stands where it was, or where that cannot be told."""
        if self._own == NOWHERE:
            return ""
        try:
            found = identity(self.path)
            if found == self._own:
                self._own_log = identity(f"{self.path}-wal")
                return ""
            self._own = NOWHERE
            if found == NOWHERE:
                return "the file was moved or deleted while it was open"
            # a log that is not the one we had stays
            if self._own_log != NOWHERE and identity(f"{self.path}-wal") == self._own_log:
                self._unlink_log()
        except OSError:
            return ""
        return "another file was put in the place of the one that was open"

    def _unlink_log(self) -> None:
        for end in ("-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)
