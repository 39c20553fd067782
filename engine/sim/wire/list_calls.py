"""Order list endpoints: OCO, OTO, OTOCO, OPO, OPOCO, the old OCO form; cancel and queries."""

from __future__ import annotations

import re

import msgspec

from engine.sim.api import ListKind, OrderListRequest, OrderRequest
from engine.sim.list_form import check_list_form
from engine.sim.order_form import check_form
from engine.sim.reject import VenueReject
from engine.sim.wire import errors, list_json
from engine.sim.wire.account_calls import window
from engine.sim.wire.calls import Call
from engine.sim.wire.order_calls import RESPONSE_TYPES, choice, strategy_type

_LEG_FIELDS = (
    *("Type", "ClientOrderId", "Price", "StopPrice", "TrailingDelta", "TimeInForce", "IcebergQty", "StrategyId"),
    *("StrategyType", "PegPriceType", "PegOffsetType", "PegOffsetValue"),
)
_COMMON = frozenset({"symbol", "listClientOrderId", "newOrderRespType", "selfTradePreventionMode"})
_QUOTED = re.compile(r"'([a-zA-Z]+)'")


def _fields(*prefixes: str) -> frozenset[str]:
    return frozenset(prefix + name for prefix in prefixes for name in _LEG_FIELDS)


OCO = _COMMON | {"side", "quantity"} | _fields("above", "below")
OTO = _COMMON | {"workingSide", "workingQuantity", "pendingSide", "pendingQuantity"} | _fields("working", "pending")
OTOCO = (
    _COMMON
    | {"workingSide", "workingQuantity", "pendingSide", "pendingQuantity"}
    | _fields("working", "pendingAbove", "pendingBelow")
)
OPO, OPOCO = OTO - {"pendingQuantity"}, OTOCO - {"pendingQuantity"}
OLD_OCO = _COMMON | {
    *("side", "quantity", "price", "stopPrice", "stopLimitPrice", "stopLimitTimeInForce", "trailingDelta"),
    *("limitClientOrderId", "limitIcebergQty", "limitStrategyId", "limitStrategyType"),
    *("stopClientOrderId", "stopIcebergQty", "stopStrategyId", "stopStrategyType"),
}


def place_oco(call: Call) -> bytes:
    """One cancels the other."""
    side, qty_e8 = call.params.text("side"), _needed(call, "quantity")
    return _place(
        call, "OCO", (("above", _leg(call, "above", side, qty_e8)), ("below", _leg(call, "below", side, qty_e8)))
    )


def place_oto(call: Call) -> bytes:
    """One triggers the other."""
    return _place(
        call, "OTO", (_working(call), ("pending", _pending(call, "pending", _needed(call, "pendingQuantity"))))
    )


def place_otoco(call: Call) -> bytes:
    """One triggers a pair that cancels each other."""
    return _place(call, "OTOCO", (_working(call), *_pending_pair(call, _needed(call, "pendingQuantity"))))


def place_opo(call: Call) -> bytes:
    """One pays for the other."""
    return _place(call, "OPO", (_working(call), ("pending", _pending(call, "pending", None))))


def place_opoco(call: Call) -> bytes:
    """One pays for a pair that cancels each other."""
    return _place(call, "OPOCO", (_working(call), *_pending_pair(call, None)))


def place_old_oco(call: Call) -> bytes:
    """The deprecated form of an OCO: a limit and a stop leg, whose places follow from the side."""
    params, side, qty_e8 = call.params, call.params.text("side"), _needed(call, "quantity")
    mode = params.optional("selfTradePreventionMode")
    symbol = call.symbol()
    limit = OrderRequest(
        symbol=symbol,
        side=side,
        type="LIMIT_MAKER",
        quantity_e8=qty_e8,
        price_e8=_needed(call, "price"),
        client_order_id=params.client_id("limitClientOrderId"),
        iceberg_qty_e8=call.decimal("limitIcebergQty"),
        stp_mode=mode,
        strategy_id=params.integer("limitStrategyId"),
        strategy_type=strategy_type(call, "limitStrategyType"),
    )
    stop_limit_e8 = call.decimal("stopLimitPrice")
    if stop_limit_e8 is not None:
        params.text("stopLimitTimeInForce")
    stop = OrderRequest(
        symbol=symbol,
        side=side,
        type="STOP_LOSS" if stop_limit_e8 is None else "STOP_LOSS_LIMIT",
        quantity_e8=qty_e8,
        price_e8=stop_limit_e8,
        time_in_force=params.optional("stopLimitTimeInForce"),
        stop_price_e8=call.decimal("stopPrice"),
        trailing_delta=params.integer("trailingDelta"),
        client_order_id=params.client_id("stopClientOrderId"),
        iceberg_qty_e8=call.decimal("stopIcebergQty"),
        stp_mode=mode,
        strategy_id=params.integer("stopStrategyId"),
        strategy_type=strategy_type(call, "stopStrategyType"),
    )
    pair = (("", stop), ("", limit)) if side == "BUY" else (("", limit), ("", stop))
    return _place(call, "OCO", pair)


def _needed(call: Call, name: str) -> int:
    value = call.decimal(name)
    if value is None:
        raise errors.mandatory(name)
    return value


def _working(call: Call) -> tuple[str, OrderRequest]:
    side, qty_e8 = call.params.text("workingSide"), _needed(call, "workingQuantity")
    return "working", _leg(call, "working", side, qty_e8)


def _pending(call: Call, prefix: str, qty_e8: int | None) -> OrderRequest:
    return _leg(call, prefix, call.params.text("pendingSide"), qty_e8)


def _pending_pair(call: Call, qty_e8: int | None) -> tuple[tuple[str, OrderRequest], tuple[str, OrderRequest]]:
    above, below = _pending(call, "pendingAbove", qty_e8), _pending(call, "pendingBelow", qty_e8)
    return ("pendingAbove", above), ("pendingBelow", below)


def _leg(call: Call, prefix: str, side: str, qty_e8: int | None) -> OrderRequest:
    params = call.params
    if params.optional(f"{prefix}PegPriceType") is not None or params.optional(f"{prefix}PegOffsetType") is not None:
        raise errors.ApiError(-1014, "Unsupported order combination.")
    return OrderRequest(
        symbol=call.symbol(),
        side=side,
        type=params.text(f"{prefix}Type"),
        time_in_force=params.optional(f"{prefix}TimeInForce"),
        quantity_e8=qty_e8,
        price_e8=call.decimal(f"{prefix}Price"),
        client_order_id=params.client_id(f"{prefix}ClientOrderId"),
        stop_price_e8=call.decimal(f"{prefix}StopPrice"),
        trailing_delta=params.integer(f"{prefix}TrailingDelta"),
        iceberg_qty_e8=call.decimal(f"{prefix}IcebergQty"),
        stp_mode=params.optional("selfTradePreventionMode"),
        strategy_id=params.integer(f"{prefix}StrategyId"),
        strategy_type=strategy_type(call, f"{prefix}StrategyType"),
    )


def _place(call: Call, kind: ListKind, named: tuple[tuple[str, OrderRequest], ...]) -> bytes:
    """Check the forms with the parameters' own names, count the orders, place the list."""
    legs = tuple(leg for _, leg in named)
    list_id = call.params.client_id("listClientOrderId")
    request = OrderListRequest(kind=kind, symbol=call.symbol(), legs=legs, list_client_order_id=list_id)
    shape = choice("newOrderRespType", call.params.optional("newOrderRespType") or "RESULT", RESPONSE_TYPES)
    check_list_form(request)
    for prefix, leg in named:
        _check_leg(call, prefix, leg)
    limits = call.shell.limits.account(call.account_id)
    refusal = limits.exceeded(call.now_ns, len(legs))
    if refusal is not None:
        raise refusal
    result = call.shell.core.place_list(call.account_id, request, call.now_ns)
    limits.count(call.now_ns, len(legs))
    call.shell.orders += len(legs)
    return list_json.new_list(result, shape, call.unit_ns)


def _check_leg(call: Call, prefix: str, leg: OrderRequest) -> None:
    if leg.quantity_e8 is None:  # of an OPO: it has its quantity later
        leg = msgspec.structs.replace(leg, quantity_e8=1)
    try:
        check_form(leg, call.shell.core.rules(leg.symbol).stp_modes)
    except VenueReject as reject:
        if not prefix or "selfTrade" in reject.msg or reject.code not in (-1102, -1106):
            raise
        text = _QUOTED.sub(lambda match: f"'{prefix}{match[1][0].upper()}{match[1][1:]}'", reject.msg)
        raise errors.ApiError(reject.code, text) from None


def cancel_list(call: Call) -> bytes:
    """Cancel a whole list."""
    params, symbol = call.params, call.symbol()
    list_id, client_id = params.integer("orderListId"), params.client_id("listClientOrderId")
    if list_id is None and client_id is None:
        raise errors.either("orderListId", "listClientOrderId")
    result = call.shell.core.cancel_list(
        call.account_id,
        symbol,
        call.now_ns,
        list_id=list_id,
        list_client_order_id=client_id,
        new_client_order_id=params.client_id("newClientOrderId"),
    )
    return list_json.cancelled_list(result, call.unit_ns)


def list_status(call: Call) -> bytes:
    """One list; its client id is called origClientOrderId here, listClientOrderId is taken too."""
    params = call.params
    list_id = params.integer("orderListId")
    client_id = params.client_id("origClientOrderId") or params.client_id("listClientOrderId")
    if list_id is None and client_id is None:
        raise errors.either("orderListId", "origClientOrderId")
    found = call.shell.core.list_status(call.account_id, list_id=list_id, list_client_order_id=client_id)
    return list_json.list_row(found, call.unit_ns)


def open_lists(call: Call) -> bytes:
    """Every open list."""
    rows = call.shell.core.open_lists(call.account_id)
    return b"[" + b",".join(list_json.list_row(row, call.unit_ns) for row in rows) + b"]"


def all_lists(call: Call) -> bytes:
    """Every list, ascending; ``fromId`` excludes times (-1128)."""
    start_ns, end_ns = window(call)
    from_id = call.params.integer("fromId")
    if from_id is not None and (start_ns is not None or end_ns is not None):
        raise errors.bad_combination()
    limit = call.params.limit(500, 1_000)
    rows = call.shell.core.all_lists(call.account_id, from_id=from_id, start_ns=start_ns, end_ns=end_ns, limit=limit)
    return b"[" + b",".join(list_json.list_row(row, call.unit_ns) for row in rows) + b"]"
