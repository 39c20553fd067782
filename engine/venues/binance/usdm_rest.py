"""REST of USD-M futures: public data, and what an account is asked or told over HTTP.

The order path runs over a WebSocket; here is what that one cannot do: open orders, positions, balances and trades in full, listen
keys, settings, and the venue's dead-man switch. A signed request carries the venue's time as last measured; -1021 (outside the
window) measures it again, and only a GET is then sent once more. Source: Binance USD-M futures documentation, REST pages.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import msgspec

from engine.credentials import Credentials, ed25519_signer
from engine.model.dead_man_cost import FEED_WEIGHT
from engine.model.instruments import InstrumentSpec
from engine.runtime.clock import Clock
from engine.runtime.net import HttpClient, HttpResponse, NetError
from engine.venues.binance.reference import decode_rate_limits
from engine.venues.binance.rest_market import NS_PER_MS, Body, RestMarket, TimeSample, VenueError, read_body
from engine.venues.binance.signer import HmacSigner
from engine.venues.binance.usdm_reference import PUBLISHED_LIMITS, decode_futures_info

CODE_TIMESTAMP = -1021
CODE_NO_LISTEN_KEY = -1125
# weight of GET depth up to so many levels
DEPTH_WEIGHTS = {50: 2, 100: 5, 500: 10, 1000: 20}
COUNTDOWN_MS_MAX = 86_400_000


class _ListenKey(msgspec.Struct):
    listenKey: str = ""  # noqa: N815 - the venue's spelling


class UsdmRest(RestMarket):
    """USD-M endpoints below one base address, such as https://fapi.binance.com. `authorize` before anything signed."""

    api_path = "/fapi/v1"
    published_limits = PUBLISHED_LIMITS
    depth_weights: ClassVar[dict[int, int]] = DEPTH_WEIGHTS

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

    # --- public ---

    async def exchange_info(self, venue_id: int, symbols: Iterable[str] | None = None) -> list[InstrumentSpec]:
        """Contracts of `symbols`, or all; `rate_limits` are the venue's from then on. The venue knows no filter by symbol."""
        wanted = None if symbols is None else list(symbols)
        body = (await self._get("/exchangeInfo", {})).body  # weight 1
        specs = decode_futures_info(body, venue_id, wanted)
        self.rate_limits = decode_rate_limits(body, PUBLISHED_LIMITS)
        return specs

    async def server_time(self) -> TimeSample:
        """One measurement of the venue's clock; signed requests use the latest."""
        sample = await super().server_time()
        self.offset_ns = sample.offset_ns
        return sample

    # --- the account ---

    async def signed(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, weight: int = 1
    ) -> HttpResponse:
        """One signed request; `path` is whole, as "/fapi/v3/balance". VenueError for anything but 200, NetError for no answer.

        It waits until the budget that all connections share has room for its weight.
        """
        if self._sign is None:
            raise RuntimeError(f"{path}: signed requests need authorize() first")
        await self._wait_until_allowed(weight)
        if self.offset_ns is None:
            await self.server_time()
        try:
            return self._accept(path, await self._send_signed(method, path, params or {}))
        except VenueError as error:
            if error.code != CODE_TIMESTAMP:
                raise
            await self.server_time()
            if method != "GET":
                raise
        return self._accept(path, await self._send_signed(method, path, params or {}))

    async def _send_signed(self, method: str, path: str, params: Mapping[str, Any]) -> HttpResponse:
        target = self.signed_target(path, params)
        return await self._http.request(method, target, headers=self._headers)

    def signed_target(self, path: str, params: Mapping[str, Any]) -> str:
        """Path and query with recvWindow, timestamp and signature. Values are percent-encoded before they are signed."""
        assert self._sign is not None
        stamp_ms = (self._clock.time_ns() + (self.offset_ns or 0)) // NS_PER_MS
        fields = {**params, "recvWindow": self.recv_window_ms, "timestamp": stamp_ms}
        query = urlencode(fields, quote_via=quote)
        return f"{path}?{query}&signature={quote(self._sign(query), safe='')}"

    async def fetch(self, path: str, params: Mapping[str, Any], *, is_signed: bool = True) -> HttpResponse:
        """One GET, whatever its status: who asks counts its weight, journals and judges it; a wait for quiet holds for all."""
        if is_signed and self._sign is None:
            raise RuntimeError(f"{path}: signed requests need authorize() first")
        await self._wait_until_allowed(0)
        target = self.signed_target(path, params) if is_signed else path
        response = await self._http.request("GET", target, headers=self._headers)
        if response.status in (418, 429):
            self._refusal(path, response)
        return response

    async def ask(self, path: str, kind: type[Body], **params: Any) -> Body:
        """One signed GET, its body decoded as `kind`; VenueError where it cannot be."""
        return read_body(path, await self.signed("GET", path, params), kind)

    # --- listen keys: the API key alone, no signature ---

    async def start_listen_key(self) -> str:
        """A key for the private stream: a new one, or the living one with its hour begun again."""
        return read_body("listenKey", await self._keyed("POST"), _ListenKey).listenKey

    async def keep_listen_key(self) -> bool:
        """Begin the key's hour again; False where the venue knows no living key (-1125): a new one must be made."""
        try:
            await self._keyed("PUT")
        except VenueError as error:
            if error.code == CODE_NO_LISTEN_KEY:
                return False
            raise
        return True

    async def _keyed(self, method: str) -> HttpResponse:
        path = f"{self.api_path}/listenKey"
        await self._wait_until_allowed()
        return self._accept(path, await self._http.request(method, path, headers=self._headers))

    # --- cancels ---

    async def cancel_all(self, symbol: str) -> None:
        """Cancel everything of `symbol` (weight 2): what stands in the book, then what waits for a price.

        Inside a wish for quiet nothing is sent; a full budget does not hold it up. VenueError, NetError as `signed`; one that is
        outside the window (-1021) is sent again, which a cancel may be.
        """
        if self._sign is None:
            raise RuntimeError("a cancel needs authorize() first")
        if self.quiet_left_ns():
            return
        self._has_weight(2)
        failure: VenueError | NetError | None = None
        for name in ("allOpenOrders", "algoOpenOrders"):
            if failure is not None and self.quiet_left_ns():
                break  # the first one's answer asks for quiet
            try:
                await self._cancel_by_symbol(f"{self.api_path}/{name}", symbol)
            except (VenueError, NetError) as error:
                failure = failure or error  # what the one service refuses is no reason to leave the other alone
        if failure is not None:
            raise failure

    async def _cancel_by_symbol(self, path: str, symbol: str) -> None:
        try:
            self._accept(path, await self._send_signed("DELETE", path, {"symbol": symbol}))
        except VenueError as error:
            if error.code != CODE_TIMESTAMP:
                raise
            await self.server_time()
            self._accept(path, await self._send_signed("DELETE", path, {"symbol": symbol}))

    # --- the dead-man switch ---

    async def countdown_cancel_all(self, symbol: str, countdown_ms: int) -> None:
        """Have the venue cancel all of `symbol` after `countdown_ms` unless told again before; 0 stops it (weight 10)."""
        if not 0 <= countdown_ms <= COUNTDOWN_MS_MAX:
            raise ValueError(f"countdown_ms {countdown_ms} is not within 0..{COUNTDOWN_MS_MAX}")
        fields = {"symbol": symbol, "countdownTime": countdown_ms}
        await self.signed("POST", f"{self.api_path}/countdownCancelAll", fields, FEED_WEIGHT)


def _hmac_text(signer: HmacSigner) -> Callable[[str], str]:
    return lambda text: signer.hexdigest(text.encode())


def _ed25519_text(sign: Callable[[bytes], bytes]) -> Callable[[str], str]:
    return lambda text: base64.b64encode(sign(text.encode())).decode()
