"""One life of the hunted engine, from a start to a stop or a crash: a simulation with what the daemon does beside the stages."""

from __future__ import annotations

import contextlib
import errno
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.config import LoadedConfig
from engine.connection_troubles import ConnectionTroubles
from engine.control.commands import OperatorCommand
from engine.control.messages import AnyReply, AnyRequest, ScopeKind
from engine.control.operators import Operators
from engine.control.server import Caller
from engine.dead_man_duty import FallAlarm, dead_man_of
from engine.flatten import PanicClose
from engine.hedging import Hedging
from engine.hunt.net import HuntNet, Seen
from engine.hunt.place import LATENCY, credentials
from engine.hunt.trader import Trader
from engine.journal.errors import JournalFull
from engine.kill_cancels import kill_cancels_of
from engine.model.codes import CommandKind
from engine.notifier_watch import NotifierWatch
from engine.paper_market import MarketOnlyNet
from engine.runtime.clock import Clock
from engine.runtime.world import World
from engine.sim.inprocess.host import VenueHost
from engine.sim.inprocess.net import MemoryNet
from engine.sim.inprocess.ways import Latency
from engine.sim.wire.shell import VenueShell
from engine.simulation import Simulation
from engine.strategy.market_maker import MarketMaker
from engine.venue_health import VenueHealth

NS_PER_S = 1_000_000_000


# how an orderly stop ends
STOPPED = "stopped in order"


class EngineEnded(Exception):
    """The engine's process ends here, by a schedule's event; `why` says how."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class HuntWorld(World):
    """A virtual world on a machine that can be switched off."""

    boot: int = 0

    def boot_id(self) -> bytes:
        """Another one after each power cut."""
        return uuid.UUID(int=self.boot + 1).bytes


class SteadyHost(VenueHost):
    """The venue's own time: that of the run's beginning, whatever the engine's wall clock does."""

    def __init__(self, shell: VenueShell, clock: Clock, wall_offset_ns: int) -> None:
        super().__init__(shell, clock, turn_ns_min=1)
        self._wall_offset_ns = wall_offset_ns


@dataclass(frozen=True)
class Surroundings:
    """What outlives an engine: the run's clock, the venue, the machine, and who watches."""

    loaded: LoadedConfig
    shell: VenueShell
    clock: Clock
    wall_offset_ns: int
    boot: int
    seen: Seen
    arrived: Callable[[str, list[bytes]], None]
    refuses: Callable[[str], bool]
    entered: Callable[[Any], None]
    control: Callable[[Any], Operators]
    stays_down: bool = False


class Life(Simulation):
    """`entered(life)` is called before anything is asked of the venue."""

    def __init__(self, around: Surroundings, seed: int) -> None:
        self.around = around
        self.trader = Trader()
        self.trader.is_hedged = any(venue.position_mode == "hedge" for venue in around.loaded.config.venue.values())
        self._frozen: dict[Path, bytes] = {}
        self.closing: PanicClose | None = None
        self.hedging: Hedging | None = None
        self.dead_man: Any = None
        self.is_dead = False
        # how many times the disk keeps syncs for itself at this moment
        self.holds = 0
        self.stays_down = around.stays_down
        strategies = {"trader": self.trader, "maker": _maker(around.loaded)}
        super().__init__(
            around.loaded,
            around.shell,
            seed=seed,
            strategies=strategies,
            latency=LATENCY,
            credentials=credentials(),
            clock=around.clock,
        )
        self._take_duties()

    def make_host(self, shell: VenueShell) -> VenueHost:
        """One whose time goes on from life to life."""
        return SteadyHost(shell, self.clock, self.around.wall_offset_ns)

    def make_net(self, latency: Latency | None, seed: int) -> MemoryNet:
        """One that is watched."""
        net = HuntNet(self.host, self.clock, latency, seed, self.around.seen, self.around.arrived)
        net.refuses = self.around.refuses
        return net

    def make_world(self, seed: int, net: MemoryNet | MarketOnlyNet) -> World:
        """One that can be switched off."""
        base = World.virtual(seed, net, self.clock)
        return HuntWorld(self.clock, base.disk, seed, base.rng, net, is_virtual=True, boot=self.around.boot)

    async def _wire(self) -> Any:
        self.around.entered(self)
        return await super()._wire()

    @property
    def is_wired(self) -> bool:
        """Has the start come so far that there is an engine."""
        return "engine" in vars(self)

    # --- what the daemon does beside the stages ---

    def _take_duties(self) -> None:
        (line,) = self.engine.lines
        orders = self._access.orders
        self.dead_man = dead_man_of(line, orders)
        self.fall_alarm = FallAlarm(line, self.dead_man)
        self.kill_cancels = kill_cancels_of(line, orders)
        self.closing = PanicClose(self.engine, self.submit)
        self.health = VenueHealth(line, self._access)
        self._keepers = [*self._keepers, *self.health.keepers]  # type: ignore[list-item]
        self.troubles = ConnectionTroubles(self.engine.sequencer, line.venue_id, [], "")
        self.notifier = NotifierWatch(self.engine, self.told.append)
        self.control: Operators = self.around.control(self)

    def _each_tick(self, now_ns: int) -> None:
        with contextlib.suppress(JournalFull):
            super()._each_tick(now_ns)
        if self.closing is None:
            return
        if self.dead_man is not None:
            self.dead_man.feed()
        self.fall_alarm.look()
        self.health.look()
        self.notifier.look()
        if not self.stopping.has_begun:
            self.closing.advance()
            if self.hedging is not None:
                self.hedging.advance()
        elif self.stopping.is_done and not self.is_dead:
            raise EngineEnded(STOPPED)

    def submit(self, command: OperatorCommand) -> int:
        """What the daemon does with an operator's command; its sequence, 0 where the journal had no room."""
        if command.kind == CommandKind.FLATTEN and command.flags == 0 and self.closing is not None:
            return self.closing.begin(command)
        fields = msgspec.structs.asdict(command)
        try:
            sequence = int(self.engine.sequencer.execute_command(fields.pop("kind"), **fields))
        except JournalFull:
            return 0
        if command.kind == CommandKind.STOP and not self.stopping.has_begun:
            self.stopping.begin()
        if command.kind == CommandKind.KILL and self.kill_cancels is not None and sequence:
            self.kill_cancels.begin(command.scope_kind, command.instrument_id)
        return sequence

    def asked_by_person(self, request: AnyRequest, caller: Caller) -> AnyReply:
        """What the control port answers."""
        if self.loop.is_running():
            return self.control(request, caller)
        with self.loop._running():
            return self.control(request, caller)

    def submit_by_person(self, kind: CommandKind, **fields: Any) -> int:
        """An operator's command; its sequence, 0 where the journal had no room."""
        fields.setdefault("scope_kind", ScopeKind.ALL)
        fields.setdefault("reason", "hunt")
        if self.loop.is_running():
            return self.submit(OperatorCommand(kind=kind, uid=0, **fields))
        with self.loop._running():
            return self.submit(OperatorCommand(kind=kind, uid=0, **fields))

    def handle_of_person(self) -> int:
        """A number for an operator's order, 0 where the journal had no room: a number is an input, too."""
        if self.loop.is_running():
            return int(self.engine.sequencer.take_handles())
        with self.loop._running():
            return int(self.engine.sequencer.take_handles())

    # --- ends ---

    def let_go_of_disk(self) -> None:
        """A disk that kept its syncs goes on, once nothing else holds it; it is synced at the next tick."""
        self.holds -= 1
        if self.holds == 0 and not self._is_closed:
            self.journal.hold_disk(False)

    def end_now(self, why: str) -> None:
        """End the life at this very instant: nothing that the engine does after this call leaves it or stays of it."""
        if self.is_dead:
            return
        self.is_dead = True
        self._frozen = {
            Path(lane.path): Path(lane.path).read_bytes() for lane in (self.journal.ledger, self.journal.tape)
        }
        self.journal.set_fault("sticky", self.journal.io_count + 1, errno.EIO)
        self.hunt_net.is_dead = True
        self.loop.failure = self.loop.failure or EngineEnded(why)

    @property
    def hunt_net(self) -> HuntNet:
        """The network, as what it is."""
        assert isinstance(self.net, HuntNet)
        return self.net

    def crash(self) -> None:
        """As kill -9: the journal's fronts stay as they were when it struck."""
        if self._is_closed:
            return
        self.journal.crash()
        for path, data in self._frozen.items():
            path.write_bytes(data)
        self._bury()

    def end_in_order(self) -> None:
        """As the daemon ends after a stop: connections go, the last hash of the state and STOP are written."""
        if not self._is_closed:
            self.journal.hold_disk(False)  # an orderly stop waits for the disk
            self._bury()
            self.state_watch.write()
            self.journal.close(reason="stop")

    def _bury(self) -> None:
        """The dead engine's connections break; its callbacks do nothing any more."""
        self._is_closed = True
        net = self.hunt_net
        self.loop._sources.clear()
        self.loop.failure = None
        with self.loop._running():
            net.die()
        for task in self._tasks:
            task.cancel()
        gone_ns = self.clock.monotonic_ns()
        self._run_dead(gone_ns)
        self._run_dead(gone_ns + NS_PER_S // 10)
        self.host.stop()
        self.loop.close()

    def _run_dead(self, until_ns: int) -> None:
        """Let the loop run out; what the dead engine's code still says is nobody's business."""
        self.loop.failure = None
        for _ in range(1_000):
            try:
                self.loop.run_until_ns(until_ns)
            except Exception:  # noqa: BLE001 - it is dead
                continue
            return


def _maker(loaded: LoadedConfig) -> MarketMaker:
    strategy = MarketMaker.from_params(loaded.config.strategy["maker"].params)
    assert isinstance(strategy, MarketMaker)
    return strategy
