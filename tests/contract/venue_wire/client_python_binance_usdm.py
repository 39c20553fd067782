"""Drives python-binance's futures calls against a venue; run by an interpreter that has it. Prints JSON."""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import sys
from typing import Any

KEY, SECRET, REST, SOCKET = sys.argv[1:5]
SYMBOL = "BTCUSDT"


def prepared() -> Any:
    """The package, pointed at the venue."""
    binance = importlib.import_module("binance")
    for client in (binance.Client, binance.AsyncClient):
        client.API_URL = f"{REST}/api"
        client.FUTURES_URL = f"{REST}/fapi"
        client.FUTURES_DATA_URL = f"{REST}/futures/data"
        client.WS_FUTURES_URL = f"{SOCKET}/ws-fapi/v1"
    binance.BinanceSocketManager.STREAM_URL = f"{SOCKET}/"
    binance.BinanceSocketManager.FSTREAM_URL = f"{SOCKET}/"
    return binance


def public_data(client: Any, told: dict[str, Any]) -> None:
    """What needs no signature."""
    told["symbols"] = sorted(row["symbol"] for row in client.futures_exchange_info()["symbols"])
    told["book"] = len(client.futures_order_book(symbol=SYMBOL, limit=5)["bids"])
    told["trades"] = len(client.futures_recent_trades(symbol=SYMBOL, limit=5))
    told["older_trades"] = len(client.futures_historical_trades(symbol=SYMBOL, limit=5))
    told["sums"] = len(client.futures_aggregate_trades(symbol=SYMBOL, limit=5))
    told["candles"] = len(client.futures_klines(symbol=SYMBOL, interval="1m", limit=5))
    pair = {"pair": SYMBOL, "interval": "1m", "limit": 5}
    told["continuous"] = len(client.futures_continuous_klines(contractType="PERPETUAL", **pair))
    told["index_candles"] = len(client.futures_index_price_klines(**pair))
    told["mark_candles"] = len(client.futures_mark_price_klines(symbol=SYMBOL, interval="1m", limit=5))
    told["premium_candles"] = len(client.futures_premium_index_klines(symbol=SYMBOL, interval="1m", limit=5))
    told["mark"] = float(client.futures_mark_price(symbol=SYMBOL)["markPrice"]) > 0
    told["marks"] = len(client.futures_mark_price())
    told["funding_rates"] = isinstance(client.futures_funding_rate(symbol=SYMBOL), list)
    told["prices"] = len(client.futures_symbol_ticker())
    told["best"] = len(client.futures_orderbook_ticker())
    told["day"] = client.futures_ticker(symbol=SYMBOL)["symbol"]
    told["open_interest"] = float(client.futures_open_interest(symbol=SYMBOL)["openInterest"]) >= 0
    period = {"symbol": SYMBOL, "period": "5m", "limit": 3}
    told["ratios"] = [
        len(call(**period))
        for call in (
            client.futures_top_longshort_account_ratio,
            client.futures_top_longshort_position_ratio,
            client.futures_global_longshort_ratio,
            client.futures_taker_longshort_ratio,
            client.futures_open_interest_hist,
        )
    ]


def order_lives(client: Any, told: dict[str, Any]) -> None:
    """Limit, market, conditional and batched orders."""
    price = str(round(float(client.futures_symbol_ticker(symbol=SYMBOL)["price"]) * 0.95, 1))
    order = client.futures_limit_buy_order(symbol=SYMBOL, quantity="0.010", price=price, timeInForce="GTC")
    identity = {"symbol": SYMBOL, "orderId": order["orderId"]}
    told["placed"] = order["status"]
    told["found"] = client.futures_get_order(**identity)["status"]
    told["open"] = len(client.futures_get_open_orders(symbol=SYMBOL))
    changed = client.futures_modify_order(side="BUY", quantity="0.020", price=price, **identity)
    told["modified"] = changed["origQty"]
    told["amendments"] = len(client.futures_v1_get_order_amendment(**identity))
    told["cancelled"] = client.futures_cancel_order(**identity)["status"]
    bought = client.futures_market_buy_order(symbol=SYMBOL, quantity="0.010", newOrderRespType="RESULT")
    told["bought"] = bought["status"]
    stop = {"symbol": SYMBOL, "side": "SELL", "type": "STOP_MARKET", "quantity": "0.010", "triggerPrice": price}
    algo = client.futures_create_order(**stop)
    told["algo"] = algo["algoStatus"]
    told["algos_open"] = len(client.futures_get_open_algo_orders(symbol=SYMBOL))
    told["algo_cancelled"] = client.futures_cancel_algo_order(algoId=algo["algoId"])["code"]
    row = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "price": price}
    told["batch"] = [reply["status"] for reply in client.futures_place_batch_order(batchOrders=[dict(row), dict(row)])]
    told["countdown"] = client.futures_countdown_cancel_all(symbol=SYMBOL, countdownTime=60_000)["countdownTime"]
    told["all_cancelled"] = client.futures_cancel_all_open_orders(symbol=SYMBOL)["code"]
    told["all_orders"] = len(client.futures_get_all_orders(symbol=SYMBOL)) >= 4
    told["own_trades"] = len(client.futures_account_trades(symbol=SYMBOL)) >= 1


def account(binance: Any, client: Any, told: dict[str, Any]) -> None:
    """Wallet, position, modes, refusals."""
    told["balance"] = [row["asset"] for row in client.futures_account_balance() if float(row["balance"]) > 0]
    told["account"] = float(client.futures_account()["totalWalletBalance"]) > 0
    position = next(row for row in client.futures_position_information() if row["symbol"] == SYMBOL)
    told["position"] = position["positionAmt"]
    told["leverage"] = client.futures_change_leverage(symbol=SYMBOL, leverage=9)["leverage"]
    told["margin_type"] = client.futures_change_margin_type(symbol="ETHUSDT", marginType="ISOLATED")["code"]
    told["brackets"] = len(client.futures_leverage_bracket(symbol=SYMBOL)) >= 1
    told["mode"] = client.futures_get_position_mode()["dualSidePosition"]
    told["assets_mode"] = client.futures_get_multi_assets_mode()["multiAssetsMargin"]
    told["income"] = sorted({row["incomeType"] for row in client.futures_income_history()})
    told["fee"] = sorted(client.futures_commission_rate(symbol=SYMBOL))
    told["config"] = client.futures_account_config()["canTrade"]
    told["symbol_config"] = [row["leverage"] for row in client.futures_symbol_config(symbol=SYMBOL)]
    told["adl"] = len(client.futures_adl_quantile_estimate(symbol=SYMBOL)) >= 1
    try:
        client.futures_change_margin_type(symbol="ETHUSDT", marginType="ISOLATED")
    except binance.exceptions.BinanceAPIException as error:
        told["same_type"] = error.code


async def over_sockets(binance: Any, told: dict[str, Any]) -> None:
    """Streams, user data, orders by the WebSocket API."""
    client = await binance.AsyncClient.create(KEY, SECRET)
    manager = binance.BinanceSocketManager(client)
    sockets = {
        "depth": manager.futures_depth_socket(SYMBOL),
        "sum": manager.aggtrade_futures_socket(SYMBOL),
        "best_one": manager.symbol_ticker_futures_socket(SYMBOL),
        "mark_all": manager.all_mark_price_socket(),
        "two": manager.futures_multiplex_socket(["btcusdt@aggTrade", "ethusdt@aggTrade"]),
    }
    for name, socket in sockets.items():
        async with socket as stream:
            told[name] = (await asyncio.wait_for(stream.recv(), 20))["stream"]
    price = str(round(float((await client.futures_symbol_ticker(symbol=SYMBOL))["price"]) * 0.95, 1))
    async with manager.futures_user_socket() as user:
        order = await client.futures_create_order(
            symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.010", price=price
        )
        event = await asyncio.wait_for(user.recv(), 20)
        told["user"] = [event["e"], event["o"]["i"] == order["orderId"]]
    order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010"}
    placed = await client.ws_futures_create_order(price=price, **order)
    told["placed_ws"] = placed["status"]
    identity = {"symbol": SYMBOL, "orderId": placed["orderId"]}
    told["found_ws"] = (await client.ws_futures_get_order(**identity))["status"]
    told["cancelled_ws"] = (await client.ws_futures_cancel_order(**identity))["status"]
    told["book_ws"] = len((await client.ws_futures_get_order_book(symbol=SYMBOL))["bids"]) > 0
    told["balance_ws"] = len(await client.ws_futures_v2_account_balance()) >= 1
    told["account_ws"] = "assets" in await client.ws_futures_v2_account_status()
    told["position_ws"] = isinstance(await client.ws_futures_v2_account_position(), list)
    await client.close_connection()


def main() -> None:
    """Run all and print what was seen."""
    binance = prepared()
    told: dict[str, Any] = {"version": importlib.metadata.version("python-binance")}
    client = binance.Client(KEY, SECRET)
    client.FUTURES_URL = f"{REST}/fapi"
    public_data(client, told)
    order_lives(client, told)
    account(binance, client, told)
    asyncio.run(asyncio.wait_for(over_sockets(binance, told), 90))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
