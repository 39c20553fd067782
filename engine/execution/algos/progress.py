"""How an algorithm is doing, in whole numbers for the listing: what is done, at what price, against arrival and schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.model.codes import Side

if TYPE_CHECKING:
    from engine.execution.algos.parent import AlgoParent

BPS = 10_000
CENTI_BPS = 1_000_000


def progress_of(parent: AlgoParent) -> dict[str, int]:
    """`slippage_centibps`: average price against arrival, 1/100 of a basis point, positive = worse; `ahead_bps`: filled less
    planned, of the whole quantity. What cannot be told yet is left out."""
    elapsed_ns = parent.port.now_ns - parent.begin_ns
    found = {
        "elapsed_ns": elapsed_ns,
        "duration_ns": parent.algo.duration_ns,
        "filled_lots": parent.filled_lots,
        "remaining_lots": max(parent.qty_lots - parent.filled_lots, 0),
        "working_lots": parent.working_lots,
        "children": parent.child_count,
    }
    if parent.algo.wants_trades:
        found["traded_lots"] = parent.traded_lots
    planned = parent.algo.planned_lots(elapsed_ns)
    if planned is not None:
        found["planned_lots"] = planned
        found["ahead_bps"] = nearest((parent.filled_lots - planned) * BPS, parent.qty_lots)
    if parent.valued_lots and parent.arrival_half_ticks:
        sign = 1 if parent.side == Side.BUY else -1
        arrival = parent.arrival_half_ticks * parent.valued_lots
        found["slippage_centibps"] = nearest(sign * (2 * parent.filled_value - arrival) * CENTI_BPS, arrival)
    return found


def nearest(numerator: int, denominator: int) -> int:
    """The nearest whole number, halves to even."""
    quotient, rest = divmod(numerator, denominator)
    doubled = 2 * rest - denominator
    return quotient + (doubled > 0 or (doubled == 0 and quotient % 2 == 1))
