"""The risk monitor: profit by scope, drawdown, days, streaks, price moves, modes, breakers; what it writes and finds again."""

from __future__ import annotations

import msgspec
import pytest

from engine.model.codes import (
    BreakerState,
    CommandKind,
    OrderState,
    Reason,
    RecordKind,
    RiskLatch,
    RiskMode,
    Side,
    TradingState,
)
from engine.model.instruments import INT64_MAX
from engine.model.limits import LimitChange, LimitRefusedError
from engine.risk.settings import ModeTerms, RiskSettings
from tests.control_harness import BTCUSDT
from tests.ledger_harness import body
from tests.monitor_harness import BTC, E8, ENGINE, MAKER, SETTINGS, VENUE, MonitorRig, S

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def rig() -> MonitorRig:
    """A market at 30 000, measured once."""
    found = MonitorRig()
    found.price(30_000)
    found.tick()
    return found


def alarms(rig: MonitorRig) -> list[str]:
    return [row["state"] for row in rig.told(RecordKind.ALARM)]


def test_profit_is_counted_in_every_scope_of_a_fill(rig: MonitorRig) -> None:
    """Bought 0.5 at 30 000 with a fee of 7.5; at 30 100 that is 50 - 7.5."""
    rig.fill(BUY, 0.5, 30_000, commission_e8=750_000_000, commission_asset_id=rig.tables.asset_id("USDT"))
    rig.price(30_100)
    for scope in (ENGINE, BTC, MAKER, VENUE):
        assert rig.scope(scope)["day_pnl_e8"] == 4_250_000_000, scope
    rig.price(30_000)
    assert rig.scope(ENGINE)["day_pnl_e8"] == -750_000_000
    assert rig.scope(ENGINE)["drawdown_e8"] == 50 * E8


def test_fees_in_a_third_asset_are_valued_at_its_rate(rig: MonitorRig) -> None:
    bnb = rig.tables.asset_id("BNB")
    rig.tables.set_rate(bnb, 600 * E8)
    rig.fill(BUY, 0.5, 30_000, commission_e8=E8 // 100, commission_asset_id=bnb)
    assert rig.scope(ENGINE)["day_pnl_e8"] == -6 * E8
    rig.tables.set_rate(bnb, 500 * E8)
    rig.tick(1)
    assert rig.scope(ENGINE)["day_pnl_e8"] == -5 * E8


def test_funding_is_one_loss_however_often_stream_and_list_tell_of_it(rig: MonitorRig) -> None:
    def funding(is_answer: int) -> None:
        usdt = rig.tables.asset_id("USDT")
        told = body(
            RecordKind.FUNDING_PAYMENT,
            amount_e8=-E8,
            event_ns=8 * 3600 * S,
            asset_id=usdt,
            is_answer=is_answer,
            payments=is_answer,
        )
        rig.push("to_risk", RecordKind.FUNDING_PAYMENT, told)
        rig.tick(1)

    for is_answer in (1, 0, 1, 1):
        funding(is_answer)
        assert rig.scope(ENGINE)["day_pnl_e8"] == -E8
    funding(0)
    assert rig.scope(ENGINE)["day_pnl_e8"] == -2 * E8, "told twice, it was paid twice"


def test_funding_of_an_inverse_contract_is_profit_in_its_coin() -> None:
    """A thousandth of a bitcoin paid, at 40,000: 40; told again with its contract it is the same payment."""
    terms = {"settle_asset": "BTC", "kind": 1, "inverse": True, "multiplier_e8": 100 * E8, "lot_size_e8": E8}
    rig = MonitorRig(spec=msgspec.structs.replace(BTCUSDT, **terms))
    coin = rig.tables.asset_id("BTC")
    rig.tables.set_rate(coin, 40_000 * E8)
    rig.price(40_000)
    rig.tick()
    told = {"amount_e8": -100_000, "asset_id": coin, "event_ns": 3_600 * S}
    rig.push("to_risk", RecordKind.FUNDING_PAYMENT, body(RecordKind.FUNDING_PAYMENT, **told))
    rig.tick(1)
    for scope in (ENGINE, VENUE, BTC):
        assert rig.scope(scope)["day_pnl_e8"] == -40 * E8
    rig.push("to_risk", RecordKind.FUNDING_PAYMENT, body(RecordKind.FUNDING_PAYMENT, **told, payments=1, is_answer=1))
    rig.tick(1)
    assert rig.scope(ENGINE)["day_pnl_e8"] == -40 * E8


def test_another_strategys_trades_are_its_own(rig: MonitorRig) -> None:
    rig.fill(BUY, 1, 30_000, strategy=1)
    rig.fill(SELL, 1, 30_000, strategy=2)
    rig.price(30_010)
    assert rig.scope(MAKER)["day_pnl_e8"] == 10 * E8
    assert rig.tables.scope(MAKER[0], 2)["day_pnl_e8"] == -10 * E8
    assert rig.scope(ENGINE)["day_pnl_e8"] == 0


def test_a_days_loss_above_its_limit_reduces_until_the_next_day(rig: MonitorRig) -> None:
    rig.change(ENGINE, max_daily_loss=100 * E8, max_drawdown=10_000 * E8)
    rig.fill(BUY, 1, 30_000)
    rig.price(29_900)
    assert rig.scope(ENGINE)["trading_state"] == TradingState.ACTIVE  # 100 is not above 100
    rig.price(29_899.99)
    state = rig.scope(ENGINE)
    assert (state["trading_state"], state["reason"]) == (TradingState.REDUCING, Reason.DAILY_LOSS)
    rig.price(30_000)
    assert rig.scope(ENGINE)["trading_state"] == TradingState.REDUCING
    rig.tick(86_400)
    assert rig.scope(ENGINE)["trading_state"] == TradingState.ACTIVE
    assert rig.scope(ENGINE)["day_pnl_e8"] == 0
    assert "LIMIT_BREACHED" in alarms(rig)


def test_a_day_begins_at_the_configured_time() -> None:
    """The clock stands at 2023-11-14 22:13:20: a day that begins at 22:30 begins in 1000 s."""
    rig = MonitorRig(RiskSettings(day_offset_ns=(22 * 60 + 30) * 60 * S))
    rig.price(30_000)
    rig.tick()
    rig.fill(BUY, 1, 30_000)
    rig.price(29_990)
    rig.tick(999)
    assert rig.scope(ENGINE)["day_pnl_e8"] == -10 * E8
    rig.tick(2)
    assert rig.scope(ENGINE)["day_pnl_e8"] == 0


def test_a_drawdown_holds_until_armed_and_counts_from_there(rig: MonitorRig) -> None:
    rig.change(MAKER, max_drawdown=50 * E8)
    rig.fill(BUY, 1, 30_000)
    rig.price(30_020)
    rig.price(29_969)
    state = rig.scope(MAKER)
    assert (state["drawdown_e8"], state["trading_state"], state["reason"]) == (
        51 * E8,
        TradingState.REDUCING,
        Reason.DRAWDOWN,
    )
    assert rig.scope(ENGINE)["trading_state"] == TradingState.ACTIVE
    rig.price(30_020)
    assert rig.scope(MAKER)["trading_state"] == TradingState.REDUCING
    rig.price(29_969)
    rig.command(CommandKind.ARM, strategy_id=1)
    assert rig.scope(MAKER)["trading_state"] == TradingState.ACTIVE
    assert rig.scope(MAKER)["drawdown_e8"] == 0


def test_drawdown_in_basis_points_is_of_the_equity_at_the_peak(rig: MonitorRig) -> None:
    """10 000 USDT; up 100, then down 303: 303 of 10 100 is 300 bp exactly, and one cent more is above it."""
    rig.tables.set_balance(rig.tables.asset_id("USDT"), 10_000 * E8, 0)
    rig.tick(1)
    rig.fill(BUY, 1, 30_000)
    rig.price(30_100)
    rig.price(29_797)
    assert rig.scope(ENGINE)["drawdown_bps"] == 300
    rig.price(29_796.99)
    assert rig.scope(ENGINE)["drawdown_bps"] == 301
    assert rig.scope(ENGINE)["equity_e8"] == 979_699_000_000


def test_an_account_that_was_read_is_valued_at_the_next_tick_and_not_a_second_later(rig: MonitorRig) -> None:
    rig.tick(0.05)
    assert not rig.tables.line_state(1)["is_valued"]
    rig.tables.set_balance(rig.tables.asset_id("USDT"), 10_000 * E8, 0)
    rig.tables.set_control(1, reconciled=1)
    rig.tick(0.05)
    assert rig.tables.line_state(1)["is_valued"]
    assert rig.scope(ENGINE)["equity_e8"] == rig.scope(VENUE)["equity_e8"] == 10_000 * E8


def test_losses_in_a_row_begin_a_cooldown_and_a_win_ends_the_row(rig: MonitorRig) -> None:
    rig.change(MAKER, max_loss_streak=2, loss_cooldown_ms=60_000)
    for price in (29_999, 30_001, 29_999):
        rig.fill(BUY, 1, 30_000)
        rig.fill(SELL, 1, price)
    assert rig.scope(MAKER)["loss_streak"] == 1
    assert rig.scope(MAKER)["cooldown_until_mono_ns"] == 0
    rig.fill(BUY, 1, 30_000)
    rig.fill(SELL, 1, 29_999)
    assert rig.scope(MAKER)["loss_streak"] == 2
    assert rig.scope(MAKER)["cooldown_until_mono_ns"] == rig.journal.now_ns[1] + 60 * S
    rig.command(CommandKind.ARM, strategy_id=1)
    assert (rig.scope(MAKER)["loss_streak"], rig.scope(MAKER)["cooldown_until_mono_ns"]) == (0, 0)


def test_a_cooldown_without_a_time_lasts_until_armed(rig: MonitorRig) -> None:
    rig.change(ENGINE, max_loss_streak=1)
    rig.fill(BUY, 1, 30_000)
    rig.fill(SELL, 1, 29_999)
    assert rig.scope(ENGINE)["cooldown_until_mono_ns"] == INT64_MAX


def test_a_price_that_moves_too_far_within_its_window_pauses_the_instrument(rig: MonitorRig) -> None:
    rig.change(BTC, max_price_move_bps=100, price_move_window_ms=60_000, price_move_pause_ms=5_000)
    rig.price(30_000)
    rig.tick(10)
    rig.price(30_300)
    assert rig.scope(BTC)["pause_until_mono_ns"] == 0  # 100 bp is not above 100
    rig.price(30_300.01)
    assert rig.scope(BTC)["pause_until_mono_ns"] == rig.journal.now_ns[1] + 5 * S
    rig.tick(5)
    rig.price(30_310)
    assert rig.scope(BTC)["price_move_bps"] == 4  # measured anew from where it stopped
    assert alarms(rig) == ["LIMIT_BREACHED"]


def test_modes_scale_the_limits_reduce_and_halt_by_the_drawdown(rig: MonitorRig) -> None:
    rig.change(BTC, max_order_qty=E8, max_position_notional=1000 * E8, max_open_orders=10)
    rig.fill(BUY, 1, 30_000)
    expected = [
        (29_900.01, RiskMode.NORMAL, TradingState.ACTIVE, 100_000, 1000),
        (29_900, RiskMode.ELEVATED, TradingState.ACTIVE, 50_000, 500),
        (29_800, RiskMode.HIGH, TradingState.REDUCING, 25_000, 250),
        (29_700, RiskMode.CRITICAL, TradingState.HALTED, 10_000, 100),
    ]
    for price, mode, state, lots, notional in expected:
        rig.price(price)
        found, limits = rig.scope(ENGINE), rig.tables.limit_row(*BTC)
        assert (found["risk_mode"], found["trading_state"]) == (mode, state)
        assert (limits["max_order_qty_lots"], limits["max_position_notional_e8"]) == (lots, notional * E8)
        assert limits["max_open_orders"] == 10
    assert rig.monitor.base_row(*BTC)["max_order_qty_lots"] == 100_000
    modes = [(row["previous_mode"], row["risk_mode"]) for row in rig.told(RecordKind.RISK_STATE)]
    assert [pair for pair in modes if pair[0] != pair[1]] == [
        ("NORMAL", "ELEVATED"),
        ("ELEVATED", "HIGH"),
        ("HIGH", "CRITICAL"),
    ]
    assert alarms(rig) == ["RISK_MODE"] * 3


def test_arming_what_no_mode_has_changed_tells_of_no_mode(rig: MonitorRig) -> None:
    rig.fill(BUY, 1, 30_000)
    rig.price(29_990)
    assert rig.scope(ENGINE)["drawdown_e8"] > 0
    rig.command(CommandKind.ARM)
    assert rig.scope(ENGINE)["drawdown_e8"] == 0
    assert alarms(rig) == []


def test_a_mode_ends_when_it_has_been_calm_and_one_that_waits_for_a_person_does_not(rig: MonitorRig) -> None:
    rig.fill(BUY, 1, 30_000)
    rig.price(29_800)
    rig.price(30_000)
    rig.tick(9)
    assert rig.scope(ENGINE)["risk_mode"] == RiskMode.HIGH
    rig.price(29_800)  # not calm for long enough: it begins anew
    rig.price(30_000)
    rig.tick(9)
    assert rig.scope(ENGINE)["risk_mode"] == RiskMode.HIGH
    rig.tick(2)
    assert rig.scope(ENGINE)["risk_mode"] == RiskMode.NORMAL
    rig.price(29_700)
    rig.price(30_000)
    rig.tick(3600)
    assert rig.scope(ENGINE)["trading_state"] == TradingState.HALTED
    rig.command(CommandKind.ARM)
    assert (rig.scope(ENGINE)["risk_mode"], rig.scope(ENGINE)["trading_state"]) == (0, TradingState.ACTIVE)


def test_order_requests_without_an_answer_open_the_venues_breaker_and_probes_close_it(rig: MonitorRig) -> None:
    for _ in range(3):
        rig.order(OrderState.PENDING_NEW, OrderState.APPROVED)
        rig.order(OrderState.UNKNOWN, OrderState.PENDING_NEW)
    state = rig.scope(VENUE)
    assert rig.monitor.breaker(1) == BreakerState.OPEN
    assert (state["trading_state"], state["reason"]) == (TradingState.HALTED, Reason.VENUE_UNHEALTHY)
    assert "BREAKER_OPEN" in alarms(rig)
    rig.tick(10)
    assert rig.scope(VENUE)["trading_state"] == TradingState.ACTIVE
    rig.order(OrderState.PENDING_NEW, OrderState.APPROVED)
    assert rig.scope(VENUE)["trading_state"] == TradingState.HALTED  # one at a time
    rig.order(OrderState.NEW, OrderState.PENDING_NEW)
    assert rig.scope(VENUE)["trading_state"] == TradingState.ACTIVE
    rig.order(OrderState.PENDING_NEW, OrderState.APPROVED)
    rig.order(OrderState.REJECTED, OrderState.PENDING_NEW, venue_code=-2010)  # it answered
    assert rig.monitor.breaker(1) == BreakerState.CLOSED


def test_loosening_needs_to_be_said_and_what_is_refused_leaves_no_trace(rig: MonitorRig) -> None:
    rig.change(ENGINE, max_gross_exposure=1000 * E8)
    rig.change(ENGINE, max_gross_exposure=1001 * E8)
    assert rig.monitor.refused_changes == 1
    assert rig.tables.limit_row(*ENGINE)["max_gross_exposure_e8"] == 1000 * E8
    rig.change(ENGINE, loosen=True, max_gross_exposure=1001 * E8)
    assert rig.tables.limit_row(*ENGINE)["max_gross_exposure_e8"] == 1001 * E8
    assert len(rig.told(RecordKind.LIMITS)) == 2


def test_a_restart_finds_peak_day_streak_mode_and_limits_again(rig: MonitorRig) -> None:
    rig.change(MAKER, max_loss_streak=3, loss_cooldown_ms=3_600_000)
    for _ in range(3):
        rig.fill(BUY, 1, 30_000)
        rig.fill(SELL, 1, 29_999)
    rig.fill(BUY, 1, 30_000)
    rig.price(30_050)
    rig.tick(1)
    rig.price(29_740)
    rig.tick(1)
    before = {scope: rig.scope(scope) for scope in (ENGINE, BTC, MAKER, VENUE)}
    assert before[ENGINE]["risk_mode"] == RiskMode.CRITICAL
    cooled_s = (before[MAKER]["cooldown_until_mono_ns"] - rig.clock.monotonic_ns()) // S

    again = MonitorRig(SETTINGS, rig.ledger())
    assert 0 < again.used <= len(rig.ledger())
    assert again.scope(ENGINE)["trading_state"] == TradingState.HALTED  # before the market is known
    again.price(29_740)
    again.tick()
    for scope, was in before.items():
        found = again.scope(scope)
        for name in ("day_pnl_e8", "drawdown_e8", "loss_streak", "risk_mode", "trading_state", "reason"):
            assert found[name] == was[name], (scope, name)
    left_s = (again.scope(MAKER)["cooldown_until_mono_ns"] - again.clock.monotonic_ns()) // S
    assert abs(left_s - cooled_s) <= 3
    assert again.monitor.limits.value(*MAKER, "max_loss_streak") == 3


def test_nothing_is_judged_before_every_held_instrument_has_a_price(rig: MonitorRig) -> None:
    rig.fill(BUY, 1, 30_000)
    rig.tick(1)
    again = MonitorRig(SETTINGS, rig.ledger())
    again.tick()
    assert again.scope(ENGINE)["risk_mode"] == RiskMode.NORMAL
    again.tick(31)  # nobody tells: the latest trade must do
    again.tick(1)
    assert again.scope(ENGINE)["day_pnl_e8"] == 0


def test_a_limit_that_is_loosened_lets_go_what_it_held(rig: MonitorRig) -> None:
    rig.change(ENGINE, max_daily_loss=10 * E8)
    rig.fill(BUY, 1, 30_000)
    rig.price(29_980)
    assert rig.monitor.measured(*ENGINE)["latches"] == RiskLatch.DAILY_LOSS
    rig.change(ENGINE, max_open_orders=5)
    assert rig.scope(ENGINE)["trading_state"] == TradingState.REDUCING
    rig.change(ENGINE, loosen=True, max_daily_loss=20 * E8)
    assert rig.scope(ENGINE)["trading_state"] == TradingState.ACTIVE


def test_a_window_of_losses_takes_a_mode() -> None:
    terms = ModeTerms(mode=RiskMode.HIGH, window_loss_e8=50 * E8, percent=20)
    rig = MonitorRig(RiskSettings(loss_window_ns=60 * S, calm_ns=0, modes=(terms,)))
    rig.price(30_000)
    rig.tick()
    rig.fill(BUY, 1, 30_000)
    rig.price(29_950)
    rig.tick(1)
    assert rig.scope(ENGINE)["risk_mode"] == RiskMode.HIGH
    for _ in range(70):
        rig.tick(1)
    assert rig.scope(ENGINE)["risk_mode"] == RiskMode.NORMAL


def test_plans_are_refused_in_words(rig: MonitorRig) -> None:
    book = rig.monitor.limits
    cases: list[tuple[dict[str, int | None], str]] = [
        ({"max_price_move_bps": 5}, "without price_move_window_ms and price_move_pause_ms"),
        ({"nonsense": 5}, "no limit 'nonsense'"),
        ({"max_order_qty": None}, "cannot be lifted"),
        ({"max_order_qty": -1}, "out of range"),
        ({}, "no limit is named"),
    ]
    for values, told in cases:
        with pytest.raises(LimitRefusedError, match=told):
            book.plan(LimitChange(scope=BTC[0], scope_id=BTC[1], values=values))


def test_a_fill_is_measured_at_once_in_every_scope_that_holds_it(rig: MonitorRig) -> None:
    """Bought at 30 100 with the market at 30 000, before any tick: the loss holds the daily limits back at once."""
    for scope in (ENGINE, BTC, MAKER, VENUE):
        rig.change(scope, max_daily_loss=10 * E8)
    rig.fill(BUY, 0.5, 30_100)
    for scope in (ENGINE, BTC, MAKER, VENUE):
        assert rig.scope(scope)["day_pnl_e8"] == -50 * E8, scope
        assert rig.monitor.measured(*scope)["latches"] & RiskLatch.DAILY_LOSS, scope
