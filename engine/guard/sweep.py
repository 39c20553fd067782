"""Cancel everything of some symbols at one venue, look whether anything is left, and again until nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.runtime.clock import Clock
from engine.runtime.net import NetError
from engine.venues.binance.rest_cancel import CancelRefused, VenueQuiet

RETRY_S_MIN = 0.02
RETRY_S_MAX = 1.0
# what a first round leaves was mostly under way at the same time: these do not wait for the venue's weight
FREE_ROUNDS = 3

Note = Callable[..., None]
Cancel = Callable[[str], Awaitable[int]]


class Canceller(Protocol):
    """The part of a venue that a sweep needs."""

    @property
    def symbols_to_look(self) -> int: ...
    async def cancel_open(self, symbol: str) -> int: ...
    async def open_symbols(self) -> set[str]: ...
    async def cancel_all(self, symbol: str) -> int: ...
    async def open_orders(self, symbol: str) -> int: ...


@dataclass
class Progress:
    """How far a sweep has come; times in nanoseconds since it was asked for, -1 = not yet.

    `is_repeat`: again and again while a kill stands, which spends few requests, and no log where it finds nothing.
    `unclean`: what may still be open; `found`: how often a cancel had something to cancel; `is_waiting`: between two rounds.
    """

    cause: str
    symbols: tuple[str, ...]
    began_mono_ns: int
    first_cancel_ns: int = -1
    last_cancel_ns: int = -1
    verified_ns: int = -1
    rounds: int = 0
    open_left: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    is_repeat: bool = False
    found: int = 0
    is_waiting: bool = False
    unclean: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.unclean = set(self.symbols)

    @property
    def is_verified(self) -> bool:
        """Has the venue said that nothing is open."""
        return self.verified_ns >= 0

    def leave_out(self, symbols: Collection[str]) -> None:
        """They are not to be cancelled any more."""
        self.symbols = tuple(symbol for symbol in self.symbols if symbol not in symbols)
        self.unclean.difference_update(symbols)


class Sweep:
    """One venue's sweep. `run` ends when the venue has said of every symbol that nothing is open, or when it is cancelled.

    `rest_s`: how long rounds must wait by now so that others have their share of the venue's weight.
    """

    def __init__(
        self, venue: str, canceller: Canceller, clock: Clock, note: Note, rest_s: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._rest_s = rest_s
        self._venue = venue
        self._canceller = canceller
        self._clock = clock
        self._note = note

    async def run(self, progress: Progress) -> None:
        """Cancel and verify, round by round, waiting longer between rounds that do not get anywhere."""
        delay_s = RETRY_S_MIN
        while progress.unclean:
            progress.rounds += 1
            quiet_s = await self._round(progress)
            if progress.unclean:
                is_free = progress.rounds < FREE_ROUNDS and not progress.is_repeat
                progress.is_waiting = True
                await asyncio.sleep(max(delay_s, quiet_s, 0.0 if is_free else self._rest_s()))
                progress.is_waiting = False
                delay_s = min(RETRY_S_MAX, delay_s * 2)
        progress.verified_ns = self._clock.monotonic_ns() - progress.began_mono_ns
        if not progress.is_repeat or progress.found:
            self._say("verified", progress, elapsed_ns=progress.verified_ns, rounds=progress.rounds)

    async def _round(self, progress: Progress) -> float:
        """Every symbol that is left, at once; seconds of quiet that the venue asks for."""
        cancel = self._canceller.cancel_open if progress.is_repeat else self._canceller.cancel_all
        if progress.is_repeat and len(progress.unclean) >= self._canceller.symbols_to_look:
            try:
                progress.unclean &= await self._canceller.open_symbols()
            except (NetError, CancelRefused) as error:
                self._fault("", progress, error)
                return error.wait_s if isinstance(error, VenueQuiet) else 0.0
            cancel = self._canceller.cancel_all
        left = [symbol for symbol in progress.symbols if symbol in progress.unclean]
        return max(await asyncio.gather(*(self._clean(symbol, progress, cancel) for symbol in left)), default=0.0)

    async def _clean(self, symbol: str, progress: Progress, cancel: Cancel) -> float:
        """One symbol, one round; seconds of quiet that the venue asks for."""
        try:
            self._note_time(progress)
            found = await cancel(symbol)
            # a cancel that finds nothing is an answer, too: a repeat asks no more
            count = await self._canceller.open_orders(symbol) if found or not progress.is_repeat else 0
        except VenueQuiet as quiet:
            self._fault(symbol, progress, quiet)
            return quiet.wait_s
        except (NetError, CancelRefused) as error:
            self._fault(symbol, progress, error)
            return 0.0
        progress.open_left[symbol] = count
        if count == 0:
            progress.unclean.discard(symbol)
        if found or not progress.is_repeat:
            progress.found += found
            self._say("cancelled", progress, symbol=symbol, had_orders=bool(found), still_open=count)
        return 0.0

    def _note_time(self, progress: Progress) -> None:
        elapsed_ns = self._clock.monotonic_ns() - progress.began_mono_ns
        progress.first_cancel_ns = elapsed_ns if progress.first_cancel_ns < 0 else progress.first_cancel_ns
        progress.last_cancel_ns = (
            max(progress.last_cancel_ns, elapsed_ns) if progress.rounds == 1 else progress.last_cancel_ns
        )

    def _fault(self, symbol: str, progress: Progress, error: Exception) -> None:
        """Told once a cause: a venue that is away for an hour does not fill the log."""
        if str(error) != progress.fault:
            progress.fault = str(error)
            self._say("failed", progress, symbol=symbol, error=str(error))

    def _say(self, event: str, progress: Progress, **facts: Any) -> None:
        self._note(event, venue=self._venue, cause=progress.cause, **facts)
