"""The engine's half of the guard's kills: it obeys at its start what was kept, and an `arm` forgets what it clears."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from engine.app import Engine
from engine.control.commands import OperatorCommand
from engine.control.messages import ScopeKind
from engine.guard.kills import KillOrder, Kills, KillsUnreadable
from engine.model.codes import CommandKind

DRAFT = ".engine.new"
# how long the event loop waits for the guard's turn; what has not been cleared by then is tried again at ticks
TURN_WAIT_S = 0.05
RETRY_NS = 100_000_000
# a kill of a strategy is the engine's alone: the guard knows none
PARTS = (ScopeKind.VENUE, ScopeKind.ACCOUNT, ScopeKind.INSTRUMENT)


class KeptKills:
    """Of one engine. `submit` journals a command and carries it out; returns its sequence.

    `say` writes a line to stderr and never raises.
    """

    def __init__(
        self, engine: Engine, data_dir: Path, submit: Callable[[OperatorCommand], int], say: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._kills = Kills(data_dir, engine.loaded.config.venue, DRAFT)
        self._submit = submit
        self._say = say
        self._has_guard = engine.loaded.config.guard is not None
        self._next_try_ns = 0
        # what an `arm` could not clear yet, and why; "" where nothing is left
        self.trouble = ""
        # causes change places at each try where both processes want a turn: each is said once until all is cleared
        self._said: set[str] = set()

    def obey(self) -> None:
        """Kills that an earlier run did not live to hear: the guard has kept them, and they come before anything else."""
        self._make_room()
        try:
            kept = self._kills.read()
        except KillsUnreadable as error:
            kept = [KillOrder("", os.getuid(), f"they cannot be read: {error}", 0)]
        for kill in kept:
            # a line or symbol may have been renamed: what it stops cannot be told any more
            scopes = self._scopes(kill)
            why = "kept by the guard" if scopes else f"kept by the guard for {kill.shown}, unknown here: all is killed"
            for scope_kind, venue_id, row in scopes or [(ScopeKind.ALL, 0, 0)]:
                self._submit(
                    OperatorCommand(
                        kind=CommandKind.KILL,
                        uid=kill.uid,
                        reason=f"{why}: {kill.reason}",
                        scope_kind=scope_kind,
                        venue_id=venue_id,
                        instrument_id=row,
                    )
                )

    def forget(self, command: OperatorCommand) -> None:
        """What an `arm` clears, and nothing that it does not: a kill of another line, or of everything, stays.

        The `arm` stands in the journal: it never fails for the file, which is tried again by `each_tick`.
        """
        if self._clear(command):
            self._settle(TURN_WAIT_S)

    def each_tick(self, now_ns: int) -> None:
        """What an `arm` could not clear at once."""
        if not self._kills.is_settled and now_ns >= self._next_try_ns:
            self._next_try_ns = now_ns + RETRY_NS
            self._settle()

    def end(self) -> None:
        """The last chance of this run. What stays in the file is obeyed by the next start."""
        self._settle(TURN_WAIT_S)

    def _settle(self, wait_s: float = 0.0) -> None:
        """Never without a turn: what the guard notes in the meantime must not be lost."""
        if self._kills.is_settled:
            return
        is_done = self._kills.settle(wait_s)
        trouble = "" if is_done else f"armed, but {self._kills.path.name} still has the kill: {self._kills.fault}"
        self.trouble = trouble
        if is_done:
            self._said.clear()
            self._make_room()
        elif trouble not in self._said:
            self._said.add(trouble)
            self._say(trouble)

    def _make_room(self) -> None:
        """For an `arm` on a full disk; without a guard nobody keeps kills."""
        if self._has_guard:
            self._kills.make_room()

    def _clear(self, command: OperatorCommand) -> bool:
        """Forget the kills in a command's scope; was there one."""
        if command.scope_kind == ScopeKind.ALL:
            return self._kills.clear()
        if command.scope_kind not in PARTS:
            return False
        venue_id, symbol = command.venue_id or command.account_id, ""
        if command.instrument_id:
            venue_id = int(self._engine.tables.instrument(command.instrument_id)["venue_id"])
            symbol = self._engine.tables.symbol(command.instrument_id)
        line = self._engine.line(venue_id)
        return line is not None and self._kills.clear(symbol, line.name)

    def _scopes(self, kill: KillOrder) -> list[tuple[int, int, int]]:
        """(scope kind, venue id, instrument id) of a kill here; none where nothing here has its line or its symbol."""
        if kill.is_whole:
            return [(ScopeKind.ALL, 0, 0)]
        lines = [line for line in self._engine.lines if kill.venue in ("", line.name)]
        if not kill.symbol:
            return [(ScopeKind.VENUE, line.venue_id, 0) for line in lines]
        tables = self._engine.tables
        rows = [(line.venue_id, tables.instrument_id(line.venue_id, kill.symbol)) for line in lines]
        return [(ScopeKind.INSTRUMENT, venue_id, row) for venue_id, row in rows if row]
