"""The venue's own seeded generator (splitmix64): the same seed gives the same market on every machine."""

from __future__ import annotations

import math

_MASK = (1 << 64) - 1
_TO_UNIT = 1.0 / (1 << 53)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class SeededRandom:
    """A deterministic stream of numbers; constants of splitmix64 after Steele, Lea and Flood (2014)."""

    __slots__ = ("_spare", "_state")

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK
        self._spare: float | None = None

    def bits64(self) -> int:
        """Return 64 random bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def unit(self) -> float:
        """Return a float in [0, 1)."""
        return (self.bits64() >> 11) * _TO_UNIT

    def between(self, low: float, high: float) -> float:
        """Return a float in [low, high)."""
        return low + (high - low) * self.unit()

    def below(self, bound: int) -> int:
        """Return an int in [0, bound)."""
        return (self.bits64() * bound) >> 64

    def chance(self, probability: float) -> bool:
        """Return True with ``probability``."""
        return self.unit() < probability

    def exponential(self, mean: float) -> float:
        """Return a waiting time of a Poisson process."""
        return -mean * math.log(1.0 - self.unit())

    def gauss(self) -> float:
        """Return a standard normal number (Box-Muller, one spare kept)."""
        if self._spare is not None:
            spare, self._spare = self._spare, None
            return spare
        radius = math.sqrt(-2.0 * math.log(1.0 - self.unit()))
        angle = 2.0 * math.pi * self.unit()
        self._spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def lognormal(self, mean: float, sigma: float) -> float:
        """Return a positive number with the given mean."""
        return mean * math.exp(sigma * self.gauss() - 0.5 * sigma * sigma)

    def name(self, length: int) -> str:
        """Return random letters and digits."""
        return "".join(_ALPHABET[self.below(62)] for _ in range(length))
