"""No kind of order without a scenario or a contract test that places, amends, triggers, fills and cancels it, on spot and USD-M."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.sim.cells import ELSEWHERE, NEVER, ROWS, table

ROOT = Path(__file__).resolve().parents[2]


def test_every_cell_of_every_kind_of_order_is_shown() -> None:
    holes = [cell for cell, shown_by in table().items() if not shown_by]
    assert not holes, "\n".join(" ".join(cell) for cell in holes)


def test_what_is_shown_elsewhere_is_a_test_and_what_never_is_has_a_reason() -> None:
    for cell, name in ELSEWHERE.items():
        path, _, test = name.partition("::")
        found = {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}
        assert test in found, cell
    assert all(reason and cell[0] in ROWS for cell, reason in NEVER.items())
