"""Slow twins of what the risk monitor measures, from the definitions alone: lists of all that happened, fractions, no rings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class TradesTwin:
    """Every fill in units: profit is what came in less what went out, plus what is held at its mark."""

    fills: list[tuple[Fraction, Fraction, Fraction]] = field(default_factory=list)

    def book(self, qty: Fraction, price: Fraction, fee: Fraction) -> int:
        """One fill (signed quantity); -1, 0, 1 for the round trip that it ended."""
        before = self.held()
        self.fills.append((qty, price, fee))
        after = self.held()
        if before == 0 or (after != 0 and (after > 0) == (before > 0)):
            return 0
        result = self.trip()
        return (result > 0) - (result < 0)

    def held(self) -> Fraction:
        return sum((qty for qty, _, _ in self.fills), Fraction(0))

    def profit(self, mark: Fraction) -> Fraction:
        return sum((-qty * price - fee for qty, price, fee in self.fills), Fraction(0)) + self.held() * mark

    def trip(self) -> Fraction:
        """The result of the round trip that the last fill ended: from the fill that opened it, fees and all."""
        total, held, result = Fraction(0), Fraction(0), Fraction(0)
        for qty, price, fee in self.fills:
            total -= fee
            after = held + qty
            turns = held != 0 and after != 0 and (held > 0) != (after > 0)
            closing = -held if turns else qty
            total -= closing * price
            if held != 0 and (turns or after == 0):
                result, total = total, Fraction(0)
            total -= (qty - closing) * price
            held = after
        return result


def move_bps(mids: list[tuple[int, int]], now: int, window: int, *, slack: int) -> tuple[int, int]:
    """The farthest move against any mid of the window, rounded up: over the window, and over the window and `slack` more."""

    def farthest(reach: int) -> int:
        seen = [mid for at, mid in mids if now - at <= reach]
        mid, low, high = seen[-1], min(seen), max(seen)
        return max(math.ceil(Fraction((mid - low) * 10_000, low)), math.ceil(Fraction((high - mid) * 10_000, high)))

    return farthest(window), farthest(window + slack)


def breaker_states(
    events: list[tuple[int, str]], *, failures: int, window: int, cooldown: int, probes: int
) -> list[str]:
    """The state after each event (`fail`, `ok`, `look`) by the rules as they are written, from the whole history each time."""
    state, opened, good, failed = "closed", 0, 0, []  # type: str, int, int, list[int]
    found = []
    for at, event in events:
        if state == "open" and at - opened >= cooldown:
            state, good = "half-open", 0
        if event == "fail" and state != "open":
            failed.append(at)
            if state == "half-open" or sum(at - stamp <= window for stamp in failed) >= failures:
                state, opened, failed, good = "open", at, [], 0
        elif event == "ok" and state == "half-open":
            good += 1
            if good >= probes:
                state, failed, good = "closed", [], 0
        found.append(state)
    return found
