"""Stops, touched orders and trailing stops: who triggers, in which order, at which price; asked of both matching engines."""

from __future__ import annotations

import pytest

from tests.matching_stage import Stage
from tests.reference.matching_records import (
    AMEND_LOSES_PLACE,
    FOK,
    LIMIT_IF_TOUCHED,
    MARKET_IF_TOUCHED,
    POST_ONLY,
    REDUCE_ONLY,
    STOP,
    STOP_LIMIT,
    TRAIL_BPS,
    TRAILING_STOP,
)


@pytest.fixture(params=["twin", "compiled"])
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage(request.param)


def triggered(rows: list[str]) -> list[int]:
    return [int(row.split()[1]) for row in rows if row.startswith("TRIGGERED")]


def test_one_trade_triggers_rising_then_falling_then_trailing(stage: Stage) -> None:
    stage.sell(1, 0, 1, type=TRAILING_STOP, display=5)
    stage.trade(105)
    stage.sell(2, 0, 1, type=STOP, trigger=100)
    stage.sell(3, 0, 1, type=STOP, trigger=101)
    stage.buy(4, 0, 1, type=MARKET_IF_TOUCHED, trigger=101)
    stage.sell(5, 0, 1, type=MARKET_IF_TOUCHED, trigger=107)
    stage.buy(6, 0, 1, type=STOP, trigger=106)
    assert stage.ids(8) == [6, 5]
    assert stage.ids(9) == [3, 4, 2]
    assert triggered(stage.trade(100)) == [3, 4, 2, 1]
    assert triggered(stage.trade(107)) == [6, 5]


def test_equal_triggers_go_by_time_and_rows_tell_the_price_that_met_them(stage: Stage) -> None:
    stage.buy(1, 0, 2, type=STOP, trigger=101)
    stage.buy(2, 102, 3, type=STOP_LIMIT, trigger=101)
    stage.sell(3, 110, 2)
    assert stage.trade(103) == [
        "TRIGGERED 1 103 x 2 left 2",
        "TRADE 1/3 110 x 2 left 0/0",
        "TRIGGERED 2 103 x 3 left 3",
    ]
    assert stage.engine.best(0, 0) == (102, 3)


def test_a_stop_whose_trigger_is_met_already_triggers_at_entry(stage: Stage) -> None:
    stage.trade(100)
    stage.sell(1, 105, 1)
    assert stage.buy(2, 0, 1, type=STOP, trigger=100) == [
        "ACCEPTED 2 0 x 1 left 1",
        "TRIGGERED 2 100 x 1 left 1",
        "TRADE 2/1 105 x 1 left 0/0",
    ]


def test_a_trigger_sets_the_next_off_in_one_operation(stage: Stage) -> None:
    stage.buy(1, 0, 1, type=STOP, trigger=100)
    stage.buy(2, 0, 1, type=STOP, trigger=101)
    stage.buy(3, 120, 4, type=STOP_LIMIT, tif=FOK, trigger=102)
    stage.sell(4, 101, 1)
    stage.sell(5, 102, 1)
    assert stage.trade(100) == [
        "TRIGGERED 1 100 x 1 left 1",
        "TRADE 1/4 101 x 1 left 0/0",
        "TRIGGERED 2 101 x 1 left 1",
        "TRADE 2/5 102 x 1 left 0/0",
        "TRIGGERED 3 102 x 4 left 4",
        "EXPIRED FOK_UNFILLED 3 120 x 4",
    ]
    assert stage.engine.live_orders == 0


def test_a_trailing_sell_follows_the_highest_price_by_ticks(stage: Stage) -> None:
    stage.sell(1, 0, 1, type=TRAILING_STOP, display=4)
    for price in (100, 103, 101, 110, 107):
        assert triggered(stage.trade(price)) == []
    assert [(row[13], row[14]) for row in stage.engine.orders_in(0, 10)] == [(110, 1)]
    assert triggered(stage.trade(106)) == [1]


def test_a_trailing_buy_by_basis_points_rounds_its_distance_down(stage: Stage) -> None:
    stage.buy(1, 0, 1, type=TRAILING_STOP, display=150, flags=TRAIL_BPS)
    for price in (1_000, 999, 1_012, 950, 963):  # 950 * 150 / 10,000 = 14.25, so 14
        assert triggered(stage.trade(price)) == []
    assert triggered(stage.trade(964)) == [1]


def test_a_distance_in_basis_points_is_a_tick_at_least(stage: Stage) -> None:
    stage.sell(1, 0, 1, type=TRAILING_STOP, display=1, flags=TRAIL_BPS)
    assert triggered(stage.trade(50)) == []
    assert triggered(stage.trade(49)) == [1]


def test_a_trailing_stop_sleeps_until_its_activation_price(stage: Stage) -> None:
    stage.trade(100)
    stage.sell(1, 0, 1, type=TRAILING_STOP, display=2, trigger=105)
    stage.sell(2, 0, 1, type=TRAILING_STOP, display=2, trigger=100)
    assert [row[13:15] for row in stage.engine.orders_in(0, 10)] == [(0, 0), (100, 1)]
    assert triggered(stage.trade(98)) == [2]
    assert triggered(stage.trade(106)) == []
    assert triggered(stage.trade(105)) == []
    assert triggered(stage.trade(104)) == [1]


def test_a_triggered_trailing_stop_with_a_price_rests_whole(stage: Stage) -> None:
    stage.sell(1, 101, 7, type=TRAILING_STOP, display=2)
    stage.trade(102)
    assert stage.trade(100) == ["TRIGGERED 1 100 x 7 left 7"]
    (row,) = stage.engine.orders_in(0, 1)
    assert row[2:5] == (101, 7, 7)
    assert row[6] == TRAILING_STOP
    assert row[11:15] == (0, 0, 0, 0)


def test_a_touched_order_waits_on_the_better_side(stage: Stage) -> None:
    stage.buy(1, 99, 5, type=LIMIT_IF_TOUCHED, trigger=98)
    stage.sell(2, 97, 5, type=LIMIT_IF_TOUCHED, trigger=103)
    assert (stage.ids(9), stage.ids(8)) == ([1], [2])
    assert triggered(stage.trade(99)) == []
    assert triggered(stage.trade(98)) == [1]
    assert stage.engine.best(0, 0) == (99, 5)


def test_a_triggered_order_that_cannot_enter_expires_with_the_reason(stage: Stage) -> None:
    stage.band(90, 110)
    stage.buy(1, 111, 1, type=STOP_LIMIT, trigger=100)
    stage.sell(2, 101, 5)
    stage.buy(3, 101, 1, type=STOP_LIMIT, trigger=100, flags=POST_ONLY)
    stage.buy(4, 101, 1, type=STOP_LIMIT, trigger=100, owner=2, flags=REDUCE_ONLY)
    assert stage.trade(100) == [
        "TRIGGERED 1 100 x 1 left 1",
        "EXPIRED PRICE_BAND 1 111 x 1",
        "TRIGGERED 3 100 x 1 left 1",
        "EXPIRED WOULD_CROSS 3 101 x 1",
        "TRIGGERED 4 100 x 1 left 1",
        "EXPIRED REDUCE_ONLY 4 101 x 1",
    ]


@pytest.mark.parametrize("kind", ["twin", "compiled"])
def test_a_triggered_order_without_a_page_expires(kind: str) -> None:
    stage = Stage(kind, pages=2)
    stage.buy(1, 500, 1, type=STOP_LIMIT, trigger=100)
    stage.buy(2, 500, 1, type=STOP_LIMIT, trigger=101)
    stage.buy(3, 64, 1)
    assert stage.engine.free_pages_left() == 0
    assert stage.trade(100) == ["TRIGGERED 1 100 x 1 left 1", "EXPIRED LEVELS_FULL 1 500 x 1"]
    assert stage.engine.live_orders == 2


def test_waiting_orders_are_amended_in_place_unless_their_trigger_moves(stage: Stage) -> None:
    stage.buy(1, 120, 1, type=STOP_LIMIT, trigger=105)
    stage.buy(2, 120, 2, type=STOP_LIMIT, trigger=105)
    stage.trade(100)
    assert stage.amend(1, 119, 9) == ["AMENDED 1 119 x 9 left 9"]
    assert stage.ids(8) == [1, 2]
    assert stage.amend(1, 119, 9, trigger=100) == ["REJECTED BAD_TRIGGER 1 119 x 9"]
    assert stage.amend(1, 119, 9, flags=AMEND_LOSES_PLACE) == ["AMENDED 1 119 x 9 left 9"]
    assert stage.ids(8) == [2, 1]
    assert stage.amend(2, 120, 2, trigger=106) == ["AMENDED 2 120 x 2 left 2"]
    assert stage.ids(8) == [1, 2]
