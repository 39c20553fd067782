"""Timers as a list that is sorted when it is looked at."""

from __future__ import annotations


class SlowTimers:
    """Waiting timers as (deadline, id); ids count from 1."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.waiting: list[tuple[int, int]] = []
        self.last_id = 0

    def schedule(self, deadline: int) -> int | None:
        """The id, or None where no more may wait."""
        if len(self.waiting) == self.capacity:
            return None
        self.last_id += 1
        self.waiting.append((deadline, self.last_id))
        return self.last_id

    def cancel(self, timer_id: int) -> bool:
        """Was it waiting."""
        kept = [entry for entry in self.waiting if entry[1] != timer_id]
        was_there = len(kept) != len(self.waiting)
        self.waiting = kept
        return was_there

    def pop(self, now: int) -> tuple[int, int] | None:
        """The earliest that is due."""
        due = sorted(entry for entry in self.waiting if entry[0] <= now)
        if not due:
            return None
        self.waiting.remove(due[0])
        return due[0]

    def next_deadline(self) -> int | None:
        """Of all that wait."""
        return min(self.waiting)[0] if self.waiting else None
