"""A stage for matching engines: the compiled one and its slow twin behind the same few words, rows in short form."""

from __future__ import annotations

from typing import Any

from engine.book.matching import MatchingEngine
from tests.matching_pair import submit
from tests.reference.matching_engine import SlowMatchingEngine
from tests.reference.matching_records import (
    ADVANCE,
    AMEND,
    BAND,
    BUST,
    CANCEL,
    KINDS,
    MARKET,
    MASS_CANCEL,
    NEW,
    PHASE,
    REASONS,
    Event,
    Operation,
)


def short(row: Event) -> str:
    """A row as ``KIND REASON order/maker price x qty leaves/maker_leaves``, without what says nothing."""
    kind, _, why, _, _, order_id, maker_id, price, qty, leaves, maker_leaves = row
    parts = [KINDS[kind]] + ([REASONS[why]] if why else [])
    parts.append(f"{order_id}/{maker_id}" if maker_id else f"{order_id}")
    parts.append(f"{price} x {qty}")
    if KINDS[kind] in ("TRADE", "PREVENTED"):
        parts.append(f"left {leaves}/{maker_leaves}")
    elif leaves:
        parts.append(f"left {leaves}")
    return " ".join(parts)


class Stage:
    """One engine; each method is one operation and gives its rows in short form."""

    def __init__(self, kind: str, symbols: int = 2, orders: int = 100, pages: int = 100, **options: Any) -> None:
        self.slow = SlowMatchingEngine(symbols, orders, pages, **options) if kind == "twin" else None
        self.engine: Any = self.slow or MatchingEngine(symbols, orders, pages, **options)

    def apply(self, op: Operation) -> list[Event]:
        """The rows as they are."""
        if self.slow is not None:
            return self.slow.apply(op)
        return submit(self.engine, op)

    def do(self, op: int, **fields: int) -> list[str]:
        return [short(row) for row in self.apply(Operation(op, **fields))]

    def new(self, side: int, order_id: int, price: int, qty: int, **fields: int) -> list[str]:
        return self.do(NEW, side=side, order_id=order_id, price=price, qty=qty, **fields)

    def buy(self, order_id: int, price: int, qty: int, **fields: int) -> list[str]:
        return self.new(0, order_id, price, qty, **fields)

    def sell(self, order_id: int, price: int, qty: int, **fields: int) -> list[str]:
        return self.new(1, order_id, price, qty, **fields)

    def market(self, side: int, order_id: int, qty: int, **fields: int) -> list[str]:
        return self.new(side, order_id, 0, qty, type=MARKET, **fields)

    def trade(self, price: int, qty: int = 1) -> list[str]:
        """A trade between two strangers at a price that nobody else is better at; gives what followed it."""
        maker, taker = 9_000 + 2 * self.engine.op_count, 9_001 + 2 * self.engine.op_count
        self.sell(maker, price, qty)
        rows = self.buy(taker, price, qty, tif=1)
        assert rows[:2] == [
            f"ACCEPTED {taker} {price} x {qty} left {qty}",
            f"TRADE {taker}/{maker} {price} x {qty} left 0/0",
        ]
        return rows[2:]

    def cancel(self, order_id: int, **fields: int) -> list[str]:
        return self.do(CANCEL, order_id=order_id, **fields)

    def amend(self, order_id: int, price: int, qty: int, **fields: int) -> list[str]:
        return self.do(AMEND, order_id=order_id, price=price, qty=qty, **fields)

    def mass_cancel(self, symbol: int, owner: int) -> list[str]:
        return self.do(MASS_CANCEL, symbol=symbol, owner=owner)

    def advance(self, now_ns: int) -> list[str]:
        return self.do(ADVANCE, expire_ns=now_ns)

    def phase(self, phase: int, symbol: int = 0) -> list[str]:
        return self.do(PHASE, side=phase, symbol=symbol)

    def band(self, low: int, high: int) -> list[str]:
        return self.do(BAND, price=low, trigger=high)

    def bust(self, number: int) -> list[str]:
        return self.do(BUST, order_id=number)

    def ids(self, container: int, symbol: int = 0) -> list[int]:
        """Who stands in a container, in priority."""
        return [row[0] for row in self.engine.orders_in(symbol, container)]
