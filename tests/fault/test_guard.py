"""R16, R23, R25: what is left of an engine's orders when it is dead, stopped, hung or killed, with a guard beside it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.guard.kills import Kills
from engine.model.codes import HaltReason, RecordKind, TradingState
from tests.fault.guarded import HEARTBEAT_MS_MAX, ORDERS, WIDER, GuardedMarket

Note = Callable[[str, object], None]
# R16: none rests a second after. The best of three: a machine that does other work may hold one up, a slow guard is slow each time
GONE_S_MAX = 1.0
# R25: the first cancel of a kill
FIRST_CANCEL_NS_MAX = 10_000_000
ATTEMPTS = 3


@pytest.fixture
def market() -> Iterator[GuardedMarket]:
    """A venue with three symbols, on tmpfs where there is one."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="tradewind-guard-", dir=memory if memory.is_dir() else None))
    found = GuardedMarket(root)
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def stopped_to_none_s(market: GuardedMarket) -> float:
    """SIGSTOP, until nothing rests; afterwards the engine lives and everything rests again."""
    assert market.engine is not None
    os.kill(market.engine.process.pid, signal.SIGSTOP)
    gone_s = market.until(lambda: market.resting() == 0, "a stopped engine's orders are gone")
    assert market.log("sight")[-1]["sight"] == "HUNG"
    os.kill(market.engine.process.pid, signal.SIGCONT)
    # the engine hears of every cancel, and its strategies quote again
    market.wait_for(lambda: market.resting() == ORDERS, "orders again", 60)
    return gone_s


def killed_to_none_s(market: GuardedMarket) -> float:
    """SIGKILL, until nothing rests."""
    assert market.engine is not None
    market.engine.process.kill()
    gone_s = market.until(lambda: market.resting() == 0, "a dead engine's orders are gone")
    assert market.log("sight")[-1]["sight"] == "GONE"
    return gone_s


@pytest.mark.alone
@pytest.mark.invariant("R16")
@pytest.mark.timeout(240)
def test_killed_or_stopped_with_500_resting_orders_the_engine_leaves_none_behind(
    market: GuardedMarket, record_property: Note
) -> None:
    assert market.rest() == ORDERS
    stopped_s: list[float] = []
    while not stopped_s or (min(stopped_s) > GONE_S_MAX and len(stopped_s) < ATTEMPTS):
        stopped_s.append(stopped_to_none_s(market))
    record_property("sigstop_to_none_resting_s", stopped_s)
    assert min(stopped_s) <= GONE_S_MAX

    killed_s = [killed_to_none_s(market)]
    while min(killed_s) > GONE_S_MAX and len(killed_s) < ATTEMPTS:
        market.start()
        market.wait_active()
        market.wait_for(lambda: market.resting() == ORDERS, "orders of the next run", 60)
        killed_s.append(killed_to_none_s(market))
    record_property("sigkill_to_none_resting_s", killed_s)
    assert min(killed_s) <= GONE_S_MAX
    assert market.engine is not None
    sweeps = len(stopped_s) + len(killed_s)
    market.until(lambda: len(market.log("verified")) >= sweeps, "the guard has verified it")
    record_property("guard_verified_ns", [row["elapsed_ns"] for row in market.log("verified")])
    status = market.guard_status()
    assert status["last_cause"] == "the engine's process is gone"
    assert status["open_left"] == 0
    market.engine.process.wait()


@pytest.mark.alone
@pytest.mark.invariant("R25")
@pytest.mark.timeout(240)
def test_a_kill_reaches_a_stopped_engines_orders_and_holds_for_the_next_run_until_arm(
    market: GuardedMarket, record_property: Note
) -> None:
    # the heartbeat is given a minute, so that what is seen here is the kill's doing
    wider = WIDER["[desk]\n"].replace(str(HEARTBEAT_MS_MAX), "60000")
    market.write_config(
        strategy="tests.fault.resting_maker:RestingMaker", params={"levels": 4}, replaced=WIDER | {"[desk]\n": wider}
    )
    market.start()
    market.wait_active()
    market.start_guard()
    took_ns = [kill_of_a_stopped_engine_ns(market)]
    while min(took_ns) > FIRST_CANCEL_NS_MAX and len(took_ns) < ATTEMPTS:
        market.kill()
        market.start()
        market.wait_state(TradingState.HALTED, HaltReason.KILL, 30)
        assert market.ctl("arm", "--reason", "once more").returncode == 0
        market.wait_state(TradingState.ACTIVE, HaltReason.NONE, 30)
        took_ns.append(kill_of_a_stopped_engine_ns(market))
    record_property("kill_to_first_cancel_ns", took_ns)
    assert 0 <= min(took_ns) <= FIRST_CANCEL_NS_MAX
    # as if it had never heard: the next run knows of the kill by the guard alone
    market.kill()
    market.start()
    market.wait_state(TradingState.HALTED, HaltReason.KILL, 30)
    market.wait_for(lambda: was_kept(market), "the kill on disk")
    assert market.resting() == 0
    armed = market.ctl("arm", "--reason", "over")
    assert (armed.returncode, json.loads(armed.stdout)["guard"]) == (0, "armed")
    assert Kills(market.place.data_dir).read() == []
    market.wait_state(TradingState.ACTIVE, HaltReason.NONE, 30)


def kill_of_a_stopped_engine_ns(market: GuardedMarket) -> int:
    """SIGSTOP and `kill`, until nothing rests; how long the guard took from the command to the first cancel."""
    market.wait_for(lambda: market.resting() == 24, "orders rest", 30)
    assert market.engine is not None
    os.kill(market.engine.process.pid, signal.SIGSTOP)
    killed = market.ctl("kill", "--reason", "drill", "--timeout", "0.5")
    assert killed.returncode == 0, killed.stderr
    assert "its guard was told" in killed.stderr
    assert json.loads(killed.stdout)["guard"] == "cancelling"
    market.until(lambda: market.resting() == 0, "no order rests")
    status = market.guard_status()
    assert status["killed"] == ["ALL"]
    return int(status["first_cancel_ns"])


def was_kept(market: GuardedMarket) -> bool:
    """Does the journal on disk say that a kill came from the guard's file."""
    rows = market.ledger_records(RecordKind.COMMAND)
    return any("kept by the guard: drill" in row["payload"].get("text", "") for row in rows)


@pytest.mark.invariant("R23")
@pytest.mark.timeout(240)
def test_a_strategy_that_hangs_in_c_code_is_cancelled_from_outside_aborted_and_starts_again_halted(
    market: GuardedMarket, record_property: Note
) -> None:
    market.write_config(strategy="tests.fault.resting_maker:RestingMaker", params={"levels": 4}, replaced=WIDER)
    market.start_guard()
    market.write_config(
        strategy="tests.fault.resting_maker:RestingMaker",
        params={"levels": 4, "fault": "hang_in_c", "at_symbol": "BTCUSDT"},
        replaced=WIDER,
    )
    engine = market.start()
    began = time.monotonic()
    market.until(lambda: any(row["sight"] == "HUNG" for row in market.log("sight")), "the hang is seen", 40)
    record_property("start_to_hang_seen_s", time.monotonic() - began)
    seen = time.monotonic()
    market.until(lambda: market.resting() == 0, "its orders are gone")
    record_property("hang_seen_to_none_resting_s", time.monotonic() - seen)
    assert engine.process.wait(30) == -signal.SIGABRT
    assert "hangs in C code" in market.tail() or "no progress" in market.tail()
    record_property("hang_seen_to_abort_s", time.monotonic() - seen)
    market.write_config(strategy="tests.fault.resting_maker:RestingMaker", params={"levels": 4}, replaced=WIDER)
    market.start()
    market.wait_active()
    record_property("hang_seen_to_trading_again_s", time.monotonic() - seen)
    epoch = market.counters()["epoch"]
    market.wait_for(lambda: first_state(market, epoch) != (), "its first state on disk")
    assert first_state(market, epoch) == ("HALTED", "STARTING")


def first_state(market: GuardedMarket, epoch: int) -> tuple[str, ...]:
    """State and reason with which a run began, as far as the disk has it."""
    rows = [row["payload"] for row in market.ledger_records(RecordKind.TRADING_STATE) if row["epoch"] == epoch]
    return (rows[0]["state"], rows[0]["reason"]) if rows else ()


def test_an_orderly_stop_is_not_the_guards_business(market: GuardedMarket) -> None:
    market.rest(levels=2)
    sweeps = market.guard_status()["sweeps"]
    assert market.engine is not None
    assert market.engine.stop() == 0, market.tail()
    market.until(lambda: market.guard_status()["sight"] == "UNSEEN", "the guard knows that it ended in order")
    assert market.guard_status()["sweeps"] == sweeps == 0
    assert market.guard is not None
    assert market.guard.stop() == 0
    assert [row["event"] for row in map(json.loads, market.guard.tail(1).splitlines())] == ["stopped"]


def test_a_guard_that_cannot_do_its_work_says_so_and_ends(market: GuardedMarket) -> None:
    market.write_config()
    guard = market.start_guard(ready=False)
    assert guard.process.wait(20) == 78
    assert "[guard]" in guard.tail()
    (market.place.credentials / "guard.key").write_text("x" * 64)
    market.write_config(replaced=WIDER)
    guard = market.start_guard(ready=False)
    assert guard.process.wait(20) == 77
    assert "refuses the guard's key" in guard.tail()
    assert "xxxx" not in guard.tail()


def test_a_second_guard_of_one_engine_is_75(market: GuardedMarket) -> None:
    market.write_config(replaced=WIDER)
    market.start_guard()
    second = market.start_guard(ready=False)
    assert second.process.wait(20) == 75


def test_a_kill_without_any_guard_says_so_and_is_the_engines(market: GuardedMarket) -> None:
    market.write_config(strategy="tests.fault.resting_maker:RestingMaker", replaced=WIDER)
    market.start()
    market.wait_active()
    killed = market.ctl("kill")
    assert killed.returncode == 0
    assert "the guard" in killed.stderr
    market.wait_state(TradingState.HALTED, HaltReason.KILL)
