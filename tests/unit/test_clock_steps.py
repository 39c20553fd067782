"""One table of steps of the wall clock, and everything in the engine that waits: none is early, none late (R06).

Time is virtual and moves by a millisecond a turn, as a loop that is never late would see it; so "in time" is within one turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.model.codes import BookState, Reason, TimerKind
from engine.runtime.clock import Clock
from engine.runtime.timers import TimerQueue
from engine.strategy.api import BookView, Strategy, TimerView
from tests.orders_harness import Rig
from tests.strategy_harness import ASKS, BIDS, SECOND_NS, rehearsal

MS_NS = 1_000_000
HOUR_NS = 3600 * SECOND_NS
# name -> (milliseconds from the start, step): an hour either way, the seconds of a leap second, a correction that comes and goes,
# a clock that is slewed by small steps, one that is set from 1970 and back
STEPS: dict[str, list[tuple[int, int]]] = {
    "none": [],
    "an hour on": [(700, HOUR_NS)],
    "an hour back": [(700, -HOUR_NS)],
    "a leap second": [(1000, -SECOND_NS)],
    "a second left out": [(1000, SECOND_NS)],
    "there and back": [(400, HOUR_NS), (900, -2 * HOUR_NS), (1400, HOUR_NS)],
    "slewed": [(at, -500_000) for at in range(100, 2900, 7)],
    "to 1970 and back": [(500, -1_600_000_000 * SECOND_NS), (1500, 1_600_000_000 * SECOND_NS)],
    "at the very turn": [(999, HOUR_NS), (1000, -HOUR_NS), (1001, HOUR_NS)],
}
every_step = pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
pytestmark = pytest.mark.invariant("R06")


def stepped(clock: Clock, turns: int, steps: list[tuple[int, int]]) -> Iterator[int]:
    """Turns of a millisecond from 1 on, with the steps before those they are due in; the caller advances the clock."""
    due = sorted(steps)
    for turn in range(1, turns + 1):
        while due and due[0][0] <= turn:
            clock.step_wall(due.pop(0)[1])
        yield turn


@every_step
def test_timers_fire_in_the_turn_of_their_deadline(steps: list[tuple[int, int]]) -> None:
    clock, queue = Clock.virtual(), TimerQueue()
    begin_ns = clock.monotonic_ns()
    deadlines = [begin_ns + after_ns for after_ns in (1, 250 * MS_NS, SECOND_NS, SECOND_NS + 1, 2 * SECOND_NS)]
    for deadline in deadlines:
        queue.schedule(deadline, TimerKind.STRATEGY)
    fired = []
    for _ in stepped(clock, 3000, steps):
        clock.advance(MS_NS)
        while (due := queue.pop_due(clock.monotonic_ns())) is not None:
            fired.append((due[1], clock.monotonic_ns() - due[1]))
    assert [deadline for deadline, _ in fired] == deadlines
    assert all(0 <= late_ns < MS_NS for _, late_ns in fired)


class Waiting(Strategy):
    """Notes when its timers came, by the monotonic clock of the turn."""

    def __init__(self) -> None:
        super().__init__()
        self.fired: list[tuple[int, int]] = []
        self.monotonic_ns: Callable[[], int] = lambda: 0

    def on_book(self, book: BookView) -> None:
        for after_ms in (300, 1000, 1001, 2500):
            self.set_timer(after_ms * MS_NS)

    def on_timer(self, timer: TimerView) -> None:
        self.fired.append((timer.deadline_mono_ns, self.monotonic_ns()))


@every_step
def test_a_strategys_timers_do_too(steps: list[tuple[int, int]]) -> None:
    strategy = Waiting()
    with rehearsal(strategy) as stage:
        strategy.monotonic_ns = stage.clock.monotonic_ns
        begin_ns = stage.clock.monotonic_ns()
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        for _ in stepped(stage.clock, 3000, steps):
            stage.advance(MS_NS)
    due = [begin_ns + after_ms * MS_NS for after_ms in (300, 1000, 1001, 2500)]
    assert [deadline for deadline, _ in strategy.fired] == due
    assert all(0 <= at - deadline < MS_NS for deadline, at in strategy.fired)


@every_step
def test_an_order_without_an_answer_is_unknown_after_its_time_out(steps: list[tuple[int, int]]) -> None:
    rig = Rig(order_timeout_ns=SECOND_NS)
    handle = rig.intend()
    unknown_at = 0
    for turn in stepped(rig.clock, 1200, steps):
        rig.tick(MS_NS)
        if not unknown_at and rig.state(handle) == "UNKNOWN":
            unknown_at = turn
    assert 1000 <= unknown_at <= 1001


@every_step
def test_data_is_stale_after_its_time_and_not_before(steps: list[tuple[int, int]]) -> None:
    """The gate's threshold is a second; a market last seen before the steps is as old as the monotonic clock says."""
    rig = Rig()
    rig.set_market(1, book_state=int(BookState.VALID))
    for turn in stepped(rig.clock, 1200, steps):
        rig.clock.advance(MS_NS)
        if turn in (900, 999, 1002, 1200):
            rig.sequencer.submit_timer(int(TimerKind.BAR))
            rig.pipeline.run_to_completion()
            rig.intend()
            assert (rig.verdict()["reason"] == Reason.STALE) == (turn > 1000), turn


def test_the_alarm_that_wakes_the_live_loop_counts_monotonic_time() -> None:
    """timerfd on CLOCK_MONOTONIC (1): the kernel moves no such timer when somebody sets the clock."""
    queue = TimerQueue()
    alarm = queue.open_alarm()
    facts = dict(line.split(":", 1) for line in Path(f"/proc/self/fdinfo/{alarm}").read_text().splitlines())
    assert int(facts["clockid"]) == 1
