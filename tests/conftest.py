"""What every kind of test may ask for: recorded data, and how much of it this run does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

PROJECT = Path(__file__).resolve().parents[1]
PROCESS_HEAVY = {"contract", "fault", "sim"}

# A shared machine is slow now and then, which is no failure of a property. Every run tries the same cases; a long run
# tries new ones.
settings.register_profile("commit", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, print_blob=True, max_examples=2000)
settings.load_profile("long" if os.environ.get("TRADEWIND_AMOUNT") == "long" else "commit")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Recorded market data: ``TRADEWIND_DATA``, or ``shared/data`` beside the project; else the test is skipped."""
    root = Path(os.environ.get("TRADEWIND_DATA") or PROJECT.parent / "shared" / "data")
    if not root.is_dir():
        pytest.skip(f"no recorded data at {root}: set TRADEWIND_DATA to its folder")
    return root


@pytest.fixture(scope="session")
def amount() -> str:
    """How much a test does: ``commit`` on every run, ``long`` in ``make sim``."""
    chosen = os.environ.get("TRADEWIND_AMOUNT", "commit")
    if chosen not in ("commit", "long"):
        pytest.fail(f"TRADEWIND_AMOUNT is {chosen!r}: commit or long")
    return chosen


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start processes take turns on one worker, for two cores are not more, and have a second try.

    A shared machine stalls for seconds now and then. What failed once is told in the summary; what fails twice fails the run.
    """
    for item in items:
        kind = item.path.relative_to(PROJECT / "tests").parts[0] if item.path.is_relative_to(PROJECT / "tests") else ""
        if kind in PROCESS_HEAVY:
            item.add_marker(pytest.mark.xdist_group("processes"))
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=2))
