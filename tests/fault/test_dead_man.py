"""R16 on USD-M futures: the venue's own switch cancels what a dead or stopped engine left, and so does a guard without it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import shutil
import signal
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.model.codes import HaltReason, RecordKind, TradingState
from tests.fault.guarded import LEVELS, ORDERS, RESTING, WIDER, GuardedMarket

# long enough that a machine that does other work does not let it run down by itself
DEADMAN_MS = 1500
# R16: none rests a second after. The best of three: a machine that does other work may hold one up, a slow switch is slow each time
SHORT_DEADMAN_MS = 600
GONE_S_MAX = 1.0
ATTEMPTS = 3
VENUE = """
[usdm]
default_wallet = "1000000"

[usdm_limits]
weight_minute = 1_000_000
orders_10s = 100_000
orders_minute = 100_000
"""
FUTURES = '''kind = "binance-usdm"
leverage = 3
margin_type = "cross"
position_mode = "one-way"'''


class FuturesMarket(GuardedMarket):
    """A venue with USD-M futures, and an engine that trades them."""

    def __init__(self, root: Path, venue_text: str = VENUE) -> None:
        super().__init__(root, venue_text=venue_text)

    def ask(self, path: str, **params: Any) -> Any:
        """One signed GET below /fapi, with the account's second key."""
        key = self.place.observer_key
        query = urllib.parse.urlencode({**params, "timestamp": time.time_ns() // 1_000_000})
        query += "&signature=" + hmac.new(key.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"http://127.0.0.1:{self.ports['rest']}/fapi/v1/{path}?{query}"
        request = urllib.request.Request(url, headers={"X-MBX-APIKEY": key.api_key})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.loads(answer.read())

    def resting(self) -> int:
        """Open orders of the account, as the venue has them."""
        return len(self.ask("openOrders"))

    def start_with_switch(self, deadman_ms: int = DEADMAN_MS) -> None:
        """An engine whose venue's table has the switch."""
        replaced = {key: text for key, text in WIDER.items() if key != "[desk]\n"}
        replaced['kind = "binance-spot"'] = f"{FUTURES}\ndeadman_ms = {deadman_ms}"
        self.write_config(strategy=RESTING, params={"levels": LEVELS}, replaced=replaced)
        self.start()

    def alarms(self) -> list[str]:
        """Texts of the alarms on disk."""
        return [row["payload"]["text"] for row in self.ledger_records(RecordKind.ALARM)]

    def trade(self, deadman_ms: int = DEADMAN_MS) -> None:
        """An engine with 504 orders at the venue, whose switch is fed."""
        self.start_with_switch(deadman_ms)
        self.wait_active()
        self.wait_for(lambda: self.resting() == ORDERS, f"{ORDERS} orders at the venue", 60)


@contextlib.contextmanager
def running(venue_text: str = VENUE) -> Iterator[FuturesMarket]:
    """A venue with three contracts, on tmpfs where there is one."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="tradewind-dead-man-", dir=memory if memory.is_dir() else None))
    found = FuturesMarket(root, venue_text)
    try:
        yield found
    finally:
        found.close()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def market() -> Iterator[FuturesMarket]:
    """One whose limits a test does not meet."""
    with running() as found:
        yield found


def seconds_to_none(market: FuturesMarket) -> float:
    """Until nothing rests, whether an engine lives or not."""
    began = time.monotonic()
    while market.resting():
        assert time.monotonic() - began < 30, market.tail()
        time.sleep(0.005)
    return time.monotonic() - began


@pytest.mark.alone
@pytest.mark.invariant("R16")
@pytest.mark.timeout(240)
def test_the_venue_cancels_what_a_stopped_or_dead_engine_left_and_an_orderly_stop_disarms_it(
    market: FuturesMarket, record_property: Callable[[str, object], None]
) -> None:
    market.trade()
    assert market.engine is not None
    # fed, nothing is cancelled: the countdown never runs down
    time.sleep(2 * DEADMAN_MS / 1000)
    assert market.resting() == ORDERS
    os.kill(market.engine.process.pid, signal.SIGSTOP)
    gone_s = seconds_to_none(market)
    record_property("sigstop_to_none_resting_s", gone_s)
    os.kill(market.engine.process.pid, signal.SIGCONT)
    market.wait_for(lambda: market.resting() == ORDERS, "orders again", 60)
    # the countdown ran out under an engine that lives: a person is told
    market.wait_for(lambda: any("dead-man switch" in text for text in market.alarms()), "the alarm on disk")
    market.kill()
    gone_s = seconds_to_none(market)
    record_property("sigkill_to_none_resting_s", gone_s)
    market.trade()
    assert market.engine.stop() == 0, market.tail()
    assert market.resting() == 0


@pytest.mark.invariant("R17")
@pytest.mark.timeout(240)
def test_a_switch_whose_feeds_would_eat_the_venues_own_limit_is_refused_at_start_with_the_least_that_is_legal() -> None:
    with running(VENUE.replace("1_000_000", "2_400")) as market:
        market.start_with_switch()
        assert market.wait_dead() == 78, market.tail()
        assert "deadman_ms: " in market.tail()
        # three symbols, three feeds of 10 in 1.5 s
        assert "3600 of the venue's 2400" in market.tail()
        assert "7500 is the least" in market.tail()


@pytest.mark.invariant("R25")
@pytest.mark.timeout(240)
def test_a_kill_of_futures_leaves_nothing_open_and_nothing_amiss_and_after_arm_it_trades_again(
    market: FuturesMarket,
) -> None:
    market.write_config(
        strategy=RESTING, params={"levels": LEVELS}, replaced=WIDER | {'kind = "binance-spot"': FUTURES}
    )
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.resting() == ORDERS, f"{ORDERS} orders at the venue", 60)
    assert market.ctl("kill", "--reason", "drill").returncode == 0
    market.wait_for(lambda: market.resting() == 0, "no order rests", 60)
    market.wait_state(TradingState.HALTED, HaltReason.KILL)
    assert market.ctl("arm", "--reason", "over").returncode == 0
    market.wait_for(lambda: market.resting() == ORDERS, "orders again", 60)
    codes = {row["payload"]["state"] for row in market.ledger_records(RecordKind.ALARM)}
    assert codes == {"KILLED"}


@pytest.mark.alone
@pytest.mark.invariant("R16")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
def test_with_a_short_countdown_none_rests_a_second_after_the_engine_stopped_or_died(
    market: FuturesMarket, blow: signal.Signals, record_property: Callable[[str, object], None]
) -> None:
    gone_s: list[float] = []
    while not gone_s or (min(gone_s) > GONE_S_MAX and len(gone_s) < ATTEMPTS):
        market.trade(SHORT_DEADMAN_MS)
        assert market.engine is not None
        os.kill(market.engine.process.pid, blow)
        gone_s.append(seconds_to_none(market))
        market.kill()
    record_property(f"{blow.name.lower()}_to_none_resting_s", gone_s)
    assert min(gone_s) <= GONE_S_MAX


@pytest.mark.invariant("R16")
@pytest.mark.timeout(240)
def test_the_guard_cancels_futures_too_without_the_venues_switch(market: FuturesMarket) -> None:
    market.write_config(strategy=RESTING, params={"levels": 4}, replaced=WIDER | {'kind = "binance-spot"': FUTURES})
    market.start()
    market.wait_active()
    market.start_guard()
    market.wait_for(lambda: market.resting() == 24, "the orders rest", 60)
    market.kill()
    market.until(lambda: market.resting() == 0, "no order rests")
    market.until(lambda: market.log("verified") != [], "the guard has verified it")
    assert market.guard_status()["last_cause"] == "the engine's process is gone"
