"""The table of ``docs/invariants.md``: its states and tests are written by this file, its words by people.

``make docs`` (``python -m tests.style.invariants``) reads which tests carry ``@pytest.mark.invariant("R01")`` and
writes the columns "State" and "Shown by" again. A row is held when tests carry its id and a person has emptied its
"Still open" cell; else it is open.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, replace

from tests.style.rules import dotted
from tests.style.tree import ROOT, Source, sources

PAGE = ROOT / "docs" / "invariants.md"
IDS = [f"R{number:02d}" for number in range(1, 36)]
ROW = re.compile(r"^\| (R\d\d) \| (.*?) \| (open|held) \| (.*?) \| (.*?) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """One invariant: what must hold, the tests that carry its id, and what of it is not yet shown."""

    id: str
    promise: str
    tests: tuple[str, ...]
    still_open: str

    @property
    def state(self) -> str:
        """Held: shown, and nothing of it left open."""
        return "held" if self.tests and not self.still_open else "open"

    def __str__(self) -> str:
        shown = ", ".join(f"`{test}`" for test in self.tests) or "-"
        return f"| {self.id} | {self.promise} | {self.state} | {shown} | {self.still_open or '-'} |"


def marked_tests(found: list[Source]) -> dict[str, set[str]]:
    """Id -> files whose tests (or test classes, or whole module by ``pytestmark``) carry it."""
    marks: dict[str, set[str]] = {}
    for source in found:
        for node in ast.walk(source.syntax):
            if not isinstance(node, ast.Call) or not dotted(node.func).endswith("mark.invariant"):
                continue
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    marks.setdefault(argument.value, set()).add(source.path)
    return marks


def rows(page: str) -> list[Row]:
    """The rows of a page as they stand."""
    found = []
    for id_, promise, _, shown, still_open in ROW.findall(page):
        tests = tuple(re.findall(r"`([^`]+)`", shown))
        found.append(Row(id_, promise, tests, "" if still_open == "-" else still_open))
    return found


def renewed(page: str, marks: dict[str, set[str]]) -> str:
    """The page with its states and tests as the marks say."""
    for row in rows(page):
        tests = tuple(sorted(path.removeprefix("tests/") for path in marks.get(row.id, ())))
        fresh = str(replace(row, tests=tests))
        page = re.sub(rf"^\| {row.id} \|.*$", lambda _, line=fresh: line, page, flags=re.MULTILINE)  # type: ignore[misc]
    return page


def main() -> int:
    """Write the page again."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(renewed(page, marked_tests(sources(".py", below="tests"))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
