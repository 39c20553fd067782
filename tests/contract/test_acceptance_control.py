"""Operating the real daemon: stop, SIGTERM, kill and arm, pause, cancel, flatten, orders by hand; JSON and exit codes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.control.client import ControlClient
from engine.control.messages import Accepted, Kill
from engine.demo import report
from engine.journal import decode
from engine.journal.verify import verify
from engine.model.codes import HaltReason, Lane, RecordKind, TradingState
from tests.fault.market import Market

RESTING = "tests.fault.resting_maker:RestingMaker"
KILL_S_MAX = 1.0


@pytest.fixture
def market() -> Iterator[Market]:
    """A venue and a configuration; the daemon is the test's to start."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-control-"))
    found = Market(root, ("BTCUSDT", "ETHUSDT"))
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def start_resting(market: Market, levels: int = 2) -> int:
    """A daemon with `2 * levels` orders on each symbol at the venue; how many that is."""
    market.write_config(strategy=RESTING, params={"levels": levels})
    market.start()
    market.wait_active()
    count = 2 * levels * len(market.symbols)
    market.wait_for(lambda: len(market.witness.open_orders()) == count, f"{count} orders at the venue")
    return count


def answer(market: Market, *words: str, code: int = 0) -> dict[str, Any]:
    """A command's JSON; its exit code is checked."""
    done = market.ctl(*words)
    assert done.returncode == code, (done.stdout, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refusal(market: Market, *words: str, code: int) -> str:
    """What a refused command says: one line on stderr, nothing on stdout."""
    done = market.ctl(*words)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.startswith("tradewind: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def seconds_to_last_cancel(market: Market, sequence: int) -> float:
    """From the command to the bytes of the last cancel, by the journal's stamps: a busy machine's polling does not count."""

    def cancels() -> list[int]:
        rows = market.ledger_records(RecordKind.ORDER_BYTES)
        return [r["mono_ns"] for r in rows if r["seq"] > sequence and "ancel" in r["payload"]["bytes"]]

    market.wait_for(lambda: cancels() != [], "the cancels in the journal on disk")
    [began_ns] = [r["mono_ns"] for r in market.ledger_records(RecordKind.COMMAND) if r["seq"] == sequence]
    return float((max(cancels()) - began_ns) / 1e9)


def wait_none_open(market: Market, timeout_s: float = 15.0) -> float:
    """Until the venue has no open order of ours; seconds it took."""
    return market.wait_for(lambda: market.witness.open_orders() == [], "no open order at the venue", timeout_s)


def submits_after(market: Market, sequence: int) -> list[int]:
    """Sequences of the bytes after `sequence` that could open something at the venue."""
    return [
        row["seq"]
        for row in market.ledger_records(RecordKind.ORDER_BYTES)
        if row["seq"] > sequence and re.search(r'"order\.(place|cancelReplace)"', row["payload"]["bytes"])
    ]


def last_command(market: Market, kind: str) -> int:
    """Sequence of the last command of this kind."""
    return int(
        [r["seq"] for r in market.ledger_records(RecordKind.COMMAND) if r["payload"]["command_kind"] == kind][-1]
    )


def assert_stopped_in_order(market: Market) -> None:
    """Nothing open, nothing sent after the command, the ledger's last record is STOP, all of it is whole."""
    assert market.witness.open_orders() == []
    assert submits_after(market, last_command(market, "STOP")) == []
    records = list(market.reader().records(Lane.LEDGER))
    assert records[-1].kind == RecordKind.STOP
    assert verify(market.place.data_dir).is_whole


@pytest.mark.parametrize("by", ["signal", "command"])
def test_a_stop_cancels_all_verifies_at_the_venue_and_ends_with_0(market: Market, by: str) -> None:
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["orders_acked"] > 10, "orders")
    assert market.engine is not None
    if by == "signal":
        market.engine.process.send_signal(signal.SIGTERM)
    else:
        assert answer(market, "stop", "--reason", "test")["action"] == "stop"
    assert market.wait_dead(30) == 0
    assert market.tail().splitlines()[-1] == "tradewind: stopped"
    assert_stopped_in_order(market)
    state = market.ledger()
    trades = {symbol: market.witness.trades(symbol) for symbol in market.symbols}
    assert report.engine_positions(state, market.symbols) == report.venue_positions(trades)
    assert report.same_balances(report.engine_balances(state), market.witness.balances())
    assert state.open_orders() == []


@pytest.mark.invariant("R25")
def test_a_kill_takes_every_resting_order_away_within_a_second_and_holds_over_a_restart_until_arm(
    market: Market,
) -> None:
    count = start_resting(market, levels=4)
    assert count == 16
    with ControlClient(str(market.place.runtime_dir / "control.sock")) as control:
        reply = control.request(Kill(reason="test"))
    wait_none_open(market)
    assert isinstance(reply, Accepted)
    assert reply.kill
    assert seconds_to_last_cancel(market, reply.sequence) <= KILL_S_MAX
    market.wait_state(TradingState.HALTED, HaltReason.KILL)
    assert refused_by_hand(market) == "HALTED"
    time.sleep(0.5)
    assert market.witness.open_orders() == []

    market.kill()
    market.start()
    market.wait_state(TradingState.HALTED, HaltReason.KILL)
    market.wait_for(lambda: market.counters()["reconciled"] == 1, "reconciled")
    status = answer(market, "status")
    assert (status["trading_state"], status["halt_reason"], status["kill"]) == ("HALTED", "KILL", True)
    assert answer(market, "resume")["trading_state"] == "HALTED"
    time.sleep(0.5)
    assert market.witness.open_orders() == []
    assert submits_after(market, reply.sequence) == []

    assert answer(market, "arm", "--reason", "test")["action"] == "arm"
    market.wait_active()
    market.wait_for(lambda: len(market.witness.open_orders()) == count, "orders again")


def refused_by_hand(market: Market) -> str:
    """The gate's reason for refusing a harmless order by hand."""
    price = f"{market.witness.mid('BTCUSDT') * Decimal('0.99'):.2f}"
    found = answer(market, "order", "buy", "BTCUSDT", "0.001", "--price", price, code=1)
    assert found["approved"] is False
    return str(found["reason"])


def test_the_command_line_kills_with_0_and_is_in_the_journal_with_uid_and_reason(market: Market) -> None:
    start_resting(market)
    found = answer(market, "kill", "--reason", "drill 7")
    assert (found["action"], found["trading_state"], found["halt_reason"]) == ("kill", "HALTED", "KILL")
    wait_none_open(market)
    assert seconds_to_last_cancel(market, found["sequence"]) <= KILL_S_MAX
    market.wait_for(lambda: "drill 7" in market.ctl("events", "--last", "200").stdout, "the journal on disk has it")
    [row] = [r for r in market.ledger_records(RecordKind.COMMAND) if r["payload"]["command_kind"] == "KILL"]
    assert row["seq"] == found["sequence"]
    assert "drill 7" in json.dumps(row)


@pytest.mark.invariant("R25")
def test_a_kill_of_one_strategy_leaves_the_other_alone(market: Market) -> None:
    count = start_resting(market)
    answer(market, "kill", "--strategy", "maker-btcusdt")
    market.wait_for(lambda: len(market.witness.open_orders()) == count // 2, "the other's orders stay")
    time.sleep(0.5)
    assert {row["symbol"] for row in market.witness.open_orders()} == {"ETHUSDT"}
    assert len(market.witness.open_orders()) == count // 2
    assert answer(market, "status")["trading_state"] == "ACTIVE"
    answer(market, "arm", "--strategy", "maker-btcusdt")
    market.wait_for(lambda: len(market.witness.open_orders()) == count, "its orders come back")


def test_pause_cancels_its_orders_and_lets_nothing_new_leave_until_resume(market: Market) -> None:
    count = start_resting(market)
    paused = answer(market, "pause", "--strategy", "maker-btcusdt")
    rows = {row["strategy"]: row["state"] for row in answer(market, "strategies")["strategies"]}
    assert rows == {"maker-btcusdt": "paused", "maker-ethusdt": "running"}
    market.wait_for(lambda: len(market.witness.open_orders()) == count // 2, "its orders are cancelled")
    time.sleep(0.5)
    assert {row["symbol"] for row in market.witness.open_orders()} == {"ETHUSDT"}
    assert submits_after(market, paused["sequence"]) == []
    answer(market, "resume", "--strategy", "maker-btcusdt")
    market.wait_for(lambda: len(market.witness.open_orders()) == count, "its orders come back")


def test_an_order_by_hand_passes_the_gate_rests_and_is_cancelled_by_its_id(market: Market) -> None:
    start_resting(market)
    answer(market, "pause")
    before = {row["clientOrderId"] for row in market.witness.open_orders()}
    price = f"{market.witness.mid('BTCUSDT') * Decimal('0.99'):.2f}"
    found = answer(market, "order", "buy", "BTCUSDT", "0.002", "--price", price, "--post-only")
    assert found["approved"] is True
    market.wait_for(lambda: len(market.witness.open_orders()) == len(before) + 1, "the order at the venue")
    [row] = [row for row in market.witness.open_orders() if row["clientOrderId"] not in before]
    assert (Decimal(row["price"]), Decimal(row["origQty"]), row["side"]) == (Decimal(price), Decimal("0.002"), "BUY")
    assert row["type"] == "LIMIT_MAKER"
    answer(market, "cancel", "--order", row["clientOrderId"])
    market.wait_for(lambda: {r["clientOrderId"] for r in market.witness.open_orders()} == before, "only it is gone")


def test_orders_by_hand_that_may_not_pass_are_1_with_the_reason_and_never_reach_the_venue(market: Market) -> None:
    start_resting(market)
    sent = market.fault("status")["orders"]
    mid = market.witness.mid("BTCUSDT")
    near, far = f"{mid:.2f}", f"{mid / 2:.2f}"
    verdicts = {
        "QTY_ABOVE_MAX": ("order", "buy", "BTCUSDT", "0.02", "--price", near),
        "PRICE_COLLAR": ("order", "buy", "BTCUSDT", "0.01", "--price", far),
    }
    for reason, words in verdicts.items():
        found = answer(market, *words, code=1)
        assert (found["approved"], found["reason"]) == (False, reason)
    assert "multiple of" in refusal(market, "order", "buy", "BTCUSDT", "0.0000001", "--price", near, code=1)
    assert "unknown symbol" in refusal(market, "order", "buy", "XXXUSDT", "1", "--price", near, code=1)
    assert "unknown strategy" in refusal(market, "pause", "--strategy", "nobody", code=1)
    assert market.fault("status")["orders"] == sent


def test_flatten_closes_the_position_through_the_gate(market: Market) -> None:
    start_resting(market)
    answer(market, "pause")
    assert answer(market, "order", "buy", "BTCUSDT", "0.005")["approved"] is True

    def held() -> Decimal:
        [row] = [r for r in answer(market, "positions")["positions"] if r["symbol"] == "BTCUSDT"] or [{"position": "0"}]
        return Decimal(row["position"])

    market.wait_for(lambda: held() == Decimal("0.005"), "the position")
    flat = answer(market, "flatten", "--symbol", "BTCUSDT", "--reason", "test")
    market.wait_for(lambda: held() == 0, "flat")
    trades = {symbol: market.witness.trades(symbol) for symbol in market.symbols}
    assert report.venue_positions(trades)["BTCUSDT"] == 0
    [sent] = submits_after(market, flat["sequence"])
    verdicts = [decode.as_dict(r) for r in market.reader().records(Lane.LEDGER) if r.kind == RecordKind.VERDICT]
    assert [v for v in verdicts if flat["sequence"] < v["seq"] < sent and v["payload"]["approved"]]


def test_an_engine_that_is_gone_is_69(market: Market) -> None:
    assert "tradewind: " in refusal(market, "status", code=69)
    assert "tradewind: " in refusal(market, "kill", code=69)
