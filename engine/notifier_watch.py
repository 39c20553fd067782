"""The engine's look at the notifier: when alarms reach nobody any more, the ledger, stderr and the status say so.

Nothing is run and nothing sent from the hot process: a small file in memory is read once a second. The alarm waits in the ledger
for the notifier that comes back; until then the guard's commands and whoever reads stderr or the status are who can speak.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.journal.errors import JournalFull
from engine.model.codes import AlarmCode, Counter, Lane, RecordKind
from engine.notify.heartbeat import NotifierSight
from engine.venue_health import state_payload

if TYPE_CHECKING:
    from engine.app import Engine


class NotifierWatch:
    """`look` once a tick. Without a table [alerts] there is nothing to look at."""

    def __init__(self, engine: Engine, say: Callable[[str], None]) -> None:
        alerts = engine.loaded.config.alerts
        clock = engine.world.clock
        self._engine = engine
        self._say = say
        self._sight = (
            NotifierSight(engine.loaded.runtime_dir, clock, alerts.notifier_heartbeat_s_max) if alerts else None
        )

    @property
    def trouble(self) -> str:
        """Why alarms reach nobody; empty while they do."""
        return self._sight.fault if self._sight is not None else ""

    def look(self) -> None:
        """Say what has changed: an alarm when it is lost, a line when it is back."""
        if self._sight is None or not self._sight.look():
            return
        if not self._sight.fault:
            self._say("alarms reach people again")
            return
        self._say(self._sight.fault)
        code = AlarmCode.NOTIFIER_LOST
        self._engine.counters.add(Counter.ALARMS)
        payload = state_payload(code, 0, code, 0, self._sight.fault)
        with contextlib.suppress(JournalFull):
            self._engine.journal.append(Lane.LEDGER, RecordKind.ALARM, payload)
