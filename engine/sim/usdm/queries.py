"""Rows of the past by time window, as every query of the exchange takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def in_window(
    rows: Iterable[T], time_of: Callable[[T], int], start_ns: int | None, end_ns: int | None, limit: int
) -> list[T]:
    """Rows between two times, inclusive: the first ``limit`` from a start, else the newest ``limit``."""
    chosen = [
        row
        for row in rows
        if (start_ns is None or time_of(row) >= start_ns) and (end_ns is None or time_of(row) <= end_ns)
    ]
    return chosen[: max(0, limit)] if start_ns is not None else chosen[max(0, len(chosen) - limit) :]
