"""An order and a position, slow and obvious: what a set of reports means, whatever their order and number."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True)
class Report:
    """One execution report: a fill (trade id, lots, price) and the order's cumulative quantity and status with it."""

    state: str
    cum_lots: int = 0
    trade_id: int = -1
    lots: int = 0
    price_ticks: int = 0
    fee_e8: int = 0


@dataclass
class Outcome:
    """The order and account after all reports."""

    state: str
    cum_lots: int
    reserved_lots: int
    position_lots: int
    fees_e8: int


def outcome(qty_lots: int, side: int, reports: list[Report]) -> Outcome:
    """Fold the set of reports: fills by trade id once, the end by the ending status, the rest by how much was filled."""
    fills = {r.trade_id: r for r in reports if r.trade_id >= 0}
    cum = sum(r.lots for r in fills.values())
    counted = max([r.cum_lots for r in reports] + [cum])
    ended = next((r.state for r in reports if r.state in ("CANCELED", "EXPIRED")), "")
    if cum >= qty_lots:
        state = "FILLED"
    elif ended:
        state = ended
    elif cum:
        state = "PARTIALLY_FILLED"
    else:
        state = "NEW" if reports else "PENDING_NEW"
    reserved = (counted if ended else qty_lots) - cum
    sign = 1 if side == 0 else -1
    return Outcome(state, cum, max(reserved, 0), sign * cum, sum(r.fee_e8 for r in fills.values()))


@dataclass
class Account:
    """Average cost by fractions: never rounded until it is read."""

    lots: int = 0
    cost: Fraction = field(default_factory=Fraction)
    realised: Fraction = field(default_factory=Fraction)

    def fill(self, side: int, price: Fraction, lots: int) -> None:
        """`price` per lot."""
        sign = 1 if side == 0 else -1
        closing = min(lots, abs(self.lots)) if self.lots * sign < 0 else 0
        if closing:
            share = self.cost * closing / abs(self.lots)
            self.realised += -sign * price * closing - share
            self.cost -= share
        self.cost += sign * price * (lots - closing)
        self.lots += sign * lots


def half_even(value: Fraction) -> int:
    """To the nearest integer, ties to even."""
    return round(value)
