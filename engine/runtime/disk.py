"""The disk of the World: the few durable steps that start, stop and recovery need. The journal's writer thread has
its own.
"""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """Plain files, made durable. `writer_fault` is what Journal.set_fault takes: an I/O of the journal's writer that
    shall fail.
    """

    def __init__(self, writer_fault: dict[str, int | str] | None = None) -> None:
        self.writer_fault = dict(writer_fault or {})

    def make_directory(self, path: Path) -> None:
        """Make a directory (0750) and its parents, durable in its parent."""
        if path.is_dir():
            return
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
        self.sync_directory(path.parent)

    def sync_directory(self, path: Path) -> None:
        """fsync a directory: names made or changed in it survive a power cut."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_file(self, path: Path) -> None:
        """fsync a file that is there: what has been written of it survives a power cut."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def replace(self, path: Path, data: bytes) -> None:
        """Put `data` in the place of the file: either the old or the new content is there after a power cut. What could not be
        written leaves nothing behind.
        """
        partial = path.with_name(path.name + ".new")
        try:
            self.write(partial, data)
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        self.sync_directory(path.parent)

    def write(self, path: Path, data: bytes) -> None:
        """Write and sync a file; its name is not made durable (see sync_directory)."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            self._write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)

    def rewrite(self, path: Path, offset: int, data: bytes) -> None:
        """Write `data` at `offset`, end the file there, sync. What stood there before is never cut before it is
        written again.
        """
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.lseek(fd, offset, os.SEEK_SET)
            self._write_all(fd, data)
            os.ftruncate(fd, offset + len(data))
            os.fsync(fd)
        finally:
            os.close(fd)

    @staticmethod
    def _write_all(fd: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
