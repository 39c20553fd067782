"""USD-M orders, conditional orders and fills as the exchange's JSON. Client ids need no escaping (their pattern)."""

from __future__ import annotations

from engine.sim.usdm.api import AlgoOrder, Amendment, ForcedOrder, UsdmOrder, UserTrade
from engine.sim.wire.usdm.digits import Digits, bare, e8, fixed
from engine.sim.wire.usdm.market_json import MS_NS, TRUTH


def _head(order: UsdmOrder, digits: Digits, status: str, executed_e8: int) -> str:
    return (
        f'"orderId":{order.order_id},"symbol":"{order.symbol}","status":"{status}",'
        f'"clientOrderId":"{order.client_order_id}","price":"{digits.price(order.price_e8)}",'
        f'"origQty":"{digits.qty(order.qty_e8)}","executedQty":"{digits.qty(executed_e8)}"'
    )


def _tail(order: UsdmOrder, digits: Digits) -> str:
    return (
        f'"timeInForce":"{order.time_in_force}","type":"{order.type}","reduceOnly":{TRUTH[order.reduce_only]},'
        f'"closePosition":{TRUTH[order.close_position]},"side":"{order.side}","positionSide":"{order.position_side}",'
        f'"stopPrice":"{digits.price(order.stop_price_e8)}","workingType":"{order.working_type}",'
        f'"priceProtect":{TRUTH[order.price_protect]},"origType":"{order.orig_type}",'
        f'"priceMatch":"{order.price_match}","selfTradePreventionMode":"{order.stp_mode}",'
        f'"goodTillDate":{order.good_till_ns // MS_NS},"updateTime":{order.updated_ns // MS_NS}'
    )


def order_reply(order: UsdmOrder, digits: Digits, is_strict: bool, is_ack: bool = False) -> bytes:
    """The reply to a request that changes an order. ACK tells of nothing that happened after the order was taken."""
    status = "NEW" if is_ack else order.status
    executed_e8 = 0 if is_ack else order.executed_e8
    average_e8 = 0 if is_ack else order.avg_price_e8
    quote_e8 = 0 if is_ack else order.cum_quote_e8
    superset = "" if is_strict else f',"avgPrice":"{digits.price(average_e8)}","cumQuote":"{digits.quote(quote_e8)}"'
    return (
        f'{{{_head(order, digits, status, executed_e8)},"cumQty":"{digits.qty(executed_e8)}"{superset},'
        f"{_tail(order, digits)}}}"
    ).encode()


def _trailing(order: UsdmOrder, digits: Digits) -> str:
    if order.orig_type != "TRAILING_STOP_MARKET":
        return ""
    return f',"activatePrice":"{digits.price(order.activate_price_e8)}","priceRate":"{bare(order.callback_rate_e8)}"'


def order_row(order: UsdmOrder, digits: Digits, extra: str = "") -> bytes:
    """An order as the queries tell it."""
    return (
        f'{{{_head(order, digits, order.status, order.executed_e8)},"avgPrice":"{digits.price(order.avg_price_e8)}",'
        f'"cumQuote":"{digits.quote(order.cum_quote_e8)}",{_tail(order, digits)},"time":{order.created_ns // MS_NS}'
        f"{_trailing(order, digits)}{extra}}}"
    ).encode()


def history_row(order: UsdmOrder, digits: Digits) -> bytes:
    """A row of allOrders: it names the pair and the base quantity too."""
    return order_row(order, digits, f',"pair":"{order.symbol}","cumBase":"{digits.qty(order.executed_e8)}"')


def forced_row(forced: ForcedOrder, digits: Digits) -> bytes:
    """A row of forceOrders."""
    return order_row(forced.order, digits, f',"autoCloseType":"{forced.auto_close_type}"')


def amendment_row(row: Amendment, digits: Digits, price_match: str = "NONE") -> bytes:
    """A row of orderAmendment."""
    return (
        f'{{"amendmentId":{row.amendment_id},"symbol":"{row.symbol}","pair":"{row.symbol}","orderId":{row.order_id},'
        f'"clientOrderId":"{row.client_order_id}","time":{row.time_ns // MS_NS},"amendment":{{'
        f'"price":{{"before":"{digits.price(row.price_before_e8)}","after":"{digits.price(row.price_after_e8)}"}},'
        f'"origQty":{{"before":"{digits.qty(row.qty_before_e8)}","after":"{digits.qty(row.qty_after_e8)}"}},'
        f'"count":{row.count}}},"priceMatch":"{price_match}"}}'
    ).encode()


def user_trade(row: UserTrade, digits: Digits) -> bytes:
    """A row of userTrades."""
    return (
        f'{{"buyer":{TRUTH[row.is_buyer]},"commission":"{e8(row.commission_e8)}",'
        f'"commissionAsset":"{row.commission_asset}","id":{row.trade_id},"maker":{TRUTH[row.is_maker]},'
        f'"orderId":{row.order_id},"price":"{digits.price(row.price_e8)}","qty":"{digits.qty(row.qty_e8)}",'
        f'"quoteQty":"{digits.quote(row.quote_e8)}","realizedPnl":"{e8(row.realized_pnl_e8)}","side":"{row.side}",'
        f'"positionSide":"{row.position_side}","symbol":"{row.symbol}","time":{row.time_ns // MS_NS},'
        f'"pair":"{row.symbol}","baseQty":"{digits.qty(row.qty_e8)}","marginAsset":"{row.commission_asset}"}}'
    ).encode()


# --- conditional orders --------------------------------------------------------------------------------------------


def _algo(algo: AlgoOrder, digits: Digits) -> str:
    return (
        f'"algoId":{algo.algo_id},"clientAlgoId":"{algo.client_algo_id}","algoType":"CONDITIONAL",'
        f'"orderType":"{algo.type}","symbol":"{algo.symbol}","side":"{algo.side}",'
        f'"positionSide":"{algo.position_side}","timeInForce":"{algo.time_in_force}",'
        f'"quantity":"{digits.qty(algo.qty_e8)}","algoStatus":"{algo.status}",'
        f'"triggerPrice":"{digits.price(algo.trigger_price_e8)}","price":"{digits.price(algo.price_e8)}",'
        f'"icebergQuantity":null,"selfTradePreventionMode":"{algo.stp_mode}","workingType":"{algo.working_type}",'
        f'"priceMatch":"{algo.price_match}","closePosition":{TRUTH[algo.close_position]},'
        f'"priceProtect":{TRUTH[algo.price_protect]},"reduceOnly":{TRUTH[algo.reduce_only]}{_follow(algo, digits)},'
        f'"createTime":{algo.created_ns // MS_NS},"updateTime":{algo.updated_ns // MS_NS},'
        f'"triggerTime":{algo.trigger_ns // MS_NS},"goodTillDate":{algo.good_till_ns // MS_NS}'
    )


def _follow(algo: AlgoOrder, digits: Digits) -> str:
    """What a trailing stop follows by; empty texts on the others."""
    if algo.type != "TRAILING_STOP_MARKET":
        return ',"activatePrice":"","callbackRate":""'
    return f',"activatePrice":"{digits.price(algo.activate_price_e8)}","callbackRate":"{bare(algo.callback_rate_e8)}"'


def algo_reply(algo: AlgoOrder, digits: Digits) -> bytes:
    """The reply to a new conditional order."""
    return f"{{{_algo(algo, digits)}}}".encode()


def algo_cancelled(algo: AlgoOrder) -> bytes:
    """REST's reply to its cancel: the code is text."""
    return (f'{{"algoId":{algo.algo_id},"clientAlgoId":"{algo.client_algo_id}","code":"200","msg":"success"}}').encode()


def algo_cancelled_socket(algo: AlgoOrder, digits: Digits) -> bytes:
    """The WebSocket API's: the whole order beside REST's fields."""
    return f'{{{_algo(algo, digits)},"code":"200","msg":"success"}}'.encode()


def algo_row(algo: AlgoOrder, digits: Digits) -> bytes:
    """A conditional order as the queries tell it, with the order that it placed."""
    actual_id = str(algo.actual_order_id) if algo.actual_order_id else ""
    attached = ",".join(f'"{name}":"{digits.price(0)}"' for name in ("tpTriggerPrice", "tpPrice", "slTriggerPrice"))
    return (
        f'{{{_algo(algo, digits)},"actualOrderId":"{actual_id}","actualPrice":"{fixed(algo.actual_price_e8, 5)}",'
        f'"actualQty":"{digits.qty(algo.actual_qty_e8)}","actualType":"{algo.actual_type}",{attached},'
        f'"slPrice":"{digits.price(0)}","tpOrderType":""}}'
    ).encode()
