"""A notifier under virtual time beside a real ledger and a real outbox; its channels take, refuse or hang as they are told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from engine.model.codes import AlarmCode, HaltReason, RecordKind, TradingState
from engine.notify.channel import Channel, ChannelTerms, DeliveryFailed
from engine.notify.heartbeat import Beat
from engine.notify.message import Message
from engine.notify.notifier import Notifier, NotifierTerms
from engine.notify.outbox import Outbox
from engine.notify.source import LedgerAlarms
from engine.runtime.clock import Clock
from engine.runtime.net import ReconnectPolicy
from engine.sim.inprocess.loop import virtual_loop
from tests.ledger_harness import Ledger, body

S = 1_000_000_000
REPEAT_S = 300


class Receiver:
    """A sender's other end. `plan`: how the next messages go: "ok", "fail", "hang"; the last one stays."""

    def __init__(self, clock: Clock, *plan: str, timeout_s: float = 3.0) -> None:
        self._clock = clock
        self.plan = list(plan) or ["ok"]
        self._timeout_s = timeout_s
        self.tried: list[Message] = []
        self.taken: list[tuple[int, dict[str, Any]]] = []

    async def send(self, message: Message) -> None:
        self.tried.append(message)
        fate = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        if fate == "hang":
            await asyncio.sleep(self._timeout_s)
        if fate != "ok":
            raise DeliveryFailed(f"it {fate}s")
        await asyncio.sleep(0.05)
        self.taken.append((self._clock.monotonic_ns(), msgspec.json.decode(message.body)))

    async def close(self) -> None:
        """Nothing is held."""

    @property
    def codes(self) -> list[str]:
        """Every alarm that was taken, as often as its rows count it."""
        return [row["code"] for _, told in self.taken for row in told["alarms"] for _ in range(row["count"])]

    @property
    def total(self) -> int:
        """How many alarms were taken."""
        return sum(told["count"] for _, told in self.taken)


class Rig:
    """`root` holds ledger and outbox: a second rig on the same root is the notifier's next life."""

    def __init__(self, root: Path, ledger: Ledger, seed: int = 1, clock: Clock | None = None) -> None:
        self.root, self.ledger = root, ledger
        self.clock = clock or Clock.virtual()
        self.loop = virtual_loop(self.clock)
        self.rng = random.Random(seed)
        self.holds: dict[str, str] = {}
        self.beats: list[Beat] = []
        self.said: list[str] = []
        self.channels: list[Channel] = []
        self.notifier: Notifier

    def channel(
        self, name: str, *plan: str, severity: int = 1, repeats_only: bool = False, burst: int = 10
    ) -> Receiver:
        receiver = Receiver(self.clock, *plan)
        terms = ChannelTerms(severity, repeats_only, burst, interval_ns=4 * S, lost_after_ns=15 * S)
        self.channels.append(Channel(name, receiver, terms, ReconnectPolicy(self.rng, 0.5, 20.0)))
        return receiver

    def start(self, outbox: Path | None = None) -> None:
        self.notifier = Notifier(
            NotifierTerms("test", 1, REPEAT_S * S),
            Outbox(outbox or self.root / "alerts.sqlite"),
            self.channels,
            lambda box: LedgerAlarms(self.ledger.data_dir, "test", box.place),
            lambda: self.holds,
            self.clock,
            self.beats.append,
            self.said.append,
        )
        self.task = self.loop.create_task(self.notifier.run())

    def run_for(self, seconds: float) -> None:
        self.loop.run_until_ns(self.clock.monotonic_ns() + int(seconds * S))
        if self.task.done():
            self.task.result()

    def stop(self) -> None:
        self.notifier.stop()
        self.run_for(1.0)
        assert self.task.done()

    def die(self) -> None:
        """What kill -9 leaves: the file as it is now. What the end of the run would still write goes nowhere."""
        self.notifier.outbox.close()
        self.notifier.outbox.path = self.root / "nowhere" / "alerts.sqlite"
        self.stop()

    def alarm(self, code: AlarmCode, text: bytes = b"", *, flush: bool = True, **header: Any) -> int:
        payload = body(RecordKind.ALARM, state=code) + text.ljust((len(text) + 7) // 8 * 8, b"\0")
        sequence = self.ledger.add(RecordKind.ALARM, payload, **header)
        if flush:
            self.ledger.journal.flush()
        return sequence

    def halt(self, reason: HaltReason) -> None:
        self.ledger.add(
            RecordKind.TRADING_STATE, body(RecordKind.TRADING_STATE, state=TradingState.HALTED, reason=reason)
        )
        self.ledger.journal.flush()


@contextmanager
def open_ledger(root: Path) -> Iterator[Ledger]:
    ledger = Ledger(root)
    ledger.journal.flush()
    try:
        yield ledger
    finally:
        ledger.journal.close(reason="test")


def keys_of(messages: Sequence[Message]) -> list[str]:
    return [message.id for message in messages]
