"""The page of invariants says what the tests say."""

from __future__ import annotations

from tests.style import invariants
from tests.style.tree import Source, sources

PAGE = "| R01 | a promise | open | - | all of it |\n| R02 | another | held | `unit/test_old.py` | - |\n"
MARKED = Source(
    "tests/fault/test_kill.py", 'import pytest\n@pytest.mark.invariant("R01")\ndef test_a() -> None:\n    assert 1\n'
)


def test_every_invariant_has_its_row_in_order() -> None:
    assert [row.id for row in invariants.rows(invariants.PAGE.read_text())] == invariants.IDS


def test_every_marked_id_is_known() -> None:
    assert set(invariants.marked_tests(sources(".py", below="tests"))) <= set(invariants.IDS)


def test_the_page_is_as_the_marks_say() -> None:
    page = invariants.PAGE.read_text()
    fresh = invariants.renewed(page, invariants.marked_tests(sources(".py", below="tests")))
    assert page == fresh, "docs/invariants.md is old: run `make docs`"


def test_a_mark_is_written_into_its_row() -> None:
    first = invariants.renewed(PAGE, invariants.marked_tests([MARKED])).splitlines()[0]
    assert first == "| R01 | a promise | open | `fault/test_kill.py` | all of it |"


def test_a_row_without_tests_is_open_whatever_stood_there() -> None:
    second = invariants.renewed(PAGE, {}).splitlines()[1]
    assert second == "| R02 | another | open | - | - |"


def test_a_row_is_held_when_it_is_shown_and_nothing_is_left() -> None:
    row = invariants.Row("R01", "a promise", ("fault/test_kill.py",), "")
    assert row.state == "held"
    assert invariants.Row("R01", "a promise", ("fault/test_kill.py",), "power cut").state == "open"
