"""Each reason of the gate is in the table of its checks; each check has tests of its edges, and patches that those tests kill."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from engine.model.codes import Reason
from engine.risk.reasons import MEANINGS
from tests.mutants.patch import every
from tests.style.gate_checks import CHECKS, Row
from tests.style.tree import ROOT

PATCHES = {patch.name: patch for patch in every()}
SOURCES = {
    "gate",
    "terms",
    "exposure",
    "tables",
    "monitor",
    "instruments",
    "recent",
    "approval",
    "native",
    "lifecycle",
    "orders",
}


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def names_in(path: Path) -> frozenset[str]:
    found = ast.walk(ast.parse(text_of(path)))
    return frozenset(node.name for node in found if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def missing(reasons: set[Reason]) -> set[Reason]:
    """Those that no row of the table has."""
    return reasons - {reason for row in CHECKS.values() for reason in row.reasons}


def holes(row: Row) -> list[str]:
    """What a row says and the tree does not have."""
    files = [ROOT / "tests" / test.partition("::")[0] for test in row.tests]
    absent = [test for test, path in zip(row.tests, files, strict=True) if not path.is_file()]
    if absent:
        return [f"no file of {test}" for test in absent]
    told = [
        f"no test {test}"
        for test, path in zip(row.tests, files, strict=True)
        if test.partition("::")[2] not in names_in(path)
    ]
    told += [
        f"{reason.name}: no test of the row's files names it"
        for reason in row.reasons
        if not any(f"Reason.{reason.name}" in text_of(path) for path in files)
    ]
    return told + [hole for name in row.mutants for hole in holes_of_a_patch(name, row)]


def holes_of_a_patch(name: str, row: Row) -> list[str]:
    """A row's patch exists, changes what the gate reads, and dies by a test of the row."""
    patch = PATCHES.get(name)
    if patch is None:
        return [f"no patch {name}"]
    ours = {f"tests/{test}" for test in row.tests} | {f"tests/{test.partition('::')[0]}" for test in row.tests}
    found = (
        []
        if ours & {killer.partition("[")[0] for killer in patch.killers}
        else [f"{name}: no test of the row kills it"]
    )
    return found + [f"{name}: {path} is not the gate's" for path in patch.paths if Path(path).stem not in SOURCES]


def test_every_reason_of_the_gate_has_a_check() -> None:
    assert missing({reason for reason, meaning in MEANINGS.items() if meaning.by == "gate"}) == set()


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_has_tests_of_its_edges_and_a_patch_that_takes_it_away(check: str) -> None:
    row = CHECKS[check]
    assert row.reasons
    assert row.tests
    assert row.mutants
    assert holes(row) == []


def test_every_patch_of_the_gate_belongs_to_a_check_or_to_what_the_checks_count() -> None:
    """What is no refusal of a check: what amends and panic orders ask, how lists, lines and contracts are counted."""
    counted = {
        *("gate-amend", "gate-amend-open", "gate-amend-remainder", "gate-child-refusals", "gate-exclusive-legs"),
        *(
            "gate-line-state",
            "gate-panic-doubt",
            "gate-panic-ready",
            "gate-panic-stopping",
            "gate-sibling",
            "gate-worse-price",
        ),
    }
    listed = {name for row in CHECKS.values() for name in row.mutants}
    assert {name for name in PATCHES if name.startswith("gate-")} - listed - counted == set()


def test_a_row_that_lacks_a_test_a_patch_or_a_reason_is_seen() -> None:
    whole = CHECKS["slippage bound for market orders"]
    assert holes(whole) == []
    assert holes(whole._replace(tests=("unit/test_gate_prices.py::test_there_is_no_such_test",)))
    assert holes(whole._replace(tests=("unit/test_no_such_file.py::test_a",)))
    assert holes(whole._replace(mutants=("gate-no-such-patch",)))
    assert holes(whole._replace(mutants=("gate-short",))), "killed, but by no test of the row"
    assert holes(whole._replace(mutants=("ring-full",))), "not the gate's"
    assert holes(whole._replace(reasons=(Reason.SHORT_BANNED,))), "its tests do not name it"
    assert missing({Reason.VENUE_REJECT}) == {Reason.VENUE_REJECT}
