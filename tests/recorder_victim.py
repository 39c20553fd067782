"""Recorders that are killed. `python -m tests.recorder_victim` has imported everything and forks one for each line that it reads.

A line is JSON: data_dir, url, batch, seed. With a seed the recorder kills itself: in the midst of a table's rows, before its
transaction is committed, or when it is committed and it does not know yet.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from engine.desk.recorder import store
from engine.desk.recorder.faults import RecorderFault
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.settings import RecorderPlan
from engine.runtime.clock import Clock

ROOT = Path(__file__).parents[1]
PLACES = ("rows", "before", "after")


def die() -> None:
    """kill -9 of ourselves."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_somewhere(dice: random.Random) -> None:
    """Let this process die at a place that the dice choose."""
    place, left = dice.choice(PLACES), dice.randrange(1, 40)
    whole = store.write_rows

    def write_rows(connection: Connection, table: str, rows: list[Any]) -> None:
        nonlocal left
        left -= 1
        if left <= 0 and place == "rows":
            whole(connection, table, rows[: max(1, len(rows) // 2)])
            die()
        whole(connection, table, rows)

    def commit(connection: Connection) -> None:
        if left <= 0 and place == "after":
            connection.connection.commit()
        if left <= 0 and place != "rows":
            die()

    store.write_rows = write_rows
    event.listen(Engine, "commit", commit)


def record_for_ever(line: dict[str, Any]) -> None:
    """Record, and go on whatever happens, until killed."""
    if line["seed"]:
        die_somewhere(random.Random(line["seed"]))
    plan = RecorderPlan(Path(line["data_dir"]), line["url"], batch_records=line["batch"])
    recorder = Recorder(plan, Clock())
    while True:
        try:
            if not recorder.step():
                time.sleep(0.005)
        except RecorderFault:
            time.sleep(0.02)


def main() -> None:
    """Fork a recorder for each line, and tell its process id."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for text in sys.stdin:
        child = os.fork()
        if child == 0:
            record_for_ever(json.loads(text))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


class Victims:
    """The forking process, from the test's side."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.recorder_victim"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def start(self, data_dir: Path, url: str, batch: int, seed: int) -> int:
        """A new recorder's process id; seed 0: it does not die by itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = {"data_dir": str(data_dir), "url": url, "batch": batch, "seed": seed}
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    @staticmethod
    def is_alive(pid: int) -> bool:
        """Does it run."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    @classmethod
    def kill(cls, pid: int) -> None:
        """kill -9, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        while cls.is_alive(pid):
            time.sleep(0.002)

    def close(self) -> None:
        """End the forking process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


if __name__ == "__main__":
    main()
