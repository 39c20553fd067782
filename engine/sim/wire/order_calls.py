"""Order endpoints: place, test, cancel, cancel all, cancel-replace."""

from __future__ import annotations

from engine.sim.api import CancelResult, OrderListCancel, OrderRequest
from engine.sim.reject import VenueReject
from engine.sim.wire import errors, list_json, order_json
from engine.sim.wire.calls import Call
from engine.sim.wire.params import Params

RESPONSE_TYPES = ("ACK", "RESULT", "FULL")
CANCEL_REPLACE_MODES = ("STOP_ON_FAILURE", "ALLOW_FAILURE")
LIMIT_EXCEEDED_MODES = ("DO_NOTHING", "CANCEL_ONLY")
RESTRICTIONS = ("ONLY_NEW", "ONLY_PARTIALLY_FILLED")
NEW_ORDER = frozenset(
    (
        *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId"),
        *("strategyId", "strategyType", "stopPrice", "trailingDelta", "icebergQty", "newOrderRespType"),
        *("selfTradePreventionMode", "pegPriceType", "pegOffsetValue", "pegOffsetType"),
    )
)
CANCEL = frozenset(("symbol", "orderId", "origClientOrderId", "newClientOrderId", "cancelRestrictions"))
CANCEL_REPLACE = NEW_ORDER | {
    *("cancelReplaceMode", "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId"),
    *("cancelRestrictions", "orderRateLimitExceededMode"),
}


def order_request(call: Call) -> OrderRequest:
    """Read a new order; what its type needs and the filters are the core's to check."""
    params = call.params
    symbol = call.symbol()
    if params.optional("pegPriceType") is not None or params.optional("pegOffsetType") is not None:
        raise errors.ApiError(-1014, "Unsupported order combination.")
    return OrderRequest(
        symbol=symbol,
        side=params.text("side"),
        type=params.text("type"),
        time_in_force=params.optional("timeInForce"),
        quantity_e8=call.decimal("quantity"),
        quote_order_qty_e8=call.decimal("quoteOrderQty"),
        price_e8=call.decimal("price"),
        client_order_id=params.client_id("newClientOrderId"),
        stop_price_e8=call.decimal("stopPrice"),
        trailing_delta=params.integer("trailingDelta"),
        iceberg_qty_e8=call.decimal("icebergQty"),
        stp_mode=params.optional("selfTradePreventionMode"),
        strategy_id=params.integer("strategyId"),
        strategy_type=strategy_type(call, "strategyType"),
    )


def strategy_type(call: Call, name: str) -> int | None:
    """A strategy type; refuses -1130 below a million."""
    value = call.params.integer(name)
    if value is not None and value < 1_000_000:
        raise errors.ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return value


def response_type(call: Call, order_type: str) -> str:
    """The asked shape of the reply; by default FULL for MARKET and LIMIT, else ACK."""
    asked = call.params.optional("newOrderRespType")
    if asked is None:
        return "FULL" if order_type in ("MARKET", "LIMIT") else "ACK"
    return choice("newOrderRespType", asked, RESPONSE_TYPES)


def choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """One of the exchange's words; refuses -1130."""
    if value not in allowed:
        raise errors.ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return value


def restriction(call: Call) -> str | None:
    """The cancelRestrictions or None; refuses -1145."""
    value = call.params.optional("cancelRestrictions")
    if value is not None and value not in RESTRICTIONS:
        raise errors.ApiError(-1145, "Invalid cancelRestrictions")
    return value


def place(call: Call) -> bytes:
    """A new order, when the account's order count allows it."""
    request = order_request(call)
    shape = response_type(call, request.type)
    limits = call.shell.limits.account(call.account_id)
    refusal = limits.exceeded(call.now_ns)
    if refusal is not None:
        raise refusal
    result = call.shell.core.place(call.account_id, request, call.now_ns)
    limits.count(call.now_ns)
    call.shell.orders += 1
    return order_json.new_order(result, shape, call.unit_ns)


def place_test(call: Call) -> bytes:
    """Check a new order without placing it."""
    request = order_request(call)
    response_type(call, request.type)
    call.shell.core.check(call.account_id, request, call.now_ns)
    if call.params.boolean("computeCommissionRates", False):
        return order_json.test_commission(call.shell.core.account(call.account_id))
    return b"{}"


def test_weight(params: Params) -> int:
    """20 with commission rates, else 1."""
    return 20 if params.values.get("computeCommissionRates", "").lower() == "true" else 1


def cancel(call: Call) -> bytes:
    """Cancel one order."""
    symbol, params = call.symbol(), call.params
    order_id, client_id = order_identity(call)
    result = call.shell.core.cancel(
        call.account_id,
        symbol,
        call.now_ns,
        order_id=order_id,
        orig_client_order_id=client_id,
        new_client_order_id=params.client_id("newClientOrderId"),
        restriction=restriction(call),
    )
    return order_json.cancelled(result, call.unit_ns)


def order_identity(call: Call) -> tuple[int | None, str | None]:
    """``orderId`` and ``origClientOrderId``; refuses -1102 when neither was sent."""
    order_id, client_id = call.params.integer("orderId"), call.params.client_id("origClientOrderId")
    if order_id is None and client_id is None:
        raise errors.either("origClientOrderId", "orderId")
    return order_id, client_id


def cancel_all(call: Call) -> bytes:
    """Cancel every open order of a symbol."""
    results = call.shell.core.cancel_all(call.account_id, call.symbol(), call.now_ns)
    return b"[" + b",".join(_cancelled(result, call.unit_ns) for result in results) + b"]"


def _cancelled(result: CancelResult | OrderListCancel, unit_ns: int) -> bytes:
    if isinstance(result, OrderListCancel):
        return list_json.cancelled_list(result, unit_ns)
    return order_json.cancelled(result, unit_ns)


def cancel_replace(call: Call) -> bytes:
    """Cancel an order and place another; a partial success is an error that carries both halves."""
    params = call.params
    mode = choice("cancelReplaceMode", params.text("cancelReplaceMode"), CANCEL_REPLACE_MODES)
    exceeded_mode = params.optional("orderRateLimitExceededMode") or "DO_NOTHING"
    choice("orderRateLimitExceededMode", exceeded_mode, LIMIT_EXCEEDED_MODES)
    request = order_request(call)
    shape = response_type(call, request.type)
    order_id, client_id = params.integer("cancelOrderId"), params.client_id("cancelOrigClientOrderId")
    if order_id is None and client_id is None:
        raise errors.either("cancelOrigClientOrderId", "cancelOrderId")
    limits = call.shell.limits.account(call.account_id)
    refusal = limits.exceeded(call.now_ns)
    if refusal is not None:
        raise _over_limit(call, refusal, exceeded_mode, order_id, client_id)
    result = call.shell.core.cancel_replace(
        call.account_id,
        request,
        call.now_ns,
        mode=mode,
        cancel_order_id=order_id,
        cancel_orig_client_order_id=client_id,
        cancel_new_client_order_id=params.client_id("cancelNewClientOrderId"),
        restriction=restriction(call),
    )
    limits.count(call.now_ns)
    reply = order_json.cancel_replace(result, shape, call.unit_ns)
    if result.error is not None:
        raise errors.ApiError(result.error.code, result.error.msg, data=reply)
    call.shell.orders += 1
    return reply


def _over_limit(
    call: Call, refusal: errors.ApiError, exceeded_mode: str, order_id: int | None, client_id: str | None
) -> errors.ApiError:
    """The order count is used up: refuse whole, or cancel only and say so."""
    if exceeded_mode == "DO_NOTHING":
        return refusal
    new_half = errors.error_json(refusal.code, refusal.msg)
    shape = b'{"cancelResult":"%b","newOrderResult":"FAILURE","cancelResponse":%b,"newOrderResponse":%b}'
    try:
        cancelled = _cancel_half(call, order_id, client_id)
    except VenueReject as reject:
        data = shape % (b"FAILURE", errors.error_json(reject.code, reject.msg), new_half)
        return errors.ApiError(-2022, "Order cancel-replace failed.", data=data)
    data = shape % (b"SUCCESS", cancelled, new_half)
    return errors.ApiError(-2021, "Order cancel-replace partially failed.", status=429, data=data)


def _cancel_half(call: Call, order_id: int | None, client_id: str | None) -> bytes:
    result = call.shell.core.cancel(
        call.account_id,
        call.symbol(),
        call.now_ns,
        order_id=order_id,
        orig_client_order_id=client_id,
        new_client_order_id=call.params.client_id("cancelNewClientOrderId"),
        restriction=restriction(call),
    )
    return order_json.cancelled(result, call.unit_ns)
