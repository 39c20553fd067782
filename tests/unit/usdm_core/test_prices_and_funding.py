"""Mark price, funding on schedule, candles of sampled prices, statistics, determinism."""

from __future__ import annotations

import pytest

from engine.sim.config import AccountConfig
from engine.sim.events import Trade
from engine.sim.reject import VenueReject
from engine.sim.usdm.api import AccountUpdate, MarkPriceUpdate, UsdmEvent, UsdmOrderRequest
from engine.sim.usdm.config import UsdmConfig
from engine.sim.usdm.core import UsdmCore
from tests.unit.usdm_core.stage import ANNE, BOB, HOUR_NS, SECOND_NS, START_NS, SYMBOL, Stage, e8


def test_funding_is_paid_by_longs_to_shorts_every_eight_hours() -> None:
    stage = Stage(wallet="10000")
    stage.trade(ANNE, BOB, "100.0", "10")
    stage.quote(BOB, "99.9", "100.1")
    wallets = stage.wallet(ANNE), stage.wallet(BOB)
    next_ns = stage.core.premium_index(SYMBOL).next_funding_ns
    assert next_ns % (8 * HOUR_NS) == 0
    stage.core.drain()
    stage.core.advance(next_ns + SECOND_NS)
    row = stage.core.funding_history(SYMBOL)[0]
    assert (row.rate_e8, row.time_ns, row.mark_price_e8) == (10_000, next_ns, e8("100"))
    assert (stage.wallet(ANNE), stage.wallet(BOB)) == (wallets[0] - e8("0.1"), wallets[1] + e8("0.1"))
    events = [event for event in stage.core.drain() if isinstance(event, AccountUpdate)]
    assert [(e.reason, e.symbol, e.balances[0].change_e8) for e in events] == [
        ("FUNDING_FEE", SYMBOL, -e8("0.1")),
        ("FUNDING_FEE", SYMBOL, e8("0.1")),
    ]
    assert stage.core.income(ANNE, kind="FUNDING_FEE")[0].amount_e8 == -e8("0.1")
    assert stage.core.premium_index(SYMBOL).next_funding_ns == next_ns + 8 * HOUR_NS


def test_an_isolated_position_pays_funding_from_its_own_wallet() -> None:
    stage = Stage(wallet="10000")
    stage.core.set_margin_type(ANNE, SYMBOL, "ISOLATED", stage.now_ns)
    stage.trade(ANNE, BOB, "100.0", "10")
    stage.quote(BOB, "99.9", "100.1")
    cross_e8 = stage.core.account(ANNE).cross_wallet_e8
    stage.core.advance(stage.core.premium_index(SYMBOL).next_funding_ns)
    assert stage.position(ANNE).isolated_wallet_e8 == e8("99.9")
    assert stage.core.account(ANNE).cross_wallet_e8 == cross_e8


def test_funding_that_the_isolated_wallet_cannot_pay_comes_from_the_cross_wallet() -> None:
    stage = Stage(wallet="10000")
    stage.core.set_margin_type(ANNE, SYMBOL, "ISOLATED", stage.now_ns)
    stage.core.set_leverage(ANNE, SYMBOL, 50, stage.now_ns)
    stage.trade(ANNE, BOB, "100.0", "10")
    stage.quote(BOB, "109.9", "110.1")
    stage.dial.mark = e8("110")
    wallet_e8, cross_e8 = stage.wallet(ANNE), stage.core.account(ANNE).cross_wallet_e8
    stage.wait()
    stage.core.advance(stage.core.premium_index(SYMBOL).next_funding_ns)
    assert stage.core.funding_history(SYMBOL)[0].rate_e8 == e8("0.02")
    assert stage.position(ANNE).isolated_wallet_e8 == 0
    assert stage.wallet(ANNE) == wallet_e8 - e8("22")
    assert stage.core.account(ANNE).cross_wallet_e8 == cross_e8 - e8("2")


def test_every_settlement_of_a_long_absence_is_paid() -> None:
    stage = Stage(wallet="10000")
    stage.trade(ANNE, BOB, "100.0", "10")
    stage.core.advance(START_NS + 25 * HOUR_NS)
    assert len(stage.core.funding_history(SYMBOL)) == 3
    assert len(stage.core.income(ANNE, kind="FUNDING_FEE")) == 3


def test_the_rate_is_the_premium_with_the_interest_clamped_and_capped() -> None:
    stage = Stage()
    stage.quote(BOB, "100.9", "101.1")
    stage.wait(10)
    assert stage.core.premium_index(SYMBOL).last_funding_rate_e8 == 950_000  # 1 % less 0.05 %
    capped = Stage(symbol={"funding_rate_cap": "0.003"})
    capped.quote(BOB, "100.9", "101.1")
    capped.wait(10)
    assert capped.core.premium_index(SYMBOL).last_funding_rate_e8 == 300_000


def test_the_mark_price_is_a_median_that_one_trade_cannot_move() -> None:
    stage = Stage(wallet="100000")
    stage.dial.mark = 0  # let the venue compute it
    stage.trade(ANNE, BOB, "110.0", "1")
    stage.quote(BOB, "99.9", "100.1")
    stage.wait()
    row = stage.core.premium_index(SYMBOL)
    assert stage.core.last_price(SYMBOL)[0] == e8("110")
    assert abs(row.mark_price_e8 - e8("100")) < e8("0.05")


def test_mark_price_updates_come_every_second_and_make_candles() -> None:
    stage = Stage()
    for price in ("101", "103", "102"):
        stage.mark(price)
    rows = [event for event in stage.core.drain() if isinstance(event, MarkPriceUpdate)]
    assert [row.mark_price_e8 for row in rows] == [e8("101"), e8("103"), e8("102")]
    candle = stage.core.current_kline(SYMBOL, "1m", stage.now_ns, "MARK")
    assert (candle.open_e8, candle.high_e8, candle.low_e8, candle.close_e8) == tuple(
        e8(price) for price in ("100", "103", "100", "102")
    )
    assert stage.core.klines(SYMBOL, "5m", stage.now_ns, price="INDEX")[-1].close_e8 == e8("102")
    assert stage.core.klines(SYMBOL, "5m", stage.now_ns, price="PREMIUM")[-1].low_e8 < 0
    with pytest.raises(VenueReject):
        stage.core.klines(SYMBOL, "1s", stage.now_ns)


def test_open_interest_counts_each_contract_once_and_ratios_its_holders() -> None:
    stage = Stage(wallet="100000")
    before = stage.core.open_interest(SYMBOL).qty_e8
    stage.trade(ANNE, BOB, "100.0", "10")
    after = stage.core.open_interest(SYMBOL)
    assert after.qty_e8 == before + e8("10")
    assert after.value_e8 == after.qty_e8 * 100
    stage.wait(900)
    history = stage.core.open_interest_history(SYMBOL, "5m")
    assert [row.time_ns % (300 * SECOND_NS) for row in history] == [0] * len(history)
    assert history[-1].qty_e8 == after.qty_e8
    for kind in ("GLOBAL_ACCOUNT", "TOP_ACCOUNT", "TOP_POSITION"):
        row = stage.core.long_short_history(SYMBOL, kind, "15m")[-1]
        assert row.long_e8 + row.short_e8 == e8("1")
        assert 0 < row.long_e8 < e8("1")
    assert stage.core.basis_history(SYMBOL, "5m")[-1].basis_e8 == 0
    assert stage.core.taker_volume_history(SYMBOL, "1h")[-1].buy_e8 == e8("10")
    stage.refuses(-1130, stage.core.open_interest_history, SYMBOL, "7m")


def play(seed: int) -> list[UsdmEvent]:
    account = AccountConfig("anne", (), {})
    core = UsdmCore(UsdmConfig(wallets={"anne": "100000"}, backfill_minutes=3), (account,), seed, START_NS)
    events: list[UsdmEvent] = []
    for second in range(1, 16):
        now_ns = START_NS + second * SECOND_NS
        side = "BUY" if second % 3 else "SELL"
        request = UsdmOrderRequest(symbol="BTCUSDT", side=side, type="MARKET", quantity_e8=e8("0.05"))
        core.place(1, request, now_ns)
        events += core.drain()
    return events


def test_the_same_calls_give_the_same_events_and_another_seed_does_not() -> None:
    first = play(5)
    assert first == play(5)
    assert first != play(6)
    assert sum(isinstance(event, Trade) for event in first) > 50


def test_the_generated_market_has_prices_near_each_other_and_never_a_crossed_book() -> None:
    core = UsdmCore(UsdmConfig(backfill_minutes=60), (), 3, START_NS)
    core.advance(START_NS + 20 * SECOND_NS)
    for symbol in core.symbols():
        ticker, prices = core.book_ticker(symbol), core.premium_index(symbol)
        assert 0 < ticker.bid_price_e8 < ticker.ask_price_e8
        assert abs(prices.mark_price_e8 - ticker.bid_price_e8) < ticker.bid_price_e8 // 100
        assert core.open_interest(symbol).qty_e8 > 0
        assert len(core.klines(symbol, "1m", START_NS + 20 * SECOND_NS, price="MARK")) == 61
