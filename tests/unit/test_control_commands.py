from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.control.command_kinds import AnyCommand
from engine.control.messages import (
    Accepted,
    AnyRequest,
    Arm,
    Cancel,
    EngineStatus,
    Flatten,
    Kill,
    Order,
    Pause,
    Ping,
    Pong,
    Reconcile,
    RefusalCode,
    Refused,
    Resume,
    Scope,
    ScopeKind,
    Status,
    Stop,
)
from engine.control.server import Caller
from engine.model.codes import CommandKind, Counter, HaltReason, OrderFlag, OrderType, TimeInForce, TradingState
from tests.control_harness import FakeEngine

CALLER = Caller(uid=1000, pid=1)


def ask(engine: FakeEngine, request: AnyRequest) -> Accepted | Refused:
    reply = engine.control(request, CALLER)
    assert isinstance(reply, (Accepted, Refused))
    return reply


def test_every_command_is_submitted_with_its_kind_the_callers_uid_and_the_reason() -> None:
    engine = FakeEngine()
    engine.tables.set_control(trading_state=TradingState.ACTIVE, halt_reason=HaltReason.NONE)
    requests: list[Callable[..., AnyCommand]] = [Pause, Resume, Kill, Arm, Flatten, Cancel, Stop, Reconcile]
    for kind in requests:
        assert isinstance(engine.control.command(kind(reason="drill"), CALLER), Accepted)
    assert [command.kind for command in engine.submitted] == [CommandKind[kind.__name__.upper()] for kind in requests]
    assert {(command.uid, command.reason) for command in engine.submitted} == {(1000, "drill")}


def test_the_reply_carries_the_sequence_and_the_state_after_the_command() -> None:
    engine = FakeEngine()
    engine.tables.set_control(trading_state=TradingState.HALTED, halt_reason=HaltReason.KILL, kill=1)
    reply = ask(engine, Kill())
    assert reply == Accepted(sequence=101, trading_state=0, halt_reason=HaltReason.KILL, kill=True)


@pytest.mark.parametrize(
    ("scope", "kind", "field", "value"),
    [
        (Scope(venue="sim"), ScopeKind.VENUE, "venue_id", 1),
        (Scope(account=1), ScopeKind.ACCOUNT, "account_id", 1),
        (Scope(symbol="btcusdt"), ScopeKind.INSTRUMENT, "instrument_id", 1),
        (Scope(strategy="taker"), ScopeKind.STRATEGY, "strategy_id", 2),
        (Scope(order="07Client1"), ScopeKind.ORDER, "order_handle", (5 << 32) + 1),
        (Scope(order=str((4 << 32) + 9)), ScopeKind.ORDER, "order_handle", (4 << 32) + 9),
        (Scope(), ScopeKind.ALL, "venue_id", 0),
    ],
)
def test_names_become_ids_and_the_narrowest_is_the_scope(scope: Scope, kind: ScopeKind, field: str, value: int) -> None:
    engine = FakeEngine()
    assert isinstance(ask(engine, Cancel(scope=scope)), Accepted)
    assert engine.submitted[0].scope_kind == kind
    assert getattr(engine.submitted[0], field) == value


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Kill(scope=Scope(venue="other")), "there are: sim"),
        (Kill(scope=Scope(symbol="NOPE")), "unknown symbol"),
        (Pause(scope=Scope(strategy="makr")), "there are: maker, taker"),
        (Cancel(scope=Scope(order="12")), "neither"),
        (Cancel(scope=Scope(order="9" * 19)), "neither"),
    ],
)
def test_an_unknown_name_is_refused_and_nothing_is_submitted(request_: AnyRequest, told: str) -> None:
    engine = FakeEngine()
    reply = ask(engine, request_)
    assert isinstance(reply, Refused)
    assert reply.code == RefusalCode.UNKNOWN_NAME
    assert told in reply.text
    assert engine.submitted == []


@pytest.mark.parametrize(
    "request_",
    [
        Pause(scope=Scope(symbol="BTCUSDT")),
        Stop(scope=Scope(symbol="BTCUSDT")),
        Reconcile(scope=Scope(symbol="BTCUSDT")),
        Kill(scope=Scope(order="07Client1")),
        Order(side="buy", qty="1", price="1"),
        Order(side="buy", qty="1", price="1", scope=Scope(symbol="BTCUSDT", strategy="maker")),
    ],
)
def test_a_command_is_never_wider_than_its_scope(request_: AnyRequest) -> None:
    engine = FakeEngine()
    reply = ask(engine, request_)
    assert isinstance(reply, Refused)
    assert reply.code == RefusalCode.BAD_VALUE
    assert engine.submitted == []


def order(**fields: object) -> Order:
    return Order(**{"side": "buy", "qty": "0.5", "price": "30000.01", "scope": Scope(symbol="BTCUSDT"), **fields})  # type: ignore[arg-type]


def test_an_order_becomes_ticks_and_lots_and_gets_a_handle_of_this_epoch() -> None:
    engine = FakeEngine()
    reply = ask(engine, order(side="sell", post_only=True, reduce_only=True, time_in_force="ioc"))
    command = engine.submitted[0]
    assert (command.side, command.qty_lots, command.price_ticks) == (1, 50_000, 3_000_001)
    assert command.flags == OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY
    assert (command.order_type, command.time_in_force) == (OrderType.LIMIT, TimeInForce.IOC)
    assert isinstance(reply, Accepted)
    assert reply.order_handle == command.order_handle == (3 << 32) + 1


def test_a_market_order_has_no_price() -> None:
    engine = FakeEngine()
    assert isinstance(ask(engine, order(order_type="market", price="")), Accepted)
    assert engine.submitted[0].price_ticks == 0
    assert isinstance(ask(engine, order(order_type="market")), Refused)
    assert isinstance(ask(engine, order(order_type="market", price="", post_only=True)), Refused)


@pytest.mark.invariant("R20")
@pytest.mark.parametrize("field", ["qty", "price"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0.0",
        "-1",
        "NaN",
        "inf",
        "1e3",
        "1,5",
        " 1",
        "0.000001",
        "0.1234567890123456789",
        "9" * 19,
        "٣",
        "1" * 40,
    ],
)
def test_a_number_that_is_not_exact_on_the_grid_is_refused(field: str, text: str) -> None:
    engine = FakeEngine()
    reply = ask(engine, order(**{field: text}))
    assert isinstance(reply, Refused)
    assert reply.code == RefusalCode.BAD_VALUE
    assert field.replace("qty", "quantity") in reply.text
    assert engine.submitted == []


def test_a_full_journal_refuses_the_command() -> None:
    engine = FakeEngine()
    engine.has_room = False
    reply = ask(engine, Kill())
    assert isinstance(reply, Refused)
    assert reply.code == RefusalCode.JOURNAL_FULL


def test_ping_and_status_are_answered_from_counters_and_tables() -> None:
    engine = FakeEngine()
    engine.counters.set(Counter.FILLS, 12)
    engine.tables.set_control(reconciled=1, trading_state=TradingState.ACTIVE)
    assert engine.control(Ping(), CALLER) == Pong(engine="test", pid=4242)
    status = engine.control(Status(), CALLER)
    assert isinstance(status, EngineStatus)
    assert (status.fills, status.reconciled, status.trading_state) == (12, True, TradingState.ACTIVE)
    assert (status.engine_id, status.instruments, status.strategies) == (7, 1, 2)
    assert engine.submitted == []


@pytest.mark.parametrize(
    "scope",
    [
        Scope(symbol="btcusdt", strategy="taker"),
        Scope(symbol="btcusdt", account=1),
        Scope(strategy="taker", venue="sim"),
        Scope(account=7),
    ],
)
def test_a_scope_that_could_be_carried_out_wider_than_asked_is_refused(scope: Scope) -> None:
    engine = FakeEngine()
    assert isinstance(ask(engine, Kill(scope=scope)), Refused)
    assert engine.submitted == []


def test_flatten_of_a_strategy_or_of_a_halted_engine_is_refused_and_says_why() -> None:
    engine = FakeEngine()
    engine.tables.set_control(trading_state=TradingState.HALTED, halt_reason=HaltReason.MISMATCH)
    halted = ask(engine, Flatten())
    engine.tables.set_control(trading_state=TradingState.ACTIVE, halt_reason=HaltReason.NONE)
    strategy = ask(engine, Flatten(scope=Scope(strategy="taker")))
    assert isinstance(halted, Refused)
    assert "HALTED" in halted.text
    assert isinstance(strategy, Refused)
    assert "account's" in strategy.text
    assert engine.submitted == []


@pytest.mark.parametrize("halt", [HaltReason.KILL, HaltReason.RISK, HaltReason.CRASH_LOOP])
def test_flatten_is_taken_under_a_halt_that_leaves_the_position_certain(halt: HaltReason) -> None:
    engine = FakeEngine()
    engine.tables.set_control(trading_state=TradingState.HALTED, halt_reason=halt)
    assert isinstance(ask(engine, Flatten()), Accepted)
    assert [command.kind for command in engine.submitted] == [CommandKind.FLATTEN]
