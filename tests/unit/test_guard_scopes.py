"""What the guard of several lines cancels and keeps on a kill of one of them, and what an `arm` of one makes it forget."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.control.messages import Accepted, AnyReply, Arm, GuardStatus, Kill, Refused, Scope, Status
from engine.control.server import Caller
from engine.guard.accounts import line_of_account
from engine.guard.commands import GuardControl, GuardNames
from engine.guard.kills import KillOrder, Kills
from engine.guard.main import GuardLog
from engine.guard.process import Guard, GuardedVenue
from engine.guard.relay import KillRelay
from engine.guard.watch import EngineWatch
from engine.runtime.clock import Clock
from engine.runtime.service import Supervisor
from engine.venues.binance.rest_cancel import RestCancel

LINES = {"spot": ("BTCUSDT", "ETHUSDT"), "futures": ("BTCUSDT", "SOLUSDT")}
TRADED = {name: SimpleNamespace(symbols=symbols) for name, symbols in LINES.items()}
EVERYTHING = {(line, symbol) for line, symbols in LINES.items() for symbol in symbols}
ME = Caller(uid=1000, pid=1)


class Venue:
    """Has nothing open; notes what it was told to cancel."""

    def __init__(self, name: str, cancelled: set[tuple[str, str]]) -> None:
        self._name, self._cancelled = name, cancelled

    async def cancel_all(self, symbol: str) -> int:
        self._cancelled.add((self._name, symbol))
        return 0

    async def open_orders(self, symbol: str) -> int:
        return 0


class Unsynced(Kills):
    """Does not wait for the disk."""

    def sync(self) -> None:
        """Nothing to wait for here."""


class Stand:
    """A guard of two lines of which both trade BTCUSDT; its turns are not run."""

    def __init__(self, data_dir: Path) -> None:
        self.cancelled: set[tuple[str, str]] = set()
        self.data_dir = data_dir
        venues = [
            GuardedVenue(name, symbols, cast(RestCancel, Venue(name, self.cancelled)), 60.0)
            for name, symbols in LINES.items()
        ]
        parts = cast(EngineWatch, None), Unsynced(data_dir, TRADED), cast(KillRelay, None), cast(Supervisor, None)
        self.guard = Guard(venues, *parts, Clock(), lambda _event, **_facts: None, heartbeat_ms_max=100, keep_alive_s=5)
        (data_dir / "names.json").write_text('{"venues": ["futures", "gone", "spot"], "strategies": []}')
        accounts = partial(line_of_account, data_dir)
        self.control = GuardControl(self.guard, GuardNames("lines", "0"), Clock(), line_of_account=accounts)

    def ask(self, request: Kill | Arm) -> AnyReply:
        """The answer, after what it began has reached the venues."""

        async def scene() -> AnyReply:
            reply = self.control(request, ME)
            await asyncio.sleep(0.02)
            return reply

        return asyncio.run(scene())

    def killed(self, **scope: Any) -> set[tuple[str, str]]:
        """What a kill of this scope cancels."""
        self.cancelled.clear()
        assert isinstance(self.ask(Kill(scope=Scope(**scope), reason="drill")), Accepted)
        return set(self.cancelled)

    def armed(self, **scope: Any) -> None:
        """An `arm` of this scope is taken."""
        assert isinstance(self.ask(Arm(scope=Scope(**scope))), Accepted)

    def kept(self) -> tuple[str, ...]:
        """What the guard keeps, in its own words."""
        status = self.control(Status(), ME)
        assert isinstance(status, GuardStatus)
        return tuple(sorted(status.killed))


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    """Nothing is killed yet."""
    return Stand(tmp_path)


@pytest.mark.invariant("R25")
@pytest.mark.parametrize(
    ("scope", "cancelled", "kept"),
    [
        ({}, EVERYTHING, ("ALL",)),
        ({"venue": "spot"}, {("spot", "BTCUSDT"), ("spot", "ETHUSDT")}, ("spot",)),
        ({"account": 3}, {("spot", "BTCUSDT"), ("spot", "ETHUSDT")}, ("spot",)),
        ({"venue": "spot", "symbol": "btcusdt"}, {("spot", "BTCUSDT")}, ("spot:BTCUSDT",)),
        ({"symbol": "futures:BTCUSDT"}, {("futures", "BTCUSDT")}, ("futures:BTCUSDT",)),
        ({"symbol": "SOLUSDT"}, {("futures", "SOLUSDT")}, ("SOLUSDT",)),
        ({"symbol": "BTCUSDT"}, {("spot", "BTCUSDT"), ("futures", "BTCUSDT")}, ("futures:BTCUSDT", "spot:BTCUSDT")),
    ],
)
def test_a_kill_cancels_and_keeps_no_more_than_it_names(
    stand: Stand, scope: dict[str, Any], cancelled: set[tuple[str, str]], kept: tuple[str, ...]
) -> None:
    assert stand.killed(**scope) == cancelled
    assert stand.kept() == kept
    assert stand.guard.is_killed_whole() is (kept == ("ALL",))


@pytest.mark.invariant("R25")
@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ({}, ()),
        ({"venue": "futures"}, ("ALL", "ETHUSDT", "spot", "spot:BTCUSDT")),
        ({"venue": "spot"}, ("ALL", "futures:BTCUSDT")),
        ({"account": 3}, ("ALL", "futures:BTCUSDT")),
        ({"venue": "spot", "symbol": "BTCUSDT"}, ("ALL", "ETHUSDT", "futures:BTCUSDT", "spot")),
        ({"symbol": "futures:BTCUSDT"}, ("ALL", "ETHUSDT", "spot", "spot:BTCUSDT")),
        ({"symbol": "ETHUSDT"}, ("ALL", "futures:BTCUSDT", "spot", "spot:BTCUSDT")),
    ],
)
def test_an_arm_makes_the_guard_forget_the_kills_in_its_scope_and_no_other(
    stand: Stand, scope: dict[str, Any], left: tuple[str, ...]
) -> None:
    kills: list[dict[str, str]] = [{}, {"venue": "spot"}, {"symbol": "BTCUSDT"}, {"symbol": "ETHUSDT"}]
    for kill in kills:
        stand.killed(**kill)
    stand.armed(**scope)
    assert stand.kept() == left
    # who guards next reads the same
    assert Stand(stand.data_dir).kept() == left


@pytest.mark.parametrize("kind", [Kill, Arm])
@pytest.mark.parametrize(
    "scope",
    [
        Scope(account=2),
        Scope(account=4),
        Scope(account=3, symbol="ETHUSDT"),
        Scope(strategy="maker"),
        Scope(symbol="XRPUSDT"),
        Scope(venue="spot", symbol="SOLUSDT"),
        Scope(symbol="spot:SOLUSDT"),
        Scope(symbol="other:BTCUSDT"),
        Scope(venue="other"),
    ],
)
def test_what_the_guard_cannot_tell_apart_it_refuses(
    stand: Stand, kind: Callable[..., Kill | Arm], scope: Scope
) -> None:
    stand.killed(venue="futures")
    stand.cancelled.clear()
    assert isinstance(stand.ask(kind(scope=scope)), Refused)
    assert (stand.kept(), stand.cancelled) == (("futures",), set())


@pytest.mark.invariant("R25")
def test_a_kill_without_a_line_in_the_file_of_an_earlier_build_is_forgotten_line_by_line(
    tmp_path: Path,
) -> None:
    text = b'[{"symbol":"BTCUSDT","uid":1,"reason":"drill","wall_ns":1}]'
    rest = ("futures:BTCUSDT",)
    for scope, left in (({"venue": "spot"}, rest), ({"symbol": "spot:BTCUSDT"}, rest), ({"symbol": "BTCUSDT"}, ())):
        Kills(tmp_path).path.write_bytes(text)
        stand = Stand(tmp_path)
        stand.armed(**scope)
        assert stand.kept() == left


def test_an_account_of_which_nobody_knows_the_line_is_refused(stand: Stand) -> None:
    (stand.data_dir / "names.json").unlink()
    assert isinstance(stand.ask(Kill(scope=Scope(account=3))), Refused)
    assert (stand.kept(), stand.cancelled) == ((), set())


@pytest.mark.invariant("R25")
@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ({"venue": "gone"}, ("XRPUSDT", "futures", "old:BTCUSDT")),
        ({"account": 2}, ("XRPUSDT", "futures", "old:BTCUSDT")),
        ({"venue": "old"}, ("XRPUSDT", "futures", "gone", "gone:BTCUSDT")),
        ({"symbol": "old:btcusdt"}, ("XRPUSDT", "futures", "gone", "gone:BTCUSDT")),
        ({"venue": "gone", "symbol": "BTCUSDT"}, ("XRPUSDT", "futures", "gone", "old:BTCUSDT")),
        ({"symbol": "BTCUSDT"}, ("XRPUSDT", "futures", "gone")),
        ({"symbol": "XRPUSDT"}, ("futures", "gone", "gone:BTCUSDT", "old:BTCUSDT")),
        ({"symbol": "spot:XRPUSDT"}, ("futures", "gone", "gone:BTCUSDT", "old:BTCUSDT")),
    ],
)
def test_a_kept_kill_is_armed_by_its_line_or_symbol_that_is_configured_no_more(
    tmp_path: Path, scope: dict[str, Any], left: tuple[str, ...]
) -> None:
    kills = Kills(tmp_path)
    parts = [("gone", ""), ("gone", "BTCUSDT"), ("old", "BTCUSDT"), ("futures", ""), ("", "XRPUSDT")]
    kills.add(*(KillOrder(symbol, 1000, "drill", 1, line) for line, symbol in parts))
    assert kills.settle()
    stand = Stand(tmp_path)
    # a kill of what is not configured stays refused
    assert isinstance(stand.ask(Kill(scope=Scope(venue="gone"))), Refused)
    stand.armed(**scope)
    assert stand.kept() == left
    assert Stand(tmp_path).kept() == left


class NoRoom(Unsynced):
    """A file that a disk does not take while it is full."""

    is_full = True

    def _write_draft(self, orders: list[KillOrder]) -> None:
        """Only where there is room."""
        if self.is_full:
            raise OSError(28, "No space left on device")
        super()._write_draft(orders)


@pytest.mark.invariant("R05")
@pytest.mark.invariant("R25")
def test_a_kill_that_the_disk_does_not_take_is_held_by_the_guard_until_it_does_or_until_arm(stand: Stand) -> None:
    kills = stand.guard.kills = NoRoom(stand.data_dir)
    reply = stand.ask(Kill(scope=Scope(venue="spot"), reason="drill"))
    assert isinstance(reply, Accepted)
    assert "No space left" in reply.note
    assert stand.cancelled == {("spot", "BTCUSDT"), ("spot", "ETHUSDT")}
    assert (stand.kept(), Kills(stand.data_dir).read()) == (("spot",), [])
    stand.armed(venue="spot")
    assert stand.kept() == ()
    stand.killed(venue="futures")
    kills.is_full = False

    async def a_turn() -> None:
        stand.guard._keep()

    asyncio.run(a_turn())
    assert (stand.kept(), [kill.venue for kill in Kills(stand.data_dir).read()]) == (("futures",), ["futures"])
    assert stand.guard.keeping_fault == ""


@pytest.mark.invariant("R25")
def test_a_kill_is_held_where_the_log_and_stderr_stand_on_a_full_disk(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stand.data_dir / "guard.jsonl").symlink_to("/dev/full")
    log = GuardLog(stand.data_dir / "guard.jsonl", Clock())
    stand.guard._note = log
    stand.guard.kills = NoRoom(stand.data_dir)
    with open("/dev/full", "w", buffering=1) as full, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", full)
        assert isinstance(stand.ask(Kill(scope=Scope(venue="spot"), reason="drill")), Accepted)
        with contextlib.suppress(OSError):
            full.close()
    log.close()
    assert (stand.kept(), stand.guard.fatal) == (("spot",), None)


@pytest.mark.invariant("R25")
def test_a_kill_is_held_whatever_goes_wrong_behind_it(stand: Stand) -> None:
    def no_log(_event: str, **_facts: Any) -> None:
        raise OSError("nothing takes a log")

    stand.guard._note = no_log
    with pytest.raises(OSError, match="nothing takes"):
        stand.guard.kill(KillOrder("", 1000, "drill", 1, "nowhere"))
    assert [kill.venue for kill in stand.guard.standing()] == ["nowhere"]
