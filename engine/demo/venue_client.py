"""Reads the account as the venue sees it, over its REST interface with an HMAC key (the demo's witness)."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal
from typing import Any


class VenueWitness:
    """Signed and public GETs. Raises RuntimeError with the venue's own words when it refuses."""

    def __init__(self, rest_url: str, api_key: str, secret: str) -> None:
        self._rest_url = rest_url
        self._api_key = api_key
        self._secret = secret.encode()
        # the venue is on this host: a proxy of the environment is not for it
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    prefix = "/api/v3/"

    def get(self, path: str, signed: bool = False, **params: Any) -> Any:
        """One GET; `signed` adds timestamp and signature. A path that begins with / is whole."""
        if signed:
            params["timestamp"] = time.time_ns() // 1_000_000
        query = urllib.parse.urlencode(params)
        if signed:
            query += "&signature=" + hmac.new(self._secret, query.encode(), hashlib.sha256).hexdigest()
        where = path if path.startswith("/") else self.prefix + path
        url = f"{self._rest_url}{where}" + (f"?{query}" if query else "")
        request = urllib.request.Request(url, headers={"X-MBX-APIKEY": self._api_key})
        try:
            with self._opener.open(request, timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"the venue refused {path}: {error.read().decode()}") from error

    def balances(self) -> dict[str, Decimal]:
        """Free plus locked of each asset."""
        rows = self.get("account", signed=True)["balances"]
        return {row["asset"]: Decimal(row["free"]) + Decimal(row["locked"]) for row in rows}

    def open_orders(self) -> list[dict[str, Any]]:
        """All open orders of the account."""
        answer: list[dict[str, Any]] = self.get("openOrders", signed=True)
        return answer

    def trades(self, symbol: str) -> list[dict[str, Any]]:
        """Every own trade of `symbol`, by pages of 1000."""
        rows: list[dict[str, Any]] = []
        page = self.get("myTrades", signed=True, symbol=symbol, fromId=0, limit=1000)
        while page:
            rows += page
            if len(page) < 1000:
                break
            page = self.get("myTrades", signed=True, symbol=symbol, fromId=page[-1]["id"] + 1, limit=1000)
        return rows

    def equity(self, mids: dict[str, Decimal]) -> Decimal:
        """Worth of the account in USDT at these middle prices."""
        worth = self.balances()
        coins = ((worth.get(symbol.removesuffix("USDT"), Decimal(0)), mid) for symbol, mid in mids.items())
        return worth.get("USDT", Decimal(0)) + sum((amount * mid for amount, mid in coins), Decimal(0))

    def tops(self, symbols: tuple[str, ...]) -> list[dict[str, Any]]:
        """Best bid and offer of each symbol."""
        wanted = json.dumps(list(symbols), separators=(",", ":"))
        found: list[dict[str, Any]] = self.get("ticker/bookTicker", symbols=wanted)
        return found

    def bid(self, symbol: str) -> Decimal:
        """The best bid."""
        return Decimal(self.get("ticker/bookTicker", symbol=symbol)["bidPrice"]).normalize()

    def mid(self, symbol: str) -> Decimal:
        """Middle of the best prices."""
        row = self.get("ticker/bookTicker", symbol=symbol)
        return (Decimal(row["bidPrice"]) + Decimal(row["askPrice"])) / 2


class FuturesWitness(VenueWitness):
    """The same questions to USD-M futures."""

    prefix = "/fapi/v1/"

    def balances(self) -> dict[str, Decimal]:
        """The wallet, by asset."""
        rows = self.get("/fapi/v3/balance", signed=True)
        return {row["asset"]: Decimal(row["balance"]) for row in rows}

    def positions(self) -> dict[str, Decimal]:
        """Signed positions; a symbol that is not named is flat."""
        return {row["symbol"]: Decimal(row["positionAmt"]) for row in self.get("/fapi/v3/positionRisk", signed=True)}

    def trades(self, symbol: str) -> list[dict[str, Any]]:
        """Every own trade of `symbol`, by pages of 1000, with spot's name for who bought."""
        rows: list[dict[str, Any]] = []
        page = self.get("userTrades", signed=True, symbol=symbol, fromId=0, limit=1000)
        while page:
            rows += [row | {"isBuyer": row["buyer"]} for row in page]
            if len(page) < 1000:
                break
            page = self.get("userTrades", signed=True, symbol=symbol, fromId=page[-1]["id"] + 1, limit=1000)
        return rows

    def equity(self, mids: dict[str, Decimal]) -> Decimal:
        """Wallet and open profit at these middle prices."""
        rows = self.get("/fapi/v3/positionRisk", signed=True)
        gains = (
            Decimal(row["positionAmt"]) * (mids[row["symbol"]] - Decimal(row["entryPrice"]))
            for row in rows
            if row["symbol"] in mids
        )
        return self.balances().get("USDT", Decimal(0)) + sum(gains, Decimal(0))

    def tops(self, symbols: tuple[str, ...]) -> list[dict[str, Any]]:
        """Best bid and offer of each symbol."""
        return [self.get("ticker/bookTicker", symbol=symbol) for symbol in symbols]
