"""A ring of 64-byte records beside the least that one can be in C, and beside what Python has: deque, asyncio.Queue.

Same thread: each record pushed and taken at once, copied in and out; and in batches of 64, filled and read in place
(nanoseconds of the thread's time on a core). Between
processes: a child produces as fast as it can, we take; nanoseconds a record from the first on. Medians of interleaved rounds.
Run: ``python bench/ring.py [--json] [--record]``.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable

from parts.compiled import library
from parts.history import arguments
from parts.quiet import interleaved
from parts.rows import Row, report

from engine.runtime.rehearsal import ring_claimed, ring_copied, ring_drain
from engine.runtime.ring import Ring

ROUNDS = 15
SLOTS = 4096
COUNT = 1_000_000
BATCH = 64
PYTHON_COUNT = 100_000
BETWEEN_COUNT = 2_000_000
BETWEEN_ROUNDS = 11
COPIED_TARGET_NS, BATCH_TARGET_NS, BETWEEN_TARGET_NS = 10.0, 2.0, 60.0
PRODUCER = """
import sys
from engine.runtime.rehearsal import ring_stream
from engine.runtime.ring import Ring
ring = Ring.attach(int(sys.argv[1]), "producer")
print("ready", flush=True)
while sys.stdin.readline():
    ring_stream(ring, int(sys.argv[2]))
"""


def each_ns(call: Callable[[], object], count: int) -> float:
    """Nanoseconds a record of one call that moves `count`."""
    began_ns = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - began_ns) / count


def through_deque() -> None:
    """A record (an object that is there) in and out of a deque."""
    queue: deque[bytes] = deque()
    record = bytes(64)
    append, popleft = queue.append, queue.popleft
    for _ in range(PYTHON_COUNT):
        append(record)
        popleft()


async def through_asyncio_queue() -> None:
    """The same by asyncio.Queue without a wait."""
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    record = bytes(64)
    put, get = queue.put_nowait, queue.get_nowait
    for _ in range(PYTHON_COUNT):
        put(record)
        get()


def run_asyncio_queue() -> None:
    """On a loop of its own."""
    asyncio.run(through_asyncio_queue())


def c_ring() -> ctypes.CDLL:
    """bench/parts/ring.c."""
    loaded = library("ring.c")
    pointer, number = ctypes.c_void_p, ctypes.c_uint64
    loaded.ring_new.restype = pointer
    loaded.ring_copied.argtypes = [pointer, number]
    loaded.ring_claimed.argtypes = [pointer, number, number]
    loaded.ring_between.argtypes = [number]
    loaded.ring_between.restype = ctypes.c_int64
    return loaded


def same_thread(loaded: ctypes.CDLL) -> dict[str, float]:
    """Medians of each way, nanoseconds a record."""
    ring, plain = Ring("bench", SLOTS), loaded.ring_new()
    return interleaved(
        {
            "copied": lambda: each_ns(lambda: ring_copied(ring, COUNT), COUNT),
            "copied in C": lambda: each_ns(lambda: loaded.ring_copied(plain, COUNT), COUNT),
            "claimed": lambda: each_ns(lambda: ring_claimed(ring, COUNT, BATCH), COUNT),
            "claimed in C": lambda: each_ns(lambda: loaded.ring_claimed(plain, COUNT // BATCH * BATCH, BATCH), COUNT),
            "deque": lambda: each_ns(through_deque, PYTHON_COUNT),
            "asyncio.Queue": lambda: each_ns(run_asyncio_queue, PYTHON_COUNT),
        },
        ROUNDS,
    )


class Producer:
    """A child that streams records through a shared ring when it is told to."""

    def __init__(self) -> None:
        self.ring = Ring.create(None, "bench", SLOTS, "consumer")
        descriptor = self.ring.fileno()
        self._child = subprocess.Popen(
            [sys.executable, "-c", PRODUCER, str(descriptor), str(BETWEEN_COUNT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[descriptor],
            text=True,
        )
        if self._child.stdout is None or not self._child.stdout.readline():
            raise SystemExit("the producing process did not start")

    def stream_ns(self) -> float:
        """Nanoseconds a record of one stream, from its first record on."""
        pipe = self._child.stdin
        if pipe is None:
            raise RuntimeError("the child has no input")
        pipe.write("go\n")
        pipe.flush()
        while not len(self.ring):
            os.sched_yield()
        began_ns = time.perf_counter_ns()
        total = ring_drain(self.ring, BETWEEN_COUNT)
        took_ns = time.perf_counter_ns() - began_ns
        if total != BETWEEN_COUNT * (BETWEEN_COUNT - 1) // 2:
            raise SystemExit("records were lost between the processes")
        return took_ns / BETWEEN_COUNT

    def close(self) -> None:
        """End the child."""
        self._child.communicate()


def between(loaded: ctypes.CDLL) -> tuple[float, float]:
    """Ours and the C ring's between two processes that the kernel puts where it likes, nanoseconds a record."""
    producer = Producer()
    ours, theirs = [], []
    try:
        for _ in range(BETWEEN_ROUNDS):
            ours.append(producer.stream_ns())
            theirs.append(loaded.ring_between(BETWEEN_COUNT) / BETWEEN_COUNT)
    finally:
        producer.close()
    return statistics.median(ours), statistics.median(theirs)


def main() -> int:
    """Print a row each."""
    options = arguments(__doc__).parse_args()
    loaded = c_ring()
    found = same_thread(loaded)
    ours, theirs = between(loaded)
    copied, claimed = found["copied"], found["claimed"]
    rows = [
        Row("ring, same thread, copied", "ns", copied, "C ring", found["copied in C"], COPIED_TARGET_NS),
        Row("ring, same thread, copied", "ns", copied, "deque", found["deque"], COPIED_TARGET_NS),
        Row("ring, same thread, copied", "ns", copied, "asyncio.Queue", found["asyncio.Queue"], COPIED_TARGET_NS),
        Row(f"ring, same thread, batches of {BATCH}", "ns", claimed, "C ring", found["claimed in C"], BATCH_TARGET_NS),
        Row("ring, between processes", "ns", ours, "C ring", theirs, BETWEEN_TARGET_NS),
    ]
    report("ring", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
