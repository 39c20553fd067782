"""Cutting a failing schedule down: what is left still breaks the same invariant, and nothing of it can be left out alone.

First the time behind the failure goes, then whole families of events, then symbols, then ever smaller pieces of what is left (delta
debugging, after Zeller and Hildebrandt 2002). A hunt is a function of its schedule, so each trial is one run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from engine.hunt.schedule import Event, Schedule

# what a schedule breaks: the key of the violation, or nothing
Trial = Callable[[Schedule], str]
MS_PER_S = 1_000


@dataclass
class Shrinker:
    """`trial(schedule)` says what it breaks; at most `trials_max` of them are made. `say` is told how it goes."""

    trial: Trial
    trials_max: int = 150
    say: Callable[[str], None] = lambda _text: None
    trials: int = field(default=0)

    def shrink(self, schedule: Schedule, key: str, broke_at_s: float) -> Schedule:
        """The least schedule that was found; the given one where nothing can go."""
        best = schedule.replaced([event for event in schedule.events if event.at_ms <= broke_at_s * MS_PER_S])
        best = self._take(schedule, best, key)
        for family in sorted({event.family for event in best.events}):
            best = self._take(best, best.replaced([event for event in best.events if event.family != family]), key)
        for symbol in best.symbols if len(best.symbols) > 1 else ():
            fewer = tuple(name for name in best.symbols if name != symbol)
            if fewer:
                best = self._take(best, msgspec.structs.replace(best, symbols=fewer), key)
        return self._pieces(best, key)

    def _pieces(self, best: Schedule, key: str) -> Schedule:
        """Leave out halves, quarters, ... single events, as long as it goes on breaking."""
        parts = 2
        while best.events and self.trials < self.trials_max:
            size = max(1, len(best.events) // parts)
            fewer = self._one_less(best, size, key)
            if fewer is not None:
                best, parts = fewer, max(2, parts - 1)
                self.say(f"{len(best.events)} events left after {self.trials} runs")
            elif size == 1:
                break
            else:
                parts = min(len(best.events), parts * 2)
        return best

    def _one_less(self, best: Schedule, size: int, key: str) -> Schedule | None:
        """The first schedule with one piece of this size left out that still breaks; None where there is none."""
        for at in reversed(range(0, len(best.events), size)):
            fewer = best.replaced(without(best.events, at, size))
            if self._breaks(fewer, key):
                return fewer
        return None

    def _take(self, before: Schedule, after: Schedule, key: str) -> Schedule:
        """The cut one if it still breaks."""
        return after if after != before and self._breaks(after, key) else before

    def _breaks(self, schedule: Schedule, key: str) -> bool:
        if self.trials >= self.trials_max:
            return False
        self.trials += 1
        return self.trial(schedule) == key


def without(events: Sequence[Event], at: int, size: int) -> list[Event]:
    """The events but for a piece."""
    return [*events[:at], *events[at + size :]]
