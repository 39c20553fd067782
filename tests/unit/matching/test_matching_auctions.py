"""Calls and their uncross, calculated by hand and asked of both matching engines."""

from __future__ import annotations

import pytest

from tests.matching_stage import Stage
from tests.reference.matching_records import HIDDEN, IOC, POST_ONLY, REDUCE_ONLY, STOP

CONTINUOUS, HALTED, AUCTION, CLOSED = range(4)
OPENED = f"CONTROL 5 {AUCTION} x {CONTINUOUS}"


@pytest.fixture(params=["twin", "compiled"])
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage(request.param)


def trades(rows: list[str]) -> list[str]:
    return [row.removeprefix("TRADE AUCTION ") for row in rows if row.startswith("TRADE")]


# Each line: last price, buys and sells as (price, lots) with 0 for a market order, then the price and the lots executed.
CALLS = [
    # most lots: at 102 4 are bought, at 101 7 of 10 sold
    (0, [(102, 4), (101, 3)], [(100, 5), (101, 5)], 101, 7),
    # 99 .. 101 all execute 5, at all of them more is bought (5 lots too many): the highest
    (0, [(101, 10)], [(99, 5)], 101, 5),
    # more is sold at all of them: the lowest
    (0, [(101, 5)], [(99, 10)], 99, 5),
    # balanced at both, no last price: the lowest
    (0, [(101, 5)], [(99, 5)], 99, 5),
    # balanced at both, nearest to the last price; the last price itself is a candidate
    (103, [(101, 5)], [(99, 5)], 101, 5),
    (100, [(101, 5)], [(99, 5)], 100, 5),
    # a lot too many on either side, the last price far below: the nearer of the two
    (50, [(100, 1), (101, 1)], [(100, 1), (101, 1)], 100, 1),
    (120, [(100, 1), (101, 1)], [(100, 1), (101, 1)], 101, 1),
    # market orders count at every price, and find one only where somebody names it
    (0, [(0, 6), (98, 1)], [(97, 2), (99, 3)], 99, 5),
    # all three execute 4; one bid too many is left over at 99 and at 100, three offers at 101
    (0, [(101, 4), (100, 1)], [(99, 4), (101, 3)], 100, 4),
]


def hold_call(stage: Stage, last: int, buys: list[tuple[int, int]], sells: list[tuple[int, int]]) -> list[str]:
    if last:
        stage.trade(last)
    stage.phase(AUCTION)
    for side, orders in ((0, buys), (1, sells)):
        for number, (price, qty) in enumerate(orders):
            order_id = 10 + 10 * side + number
            rows = stage.new(side, order_id, price, qty) if price else stage.market(side, order_id, qty)
            assert rows == [f"ACCEPTED {order_id} {price} x {qty} left {qty}"]
    return stage.phase(CONTINUOUS)


@pytest.mark.parametrize(("last", "buys", "sells", "price", "lots"), CALLS)
def test_a_call_opens_at_the_price_of_the_page(
    stage: Stage, last: int, buys: list[tuple[int, int]], sells: list[tuple[int, int]], price: int, lots: int
) -> None:
    rows = hold_call(stage, last, buys, sells)
    found = [row.split() for row in trades(rows)]
    assert {int(row[1]) for row in found} == {price}
    assert sum(int(row[3]) for row in found) == lots
    assert stage.engine.last_price(0) == price
    assert rows[-1] == OPENED


def test_without_a_named_price_market_orders_find_nothing(stage: Stage) -> None:
    assert hold_call(stage, 0, [(0, 5)], [(0, 5)]) == [
        "EXPIRED NO_LIQUIDITY 10 0 x 5",
        "EXPIRED NO_LIQUIDITY 20 0 x 5",
        OPENED,
    ]


def test_the_last_price_is_enough_for_market_orders(stage: Stage) -> None:
    assert hold_call(stage, 100, [(0, 5)], [(0, 3)]) == [
        "TRADE AUCTION 10/20 100 x 3 left 2/0",
        "EXPIRED NO_LIQUIDITY 10 0 x 2",
        OPENED,
    ]


def test_the_uncross_trades_in_priority_of_both_sides(stage: Stage) -> None:
    stage.sell(1, 100, 1, flags=HIDDEN)
    stage.sell(2, 100, 1)
    stage.phase(AUCTION)
    stage.sell(3, 100, 1, flags=HIDDEN)
    stage.sell(4, 100, 1)
    stage.sell(5, 99, 1)
    stage.market(1, 6, 1)
    stage.buy(7, 100, 4)
    stage.buy(8, 101, 2)
    assert stage.phase(CONTINUOUS) == [
        "TRADE AUCTION 8/6 100 x 1 left 1/0",
        "TRADE AUCTION 8/5 100 x 1 left 0/0",
        "TRADE AUCTION 7/2 100 x 1 left 3/0",
        "TRADE AUCTION 7/1 100 x 1 left 2/0",
        "TRADE AUCTION 7/4 100 x 1 left 1/0",
        "TRADE AUCTION 7/3 100 x 1 left 0/0",
        OPENED,
    ]


def test_an_iceberg_trades_what_it_hides_and_shows_a_new_part_in_its_place(stage: Stage) -> None:
    stage.phase(AUCTION)
    stage.sell(1, 100, 10, display=4)
    stage.sell(2, 100, 3)
    stage.buy(3, 100, 5)
    assert stage.engine.queue(0, 1) == [(100, 1, 4, 0), (100, 2, 3, 0)]
    assert stage.phase(CONTINUOUS) == ["TRADE AUCTION 3/1 100 x 5 left 0/5", OPENED]
    assert stage.engine.queue(0, 1) == [(100, 1, 4, 0), (100, 2, 3, 0)]
    assert stage.engine.hidden(1) == 1


def test_what_is_left_of_a_call_joins_behind_the_orders_that_were_there(stage: Stage) -> None:
    stage.buy(1, 99, 1)
    stage.phase(AUCTION)
    stage.buy(2, 99, 1)
    stage.buy(3, 99, 1, flags=HIDDEN)
    assert (stage.ids(0), stage.ids(4), stage.ids(6)) == ([1], [2], [3])
    assert stage.engine.queue(0, 0) == [(99, 1, 1, 0), (99, 2, 1, 0)]
    assert stage.phase(CONTINUOUS) == [OPENED]
    assert (stage.ids(0), stage.ids(2), stage.ids(4), stage.ids(6)) == ([1, 2], [3], [], [])


def test_a_call_refuses_what_cannot_wait_for_it(stage: Stage) -> None:
    stage.phase(AUCTION)
    assert stage.buy(1, 100, 1, tif=IOC) == ["REJECTED AUCTION 1 100 x 1"]
    assert stage.buy(1, 100, 1, flags=POST_ONLY) == ["REJECTED AUCTION 1 100 x 1"]
    assert stage.buy(1, 100, 1, owner=1, flags=REDUCE_ONLY) == ["REJECTED AUCTION 1 100 x 1"]
    assert stage.buy(1, 0, 1, type=STOP, trigger=100, owner=1, flags=REDUCE_ONLY) == ["ACCEPTED 1 0 x 1 left 1"]


def test_reduce_only_orders_leave_before_a_call(stage: Stage) -> None:
    stage.sell(1, 100, 9)
    stage.buy(2, 100, 9, owner=1)
    stage.sell(3, 105, 2, owner=1, flags=REDUCE_ONLY | HIDDEN)
    stage.sell(4, 106, 2, owner=1, flags=REDUCE_ONLY)
    assert stage.phase(AUCTION) == ["EXPIRED AUCTION 4 106 x 2", "EXPIRED AUCTION 3 105 x 2", "CONTROL 5 0 x 2"]


def test_an_uncross_triggers_stops_only_where_trading_goes_on(stage: Stage) -> None:
    stage.buy(1, 0, 1, type=STOP, trigger=100)
    stage.phase(AUCTION)
    stage.buy(2, 100, 1)
    stage.sell(3, 100, 1)
    assert stage.phase(CLOSED) == ["TRADE AUCTION 2/3 100 x 1 left 0/0", "CONTROL 5 2 x 3"]
    assert stage.ids(8) == [1]
    stage.phase(AUCTION)
    stage.buy(4, 100, 1)
    stage.sell(5, 100, 3)
    assert stage.phase(CONTINUOUS) == [
        "TRADE AUCTION 4/5 100 x 1 left 0/2",
        "TRIGGERED 1 100 x 1 left 1",
        "TRADE 1/5 100 x 1 left 0/1",
        OPENED,
    ]


def test_a_call_may_be_held_and_opened_later(stage: Stage) -> None:
    stage.phase(AUCTION)
    stage.buy(1, 101, 2)
    stage.sell(2, 100, 2)
    assert stage.phase(HALTED) == ["CONTROL 5 2 x 1"]
    assert stage.engine.best(0, 0) == (101, 2)
    assert stage.phase(CONTINUOUS) == ["TRADE AUCTION 1/2 100 x 2 left 0/0", "CONTROL 5 1 x 0"]


def test_a_band_moves_the_market_orders_of_a_call_to_its_edge(stage: Stage) -> None:
    stage.phase(AUCTION)
    stage.market(0, 1, 1)
    stage.buy(2, 110, 1)
    stage.buy(3, 111, 1)
    assert stage.engine.best(0, 0) == (2**24 - 1, 1)
    assert stage.band(90, 110) == ["EXPIRED PRICE_BAND 3 111 x 1", "CONTROL 6 90 x 110"]
    assert stage.ids(4) == [2, 1]
    assert stage.cancel(1) == ["CANCELED 1 0 x 1"]


def test_an_amend_in_a_call_stays_in_its_book_or_goes_to_the_call(stage: Stage) -> None:
    stage.buy(1, 99, 5)
    stage.phase(AUCTION)
    stage.sell(2, 98, 5)
    assert stage.amend(1, 99, 4) == ["AMENDED 1 99 x 4 left 4"]
    assert stage.ids(0) == [1]
    assert stage.amend(1, 100, 4) == ["AMENDED 1 100 x 4 left 4"]
    assert (stage.ids(0), stage.ids(4)) == ([], [1])
