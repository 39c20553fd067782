"""Rounds that disturb one another little: one core, no collector, the cases in turn."""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep this process on its last core and the collector off while it measures."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        os.sched_setaffinity(0, before)


def interleaved(cases: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each case over `rounds` after one to warm up; a round runs each once, so the machine's state hits all."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    with quiet():
        for number in range(rounds + 1):
            for name, case in cases.items():
                value = case()
                if number:
                    found[name].append(value)
    return {name: statistics.median(values) for name, values in found.items()}
