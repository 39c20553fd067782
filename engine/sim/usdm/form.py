"""The form of new orders: which fields a type needs and which it must not have, in the exchange's words."""

from __future__ import annotations

import re
from typing import cast

import msgspec

from engine.book.matching import KindOfOrder, OpFlag, StpKind, TifKind
from engine.sim.floor import BUY, SELL
from engine.sim.reject import VenueReject
from engine.sim.usdm.holdings import UsdmBook
from engine.sim.usdm.records import (
    AlgoRequest,
    OrderType,
    PositionSide,
    Side,
    StpMode,
    TimeInForce,
    UsdmOrderRequest,
    WorkingType,
)
from engine.sim.usdm.rejects import invalid, missing, surplus

SECOND_NS = 1_000_000_000
GTD_NS_MIN = 600 * SECOND_NS
GTD_NS_MAX = 253_402_300_799 * SECOND_NS
CONDITIONAL_TYPES = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
PRICED_CONDITIONAL_TYPES = ("STOP", "TAKE_PROFIT")
PRICE_MATCHES = (
    "NONE",
    "OPPONENT",
    "OPPONENT_5",
    "OPPONENT_10",
    "OPPONENT_20",
    "QUEUE",
    "QUEUE_5",
    "QUEUE_10",
    "QUEUE_20",
)
CALLBACK_RATE_E8_MIN, CALLBACK_RATE_E8_MAX = 10_000_000, 2_000_000_000  # 0.1 % and 20 %
DEFAULT_STP: StpMode = "EXPIRE_MAKER"
BOOK_SIDES = {"BUY": BUY, "SELL": SELL}
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX", "GTD")
_STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")
_GTD_TEXT = (
    "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than "
    "253402300799000 (UTC 9999-12-31 23:59:59)"
)

# What the matching book calls a limit order's time in force: (tif, flags). A market order is a bounded IOC.
BOOK_TIF = {
    "GTC": (int(TifKind.TIF_GTC), 0),
    "GTD": (int(TifKind.TIF_GTC), 0),
    "GTX": (int(TifKind.TIF_GTC), int(OpFlag.FLAG_POST_ONLY)),
    "IOC": (int(TifKind.TIF_IOC), 0),
    "FOK": (int(TifKind.TIF_FOK), 0),
}
BOOK_LIMIT = int(KindOfOrder.TYPE_LIMIT)
BOOK_STP = {
    "NONE": int(StpKind.STP_NONE),
    "EXPIRE_MAKER": int(StpKind.STP_EXPIRE_MAKER),
    "EXPIRE_TAKER": int(StpKind.STP_EXPIRE_TAKER),
    "EXPIRE_BOTH": int(StpKind.STP_EXPIRE_BOTH),
}


def check_form(book: UsdmBook, request: UsdmOrderRequest, now_ns: int) -> None:
    """Refuse a request whose words or fields do not fit together; sizes and prices are the filters' business."""
    _check_words(request)
    if request.type in CONDITIONAL_TYPES:
        raise VenueReject(
            -4120,
            "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
        )
    if request.type not in ("LIMIT", "MARKET"):
        raise VenueReject(-1116, "Invalid orderType.")
    check_client_id(request.client_order_id)
    check_position_side(book, request.position_side, request.reduce_only)
    if request.quantity_e8 is None:
        raise missing("quantity")
    if request.type == "MARKET":
        _check_market(request)
    else:
        _check_limit(request, now_ns)


def _check_words(request: UsdmOrderRequest | AlgoRequest) -> None:
    if request.side not in ("BUY", "SELL"):
        raise VenueReject(-1117, "Invalid side.")
    if request.time_in_force is not None and request.time_in_force not in _TIMES_IN_FORCE:
        raise VenueReject(-1115, "Invalid timeInForce.")
    if request.stp_mode is not None and request.stp_mode not in _STP_MODES:
        raise VenueReject(-5039, "Invalid self trade prevention mode")
    if request.price_match is not None and request.price_match not in PRICE_MATCHES:
        raise VenueReject(-5037, "Invalid price match")


def _check_market(request: UsdmOrderRequest) -> None:
    if request.time_in_force is not None:
        raise surplus("timeinforce")
    if request.price_e8 is not None:
        raise surplus("price")
    if request.good_till_ns:
        raise surplus("goodTillDate")
    if is_matched(request.price_match):
        raise VenueReject(-5038, "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT")


def _check_limit(request: UsdmOrderRequest | AlgoRequest, now_ns: int) -> None:
    if request.time_in_force is None:
        raise missing("timeInForce")
    if is_matched(request.price_match):
        if request.price_e8 is not None:
            raise surplus("price")
    elif request.price_e8 is None:
        raise missing("price")
    check_good_till(request.time_in_force, request.good_till_ns, now_ns)


def check_good_till(time_in_force: str, good_till_ns: int | None, now_ns: int) -> None:
    """GTD needs a deadline more than 600 s away; nothing else takes one."""
    if time_in_force != "GTD":
        if good_till_ns:
            raise surplus("goodTillDate")
        return
    if not good_till_ns:
        raise missing("goodTillDate")
    if not now_ns + GTD_NS_MIN < good_till_ns < GTD_NS_MAX:
        raise VenueReject(-5040, _GTD_TEXT)


def check_client_id(client_order_id: str | None) -> None:
    """Refuse a client id of other characters or length."""
    if client_order_id and not _CLIENT_ID.fullmatch(client_order_id):
        raise VenueReject(-4015, "Client order id is not valid.")


def check_position_side(book: UsdmBook, position_side: str | None, reduce_only: bool | None) -> None:
    """One-way mode knows BOTH only; hedge mode needs LONG or SHORT and takes no reduceOnly."""
    allowed = ("LONG", "SHORT") if book.dual_side else (None, "BOTH")
    if position_side not in allowed:
        raise VenueReject(-4061, "Order's position side does not match user's setting.")
    if book.dual_side and reduce_only:
        raise surplus("reduceonly")


def is_matched(price_match: str | None) -> bool:
    """Whether the price is taken from the book."""
    return price_match is not None and price_match != "NONE"


def check_algo_form(book: UsdmBook, request: AlgoRequest, now_ns: int) -> None:
    """Refuse a conditional order whose words or fields do not fit together."""
    _check_words(request)
    if request.algo_type != "CONDITIONAL":
        raise invalid("algoType")
    if request.type not in CONDITIONAL_TYPES:
        raise VenueReject(-1116, "Invalid orderType.")
    if request.working_type not in (None, "MARK_PRICE", "CONTRACT_PRICE"):
        raise invalid("workingType")
    check_client_id(request.client_algo_id)
    check_position_side(book, request.position_side, request.reduce_only)
    _check_algo_size(request)
    _check_algo_trigger(request)
    if request.type in PRICED_CONDITIONAL_TYPES:
        _check_limit(msgspec.structs.replace(request, time_in_force=request.time_in_force or "GTC"), now_ns)
    else:
        _check_unpriced(request)


def _check_algo_size(request: AlgoRequest) -> None:
    if not request.close_position:
        if request.quantity_e8 is None:
            raise missing("quantity")
        return
    if request.type not in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
        raise surplus("closePosition")
    if request.quantity_e8 is not None:
        raise surplus("quantity")
    if request.reduce_only:
        raise surplus("reduceonly")


def _check_algo_trigger(request: AlgoRequest) -> None:
    if request.type == "TRAILING_STOP_MARKET":
        if request.callback_rate_e8 is None:
            raise missing("callbackRate")
        if not CALLBACK_RATE_E8_MIN <= request.callback_rate_e8 <= CALLBACK_RATE_E8_MAX:
            raise VenueReject(-2007, "Invalid callBack rate.")
        if request.trigger_price_e8 is not None:
            raise surplus("triggerPrice")
        return
    if not request.trigger_price_e8:
        raise missing("triggerPrice")
    if request.activate_price_e8 is not None:
        raise surplus("activatePrice")
    if request.callback_rate_e8 is not None:
        raise surplus("callbackRate")


def _check_unpriced(request: AlgoRequest) -> None:
    if request.price_e8 is not None:
        raise surplus("price")
    if is_matched(request.price_match):
        raise VenueReject(-5038, "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT")
    check_good_till(request.time_in_force or "GTC", request.good_till_ns, 0)


# --- checked words as the types that records use --------------------------------------------------------------------


def as_side(word: str) -> Side:
    """A checked side."""
    return cast(Side, word)


def as_type(word: str) -> OrderType:
    """A checked order type."""
    return cast(OrderType, word)


def as_tif(word: str | None) -> TimeInForce:
    """A checked time in force; GTC when none was sent."""
    return cast(TimeInForce, word or "GTC")


def as_stp(word: str | None) -> StpMode:
    """A checked mode, or the venue's own."""
    return cast(StpMode, word or DEFAULT_STP)


def as_position_side(word: str | None) -> PositionSide:
    """A checked position side."""
    return cast(PositionSide, word or "BOTH")


def as_working_type(word: str | None) -> WorkingType:
    """A checked working type; the last price when none was sent."""
    return cast(WorkingType, word or "CONTRACT_PRICE")
