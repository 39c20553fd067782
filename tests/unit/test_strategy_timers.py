"""Timers: earliest first, monotonic, cancellable, bounded."""

from __future__ import annotations

import os

import pytest

from engine.model.codes import TimerKind
from engine.runtime.clock import Clock
from engine.runtime.timers import TimerQueue
from engine.strategy.api import BookView, Strategy, TimerView
from tests.strategy_harness import ASKS, BIDS, SECOND_NS, rehearsal


def drain(queue: TimerQueue, now_mono_ns: int) -> list[tuple[int, int]]:
    found = []
    while (due := queue.pop_due(now_mono_ns)) is not None:
        found.append((due[0], due[1]))
    return found


def test_timers_come_out_by_deadline_then_in_the_order_of_scheduling() -> None:
    queue = TimerQueue()
    ids = [queue.schedule(deadline, TimerKind.STRATEGY) for deadline in (30, 10, 20, 10, 30)]
    assert ids == [1, 2, 3, 4, 5]
    assert drain(queue, 100) == [(2, 10), (4, 10), (3, 20), (1, 30), (5, 30)]


def test_none_fires_early_and_none_is_late() -> None:
    queue = TimerQueue()
    queue.schedule(100, TimerKind.STRATEGY, 3, -7)
    assert queue.next_deadline_mono_ns == 100
    assert queue.pop_due(99) is None
    assert queue.pop_due(100) == (1, 100, TimerKind.STRATEGY, 3, -7)
    assert queue.next_deadline_mono_ns is None


def test_a_cancelled_timer_never_fires_and_is_cancelled_once() -> None:
    queue = TimerQueue()
    ids = [queue.schedule(deadline, TimerKind.STRATEGY) for deadline in range(100)]
    assert [queue.cancel(i) for i in (ids[0], ids[50], ids[99], ids[50], 1000)] == [True, True, True, False, False]
    assert len(queue) == 97
    assert [deadline for _, deadline in drain(queue, 1000)] == [d for d in range(100) if d not in (0, 50, 99)]


@pytest.mark.parametrize("value", [-1, 1 << 16, 70_000, 1 << 20, 1 << 70])
@pytest.mark.parametrize("name", ["kind", "strategy_id"])
def test_a_number_that_its_field_does_not_hold_is_refused_by_name(name: str, value: int) -> None:
    queue = TimerQueue()
    with pytest.raises(OverflowError, match=f"{name} {value} does not fit"):
        queue.schedule(5, **({"kind": 1, "strategy_id": 1} | {name: value}))
    assert len(queue) == 0
    assert queue.schedule(5, 65535, 65535) == 1
    assert queue.pop_due(5) == (1, 5, 65535, 65535, 0)


@pytest.mark.parametrize("capacity", [-1, 0, (1 << 28) + 1, 1 << 70])
def test_a_queue_that_was_refused_closes_no_descriptor_of_another(capacity: int) -> None:
    before = os.fstat(0)
    with pytest.raises((ValueError, OverflowError)):
        TimerQueue(capacity)
    assert os.fstat(0) == before


def test_a_full_queue_says_so() -> None:
    queue = TimerQueue(capacity=3)
    for _ in range(3):
        queue.schedule(1, TimerKind.STRATEGY)
    with pytest.raises(OverflowError, match="3 timers are waiting"):
        queue.schedule(1, TimerKind.STRATEGY)
    queue.pop_due(1)
    assert queue.schedule(1, TimerKind.STRATEGY) == 4


@pytest.mark.invariant("R06")
@pytest.mark.parametrize("step_ns", [3600 * SECOND_NS, -3600 * SECOND_NS, SECOND_NS, -SECOND_NS])
def test_a_step_of_the_wall_clock_moves_no_timer(step_ns: int) -> None:
    clock = Clock.virtual()
    queue = TimerQueue()
    deadlines = [clock.monotonic_ns() + delay for delay in (SECOND_NS, 2 * SECOND_NS, 3 * SECOND_NS)]
    for deadline in deadlines:
        queue.schedule(deadline, TimerKind.STRATEGY)
    fired = []
    for turn in range(4000):
        if turn == 1500:
            clock.step_wall(step_ns)
        clock.advance(1_000_000)
        fired += [(deadline, clock.monotonic_ns()) for _, deadline in drain(queue, clock.monotonic_ns())]
    assert [deadline for deadline, _ in fired] == deadlines
    assert all(0 <= at - deadline <= 1_000_000 for deadline, at in fired)


class Scheduling(Strategy):
    def __init__(self) -> None:
        super().__init__()
        self.fired: list[tuple[int, object]] = []
        self.first = 0

    def on_book(self, book: BookView) -> None:
        self.first = self.set_timer(SECOND_NS, "first")
        self.set_timer_at(self.now_ns + 3 * SECOND_NS, {"any": "object"})
        self.set_timer(2 * SECOND_NS, "second")

    def on_timer(self, timer: TimerView) -> None:
        self.fired.append((timer.deadline_mono_ns, timer.data))


@pytest.mark.invariant("R06")
def test_a_strategys_timers_fire_at_their_time_whatever_the_wall_clock_does() -> None:
    strategy = Scheduling()
    with rehearsal(strategy) as stage:
        begin_ns = stage.clock.monotonic_ns()
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        stage.advance(SECOND_NS // 2)
        stage.clock.step_wall(-3600 * SECOND_NS)
        stage.advance(10 * SECOND_NS)
    assert strategy.fired == [
        (begin_ns + SECOND_NS, "first"),
        (begin_ns + 2 * SECOND_NS, "second"),
        (begin_ns + 3 * SECOND_NS, {"any": "object"}),
    ]


def test_a_timer_cancelled_between_its_record_and_its_turn_is_not_delivered() -> None:
    class Cancelling(Scheduling):
        def on_trade(self, trade: object) -> None:
            assert self.cancel_timer(self.first)
            assert not self.cancel_timer(self.first)

    strategy = Cancelling()
    with rehearsal(strategy) as stage:
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        stage.trade("BTCUSDT", 100, 1)
        stage.fire(strategy.first, 0, TimerKind.STRATEGY, 1, 0)
        stage.run()
        assert strategy.fired == []
        stage.advance(10 * SECOND_NS)
    assert [data for _, data in strategy.fired] == ["second", {"any": "object"}]


def test_a_strategy_cannot_cancel_anothers_timer() -> None:
    left, right = Scheduling(), Scheduling()
    with rehearsal(left, right) as stage:
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        assert not left.cancel_timer(right.first)
        stage.advance(10 * SECOND_NS)
    assert len(right.fired) == 3
