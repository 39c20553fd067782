"""Guards taken away on purpose, so that tests can see the checkers find what is then wrong. A schedule names one in `breaks`.

Some are the engine's own: it is run with a guard out of its way, by the seams that are Python or by settings that no hunt has. The
others are of what stands around it: the network, the disk, the venue, the people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from engine.control.commands import OperatorCommand
from engine.hunt import disk, life, net
from engine.model.codes import CommandKind
from engine.recovery.earlier import EarlierRuns, Recovered
from engine.sim.core import VenueCore
from engine.sim.usdm.core import UsdmCore
from engine.sim.wire.socket_life import SocketLife
from engine.venues.binance.rest_market import RestMarket


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


# --- the engine's own ---


@contextmanager
def asks_inside_a_wait() -> Iterator[None]:
    """The REST half of an engine knows of no Retry-After, nor of the weight that is shared: either one would hold it back."""
    with (
        replaced(RestMarket, "_quiet_left_ns", lambda _self: 0),
        replaced(RestMarket, "_has_weight", lambda *_words: True),
    ):
        yield


@contextmanager
def forgets_its_ledger() -> Iterator[None]:
    """A start folds nothing of what earlier runs left: fills that they had booked are booked again."""
    with replaced(EarlierRuns, "fold_into", lambda *_words: Recovered()):
        yield


@contextmanager
def with_settings(**sections: dict[str, Any]) -> Iterator[None]:
    """Every engine has other settings than the checkers go by: fields by the configuration's sections."""
    before = life.Life.__init__

    def begin(self: life.Life, around: life.Surroundings, seed: int) -> None:
        config = around.loaded.config
        changed = {name: msgspec.structs.replace(getattr(config, name), **fields) for name, fields in sections.items()}
        loaded = replace(around.loaded, config=msgspec.structs.replace(config, **changed))
        before(self, replace(around, loaded=loaded), seed)

    with replaced(life.Life, "__init__", begin):
        yield


# a loop is also held back by the rate of messages: both guards are out of its way
UNMETERED = {"message_rate_per_s": 1_000, "message_burst": 1_000}
BREAKS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "": nullcontext,
    "sends twice": sends_twice,
    "forgets fronts": forgets_fronts,
    "disk lies": disk_lies,
    "ignores kills": ignores_kills,
    "no dead man": no_dead_man,
    "hides fills": hides_fills,
    "asks inside a wait": asks_inside_a_wait,
    "forgets its ledger": forgets_its_ledger,
    "loops unhindered": partial(with_settings, runaway={"orders_per_input_max": 1_000}, risk=UNMETERED),
    "trusts old books": partial(with_settings, risk={"stale_after_ms": 60_000}),
    "waits for no disk": partial(with_settings, journal={"durability": "group"}),
}
