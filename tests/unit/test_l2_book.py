"""The level-2 book's edges: what it refuses, what it counts, what its check sees, how books share a pool."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.book.checksums import crc32, kraken_crc32, kraken_text, okx_crc32, okx_text
from engine.book.damage import KINDS, Damage
from engine.book.l2 import ASK, BID, LEVEL_ROW, L2Book, LevelPool
from engine.book.ladder import Ladder

RANGE_TICKS = 1 << 24
BASE_MAX = (1 << 63) - RANGE_TICKS


def make_book(pool: LevelPool | None = None) -> L2Book:
    book = L2Book(pool)
    for step in range(1, 21):
        book.set(BID, 10_000 - 2 * step, step)
        book.set(ASK, 10_000 + 2 * step, step)
    return book


@pytest.mark.parametrize("base_ticks", [-1, -(1 << 63), BASE_MAX + 1, (1 << 63) - 1])
def test_a_base_below_nothing_or_without_room_above_it_is_refused(base_ticks: int) -> None:
    book, ladder = L2Book(), Ladder(is_bid=True)
    lays: list[Callable[[int], object]] = [book.clear, ladder.clear]
    lays += [lambda base: L2Book(base_ticks=base), lambda base: Ladder(True, base)]
    for lay in lays:
        with pytest.raises(ValueError, match="base_ticks"):
            lay(base_ticks)
    assert (book.base_ticks, ladder.base_ticks) == (0, 0)


def test_the_highest_prices_of_an_int64_can_be_held_and_none_beyond_wraps() -> None:
    book, ladder = L2Book(base_ticks=BASE_MAX), Ladder(is_bid=False, base_ticks=BASE_MAX)
    around = L2Book()
    around.clear_around((1 << 63) - 1)
    assert book.base_ticks == around.base_ticks == ladder.base_ticks == BASE_MAX
    sets: list[Callable[[int], None]] = [lambda price: book.set(BID, price, 1), lambda price: around.set(ASK, price, 1)]
    sets.append(lambda price: ladder.set(price, 1))
    for held in sets:
        held((1 << 63) - 1)
        for outside in (-(1 << 63), -1, 0, BASE_MAX - 1):
            with pytest.raises(OverflowError, match=f"{BASE_MAX}..{(1 << 63) - 1}"):
                held(outside)
    assert book.best(BID) == around.best(ASK) == ladder.best == ((1 << 63) - 1, 1)
    assert book.check() == around.check() == ()


def test_a_batch_of_either_kind_equals_single_calls() -> None:
    rows = np.array([(0, 100, 5), (1, 110, 6), (0, 99, 1), (0, 100, 0), (1, 111, 2)], dtype=np.int64)
    single, plain, structured, sided = L2Book(), L2Book(), L2Book(), L2Book()
    for row in rows.tolist():
        single.set(*row)
    assert plain.apply(rows) == 0
    named = np.zeros(len(rows), LEVEL_ROW)
    for column, name in enumerate(("side", "price_ticks", "qty_lots")):
        named[name] = rows[:, column]
    assert structured.apply(named) == 0
    for side in (BID, ASK):
        sided.apply_side(side, np.ascontiguousarray(rows[rows[:, 0] == side][:, 1:]))
        assert plain.levels(side) == structured.levels(side) == sided.levels(side) == single.levels(side)


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((2, 2), np.int64),
        np.zeros((2, 3), np.int32),
        np.zeros((2, 3), np.uint64),
        np.zeros((2, 3), np.float64),
        np.zeros(3, np.int64),
        np.zeros(2, [("side", "<i8"), ("qty_lots", "<i8"), ("price_ticks", "<i8")]),
        np.zeros((1, 2, 3), np.int64),
        b"123456789012345678901234",
    ],
)
def test_a_batch_of_another_shape_is_refused(rows: Any) -> None:
    with pytest.raises(ValueError, match="rows are int64"):
        L2Book().apply(rows)


@pytest.mark.parametrize("bad", [(2, 5, 1), (-1, 5, 1), (0, 5, -1), (1 << 40, 5, 1)])
def test_a_row_without_sense_refuses_the_whole_batch(bad: tuple[int, int, int]) -> None:
    book = L2Book()
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        book.apply(np.array([(0, 5, 1), bad], dtype=np.int64))
    assert book.levels(BID) == []


def test_a_batch_that_is_not_contiguous_is_refused() -> None:
    with pytest.raises((ValueError, BufferError)):
        L2Book().apply(np.zeros((4, 6), np.int64)[:, ::2])


def test_levels_outside_the_ladders_are_counted_and_left_out() -> None:
    book = L2Book(base_ticks=128)
    rows = np.array([(0, 127, 1), (0, 128, 1), (1, 128 + RANGE_TICKS, 1), (1, 127 + RANGE_TICKS, 1)], dtype=np.int64)
    assert book.apply(rows) == 2
    assert (book.far_levels, book.levels(BID), book.levels(ASK)) == (2, [(128, 1)], [(127 + RANGE_TICKS, 1)])
    with pytest.raises(OverflowError, match=r"price 127 is outside 128\.\.16777343"):
        book.set(BID, 127, 1)
    book.clear_around(1 << 30)
    assert book.base_ticks == (1 << 30) - RANGE_TICKS // 2
    assert (book.far_levels, book.level_count(BID)) == (0, 0)


def test_a_single_level_without_sense_is_refused() -> None:
    book = L2Book()
    with pytest.raises(ValueError, match="side 2"):
        book.set(2, 5, 1)
    with pytest.raises(ValueError, match="side -1"):
        book.set(-1, 5, 1)
    with pytest.raises(ValueError, match="quantity -1"):
        book.set(BID, 5, -1)
    with pytest.raises(ValueError, match="quantity -1"):
        book.set_own(BID, 5, -1)
    with pytest.raises(ValueError, match="depth -1"):
        book.depth(BID, -1)
    with pytest.raises(ValueError, match="quantity -1"):
        book.sweep(BID, -1)
    assert book.pool.pages_used == 0


def test_views_of_an_empty_book_tell_that_there_is_nothing() -> None:
    book = L2Book()
    assert [book.best(BID), book.spread(), book.mid(), book.microprice(), book.imbalance(5)] == [None] * 5
    assert book.depth(ASK, 5).shape == book.cumulative(ASK, 5).shape == (0, 2)
    assert book.sweep(ASK, 5) == (0, 0, None, 0)
    assert [book.price_for(ASK, 1), book.average_price(ASK, 1), book.price_for(ASK, 0)] == [None] * 3
    assert book.check() == ()
    assert (kraken_text(book), okx_text(book, 1, 1)) == (b"", b"")
    assert (kraken_crc32(book), okx_crc32(book, 1, 1)) == (0, 0)


def test_own_orders_are_taken_out_and_levels_that_were_ours_alone_vanish() -> None:
    book = make_book()
    book.set_own(BID, 9_998, 1)
    book.set_own(BID, 9_996, 5)
    book.set_own(BID, 9_994, 1)
    book.set_own(ASK, 10_001, 9)  # rests where the book shows nothing
    book.set_own(ASK, 10_004, 1)
    assert book.levels(BID, 3) == [(9_998, 1), (9_996, 2), (9_994, 3)]
    assert book.levels(BID, 3, net=True) == [(9_994, 2), (9_992, 4), (9_990, 5)]
    assert book.levels(ASK, 2, net=True) == [(10_002, 1), (10_004, 1)]
    assert [book.qty(BID, price, net=True) for price in (9_998, 9_996, 9_994)] == [0, 0, 2]
    assert (book.best(BID, True), book.spread(True)) == ((9_994, 2), 8)
    book.clear()
    assert book.own_levels(BID) == [(9_998, 1), (9_996, 5), (9_994, 1)]


def test_views_into_an_array_of_the_caller_fill_what_there_is() -> None:
    book = make_book()
    out = np.full((30, 2), -7, np.int64)
    assert book.depth_into(BID, out[:5]) == 5
    assert out[:5].tolist() == book.depth(BID, 5).tolist()
    assert out[5:].tolist() == [[-7, -7]] * 25
    assert book.cumulative_into(ASK, out) == 20
    assert out[19].tolist() == [10_040, 210]


def test_taking_more_than_there_is_fills_what_there_is_and_names_no_price() -> None:
    book = make_book()
    filled, value, worst, levels = book.sweep(ASK, 1000)
    assert (filled, worst, levels) == (210, 10_040, 20)
    assert value == sum((10_000 + 2 * step) * step for step in range(1, 21))
    assert (book.price_for(ASK, 211), book.average_price(ASK, 211)) == (None, None)
    assert book.price_for(ASK, 210) == 10_040


def test_values_and_sums_beyond_64_bit_are_exact() -> None:
    book = L2Book(base_ticks=1 << 61)
    huge = (1 << 63) - 1
    for step in range(3):
        book.set(ASK, (1 << 61) + step, huge)
    assert book.lots(ASK, 3) == 3 * huge
    assert book.sweep(ASK, huge)[1] == huge << 61
    with pytest.raises(OverflowError, match="sum up"):
        book.cumulative(ASK, 2)


@pytest.mark.parametrize("side", [BID, ASK])
@pytest.mark.parametrize("kind", KINDS)
def test_the_check_sees_each_damage_and_names_its_side(side: int, kind: str) -> None:
    book = make_book()
    for step in (1, 2):
        book.set_own(side, 10_000 + (2 * step if side else -2 * step), 1)
    damage = Damage(book, side)
    assert book.check() == ()
    damage.do(kind)
    found = book.check()
    damage.undo()
    assert found
    assert book.check() == ()
    if not kind.startswith("own"):
        assert all(text.startswith("asks:" if side else "bids:") for text in found)


def test_the_check_names_a_crossed_and_a_locked_book() -> None:
    book = make_book()
    book.set(BID, 10_002, 1)
    assert book.check() == ("locked",)
    book.set(BID, 10_003, 1)
    assert book.check() == ("crossed",)
    assert (book.spread(), book.doubled_mid()) == (-1, 20_005)


def test_books_share_a_pool_and_give_their_pages_back() -> None:
    pool = LevelPool(pages_max=6, pages_ready=6)
    first, second = make_book(pool), L2Book(pool)
    used = pool.pages_used
    assert used > 0
    for page in range(6 - used):
        second.set(BID, 64 * page, 1)
    with pytest.raises(MemoryError, match="all 6 pages"):
        second.set(BID, 64 * 6, 1)
    with pytest.raises(MemoryError, match="all 6 pages"):
        second.apply(np.array([(0, 640, 1)], dtype=np.int64))
    assert second.check() == ()
    del first
    gc.collect()
    assert pool.pages_used == 6 - used
    second.set(BID, 64 * 6, 1)
    second.clear()
    assert pool.pages_used == 0


def test_a_book_in_a_cycle_of_garbage_gives_its_pages_back_before_its_pool_goes() -> None:
    for _ in range(20):
        cycle: list[Any] = [make_book()]
        cycle.append(cycle)
        del cycle
    assert gc.collect() > 0


def test_checksums_are_those_of_hand_written_texts() -> None:
    book = L2Book()
    for side, price, qty in [(BID, 516, 250), (BID, 515, 1000), (BID, 500, 3), (ASK, 520, 7)]:
        book.set(side, price, qty)
    assert kraken_text(book, 100, 1) == b"520007" + b"51600250" + b"515001000" + b"500003"
    assert okx_text(book, 2, 3) == b"5.16:0.25:5.2:0.007:5.15:1:5:0.003"
    assert okx_text(book, 2, 3, 1, 1, True) == b"5.16:0.250:5.20:0.007:5.15:1.000:5.00:0.003"
    assert okx_text(book, 0, 0, 10, 1) == b"5160:250:5200:7:5150:1000:5000:3"
    assert kraken_crc32(book, 100, 1) == crc32(kraken_text(book, 100, 1))
    assert crc32(b"123456789") == 0xCBF43926


def test_a_checksum_of_numbers_beyond_64_bit_is_refused() -> None:
    book = L2Book()
    book.set(BID, 5, 1 << 62)
    with pytest.raises(OverflowError, match="exceeds"):
        kraken_crc32(book, 1, 10)
    with pytest.raises(OverflowError, match="exceeds"):
        okx_crc32(book, 1, 1, 1, 10)
    with pytest.raises(ValueError, match="19 decimals"):
        okx_crc32(book, 19, 1)
    with pytest.raises(ValueError, match="unit"):
        kraken_crc32(book, 0)
