"""How well a venue is: what its HTTP breakers show becomes an input of the engine, and the auto-deleverage indicator is watched."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from engine.app import Engine
from engine.control.limits import LimitDesk
from engine.core import Core
from engine.guarded_http import HealthChange
from engine.journal.errors import JournalFull
from engine.journal.journal import Journal
from engine.journal.sequencer import Sequencer
from engine.line import Line
from engine.model.codes import AlarmCode, Counter, Lane, LimitScope, RecordKind
from engine.model.tables import Tables
from engine.runtime.counters import Counters
from engine.runtime.net import NetError
from engine.venue_access import VenueAccess
from engine.venue_kinds import Keeper
from engine.venues.binance.rest_market import VenueError
from engine.venues.binance.usdm_rest import UsdmRest

NS_PER_S = 1_000_000_000
# StatePayload of ext/engine/model/records.pxd: state, previous_state, reason, pad, detail; text follows
STATE_PAYLOAD = struct.Struct("<HHHHq")
TEXT_BYTES_MAX = 200
ADL_PATH = "/fapi/v1/adlQuantile"
ADL_WEIGHT = 5
FIRST_AFTER_S = 2.0
POSITION_SIDES = range(3)


def state_payload(state: int, previous: int, reason: int, detail: int, text: str) -> bytes:
    """A StatePayload with its text."""
    body = text.encode()[:TEXT_BYTES_MAX]
    return STATE_PAYLOAD.pack(state, previous, reason, 0, detail) + body + bytes(-len(body) % 8)


def health_input(sequencer: Sequencer, venue_id: int) -> Callable[[HealthChange], None]:
    """What a guard tells becomes a VENUE_HEALTH input: the risk monitor hears it in the journal's order."""

    def tell(change: HealthChange) -> None:
        payload = state_payload(change.state, change.previous, 0, change.worst, change.endpoint)
        # the next change is told again; an alarm is nothing that a full journal has room for
        with contextlib.suppress(JournalFull):
            sequencer.submit_record(RecordKind.VENUE_HEALTH, payload, venue_id=venue_id)

    return tell


class AdlRow(msgspec.Struct):
    """One symbol of GET adlQuantile: by position side, 0 (last to be deleveraged) to 4 (first)."""

    symbol: str
    adlQuantile: dict[str, int]  # noqa: N815 - the venue's spelling


decode_rows = msgspec.json.Decoder(list[AdlRow]).decode


def quantiles(body: bytes) -> dict[str, int]:
    """The worst quantile of each symbol. msgspec.DecodeError for anything else."""
    return {row.symbol: max(row.adlQuantile.values(), default=0) for row in decode_rows(body)}


class DeleverageWatch:
    """Asks for the auto-deleverage indicator while a position is open. `run` until cancelled; `last_error`: why it failed last."""

    def __init__(
        self,
        *,
        fetch: Callable[[], Awaitable[bytes]],
        tables: Tables,
        counters: Counters,
        journal: Journal,
        instruments: Iterable[tuple[str, int]],
        poll_s: float,
        alarm_from: int,
    ) -> None:
        self._fetch = fetch
        self._tables = tables
        self._counters = counters
        self._journal = journal
        self._instruments = dict(instruments)
        self._poll_s = poll_s
        self._alarm_from = alarm_from
        self._told: dict[int, int] = {}
        self.last_error = ""

    async def run(self) -> None:
        """Poll for ever; a venue that does not answer is asked again later."""
        await asyncio.sleep(min(FIRST_AFTER_S, self._poll_s))
        while True:
            if self.held():
                await self.look()
            else:
                self.note({})
            await asyncio.sleep(self._poll_s)

    def held(self) -> set[str]:
        """Symbols with an open position."""
        return {
            symbol for symbol, row in self._instruments.items() if any(self._lots(row, side) for side in POSITION_SIDES)
        }

    def _lots(self, row: int, side: int) -> int:
        return int(self._tables.exposure(row, side)["position_lots"])

    async def look(self) -> None:
        """Ask once and note what it says."""
        try:
            self.note(quantiles(await self._fetch()))
            self.last_error = ""
        except (NetError, VenueError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self.last_error = str(error)

    def note(self, found: dict[str, int]) -> None:
        """The highest quantile of what is held is a metric; one that rises to the limit raises an alarm, once."""
        held = self.held()
        now = {self._instruments[symbol]: value for symbol, value in found.items() if symbol in held}
        self._counters.set(Counter.DELEVERAGE_QUANTILE, max(now.values(), default=0))
        for row, value in now.items():
            if value >= self._alarm_from and value > self._told.get(row, 0):
                self._alarm(row, value)
        self._told = {row: value for row, value in now.items() if value >= self._alarm_from}

    def _alarm(self, row: int, value: int) -> None:
        code = AlarmCode.DELEVERAGE_RISK
        text = f"auto-deleverage quantile {value}: the position is among the first to be closed by the venue"
        self._counters.add(Counter.ALARMS)
        with contextlib.suppress(JournalFull):
            self._journal.append(
                Lane.LEDGER, RecordKind.ALARM, state_payload(code, 0, code, value, text), instrument_id=row
            )


def limit_desk(engine: Core) -> LimitDesk:
    """The limits at the control port, with the names of scopes; a line's account has the number of its venue."""
    names = {
        LimitScope.ACCOUNT: {number: str(number) for number in engine.venue_ids.values()},
        LimitScope.VENUE: {number: name for name, number in engine.venue_ids.items()},
        LimitScope.STRATEGY: {strategy_id: name for name, strategy_id in engine.strategy_ids.items()},
    }
    return LimitDesk(engine.monitor.limits, engine.tables, names, engine.loaded.config.portfolio.currency)


class LimitUse:
    """The fullest limit of all is a metric, once a second."""

    def __init__(self, engine: Engine, limits: LimitDesk) -> None:
        self._clock = engine.world.clock
        self._counters = engine.counters
        self._limits = limits
        self._next_ns = 0

    def look(self) -> None:
        """Once a tick."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + NS_PER_S
            self._counters.set(Counter.LIMIT_USE_PERCENT, self._limits.highest_use_percent())


class VenueHealth:
    """One line's guards of HTTP and watch of deleveraging, wired; `look` once a tick."""

    def __init__(self, line: Line, access: VenueAccess) -> None:
        self._guards = [access.http] if access.orders is access else [access.http, access.orders.http]
        for guard in self._guards:
            guard.watch(health_input(line.engine.sequencer, line.venue_id))
        watch = deleverage_watch(line, access.orders)
        self.keepers: list[Keeper] = [] if watch is None else [watch]

    def look(self) -> None:
        """Cool-downs end."""
        for guard in self._guards:
            guard.look()


def deleverage_watch(line: Line, access: VenueAccess) -> DeleverageWatch | None:
    """The watch of a futures account; None for a kind of venue that has no such thing."""
    rest = access.rest
    if not isinstance(rest, UsdmRest):
        return None

    async def fetch() -> bytes:
        return (await rest.signed("GET", ADL_PATH, weight=ADL_WEIGHT)).body

    engine = line.engine
    health = engine.loaded.config.health
    return DeleverageWatch(
        fetch=fetch,
        tables=engine.tables,
        counters=engine.counters,
        journal=engine.journal,
        instruments=[(name, engine.tables.instrument_id(line.venue_id, name)) for name in line.venue.symbols],
        poll_s=health.deleverage_poll_s,
        alarm_from=health.deleverage_alarm,
    )
