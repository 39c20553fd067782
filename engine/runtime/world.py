"""The World: clock, network, disk and chance. The only door to each; a simulation puts its own behind it."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.runtime.clock import Clock
from engine.runtime.disk import Disk

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class World:
    """What the engine lives in. `net` is the network's implementation (engine.runtime.net), None where nothing
    connects.
    """

    clock: Clock
    disk: Disk
    seed: int
    rng: random.Random = field(repr=False)
    net: Any = None
    is_virtual: bool = False

    @classmethod
    def live(cls, net: Any = None) -> World:
        """The real one: system clock, real files, a seed from the system's entropy."""
        seed = int.from_bytes(os.urandom(8), "little")
        return cls(clock=Clock(), disk=Disk(), seed=seed, rng=random.Random(seed), net=net)

    @classmethod
    def virtual(cls, seed: int, net: Any = None, clock: Clock | None = None, disk: Disk | None = None) -> World:
        """A world that is a function of its seed: a clock that stands until it is moved, chance from the seed."""
        return cls(
            clock=clock or Clock.virtual(),
            disk=disk or Disk(),
            seed=seed,
            rng=random.Random(seed),
            net=net,
            is_virtual=True,
        )

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes: unguessable in the real world, repeatable in a virtual one."""
        return self.rng.randbytes(count) if self.is_virtual else os.urandom(count)

    @property
    def process_id(self) -> int:
        """The process id; 0 in a virtual world, whose journals must not differ by it."""
        return 0 if self.is_virtual else os.getpid()

    def boot_id(self) -> bytes:
        """16 bytes that change with every boot of the machine."""
        return uuid.UUID(BOOT_ID.read_text().strip()).bytes

    def polls(self, interval_s: float) -> Iterator[None]:
        """Endless turns with a pause between them, for cold code that follows a file."""
        while True:
            yield
            time.sleep(interval_s)
