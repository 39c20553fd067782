"""The whole engine and a simulated venue in one process under virtual time: as fast as the machine, and a function of its seed.

The engine is the daemon's (`engine.app`): sequencer, book, order management, strategies, gate, codecs, sessions, keepers, with a
journal. The venue is the simulated one with its wire shell; between them is `engine.sim.inprocess.net`. Time stands until
something is due and then jumps there. The same configuration, seed, strategies and calls give the same journal, byte for byte.

    with Simulation(loaded, build_shell(venue_file, 7, 1.0, START_NS), seed=7) as simulation:
        simulation.start()
        simulation.run_for(60.0)
        simulation.command(CommandKind.KILL, reason="enough")
        simulation.stop()
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import msgspec

from engine.app import Engine
from engine.audit.watch import StateWatch
from engine.config import LoadedConfig, digest
from engine.credentials import Credentials, load_credentials
from engine.given_numbers import open_registry
from engine.journal.cursor import Record
from engine.journal.errors import JournalFull
from engine.journal.journal import Journal
from engine.journal.reader import JournalReader
from engine.journal_opening import journal_settings
from engine.line import LineInputs
from engine.model.codes import CommandKind, Counter, Lane, RecordKind, TimerKind, TradingState
from engine.orderly_stop import OrderlyStop
from engine.paper import Paper, open_paper
from engine.paper_market import MarketOnlyNet, is_paper, paper_credentials
from engine.recovery.earlier import EarlierRuns
from engine.runtime.clock import Clock
from engine.runtime.service import Supervisor
from engine.runtime.timers import TimerQueue
from engine.runtime.turns import TICK_NS
from engine.runtime.world import World
from engine.sim.inprocess.host import VenueHost
from engine.sim.inprocess.loop import NEVER_NS, virtual_loop
from engine.sim.inprocess.net import MemoryNet
from engine.sim.inprocess.ways import Latency
from engine.sim.wire.shell import VenueShell
from engine.strategy.api import Strategy
from engine.strategy.loader import load_strategy
from engine.venue_access import VenueAccess

NS_PER_S = 1_000_000_000
START_NS = 1_767_225_600 * NS_PER_S  # 2026-01-01 00:00:00 UTC
START_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0


class EngineTimers:
    """The engine's timers as a source of events: each due one becomes an input, as `engine.runtime.turns` does it."""

    def __init__(
        self, timers: TimerQueue, submit: Callable[[tuple[int, int, int, int, int]], None], clock: Clock
    ) -> None:
        self._timers = timers
        self._submit = submit
        self._clock = clock

    def next_ns(self) -> int:
        """The earliest deadline."""
        deadline_ns = self._timers.next_deadline_mono_ns
        return NEVER_NS if deadline_ns is None else deadline_ns

    def fire(self) -> None:
        """Every timer that is due, in the order of deadlines."""
        while (due := self._timers.pop_due(self._clock.monotonic_ns())) is not None:
            self._submit(due)


class Simulation:
    """One engine and one venue. `shell` is the venue, at the same wall clock as the simulation (`start_ns`).

    `strategies` by name of their section, those of the configuration where none are given; `latency` is that of every connection;
    `journal` replaces the one on disk in the configuration's directories (with an in-memory one nothing is written there). Raises
    what a start of the daemon raises. After `stop`, or `crash` (as kill -9 would), another Simulation may go on from the same
    directories and the same shell.
    """

    # a start after too many crashes: HALTED until a person arms
    stays_down = False

    def __init__(
        self,
        loaded: LoadedConfig,
        shell: VenueShell,
        *,
        seed: int = 1,
        strategies: Mapping[str, Strategy] | None = None,
        latency: Latency | None = None,
        credentials: Credentials | None = None,
        journal: Journal | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.loaded = loaded
        self.clock = clock or Clock.virtual(wall_ns=shell.now_ns)
        self.loop = virtual_loop(self.clock)
        self.host = self.make_host(shell)
        self.net = self.make_net(latency, seed)
        (self._venue,) = loaded.config.venue.values()
        net = MarketOnlyNet(self.net, self._venue) if is_paper(loaded.config) else self.net
        self.world = self.make_world(seed, net)
        self.paper: Paper | None = None
        self.strategies = dict(strategies) if strategies is not None else load_strategies(loaded)
        self.ticks = 0
        self._supervisor = Supervisor("", self.clock)
        self.told: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._next_reconcile_ns = 0
        self._is_closed = False
        self.credentials = credentials or self._credentials()
        self.journal = journal or open_journal(loaded, self.world)
        try:
            self.engine: Engine = self.loop.run_until_complete(self._wire())
        except BaseException:
            self.journal.close(reason="start failed", record_stop=False)
            raise
        self.state_watch = StateWatch(self.engine, loaded.config.journal.state_hash_ticks)
        self.loop.add_source(EngineTimers(self.engine.timers, self._on_timer, self.clock))
        self.stopping = OrderlyStop(self.engine, self._supervisor, lambda: self._gateway.last_error, self.told.append)

    # --- what a run with faults replaces ---

    def make_host(self, shell: VenueShell) -> VenueHost:
        """Who gives the venue its turns."""
        return VenueHost(shell, self.clock, turn_ns_min=1)

    def make_net(self, latency: Latency | None, seed: int) -> MemoryNet:
        """The way between engine and venue."""
        return MemoryNet(self.host, self.clock, latency, seed)

    def make_world(self, seed: int, net: MemoryNet | MarketOnlyNet) -> World:
        """What the engine lives in."""
        return World.virtual(seed, net, self.clock)

    def _credentials(self) -> Credentials:
        if is_paper(self.loaded.config):
            return paper_credentials(self.loaded, self.world)
        return load_credentials(self._venue.credential, self._venue.key_type)

    @property
    def venue(self) -> VenueShell:
        """The simulated venue: `inject` acts on it."""
        return self.host.shell

    # --- life ----------------------------------------------------------------------------------------------------

    async def _wire(self) -> Engine:
        """What `engine.daemon.serve` does before it runs."""
        self.host.start(self.loop)
        registry = open_registry(self.loaded.data_dir, self.world.disk)
        ((name, venue),) = self.loaded.config.venue.items()
        self._access = VenueAccess(self.world, venue)
        specs = await self._access.reference_data(registry.venue_id(name))
        if is_paper(self.loaded.config):
            self.paper = await open_paper(self.loaded, self.world, self._access, specs, self.credentials)
        await self._access.orders.settle_account(self.credentials)
        inputs = LineInputs(name, venue, self.credentials, specs, self._access.rest.rate_limits)
        engine = Engine(
            self.loaded,
            self.world,
            self.journal,
            registry,
            [inputs],
            self.strategies,
            stays_down=self.stays_down,
        )
        (line,) = engine.lines
        self._access.orders.rest.share(line.session)
        self._gateway = line.order_keeper(self._access.orders, self._on_fatal)
        self._keepers = [
            *line.market_keepers(self._access, self._on_fatal),
            self._gateway,
            line.poll_keeper(self._access),
            line.instrument_keeper(self._access),
        ]
        self._assets_named = engine.tables.asset_count
        return engine

    def begin(self) -> None:
        """Recover, and let connections and ticks begin; time stands still."""
        self.engine.recover(EarlierRuns(self.loaded.data_dir, self.journal.epoch))
        self.engine.lines[0].tell_margin(self._access.orders.margin_terms)
        self.engine.counters.set(Counter.EPOCH, self.journal.epoch)
        self.loop.call_soon(self._tick)
        for keeper in self._keepers:
            task = self.loop.create_task(keeper.run())
            task.add_done_callback(self._on_task_end)
            self._tasks.append(task)

    def start(self, limit_s: float = START_LIMIT_S) -> None:
        """`begin`, then run until trading is allowed (ACTIVE). StandstillError where it is not within `limit_s`."""
        self.begin()
        self.run_while(lambda: not self.is_active, limit_s)

    @property
    def is_active(self) -> bool:
        """Whether the engine may trade."""
        return bool(self.engine.tables.control_state()["trading_state"] == TradingState.ACTIVE)

    def stop(self, limit_s: float = STOP_LIMIT_S) -> bool:
        """An orderly stop: cancel all, ask the venue, close. True where the venue confirmed that nothing is open."""
        self.command(CommandKind.STOP, reason="stop")
        self.stopping.begin()
        self.run_while(lambda: not self.stopping.is_done, limit_s)
        self.close()
        return self.stopping.is_flat

    def close(self, reason: str = "stop") -> None:
        """End here: connections closed, the journal complete and shut. No order is cancelled."""
        if not self._is_closed:
            self._end()
            self.state_watch.write()
            self.journal.close(reason=reason)

    def crash(self) -> None:
        """End as a kill -9 does: nothing more is written, the venue sees its connections go."""
        if not self._is_closed:
            self.journal.crash()
            self._end()

    def _end(self) -> None:
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        gone = self.clock.monotonic_ns()
        self.loop.run_until_ns(gone)
        self.host.stop()
        if self.paper is not None:
            self.paper.close()
        self.loop.run_until_ns(gone + NS_PER_S)
        self.loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            with contextlib.suppress(Exception):  # what ended the run is being told already
                self.crash()

    # --- time ----------------------------------------------------------------------------------------------------

    def run_for(self, seconds: float) -> None:
        """Go on for so long."""
        self.loop.run_until_ns(self.clock.monotonic_ns() + round(seconds * NS_PER_S))

    def run_until(self, wall_ns: int) -> None:
        """Go on until this wall clock."""
        self.loop.run_until_ns(self.clock.monotonic_ns() + wall_ns - self.clock.time_ns())

    def run_while(self, goes_on: Callable[[], bool], limit_s: float = 60.0) -> None:
        """Event by event as long as `goes_on()`. StandstillError where it still does after `limit_s`."""
        self.loop.run_while(goes_on, self.clock.monotonic_ns() + round(limit_s * NS_PER_S))

    def at(self, wall_ns: int, action: Callable[[], object]) -> None:
        """Let `action()` happen at a time to come."""
        self.loop.call_at_ns(self.clock.monotonic_ns() + wall_ns - self.clock.time_ns(), action)

    # --- acting --------------------------------------------------------------------------------------------------

    def inject(self, action: Callable[[VenueShell, int], Any]) -> Any:
        """Act on the venue now, in a turn of its own: `action(shell, now_ns)`; what it causes is published. Returns its result."""
        results: list[Any] = []
        with self.loop._running():
            self.host.turn(lambda now_ns: results.append(action(self.host.shell, now_ns)))
        return results[0]

    def command(self, kind: CommandKind, **fields: Any) -> int:
        """Journal an operator's command and let the stages apply it now; its sequence."""
        fields.setdefault("uid", 0)
        with self.loop._running():
            return int(self.engine.sequencer.execute_command(kind, **fields))

    def records(self, lane: int = Lane.LEDGER) -> Iterator[Record]:
        """What the journal on disk holds, this run's records included."""
        self.journal.flush()
        return JournalReader(self.loaded.data_dir).records(lane)

    # --- what the daemon's turns do --------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._is_closed:
            return
        engine = self.engine
        self.ticks += 1
        now_ns = self.clock.monotonic_ns()
        engine.sequencer.submit_timer(TimerKind.TICK, deadline_mono_ns=now_ns)
        engine.pipeline.run_to_completion()
        engine.watchdog.progress(engine.counters, self.clock)
        self.state_watch.each_tick()
        self._each_tick(now_ns)
        self.journal.flush()
        self.loop.call_at_ns(now_ns + TICK_NS, self._tick)

    def _each_tick(self, now_ns: int) -> None:
        engine = self.engine
        if self.stopping.has_begun:
            if not self.stopping.is_done:
                self.stopping.advance()
        elif now_ns >= self._next_reconcile_ns and engine.tables.control_state()["reconciled"]:
            self._next_reconcile_ns = now_ns + self.loaded.config.reconcile.interval_s * NS_PER_S
            engine.sequencer.submit_timer(TimerKind.RECONCILE, deadline_mono_ns=now_ns)
        if engine.tables.asset_count != self._assets_named:
            engine.journal.append(Lane.LEDGER, RecordKind.INSTRUMENT, msgspec.json.encode(engine.names()))
            self._assets_named = engine.tables.asset_count

    def _on_timer(self, due: tuple[int, int, int, int, int]) -> None:
        timer_id, deadline_ns, kind, strategy_id, data = due
        self.engine.sequencer.submit_timer(
            kind, timer_id=timer_id, deadline_mono_ns=deadline_ns, data=data, strategy_id=strategy_id
        )
        self.engine.pipeline.run_to_completion()

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_fatal(error)

    def _on_fatal(self, error: BaseException) -> None:
        """The impossible ends the run that is going on."""
        self.loop.failure = self.loop.failure or error


def load_strategies(loaded: LoadedConfig) -> dict[str, Strategy]:
    """The strategies that the configuration names."""
    return {name: load_strategy(row.class_path, row.params) for name, row in loaded.config.strategy.items()}


def open_journal(loaded: LoadedConfig, world: World) -> Journal:
    """The configuration's journal, without its thread: bytes go to disk at each tick, at the same places in every run."""
    return Journal.open(
        journal_settings(loaded), world, build="simulation", config_hash=digest(loaded.config), threaded=False
    )


__all__ = ["START_NS", "JournalFull", "Latency", "Simulation"]
