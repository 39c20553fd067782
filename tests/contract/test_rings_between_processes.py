"""A ring that two processes share: whole and in order at full speed, and going on after either side was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runtime.rehearsal import ring_receive, ring_send
from engine.runtime.ring import Ring, RingError

PRODUCER = """
import sys
from engine.runtime.rehearsal import ring_send
from engine.runtime.ring import Ring
place, count = sys.argv[1], int(sys.argv[2])
ring = Ring.attach(int(place) if place.isdigit() else place, "producer")
sent = ring.published
while count < 0 or sent < count:
    sent += ring_send(ring, sent, 10_000)
"""
CONSUMER = """
import sys
from engine.runtime.rehearsal import ring_receive
from engine.runtime.ring import Ring
ring = Ring.attach(sys.argv[1], "consumer")
taken = 0
while True:
    taken += ring_receive(ring, taken, 1)
"""


def child(code: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], pass_fds=pass_fds)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        time.sleep(0.001)


def receive(ring: Ring, first: int, count: int) -> None:
    """So many, in order and whole; never waits in compiled code for a producer that may be dead."""
    taken = 0
    while taken < count:
        wait_for(lambda: len(ring) > 0, f"record {first + taken}")
        wanted = min(len(ring), count - taken)
        assert ring_receive(ring, first + taken, wanted) == wanted
        taken += wanted


@pytest.mark.parametrize("in_file", [True, False])
def test_a_stream_at_full_speed_arrives_whole_and_in_order(tmp_path: Path, in_file: bool) -> None:
    count = 400_000
    ring = Ring.create(str(tmp_path / "ring") if in_file else None, "stream", 1024, "consumer")
    place = ring.path or str(ring.fileno())
    with child(PRODUCER, place, str(count), pass_fds=() if in_file else (ring.fileno(),)) as producer:
        receive(ring, 0, count)
        assert producer.wait(60) == 0
    assert (len(ring), ring.published) == (0, count)
    assert 0 < ring.high_water <= 1024
    assert not ring.is_held("producer")


def test_a_killed_producers_records_are_there_and_the_next_one_goes_on(tmp_path: Path) -> None:
    ring = Ring.create(str(tmp_path / "ring"), "stream", 256, "consumer")
    taken = 0
    for _ in range(3):
        producer = child(PRODUCER, str(ring.path), "-1")
        receive(ring, taken, 20_000)
        taken += 20_000
        assert ring.is_held("producer")
        producer.kill()
        producer.wait()
        assert not ring.is_held("producer")
        left = len(ring)
        receive(ring, taken, left)
        taken += left
        assert ring.published == taken
    second = Ring.attach(str(ring.path), "producer")
    assert ring_send(second, taken, 100) == 100
    receive(ring, taken, 100)


def test_after_a_killed_consumer_nothing_is_missing(tmp_path: Path) -> None:
    ring = Ring.create(str(tmp_path / "ring"), "stream", 256, "producer")
    consumer = child(CONSUMER, str(ring.path))
    assert ring_send(ring, 0, 5_000) == 5_000
    consumer.kill()
    consumer.wait()
    heir = Ring.attach(str(ring.path), "consumer")
    left = len(heir)
    receive(heir, 5_000 - left, left)
    assert ring_send(ring, 5_000, 256) == 256
    receive(heir, 5_000, 256)


def test_a_role_has_one_holder_in_whichever_process(tmp_path: Path) -> None:
    ring = Ring.create(str(tmp_path / "ring"), "one", 16, "producer")
    with pytest.raises(RingError, match="has a producer already"):
        Ring.attach(str(ring.path), "producer")
    with child(PRODUCER, str(ring.path), "1") as other:
        assert other.wait(60) == 1
    consumer = Ring.attach(ring.fileno(), "consumer")
    with pytest.raises(RingError, match="has a consumer already"):
        Ring.attach(str(ring.path), "consumer")
    assert consumer.is_held("producer")
    del ring
    assert not consumer.is_held("producer")
    assert Ring.attach(consumer.fileno(), "producer").offer(1)


def test_a_reader_only_looks(tmp_path: Path) -> None:
    ring = Ring.create(str(tmp_path / "ring"), "seen", 4, "producer")
    reader = Ring.attach(str(ring.path), "reader")
    for kind in range(6):
        ring.offer(kind)
    assert (len(reader), reader.high_water, reader.refused, reader.published) == (4, 4, 2, 4)
    assert (reader.name, reader.capacity) == ("seen", 4)
    for call in (lambda: reader.offer(1), reader.poll, reader.take, lambda: reader.put(bytes(64))):
        with pytest.raises(RuntimeError, match="opened as reader"):
            call()


def damaged(path: Path, at: int, value: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(value)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, b"X", "no ring of layout"),
        (8, b"\2", "no ring of layout"),
        (12, b"\x20", "no ring of layout"),
        (16, (1 << 40).to_bytes(8, "little"), "header is damaged"),
        (40, b"Y", "header is damaged"),
        (128, (17).to_bytes(8, "little"), "indices are damaged"),
        (256, (1).to_bytes(8, "little"), "indices are damaged"),
    ],
)
def test_a_damaged_ring_is_refused(tmp_path: Path, at: int, value: bytes, message: str) -> None:
    path = tmp_path / "ring"
    Ring.create(str(path), "whole", 16)
    damaged(path, at, value)
    with pytest.raises(RingError, match=message):
        Ring.attach(str(path))


def test_what_is_no_ring_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"x")
    with pytest.raises(RingError, match="1 bytes long"):
        Ring.attach(tmp_path / "short")
    path = tmp_path / "ring"
    ring = Ring.create(str(path), "cut", 128)
    with pytest.raises(FileExistsError):
        Ring.create(str(path), "again", 128)
    os.truncate(path, 4096)
    with pytest.raises(RingError, match="do not hold 128 slots"):
        Ring.attach(str(path), "consumer")
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="symbolic"):
        Ring.attach(str(tmp_path / "link"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert ring.role == "producer"
    with pytest.raises(ValueError, match="no role"):
        Ring.create(str(tmp_path / "other"), "x", 4, "owner")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="power of two"):
        Ring.create(str(tmp_path / "third"), "x", 3)


def test_nobody_can_take_a_memfds_pages_away() -> None:
    ring = Ring.create(None, "sealed", 16)
    with pytest.raises(PermissionError):
        os.ftruncate(ring.fileno(), 0)


def test_a_ring_in_memory_is_not_shared() -> None:
    ring = Ring("own", 4)
    with pytest.raises(ValueError, match="not shared"):
        ring.fileno()
    with pytest.raises(ValueError, match="not shared"):
        ring.is_held("producer")
    with pytest.raises(ValueError, match="no whole slots"):
        ring.put(b"abc")
