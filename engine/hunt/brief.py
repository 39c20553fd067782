"""Short and crowded hunts, so that many worlds are recorded and replayed in little time: only the replay looks at them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.config import load
from engine.hunt.party import SHARED_MEMORY
from engine.hunt.replays import Replays
from engine.hunt.run import Hunt
from engine.hunt.schedule import FAMILIES, MARKETS, MS_PER_S, Event, Schedule
from engine.recovery.maker import SnapshotMaker

# a session's length, when its first event comes, how much denser than in a hunt events stand
SECONDS = (9, 12, 15)
FIRST_S = 1.5
CROWDED = 9.0
ORDERS_CROWDED = 6.0
DOWN_S_MAX = 1.0
HASH_EVERY_TICKS = 30
LEVELS = ("os", "group", "order")
SYMBOLS = ("BTCUSDT", "ETHUSDT")
# what only the desk's parts feel, which do not stand beside a brief hunt; and a disk so crowded that no order would leave
LEFT_OUT = ("readers", "receivers", "syncs")


def brief(seed: int) -> Schedule:
    """A short schedule with everything that a hunt's has, close together."""
    dice = random.Random(f"{seed} brief")
    seconds = dice.choice(SECONDS)
    events = [event for name in FAMILIES if name not in LEFT_OUT for event in _crowded(seed, name, seconds)]
    events.sort(key=lambda event: event.at_ms)
    market = MARKETS[dice.randrange(len(MARKETS))]
    return Schedule(seed=seed, market=market, seconds=seconds, symbols=SYMBOLS, events=tuple(events))


def _crowded(seed: int, name: str, seconds: int) -> list[Event]:
    """One family's events; some sessions have none of it."""
    family, dice = FAMILIES[name], random.Random(f"{seed} brief {name}")
    strength = dice.choice((0.0, 0.5, 1.0, 2.0)) * CROWDED if family.is_fault else ORDERS_CROWDED
    events: list[Event] = []
    at_s = FIRST_S
    while strength:
        at_s += max(0.02, dice.expovariate(strength / family.pause_s))
        if at_s >= seconds:
            break
        what, args = family.make(dice)
        soon = {key: min(args[key], DOWN_S_MAX) for key in ("down_s", "restart_s", "after_s") if key in args}
        events.append(Event(int(at_s * MS_PER_S), name, what, args | soon))
    return events


class BriefHunt(Hunt):
    """A schedule in a world of the seed's choice, looked at by the replay alone."""

    def __init__(self, schedule: Schedule, root: Path) -> None:
        super().__init__(schedule, root, (Replays,))
        path = self.loaded.path
        dice = random.Random(f"{schedule.seed} world")
        journal = f'state_hash_ticks = {HASH_EVERY_TICKS}\ndurability = "{dice.choice(LEVELS)}"\n'
        text = path.read_text().replace('durability = "group"\n', journal)
        path.write_text(text.replace("one-way", dice.choice(("one-way", "hedge"))))
        self.loaded = load(path)
        self.takes_snapshots = dice.random() < 0.5

    def _start(self) -> None:
        """Of some seeds each start but the first finds a snapshot of what the ledger held then."""
        if self.lives and self.takes_snapshots:
            self.take_snapshot()
        super()._start()

    def take_snapshot(self) -> None:
        """As desk does it, up to what is synced; none where there is no ledger yet."""
        maker = SnapshotMaker(self.loaded.config, self.loaded.data_dir)
        while maker.step():
            continue
        self.reached("snapshots taken", int(maker.write() is not None))

    def _desk_turns(self) -> None:
        """Nobody tails the journal: what reads it changes nothing in it."""

    @property
    def replays(self) -> Replays:
        """The one that looks."""
        (check,) = self.checks
        assert isinstance(check, Replays)
        return check


@contextmanager
def brief_hunt(seed: int) -> Iterator[BriefHunt]:
    """One that stands at its beginning, in a folder of its own that is gone afterwards."""
    with TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None, prefix="hunt-") as folder:
        yield BriefHunt(brief(seed), Path(folder))
