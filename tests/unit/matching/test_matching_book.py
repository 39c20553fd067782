"""The compiled matching book's own promises, beside its equality with the slow twin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.book.matching import (
    ANY,
    EVENT_DTYPE,
    OP_DTYPE,
    PRICE_LIMIT,
    BookSide,
    EventKind,
    KindOfOrder,
    MatchingEngine,
    OpFlag,
    OpKind,
    Reason,
    StpKind,
    TifKind,
)

BUY, SELL = BookSide.SIDE_BUY, BookSide.SIDE_SELL


def new(engine: MatchingEngine, side: int, order_id: int, price: int, qty: int, **fields: int) -> list[tuple[int, ...]]:
    fields = {"order_type": KindOfOrder.TYPE_LIMIT, "tif": TifKind.TIF_GTC, "symbol": 0, "owner": 0} | fields
    engine.submit(OpKind.OP_NEW, side, order_id=order_id, price=price, qty=qty, **fields)
    return list(engine.events())


def amend(engine: MatchingEngine, order_id: int, price: int, qty: int, flags: int = 0) -> list[tuple[int, ...]]:
    engine.submit(OpKind.OP_AMEND, 0, 0, 0, 0, 0, order_id, price, qty, flags)
    return list(engine.events())


def test_records_are_one_cache_line_with_the_public_layout() -> None:
    assert (OP_DTYPE.itemsize, EVENT_DTYPE.itemsize) == (64, 64)
    assert OP_DTYPE.names == (
        "op", "side", "type", "tif", "flags", "stp", "pad", "symbol", "owner", "order_id", "price", "qty", "display",
        "trigger", "expire_ns",
    )  # fmt: skip
    assert [dict(EVENT_DTYPE.fields or {})[name][1] for name in ("symbol", "op_index", "order_id", "maker_leaves")] == [
        4, 8, 16, 56,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"order_type": 7},
        {"tif": 5},
        {"flags": 64},
        {"flags": OpFlag.FLAG_AMEND_LOSES_PLACE},
        {"flags": OpFlag.FLAG_TRAIL_BPS},
        {"flags": OpFlag.FLAG_POST_ONLY | OpFlag.FLAG_POST_ONLY_REPRICE},
        {"order_type": KindOfOrder.TYPE_STOP, "trigger": 5, "tif": TifKind.TIF_FOK},
        {"stp": 5},
        {"display": 1, "tif": TifKind.TIF_IOC},
        {"display": 1, "order_type": KindOfOrder.TYPE_MARKET},
        {"trigger": 1},
        {"expire_ns": 1},
    ],
)
def test_what_cannot_be_combined_is_refused_and_never_ignored(fields: dict[str, int]) -> None:
    engine = MatchingEngine(1)
    (event,) = new(engine, BUY, 7, 100, 5, **fields)
    assert (event[0], event[2], event[5]) == (EventKind.EVENT_REJECTED, Reason.REASON_UNSUPPORTED, 7)
    assert engine.live_orders == 0


def test_less_at_the_same_price_keeps_its_place_and_anything_else_loses_it() -> None:
    engine = MatchingEngine(1)
    for order_id in (1, 2, 3):
        new(engine, BUY, order_id, 100, 10)
    amend(engine, 1, 100, 4)
    assert [row[1] for row in engine.queue(0, BUY)] == [1, 2, 3]
    amend(engine, 1, 100, 5)
    assert [row[1] for row in engine.queue(0, BUY)] == [2, 3, 1]
    amend(engine, 2, 100, 1, OpFlag.FLAG_AMEND_LOSES_PLACE)
    assert [row[1] for row in engine.queue(0, BUY)] == [3, 1, 2]
    assert engine.level_qty(0, BUY, 100) == 16


def test_an_amended_price_that_crosses_trades() -> None:
    engine = MatchingEngine(1)
    new(engine, SELL, 1, 105, 3)
    new(engine, BUY, 2, 100, 5)
    events = amend(engine, 2, 105, 5)
    assert [event[0] for event in events] == [EventKind.EVENT_AMENDED, EventKind.EVENT_TRADE]
    assert (engine.best(0, BUY), engine.best(0, SELL)) == ((105, 2), (0, 0))


def test_prices_to_the_edges_are_taken_and_found() -> None:
    engine = MatchingEngine(1)
    prices = [1, 63, 64, 4_095, 4_096, 262_143, 262_144, PRICE_LIMIT - 2]
    for order_id, price in enumerate(prices):
        new(engine, BUY, order_id, price, 1)
    new(engine, SELL, 99, PRICE_LIMIT - 1, 1)
    assert [price for price, _ in engine.depth(0, BUY, 100)] == prices[::-1]
    assert engine.best(0, SELL) == (PRICE_LIMIT - 1, 1)
    events = new(engine, SELL, 100, 1, 8)
    assert [event[7] for event in events if event[0] == EventKind.EVENT_TRADE] == prices[::-1]
    assert engine.best(0, BUY) == (0, 0)


def test_pages_are_given_back_when_their_levels_empty() -> None:
    engine = MatchingEngine(1, 100, 2)
    for start in range(1, 5_000, 500):
        assert new(engine, BUY, start, start, 1)[0][0] == EventKind.EVENT_ACCEPTED
        assert new(engine, SELL, start + 1, start, 1)[-1][0] == EventKind.EVENT_TRADE
    assert engine.free_pages_left() == 2
    new(engine, BUY, 1, 100, 1)
    new(engine, BUY, 2, 500, 1)
    assert new(engine, BUY, 3, 900, 1)[0][2] == Reason.REASON_LEVELS_FULL


def test_a_batch_larger_than_the_event_buffer_loses_nothing() -> None:
    engine = MatchingEngine(1, 8, 8)
    ops = np.zeros(10_000, OP_DTYPE)
    ops["order_id"] = np.arange(10_000)
    ops["price"], ops["qty"], ops["tif"] = 100, 1, TifKind.TIF_IOC
    events = engine.submit_batch(ops)
    assert len(events) == 20_000
    assert events["op_index"].tolist() == [index for index in range(10_000) for _ in range(2)]
    assert set(events["reason"][1::2].tolist()) == {int(Reason.REASON_IOC_REMAINDER)}


def test_a_batch_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="OP_DTYPE"):
        MatchingEngine(1).submit_batch(np.zeros(3, EVENT_DTYPE))
    assert len(MatchingEngine(1).submit_batch(np.zeros(0, OP_DTYPE))) == 0


def test_raw_rubbish_is_refused_row_by_row() -> None:
    noise = np.random.default_rng(5).integers(0, 256, 64 * 20_000, dtype=np.uint8).view(OP_DTYPE)
    engine = MatchingEngine(3, 64, 64)
    events = engine.submit_batch(noise)
    assert np.unique(events["op_index"]).tolist() == list(range(20_000))
    assert engine.live_orders <= 64


def test_ids_are_found_after_many_comings_and_goings() -> None:
    engine = MatchingEngine(1, 64, 64)
    live: list[int] = []
    for number in range(5_000):
        order_id = number * 4_294_967_296 + number % 3
        assert new(engine, BUY, order_id, 100 + number % 7, 1)[0][0] == EventKind.EVENT_ACCEPTED
        live.append(order_id)
        if len(live) == 60:
            for gone in live[::2]:
                engine.submit(OpKind.OP_CANCEL, 0, 0, 0, 0, 0, gone, 0, 0)
                assert engine.order(gone) is None
            live = live[1::2]
    assert all(engine.order(order_id) is not None for order_id in live)
    engine.submit(OpKind.OP_MASS_CANCEL, 0, 0, 0, ANY, ANY, 0, 0, 0)
    assert engine.live_orders == 0


def test_what_a_market_order_would_cost_passes_over_own_orders() -> None:
    engine = MatchingEngine(1)
    new(engine, SELL, 1, 100, 5, owner=1)
    new(engine, SELL, 2, 101, 5, owner=2)
    new(engine, SELL, 3, 102, 5, owner=3)
    assert engine.takeable(0, BUY, 7, 0) == (7, 5 * 100 + 2 * 101)
    assert engine.takeable(0, BUY, 7, 1) == (7, 5 * 101 + 2 * 102)
    assert engine.takeable(0, BUY, 99, 2)[0] == 10
    assert engine.lots_for_cost(0, BUY, 5 * 101 + 102 + 101, 1) == 6
    assert engine.lots_for_cost(0, BUY, 10**9, 0) == 15


def test_limits_of_the_constructor_are_checked() -> None:
    with pytest.raises(ValueError, match="symbol_count"):
        MatchingEngine(0)
    with pytest.raises(ValueError, match="orders_max"):
        MatchingEngine(1, 0)
    with pytest.raises(IndexError, match="symbol 3"):
        MatchingEngine(1).best(3, BUY)


def test_an_iceberg_shows_its_peak_and_each_next_part_goes_to_the_end_of_the_level() -> None:
    engine = MatchingEngine(1)
    new(engine, SELL, 1, 100, 25, display=10)
    new(engine, SELL, 2, 100, 5)
    assert (engine.depth(0, SELL, 5), engine.hidden(1)) == ([(100, 15)], 15)
    events = new(engine, BUY, 3, 100, 12)
    kinds = [(event[0], event[5], event[6], event[8], event[10]) for event in events[1:]]
    assert kinds == [
        (EventKind.EVENT_TRADE, 3, 1, 10, 15),
        (EventKind.EVENT_REFRESHED, 1, 0, 10, 0),
        (EventKind.EVENT_TRADE, 3, 2, 2, 3),
    ]
    assert [row[1:3] for row in engine.queue(0, SELL)] == [(2, 3), (1, 10)]
    assert engine.takeable(0, BUY, 100, 0) == (18, 1800)
    engine.submit(OpKind.OP_CANCEL, 0, 0, 0, 0, 0, 1, 0, 0)
    (canceled,) = engine.events()
    assert (canceled[8], engine.hidden(1)) == (15, 0)


def test_an_iceberg_of_too_many_parts_is_refused() -> None:
    engine = MatchingEngine(1)
    assert new(engine, SELL, 1, 100, 1025, display=1)[0][2] == Reason.REASON_BAD_DISPLAY
    assert new(engine, SELL, 1, 100, 1024, display=1)[0][0] == EventKind.EVENT_ACCEPTED
    assert len(new(engine, BUY, 2, 100, 1024)) == 1 + 1024 + 1023


def test_decrement_takes_the_smaller_quantity_from_both_orders() -> None:
    engine = MatchingEngine(1)
    new(engine, SELL, 1, 100, 6, owner=4)
    (_, prevented) = new(engine, BUY, 2, 100, 2, owner=4, stp=StpKind.STP_DECREMENT)
    assert prevented[:3] + prevented[5:] == (
        EventKind.EVENT_PREVENTED,
        BUY,
        Reason.REASON_SELF_TRADE,
        2,
        1,
        100,
        2,
        0,
        4,
    )
    assert [row[1:3] for row in engine.queue(0, SELL)] == [(1, 4)]
    assert engine.queue(0, BUY) == []


@pytest.mark.parametrize("side", [2, 3, 255])
def test_a_side_that_is_none_is_refused_by_every_view(side: int) -> None:
    engine = MatchingEngine(1)
    views: list[Callable[[], object]] = [
        lambda: engine.best(0, side),
        lambda: engine.level_qty(0, side, 5),
        lambda: engine.depth(0, side, 5),
        lambda: engine.queue(0, side),
        lambda: engine.shown(0, side),
        lambda: engine.takeable(0, side, 1, 0),
        lambda: engine.lots_for_cost(0, side, 1, 0),
    ]
    for view in views:
        with pytest.raises(ValueError, match="side"):
            view()


def test_less_than_nothing_cannot_be_taken() -> None:
    engine = MatchingEngine(1)
    engine.limit(0, SELL, 1, 100, 5)
    with pytest.raises(ValueError, match="negative"):
        engine.takeable(0, BUY, -1, 0)
    with pytest.raises(ValueError, match="negative"):
        engine.lots_for_cost(0, BUY, -1, 0)
    assert engine.takeable(0, BUY, 0, 0) == (0, 0)
    assert engine.lots_for_cost(0, BUY, 0, 0) == 0


def test_what_could_be_taken_counts_beyond_64_bits() -> None:
    engine = MatchingEngine(1, 2, price_bits=30)
    price = engine.price_limit - 1
    engine.limit(0, SELL, 1, price, engine.qty_max)
    engine.limit(0, SELL, 2, price, engine.qty_max)
    assert engine.takeable(0, BUY, 2**63 - 1, 0) == (2 * engine.qty_max, 2 * engine.qty_max * price)
    assert engine.lots_for_cost(0, BUY, engine.qty_max * price + price - 1, 0) == engine.qty_max
    assert engine.lots_for_cost(0, BUY, 2**200, 0) == 2 * engine.qty_max
