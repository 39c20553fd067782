"""The wheels of timers against a sorted list: near deadlines, far ones, and past ones."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.codes import TimerKind
from engine.runtime.timers import TimerQueue
from tests.reference.timers import SlowTimers

YEAR_NS = 365 * 86_400 * 1_000_000_000
# few deadlines, so that many are equal; the edges of slots and wheels; anything that 64 bits hold
NEAR = st.integers(-5, 50)
EDGES = st.builds(
    lambda bits, by: (1 << bits) + by, st.sampled_from([6, 12, 18, 30, 36, 42, 60, 62]), st.integers(-2, 2)
)
FAR = st.one_of(st.integers(0, 10 * YEAR_NS), st.integers(-(1 << 63), (1 << 63) - 1))
DEADLINES = st.one_of(NEAR, NEAR, EDGES, FAR)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("schedule"), DEADLINES),
        st.tuples(st.just("schedule"), DEADLINES),
        st.tuples(st.just("cancel"), st.integers(1, 90)),
        st.tuples(st.just("pop"), DEADLINES),
    ),
    max_size=200,
)


def assert_same(queue: TimerQueue, twin: SlowTimers, action: str, number: int) -> None:
    """One operation gives the same and leaves both the same."""
    if action == "schedule":
        expected = twin.schedule(number)
        try:
            assert queue.schedule(number, TimerKind.STRATEGY) == expected
        except OverflowError:
            assert expected is None
    elif action == "cancel":
        assert queue.cancel(number) == twin.cancel(number)
    else:
        due = queue.pop_due(number)
        assert (None if due is None else (due[1], due[0])) == twin.pop(number)
    assert len(queue) == len(twin.waiting)


@settings(max_examples=400, deadline=None)
@given(OPERATIONS, st.sampled_from([3, 70, 1000]))
def test_the_wheels_do_what_a_sorted_list_does(operations: list[tuple[str, int]], capacity: int) -> None:
    queue, twin = TimerQueue(capacity), SlowTimers(capacity)
    for action, number in operations:
        assert_same(queue, twin, action, number)
        assert queue.next_deadline_mono_ns == twin.next_deadline()
    while twin.waiting:
        assert_same(queue, twin, "pop", (1 << 63) - 1)
    assert queue.next_deadline_mono_ns is None


def test_a_long_life_of_crowded_slots_cancels_and_jumps_stays_equal(amount: str) -> None:
    source = random.Random(3)
    queue, twin, now = TimerQueue(4000), SlowTimers(4000), 1_000_000_000
    for step in range(6_000 if amount == "commit" else 200_000):
        choice = source.random()
        if choice < 0.55:
            span = source.choice([1, 60, 5_000, 1_000_000, 10**9, 10**11, YEAR_NS])
            assert_same(queue, twin, "schedule", now + source.randrange(-span // 8, span + 1))
        elif choice < 0.7:
            assert_same(queue, twin, "cancel", source.randint(max(1, twin.last_id - 1500), twin.last_id + 1))
        elif choice < 0.71:
            now += source.choice([10**6, 10**10, YEAR_NS])
        else:
            assert_same(queue, twin, "pop", now)
        if step % 16 == 0:
            assert queue.next_deadline_mono_ns == twin.next_deadline()
            now = max(now, twin.next_deadline() or 0) if choice < 0.9 else now
    assert len(queue) > 100


def test_a_jump_over_years_fires_everything_on_the_way_in_order() -> None:
    queue, source = TimerQueue(), random.Random(5)
    deadlines = sorted((source.randrange(30 * YEAR_NS), number) for number in range(5000))
    by_id = {queue.schedule(deadline, TimerKind.STRATEGY): deadline for deadline, _ in source.sample(deadlines, 5000)}
    fired = []
    while (due := queue.pop_due(30 * YEAR_NS)) is not None:
        fired.append((due[1], due[0]))
    assert fired == sorted((deadline, timer_id) for timer_id, deadline in by_id.items())
