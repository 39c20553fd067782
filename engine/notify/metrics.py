"""The notifier as Prometheus metrics: what waits, what fails, and whether anybody has seen what is grave."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.notify.notifier import ChannelFigures, Notifier


class NotifierCollector(Collector):
    """Reads what the notifier shows once a second."""

    def __init__(self, notifier: Notifier, engine: str) -> None:
        self._notifier = notifier
        self._engine = engine

    def describe(self) -> list[Metric]:
        """Nothing in advance."""
        return []

    def collect(self) -> Iterator[Metric]:
        """By channel, then of all."""
        yield from self._by_channel(self._notifier.figures)
        beat = self._notifier.last_beat
        if beat is None:
            return
        yield self._gauge("alerts_unacknowledged", "critical alarms that nobody has acknowledged", beat.unacknowledged)
        yield self._gauge(
            "alerts_oldest_pending_seconds", "how long the oldest alarm has been due", beat.oldest_pending_s
        )
        fault = bool(self._notifier.outbox.fault)
        yield self._gauge("alerts_outbox_failed", "1 while alarms cannot be kept on disk", fault)

    def _by_channel(self, figures: tuple[ChannelFigures, ...]) -> Iterator[Metric]:
        labels = ["engine", "channel"]
        pending = GaugeMetricFamily("tradewind_alerts_pending", "alarms that are due on a channel", labels=labels)
        lost = GaugeMetricFamily("tradewind_alerts_channel_lost", "1 while a channel takes nothing", labels=labels)
        done = CounterMetricFamily("tradewind_alerts_delivered", "messages that were taken", labels=labels)
        failed = CounterMetricFamily("tradewind_alerts_failed", "deliveries that were not", labels=labels)
        for item in figures:
            at = [self._engine, item.name]
            pending.add_metric(at, item.pending)
            lost.add_metric(at, float(item.is_lost))
            done.add_metric(at, item.delivered)
            failed.add_metric(at, item.failed)
        yield from (pending, lost, done, failed)

    def _gauge(self, name: str, meaning: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"tradewind_{name}", meaning, labels=["engine"])
        family.add_metric([self._engine], float(value))
        return family
