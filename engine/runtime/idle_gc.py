"""Garbage collection in idle turns: what stood at start is frozen, the rest waits until nothing else does.

A collection that runs in the middle of a callback costs 10-50 ms at the worst moment. So the automatic one is
switched off, and generations 0 and 1 are collected when the loop is idle, within a budget: a generation whose last
collection cost more than what is left of the budget waits for the next period. The oldest generation is never
collected on the hot path; what strategies leak into it by reference cycles stays until the process restarts, and
the resident size tells.
"""

from __future__ import annotations

import gc
from typing import Protocol

from engine.model.codes import Counter

PERIOD_NS = 1_000_000_000


class CounterSink(Protocol):
    """The part of `engine.runtime.counters.Counters` that is needed here."""

    def add(self, counter: int, n: int = 1) -> None:
        """Add ``n`` to a counter."""


class MonotonicClock(Protocol):
    """The part of `engine.runtime.clock.Clock` that is needed here."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never steps."""


class IdleCollector:
    """Collects in idle turns, at most ``budget_ns`` in a second."""

    def __init__(self, clock: MonotonicClock, counters: CounterSink, budget_ns: int = 2_000_000) -> None:
        if budget_ns <= 0:
            raise ValueError(f"a budget of {budget_ns} ns collects nothing")
        self._clock = clock
        self._counters = counters
        self._budget_ns = budget_ns
        self._spent_ns = 0
        self._period_end_ns = 0
        self._cost_ns = [0, 0]
        self._thresholds = gc.get_threshold()
        self.is_frozen = False

    def freeze(self) -> None:
        """After start: collect once, take what lives out of all later collections, and switch the automatic one off."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self.is_frozen = True

    def thaw(self) -> None:
        """Back to Python's own ways (orderly stop, tests)."""
        gc.unfreeze()
        gc.enable()
        self.is_frozen = False

    def idle(self) -> int:
        """Call when nothing waits. Collects at most one generation; returns the nanoseconds that it took."""
        counts = gc.get_count()
        if counts[0] < self._thresholds[0] or not self.is_frozen:
            return 0
        generation = 1 if counts[1] >= self._thresholds[1] else 0
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._period_end_ns:
            self._spent_ns, self._period_end_ns = 0, now_ns + PERIOD_NS
            # half of what a collection cost is forgotten each period, so that one slow one does not end them for ever
            self._cost_ns = [cost_ns // 2 for cost_ns in self._cost_ns]
        if self._spent_ns + self._cost_ns[generation] > self._budget_ns:
            return 0
        return self._collect(generation, now_ns)

    def _collect(self, generation: int, begin_ns: int) -> int:
        gc.collect(generation)
        taken_ns = self._clock.monotonic_ns() - begin_ns
        self._cost_ns[generation] = taken_ns
        self._spent_ns += taken_ns
        self._counters.add(Counter.GC_COLLECTIONS)
        self._counters.add(Counter.GC_NS, taken_ns)
        return taken_ns
