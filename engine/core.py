"""The core of an engine without its edges: what its tables say before the first input, and what all of its stages share.

`engine.app.Engine` wires the stages over it. A live engine and a replay differ only in what stands at the edges: who fills the
inbound rings (connections and turns, or a recorded session), who takes what leaves (a connection, or the comparison with the
recorded bytes), and whose clock it is. Nothing here opens a socket, keeps a connection or asks the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from engine.config import Config, LoadedConfig
from engine.config_limits import limit_values
from engine.control.catalog import Names, names_of, write_catalog
from engine.exit_codes import CommandError, ExitCode
from engine.journal.core_start import facts_of, write_core_start, write_instrument_rows
from engine.journal.journal import Journal
from engine.line import NS_PER_MS, Line, LineInputs
from engine.line_names import risk_rows, shown_name, strategy_symbols
from engine.model.codes import HaltReason
from engine.model.instruments import format_e8
from engine.model.subscriptions import parse_subscription
from engine.model.tables import Tables
from engine.runtime.registry import Registry
from engine.runtime.world import World
from engine.strategy.api import Strategy
from engine.strategy.loader import subscriptions_of
from engine.venues.binance.statistics import Wanted, wanted_of

if TYPE_CHECKING:
    from engine.book.stage import BookStage
    from engine.execution.stage import ExecutionStage
    from engine.risk.monitor import RiskMonitor
    from engine.strategy.runner import StrategyRunner

# numbers of lines are venue ids, and those are for ever: 1 to 15
LINES_MAX = 15


class Core:
    """Tables, names and numbers of one engine. `inputs`: what each line brings along, in the configuration's order."""

    lines: list[Line]
    book: BookStage
    monitor: RiskMonitor
    strategies: StrategyRunner
    execution: ExecutionStage

    def __init__(
        self,
        loaded: LoadedConfig,
        world: World,
        journal: Journal,
        registry: Registry,
        inputs: Sequence[LineInputs],
        strategies: Mapping[str, Strategy],
        *,
        stays_down: bool,
    ) -> None:
        self.loaded, self.world, self.journal = loaded, world, journal
        self._resyncs: dict[int, list[int]] = {}
        self._refreshes: set[int] = set()
        self.venue_ids = {line.name: registry.venue_id(line.name) for line in inputs}
        write_core_start(journal, facts_of(loaded.config, strategies, stays_down=stays_down))
        self.fill_tables(registry, inputs, strategies)
        if stays_down:
            self.tables.set_control(halt_reason=HaltReason.CRASH_LOOP)

    # --- names and numbers ---

    def suffix_of(self, name: str) -> str:
        """What tells a line's parts from another's; nothing where there is one line."""
        return f".{name}" if len(self.venue_ids) > 1 else ""

    def line_number(self, name: str) -> int:
        """The line's place in the configuration, from 0."""
        return list(self.venue_ids).index(name)

    def line(self, venue_id: int) -> Line | None:
        """The line with a number; None where it is not traded."""
        return next((line for line in self.lines if line.venue_id == venue_id), None)

    def names(self) -> Names:
        """What the numbers in this run's records are called."""
        engine = self.loaded.config.engine
        return names_of(engine.name, engine.mode, self.tables, self.venue_ids, self.strategy_ids)

    def entry_price_ticks(self, instrument_id: int, position_side: int) -> int:
        """Average price of what the account holds of an instrument, to the nearest tick; 0 where it is flat."""
        instrument = self.tables.instrument(instrument_id)
        oms = next(line.oms for line in self.lines if line.venue_id == instrument["venue_id"])
        row = oms.positions_book.wide(instrument["venue_id"], instrument_id, position_side)
        per_tick_e16 = abs(row["position_lots"]) * instrument["lot_size_e8"] * instrument["tick_size_e8"]
        return (2 * abs(row["cost_e16"]) + per_tick_e16) // (2 * per_tick_e16) if per_tick_e16 else 0

    def fill_tables(self, registry: Registry, inputs: Sequence[LineInputs], strategies: Mapping[str, Strategy]) -> None:
        """Instruments, ids and limits; all names go into the journal, so that it can be read without us."""
        if max(self.venue_ids.values()) > LINES_MAX:
            text = f"this data directory has known more than {LINES_MAX} names of venues; begin a new one"
            raise CommandError(ExitCode.CONFIG, f"{self.loaded.path}: venue: {text}")
        self.registry, self.tables = registry, Tables()
        for venue_id in self.venue_ids.values():
            self.tables.use_line(venue_id)
        registry.fill(self.tables, [spec for line in inputs for spec in line.specs])
        self.strategy_ids = {name: registry.strategy_id(name) for name in strategies}
        registry.save()
        self.tables.set_epoch(self.journal.epoch)
        for name, venue in self.loaded.config.venue.items():
            self.tables.set_hedge(self.venue_ids[name], venue.position_mode == "hedge")
        set_limits(self.tables, self.venue_ids, self.loaded.config)
        self.tables.keep_assets = lambda: registry.keep_assets(self.tables)
        write_catalog(self.journal, self.tables, self.names())
        write_instrument_rows(self.journal, self.tables)

    def attach_strategies(self, strategies: Mapping[str, Strategy]) -> None:
        """Each strategy gets its symbols, of whichever lines, and each line what strategies ask of it beside books and trades."""
        config = self.loaded.config
        for name, strategy in strategies.items():
            rows = {
                shown_name(config.venue, line, symbol): self.tables.instrument_id(self.venue_ids[line], symbol)
                for line, symbol in strategy_symbols(config, name)
            }
            subscriptions = subscriptions_of(strategy, config.strategy[name].subscriptions)
            self.strategies.attach(strategy, name, self.strategy_ids[name], rows, subscriptions=subscriptions)
        for line in self.lines:
            line.wanted = wanted_statistics(config, line, strategies)

    # --- what the books want of the lines ---

    def take_resyncs(self, venue_id: int) -> list[int]:
        """Instruments of a line that want a snapshot; what others want is kept for them."""
        for instrument_id in self.book.take_resyncs():
            self._resyncs.setdefault(self.tables.instrument(instrument_id)["venue_id"], []).append(instrument_id)
        return self._resyncs.pop(venue_id, [])

    def take_refresh(self, venue_id: int) -> bool:
        """Did a venue say that reference data changed: every line looks once."""
        if self.book.take_refresh():
            self._refreshes.update(self.venue_ids.values())
        is_wanted = venue_id in self._refreshes
        self._refreshes.discard(venue_id)
        return is_wanted


def wanted_statistics(config: Config, line: Line, strategies: Mapping[str, Strategy]) -> Wanted:
    """What the strategies together ask of a line beside books and trades; what no line of theirs has was refused before.

    Positions are valued and margined by the venue's mark prices: they are subscribed for every symbol, where the kind has them.
    """
    asked = [
        (row, [symbol for name, symbol in strategy_symbols(config, strategy_name) if name == line.name])
        for strategy_name, strategy in strategies.items()
        for row in subscriptions_of(strategy, config.strategy[strategy_name].subscriptions)
    ]
    asked.append((parse_subscription("mark_price"), list(line.venue.symbols)))
    kind = line.kind
    return wanted_of((source, row, symbols) for row, symbols in asked if (source := kind.source_of(row)) is not None)


def day_end_ns(session_end: str) -> int:
    """HH:MM as nanoseconds after midnight."""
    hours, minutes = session_end.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000_000_000


def set_limits(tables: Tables, venue_ids: Mapping[str, int], config: Config) -> None:
    """Every limit from the configuration, decimals to ticks and lots; a quantity off the lot grid is refused."""
    risk = config.risk
    tables.set_engine_limits(
        max_open_orders=risk.max_open_orders,
        message_burst=risk.message_burst,
        message_rate_per_s=risk.message_rate_per_s,
        stale_after_ns=risk.stale_after_ms * NS_PER_MS,
        clock_drift_ns_max=risk.clock_drift_ms_max * NS_PER_MS,
    )
    for line, symbol, key in risk_rows(config):
        limits = risk.instrument[key]
        row_id = tables.instrument_id(venue_ids[line], symbol)
        lot_e8 = tables.instrument(row_id)["lot_size_e8"]
        amounts = limit_values(limits)
        for name in ("max_order_qty", "max_position"):
            if amounts[name] % lot_e8:
                text = f"risk.instrument.{key}.{name}: {getattr(limits, name)} is no multiple of the lot {format_e8(lot_e8)}"
                raise CommandError(ExitCode.CONFIG, text)
        tables.set_limits(
            row_id,
            max_order_qty_lots=amounts["max_order_qty"] // lot_e8,
            max_order_notional_e8=amounts["max_order_notional"],
            max_position_lots=amounts["max_position"] // lot_e8,
            price_collar_bps=limits.price_collar_bps,
            max_open_orders=limits.max_open_orders,
        )
