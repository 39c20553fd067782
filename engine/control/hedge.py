"""How much of one instrument offsets what another is exposed to: sized by value, rounded down to lots.

What counts in the hedging instrument is what is held there and what a person's market orders there will fill at once: a hedge asked
for twice does not hedge twice. An order that rests is no exposure before it is filled, and does not count, however large.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import msgspec

from engine.control.exact import RefusedCommandError
from engine.control.messages import HedgeState, RefusalCode
from engine.model.codes import BookState, PositionSide, Side
from engine.model.instruments import E8, INT64_MAX
from engine.model.tables import Tables

if TYPE_CHECKING:
    from engine.control.commands import OperatorCommand


class HedgeDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the COMMAND record beside the order: values in 10^-8 of the hedging instrument's quote asset."""

    exposed_id: int
    ratio_e8: int
    exposed_value_e8: int
    held_value_e8: int


@dataclass(frozen=True)
class HedgeNeed:
    """What would have to be traded, and how that came about."""

    side: Side
    qty_lots: int
    detail: HedgeDetail


def hedge_need(tables: Tables, exposed_id: int, with_id: int, ratio_e8: int, under_way_lots: int) -> HedgeNeed:
    """`under_way_lots`: signed, of orders that hedge already and are not filled yet.

    Raises RefusedCommandError where there is nothing to hedge, no price, or no way from one currency to the other.
    """
    if exposed_id == with_id:
        raise RefusedCommandError(RefusalCode.BAD_VALUE, "an instrument does not hedge itself: use flatten")
    exposed = net_lots(tables, exposed_id) * lot_value_e8(tables, exposed_id)
    exposed *= between(tables, exposed_id, with_id)
    held_lots = net_lots(tables, with_id) + under_way_lots
    unit = lot_value_e8(tables, with_id)
    wanted = -exposed * Fraction(ratio_e8, E8) - held_lots * unit
    qty_lots = int(abs(wanted) / unit)
    if qty_lots == 0:
        raise RefusedCommandError(
            RefusalCode.STATE, "nothing to hedge: what is open is offset already, to less than a lot"
        )
    if is_too_small(tables, with_id, qty_lots, unit):
        raise RefusedCommandError(
            RefusalCode.STATE, "nothing to hedge: what is not offset already is less than the smallest order"
        )
    if qty_lots > INT64_MAX:
        raise RefusedCommandError(RefusalCode.BAD_VALUE, "the hedge does not fit into a quantity")
    detail = HedgeDetail(
        exposed_id=exposed_id, ratio_e8=ratio_e8, exposed_value_e8=int(exposed), held_value_e8=int(held_lots * unit)
    )
    return HedgeNeed(Side.BUY if wanted > 0 else Side.SELL, qty_lots, detail)


def is_too_small(tables: Tables, row_id: int, qty_lots: int, unit_e8: Fraction) -> bool:
    """Would the venue take no market order of that size: what an earlier hedge has left, as prices moved on."""
    row = tables.instrument(row_id)
    least_lots = max(row["min_qty_lots"], row["market_min_qty_lots"])
    return bool(qty_lots < least_lots or qty_lots * unit_e8 < row["min_notional_e8"])


def net_lots(tables: Tables, row_id: int) -> int:
    """The position of an instrument; of a hedged account its long and its short together."""
    return sum(int(tables.exposure(row_id, side)["position_lots"]) for side in PositionSide)


def next_part(tables: Tables, row_id: int, side: Side, left_lots: int) -> tuple[PositionSide, int]:
    """The position that the next order is about, and the most that it may be of.

    A netted account has one. In a hedged account what stands against the hedge is closed first - as far as no order closes it
    already -, the rest opens the other side.
    """
    if not tables.is_hedged(tables.instrument(row_id)["venue_id"]):
        return PositionSide.BOTH, left_lots
    closed = PositionSide.LONG if side == Side.SELL else PositionSide.SHORT
    row = tables.exposure(row_id, closed)
    working_lots = row["working_sell_lots"] if side == Side.SELL else row["working_buy_lots"]
    closable_lots = abs(row["position_lots"]) - working_lots
    if closable_lots > 0:
        return closed, min(left_lots, closable_lots)
    return (PositionSide.SHORT if side == Side.SELL else PositionSide.LONG), left_lots


def lot_value_e8(tables: Tables, row_id: int) -> Fraction:
    """What one lot is worth at the middle of the book, in 10^-8 of the quote asset; an inverse contract's at any price the same."""
    row, market = tables.instrument(row_id), tables.market(row_id)
    if market["book_state"] != BookState.VALID or market["best_bid_ticks"] <= 0 or market["best_ask_ticks"] <= 0:
        raise RefusedCommandError(RefusalCode.STATE, f"{tables.symbol(row_id)}: no valid book to value it by")
    twice_ticks = 2 if row["inverse"] else market["best_bid_ticks"] + market["best_ask_ticks"]
    return Fraction(twice_ticks * row["tick_lot_value_numerator"], 2 * row["tick_lot_value_denominator"])


def between(tables: Tables, exposed_id: int, with_id: int) -> Fraction:
    """One unit of the exposed instrument's quote asset in the other's: the same asset is worth the same at every venue."""
    assets = [tables.instrument(row)["quote_asset_id"] for row in (exposed_id, with_id)]
    names = [tables.asset_name(asset) for asset in assets]
    if names[0] == names[1]:
        return Fraction(1)
    rates = [tables.rate(asset) for asset in assets]
    if not all(rates):
        raise RefusedCommandError(RefusalCode.STATE, f"no rate between {names[0]} and {names[1]}")
    return Fraction(rates[0], rates[1])


class Hedges(Protocol):
    """Who carries out hedges."""

    def begin(self, command: OperatorCommand, exposed_id: int, ratio_e8: int) -> int:
        """The sequence of its first order's command. Raises RefusedCommandError where there is nothing to hedge."""

    def state(self) -> HedgeState:
        """How far the latest one has come."""
