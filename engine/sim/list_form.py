"""The form of a new order list: which types its legs may have, and how their prices must lie.

Source: Binance spot rest-api.md (order lists) and errors.md; -1159 and its text are not confirmed.
"""

from __future__ import annotations

from engine.sim.api import OrderListRequest, OrderRequest
from engine.sim.draft import Draft
from engine.sim.floor import Listing
from engine.sim.order_form import CONDITIONAL, surplus
from engine.sim.reject import VenueReject, new_order_rejected

BAD_PRICES = "The relationship of the prices for the orders is not correct."
_LEGS = {"OCO": 2, "OTO": 2, "OPO": 2, "OTOCO": 3, "OPOCO": 3}


def check_list_form(request: OrderListRequest) -> None:
    """Refuse a list whose legs do not fit together; each leg's own form is checked with its draft."""
    if len(request.legs) != _LEGS[request.kind]:
        raise ValueError(f"a list of kind {request.kind} has {_LEGS[request.kind]} legs, not {len(request.legs)}")
    if request.kind == "OCO":
        check_pair_types(*request.legs)
        return
    leader, pending = request.legs[0], request.legs[1:]
    if leader.type not in ("LIMIT", "LIMIT_MAKER"):
        raise VenueReject(-1159, "Order type not supported in OTO.")
    if len(pending) == 2:
        check_pair_types(*pending)
    if any(leg.quote_order_qty_e8 is not None for leg in pending):
        raise surplus("pendingQuoteOrderQty")
    if request.kind in ("OPO", "OPOCO") and (leader.side != "BUY" or any(leg.side != "SELL" for leg in pending)):
        raise VenueReject(-1014, "Unsupported order combination.")


def check_pair_types(above: OrderRequest, below: OrderRequest) -> None:
    """The types that the legs above and below the price may have, by side."""
    for leg in (above, below):
        if leg.type not in CONDITIONAL and leg.type != "LIMIT_MAKER":
            raise VenueReject(-1158, "Order type not supported in OCO.")
    if above.type == below.type == "LIMIT_MAKER":
        raise VenueReject(-1168, "At least one OCO order must be contingent.")
    if above.side == "BUY":
        _check_place(above.type == "LIMIT_MAKER", -1165, "A limit order in a buy OCO must be below.")
        _check_place(below.type.startswith("STOP_LOSS"), -1196, "A stop loss order in a buy OCO must be above.")
        _check_place(above.type.startswith("TAKE_PROFIT"), -1198, "A take profit order in a buy OCO must be below.")
    else:
        _check_place(below.type == "LIMIT_MAKER", -1166, "A limit order in a sell OCO must be above.")
        _check_place(above.type.startswith("STOP_LOSS"), -1197, "A stop loss order in a sell OCO must be below.")
        _check_place(below.type.startswith("TAKE_PROFIT"), -1199, "A take profit order in a sell OCO must be above.")


def _check_place(is_wrong: bool, code: int, text: str) -> None:
    if is_wrong:
        raise VenueReject(code, text)


def check_pair_prices(listing: Listing, above: Draft, below: Draft) -> None:
    """The last price must lie between the prices of both legs; -2010."""
    last_e8 = listing.tape.last_price_e8
    if any(price_e8 <= last_e8 for price_e8 in _leg_prices(above)):
        raise new_order_rejected(BAD_PRICES)
    if any(price_e8 >= last_e8 for price_e8 in _leg_prices(below)):
        raise new_order_rejected(BAD_PRICES)


def _leg_prices(draft: Draft) -> list[int]:
    """What counts of a leg: the stop price of a conditional one, the price of a limit; of a take-profit limit both."""
    request = draft.request
    prices = [request.stop_price_e8] if draft.is_conditional else [request.price_e8]
    if request.type == "TAKE_PROFIT_LIMIT":
        prices.append(request.price_e8)
    return [price_e8 for price_e8 in prices if price_e8 is not None]
