"""Every check of the gate: what it refuses, what passes at its edge, and the reason it names."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import (
    BookState,
    CommandKind,
    IntentAction,
    OrderFlag,
    OrderType,
    Reason,
    RecordKind,
    SessionState,
    Side,
    TimeInForce,
    TradingState,
)
from engine.model.instruments import to_e8
from engine.risk.gate import RiskGate
from engine.risk.rehearsal import set_exposure, set_strategy, set_trading
from tests.orders_harness import REPLACE, SECOND_NS, SUBMIT, Rig

SELL = int(Side.SELL)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def verdict_of(rig: Rig, **intent: Any) -> Reason:
    rig.intend(**intent)
    verdict = rig.verdict()
    assert bool(verdict["approved"]) == (verdict["reason"] == 0)
    return Reason(verdict["reason"])


def set_limits(rig: Rig, **changed: int) -> None:
    limits = {
        "max_order_qty_lots": 100_000,
        "max_order_notional_e8": to_e8("20000"),
        "max_position_lots": 500_000,
        "price_collar_bps": 500,
        "max_open_orders": 50,
    }
    rig.tables.set_limits(1, **(limits | changed))


def test_an_ordinary_order_is_approved_and_sent_once(rig: Rig) -> None:
    handle = rig.intend()
    assert rig.sent() == [(SUBMIT, handle)]
    assert rig.exposure()["working_buy_lots"] == 10
    assert rig.exposure()["open_orders"] == 1


def test_a_refusal_reaches_the_strategy_and_moves_nothing(rig: Rig) -> None:
    handle = rig.intend(qty_lots=0)
    refusals = rig.drain("refusals")
    assert [(r["kind"], r["data"], r["order_handle"]) for r in refusals] == [
        (RecordKind.VERDICT, Reason.QTY_NOT_POSITIVE, handle)
    ]
    assert rig.sent() == []
    assert rig.exposure()["working_buy_lots"] == rig.exposure()["open_orders"] == 0


def test_a_verdict_names_the_intent_that_caused_it(rig: Rig) -> None:
    handle = rig.intend()
    intent = next(r for r in rig.records(RecordKind.INTENT) if r.order_handle == handle)
    verdict = next(r for r in rig.records(RecordKind.VERDICT) if r.order_handle == handle)
    state = next(r for r in rig.records(RecordKind.ORDER_STATE) if r.order_handle == handle)
    assert verdict.cause_seq == intent.seq
    assert state.cause_seq == verdict.seq


@pytest.mark.parametrize("field", ["kill", "stopping"])
def test_kill_and_stopping_refuse_new_orders(rig: Rig, field: str) -> None:
    rig.tables.set_control(**{field: 1})
    assert verdict_of(rig) is Reason.HALTED


def test_halted_refuses_all_but_cancels(rig: Rig) -> None:
    handle = rig.open_order()
    rig.session_is(SessionState.DOWN)
    rig.session_is(SessionState.READY)
    rig.sent()
    assert verdict_of(rig) is Reason.HALTED
    rig.cancel(handle)
    assert (1, handle) in rig.sent()


def test_reducing_lets_only_reducing_orders_through(rig: Rig) -> None:
    set_exposure(rig.tables, 1, position_lots=20)
    rig.tables.set_control(trading_state=int(TradingState.REDUCING))
    assert verdict_of(rig) is Reason.REDUCING_ONLY
    assert verdict_of(rig, side=SELL, qty_lots=21) is Reason.REDUCING_ONLY
    assert verdict_of(rig, side=SELL, qty_lots=12) is Reason.NONE
    assert verdict_of(rig, side=SELL, qty_lots=9) is Reason.REDUCING_ONLY
    assert verdict_of(rig, side=SELL, qty_lots=8) is Reason.NONE


def test_reduce_only_never_turns_the_position(rig: Rig) -> None:
    set_exposure(rig.tables, 1, position_lots=-20)
    flags = int(OrderFlag.REDUCE_ONLY)
    assert verdict_of(rig, flags=flags, side=SELL) is Reason.REDUCING_ONLY
    assert verdict_of(rig, flags=flags, qty_lots=21) is Reason.REDUCING_ONLY
    assert verdict_of(rig, flags=flags, qty_lots=20) is Reason.NONE


def test_a_disabled_or_paused_strategy_is_refused_and_an_operator_is_not(rig: Rig) -> None:
    set_strategy(rig.tables, 1, enabled=False)
    assert verdict_of(rig) is Reason.STRATEGY_DISABLED
    set_strategy(rig.tables, 1, paused=True)
    assert verdict_of(rig) is Reason.STRATEGY_PAUSED
    assert verdict_of(rig, strategy_id=0) is Reason.NONE
    assert verdict_of(rig, strategy_id=2) is Reason.NONE
    rig.command(CommandKind.KILL, strategy_id=2)
    assert verdict_of(rig, strategy_id=2) is Reason.STRATEGY_DISABLED


def test_an_unknown_or_closed_instrument_is_refused(rig: Rig) -> None:
    assert verdict_of(rig, instrument_id=99) is Reason.UNKNOWN_INSTRUMENT
    assert verdict_of(rig, instrument_id=0) is Reason.UNKNOWN_INSTRUMENT
    set_trading(rig.tables, 1, False)
    assert verdict_of(rig) is Reason.INSTRUMENT_NOT_TRADING


def test_an_instrument_without_limits_refuses_everything() -> None:
    rig = Rig()
    spec = rig.tables.instrument(1)
    from engine.model.instruments import InstrumentSpec

    row = rig.tables.add_instrument(
        InstrumentSpec(
            venue_id=1,
            symbol="NEWUSDT",
            base_asset="NEW",
            quote_asset="USDT",
            tick_size_e8=spec["tick_size_e8"],
            lot_size_e8=spec["lot_size_e8"],
        )
    )
    rig.set_market(row)
    assert verdict_of(rig, instrument_id=row) is Reason.NOT_ARMED


@pytest.mark.parametrize(
    "intent",
    [
        {"order_type": int(OrderType.STOP)},
        {"order_type": 200},
        {"time_in_force": int(TimeInForce.GTD)},
        {"flags": int(OrderFlag.CLOSE_POSITION)},
        {"flags": int(OrderFlag.POST_ONLY), "time_in_force": int(TimeInForce.IOC), "price_ticks": 9_990},
        {"flags": int(OrderFlag.POST_ONLY), "order_type": int(OrderType.MARKET)},
        {"side": 2},
        {"action": 9},
    ],
)
def test_what_the_venue_does_not_take_is_unsupported(rig: Rig, intent: dict[str, int]) -> None:
    assert verdict_of(rig, **intent) is Reason.UNSUPPORTED


@pytest.mark.invariant("R20")
@pytest.mark.parametrize(
    ("qty_lots", "reason"),
    [
        (-1, Reason.QTY_NOT_POSITIVE),
        (0, Reason.QTY_NOT_POSITIVE),
        (100_000, Reason.NONE),
        (100_001, Reason.QTY_ABOVE_MAX),
        (10_000_001, Reason.QTY_ABOVE_MAX),
        ((1 << 63) - 1, Reason.QTY_ABOVE_MAX),
        (-(1 << 63), Reason.QTY_NOT_POSITIVE),
    ],
)
def test_quantity_edges(rig: Rig, qty_lots: int, reason: Reason) -> None:
    assert verdict_of(rig, qty_lots=qty_lots) is reason


@pytest.mark.parametrize(
    ("price_ticks", "reason"),
    [
        (0, Reason.PRICE_NOT_POSITIVE),
        (-5, Reason.PRICE_NOT_POSITIVE),
        (9_500, Reason.NONE),
        (9_499, Reason.PRICE_COLLAR),
        (10_500, Reason.NONE),
        (10_501, Reason.PRICE_COLLAR),
        (10_000_001, Reason.PRICE_COLLAR),
        ((1 << 63) - 1, Reason.PRICE_COLLAR),
    ],
)
def test_price_edges_against_the_collar(rig: Rig, price_ticks: int, reason: Reason) -> None:
    assert verdict_of(rig, price_ticks=price_ticks, qty_lots=100) is reason


def test_the_collar_falls_back_to_the_last_trade_and_refuses_without_any_reference(rig: Rig) -> None:
    rig.set_market(ask_ticks=0, last_ticks=10_000)
    assert verdict_of(rig, price_ticks=10_500) is Reason.NONE
    assert verdict_of(rig, price_ticks=10_501) is Reason.PRICE_COLLAR
    rig.set_market(bid_ticks=0, ask_ticks=0, last_ticks=0)
    assert verdict_of(rig) is Reason.PRICE_COLLAR


def test_a_market_order_is_held_to_the_collar_at_the_last_level_it_reaches(rig: Rig) -> None:
    rig.books.set_side(1, [(10_001, 5), (10_500, 5), (10_501, 100)])
    market = {"order_type": int(OrderType.MARKET), "price_ticks": 0}
    assert verdict_of(rig, qty_lots=10, **market) is Reason.NONE
    assert verdict_of(rig, qty_lots=11, **market) is Reason.PRICE_COLLAR
    rig.books.set_side(1, [])
    assert verdict_of(rig, qty_lots=10, **market) is Reason.PRICE_COLLAR


def test_a_post_only_order_that_would_cross_is_refused(rig: Rig) -> None:
    flags = int(OrderFlag.POST_ONLY)
    assert verdict_of(rig, flags=flags, price_ticks=10_001) is Reason.WOULD_CROSS
    assert verdict_of(rig, flags=flags, price_ticks=10_000) is Reason.NONE
    assert verdict_of(rig, flags=flags, side=SELL, price_ticks=9_999) is Reason.WOULD_CROSS
    assert verdict_of(rig, flags=flags, side=SELL, price_ticks=10_000) is Reason.NONE


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (BookState.EMPTY, Reason.BOOK_INVALID),
        (BookState.SYNCING, Reason.BOOK_INVALID),
        (BookState.STALE, Reason.STALE),
        (BookState.CROSSED, Reason.BOOK_INVALID),
        (BookState.INVALID, Reason.BOOK_INVALID),
        (BookState.VALID, Reason.NONE),
    ],
)
def test_only_a_valid_book_is_traded_on(rig: Rig, state: BookState, reason: Reason) -> None:
    rig.set_market(book_state=int(state))
    assert verdict_of(rig) is reason


@pytest.mark.invariant("R10")
def test_stale_data_is_refused_from_the_threshold_on(rig: Rig) -> None:
    rig.clock.advance(SECOND_NS)
    rig.journal.set_now(rig.clock.time_ns(), rig.clock.monotonic_ns())
    assert verdict_of(rig) is Reason.NONE
    rig.clock.advance(1)
    rig.journal.set_now(rig.clock.time_ns(), rig.clock.monotonic_ns())
    assert verdict_of(rig) is Reason.STALE


def test_notional_edges(rig: Rig) -> None:
    # one lot at 100.00 is 0.1 quote; at least 0.5, at most 20000 here
    assert verdict_of(rig, qty_lots=4) is Reason.NOTIONAL_BELOW_MIN
    assert verdict_of(rig, qty_lots=5) is Reason.NONE
    set_limits(rig, max_order_notional_e8=to_e8("10"))
    assert verdict_of(rig, qty_lots=100) is Reason.NONE
    assert verdict_of(rig, qty_lots=101) is Reason.NOTIONAL_ABOVE_MAX


@pytest.mark.invariant("R20")
def test_a_notional_beyond_64_bits_is_refused_even_without_a_limit_below_it(rig: Rig) -> None:
    top = (1 << 63) - 1
    set_limits(rig, max_order_qty_lots=top, max_order_notional_e8=top, max_position_lots=top, price_collar_bps=top)
    spec = rig.tables.instrument(1)
    from engine.model.instruments import InstrumentSpec

    rig.tables.add_instrument(
        InstrumentSpec(
            venue_id=1,
            symbol="BTCUSDT",
            base_asset="BTC",
            quote_asset="USDT",
            tick_size_e8=spec["tick_size_e8"],
            lot_size_e8=spec["lot_size_e8"],
            max_notional_e8=top,
        )
    )
    assert verdict_of(rig, price_ticks=1 << 60, qty_lots=1 << 60) is Reason.NOTIONAL_ABOVE_MAX


@pytest.mark.invariant("R21")
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_the_position_limit_counts_position_and_what_works_on_the_side(rig: Rig, side: Side) -> None:
    set_limits(rig, max_position_lots=100)
    sign = 1 if side is Side.BUY else -1
    set_exposure(rig.tables, 1, position_lots=40 * sign)
    assert verdict_of(rig, side=int(side), qty_lots=61) is Reason.POSITION_LIMIT
    assert verdict_of(rig, side=int(side), qty_lots=50) is Reason.NONE
    assert verdict_of(rig, side=int(side), qty_lots=11) is Reason.POSITION_LIMIT
    assert verdict_of(rig, side=int(side), qty_lots=10) is Reason.NONE
    assert verdict_of(rig, side=1 - int(side), qty_lots=141) is Reason.POSITION_LIMIT
    assert verdict_of(rig, side=1 - int(side), qty_lots=140) is Reason.NONE


@pytest.mark.invariant("R14")
@pytest.mark.invariant("R21")
def test_an_unknown_order_counts_in_full(rig: Rig) -> None:
    set_limits(rig, max_position_lots=100)
    handle = rig.intend(qty_lots=60)
    rig.reply(handle, SUBMIT, status=500, error_code=-1007)
    assert rig.state(handle) == "UNKNOWN"
    assert rig.exposure()["unknown_orders"] == 1
    assert verdict_of(rig, qty_lots=41) is Reason.POSITION_LIMIT
    assert verdict_of(rig, qty_lots=40) is Reason.NONE


def test_open_orders_are_limited_per_symbol_and_for_the_engine() -> None:
    rig = Rig(engine_orders=3)
    set_limits(rig, max_open_orders=2)
    assert verdict_of(rig) is Reason.NONE
    assert verdict_of(rig) is Reason.NONE
    assert verdict_of(rig) is Reason.OPEN_ORDERS_LIMIT
    assert verdict_of(rig, instrument_id=2) is Reason.NONE
    assert verdict_of(rig, instrument_id=2) is Reason.OPEN_ORDERS_LIMIT


def test_spot_balances_cover_what_is_promised(rig: Rig) -> None:
    rig.tables.set_balance(rig.tables.asset_id("BTC"), to_e8("0.02"), to_e8("0.01"))
    assert verdict_of(rig, side=SELL, qty_lots=31) is Reason.INSUFFICIENT_BALANCE
    assert verdict_of(rig, side=SELL, qty_lots=20) is Reason.NONE
    assert verdict_of(rig, side=SELL, qty_lots=11) is Reason.INSUFFICIENT_BALANCE
    rig.tables.set_balance(rig.tables.asset_id("USDT"), to_e8("10"), 0)
    assert verdict_of(rig, qty_lots=100) is Reason.INSUFFICIENT_BALANCE  # 10 and one unit for the rounding
    assert verdict_of(rig, qty_lots=99) is Reason.NONE
    assert verdict_of(rig, instrument_id=2, qty_lots=5) is Reason.INSUFFICIENT_BALANCE


def test_a_promise_ends_with_its_order(rig: Rig) -> None:
    usdt = rig.tables.asset_id("USDT")
    handle = rig.open_order(qty_lots=100)
    assert rig.register.promised(usdt) >= to_e8("10")
    rig.canceled(handle)
    assert rig.register.promised(usdt) == 0


def test_the_message_rate_is_a_token_bucket_and_cancels_take_no_token() -> None:
    rig = Rig()
    handle = rig.open_order()
    rig.tables.set_engine_limits(
        max_open_orders=1000,
        message_burst=2,
        message_rate_per_s=10,
        stale_after_ns=SECOND_NS,
        clock_drift_ns_max=SECOND_NS,
    )
    rig.tick(SECOND_NS)
    assert [verdict_of(rig) for _ in range(3)] == [Reason.NONE, Reason.NONE, Reason.MESSAGE_RATE]
    rig.cancel(handle)
    assert rig.state(handle) == "PENDING_CANCEL"
    rig.tick(99_999_999)
    assert verdict_of(rig) is Reason.MESSAGE_RATE
    rig.tick(1)
    assert verdict_of(rig) is Reason.NONE
    assert verdict_of(rig) is Reason.MESSAGE_RATE


def test_engine_limits_that_were_never_set_refuse() -> None:
    rig = Rig()
    rig.tables.set_engine_limits(
        max_open_orders=0, message_burst=0, message_rate_per_s=0, stale_after_ns=0, clock_drift_ns_max=0
    )
    assert verdict_of(rig) is Reason.OPEN_ORDERS_LIMIT


def test_a_handle_is_approved_once(rig: Rig) -> None:
    handle = rig.intend()
    assert verdict_of(rig, order_handle=handle) is Reason.DUPLICATE
    rig.intend(order_handle=0)
    assert len(rig.sent()) >= 1


def test_a_full_pool_refuses_and_an_ended_order_makes_room() -> None:
    rig = Rig(capacity=2)
    first = rig.open_order()
    rig.open_order()
    assert verdict_of(rig) is Reason.ORDER_POOL_FULL
    rig.canceled(first)
    assert verdict_of(rig) is Reason.NONE


@pytest.mark.invariant("R05")
def test_a_nearly_full_journal_refuses_new_orders_but_not_cancels(rig: Rig) -> None:
    handle = rig.open_order()
    while not rig.journal.is_nearly_full:
        rig.journal.append(0, int(RecordKind.OWN_FRAME_OTHER), bytes(65_536))
    rig.journal.latch_pressure()  # as the next input does
    assert verdict_of(rig) is Reason.JOURNAL_FULL
    rig.cancel(handle)
    assert (1, handle) in rig.sent()


def replace(rig: Rig, target: int, **fields: Any) -> int:
    return rig.intend(action=int(IntentAction.REPLACE), target_handle=target, **fields)


@pytest.mark.invariant("R21")
def test_a_replace_counts_in_full_beside_what_is_left_of_the_old_order(rig: Rig) -> None:
    set_limits(rig, max_position_lots=100)
    old = rig.open_order(qty_lots=60)
    rig.trade(old, 20, 20)
    replace(rig, old, qty_lots=41, price_ticks=9_990)  # 20 held, 40 left that may fill before the cancel
    assert Reason(rig.verdict()["reason"]) is Reason.POSITION_LIMIT
    new = replace(rig, old, qty_lots=40, price_ticks=9_990)
    assert rig.sent() == [(REPLACE, new)]
    assert rig.exposure()["working_buy_lots"] == 80
    assert rig.state(old) == "PENDING_REPLACE"
    assert verdict_of(rig, action=int(IntentAction.REPLACE), target_handle=old) is Reason.ORDER_NOT_OPEN
    assert verdict_of(rig) is Reason.POSITION_LIMIT


@pytest.mark.parametrize(
    "fields",
    [{"target_handle": 12345}, {"side": SELL}, {"strategy_id": 2}, {"instrument_id": 2}],
)
def test_a_replace_of_what_is_not_the_strategys_own_order_is_refused(rig: Rig, fields: dict[str, int]) -> None:
    old = rig.open_order()
    reason = verdict_of(rig, **({"action": int(IntentAction.REPLACE), "target_handle": old} | fields))
    assert reason is Reason.UNKNOWN_ORDER


def test_a_register_has_one_gate(rig: Rig) -> None:
    with pytest.raises(RuntimeError, match="has its gate"):
        RiskGate(
            "second",
            rig.journal,
            rig.tables,
            rig.counters,
            rig.register,
            rig.books,
            rig.clock,
            intents=rig.rings["intents"],
            manual_intents=rig.rings["manual"],
            approvals=rig.rings["approvals"],
            refusals=rig.rings["refusals"],
        )
