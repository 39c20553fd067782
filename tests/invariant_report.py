"""What a run of the tests tried for each invariant, and what failed: gathered from every part of it, told before its last summary.

A test says its amount by the fixture `tried`: `tried("R11", 46_080)`. One that says none counts as one case of each id that it
carries. With ``TRADEWIND_INVARIANTS`` set, each part adds its rows to that file; the one with ``TRADEWIND_INVARIANTS_TOLD`` prints
the table of all.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.style import invariants

INVARIANT, TRIED = "invariant", "tried"


@dataclass
class Tally:
    """One id: tests that passed, failed, were skipped and had a second try (`rerun`), and what was tried in those that ran."""

    tests: Counter[str] = field(default_factory=Counter)
    tried: int = 0

    @property
    def violations(self) -> int:
        """Tests that found the invariant broken, or could not judge it."""
        return self.tests["failed"]


def row_of(outcome: str, properties: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """One test's row for each id that it carries, from what its report holds."""
    ids: dict[str, int] = {}
    amounts: Counter[str] = Counter()
    for name, value in properties:
        if name == INVARIANT:
            ids[str(value)] = 0
        elif name == TRIED:
            id_, count = value
            amounts[id_] += int(count)
    return [{"id": id_, "outcome": outcome, "tried": amounts[id_] or 1} for id_ in sorted(ids.keys() | amounts.keys())]


def tallied(rows: Iterable[dict[str, Any]]) -> dict[str, Tally]:
    """Rows by id."""
    found = {id_: Tally() for id_ in invariants.IDS}
    for row in rows:
        tally = found.setdefault(row["id"], Tally())
        tally.tests[row["outcome"]] += 1
        if row["outcome"] in ("passed", "failed"):
            tally.tried += row["tried"]
    return found


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of all parts so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def add(path: Path, rows: list[dict[str, Any]]) -> None:
    """Behind those of the parts before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def table(found: dict[str, Tally], page: str) -> list[str]:
    """Lines: id, state by the page, tests, amount, violations, promise."""
    lines = [f"{'id':5}{'state':7}{'tests':>6}{'skipped':>9}{'again':>7}{'tried':>13}{'violations':>12}"]
    for row in invariants.rows(page):
        tally = found.get(row.id, Tally())
        ran = tally.tests["passed"] + tally.tests["failed"]
        counts = f"{ran:6}{tally.tests['skipped']:9}{tally.tests['rerun']:7}{tally.tried:13,}{tally.violations:12}"
        lines.append(f"{row.id:5}{row.state:7}{counts}" + (f"   open: {row.still_open}" if row.still_open else ""))
    ran_ids = [tally for tally in found.values() if tally.tests["passed"] + tally.tests["failed"]]
    violations = sum(tally.violations for tally in found.values())
    lines.append(f"{len(ran_ids)} of {len(invariants.IDS)} ids tried, {violations} violations")
    return lines


def main() -> int:
    """The table of the last run of `make test`, from its file."""
    rows = read(Path(sys.argv[1]))
    sys.stdout.write("\n".join(table(tallied(rows), invariants.PAGE.read_text())) + "\n")
    return int(any(row["outcome"] == "failed" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
