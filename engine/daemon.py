"""The life of one engine: start, recover, connect, trade, stop. What is wired to what stands in `engine/app.py`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from engine.app import Engine
from engine.config import Config, LoadedConfig, digest
from engine.connection_troubles import ConnectionTroubles, Watched
from engine.control.commands import EngineControl, EngineNames, OperatorCommand
from engine.control.messages import ScopeKind
from engine.control.server import ControlServer
from engine.credentials import Credentials, load_credentials
from engine.dead_man_duty import FallAlarm, dead_man_of, require_weight
from engine.exit_codes import CommandError, ExitCode
from engine.guard.kills import Kills, KillsUnreadable
from engine.journal.cursor import Record
from engine.journal.errors import JournalFull
from engine.journal.journal import Journal
from engine.journal.reader import JournalReader
from engine.journal.settings import JournalConfig
from engine.kill_cancels import kill_cancels_of
from engine.model import clientid
from engine.model.codes import CommandKind, Counter, HaltReason, Lane, RecordKind, TimerKind, TradingState
from engine.orderly_stop import OrderlyStop
from engine.paper import MarketOnlyNet, Paper, is_paper, open_paper, paper_credentials
from engine.quiet_time import QuietTime
from engine.risk_wiring import limit_desk
from engine.runtime.account_lock import lock_account
from engine.runtime.crash_loop import CrashLoopGuard
from engine.runtime.idle_gc import IdleCollector
from engine.runtime.net import LiveNet
from engine.runtime.registry import Registry
from engine.runtime.service import Supervisor
from engine.runtime.turns import Turns
from engine.runtime.world import World
from engine.strategy.api import Strategy
from engine.strategy.loader import StrategyLoadError, load_strategy, subscriptions_of
from engine.venue_access import VenueAccess
from engine.venue_kinds import Keeper, VenueKind, kind_of

# how much longer a supervisor is asked to wait while the journal is recovered
RECOVERY_EXTENSION_S = 120.0
NS_PER_S = 1_000_000_000


def run(loaded: LoadedConfig) -> int:
    """Run one engine until it is stopped; returns the exit code. Raises CommandError and the stages' own errors at start."""
    world = World.live(net=live_net(loaded.config))
    credentials, strategies = read_inputs(loaded, world)
    require_core(loaded.config.engine.cpu)
    with contextlib.closing(Supervisor.of_environment(world.clock)) as supervisor:
        QuietTime(loaded.runtime_dir, world).sit_out(supervisor, say)
    journal = open_journal(loaded, world)
    account_lock = -1
    import uvloop

    try:
        account_lock = lock_account(credentials.api_key)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve(loaded, world, journal, credentials, strategies))
    except BaseException as error:
        close_journal(journal, f"start failed: {error}" if isinstance(error, CommandError) else f"fatal: {error!r}")
        raise
    finally:
        if account_lock >= 0:
            os.close(account_lock)


def live_net(config: Config) -> LiveNet | MarketOnlyNet:
    """The network; in paper trading one over which no order can leave."""
    if not is_paper(config) or len(config.venue) != 1:
        return LiveNet()
    (venue,) = config.venue.values()
    return MarketOnlyNet(LiveNet(), venue)


def read_inputs(loaded: LoadedConfig, world: World) -> tuple[Credentials, dict[str, Strategy]]:
    """Everything that can be refused before a socket opens: the account's keys and the strategies' parameters."""
    config = loaded.config
    if len(config.venue) != 1:
        raise CommandError(
            ExitCode.CONFIG, f"{loaded.path}: venue: this version trades at one venue, not {len(config.venue)}"
        )
    (venue,) = config.venue.values()
    strategies = {}
    for name, section in config.strategy.items():
        try:
            strategies[name] = load_strategy(section.class_path, section.params)
            check_subscriptions(kind_of(venue.kind), strategies[name], section.subscriptions)
        except StrategyLoadError as error:
            raise CommandError(ExitCode.CONFIG, f"{loaded.path}: strategy.{name}: {error}") from None
    if is_paper(config):
        return paper_credentials(loaded, world), strategies
    return load_credentials(venue.credential, venue.key_type), strategies


def check_subscriptions(kind: VenueKind, strategy: Strategy, words: Iterable[str]) -> None:
    """Everything subscribed to must be heard by the strategy and had by the venue. Raises StrategyLoadError."""
    for row in subscriptions_of(strategy, words):
        if kind.source_of(row) is None:
            raise StrategyLoadError(f'subscriptions: a venue of kind "{kind.name}" has no "{row.name}"')


def require_core(cpu: int | None) -> None:
    """Refuse a core that this process may not use, before anything is opened."""
    if cpu is not None and cpu not in (usable := os.sched_getaffinity(0)):
        raise CommandError(ExitCode.CONFIG, f"engine.cpu: core {cpu} is not among the usable ones {sorted(usable)}")


def pin_to_core(cpu: int | None) -> None:
    """Keep the calling thread, the hot one, on one core.

    Called when the other threads (journal writer, watchdog) run: a thread inherits the cores of the one that makes it, and would
    share the hot core instead of keeping to the others.
    """
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})


def open_journal(loaded: LoadedConfig, world: World) -> Journal:
    """Lock, recover, fence. A second engine on the same directory ends here."""
    config = loaded.config
    settings = JournalConfig(
        data_dir=Path(config.engine.data_dir),
        runtime_dir=Path(config.engine.runtime_dir),
        engine_id=config.engine.id,
        ledger_front_bytes=config.journal.ledger_front_bytes,
        tape_front_bytes=config.journal.tape_front_bytes,
        segment_bytes=config.journal.segment_bytes,
        sync_interval_ms=config.journal.sync_interval_ms,
    )
    from engine.cli.main import version

    return Journal.open(settings, world, build=version(), config_hash=digest(config))


def close_journal(journal: Journal, reason: str) -> None:
    """Write what is there and let go of the lock; never raises, since something else is already being reported."""
    with contextlib.suppress(Exception):
        journal.close(reason=reason, record_stop=False)


async def serve(
    loaded: LoadedConfig,
    world: World,
    journal: Journal,
    credentials: Credentials,
    strategies: dict[str, Strategy],
) -> int:
    """Fetch reference data, wire, trade, stop."""
    ((venue_name, venue),) = loaded.config.venue.items()
    registry = Registry(Path(loaded.config.engine.data_dir) / "names.json", world.disk)
    access = VenueAccess(world, venue)
    paper: Paper | None = None
    try:
        specs = await access.reference_data(registry.venue_id(venue_name))
        require_weight(venue_name, venue, access.rest.rate_limits["REQUEST_WEIGHT", "MINUTE"])
        if is_paper(loaded.config):
            paper = await open_paper(loaded, world, access, specs, credentials)
        await access.orders.settle_account(credentials)
        guard = crash_guard(loaded)
        stays_down = guard is not None and guard.note_start(world.clock.time_ns())
        limits = access.rest.rate_limits
        engine = Engine(loaded, world, journal, registry, specs, strategies, credentials, limits, stays_down=stays_down)
        return await Daemon(engine, access, guard).run()
    finally:
        QuietTime(loaded.runtime_dir, world).note(access.rest.quiet_left_ns())
        await access.close()
        if paper is not None:
            paper.close()


def crash_guard(loaded: LoadedConfig) -> CrashLoopGuard | None:
    """None where kill tests turned it off by name."""
    setting = loaded.config.engine.crash_loop
    if isinstance(setting, str):
        return None
    return CrashLoopGuard(Path(loaded.config.engine.data_dir), setting.count, setting.minutes)


class Daemon:
    """One engine's life. `run` returns the exit code."""

    def __init__(self, engine: Engine, access: VenueAccess, guard: CrashLoopGuard | None) -> None:
        self.engine = engine
        self.access = access
        self.loaded = engine.loaded
        self.crash_guard = guard
        self.kills = Kills(self.loaded.data_dir)
        self.stopped = asyncio.Event()
        self.fatal: BaseException | None = None
        self.assets_named = engine.tables.asset_count
        self.next_reconcile_ns = 0
        access.orders.rest.share(engine.session)
        self.gateway = engine.order_keeper(access.orders, self.on_fatal)
        self.markets = engine.market_keepers(access, self.on_fatal)
        self.keepers: list[Keeper] = [
            *self.markets,
            self.gateway,
            engine.poll_keeper(access),
            engine.instrument_keeper(access),
        ]
        clock = engine.world.clock
        self.supervisor = Supervisor.of_environment(clock)
        self.dead_man = dead_man_of(engine, access.orders)
        self.fall_alarm = FallAlarm(engine, self.dead_man)
        self.kill_cancels = kill_cancels_of(engine, access.orders)
        self.troubles = ConnectionTroubles(engine.sequencer, engine.venue_id, self.watched_connections())
        self.stop = OrderlyStop(engine, self.supervisor, lambda: self.gateway.last_error)
        self.collector = IdleCollector(clock, engine.counters)
        self.turns = Turns(
            clock,
            engine.sequencer,
            engine.pipeline,
            engine.timers,
            engine.watchdog,
            engine.counters,
            self.collector,
            spin=self.loaded.config.engine.wait == "spin",
            on_fatal=self.on_fatal,
            each_tick=self.each_tick,
            on_progress=self.on_progress,
            may_spin=lambda: not engine.world.net.is_connecting,
        )
        self.limits = limit_desk(
            engine.monitor,
            engine.tables,
            self.loaded.config,
            {engine.venue_name: engine.venue_id},
            engine.strategy_ids,
        )
        self.control = ControlServer(
            self.loaded.control_socket,
            EngineControl(
                self.engine_names(),
                engine.tables,
                engine.counters,
                clock,
                self.submit_command,
                engine.register.halts,
                lambda: self.troubles.text,
                self.limits,
            ),
            counters=engine.counters,
            clock=clock,
        )

    # --- what runs ---

    async def run(self) -> int:
        """Recover, connect, trade until stopped; returns the exit code."""
        loop = asyncio.get_running_loop()
        self.supervisor.extend(RECOVERY_EXTENSION_S)
        self.supervisor.status("reading the ledger of earlier runs")
        clock = self.engine.world.clock
        self.engine.oms.restore(
            self.engine.monitor.restoring(self.earlier_records(), wall_ns=clock.time_ns(), mono_ns=clock.monotonic_ns())
        )
        self.engine.tell_margin(self.access.orders.margin_terms)
        self.note_facts()
        self.obey_guard()
        self.control.open(loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.on_signal, number)
        self.engine.watchdog.start()
        pin_to_core(self.loaded.config.engine.cpu)
        self.turns.start(loop)
        tasks = [loop.create_task(job) for job in (keeper.run() for keeper in self.keepers)]
        for task in tasks:
            task.add_done_callback(self.on_task_end)
        self.supervisor.ready(self.state_text())
        where = (
            f"on paper, with the market of {self.engine.venue_name}"
            if is_paper(self.loaded.config)
            else f"at {self.engine.venue_name}"
        )
        say(f"started {self.loaded.config.engine.name}, epoch {self.engine.journal.epoch}, {where}")
        loop.create_task(self.settle()).add_done_callback(self.on_task_end)
        try:
            await self.stopped.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.dead_man is not None:
            # what may still be open is the venue's to cancel
            await (self.dead_man.disarm() if self.stop.is_flat and self.fatal is None else self.dead_man.leave())
        return self.close()

    def on_progress(self) -> None:
        """Every actor was polled since the last time: whoever would act on our death is told that we live."""
        self.supervisor.beat()
        if self.dead_man is not None:
            self.dead_man.feed()

    async def settle(self) -> None:
        """Once the connections stand: freeze what lives for garbage collection, and spin if asked to."""
        session, credential = self.engine.session, self.engine.venue.credential
        while not self.engine.tables.control_state()["reconciled"]:
            if session.is_key_refused:
                text = f"the venue refuses the credential {credential!r}: {session.failure}"
                raise CommandError(
                    ExitCode.NO_PERMISSION, f"{self.engine.venue_name}: {text}: check its key and rights"
                )
            await asyncio.sleep(0.05)
        self.collector.freeze()
        self.turns.begin_spin()

    def close(self) -> int:
        """The end of a run: everything closed, the journal last."""
        if self.fatal is None and self.stop.is_flat:
            # who watches this process from outside knows by it that nothing is left to cancel
            self.engine.counters.set(Counter.PID, 0)
        self.turns.stop()
        self.engine.watchdog.stop()
        self.control.close()
        self.collector.thaw()
        if isinstance(self.fatal, CommandError):
            self.engine.journal.close(reason=str(self.fatal), record_stop=False)
            raise self.fatal
        if self.fatal is not None:
            say("fatal: " + "".join(traceback.format_exception(self.fatal)).rstrip())
            self.engine.journal.close(reason=f"fatal: {self.fatal!r}", record_stop=False)
            return ExitCode.INTERNAL
        if self.crash_guard is not None and self.engine.tables.control_state()["halt_reason"] != HaltReason.CRASH_LOOP:
            self.crash_guard.clear()
        code = ExitCode.OK
        if self.stop.doubt:
            say(f"stopped, but {self.stop.doubt}")
            code = ExitCode.UNAVAILABLE
        self.engine.journal.close(reason="stop")
        if self.engine.journal.error:
            say(f"stopped, but the journal's disk failed: {self.engine.journal.error_text}")
            return ExitCode.IO_ERROR
        if code == ExitCode.OK:
            say("stopped")
        return code

    # --- stop ---

    def on_signal(self, number: int) -> None:
        """SIGTERM, SIGINT: the same as `ctl stop`; a second one stops at once."""
        if self.stop.has_begun:
            self.stopped.set()
            return
        self.submit_command(OperatorCommand(kind=CommandKind.STOP, uid=os.getuid(), reason=signal.Signals(number).name))

    def each_tick(self) -> None:
        """Cold work between frames: gauges, and the way to a stop."""
        counters, state = self.engine.counters, self.engine.tables.control_state()
        counters.set(Counter.TRADING_STATE, state["trading_state"])
        counters.set(Counter.HALT_REASON, state["halt_reason"])
        counters.set(Counter.RECONCILED, int(state["reconciled"]))
        counters.set(Counter.GATEWAY_READY, int(state["gateway_ready"]))
        now_ns = self.engine.world.clock.monotonic_ns()
        if now_ns >= self.next_reconcile_ns and state["reconciled"] and not self.stop.has_begun:
            self.next_reconcile_ns = now_ns + self.loaded.config.reconcile.interval_s * NS_PER_S
            with contextlib.suppress(JournalFull):
                self.engine.sequencer.submit_timer(TimerKind.RECONCILE, deadline_mono_ns=now_ns)
        if self.engine.tables.asset_count != self.assets_named:
            self.name_assets()
        self.fall_alarm.look()
        if self.stop.has_begun:
            self.stop.advance()
            if self.stop.is_done:
                self.stopped.set()
            return
        self.troubles.look()
        self.supervisor.status(self.state_text())

    def state_text(self) -> str:
        """The trading state and what keeps connections from standing, for `systemctl status`."""
        state = self.engine.tables.control_state()
        name = TradingState(state["trading_state"]).name
        reason = HaltReason(state["halt_reason"]).name
        text = name if state["trading_state"] == TradingState.ACTIVE else f"{name} ({reason})"
        text = f"PAPER {text}" if is_paper(self.loaded.config) else text
        return f"{text}; {self.troubles.text}" if self.troubles.text else text

    def watched_connections(self) -> list[Watched]:
        """The keepers whose failed attempts are told in words."""
        counters, tables, switch = self.engine.counters, self.engine.tables, self.dead_man
        watched = (
            [] if switch is None else [Watched("the dead-man switch", lambda: switch.is_fed, lambda: switch.last_error)]
        )
        return [
            *watched,
            Watched(
                "the market connection",
                lambda: counters.get(Counter.FEED_SESSIONS_READY) >= len(self.markets),
                lambda: next((keeper.last_error for keeper in self.markets if keeper.last_error), ""),
            ),
            Watched(
                "the order connection",
                lambda: bool(tables.control_state()["gateway_ready"]),
                lambda: self.gateway.last_error,
            ),
        ]

    def name_assets(self) -> None:
        """An asset was met for the first time: its number is made durable and named in the ledger.

        A write to disk on the busy thread, once in an asset's life and almost always during the first reconciliation.
        """
        engine = self.engine
        if engine.registry.note_assets(engine.tables):
            engine.registry.save()
        with contextlib.suppress(JournalFull):  # tried again at the next tick
            engine.journal.append(Lane.LEDGER, RecordKind.INSTRUMENT, msgspec.json.encode(engine.names()))
            self.assets_named = engine.tables.asset_count

    # --- commands and failures ---

    def submit_command(self, command: OperatorCommand) -> int:
        """Journal an operator's command and let the stages apply it; returns its sequence, 0 when the journal is full."""
        fields = {name: getattr(command, name) for name in command.__struct_fields__ if name != "kind"}
        try:
            sequence = self.engine.sequencer.execute_command(command.kind, **fields)
        except JournalFull:
            sequence = 0
        if command.kind == CommandKind.STOP and not self.stop.has_begun:
            self.stop.begin()
        if sequence == 0:
            return 0
        if command.kind == CommandKind.KILL and self.kill_cancels is not None:
            self.kill_cancels.begin(command.scope_kind, command.instrument_id)
        if command.kind == CommandKind.ARM:
            self.arm_outside(command)
        return sequence

    def arm_outside(self, command: OperatorCommand) -> None:
        """What an `arm` clears beside the stages: the whole engine's its count of crashes, and kills that the guard has kept."""
        if command.scope_kind == 0 and self.crash_guard is not None:
            self.crash_guard.clear()
        if command.strategy_id == 0:
            symbol = self.engine.tables.symbol(command.instrument_id) if command.instrument_id else ""
            self.kills.clear(symbol)

    def obey_guard(self) -> None:
        """Kills that an earlier run did not live to hear: the guard has kept them, and they come before anything else."""
        try:
            orders = [(item.symbol, item.reason, item.uid) for item in self.kills.read()]
        except KillsUnreadable as error:
            orders = [("", f"the guard's kills cannot be read: {error}", os.getuid())]
        for symbol, reason, uid in orders:
            row = self.engine.tables.instrument_id(self.engine.venue_id, symbol) if symbol else 0
            if symbol and not row:
                continue
            scope = ScopeKind.INSTRUMENT if symbol else ScopeKind.ALL
            text = f"kept by the guard: {reason}"
            self.submit_command(
                OperatorCommand(kind=CommandKind.KILL, uid=uid, reason=text, scope_kind=scope, instrument_id=row)
            )

    def on_task_end(self, task: asyncio.Task[None]) -> None:
        """A keeper ends only when it is cancelled; anything else is a fault of ours."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.on_fatal(error)

    def on_fatal(self, error: BaseException) -> None:
        """The impossible: remember it, stop at once; the next start recovers from the journal."""
        if self.fatal is None:
            self.fatal = error
        self.stopped.set()

    # --- facts ---

    def earlier_records(self) -> Iterator[Record]:
        """The ledger of earlier runs."""
        for record in JournalReader(Path(self.loaded.config.engine.data_dir)).records(Lane.LEDGER):
            if record.epoch < self.engine.journal.epoch:
                yield record

    def note_facts(self) -> None:
        """What readers of the counters file want to know about this process."""
        self.engine.counters.set(Counter.EPOCH, self.engine.journal.epoch)
        self.engine.counters.set(Counter.PID, os.getpid())
        self.engine.counters.set(Counter.START_WALL_NS, self.engine.world.clock.time_ns())

    def engine_names(self) -> EngineNames:
        """Names for the control port."""
        from engine.cli.main import version

        engine = self.loaded.config.engine
        return EngineNames(
            engine=engine.name,
            engine_id=engine.id,
            mode=engine.mode,
            version=version(),
            venues={self.engine.venue_name: self.engine.venue_id},
            strategies=self.engine.strategy_ids,
            handle_of=clientid.decode,
        )


def say(text: str) -> None:
    """One line on stderr: start, stop and fatal errors, nothing else."""
    sys.stderr.write(f"tradewind: {text}\n")
    sys.stderr.flush()
