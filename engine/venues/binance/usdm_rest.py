"""REST of USD-M futures: public data, and what an account is asked or told over HTTP.

The order path runs over a WebSocket; here is what that one cannot do: open orders, positions, balances and trades in full, listen
keys, settings, and the venue's dead-man switch. Source: Binance USD-M futures documentation, REST pages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from engine.model.dead_man_cost import FEED_WEIGHT
from engine.model.instruments import InstrumentSpec
from engine.runtime.net import HttpResponse, NetError
from engine.venues.binance.reference import decode_rate_limits
from engine.venues.binance.rest_market import VenueError, read_body
from engine.venues.binance.signed_rest import CODE_TIMESTAMP, SignedRest
from engine.venues.binance.usdm_reference import PUBLISHED_LIMITS, decode_futures_info

CODE_NO_LISTEN_KEY = -1125
# weight of GET depth up to so many levels
DEPTH_WEIGHTS = {50: 2, 100: 5, 500: 10, 1000: 20}
COUNTDOWN_MS_MAX = 86_400_000


class _ListenKey(msgspec.Struct):
    listenKey: str = ""  # noqa: N815 - the venue's spelling


class UsdmRest(SignedRest):
    """USD-M endpoints below one base address, such as https://fapi.binance.com. `authorize` before anything signed."""

    api_path = "/fapi/v1"
    published_limits = PUBLISHED_LIMITS
    depth_weights: ClassVar[dict[int, int]] = DEPTH_WEIGHTS

    # --- public ---

    async def exchange_info(self, venue_id: int, symbols: Iterable[str] | None = None) -> list[InstrumentSpec]:
        """Contracts of `symbols`, or all; `rate_limits` are the venue's from then on. The venue knows no filter by symbol."""
        wanted = None if symbols is None else list(symbols)
        body = (await self._get("/exchangeInfo", {})).body  # weight 1
        specs = decode_futures_info(body, venue_id, wanted)
        self.rate_limits = decode_rate_limits(body, PUBLISHED_LIMITS)
        return specs

    # --- the account ---

    async def fetch(
        self,
        path: str,
        params: Mapping[str, Any],
        *,
        is_signed: bool = True,
        on_leave: Callable[[], None] | None = None,
    ) -> HttpResponse:
        """One GET, whatever its status: who asks counts its weight, journals and judges it; a wait for quiet holds for all.

        `on_leave` is called when its bytes leave.
        """
        if is_signed and self._sign is None:
            raise RuntimeError(f"{path}: signed requests need authorize() first")

        def send() -> Awaitable[HttpResponse]:
            target = self.signed_target(path, params) if is_signed else path
            return self._send("GET", target, self._headers, on_leave)

        response = await self._when_allowed(0, send)
        if response.status in (418, 429):
            self._refusal(path, response)
        return response

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
        return self._accept(path, await self._when_allowed(1, lambda: self._send(method, path, self._headers)))

    # --- cancels ---

    async def cancel_all(self, symbol: str) -> None:
        """Cancel everything of `symbol` (weight 2): what stands in the book, then what waits for a price.

        Inside a wish for quiet nothing is sent, nor later: QuietWanted, since after it this could hit what was ordered meanwhile.
        A full budget does not hold it up. VenueError, NetError as `signed`; one that is outside the window (-1021) is sent again,
        which a cancel may be.
        """
        if self._sign is None:
            raise RuntimeError("a cancel needs authorize() first")
        self._require_no_quiet()
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
