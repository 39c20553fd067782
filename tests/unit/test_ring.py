"""A ring hands descriptors over in order, refuses when full, and says so."""

from __future__ import annotations

import os
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.ring import Ring


@pytest.mark.parametrize("capacity", [0, 1, 3, 6, 1000])
def test_a_capacity_that_is_no_power_of_two_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Ring("inbound", capacity)


def test_a_new_ring_is_empty() -> None:
    ring = Ring("inbound", 8)
    assert (ring.name, ring.capacity, len(ring), ring.poll()) == ("inbound", 8, 0, None)


def test_descriptors_come_out_as_they_went_in() -> None:
    ring = Ring("inbound", 4)
    assert ring.offer(7, order_handle=(3 << 32) | 9, instrument_id=511, data=65535)
    taken = ring.poll()
    assert taken is not None
    assert (taken["kind"], taken["order_handle"], taken["instrument_id"], taken["data"]) == (
        7,
        (3 << 32) | 9,
        511,
        65535,
    )
    assert {taken[name] for name in ("seq", "cause_seq", "wall_ns", "mono_ns", "venue_id", "flags")} == {0}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"kind": -1}, "kind -1"),
        ({"kind": 1 << 16}, "kind 65536"),
        ({"kind": 1 << 70}, "kind 1180591620717411303424"),
        ({"kind": 1, "instrument_id": -1}, "instrument_id -1"),
        ({"kind": 1, "instrument_id": 1 << 32}, "instrument_id 4294967296"),
        ({"kind": 1, "data": 1 << 16}, "data 65536"),
    ],
)
def test_a_number_that_its_field_does_not_hold_is_refused_by_name(fields: dict[str, int], named: str) -> None:
    ring = Ring("test", 4)
    with pytest.raises(OverflowError, match=named):
        ring.offer(**fields)
    assert ring.published == 0
    assert ring.offer(65535, instrument_id=(1 << 32) - 1, data=65535)
    taken = ring.poll()
    assert taken is not None
    assert (taken["kind"], taken["instrument_id"], taken["data"]) == (65535, (1 << 32) - 1, 65535)


@pytest.mark.parametrize("arguments", [(), (None, 0), ("test",), (b"test", 4), (object(), 4)])
def test_nobody_gets_a_ring_without_memory(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        Ring.__new__(Ring, *arguments)


def test_a_ring_that_was_refused_closes_no_descriptor_of_another() -> None:
    before = os.fstat(0)
    for capacity in (-1, 0, 3, 1 << 70):
        with pytest.raises((ValueError, OverflowError)):
            Ring("test", capacity)
    assert os.fstat(0) == before


def test_a_full_ring_refuses_counts_and_keeps_what_it_has() -> None:
    ring = Ring("intents", 4)
    assert [ring.offer(kind) for kind in range(6)] == [True] * 4 + [False] * 2
    assert (ring.refused, ring.high_water, len(ring)) == (2, 4, 4)
    kinds = [taken["kind"] for taken in iter(ring.poll, None) if taken]
    assert kinds == [0, 1, 2, 3]


def test_a_released_slot_can_be_claimed_again() -> None:
    ring = Ring("intents", 2)
    for kind in range(1000):
        assert ring.offer(kind)
        taken = ring.poll()
        assert taken is not None
        assert taken["kind"] == kind
    assert (ring.refused, ring.high_water) == (0, 1)


@given(st.lists(st.one_of(st.integers(0, 65535), st.none()), max_size=200), st.sampled_from([2, 4, 16]))
def test_a_ring_is_a_bounded_queue(steps: list[int | None], capacity: int) -> None:
    ring, twin, refused = Ring("twin", capacity), deque[int](), 0
    for step in steps:
        if step is None:
            taken = ring.poll()
            assert (taken["kind"] if taken else None) == (twin.popleft() if twin else None)
        elif len(twin) == capacity:
            assert not ring.offer(step)
            refused += 1
        else:
            assert ring.offer(step)
            twin.append(step)
        assert len(ring) == len(twin)
    assert ring.refused == refused
