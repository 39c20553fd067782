"""Public REST: exchange information, depth snapshots, the server's time; spot's, and the parent of USD-M's.

Answers that are no 200 are VenueError with the exchange's own code and text. A wait that it asks for (429, 418) is kept: nothing is
sent before it is over, cancels and the dead-man switch neither, since what comes inside it makes it longer. It is looked at when
the connection stands and the bytes are about to leave; what is kept back there waits for the quiet's end.
Source: Binance spot documentation, "General endpoints", "Market data endpoints", "Limits".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from engine.model.instruments import InstrumentSpec
from engine.runtime.clock import Clock
from engine.runtime.net import HttpClient, HttpResponse, NotAskedError
from engine.venues.binance.reference import (
    PUBLISHED_LIMITS,
    UNREADABLE,
    UnknownSymbolError,
    decode_exchange_info,
    decode_rate_limits,
)

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
RETRY_AFTER_DEFAULT_S = 60.0
NS_PER_MINUTE = 60 * NS_PER_S
# weight of GET depth up to so many levels
DEPTH_WEIGHTS = {100: 5, 500: 25, 1000: 50, 5000: 250}
DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000, 5000)
WEIGHT_INFO = 20
POLL_S = 0.05
POLL_CAP_S = 1.0
# of the minute's weight: what snapshots may use up, and what everything that can wait leaves to them and to orders
SNAPSHOT_SHARE = 0.8
POLL_SHARE = 0.5
# "Illegal characters found in parameter 'symbols'" and "Invalid symbol"
UNKNOWN_SYMBOL_CODES = frozenset({-1100, -1121})


class VenueError(Exception):
    """The exchange refused a request: HTTP status, its code and text, and how long it wants us to wait."""

    def __init__(self, path: str, status: int, code: int, text: str, retry_after_s: float | None) -> None:
        super().__init__(f"{path}: HTTP {status}, code {code}: {text}")
        self.status = status
        self.code = code
        self.text = text
        self.retry_after_s = retry_after_s


class QuietWanted(NotAskedError):
    """The venue wants no request now: this one was not sent."""


Body = TypeVar("Body")


def read_body(path: str, response: HttpResponse, kind: type[Body]) -> Body:
    """What the venue answered, as `kind`. VenueError where it cannot be read: the next request may be answered better."""
    try:
        return msgspec.json.decode(response.body, type=kind)
    except UNREADABLE as error:
        raise VenueError(path, response.status, 0, f"the answer cannot be read: {error}", None) from error


class _ErrorBody(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _ServerTime(msgspec.Struct):
    serverTime: int  # noqa: N815 - the venue's spelling


@dataclass(frozen=True)
class TimeSample:
    """Venue time minus ours, and half the round trip as its error; both in nanoseconds."""

    offset_ns: int
    error_ns: int
    round_trip_ns: int


class Shared(Protocol):
    """What the venue's other connections share with this one: one weight, one wish for quiet, since it counts by address."""

    def quiet_ns(self) -> int: ...
    def keep_quiet(self, duration_ns: int, status: int) -> None: ...
    def take_weight(self, weight: int) -> bool: ...


class RestMarket:
    """Public endpoints below one base address, such as https://api.binance.com."""

    api_path = "/api/v3"
    depth_weights: ClassVar[dict[int, int]] = DEPTH_WEIGHTS
    published_limits = PUBLISHED_LIMITS

    def __init__(self, http: HttpClient, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._quiet_until_mono_ns = 0
        self._shared: Shared | None = None
        self.rate_limited = 0
        self.used_weight_1m = 0
        self._weight_minute = 0
        self.rate_limits = dict(self.published_limits)

    def share(self, shared: Shared) -> None:
        """From now on weight and quiet are shared with `shared` (the order session)."""
        self._shared = shared

    async def exchange_info(self, venue_id: int, symbols: Iterable[str] | None = None) -> list[InstrumentSpec]:
        """Instruments of `symbols`, or all; `rate_limits` are the venue's from then on."""
        wanted = None if symbols is None else list(symbols)
        query = {} if wanted is None else {"symbols": json.dumps(wanted, separators=(",", ":"))}
        body = (await self._get("/exchangeInfo", query, WEIGHT_INFO)).body
        specs = decode_exchange_info(body, venue_id, wanted)
        self.rate_limits = decode_rate_limits(body)
        return specs

    async def depth(self, symbol: str, limit: int = 1000) -> bytes:
        """The body of GET depth, as it came: the codec decodes it into a record."""
        if limit not in DEPTH_LIMITS:
            raise ValueError(f"depth limit {limit} is none of {DEPTH_LIMITS}")
        weight = min(weight for levels, weight in self.depth_weights.items() if levels >= limit)
        await self._wait_for_share(weight, SNAPSHOT_SHARE)
        return (await self._get("/depth", {"symbol": symbol, "limit": str(limit)}, weight)).body

    async def listed(self, venue_id: int, symbols: Iterable[str]) -> dict[str, InstrumentSpec]:
        """Those of `symbols` that the exchange still lists, as it defines them now."""
        wanted = list(symbols)
        try:
            return {spec.symbol: spec for spec in await self.exchange_info(venue_id, wanted)} if wanted else {}
        except UnknownSymbolError as error:
            return await self.listed(venue_id, [symbol for symbol in wanted if symbol not in error.missing])
        except VenueError as error:
            if error.code not in UNKNOWN_SYMBOL_CODES:
                raise
            if len(wanted) == 1:
                return {}
        # one of them is the reason: asked for one by one
        found = [await self.listed(venue_id, [symbol]) for symbol in wanted]
        return {symbol: spec for one in found for symbol, spec in one.items()}

    async def poll(self, path: str, query: Mapping[str, str], weight: int) -> bytes:
        """The body of a public GET that can wait; `path` is whole, as "/fapi/v1/openInterest"."""
        await self._wait_for_share(weight, POLL_SHARE)
        target = f"{path}?{urlencode(query, quote_via=quote)}"
        return self._accept(path, await self._when_allowed(weight, lambda: self._send("GET", target))).body

    async def _wait_for_share(self, weight: int, share: float) -> None:
        """Until a request of this weight stays within this share of the minute's limit, by what the venue has counted."""
        limit = self.rate_limits["REQUEST_WEIGHT", "MINUTE"] * share
        while (used := self.weight_now()) and used + weight > limit:
            await asyncio.sleep((NS_PER_MINUTE - self._clock.time_ns() % NS_PER_MINUTE) / NS_PER_S)

    def weight_now(self) -> int:
        """Weight that this address used in this minute, as the venue last said."""
        return self.used_weight_1m if self._clock.time_ns() // NS_PER_MINUTE == self._weight_minute else 0

    async def server_time(self) -> TimeSample:
        """One measurement of the venue's clock against ours."""
        sent_mono_ns, sent_wall_ns = self._clock.monotonic_ns(), self._clock.time_ns()

        def on_leave() -> None:
            nonlocal sent_mono_ns, sent_wall_ns
            sent_mono_ns, sent_wall_ns = self._clock.monotonic_ns(), self._clock.time_ns()

        target = f"{self.api_path}/time"
        response = self._accept(
            "/time", await self._when_allowed(1, lambda: self._send("GET", target, on_leave=on_leave))
        )
        round_trip_ns = self._clock.monotonic_ns() - sent_mono_ns
        venue_ns = read_body("/time", response, _ServerTime).serverTime * NS_PER_MS
        # the venue's stamp is cut to a millisecond: half of one more on either side
        return TimeSample(
            offset_ns=venue_ns + NS_PER_MS // 2 - (sent_wall_ns + round_trip_ns // 2),
            error_ns=round_trip_ns // 2 + NS_PER_MS // 2,
            round_trip_ns=round_trip_ns,
        )

    async def best_server_time(self, samples: int = 3) -> TimeSample:
        """The measurement with the least error out of a few."""
        return min([await self.server_time() for _ in range(samples)], key=lambda sample: sample.error_ns)

    async def _get(self, path: str, query: dict[str, str], cost: int = 1) -> HttpResponse:
        target = self.api_path + path + ("?" + urlencode(query, quote_via=quote) if query else "")
        return self._accept(path, await self._when_allowed(cost, lambda: self._send("GET", target)))

    async def _send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        on_leave: Callable[[], None] | None = None,
    ) -> HttpResponse:
        """The one way out of every request. QuietWanted where the venue wants none as the bytes are about to leave.

        `on_leave` is called when they do: what was waited for before that is no part of a round trip.
        """

        def before_send() -> None:
            self._require_no_quiet()
            if on_leave is not None:
                on_leave()

        return await self._http.request(method, target, headers=headers, before_send=before_send)

    def _require_no_quiet(self) -> None:
        if (left_ns := self.quiet_left_ns()) > 0:
            raise QuietWanted(f"the venue asked for quiet, {left_ns / NS_PER_S:.1f} s are left: not sent")

    async def _when_allowed(self, weight: int, send: Callable[[], Awaitable[HttpResponse]]) -> HttpResponse:
        """The answer to what `send` sends, once it may; kept back on its way out, it waits again and is made anew."""
        while True:
            await self._wait_until_allowed(weight)
            try:
                return await send()
            except QuietWanted:
                continue

    def _accept(self, path: str, response: HttpResponse) -> HttpResponse:
        """The answer where it is a 200; its weight counted either way. VenueError otherwise."""
        weight = response.headers.get("x-mbx-used-weight-1m", "")
        if weight.isdigit():
            self.used_weight_1m = int(weight)
            self._weight_minute = self._clock.time_ns() // NS_PER_MINUTE
        if response.status == 200:
            return response
        raise self._refusal(path, response)

    async def _wait_until_allowed(self, cost: int = 1) -> None:
        """Until nobody wants quiet any more and the shared weight has room."""
        while (wait_ns := self._quiet_left_ns()) > 0 or not self._has_weight(cost):
            await asyncio.sleep(min(max(wait_ns / NS_PER_S, POLL_S), POLL_CAP_S))

    def quiet_left_ns(self) -> int:
        """How long the venue wants no request, by anything that it has told this process; 0 = it takes them."""
        return max(0, self._quiet_left_ns())

    def _quiet_left_ns(self) -> int:
        left_ns = self._quiet_until_mono_ns - self._clock.monotonic_ns()
        return left_ns if self._shared is None else max(left_ns, self._shared.quiet_ns())

    def _has_weight(self, weight: int) -> bool:
        return self._shared is None or self._shared.take_weight(weight)

    def _refusal(self, path: str, response: HttpResponse) -> VenueError:
        retry_after_s = response.retry_after_s
        if response.status in (418, 429):
            retry_after_s = RETRY_AFTER_DEFAULT_S if retry_after_s is None else retry_after_s
            self.rate_limited += 1
            quiet_ns = int(retry_after_s * NS_PER_S)
            # an answer that was under way before a longer wish does not cut that one short
            self._quiet_until_mono_ns = max(self._quiet_until_mono_ns, self._clock.monotonic_ns() + quiet_ns)
            if self._shared is not None:
                self._shared.keep_quiet(quiet_ns, response.status)
        try:
            error = msgspec.json.decode(response.body, type=_ErrorBody)
        except UNREADABLE:
            error = _ErrorBody(code=0, msg=response.body[:200].decode("utf-8", "replace"))
        return VenueError(path, response.status, error.code, error.msg, retry_after_s)
