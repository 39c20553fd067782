"""Guards taken away on purpose, so that tests can see the checkers find what is then wrong. A schedule names one in `breaks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from engine.control.commands import OperatorCommand
from engine.hunt import disk, life, net
from engine.model.codes import CommandKind
from engine.sim.core import VenueCore
from engine.sim.usdm.core import UsdmCore
from engine.sim.wire.socket_life import SocketLife


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute of a class is another one for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def sends_twice() -> Iterator[None]:
    """A message about an order leaves once more, as a careless resend would."""
    before = net.WatchedPair.deliver

    def twice(self: net.WatchedPair, message: bytes) -> None:
        before(self, message)
        if b'"order.place"' in message:
            before(self, message)

    with replaced(net.WatchedPair, "deliver", twice):
        yield


@contextmanager
def forgets_fronts() -> Iterator[None]:
    """What a killed engine had in memory is not there at the next start."""
    before = life.Life.crash

    def crash(self: life.Life) -> None:
        paths = [lane.path for lane in (self.journal.ledger, self.journal.tape)]
        before(self)
        for path in paths:
            Path(path).write_bytes(b"")

    with replaced(life.Life, "crash", crash):
        yield


@contextmanager
def disk_lies() -> Iterator[None]:
    """The disk says that it has synced, and has not."""

    def durable(self: disk.PowerCut, place: tuple[int, int], whole: bytes) -> bytes:
        return whole[: max(128, self.durable[place] // 2)]

    with replaced(disk.PowerCut, "_torn", durable):
        yield


@contextmanager
def ignores_kills() -> Iterator[None]:
    """A kill is answered and does nothing."""
    before = life.Life.submit

    def submit(self: life.Life, command: OperatorCommand) -> int:
        return 1 if command.kind == CommandKind.KILL else before(self, command)

    with replaced(life.Life, "submit", submit):
        yield


@contextmanager
def no_dead_man() -> Iterator[None]:
    """The venue takes the countdown and never acts on it."""
    with replaced(UsdmCore, "countdown_cancel_all", lambda _self, *_words, **_options: None):
        yield


@contextmanager
def hides_fills() -> Iterator[None]:
    """The venue tells of its trades on no way at all."""
    before = SocketLife.deliver_event

    def deliver_event(self: SocketLife, frame: bytes) -> None:
        if b'"x":"TRADE"' not in frame:
            before(self, frame)

    with replaced(SocketLife, "deliver_event", deliver_event), replaced(VenueCore, "my_trades", lambda *_w, **_o: []):
        yield


BREAKS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "": nullcontext,
    "sends twice": sends_twice,
    "forgets fronts": forgets_fronts,
    "disk lies": disk_lies,
    "ignores kills": ignores_kills,
    "no dead man": no_dead_man,
    "hides fills": hides_fills,
}
