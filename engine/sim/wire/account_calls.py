"""Account and order query endpoints."""

from __future__ import annotations

from engine.sim.wire import errors, order_json
from engine.sim.wire.calls import Call
from engine.sim.wire.order_calls import order_identity
from engine.sim.wire.params import Params

DAY_NS = 86_400 * 1_000_000_000


def account(call: Call) -> bytes:
    """Balances and fees."""
    omit_zero = call.params.boolean("omitZeroBalances", False)
    return order_json.account(call.shell.core.account(call.account_id), omit_zero, call.unit_ns)


def order(call: Call) -> bytes:
    """One order, open or closed."""
    symbol = call.symbol()
    order_id, client_id = order_identity(call)
    found = call.shell.core.order_status(call.account_id, symbol, order_id=order_id, orig_client_order_id=client_id)
    return order_json.order_row(found, call.unit_ns)


def open_orders(call: Call) -> bytes:
    """Open orders of one symbol or of all."""
    rows = call.shell.core.open_orders(call.account_id, call.optional_symbol())
    return b"[" + b",".join(order_json.order_row(row, call.unit_ns) for row in rows) + b"]"


def open_orders_weight(params: Params) -> int:
    """6 with a symbol, 80 without."""
    return 6 if "symbol" in params.values else 80


def window(call: Call) -> tuple[int | None, int | None]:
    """startTime and endTime; refuses -1127 for more than 24 hours."""
    start_ns, end_ns = call.stamp_ns("startTime"), call.end_stamp_ns()
    if start_ns is not None and end_ns is not None and end_ns - start_ns > DAY_NS:
        raise errors.ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start_ns, end_ns


def all_orders(call: Call) -> bytes:
    """Every order of a symbol, ascending."""
    symbol = call.symbol()
    start_ns, end_ns = window(call)
    rows = call.shell.core.all_orders(
        call.account_id,
        symbol,
        order_id=call.params.integer("orderId"),
        start_ns=start_ns,
        end_ns=end_ns,
        limit=call.params.limit(500, 1_000),
    )
    return b"[" + b",".join(order_json.order_row(row, call.unit_ns) for row in rows) + b"]"


def my_trades(call: Call) -> bytes:
    """The account's fills. ``fromId`` and ``orderId`` exclude times (-1128)."""
    symbol = call.symbol()
    start_ns, end_ns = window(call)
    order_id, from_id = call.params.integer("orderId"), call.params.integer("fromId")
    if (order_id is not None or from_id is not None) and (start_ns is not None or end_ns is not None):
        raise errors.bad_combination()
    rows = call.shell.core.my_trades(
        call.account_id,
        symbol,
        order_id=order_id,
        from_id=from_id,
        start_ns=start_ns,
        end_ns=end_ns,
        limit=call.params.limit(500, 1_000),
    )
    return b"[" + b",".join(order_json.account_trade(row, call.unit_ns) for row in rows) + b"]"


def my_trades_weight(params: Params) -> int:
    """5 with an order id, else 20."""
    return 5 if "orderId" in params.values else 20


def order_rate_limits(call: Call) -> bytes:
    """The account's unfilled-order counts."""
    limits = call.shell.limits.account(call.account_id)
    limits.roll(call.now_ns)
    return b"[" + limits.rows() + b"]"


def commission(call: Call) -> bytes:
    """Fee rates of the account on a symbol."""
    return order_json.commission(call.symbol(), call.shell.core.account(call.account_id))
