"""The life of one engine: start, recover, connect, trade, stop. What is wired to what stands in `engine/app.py`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine.account_locks import AccountLocks
from engine.app import Engine
from engine.audit.watch import StateWatch
from engine.config import LoadedConfig, digest
from engine.control.commands import EngineControl, EngineNames, OperatorCommand
from engine.control.messages import ScopeKind
from engine.control.outcomes import Outcomes
from engine.control.venue_word import VenueWord
from engine.credentials import Credentials
from engine.exit_codes import CommandError, ExitCode
from engine.flatten import PanicClose
from engine.given_numbers import open_registry
from engine.hedging import Hedging
from engine.journal.errors import JournalFull
from engine.journal.journal import Journal
from engine.journal.settings import first_epoch_at
from engine.journal_opening import DurableRelease, journal_settings
from engine.kept_kills import KeptKills
from engine.line import LineInputs
from engine.line_duty import LineDuty, first_error
from engine.model import clientid
from engine.model.codes import CommandKind, Counter, HaltReason, Lane, RecordKind, TimerKind, TradingState
from engine.notifier_watch import NotifierWatch
from engine.operator_port import OperatorPort
from engine.orderly_stop import OrderlyStop
from engine.paper_market import is_paper
from engine.quiet_time import QuietTime
from engine.recovery.earlier import EarlierRuns
from engine.runtime.crash_loop import CrashLoopGuard
from engine.runtime.idle_gc import IdleCollector
from engine.runtime.service import Supervisor
from engine.runtime.turns import Turns
from engine.runtime.world import World
from engine.start_inputs import line_world, live_net, read_inputs, reference_data
from engine.strategy.api import Strategy
from engine.venue_access import VenueAccess
from engine.venue_health import LimitUse, VenueHealth, limit_desk

if TYPE_CHECKING:
    from engine.paper import Paper

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
    locks = AccountLocks(say)
    import uvloop

    try:
        locks.take_keys(credentials.values())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve(loaded, world, journal, credentials, strategies, locks))
    except BaseException as error:
        close_journal(journal, f"start failed: {error}" if isinstance(error, CommandError) else f"fatal: {error!r}")
        raise
    finally:
        locks.close()


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
    from engine.cli.main import version

    settings = msgspec.structs.replace(journal_settings(loaded), first_epoch=first_epoch_at(world.clock.time_ns()))
    return Journal.open(settings, world, build=version(), config_hash=digest(loaded.config))


def close_journal(journal: Journal, reason: str) -> None:
    """Write what is there and let go of the lock; never raises, since something else is already being reported."""
    with contextlib.suppress(Exception):
        journal.close(reason=reason, record_stop=False)


async def serve(
    loaded: LoadedConfig,
    world: World,
    journal: Journal,
    credentials: Mapping[str, Credentials],
    strategies: dict[str, Strategy],
    locks: AccountLocks,
) -> int:
    """Fetch reference data, wire, trade, stop."""
    registry = open_registry(loaded.data_dir, world.disk)
    config = loaded.config
    accesses = {
        name: VenueAccess(line_world(config, world, venue), venue, config.health)
        for name, venue in config.venue.items()
    }
    papers: list[Paper] = []
    try:
        inputs = []
        for name, access in accesses.items():
            specs = await reference_data(registry, name, access)
            if is_paper(config):
                # with it the simulated venue is loaded, which no other mode needs
                from engine.paper import open_paper

                papers.append(await open_paper(loaded, access.world, access, specs, credentials[name], name))
            else:
                await locks.take_account(name, access, credentials[name])
            await access.orders.settle_account(credentials[name])
            inputs.append(LineInputs(name, access.venue, credentials[name], specs, access.rest.rate_limits))
        stays_down = (guard := crash_guard(loaded)) is not None and guard.note_start(world.clock.time_ns())
        engine = Engine(loaded, world, journal, registry, inputs, strategies, stays_down=stays_down)
        return await Daemon(engine, accesses, guard).run()
    finally:
        # a wish for quiet of one venue holds for the next start of them all
        keep_quiet(QuietTime(loaded.runtime_dir, world), accesses)
        for access in accesses.values():
            await access.close()
        for paper in papers:
            paper.close()


def keep_quiet(quiet: QuietTime, accesses: Mapping[str, VenueAccess]) -> None:
    """For the next start; never raises, since the end of a run has more to do."""
    try:
        quiet.note(max(access.rest.quiet_left_ns() for access in accesses.values()))
    except OSError as error:
        say(f"the venue asked for quiet, and the next start will not know: {error}")


def crash_guard(loaded: LoadedConfig) -> CrashLoopGuard | None:
    """None where kill tests turned it off by name."""
    setting = loaded.config.engine.crash_loop
    if isinstance(setting, str):
        return None
    return CrashLoopGuard(Path(loaded.config.engine.data_dir), setting.count, setting.minutes)


class Daemon:
    """One engine's life. `run` returns the exit code."""

    def __init__(self, engine: Engine, accesses: Mapping[str, VenueAccess], guard: CrashLoopGuard | None) -> None:
        self.engine = engine
        self.loaded = engine.loaded
        self.crash_guard = guard
        self.kept_kills = KeptKills(engine, self.loaded.data_dir, self.submit_command, say)
        self.stopped = asyncio.Event()
        self.fatal: BaseException | None = None
        self.assets_named = engine.tables.asset_count
        self.next_reconcile_ns = 0
        self.duties = [LineDuty(line, accesses[line.name], self.on_fatal) for line in engine.lines]
        self.limits = limit_desk(engine)
        self.health = [VenueHealth(duty.line, duty.access) for duty in self.duties]
        self.limit_use = LimitUse(engine, self.limits)
        self.state_watch = StateWatch(engine, self.loaded.config.journal.state_hash_ticks)
        self.notifier = NotifierWatch(engine, say)
        clock = engine.world.clock
        self.supervisor = Supervisor.of_environment(clock)
        self.stop = OrderlyStop(engine, self.supervisor, lambda: first_error(self.duties), say)
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
        self.release = DurableRelease(engine.journal, engine.pipeline, self.on_fatal)
        self.closing = PanicClose(engine, self.submit_command)
        outcomes = Outcomes(engine, self.loaded.config.portfolio.currency)
        self.hedging = Hedging(engine, self.submit_command, outcomes)
        self.control = OperatorPort(
            engine,
            EngineControl(
                self.engine_names(),
                engine.tables,
                engine.counters,
                clock,
                self.submit_command,
                engine.register.halts,
                self.troubles,
                self.limits,
                self.closing.state,
                self.hedging,
                outcomes,
                VenueWord.of(engine),
            ),
        )

    # --- what runs ---

    async def run(self) -> int:
        """Recover, connect, trade until stopped; returns the exit code."""
        loop = asyncio.get_running_loop()
        self.supervisor.extend(RECOVERY_EXTENSION_S)
        self.supervisor.status("reading the ledger of earlier runs")
        self.engine.recover(EarlierRuns(self.loaded.data_dir, self.engine.journal.epoch))
        for duty in self.duties:
            duty.line.tell_margin(duty.access.orders.margin_terms)
        self.note_facts()
        self.kept_kills.obey()
        self.control.open(loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.on_signal, number)
        self.engine.watchdog.start()
        pin_to_core(self.loaded.config.engine.cpu)
        self.turns.start(loop)
        self.release.start(loop)
        keepers = [keeper for duty in self.duties for keeper in duty.keepers]
        keepers += [keeper for health in self.health for keeper in health.keepers]
        tasks = [loop.create_task(keeper.run()) for keeper in keepers]
        for task in tasks:
            task.add_done_callback(self.on_task_end)
        self.supervisor.ready(self.state_text())
        names = ", ".join(self.engine.venue_ids)
        where = f"on paper, with the market of {names}" if is_paper(self.loaded.config) else f"at {names}"
        recovery = self.engine.journal.recovery
        what = ", a new journal" if recovery is not None and recovery.last_seq == 0 else ""
        say(f"started {self.loaded.config.engine.name}, epoch {self.engine.journal.epoch}{what}, {where}")
        loop.create_task(self.settle()).add_done_callback(self.on_task_end)
        try:
            await self.stopped.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for duty in self.duties:
            await duty.let_go(is_flat=self.stop.is_flat and self.fatal is None)
        return self.close()

    def on_progress(self) -> None:
        """Every actor was polled since the last time: whoever would act on our death is told that we live."""
        self.supervisor.beat()
        for duty in self.duties:
            duty.feed()

    async def settle(self) -> None:
        """Once the connections stand: freeze what lives for garbage collection, and spin if asked to."""
        while not self.engine.tables.control_state()["reconciled"]:
            for duty in self.duties:
                duty.require_key()
            await asyncio.sleep(0.05)
        self.collector.freeze()
        self.turns.begin_spin()

    def close(self) -> int:
        """The end of a run: everything closed, the journal last."""
        if self.fatal is None and self.stop.is_flat:
            # who watches this process from outside knows by it that nothing is left to cancel
            self.engine.counters.set(Counter.PID, 0)
        self.turns.stop()
        self.release.stop()
        self.engine.watchdog.stop()
        self.control.close()
        self.kept_kills.end()
        self.control.operators.end()
        self.collector.thaw()
        if isinstance(self.fatal, CommandError):
            self.engine.journal.close(reason=str(self.fatal), record_stop=False)
            raise self.fatal
        if self.fatal is not None:
            say("fatal: " + "".join(traceback.format_exception(self.fatal)).rstrip())
            self.engine.journal.close(reason=f"fatal: {self.fatal!r}", record_stop=False)
            return ExitCode.INTERNAL
        if self.crash_guard is not None and self.engine.tables.control_state()["halt_reason"] != HaltReason.CRASH_LOOP:
            self.forget_crashes("stopped")
        code = ExitCode.UNAVAILABLE if self.stop.doubt else ExitCode.OK
        if self.stop.doubt:
            say(f"stopped, but {self.stop.doubt}")
        self.state_watch.write()
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
        self.state_watch.each_tick()
        self.control.operators.note_expired()
        counters, state = self.engine.counters, self.engine.tables.control_state()
        counters.set(Counter.TRADING_STATE, state["trading_state"])
        counters.set(Counter.HALT_REASON, state["halt_reason"])
        counters.set(Counter.RECONCILED, int(state["reconciled"]))
        counters.set(Counter.GATEWAY_READY, int(state["gateway_ready"]))
        for number, duty in enumerate(self.duties):
            duty.show(number)
        now_ns = self.engine.world.clock.monotonic_ns()
        if now_ns >= self.next_reconcile_ns and self.is_any_reconciled() and not self.stop.has_begun:
            self.next_reconcile_ns = now_ns + self.loaded.config.reconcile.interval_s * NS_PER_S
            with contextlib.suppress(JournalFull):
                self.engine.sequencer.submit_timer(TimerKind.RECONCILE, deadline_mono_ns=now_ns)
        if self.engine.tables.asset_count != self.assets_named:
            self.name_assets()
        for duty in self.duties:
            duty.each_tick(is_stopping=self.stop.has_begun)
        for health in self.health:
            health.look()
        self.limit_use.look()
        self.notifier.look()
        self.kept_kills.each_tick(now_ns)
        if not self.stop.has_begun:
            self.closing.advance()
            self.hedging.advance()
        if self.stop.has_begun:
            self.stop.advance()
            if self.stop.is_done:
                self.stopped.set()
            return
        self.supervisor.status(self.state_text())

    def is_any_reconciled(self) -> bool:
        """Is there a line whose account has been read: those are read again now and then, whatever the others do."""
        return any(self.engine.tables.line_state(line.venue_id)["reconciled"] for line in self.engine.lines)

    def troubles(self) -> str:
        """Why connections do not stand, alarms reach nobody or an `arm` has not reached the file of kills; empty where all do."""
        texts = [*(duty.troubles.text for duty in self.duties), self.notifier.trouble, self.kept_kills.trouble]
        return "; ".join(filter(None, texts))

    def state_text(self) -> str:
        """The trading state and what keeps connections from standing, for `systemctl status`."""
        state = self.engine.tables.control_state()
        name, reason = TradingState(state["trading_state"]).name, HaltReason(state["halt_reason"]).name
        text = name if state["trading_state"] == TradingState.ACTIVE else f"{name} ({reason})"
        text = f"PAPER {text}" if is_paper(self.loaded.config) else text
        return "; ".join([text, *self.halted_lines(), *filter(None, [self.troubles()])])

    def halted_lines(self) -> list[str]:
        """Of several lines, those that do not trade."""
        if len(self.engine.lines) == 1:
            return []
        states = [(line.name, self.engine.tables.line_state(line.venue_id)) for line in self.engine.lines]
        return [
            f"{name}: {TradingState(state['trading_state']).name} ({HaltReason(state['halt_reason']).name})"
            for name, state in states
            if state["trading_state"] != TradingState.ACTIVE
        ]

    def name_assets(self) -> None:
        """An asset was met for the first time: the ledger's names are told anew, for readers."""
        engine = self.engine
        with contextlib.suppress(JournalFull):  # tried again at the next tick
            engine.journal.append(Lane.LEDGER, RecordKind.INSTRUMENT, msgspec.json.encode(engine.names()))
            self.assets_named = engine.tables.asset_count

    # --- commands and failures ---

    def submit_command(self, command: OperatorCommand) -> int:
        """Journal an operator's command and let the stages apply it; returns its sequence, 0 when the journal is full."""
        if command.kind == CommandKind.FLATTEN and command.flags == 0:
            return self.closing.begin(command)
        fields = {name: getattr(command, name) for name in command.__struct_fields__ if name != "kind"}
        try:
            sequence = self.engine.sequencer.execute_command(command.kind, **fields)
        except JournalFull:
            sequence = 0
        if command.kind == CommandKind.STOP and not self.stop.has_begun:
            self.stop.begin()
        if sequence == 0:
            return 0
        if command.kind == CommandKind.KILL:
            self.cancel_beside(command)
        if command.kind == CommandKind.ARM:
            self.arm_outside(command)
        return sequence

    def cancel_beside(self, command: OperatorCommand) -> None:
        """The lines of a kill that cancel by another way too."""
        wanted = command.venue_id or command.account_id
        if command.instrument_id:
            wanted = int(self.engine.tables.instrument(command.instrument_id)["venue_id"])
        for duty in self.duties:
            if duty.kill_cancels is not None and wanted in (0, duty.line.venue_id):
                duty.kill_cancels.begin(command.scope_kind, command.instrument_id)

    def arm_outside(self, command: OperatorCommand) -> None:
        """What an `arm` clears beside the stages: the whole engine's its count of crashes, and kills that the guard has kept."""
        self.kept_kills.forget(command)
        if command.scope_kind == ScopeKind.ALL and self.crash_guard is not None:
            # the `arm` stands in the journal all the same
            self.forget_crashes("armed")

    def forget_crashes(self, what: str) -> None:
        """Count starts anew; never raises."""
        try:
            if self.crash_guard is not None:
                self.crash_guard.clear()
        except OSError as error:
            say(f"{what}, but the count of crashes stays: {error}")

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
            venues=self.engine.venue_ids,
            strategies=self.engine.strategy_ids,
            handle_of=clientid.decode,
            take_handle=self.engine.sequencer.take_handles,
            accounts=frozenset(self.engine.venue_ids.values()),
            durability=self.engine.journal.durability_level,
        )


def say(text: str) -> None:
    """One line on stderr: start, stop and fatal errors, nothing else. Never raises."""
    # it may stand on a full disk or lead to nobody: that ends no engine
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"tradewind: {text}\n")
        sys.stderr.flush()
