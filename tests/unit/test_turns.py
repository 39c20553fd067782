"""The loop between frames: when it polls without sleeping, and when progress is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.timers import TimerQueue
from engine.runtime.turns import Turns


class Stages:
    """Sequencer, pipeline, watchdog and collector at once; counts what the turns do with them."""

    def __init__(self) -> None:
        self.ticks = 0
        self.makes_progress = True
        self.may_spin = True
        self.beats = 0
        self.fatal: list[BaseException] = []

    def submit_timer(self, kind: int, **fields: Any) -> None:
        self.ticks += 1

    def run_to_completion(self) -> int:
        return 0

    def progress(self, *_: object) -> bool:
        return self.makes_progress

    def idle(self) -> int:
        return 0

    def beat(self) -> None:
        self.beats += 1


def turns_of(stages: Any, *, spin: bool) -> Turns:
    """Turns over the stages."""
    return Turns(
        Clock(),
        stages,
        stages,
        TimerQueue(),
        stages,
        Counters(),
        stages,
        spin=spin,
        on_fatal=stages.fatal.append,
        each_tick=lambda: None,
        on_progress=stages.beat,
        may_spin=lambda: bool(stages.may_spin),
    )


async def ticks(stages: Stages, count: int) -> None:
    """Let so many more ticks happen."""
    until = stages.ticks + count
    async with asyncio.timeout(20):
        while stages.ticks < until:
            await asyncio.sleep(0.005)


def test_it_spins_once_it_is_told_to_and_sleeps_while_a_connection_is_made() -> None:
    stages = Stages()
    turns = turns_of(stages, spin=True)

    async def scene() -> list[bool]:
        seen = []
        turns.start(asyncio.get_running_loop())
        await ticks(stages, 2)
        seen.append(turns.is_spinning)
        turns.begin_spin()
        await ticks(stages, 2)
        seen.append(turns.is_spinning)
        stages.may_spin = False
        await ticks(stages, 2)
        seen.append(turns.is_spinning)
        stages.may_spin = True
        await ticks(stages, 2)
        seen.append(turns.is_spinning)
        turns.stop()
        await asyncio.sleep(0.01)
        seen.append(turns.is_spinning)
        return seen

    assert asyncio.run(scene()) == [False, True, False, True, False]
    assert stages.fatal == []


@pytest.mark.parametrize("spin", [False, True])
def test_blocking_never_spins_and_progress_is_told_only_when_it_was_made(spin: bool) -> None:
    stages = Stages()
    turns = turns_of(stages, spin=spin)

    async def scene() -> tuple[bool, int, int]:
        turns.start(asyncio.get_running_loop())
        turns.begin_spin()
        await ticks(stages, 3)
        beats, stages.makes_progress = stages.beats, False
        spun = turns.is_spinning
        await ticks(stages, 3)
        after = stages.beats
        turns.stop()
        await asyncio.sleep(0.01)
        return spun, beats, after

    spun, beats, after = asyncio.run(scene())
    assert spun is spin
    assert beats >= 2
    assert after <= beats + 1
