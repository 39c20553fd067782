"""Every session of a hunt is replayed from its journal alone: equal, record by record, or it is a violation of R28.

What the hunt's trader did in which turn of its timer is kept beside the journal, as a strategy's code is; nothing else is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from engine.exit_codes import CommandError
from engine.hunt.check import Check
from engine.hunt.place import credentials
from engine.hunt.trader import Trader
from engine.journal.errors import JournalError
from engine.replay.core import build
from engine.replay.differences import lines
from engine.replay.playing import Outcome, Player
from engine.replay.recording import NothingRecorded, epochs, open_recording
from engine.strategy.api import Strategy, TimerView
from engine.strategy.market_maker import MarketMaker

Script = Sequence[tuple[int, str, int]]


class Rehearsed(Trader):
    """Asks for what the trader was asked for, in the same turns."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.lines = list(script)

    def on_timer(self, timer: TimerView) -> None:
        """What stands in the script for this turn."""
        while self.lines and self.lines[0][0] == self.turns + 1:
            _, what, roll = self.lines.pop(0)
            self.ask(what, roll)
        super().on_timer(timer)


class Replays(Check):
    """Replays each session as soon as the next one has recovered its end; the last one at the run's end."""

    invariants: ClassVar[tuple[str, ...]] = ("R28",)
    name = "replayed equal"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.scripts: dict[int, Script] = {}
        self.done: set[int] = set()
        # its last records may be torn until the next start has cut them
        self.is_torn = False
        self.counts: dict[str, int] = {}

    def on_end(self, why: str) -> None:
        self._keep_script()
        self.is_torn = why.startswith("power")

    def on_start(self) -> None:
        life = self.hunt.life
        if life is not None:
            self._replay_below(life.journal.epoch)

    def at_end(self) -> None:
        life = self.hunt.life
        self._keep_script()
        if life is not None and life.is_wired and not life.is_dead:
            life.journal.flush()
        last = max(epochs(self.hunt.loaded.data_dir), default=0)
        self._replay_below(last + (life is not None or not self.is_torn))

    def _keep_script(self) -> None:
        life = self.hunt.life
        if life is not None:
            self.scripts[life.journal.epoch] = list(life.trader.script)

    def _replay_below(self, below_epoch: int) -> None:
        for epoch in epochs(self.hunt.loaded.data_dir):
            if epoch < below_epoch and epoch not in self.done:
                self.done.add(epoch)
                self._replay(epoch)

    def _replay(self, epoch: int) -> None:
        try:
            outcome = self.played(epoch)
        except NothingRecorded:
            self.hunt.reached("sessions without a beginning")
            return
        except (CommandError, JournalError) as error:
            raise self.fail(f"session {epoch}: {error}") from error
        self.hunt.reached("sessions replayed")
        for name, count in outcome.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        if outcome.state == "partly":
            self.hunt.reached("replayed up to a hole")
        if outcome.state in ("equal", "partly"):
            return
        if outcome.state == "refused":
            self.hunt.reached("replayed up to a refused claim")
            return
        text = "; ".join(line.strip()[:300] for line in lines(outcome.differences[0]))
        raise self.fail(f"session {epoch} replays {outcome.state}: {text}")

    def played(self, epoch: int) -> Outcome:
        """One session, with the credentials, by strategies like those that it had."""
        loaded = self.hunt.loaded
        recording = open_recording(loaded.data_dir, epoch)
        maker = MarketMaker.from_params(loaded.config.strategy["maker"].params)
        trader = Rehearsed(self.scripts.get(epoch, ()))
        trader.is_hedged = any(venue.position_mode == "hedge" for venue in loaded.config.venue.values())
        strategies: dict[str, Strategy] = {"trader": trader, "maker": maker}
        keys = {name: credentials() for name in loaded.config.venue}
        with tempfile.TemporaryDirectory(dir=loaded.data_dir.parent, prefix="replay-") as scratch:
            return Player(build(recording, Path(scratch), strategies=strategies, credentials=keys)).play()
