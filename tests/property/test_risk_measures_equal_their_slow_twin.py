"""Profit, day, drawdown and streaks of the risk monitor over random fills, prices and days: equal to a twin that adds up anew."""

from __future__ import annotations

import os
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.codes import LimitScope, RiskMode, Side
from engine.risk.settings import ModeTerms, RiskSettings
from tests.monitor_harness import E8, ENGINE, MonitorRig
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
