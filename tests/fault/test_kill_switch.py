"""R25: the engine's own kill switch with 504 resting orders and half of the rate budget spent, in each scope.

Asserted is what the engine does: from the journal's stamp of the command to the first and the last cancel's bytes given to the
socket, on the engine's own clock (a cancel's turn by its record, and the stage CANCEL_SENT from there). Every drill counts; what a
machine that does other work takes away is measured beside it, by a thread that only sleeps a millisecond at a time, and added to
the limits. When the venue has cancelled them - a simulation beside the engine on the same cores - is noted, not asserted.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from engine.model.codes import HaltReason, RecordKind, Stage, TradingState
from engine.runtime.counters_reader import CountersReader, Histogram
from tests.fault.guarded import LEVELS, ORDERS, RESTING, WIDER, GuardedMarket

BUDGET = 1_000_000
FIRST_MS_MAX, LAST_MS_MAX = 10.0, 100.0
STAMP_NS = 1_000_000
SCOPES = (("--strategy", "maker-btcusdt"), ("--symbol", "ETHUSDT"), ("--account", "1"))
PULSE_S = 0.001


class Yardstick:
    """The longest that this machine kept a thread waiting that wanted nothing but a millisecond's sleep."""

    def __init__(self) -> None:
        self.stall_ms = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._pulse)

    def __enter__(self) -> Yardstick:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _pulse(self) -> None:
        while not self._ended.is_set():
            began_s = time.monotonic()
            time.sleep(PULSE_S)
            self.stall_ms = max(self.stall_ms, (time.monotonic() - began_s - PULSE_S) * 1e3)


@contextmanager
def quiet_market() -> Iterator[GuardedMarket]:
    """A venue and an engine without a guard, so that every cancel is the engine's."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="tradewind-kill-switch-", dir=memory if memory.is_dir() else None))
    found = GuardedMarket(root)
    try:
        yield found
    finally:
        found.close()
        shutil.rmtree(root, ignore_errors=True)


def cancelled_ms(market: GuardedMarket, sequence: int) -> list[float]:
    """Milliseconds from a command to the venue's stamp of each order cancelled after it, never too few: stamps are cut to ms."""
    (command,) = (row for row in market.ledger_records(RecordKind.COMMAND) if row["seq"] == sequence)
    reports = [row for row in market.ledger_records(RecordKind.EXECUTION_REPORT) if row["seq"] > sequence]
    stamps = [row["payload"]["transact_ns"] for row in reports if row["payload"]["order_state"] == "CANCELED"]
    return sorted((stamp + STAMP_NS - command["wall_ns"]) / 1e6 for stamp in stamps)


def cancel_stage(market: GuardedMarket) -> Histogram:
    """How long after their turn's beginning cancels were given to the socket."""
    return CountersReader(market.place.runtime_dir / "counters").histogram(Stage.CANCEL_SENT)


def left_ms(market: GuardedMarket, sequence: int, sent: Histogram) -> tuple[float, float]:
    """Milliseconds from a command to the first and the last cancel's bytes at the socket, never too few."""
    (command,) = (row for row in market.ledger_records(RecordKind.COMMAND) if row["seq"] == sequence)
    turns = sorted(row["mono_ns"] for row in market.sent_after(sequence) if "ancel" in row["payload"]["bytes"])
    assert len(turns) == sent.count
    first_ns, last_ns = turns[0] + sent.quantile_ns(1e-9), turns[-1] + sent.quantile_ns(1.0)
    return (first_ns - command["mono_ns"]) / 1e6, (last_ns - command["mono_ns"]) / 1e6


def half_is_spent(market: GuardedMarket) -> bool:
    """Does the engine know of half a budget spent. It learns with the next reply; a new minute begins with nothing spent."""
    market.fault("limits", weight_used=BUDGET // 2)
    return market.counters()["rate_weight_used"] >= BUDGET // 2


def rest_count_is(market: GuardedMarket, count: int) -> bool:
    """Are so many orders open at the venue."""
    return market.resting() == count


def commands_above(market: GuardedMarket, count: int) -> bool:
    """Has the disk more commands than that."""
    return len(market.ledger_records(RecordKind.COMMAND)) > count


def all_told(market: GuardedMarket, sequence: int, count: int) -> bool:
    """Is the report of every cancellation on the disk."""
    return len(cancelled_ms(market, sequence)) == count


def kill(market: GuardedMarket, scope: tuple[str, str], left: int, note: Callable[[str, object], None]) -> None:
    """One scope's orders go in time: what the engine took, against its limits and what the machine took."""
    before, commands = cancel_stage(market), len(market.ledger_records(RecordKind.COMMAND))
    with Yardstick() as machine:
        assert market.ctl("kill", *scope, "--reason", "drill").returncode == 0
        market.wait_for(partial(rest_count_is, market, left), f"{left} orders left", 30)
    market.wait_for(partial(commands_above, market, commands), "the command on disk")
    sequence = int(market.ledger_records(RecordKind.COMMAND)[-1]["seq"])
    market.wait_for(partial(all_told, market, sequence, 2 * LEVELS), "the reports on disk")
    sent, done_ms = cancel_stage(market).minus(before), cancelled_ms(market, sequence)
    first_ms, last_ms = left_ms(market, sequence, sent)
    told = f"{sent.count} cancels left {first_ms:.2f} to {last_ms:.2f} ms after it, done {done_ms[0]:.1f} to {done_ms[-1]:.1f} ms"
    note(f"kill_by_{scope[0][2:]}", f"{told}; the machine's longest stall {machine.stall_ms:.1f} ms")
    assert done_ms[0] > -1.0
    assert 0 <= first_ms <= FIRST_MS_MAX + machine.stall_ms
    assert first_ms <= last_ms <= LAST_MS_MAX + machine.stall_ms


@pytest.mark.alone
@pytest.mark.invariant("R25")
@pytest.mark.timeout(240)
def test_500_orders_go_by_strategy_by_symbol_and_by_account_with_half_of_the_budget_spent(
    record_property: Callable[[str, object], None],
) -> None:
    with quiet_market() as market:
        replaced = {key: text for key, text in WIDER.items() if key != "[desk]\n"}
        market.write_config(strategy=RESTING, params={"levels": LEVELS}, replaced=replaced)
        market.start()
        market.wait_active()
        market.wait_for(lambda: market.resting() == ORDERS, "the orders rest", 60)
        market.wait_for(partial(half_is_spent, market), "half of the budget is spent", 30)
        for number, scope in enumerate(SCOPES, start=1):
            kill(market, scope, ORDERS - 2 * LEVELS * number, record_property)
        market.wait_state(TradingState.HALTED, HaltReason.KILL)
        assert market.counters()["orders_sent"] == ORDERS
        restart_killed(market)


def restart_killed(market: GuardedMarket) -> None:
    """Nothing rests afterwards, over a crash and the next start."""
    market.kill()
    engine = market.start()
    market.wait_for(lambda: market.counters().get("pid") == engine.process.pid, "the next run", 30)
    market.wait_for(lambda: market.counters()["reconciled"] == 1, "it has read the account", 30)
    market.wait_state(TradingState.HALTED, HaltReason.KILL)
    assert (market.resting(), market.counters()["orders_sent"]) == (0, 0)
