"""The timer queue's alarm descriptor: what wakes the live loop."""

from __future__ import annotations

import select

from engine.runtime.clock import Clock
from engine.runtime.timers import TimerQueue

NS_PER_MS = 1_000_000


def readable(descriptor: int, timeout_ms: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(timeout_ms))


def test_the_alarm_wakes_for_the_earliest_timer_and_not_before_it() -> None:
    timers, clock = TimerQueue(), Clock()
    descriptor = timers.open_alarm()
    deadline_ns = clock.monotonic_ns() + 30 * NS_PER_MS
    timers.schedule(deadline_ns + 10_000 * NS_PER_MS, 1)
    timers.schedule(deadline_ns, 1)
    assert readable(descriptor, 5_000)
    assert clock.monotonic_ns() >= deadline_ns


def test_an_acknowledged_alarm_is_silent_until_it_is_rearmed() -> None:
    timers, clock = TimerQueue(), Clock()
    descriptor = timers.open_alarm()
    timers.schedule(clock.monotonic_ns(), 1)
    timers.schedule(clock.monotonic_ns() + 20 * NS_PER_MS, 1)
    assert readable(descriptor, 5_000)
    timers.acknowledge()
    assert not readable(descriptor, 0)
    assert timers.pop_due(clock.monotonic_ns()) is not None
    timers.rearm()
    assert readable(descriptor, 5_000)


def test_a_timer_scheduled_before_the_alarm_is_opened_still_wakes() -> None:
    timers = TimerQueue()
    timers.schedule(Clock().monotonic_ns(), 1)
    assert readable(timers.open_alarm(), 5_000)
