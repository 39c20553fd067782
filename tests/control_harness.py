"""An engine's control port on a loop of its own, in a process of its own or beside the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from engine.control.commands import EngineControl, EngineNames, OperatorCommand
from engine.control.server import ControlServer
from engine.model.codes import CommandKind, Counter
from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters

BTCUSDT = InstrumentSpec(
    venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000
)


class FakeEngine:
    """Tables, counters and an EngineControl whose commands end in a list."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.tables.add_instrument(BTCUSDT)
        self.tables.set_epoch(3)
        self.counters = Counters()
        self.counters.set(Counter.PID, 4242)
        self.submitted: list[OperatorCommand] = []
        self.has_room = True
        names = EngineNames(
            engine="test",
            engine_id=7,
            mode="sim",
            version="0",
            venues={"sim": 1},
            strategies={"maker": 1, "taker": 2},
            handle_of=lambda text: (5 << 32) + 1 if text == "07Client1" else 0,
        )
        self.halts: dict[str, dict[int, int]] = {"instruments": {}}
        self.control = EngineControl(names, self.tables, self.counters, Clock(), self.submit, lambda: self.halts)

    def submit(self, command: OperatorCommand) -> int:
        if not self.has_room:
            return 0
        self.submitted.append(command)
        if command.kind == CommandKind.RECONCILE:
            self.tables.set_control(1, reconciles=self.tables.line_state(1)["reconciles"] + 1)
        return 100 + len(self.submitted)


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A uvloop on a thread, for a client that blocks in the test's own thread."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def on_loop(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    """Run `action` on the loop's thread and wait for it."""

    async def call() -> None:
        action()

    asyncio.run_coroutine_threadsafe(call(), loop).result(5)


@contextmanager
def serving(server: ControlServer) -> Iterator[Path]:
    """The server open on a running loop."""
    with running_loop() as loop:
        on_loop(loop, lambda: server.open(loop))
        try:
            yield Path(server.path)
        finally:
            on_loop(loop, server.close)
