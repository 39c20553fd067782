"""The timer heap against a sorted list, over random schedules, cancels and pops."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.codes import TimerKind
from engine.runtime.timers import TimerQueue

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("schedule"), st.integers(-5, 50)),
        st.tuples(st.just("cancel"), st.integers(1, 60)),
        st.tuples(st.just("pop"), st.integers(-5, 60)),
    ),
    max_size=120,
)


@settings(max_examples=400, deadline=None)
@given(OPERATIONS)
def test_the_heap_does_what_a_sorted_list_does(operations: list[tuple[str, int]]) -> None:
    queue = TimerQueue()
    twin: list[tuple[int, int]] = []
    last_id = 0
    for action, number in operations:
        if action == "schedule":
            last_id += 1
            assert queue.schedule(number, TimerKind.STRATEGY) == last_id
            twin.append((number, last_id))
        elif action == "cancel":
            kept = [entry for entry in twin if entry[1] != number]
            assert queue.cancel(number) == (len(kept) != len(twin))
            twin = kept
        else:
            due = queue.pop_due(number)
            expected = min((entry for entry in twin if entry[0] <= number), default=None)
            assert (due is None) == (expected is None)
            if due is not None and expected is not None:
                assert (due[1], due[0]) == expected
                twin.remove(expected)
        assert len(queue) == len(twin)
        assert queue.next_deadline_mono_ns == (min(twin)[0] if twin else None)
