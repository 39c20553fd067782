"""Everything of the core that happens at a time of its own, in one queue."""

from __future__ import annotations

import heapq
from collections.abc import Callable

NEVER_NS = (1 << 63) - 1
Action = Callable[[int], None]


class Timers:
    """Actions by due time, equal times in the order in which they were set."""

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, Action]] = []
        self._number = 0

    def at(self, due_ns: int, action: Action) -> None:
        """Call ``action(due_ns)`` then; an action that became moot must see so for itself."""
        self._number += 1
        heapq.heappush(self._queue, (due_ns, self._number, action))

    def next_ns(self) -> int:
        """When the next action is due."""
        return self._queue[0][0] if self._queue else NEVER_NS

    def fire_next(self) -> None:
        """Take the next action and do it."""
        due_ns, _, action = heapq.heappop(self._queue)
        action(due_ns)
