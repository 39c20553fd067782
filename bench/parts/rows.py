"""Rows of a benchmark that measures us and a yardstick in the same run: what is printed, and what `--json` and `--record` get."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from typing import Any

from parts.history import finish


@dataclass(frozen=True)
class Row:
    """One row of the targets: medians of interleaved rounds, in ``unit`` (lower is better).

    ``target`` is a bound on ``ours`` in ``unit``; with ``target_is_ratio`` a bound on ours / yardstick. None: no target is set.
    """

    name: str
    unit: str
    ours: float
    yardstick_name: str
    yardstick: float
    target: float | None = None
    target_is_ratio: bool = False

    @property
    def ratio(self) -> float:
        """Ours over the yardstick."""
        return self.ours / self.yardstick

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return (self.ratio if self.target_is_ratio else self.ours) <= self.target

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"ratio": round(self.ratio, 3), "met": self.met}


HEAD = f"{'':44}{'ours':>10}  {'yardstick':>10} {'':34}{'ratio':>6}  {'target':>10}"


def told(row: Row) -> str:
    """One line of the table."""
    bound = "-" if row.target is None else f"<= {row.target:g}{'x' if row.target_is_ratio else ''}"
    verdict = {None: "", True: "met", False: "NOT met"}[row.met]
    ours, yardstick = f"{row.ours:.4g} {row.unit}", f"{row.yardstick:.4g} {row.unit}"
    return f"{row.name:44}{ours:>10}  {yardstick:>10} {row.yardstick_name:34}{row.ratio:6.2f}  {bound:>10}  {verdict}"


def report(bench: str, rows: list[Row], options: argparse.Namespace) -> None:
    """Print the table, or JSON; record as asked."""
    if not options.json:
        print(HEAD)
        for row in rows:
            print(told(row))
    finish(bench, [row.as_dict() for row in rows], options)
