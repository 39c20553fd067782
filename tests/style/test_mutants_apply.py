"""The patches of tests/mutants fit the tree and name tests that exist; `make mutants` shows that each is killed."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.mutants.patch import ROOT, DoesNotApply, Hunk, Patch, every, read

PATCHES = every()
PATCHES_MIN = 30


@cache
def functions(path: Path) -> frozenset[str]:
    """The names of all functions of a file."""
    return frozenset(node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))


def exists(killer: str) -> bool:
    """Is there a test of this node id: a file, and where it names one, a function in it."""
    file, _, name = killer.partition("::")
    path = ROOT / file
    return path.is_file() and (not name or name.partition("[")[0] in functions(path))


def test_there_are_at_least_thirty_each_of_a_guard_of_its_own() -> None:
    assert len(PATCHES) >= PATCHES_MIN
    assert [guard for guard, count in Counter(patch.guard for patch in PATCHES).items() if count > 1] == []


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_patch_applies_and_its_killers_exist(patch: Patch) -> None:
    texts = patch.texts()
    assert [path for path, text in texts.items() if text == (ROOT / path).read_text()] == []
    assert [killer for killer in patch.killers if not exists(killer)] == []


def test_what_does_not_stand_exactly_once_does_not_apply() -> None:
    hunk = Hunk("a.py", "if x:\n", "if True:\n")
    assert hunk.applied("a\nif x:\nb\n") == "a\nif True:\nb\n"
    for text in ("a\n", "if x:\nif x:\n"):
        with pytest.raises(DoesNotApply):
            hunk.applied(text)


def test_a_patch_without_a_guard_a_killer_or_a_change_is_refused(tmp_path: Path) -> None:
    change = "--- a/x.py\n+++ b/x.py\n@@ -1,1 +1,0 @@\n-x\n"
    whole = f"Guard: g\nKilled-by: tests/x.py\n{change}"
    path = tmp_path / "one.patch"
    path.write_text(whole)
    assert read(path) == Patch("one", "g", ("tests/x.py",), (Hunk("x.py", "x\n", ""),))
    for text in (whole.replace("Guard: g\n", ""), whole.replace("Killed-by: tests/x.py\n", ""), whole[:-3]):
        path.write_text(text)
        with pytest.raises(ValueError):
            read(path)
