"""Drives python-binance against a venue; run by an interpreter that has it. Prints one JSON object."""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import sys
from typing import Any

KEY, SECRET, REST, SOCKET = sys.argv[1:5]
LIMIT = {"symbol": "BTCUSDT", "quantity": "0.01", "price": "60000"}


def prepared() -> Any:
    """The package, pointed at the venue."""
    binance = importlib.import_module("binance")
    for client in (binance.Client, binance.AsyncClient):
        client.API_URL = f"{REST}/api"
        client.WS_API_URL = f"{SOCKET}/ws-api/v3"
    binance.BinanceSocketManager.STREAM_URL = f"{SOCKET}/"
    return binance


def over_rest(binance: Any, told: dict[str, Any]) -> None:
    """An order's life and refusals."""
    client = binance.Client(KEY, SECRET)
    client.API_URL = f"{REST}/api"
    told["symbols"] = len(client.get_exchange_info()["symbols"])
    order = client.order_limit_buy(**LIMIT)
    identity = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    told["placed"] = order["status"]
    told["found"] = client.get_order(**identity)["status"]
    told["cancelled"] = client.cancel_order(**identity)["status"]
    told["sold"] = client.order_market_sell(symbol="BTCUSDT", quantity="0.001")["status"]
    told["tested"] = client.create_test_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.001")
    for name, change in (("unencoded", {"newClientOrderId": "a b"}), ("lot", {"quantity": "0.010001"})):
        try:
            client.order_limit_buy(**{**LIMIT, **change})
        except binance.exceptions.BinanceAPIException as error:
            told[name] = error.code


def lists_over_rest(binance: Any, told: dict[str, Any]) -> None:
    """Stops and order lists by the package's own methods."""
    client = binance.Client(KEY, SECRET)
    client.API_URL = f"{REST}/api"
    last = float(client.get_symbol_ticker(symbol="BTCUSDT")["price"])
    high, low = f"{last * 1.05:.2f}", f"{last * 0.95:.2f}"
    stop = client.create_order(
        symbol="BTCUSDT",
        side="SELL",
        type=client.ORDER_TYPE_STOP_LOSS_LIMIT,
        timeInForce="GTC",
        quantity="0.01",
        price=low,
        stopPrice=low,
    )
    told["stop"] = client.get_order(symbol="BTCUSDT", orderId=stop["orderId"])["status"]
    pair = {"aboveType": "LIMIT_MAKER", "abovePrice": high, "belowType": "STOP_LOSS", "belowStopPrice": low}
    sold = client.order_oco_sell(symbol="BTCUSDT", quantity="0.01", **pair)
    told["oco"] = [sold["contingencyType"], [row["type"] for row in sold["orderReports"]]]
    told["open_lists"] = len(client.get_open_oco_orders())
    told["leg"] = client.cancel_order(symbol="BTCUSDT", orderId=sold["orders"][0]["orderId"])["status"]
    told["closed_lists"] = len(client.get_open_oco_orders())
    told["all_over_rest"] = len(client.cancel_all_open_orders(symbol="BTCUSDT"))


async def lists_over_socket(client: Any, told: dict[str, Any]) -> None:
    """Order lists by the WebSocket API methods of the package."""
    last = float((await client.get_symbol_ticker(symbol="BTCUSDT"))["price"])
    high, low = f"{last * 1.05:.2f}", f"{last * 0.95:.2f}"
    pair = {"aboveType": "LIMIT_MAKER", "abovePrice": high, "belowType": "STOP_LOSS", "belowStopPrice": low}
    oco = await client.ws_create_oco_order(symbol="BTCUSDT", side="SELL", quantity="0.01", **pair)
    told["oco_ws"] = oco["listOrderStatus"]
    working = {"workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "60000", "workingQuantity": "0.01"}
    pending = {"pendingType": "LIMIT_MAKER", "pendingSide": "SELL", "pendingPrice": high, "pendingQuantity": "0.005"}
    oto = await client.ws_create_oto_order(symbol="BTCUSDT", workingTimeInForce="GTC", **working, **pending)
    told["oto_ws"] = [row["status"] for row in oto["orderReports"]]
    told["lists_cancelled_ws"] = len(await client.ws_cancel_all_open_orders(symbol="BTCUSDT"))


async def over_sockets(binance: Any, told: dict[str, Any]) -> None:
    """Streams, user data, the depth cache, an order by the WebSocket API."""
    client = await binance.AsyncClient.create(KEY, SECRET)
    manager = binance.BinanceSocketManager(client)
    sockets = {
        "trade": manager.trade_socket("BTCUSDT"),
        "book": manager.symbol_book_ticker_socket("BTCUSDT"),
        "mini": manager.miniticker_socket(),
        "both": manager.multiplex_socket(["btcusdt@bookTicker", "ethusdt@bookTicker"]),
    }
    for name, socket in sockets.items():
        async with socket as stream:
            message = await stream.recv()
            told[name] = sorted(message[0] if isinstance(message, list) else message)
    async with manager.user_socket() as user:
        await client.order_limit_buy(**LIMIT)
        told["user"] = [(await user.recv())["e"] for _ in range(2)]
    placed = await client.ws_create_order(side="BUY", type="LIMIT", timeInForce="GTC", **LIMIT)
    told["placed_ws"] = placed["status"]
    told["all_cancelled"] = len(await client.ws_cancel_all_open_orders(symbol="BTCUSDT"))
    await lists_over_socket(client, told)
    async with binance.ws.depthcache.DepthCacheManager(client, symbol="BTCUSDT") as cache:
        depth = await cache.recv()
        told["depth_cache"] = depth.get_bids()[0][0] < depth.get_asks()[0][0]
    await client.close_connection()


def main() -> None:
    """Run both and print what was seen."""
    binance = prepared()
    told: dict[str, Any] = {"version": importlib.metadata.version("python-binance")}
    over_rest(binance, told)
    lists_over_rest(binance, told)
    asyncio.run(asyncio.wait_for(over_sockets(binance, told), 60))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
