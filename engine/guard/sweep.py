"""Cancel everything of some symbols at one venue, look whether anything is left, and again until nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.runtime.clock import Clock
from engine.runtime.net import NetError
from engine.venues.binance.rest_cancel import CancelRefused, VenueQuiet

RETRY_S_MIN = 0.02
RETRY_S_MAX = 2.0

Note = Callable[..., None]


class Canceller(Protocol):
    """The part of a venue that a sweep needs."""

    async def cancel_all(self, symbol: str) -> int: ...
    async def open_orders(self, symbol: str) -> int: ...


@dataclass
class Progress:
    """How far a sweep has come; times in nanoseconds since it was asked for, -1 = not yet."""

    cause: str
    symbols: tuple[str, ...]
    began_mono_ns: int
    first_cancel_ns: int = -1
    last_cancel_ns: int = -1
    verified_ns: int = -1
    rounds: int = 0
    open_left: dict[str, int] = field(default_factory=dict)
    fault: str = ""

    @property
    def is_verified(self) -> bool:
        """Has the venue said that nothing is open."""
        return self.verified_ns >= 0


class Sweep:
    """One venue's sweep. `run` ends when the venue has said of every symbol that nothing is open, or when it is cancelled."""

    def __init__(self, venue: str, canceller: Canceller, clock: Clock, note: Note) -> None:
        self._venue = venue
        self._canceller = canceller
        self._clock = clock
        self._note = note

    async def run(self, progress: Progress) -> None:
        """Cancel and verify, round by round, waiting longer between rounds that do not get anywhere."""
        left = list(progress.symbols)
        delay_s = RETRY_S_MIN
        while left:
            progress.rounds += 1
            results = await asyncio.gather(*(self._clean(symbol, progress) for symbol in left))
            quiet_s = max(quiet_s for _, quiet_s in results)
            left = [symbol for symbol, (is_clean, _) in zip(left, results, strict=True) if not is_clean]
            if left:
                await asyncio.sleep(max(delay_s, quiet_s))
                delay_s = min(RETRY_S_MAX, delay_s * 2)
        progress.verified_ns = self._clock.monotonic_ns() - progress.began_mono_ns
        self._say("verified", progress, elapsed_ns=progress.verified_ns, rounds=progress.rounds)

    async def _clean(self, symbol: str, progress: Progress) -> tuple[bool, float]:
        """One symbol, one round: (is nothing open, seconds of quiet that the venue asks for)."""
        try:
            found = await self._cancel(symbol, progress)
            count = await self._canceller.open_orders(symbol)
        except VenueQuiet as quiet:
            self._fault(symbol, progress, quiet)
            return False, quiet.wait_s
        except (NetError, CancelRefused) as error:
            self._fault(symbol, progress, error)
            return False, 0.0
        progress.open_left[symbol] = count
        self._say("cancelled", progress, symbol=symbol, had_orders=bool(found), still_open=count)
        return count == 0, 0.0

    async def _cancel(self, symbol: str, progress: Progress) -> int:
        elapsed_ns = self._clock.monotonic_ns() - progress.began_mono_ns
        progress.first_cancel_ns = elapsed_ns if progress.first_cancel_ns < 0 else progress.first_cancel_ns
        progress.last_cancel_ns = (
            max(progress.last_cancel_ns, elapsed_ns) if progress.rounds == 1 else progress.last_cancel_ns
        )
        return await self._canceller.cancel_all(symbol)

    def _fault(self, symbol: str, progress: Progress, error: Exception) -> None:
        """Told once a cause: a venue that is away for an hour does not fill the log."""
        if str(error) != progress.fault:
            progress.fault = str(error)
            self._say("failed", progress, symbol=symbol, error=str(error))

    def _say(self, event: str, progress: Progress, **facts: Any) -> None:
        self._note(event, venue=self._venue, cause=progress.cause, **facts)
