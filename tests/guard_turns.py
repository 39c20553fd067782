"""Turns at the file of kept kills, which engine and guard change one after the other."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def turn_of_another(data_dir: Path) -> Iterator[None]:
    """Another process is between reading the file of kills and replacing it."""
    directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)
