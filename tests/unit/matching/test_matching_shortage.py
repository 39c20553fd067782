"""What an engine promises that has no memory for its rows: nothing wrong is ever shown, and it says so."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
# the sanitizer ends the process where it has no memory, and needs much of its own
pytestmark = pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""), reason="address checks need memory themselves"
)

SCENE = """
import resource
import numpy as np
from engine.book.matching import EVENT_DTYPE, OP_DTYPE, MatchingEngine

MAKERS = 270_000

def filled():
    engine = MatchingEngine(1, 300_000)
    ops = np.zeros(MAKERS, OP_DTYPE)
    ops["order_id"], ops["price"], ops["side"], ops["qty"] = np.arange(MAKERS), 101, 1, 1
    engine.submit_batch(ops, np.zeros(MAKERS, EVENT_DTYPE))
    engine.submit(0, 0, 4, 0, 0, 0, 777_777, 0, 1, trigger=100)
    return engine

def limited(extra_mb, call):
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + extra_mb * 2**20, -1))
    try:
        call()
    except MemoryError as error:
        return str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    raise AssertionError("there was memory enough")

def refused(call):
    try:
        call()
    except MemoryError as error:
        return "spoilt" in str(error)
    return False
"""


def run(text: str) -> str:
    # a fixed threshold: otherwise what arrays of before left in the heap decides how much memory there is
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "MALLOC_MMAP_THRESHOLD_": "131072"}
    done = subprocess.run(
        [sys.executable, "-c", SCENE + textwrap.dedent(text)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_an_engine_that_lost_rows_is_spoilt_and_does_nothing_more() -> None:
    told = run(
        """
        engine = filled()
        before, image = engine.op_count, engine.save()
        assert "spoilt" in limited(4, lambda: engine.ioc(0, 0, 10**7, 101, MAKERS - 10))
        applied = engine.op_count
        op = np.zeros(1, OP_DTYPE)
        calls = [
            lambda: engine.limit(0, 0, 1, 5, 5), lambda: engine.ioc(0, 0, 1, 5, 5), lambda: engine.cancel(0, 1),
            lambda: engine.submit(3, 0, 0, 0, 0, 0, 0, 0, 0), lambda: engine.submit_batch(op), engine.events, engine.save,
            engine.state_hash, lambda: engine.best(0, 1), lambda: engine.depth(0, 1, 5), lambda: engine.queue(0, 1),
            lambda: engine.order(777_777), lambda: engine.hidden(777_777), lambda: engine.takeable(0, 0, 1, 0),
            lambda: engine.snapshot_l3(0), lambda: engine.orders_in(0, 0), lambda: engine.position(1, 0),
        ]
        assert [refused(call) for call in calls] == [True] * len(calls)
        assert engine.op_count == applied
        again, twin = MatchingEngine.restore(image), filled()
        for whole in (again, twin):
            whole.ioc(0, 0, 10**7, 101, MAKERS - 10)
        assert again.op_count == before + 1 and again.state_hash() == twin.state_hash()
        print("as promised")
        """
    )
    assert told == "as promised\n"


def test_rows_that_could_not_be_copied_out_are_forgotten() -> None:
    told = run(
        """
        engine, twin = filled(), filled()
        op = np.zeros(1, OP_DTYPE)
        op["order_id"], op["price"], op["qty"], op["tif"] = 10**7, 101, MAKERS - 10, 1
        # the rows spill into 17 MB (66 rows, doubled), which takes 26 while they move; their copy needs 17 more
        assert "spoilt" not in limited(30, lambda: engine.submit_batch(op))
        twin.submit_batch(op)
        assert engine.state_hash() == twin.state_hash()
        further = np.zeros(8, OP_DTYPE)
        further["order_id"], further["price"], further["qty"] = 2 * 10**7 + np.arange(8), 50, 1
        rows = engine.submit_batch(further, np.zeros(4, EVENT_DTYPE))
        assert rows.tobytes() == twin.submit_batch(further, np.zeros(4, EVENT_DTYPE)).tobytes()
        print("as promised")
        """
    )
    assert told == "as promised\n"
