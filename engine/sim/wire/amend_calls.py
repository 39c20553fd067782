"""Endpoints about what became of an order: amends that keep its place, prevented matches, an account's filters."""

from __future__ import annotations

import msgspec

from engine.sim.rules import count_filters
from engine.sim.wire import errors, list_json
from engine.sim.wire.calls import Call
from engine.sim.wire.order_calls import order_identity
from engine.sim.wire.params import Params


def amend(call: Call) -> bytes:
    """Reduce an order's quantity in its place."""
    symbol = call.symbol()
    order_id, client_id = order_identity(call)
    new_qty_e8 = call.decimal("newQty")
    if new_qty_e8 is None:
        raise errors.mandatory("newQty")
    result = call.shell.core.amend(
        call.account_id,
        symbol,
        new_qty_e8,
        call.now_ns,
        order_id=order_id,
        orig_client_order_id=client_id,
        new_client_order_id=call.params.client_id("newClientOrderId"),
    )
    return list_json.amended(result, call.unit_ns)


def amendments(call: Call) -> bytes:
    """Past amendments of one order."""
    symbol, order_id = call.symbol(), call.params.integer("orderId")
    if order_id is None:
        raise errors.mandatory("orderId")
    rows = call.shell.core.amendments(
        call.account_id,
        symbol,
        order_id,
        from_execution_id=call.params.integer("fromExecutionId"),
        limit=call.params.limit(500, 1_000),
    )
    return b"[" + b",".join(list_json.amendment_row(row, call.unit_ns) for row in rows) + b"]"


def prevented_matches(call: Call) -> bytes:
    """Trades that self-trade prevention stopped: by match, or by order from a match up."""
    params, symbol = call.params, call.symbol()
    match_id, order_id = params.integer("preventedMatchId"), params.integer("orderId")
    if match_id is None and order_id is None:
        raise errors.either("preventedMatchId", "orderId")
    rows = call.shell.core.prevented_matches(
        call.account_id,
        symbol,
        match_id=match_id,
        order_id=order_id,
        from_match_id=params.integer("fromPreventedMatchId"),
        limit=params.limit(500, 1_000),
    )
    return b"[" + b",".join(list_json.prevented_row(row, call.unit_ns) for row in rows) + b"]"


def prevented_weight(params: Params) -> int:
    """2 by match, 20 by order."""
    return 2 if "preventedMatchId" in params.values else 20


def my_filters(call: Call) -> bytes:
    """The filters that count what the account has open on a symbol."""
    rules = call.shell.core.rules(call.symbol())
    return msgspec.json.encode({"exchangeFilters": [], "symbolFilters": count_filters(rules), "assetFilters": []})
