"""The way from STOP to the end, tick by tick, with stages that do as the test says."""

from __future__ import annotations

from typing import Any, cast

import pytest

from engine.app import Engine
from engine.journal.errors import JournalFull
from engine.model.codes import CommandKind
from engine.orderly_stop import STOP_TIMEOUT_S, UNREACHED_WAIT_S, OrderlyStop
from engine.runtime.clock import Clock
from engine.runtime.service import Supervisor

TICK_NS = 50_000_000


class Stages:
    """What an orderly stop sees of an engine. `room`: does the journal take commands."""

    def __init__(self) -> None:
        self.clock = Clock.virtual()
        self.state: dict[str, Any] = {"stopping": False, "gateway_ready": True}
        self.open: list[dict[str, Any]] = []
        self.room = True
        self.commands: list[CommandKind] = []
        self.venue_id, self.name = 1, "spot"
        self.reconciles = self.orders_sent = 0
        self.lines = [self]
        self.world = self.tables = self.sequencer = self.oms = self.session = self

    @property
    def quiet(self) -> bool:
        return bool(self.state["stopping"]) and not self.open

    def left_standing(self) -> list[dict[str, Any]]:
        return []

    def control_state(self) -> dict[str, Any]:
        return self.state

    def line_state(self, venue_id: int) -> dict[str, Any]:
        return {**self.state, "reconciles": self.reconciles}

    def execute_command(self, kind: int, **fields: Any) -> int:
        if not self.room:
            raise JournalFull("no room")
        self.commands.append(CommandKind(kind))
        if kind == CommandKind.STOP:
            self.state["stopping"] = True
        else:
            self.reconciles += 1
        return len(self.commands)


def stop_of(stages: Stages) -> OrderlyStop:
    """A stop that has begun."""
    stop = OrderlyStop(
        cast(Engine, stages), Supervisor("", stages.clock), lambda: "nothing listens there", lambda _text: None
    )
    stop.begin()
    return stop


def ticks(stages: Stages, stop: OrderlyStop, seconds: float) -> float:
    """Advance tick by tick until it is done; seconds it took."""
    began_ns = stages.clock.monotonic_ns()
    for _ in range(int(seconds * 20)):
        stop.advance()
        if stop.is_done:
            break
        stages.clock.advance(TICK_NS)
    return (stages.clock.monotonic_ns() - began_ns) / 1e9


@pytest.mark.invariant("R05")
def test_a_stop_that_the_full_journal_did_not_take_is_asked_again_until_it_does() -> None:
    stages = Stages()
    stages.room = False
    stop = stop_of(stages)
    ticks(stages, stop, 2.0)
    assert not stop.is_done
    stages.room = True
    ticks(stages, stop, 1.0)
    assert stages.commands == [CommandKind.STOP, CommandKind.RECONCILE]
    assert (stop.is_done, stop.is_flat, stop.doubt) == (True, True, "")


def test_a_journal_that_stays_full_does_not_keep_the_engine_from_ending() -> None:
    stages = Stages()
    stages.room = False
    stop = stop_of(stages)
    assert ticks(stages, stop, 60.0) == pytest.approx(STOP_TIMEOUT_S, abs=0.2)
    assert (stop.is_done, stop.is_flat) == (True, False)
    assert "did not confirm" in stop.doubt


def test_orders_that_stay_open_are_waited_for_and_then_told() -> None:
    stages = Stages()
    stages.state["stopping"] = True
    stages.open = [{"order_handle": 1}]
    stop = stop_of(stages)
    assert ticks(stages, stop, 60.0) == pytest.approx(STOP_TIMEOUT_S, abs=0.2)
    assert (stop.is_flat, stages.commands) == (False, [])


def test_with_nothing_sent_and_no_session_the_stop_waits_a_moment_and_no_longer() -> None:
    stages = Stages()
    stages.state |= {"stopping": True, "gateway_ready": False}
    stop = stop_of(stages)
    assert ticks(stages, stop, 60.0) == pytest.approx(UNREACHED_WAIT_S, abs=0.2)
    assert stop.is_flat
    assert "nothing listens there" in stop.doubt


@pytest.mark.parametrize("cause", ["sent", "known"])
def test_what_may_be_open_is_never_given_up_early(cause: str) -> None:
    stages = Stages()
    stages.state |= {"stopping": True, "gateway_ready": False}
    if cause == "sent":
        stages.orders_sent = 1
        stages.room = False
    else:
        stages.open = [{"order_handle": 1}]
    stop = stop_of(stages)
    assert ticks(stages, stop, 60.0) == pytest.approx(STOP_TIMEOUT_S, abs=0.2)
    assert not stop.is_flat
