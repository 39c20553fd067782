"""The desk of a hunt: the cold process beside the engine, its real parts under the hunt's clock, each of which can stall or die.

Readers (one of the ledger, one of the tape), the recorder with its SQLite file, snapshots, retention, and the notifier with two
receivers. It reads the journal's files and nothing else, so whatever happens to it, the engine's bytes are the same. Its parts
are polled by the hunt; the notifier's coroutines run on a loop of their own, which never moves the clock.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from engine.config import LoadedConfig
from engine.desk.snapshots import SnapshotKeeper
from engine.hunt.readers import HuntReader, HuntRecorder, expire_tape
from engine.hunt.receivers import SECRET, Program, Receiver, WebhookServer
from engine.journal.errors import JournalError
from engine.model.codes import Lane
from engine.notify.alarms import ENGINE_GONE
from engine.notify.channel import Channel, ChannelTerms, Sender
from engine.notify.heartbeat import Beat, write_beat
from engine.notify.notifier import Notifier, NotifierTerms
from engine.notify.operators import acknowledge
from engine.notify.outbox import FILE_NAME, Outbox
from engine.notify.source import LedgerAlarms
from engine.notify.webhook import Webhook
from engine.recovery.maker import SnapshotMaker
from engine.runtime.clock import Clock
from engine.runtime.net import ReconnectPolicy
from engine.sim.inprocess.loop import virtual_loop

if TYPE_CHECKING:
    from collections import Counter

NS_PER_S = 1_000_000_000
TURN_S = 0.2
READ_EVERY = 3
RECORD_EVERY = 13
SNAPSHOT_EVERY = 5
SNAPSHOT_RECORDS = 1_500
REPEAT_S = 40
PID = 4711
PARTS = ("reader", "tape_reader", "recorder", "snapshots", "notifier")
CHANNELS = ("webhook", "command")
TERMS = ChannelTerms(
    severity=1, is_for_repeats_only=False, burst=10, interval_ns=4 * NS_PER_S, lost_after_ns=15 * NS_PER_S
)


class Desk:
    """`turn` every TURN_S. `stalled` names parts and until when they do nothing; `down_until_ns`: there is no desk at all."""

    def __init__(
        self, loaded: LoadedConfig, clock: Clock, seed: int, counts: Counter[str], has_engine: Callable[[], bool]
    ) -> None:
        self.loaded, self.clock, self.counts = loaded, clock, counts
        self.has_engine = has_engine
        self.dice = random.Random(f"{seed} desk")
        self.loop = virtual_loop(clock)
        self.receivers = {name: Receiver(name, clock) for name in CHANNELS}
        self.acknowledged: dict[str, int] = {}
        self.stalled: dict[str, int] = {}
        self.down_until_ns = 0
        self.said: list[str] = []
        self.last_beat_ns = 0
        self.notifier_since_ns = clock.monotonic_ns()
        self.has_died = False
        self._turns = 0
        self._notifier: Notifier | None = None
        self._task: Any = None
        data_dir = loaded.data_dir
        self.reader = HuntReader(data_dir, "hunt", Lane.LEDGER)
        self.tape_reader = HuntReader(data_dir, "hunt-tape", Lane.TAPE)
        self.recorder = HuntRecorder(data_dir, clock)
        self._snapshots: SnapshotKeeper | None = None

    @property
    def notifier(self) -> Notifier | None:
        """The notifier that lives; None while there is none."""
        return self._notifier

    def is_stalled(self, part: str) -> bool:
        """Does this part do nothing now."""
        now_ns = self.clock.monotonic_ns()
        return self.down_until_ns > now_ns or self.stalled.get(part, 0) > now_ns

    # --- one turn ---

    def turn(self) -> None:
        """Whatever of the desk has its time."""
        if self.down_until_ns > self.clock.monotonic_ns():
            return
        self._turns += 1
        if self._turns % READ_EVERY == 0:
            self._each("reader", self.reader.step)
            self._each("tape_reader", self.tape_reader.step)
        if self._turns % RECORD_EVERY == 0:
            self._each("recorder", self.recorder.step)
        if self._turns % SNAPSHOT_EVERY == 0:
            self._each("snapshots", self._keep_snapshots)
        if not self.is_stalled("notifier"):
            self._notify()

    def _each(self, part: str, step: Callable[[], object]) -> None:
        if not self.is_stalled(part):
            step()

    def _keep_snapshots(self) -> None:
        if self._snapshots is None:
            maker = SnapshotMaker(self.loaded.config, self.loaded.data_dir)
            self._snapshots = SnapshotKeeper(maker, self.clock, records=SNAPSHOT_RECORDS, minutes=2)
        self.said.extend(self._snapshots.poll())

    def _notify(self) -> None:
        if self._notifier is None:
            self._notifier = self._make_notifier()
            self.notifier_since_ns = self.clock.monotonic_ns()
            self._task = self.loop.create_task(self._notifier.run())
        self.loop.run_until_ns(self.clock.monotonic_ns())
        if self._task.done():
            self._task.result()

    def _make_notifier(self) -> Notifier:
        return Notifier(
            NotifierTerms("hunt", PID, REPEAT_S * NS_PER_S),
            Outbox(self.loaded.data_dir / FILE_NAME),
            [self._channel(name, sender) for name, sender in self._senders()],
            lambda box: LedgerAlarms(self.loaded.data_dir, "hunt", box.place),
            self._conditions,
            self.clock,
            self._beat,
            self.said.append,
        )

    def _senders(self) -> Iterator[tuple[str, Sender]]:
        yield "webhook", Webhook(WebhookServer(self.receivers["webhook"]), "/alarms", SECRET, self.clock)
        yield "command", Program(self.receivers["command"])

    def _channel(self, name: str, sender: Sender) -> Channel:
        return Channel(name, sender, TERMS, ReconnectPolicy(self.dice, 0.5, 20.0))

    def _conditions(self) -> dict[str, str]:
        """What the desk sees beside the ledger."""
        return {} if self.has_engine() else {ENGINE_GONE: "process 1 ended without an orderly stop"}

    def _beat(self, beat: Beat) -> None:
        self.last_beat_ns = beat.mono_ns
        write_beat(self.loaded.runtime_dir, beat)

    # --- what a schedule does to it ---

    def stall(self, part: str, seconds: float) -> None:
        """A part hangs for so long."""
        self.stalled[part] = max(self.stalled.get(part, 0), self.clock.monotonic_ns() + int(seconds * NS_PER_S))
        self.counts[f"{part} stalled"] += 1

    def kill(self, down_s: float) -> None:
        """The process is killed, in the midst of whatever its parts are at; its next one begins after a while."""
        self.reader.die()
        self.tape_reader.die()
        self.recorder.die()
        self._snapshots = None
        self._kill_notifier()
        self.down_until_ns = self.clock.monotonic_ns() + int(down_s * NS_PER_S)
        self.counts["desk killed"] += 1

    def _kill_notifier(self) -> None:
        notifier, self._notifier = self._notifier, None
        if notifier is None:
            return
        self.counts["desk killed while an alarm was on its way"] += any(item.is_sending for item in notifier.channels)
        # what is on disk stays as it is: the dead one's last words go nowhere
        notifier.outbox.close()
        notifier.outbox.path = self.loaded.data_dir / "nowhere" / FILE_NAME
        self._task.cancel()
        with contextlib.suppress(BaseException):
            self.loop.run_until_ns(self.clock.monotonic_ns())
        self.loop.close()
        self.loop = virtual_loop(self.clock)

    def expire(self, keep_s: float) -> None:
        """Retention deletes tape that is older than so much, read or not."""
        told = expire_tape(self.loaded.data_dir, keep_s, self.clock.time_ns())
        self.counts["tape segments deleted"] += told
        self.tape_reader.expired += told

    def acknowledge(self, seconds_back: float = 0.0) -> None:
        """A person acknowledges all that is critical and stands."""
        if not (self.loaded.data_dir / FILE_NAME).exists():
            return
        now_ns = self.clock.monotonic_ns()
        for key in acknowledge(self.loaded.data_dir / FILE_NAME, ["all"], 1000, "seen", self.clock.time_ns()):
            self.acknowledged[key] = now_ns
            self.counts["alarm acknowledged"] += 1

    def catch_up(self) -> None:
        """At rest: whatever is there is read now. Raises what the readers raise."""
        if self.down_until_ns > self.clock.monotonic_ns():
            return
        for part in (self.reader, self.tape_reader):
            part.drain()
        self.recorder.drain()

    def close(self) -> None:
        """The hunt is over."""
        self._kill_notifier()
        self.reader.die()
        self.tape_reader.die()
        self.recorder.die()
        self.loop.close()


__all__ = ["CHANNELS", "PARTS", "REPEAT_S", "TURN_S", "Desk", "JournalError"]
