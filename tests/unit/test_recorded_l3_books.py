"""Order-by-order books made of recorded days must be the books that the exchanges recorded beside them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.book.l3 import L3Book, L3Reason
from engine.book.ladder import Ladder
from engine.model.instruments import to_e8
from tests import bitstamp, lobster
from tests.l3_twin import CalledTwin
from tests.recorded import data_root as found_root

LOBSTER = list(lobster.sources(found_root()))
EXECUTIONS_ENOUGH = 1_000
TWIN_ROWS = 15_000


def recorded_day(source: lobster.Source | None, rows_max: int = lobster.ALL_ROWS) -> lobster.Day:
    if source is None:
        pytest.skip("no LOBSTER files: set TRADEWIND_DATA to the folder that holds lobster/")
    return source.read(rows_max)


def source_rows(source: lobster.Source | None) -> int:
    return source.book_rows() if source else 0


@pytest.mark.parametrize("source", LOBSTER or [None], ids=str)
def test_every_row_of_a_lobster_file_is_the_book_that_its_messages_make(
    source: lobster.Source | None, record_property: Callable[[str, object], None]
) -> None:
    """All rows of the book file behind the first, which the walk begins with.

    Executions hit the oldest order of the best price in 99 of 100, where there are enough to tell.
    """
    day = recorded_day(source)
    book = L3Book(2, 65536, 16384, price_bits=day.price_bits)
    walk = lobster.Walker(book, 1).walk(day)
    assert walk.rows_equal == walk.rows_compared == source_rows(source) - 1
    assert book.check() == []
    record_property("rows compared", walk.rows_compared)
    record_property("executions", walk.executions)
    record_property("executions of the oldest", walk.oldest_first)
    assert walk.executions < EXECUTIONS_ENOUGH or walk.oldest_first >= 0.99 * walk.executions


@pytest.mark.parametrize("source", LOBSTER or [None], ids=str)
def test_the_slow_twin_makes_the_same_books_of_a_lobster_file(source: lobster.Source | None) -> None:
    day = recorded_day(source, TWIN_ROWS)
    book, twin = L3Book(1, 65536, 16384, price_bits=day.price_bits), CalledTwin(1, 65536, 16384, price_bits=30)
    fast, slow = (lobster.Walker(one, 0).walk(day) for one in (book, twin))
    assert slow.rows_equal == fast.rows_equal == slow.rows_compared > 0
    assert (slow.oldest_first, slow.counts) == (fast.oldest_first, fast.counts)
    assert book.state_hash() == twin.state_hash()
    assert book.live_orders == twin.live() > 0


def test_all_lobster_files_stand_in_one_book_of_many_symbols(data_root: Path) -> None:
    """Symbols share pools and numbers, and are one another's business in nothing: each is the book that it is alone."""
    found = list(lobster.sources(data_root))
    if not found:
        pytest.skip(f"no LOBSTER files below {data_root}")
    together = L3Book(len(found), 65536, 16384, price_bits=26)
    for symbol, source in enumerate(found):
        day, alone = source.read(TWIN_ROWS), L3Book(1, 65536, 16384, price_bits=26)
        for book, place in ((together, symbol), (alone, 0)):
            assert lobster.Walker(book, place).walk(day).rows_equal == len(day.messages) - 1
        for field in ("order_id", "price", "qty"):
            assert np.array_equal(together.snapshot_l3(symbol)[field], alone.snapshot_l3(0)[field])
    assert together.check() == []
    assert L3Book.restore(together.save()).state_hash() == together.state_hash()


@pytest.mark.parametrize(("messages", "books"), [(3, 2), (2, 3), (3, 1)])
@pytest.mark.parametrize("rows_max", [1, 2, lobster.ALL_ROWS])
def test_lobster_files_of_unequal_length_are_a_failure_that_tells_the_lengths(
    tmp_path: Path, messages: int, books: int, rows_max: int
) -> None:
    (tmp_path / "lobster").mkdir()
    (tmp_path / "lobster" / "A_message_1.csv").write_text("34200.1,1,7,10,1000,1\n" * messages)
    (tmp_path / "lobster" / "A_orderbook_1.csv").write_text("1200,5,1000,10\n" * books)
    (source,) = lobster.sources(tmp_path)
    with pytest.raises(AssertionError, match=f"{messages} messages, but {books} books"):
        source.read(rows_max)


def bitstamp_logs() -> list[Path]:
    root = found_root()
    return sorted(root.glob("l3/bitstamp_l3_*.log.gz")) if root else []


@pytest.mark.parametrize("path", bitstamp_logs() or [None], ids=lambda path: path.name if path else "none")
def test_the_book_of_bitstamps_orders_has_the_best_price_and_size_of_every_sample(
    path: Path | None, record_property: Callable[[str, object], None]
) -> None:
    """Both sides of each: of the book at its line, or of the book before orders that came milliseconds ahead of it."""
    if path is None:
        pytest.skip("no Bitstamp logs: set TRADEWIND_DATA to the folder that holds l3/")
    lines = bitstamp.read_lines(path)
    tick_e8, price_bits = bitstamp.grid_of(lines)
    book, twin = L3Book(1, price_bits=price_bits), CalledTwin(1, 65536, 16384, price_bits=price_bits)
    found, of_twin = (bitstamp.Walker(one, tick_e8).walk(lines) for one in (book, twin))
    assert found.unequal == []
    assert found.samples == found.at_once + found.raced >= 1
    record_property("samples equal at their line", found.at_once)
    record_property("samples equal before orders of the same moment", found.raced)
    assert found == of_twin
    assert book.state_hash() == twin.state_hash()
    assert book.check() == []


@pytest.mark.parametrize(
    ("bids", "asks", "time_ms", "is_equal"),
    [
        ([["2.0", "7"]], [["4.0", "6"]], 1021, True),  # the book at its line
        ([["1.0", "5"]], [["4.0", "6"]], 1020, True),  # before the bid of the last 20 ms
        ([["1.0", "5"]], [["4.0", "6"]], 1021, False),  # the bid is older than that
        ([["2.0", "7"]], [["3.0", "9"]], 1010, False),  # each side was so, never both in one moment
        ([["2.0", "8"]], [["4.0", "6"]], 1010, False),  # never so
    ],
)
def test_a_bitstamp_sample_is_the_book_of_one_moment_or_found_unequal(
    bids: list[list[str]], asks: list[list[str]], time_ms: int, is_equal: bool
) -> None:
    lines: list[bitstamp.Line] = [(900, "order_book", {"bids": [["1.0", "5"]], "asks": [["3.0", "9"], ["4.0", "6"]]})]
    lines.append((960, "order_deleted", {"id": 7, "order_type": 1, "price": "3.0", "amount": "9"}))
    lines.append((1000, "order_created", {"id": 8, "order_type": 0, "price": "2.0", "amount": "7"}))
    lines.append((time_ms, "order_book", {"bids": bids, "asks": asks}))
    tick_e8, price_bits = bitstamp.grid_of(lines)
    found = bitstamp.Walker(L3Book(1, price_bits=price_bits), tick_e8).walk(lines)
    assert found.samples == 1
    assert (found.unequal == []) is is_equal


def coinbase_snapshots() -> list[Path]:
    root = found_root()
    return sorted(root.glob("l3/coinbase_*_l2_snapshot_*.json.gz")) if root else []


def levels_of(body: dict[str, Any], tick_e8: int) -> list[list[tuple[int, int]]]:
    """(price in ticks, quantity times 10^8) of bids, then asks."""
    return [[(to_e8(price) // tick_e8, to_e8(qty)) for price, qty, *_ in body[name]] for name in ("bids", "asks")]


@pytest.mark.parametrize("path", coinbase_snapshots() or [None], ids=lambda path: path.name if path else "none")
def test_a_full_snapshot_of_coinbase_is_sorted_uncrossed_and_read_back_whole(path: Path | None) -> None:
    if path is None:
        pytest.skip("no Coinbase snapshots: set TRADEWIND_DATA to the folder that holds l3/")
    with gzip.open(path) as text:
        body = json.load(text)
    tick_e8 = int(np.gcd.reduce([to_e8(level[0]) for name in ("bids", "asks") for level in body[name]]))
    bids, asks = levels_of(body, tick_e8)
    for rows, sign in ((bids, -1), (asks, 1)):
        prices = [price * sign for price, _ in rows]
        assert prices == sorted(set(prices))
        assert all(qty > 0 for _, qty in rows)
    assert bids[0][0] < asks[0][0]
    read_back_from_l3(bids, asks)
    read_back_from_ladders(bids, asks)


def read_back_from_l3(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
    """An order a level; prices that 30 bits do not hold (asks of ten millions of dollars) are refused, and only they."""
    book = L3Book(1, len(bids) + len(asks), len(bids) + len(asks), price_bits=30)
    for side, rows in enumerate((bids, asks)):
        for number, (price, qty) in enumerate(rows):
            reason = book.add(0, side, side << 32 | number, price, min(qty, book.qty_max))
            assert reason == (L3Reason.L3_NONE if price < 1 << 30 else L3Reason.L3_BAD_PRICE)
        held = [(price, min(qty, book.qty_max)) for price, qty in rows if price < 1 << 30]
        assert [tuple(level) for level in book.depth(0, side, len(rows)).tolist()] == held
        assert len(held) > 0.99 * len(rows)
    assert book.check() == []


def read_back_from_ladders(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
    """The ladder's window of 2^24 ticks around the middle; what is outside is counted."""
    for rows, is_bid in ((bids, True), (asks, False)):
        ladder = Ladder(is_bid, max(0, bids[0][0] - (1 << 23)))
        held = [row for row in rows if ladder.base_ticks <= row[0] < ladder.base_ticks + (1 << 24)]
        assert ladder.apply_array(np.array(rows, np.int64)) == len(rows) - len(held)
        assert ladder.levels() == held
        assert len(held) > 0.9 * len(rows)
