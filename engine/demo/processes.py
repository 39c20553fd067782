"""Child processes of the demo: started with their output kept, stopped in order, never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from engine.runtime.parent_death import PARENT_VARIABLE


class DemoError(Exception):
    """The demo cannot go on; the text names the process and shows the end of its output."""


class Child:
    """One `tradewind` process; stdout and stderr go to a file of its own."""

    def __init__(self, name: str, arguments: list[str], folder: Path, env: dict[str, str] | None = None) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._log: IO[bytes] = self.log_path.open("ab")
        # -P and our own place first: a folder named engine where the user stands must not be run instead of this package
        command = [sys.executable, "-P", "-m", "engine", *arguments]
        places = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, places)),
                PARENT_VARIABLE: str(os.getpid()),
                **(env or {}),
            },
        )

    def tail(self, lines: int = 12) -> str:
        """The last lines that the process printed."""
        text = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(text[-lines:])

    def require_alive(self) -> None:
        """Raise DemoError when the process has ended."""
        code = self.process.poll()
        if code is not None:
            raise DemoError(f"{self.name} ended with exit code {code}:\n{self.tail()}")

    def stop(self, timeout_s: float = 40.0) -> int:
        """SIGTERM, wait; SIGKILL past the time-out. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()
        return int(self.process.returncode)


def wait_for_json(path: Path, child: Child, timeout_s: float) -> dict[str, Any]:
    """Wait until `path` holds a JSON object that the child wrote."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        child.require_alive()
        try:
            loaded: dict[str, Any] = json.loads(path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(0.02)
            continue
        return loaded
    raise DemoError(f"{child.name} did not become ready within {timeout_s} s:\n{child.tail()}")
