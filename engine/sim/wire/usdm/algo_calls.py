"""The algo service: conditional orders, which are no orders until they trigger."""

from __future__ import annotations

from engine.sim.usdm.api import AlgoRequest
from engine.sim.wire.calls import MS_NS, Call
from engine.sim.wire.usdm import order_json
from engine.sim.wire.usdm.errors import only_conditional
from engine.sim.wire.usdm.market_calls import joined
from engine.sim.wire.usdm.order_calls import CANCELLED_ALL
from engine.sim.wire.usdm.reading import (
    client_id,
    decimal,
    flag,
    identity,
    known_symbol,
    optional_symbol,
    side_of,
    symbol,
    window_ns,
)


def algo_request(call: Call) -> AlgoRequest:
    """Read a conditional order."""
    params = call.params
    if params.text("algoType") != "CONDITIONAL":
        raise only_conditional()
    good_till_ms = params.integer("goodTillDate")
    return AlgoRequest(
        symbol=known_symbol(call, params.text("symbol")),
        side=params.text("side"),
        type=params.text("type"),
        position_side=params.optional("positionSide"),
        time_in_force=params.optional("timeInForce"),
        quantity_e8=decimal(params, "quantity"),
        price_e8=decimal(params, "price"),
        trigger_price_e8=decimal(params, "triggerPrice"),
        working_type=params.optional("workingType"),
        price_match=params.optional("priceMatch"),
        close_position=flag(params, "closePosition"),
        price_protect=flag(params, "priceProtect"),
        reduce_only=flag(params, "reduceOnly"),
        activate_price_e8=decimal(params, "activatePrice"),
        callback_rate_e8=decimal(params, "callbackRate"),
        client_algo_id=client_id(params, "clientAlgoId"),
        stp_mode=params.optional("selfTradePreventionMode"),
        good_till_ns=None if not good_till_ms else good_till_ms * MS_NS,
    )


def place(call: Call) -> bytes:
    """A new conditional order."""
    request, side = algo_request(call), side_of(call)
    side.limits.account(call.account_id).take(call.now_ns)
    algo = side.core.place_algo(call.account_id, request, call.now_ns)
    call.shell.orders += 1
    return order_json.algo_reply(algo, side.digits[algo.symbol])


def cancel(call: Call) -> bytes:
    """Cancel a conditional order that has not triggered."""
    algo_id, text = identity(call.params, "algoId", "clientAlgoId")
    side = side_of(call)
    algo = side.core.cancel_algo(call.account_id, call.now_ns, algo_id=algo_id, client_algo_id=text)
    if call.is_socket:
        return order_json.algo_cancelled_socket(algo, side.digits[algo.symbol])
    return order_json.algo_cancelled(algo)


def cancel_all(call: Call) -> bytes:
    """Cancel every untriggered conditional order of a symbol."""
    side_of(call).core.cancel_all_algos(call.account_id, symbol(call), call.now_ns)
    return CANCELLED_ALL


def order(call: Call) -> bytes:
    """One conditional order."""
    algo_id, text = identity(call.params, "algoId", "clientAlgoId")
    side = side_of(call)
    algo = side.core.algo_order(call.account_id, algo_id=algo_id, client_algo_id=text)
    return order_json.algo_row(algo, side.digits[algo.symbol])


def open_orders(call: Call) -> bytes:
    """Untriggered conditional orders."""
    side, algo_id = side_of(call), call.params.integer("algoId")
    rows = side.core.open_algo_orders(call.account_id, optional_symbol(call))
    return joined(
        order_json.algo_row(row, side.digits[row.symbol]) for row in rows if algo_id is None or row.algo_id == algo_id
    )


def all_orders(call: Call) -> bytes:
    """Every conditional order of a symbol, ascending."""
    name, (start_ns, end_ns), side = symbol(call), window_ns(call, 7), side_of(call)
    rows = side.core.all_algo_orders(
        call.account_id,
        name,
        algo_id=call.params.integer("algoId"),
        start_ns=start_ns,
        end_ns=end_ns,
        limit=call.params.limit(500, 1_000),
    )
    return joined(order_json.algo_row(row, side.digits[name]) for row in rows)
