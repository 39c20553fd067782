"""Time in the virtual loop: it jumps to what is due, nothing is early or late, and a failure ends the run."""

from __future__ import annotations

import asyncio

import pytest

from engine.runtime.clock import Clock
from engine.sim.inprocess.loop import StandstillError, VirtualLoop, virtual_loop

SECOND_NS = 1_000_000_000


@pytest.fixture
def loop() -> VirtualLoop:
    """A loop at its own beginning of time."""
    return virtual_loop(Clock.virtual(mono_ns=SECOND_NS))


def test_time_jumps_to_the_next_event_and_stops_where_it_is_told(loop: VirtualLoop) -> None:
    seen: list[int] = []
    loop.call_at_ns(5 * SECOND_NS, lambda: seen.append(loop.clock.monotonic_ns()))
    loop.call_later(86_400.0, lambda: seen.append(-1))
    loop.run_until_ns(7 * SECOND_NS)
    assert seen == [5 * SECOND_NS]
    assert loop.clock.monotonic_ns() == 7 * SECOND_NS


def test_what_is_due_at_one_instant_runs_in_the_order_of_asking(loop: VirtualLoop) -> None:
    seen: list[str] = []
    for name in ("first", "second", "third"):
        loop.call_at_ns(2 * SECOND_NS, seen.append, name)
    loop.call_at_ns(2 * SECOND_NS, lambda: loop.call_soon(seen.append, "fourth, soon"))
    loop.call_at_ns(2 * SECOND_NS, seen.append, "fifth")
    loop.run_until_ns(2 * SECOND_NS)
    assert seen == ["first", "second", "third", "fourth, soon", "fifth"]


def test_sleeps_and_timeouts_of_coroutines_take_virtual_time(loop: VirtualLoop) -> None:
    async def wait() -> str:
        try:
            async with asyncio.timeout(3.0):
                await asyncio.sleep(3600.0)
        except TimeoutError:
            await asyncio.sleep(0.5)
            return f"at {loop.time()}"
        return "never"

    assert loop.run_until_complete(wait()) == "at 4.5"


def test_a_cancelled_timer_does_not_move_time(loop: VirtualLoop) -> None:
    loop.call_later(10.0, lambda: None).cancel()
    with pytest.raises(StandstillError):
        loop.run_while(lambda: True, 100 * SECOND_NS)
    assert loop.clock.monotonic_ns() == SECOND_NS


def test_a_failure_in_a_callback_ends_the_run(loop: VirtualLoop) -> None:
    def fail() -> None:
        raise ZeroDivisionError("as asked")

    loop.call_later(1.0, fail)
    with pytest.raises(ZeroDivisionError, match="as asked"):
        loop.run_until_ns(5 * SECOND_NS)


def test_what_can_never_come_is_a_standstill_and_not_a_hang(loop: VirtualLoop) -> None:
    async def forever() -> None:
        await loop.create_future()

    with pytest.raises(StandstillError):
        loop.run_until_complete(forever())


def test_a_callback_that_arms_itself_at_once_for_ever_is_told(loop: VirtualLoop) -> None:
    def again() -> None:
        loop.call_soon(again)

    loop.call_soon(again)
    with pytest.raises(StandstillError, match="time cannot move"):
        loop.run_until_ns(2 * SECOND_NS)


def test_sources_take_part_in_their_turn(loop: VirtualLoop) -> None:
    seen: list[str] = []

    class Beat:
        def __init__(self) -> None:
            self.due_ns = 2 * SECOND_NS

        def next_ns(self) -> int:
            return self.due_ns

        def fire(self) -> None:
            seen.append(f"beat {loop.clock.monotonic_ns() // SECOND_NS}")
            self.due_ns += SECOND_NS

    loop.add_source(Beat())
    loop.call_at_ns(3 * SECOND_NS, seen.append, "timer 3")
    loop.run_until_ns(4 * SECOND_NS)
    assert seen == ["beat 2", "timer 3", "beat 3", "beat 4"]
