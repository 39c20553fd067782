"""The notifier: takes alarms from the ledger and from what desk sees, keeps them in the outbox, and delivers until they are taken.

One `turn` every POLL_S. Deliveries run beside it, one at a time a channel. Everything that waits stands in the outbox first, so
that a notifier that is killed at any moment begins again where nothing is lost; a receiver may hear of something twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from engine.journal.errors import JournalError
from engine.notify.alarms import (
    CHANNEL_LOST,
    LEDGER_UNREADABLE,
    OUTBOX_FAILED,
    SILENCE_ENDED,
    Alarm,
    Severity,
    severity,
)
from engine.notify.channel import Channel, DeliveryFailed
from engine.notify.conditions import Found
from engine.notify.heartbeat import BEAT_NS, Beat
from engine.notify.message import Message, form
from engine.notify.outbox import Outbox, Silence
from engine.notify.source import LedgerAlarms
from engine.runtime.clock import Clock

POLL_S = 0.1
NS_PER_S = 1_000_000_000
OUTSIDE_NS = NS_PER_S
SAVE_AGAIN_NS = 2 * NS_PER_S
PRUNE_NS = 3600 * NS_PER_S
KEEP_NS = 30 * 86_400 * NS_PER_S
# a ledger that is being made, or moved, is there again before this
LEDGER_GRACE_NS = 5 * NS_PER_S


@dataclass(frozen=True)
class NotifierTerms:
    """Who speaks, and how often what nobody acknowledged is told again."""

    engine: str
    pid: int
    repeat_ns: int


@dataclass(frozen=True)
class ChannelFigures:
    """One channel in numbers, since this notifier began."""

    name: str
    pending: int
    delivered: int
    failed: int
    is_lost: bool
    last_error: str


class Notifier:
    """`run` until `stop`. `open_ledger` is called with the outbox' place; `beat` gets a sign of life; `say` what a person at the
    console must know because no channel may carry it."""

    def __init__(
        self,
        terms: NotifierTerms,
        outbox: Outbox,
        channels: Sequence[Channel],
        open_ledger: Callable[[Outbox], LedgerAlarms],
        conditions: Callable[[], Found],
        clock: Clock,
        beat: Callable[[Beat], None],
        say: Callable[[str], None],
    ) -> None:
        self.terms = terms
        self.outbox = outbox
        self.channels = list(channels)
        self._open_ledger = open_ledger
        self._ledger: LedgerAlarms | None = None
        self._ledger_fault = ""
        self._ledger_failing_ns = 0
        self._conditions = conditions
        self._clock = clock
        self._beat = beat
        self._say = say
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self._told_faults: dict[str, str] = {}
        self._repeat_ns: dict[str, int] = {}
        self._next_ns = dict.fromkeys(("outside", "beat", "prune", "save"), 0)
        self._numbers = 0
        # read by other threads: replaced whole, once a second
        self.figures: tuple[ChannelFigures, ...] = ()
        self.last_beat: Beat | None = None

    # --- life ---

    async def run(self) -> None:
        """Until `stop`; what is under way then is begun again by the next notifier."""
        self.begin()
        try:
            while not self._stopped.is_set():
                self.turn()
                await asyncio.sleep(POLL_S)
        finally:
            await self._end()

    def stop(self) -> None:
        """End `run` after the present turn."""
        self._stopped.set()

    def begin(self) -> None:
        """Take over what an earlier notifier left."""
        self.outbox.load()
        self._forget_strangers()
        for channel in self.channels:
            channel.message = self.outbox.messages.get(channel.name)

    def _forget_strangers(self) -> None:
        """Nothing is due for a channel that is not configured any more."""
        names = {channel.name for channel in self.channels}
        for key, name in list(self.outbox.due):
            if name not in names:
                self.outbox.forget(key, name)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in self.channels:
            await channel.sender.close()
        if self._ledger is not None:
            self._ledger.close()
        self.outbox.save()
        self.outbox.close()

    # --- one turn ---

    def turn(self) -> None:
        """Take in what is new, save it, then send what is due."""
        if self._is_time("outside", OUTSIDE_NS):
            self.outbox.look_outside()
            self._end_silences()
        self._tell_moved()
        self._hear_ledger()
        self._look_around()
        self._repeat()
        self._save()
        for channel in self.channels:
            self._serve(channel)
        if self._is_time("prune", PRUNE_NS):
            self.outbox.prune(self._clock.time_ns() - KEEP_NS)
        if self._is_time("beat", BEAT_NS):
            self._forget_strangers()
            self.outbox.settle()
            self._show_life()

    def _is_time(self, name: str, interval_ns: int) -> bool:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_ns[name]:
            return False
        self._next_ns[name] = now_ns + interval_ns
        return True

    def _save(self) -> None:
        """A disk that refuses is asked again every few seconds, not at every turn."""
        if self.outbox.fault and not self._is_time("save", SAVE_AGAIN_NS):
            return
        self.outbox.save()

    # --- what is new ---

    def _hear_ledger(self) -> None:
        if not self.outbox.has_room:
            return
        try:
            if self._ledger is None:
                self._ledger = self._open_ledger(self.outbox)
            for alarm in self._ledger.new():
                self._add(alarm)
            place = self._ledger.place
            if place is not None and place != self.outbox.place:
                self.outbox.advance(place)
        except (JournalError, OSError) as error:
            self._ledger_fault = str(error)
            self._ledger_failing_ns = self._ledger_failing_ns or self._clock.monotonic_ns()
            self._drop_ledger()
            return
        self._ledger_fault, self._ledger_failing_ns = "", 0

    def _drop_ledger(self) -> None:
        """Open it anew at the next turn, at the place that has been reached."""
        if self._ledger is not None:
            self.outbox.place = self._ledger.place
            self._ledger.close()
            self._ledger = None

    def _add(self, alarm: Alarm) -> None:
        silence = next((item for item in self._standing_silences() if item.covers(alarm)), None)
        wanted = [] if silence else [channel.name for channel in self.channels if channel.wants(alarm.severity, 0)]
        if self.outbox.add(alarm, wanted, silenced=silence is not None) and silence is not None:
            self.outbox.hold(silence)

    def _standing_silences(self) -> list[Silence]:
        now_ns = self._clock.time_ns()
        return [silence for silence in self.outbox.silences if silence.until_wall_ns > now_ns]

    def _look_around(self) -> None:
        """What begins to hold is an alarm, what no longer holds ends one."""
        holds = dict(self._conditions()) | self._own_conditions()
        standing = {
            entry.alarm.condition: key
            for key, entry in self.outbox.entries.items()
            if entry.alarm.condition and not entry.ended
        }
        for condition, text in holds.items():
            if condition not in standing:
                self._add(self._seen(condition, text, is_end=False))
        for condition, key in standing.items():
            if condition not in holds:
                self.outbox.end(key, self._clock.time_ns())
                self._add(self._seen(condition, "", is_end=True))

    def _own_conditions(self) -> Found:
        """What is wrong with the notifier itself: told over the channels that are left, and to the console."""
        now_ns = self._clock.monotonic_ns()
        found = {
            f"{CHANNEL_LOST}:{channel.name}": f"channel {channel.name} takes nothing: {channel.last_error}"
            for channel in self.channels
            if channel.is_lost(now_ns)
        }
        if self.outbox.fault:
            found[OUTBOX_FAILED] = f"alarms are not kept on disk: {self.outbox.fault}"
        if self._ledger_failing_ns and now_ns - self._ledger_failing_ns >= LEDGER_GRACE_NS:
            found[LEDGER_UNREADABLE] = self._ledger_fault
        for condition, text in found.items():
            if condition not in self._told_faults:
                self._say(text)
        for condition in self._told_faults.keys() - found.keys():
            self._say(f"{condition} is over")
        self._told_faults = found
        return found

    def _seen(self, condition: str, text: str, *, is_end: bool) -> Alarm:
        code, _, what = condition.partition(":")
        wall_ns = self._clock.time_ns()
        self._numbers += 1
        return Alarm(
            key=f"desk-{wall_ns}-{self.terms.pid}-{self._numbers}",
            code=code,
            severity=severity(code),
            text=text or what,
            wall_ns=wall_ns,
            engine=self.terms.engine,
            condition="" if is_end else condition,
            is_end=is_end,
        )

    def _end_silences(self) -> None:
        """What was not told is counted and told in the end."""
        now_ns = self._clock.time_ns()
        for silence in list(self.outbox.silences):
            if silence.until_wall_ns > now_ns:
                continue
            self.outbox.silence_told(silence)
            what = " ".join(filter(None, (silence.code, silence.symbol))) or "everything"
            text = f"{what} was silent until now: {silence.held} alarms not told"
            ended = msgspec.structs.replace(self._seen(SILENCE_ENDED, text, is_end=False), condition="")
            self._add(ended)

    def _tell_moved(self) -> None:
        """The outbox was taken away: whoever did it may not know that alarms were kept there."""
        if text := self.outbox.moved:
            self.outbox.moved = ""
            self._say(text)
            self._add(msgspec.structs.replace(self._seen(OUTBOX_FAILED, text, is_end=False), condition=""))

    def _repeat(self) -> None:
        """What is critical and was not acknowledged in time is told again, to those for repeats, too."""
        now_ns = self._clock.monotonic_ns()
        waiting = {
            key
            for key, entry in self.outbox.entries.items()
            if entry.alarm.severity == Severity.CRITICAL and not (entry.acked or entry.ended or entry.silenced)
        }
        for key in self._repeat_ns.keys() - waiting:
            del self._repeat_ns[key]
        for key in waiting:
            due_ns = self._repeat_ns.setdefault(key, now_ns + self.terms.repeat_ns)
            if now_ns >= due_ns:
                self._repeat_ns[key] = now_ns + self.terms.repeat_ns
                repeats = self.outbox.repeated(key)
                for channel in self.channels:
                    # one that has not taken it yet is still told for the first time, whatever happens meanwhile
                    if channel.wants(Severity.CRITICAL, repeats) and (key, channel.name) not in self.outbox.due:
                        self.outbox.want(key, channel.name, repeats)

    # --- sending ---

    def _serve(self, channel: Channel) -> None:
        message = channel.next_message(self._clock.monotonic_ns(), lambda room: self._form(channel.name, room))
        if message is None:
            return
        channel.is_sending = True
        task = asyncio.get_running_loop().create_task(self._send(channel, message))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._sent(channel, done))

    def _sent(self, channel: Channel, task: asyncio.Task[None]) -> None:
        """The end of a delivery. One that failed in a way nobody foresaw is a failed one: no channel may stop the others."""
        self._tasks.discard(task)
        channel.is_sending = False
        if not task.cancelled() and (error := task.exception()) is not None:
            channel.refused(DeliveryFailed(f"{type(error).__name__}: {error}"), self._clock.monotonic_ns())

    def _form(self, name: str, room: int) -> Message | None:
        """The next message of a channel: an alarm by itself while there is room for all, else all that is due."""
        due = []
        for (key, channel), repeat in list(self.outbox.due.items()):
            if channel == name and self._is_moot(key, repeat):
                self.outbox.forget(key, channel)
            elif channel == name:
                due.append((self.outbox.entries[key].alarm, repeat))
        if not due:
            return None
        again = [item for item in due if item[1]]
        fresh = [item for item in due if not item[1]]
        chosen = again if not fresh else fresh[:1] if len(fresh) <= room else fresh
        message = form(name, chosen, self._clock.time_ns())
        self.outbox.form(message)
        self._save()
        return message

    def _is_moot(self, key: str, repeat: int) -> bool:
        """A repeat of what has been acknowledged or is over meanwhile."""
        entry = self.outbox.entries.get(key)
        return entry is None or (repeat > 0 and (entry.acked or entry.ended))

    async def _send(self, channel: Channel, message: Message) -> None:
        try:
            await channel.sender.send(message)
        except DeliveryFailed as error:
            channel.refused(error, self._clock.monotonic_ns())
        else:
            channel.succeeded()
            self.outbox.delivered(message, self._clock.time_ns())
            self._save()

    # --- what is shown ---

    def pending(self, name: str = "") -> int:
        """Alarms that are due on a channel, or on any."""
        return sum(1 for _, channel in self.outbox.due if name in ("", channel))

    def oldest_pending_s(self) -> int:
        """How long the oldest of them has been due."""
        entries = self.outbox.entries
        oldest = min((entries[key].alarm.wall_ns for key, _ in self.outbox.due if key in entries), default=0)
        return max(0, (self._clock.time_ns() - oldest) // NS_PER_S) if oldest else 0

    def unacknowledged(self) -> int:
        """Critical alarms that stand and that nobody has acknowledged."""
        entries = self.outbox.entries.values()
        return sum(item.alarm.severity == Severity.CRITICAL and not (item.acked or item.ended) for item in entries)

    def fault(self) -> str:
        """Why nothing reaches anybody; empty while one channel at least takes what it is given."""
        now_ns = self._clock.monotonic_ns()
        if not self.channels or not all(channel.is_lost(now_ns) for channel in self.channels):
            return ""
        return "; ".join(f"{channel.name}: {channel.last_error}" for channel in self.channels)

    def _show_life(self) -> None:
        now_ns = self._clock.monotonic_ns()
        self.figures = tuple(
            ChannelFigures(
                item.name, self.pending(item.name), item.delivered, item.failed, item.is_lost(now_ns), item.last_error
            )
            for item in self.channels
        )
        beat = Beat(
            pid=self.terms.pid,
            mono_ns=now_ns,
            wall_ns=self._clock.time_ns(),
            pending=self.pending(),
            oldest_pending_s=self.oldest_pending_s(),
            unacknowledged=self.unacknowledged(),
            fault=self.fault(),
            lost_channels=tuple(channel.name for channel in self.channels if channel.is_lost(now_ns)),
        )
        try:
            self.last_beat = beat
            self._beat(beat)
        except OSError as error:
            if "beat" not in self._told_faults:
                self._say(f"the sign of life cannot be written: {error}")
