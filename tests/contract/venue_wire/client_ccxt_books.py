"""Keeps order books with ccxt pro for a while; prints what each looked like at every update id.

Arguments: key, secret, REST base, WebSocket base, seconds, then pairs ``family=SYMBOL`` with family ``spot`` or ``usdm``.
Printed: ``{"spot": {"<update id>": "<digest of the best levels>"}, ...}``, the digest as ``digest_of`` makes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

LEVELS = 100
OPTIONS = {"fetchCurrencies": False, "fetchMargins": False}


def digest_of(bids: Sequence[Sequence[float]], asks: Sequence[Sequence[float]]) -> str:
    """The best levels of both sides in a few characters."""
    text = repr([[float(price), float(qty)] for side in (bids, asks) for price, qty, *_ in side[:LEVELS]])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def exchange_of(family: str, key: str, secret: str, rest: str, socket: str) -> Any:
    """ccxt's own class for the family, pointed at the venue."""
    pro = importlib.import_module("ccxt.pro")
    trust = {"cafile": os.environ["SSL_CERT_FILE"]} if "SSL_CERT_FILE" in os.environ else {}
    common = {"apiKey": key, "secret": secret, **trust}
    if family == "spot":
        api = {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3", "ws": {"spot": f"{socket}/ws/stream"}}
        return pro.binance(
            {**common, "options": {**OPTIONS, "fetchMarkets": {"types": ["spot"]}}, "urls": {"api": api}}
        )
    api = {"fapiPublic": f"{rest}/fapi/v1", "fapiPrivate": f"{rest}/fapi/v1", "ws": {"linear": f"{socket}/ws"}}
    return pro.binanceusdm({**common, "options": OPTIONS, "urls": {"api": api}})


async def keep(exchange: Any, symbol: str, seen: dict[str, str]) -> None:
    """Watch one book until cancelled."""
    await exchange.load_markets()
    while True:
        book = await exchange.watch_order_book(symbol)
        seen[str(book["nonce"])] = digest_of(book["bids"], book["asks"])


async def main() -> None:
    """Watch every book at once, for the seconds asked."""
    *address, seconds, first = sys.argv[1:7]
    told: dict[str, dict[str, str]] = {}
    exchanges = []
    tasks = []
    for family, _, symbol in (pair.partition("=") for pair in (first, *sys.argv[7:])):
        exchange = exchange_of(family, *address)
        exchanges.append(exchange)
        tasks.append(asyncio.ensure_future(keep(exchange, symbol, told.setdefault(family, {}))))
    done, _ = await asyncio.wait(tasks, timeout=float(seconds), return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    for exchange in exchanges:
        with contextlib.suppress(Exception):
            await exchange.close()
    for task in done:
        task.result()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
