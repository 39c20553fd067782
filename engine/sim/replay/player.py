"""Plays a recording: line by line to the floor and, byte for byte, to who listens, at a pace, and no faster than they read.

A pass begins when the first listener is complete (nobody has subscribed to anything more for a moment), or at once, or on
command. At the place of a market's snapshot it waits a moment for who takes its diffs to ask for one, so that the book it gets
is the recorded one and nothing runs past a client that has no book yet. A connection that does not read holds the
recording back: frames are never dropped, and what waits to be sent stays bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from engine.sim.replay.channels import Listener, RecordedChannel, RecordedChannels
from engine.sim.replay.frames import Event, Snapshot
from engine.sim.replay.recording import Line, Survey

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000
NEVER_NS = (1 << 63) - 1
BATCH_FRAMES = 512
FLUSH_BYTES = 65_536
UNREAD_BYTES_MAX = 262_144
BLOCKED_PAUSE_NS = MS_NS
STALL_NS_MAX = 50 * MS_NS

Start = Literal["subscribed", "at-once", "on-command"]


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """``speed`` is a multiple of the recorded pace, None as fast as it is read; ``repeat`` counts passes, 0 is without end."""

    speed: float | None = 1.0
    repeat: int = 1
    start: Start = "subscribed"
    complete_after_ms: int = 250
    snapshot_wait_ms: int = 5_000
    snapshot_grace_ms: int = 200


class State(Enum):
    """What the player is doing."""

    WAITING = "waiting"
    PLAYING = "playing"
    ENDED = "ended"


class Floor(Protocol):
    """What the recording acts on."""

    def play(self, symbol: str, event: Event, now_ns: int) -> None:
        """Take one recorded event."""

    def mend(self, symbol: str, snapshot: Snapshot) -> None:
        """A recorded snapshot: a book that a hole in the recording made doubtful begins again from it."""

    def tell_trades(self) -> None:
        """Do what was put off: there is time."""

    def begin_pass(self, shift_ns: int) -> None:
        """Stand again where the recording begins; its times are ``shift_ns`` later in this pass."""


class Player:
    """One recording on its way; ``play`` is called with the present time, everything else follows from it."""

    def __init__(self, survey: Survey, floor: Floor, channels: RecordedChannels, options: ReplayOptions) -> None:
        self.survey = survey
        self.options = options
        self.state = State.WAITING
        self.passes = 0
        self.frames = 0  # of this pass
        self.blocked = 0
        self.market_ns = survey.first_ns + survey.clock_offset_ns
        self.on_end: Callable[[], None] = lambda: None
        self.may_begin = options.start == "at-once"
        self._floor = floor
        self._channels = channels
        self._by_stream = {name: channels.find(name) for name in survey.streams}
        self._unsent: dict[Listener, list[bytes]] = {}
        self._unsent_bytes = 0
        self._lines: Iterator[Line] = iter(())
        self._line_number = -1
        self._next: Line | None = None
        self._asked: set[str] = set()
        self._asked_ns = 0
        self._hold_from_ns = 0
        self._origin_ns = 0
        self._origin_stamp_ns = 0
        self._seen_ns = -1
        self._stalled_from_ns = 0
        self._changes = 0
        self._changed_ns = 0
        self._listeners: tuple[Listener, ...] = ()
        self._shift_ns = survey.clock_offset_ns
        self._snapshot_places: dict[int, list[str]] = {}
        for facts in survey.markets.values():
            self._snapshot_places.setdefault(facts.snapshot_place, []).append(facts.symbol)

    # --- from outside --------------------------------------------------------------------------------------------

    def note_snapshot(self, symbol: str) -> None:
        """Somebody was given a depth snapshot; what runs past before it has arrived, its book does not see."""
        if symbol not in self._asked:
            self._asked.add(symbol)
            self._asked_ns = self._seen_ns

    def begin_on_command(self) -> None:
        """Let the (next) pass begin."""
        self.may_begin = True

    def status(self) -> dict[str, object]:
        """Where the recording stands."""
        return {
            "state": self.state.value,
            "passes": self.passes,
            "frames": self.frames,
            "frames_total": self.survey.frames,
            "market_ns": self.market_ns,
            "blocked": self.blocked,
        }

    def next_wake_ns(self, now_ns: int) -> int:
        """When ``play`` has something to do next."""
        if self.state is State.ENDED:
            return NEVER_NS
        if self._stalled_from_ns or self._hold_from_ns or self.state is State.WAITING or self._next is None:
            return now_ns + BLOCKED_PAUSE_NS
        if self.options.speed is None:
            return now_ns
        ahead_ns = self._next.stamp_ns - self._origin_stamp_ns
        return self._origin_ns + int(ahead_ns / self.options.speed)

    # --- playing -------------------------------------------------------------------------------------------------

    def play(self, now_ns: int) -> None:
        """Send what is due. Called again with the same time it does nothing: at full speed a turn sends one batch."""
        if now_ns <= self._seen_ns or self.state is State.ENDED:
            return
        self._seen_ns = now_ns
        self._note_changes(now_ns)
        if self.state is State.WAITING:
            if not self._is_due_to_begin(now_ns):
                return
            self._begin(now_ns)
        if not self._is_blocked(now_ns) and not self._is_held(now_ns):
            self._play_due(now_ns)
        self._advance_clock(now_ns)

    def _note_changes(self, now_ns: int) -> None:
        if self._changes != self._channels.changes:
            self._changes = self._channels.changes
            self._changed_ns = now_ns
            self._listeners = tuple(self._channels.listeners())

    def _is_due_to_begin(self, now_ns: int) -> bool:
        if self.options.start != "subscribed" or self.may_begin:
            return self.may_begin
        return bool(self._listeners) and now_ns - self._changed_ns >= self.options.complete_after_ms * MS_NS

    def _begin(self, now_ns: int) -> None:
        self.state = State.PLAYING
        pass_ns = self.survey.last_ns - self.survey.first_ns + MS_NS
        self._shift_ns = self.survey.clock_offset_ns + self.passes * pass_ns
        self._floor.begin_pass(self.passes * pass_ns)
        self._lines, self._line_number = self.survey.lines(), -1
        self.frames = 0
        self._take_next()
        self._restart_clock(now_ns)

    def _take_next(self) -> None:
        self._next = next(self._lines, None)
        self._line_number += 1

    def _restart_clock(self, now_ns: int) -> None:
        """Let the recording go on from here at its pace."""
        self._origin_ns = now_ns
        if self._next is not None:
            self._origin_stamp_ns = self._next.stamp_ns

    def _advance_clock(self, now_ns: int) -> None:
        """The market's time: between two lines it runs at the pace of the recording, and never past the next line."""
        following, speed = self._next, self.options.speed
        if self.state is not State.PLAYING or speed is None or following is None or self._hold_from_ns:
            return
        stamp_ns = self._origin_stamp_ns + int((now_ns - self._origin_ns) * speed)
        stamp_ns = min(stamp_ns, following.stamp_ns)
        self.market_ns = max(self.market_ns, stamp_ns + self._shift_ns)

    def _is_blocked(self, now_ns: int) -> bool:
        """Whether somebody has to read first; the recording's clock stands meanwhile."""
        if any(listener.link.buffered_bytes() > UNREAD_BYTES_MAX for listener in self._listeners):
            self.blocked += 1
            self._floor.tell_trades()
            self._stalled_from_ns = self._stalled_from_ns or now_ns
            return True
        if self._stalled_from_ns:
            if now_ns - self._stalled_from_ns > STALL_NS_MAX:
                self._restart_clock(now_ns)
            self._stalled_from_ns = 0
        return False

    def _is_held(self, now_ns: int) -> bool:
        """Whether the place of a snapshot is still waited at."""
        if not self._hold_from_ns:
            return False
        waited_ms = (now_ns - self._hold_from_ns) // MS_NS
        if self._wanted_snapshot() and waited_ms < self.options.snapshot_wait_ms:
            return True
        if now_ns - self._asked_ns < self.options.snapshot_grace_ms * MS_NS:
            return True
        self._asked.update(self._starts_here())  # not asked in time: it does not want one
        self._hold_from_ns = 0
        self._restart_clock(now_ns)
        return False

    def _wanted_snapshot(self) -> bool:
        """Whether a market whose snapshot belongs before the next line has listeners that may still ask for it."""
        for symbol in self._starts_here():
            channel = self._channels.depth_of(symbol)
            if channel is not None and channel.listeners and symbol not in self._asked:
                return True
        return False

    def _starts_here(self) -> list[str]:
        """Markets whose book a client should have before the next line."""
        return self._snapshot_places.get(self._line_number, [])

    def _play_due(self, now_ns: int) -> None:
        speed = self.options.speed
        due_stamp_ns = NEVER_NS
        if speed is not None:
            due_stamp_ns = self._origin_stamp_ns + int((now_ns - self._origin_ns) * speed)
        for _ in range(BATCH_FRAMES):
            line = self._next
            if line is None:
                self._flush()
                self._end_pass(now_ns)
                return
            if line.stamp_ns > due_stamp_ns:
                break
            if self._line_number in self._snapshot_places and self._wanted_snapshot():
                self._hold_from_ns = now_ns
                break
            self._play_line(line)
            self._take_next()
            if self._unsent_bytes > FLUSH_BYTES:
                self._flush()
                if self._is_blocked(now_ns):
                    return
        self._flush()

    def _play_line(self, line: Line) -> None:
        self.market_ns = max(self.market_ns, line.stamp_ns + self._shift_ns)
        if not line.stream:
            if isinstance(line.event, Snapshot):
                self._floor.mend(self.survey.snapshot_owners[self._line_number], line.event)
            return
        self.frames += 1
        channel = self._by_stream[line.stream]
        if channel is not None and channel.listeners:
            self._send(channel, line)
        event = line.event
        if event is not None and not isinstance(event, Snapshot):
            self._floor.play(line.symbol, event, self.market_ns)

    def _send(self, channel: RecordedChannel, line: Line) -> None:
        unsent = self._unsent
        for listener in channel.listeners:
            frame = line.text if listener.combined else line.data
            frames = unsent.get(listener)
            if frames is None:
                unsent[listener] = [frame]
            else:
                frames.append(frame)
            self._unsent_bytes += len(frame)

    def _flush(self) -> None:
        for listener, frames in self._unsent.items():
            listener.deliver_all(frames)
        self._unsent.clear()
        self._unsent_bytes = 0

    def _end_pass(self, now_ns: int) -> None:
        self.passes += 1
        self._floor.tell_trades()
        if self.options.repeat and self.passes >= self.options.repeat:
            self.state = State.ENDED
            self.on_end()
            return
        # the update ids of the next pass begin again: who listens must build its book anew
        for listener in self._listeners:
            listener.force_close(False)
        self.state = State.WAITING
        self._asked.clear()
        self._changed_ns = now_ns
