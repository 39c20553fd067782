"""The matching engine takes its memory when it is made: a million orders fit, and trading adds nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
PART = PROJECT / "bench" / "parts" / "matching_memory.py"
MILLION_MB_MAX = 120
DRIFT_MAX = 1.01
pytestmark = pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="address checks keep freed memory")


def measured(*words: str) -> dict[str, float]:
    """One part of the memory benchmark, in a fresh process."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    command = [sys.executable, str(PART), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_million_live_orders_fit_and_their_memory_is_there_before_the_first() -> None:
    found = measured("million")
    assert found["growth_mb"] <= MILLION_MB_MAX
    assert found["made_mb"] >= 0.95 * found["growth_mb"]


def test_books_of_many_symbols_take_memory_only_where_prices_are_used() -> None:
    text = """
import resource
from engine.book.matching import MatchingEngine
MatchingEngine(1, 16, 16, price_bits=18)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
MatchingEngine(8192, 16, 16, price_bits=18)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 40_000  # kilobytes; all trees together are 528 MB


@pytest.mark.invariant("R31")
def test_operations_of_every_kind_leave_memory_as_it_was(amount: str) -> None:
    found = measured("soak", "600000" if amount == "commit" else "100000000")
    assert found["end_mb"] <= DRIFT_MAX * found["warm_mb"]
