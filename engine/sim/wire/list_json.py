"""Order lists, amends and prevented matches of the core as the exchange's JSON."""

from __future__ import annotations

from engine.sim.api import (
    Amendment,
    AmendResult,
    ListStatus,
    OrderList,
    OrderListCancel,
    OrderListResult,
    PreventedMatch,
)
from engine.sim.wire import order_json
from engine.sim.wire.market_json import e8


def _members(order_list: OrderList) -> str:
    return ",".join(
        f'{{"symbol":"{order.symbol}","orderId":{order.order_id},"clientOrderId":"{order.client_order_id}"}}'
        for order in order_list.orders
    )


def _head(order_list: OrderList, unit_ns: int) -> str:
    return (
        f'{{"orderListId":{order_list.order_list_id},"contingencyType":"{order_list.contingency_type}",'
        f'"listStatusType":"{order_list.list_status_type}","listOrderStatus":"{order_list.list_order_status}",'
        f'"listClientOrderId":"{order_list.list_client_order_id}",'
        f'"transactionTime":{order_list.transact_ns // unit_ns},"symbol":"{order_list.symbol}",'
        f'"orders":[{_members(order_list)}]'
    )


def list_row(order_list: OrderList, unit_ns: int) -> bytes:
    """A list as queries tell it."""
    return (_head(order_list, unit_ns) + "}").encode()


def new_list(result: OrderListResult, response_type: str, unit_ns: int) -> bytes:
    """The reply to a new list, each order in the shape ACK, RESULT or FULL."""
    reports = [order_json.new_order(report, response_type, unit_ns) for report in result.reports]
    return _head(result.order_list, unit_ns).encode() + b',"orderReports":[' + b",".join(reports) + b"]}"


def cancelled_list(result: OrderListCancel, unit_ns: int) -> bytes:
    """The reply to the cancel of a list."""
    reports = [order_json.cancelled(report, unit_ns) for report in result.reports]
    return _head(result.order_list, unit_ns).encode() + b',"orderReports":[' + b",".join(reports) + b"]}"


def amended(result: AmendResult, unit_ns: int) -> bytes:
    """The reply to an amend: its field names are its own (``qty``, ``preventedQty``, ``cumulativeQuoteQty``)."""
    order = result.order
    working = order.working_ns // unit_ns if order.working_ns > 0 else -1
    text = (
        f'{{"transactTime":{result.transact_ns // unit_ns},"executionId":{result.execution_id},"amendedOrder":'
        f'{{"symbol":"{order.symbol}","orderId":{order.order_id},"orderListId":{order.order_list_id},'
        f'"origClientOrderId":"{result.orig_client_order_id}","clientOrderId":"{order.client_order_id}",'
        f'"price":"{e8(order.price_e8)}","qty":"{e8(order.qty_e8)}","executedQty":"{e8(order.executed_e8)}",'
        f'"preventedQty":"{e8(order.prevented_e8)}","quoteOrderQty":"{e8(order.quote_order_qty_e8)}",'
        f'"cumulativeQuoteQty":"{e8(order.cum_quote_e8)}","status":"{order.status}",'
        f'"timeInForce":"{order.time_in_force}","type":"{order.type}","side":"{order.side}",'
        f'"workingTime":{working},"selfTradePreventionMode":"{order.stp_mode}"{order_json.extras(order, unit_ns)}}}'
    )
    if result.order_list is not None:
        order_list = result.order_list
        text += (
            f',"listStatus":{{"orderListId":{order_list.order_list_id},'
            f'"contingencyType":"{order_list.contingency_type}",'
            f'"listOrderStatus":"{order_list.list_order_status}",'
            f'"listClientOrderId":"{order_list.list_client_order_id}","symbol":"{order_list.symbol}",'
            f'"orders":[{_members(order_list)}]}}'
        )
    return (text + "}").encode()


def amendment_row(row: Amendment, unit_ns: int) -> bytes:
    """A row of order/amendments."""
    return (
        f'{{"symbol":"{row.symbol}","orderId":{row.order_id},"executionId":{row.execution_id},'
        f'"origClientOrderId":"{row.orig_client_order_id}","newClientOrderId":"{row.new_client_order_id}",'
        f'"origQty":"{e8(row.orig_qty_e8)}","newQty":"{e8(row.new_qty_e8)}","time":{row.time_ns // unit_ns}}}'
    ).encode()


def prevented_row(row: PreventedMatch, unit_ns: int) -> bytes:
    """A row of myPreventedMatches; a quantity is present where the mode took from that order."""
    taker, maker = row.taker_prevented_e8, row.maker_prevented_e8
    text = (
        f'{{"symbol":"{row.symbol}","preventedMatchId":{row.prevented_match_id},"takerOrderId":{row.taker_order_id},'
        f'"makerSymbol":"{row.symbol}","makerOrderId":{row.maker_order_id},"tradeGroupId":{row.trade_group_id},'
        f'"selfTradePreventionMode":"{row.stp_mode}","price":"{e8(row.price_e8)}"'
    )
    text += f',"takerPreventedQuantity":"{e8(taker)}"' if taker is not None else ""
    text += f',"makerPreventedQuantity":"{e8(maker)}"' if maker is not None else ""
    return f'{text},"transactTime":{row.time_ns // unit_ns}}}'.encode()


def list_status(event: ListStatus, unit_ns: int) -> bytes:
    """The listStatus event."""
    order_list = event.order_list
    members = ",".join(
        f'{{"s":"{order.symbol}","i":{order.order_id},"c":"{order.client_order_id}"}}' for order in order_list.orders
    )
    return (
        f'{{"e":"listStatus","E":{event.event_ns // unit_ns},"s":"{order_list.symbol}",'
        f'"g":{order_list.order_list_id},"c":"{order_list.contingency_type}","l":"{order_list.list_status_type}",'
        f'"L":"{order_list.list_order_status}","r":"{event.reject_reason}","C":"{order_list.list_client_order_id}",'
        f'"T":{event.event_ns // unit_ns},"O":[{members}]}}'
    ).encode()
