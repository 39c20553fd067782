"""Timers on hierarchical wheels beside Python's heapq and a binary heap in C, with a thousand and a hundred thousand waiting.

Schedule and cancel: a timer within the next ten seconds, taken back at once. Schedule and fire: the earliest fires, another is
scheduled within ten seconds from then. heapq holds (deadline, number) and cancels by a set of numbers; the C heap is what the
engine had before and looks a cancelled timer up from the front. Medians of interleaved rounds, nanoseconds of this thread's time on
a core. Run: ``python bench/timers.py [--json] [--record]``.
"""

from __future__ import annotations

import ctypes
import heapq
import time
from collections.abc import Callable

from parts.compiled import library
from parts.history import arguments
from parts.quiet import interleaved
from parts.rows import Row, report

from engine.runtime.rehearsal import timers_canceled, timers_filled, timers_fired
from engine.runtime.timers import TimerQueue

ROUNDS = 11
SPAN_NS = 10_000_000_000
COUNT = 100_000
PYTHON_COUNT = 20_000
# the former heap searched: so few that a round stays short
SEARCHED_COUNT = 500
WAITING = (1_000, 100_000)


class HeapqTimers:
    """What is written in Python: a heap, and a set of those taken back."""

    def __init__(self, waiting: int) -> None:
        self.now_ns, self.last_id = 0, 0
        self.heap: list[tuple[int, int]] = []
        self.canceled: set[int] = set()
        for number in range(waiting):
            self.schedule((number * 7_919_999_983) % SPAN_NS)

    def schedule(self, deadline_ns: int) -> int:
        """Its number."""
        self.last_id += 1
        heapq.heappush(self.heap, (deadline_ns, self.last_id))
        return self.last_id

    def pop(self) -> int:
        """Deadline of the earliest that was not taken back."""
        while True:
            deadline_ns, number = heapq.heappop(self.heap)
            if number not in self.canceled:
                return deadline_ns
            self.canceled.discard(number)

    def cancel_many(self, count: int) -> None:
        """Schedule and take back; what was taken back is swept when it is half of the heap."""
        for number in range(count):
            self.canceled.add(self.schedule(self.now_ns + (number * 7_919_999_983) % SPAN_NS))
        self.heap = [entry for entry in self.heap if entry[1] not in self.canceled]
        heapq.heapify(self.heap)
        self.canceled.clear()

    def fire_many(self, count: int) -> None:
        """The earliest fires, another is scheduled."""
        for number in range(count):
            self.now_ns = self.pop()
            self.schedule(self.now_ns + 1 + (number * 7_919_999_983) % SPAN_NS)


class CHeap:
    """bench/parts/timer_heap.c with `waiting` timers in it."""

    def __init__(self, loaded: ctypes.CDLL, waiting: int) -> None:
        pointer, signed, number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64
        loaded.heap_new.restype, loaded.heap_new.argtypes = pointer, [number]
        for call in (loaded.heap_filled, loaded.heap_canceled, loaded.heap_fired):
            call.argtypes = [pointer, signed, signed, number]
            call.restype = signed
        self._loaded, self._heap, self.now_ns = loaded, loaded.heap_new(waiting + 8), 0
        loaded.heap_filled(self._heap, 0, SPAN_NS, waiting)

    def cancel_many(self, count: int) -> None:
        """Schedule and take back."""
        self._loaded.heap_canceled(self._heap, self.now_ns, SPAN_NS, count)

    def fire_many(self, count: int) -> None:
        """The earliest fires, another is scheduled."""
        self.now_ns = self._loaded.heap_fired(self._heap, self.now_ns, SPAN_NS, count)


class Wheels:
    """Ours with `waiting` timers in it."""

    def __init__(self, waiting: int) -> None:
        self._queue, self.now_ns = TimerQueue(waiting + 8), 0
        timers_filled(self._queue, 0, SPAN_NS, waiting)

    def cancel_many(self, count: int) -> None:
        """Schedule and take back."""
        timers_canceled(self._queue, self.now_ns, SPAN_NS, count)

    def fire_many(self, count: int) -> None:
        """The earliest fires, another is scheduled."""
        self.now_ns = timers_fired(self._queue, self.now_ns, SPAN_NS, count)


def each_ns(call: Callable[[int], object], count: int) -> Callable[[], float]:
    """A case: nanoseconds a timer."""

    def timed() -> float:
        began_ns = time.thread_time_ns()
        call(count)
        return (time.thread_time_ns() - began_ns) / count

    return timed


def measured(loaded: ctypes.CDLL, waiting: int) -> list[Row]:
    """Both kinds of work with so many waiting."""
    ours, python, heap = Wheels(waiting), HeapqTimers(waiting), CHeap(loaded, waiting)
    found = interleaved(
        {
            "cancel": each_ns(ours.cancel_many, COUNT),
            "cancel heapq": each_ns(python.cancel_many, PYTHON_COUNT),
            "cancel heap": each_ns(heap.cancel_many, SEARCHED_COUNT),
            "fire": each_ns(ours.fire_many, COUNT),
            "fire heapq": each_ns(python.fire_many, PYTHON_COUNT),
            "fire heap": each_ns(heap.fire_many, COUNT),
        },
        ROUNDS,
    )
    return [
        Row(f"timers, schedule + {work}, {waiting:,} wait", "ns", found[work], yardstick, found[f"{work} {key}"])
        for work in ("cancel", "fire")
        for key, yardstick in (("heapq", "heapq"), ("heap", "the former heap, in C"))
    ]


def main() -> int:
    """Print a row each."""
    options = arguments(__doc__).parse_args()
    loaded = library("timer_heap.c")
    report("timers", [row for waiting in WAITING for row in measured(loaded, waiting)], options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
