"""The slow order-by-order book with the calls of the compiled one, for walks that take either."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference.l3_book import (
    ADD,
    DELETE,
    EXECUTE,
    REDUCE,
    REPLACE,
    SET_QTY,
    TRIM,
    SlowL3Book,
    Step,
)


class CalledTwin(SlowL3Book):
    """Operations as methods that give a reason."""

    place = 0

    def run(self, step: Step) -> int:
        outcome = self.apply(step)
        self.place = outcome[3]
        return outcome[2]

    def add(self, symbol: int, side: int, order_id: int, price: int, qty: int) -> int:
        return self.run(Step(ADD, side, symbol, order_id=order_id, price=price, qty=qty))

    def reduce(self, symbol: int, order_id: int, qty: int) -> int:
        return self.run(Step(REDUCE, symbol=symbol, order_id=order_id, qty=qty))

    def set_qty(self, symbol: int, order_id: int, qty: int) -> int:
        return self.run(Step(SET_QTY, symbol=symbol, order_id=order_id, qty=qty))

    def replace(self, symbol: int, order_id: int, new_id: int, price: int, qty: int) -> int:
        return self.run(Step(REPLACE, symbol=symbol, order_id=order_id, new_id=new_id, price=price, qty=qty))

    def delete(self, symbol: int, order_id: int) -> int:
        return self.run(Step(DELETE, symbol=symbol, order_id=order_id))

    def execute(self, symbol: int, order_id: int, qty: int) -> int:
        return self.run(Step(EXECUTE, symbol=symbol, order_id=order_id, qty=qty))

    def trim(self, symbol: int, side: int, price: int) -> int:
        return self.run(Step(TRIM, side, symbol, price=price))

    def best(self, symbol: int, side: int) -> tuple[int, int]:
        return (self.depth(symbol, side, 1) or [(0, 0)])[0]

    def level_qty(self, symbol: int, side: int, price: int) -> int:
        return sum(order.qty for order in self.levels[symbol][side].get(price, []))

    def read_l2(self, symbol: int, out: npt.NDArray[np.int64]) -> int:
        out[:] = 0
        sides = [self.depth(symbol, side, len(out)) for side in (1, 0)]
        for column, rows in zip((0, 2), sides, strict=True):
            for place, level in enumerate(rows):
                out[place, column : column + 2] = level
        return max(len(rows) for rows in sides)
