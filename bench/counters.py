"""Cost of a count and of a latency record, beside the prometheus client's; and of reading all of it.

Loops stand in compiled functions (ours) and in one Python function (theirs): medians of interleaved rounds, nanoseconds
of this thread's time on a core.
Run: ``python bench/counters.py [--json] [--record]``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from parts.history import arguments
from parts.quiet import interleaved
from parts.rows import Row, report
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as PrometheusCounter
from prometheus_client import Histogram as PrometheusHistogram

from engine.model.codes import Counter, Stage
from engine.runtime.counters import Counters, add_many, record_many
from engine.runtime.counters_reader import CountersReader

ROUNDS = 15
OURS = 2_000_000
THEIRS = 20_000
TARGET_NS = 2.0
SCRAPED_COUNTERS = 200
SHORTEST_NS = 340


def each_ns(call: Callable[[], object], times: int) -> Callable[[], float]:
    """A case: nanoseconds of one of `times`."""

    def timed() -> float:
        began_ns = time.thread_time_ns()
        call()
        return (time.thread_time_ns() - began_ns) / times

    return timed


def count_many(counter: PrometheusCounter) -> None:
    """Their count."""
    for _ in range(THEIRS):
        counter.inc()


def observe_many(histogram: PrometheusHistogram) -> None:
    """Their latency."""
    for _ in range(THEIRS):
        histogram.observe(3.4e-7)


def registry_of(count: int) -> CollectorRegistry:
    """So many counters, as a process with the client in it has."""
    registry = CollectorRegistry()
    for number in range(count):
        PrometheusCounter(f"count_{number}", "", registry=registry).inc()
    return registry


def main() -> int:
    """Print a row each."""
    options = arguments(__doc__).parse_args()
    registry = CollectorRegistry()
    counter = PrometheusCounter("count", "", registry=registry)
    histogram = PrometheusHistogram("latency", "", registry=registry)
    counters, other, scraped = Counters(), Counters(), registry_of(SCRAPED_COUNTERS)
    image = other.image()
    found = interleaved(
        {
            "count": each_ns(lambda: add_many(counters, Counter.MARKET_FRAMES, OURS), OURS),
            "latency": each_ns(lambda: record_many(counters, Stage.BYTES_READY, SHORTEST_NS, OURS), OURS),
            "their count": each_ns(lambda: count_many(counter), THEIRS),
            "their latency": each_ns(lambda: observe_many(histogram), THEIRS),
            "snapshot": each_ns(lambda: CountersReader.of_image(image).snapshot(), 1),
            "their scrape": each_ns(lambda: generate_latest(scraped), 1),
            "merge": each_ns(lambda: counters.merge_histograms(image), 1),
        },
        ROUNDS,
    )
    client = "prometheus_client"
    rows = [
        Row("count", "ns", found["count"], client, found["their count"], TARGET_NS),
        Row("latency into a histogram", "ns", found["latency"], client, found["their latency"], TARGET_NS),
        Row("snapshot of a file, in the reader", "ns", found["snapshot"], "their scrape of 200", found["their scrape"]),
        Row("merging 32 histograms, compiled", "ns", found["merge"], "their scrape of 200", found["their scrape"]),
    ]
    report("counters", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
