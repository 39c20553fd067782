"""How answers look: tables on a terminal (only then is `rich` imported), plain columns in a pipe, JSON when asked."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    import orjson

    sys.stdout.write(orjson.dumps(value, default=str).decode() + "\n")
    sys.stdout.flush()


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str = "none") -> None:
    """Rows of one kind; `columns` are the keys to show, also the headings."""
    cells = [[cell_text(row.get(column, "")) for column in columns] for row in rows]
    if not cells:
        print(empty)
    elif sys.stdout.isatty():
        _rich_table(cells, columns)
    else:
        print("\n".join(plain_columns([list(columns), *cells])))


def print_fields(fields: Mapping[str, Any]) -> None:
    """One thing's properties, a line each."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        print(f"{name:<{width}}  {cell_text(value)}")


def cell_text(value: Any) -> str:
    """A value in a table's cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def plain_columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Rows padded to columns, two spaces between."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _rich_table(cells: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in cells:
        table.add_row(*row)
    Console().print(table)


def clear_screen() -> None:
    """Begin the next picture of a `--watch` on a terminal; in a pipe the pictures follow one another."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[H\x1b[2J")


def duration_text(nanoseconds: int) -> str:
    """A latency in its own unit, three digits."""
    for unit, scale in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if nanoseconds >= scale:
            return f"{nanoseconds / scale:.3g} {unit}"
    return f"{nanoseconds} ns"


def time_text(wall_ns: int) -> str:
    """A time stamp as UTC with milliseconds; a dash for none."""
    from datetime import UTC, datetime

    if wall_ns <= 0:
        return "-"
    moment = datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{wall_ns // 1_000_000 % 1000:03d}Z"
