"""R23, R25: cancel, pause, hedge and flatten reach the engine while a strategy hangs, and each is carried out.

The thread is one: nothing is served while Python code spins. So the command is sent in the middle of the hang, waits for the
watchdog to interrupt the strategy, and is the next thing that is done. (The kill's turn: `test_strategies_misbehave.py`.)
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from engine.control.client import ControlClient
from engine.control.messages import Accepted, Cancel, Command, Flatten, Hedge, Pause, Resume, Scope
from engine.model.codes import RecordKind
from tests.contract.lines_market import SPOT, USDM, LinesMarket, limits_of, lines_market, strategy_of

SYMBOLS = ["spot:BTCUSDT", "futures:BTCUSDT"]
COMMANDS = ("cancel", "pause", "hedge", "flatten")
TURN_MS_MAX = 1500
NS_PER_MS = 1_000_000


@pytest.fixture(scope="module")
def market() -> Iterator[LinesMarket]:
    """Two venues, a strategy whose orders rest at both, and for each command one that hangs on demand."""
    with lines_market("hung-", activity=6.0) as found:
        found.add_venue("spot", SPOT)
        found.add_venue("futures", USDM)
        strategies = strategy_of("both", SYMBOLS, "tests.contract.both_venues:BothVenues", qty="0.010")
        for name in COMMANDS:
            paths = {"order": str(found.root / f"{name}.order"), "sign": str(found.root / f"{name}.sign")}
            hanging = "tests.fault.hanging_on_demand:HangingOnDemand"
            strategies += strategy_of(f"hung-{name}", ["spot:BTCUSDT"], hanging, **paths)
        found.write_config(strategies, limits_of("BTCUSDT"), turn_ms_max=TURN_MS_MAX)
        found.start()
        wait_resting(found)
        yield found


def open_ids(market: LinesMarket) -> set[str]:
    """Client order ids open at both venues, by the venues' word."""
    return {row["clientOrderId"] for venue in market.venues.values() for row in venue.witness.open_orders()}


def wait_resting(market: LinesMarket) -> None:
    """Every line ACTIVE and four orders at each venue."""
    market.wait_all_active()
    market.until(lambda: len(open_ids(market)) == 8, "orders rest at both venues")


def position(market: LinesMarket, line: str) -> float:
    """Our position at a line, by the engine's tables."""
    done = market.ctl("book", f"{line}:BTCUSDT")
    return float(json.loads(done.stdout)["position"]) if done.returncode == 0 else 0.0


def buy_spot(market: LinesMarket) -> None:
    """A person's position at the spot venue."""
    before = position(market, "spot")
    market.until(lambda: market.ctl("order", "buy", "spot:BTCUSDT", "0.02").returncode == 0, "an order")
    market.until(lambda: position(market, "spot") != before, "a position")


def strategy_states(market: LinesMarket) -> dict[str, str]:
    """What `ctl strategies` calls each one's state."""
    done = market.ctl("strategies")
    assert done.returncode == 0, done.stderr
    return {row["strategy"]: row["state"] for row in json.loads(done.stdout)["strategies"]}


def while_hung(market: LinesMarket, name: str, request: Command) -> None:
    """Send a request in the middle of a hang; it is taken after the strategy was disabled, and no other command before it."""
    with ControlClient(market.root / "run" / "control.sock", timeout_ms=60_000) as client:
        (market.root / f"{name}.order").touch()
        market.until((market.root / f"{name}.sign").exists, "the strategy hangs")
        client.send(request)
        sent_ns = time.time_ns()
        reply = client.receive()
    assert isinstance(reply, Accepted), reply
    market.until(lambda: is_on_disk(market, reply.sequence), "the command is on disk")
    assert strategy_states(market)[f"hung-{name}"] == "disabled (STRATEGY_HUNG)"
    states = market.ledger(RecordKind.STRATEGY_STATE)
    hang = [row for row in states if row["payload"]["reason"] == "STRATEGY_HUNG"][-1]
    later = [row for row in market.ledger(RecordKind.COMMAND) if row["seq"] > hang["seq"]]
    assert later[0]["seq"] == reply.sequence
    # the record bears the stamp of the turn that hung; its watchdog does not come before half of what a turn may take
    assert hang["wall_ns"] < sent_ns < hang["wall_ns"] + TURN_MS_MAX * NS_PER_MS // 2, "not sent while it hung"


def is_on_disk(market: LinesMarket, sequence: int) -> bool:
    """Is a command in the journal's files."""
    return any(row["seq"] == sequence for row in market.ledger(RecordKind.COMMAND))


@pytest.mark.invariant("R23")
def test_a_cancel_is_carried_out(market: LinesMarket) -> None:
    wait_resting(market)
    before = open_ids(market)
    while_hung(market, "cancel", Cancel(reason="drill"))
    market.until(lambda: not before & open_ids(market), "the orders of before are gone")
    assert before, "there was something to cancel"


@pytest.mark.invariant("R23")
def test_a_pause_is_carried_out(market: LinesMarket) -> None:
    wait_resting(market)
    while_hung(market, "pause", Pause(reason="drill", scope=Scope(strategy="both")))
    assert strategy_states(market)["both"] == "paused"
    market.until(lambda: not open_ids(market), "its orders are gone")
    with ControlClient(market.root / "run" / "control.sock", timeout_ms=60_000) as client:
        assert isinstance(client.request(Resume(scope=Scope(strategy="both"))), Accepted)
    wait_resting(market)


@pytest.mark.invariant("R23")
def test_a_hedge_is_carried_out(market: LinesMarket) -> None:
    wait_resting(market)
    buy_spot(market)
    while_hung(
        market, "hedge", Hedge(reason="drill", scope=Scope(symbol="spot:BTCUSDT"), with_symbol="futures:BTCUSDT")
    )
    market.until(lambda: position(market, "futures") < 0, "a short future")
    assert position(market, "spot") > 0


@pytest.mark.invariant("R23")
def test_a_flatten_is_carried_out(market: LinesMarket) -> None:
    wait_resting(market)
    if position(market, "spot") == 0:
        buy_spot(market)
    while_hung(market, "flatten", Flatten(reason="drill"))
    market.until(lambda: (position(market, "spot"), position(market, "futures")) == (0.0, 0.0), "flat")
    rows = market.venues["futures"].witness.get("/fapi/v3/positionRisk", signed=True, symbol="BTCUSDT")
    assert sum(abs(float(row["positionAmt"])) for row in rows) == 0
