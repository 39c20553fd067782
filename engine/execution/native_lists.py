"""Which lists of a person the venue carries out as one request, and the orders that it is then asked for."""

from __future__ import annotations

from collections.abc import Sequence

from engine.execution.terms import ChildTerms
from engine.model.codes import Contingency, OrderType, Side, TimeInForce
from engine.model.instructions import TRAILING_TYPES, OrderList, OrderTerms

STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT}) | TRAILING_TYPES


def is_of_one_request(wish: OrderList, handle: int) -> bool:
    """Has the list the shape that order lists have at a venue: the pair of one side and size, one above the market and one below
    it; what releases others is a limit order; all rest until cancelled. Its orders' handles must follow that of the list."""
    orders = wish.orders
    if [order.handle for order in orders] != list(range(handle + 1, handle + 1 + len(orders))):
        return False
    if any(order.time_in_force != TimeInForce.GTC and order.order_type != OrderType.MARKET for order in orders):
        return False
    if wish.contingency != Contingency.OCO and orders[0].order_type != OrderType.LIMIT:
        return False
    return wish.contingency == Contingency.OTO or is_pair(orders if wish.contingency == Contingency.OCO else orders[1:])


def is_pair(orders: Sequence[OrderTerms]) -> bool:
    """Two ways out of one position, of which the market can meet but one at a time."""
    if len(orders) != 2 or any(order.order_type == OrderType.MARKET for order in orders):
        return False
    one, other = orders
    is_alike = (one.side, one.qty_lots, one.position_side) == (other.side, other.qty_lots, other.position_side)
    return is_alike and is_above(one) != is_above(other)


def is_above(order: OrderTerms) -> bool:
    """Waits above the market: a seller's limit order and take-profit, a buyer's stop."""
    return (order.order_type in STOPS) == (order.side == Side.BUY)


def native_terms(wish: OrderList, handle: int) -> list[ChildTerms]:
    """The orders under the handles from `handle` on, which is the list's name as well."""
    plain = [name for name in OrderTerms.__struct_fields__ if name != "handle"]
    return [
        ChildTerms(
            **{name: getattr(order, name) for name in plain},
            handle=handle + index,
            list_handle=handle,
            contingency=wish.contingency,
            list_size=len(wish.orders),
            list_index=index,
        )
        for index, order in enumerate(wish.orders)
    ]
