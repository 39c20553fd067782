"""Promises of the matching engine's page, each calculated by hand and asked of the compiled engine and of its slow twin."""

from __future__ import annotations

import pytest

from tests.matching_stage import Stage
from tests.reference.matching_records import (
    AMEND_LOSES_PLACE,
    ANY,
    DAY,
    DECREMENT,
    EXPIRE_BOTH,
    EXPIRE_MAKER,
    EXPIRE_TAKER,
    FOK,
    GTD,
    HIDDEN,
    IOC,
    POST_ONLY,
    POST_ONLY_REPRICE,
    REDUCE_ONLY,
)

BUY, SELL = 0, 1


@pytest.fixture(params=["twin", "compiled"])
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage(request.param)


def test_better_prices_trade_first_then_lit_then_older_ones(stage: Stage) -> None:
    stage.sell(1, 101, 5)
    stage.sell(2, 100, 2, flags=HIDDEN)
    stage.sell(3, 100, 3)
    stage.sell(4, 100, 4)
    assert stage.buy(5, 101, 12) == [
        "ACCEPTED 5 101 x 12 left 12",
        "TRADE 5/3 100 x 3 left 9/0",
        "TRADE 5/4 100 x 4 left 5/0",
        "TRADE 5/2 100 x 2 left 3/0",
        "TRADE 5/1 101 x 3 left 0/2",
    ]
    assert stage.engine.best(0, SELL) == (101, 2)
    assert stage.engine.best(0, BUY) == (0, 0)
    assert stage.engine.last_price(0) == 101


def test_an_icebergs_next_part_stands_behind_its_level(stage: Stage) -> None:
    stage.sell(1, 100, 10, display=4)
    stage.sell(2, 100, 3)
    assert stage.engine.level_qty(0, SELL, 100) == 7
    assert stage.buy(3, 100, 8, tif=IOC) == [
        "ACCEPTED 3 100 x 8 left 8",
        "TRADE 3/1 100 x 4 left 4/6",
        "REFRESHED 1 100 x 4 left 6",
        "TRADE 3/2 100 x 3 left 1/0",
        "TRADE 3/1 100 x 1 left 0/5",
    ]
    assert stage.engine.queue(0, SELL) == [(100, 1, 3, 0)]
    assert stage.engine.hidden(1) == 2


def test_a_fill_or_kill_counts_what_is_hidden_and_trades_all_or_nothing(stage: Stage) -> None:
    stage.sell(1, 100, 10, display=1)
    stage.sell(2, 101, 5, flags=HIDDEN)
    assert stage.buy(3, 101, 16, tif=FOK) == ["ACCEPTED 3 101 x 16 left 16", "EXPIRED FOK_UNFILLED 3 101 x 16"]
    rows = stage.buy(4, 101, 15, tif=FOK)
    assert rows[0] == "ACCEPTED 4 101 x 15 left 15"
    assert rows[-1] == "TRADE 4/2 101 x 5 left 0/0"
    assert stage.engine.live_orders == 0


def test_a_fill_or_kill_that_meets_its_owner_first_is_unfilled(stage: Stage) -> None:
    stage.sell(1, 100, 3, owner=7)
    stage.sell(2, 101, 5)
    assert stage.buy(3, 101, 4, owner=7, tif=FOK, stp=EXPIRE_TAKER)[1:] == ["EXPIRED FOK_UNFILLED 3 101 x 4"]
    assert stage.buy(4, 101, 6, owner=7, tif=FOK, stp=EXPIRE_MAKER)[1:] == ["EXPIRED FOK_UNFILLED 4 101 x 6"]
    assert stage.buy(5, 101, 5, owner=7, tif=FOK, stp=EXPIRE_MAKER)[1:] == [
        "EXPIRED SELF_TRADE 1/5 100 x 3",
        "TRADE 5/2 101 x 5 left 0/0",
    ]


def test_what_an_immediate_order_leaves_expires_with_its_own_reason(stage: Stage) -> None:
    stage.sell(1, 100, 2)
    assert stage.buy(2, 100, 5, tif=IOC)[1:] == ["TRADE 2/1 100 x 2 left 3/0", "EXPIRED IOC_REMAINDER 2 100 x 3"]
    assert stage.market(BUY, 3, 5) == ["ACCEPTED 3 0 x 5 left 5", "EXPIRED NO_LIQUIDITY 3 0 x 5"]


def test_a_post_only_order_never_takes(stage: Stage) -> None:
    stage.sell(1, 102, 1)
    stage.sell(2, 100, 1, flags=HIDDEN)
    assert stage.buy(3, 100, 1, flags=POST_ONLY) == ["REJECTED WOULD_CROSS 3 100 x 1"]
    assert stage.buy(4, 105, 1, flags=POST_ONLY_REPRICE) == ["ACCEPTED REPRICED 4 99 x 1 left 1"]
    assert stage.buy(5, 99, 1, flags=POST_ONLY) == ["ACCEPTED 5 99 x 1 left 1"]


def test_a_reprice_beyond_the_band_or_the_price_range_is_refused(stage: Stage) -> None:
    stage.sell(1, 1, 1)
    assert stage.buy(2, 5, 1, flags=POST_ONLY_REPRICE) == ["REJECTED WOULD_CROSS 2 5 x 1"]
    stage.cancel(1)
    stage.band(100, 110)
    stage.sell(3, 100, 1)
    assert stage.buy(4, 110, 1, flags=POST_ONLY_REPRICE) == ["REJECTED WOULD_CROSS 4 110 x 1"]


@pytest.mark.parametrize(
    ("stp", "rows"),
    [
        (0, ["TRADE 3/1 100 x 4 left 2/0", "TRADE 3/2 101 x 2 left 0/3"]),
        (EXPIRE_MAKER, ["EXPIRED SELF_TRADE 1/3 100 x 4", "TRADE 3/2 101 x 5 left 1/0"]),
        (EXPIRE_TAKER, ["EXPIRED SELF_TRADE 3/1 101 x 6"]),
        (EXPIRE_BOTH, ["EXPIRED SELF_TRADE 1/3 100 x 4", "EXPIRED SELF_TRADE 3/1 101 x 6"]),
        (DECREMENT, ["PREVENTED SELF_TRADE 3/1 100 x 4 left 2/0", "TRADE 3/2 101 x 2 left 0/3"]),
    ],
)
def test_an_owner_does_not_trade_with_itself_unless_it_wants(stage: Stage, stp: int, rows: list[str]) -> None:
    stage.sell(1, 100, 4, owner=9)
    stage.sell(2, 101, 5, owner=8)
    assert stage.buy(3, 101, 6, owner=9, stp=stp)[1:] == rows
    assert stage.engine.position(9, 0) == (5 if stp == EXPIRE_MAKER else 2 if stp in (0, DECREMENT) else 0)


def test_a_prevention_refreshes_an_iceberg_and_is_no_trade(stage: Stage) -> None:
    stage.sell(1, 100, 5, owner=9, display=2)
    assert stage.buy(2, 100, 3, owner=9, stp=DECREMENT)[1:] == [
        "PREVENTED SELF_TRADE 2/1 100 x 2 left 1/3",
        "REFRESHED 1 100 x 2 left 3",
        "PREVENTED SELF_TRADE 2/1 100 x 1 left 0/2",
    ]
    assert stage.engine.trade_count == 0
    assert stage.engine.last_price(0) == 0


def test_a_reduce_only_order_is_cut_to_the_position_and_expires_when_that_is_gone(stage: Stage) -> None:
    assert stage.sell(1, 100, 5, owner=3, flags=REDUCE_ONLY) == ["REJECTED REDUCE_ONLY 1 100 x 5"]
    stage.sell(2, 100, 4)
    stage.buy(3, 100, 4, owner=3)
    assert stage.buy(4, 99, 5, owner=3, flags=REDUCE_ONLY) == ["REJECTED REDUCE_ONLY 4 99 x 5"]
    assert stage.sell(5, 105, 9, owner=3, flags=REDUCE_ONLY) == ["ACCEPTED 5 105 x 9 left 4"]
    assert stage.sell(6, 104, 3, owner=3, flags=REDUCE_ONLY | HIDDEN) == ["ACCEPTED 6 104 x 3 left 3"]
    stage.buy(7, 100, 4)
    assert stage.market(SELL, 8, 4, owner=3)[1:] == [
        "TRADE 8/7 100 x 4 left 0/0",
        "EXPIRED REDUCE_ONLY 5 105 x 4",
        "EXPIRED REDUCE_ONLY 6 104 x 3",
    ]


def test_a_reduce_only_maker_trades_no_more_than_the_position(stage: Stage) -> None:
    stage.sell(1, 100, 4)
    stage.buy(2, 100, 4, owner=3)
    stage.sell(3, 101, 4, owner=3, flags=REDUCE_ONLY)
    stage.sell(4, 102, 4, owner=3, flags=REDUCE_ONLY)
    stage.buy(5, 99, 3)
    stage.sell(6, 99, 3, owner=3)
    assert stage.engine.position(3, 0) == 1
    assert stage.buy(7, 103, 9)[1:] == [
        "TRADE 7/3 101 x 1 left 8/3",
        "EXPIRED REDUCE_ONLY 3 101 x 3",
        "EXPIRED REDUCE_ONLY 4 102 x 4",
    ]
    assert stage.engine.best(0, BUY) == (103, 8)


def test_good_till_date_orders_expire_by_time_then_by_acceptance(stage: Stage) -> None:
    stage.buy(1, 90, 1, tif=GTD, expire_ns=50)
    stage.buy(2, 91, 2, tif=GTD, expire_ns=40, symbol=1)
    stage.buy(3, 92, 3, tif=GTD, expire_ns=40)
    stage.buy(4, 93, 4, tif=GTD, expire_ns=51)
    stage.sell(5, 95, 2, type=2, trigger=80, tif=GTD, expire_ns=50)
    assert stage.advance(50) == [
        "EXPIRED TIME_EXPIRED 2 91 x 2",
        "EXPIRED TIME_EXPIRED 3 92 x 3",
        "EXPIRED TIME_EXPIRED 1 90 x 1",
        "EXPIRED TIME_EXPIRED 5 0 x 2",
        "CONTROL 4 0 x 50",
    ]
    assert stage.advance(49) == ["REJECTED CLOCK_BACKWARDS 0 0 x 0"]
    assert stage.buy(6, 90, 1, tif=GTD, expire_ns=50) == ["REJECTED BAD_EXPIRY 6 90 x 1"]


def test_the_day_ends_with_the_close(stage: Stage) -> None:
    stage.buy(1, 90, 1, tif=DAY)
    stage.sell(2, 95, 1, tif=DAY)
    stage.buy(3, 90, 1)
    stage.buy(4, 0, 7, type=2, trigger=100, tif=DAY)
    assert stage.phase(3) == [
        "EXPIRED END_OF_DAY 1 90 x 1",
        "EXPIRED END_OF_DAY 2 95 x 1",
        "EXPIRED END_OF_DAY 4 0 x 7",
        "CONTROL 5 0 x 3",
    ]
    assert stage.buy(5, 90, 1) == ["REJECTED CLOSED 5 90 x 1"]
    assert stage.cancel(3) == ["CANCELED 3 90 x 1"]


def test_a_halt_lets_cancel_and_reduce_but_nothing_else(stage: Stage) -> None:
    stage.buy(1, 90, 5)
    assert stage.phase(1) == ["CONTROL 5 0 x 1"]
    assert stage.phase(1) == ["REJECTED NOTHING_CHANGED 0 0 x 0"]
    assert stage.buy(2, 0, 1, type=2, trigger=100) == ["REJECTED HALTED 2 0 x 1"]
    assert stage.amend(1, 91, 5) == ["REJECTED HALTED 1 91 x 5"]
    assert stage.amend(1, 90, 2) == ["AMENDED 1 90 x 2 left 2"]
    assert stage.cancel(1) == ["CANCELED 1 90 x 2"]


def test_a_band_expires_what_stands_outside_and_bounds_what_comes(stage: Stage) -> None:
    stage.buy(1, 90, 1)
    stage.buy(2, 95, 1)
    stage.sell(3, 111, 1, flags=HIDDEN)
    stage.buy(4, 0, 1, type=2, trigger=200)
    assert stage.band(95, 110) == ["EXPIRED PRICE_BAND 1 90 x 1", "EXPIRED PRICE_BAND 3 111 x 1", "CONTROL 6 95 x 110"]
    assert stage.buy(5, 94, 1) == ["REJECTED PRICE_BAND 5 94 x 1"]
    assert stage.amend(2, 111, 1) == ["REJECTED PRICE_BAND 2 111 x 1"]
    assert stage.band(5, 4) == ["REJECTED BAD_BAND 0 5 x 0"]
    assert stage.band(0, 0) == ["CONTROL 6 0 x 0"]
    assert stage.engine.band(0) == (0, 0)


def test_a_bust_takes_positions_back_once(stage: Stage) -> None:
    stage.sell(1, 100, 4, owner=5)
    stage.buy(2, 100, 4, owner=6)
    stage.sell(3, 101, 4, owner=6, flags=REDUCE_ONLY)
    assert stage.bust(2) == ["REJECTED UNKNOWN_TRADE 2 0 x 0"]
    assert stage.bust(1) == ["BUSTED 2/1 100 x 4", "EXPIRED REDUCE_ONLY 3 101 x 4"]
    assert stage.engine.position(5, 0) == stage.engine.position(6, 0) == 0
    assert stage.bust(1) == ["REJECTED UNKNOWN_TRADE 1 0 x 0"]
    assert stage.engine.last_price(0) == 100


def test_an_amend_down_keeps_the_place_and_takes_what_is_hidden_first(stage: Stage) -> None:
    stage.sell(1, 100, 10, display=4)
    stage.sell(2, 100, 1)
    assert stage.amend(1, 100, 6, display=3) == ["AMENDED 1 100 x 6 left 6"]
    assert stage.ids(1) == [1, 2]
    assert (stage.engine.order(1), stage.engine.hidden(1)) == ((0, 1, 100, 4, 0), 2)
    assert stage.buy(3, 100, 4, tif=IOC)[1:] == ["TRADE 3/1 100 x 4 left 0/2", "REFRESHED 1 100 x 2 left 2"]
    assert stage.ids(1) == [2, 1]
    assert stage.amend(2, 100, 1, flags=AMEND_LOSES_PLACE) == ["AMENDED 2 100 x 1 left 1"]
    assert stage.ids(1) == [1, 2]


def test_an_amended_order_that_crosses_takes(stage: Stage) -> None:
    stage.buy(1, 99, 2)
    stage.sell(2, 100, 3)
    assert stage.amend(1, 100, 5, flags=POST_ONLY) == ["REJECTED WOULD_CROSS 1 100 x 5"]
    assert stage.amend(1, 100, 5) == ["AMENDED 1 100 x 5 left 5", "TRADE 1/2 100 x 3 left 2/0"]
    assert stage.engine.best(0, BUY) == (100, 2)


def test_a_mass_cancel_goes_through_the_containers_in_order(stage: Stage) -> None:
    stage.sell(1, 0, 1, owner=2, type=6, display=3)
    stage.sell(2, 0, 2, owner=2, type=2, trigger=80)
    stage.buy(3, 0, 3, owner=2, type=2, trigger=120)
    stage.sell(4, 101, 4, owner=2, flags=HIDDEN)
    stage.sell(5, 102, 5, owner=2)
    stage.buy(6, 99, 6, owner=2)
    stage.buy(7, 98, 7, owner=3)
    stage.buy(8, 97, 8, owner=2, symbol=1)
    rows = ["6 99 x 6", "5 102 x 5", "4 101 x 4", "3 0 x 3", "2 0 x 2", "1 0 x 1", "8 97 x 8"]
    assert stage.mass_cancel(ANY, 2) == [f"CANCELED {row}" for row in rows]
    assert stage.mass_cancel(0, 2) == ["REJECTED NOTHING_TO_CANCEL 0 0 x 0"]
    assert stage.mass_cancel(2, 2) == ["REJECTED UNKNOWN_SYMBOL 0 0 x 0"]
    assert stage.engine.live_orders == 1
