"""The faults that are armed, and the dice that decide whom they strike. No clock: it is told the time.

Sessions, publisher and limits ask; the test port and the plan of ``[faults]`` arm (`engine.sim.wire.fault_commands`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from engine.sim.seeded import SeededRandom
from engine.sim.wire import errors
from engine.sim.wire import fault_commands as commands
from engine.sim.wire.damage import damaged

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000
NEVER_NS = 1 << 62
TO_VENUE = "to-venue"
FROM_VENUE = "from-venue"
ON_LINKS = (commands.Latency, commands.Drop, commands.HalfOpen, commands.Malformed)
ON_USER_EVENTS = (commands.MuteUserEvents, commands.DuplicateUserEvents, commands.ReorderUserEvents)
AnyFault = TypeVar("AnyFault", bound=commands.Fault)


class Armed:
    """One armed fault: how many strikes are left (-1: no end), how often it struck, when it ends (Unix ns)."""

    __slots__ = ("command", "left", "mark", "strikes", "until_ns")

    def __init__(self, command: commands.Fault, until_ns: int, mark: int) -> None:
        self.command = command
        self.left = int(getattr(command, "count", 0)) or -1
        self.strikes = 0
        self.until_ns = until_ns
        self.mark = mark  # the number of the youngest connection when it was armed

    def row(self, now_ns: int) -> dict[str, object]:
        """As ``status`` shows it."""
        shown = dict(msgspec.to_builtins(self.command))
        shown.pop("at_s")
        shown["strikes"] = self.strikes
        if self.left >= 0:
            shown["left"] = self.left
        if self.until_ns != NEVER_NS:
            shown["ends_in_s"] = round((self.until_ns - now_ns) / SECOND_NS, 3)
        return shown


class Faults:
    """Every armed fault by its verb. ``on_links`` and ``on_user_events`` say, cheaply, whether a message must ask at all."""

    def __init__(self, seed: int = 1) -> None:
        self.dice = SeededRandom(seed)
        self.on_links = False
        self.on_user_events = False
        self.next_end_ns = NEVER_NS
        self.stepped_ms = 0
        self.generation = 0  # `reset` makes what still waits to begin void
        self._armed: dict[type[commands.Fault], list[Armed]] = {}
        self._struck: dict[str, int] = {}

    # --- arming ---

    def arm(self, command: commands.Fault, now_ns: int, connections: int = 0) -> None:
        """Begin; a fault of the same place ends."""
        until_ns = now_ns + int(command.for_s * SECOND_NS) if command.for_s else NEVER_NS
        place = command.place()
        kept = [armed for armed in self._armed.get(type(command), ()) if armed.command.place() != place]
        if getattr(command, "on", True):
            kept.append(Armed(command, until_ns, connections))
        self._armed[type(command)] = kept
        self._refresh()

    def advance(self, now_ns: int) -> None:
        """End what is over."""
        for kind, rows in self._armed.items():
            self._armed[kind] = [armed for armed in rows if armed.until_ns > now_ns]
        self._refresh()

    def clear(self, verb: str = "") -> None:
        """End every fault, or those of one verb; strikes that were counted stay counted."""
        for kind in tuple(self._armed):
            if verb in ("", kind.verb()):
                self._armed[kind] = []
        if verb in ("", commands.ClockOffset.verb(), commands.ClockStep.verb()):
            self.stepped_ms = 0
        if not verb:
            self.generation += 1
        self._refresh()

    def _refresh(self) -> None:
        self.on_links = any(self._armed.get(kind) for kind in ON_LINKS)
        self.on_user_events = any(self._armed.get(kind) for kind in ON_USER_EVENTS)
        ends = [armed.until_ns for rows in self._armed.values() for armed in rows]
        self.next_end_ns = min(ends, default=NEVER_NS)

    # --- asking ---

    def strike(
        self, kind: type[AnyFault], matches: Callable[[AnyFault], bool] = lambda _fault: True
    ) -> AnyFault | None:
        """The armed fault of this verb that strikes now, used up by one; None when none does."""
        for armed in self._armed.get(kind, ()):
            fault: AnyFault = armed.command  # type: ignore[assignment]
            if not matches(fault) or self._misses(fault):
                continue
            self._count(armed)
            return fault
        return None

    def _misses(self, fault: commands.Fault) -> bool:
        fraction = float(getattr(fault, "fraction", 1.0))
        return fraction < 1.0 and self.dice.unit() >= fraction

    def _count(self, armed: Armed) -> None:
        armed.strikes += 1
        verb = armed.command.verb()
        self._struck[verb] = self._struck.get(verb, 0) + 1
        if armed.left > 0:
            armed.left -= 1
        if armed.left == 0:
            self._armed[type(armed.command)].remove(armed)
            self._refresh()

    def standing(self, kind: type[AnyFault]) -> AnyFault | None:
        """The armed fault of a verb that is a state rather than a series of strikes."""
        rows = self._armed.get(kind)
        return rows[-1].command if rows else None  # type: ignore[return-value]

    def status(self, now_ns: int) -> dict[str, object]:
        """What is armed, and how often each verb struck since the start."""
        rows = [armed.row(now_ns) for kinds in self._armed.values() for armed in kinds]
        return {"armed": rows, "strikes": dict(self._struck), "clock_offset_ms": self.clock_offset_ms}

    # --- connections ---

    def is_half_open(self, kind: str, number: int) -> bool:
        """A message of this connection goes nowhere."""
        for armed in self._armed.get(commands.HalfOpen, ()):
            fault = armed.command
            if (
                isinstance(fault, commands.HalfOpen)
                and _aims_at(fault.kind, kind)
                and (fault.new or number <= armed.mark)
            ):
                self._count(armed)
                return True
        return False

    def drops(self, kind: str, way: str) -> bool:
        """A message of this kind of connection is lost on its way."""
        return (
            self.strike(commands.Drop, lambda fault: _aims_at(fault.kind, kind) and fault.way in (way, "both"))
            is not None
        )

    def latency_ns(self, kind: str, way: str) -> int:
        """How long a message is under way."""
        fault = self.strike(commands.Latency, lambda fault: _aims_at(fault.kind, kind))
        if fault is None:
            return 0
        milliseconds = fault.to_venue_ms if way == TO_VENUE else fault.from_venue_ms
        return int((milliseconds + fault.jitter_ms * self.dice.unit()) * MS_NS)

    def damage(self, message: bytes, target: str) -> tuple[bytes, bool]:
        """The message as it leaves, and whether as a binary frame."""
        fault = self.strike(commands.Malformed, lambda fault: fault.target == target)
        if fault is None:
            return message, False
        return damaged(message, fault.mode, self.dice), fault.mode == "binary"

    def session_cap_ns(self, kind: str, usual_s: float) -> int:
        """The age at which a WebSocket of this kind is closed."""
        cap_s = usual_s
        for armed in self._armed.get(commands.SessionCap, ()):
            if isinstance(armed.command, commands.SessionCap) and _aims_at(armed.command.kind, kind):
                cap_s = min(cap_s, armed.command.seconds)
        return int(cap_s * SECOND_NS)

    # --- requests, replies, events ---

    @property
    def clock_offset_ms(self) -> int:
        """How far the venue's own time runs ahead."""
        fault = self.standing(commands.ClockOffset)
        return self.stepped_ms + (0 if fault is None else fault.ms)

    @property
    def events_first(self) -> bool:
        """User events leave before the reply that caused them."""
        return self.standing(commands.EventsFirst) is not None

    def reply_delay_ns(self, is_order: bool) -> int:
        """How much later a reply leaves."""
        fault = self.strike(commands.Delay, lambda fault: is_order or not fault.orders_only)
        return 0 if fault is None else int(fault.ms * MS_NS)

    def take_drop(self) -> bool:
        """Use up one order reply that is never sent."""
        return self.strike(commands.DropOrderResponses) is not None

    def take_timestamp_error(self) -> bool:
        """Use up one forced -1021."""
        return self.strike(commands.TimestampErrors) is not None

    def take_order_error(self) -> commands.OrderError | None:
        """Use up one forced order error."""
        return self.strike(commands.OrderError)

    def take_limited(self, kind: str) -> commands.Limited | None:
        """Use up one forced 429 or 418 on this interface."""
        return self.strike(commands.Limited, lambda fault: _aims_at(fault.kind, kind))

    def take_gap(self, symbol: str) -> bool:
        """Use up one vanished depth emission of ``symbol``."""
        return self.strike(commands.Gap, lambda fault: fault.symbol == symbol) is not None

    def take_book_flaw(self, symbol: str) -> str:
        """Use up one flawed depth emission of ``symbol``: what it shows, or nothing."""
        fault = self.strike(commands.BadBook, lambda fault: fault.symbol == symbol)
        return "" if fault is None else fault.flaw

    def ticker_flaw(self, symbol: str) -> str:
        """What bookTicker of ``symbol`` shows."""
        for armed in self._armed.get(commands.BadBook, ()):
            fault = armed.command
            if isinstance(fault, commands.BadBook) and fault.symbol == symbol and fault.ticker:
                return fault.flaw
        return ""


def order_error(fault: commands.OrderError) -> errors.ApiError:
    """The refusal that a forced order error sends."""
    text = errors.UNKNOWN_OUTCOME_TEXT.get(fault.code, "An unknown error occurred while processing the request.")
    return errors.ApiError(fault.code, text)


def _aims_at(aim: str, kind: str) -> bool:
    return aim in ("all", kind)
