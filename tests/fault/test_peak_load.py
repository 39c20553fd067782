"""R29, R31: the busiest recorded stretch at twice its pace over real sockets: nothing dropped, memory flat.

What every run does is the busiest ten seconds, twice; a long run is an hour of the busiest minute, and then faster until it is
lost. Both are `bench/soak.py`, as a command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
ARGUMENTS = {
    "commit": ["--stretch-s", "10", "--minutes", "0.17", "--speeds", "", "--twice-only"],
    "long": ["--minutes", "60"],
}
# of a run of seconds: some pages are touched for the first time in it
DRIFT_MAX = {"commit": 1.03, "long": 1.01}


def soaked(data_root: Path, amount: str) -> list[dict[str, Any]]:
    """What the command measured; its runs stand last."""
    command = [sys.executable, str(PROJECT / "bench" / "soak.py"), "--json", *ARGUMENTS[amount]]
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "TRADEWIND_DATA": str(data_root)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    if not done.stdout.strip():
        pytest.skip(done.stderr.strip())
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


@pytest.mark.invariant("R29")
@pytest.mark.invariant("R31")
@pytest.mark.timeout(0)
def test_at_twice_the_busiest_pace_nothing_is_dropped_and_memory_is_flat(
    data_root: Path,
    amount: str,
    tried: Callable[[str, int], None],
    record_property: Callable[[str, object], None],
) -> None:
    *_, runs = soaked(data_root, amount)
    record_property("soak", json.dumps(runs))
    twice = next(run for run in runs["runs"] if run["speed"] == 2.0)
    assert twice["frames"] > 1_000
    assert twice["orders"] > 0
    assert (twice["dropped"], twice["refused"]) == (0, {})
    first_mb, last_mb = twice["memory_mb"]
    assert last_mb <= DRIFT_MAX[amount] * first_mb
    tried("R29", twice["frames"])
    tried("R31", twice["frames"])
