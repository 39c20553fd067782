"""The one wiring file: reads like the drawing. What the stages share and know before their first input stands in `engine.core`.

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

from collections.abc import Callable, Sequence

from engine.book.stage import BookStage
from engine.config import LoadedConfig
from engine.core import Core, day_end_ns
from engine.execution.stage import ExecutionStage
from engine.gateway.order_session import GatewayActor
from engine.journal.journal import Journal
from engine.journal.sequencer import Sequencer
from engine.line import INTENT_SLOTS, RING_SLOTS, Line, LineInputs, LineRings, of_each
from engine.model.approval import ApprovalRegister
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
from engine.strategy.runner import StrategyRunner

# a hang in C code is ended by an abort; with a second for the restart, trading is back within five
WATCHDOG_ABORT_MS = 3_000
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


def live_gateway(line: Line) -> Actor:
    """The line's order session, polled: what it is given leaves over its connection."""
    return GatewayActor("gateway" + line.suffix, line.session)


class Engine(Core):
    """Everything of one engine, wired. `gateway` makes what takes a line's requests to its venue: of a replay, it compares them."""

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
        gateway: Callable[[Line], Actor] = live_gateway,
    ) -> None:
        super().__init__(loaded, world, journal, registry, inputs, strategies, stays_down=stays_down)
        config, clock = loaded.config, world.clock
        rings = self.rings = Rings()
        line_rings = {name: LineRings(self.suffix_of(name)) for name in self.venue_ids}
        self.counters = Counters(str(loaded.counters_path))
        shown = [ring for row in (rings, *line_rings.values()) for ring in vars(row).values()]
        self.counters.show_rings(shown[:RINGS_SHOWN])
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
        gateways = [gateway(line) for line in self.lines]
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

    def recover(self, runs: EarlierRuns) -> Recovered:
        """Take up what the ledger of earlier runs says, before anything connects."""
        return recover(self, runs)

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


def abort_after_ms(strategy_turn_ms_max: int) -> int:
    """How long the process may stand still: strategies that are given long turns must be interrupted before it is aborted."""
    return max(WATCHDOG_ABORT_MS, 2 * strategy_turn_ms_max)
