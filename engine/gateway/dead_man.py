"""Feeds the venue's dead-man switch: a countdown at the venue after which it cancels by itself (Binance: countdownCancelAll).

It is fed only by progress of every actor, three times in a countdown. An engine that is dead, stopped or hung feeds it no more, and
the venue cancels what it left, whether anything else of ours still runs or not. The countdown is the venue's own clock's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from engine.model.dead_man_cost import FEEDS_PER_COUNTDOWN
from engine.runtime.clock import Clock

NS_PER_MS = 1_000_000
DISARM_S_MAX = 2.0


class Countdown(Protocol):
    """The venue's half: cancel all of a symbol in `countdown_ms` unless told again; 0 stops the countdown."""

    async def countdown_cancel_all(self, symbol: str, countdown_ms: int) -> None: ...


class DeadManSwitch:
    """One account's switch over its symbols. `last_error` says why the latest feed failed, `is_fed` whether it has been taken.

    `falls`: how often a countdown may have run out unfed, reckoned from when the latest good feed left us.
    """

    def __init__(self, venue: Countdown, symbols: Iterable[str], countdown_ms: int, clock: Clock) -> None:
        self._venue = venue
        self._symbols = tuple(symbols)
        self._countdown_ms = countdown_ms
        self._clock = clock
        self._countdown_ns = countdown_ms * NS_PER_MS
        self._interval_ns = self._countdown_ns // FEEDS_PER_COUNTDOWN
        self._next_ns = 0
        self._running: asyncio.Task[None] | None = None
        self.is_fed = False
        self.feeds = 0
        self.falls = 0
        self.last_error = ""
        self._fed_mono_ns = -1
        self._is_down = False
        self._has_left = False

    @property
    def is_down(self) -> bool:
        """Its countdown may have run out unfed, and no feed was taken since: what is opened now has no switch behind it."""
        return self._is_down

    def feed(self) -> None:
        """Every actor has been polled again: begin the countdown anew, where it is time to."""
        if self._has_left:
            return
        now_ns = self._clock.monotonic_ns()
        self._look_for_fall(now_ns)
        if now_ns < self._next_ns or (self._running is not None and not self._running.done()):
            return
        self._next_ns = now_ns + self._interval_ns
        self._running = asyncio.get_running_loop().create_task(self._feed_all(now_ns))

    def _look_for_fall(self, now_ns: int) -> None:
        """Counted once until a feed is taken again. Before the first feed the venue counts nothing: it has a countdown's time."""
        if self._fed_mono_ns < 0:
            self._fed_mono_ns = now_ns
        if not self._is_down and now_ns - self._fed_mono_ns >= self._countdown_ns:
            self._is_down = True
            self.is_fed = False
            self.falls += 1
            self.last_error = self.last_error or f"not fed for {self._countdown_ms} ms"

    async def _feed_all(self, began_mono_ns: int) -> None:
        try:
            async with asyncio.timeout(self._countdown_ms / 1000):
                await asyncio.gather(
                    *(self._venue.countdown_cancel_all(name, self._countdown_ms) for name in self._symbols)
                )
        except asyncio.CancelledError:
            raise
        except TimeoutError:
            self.is_fed = False
            self.last_error = (
                f"no answer, no room in the rate budget, or a venue that wants quiet, for {self._countdown_ms} ms"
            )
            return
        except Exception as error:  # noqa: BLE001 - whatever stops a feed (network, the venue's refusal), the next one is tried
            self.is_fed = False
            self.last_error = str(error) or type(error).__name__
            return
        self.is_fed = True
        self._is_down = False
        self._fed_mono_ns = began_mono_ns
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
        self._has_left = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
