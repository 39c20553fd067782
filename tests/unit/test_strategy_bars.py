"""Bars as strategies get them: aligned, closed by trades or by the clock, first part left out."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.strategy.api import BarView, Strategy
from engine.strategy.status import StrategyStatus
from tests.strategy_harness import SECOND_NS, Noting, rehearsal

MS = 1_000_000


class Barring(Noting):
    def on_start(self) -> None:
        self.subscribe_bars("BTCUSDT", 1)
        self.subscribe_bars("BTCUSDT", 2)
        self.subscribe_bars("BTCUSDT", 1)

    def on_trade(self, trade: object) -> None:
        self.heard.append(("trade",))

    def on_bar(self, bar: BarView) -> None:
        self.heard.append(
            (bar.interval_ns // SECOND_NS, bar.open_wall_ns // SECOND_NS % 100, bar.count, bar.close_ticks)
        )

    def bars(self) -> list[tuple[int, ...]]:
        return [entry for entry in self.heard if len(entry) == 4]


def test_bars_are_aligned_to_wall_time_and_closed_by_the_clock() -> None:
    strategy = Barring()
    with rehearsal(strategy) as stage:  # the virtual wall clock starts on a whole second, ...00
        stage.runner.start()
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        stage.advance(SECOND_NS - 1)
        assert strategy.bars() == []
        stage.advance(1)
        assert strategy.bars() == [(1, 0, 1, 100)]
        stage.advance(SECOND_NS)
        # timers that are due together fire in the order in which they were armed
        assert strategy.bars()[1:] == [(2, 0, 1, 100), (1, 1, 0, 100)]


def test_the_first_trade_of_a_later_interval_closes_the_bar_before_it_is_told() -> None:
    strategy = Barring()
    with rehearsal(strategy, bar_delay_ns=500 * MS) as stage:
        stage.runner.start()
        stage.trade("BTCUSDT", 100, 1)
        stage.advance(1200 * MS)
        assert strategy.bars() == []  # the timer waits half a second for late trades
        stage.trade("BTCUSDT", 101, 1)
        stage.run()
        assert strategy.heard == [("trade",), (1, 0, 1, 100), ("trade",)]


def test_a_trade_under_way_at_the_boundary_is_still_counted() -> None:
    strategy = Barring()
    with rehearsal(strategy, bar_delay_ns=100 * MS) as stage:
        stage.runner.start()
        begin_ns = stage.clock.time_ns()
        stage.trade("BTCUSDT", 100, 1)
        stage.advance(1050 * MS)
        stage.trade("BTCUSDT", 105, 1, trade_ns=begin_ns + 999 * MS)
        stage.run()
        stage.advance(50 * MS)
        assert strategy.bars() == [(1, 0, 2, 105)]


def test_a_bar_whose_begin_was_not_seen_is_left_out() -> None:
    strategy = Barring()
    with rehearsal(strategy) as stage:
        stage.advance(300 * MS)
        stage.runner.start()
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        stage.advance(2 * SECOND_NS)
        assert strategy.bars() == [(1, 1, 0, 100)]


@pytest.mark.invariant("R06")
@pytest.mark.parametrize("step_ns", [3600 * SECOND_NS, -3600 * SECOND_NS])
def test_bars_go_on_when_the_wall_clock_steps(step_ns: int) -> None:
    strategy = Barring()
    with rehearsal(strategy) as stage:
        stage.runner.start()
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        stage.clock.step_wall(step_ns)
        venue_ns = stage.clock.time_ns() - step_ns
        for _ in range(5):
            stage.advance(SECOND_NS)
            venue_ns += SECOND_NS
            stage.trade("BTCUSDT", 101, 1, trade_ns=venue_ns)
            stage.run()
        assert strategy.status == StrategyStatus.RUNNING
        opens = [bar[1] for bar in strategy.bars() if bar[0] == 1 and bar[2]]
        if step_ns < 0:
            assert opens == [0, 1, 2, 3, 4]
        assert opens == sorted(opens)


def test_a_bars_values_are_exact() -> None:
    seen = []

    class Reading(Strategy):
        def on_start(self) -> None:
            self.subscribe_bars("BTCUSDT", Decimal("0.5"))

        def on_bar(self, bar: BarView) -> None:
            prices = (bar.open, bar.high, bar.low, bar.close)
            seen.append(
                (prices, bar.volume, bar.buy_volume_lots, bar.quote_value_e8, bar.close_wall_ns - bar.open_wall_ns)
            )

    with rehearsal(Reading()) as stage:
        stage.runner.start()
        for price, lots, side in ((10_000, 3, 0), (10_500, 5, 1), (9_900, 7, 0), (10_100, 11, 1)):
            stage.trade("BTCUSDT", price, lots, side)
        stage.run()
        stage.advance(SECOND_NS)
    value = 100 * Decimal("0.00003") + 105 * Decimal("0.00005") + 99 * Decimal("0.00007") + 101 * Decimal("0.00011")
    prices = (Decimal(100), Decimal(105), Decimal(99), Decimal(101))
    assert seen[0] == (prices, Decimal("0.00026"), 10, int(value * 100_000_000), SECOND_NS // 2)
    assert len(seen) == 2


def test_strategies_that_did_not_ask_get_no_bars() -> None:
    asking, other = Barring(), Noting()
    with rehearsal(asking, other) as stage:
        stage.runner.start()
        stage.trade("BTCUSDT", 100, 1)
        stage.trade("ETHUSDT", 100, 1)
        stage.run()
        stage.advance(3 * SECOND_NS)
    assert "bar" not in other.names()
    assert len(asking.bars()) == 4


def test_an_interval_that_is_none_is_refused() -> None:
    class Wrong(Strategy):
        def on_start(self) -> None:
            self.subscribe_bars("BTCUSDT", 0)

    strategy = Wrong()
    with rehearsal(strategy) as stage:
        stage.runner.start()
    assert strategy.status == StrategyStatus.DISABLED
