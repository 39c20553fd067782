"""USD-M order endpoints: place, modify, cancel, batches, the countdown, and queries."""

from __future__ import annotations

from collections.abc import Sequence

from engine.sim.reject import VenueReject
from engine.sim.usdm.api import ModifyRequest, Refusal, UsdmOrder, UsdmOrderRequest
from engine.sim.wire import errors
from engine.sim.wire.calls import MS_NS, Call
from engine.sim.wire.params import Params
from engine.sim.wire.usdm import order_json
from engine.sim.wire.usdm.market_calls import joined
from engine.sim.wire.usdm.reading import (
    client_id,
    decimal,
    flag,
    identity,
    integer,
    known_symbol,
    optional_symbol,
    order_list,
    side_of,
    symbol,
    value_list,
    window_ns,
    word,
)

BATCH_MAX = 5
BATCH_CANCEL_MAX = 10
CANCELLED_ALL = b'{"code":200,"msg":"The operation of cancel all open order is done."}'


def order_request(call: Call, params: Params) -> UsdmOrderRequest:
    """Read a new order; what its type needs and the filters are the core's to check."""
    good_till_ms = params.integer("goodTillDate")
    return UsdmOrderRequest(
        symbol=known_symbol(call, params.text("symbol")),
        side=params.text("side"),
        type=params.text("type"),
        position_side=params.optional("positionSide"),
        time_in_force=params.optional("timeInForce"),
        quantity_e8=decimal(params, "quantity"),
        price_e8=decimal(params, "price"),
        reduce_only=flag(params, "reduceOnly"),
        client_order_id=client_id(params, "newClientOrderId"),
        price_match=params.optional("priceMatch"),
        stp_mode=params.optional("selfTradePreventionMode"),
        good_till_ns=None if not good_till_ms else good_till_ms * MS_NS,
    )


def is_ack(params: Params) -> bool:
    """Whether the reply is the default ACK rather than RESULT."""
    if params.optional("newOrderRespType") is None:
        return True
    return word(params, "newOrderRespType", ("ACK", "RESULT")) == "ACK"


def _reply(call: Call, order: UsdmOrder, ack: bool = False) -> bytes:
    side = side_of(call)
    return order_json.order_reply(order, side.digits[order.symbol], side.wire.strict_2026_07, ack)


def place(call: Call) -> bytes:
    """A new order."""
    request, ack, side = order_request(call, call.params), is_ack(call.params), side_of(call)
    side.limits.account(call.account_id).take(call.now_ns)
    order = side.core.place(call.account_id, request, call.now_ns)
    call.shell.orders += 1
    return _reply(call, order, ack)


def place_test(call: Call) -> bytes:
    """Check a new order without placing it."""
    request, ack = order_request(call, call.params), is_ack(call.params)
    return _reply(call, side_of(call).core.check(call.account_id, request, call.now_ns), ack)


def modify_request(call: Call, params: Params) -> ModifyRequest:
    """Read a modification."""
    order_id, orig_client_order_id = identity(params, "orderId", "origClientOrderId")
    return ModifyRequest(
        symbol=known_symbol(call, params.text("symbol")),
        side=params.text("side"),
        quantity_e8=decimal(params, "quantity"),
        price_e8=decimal(params, "price"),
        price_match=params.optional("priceMatch"),
        order_id=order_id,
        orig_client_order_id=orig_client_order_id,
        modify_id=params.integer("modifyId"),
    )


def modify(call: Call) -> bytes:
    """Change a resting order's price or quantity."""
    request, side = modify_request(call, call.params), side_of(call)
    side.limits.account(call.account_id).take(call.now_ns)
    return _reply(call, side.core.modify(call.account_id, request, call.now_ns))


def cancel(call: Call) -> bytes:
    """Cancel one order."""
    name = symbol(call)
    order_id, orig_client_order_id = identity(call.params, "orderId", "origClientOrderId")
    order = side_of(call).core.cancel(
        call.account_id, name, call.now_ns, order_id=order_id, orig_client_order_id=orig_client_order_id
    )
    return _reply(call, order)


def cancel_all(call: Call) -> bytes:
    """Cancel every open order of a symbol."""
    side_of(call).core.cancel_all(call.account_id, symbol(call), call.now_ns)
    return CANCELLED_ALL


def countdown(call: Call) -> bytes:
    """Cancel all unless called again in time; 0 disarms."""
    name, countdown_ms = symbol(call), integer(call.params, "countdownTime")
    side_of(call).core.countdown_cancel_all(call.account_id, name, countdown_ms * MS_NS, call.now_ns)
    return b'{"symbol":"%b","countdownTime":"%d"}' % (name.encode(), countdown_ms)


# --- batches: every row on its own ---------------------------------------------------------------------------------


def _row(call: Call, result: UsdmOrder | Refusal, ack: bool) -> bytes:
    if isinstance(result, Refusal):
        return errors.error_json(result.code, result.msg)
    return _reply(call, result, ack)


def place_batch(call: Call) -> bytes:
    """Up to five new orders; one that cannot be read is refused in its place like one that cannot be placed."""
    rows: list[tuple[UsdmOrderRequest | Refusal, bool]] = []
    for params in order_list(call.params, "batchOrders", BATCH_MAX):
        try:
            rows.append((order_request(call, params), is_ack(params)))
        except VenueReject as reject:
            rows.append((Refusal(reject.code, reject.msg), True))
    side = side_of(call)
    side.limits.account(call.account_id).take(call.now_ns, BATCH_MAX, 1)
    wanted = [row for row, _ack in rows if not isinstance(row, Refusal)]
    results = iter(side.core.place_batch(call.account_id, wanted, call.now_ns))
    done = [(row if isinstance(row, Refusal) else next(results), ack) for row, ack in rows]
    call.shell.orders += sum(isinstance(row, UsdmOrder) for row, _ack in done)
    return joined(_row(call, row, ack) for row, ack in done)


def modify_batch(call: Call) -> bytes:
    """Up to five modifications."""
    rows: list[ModifyRequest | Refusal] = []
    for params in order_list(call.params, "batchOrders", BATCH_MAX):
        try:
            rows.append(modify_request(call, params))
        except VenueReject as reject:
            rows.append(Refusal(reject.code, reject.msg))
    side = side_of(call)
    side.limits.account(call.account_id).take(call.now_ns, BATCH_MAX, 1)
    wanted = [row for row in rows if not isinstance(row, Refusal)]
    results = iter(side.core.modify_batch(call.account_id, wanted, call.now_ns))
    done = [row if isinstance(row, Refusal) else next(results) for row in rows]
    return joined(_row(call, row, False) for row in done)


def cancel_batch(call: Call) -> bytes:
    """Up to ten cancels, by ids or by client ids."""
    name = symbol(call)
    ids = value_list(call.params, "orderIdList", BATCH_CANCEL_MAX)
    texts = value_list(call.params, "origClientOrderIdList", BATCH_CANCEL_MAX)
    if ids is None and texts is None:
        raise errors.either("orderIdList", "origClientOrderIdList")
    results = side_of(call).core.cancel_batch(
        call.account_id, name, call.now_ns, order_ids=_numbers(ids or ()), orig_client_order_ids=texts or ()
    )
    return joined(_row(call, row, False) for row in results)


def _numbers(texts: Sequence[str]) -> list[int]:
    if not all(text.isascii() and text.isdigit() for text in texts):
        raise errors.illegal_characters("orderIdList", errors.INTEGER_PATTERN)
    return [int(text) for text in texts]


# --- queries -------------------------------------------------------------------------------------------------------


def order(call: Call) -> bytes:
    """One order, open or closed."""
    name, side = symbol(call), side_of(call)
    order_id, text = identity(call.params, "orderId", "origClientOrderId")
    found = side.core.order_status(call.account_id, name, order_id=order_id, orig_client_order_id=text)
    return order_json.order_row(found, side.digits[name])


def open_order(call: Call) -> bytes:
    """One open order."""
    name, side = symbol(call), side_of(call)
    order_id, text = identity(call.params, "orderId", "origClientOrderId")
    found = side.core.open_order(call.account_id, name, order_id=order_id, orig_client_order_id=text)
    return order_json.order_row(found, side.digits[name])


def open_orders(call: Call) -> bytes:
    """Open orders of one symbol or of all."""
    side = side_of(call)
    rows = side.core.open_orders(call.account_id, optional_symbol(call))
    return joined(order_json.order_row(row, side.digits[row.symbol]) for row in rows)


def all_orders(call: Call) -> bytes:
    """Every order of a symbol, or of all symbols, ascending."""
    name, (start_ns, end_ns), side = optional_symbol(call), window_ns(call, 7), side_of(call)
    limit, order_id = call.params.limit(500, 1_000), call.params.integer("orderId")
    names = side.core.symbols() if name is None else (name,)
    rows = [
        row
        for each in names
        for row in side.core.all_orders(
            call.account_id, each, order_id=order_id, start_ns=start_ns, end_ns=end_ns, limit=limit
        )
    ]
    rows.sort(key=lambda row: row.order_id)
    kept = rows[-limit:] if order_id is None and start_ns is None else rows[:limit]
    return joined(order_json.history_row(row, side.digits[row.symbol]) for row in kept)


def user_trades(call: Call) -> bytes:
    """The account's fills; ``fromId`` excludes times."""
    name, (start_ns, end_ns), side = optional_symbol(call), window_ns(call, 7), side_of(call)
    order_id, from_id = call.params.integer("orderId"), call.params.integer("fromId")
    if from_id is not None and (start_ns is not None or end_ns is not None):
        raise errors.bad_combination()
    rows = side.core.user_trades(
        call.account_id,
        name,
        order_id=order_id,
        from_id=from_id,
        start_ns=start_ns,
        end_ns=end_ns,
        limit=call.params.limit(500, 1_000),
    )
    return joined(order_json.user_trade(row, side.digits[row.symbol]) for row in rows)


def force_orders(call: Call) -> bytes:
    """The account's liquidation and ADL orders."""
    name, (start_ns, end_ns), side = optional_symbol(call), window_ns(call, 7), side_of(call)
    kind = call.params.optional("autoCloseType")
    if kind is not None:
        word(call.params, "autoCloseType", ("LIQUIDATION", "ADL"))
    rows = side.core.force_orders(
        call.account_id,
        name,
        auto_close_type=kind,
        start_ns=start_ns,
        end_ns=end_ns,
        limit=call.params.limit(50, 100),
    )
    return joined(order_json.forced_row(row, side.digits[row.order.symbol]) for row in rows)


def amendments(call: Call) -> bytes:
    """Modifications of the account's orders, newest first as the exchange lists them."""
    name, (start_ns, end_ns), side = symbol(call), window_ns(call), side_of(call)
    rows = side.core.amendments(
        call.account_id,
        name,
        order_id=call.params.integer("orderId"),
        orig_client_order_id=client_id(call.params, "origClientOrderId"),
        start_ns=start_ns,
        end_ns=end_ns,
        limit=call.params.limit(50, 100),
    )
    return joined(order_json.amendment_row(row, side.digits[name]) for row in reversed(rows))
