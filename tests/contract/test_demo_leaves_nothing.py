"""`kill -9` of whoever started engine and venue ends both of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

STARTER = """
import os, sys
from pathlib import Path
from engine.demo.processes import Child
child = Child("venue", ["venue", "--rest-port", "0", "--ws-port", "0", "--ready-file", sys.argv[1] + "/ready"], Path(sys.argv[1]))
print(child.process.pid, flush=True)
child.process.wait()
"""


def is_running(pid: int) -> bool:
    """Is there such a process, and is it no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.timeout(90)
def test_a_child_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        deadline = time.monotonic() + 40
        while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert is_running(pid)
        starter.kill()
    deadline = time.monotonic() + 40
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)
