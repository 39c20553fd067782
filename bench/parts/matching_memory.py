"""What matching costs in memory, each part in a fresh process: prints one line of JSON. Run by bench/memory.py."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from parts import workloads  # noqa: E402
from parts.c_loop import CLoop, by_slices  # noqa: E402
from parts.compiled import library  # noqa: E402

from engine.book.matching import ANY, EVENT_DTYPE, OP_DTYPE, MatchingEngine  # noqa: E402

MILLION = 1_000_000
LEVELS = 10_000
SLICE = 8192
MASS_CANCEL = 3


def resident_mb() -> float:
    """Anonymous and shared memory of this process."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssShmem")) / 1024


def resting(count: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Limit orders that rest, on `LEVELS` prices of both sides of a middle."""
    ops = np.zeros(count, OP_DTYPE)
    number = np.arange(count)
    ops["side"] = number & 1
    ops["order_id"] = number + 1
    ops["qty"] = 1
    away = 1 + number // 2 % (LEVELS // 2)
    ops["price"] = np.where(number & 1, 100_000 + away, 100_000 - away)
    return ops


def million() -> dict[str, float]:
    """What a pool for a million orders and the orders in it add to a process."""
    ops, out = resting(MILLION), np.zeros(4 * SLICE, EVENT_DTYPE)
    warm = MatchingEngine(1, 16)
    by_slices(warm, ops[:1], out)
    before = resident_mb()
    engine = MatchingEngine(1, MILLION)
    made = resident_mb()
    by_slices(engine, ops, out)
    after = resident_mb()
    if engine.live_orders != MILLION:
        raise SystemExit(f"{engine.live_orders} orders live")
    return {"growth_mb": after - before, "made_mb": made - before}


def c_million() -> dict[str, float]:
    """The same orders in the C loop."""
    least = np.zeros(MILLION, workloads.LEAST_DTYPE)
    ops = resting(MILLION)
    least["side"], least["price"], least["qty"], least["oid"] = ops["side"], ops["price"], ops["qty"], ops["order_id"]
    work = workloads.Workload("resting", MILLION, least, workloads.Expected(0, 0, 0, 0), "")
    loop = CLoop(library("matching_loop.c"))
    before = resident_mb()
    book = loop.filled(work, MILLION)
    after = resident_mb()
    loop.close(book)
    return {"growth_mb": after - before}


def flat(operations: int) -> dict[str, float]:
    """w1 again and again on one engine, all cancelled behind each: memory after three rounds, and after all."""
    work = workloads.load("w1")
    sweep = np.zeros(1, OP_DTYPE)
    sweep["op"], sweep["symbol"], sweep["owner"] = MASS_CANCEL, ANY, ANY
    ops, out = np.concatenate([work.ops(), sweep]), np.zeros(16 * SLICE, EVENT_DTYPE)
    engine = MatchingEngine(1)
    rounds = -(-operations // len(ops))
    begin = 0.0
    began = time.monotonic()
    for number in range(rounds):
        by_slices(engine, ops, out)
        if engine.live_orders:
            raise SystemExit(f"{engine.live_orders} orders live behind a sweep")
        if number == 2:
            begin = resident_mb()
    return {
        "operations": rounds * len(ops),
        "seconds": time.monotonic() - began,
        "warm_mb": begin,
        "end_mb": resident_mb(),
    }


if __name__ == "__main__":
    part = sys.argv[1]
    found = flat(int(sys.argv[2])) if part == "flat" else {"million": million, "c-million": c_million}[part]()
    print(json.dumps(found))
