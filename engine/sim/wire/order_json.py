"""Orders, accounts and user data events of the core as the exchange's JSON.

Client order ids come from requests and match ``[a-zA-Z0-9-_]``, so they need no escaping.
"""

from __future__ import annotations

from engine.sim.api import (
    Account,
    AccountPosition,
    AccountTrade,
    Balance,
    BalanceUpdate,
    CancelReplaceResult,
    CancelResult,
    ExecutionReport,
    Order,
    OrderResult,
    Refusal,
)
from engine.sim.order_form import CONDITIONAL
from engine.sim.wire.errors import error_json
from engine.sim.wire.market_json import E8, TRUTH, e8

ZERO = "0.00000000"


def extras(order: Order, unit_ns: int) -> str:
    """The fields that are present only where they say something, but for stopPrice and icebergQty."""
    text = ""
    if order.trailing_delta is not None:
        text += f',"trailingDelta":{order.trailing_delta},"trailingTime":{_stamp(order.trailing_ns, unit_ns)}'
    if order.prevented_match_id >= 0:
        text += f',"preventedMatchId":{order.prevented_match_id},"preventedQuantity":"{e8(order.prevented_e8)}"'
    if order.strategy_id is not None:
        text += f',"strategyId":{order.strategy_id}'
    if order.strategy_type is not None:
        text += f',"strategyType":{order.strategy_type}'
    if order.expiry_reason:
        text += f',"expiryReason":"{order.expiry_reason}"'
    return text


def _state(order: Order) -> str:
    text = (
        f'"price":"{e8(order.price_e8)}","origQty":"{e8(order.qty_e8)}","executedQty":"{e8(order.executed_e8)}",'
        f'"origQuoteOrderQty":"{e8(order.quote_order_qty_e8)}","cummulativeQuoteQty":"{e8(order.cum_quote_e8)}",'
        f'"status":"{order.status}","timeInForce":"{order.time_in_force}","type":"{order.type}","side":"{order.side}"'
    )
    if order.type in CONDITIONAL:
        text += f',"stopPrice":"{e8(order.stop_price_e8)}"'
    return text + (f',"icebergQty":"{e8(order.iceberg_e8)}"' if order.iceberg_e8 else "")


def _stamp(time_ns: int, unit_ns: int) -> int:
    """A time on the wire; -1 where there is none."""
    return time_ns // unit_ns if time_ns > 0 else -1


def new_order(result: OrderResult, response_type: str, unit_ns: int) -> bytes:
    """The reply to a new order in the shape ACK, RESULT or FULL."""
    order = result.order
    text = (
        f'{{"symbol":"{order.symbol}","orderId":{order.order_id},"orderListId":{order.order_list_id},'
        f'"clientOrderId":"{order.client_order_id}","transactTime":{result.transact_ns // unit_ns}'
    )
    if response_type != "ACK":
        text += (
            f',{_state(order)},"workingTime":{_stamp(order.working_ns, unit_ns)},'
            f'"selfTradePreventionMode":"{order.stp_mode}"{extras(order, unit_ns)}'
        )
    if response_type == "FULL":
        text += f',"fills":[{",".join(_fill(result, index) for index in range(len(result.fills)))}]'
    return (text + "}").encode()


def _fill(result: OrderResult, index: int) -> str:
    fill = result.fills[index]
    return (
        f'{{"price":"{e8(fill.price_e8)}","qty":"{e8(fill.qty_e8)}","commission":"{e8(fill.commission_e8)}",'
        f'"commissionAsset":"{fill.commission_asset}","tradeId":{fill.trade_id}}}'
    )


def cancelled(result: CancelResult, unit_ns: int) -> bytes:
    """The reply to a cancel: ``origClientOrderId`` is the order's id, ``clientOrderId`` the cancel's."""
    order = result.order
    return (
        f'{{"symbol":"{order.symbol}","origClientOrderId":"{order.client_order_id}","orderId":{order.order_id},'
        f'"orderListId":{order.order_list_id},"clientOrderId":"{result.cancel_client_order_id}",'
        f'"transactTime":{result.transact_ns // unit_ns},{_state(order)},'
        f'"selfTradePreventionMode":"{order.stp_mode}"{extras(order, unit_ns)}}}'
    ).encode()


def cancel_replace(result: CancelReplaceResult, response_type: str, unit_ns: int) -> bytes:
    """Both halves of a cancel-replace: the reply when it succeeded, the error's ``data`` when it did not."""
    return b'{"cancelResult":"%b","newOrderResult":"%b","cancelResponse":%b,"newOrderResponse":%b}' % (
        result.cancel_outcome.encode(),
        result.new_outcome.encode(),
        _half(result.cancel, response_type, unit_ns),
        _half(result.new, response_type, unit_ns),
    )


def _half(half: CancelResult | OrderResult | Refusal | None, response_type: str, unit_ns: int) -> bytes:
    if half is None:
        return b"null"
    if isinstance(half, Refusal):
        return error_json(half.code, half.msg)
    if isinstance(half, CancelResult):
        return cancelled(half, unit_ns)
    return new_order(half, response_type, unit_ns)


def order_row(order: Order, unit_ns: int) -> bytes:
    """An order as GET order, openOrders and allOrders tell it."""
    return (
        f'{{"symbol":"{order.symbol}","orderId":{order.order_id},"orderListId":{order.order_list_id},'
        f'"clientOrderId":"{order.client_order_id}","price":"{e8(order.price_e8)}","origQty":"{e8(order.qty_e8)}",'
        f'"executedQty":"{e8(order.executed_e8)}","cummulativeQuoteQty":"{e8(order.cum_quote_e8)}",'
        f'"status":"{order.status}","timeInForce":"{order.time_in_force}","type":"{order.type}",'
        f'"side":"{order.side}","stopPrice":"{e8(order.stop_price_e8)}",'
        f'"icebergQty":"{e8(order.iceberg_e8)}","time":{order.created_ns // unit_ns},'
        f'"updateTime":{order.updated_ns // unit_ns},"isWorking":{TRUTH[order.is_working]},'
        f'"workingTime":{_stamp(order.working_ns, unit_ns)},"origQuoteOrderQty":"{e8(order.quote_order_qty_e8)}",'
        f'"selfTradePreventionMode":"{order.stp_mode}"{extras(order, unit_ns)}}}'
    ).encode()


def account_trade(trade: AccountTrade, unit_ns: int) -> bytes:
    """A row of myTrades."""
    return (
        f'{{"symbol":"{trade.symbol}","id":{trade.trade_id},"orderId":{trade.order_id},"orderListId":{trade.order_list_id},'
        f'"price":"{e8(trade.price_e8)}","qty":"{e8(trade.qty_e8)}","quoteQty":"{e8(trade.quote_e8)}",'
        f'"commission":"{e8(trade.commission_e8)}","commissionAsset":"{trade.commission_asset}",'
        f'"time":{trade.time_ns // unit_ns},"isBuyer":{TRUTH[trade.is_buyer]},"isMaker":{TRUTH[trade.is_maker]},'
        '"isBestMatch":true}'
    ).encode()


def rate(bps: int) -> str:
    """Basis points as a rate with eight decimals."""
    return e8(bps * E8 // 10_000)


def account(state: Account, omit_zero: bool, unit_ns: int) -> bytes:
    """GET account."""
    rows = [balance for balance in state.balances if not omit_zero or balance.free_e8 or balance.locked_e8]
    trade = TRUTH[state.can_trade]
    return (
        f'{{"makerCommission":{state.maker_bps},"takerCommission":{state.taker_bps},"buyerCommission":0,'
        f'"sellerCommission":0,"commissionRates":{{"maker":"{rate(state.maker_bps)}","taker":"{rate(state.taker_bps)}",'
        f'"buyer":"{ZERO}","seller":"{ZERO}"}},"canTrade":{trade},"canWithdraw":true,"canDeposit":true,'
        f'"brokered":false,"requireSelfTradePrevention":false,"preventSor":false,'
        f'"updateTime":{state.update_ns // unit_ns},"accountType":"SPOT",'
        f'"balances":[{",".join(_balance(row) for row in rows)}],"permissions":["SPOT"],"uid":{state.account_id}}}'
    ).encode()


def _balance(balance: Balance) -> str:
    return f'{{"asset":"{balance.asset}","free":"{e8(balance.free_e8)}","locked":"{e8(balance.locked_e8)}"}}'


def commission(symbol: str, state: Account) -> bytes:
    """GET account/commission."""
    none = f'{{"maker":"{ZERO}","taker":"{ZERO}","buyer":"{ZERO}","seller":"{ZERO}"}}'
    return (
        f'{{"symbol":"{symbol}","standardCommission":{{"maker":"{rate(state.maker_bps)}",'
        f'"taker":"{rate(state.taker_bps)}","buyer":"{ZERO}","seller":"{ZERO}"}},"specialCommission":{none},'
        f'"taxCommission":{none},"discount":{{"enabledForAccount":false,"enabledForSymbol":false,'
        f'"discountAsset":"BNB","discount":"{ZERO}"}}}}'
    ).encode()


def test_commission(state: Account) -> bytes:
    """POST order/test with computeCommissionRates."""
    none = f'{{"maker":"{ZERO}","taker":"{ZERO}"}}'
    return (
        f'{{"standardCommissionForOrder":{{"maker":"{rate(state.maker_bps)}","taker":"{rate(state.taker_bps)}"}},'
        f'"specialCommissionForOrder":{none},"taxCommissionForOrder":{none},"discount":{{"enabledForAccount":false,'
        f'"enabledForSymbol":false,"discountAsset":"BNB","discount":"{ZERO}"}}}}'
    ).encode()


# --- user data events --------------------------------------------------------------------------------------------


def commission_text(report: ExecutionReport) -> str:
    """``n``: the exchange writes a bare 0 where no fee was taken."""
    return e8(report.commission_e8) if report.commission_asset is not None else "0"


def execution_report(report: ExecutionReport, unit_ns: int) -> bytes:
    """The executionReport event."""
    asset = "null" if report.commission_asset is None else f'"{report.commission_asset}"'
    return (
        f'{{"e":"executionReport","E":{report.event_ns // unit_ns},"s":"{report.symbol}",'
        f'"c":"{report.client_order_id}","S":"{report.side}","o":"{report.type}","f":"{report.time_in_force}",'
        f'"q":"{e8(report.qty_e8)}","p":"{e8(report.price_e8)}","P":"{e8(report.stop_price_e8)}",'
        f'"F":"{e8(report.iceberg_e8)}",'
        f'"g":{report.order_list_id},"C":"{report.orig_client_order_id}","x":"{report.execution_type}",'
        f'"X":"{report.status}","r":"{report.reject_reason}","i":{report.order_id},"l":"{e8(report.last_qty_e8)}",'
        f'"z":"{e8(report.cum_qty_e8)}","L":"{e8(report.last_price_e8)}","n":"{commission_text(report)}","N":{asset},'
        f'"T":{report.transact_ns // unit_ns},"t":{report.trade_id},"I":{report.execution_id},'
        f'"w":{TRUTH[report.is_working]},"m":{TRUTH[report.is_maker]},"M":{TRUTH[report.trade_id >= 0]},'
        f'"O":{report.created_ns // unit_ns},"Z":"{e8(report.cum_quote_e8)}","Y":"{e8(report.last_quote_e8)}",'
        f'"Q":"{e8(report.quote_order_qty_e8)}"{_conditional(report, unit_ns)},"V":"{report.stp_mode}"}}'
    ).encode()


def _conditional(report: ExecutionReport, unit_ns: int) -> str:
    text = f',"W":{report.working_ns // unit_ns}' if report.working_ns > 0 else ""
    if report.trailing_delta is not None:
        text += f',"d":{report.trailing_delta},"D":{_stamp(report.trailing_ns, unit_ns)}'
    if report.strategy_id is not None:
        text += f',"j":{report.strategy_id}'
    if report.strategy_type is not None:
        text += f',"J":{report.strategy_type}'
    if report.prevented_match_id >= 0:
        text += _prevented(report)
    if report.expiry_reason:
        text += f',"eR":"{report.expiry_reason}"'
    return text


def _prevented(report: ExecutionReport) -> str:
    quote_e8 = report.last_prevented_qty_e8 * report.prevented_price_e8 // E8
    return (
        f',"v":{report.prevented_match_id},"A":"{e8(report.prevented_qty_e8)}",'
        f'"B":"{e8(report.last_prevented_qty_e8)}","u":{report.trade_group_id},"U":{report.counter_order_id},'
        f'"Cs":"{report.counter_symbol}","pl":"{e8(report.last_prevented_qty_e8)}",'
        f'"pL":"{e8(report.prevented_price_e8)}","pY":"{e8(quote_e8)}"'
    )


def account_position(event: AccountPosition, unit_ns: int) -> bytes:
    """The outboundAccountPosition event."""
    rows = ",".join(f'{{"a":"{b.asset}","f":"{e8(b.free_e8)}","l":"{e8(b.locked_e8)}"}}' for b in event.balances)
    return (
        f'{{"e":"outboundAccountPosition","E":{event.event_ns // unit_ns},"u":{event.update_ns // unit_ns},'
        f'"B":[{rows}]}}'
    ).encode()


def balance_update(event: BalanceUpdate, unit_ns: int) -> bytes:
    """The balanceUpdate event."""
    stamp = event.event_ns // unit_ns
    return (f'{{"e":"balanceUpdate","E":{stamp},"a":"{event.asset}","d":"{e8(event.delta_e8)}","T":{stamp}}}').encode()
