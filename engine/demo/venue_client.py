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

    def get(self, path: str, signed: bool = False, **params: Any) -> Any:
        """One GET; `signed` adds timestamp and signature."""
        if signed:
            params["timestamp"] = time.time_ns() // 1_000_000
        query = urllib.parse.urlencode(params)
        if signed:
            query += "&signature=" + hmac.new(self._secret, query.encode(), hashlib.sha256).hexdigest()
        url = f"{self._rest_url}/api/v3/{path}" + (f"?{query}" if query else "")
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

    def bid(self, symbol: str) -> Decimal:
        """The best bid."""
        return Decimal(self.get("ticker/bookTicker", symbol=symbol)["bidPrice"]).normalize()

    def mid(self, symbol: str) -> Decimal:
        """Middle of the best prices."""
        row = self.get("ticker/bookTicker", symbol=symbol)
        return (Decimal(row["bidPrice"]) + Decimal(row["askPrice"])) / 2
