"""What an engine of two lines makes of the guard's kills at its start, and which of them an `arm` of its own forgets."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.app import Engine
from engine.control.commands import OperatorCommand
from engine.control.messages import ScopeKind
from engine.guard.kills import KillOrder, Kills
from engine.kept_kills import KeptKills
from engine.model.codes import CommandKind
from tests.guard_turns import turn_of_another

# instrument ids of a line and a symbol; the lines are venues 3 and 4
ROWS = {(3, "BTCUSDT"): 1, (4, "BTCUSDT"): 2, (4, "SOLUSDT"): 3}
# known by its name, configured no more
DELISTED = {(3, "DOGEUSDT"): 9}
LINES = [SimpleNamespace(name="spot", venue_id=3), SimpleNamespace(name="futures", venue_id=4)]


class Rows:
    """The part of the tables that names instruments."""

    def instrument_id(self, venue_id: int, symbol: str) -> int:
        return ROWS.get((venue_id, symbol), 0)

    def instrument(self, row: int) -> dict[str, int]:
        return {"venue_id": next(venue for (venue, _), number in (ROWS | DELISTED).items() if number == row)}

    def symbol(self, row: int) -> str:
        return next(symbol for (_, symbol), number in (ROWS | DELISTED).items() if number == row)


def line(venue_id: int) -> SimpleNamespace | None:
    """By its number."""
    return next((row for row in LINES if row.venue_id == venue_id), None)


def kept(
    data_dir: Path, *kills: tuple[str, str], said: list[str] | None = None
) -> tuple[KeptKills, list[OperatorCommand]]:
    """An engine beside kills of (line, symbol), and what it submits."""
    said = [] if said is None else said
    guard = Kills(data_dir)
    guard.add(*(KillOrder(symbol, 1000, "drill", 1, venue) for venue, symbol in kills))
    assert guard.settle()
    submitted: list[OperatorCommand] = []
    traded = {row.name: [symbol for venue, symbol in ROWS if venue == row.venue_id] for row in LINES}
    venues = {name: SimpleNamespace(symbols=tuple(symbols)) for name, symbols in traded.items()}
    config = SimpleNamespace(venue=venues, guard=object())
    engine = SimpleNamespace(lines=LINES, tables=Rows(), line=line, loaded=SimpleNamespace(config=config))

    def submit(command: OperatorCommand) -> int:
        submitted.append(command)
        return len(submitted)

    return KeptKills(cast(Engine, engine), data_dir, submit, said.append), submitted


@pytest.mark.invariant("R25")
@pytest.mark.parametrize(
    ("kill", "scopes"),
    [
        (("", ""), [(ScopeKind.ALL, 0, 0)]),
        (("futures", ""), [(ScopeKind.VENUE, 4, 0)]),
        (("futures", "BTCUSDT"), [(ScopeKind.INSTRUMENT, 4, 2)]),
        (("", "BTCUSDT"), [(ScopeKind.INSTRUMENT, 3, 1), (ScopeKind.INSTRUMENT, 4, 2)]),
        (("", "SOLUSDT"), [(ScopeKind.INSTRUMENT, 4, 3)]),
        # what nothing here has may have been renamed: its kill is everything's
        (("gone", ""), [(ScopeKind.ALL, 0, 0)]),
        (("gone", "BTCUSDT"), [(ScopeKind.ALL, 0, 0)]),
        (("spot", "SOLUSDT"), [(ScopeKind.ALL, 0, 0)]),
        (("", "XRPUSDT"), [(ScopeKind.ALL, 0, 0)]),
    ],
)
def test_a_kept_kill_is_obeyed_as_wide_as_it_was(
    tmp_path: Path, kill: tuple[str, str], scopes: list[tuple[int, int, int]]
) -> None:
    kills, submitted = kept(tmp_path, kill)
    kills.obey()
    assert [(item.scope_kind, item.venue_id, item.instrument_id) for item in submitted] == scopes
    assert all((item.kind, item.uid) == (CommandKind.KILL, 1000) for item in submitted)
    is_known = kill[0] in ("", "futures") and kill[1] != "XRPUSDT"
    assert ["unknown here" in item.reason for item in submitted] == [not is_known] * len(scopes)


@pytest.mark.invariant("R25")
def test_kills_that_cannot_be_read_are_a_kill_of_everything(tmp_path: Path) -> None:
    kills, submitted = kept(tmp_path)
    Kills(tmp_path).path.write_bytes(b"[{")
    kills.obey()
    assert [(item.kind, item.scope_kind) for item in submitted] == [(CommandKind.KILL, ScopeKind.ALL)]


@pytest.mark.invariant("R25")
@pytest.mark.parametrize(
    ("scope", "forgotten"),
    [
        ({"scope_kind": ScopeKind.ALL}, {("", ""), ("spot", ""), ("futures", ""), ("futures", "BTCUSDT")}),
        ({"scope_kind": ScopeKind.VENUE, "venue_id": 4}, {("futures", ""), ("futures", "BTCUSDT")}),
        ({"scope_kind": ScopeKind.ACCOUNT, "account_id": 3}, {("spot", "")}),
        ({"scope_kind": ScopeKind.INSTRUMENT, "instrument_id": 2, "venue_id": 4}, {("futures", "BTCUSDT")}),
        ({"scope_kind": ScopeKind.STRATEGY, "strategy_id": 1}, set()),
        ({"scope_kind": ScopeKind.VENUE, "venue_id": 9}, set()),
    ],
)
def test_an_arm_of_the_engine_forgets_what_it_clears_and_nothing_else(
    tmp_path: Path, scope: dict[str, int], forgotten: set[tuple[str, str]]
) -> None:
    stood = {("", ""), ("spot", ""), ("futures", ""), ("futures", "BTCUSDT")}
    kills, _ = kept(tmp_path, *stood)
    kills.forget(OperatorCommand(kind=CommandKind.ARM, uid=1000, **cast(dict[str, Any], scope)))
    assert {(item.venue, item.symbol) for item in Kills(tmp_path).read()} == stood - forgotten


@pytest.mark.invariant("R25")
def test_an_arm_of_one_line_leaves_the_others_a_symbols_kill_of_an_earlier_build(tmp_path: Path) -> None:
    for scope in (
        {"venue_id": 3, "scope_kind": ScopeKind.VENUE},
        {"instrument_id": 1, "scope_kind": ScopeKind.INSTRUMENT},
    ):
        kills, submitted = kept(tmp_path, ("", "BTCUSDT"))
        kills.forget(OperatorCommand(kind=CommandKind.ARM, uid=1000, **cast(dict[str, Any], scope)))
        kills.obey()
        assert [(item.scope_kind, item.venue_id, item.instrument_id) for item in submitted] == [
            (ScopeKind.INSTRUMENT, 4, 2)
        ]
        Kills(tmp_path).path.unlink()


@pytest.mark.invariant("R25")
def test_an_arm_of_a_symbol_that_no_line_lists_any_more_forgets_its_kill_of_an_earlier_build(tmp_path: Path) -> None:
    kills, _ = kept(tmp_path, ("", "BTCUSDT"), ("", "DOGEUSDT"))
    kills.forget(OperatorCommand(kind=CommandKind.ARM, uid=1000, scope_kind=ScopeKind.INSTRUMENT, instrument_id=9))
    assert {item.symbol for item in Kills(tmp_path).read()} == {"BTCUSDT"}


ARM_SPOT = OperatorCommand(kind=CommandKind.ARM, uid=1000, scope_kind=ScopeKind.VENUE, venue_id=3)
SECOND_NS = 1_000_000_000


@pytest.mark.invariant("R25")
def test_an_arm_in_the_guards_turn_says_that_it_has_not_cleared_the_file_and_clears_it_later(tmp_path: Path) -> None:
    said: list[str] = []
    kills, _ = kept(tmp_path, ("spot", ""), ("futures", ""), said=said)
    with turn_of_another(tmp_path):
        kills.forget(ARM_SPOT)
        for tick in range(3):
            kills.each_tick(tick * SECOND_NS)
        # never without a turn: the other one may be about to note a kill
        assert [item.venue for item in Kills(tmp_path).read()] == ["spot", "futures"]
        assert "another process" in kills.trouble
        assert said == [kills.trouble]
    kills.each_tick(4 * SECOND_NS)
    assert [item.venue for item in Kills(tmp_path).read()] == ["futures"]
    assert kills.trouble == ""


@pytest.mark.invariant("R25")
def test_an_arm_that_clears_the_file_late_leaves_the_kill_that_came_after_it(tmp_path: Path) -> None:
    kills, _ = kept(tmp_path, ("spot", ""))
    with turn_of_another(tmp_path):
        kills.forget(ARM_SPOT)
    guard, later = Kills(tmp_path), KillOrder("", 1000, "once more", 2, "spot")
    guard.add(later)
    assert guard.settle()
    kills.each_tick(SECOND_NS)
    assert (Kills(tmp_path).read(), kills.trouble) == ([later], "")


@pytest.mark.invariant("R25")
def test_a_trouble_is_known_before_it_is_said_and_said_once_though_causes_alternate(tmp_path: Path) -> None:
    said: list[str] = []
    kills, _ = kept(tmp_path, ("spot", ""), said=said)
    known: list[str] = []
    kills._say = lambda text: known.append(kills.trouble) or said.append(text)  # type: ignore[func-returns-value]
    with turn_of_another(tmp_path):
        kills.forget(ARM_SPOT)
        for tick in range(1, 7):
            kills._kills._turn = no_turn if tick % 2 else Kills._turn.__get__(kills._kills)  # type: ignore[method-assign, assignment]
            kills.each_tick(tick * SECOND_NS)
    assert known == said
    assert len(set(said)) == len(said) == 2


@contextlib.contextmanager
def no_turn(_wait_s: float) -> Iterator[bool]:
    """The directory cannot be opened."""
    raise OSError(errno.EMFILE, "no descriptors")
    yield False
