"""bench/parts/matching_loop.c from Python, and how the engine is best fed: both sides of the matching benchmarks."""

from __future__ import annotations

import ctypes
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from engine.book.matching import MatchingEngine
from parts.workloads import Expected, Workload

SLICE = 8192
Ops = npt.NDArray[np.void]


class CResult(ctypes.Structure):
    """What the loop counted."""

    _fields_ = [
        ("hash", ctypes.c_uint64),
        *((name, ctypes.c_int64) for name in ("trades", "qty", "value", "live", "live_qty", "best_bid", "best_ask")),
    ]


class CLoop:
    """bench/parts/matching_loop.c on one workload."""

    def __init__(self, loaded: ctypes.CDLL) -> None:
        pointer, number = ctypes.c_void_p, ctypes.c_long
        loaded.book_open.restype = pointer
        loaded.book_open.argtypes = [ctypes.c_int, ctypes.c_uint32, ctypes.c_int]
        loaded.book_run.argtypes = [pointer, pointer, number]
        loaded.book_translate.argtypes = [pointer, pointer, number, pointer, pointer]
        loaded.book_result.argtypes = [pointer, pointer]
        loaded.book_close.argtypes = loaded.book_count_anew.argtypes = [pointer]
        self._loaded = loaded

    def filled(self, work: Workload, orders: int, *, by_handle: bool = False) -> int:
        """A book with the untimed part in it; to be closed."""
        book: int = self._loaded.book_open(tiers(work), orders, int(by_handle))
        self._loaded.book_run(book, work.least.ctypes.data, work.prefill)
        self._loaded.book_count_anew(book)
        return book

    def close(self, book: int) -> None:
        """Give a book's memory back."""
        self._loaded.book_close(book)

    def run(self, work: Workload, *, by_handle: bool = False) -> tuple[float, Expected]:
        """Nanoseconds an operation of the timed part, and what was traded."""
        loaded, begin = self._loaded, work.least.ctypes.data
        book = self.filled(work, orders_max(work), by_handle=by_handle)
        timed_ops, count = begin + work.prefill * work.least.itemsize, work.timed
        began_ns = time.thread_time_ns()
        loaded.book_run(book, timed_ops, count)
        took_ns = (time.thread_time_ns() - began_ns) / count
        result = CResult()
        loaded.book_result(book, ctypes.byref(result))
        loaded.book_close(book)
        return took_ns, Expected(result.trades, result.qty, result.value, result.hash)

    def ns(self, work: Workload, *, by_handle: bool) -> float:
        """The time alone."""
        return self.run(work, by_handle=by_handle)[0]

    def with_handles(self, work: Workload) -> tuple[Workload, npt.NDArray[np.uint64]]:
        """The workload with cancels by handle, and the handle of each order id."""
        least = np.zeros_like(work.least)
        handles = np.zeros(int(work.least["oid"].max()) + 1, np.uint64)
        book = self._loaded.book_open(tiers(work), orders_max(work), 1)
        self._loaded.book_translate(book, work.least.ctypes.data, len(least), least.ctypes.data, handles.ctypes.data)
        self._loaded.book_close(book)
        return replace(work, least=least), handles


def tiers(work: Workload) -> int:
    """How many times 64 the loop's array of levels needs."""
    return 3 if int(work.least["price"].max()) < 1 << 18 else 4


def orders_max(work: Workload) -> int:
    """The pool of either side."""
    return 65_536 if work.prefill < 50_000 else 262_144


def by_slices(engine: MatchingEngine, ops: Ops, out: Ops, size: int = SLICE) -> None:
    """The recommended use: slices in, one array of events used again."""
    submit = engine.submit_batch
    for start in range(0, len(ops), size):
        submit(ops[start : start + size], out)
