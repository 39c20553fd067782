"""Keeps reference data fresh: asks for it on an interval, and at once when the venue says that a contract changed.

What changed becomes an INSTRUMENT_UPDATE input. A symbol that no longer trades (another status, or not listed any more) is not
tradable from that input on, and a CANCEL command for the symbol follows it in the same run. So does one whose tick or lot changed:
its books, positions and limits stay on the grid of the start, and it trades again after a restart. Symbols that are not configured
are ignored.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from engine.journal.errors import JournalFull
from engine.journal.sequencer import Sequencer
from engine.model.codes import CommandKind, RecordKind
from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.runtime.actor import Pipeline

POLL_S = 0.5
RETRY_S = 30.0
SCOPE_INSTRUMENT = 3
DELISTED = "DELISTED"
PAYLOAD = struct.Struct("<qqqqqqqqBB6x")

Listing = Mapping[str, InstrumentSpec]


class Books(Protocol):
    """Who hears the venue say that a contract changed."""

    def take_refresh(self) -> bool: ...


class InstrumentKeeper:
    """`run` until cancelled. `fetch(symbols)` gives the listed ones of them; `specs` are those that the tables were filled from."""

    def __init__(
        self,
        *,
        sequencer: Sequencer,
        pipeline: Pipeline,
        tables: Tables,
        books: Books,
        specs: Iterable[InstrumentSpec],
        fetch: Callable[[list[str]], Awaitable[Listing]],
        interval_s: float,
        expected: tuple[type[Exception], ...],
    ) -> None:
        self._sequencer = sequencer
        self._pipeline = pipeline
        self._tables = tables
        self._books = books
        self._at_start = {spec.symbol: spec for spec in specs}
        self._known = dict(self._at_start)
        self._fetch = fetch
        self._interval_s = interval_s
        self._expected = expected
        self.errors = 0
        self.changes = 0
        self.last_error = ""

    async def run(self) -> None:
        """Refresh now and then; a failed attempt is made again sooner."""
        wait_s = self._interval_s
        while True:
            await self._wait(wait_s)
            try:
                await self.refresh()
                wait_s = self._interval_s
            except self._expected as error:
                self.errors += 1
                self.last_error = str(error)
                wait_s = min(RETRY_S, self._interval_s)

    async def _wait(self, seconds: float) -> None:
        """Until the time is over or the venue speaks of a change."""
        while seconds > 0 and not self._books.take_refresh():
            await asyncio.sleep(min(POLL_S, seconds))
            seconds -= POLL_S

    async def refresh(self) -> None:
        """One look at the venue's reference data; every difference is told."""
        listed = await self._fetch(list(self._known))
        for symbol, known in list(self._known.items()):
            now = listed.get(symbol) or replaced(known, is_trading=False, status=DELISTED)
            if now != known and self._tell(symbol, now):
                self._known[symbol] = now
                self.changes += 1

    def _tell(self, symbol: str, spec: InstrumentSpec) -> bool:
        """INSTRUMENT_UPDATE, and CANCEL where the symbol may not be traded any more; False where the journal is full."""
        instrument_id = self._tables.instrument_id(spec.venue_id, symbol)
        start = self._at_start[symbol]
        changed = (spec.tick_size_e8, spec.lot_size_e8) != (start.tick_size_e8, start.lot_size_e8)
        try:
            self._sequencer.submit_record(
                RecordKind.INSTRUMENT_UPDATE,
                payload_of(spec, changed),
                venue_id=spec.venue_id,
                instrument_id=instrument_id,
            )
            if changed or not spec.is_trading:
                self._sequencer.submit_command(
                    CommandKind.CANCEL,
                    uid=os.getuid(),
                    reason=f"{symbol}: tick or lot changed" if changed else f"{symbol}: {spec.status}",
                    scope_kind=SCOPE_INSTRUMENT,
                    instrument_id=instrument_id,
                )
        except JournalFull:
            return False
        self._pipeline.run_to_completion()
        return True


def replaced(spec: InstrumentSpec, **fields: object) -> InstrumentSpec:
    """The same with some fields changed."""
    values = {name: getattr(spec, name) for name in spec.__struct_fields__}
    return InstrumentSpec(**{**values, **fields})


def payload_of(spec: InstrumentSpec, is_grid_changed: bool) -> bytes:
    """InstrumentUpdatePayload and the status behind it."""
    fixed = PAYLOAD.pack(
        spec.tick_size_e8,
        spec.lot_size_e8,
        spec.min_qty_lots,
        spec.max_qty_lots,
        spec.min_price_ticks,
        spec.max_price_ticks,
        spec.min_notional_e8,
        spec.max_notional_e8,
        spec.is_trading,
        is_grid_changed,
    )
    return fixed + spec.status.encode()


__all__ = ["InstrumentKeeper", "payload_of"]
