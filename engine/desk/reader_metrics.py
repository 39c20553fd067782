"""Readers of the journal as Prometheus gauges: how far each is behind, and whether the recorder records.

`tradewind_reader_lag_records`, `_bytes` and `_seconds` by `reader`; `tradewind_recorder_up`, `_rows_total`, `_faults_total`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.desk.readers import reader_rows
from engine.runtime.clock import Clock

if TYPE_CHECKING:
    from engine.desk.recorder.worker import RecorderStatus

LAGS = {
    "records": "records of its lane that it has not read",
    "bytes": "bytes that it has not read",
    "seconds": "how long ago the oldest of them was written",
}


class ReaderCollector(Collector):
    """`status`: the recorder's, None where the configuration wants none."""

    def __init__(self, data_dir: Path, engine: str, status: Callable[[], RecorderStatus | None], clock: Clock) -> None:
        self._data_dir = data_dir
        self._engine = engine
        self._status = status
        self._clock = clock

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not need a journal."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every reader, and the recorder."""
        rows = [row for row in reader_rows(self._data_dir, self._clock.time_ns()) if not row["fault"]]
        for unit, meaning in LAGS.items() if rows else ():
            family = GaugeMetricFamily(f"tradewind_reader_lag_{unit}", meaning, labels=["engine", "reader", "lane"])
            for row in rows:
                family.add_metric([self._engine, row["reader"], row["lane"]], float(row[f"lag_{unit}"]))
            yield family
        status = self._status()
        if status is not None:
            yield from self._recorder(status)

    def _recorder(self, status: RecorderStatus) -> Iterator[Metric]:
        up = GaugeMetricFamily("tradewind_recorder_up", "1 while the ledger is recorded", labels=["engine"])
        up.add_metric([self._engine], float(status.is_up))
        yield up
        for name, value, meaning in (
            ("rows", status.rows, "rows written since the desk started"),
            ("faults", status.faults, "times that nothing could be recorded"),
        ):
            family = CounterMetricFamily(f"tradewind_recorder_{name}", meaning, labels=["engine"])
            family.add_metric([self._engine], value)
            yield family
