"""Cancel-all by symbol over REST on a kill, where the order connection can cancel only one order a request (USD-M).

It goes beside the single cancels of the order stage, which stay what is counted on: an order that both hit is gone after either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from engine.control.messages import ScopeKind
from engine.line import Line
from engine.runtime.net import NetError
from engine.venue_access import VenueAccess
from engine.venues.binance.rest_market import VenueError
from engine.venues.binance.usdm_rest import UsdmRest

# later than this it could hit what was sent after an `arm`
PATIENCE_S = 2.0
WIDE_SCOPES = frozenset({ScopeKind.ALL, ScopeKind.VENUE, ScopeKind.ACCOUNT})


class CancelAll(Protocol):
    """The venue's half: everything of one symbol."""

    async def cancel_all(self, symbol: str) -> None: ...


class KillCancels:
    """One account's. `symbol_of` names an instrument; `last_error` says what the latest cancel-all failed of."""

    def __init__(self, venue: CancelAll, symbols: Iterable[str], symbol_of: Callable[[int], str]) -> None:
        self._venue = venue
        self._symbols = tuple(symbols)
        self._symbol_of = symbol_of
        self._running: set[asyncio.Task[None]] = set()
        self.last_error = ""

    def begin(self, scope_kind: int, instrument_id: int = 0) -> None:
        """Send one for each symbol of a kill, at once. A kill of one strategy leaves the others' orders alone: none for it."""
        symbols: tuple[str, ...] = ()
        if scope_kind in WIDE_SCOPES:
            symbols = self._symbols
        elif scope_kind == ScopeKind.INSTRUMENT:
            symbols = (self._symbol_of(instrument_id),)
        for symbol in symbols:
            task = asyncio.get_running_loop().create_task(self._cancel(symbol))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _cancel(self, symbol: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._venue.cancel_all(symbol)
        except (NetError, VenueError, TimeoutError) as error:
            self.last_error = f"{symbol}: {error or type(error).__name__}"


def kill_cancels_of(line: Line, access: VenueAccess) -> KillCancels | None:
    """None where the order connection itself cancels all of a symbol (spot)."""
    if not isinstance(access.rest, UsdmRest):
        return None
    return KillCancels(access.rest, line.venue.symbols, line.engine.tables.symbol)
