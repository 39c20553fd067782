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


class HeldFile:
    """`opened` once the connection is there, then `change` before it is written to, `closed` where the connection is given up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own: Identity | None = None
        self._own_log = NOWHERE

    def opened(self) -> None:
        """What the name leads to now is ours."""
        self._own = self._own_log = NOWHERE
        with contextlib.suppress(OSError):
            self._own = identity(self.path)
            self._own_log = identity(f"{self.path}-wal")

    def closed(self) -> None:
        """It is not open any more: its log may be gone, and the log's number another's."""
        self._own_log = NOWHERE

    def change(self) -> str:
        """What became of the file in words; empty while it stands where it was, or where that cannot be told."""
        if self._own is None:
            return ""
        try:
            found = identity(self.path)
            if found == self._own:
                self._own_log = identity(f"{self.path}-wal")
                return ""
            if found == NOWHERE:
                return "the file was moved or deleted while it was open"
            self._drop_log()
        except OSError:
            return ""
        return "another file was put in the place of the one that was open"

    def _drop_log(self) -> None:
        """The old file's write-ahead log beside another file: SQLite would copy its pages into that. A log that is not the one
        we had stays."""
        if self._own_log != NOWHERE and identity(f"{self.path}-wal") == self._own_log:
            for end in ("-wal", "-shm"):
                Path(f"{self.path}{end}").unlink(missing_ok=True)
