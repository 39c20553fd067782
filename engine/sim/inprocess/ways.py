"""How long bytes are under way between engine and venue: fixed parts from the configuration, jitter from seeded dice."""

from __future__ import annotations

import random
from dataclasses import dataclass

NS_PER_US = 1_000


@dataclass(frozen=True)
class Latency:
    """One-way times in microseconds. Each message takes its fixed part and up to `jitter_us` more, evenly spread."""

    to_venue_us: int = 0
    from_venue_us: int = 0
    jitter_us: int = 0

    def __post_init__(self) -> None:
        if min(self.to_venue_us, self.from_venue_us, self.jitter_us) < 0:
            raise ValueError("a latency cannot be below 0")


class Way:
    """One direction of one connection: messages arrive in the order in which they left."""

    __slots__ = ("_dice", "_fixed_ns", "_free_ns", "_jitter_ns")

    def __init__(self, fixed_us: int, jitter_us: int, dice: random.Random) -> None:
        self._fixed_ns = fixed_us * NS_PER_US
        self._jitter_ns = jitter_us * NS_PER_US
        self._dice = dice
        self._free_ns = 0

    def arrival_ns(self, now_ns: int) -> int:
        """When what leaves now is there; never before what left earlier."""
        jitter_ns = self._dice.randrange(self._jitter_ns + 1) if self._jitter_ns else 0
        self._free_ns = max(self._free_ns, now_ns + self._fixed_ns + jitter_ns)
        return self._free_ns
