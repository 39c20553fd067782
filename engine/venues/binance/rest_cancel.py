"""The requests of who only cancels: cancel-all by symbol, what is open, a probe of the key's rights, the venue's time.

There is nothing here that could open or change an order. Spot: DELETE and GET /api/v3/openOrders. USD-M futures: DELETE
/fapi/v1/allOpenOrders and GET /fapi/v1/openOrders, and the same two of the algo service, where conditional orders stand.
Sources: the exchange's rest-api.md and its USD-M pages "Trade"; signing as in "Request security".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from engine.runtime.clock import Clock
from engine.runtime.net import HttpClient, HttpResponse, NotAskedError

Body = TypeVar("Body")
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
RETRY_AFTER_DEFAULT_S = 60.0
NOTHING_OPEN = -2011
# the key is unknown, malformed, not allowed to trade from here, or the signature is not its own
KEY_REFUSED = frozenset({-1022, -2008, -2014, -2015})
CLOCK_REFUSED = -1021
# of the weight that the address has in a minute: the engine's own requests count there, too
SHARE_MAX = 0.25
PROBE_ID = "guard-asks-for-its-rights"

Sign = Callable[[bytes], str]


@dataclass(frozen=True)
class CancelRoutes:
    """Paths of one kind of market. Each of `cancel_all` is deleted by symbol, each of `open_orders` read to verify it.

    Request weights: `weight_per_min` is the venue's limit, `open_weight` of one of `open_orders` for a symbol,
    `all_open_weight` for all of them; any other request weighs 1. `tells_nothing_open`: does `cancel_all` say so.
    """

    time: str
    order: str
    cancel_all: tuple[str, ...]
    open_orders: tuple[str, ...]
    open_weight: int
    all_open_weight: int
    weight_per_min: int
    tells_nothing_open: bool


SPOT_ROUTES = CancelRoutes(
    "/api/v3/time",
    "/api/v3/order",
    ("/api/v3/openOrders",),
    ("/api/v3/openOrders",),
    open_weight=6,
    all_open_weight=80,
    weight_per_min=6000,
    tells_nothing_open=True,
)
USDM_ROUTES = CancelRoutes(
    "/fapi/v1/time",
    "/fapi/v1/order",
    ("/fapi/v1/allOpenOrders", "/fapi/v1/algoOpenOrders"),
    ("/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"),
    open_weight=1,
    all_open_weight=40,
    weight_per_min=2400,
    tells_nothing_open=False,
)
ROUTES = {"binance-spot": SPOT_ROUTES, "binance-usdm": USDM_ROUTES}


class CancelRefused(Exception):
    """The venue did not do it: its status, code and text. `is_key` says that it is the key, which no repeating mends."""

    def __init__(self, path: str, status: int, code: int, text: str) -> None:
        super().__init__(f"{path}: HTTP {status}, code {code}: {text}")
        self.status = status
        self.code = code

    @property
    def is_key(self) -> bool:
        """Is it the key, its rights or its signature."""
        return self.code in KEY_REFUSED


class VenueQuiet(CancelRefused):
    """429 or 418: nothing may be sent for `wait_s`, cancels neither, because that lengthens the ban."""

    def __init__(self, path: str, status: int, code: int, text: str, wait_s: float) -> None:
        super().__init__(path, status, code, f"{text} (quiet for {wait_s:.0f} s)")
        self.wait_s = wait_s


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Open(msgspec.Struct):
    symbol: str


class _Time(msgspec.Struct):
    serverTime: int  # noqa: N815 - the venue's spelling


def _read(path: str, response: HttpResponse, kind: type[Body]) -> Body:
    """What the venue answered, as `kind`; CancelRefused where it cannot be read: it is asked again."""
    try:
        return msgspec.json.decode(response.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CancelRefused(path, response.status, 0, f"the answer cannot be read: {error}") from error


def signer(key_type: str, secret: bytes, ed25519: Callable[[bytes], Callable[[bytes], bytes]]) -> Sign:
    """What makes a signature's text: hex of HMAC-SHA256, or base64 of Ed25519. `ed25519` makes a signer of a PEM."""
    if key_type == "hmac":
        return lambda message: hmac.new(secret, message, hashlib.sha256).hexdigest()
    sign = ed25519(secret)
    return lambda message: base64.b64encode(sign(message)).decode()


class RestCancel:
    """Cancels of one account at one base address; every method raises NetError, CancelRefused or VenueQuiet."""

    def __init__(
        self, http: HttpClient, clock: Clock, routes: CancelRoutes, api_key: str, sign: Sign, recv_window_ms: int
    ) -> None:
        self._http = http
        self._clock = clock
        self._routes = routes
        self._headers = {"X-MBX-APIKEY": api_key}
        self._sign = sign
        self._recv_window_ms = recv_window_ms
        self._quiet_until_mono_ns = 0
        self._spent_until_mono_ns = 0
        self._ns_per_weight = int(60 * NS_PER_S / (routes.weight_per_min * SHARE_MAX))
        # from so many symbols on a look at all of them weighs less than asking one by one
        requests = len(routes.cancel_all) if routes.tells_nothing_open else len(routes.open_orders) * routes.open_weight
        self.symbols_to_look = len(routes.open_orders) * routes.all_open_weight // requests + 1
        self.offset_ns = 0

    @property
    def rest_s(self) -> float:
        """How long nothing should be sent for what was answered to have been SHARE_MAX of the venue's weight."""
        return max(0.0, (self._spent_until_mono_ns - self._clock.monotonic_ns()) / NS_PER_S)

    async def measure_time(self) -> int:
        """Ask the venue's clock, which also keeps the connection warm; returns the round trip in nanoseconds."""
        began_ns, wall_ns = self._clock.monotonic_ns(), self._clock.time_ns()
        response = await self._send("GET", self._routes.time, "")
        round_trip_ns = self._clock.monotonic_ns() - began_ns
        venue_ns = _read(self._routes.time, response, _Time).serverTime * NS_PER_MS
        self.offset_ns = venue_ns - (wall_ns + round_trip_ns // 2)
        return round_trip_ns

    async def prove_rights(self, symbol: str) -> None:
        """Cancel an order that does not exist: the venue must not know it, which it says only to a key that may cancel."""
        try:
            await self._signed("DELETE", self._routes.order, {"symbol": symbol, "origClientOrderId": PROBE_ID})
        except CancelRefused as refused:
            if refused.code != NOTHING_OPEN:
                raise

    async def cancel_all(self, symbol: str) -> int:
        """Cancel everything of the symbol; returns how many services had something to cancel, 0 where nothing was open."""
        found = 0
        for path in self._routes.cancel_all:
            try:
                await self._signed("DELETE", path, {"symbol": symbol})
                found += 1
            except CancelRefused as refused:
                if refused.code != NOTHING_OPEN:
                    raise
        return found

    async def cancel_open(self, symbol: str) -> int:
        """As `cancel_all`, but 0 where nothing was open at every venue; for what is mostly clean, since it may look first."""
        if self._routes.tells_nothing_open or await self.open_orders(symbol):
            return await self.cancel_all(symbol)
        return 0

    async def open_symbols(self) -> set[str]:
        """In which symbols orders of the account are open."""
        found = set()
        for path in self._routes.open_orders:
            response = await self._signed("GET", path, {}, self._routes.all_open_weight)
            found |= {order.symbol for order in _read(path, response, list[_Open])}
        return found

    async def open_orders(self, symbol: str) -> int:
        """How many orders of the account are open in the symbol."""
        count = 0
        for path in self._routes.open_orders:
            response = await self._signed("GET", path, {"symbol": symbol}, self._routes.open_weight)
            count += len(_read(path, response, list[msgspec.Raw]))
        return count

    async def _signed(self, method: str, path: str, params: dict[str, str], weight: int = 1) -> HttpResponse:
        """Sign with the venue's time as we know it; where it finds that wrong, ask its clock and try once more."""
        try:
            return await self._send(method, path, self._query(params), weight)
        except CancelRefused as refused:
            if refused.code != CLOCK_REFUSED:
                raise
        await self.measure_time()
        return await self._send(method, path, self._query(params), weight)

    def _query(self, params: dict[str, str]) -> str:
        timestamp_ms = (self._clock.time_ns() + self.offset_ns) // NS_PER_MS
        named = {**params, "recvWindow": str(self._recv_window_ms), "timestamp": str(timestamp_ms)}
        query = urlencode(named, quote_via=quote)
        return f"{query}&signature={quote(self._sign(query.encode()), safe='')}"

    async def _send(self, method: str, path: str, query: str, weight: int = 1) -> HttpResponse:
        target = f"{path}?{query}" if query else path
        try:
            self._require_no_quiet()
            # and again when the bytes are about to leave: other symbols' cancels run beside this one
            response = await self._http.request(
                method, target, headers=self._headers, before_send=self._require_no_quiet
            )
        except NotAskedError:
            raise VenueQuiet(path, 0, 0, "the venue asked for quiet", self._quiet_left_ns() / NS_PER_S) from None
        now_ns = self._clock.monotonic_ns()
        self._spent_until_mono_ns = max(now_ns, self._spent_until_mono_ns) + weight * self._ns_per_weight
        if response.status == 200:
            return response
        raise self._refusal(path, response)

    def _quiet_left_ns(self) -> int:
        return self._quiet_until_mono_ns - self._clock.monotonic_ns()

    def _require_no_quiet(self) -> None:
        if self._quiet_left_ns() > 0:
            raise NotAskedError("the venue asked for quiet")

    def _refusal(self, path: str, response: HttpResponse) -> CancelRefused:
        try:
            error = msgspec.json.decode(response.body, type=_Error)
        except (msgspec.DecodeError, UnicodeDecodeError):
            error = _Error(msg=response.body[:200].decode("utf-8", "replace"))
        if response.status not in (418, 429):
            return CancelRefused(path, response.status, error.code, error.msg)
        wait_s = RETRY_AFTER_DEFAULT_S if response.retry_after_s is None else response.retry_after_s
        until_ns = self._clock.monotonic_ns() + int(wait_s * NS_PER_S)
        self._quiet_until_mono_ns = max(self._quiet_until_mono_ns, until_ns)
        return VenueQuiet(path, response.status, error.code, error.msg, wait_s)
