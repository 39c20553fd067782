"""Cutting a failing schedule down: what is left still breaks the same invariant, and nothing of it can be left out alone.

First the time behind the failure goes, then whole families of events, then symbols, then ever smaller pieces of what is left (delta
debugging, after Zeller and Hildebrandt 2002). A hunt is a function of its schedule, so each trial is one run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from engine.hunt.schedule import Event, Schedule, cycles_until

# what a schedule breaks: the key of the violation, or nothing
Trial = Callable[[Schedule], str]
MS_PER_S = 1_000
# what is not whole at a calm's end breaks so much later: it was looked at again and again
LOOKS_S = 2


class TimeIsUp(Exception):
    """There is no time for another trial: what was found so far is the answer."""


@dataclass
class Shrinker:
    """`trial(schedule)` says what it breaks; at most `trials_max` of them are made, and none after one that raised TimeIsUp.

    `better` is given each lesser schedule that still breaks, with the number of runs that it took to come to it.
    """

    trial: Trial
    trials_max: int = 150
    better: Callable[[Schedule, int], None] = lambda _schedule, _trials: None
    trials: int = field(default=0)
    is_out_of_time: bool = field(default=False)

    def shrink(self, schedule: Schedule, key: str, broke_at_s: float) -> Schedule:
        """The least schedule that was found; the given one where nothing can go."""
        best = schedule.replaced([event for event in schedule.events if event.at_ms <= broke_at_s * MS_PER_S])
        best = self._take(schedule, best, key)
        # a run that does not break ends soon, too
        seconds = min(best.seconds, cycles_until(broke_at_s - LOOKS_S))
        best = self._take(best, msgspec.structs.replace(best, seconds=seconds), key)
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
        while best.events and not self.is_over:
            size = max(1, len(best.events) // parts)
            fewer = self._one_less(best, size, key)
            if fewer is not None:
                best, parts = fewer, max(2, parts - 1)
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
        if self.is_over:
            return False
        self.trials += 1
        try:
            is_broken = self.trial(schedule) == key
        except TimeIsUp:
            self.is_out_of_time = True
            return False
        if is_broken:
            self.better(schedule, self.trials)
        return is_broken

    @property
    def is_over(self) -> bool:
        """No other trial is made."""
        return self.is_out_of_time or self.trials >= self.trials_max


def without(events: Sequence[Event], at: int, size: int) -> list[Event]:
    """The events but for a piece."""
    return [*events[:at], *events[at + size :]]
