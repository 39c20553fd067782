"""What the guard makes of an engine that has not taken the kill of a line or a symbol: told within bounds, cancelled meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from engine.control.messages import (
    Accepted,
    AnyReply,
    EngineStatus,
    Kill,
    LineStatus,
    RefusalCode,
    Refused,
    Scope,
    Status,
)
from engine.guard.hold import ScopedKills
from engine.guard.kills import KillOrder, Kills
from engine.guard.process import Guard, GuardedVenue
from engine.guard.relay import KillRelay
from engine.guard.watch import EngineWatch, Look, Sight
from engine.model.codes import HaltReason
from engine.runtime.clock import Clock
from engine.runtime.service import Supervisor
from engine.venues.binance.rest_cancel import RestCancel

LINES = {"spot": SimpleNamespace(symbols=("BTCUSDT",)), "futures": SimpleNamespace(symbols=("ETHUSDT",))}
LINE, SYMBOL, GONE = (
    KillOrder("", 1, "x", 1, "spot"),
    KillOrder("BTCUSDT", 1, "x", 1, "spot"),
    KillOrder("", 1, "x", 1, "old"),
)
TURN_NS = 20_000_000
SECOND_NS = 1_000_000_000
ACCEPTED = Accepted(sequence=1)
UNKNOWN = Refused(code=RefusalCode.UNKNOWN_NAME, text="unknown venue")
FULL = Refused(code=RefusalCode.JOURNAL_FULL, text="no room")
Answer = Callable[[Kill | Status], AnyReply | None]


def filled(kind: type, **fields: Any) -> Any:
    """A message whose other fields say nothing."""
    empty = {
        field.name: field.type()
        for field in msgspec.structs.fields(kind)
        if field.required and field.name not in fields
    }
    return kind(**empty, **fields)


def status(line_kill: bool = False, **fields: Any) -> EngineStatus:
    """An engine of a line `spot`."""
    return cast(EngineStatus, filled(EngineStatus, lines=(filled(LineStatus, line="spot", kill=line_kill),), **fields))


class Engine:
    """At the other end of the relay; `answer` says what to a request, and how many turns later."""

    def __init__(self, answer: Answer, late_turns: int = 1) -> None:
        self.asked: list[Kill | Status] = []
        self._answer, self._late_turns = answer, late_turns
        self._due = -1

    def ask(self, request: Kill | Status) -> None:
        """What was not answered yet is dropped."""
        self.asked.append(request)
        self._due = self._late_turns

    def reply(self) -> AnyReply | None:
        """Looked at once a turn."""
        self._due -= 1
        return self._answer(self.asked[-1]) if self._due == 0 else None

    def close(self) -> None:
        """Nothing comes any more."""
        self._due = -1

    @property
    def scopes(self) -> list[Scope]:
        """Of the kills it was told."""
        return [request.scope for request in self.asked if isinstance(request, Kill)]


def answering(kill: AnyReply, told: EngineStatus | None = None) -> Answer:
    """The same to every kill and every look."""
    return lambda request: kill if isinstance(request, Kill) else told or status()


class Held:
    """A guard's hold of one kill, turn by turn."""

    def __init__(self, engine: Engine, kill: KillOrder) -> None:
        self.notes: list[str] = []
        self.parts = ScopedKills(cast(KillRelay, engine), LINES, lambda event, **_facts: self.notes.append(event))
        self.kill, self.now_ns = kill, 0

    def after(self, seconds: float, pid: int = 7) -> list[KillOrder]:
        """What is not known to be obeyed then."""
        left = []
        for _ in range(int(seconds * SECOND_NS) // TURN_NS):
            left = self.parts.hold(pid, [self.kill], self.now_ns)
            self.now_ns += TURN_NS
        return left


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("kill", [LINE, SYMBOL])
def test_a_kill_that_the_engine_accepts_is_told_once_to_it_and_once_to_the_next_one(kill: KillOrder) -> None:
    # more symbols may be halted than its status tells, under names of a configuration that the guard does not have
    engine = Engine(answering(ACCEPTED))
    held = Held(engine, kill)
    assert (held.after(20), len(engine.scopes)) == ([], 1)
    assert (held.after(20, pid=8), len(engine.scopes)) == ([], 2)
    assert engine.scopes == [Scope(venue="spot", symbol=kill.symbol)] * 2


@pytest.mark.invariant("R25")
@pytest.mark.parametrize(
    ("kill", "told"),
    [
        (LINE, status(line_kill=True)),
        (SYMBOL, status(halted_symbols={"BTCUSDT": HaltReason.KILL})),
        (SYMBOL, status(halted_symbols={"spot:BTCUSDT": HaltReason.KILL})),
        (KillOrder("DOGEUSDT", 1, "x", 1, "spot"), status(halted_symbols={"DOGEUSDT": HaltReason.KILL})),
    ],
)
def test_a_kill_that_the_engine_shows_by_either_of_its_names_is_not_told(kill: KillOrder, told: EngineStatus) -> None:
    engine = Engine(answering(ACCEPTED, told))
    assert (Held(engine, kill).after(20), engine.scopes) == ([], [])


@pytest.mark.invariant("R25")
def test_under_a_kill_of_everything_a_part_is_told_once_that_one_has_ended() -> None:
    engine = Engine(lambda request: ACCEPTED if isinstance(request, Kill) else status(kill=len(engine.asked) < 10))
    held = Held(engine, GONE)
    assert (held.after(2), engine.scopes) == ([GONE], [])
    assert (held.after(20), engine.scopes) == ([], [Scope(venue="old")])


@pytest.mark.invariant("R25")
def test_the_halt_of_another_lines_symbol_of_the_same_name_is_not_taken_for_it() -> None:
    other = KillOrder("ETHUSDT", 1, "x", 1, "spot")
    engine = Engine(answering(FULL, status(halted_symbols={"ETHUSDT": HaltReason.KILL})))
    assert Held(engine, other).after(5) == [other]


@pytest.mark.invariant("R25")
def test_what_the_engine_knows_by_no_name_is_told_it_as_a_kill_of_everything() -> None:
    engine = Engine(
        lambda request: status() if isinstance(request, Status) else UNKNOWN if request.scope.venue else ACCEPTED
    )
    held = Held(engine, GONE)
    assert (held.after(20), held.notes) == ([], ["kill_refused"])
    assert engine.scopes == [Scope(venue="old"), Scope()]


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("reply", [FULL, UNKNOWN, Accepted(sequence=0, proposal=3)])
def test_a_kill_that_is_not_taken_is_told_more_and_more_rarely_and_stays_open(reply: AnyReply) -> None:
    engine = Engine(answering(reply))
    held = Held(engine, LINE)
    assert held.after(20) == [LINE]
    assert 3 <= len(engine.scopes) <= 6
    assert held.notes == ["kill_refused"] * isinstance(reply, Refused)


@pytest.mark.invariant("R25")
def test_an_engine_that_answers_late_is_heard_all_the_same() -> None:
    engine = Engine(answering(ACCEPTED), late_turns=3 * SECOND_NS // TURN_NS)
    assert (Held(engine, LINE).after(30), len(engine.scopes)) == ([], 1)


def guard_of(
    engine: Engine, data_dir: Path, kill: KillOrder, monkeypatch: pytest.MonkeyPatch
) -> tuple[Guard, list[list[tuple[str, str]]]]:
    """A guard of two lines beside a live engine, and the parts that it sweeps."""
    venues = [GuardedVenue(name, row.symbols, cast(RestCancel, None), 0.0) for name, row in LINES.items()]
    relay = cast(KillRelay, engine)
    parts = cast(EngineWatch, None), Kills(data_dir), relay, cast(Supervisor, None)

    def ignore(_event: str, **_facts: object) -> None:
        """A log that nobody reads."""

    scoped = ScopedKills(relay, LINES, ignore)
    guard = Guard(venues, *parts, Clock(), ignore, heartbeat_ms_max=100, keep_alive_s=5.0, scoped=scoped)
    guard.kills.add(kill)
    assert guard.kills.settle()
    guard.look = Look(Sight.ALIVE, 7, is_halted=False)
    swept: list[list[tuple[str, str]]] = []

    def sweep(_cause: str, parts: list[tuple[str, str]], *, again: bool) -> None:
        assert again
        swept.append(list(parts))

    monkeypatch.setattr(guard, "sweep", sweep)
    return guard, swept


@pytest.mark.invariant("R25")
@pytest.mark.parametrize(
    ("kill", "part"),
    [
        (LINE, ("spot", "")),
        (SYMBOL, ("spot", "BTCUSDT")),
        (KillOrder("DOGEUSDT", 1, "x", 1, "spot"), ("spot", "")),
        (GONE, ("", "")),
    ],
)
def test_while_a_live_engine_does_not_take_a_kill_its_part_is_cancelled_again_each_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: KillOrder, part: tuple[str, str]
) -> None:
    guard, swept = guard_of(Engine(lambda _request: None), tmp_path, kill, monkeypatch)
    for turn in range(5 * SECOND_NS // TURN_NS):
        guard._hold_scoped(turn * TURN_NS)
    assert swept == [[part]] * 4


@pytest.mark.invariant("R25")
def test_an_engine_that_takes_the_kill_is_not_swept_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard, swept = guard_of(Engine(answering(ACCEPTED)), tmp_path, LINE, monkeypatch)
    for turn in range(5 * SECOND_NS // TURN_NS):
        guard._hold_scoped(turn * TURN_NS)
    assert swept == []
