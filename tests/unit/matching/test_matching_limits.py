"""What the matching engine refuses, in which order, and what its limits and handles are; asked of both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.matching_stage import Stage
from tests.reference.matching_records import (
    ANY,
    BUST,
    CANCEL,
    GTD,
    HIDDEN,
    IOC,
    LIMIT_IF_TOUCHED,
    MARKET,
    NEW,
    PHASE,
    POST_ONLY,
    POST_ONLY_REPRICE,
    REASONS,
    REDUCE_ONLY,
    REJECTED,
    STOP,
    STOP_LIMIT,
    TRAIL_BPS,
    TRAILING_STOP,
    Operation,
)

TOP = 2**24 - 1


@pytest.fixture(params=["twin", "compiled"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stage(kind: str) -> Stage:
    return Stage(kind)


def refusal(stage: Stage, op: Operation) -> str:
    rows = stage.apply(op)
    if rows[0][0] != REJECTED:
        return ""
    assert rows == [(REJECTED, op.side, rows[0][2], op.symbol, rows[0][4], op.order_id, 0, op.price, op.qty, 0, 0)]
    return REASONS[rows[0][2]]


def test_the_first_thing_wrong_is_the_one_that_is_told(stage: Stage) -> None:
    stage.buy(7, 90, 1)
    op = Operation(NEW, 2, STOP_LIMIT, GTD, 64, 9, 5, ANY, 7, 0, 0, -1, 0, 0)
    mended = [
        ("UNKNOWN_SYMBOL", {"symbol": 0}),
        ("BAD_SIDE", {"side": 1}),
        ("UNSUPPORTED", {"flags": 0, "stp": 1}),
        ("BAD_OWNER", {"owner": 3}),
        ("BAD_QTY", {"qty": 5}),
        ("BAD_PRICE", {"price": 80}),
        ("BAD_DISPLAY", {"display": 2}),
        ("BAD_TRIGGER", {"trigger": 80}),
        ("BAD_EXPIRY", {"expire_ns": 10}),
        ("DUPLICATE_ORDER_ID", {"order_id": 8}),
    ]
    for reason, change in mended:
        assert refusal(stage, op) == reason
        op = replace(op, **change)
    stage.phase(1)
    assert refusal(stage, op) == "HALTED"
    stage.phase(0)
    assert refusal(stage, op) == ""


UNSUPPORTED = [
    Operation(type=7),
    Operation(tif=5),
    Operation(stp=5),
    Operation(flags=64),
    Operation(flags=16),
    Operation(flags=TRAIL_BPS),
    Operation(flags=POST_ONLY | POST_ONLY_REPRICE),
    Operation(tif=IOC, flags=POST_ONLY),
    Operation(tif=IOC, flags=HIDDEN),
    Operation(tif=2, display=1),
    Operation(display=1, flags=HIDDEN),
    Operation(trigger=5),
    Operation(expire_ns=5),
    Operation(type=MARKET, tif=3, expire_ns=5),
    Operation(type=MARKET, tif=2),
    Operation(type=MARKET, display=1),
    Operation(type=MARKET, flags=HIDDEN),
    Operation(type=STOP, tif=IOC, trigger=9),
    Operation(type=STOP, trigger=9, flags=POST_ONLY),
    Operation(type=STOP, trigger=9, display=1),
    Operation(type=STOP_LIMIT, tif=IOC, trigger=9, display=1),
    Operation(op=8),
    Operation(op=255),
]


@pytest.mark.parametrize("op", UNSUPPORTED, ids=range(len(UNSUPPORTED)))
def test_a_combination_that_no_order_has_is_refused(stage: Stage, op: Operation) -> None:
    assert refusal(stage, replace(op, order_id=1, price=50, qty=5)) == "UNSUPPORTED"


def test_a_trailing_stop_without_a_price_takes_what_a_market_order_takes(stage: Stage) -> None:
    op = Operation(type=TRAILING_STOP, order_id=1, qty=5, display=3)
    assert refusal(stage, replace(op, tif=IOC)) == "UNSUPPORTED"
    assert refusal(stage, replace(op, flags=HIDDEN)) == "UNSUPPORTED"
    assert refusal(stage, replace(op, tif=IOC, price=50)) == ""
    assert refusal(stage, replace(op, order_id=2, flags=HIDDEN, price=50)) == ""


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (Operation(price=0, qty=1), "BAD_PRICE"),
        (Operation(price=TOP, qty=1), ""),
        (Operation(price=TOP + 1, qty=1), "BAD_PRICE"),
        (Operation(price=-1, qty=1, type=TRAILING_STOP, display=5), "BAD_PRICE"),
        (Operation(price=1, qty=(2**63 - 1) // 100), ""),
        (Operation(price=1, qty=(2**63 - 1) // 100 + 1), "BAD_QTY"),
        (Operation(price=1, qty=1024, display=1), ""),
        (Operation(price=1, qty=1025, display=1), "BAD_DISPLAY"),
        (Operation(price=1, qty=2048, display=2), ""),
        (Operation(qty=1, type=TRAILING_STOP, display=TOP), ""),
        (Operation(qty=1, type=TRAILING_STOP, display=TOP + 1), "BAD_DISPLAY"),
        (Operation(qty=1, type=TRAILING_STOP, display=0), "BAD_DISPLAY"),
        (Operation(qty=1, type=TRAILING_STOP, display=9_999, flags=TRAIL_BPS), ""),
        (Operation(qty=1, type=TRAILING_STOP, display=10_000, flags=TRAIL_BPS), "BAD_DISPLAY"),
        (Operation(qty=1, type=TRAILING_STOP, display=5, trigger=-1), "BAD_TRIGGER"),
        (Operation(qty=1, price=5, type=LIMIT_IF_TOUCHED, trigger=TOP + 1), "BAD_TRIGGER"),
        (Operation(qty=1, type=STOP, price=-7, trigger=TOP), ""),
    ],
)
def test_numbers_are_taken_up_to_their_edges(stage: Stage, op: Operation, reason: str) -> None:
    assert refusal(stage, op) == reason


def test_no_slot_no_page_and_no_position_record_refuse_with_their_reasons(kind: str) -> None:
    stage = Stage(kind, orders=2, pages=1, positions_max=1)
    stage.buy(1, 63, 1, owner=1)
    assert stage.buy(2, 64, 1) == ["REJECTED LEVELS_FULL 2 64 x 1"]
    assert stage.buy(2, 1, 1, flags=HIDDEN) == ["REJECTED LEVELS_FULL 2 1 x 1"]
    assert stage.buy(2, 1, 1, owner=2) == ["REJECTED POSITIONS_FULL 2 1 x 1"]
    assert stage.buy(2, 1, 1, owner=1, symbol=1) == ["REJECTED LEVELS_FULL 2 1 x 1"]
    assert stage.sell(2, 63, 1, owner=2, tif=IOC) == ["REJECTED POSITIONS_FULL 2 63 x 1"]
    stage.sell(2, 0, 1, type=TRAILING_STOP, display=1)
    assert stage.buy(3, 1, 1) == ["REJECTED ORDERS_FULL 3 1 x 1"]
    assert stage.sell(3, 63, 1) == ["REJECTED ORDERS_FULL 3 63 x 1"]
    assert stage.sell(3, 63, 1, tif=IOC)[1] == "TRADE 3/1 63 x 1 left 0/0"


def test_only_the_owner_touches_an_order(stage: Stage) -> None:
    stage.buy(1, 90, 5, owner=4)
    assert stage.cancel(1) == ["REJECTED NOT_OWNER 1 0 x 0"]
    assert stage.cancel(1, owner=ANY) == ["REJECTED NOT_OWNER 1 0 x 0"]
    assert stage.amend(1, 91, 5, owner=5) == ["REJECTED NOT_OWNER 1 91 x 5"]
    assert stage.cancel(1, owner=4, symbol=1) == ["REJECTED UNKNOWN_ORDER 1 0 x 0"]
    assert stage.cancel(1, owner=4, symbol=2) == ["REJECTED UNKNOWN_SYMBOL 1 0 x 0"]
    assert stage.cancel(1, owner=4) == ["CANCELED 1 90 x 5"]
    assert stage.do(CANCEL, order_id=1, owner=4) == ["REJECTED UNKNOWN_ORDER 1 0 x 0"]


def test_own_handles_tell_slot_and_generation(kind: str) -> None:
    stage = Stage(kind, own_handles=True)
    first, second = 1 << 32, 1 << 32 | 1
    assert stage.buy(77, 90, 5) == [f"ACCEPTED {first} 90 x 5 left 5"]
    assert stage.buy(77, 90, 5) == [f"ACCEPTED {second} 90 x 5 left 5"]
    assert stage.sell(77, 95, 5, flags=POST_ONLY | POST_ONLY_REPRICE) == ["REJECTED UNSUPPORTED 77 95 x 5"]
    slotless = 0xFFFFFFFF << 32
    assert stage.sell(77, 90, 5, tif=IOC) == [
        f"ACCEPTED {slotless} 90 x 5 left 5",
        f"TRADE {slotless}/{first} 90 x 5 left 0/0",
    ]
    assert stage.market(1, 77, 1)[0] == f"ACCEPTED {slotless + 1} 0 x 1 left 1"
    assert stage.cancel(second) == [f"CANCELED {second} 90 x 4"]
    assert stage.cancel(second) == [f"REJECTED UNKNOWN_ORDER {second} 0 x 0"]
    assert stage.buy(77, 90, 5)[0] == f"ACCEPTED {(2 << 32) + 1} 90 x 5 left 5"
    assert stage.buy(77, 90, 5)[0] == f"ACCEPTED {2 << 32} 90 x 5 left 5"
    assert stage.buy(77, 90, 5)[0] == f"ACCEPTED {(1 << 32) + 2} 90 x 5 left 5"


def test_old_trades_cannot_be_busted(kind: str) -> None:
    stage = Stage(kind, trades_kept=2)
    for _ in range(3):
        stage.trade(100)
    assert stage.bust(1) == ["REJECTED UNKNOWN_TRADE 1 0 x 0"]
    assert stage.do(BUST, order_id=2, symbol=1) == ["REJECTED UNKNOWN_TRADE 2 0 x 0"]
    assert stage.bust(2)[0].startswith("BUSTED")
    assert stage.bust(0) == ["REJECTED UNKNOWN_TRADE 0 0 x 0"]


def test_phases_and_symbols_that_are_not_there_are_refused(stage: Stage) -> None:
    assert stage.phase(4) == ["REJECTED BAD_PHASE 0 0 x 0"]
    assert stage.do(PHASE, side=4, symbol=9) == ["REJECTED UNKNOWN_SYMBOL 0 0 x 0"]
    assert stage.phase(0) == ["REJECTED NOTHING_CHANGED 0 0 x 0"]


def test_the_hash_of_an_empty_engine_is_the_pages_arithmetic(kind: str) -> None:
    value = 0x9E3779B97F4A7C15
    for word in [0, 0, 0, 0, 0, 0, 0] + [word for container in range(11) for word in (container, 0)]:
        value = ((value ^ word) * 0x100000001B3) % 2**64
        value ^= value >> 29
    assert Stage(kind, symbols=1).engine.state_hash() == value


def test_a_position_that_is_back_at_nothing_still_has_its_record(kind: str) -> None:
    stage = Stage(kind, positions_max=1)
    stage.sell(1, 90, 1, owner=1)
    stage.buy(2, 90, 1)
    stage.buy(3, 90, 1, owner=1)
    stage.sell(4, 90, 1)
    assert stage.engine.position(1, 0) == 0
    assert stage.buy(5, 90, 1, owner=2) == ["REJECTED POSITIONS_FULL 5 90 x 1"]
    assert stage.buy(6, 90, 1, owner=1, flags=REDUCE_ONLY) == ["REJECTED REDUCE_ONLY 6 90 x 1"]


def test_a_position_beyond_64_bits_goes_round(kind: str) -> None:
    stage, most = Stage(kind, orders=1), 2**63 - 1
    for number in (1, 3):
        stage.sell(number, 90, most, owner=1)
        stage.buy(number + 1, 90, most, owner=2, tif=IOC)
    assert (stage.engine.position(1, 0), stage.engine.position(2, 0)) == (2, -2)
    stage.sell(5, 90, most - 1, owner=1)
    stage.market(0, 6, most - 1, owner=3)
    stage.sell(7, 90, 4, owner=1)
    stage.market(0, 8, 4, owner=3)
    assert stage.engine.position(1, 0) == 2 - (most - 1) - 4 == -(2**63)
    assert stage.market(0, 9, 5, owner=1, flags=REDUCE_ONLY)[0] == "ACCEPTED 9 0 x 5 left 5"
