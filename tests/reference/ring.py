"""A bounded queue as a deque: what a ring does, without rings."""

from __future__ import annotations

from collections import deque


class SlowRing:
    """At most ``capacity`` records; what finds no room is counted and dropped."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.waiting: deque[bytes] = deque()
        self.refused = self.published = self.high_water = 0

    def put(self, records: list[bytes]) -> int:
        """How many found room."""
        fitting = records[: self.capacity - len(self.waiting)]
        self.waiting.extend(fitting)
        self.published += len(fitting)
        self.refused += len(records) - len(fitting)
        self.high_water = max(self.high_water, len(self.waiting))
        return len(fitting)

    def take(self, most: int) -> list[bytes]:
        """The oldest, at most so many."""
        return [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
