"""Garbage is collected in idle turns, within a budget, and counted."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from engine.model.codes import Counter
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.idle_gc import PERIOD_NS, IdleCollector


class SlowClock:
    """Says that each look at it took ``step_ns``."""

    def __init__(self, step_ns: int) -> None:
        self.step_ns = step_ns
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def collector(counters: Counters) -> Iterator[IdleCollector]:
    collector = IdleCollector(Clock(), counters)
    collector.freeze()
    yield collector
    collector.thaw()


class Node:
    """Two of them that point at one another are garbage which only the collector finds."""

    other: Node


def make_cycles(count: int) -> None:
    for _ in range(count):
        left, right = Node(), Node()
        left.other, right.other = right, left


def test_freezing_switches_automatic_collections_off(collector: IdleCollector) -> None:
    assert not gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_nothing_is_collected_while_nothing_came_up(collector: IdleCollector, counters: Counters) -> None:
    gc.collect(0)
    assert collector.idle() == 0
    assert counters.get(Counter.GC_COLLECTIONS) == 0


def test_cycles_are_collected_in_an_idle_turn_and_counted(collector: IdleCollector, counters: Counters) -> None:
    make_cycles(2_000)
    assert gc.get_count()[0] >= 2_000
    taken_ns = collector.idle()
    assert gc.get_count()[0] < 700
    assert counters.get(Counter.GC_COLLECTIONS) == 1
    assert counters.get(Counter.GC_NS) == taken_ns > 0


def test_the_second_generation_is_collected_when_its_turn_has_come(collector: IdleCollector) -> None:
    for _ in range(20):
        make_cycles(1_000)
        collector.idle()
    assert gc.get_count()[1] <= gc.get_threshold()[1] + 1


def test_a_spent_budget_postpones_collections_to_the_next_period(counters: Counters) -> None:
    clock = SlowClock(step_ns=3_000_000)
    collector = IdleCollector(clock, counters, budget_ns=4_000_000)
    collector.freeze()
    try:
        make_cycles(1_000)
        assert collector.idle() == 3_000_000
        make_cycles(1_000)
        assert collector.idle() == 0
        clock.now_ns += PERIOD_NS
        assert collector.idle() == 3_000_000
        assert counters.get(Counter.GC_COLLECTIONS) == 2
    finally:
        collector.thaw()


def test_before_freezing_the_collector_keeps_out_of_the_way(counters: Counters) -> None:
    collector = IdleCollector(Clock(), counters)
    gc.disable()
    try:
        make_cycles(1_000)
        assert collector.idle() == 0
    finally:
        gc.enable()


def test_a_budget_of_nothing_is_refused(counters: Counters) -> None:
    with pytest.raises(ValueError, match="collects nothing"):
        IdleCollector(Clock(), counters, budget_ns=0)
