"""What matching costs in memory, each part in a fresh process: prints one line of JSON. Run by bench/memory.py."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from engine.book.matching import ANY, EVENT_DTYPE, OP_DTYPE, MatchingEngine  # noqa: E402
from parts import mixed_workload, workloads  # noqa: E402
from parts.c_loop import CLoop, Ops, by_slices  # noqa: E402
from parts.compiled import library  # noqa: E402

MILLION = 1_000_000
LEVELS = 10_000
SLICE = 8192
MASS_CANCEL = 3
WARM_ROUNDS = 3


def resident_mb() -> float:
    """Anonymous and shared memory of this process."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssShmem")) / 1024


def resting(count: int) -> Ops:
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
    return rounds_of(MatchingEngine(1), workloads.load("w1").ops(), np.zeros(16 * SLICE, EVENT_DTYPE), operations)


def rounds_of(engine: MatchingEngine, ops: Ops, out: Ops, operations: int) -> dict[str, float]:
    """Rounds of the same operations. Raises SystemExit where a mass cancel leaves an order."""
    sweep = np.zeros(1, OP_DTYPE)
    sweep["op"], sweep["symbol"], sweep["owner"] = MASS_CANCEL, ANY, ANY
    every = np.concatenate([ops, sweep])
    rounds = max(4, -(-operations // len(every)))
    warm_mb, began = 0.0, time.monotonic()
    for number in range(rounds):
        by_slices(engine, every, out)
        if engine.live_orders:
            raise SystemExit(f"{engine.live_orders} orders live behind a sweep")
        if number == WARM_ROUNDS - 1:
            warm_mb = resident_mb()
    seconds = time.monotonic() - began
    return {"operations": rounds * len(every), "seconds": seconds, "warm_mb": warm_mb, "end_mb": resident_mb()}


def soak(operations: int) -> dict[str, float]:
    """Every order type again and again on one engine, all cancelled behind each round: as `flat`."""
    ops, out = mixed_workload.drawn(60_000).ops, np.zeros(16 * SLICE, EVENT_DTYPE)
    return rounds_of(mixed_workload.engine(), ops, out, operations)


PARTS = {"million": million, "c-million": c_million}


if __name__ == "__main__":
    part = sys.argv[1]
    found = {"flat": flat, "soak": soak}[part](int(sys.argv[2])) if len(sys.argv) > 2 else PARTS[part]()
    print(json.dumps(found))
