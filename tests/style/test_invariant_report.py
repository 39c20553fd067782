"""The table at the end of a run says what was tried and what failed, whatever part of the run it was in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import invariant_report
from tests.style import invariants

PAGE = invariants.PAGE.read_text()


def test_a_test_counts_by_what_it_says_that_it_tried_and_else_as_one() -> None:
    said = invariant_report.row_of("passed", [("invariant", "R11"), ("invariant", "R12"), ("tried", ["R11", 720])])
    assert [(row["id"], row["tried"]) for row in said] == [("R11", 720), ("R12", 1)]
    assert invariant_report.row_of("passed", [("kills", 40)]) == []


def test_parts_are_added_up_and_a_failure_is_a_violation(tmp_path: Path) -> None:
    path = tmp_path / "build" / "invariants.jsonl"
    for outcome, count in (("passed", 40), ("failed", 2), ("skipped", 9)):
        rows = invariant_report.row_of(outcome, [("invariant", "R01"), ("tried", ["R01", count])])
        invariant_report.add(path, rows)
    found = invariant_report.tallied(invariant_report.read(path))
    assert (found["R01"].tried, found["R01"].violations, found["R01"].tests["skipped"]) == (42, 1, 1)
    lines = invariant_report.table(found, PAGE)
    assert [line.split()[0] for line in lines[1:-1]] == invariants.IDS
    assert lines[-1] == "1 of 35 ids tried, 1 violations"


def test_what_the_fixture_is_told_goes_with_the_tests_report(
    request: pytest.FixtureRequest, tried: Callable[[str, int], None]
) -> None:
    properties = request.node.user_properties
    tried("R35", 7)
    rows = invariant_report.row_of("passed", properties)
    # nothing was tried here
    properties[:] = [item for item in properties if item[0] != invariant_report.TRIED]
    assert rows == [{"id": "R35", "outcome": "passed", "tried": 7}]


@pytest.mark.parametrize("processes", [(), ("-n", "2", "--dist", "loadscope")], ids=["one", "several"])
def test_a_test_is_counted_once_however_many_processes_run(tmp_path: Path, processes: tuple[str, ...]) -> None:
    path = tmp_path / "invariants.jsonl"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *processes,
        "tests/unit/test_account_lock.py",
    ]
    environment = {**os.environ, "TRADEWIND_INVARIANTS": str(path)}
    for name in ("TRADEWIND_ALONE", "TRADEWIND_INVARIANTS_TOLD", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    subprocess.run(
        command, cwd=invariants.PAGE.parents[1], env=environment, check=True, capture_output=True, timeout=60
    )
    assert [row["id"] for row in invariant_report.read(path)] == ["R27", "R27"]
