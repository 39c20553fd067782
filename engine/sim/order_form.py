"""The form of a new order: which fields its type needs and which it must not have, in the exchange's words.

Source: Binance spot rest-api.md (new order), errors.md; symbols here offer LIMIT, LIMIT_MAKER and MARKET.
"""

from __future__ import annotations

import re

from engine.sim.api import OrderRequest, OrderType, Side, StpMode, TimeInForce
from engine.sim.matching import KindOfOrder, OpFlag, StpKind, TifKind
from engine.sim.reject import VenueReject, new_order_rejected
from engine.sim.rules import STP_MODES

CLIENT_ID_PATTERN = "^[a-zA-Z0-9-_]{1,36}$"
_CLIENT_ID = re.compile(r"[a-zA-Z0-9_-]{1,36}")
SIDES: dict[str, Side] = {"BUY": "BUY", "SELL": "SELL"}
TYPES: dict[str, OrderType] = {
    "LIMIT": "LIMIT",
    "MARKET": "MARKET",
    "LIMIT_MAKER": "LIMIT_MAKER",
}
TIMES_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK"}
STP: dict[str, StpMode] = {
    "NONE": "NONE",
    "EXPIRE_MAKER": "EXPIRE_MAKER",
    "EXPIRE_TAKER": "EXPIRE_TAKER",
    "EXPIRE_BOTH": "EXPIRE_BOTH",
}
DEFAULT_STP = "EXPIRE_MAKER"
_KNOWN_STP = {*STP_MODES, "DECREMENT", "TRANSFER"}
_UNSUPPORTED_TYPES = {
    "STOP_LOSS": "Stop loss orders are not supported for this symbol.",
    "STOP_LOSS_LIMIT": "Stop loss limit orders are not supported for this symbol.",
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
}

# What the matching book calls the exchange's words: (kind, tif, flags).
BOOK_FORM = {
    ("LIMIT", "GTC"): (int(KindOfOrder.TYPE_LIMIT), int(TifKind.TIF_GTC), 0),
    ("LIMIT", "IOC"): (int(KindOfOrder.TYPE_LIMIT), int(TifKind.TIF_IOC), 0),
    ("LIMIT", "FOK"): (int(KindOfOrder.TYPE_LIMIT), int(TifKind.TIF_FOK), 0),
    ("LIMIT_MAKER", "GTC"): (int(KindOfOrder.TYPE_LIMIT), int(TifKind.TIF_GTC), int(OpFlag.FLAG_POST_ONLY)),
    ("MARKET", "GTC"): (int(KindOfOrder.TYPE_MARKET), int(TifKind.TIF_IOC), 0),
}
BOOK_STP = {
    "NONE": int(StpKind.STP_NONE),
    "EXPIRE_MAKER": int(StpKind.STP_EXPIRE_MAKER),
    "EXPIRE_TAKER": int(StpKind.STP_EXPIRE_TAKER),
    "EXPIRE_BOTH": int(StpKind.STP_EXPIRE_BOTH),
}


def missing(parameter: str) -> VenueReject:
    """Refuse for a mandatory parameter that was not sent (-1102)."""
    return VenueReject(-1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")


def neither(first: str, second: str) -> VenueReject:
    """Refuse when one of two parameters must be sent (-1102)."""
    return VenueReject(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def surplus(parameter: str) -> VenueReject:
    """Refuse for a parameter that the type does not take (-1106)."""
    return VenueReject(-1106, f"Parameter '{parameter}' sent when not required.")


def check_form(request: OrderRequest) -> None:
    """Refuse a request whose words or fields do not fit together; sizes and prices are the filters' business."""
    if request.side not in SIDES:
        raise VenueReject(-1117, "Invalid side.")
    if request.type in _UNSUPPORTED_TYPES:
        raise new_order_rejected(_UNSUPPORTED_TYPES[request.type])
    if request.type not in TYPES:
        raise VenueReject(-1116, "Invalid orderType.")
    if request.time_in_force is not None and request.time_in_force not in TIMES_IN_FORCE:
        raise VenueReject(-1115, "Invalid timeInForce.")
    _check_client_id(request.client_order_id)
    _check_stp(request.stp_mode)
    _check_fields(request)
    _check_extras(request)


def _check_client_id(client_order_id: str | None) -> None:
    if client_order_id and not _CLIENT_ID.fullmatch(client_order_id):
        raise VenueReject(
            -1100,
            f"Illegal characters found in parameter 'newClientOrderId'; legal range is '{CLIENT_ID_PATTERN}'.",
        )


def _check_stp(mode: str | None) -> None:
    if mode is None or mode in STP:
        return
    if mode in _KNOWN_STP:
        raise VenueReject(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    raise VenueReject(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")


def _check_fields(request: OrderRequest) -> None:
    if request.type == "MARKET":
        _check_market(request)
        return
    if request.type == "LIMIT" and request.time_in_force is None:
        raise missing("timeInForce")
    if request.type == "LIMIT_MAKER" and request.time_in_force is not None:
        raise surplus("timeInForce")
    if request.quantity_e8 is None:
        raise missing("quantity")
    if request.price_e8 is None:
        raise missing("price")
    if request.quote_order_qty_e8 is not None:
        raise surplus("quoteOrderQty")


def _check_market(request: OrderRequest) -> None:
    if request.quantity_e8 is None and request.quote_order_qty_e8 is None:
        raise neither("quantity", "quoteOrderQty")
    if request.quantity_e8 is not None and request.quote_order_qty_e8 is not None:
        raise surplus("quoteOrderQty")
    if request.time_in_force is not None:
        raise surplus("timeInForce")
    if request.price_e8 is not None:
        raise surplus("price")


def _check_extras(request: OrderRequest) -> None:
    if request.stop_price_e8 is not None:
        raise surplus("stopPrice")
    if request.trailing_delta is not None:
        raise surplus("trailingDelta")
    if request.iceberg_qty_e8:
        raise new_order_rejected("Iceberg orders are not supported for this symbol.")
    if request.strategy_type is not None and request.strategy_type < 1_000_000:
        raise VenueReject(-1130, "Data sent for parameter 'strategyType' is not valid.")
