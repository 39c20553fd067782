"""Average true range of trades: bars are made here, on the grid of wall time, from the trades that are told.

True range of a bar: the most of high - low, |high - last close|, |low - last close|. The average is the plain mean of the last
`bars` bars (Wilder's is a smoothing of the same that never forgets). Bars without a trade are not made.
"""

from __future__ import annotations

from collections import deque

from engine.model.instructions import WHOLE_BPS, AtrTrail


class AverageRange:
    """The mean true range in ticks; 0 until there are enough bars."""

    def __init__(self, terms: AtrTrail) -> None:
        self.terms = terms
        self.ranges: deque[int] = deque(maxlen=terms.bars)
        self.number = -1
        self.high = self.low = self.close = 0
        self.last_close = 0

    def add(self, price_ticks: int, wall_ns: int) -> bool:
        """One trade; True where it closed a bar. A trade of an earlier bar that comes late counts to the present one."""
        number = max(wall_ns // self.terms.interval_ns, self.number)
        closed = self.number >= 0 and number > self.number
        if closed:
            self.close_bar()
        if number > self.number:
            self.number = number
            self.high = self.low = price_ticks
        self.high, self.low = max(self.high, price_ticks), min(self.low, price_ticks)
        self.close = price_ticks
        return closed

    def close_bar(self) -> None:
        """The bar's true range."""
        last = self.last_close or self.close
        self.ranges.append(max(self.high - self.low, abs(self.high - last), abs(self.low - last)))
        self.last_close = self.close

    def distance_ticks(self) -> int:
        """The trail's distance: the mean times the multiple, rounded up, one tick at least; 0 where bars are missing."""
        if len(self.ranges) < self.terms.bars:
            return 0
        whole = sum(self.ranges) * self.terms.multiple_e4
        return max(-(-whole // (len(self.ranges) * WHOLE_BPS)), 1)
