"""C yardsticks, compiled when a benchmark runs, with the flags that the engine's own modules are compiled with."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

PARTS = Path(__file__).resolve().parent
SETUP = PARTS.parents[1] / "setup.py"


def engine_flags() -> list[str]:
    """What setup.py compiles with."""
    found = re.search(r'^FLAGS = "(.*)"', SETUP.read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("setup.py has no line of FLAGS")
    return found.group(1).split()


def library(source: str) -> ctypes.CDLL:
    """The shared library of one file of bench/parts. Raises SystemExit where it cannot be compiled."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise SystemExit("no C compiler found: install one (cc or gcc), or set CC")
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as folder:
        target = Path(folder) / f"{Path(source).stem}.so"
        command = [compiler, *engine_flags(), "-shared", "-fPIC", str(PARTS / source), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"bench/parts/{source} does not compile:\n{done.stderr[-2000:]}")
        return ctypes.CDLL(str(target))
