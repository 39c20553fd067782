"""Profit, day, drawdown and streaks of the risk monitor over random fills, prices and days: equal to a twin that adds up anew."""

from __future__ import annotations

import math
import os
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.codes import LimitScope, RiskMode, Side
from engine.model.instruments import InstrumentSpec
from engine.oms.positions import PositionBook
from engine.risk.settings import ModeTerms, RiskSettings
from tests.monitor_harness import BTC, E8, ENGINE, MAKER, VENUE, MonitorRig
from tests.reference.risk import TradesTwin

IS_LONG = os.environ.get("TRADEWIND_AMOUNT") == "long"
DAY_S = 86_400
MODE_AT = 40

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("fill"), st.sampled_from([1, 2]), st.integers(-30, 30).filter(bool), st.integers(0, 500)),
        st.tuples(st.just("price"), st.integers(2_990_000, 3_010_000)),
        st.tuples(st.just("wait"), st.sampled_from([1, 60, DAY_S])),
    ),
    min_size=1,
    max_size=60,
)


class Twin:
    """One scope: its trades, and what has been its peak and its day's begin."""

    def __init__(self) -> None:
        self.trades = TradesTwin()
        self.peak = self.day_start = Fraction(0)
        self.streak = 0

    def book(self, qty: Fraction, price: Fraction, fee: Fraction) -> None:
        result = self.trades.book(qty, price, fee)
        self.streak = self.streak + 1 if result < 0 else 0 if result > 0 else self.streak

    def look(self, mark: Fraction) -> tuple[Fraction, Fraction]:
        """Profit of the day and drawdown, now."""
        profit = self.trades.profit(mark)
        self.peak = max(self.peak, profit)
        return profit - self.day_start, self.peak - profit


@given(events=EVENTS)
@settings(max_examples=400 if IS_LONG else 40, deadline=None)
def test_the_monitor_equals_its_slow_twin(events: list[tuple[object, ...]]) -> None:
    """Amounts are whole 10^-8 here, so that nothing is rounded and equality is exact."""
    mode = ModeTerms(mode=RiskMode.HIGH, drawdown_e8=MODE_AT * E8, percent=50)
    rig = MonitorRig(RiskSettings(calm_ns=0, modes=(mode,)))
    usdt = rig.tables.asset_id("USDT")
    twins = {ENGINE: Twin(), (LimitScope.STRATEGY, 1): Twin(), (LimitScope.STRATEGY, 2): Twin()}
    mark_ticks = 3_000_000
    rig.price(mark_ticks / 100)
    rig.tick()
    day = (rig.clock.time_ns() // 10**9) // DAY_S
    for event in events:
        if event[0] == "fill":
            strategy, hundredths, fee_cents = int(str(event[1])), int(str(event[2])), int(str(event[3]))
            side = Side.BUY if hundredths > 0 else Side.SELL
            fields = {"commission_e8": fee_cents * 10**6, "commission_asset_id": usdt}
            rig.fill(side, abs(hundredths) / 100, mark_ticks / 100, strategy, **fields)
            for scope in (ENGINE, (LimitScope.STRATEGY, strategy)):
                twins[scope].book(Fraction(hundredths, 100), Fraction(mark_ticks, 100), Fraction(fee_cents, 100))
        elif event[0] == "price":
            mark_ticks = int(str(event[1]))
            rig.price(mark_ticks / 100)
        else:
            rig.tick(int(str(event[1])))
        is_new_day = (rig.clock.time_ns() // 10**9) // DAY_S > day
        day = (rig.clock.time_ns() // 10**9) // DAY_S
        for scope, twin in twins.items():
            if is_new_day:
                twin.day_start = twin.trades.profit(Fraction(mark_ticks, 100))
            day_profit, drawdown = twin.look(Fraction(mark_ticks, 100))
            found = rig.scope(scope)
            assert found["day_pnl_e8"] == day_profit * E8
            assert found["drawdown_e8"] == drawdown * E8
            assert found["loss_streak"] == twin.streak
        drawdown = twins[ENGINE].look(Fraction(mark_ticks, 100))[1]
        expected = RiskMode.HIGH if drawdown >= MODE_AT else RiskMode.NORMAL
        assert rig.scope(ENGINE)["risk_mode"] == expected


CONTRACTS = {
    "linear": (E8, False), "ten": (10 * E8, False), "thousandth": (E8 // 1000, False), "uneven": (12_345_679, False),
    "inverse": (100 * E8, True), "inverse ten": (10 * E8, True),
}  # fmt: skip
FEES = ("BTC", "USDT", "BNB")
TRADES = st.lists(
    st.tuples(
        st.integers(-300, 300).filter(bool), st.integers(1_000_000, 9_000_000), st.integers(-5_000, 20_000),
        st.sampled_from(FEES), st.integers(1_000_000, 9_000_000),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


def down(value: Fraction) -> int:
    return math.floor(value)


@given(
    trades=TRADES, kind=st.sampled_from(sorted(CONTRACTS)), coin_e8=st.sampled_from([E8, 30_000 * E8, 31_234_567_891])
)
@settings(max_examples=600 if IS_LONG else 80, deadline=None)
def test_a_contracts_profit_is_the_books_in_every_scope(
    trades: list[tuple[int, int, int, str, int]], kind: str, coin_e8: int
) -> None:
    """Linear and inverse: profit and equity equal the twin's and those of the book of positions, to the last unit."""
    multiplier_e8, inverse = CONTRACTS[kind]
    spec = InstrumentSpec(
        venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", settle_asset="BTC" if inverse else "USDT", kind=1,
        tick_size_e8=1_000_000, lot_size_e8=100_000, multiplier_e8=multiplier_e8, inverse=inverse,
    )  # fmt: skip
    rig = MonitorRig(RiskSettings(calm_ns=0), spec=spec)
    assets = {name: rig.tables.asset_id(name) for name in FEES}
    settle_e8 = coin_e8 if inverse else E8
    rates = {"BTC": coin_e8, "USDT": E8, "BNB": 600 * E8}
    for name, rate_e8 in rates.items():
        rig.tables.set_rate(assets[name], rate_e8)
    book, twin, bnb_e8 = (
        PositionBook(rig.tables, moves_exposure=False),
        TradesTwin(Fraction(multiplier_e8, E8), inverse),
        0,
    )
    rig.price(30_000)
    rig.tick()
    for lots, price_ticks, fee_e8, asset, mark_ticks in trades:
        side, price = Side.BUY if lots > 0 else Side.SELL, Fraction(price_ticks, 100)
        book.add_fill(1, 1, side, price_ticks, abs(lots), assets[asset], fee_e8)
        wide = book.wide(1, 1)
        rig.fill(
            side, abs(lots) / 100_000, price_ticks / 100, commission_e8=fee_e8, commission_asset_id=assets[asset],
            position_cost_e8=round(Fraction(wide["cost_e16"], E8)), position_lots=wide["position_lots"],
        )  # fmt: skip
        fee = {"BNB": Fraction(0), "USDT": Fraction(fee_e8, E8), "BTC": Fraction(fee_e8, E8)}[asset]
        if asset == "USDT" and inverse:
            fee = Fraction(round(fee / price * 10**16), 10**16)
        elif asset == "BTC" and not inverse:
            fee *= price
        bnb_e8 += fee_e8 if asset == "BNB" else 0
        twin.book(Fraction(lots, 1000), price, fee)
        mark = Fraction(mark_ticks, 100)
        rig.price(mark_ticks / 100)
        rig.tick(1)
        worth = twin.value(mark, twin.held())
        whole = wide["realised_e16"] - wide["cost_e16"] - wide["fees_quote_e16"] + worth * 10**16
        assert whole == twin.profit(mark) * 10**16
        profit_e8 = down(twin.profit(mark) * E8)
        valued_e8 = down(Fraction(profit_e8 * settle_e8, E8)) - bnb_e8 * 600
        for scope in (ENGINE, MAKER, VENUE):
            assert rig.scope(scope)["day_pnl_e8"] == valued_e8
        quoted_e8 = profit_e8 - down(Fraction(bnb_e8 * rates["BNB"], settle_e8))
        assert rig.scope(BTC)["day_pnl_e8"] == (down(quoted_e8 * mark) if inverse else quoted_e8)
        unrealised_e8 = down(worth * E8) - round(Fraction(wide["cost_e16"], E8))
        assert rig.scope(ENGINE)["equity_e8"] == down(Fraction(unrealised_e8 * settle_e8, E8))
