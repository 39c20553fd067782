"""Drives ccxt and ccxt pro against a venue; run by an interpreter that has them. Prints one JSON object."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

KEY, SECRET, REST, SOCKET = sys.argv[1:5]
SYMBOL = "BTC/USDT"
SETTINGS: dict[str, Any] = {
    "apiKey": KEY,
    "secret": SECRET,
    "requests_trust_env": True,  # believe the certificate authority that the environment names
    "options": {"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["spot"]}},
    "urls": {
        "api": {
            "public": f"{REST}/api/v3",
            "private": f"{REST}/api/v3",
            "v1": f"{REST}/api/v3",
            "ws": {"spot": f"{SOCKET}/ws/stream", "ws-api": {"spot": f"{SOCKET}/ws-api/v3"}},
        }
    },
}

if "SSL_CERT_FILE" in os.environ:
    SETTINGS["cafile"] = os.environ["SSL_CERT_FILE"]  # its asyncio half reads no environment


def over_rest(told: dict[str, Any]) -> None:
    """Markets, book, balance, an order's life, refusals by ccxt's own classes."""
    ccxt = importlib.import_module("ccxt")
    told["version"] = ccxt.__version__
    exchange = ccxt.binance(SETTINGS)
    told["markets"] = sorted(exchange.load_markets())
    told["precision"] = exchange.market(SYMBOL)["precision"]["price"]
    book = exchange.fetch_order_book(SYMBOL, 5)
    told["book"] = [len(book["bids"]), len(book["asks"]), book["bids"][0][0] < book["asks"][0][0]]
    told["balance"] = exchange.fetch_balance()["total"]["USDT"]
    order = exchange.create_order(SYMBOL, "limit", "buy", 0.01, 60_000)
    told["created"] = order["status"]
    told["fetched"] = exchange.fetch_order(order["id"], SYMBOL)["status"]
    told["open"] = len(exchange.fetch_open_orders(SYMBOL))
    moved = exchange.edit_order(order["id"], SYMBOL, "limit", "buy", 0.02, 60_001)
    told["moved"] = [moved["price"], moved["amount"]]
    told["cancelled"] = exchange.cancel_order(moved["id"], SYMBOL)["status"]
    told["market"] = exchange.create_order(SYMBOL, "market", "sell", 0.001)["status"]
    told["trades"] = len(exchange.fetch_my_trades(SYMBOL))
    conditional_orders(exchange, told)
    refusals: dict[str, Callable[[], object]] = {
        "unknown": lambda: exchange.cancel_order(moved["id"], SYMBOL),
        "poor": lambda: exchange.create_order(SYMBOL, "limit", "buy", 50, 64_000),
        "crossing": lambda: exchange.create_order(SYMBOL, "limit", "buy", 0.01, 70_000, {"postOnly": True}),
    }
    for name, attempt in refusals.items():
        try:
            attempt()
        except ccxt.BaseError as error:
            told[name] = type(error).__name__


def conditional_orders(exchange: Any, told: dict[str, Any]) -> None:
    """Orders that wait for the last price: by trigger, stop-loss, take-profit and trailing parameters."""
    last = exchange.fetch_ticker(SYMBOL)["last"]
    asked: dict[str, tuple[str, str, float | None, dict[str, Any]]] = {
        "trigger": ("limit", "buy", round(last * 1.1, 2), {"triggerPrice": round(last * 1.05, 2)}),
        "stop_loss": ("market", "sell", None, {"stopLossPrice": round(last * 0.95, 2)}),
        "take_profit": ("market", "sell", None, {"takeProfitPrice": round(last * 1.05, 2)}),
        "trailing": ("limit", "sell", round(last * 0.9, 2), {"trailingPercent": 5, "stopLossOrTakeProfit": "stopLoss"}),
        "iceberg": ("limit", "sell", round(last * 1.1, 2), {"icebergQty": "0.002", "timeInForce": "GTC"}),
    }
    for name, (kind, side, price, params) in asked.items():
        order = exchange.create_order(SYMBOL, kind, side, 0.01, price, params)
        found = exchange.fetch_order(order["id"], SYMBOL)
        told[name] = [found["status"], found["info"]["type"], found["triggerPrice"] is not None]
        exchange.cancel_order(order["id"], SYMBOL)
    told["self_trade"] = exchange.create_order(
        SYMBOL, "limit", "buy", 0.01, 60_000, {"selfTradePreventionMode": "DECREMENT"}
    )["info"]["selfTradePreventionMode"]
    lists = exchange.privatePostOrderListOco(
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "quantity": "0.01",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": str(round(last * 1.05, 2)),
            "belowType": "STOP_LOSS",
            "belowStopPrice": str(round(last * 0.95, 2)),
        }
    )
    told["oco"] = [lists["listOrderStatus"], len(exchange.privateGetOpenOrderList())]
    exchange.cancel_all_orders(SYMBOL)
    told["after_oco"] = len(exchange.fetch_open_orders(SYMBOL))


async def over_sockets(told: dict[str, Any]) -> None:
    """Watched book, trades, tickers and orders; orders by the WebSocket API."""
    pro = importlib.import_module("ccxt.pro").binance(SETTINGS)
    try:
        await pro.load_markets()
        for _ in range(10):
            book = await pro.watch_order_book(SYMBOL)
        told["watched_book"] = book["bids"][0][0] < book["asks"][0][0]
        told["watched_trades"] = len(await pro.watch_trades(SYMBOL)) > 0
        told["watched_tickers"] = sorted(await pro.watch_tickers())
        watching = asyncio.ensure_future(pro.watch_orders(SYMBOL))
        await asyncio.sleep(0.5)
        order = await pro.create_order_ws(SYMBOL, "limit", "buy", 0.01, 60_000)
        told["watched_order"] = (await watching)[0]["id"] == order["id"]
        told["cancelled_ws"] = (await pro.cancel_order_ws(order["id"], SYMBOL))["status"]
    finally:
        await pro.close()


def main() -> None:
    """Run both and print what was seen."""
    told: dict[str, Any] = {}
    over_rest(told)
    asyncio.run(asyncio.wait_for(over_sockets(told), 60))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
