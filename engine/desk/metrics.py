"""The counters file as Prometheus metrics: read at each scrape, at no cost to the engine.

Counters are `tradewind_NAME_total`, gauges `tradewind_NAME`, latencies the histogram `tradewind_stage_latency_seconds`
with bounds at powers of two (where the engine's own buckets end: nothing is interpolated) and, for those without a
server that computes them, `tradewind_stage_latency_quantile_seconds`; rings by `ring`; venues and accounts as `tradewind_line_NAME`
by `line`. Every sample carries the label `engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from engine.desk.counters_source import CountersSource
from engine.desk.health import Health
from engine.model.codes import Counter
from engine.runtime.counters_reader import (
    QUANTILES,
    Histogram,
    LineFigures,
    RingFigures,
    bucket_bounds_ns,
)

GAUGES = frozenset(
    {
        Counter.JOURNAL_SYNCED_SEQ,
        Counter.JOURNAL_LAST_SEQ,
        *(counter for counter in Counter if counter > Counter.STAND_BY_0),
    }
) - {Counter.DURABLE_WAITS, Counter.DURABLE_REFUSED}
HIDDEN = frozenset({Counter.STAND_BY_0, Counter.HEARTBEAT_MONO_NS})
SCALED = {Counter.START_WALL_NS: ("start_time_seconds", 1e-9), Counter.CLOCK_DRIFT_NS: ("clock_drift_seconds", 1e-9)}
BOUND_BITS = range(7, 38)
MEANINGS = {
    Counter.MARKET_FRAMES: "market data frames received",
    Counter.MALFORMED_FRAMES: "frames that could not be decoded",
    Counter.BOOK_GAPS: "gaps found in a book's updates",
    Counter.APPROVED: "intents that the gate let pass",
    Counter.REFUSED: "intents that the gate refused",
    Counter.FILLS: "executions booked",
    Counter.VENUE_REJECTS: "orders that the venue refused",
    Counter.ALARMS: "alarms written to the journal",
    Counter.TRADING_STATE: "0 halted, 1 reducing, 2 active",
    Counter.HALT_REASON: "number of engine.model.codes.HaltReason",
    Counter.JOURNAL_SYNCED_SEQ: "last sequence that is on disk for certain",
    Counter.JOURNAL_LAST_SEQ: "last sequence given out",
    Counter.PID: "process id of the engine",
    Counter.START_WALL_NS: "when the engine started",
    Counter.CLOCK_DRIFT_NS: "our clock against the venue's",
    Counter.RISK_MODE: "0 normal, 1 elevated, 2 high, 3 critical",
    Counter.DAY_LOSS_E8: "loss of the day in 10^-8 of the reporting currency",
    Counter.DRAWDOWN_BPS: "fall of the engine's profit from its peak, of the equity at the peak",
    Counter.LIMIT_USE_PERCENT: "how full the fullest limit is",
    Counter.BREAKERS_OPEN: "circuit breakers of venues that are open",
    Counter.DELEVERAGE_QUANTILE: "worst auto-deleverage quantile of what is held, 0 to 4",
    Counter.DURABLE_WAITS: "orders that waited for the disk (durability level order)",
    Counter.DURABLE_WAITING: "orders that wait for the disk now",
    Counter.DURABLE_REFUSED: "orders refused since the disk did not answer in time",
    Counter.RECOVERY_RECORDS: "records of the ledger that the start read, behind the snapshot where it took one",
    Counter.RECOVERY_US: "how long the start took with the ledger of earlier runs, in microseconds",
    Counter.SNAPSHOT_SEQ: "sequence of the last record in the snapshot that the start took; 0: it took none",
}


# one venue and account
LINE_GAUGES: tuple[tuple[str, str, Callable[[LineFigures], float]], ...] = (
    ("trading_state", "0 halted, 1 reducing, 2 active, of this line", lambda line: line.trading_state),
    ("halt_reason", "number of engine.model.codes.HaltReason, of this line", lambda line: line.halt_reason),
    ("reconciled", "1 while the account has been read and agrees", lambda line: line.reconciled),
    ("gateway_ready", "1 while the order session stands", lambda line: line.gateway_ready),
    ("open_orders", "orders open in this account", lambda line: line.open_orders),
    ("clock_drift_seconds", "our clock against this venue's", lambda line: line.clock_drift_ns / 1e9),
    ("reconciles", "reconciliations since the start", lambda line: line.reconciles),
)


class EngineCollector(Collector):
    """Reads the counters file at every scrape."""

    def __init__(self, source: CountersSource, engine: str, health: Health) -> None:
        self._source = source
        self._engine = engine
        self._health = health

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not need a running engine."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric of the engine; only `tradewind_up` 0 while there is none."""
        state = self._health.state()
        yield gauge("up", "1 while the engine makes progress", self._engine, float(state["alive"]))
        reader = self._source.reader()
        if reader is None:
            return
        age_s = state["heartbeat_age_s"]
        if age_s is not None:
            yield gauge("heartbeat_age_seconds", "time since every actor was last polled", self._engine, age_s)
        for counter in Counter:
            if counter not in HIDDEN:
                yield self._sample(counter, reader.value(counter))
        yield from self._latencies(reader.histograms())
        yield from self._rings(reader.rings())
        yield from self._lines(reader.lines())

    def _sample(self, counter: Counter, value: int) -> Metric:
        name, scale = SCALED.get(counter, (counter.name.lower(), 1))
        meaning = MEANINGS.get(counter, counter.name.lower().replace("_", " "))
        if counter in GAUGES:
            return gauge(name, meaning, self._engine, value * scale)
        family = CounterMetricFamily(f"tradewind_{name}", meaning, labels=["engine"])
        family.add_metric([self._engine], value)
        return family

    def _latencies(self, histograms: dict[str, Histogram]) -> Iterator[Metric]:
        buckets = HistogramMetricFamily(
            "tradewind_stage_latency_seconds",
            "from the frame's callback to the stage's end",
            labels=["engine", "stage"],
        )
        quantiles = GaugeMetricFamily(
            "tradewind_stage_latency_quantile_seconds",
            "quantiles since the engine's start, within 0.8 %",
            labels=["engine", "stage", "quantile"],
        )
        for stage, histogram in histograms.items():
            if histogram.count:
                buckets.add_metric([self._engine, stage], bounded(histogram), sum_value=histogram.sum_ns / 1e9)
                for fraction in QUANTILES.values():
                    labels = [self._engine, stage, str(fraction)]
                    quantiles.add_metric(labels, histogram.quantile_ns(fraction) / 1e9)
        yield buckets
        yield quantiles

    def _rings(self, rings: list[RingFigures]) -> Iterator[Metric]:
        labels = ["engine", "ring"]
        depth = GaugeMetricFamily("tradewind_ring_depth", "descriptors waiting at the last tick", labels=labels)
        high_water = GaugeMetricFamily("tradewind_ring_high_water", "the deepest it ever was", labels=labels)
        refused = CounterMetricFamily("tradewind_ring_refused", "descriptors that found no room", labels=labels)
        for ring in rings:
            depth.add_metric([self._engine, ring.name], ring.depth)
            high_water.add_metric([self._engine, ring.name], ring.high_water)
            refused.add_metric([self._engine, ring.name], ring.refused)
        yield from (depth, high_water, refused)

    def _lines(self, lines: list[LineFigures]) -> Iterator[Metric]:
        for name, meaning, read in LINE_GAUGES:
            family = GaugeMetricFamily(f"tradewind_line_{name}", meaning, labels=["engine", "line"])
            for line in lines:
                family.add_metric([self._engine, line.name], read(line))
            yield family


def gauge(name: str, meaning: str, engine: str, value: float) -> Metric:
    """One gauge of one engine."""
    family = GaugeMetricFamily(f"tradewind_{name}", meaning, labels=["engine"])
    family.add_metric([engine], value)
    return family


def bounded(histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative counts below powers of two nanoseconds, then all."""
    steps, seen = [], 0
    waiting = sorted(histogram.buckets.items())
    position = 0
    for bits in BOUND_BITS:
        while position < len(waiting) and bucket_bounds_ns(waiting[position][0])[1] <= 1 << bits:
            seen += waiting[position][1]
            position += 1
        steps.append((repr((1 << bits) / 1e9), float(seen)))
    steps.append(("+Inf", float(histogram.count)))
    return steps
