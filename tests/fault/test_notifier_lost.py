"""R33 with a live daemon: desk is killed, the engine says in its ledger that alarms reach nobody; desk comes back and tells it."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo.processes import Child
from engine.model.codes import RecordKind
from tests.fault.alarm_receiver import AlarmReceiver, alarm_receiver
from tests.fault.market import Market

GONE_S = 5
GONE = "nobody is told of alarms"


@pytest.fixture(name="receiver")
def fixture_receiver() -> Iterator[AlarmReceiver]:
    with alarm_receiver(200) as receiver:
        yield receiver


@pytest.fixture(name="market")
def fixture_market(receiver: AlarmReceiver) -> Iterator[Market]:
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="tradewind-notifier-", dir=memory if memory.is_dir() else None))
    market = Market(root)
    alerts = f"[alerts]\nnotifier_heartbeat_s_max = {GONE_S}\nlost_after_s = 1\ndisk_free_mb_min = 0\n"
    alerts += f'engine_heartbeat_ms_max = 4000\n[alerts.webhook.ops]\nurl = "{receiver.url}"\n'
    market.write_config(replaced={"[desk]\n": f"{alerts}\n[desk]\n"})
    yield market
    market.close()
    shutil.rmtree(root, ignore_errors=True)


def start_desk(market: Market) -> Child:
    env = {"CREDENTIALS_DIRECTORY": str(market.place.credentials)}
    return Child("desk", ["desk", "--config", str(market.place.engine_config)], market.root, env)


def lost(market: Market) -> list[str]:
    """The texts of the alarm in the ledger."""
    rows = market.ledger_records(RecordKind.ALARM)
    return [row["payload"]["text"] for row in rows if row["payload"]["state"] == "NOTIFIER_LOST"]


def status(market: Market) -> str:
    """What `ctl status` says."""
    return str(json.loads(market.ctl("status").stdout))


@pytest.mark.invariant("R33")
def test_desk_that_is_killed_is_an_alarm_of_the_engine_in_its_time_and_its_return_ends_it(
    market: Market, receiver: AlarmReceiver
) -> None:
    beat = market.place.runtime_dir / "notifier.json"
    market.start()
    market.wait_active()
    desk = start_desk(market)
    try:
        market.wait_for(beat.exists, "a sign of life", 30)
        market.wait_for(lambda: GONE not in status(market), "the notifier is seen", 30)
        known = len(lost(market))
        desk.process.kill()
        desk.stop()
        killed = time.monotonic()
        market.wait_for(lambda: len(lost(market)) == known + 1, "the alarm", 60)
        assert time.monotonic() - killed >= GONE_S - 2
        assert GONE in lost(market)[-1]
        assert GONE in status(market)
        # trading goes on, and nothing was told to anybody
        market.wait_active()
        assert "NOTIFIER_LOST" not in receiver.codes()
        desk = start_desk(market)
        market.wait_for(lambda: "NOTIFIER_LOST" in receiver.codes(), "desk tells what it missed, its own loss too", 60)
        market.wait_for(lambda: GONE not in status(market), "the trouble is over", 30)
        assert len(lost(market)) == known + 1
        # desk lives, and nobody takes what it has to say: that is told by the engine as well
        receiver.plan = [500]
        assert market.ctl("kill", "--reason", "test").returncode == 0
        market.wait_for(lambda: len(lost(market)) == known + 2, "the loss of every channel", 60)
        assert "HTTP 500" in lost(market)[-1]
        receiver.plan = [200]
        market.wait_for(lambda: "KILLED" in receiver.codes(), "the alarm comes after all", 60)
        market.wait_for(lambda: "HTTP 500" not in status(market), "the trouble is over", 30)
    finally:
        desk.stop()
    assert desk.process.returncode == 0
