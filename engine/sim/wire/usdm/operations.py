"""Every USD-M endpoint by its REST route and by its ``ws-fapi`` method (weights: state of 2026-07)."""

from __future__ import annotations

from engine.sim.wire.calls import Handler, Operation, Weigh, fixed
from engine.sim.wire.params import Params
from engine.sim.wire.usdm import account_calls, algo_calls, market_calls, order_calls


class ByScope:
    """One weight with a symbol (or pair), another without."""

    def __init__(self, one: int, everything: int) -> None:
        self._one, self._everything = one, everything

    def __call__(self, params: Params) -> int:
        return self._one if "symbol" in params.values else self._everything


def _weigh(weight: Weigh | int) -> Weigh:
    return fixed(weight) if isinstance(weight, int) else weight


def public(name: str, handle: Handler, weight: Weigh | int = 1, pool: str = "") -> Operation:
    """An endpoint without security."""
    return Operation(name, handle, _weigh(weight), lenient=True, pool=pool)


def keyed(name: str, handle: Handler, weight: Weigh | int = 1) -> Operation:
    """An endpoint that names an API key and signs nothing."""
    return Operation(name, handle, _weigh(weight), lenient=True, keyed=True)


def signed(name: str, handle: Handler, weight: Weigh | int = 1) -> Operation:
    """An account endpoint."""
    return Operation(name, handle, _weigh(weight), signed=True, lenient=True)


def trading(name: str, handle: Handler, weight: int = 1, counts_order: bool = False) -> Operation:
    """An order endpoint."""
    return Operation(name, handle, fixed(weight), signed=True, is_order=True, counts_order=counts_order, lenient=True)


def data(name: str, handle: Handler) -> Operation:
    """A statistic: no weight, a pool of its own."""
    return Operation(name, handle, fixed(0), lenient=True, pool="data")


PING = public("ping", market_calls.ping)
TIME = public("time", market_calls.server_time)
DEPTH = public("depth", market_calls.depth, market_calls.depth_weight)
PRICE = public("ticker/price", market_calls.ticker_price, ByScope(1, 2))
BOOK = public("ticker/bookTicker", market_calls.ticker_book, ByScope(2, 5))
PLACE = trading("order.place", order_calls.place, 0, counts_order=True)
MODIFY = trading("order.modify", order_calls.modify, counts_order=True)
CANCEL = trading("order.cancel", order_calls.cancel)
ORDER = signed("order.status", order_calls.order)
ALGO_PLACE = trading("algoOrder.place", algo_calls.place, 0, counts_order=True)
ALGO_CANCEL = trading("algoOrder.cancel", algo_calls.cancel)
ACCOUNT_V2 = signed("account/v2", account_calls.account_v2, 5)
ACCOUNT_V3 = signed("account/v3", account_calls.account_v3, 5)
BALANCE = signed("balance", account_calls.balance, 5)
RISK_V2 = signed("positionRisk/v2", account_calls.risk_v2, 5)
RISK_V3 = signed("positionRisk/v3", account_calls.risk_v3, 5)
START = keyed("userDataStream.start", account_calls.start_user_data)
RENEW = keyed("userDataStream.ping", account_calls.renew_user_data)
STOP = keyed("userDataStream.stop", account_calls.stop_user_data)

KLINES = market_calls.kline_weight
MARKET: dict[tuple[str, str], Operation] = {
    ("GET", "v1/ping"): PING,
    ("GET", "v1/time"): TIME,
    ("GET", "v1/exchangeInfo"): public("exchangeInfo", market_calls.exchange_info),
    ("GET", "v1/depth"): DEPTH,
    ("GET", "v1/rpiDepth"): public("rpiDepth", market_calls.rpi_depth, 20),
    ("GET", "v1/trades"): public("trades", market_calls.trades, 5),
    ("GET", "v1/historicalTrades"): keyed("historicalTrades", market_calls.historical_trades, 200),
    ("GET", "v1/aggTrades"): public("aggTrades", market_calls.agg_trades, 20),
    ("GET", "v1/klines"): public("klines", market_calls.klines_of("CONTRACT"), KLINES),
    ("GET", "v1/continuousKlines"): public("continuousKlines", market_calls.continuous_klines, KLINES),
    ("GET", "v1/indexPriceKlines"): public("indexPriceKlines", market_calls.klines_of("INDEX", "pair"), KLINES),
    ("GET", "v1/markPriceKlines"): public("markPriceKlines", market_calls.klines_of("MARK"), KLINES),
    ("GET", "v1/premiumIndexKlines"): public("premiumIndexKlines", market_calls.klines_of("PREMIUM"), KLINES),
    ("GET", "v1/premiumIndex"): public("premiumIndex", market_calls.premium_index, ByScope(1, 10)),
    ("GET", "v1/fundingRate"): public("fundingRate", market_calls.funding_rate, 0, "funding"),
    ("GET", "v1/fundingInfo"): public("fundingInfo", market_calls.funding_info, 0, "funding"),
    ("GET", "v1/ticker/24hr"): public("ticker/24hr", market_calls.ticker_24h, ByScope(1, 40)),
    ("GET", "v1/ticker/price"): PRICE,
    ("GET", "v2/ticker/price"): PRICE,
    ("GET", "v1/ticker/bookTicker"): BOOK,
    ("GET", "v1/openInterest"): public("openInterest", market_calls.open_interest),
    ("GET", "v1/assetIndex"): public("assetIndex", market_calls.asset_index, ByScope(1, 10)),
    ("GET", "v1/indexInfo"): public("indexInfo", market_calls.index_info),
    ("GET", "v1/constituents"): public("constituents", market_calls.constituents, 2),
    ("GET", "v1/insuranceBalance"): public("insuranceBalance", market_calls.insurance_balance),
    ("GET", "v1/symbolAdlRisk"): public("symbolAdlRisk", market_calls.adl_risk),
}
TRADING: dict[tuple[str, str], Operation] = {
    ("POST", "v1/order"): PLACE,
    ("POST", "v1/order/test"): signed("order.test", order_calls.place_test),
    ("PUT", "v1/order"): MODIFY,
    ("DELETE", "v1/order"): CANCEL,
    ("GET", "v1/order"): ORDER,
    ("POST", "v1/batchOrders"): trading("batchOrders", order_calls.place_batch, 5, counts_order=True),
    ("PUT", "v1/batchOrders"): trading("batchOrders", order_calls.modify_batch, 5, counts_order=True),
    ("DELETE", "v1/batchOrders"): trading("batchOrders", order_calls.cancel_batch),
    ("DELETE", "v1/allOpenOrders"): trading("allOpenOrders", order_calls.cancel_all),
    ("POST", "v1/countdownCancelAll"): signed("countdownCancelAll", order_calls.countdown, 10),
    ("GET", "v1/openOrder"): signed("openOrder", order_calls.open_order),
    ("GET", "v1/openOrders"): signed("openOrders", order_calls.open_orders, ByScope(1, 40)),
    ("GET", "v1/allOrders"): signed("allOrders", order_calls.all_orders, 5),
    ("GET", "v1/userTrades"): signed("userTrades", order_calls.user_trades, 5),
    ("GET", "v1/forceOrders"): signed("forceOrders", order_calls.force_orders, ByScope(20, 50)),
    ("GET", "v1/orderAmendment"): signed("orderAmendment", order_calls.amendments),
    ("POST", "v1/algoOrder"): ALGO_PLACE,
    ("DELETE", "v1/algoOrder"): ALGO_CANCEL,
    ("GET", "v1/algoOrder"): signed("algoOrder.status", algo_calls.order),
    ("GET", "v1/openAlgoOrders"): signed("openAlgoOrders", algo_calls.open_orders, ByScope(1, 40)),
    ("GET", "v1/allAlgoOrders"): signed("allAlgoOrders", algo_calls.all_orders, 5),
    ("DELETE", "v1/algoOpenOrders"): trading("algoOpenOrders", algo_calls.cancel_all),
}
ACCOUNT: dict[tuple[str, str], Operation] = {
    ("GET", "v2/account"): ACCOUNT_V2,
    ("GET", "v3/account"): ACCOUNT_V3,
    ("GET", "v2/balance"): BALANCE,
    ("GET", "v3/balance"): BALANCE,
    ("GET", "v2/positionRisk"): RISK_V2,
    ("GET", "v3/positionRisk"): RISK_V3,
    ("GET", "v1/accountConfig"): signed("accountConfig", account_calls.account_config, 5),
    ("GET", "v1/symbolConfig"): signed("symbolConfig", account_calls.symbol_config, 5),
    ("GET", "v1/commissionRate"): signed("commissionRate", account_calls.commission_rate, 20),
    ("GET", "v1/leverageBracket"): signed("leverageBracket", account_calls.leverage_bracket),
    ("POST", "v1/leverage"): signed("leverage", account_calls.set_leverage),
    ("POST", "v1/marginType"): signed("marginType", account_calls.set_margin_type),
    ("GET", "v1/positionSide/dual"): signed("positionSide/dual", account_calls.position_mode, 30),
    ("POST", "v1/positionSide/dual"): signed("positionSide/dual", account_calls.set_position_mode),
    ("GET", "v1/multiAssetsMargin"): signed("multiAssetsMargin", account_calls.assets_mode, 30),
    ("POST", "v1/positionMargin"): signed("positionMargin", account_calls.change_position_margin),
    ("GET", "v1/positionMargin/history"): signed("positionMargin/history", account_calls.position_margin_history),
    ("GET", "v1/income"): signed("income", account_calls.income, 30),
    ("GET", "v1/adlQuantile"): signed("adlQuantile", account_calls.adl_quantile, 5),
    ("GET", "v1/rateLimit/order"): signed("rateLimit/order", account_calls.order_limits),
    ("GET", "v1/feeBurn"): signed("feeBurn", account_calls.fee_burn, 30),
    ("GET", "v1/apiTradingStatus"): signed("apiTradingStatus", account_calls.trading_status, ByScope(1, 10)),
    ("POST", "v1/listenKey"): START,
    ("PUT", "v1/listenKey"): RENEW,
    ("DELETE", "v1/listenKey"): STOP,
}
STATISTICS: dict[str, Operation] = {
    "openInterestHist": data("openInterestHist", market_calls.open_interest_history),
    "topLongShortPositionRatio": data("topLongShortPositionRatio", market_calls.ratios_of("TOP_POSITION")),
    "topLongShortAccountRatio": data("topLongShortAccountRatio", market_calls.ratios_of("TOP_ACCOUNT")),
    "globalLongShortAccountRatio": data("globalLongShortAccountRatio", market_calls.ratios_of("GLOBAL_ACCOUNT")),
    "takerlongshortRatio": data("takerlongshortRatio", market_calls.taker_volume),
    "basis": data("basis", market_calls.basis),
    "delivery-price": data("delivery-price", market_calls.delivery_price),
}
REST: dict[tuple[str, str], Operation] = {
    **{(method, f"/fapi/{path}"): each for (method, path), each in (MARKET | TRADING | ACCOUNT).items()},
    **{("GET", f"/futures/data/{path}"): each for path, each in STATISTICS.items()},
}
API: dict[str, Operation] = {
    "ping": PING,
    "time": TIME,
    "depth": DEPTH,
    "ticker.price": PRICE,
    "ticker.book": BOOK,
    "order.place": PLACE,
    "order.modify": MODIFY,
    "order.cancel": CANCEL,
    "order.status": ORDER,
    "algoOrder.place": ALGO_PLACE,
    "algoOrder.cancel": ALGO_CANCEL,
    "account.balance": BALANCE,
    "account.status": ACCOUNT_V2,
    "account.position": RISK_V2,
    "v2/account.balance": BALANCE,
    "v2/account.status": ACCOUNT_V3,
    "v2/account.position": RISK_V3,
    "userDataStream.start": START,
    "userDataStream.ping": RENEW,
    "userDataStream.stop": STOP,
}
