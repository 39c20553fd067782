"""What the machine itself takes away from a thread that never sleeps: no quantile of a latency can be better than that."""

from __future__ import annotations

import os
import time

GAP_US = 1_000.0


def hiccups(core: int, seconds: float = 3.0) -> dict[str, float]:
    """Spin on one core: how often it stood still for more than GAP_US, for what share of the time, and the longest (us)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        now = time.perf_counter_ns
        began_ns = last_ns = now()
        end_ns = began_ns + int(seconds * 1e9)
        count, stood_ns, longest_ns = 0, 0, 0
        while last_ns < end_ns:
            at_ns = now()
            gap_ns = at_ns - last_ns
            last_ns = at_ns
            if gap_ns > longest_ns:
                longest_ns = gap_ns
            if gap_ns > GAP_US * 1000:
                count += 1
                stood_ns += gap_ns
    finally:
        os.sched_setaffinity(0, before)
    return {
        "count": count,
        "share": round(stood_ns / (last_ns - began_ns), 6),
        "longest_us": round(longest_ns / 1000, 1),
    }
