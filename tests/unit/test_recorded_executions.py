"""What recorded executions did, the matching engine does: an IOC of their size trades with the order that LOBSTER names."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.book.l3 import L3Book
from engine.book.matching import EventKind, MatchingEngine, OpKind, TifKind
from tests import lobster
from tests.recorded import data_root as found_root

LOBSTER = list(lobster.sources(found_root()))
ROWS = {"commit": 200_000, "long": lobster.ALL_ROWS}
EXECUTIONS_ENOUGH = 1_000
TAKER_ID = 1 << 62


class MatchedBook:
    """An order-by-order book and an engine that is given the same orders; the book is what the file says, the engine must do it.

    Where the engine's maker is another than the file's, its side of the book is laid anew from the book's, and it counts.
    """

    def __init__(self, price_bits: int) -> None:
        self.book = L3Book(1, 65536, 16384, price_bits=price_bits)
        self.engine = MatchingEngine(1, 65536, 16384, price_bits=price_bits)
        self.matched = 0
        self.differed = 0

    @property
    def place(self) -> int:
        return self.book.place

    def submit(self, op: int, side: int, order_id: int, price: int, qty: int, tif: int = TifKind.TIF_GTC) -> list[int]:
        """Kinds of the events."""
        self.engine.submit(op, side, 0, tif, 0, 0, order_id, price, qty, stp=0)
        return [event[0] for event in self.engine.events()]

    def add(self, symbol: int, side: int, order_id: int, price: int, qty: int) -> int:
        reason = self.book.add(symbol, side, order_id, price, qty)
        assert self.submit(OpKind.OP_NEW, side, order_id, price, qty) == [EventKind.EVENT_ACCEPTED]
        return reason

    def reduce(self, symbol: int, order_id: int, qty: int) -> int:
        reason = self.book.reduce(symbol, order_id, qty)
        if reason == 0:
            _, side, _, _, _, _, price, _, leaves = self.book.outcome()
            self.lower(side, order_id, price, leaves)
        return reason

    def lower(self, side: int, order_id: int, price: int, leaves: int) -> None:
        if leaves:
            assert self.submit(OpKind.OP_AMEND, side, order_id, price, leaves) == [EventKind.EVENT_AMENDED]
        else:
            self.cancel(order_id)

    def cancel(self, order_id: int) -> None:
        assert self.submit(OpKind.OP_CANCEL, 0, order_id, 0, 0) == [EventKind.EVENT_CANCELED]

    def delete(self, symbol: int, order_id: int) -> int:
        reason = self.book.delete(symbol, order_id)
        if reason == 0:
            self.cancel(order_id)
        return reason

    def execute(self, symbol: int, order_id: int, qty: int) -> int:
        reason = self.book.execute(symbol, order_id, qty)
        if reason:
            return reason
        side, price = self.book.outcome()[1], self.book.outcome()[6]
        self.engine.submit(OpKind.OP_NEW, 1 - side, 0, TifKind.TIF_IOC, 0, 0, TAKER_ID, price, qty, stp=0)
        trades = [(event[6], event[8]) for event in self.engine.events() if event[0] == EventKind.EVENT_TRADE]
        if trades == [(order_id, qty)]:
            self.matched += 1
        else:
            self.differed += 1
            self.lay_anew(side)
        return reason

    def lay_anew(self, side: int) -> None:
        for _, order_id, *_ in self.engine.queue(0, side):
            self.cancel(order_id)
        for row in self.book.orders(0, side).tolist():
            self.submit(OpKind.OP_NEW, side, *row[:3])

    def trim(self, symbol: int, side: int, price: int) -> int:
        reason = self.book.trim(symbol, side, price)
        gone = self.book.outcome()[7]
        for _, order_id, *_ in self.engine.queue(0, side)[-gone:] if gone else ():
            self.cancel(order_id)
        return reason

    def level_qty(self, symbol: int, side: int, price: int) -> int:
        qty = self.book.level_qty(symbol, side, price)
        assert self.engine.level_qty(symbol, side, price) == qty
        return qty

    def read_l2(self, symbol: int, out: lobster.Rows) -> int:
        return self.book.read_l2(symbol, out)


@pytest.mark.parametrize("source", LOBSTER or [None], ids=str)
def test_an_ioc_of_an_executions_size_trades_with_the_order_that_the_file_names(
    source: lobster.Source | None, amount: str, record_property: Callable[[str, object], None]
) -> None:
    if source is None:
        pytest.skip("no LOBSTER files: set TRADEWIND_DATA to the folder that holds lobster/")
    day = source.read(ROWS[amount])
    book = MatchedBook(day.price_bits)
    walk = lobster.Walker(book, 0).walk(day)
    assert walk.rows_equal == walk.rows_compared > 0
    assert book.matched + book.differed == walk.executions
    assert book.matched == walk.oldest_first
    record_property("executions", walk.executions)
    record_property("executions matched", book.matched)
    # unnamed orders of before the day stand ahead of others in its first minutes: that is where the exceptions are
    share = 0.99 if len(walk.ours) < ROWS[amount] else 0.95
    assert walk.executions < EXECUTIONS_ENOUGH or book.matched >= share * walk.executions
    for side in (0, 1):
        ours = [(order_id, price, qty) for order_id, price, qty, *_ in book.book.orders(0, side).tolist()]
        assert [(order_id, price, qty) for price, order_id, qty, _ in book.engine.queue(0, side)] == ours
