"""Feeds the venue's dead-man switch: a countdown at the venue after which it cancels by itself (Binance: countdownCancelAll).

It is fed only by progress of every actor, three times in a countdown. An engine that is dead, stopped or hung feeds it no more, and
the venue cancels what it left, whether anything else of ours still runs or not. The countdown is the venue's own clock's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from engine.runtime.clock import Clock

FEEDS_PER_COUNTDOWN = 3
NS_PER_MS = 1_000_000
DISARM_S_MAX = 2.0


class Countdown(Protocol):
    """The venue's half: cancel all of a symbol in `countdown_ms` unless told again; 0 stops the countdown."""

    async def countdown_cancel_all(self, symbol: str, countdown_ms: int) -> None: ...


class DeadManSwitch:
    """One account's switch over its symbols. `last_error` says why the latest feed failed, `is_fed` whether it has been taken."""

    def __init__(self, venue: Countdown, symbols: Iterable[str], countdown_ms: int, clock: Clock) -> None:
        self._venue = venue
        self._symbols = tuple(symbols)
        self._countdown_ms = countdown_ms
        self._clock = clock
        self._interval_ns = countdown_ms * NS_PER_MS // FEEDS_PER_COUNTDOWN
        self._next_ns = 0
        self._running: asyncio.Task[None] | None = None
        self.is_fed = False
        self.feeds = 0
        self.last_error = ""

    def feed(self) -> None:
        """Every actor has been polled again: begin the countdown anew, where it is time to."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_ns or (self._running is not None and not self._running.done()):
            return
        self._next_ns = now_ns + self._interval_ns
        self._running = asyncio.get_running_loop().create_task(self._feed_all())

    async def _feed_all(self) -> None:
        try:
            async with asyncio.timeout(self._countdown_ms / 1000):
                await asyncio.gather(
                    *(self._venue.countdown_cancel_all(name, self._countdown_ms) for name in self._symbols)
                )
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever stops a feed (network, the venue's refusal), the next one is tried
            self.is_fed = False
            self.last_error = str(error) or type(error).__name__
            return
        self.is_fed = True
        self.feeds += 1
        self.last_error = ""

    async def disarm(self) -> None:
        """Nothing of ours is open: stop the countdown, so that it does not hit what others open later. Never raises."""
        await self.leave()
        try:
            async with asyncio.timeout(DISARM_S_MAX):
                await asyncio.gather(*(self._venue.countdown_cancel_all(name, 0) for name in self._symbols))
        except Exception as error:  # noqa: BLE001 - it runs down by itself then
            self.last_error = str(error)

    async def leave(self) -> None:
        """No more feeds; the countdown runs on, and cancels."""
        self._next_ns = 1 << 62
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
