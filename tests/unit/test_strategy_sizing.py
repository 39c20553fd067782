"""Position sizing against examples worked by hand: lot 0.001 BTC, smallest order 0.002 BTC and 10 USDT."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.codes import BookState, LimitScope, Side
from engine.risk.rehearsal import set_market
from engine.strategy import sizing
from engine.strategy.api import Size, Strategy
from engine.strategy.instrument import Instrument
from engine.strategy.sizing import Bound, Caps
from tests.strategy_harness import Noting, rehearsal

FREE = Caps()


def btc() -> Instrument:
    return Instrument(
        instrument_id=1,
        symbol="BTCUSDT",
        version=1,
        base_asset="BTC",
        quote_asset="USDT",
        is_trading=True,
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.001"),
        min_qty_lots=2,
        max_qty_lots=100_000,
        min_notional=Decimal(10),
        tick_size_e8=1_000_000,
        lot_size_e8=100_000,
    )


def test_fixed_goes_down_to_the_lot() -> None:
    found = sizing.fixed(btc(), "0.0129", "30000", FREE)
    assert (found.lots, found.qty, found.bound) == (12, Decimal("0.012"), Bound.NONE)


def test_percent_at_risk_is_capital_at_risk_over_the_way_to_the_stop() -> None:
    """1 % of 10 000 is 100; from 30 000 to 29 400 is 600: 100 / 600 = 0.1666 BTC."""
    found = sizing.percent_at_risk(btc(), 10_000, 1, 30_000, 29_400, FREE)
    assert (found.lots, found.wished_lots) == (166, 166)
    assert sizing.percent_at_risk(btc(), 10_000, 1, 29_400, 30_000, FREE).lots == 166
    with pytest.raises(ValueError, match="same price"):
        sizing.percent_at_risk(btc(), 10_000, 1, 30_000, 30_000, FREE)


def test_a_volatility_target_is_capital_times_target_over_volatility() -> None:
    """50 000 x 50 bp / 200 bp = 12 500 USDT, at 25 000 half a bitcoin."""
    assert sizing.volatility_target(btc(), 50_000, 50, 200, 25_000, FREE).lots == 500
    with pytest.raises(ValueError, match="volatility 0 must be above 0"):
        sizing.volatility_target(btc(), 50_000, 50, 0, 25_000, FREE)


def test_kelly_is_a_share_of_the_edge_and_nothing_without_one() -> None:
    """p 0.6, b 1.5: 0.6 - 0.4 / 1.5 = 1/3; half of it of 6 000 is 1 000, at 20 000 that is 0.05."""
    assert sizing.kelly(btc(), 6_000, "0.6", "1.5", 20_000, FREE).lots == 50
    assert sizing.kelly(btc(), 6_000, "0.6", "1.5", 20_000, FREE, "0.25").lots == 25
    found = sizing.kelly(btc(), 6_000, "0.4", "1.5", 20_000, FREE)
    assert (found.lots, found.bound) == (0, Bound.NO_EDGE)
    for rate, share in (("1.1", "0.5"), ("0.5", "0"), ("0.5", "1.5")):
        with pytest.raises(ValueError, match="win rate must be"):
            sizing.kelly(btc(), 6_000, rate, "1.5", 20_000, FREE, share)


def test_less_than_the_venue_takes_is_nothing_with_the_reason() -> None:
    assert sizing.fixed(btc(), "0.0019", "30000", FREE).bound is Bound.MIN_QTY
    assert sizing.fixed(btc(), "0.002", "4999", FREE).bound is Bound.MIN_NOTIONAL  # 9.998 USDT
    assert sizing.fixed(btc(), "0.002", "5000", FREE).lots == 2
    assert not sizing.fixed(btc(), "0.0019", "30000", FREE)
    assert sizing.percent_at_risk(btc(), 0, 1, 30_000, 29_000, FREE).bound is Bound.NO_CAPITAL


@pytest.mark.parametrize(
    ("caps", "lots", "bound"),
    [
        (Caps(order_lots=40), 40, Bound.ORDER_QTY),
        (Caps(order_notional_e8=999 * 10**8), 33, Bound.ORDER_NOTIONAL),  # 999 / 30 = 33.3
        (Caps(position_left_lots=7), 7, Bound.POSITION),
        (Caps(position_left_e8=60 * 10**8), 2, Bound.POSITION_NOTIONAL),
        (Caps(budget_left_e8=61 * 10**8, order_lots=9), 2, Bound.BUDGET),
        (Caps(budget_left_e8=59 * 10**8), 0, Bound.BUDGET),  # one lot: below the smallest order
        (Caps(position_left_lots=-3), 0, Bound.POSITION),
    ],
)
def test_the_limits_in_force_bound_it(caps: Caps, lots: int, bound: Bound) -> None:
    found = sizing.fixed(btc(), "0.1", "30000", caps)
    assert (found.lots, found.bound, found.wished_lots) == (lots, bound, 100)


def contracts(multiplier_e8: int, inverse: bool = False) -> Instrument:
    """Whole contracts of BTC, smallest order 1 contract and 10 of the quote asset."""
    settle = "BTC" if inverse else "USDT"
    terms = {"lot_size": Decimal(1), "lot_size_e8": 10**8, "min_qty_lots": 1, "settle_asset": settle}
    return msgspec.structs.replace(btc(), multiplier_e8=multiplier_e8, inverse=inverse, **terms)


def test_contracts_are_sized_by_their_multiplier() -> None:
    """A contract of 0.001 BTC: 600 of way is 0.6; 12 500 at 25 000 is half a bitcoin; 1 000 at 20 000 a twentieth."""
    small = contracts(100_000)
    assert sizing.percent_at_risk(small, 10_000, 1, 30_000, 29_400, FREE).lots == 166
    assert sizing.volatility_target(small, 50_000, 50, 200, 25_000, FREE).lots == 500
    assert sizing.kelly(small, 6_000, "0.6", "1.5", 20_000, FREE).lots == 50
    assert sizing.fixed(small, 100, 30_000, Caps(order_notional_e8=999 * 10**8)).lots == 33  # a contract is worth 30
    assert sizing.fixed(small, 3, "3333.33", FREE).bound is Bound.MIN_NOTIONAL  # 9.99999
    assert (
        sizing.fixed(contracts(10 * 10**8), 5, 30_000, Caps(budget_left_e8=1_000_000 * 10**8)).lots == 3
    )  # 300 000 each


def test_an_inverse_contract_is_sized_by_its_coin_and_bounded_by_its_quote_value() -> None:
    """Contracts of 100 USD. 1 % of 2 BTC is 0.02; from 40 000 to 38 000 one loses 100 / 38 000 - 100 / 40 000: 152 of them."""
    coin = contracts(100 * 10**8, inverse=True)
    assert sizing.percent_at_risk(coin, 2, 1, 40_000, 38_000, FREE).lots == 152
    # a short to 42 000 loses less per contract: 0.02 / (100 / 40 000 - 100 / 42 000) = 168
    assert sizing.percent_at_risk(coin, 2, 1, 40_000, 42_000, FREE).lots == 168
    # 2 BTC x 50 / 200 = 0.5 BTC, a contract is 0.0025
    assert sizing.volatility_target(coin, 2, 50, 200, 40_000, FREE).lots == 200
    # a sixth of 6 BTC is 1
    assert sizing.kelly(coin, 6, "0.6", "1.5", 40_000, FREE).lots == 400
    for price in (20_000, 40_000):
        assert sizing.fixed(coin, 50, price, Caps(position_left_e8=999 * 10**8)).lots == 9
        assert sizing.fixed(coin, 50, price, Caps(order_notional_e8=99 * 10**8)).bound is Bound.ORDER_NOTIONAL


def test_floats_are_refused() -> None:
    with pytest.raises(TypeError, match="float"):
        sizing.fixed(btc(), 0.1, "30000", FREE)  # type: ignore[arg-type]


@given(
    qty=st.decimals("0.000001", "5000", places=6),
    price=st.decimals("0.01", "100000", places=2),
    order_lots=st.integers(0, 10**6),
    money_e8=st.integers(0, 10**16),
)
def test_a_size_is_whole_lots_within_every_bound(qty: Decimal, price: Decimal, order_lots: int, money_e8: int) -> None:
    caps = Caps(order_lots=order_lots, order_notional_e8=money_e8, budget_left_e8=money_e8)
    found = sizing.fixed(btc(), qty, price, caps)
    value = Fraction(found.qty) * Fraction(price)
    assert found.qty == found.lots * Decimal("0.001")
    assert found.qty <= qty
    assert found.lots <= min(order_lots, 100_000)
    assert value * 10**8 <= money_e8
    assert found.lots == 0 or (found.lots >= 2 and value >= 10)


class Asking(Noting):
    """Asks for a size at its start."""

    sizes: tuple[Size, ...] = ()

    def on_start(self) -> None:
        room = self.size
        self.sizes = (
            room.fixed("BTCUSDT", Side.BUY, 1, 30_000),
            room.fixed("BTCUSDT", Side.SELL, 1, 30_000),
            room.percent_at_risk("BTCUSDT", Side.BUY, capital=10_000, percent=1, entry=30_000, stop=29_400),
        )


def test_a_strategy_is_told_what_the_limits_leave_on_each_side() -> None:
    strategy: Strategy = Asking()
    with rehearsal(strategy) as stage:
        row = stage.tables.instrument_id(1, "BTCUSDT")
        stage.tables.set_rate(stage.tables.instrument(row)["quote_asset_id"], 10**8)
        stage.tables.set_limit_row(LimitScope.INSTRUMENT, row, max_order_qty_lots=80_000, max_position_lots=60_000)
        stage.tables.move(row, position_lots=20_000)
        stage.tables.set_limit_row(LimitScope.STRATEGY, strategy.strategy_id, capital_budget_e8=15_000 * 10**8)
        strategy.on_start()
    buy, sell, risked = strategy.sizes  # type: ignore[attr-defined]
    assert (buy.lots, buy.bound) == (40_000, Bound.POSITION)
    assert (sell.lots, sell.bound) == (50_000, Bound.BUDGET)
    assert risked.lots == 16_666
    with pytest.raises(ValueError, match="below its entry"):
        strategy.size.percent_at_risk("BTCUSDT", Side.SELL, capital=1, percent=1, entry=30_000, stop=29_400)


class Wishing(Noting):
    """Asks for much on either side whenever it is told to."""

    def both(self) -> tuple[Size, Size]:
        return (self.size.fixed("BTCUSDT", Side.BUY, 1, 30_000), self.size.fixed("BTCUSDT", Side.SELL, 1, 30_000))


def test_every_scopes_limits_bound_a_size() -> None:
    """100 000 lots are wished; 10 000 are long at 30 000, a lot is 0.3 USDT: each limit leaves what stands beside it."""
    limits = (
        (LimitScope.ENGINE, 0, {"max_gross_exposure_e8": 9_000 * 10**8}, (20_000, 20_000)),
        (LimitScope.ACCOUNT, 1, {"max_net_exposure_e8": 9_000 * 10**8}, (20_000, 40_000)),
        (LimitScope.VENUE, 1, {"max_position_notional_e8": 12_000 * 10**8}, (30_000, 50_000)),
        (LimitScope.STRATEGY, 1, {"max_position_notional_e8": 6_000 * 10**8}, (10_000, 30_000)),
        (LimitScope.INSTRUMENT, 1, {"max_net_exposure_e8": 6_000 * 10**8}, (10_000, 30_000)),
        (LimitScope.ENGINE, 0, {"max_leverage_e4": 20_000}, (10_000, 10_000)),
        (LimitScope.INSTRUMENT, 1, {"max_order_notional_e8": 900 * 10**8}, (3_000, 3_000)),
    )
    for scope, number, fields, expected in limits:
        strategy = Wishing()
        with rehearsal(strategy) as stage:
            row = stage.tables.instrument_id(1, "BTCUSDT")
            stage.tables.set_rate(stage.tables.instrument(row)["quote_asset_id"], 10**8)
            set_market(stage.tables, row, book_state=int(BookState.VALID), bid_ticks=2_999_999, ask_ticks=3_000_001)
            stage.tables.set_scope(LimitScope.ENGINE, 0, equity_e8=3_000 * 10**8)
            stage.tables.move(row, position_lots=10_000, strategy_id=strategy.strategy_id)
            stage.tables.set_limit_row(
                scope, number if scope != LimitScope.STRATEGY else strategy.strategy_id, **fields
            )
            assert tuple(size.lots for size in strategy.both()) == expected, fields


def test_a_hedged_accounts_size_is_of_the_side_that_it_opens() -> None:
    strategy = Wishing()
    with rehearsal(strategy) as stage:
        row = stage.tables.instrument_id(1, "BTCUSDT")
        stage.tables.set_rate(stage.tables.instrument(row)["quote_asset_id"], 10**8)
        set_market(stage.tables, row, book_state=int(BookState.VALID), bid_ticks=2_999_999, ask_ticks=3_000_001)
        stage.tables.set_hedge(1, True)
        stage.tables.set_limit_row(LimitScope.INSTRUMENT, row, max_position_lots=60_000)
        stage.tables.move(row, position_side=1, position_lots=20_000)
        stage.tables.move(row, position_side=2, position_lots=-50_000)
        assert [size.lots for size in strategy.both()] == [40_000, 10_000]
        stage.tables.set_limit_row(
            LimitScope.INSTRUMENT, row, max_position_lots=10**9, max_position_notional_e8=18_000 * 10**8
        )
        assert [size.lots for size in strategy.both()] == [40_000, 10_000]
        stage.tables.set_limit_row(
            LimitScope.INSTRUMENT, row, max_position_notional_e8=10**18, max_gross_exposure_e8=24_000 * 10**8
        )
        assert [size.lots for size in strategy.both()] == [10_000, 10_000]
