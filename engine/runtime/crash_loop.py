"""Counts starts that were not followed by an orderly stop, so that an engine that keeps crashing stays down (R26).

One line a start, `<wall ns>`, in `starts` of the data directory; an orderly stop empties the file, and so does `arm`. The
file is replaced whole and synced, so that a crash while writing leaves the older version. A damaged one refuses the start: how
often the engine crashed is not forgotten without a person's word.
"""

from __future__ import annotations

import os
from pathlib import Path

NS_PER_MINUTE = 60_000_000_000
WAY_OUT = "how often the engine crashed is not known: look why it did, then move it away; the count begins anew"


class StartsError(Exception):
    """The count of starts cannot be read or kept; the text says what to do."""


class CrashLoopGuard:
    """`count` starts without an orderly stop within `minutes` mean: stay HALTED until a person arms."""

    def __init__(self, data_dir: Path, count: int, minutes: int) -> None:
        self._path = data_dir / "starts"
        self._count = count
        self._window_ns = minutes * NS_PER_MINUTE

    def _read(self) -> list[int]:
        try:
            lines = self._path.read_bytes().split()
        except FileNotFoundError:
            return []
        except PermissionError:
            raise
        except OSError as error:
            raise StartsError(f"{self._path}: {error.strerror}; {WAY_OUT}") from None
        if not all(line.isdigit() for line in lines):
            raise StartsError(f"{self._path}: damaged: not a time of a start on each line; {WAY_OUT}")
        return [int(line) for line in lines]

    def _write(self, starts: list[int]) -> None:
        draft = self._path.with_suffix(".new")
        with draft.open("w") as file:
            file.writelines(f"{start}\n" for start in starts)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def note_start(self, now_wall_ns: int) -> bool:
        """Record this start; True when the engine must stay down. Starts stamped after `now` (a clock set back) count.

        Raises StartsError, and PermissionError where another user's file is in the way.
        """
        recent = [start for start in self._read() if now_wall_ns - start < self._window_ns]
        try:
            self._write([*recent, now_wall_ns])
        except PermissionError:
            raise
        except OSError as error:
            raise StartsError(f"{error.filename or self._path}: {error.strerror}; no start goes uncounted") from None
        return len(recent) >= self._count

    def clear(self) -> None:
        """An orderly stop, or a person armed: begin to count anew. Raises OSError."""
        self._write([])
