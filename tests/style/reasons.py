"""The table of reasons in ``docs/risk.md``: written by this file from `engine.risk.reasons`. ``make docs`` runs it."""

from __future__ import annotations

import sys

from engine.risk.reasons import table
from tests.style.tree import ROOT

PAGE = ROOT / "docs" / "risk.md"
BEGIN, END = "<!-- reasons: written by make docs -->", "<!-- end of reasons -->"


def renewed(page: str) -> str:
    """The page with the table as it is now. Raises ValueError where the page has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name}: no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> int:
    """Write the page again."""
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
