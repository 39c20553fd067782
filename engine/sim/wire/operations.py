"""Every endpoint by its REST route and by its WebSocket API method (weights: spot ``rest-api.md``, state 2026-07)."""

from __future__ import annotations

from engine.sim.wire import account_calls, amend_calls, list_calls, market_calls, order_calls
from engine.sim.wire.calls import Handler, Operation, Weigh, fixed

PREFIX = "/api/v3/"


def public(name: str, handle: Handler, weigh: Weigh | int, known: str = "") -> Operation:
    """An endpoint without security."""
    weight = fixed(weigh) if isinstance(weigh, int) else weigh
    return Operation(name, handle, weight, frozenset(known.split()))


def signed(name: str, handle: Handler, weigh: Weigh | int, known: str = "") -> Operation:
    """An account endpoint."""
    weight = fixed(weigh) if isinstance(weigh, int) else weigh
    return Operation(name, handle, weight, frozenset(known.split()), signed=True)


def trading(name: str, handle: Handler, known: frozenset[str], counts_order: bool = False) -> Operation:
    """An order endpoint: weight 1, given back on success."""
    return Operation(name, handle, fixed(1), known, signed=True, is_order=True, free=True, counts_order=counts_order)


PING = public("ping", market_calls.ping, 1)
TIME = public("time", market_calls.server_time, 1)
EXCHANGE_INFO = public(
    "exchangeInfo", market_calls.exchange_info, 20, "symbol symbols permissions showPermissionSets symbolStatus"
)
DEPTH = public("depth", market_calls.depth, market_calls.depth_weight, "symbol limit symbolStatus")
TRADES = public("trades", market_calls.trades, 25, "symbol limit")
HISTORICAL = public("historicalTrades", market_calls.historical_trades, 25, "symbol limit fromId")
AGG_TRADES = public("aggTrades", market_calls.agg_trades, 4, "symbol fromId startTime endTime limit")
KLINES = public("klines", market_calls.klines, 2, "symbol interval startTime endTime timeZone limit")
AVG_PRICE = public("avgPrice", market_calls.avg_price, 2, "symbol")
TICKER_24H = public(
    "ticker/24hr", market_calls.ticker_24h, market_calls.many_weight(2, 40, 80), "symbol symbols type symbolStatus"
)
TICKER = public(
    "ticker",
    market_calls.ticker_window,
    market_calls.many_weight(4, 200, 4),
    "symbol symbols windowSize type symbolStatus",
)
PRICE = public(
    "ticker/price", market_calls.ticker_price, market_calls.many_weight(2, 4, 4), "symbol symbols symbolStatus"
)
BOOK = public(
    "ticker/bookTicker", market_calls.ticker_book, market_calls.many_weight(2, 4, 4), "symbol symbols symbolStatus"
)
PLACE = trading("order.place", order_calls.place, order_calls.NEW_ORDER, counts_order=True)
TEST = Operation(
    "order.test",
    order_calls.place_test,
    order_calls.test_weight,
    order_calls.NEW_ORDER | {"computeCommissionRates"},
    signed=True,
)
CANCEL = trading("order.cancel", order_calls.cancel, order_calls.CANCEL)
CANCEL_ALL = trading("openOrders.cancelAll", order_calls.cancel_all, frozenset({"symbol"}))
CANCEL_REPLACE = trading(
    "order.cancelReplace", order_calls.cancel_replace, order_calls.CANCEL_REPLACE, counts_order=True
)
OCO = trading("orderList.place.oco", list_calls.place_oco, list_calls.OCO, counts_order=True)
OTO = trading("orderList.place.oto", list_calls.place_oto, list_calls.OTO, counts_order=True)
OTOCO = trading("orderList.place.otoco", list_calls.place_otoco, list_calls.OTOCO, counts_order=True)
OPO = trading("orderList.place.opo", list_calls.place_opo, list_calls.OPO, counts_order=True)
OPOCO = trading("orderList.place.opoco", list_calls.place_opoco, list_calls.OPOCO, counts_order=True)
OLD_OCO = trading("orderList.place", list_calls.place_old_oco, list_calls.OLD_OCO, counts_order=True)
CANCEL_LIST = trading(
    "orderList.cancel",
    list_calls.cancel_list,
    frozenset({"symbol", "orderListId", "listClientOrderId", "newClientOrderId"}),
)
LIST = signed("orderList.status", list_calls.list_status, 4, "orderListId origClientOrderId listClientOrderId")
OPEN_LISTS = signed("openOrderLists.status", list_calls.open_lists, 6)
ALL_LISTS = signed("allOrderLists", list_calls.all_lists, 20, "fromId startTime endTime limit")
AMEND = Operation(
    "order.amend.keepPriority",
    amend_calls.amend,
    fixed(4),
    frozenset({"symbol", "orderId", "origClientOrderId", "newClientOrderId", "newQty"}),
    signed=True,
    is_order=True,
)
AMENDMENTS = signed("order.amendments", amend_calls.amendments, 4, "symbol orderId fromExecutionId limit")
PREVENTED = signed(
    "myPreventedMatches",
    amend_calls.prevented_matches,
    amend_calls.prevented_weight,
    "symbol preventedMatchId orderId fromPreventedMatchId limit",
)
MY_FILTERS = signed("myFilters", amend_calls.my_filters, 40, "symbol")
ORDER = signed("order.status", account_calls.order, 4, "symbol orderId origClientOrderId")
OPEN_ORDERS = signed("openOrders.status", account_calls.open_orders, account_calls.open_orders_weight, "symbol")
ALL_ORDERS = signed("allOrders", account_calls.all_orders, 20, "symbol orderId startTime endTime limit")
MY_TRADES = signed(
    "myTrades", account_calls.my_trades, account_calls.my_trades_weight, "symbol orderId startTime endTime fromId limit"
)
ACCOUNT = signed("account", account_calls.account, 20, "omitZeroBalances")
ORDER_LIMITS = signed("rateLimit/order", account_calls.order_rate_limits, 40)
COMMISSION = signed("account/commission", account_calls.commission, 20, "symbol")

REST: dict[tuple[str, str], Operation] = {
    ("GET", "ping"): PING,
    ("GET", "time"): TIME,
    ("GET", "exchangeInfo"): EXCHANGE_INFO,
    ("GET", "depth"): DEPTH,
    ("GET", "trades"): TRADES,
    ("GET", "historicalTrades"): HISTORICAL,
    ("GET", "aggTrades"): AGG_TRADES,
    ("GET", "klines"): KLINES,
    ("GET", "uiKlines"): KLINES,
    ("GET", "avgPrice"): AVG_PRICE,
    ("GET", "ticker/24hr"): TICKER_24H,
    ("GET", "ticker"): TICKER,
    ("GET", "ticker/price"): PRICE,
    ("GET", "ticker/bookTicker"): BOOK,
    ("POST", "order"): PLACE,
    ("POST", "order/test"): TEST,
    ("DELETE", "order"): CANCEL,
    ("GET", "order"): ORDER,
    ("GET", "openOrders"): OPEN_ORDERS,
    ("DELETE", "openOrders"): CANCEL_ALL,
    ("POST", "order/cancelReplace"): CANCEL_REPLACE,
    ("GET", "allOrders"): ALL_ORDERS,
    ("GET", "myTrades"): MY_TRADES,
    ("GET", "account"): ACCOUNT,
    ("GET", "rateLimit/order"): ORDER_LIMITS,
    ("GET", "account/commission"): COMMISSION,
    ("POST", "orderList/oco"): OCO,
    ("POST", "orderList/oto"): OTO,
    ("POST", "orderList/otoco"): OTOCO,
    ("POST", "orderList/opo"): OPO,
    ("POST", "orderList/opoco"): OPOCO,
    ("POST", "order/oco"): OLD_OCO,
    ("DELETE", "orderList"): CANCEL_LIST,
    ("GET", "orderList"): LIST,
    ("GET", "openOrderList"): OPEN_LISTS,
    ("GET", "allOrderList"): ALL_LISTS,
    ("PUT", "order/amend/keepPriority"): AMEND,
    ("GET", "order/amendments"): AMENDMENTS,
    ("GET", "myPreventedMatches"): PREVENTED,
    ("GET", "myFilters"): MY_FILTERS,
}
API: dict[str, Operation] = {
    "ping": PING,
    "time": TIME,
    "exchangeInfo": EXCHANGE_INFO,
    "depth": DEPTH,
    "trades.recent": TRADES,
    "trades.historical": HISTORICAL,
    "trades.aggregate": AGG_TRADES,
    "klines": KLINES,
    "uiKlines": KLINES,
    "avgPrice": AVG_PRICE,
    "ticker.24hr": TICKER_24H,
    "ticker": TICKER,
    "ticker.price": PRICE,
    "ticker.book": BOOK,
    "order.place": PLACE,
    "order.test": TEST,
    "order.cancel": CANCEL,
    "order.status": ORDER,
    "order.cancelReplace": CANCEL_REPLACE,
    "openOrders.status": OPEN_ORDERS,
    "openOrders.cancelAll": CANCEL_ALL,
    "allOrders": ALL_ORDERS,
    "myTrades": MY_TRADES,
    "account.status": ACCOUNT,
    "account.rateLimits.orders": ORDER_LIMITS,
    "account.commission": COMMISSION,
    **{
        operation.name: operation
        for operation in (
            *(OCO, OTO, OTOCO, OPO, OPOCO, OLD_OCO, CANCEL_LIST, LIST, OPEN_LISTS, ALL_LISTS),
            *(AMEND, AMENDMENTS, PREVENTED, MY_FILTERS),
        )
    },
}
