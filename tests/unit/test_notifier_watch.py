"""The engine's own word when alarms reach nobody: an alarm in the ledger, a line, and the trouble in its status."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.app import Engine
from engine.config_alerts_schema import AlertsSection
from engine.journal.decode import payload
from engine.journal.reader import JournalReader
from engine.model.codes import AlarmCode, Counter, Lane, RecordKind
from engine.notifier_watch import NotifierWatch
from engine.notify.heartbeat import Beat, write_beat
from engine.runtime.clock import Clock
from tests.ledger_harness import Ledger

S = 1_000_000_000


def engine_of(ledger: Ledger, clock: Clock, alerts: AlertsSection | None, counted: list[int]) -> Engine:
    config = SimpleNamespace(alerts=alerts)
    parts: dict[str, Any] = {
        "loaded": SimpleNamespace(config=config, runtime_dir=ledger.runtime_dir),
        "world": SimpleNamespace(clock=clock),
        "counters": SimpleNamespace(add=counted.append),
        "journal": ledger.journal,
    }
    return cast(Engine, SimpleNamespace(**parts))


@pytest.mark.invariant("R33")
def test_the_loss_of_the_notifier_is_an_alarm_of_the_engine_once_and_its_return_a_line(tmp_path: Path) -> None:
    ledger, clock, said, counted = Ledger(tmp_path), Clock.virtual(), list[str](), list[int]()
    watch = NotifierWatch(engine_of(ledger, clock, AlertsSection(notifier_heartbeat_s_max=10), counted), said.append)
    for _ in range(40):
        clock.advance(S)
        watch.look()
    assert "no sign of life" in watch.trouble
    beat = Beat(pid=1, mono_ns=clock.monotonic_ns(), wall_ns=1, pending=0, oldest_pending_s=0, unacknowledged=0)
    write_beat(ledger.runtime_dir, beat)
    clock.advance(S)
    watch.look()
    assert watch.trouble == ""
    assert len(said) == 2
    assert counted == [Counter.ALARMS]
    ledger.journal.close(reason="test")
    alarms = [item for item in JournalReader(ledger.data_dir).records(Lane.LEDGER) if item.kind == RecordKind.ALARM]
    assert [payload(item)["state"] for item in alarms] == [AlarmCode.NOTIFIER_LOST.name]
    assert "start tradewind-desk" in payload(alarms[0])["text"]


def test_without_alerts_nobody_is_missed(tmp_path: Path) -> None:
    ledger, clock, said = Ledger(tmp_path), Clock.virtual(), list[str]()
    watch = NotifierWatch(engine_of(ledger, clock, None, []), said.append)
    clock.advance(1000 * S)
    watch.look()
    assert (watch.trouble, said) == ("", [])
    ledger.journal.close(reason="test")
