"""The form of a new order: which fields its type needs and which it must not have, in the exchange's words.

Source: Binance spot rest-api.md (new order), errors.md.
"""

from __future__ import annotations

import re

from engine.book.matching import KindOfOrder, OpFlag, StpKind, TifKind
from engine.sim.api import OrderRequest, OrderType, Side, StpMode, TimeInForce
from engine.sim.reject import VenueReject, neither
from engine.sim.rules import STP_MODES

CLIENT_ID_PATTERN = "^[a-zA-Z0-9-_]{1,36}$"
_CLIENT_ID = re.compile(r"[a-zA-Z0-9_-]{1,36}")
SIDES: dict[str, Side] = {"BUY": "BUY", "SELL": "SELL"}
TYPES: dict[str, OrderType] = {
    "LIMIT": "LIMIT",
    "MARKET": "MARKET",
    "LIMIT_MAKER": "LIMIT_MAKER",
    "STOP_LOSS": "STOP_LOSS",
    "STOP_LOSS_LIMIT": "STOP_LOSS_LIMIT",
    "TAKE_PROFIT": "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT": "TAKE_PROFIT_LIMIT",
}
TIMES_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK"}
STP: dict[str, StpMode] = {
    "NONE": "NONE",
    "EXPIRE_MAKER": "EXPIRE_MAKER",
    "EXPIRE_TAKER": "EXPIRE_TAKER",
    "EXPIRE_BOTH": "EXPIRE_BOTH",
    "DECREMENT": "DECREMENT",
    "TRANSFER": "TRANSFER",
}
CONDITIONAL = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
MARKET_KINDS = frozenset({"MARKET", "STOP_LOSS", "TAKE_PROFIT"})
UNSUPPORTED_COMBINATION = "Unsupported order combination."

# What the matching book calls the exchange's words: (kind, tif, flags).
_GTC = (int(KindOfOrder.TYPE_LIMIT), int(TifKind.TIF_GTC), 0)
_IOC = (int(KindOfOrder.TYPE_LIMIT), int(TifKind.TIF_IOC), 0)
_FOK = (int(KindOfOrder.TYPE_LIMIT), int(TifKind.TIF_FOK), 0)
_MARKET = (int(KindOfOrder.TYPE_MARKET), int(TifKind.TIF_IOC), 0)
BOOK_FORM = {
    ("LIMIT_MAKER", "GTC"): (int(KindOfOrder.TYPE_LIMIT), int(TifKind.TIF_GTC), int(OpFlag.FLAG_POST_ONLY)),
    **{(kind, "GTC"): _GTC for kind in ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")},
    **{(kind, "IOC"): _IOC for kind in ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")},
    **{(kind, "FOK"): _FOK for kind in ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")},
    **{(kind, "GTC"): _MARKET for kind in MARKET_KINDS},
}
BOOK_STP = {
    "NONE": int(StpKind.STP_NONE),
    "EXPIRE_MAKER": int(StpKind.STP_EXPIRE_MAKER),
    "EXPIRE_TAKER": int(StpKind.STP_EXPIRE_TAKER),
    "EXPIRE_BOTH": int(StpKind.STP_EXPIRE_BOTH),
    "DECREMENT": int(StpKind.STP_DECREMENT),
    "TRANSFER": int(StpKind.STP_DECREMENT),  # between orders of one account it is the same
}


def missing(parameter: str) -> VenueReject:
    """Refuse for a mandatory parameter that was not sent (-1102)."""
    return VenueReject(-1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")


def surplus(parameter: str) -> VenueReject:
    """Refuse for a parameter that the type does not take (-1106)."""
    return VenueReject(-1106, f"Parameter '{parameter}' sent when not required.")


def check_form(request: OrderRequest, stp_modes: tuple[str, ...] = STP_MODES) -> None:
    """Refuse a request whose words or fields do not fit together; sizes and prices are the filters' business."""
    if request.side not in SIDES:
        raise VenueReject(-1117, "Invalid side.")
    if request.type not in TYPES:
        raise VenueReject(-1116, "Invalid orderType.")
    if request.time_in_force is not None and request.time_in_force not in TIMES_IN_FORCE:
        raise VenueReject(-1115, "Invalid timeInForce.")
    _check_client_id(request.client_order_id)
    _check_stp(request.stp_mode, stp_modes)
    _check_fields(request)
    _check_extras(request)


def _check_client_id(client_order_id: str | None) -> None:
    if client_order_id and not _CLIENT_ID.fullmatch(client_order_id):
        raise VenueReject(
            -1100,
            f"Illegal characters found in parameter 'newClientOrderId'; legal range is '{CLIENT_ID_PATTERN}'.",
        )


def _check_stp(mode: str | None, stp_modes: tuple[str, ...]) -> None:
    if mode is None or mode in stp_modes:
        return
    if mode in STP:
        raise VenueReject(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    raise VenueReject(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")


def _check_fields(request: OrderRequest) -> None:
    if request.type == "MARKET":
        _check_market(request)
        return
    if request.quantity_e8 is None:
        raise missing("quantity")
    if request.quote_order_qty_e8 is not None:
        raise surplus("quoteOrderQty")
    takes_any_price = request.type in MARKET_KINDS
    if takes_any_price and request.price_e8 is not None:
        raise surplus("price")
    if not takes_any_price and request.price_e8 is None:
        raise missing("price")
    _check_time_in_force(request)
    if request.type in CONDITIONAL and request.stop_price_e8 is None and request.trailing_delta is None:
        raise neither("stopPrice", "trailingDelta")


def _check_time_in_force(request: OrderRequest) -> None:
    needs = request.type in ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
    if needs and request.time_in_force is None:
        raise missing("timeInForce")
    if not needs and request.time_in_force is not None:
        raise surplus("timeInForce")


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
    if request.type not in CONDITIONAL:
        if request.stop_price_e8 is not None:
            raise surplus("stopPrice")
        if request.trailing_delta is not None:
            raise surplus("trailingDelta")
    if request.iceberg_qty_e8 is not None:
        if request.type in MARKET_KINDS:
            raise surplus("icebergQty")
        if request.iceberg_qty_e8 and request.time_in_force not in (None, "GTC"):
            raise VenueReject(-1014, UNSUPPORTED_COMBINATION)
    if request.strategy_type is not None and request.strategy_type < 1_000_000:
        raise VenueReject(-1130, "Data sent for parameter 'strategyType' is not valid.")
