"""The one wiring file: reads like the drawing.

market session  =[inbound_market]==> SEQUENCER =[to_book]=====> BOOK  =[market_events]=> STRATEGIES
order session   =[inbound_own]=====>     |     =[to_oms]======> OMS   =[order_events]=>      |
control, timers =[inbound_control]=>     |     =[to_strategy]============================>   |
                                       |     =[to_risk]=====> RISK MONITOR <=[risk_events]= OMS
                                       GATE <=[intents]=====================================-+
                                       GATE =[approvals]=> OMS =[outbound]=> order session
                                       GATE =[refusals]==> STRATEGIES,  OMS =[manual_intents]=> GATE

STRATEGIES =[instructions]=> EXECUTION =[child_intents]=> GATE =[child_refusals]=> EXECUTION =[parent_events]=> STRATEGIES
BOOK =[watched]=> EXECUTION,  OMS =[execution_events]=> EXECUTION,  SEQUENCER =[to_execution]=> EXECUTION

OMS, order session, market sessions and the rings to_oms, approvals and outbound exist once for each line: a venue and an account
at it, `[venue.NAME]` in the configuration. Which line a record or an order is of, its venue id says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.book.stage import BookStage
from engine.config import Config, LoadedConfig
from engine.config_limits import limit_values
from engine.control.catalog import Names, names_of, write_catalog
from engine.execution.stage import ExecutionStage
from engine.exit_codes import CommandError, ExitCode
from engine.gateway.order_session import GatewayActor
from engine.journal.journal import Journal
from engine.journal.sequencer import Sequencer
from engine.line import INTENT_SLOTS, NS_PER_MS, RING_SLOTS, Line, LineInputs, LineRings, of_each
from engine.line_names import risk_rows, shown_name, strategy_symbols
from engine.model.approval import ApprovalRegister
from engine.model.codes import HaltReason
from engine.model.instruments import format_e8
from engine.model.subscriptions import parse_subscription
from engine.model.tables import Tables
from engine.recovery.earlier import EarlierRuns, Recovered
from engine.recovery.start import recover
from engine.risk.gate import RiskGate
from engine.risk.monitor import RiskMonitor
from engine.risk_wiring import configure_limits, set_currency, settings_of
from engine.runtime.actor import Actor, Pipeline
from engine.runtime.counters import Counters
from engine.runtime.registry import Registry
from engine.runtime.ring import Ring
from engine.runtime.timers import TimerQueue
from engine.runtime.watchdog import Watchdog
from engine.runtime.world import World
from engine.strategy.api import Strategy
from engine.strategy.loader import subscriptions_of
from engine.strategy.runner import StrategyRunner
from engine.venues.binance.statistics import Wanted, wanted_of

# a hang in C code is ended by an abort; with a second for the restart, trading is back within five
WATCHDOG_ABORT_MS = 3_000
# numbers of lines are venue ids, and those are for ever: 1 to 15
LINES_MAX = 15
# the counters file has room for so many
RINGS_SHOWN = 48


class Rings:
    """The bounded rings between the stages that serve every line, named as in the drawing."""

    def __init__(self) -> None:
        self.inbound_market = Ring("inbound_market", RING_SLOTS)
        self.inbound_own = Ring("inbound_own", RING_SLOTS)
        self.inbound_control = Ring("inbound_control", RING_SLOTS)
        self.to_book = Ring("to_book", RING_SLOTS)
        self.to_strategy = Ring("to_strategy", RING_SLOTS)
        self.to_risk = Ring("to_risk", RING_SLOTS)
        self.risk_events = Ring("risk_events", RING_SLOTS)
        self.market_events = Ring("market_events", RING_SLOTS)
        self.order_events = Ring("order_events", RING_SLOTS)
        self.refusals = Ring("refusals", INTENT_SLOTS)
        self.intents = Ring("intents", INTENT_SLOTS)
        self.manual_intents = Ring("manual_intents", INTENT_SLOTS)
        self.watched = Ring("watched", RING_SLOTS)
        self.execution_events = Ring("execution_events", RING_SLOTS)
        self.to_execution = Ring("to_execution", RING_SLOTS)
        self.instructions = Ring("instructions", INTENT_SLOTS)
        self.child_intents = Ring("child_intents", INTENT_SLOTS)
        self.child_refusals = Ring("child_refusals", INTENT_SLOTS)
        self.parent_events = Ring("parent_events", RING_SLOTS)


class Engine:
    """Everything of one engine, wired. `inputs`: what each line brings along, in the configuration's order."""

    def __init__(
        self,
        loaded: LoadedConfig,
        world: World,
        journal: Journal,
        registry: Registry,
        inputs: Sequence[LineInputs],
        strategies: dict[str, Strategy],
        *,
        stays_down: bool,
    ) -> None:
        config = loaded.config
        self.loaded, self.world, self.journal, self.rings = loaded, world, journal, Rings()
        self._resyncs: dict[int, list[int]] = {}
        self._refreshes: set[int] = set()
        self.venue_ids = {line.name: registry.venue_id(line.name) for line in inputs}
        self.fill_tables(registry, inputs, strategies)
        line_rings = {name: LineRings(self.suffix_of(name)) for name in self.venue_ids}
        self.counters = Counters(str(loaded.counters_path))
        shown = [ring for row in (self.rings, *line_rings.values()) for ring in vars(row).values()]
        self.counters.show_rings(shown[:RINGS_SHOWN])
        clock, rings = world.clock, self.rings
        if stays_down:
            self.tables.set_control(halt_reason=HaltReason.CRASH_LOOP)
        register = self.register = ApprovalRegister()
        self.timers = TimerQueue()
        self.watchdog = Watchdog(config.engine.strategy_turn_ms_max, abort_after_ms(config.engine.strategy_turn_ms_max))

        # --- the stages, in flow order ---
        self.sequencer = Sequencer(
            "sequencer", journal, self.tables, self.counters, rings.inbound_own, rings.inbound_control, rings.inbound_market,
            rings.to_book, {self.venue_ids[name]: row.to_oms for name, row in line_rings.items()}, rings.to_strategy, clock,
            to_risk=rings.to_risk, to_execution=rings.to_execution,
        )  # fmt: skip
        to_book, market_events = rings.to_book, rings.market_events
        self.book = BookStage(
            "book", journal, self.tables, self.counters, to_book, market_events, clock=clock, watched=rings.watched
        )
        self.lines = [Line(self, line, self.venue_ids[line.name], line_rings[line.name]) for line in inputs]
        self.monitor = self.risk_monitor()
        self.strategies = self.strategy_runner()
        self.execution = ExecutionStage(
            "execution", journal, self.tables, self.counters, instructions=rings.instructions, watched=rings.watched,
            execution_events=rings.execution_events, to_execution=rings.to_execution, child_intents=rings.child_intents,
            child_refusals=rings.child_refusals, parent_events=rings.parent_events, timers=self.timers,
            reader=self.book.reader, entry_price=self.entry_price_ticks, register=register,
            day_end_ns=day_end_ns(config.engine.session_end),
        )  # fmt: skip
        self.gate = RiskGate(
            "gate", journal, self.tables, self.counters, register, self.book.reader, clock, intents=rings.intents,
            manual_intents=rings.manual_intents, approvals=of_each(self.lines, "approvals"), refusals=rings.refusals,
            child_intents=rings.child_intents, child_refusals=rings.child_refusals,
        )  # fmt: skip
        order_stages: list[Actor] = [line.oms for line in self.lines]
        gateways = [GatewayActor("gateway" + line.suffix, line.session) for line in self.lines]
        stages = [
            self.sequencer,
            self.book,
            *order_stages,
            self.monitor,
            self.strategies,
            self.execution,
            self.gate,
            *order_stages,
            *gateways,
        ]
        self.pipeline = Pipeline(stages)  # OMS twice: what the gate approves leaves in the round that asked for it
        self.sequencer.attach(self.pipeline)
        self.watchdog.watch(stages)
        self.attach_strategies(strategies)

    def strategy_runner(self) -> StrategyRunner:
        """The stage in which authors' strategies run."""
        config, rings = self.loaded.config, self.rings
        return StrategyRunner(
            "strategies", self.journal, self.tables, self.counters, order_events=rings.order_events, refusals=rings.refusals,
            market_events=rings.market_events, to_strategy=rings.to_strategy, intents=rings.intents, timers=self.timers,
            clock=self.world.clock, reader=self.book.reader, watchdog=self.watchdog,
            orders_per_input_max=config.runaway.orders_per_input_max,
            rejections_per_10s_max=config.runaway.rejections_per_10s_max,
            executions_per_10s_max=config.runaway.executions_per_10s_max,
            instructions=rings.instructions, parent_events=rings.parent_events,
        )  # fmt: skip

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

    def recover(self, runs: EarlierRuns) -> Recovered:
        """Take up what the ledger of earlier runs says, before anything connects."""
        return recover(self, runs)

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
        write_catalog(self.journal, self.tables, self.names())

    def risk_monitor(self) -> RiskMonitor:
        """Who measures, with every limit of the configuration in force."""
        config, rings = self.loaded.config, self.rings
        monitor = RiskMonitor(
            "risk", self.journal, self.tables, self.counters, settings_of(config), to_risk=rings.to_risk,
            risk_events=rings.risk_events,
        )  # fmt: skip
        configure_limits(monitor, self.tables, config, self.venue_ids, self.strategy_ids)
        set_currency(self.tables, config.portfolio.currency)
        return monitor

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


def abort_after_ms(strategy_turn_ms_max: int) -> int:
    """How long the process may stand still: strategies that are given long turns must be interrupted before it is aborted."""
    return max(WATCHDOG_ABORT_MS, 2 * strategy_turn_ms_max)


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
