"""A histogram that keeps every value: exact quantiles, and the bounds of a log-linear bucket from their definition."""

from __future__ import annotations

from fractions import Fraction

VALUE_END = 2**37


def clamped(value: int) -> int:
    """What is recorded of a value: nothing below 0, nothing that takes more than 137 s."""
    return min(max(value, 0), VALUE_END - 1)


def bounds(value: int) -> tuple[int, int]:
    """The bucket [low, high) of a value: exact below 128; above, an octave [2^n, 2^(n+1)) is cut into 64 equal parts."""
    if value < 128:
        return value, value + 1
    octave = 64
    while octave * 2 <= value:
        octave *= 2
    width = octave // 64
    low = octave + (value - octave) // width * width
    return low, low + width


class SlowHistogram:
    """Every value that was recorded."""

    def __init__(self) -> None:
        self.values: list[int] = []

    def record(self, value: int) -> None:
        """Keep it."""
        self.values.append(clamped(value))

    def merged(self, other: SlowHistogram) -> SlowHistogram:
        """The values of both."""
        both = SlowHistogram()
        both.values = self.values + other.values
        return both

    def buckets(self) -> dict[tuple[int, int], int]:
        """How many values each bucket holds, by its bounds."""
        found: dict[tuple[int, int], int] = {}
        for value in self.values:
            found[bounds(value)] = found.get(bounds(value), 0) + 1
        return found

    def quantile(self, share: Fraction) -> int:
        """The smallest value that at least ``share`` of all values do not exceed; 0 where there is none."""
        ordered = sorted(self.values)
        for place, value in enumerate(ordered, 1):
            if Fraction(place, len(ordered)) >= share:
                return value
        return 0
