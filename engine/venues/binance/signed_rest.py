"""Signed REST: what an account is asked or told over HTTP.

A signed request carries the venue's time as last measured; -1021 (outside the window) measures it again, and only a GET is then
sent once more. Source: Binance documentation, "Request security", of spot and of USD-M futures.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from engine.credentials import Credentials, ed25519_signer
from engine.runtime.clock import Clock
from engine.runtime.net import HttpClient, HttpResponse
from engine.venues.binance.rest_market import NS_PER_MS, Body, RestMarket, TimeSample, VenueError, read_body
from engine.venues.binance.signer import HmacSigner

CODE_TIMESTAMP = -1021


class SignedRest(RestMarket):
    """Spot endpoints below one base address, and the parent of USD-M's. `authorize` before anything signed."""

    def __init__(self, http: HttpClient, clock: Clock) -> None:
        super().__init__(http, clock)
        self._headers: dict[str, str] = {}
        self._sign: Callable[[str], str] | None = None
        self.offset_ns: int | None = None
        self.recv_window_ms = 5_000

    def authorize(self, credentials: Credentials, recv_window_ms: int = 5_000) -> None:
        """Requests of the account are signed with these from now on. Raises CredentialError for a key of another kind."""
        self._headers = {"X-MBX-APIKEY": credentials.api_key}
        self.recv_window_ms = recv_window_ms
        if credentials.key_type == "hmac":
            self._sign = _hmac_text(HmacSigner(credentials.secret))
        else:
            self._sign = _ed25519_text(ed25519_signer(credentials.secret))

    async def server_time(self) -> TimeSample:
        """One measurement of the venue's clock; signed requests use the latest."""
        sample = await super().server_time()
        self.offset_ns = sample.offset_ns
        return sample

    async def signed(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, weight: int = 1
    ) -> HttpResponse:
        """One signed request; `path` is whole, as "/fapi/v3/balance". VenueError for anything but 200, NetError for no answer.

        It waits until the budget that all connections share has room for its weight.
        """
        if self._sign is None:
            raise RuntimeError(f"{path}: signed requests need authorize() first")
        fields = params or {}
        if self.offset_ns is None:
            await self.server_time()
        try:
            return await self._ask_signed(method, path, fields, weight)
        except VenueError as error:
            if error.code != CODE_TIMESTAMP:
                raise
            await self.server_time()
            if method != "GET":
                raise
        return await self._ask_signed(method, path, fields, weight)

    async def _ask_signed(self, method: str, path: str, fields: Mapping[str, Any], weight: int) -> HttpResponse:
        """Signed when it may leave: a wait for quiet or for room must not make its time old."""
        answer = await self._when_allowed(weight, lambda: self._send_signed(method, path, fields))
        return self._accept(path, answer)

    async def _send_signed(self, method: str, path: str, params: Mapping[str, Any]) -> HttpResponse:
        return await self._send(method, self.signed_target(path, params), self._headers)

    def signed_target(self, path: str, params: Mapping[str, Any]) -> str:
        """Path and query with recvWindow, timestamp and signature. Values are percent-encoded before they are signed."""
        assert self._sign is not None
        stamp_ms = (self._clock.time_ns() + (self.offset_ns or 0)) // NS_PER_MS
        fields = {**params, "recvWindow": self.recv_window_ms, "timestamp": stamp_ms}
        query = urlencode(fields, quote_via=quote)
        return f"{path}?{query}&signature={quote(self._sign(query), safe='')}"

    async def ask(self, path: str, kind: type[Body], weight: int = 1, **params: Any) -> Body:
        """One signed GET, its body decoded as `kind`; VenueError where it cannot be."""
        return read_body(path, await self.signed("GET", path, params, weight), kind)


def _hmac_text(signer: HmacSigner) -> Callable[[str], str]:
    return lambda text: signer.hexdigest(text.encode())


def _ed25519_text(sign: Callable[[bytes], bytes]) -> Callable[[str], str]:
    return lambda text: base64.b64encode(sign(text.encode())).decode()
