"""Rings over memory and over a mapping against a deque: batches of any size, over the wrap, many times round."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.ring import Ring
from tests.reference.ring import SlowRing

SLOT = struct.Struct("<8Q")
OPERATIONS = st.lists(st.tuples(st.sampled_from(["put", "put", "take", "take", "offer", "poll"]), st.integers(0, 40)))


def record(number: int) -> bytes:
    """Eight words that all follow from the number."""
    return SLOT.pack(*((number * 0x9E3779B97F4A7C15 + word) & 0xFFFFFFFFFFFFFFFF for word in range(8)))


def slots(taken: bytes) -> list[bytes]:
    """A batch as its records."""
    return [taken[at : at + SLOT.size] for at in range(0, len(taken), SLOT.size)]


def take_all(consumer: Ring, most: int) -> list[bytes]:
    """A batch ends at the ring's end: ask again for the rest of it."""
    found: list[bytes] = []
    while len(found) < most:
        batch = slots(consumer.take(most - len(found)))
        if not batch:
            break
        found += batch
    return found


def assert_same(producer: Ring, consumer: Ring, capacity: int, operations: list[tuple[str, int]]) -> None:
    """Every operation gives the same and leaves both the same."""
    twin, number = SlowRing(capacity), 0
    for action, size in operations:
        if action == "put":
            batch = [record(number + place) for place in range(size)]
            number += size
            assert producer.put(b"".join(batch)) == twin.put(batch)
        elif action == "offer":
            raw = struct.pack("<4HI2H6Q", size, 0, 0, 0, 0, 0, 0, *(0,) * 4, 7, 0)
            assert producer.offer(size, order_handle=7) == bool(twin.put([raw + bytes(64 - len(raw))]))
        elif action == "poll":
            assert (consumer.poll() is None) == (twin.take(1) == [])
        else:
            assert take_all(consumer, size) == twin.take(size)
        for ring in (producer, consumer):
            told = (len(ring), ring.high_water, ring.refused, ring.published)
            assert told == (len(twin.waiting), twin.high_water, twin.refused, twin.published)


@given(st.sampled_from([2, 4, 16, 32]), OPERATIONS)
def test_a_ring_in_memory_is_a_bounded_queue(capacity: int, operations: list[tuple[str, int]]) -> None:
    ring = Ring("twin", capacity)
    assert_same(ring, ring, capacity, operations)


@given(st.sampled_from([2, 16]), OPERATIONS, st.booleans())
def test_a_shared_ring_is_one_too_from_either_side(
    capacity: int, operations: list[tuple[str, int]], in_file: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "ring") if in_file else None
        producer = Ring.create(path, "twin", capacity)
        consumer = Ring.attach(path or producer.fileno())
        assert_same(producer, consumer, capacity, operations)


def test_indices_that_wrap_at_64_bits_change_nothing() -> None:
    """The block's words are set near their end, as after 2^64 records."""
    ring = Ring.create(None, "old", 4)
    start = (1 << 64) - 3
    write_word: Callable[[int, int], int] = lambda at, value: os.pwrite(ring.fileno(), struct.pack("<Q", value), at)  # noqa: E731
    for at in (128, 136, 256, 264):
        write_word(at, start)
    other = Ring.attach(ring.fileno())
    for number in range(50):
        assert ring.put(record(number)) == 1
        assert len(other) == 1
        assert other.take() == record(number)
    assert ring.put(b"".join(record(number) for number in range(6))) == 4
    assert slots(other.take(4) + other.take(4)) == [record(number) for number in range(4)]
