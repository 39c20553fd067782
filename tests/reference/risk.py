"""Slow twins of what the risk monitor measures, from the definitions alone: lists of all that happened, fractions, no rings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class TradesTwin:
    """Every fill in units: profit is what came in less what went out, plus what is held at its mark.

    A contract's value is price x quantity x multiplier, an inverse one's minus quantity x multiplier / price, to
    sixteen decimals, half to even; a fill that turns the position is two: what closes, and what opens.
    """

    multiplier: Fraction = Fraction(1)
    is_inverse: bool = False
    fills: list[tuple[Fraction, Fraction, Fraction]] = field(default_factory=list)

    def value(self, price: Fraction, qty: Fraction) -> Fraction:
        units = qty * self.multiplier
        return Fraction(round((-units / price if self.is_inverse else units * price) * 10**16), 10**16)

    def parts(self) -> list[tuple[Fraction, Fraction, Fraction, bool]]:
        """(quantity, price, fee, does it end a trip) of every fill, the turning ones in two."""
        held, found = Fraction(0), []
        for qty, price, fee in self.fills:
            turns = held * qty < 0 and abs(qty) > abs(held)
            closing = -held if turns else qty
            found.append((closing, price, fee, held != 0 and held + closing == 0))
            if turns:
                found.append((qty - closing, price, Fraction(0), False))
            held += qty
        return found

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
        paid = sum((self.value(price, qty) + fee for qty, price, fee, _ in self.parts()), Fraction(0))
        return self.value(mark, self.held()) - paid

    def trip(self) -> Fraction:
        """The result of the round trip that the last fill ended: from the fill that opened it, fees and all."""
        total, result = Fraction(0), Fraction(0)
        for qty, price, fee, ends in self.parts():
            total -= self.value(price, qty) + fee
            if ends:
                result, total = total, Fraction(0)
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
