"""The guard's word when alarms reach nobody: its log, stderr, and the commands of `[alerts.command]`.

The notifier cannot alarm its own death, and the engine runs no programs. The guard outlives both. It posts nothing: what is
reached by an address of its own is reached by a command here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from engine.guard.sweep import Note
from engine.notify.alarms import Alarm, Severity
from engine.notify.channel import DeliveryFailed, Sender
from engine.notify.heartbeat import NotifierSight
from engine.notify.message import form
from engine.runtime.clock import Clock

NS_PER_S = 1_000_000_000
RETRY_NS = 5 * NS_PER_S
CODE = "NOTIFIER_LOST"


class NotifierAlarm:
    """`look` at every turn of the guard. `commands`: the channels that can be run, by name."""

    def __init__(
        self, engine: str, sight: NotifierSight, commands: Mapping[str, Sender], clock: Clock, repeat_s: int
    ) -> None:
        self._engine = engine
        self._sight = sight
        self._commands = commands
        self._clock = clock
        self._repeat_ns = repeat_s * NS_PER_S
        self._due_ns: dict[str, int] = {}
        self._running: set[str] = set()
        self._repeats = 0
        self._key = ""

    def look(self, note: Note, start: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        """Say what has changed; while it is lost, run each command until one run succeeds, and again after `repeat_s`."""
        if self._sight.look():
            wall_ns = self._clock.time_ns()
            self._key, self._repeats = f"guard-{wall_ns}", 0
            self._due_ns = dict.fromkeys(self._commands, 0) if self._sight.fault else {}
            note("notifier_lost" if self._sight.fault else "notifier_back", error=self._sight.fault)
        now_ns = self._clock.monotonic_ns()
        for name, due_ns in self._due_ns.items():
            if now_ns >= due_ns and name not in self._running:
                self._running.add(name)
                start(self._run(name, note))

    async def _run(self, name: str, note: Note) -> None:
        alarm = Alarm(
            key=self._key,
            code=CODE,
            severity=Severity.CRITICAL,
            text=self._sight.fault,
            wall_ns=self._clock.time_ns(),
            engine=self._engine,
        )
        wait_ns = RETRY_NS
        try:
            await self._commands[name].send(form(name, [(alarm, self._repeats)], alarm.wall_ns))
            wait_ns = self._repeat_ns
            self._repeats += 1
            note("told", channel=name)
        except DeliveryFailed as error:
            note("not_told", channel=name, error=str(error))
        finally:
            self._running.discard(name)
            if name in self._due_ns:
                self._due_ns[name] = self._clock.monotonic_ns() + wait_ns
