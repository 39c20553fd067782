"""Cost of a count and of a latency record, beside the prometheus client's; and of reading all of it.

Loops stand in compiled functions (ours) and in one Python function (theirs): medians of interleaved rounds, nanoseconds.
"""

from __future__ import annotations

import statistics
import time

from parts.history import arguments, finish
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as PrometheusCounter
from prometheus_client import Histogram as PrometheusHistogram

from engine.model.codes import Counter, Stage
from engine.runtime.counters import Counters, add_many, record_many
from engine.runtime.counters_reader import CountersReader

ROUNDS = 15
OURS = 2_000_000
THEIRS = 20_000
TARGET_NS = 2.0


def prometheus_loop(call: PrometheusCounter | PrometheusHistogram, times: int) -> None:
    """Their hot call, `times` times."""
    if isinstance(call, PrometheusCounter):
        for _ in range(times):
            call.inc()
    else:
        for _ in range(times):
            call.observe(3.4e-7)


def measured() -> dict[str, float]:
    """Median nanoseconds of each."""
    registry = CollectorRegistry()
    counter = PrometheusCounter("count", "", registry=registry)
    histogram = PrometheusHistogram("latency", "", registry=registry)
    counters = Counters()
    samples: dict[str, list[float]] = {}

    def note(name: str, began_ns: int, times: int) -> None:
        samples.setdefault(name, []).append((time.perf_counter_ns() - began_ns) / times)

    for _ in range(ROUNDS):
        began_ns = time.perf_counter_ns()
        add_many(counters, Counter.MARKET_FRAMES, OURS)
        note("count", began_ns, OURS)
        began_ns = time.perf_counter_ns()
        record_many(counters, Stage.BYTES_READY, 340, OURS)
        note("latency", began_ns, OURS)
        began_ns = time.perf_counter_ns()
        prometheus_loop(counter, THEIRS)
        note("prometheus count", began_ns, THEIRS)
        began_ns = time.perf_counter_ns()
        prometheus_loop(histogram, THEIRS)
        note("prometheus latency", began_ns, THEIRS)
        began_ns = time.perf_counter_ns()
        CountersReader.of_image(counters.image()).snapshot()
        note("snapshot by a reader", began_ns, 1)
    return {name: statistics.median(values) for name, values in samples.items()}


def main() -> int:
    """Print a line each and whether the target is met."""
    options = arguments(__doc__).parse_args()
    results = measured()
    for name, value_ns in results.items() if not options.json else ():
        verdict = "met" if value_ns <= TARGET_NS else "NOT met"
        told = f" target <= {TARGET_NS}: {verdict}" if name in ("count", "latency") else ""
        print(f"{name:<22} {value_ns:12.2f} ns{told}")
    finish("counters", results, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
