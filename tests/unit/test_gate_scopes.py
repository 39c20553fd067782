"""The state of a scope decides what may pass, and its limits on loss are kept to the unit."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import CommandKind, LimitScope, OrderFlag, OrderType, Reason, TradingState
from engine.risk.rehearsal import offer_intent, set_exposure, set_strategy
from tests.gate_harness import BUY, NAMES, SCOPES, SELL, everything_native, refusing_scope, valued, verdict
from tests.orders_harness import SECOND_NS, Rig


@pytest.fixture
def rig() -> Rig:
    return valued(Rig())


every_scope = pytest.mark.parametrize(("scope", "number"), SCOPES, ids=NAMES)


@every_scope
def test_a_halted_scope_refuses_with_its_reason_also_what_reduces(rig: Rig, scope: LimitScope, number: int) -> None:
    set_exposure(rig.tables, 1, position_lots=20)
    rig.tables.set_scope(scope, number, trading_state=int(TradingState.HALTED), reason=int(Reason.VENUE_UNHEALTHY))
    assert verdict(rig) is Reason.VENUE_UNHEALTHY
    assert refusing_scope(rig) is scope
    assert verdict(rig, side=SELL) is Reason.VENUE_UNHEALTHY
    rig.tables.set_scope(scope, number, reason=0)
    assert verdict(rig) is Reason.HALTED
    rig.tables.set_scope(scope, number, trading_state=int(TradingState.ACTIVE))
    assert verdict(rig) is Reason.NONE


@every_scope
def test_a_reducing_scope_lets_pass_what_closes_and_not_one_lot_more(rig: Rig, scope: LimitScope, number: int) -> None:
    set_exposure(rig.tables, 1, position_lots=20)
    rig.tables.set_scope(scope, number, trading_state=int(TradingState.REDUCING), reason=int(Reason.RISK_MODE))
    assert verdict(rig) is Reason.RISK_MODE
    assert refusing_scope(rig) is scope
    assert verdict(rig, side=SELL, qty_lots=21) is Reason.RISK_MODE
    assert verdict(rig, side=SELL, qty_lots=19) is Reason.NONE
    assert verdict(rig, side=SELL, qty_lots=6) is Reason.RISK_MODE, "what works counts"


@pytest.mark.parametrize(
    ("reason", "measured", "limits", "numbers"),
    [
        (Reason.DAILY_LOSS, {"day_pnl_e8": -120}, {"max_daily_loss_e8": 100}, (-120, -100)),
        (Reason.DAILY_LOSS, {"day_pnl_e8": -80}, {"max_daily_loss_e8": 100}, (-80, -100)),
        (Reason.DRAWDOWN, {"drawdown_e8": 120}, {"max_drawdown_e8": 100}, (120, 100)),
        (Reason.DRAWDOWN, {"drawdown_bps": 12}, {"max_drawdown_bps": 10}, (12, 10)),
    ],
)
def test_what_a_loss_holds_at_reducing_is_refused_by_the_loss_and_its_numbers(
    rig: Rig, reason: Reason, measured: dict[str, int], limits: dict[str, int], numbers: tuple[int, int]
) -> None:
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, **limits)
    state = {"trading_state": int(TradingState.REDUCING), "reason": int(reason)}
    rig.tables.set_scope(LimitScope.ENGINE, 0, **state, **measured)
    rig.tables.set_control(trading_state=int(TradingState.REDUCING))
    assert verdict(rig) is reason
    assert refusing_scope(rig) is LimitScope.ENGINE
    told = rig.verdict()
    assert (told["value"], told["limit_value"]) == numbers


def test_another_accounts_or_strategys_state_is_no_matter(rig: Rig) -> None:
    for scope, number in (
        (LimitScope.ACCOUNT, 2),
        (LimitScope.VENUE, 2),
        (LimitScope.STRATEGY, 2),
        (LimitScope.INSTRUMENT, 2),
    ):
        rig.tables.set_scope(scope, number, trading_state=int(TradingState.HALTED))
    assert verdict(rig) is Reason.NONE
    assert verdict(rig, strategy_id=2) is Reason.HALTED
    assert verdict(rig, instrument_id=2) is Reason.HALTED


LOSSES = [
    ("max_daily_loss_e8", "day_pnl_e8", -1, Reason.DAILY_LOSS),
    ("max_drawdown_e8", "drawdown_e8", 1, Reason.DRAWDOWN),
    ("max_drawdown_bps", "drawdown_bps", 1, Reason.DRAWDOWN),
]


@every_scope
@pytest.mark.parametrize(("field", "measure", "sign", "reason"), LOSSES, ids=[row[0] for row in LOSSES])
def test_a_loss_passes_at_the_limit_and_refuses_one_unit_beyond(
    rig: Rig, scope: LimitScope, number: int, field: str, measure: str, sign: int, reason: Reason
) -> None:
    set_exposure(rig.tables, 1, position_lots=20)
    rig.tables.set_limit_row(scope, number, **{field: 500})
    for loss, expected in ((499, Reason.NONE), (500, Reason.NONE), (501, reason)):
        rig.tables.set_scope(scope, number, **{measure: sign * loss})
        assert verdict(rig, qty_lots=5) is expected
    assert refusing_scope(rig) is scope
    assert verdict(rig, side=SELL) is Reason.NONE, "who has lost too much may still get out"


WAITS = [("cooldown_until_mono_ns", Reason.LOSS_STREAK), ("pause_until_mono_ns", Reason.PRICE_MOVE)]


@every_scope
@pytest.mark.parametrize(("field", "reason"), WAITS, ids=[row[0] for row in WAITS])
def test_a_wait_ends_on_its_nanosecond(rig: Rig, scope: LimitScope, number: int, field: str, reason: Reason) -> None:
    set_exposure(rig.tables, 1, position_lots=20)
    until_ns = rig.clock.monotonic_ns() + 1000
    rig.tables.set_scope(scope, number, **{field: until_ns})
    rig.tick(999)
    assert verdict(rig) is reason
    assert refusing_scope(rig) is scope
    assert verdict(rig, side=SELL) is Reason.NONE
    rig.tick(1)
    assert verdict(rig) is Reason.NONE


# --- repeated executions ---


def fills(rig: Rig, count: int, **intent: Any) -> None:
    for _ in range(count):
        handle = rig.intend(**({"qty_lots": 5} | intent))
        rig.trade(handle, 5, 5, row=intent.get("instrument_id", 1))


def limit_executions(rig: Rig, scope: LimitScope, number: int, most: int) -> None:
    rig.tables.set_limit_row(scope, number, max_executions=most, executions_window_ns=SECOND_NS)


@pytest.mark.invariant("R22")
@every_scope
@pytest.mark.parametrize("most", [1, 2, 5])
def test_after_so_many_executions_not_one_order_more_leaves_until_armed(
    rig: Rig, scope: LimitScope, number: int, most: int
) -> None:
    limit_executions(rig, scope, number, most)
    fills(rig, most - 1)
    assert verdict(rig, qty_lots=5) is Reason.NONE
    fills(rig, 1, side=SELL)
    rig.sent()
    for side in (BUY, SELL):
        assert verdict(rig, side=side, qty_lots=5) is Reason.REPEATED_EXECUTION
    assert refusing_scope(rig) is scope
    rig.tick(10 * SECOND_NS)
    rig.set_market()
    assert verdict(rig, qty_lots=5) is Reason.REPEATED_EXECUTION, "time alone does not arm it"
    assert not [action for action, _ in rig.sent() if action == 0], "order N + 1 never leaves"


def test_executions_count_within_their_window_only(rig: Rig) -> None:
    limit_executions(rig, LimitScope.STRATEGY, 1, 3)
    fills(rig, 2)
    rig.tick(SECOND_NS)
    fills(rig, 2)  # the third of them finds the first a whole window old
    assert verdict(rig, qty_lots=5) is Reason.NONE
    rig.tick(SECOND_NS - 1)
    fills(rig, 1)
    assert verdict(rig, qty_lots=5) is Reason.REPEATED_EXECUTION


def test_an_operator_may_close_what_a_tripped_strategy_holds_and_arm_it(rig: Rig) -> None:
    limit_executions(rig, LimitScope.STRATEGY, 1, 1)
    limit_executions(rig, LimitScope.INSTRUMENT, 1, 2)
    fills(rig, 2, strategy_id=2)
    assert verdict(rig, strategy_id=0, qty_lots=5) is Reason.REPEATED_EXECUTION
    assert verdict(rig, strategy_id=0, side=SELL, qty_lots=5) is Reason.NONE
    assert verdict(rig, strategy_id=2, instrument_id=2, qty_lots=5) is Reason.NONE
    rig.command(CommandKind.ARM, instrument_id=1)
    rig.go_active()
    assert verdict(rig, strategy_id=2, qty_lots=5) is Reason.NONE
    fills(rig, 1)
    assert verdict(rig, qty_lots=5) is Reason.REPEATED_EXECUTION
    rig.command(CommandKind.ARM, strategy_id=1)
    assert verdict(rig, qty_lots=5) is Reason.NONE


# --- children of the execution stage ---


def child(rig: Rig, **fields: Any) -> Reason:
    handle = rig.next_handle()
    terms = {"side": SELL, "price_ticks": 10_000, "qty_lots": 10, "instrument_id": 1} | fields
    offer_intent(rig.journal, rig.gate_children, order_handle=handle, **terms)
    rig.pipeline.run_to_completion()
    return Reason(rig.verdict()["reason"])


@pytest.mark.invariant("R24")
def test_a_childs_order_meets_every_check_and_its_refusal_goes_to_the_execution_stage(rig: Rig) -> None:
    assert child(rig, side=BUY) is Reason.NONE
    assert child(rig, side=BUY, qty_lots=0) is Reason.QTY_NOT_POSITIVE
    assert [item["data"] for item in rig.drain("child_refusals")] == [Reason.QTY_NOT_POSITIVE]
    assert rig.drain("refusals") == []
    rig.tables.set_control(kill=1)
    assert child(rig, side=BUY) is Reason.HALTED


def test_a_futures_fired_stop_counts_against_the_position_alone(rig: Rig) -> None:
    """Take-profits and quotes rest for all of it: the venue cuts what takes at the market, so it may leave beside them."""
    everything_native(rig, kind=1)
    flags, market = int(OrderFlag.REDUCE_ONLY), {"order_type": int(OrderType.MARKET), "price_ticks": 0}
    set_exposure(rig.tables, 1, position_lots=50, working_sell_lots=50)
    assert child(rig, qty_lots=51, flags=flags, **market) is Reason.REDUCING_ONLY
    assert child(rig, qty_lots=5, flags=flags) is Reason.REDUCING_ONLY, "a limit order would rest beside them"
    assert verdict(rig, side=SELL, qty_lots=50, flags=flags, **market) is Reason.REDUCING_ONLY, "nobody's stop"
    assert child(rig, qty_lots=50, flags=flags, **market) is Reason.NONE


def test_on_spot_a_fired_stop_counts_beside_all_that_works(rig: Rig) -> None:
    flags, market = int(OrderFlag.REDUCE_ONLY), {"order_type": int(OrderType.MARKET), "price_ticks": 0}
    set_exposure(rig.tables, 1, position_lots=50, working_sell_lots=30)
    assert child(rig, qty_lots=21, flags=flags, **market) is Reason.REDUCING_ONLY
    assert child(rig, qty_lots=20, flags=flags, **market) is Reason.NONE


def test_what_protects_a_position_outlives_its_strategys_leave_but_not_a_kill(rig: Rig) -> None:
    set_exposure(rig.tables, 1, position_lots=50)
    flags = int(OrderFlag.REDUCE_ONLY)
    limit_executions(rig, LimitScope.STRATEGY, 1, 1)
    fills(rig, 1)
    assert child(rig) is Reason.NONE, "a tripped throttle lets the stage reduce"
    assert child(rig, side=BUY) is Reason.REPEATED_EXECUTION
    set_strategy(rig.tables, 1, enabled=False)
    assert child(rig) is Reason.STRATEGY_DISABLED
    assert child(rig, flags=flags) is Reason.NONE
    set_strategy(rig.tables, 1, paused=True)
    assert child(rig, flags=flags) is Reason.NONE
    assert child(rig, flags=flags, qty_lots=100) is Reason.REPEATED_EXECUTION
    rig.command(CommandKind.KILL, strategy_id=1)
    assert child(rig, flags=flags) is Reason.STRATEGY_DISABLED
