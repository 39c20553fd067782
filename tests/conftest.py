"""What every kind of test may ask for: recorded data, and how much of it this run does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import invariant_report
from tests.postgres_server import PostgresServer, binaries
from tests.style import invariants

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


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test file's own; without one installed the test is skipped."""
    if binaries() is None:
        pytest.skip("no PostgreSQL server here; on Debian or Ubuntu: apt-get install postgresql")
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def amount() -> str:
    """How much a test does: ``commit`` on every run, ``long`` in ``make sim``."""
    chosen = os.environ.get("TRADEWIND_AMOUNT", "commit")
    if chosen not in ("commit", "long"):
        pytest.fail(f"TRADEWIND_AMOUNT is {chosen!r}: commit or long")
    return chosen


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """How many cases this test tried for an invariant: `tried("R11", 46_080)`. Told in the report at the end of the run."""

    properties = request.node.user_properties
    # a second try counts anew
    properties[:] = [item for item in properties if item[0] != invariant_report.TRIED]

    def note(id_: str, count: int) -> None:
        assert id_ in invariants.IDS, id_
        properties.append((invariant_report.TRIED, [id_, int(count)]))

    return note


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """See tests/scheduling.py; asked only where several processes run."""
    from tests.scheduling import ByFile

    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that start processes have a second try.

    A shared machine stalls for seconds now and then. What failed once is told in the summary; what fails twice fails the run.
    """
    is_long = os.environ.get("TRADEWIND_AMOUNT") == "long"
    for item in items:
        if is_long:
            # what a test may take is said for what every run does of it
            item.own_markers[:] = [mark for mark in item.own_markers if mark.name != "timeout"]
        kind = item.path.relative_to(PROJECT / "tests").parts[0] if item.path.is_relative_to(PROJECT / "tests") else ""
        if kind in PROCESS_HEAVY:
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=2))
    wanted = os.environ.get("TRADEWIND_ALONE", "")
    if wanted:
        by_wish: dict[bool, list[pytest.Item]] = {True: [], False: []}
        for item in items:
            by_wish[(item.get_closest_marker("alone") is not None) == (wanted == "only")].append(item)
        config.hook.pytest_deselected(items=by_wish[False])
        items[:] = by_wish[True]


def pytest_itemcollected(item: pytest.Item) -> None:
    """The ids that a test carries go with its report, from whichever process it runs in."""
    for mark in item.iter_markers("invariant"):
        item.user_properties.append((invariant_report.INVARIANT, mark.args[0]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Add what this part of the run tried to the file of the run; the last part prints all of it."""
    path = Path(os.environ.get("TRADEWIND_INVARIANTS", ""))
    # of several processes the one that hears of all tests tells them: others may have a summary, too
    if not path.name or hasattr(terminalreporter.config, "workerinput"):
        return
    rows = []
    for outcome in ("passed", "failed", "error", "skipped", "rerun"):
        for report in terminalreporter.getreports(outcome):
            if report.when == "call" or outcome != "passed":
                told = "failed" if outcome == "error" else outcome
                rows += invariant_report.row_of(told, report.user_properties)
    invariant_report.add(path, rows)
    if os.environ.get("TRADEWIND_INVARIANTS_TOLD"):
        terminalreporter.section("what must always hold")
        page = invariants.PAGE.read_text()
        for line in invariant_report.table(invariant_report.tallied(invariant_report.read(path)), page):
            terminalreporter.line(line)
