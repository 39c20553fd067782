"""Who may command an engine and how it is written down: the control port's handler with what the configuration says of people."""

from __future__ import annotations

import contextlib

from engine.app import Engine
from engine.control.commands import EngineControl
from engine.control.operators import Operators
from engine.control.second_person import SecondPerson
from engine.control.server import Caller, ControlServer
from engine.journal.errors import JournalFull
from engine.model.codes import Lane, RecordKind

NS_PER_S = 1_000_000_000
# a stranger who asks again and again must not fill the ledger
STRANGERS_NOTED_EVERY_NS = 60 * NS_PER_S


class OperatorPort(ControlServer):
    """A control server whose commands leave OPERATOR records, and where the configuration asks for it need a second person."""

    def __init__(self, engine: Engine, control: EngineControl) -> None:
        section, clock = engine.loaded.config.control, engine.world.clock
        self._engine = engine
        self._stranger_due_ns = 0
        second = SecondPerson(frozenset(section.second_person), section.second_person_expiry_s, clock)
        self.operators = Operators(control, second, self.write)
        super().__init__(
            engine.loaded.control_socket,
            self.operators,
            counters=engine.counters,
            clock=clock,
            operators=frozenset(section.operators),
            forbidden=self.note_stranger,
        )

    def write(self, text: bytes, cause_seq: int) -> None:
        """One OPERATOR record; the reserve may be used, since a kill's word must find room as the kill does."""
        with contextlib.suppress(JournalFull):
            self._engine.journal.append(Lane.LEDGER, RecordKind.OPERATOR, text, cause_seq=cause_seq, reserve=True)

    def note_stranger(self, caller: Caller) -> None:
        """Somebody asked who may not: noted once a minute."""
        now_ns = self._engine.world.clock.monotonic_ns()
        if now_ns >= self._stranger_due_ns:
            self._stranger_due_ns = now_ns + STRANGERS_NOTED_EVERY_NS
            self.operators.forbidden(caller)
