"""Promises of the order-by-order book that its twin does not show."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from engine.book.l3 import L3_OP_DTYPE, L3_OUTCOME_DTYPE, L3Book, L3Op, L3Place, L3Reason

BUY, SELL = 0, 1


def small(**more: int | bool) -> L3Book:
    return L3Book(2, 8, 4, price_bits=18, **more)  # type: ignore[arg-type]


def test_numbers_are_each_symbols_own() -> None:
    book = small()
    assert [book.add(symbol, BUY, 7, 100 + symbol, 5) for symbol in (0, 1)] == [0, 0]
    assert book.delete(0, 7) == L3Reason.L3_NONE
    assert book.order(0, 7) is None
    assert book.order(1, 7) == (BUY, 101, 5, 0)
    assert book.delete(0, 7) == L3Reason.L3_UNKNOWN_ORDER


def test_numbers_of_many_symbols_that_hash_alike_are_told_apart() -> None:
    book = L3Book(300, 4096, 4096, price_bits=18)
    for number in (0, 1, 2**63, 2**64 - 1):
        assert [book.add(symbol, SELL, number, 1 + symbol, 1 + symbol) for symbol in range(300)] == [0] * 300
    assert book.check() == []
    for number in (0, 2**64 - 1):
        assert [book.delete(symbol, number) for symbol in range(300)] == [0] * 300
    assert book.live_orders == 600
    assert book.order(299, 2**63) == (SELL, 300, 300, 0)


def test_books_may_be_locked_and_crossed() -> None:
    book = small()
    for side, number, price in ((BUY, 1, 105), (SELL, 2, 105), (SELL, 3, 103)):
        assert book.add(0, side, number, price, number) == L3Reason.L3_NONE
    assert book.snapshot_l1(0) == (105, 1, 103, 3)
    assert book.execute_at(0, SELL, 103, 3) == L3Reason.L3_NONE
    assert book.snapshot_l1(0) == (105, 1, 105, 2)


def test_an_execution_at_a_price_takes_the_oldest_order_and_says_which() -> None:
    book = small()
    for number in (31, 32):
        book.add(0, BUY, number, 50, 10)
    assert book.execute_at(0, BUY, 50, 10) == L3Reason.L3_NONE
    assert book.outcome() == (L3Op.L3_EXECUTE_AT, BUY, 0, L3Place.L3_OLDEST | L3Place.L3_BEST, 0, 31, 50, 10, 0)
    assert book.execute_at(0, BUY, 50, 11) == L3Reason.L3_ABOVE_OPEN
    assert book.execute_at(0, BUY, 51, 1) == L3Reason.L3_NO_ORDER_THERE
    assert book.level_qty(0, BUY, 50) == 10


def test_less_keeps_the_place_and_more_loses_it() -> None:
    book = small()
    for number in (1, 2, 3):
        book.add(0, BUY, number, 50, 10)
    book.set_qty(0, 1, 4)
    assert book.ahead(0, 2) == (1, 4)
    book.set_qty(0, 1, 5)
    assert (book.ahead(0, 2), book.ahead(0, 1)) == ((0, 0), (2, 20))
    book.replace(0, 2, 9, 50, 10)
    assert book.ahead(0, 9) == (2, 15)
    assert book.ahead(0, 2) is None


def test_a_replacement_takes_no_other_live_orders_number() -> None:
    book = small()
    for number in (1, 2):
        book.add(0, BUY, number, 50, 10)
    assert book.replace(0, 1, 2, 51, 5) == L3Reason.L3_DUPLICATE_ORDER_ID
    assert book.replace(0, 1, 1, 51, 5) == L3Reason.L3_NONE
    assert [book.order(0, number) for number in (1, 2)] == [(BUY, 51, 5, 0), (BUY, 50, 10, 0)]


def test_every_limit_of_capacity_is_refused_with_its_reason_and_changes_nothing() -> None:
    book = small()
    assert [book.add(0, BUY, number, 64 * number + 1, 1) for number in range(5)] == [
        0,
        0,
        0,
        0,
        L3Reason.L3_LEVELS_FULL,
    ]
    assert [book.add(0, BUY, 10 + number, 1, 1) for number in range(5)] == [0, 0, 0, 0, L3Reason.L3_ORDERS_FULL]
    before = book.state_hash()
    assert book.replace(0, 10, 10, 300, 1) == L3Reason.L3_LEVELS_FULL
    assert book.add(0, BUY, 99, 1, book.qty_max + 1) == L3Reason.L3_BAD_QTY
    assert book.state_hash() == before
    assert (book.live_orders, book.free_pages, book.check()) == (8, 0, [])


def test_a_handle_names_nothing_once_its_order_is_gone() -> None:
    book = small(own_handles=True)
    book.add(0, BUY, 0, 50, 1)
    first = book.handle
    assert first == 1 << 32
    assert book.delete(0, first) == L3Reason.L3_NONE
    book.add(0, SELL, 0, 60, 1)
    assert book.handle == 2 << 32
    assert book.delete(0, first) == L3Reason.L3_UNKNOWN_ORDER
    assert book.delete(0, 1 << 32 | 1) == L3Reason.L3_UNKNOWN_ORDER
    assert book.delete(1, 2 << 32) == L3Reason.L3_UNKNOWN_ORDER
    assert book.live_orders == 1


def test_a_restored_book_goes_on_with_the_same_handles() -> None:
    book = small(own_handles=True)
    for number in range(6):
        book.add(0, number & 1, 0, 50 + number, 1 + number)
    for slot in (1, 4, 2):
        book.delete(0, 1 << 32 | slot)
    again = L3Book.restore(book.save())
    assert again.check() == []
    for _ in range(5):
        assert book.add(1, BUY, 0, 9, 9) == again.add(1, BUY, 0, 9, 9) == L3Reason.L3_NONE
        assert book.handle == again.handle
    assert book.state_hash() == again.state_hash()


@pytest.mark.parametrize("own_handles", [False, True])
def test_damaged_state_is_refused_and_says_why(own_handles: bool) -> None:
    book = small(own_handles=own_handles)
    book.add(0, BUY, 77, 50, 1)
    whole = book.save()
    for damaged in (b"", whole[:-1], whole[:40] + b"\x01" + whole[41:]):
        with pytest.raises(ValueError, match="cut short or damaged"):
            L3Book.restore(damaged)
    for at, text, message in (
        (0, b"XX", "begins with"),
        (28, b"\x09", "length"),
        (44, b"\x00", "refused|slots|handles"),
    ):
        body = whole[:at] + text + whole[at + len(text) : -4]
        if at == 44:
            body = body[:40] + bytes(8) + body[48:]
        with pytest.raises(ValueError, match=message):
            L3Book.restore(body + zlib.crc32(body).to_bytes(4, "little"))


def test_own_orders_are_left_out_of_depth() -> None:
    book = small()
    for number, price, owner in ((1, 50, 1), (2, 50, 2), (3, 49, 1), (4, 48, 0)):
        book.add(0, BUY, number, price, 10, owner)
    assert book.depth(0, BUY, 2).tolist() == [[50, 20], [49, 10]]
    assert book.depth(0, BUY, 2, without=1).tolist() == [[50, 10], [48, 10]]
    assert [len(side) for side in book.snapshot_l2(0, 5, without=2)] == [3, 0]


def test_a_row_of_levels_is_written_where_it_is_wanted() -> None:
    book = small()
    book.add(0, BUY, 1, 50, 5)
    book.add(0, BUY, 2, 49, 6)
    book.add(0, SELL, 3, 60, 7)
    row = np.full((3, 4), -1, np.int64)
    assert book.read_l2(0, row) == 2
    assert row.tolist() == [[60, 7, 50, 5], [0, 0, 49, 6], [0, 0, 0, 0]]
    with pytest.raises(ValueError, match="ask, quantity, bid, quantity"):
        book.read_l2(0, np.zeros((3, 3), np.int64))


def test_a_batch_uses_the_array_that_it_is_given_and_refuses_others() -> None:
    book, out = small(), np.zeros(4, L3_OUTCOME_DTYPE)
    ops = np.zeros(2, L3_OP_DTYPE)
    ops["order_id"], ops["price"], ops["qty"] = (1, 1), 5, 5
    found = book.apply_batch(ops, out)
    assert np.shares_memory(found, out)
    assert found["reason"].tolist() == [L3Reason.L3_NONE, L3Reason.L3_DUPLICATE_ORDER_ID]
    assert len(book.apply_batch(ops[:0])) == 0
    with pytest.raises(TypeError, match="L3_OP_DTYPE"):
        book.apply_batch(np.zeros(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="L3_OUTCOME_DTYPE"):
        book.apply_batch(ops, np.zeros(2))  # type: ignore[arg-type]


def test_views_of_what_is_not_there_say_so() -> None:
    book = small()
    with pytest.raises(IndexError, match="symbol 2"):
        book.best(2, BUY)
    with pytest.raises(ValueError, match="side 2"):
        book.depth(0, 2, 1)
    assert book.order(5, 1) is None
    assert book.ahead(5, 1) is None
    assert book.level_qty(0, BUY, 2**40) == 0
    with pytest.raises(ValueError, match="price_bits is 31"):
        L3Book(1, price_bits=31)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="address checks keep freed memory")
@pytest.mark.parametrize("own_handles", [False, True])
def test_a_million_live_orders_fit_in_120_megabytes(own_handles: bool) -> None:
    before = resident_bytes()
    book = L3Book(10, 1_000_000, 16384, own_handles=own_handles)
    out = np.zeros(50_000, L3_OUTCOME_DTYPE)
    for start in range(0, 1_000_000, 50_000):
        ops = np.zeros(50_000, L3_OP_DTYPE)
        ops["order_id"] = np.arange(start, start + 50_000)
        ops["symbol"] = ops["order_id"] % 10
        ops["price"] = 1_000_000 + ops["order_id"] * 7919 % 60_000
        ops["qty"] = 1
        assert not book.apply_batch(ops, out)["reason"].any()
    assert book.live_orders == 1_000_000
    assert resident_bytes() - before < 120_000_000
