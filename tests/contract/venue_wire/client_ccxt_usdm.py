"""Drives ccxt's and ccxt pro's binanceusdm against a venue; run by an interpreter that has them. Prints JSON."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

KEY, SECRET, REST, SOCKET = sys.argv[1:5]
SYMBOL, OTHER = "BTC/USDT:USDT", "ETH/USDT:USDT"
SETTINGS: dict[str, Any] = {
    "apiKey": KEY,
    "secret": SECRET,
    "requests_trust_env": True,  # believe the certificate authority that the environment names
    "options": {"fetchCurrencies": False, "fetchMargins": False},
    "urls": {
        "api": {
            **{f"fapi{kind}": f"{REST}/fapi/v1" for kind in ("Public", "Private")},
            **{f"fapi{kind}V2": f"{REST}/fapi/v2" for kind in ("Public", "Private")},
            **{f"fapi{kind}V3": f"{REST}/fapi/v3" for kind in ("Public", "Private")},
            "fapiData": f"{REST}/futures/data",
            "ws": {"linear": f"{SOCKET}/ws", "ws-api": {"linear": f"{SOCKET}/ws-fapi/v1"}},
        }
    },
}

if "SSL_CERT_FILE" in os.environ:
    SETTINGS["cafile"] = os.environ["SSL_CERT_FILE"]  # its asyncio half reads no environment


def public_data(exchange: Any, told: dict[str, Any]) -> None:
    """Markets and everything that needs no key."""
    told["markets"] = sorted(exchange.load_markets())
    market = exchange.market(SYMBOL)
    told["precision"] = [market["precision"]["price"], market["precision"]["amount"]]
    told["kind"] = [market["type"], market["linear"], market["contract"], market["settle"]]
    book = exchange.fetch_order_book(SYMBOL, 5)
    told["book"] = [len(book["bids"]), len(book["asks"]), book["bids"][0][0] < book["asks"][0][0]]
    told["ticker"] = exchange.fetch_ticker(SYMBOL)["symbol"]
    told["tickers"] = sorted(exchange.fetch_tickers())
    told["bids_asks"] = sorted(exchange.fetch_bids_asks())
    told["candles"] = len(exchange.fetch_ohlcv(SYMBOL, "1m", limit=5))
    told["mark_candles"] = len(exchange.fetch_mark_ohlcv(SYMBOL, "1m", limit=5))
    told["index_candles"] = len(exchange.fetch_index_ohlcv(SYMBOL, "1m", limit=5))
    told["public_trades"] = len(exchange.fetch_trades(SYMBOL, limit=5))
    rate = exchange.fetch_funding_rate(SYMBOL)
    told["funding"] = [rate["markPrice"] > 0, rate["indexPrice"] > 0, rate["fundingRate"] is not None]
    told["funding_rates"] = sorted(exchange.fetch_funding_rates())
    told["funding_history"] = len(exchange.fetch_funding_rate_history(SYMBOL, limit=3))
    told["open_interest"] = exchange.fetch_open_interest(SYMBOL)["openInterestAmount"] is not None
    told["open_interest_history"] = len(exchange.fetch_open_interest_history(SYMBOL, "5m", limit=3))
    told["ratio_history"] = len(exchange.fetch_long_short_ratio_history(SYMBOL, "5m", limit=3))


def order_lives(exchange: Any, told: dict[str, Any]) -> None:
    """Limit, market, conditional and batched orders from birth to end."""
    price = round(exchange.fetch_ticker(SYMBOL)["last"] * 0.95, 1)
    order = exchange.create_order(SYMBOL, "limit", "buy", 0.01, price)
    told["created"] = order["status"]
    told["fetched"] = exchange.fetch_order(order["id"], SYMBOL)["status"]
    told["open"] = len(exchange.fetch_open_orders(SYMBOL))
    told["edited"] = exchange.edit_order(order["id"], SYMBOL, "limit", "buy", 0.02, price - 1)["amount"]
    told["cancelled"] = exchange.cancel_order(order["id"], SYMBOL)["status"]
    told["bought"] = exchange.create_order(SYMBOL, "market", "buy", 0.01)["status"]
    told["trades"] = len(exchange.fetch_my_trades(SYMBOL))
    told["orders"] = len(exchange.fetch_orders(SYMBOL))
    stop = exchange.create_order(SYMBOL, "market", "sell", 0.01, None, {"stopLossPrice": price, "reduceOnly": True})
    told["stop"] = stop["status"]
    told["stops_open"] = len(exchange.fetch_open_orders(SYMBOL, params={"trigger": True}))
    told["stop_fetched"] = exchange.fetch_order(stop["id"], SYMBOL, {"trigger": True})["status"]
    told["stop_cancelled"] = exchange.cancel_order(stop["id"], SYMBOL, {"trigger": True})["id"] == stop["id"]
    one = {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.01}
    batch = exchange.create_orders([{**one, "price": price}, {**one, "price": price - 1}])
    told["batch"] = [row["status"] for row in batch]
    gone = exchange.cancel_orders([row["id"] for row in batch], SYMBOL)
    told["batch_cancelled"] = [row["status"] for row in gone]
    exchange.create_order(SYMBOL, "limit", "buy", 0.01, price)
    exchange.cancel_all_orders(SYMBOL)
    told["left_open"] = len(exchange.fetch_open_orders(SYMBOL))


def account(exchange: Any, told: dict[str, Any]) -> None:
    """Balance, position, leverage, modes, money moved."""
    told["balance"] = exchange.fetch_balance()["total"]["USDT"] > 90_000
    position = exchange.fetch_positions([SYMBOL])[0]
    told["position"] = [position["side"], position["contracts"], position["entryPrice"] > 0]
    told["risk"] = len(exchange.fetch_positions_risk([SYMBOL]))
    told["leverage"] = exchange.set_leverage(7, SYMBOL)["leverage"]
    told["margin_mode"] = exchange.set_margin_mode("isolated", OTHER)["code"]
    told["mode_read"] = exchange.fetch_margin_mode(OTHER)["marginMode"]
    told["leverage_read"] = exchange.fetch_leverage(SYMBOL)["longLeverage"]
    told["tiers"] = len(exchange.fetch_leverage_tiers([SYMBOL])[SYMBOL]) > 1
    told["hedged"] = exchange.fetch_position_mode(SYMBOL)["hedged"]
    told["fee"] = exchange.fetch_trading_fees()[SYMBOL]["maker"] >= 0
    told["ledger"] = sorted({row["type"] for row in exchange.fetch_ledger("USDT")})
    told["funding_paid"] = len(exchange.fetch_funding_history(SYMBOL))
    told["sold"] = exchange.create_order(SYMBOL, "market", "sell", 0.01, None, {"reduceOnly": True})["status"]
    told["flat"] = [row["contracts"] for row in exchange.fetch_positions([SYMBOL])]


def refusals(exchange: Any, told: dict[str, Any]) -> None:
    """Refusals by ccxt's own classes."""
    ccxt = importlib.import_module("ccxt")
    attempts: dict[str, Callable[[], object]] = {
        "unknown": lambda: exchange.cancel_order("999", SYMBOL),
        "nothing": lambda: exchange.fetch_order("999", SYMBOL),
        "same_mode": lambda: exchange.set_margin_mode("isolated", OTHER),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
            told[name] = "accepted"
        except ccxt.BaseError as error:
            told[name] = type(error).__name__


async def over_sockets(told: dict[str, Any]) -> None:
    """Watched book, trades, tickers, own orders, trades, balance and positions; orders by the WebSocket API."""
    pro = importlib.import_module("ccxt.pro").binanceusdm(SETTINGS)
    try:
        await pro.load_markets()
        for _ in range(10):
            book = await pro.watch_order_book(SYMBOL)
        told["watched_book"] = book["bids"][0][0] < book["asks"][0][0]
        told["watched_trades"] = len(await pro.watch_trades(SYMBOL)) > 0
        told["watched_ticker"] = (await pro.watch_ticker(SYMBOL))["symbol"]
        told["watched_tickers"] = sorted(await pro.watch_tickers())
        told["watched_candles"] = len(await pro.watch_ohlcv(SYMBOL, "1m"))
        told["watched_mark"] = (await pro.watch_mark_price(SYMBOL))["markPrice"] > 0
        told["watched_best"] = sorted(await pro.watch_bids_asks([SYMBOL]))
        await own_events(pro, told)
    finally:
        await pro.close()


async def own_events(pro: Any, told: dict[str, Any]) -> None:
    """The user's own side of the sockets."""
    price = round((await pro.fetch_ticker(SYMBOL))["last"] * 0.95, 1)
    watching = {
        "order": asyncio.ensure_future(pro.watch_orders(SYMBOL)),
        "trade": asyncio.ensure_future(pro.watch_my_trades(SYMBOL)),
        "balance": asyncio.ensure_future(pro.watch_balance()),
    }
    told["positions_before"] = await pro.watch_positions([SYMBOL])  # the first answer is a snapshot over REST
    watching["positions"] = asyncio.ensure_future(pro.watch_positions([SYMBOL]))
    await asyncio.sleep(2.0)
    order = await pro.create_order_ws(SYMBOL, "limit", "buy", 0.01, price)
    told["watched_order"] = (await watching["order"])[0]["id"] == order["id"]
    told["fetched_ws"] = (await pro.fetch_order_ws(order["id"], SYMBOL))["status"]
    told["edited_ws"] = (await pro.edit_order_ws(order["id"], SYMBOL, "limit", "buy", 0.02, price))["amount"]
    told["cancelled_ws"] = (await pro.cancel_order_ws(order["id"], SYMBOL))["status"]
    bought = await pro.create_order_ws(SYMBOL, "market", "buy", 0.01)
    told["watched_trade"] = (await watching["trade"])[0]["order"] == bought["id"]
    told["watched_balance"] = (await watching["balance"])["USDT"]["total"] > 90_000
    positions = await watching["positions"]
    told["watched_position"] = [positions[0]["symbol"], positions[0]["contracts"]]
    told["balance_ws"] = (await pro.fetch_balance_ws())["USDT"]["total"] > 90_000
    told["positions_ws"] = len(await pro.fetch_positions_ws([SYMBOL]))


def main() -> None:
    """Run all and print what was seen."""
    told: dict[str, Any] = {}
    ccxt = importlib.import_module("ccxt")
    told["version"] = ccxt.__version__
    exchange = ccxt.binanceusdm(SETTINGS)
    public_data(exchange, told)
    order_lives(exchange, told)
    account(exchange, told)
    refusals(exchange, told)
    asyncio.run(asyncio.wait_for(over_sockets(told), 90))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
