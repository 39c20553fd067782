"""A wish for quiet (429, 418) that comes while a request waits for its connection: not a byte leaves before the quiet is over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from engine.credentials import Credentials
from engine.runtime.clock import Clock
from engine.runtime.net import HttpResponse, NetError, NotAskedError
from engine.venues.binance.rest_cancel import USDM_ROUTES, RestCancel, VenueQuiet
from engine.venues.binance.rest_market import QuietWanted, RestMarket
from engine.venues.binance.usdm_rest import UsdmRest

S = 1_000_000_000
QUIET_S = 5
BANNED = HttpResponse(418, {"retry-after": str(QUIET_S)}, b'{"code":-1003,"msg":"banned"}')
BODIES = {
    "/fapi/v1/time": {"serverTime": 1763640000000},
    "/api/v3/time": {"serverTime": 1763640000000},
    "/fapi/v1/listenKey": {"listenKey": "abc"},
    "/fapi/v1/countdownCancelAll": {"symbol": "BTCUSDT", "countdownTime": "60000"},
}


class OrderSide:
    """The order session: its connection is told to be quiet; weight there is enough of."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.until_ns = 0
        self.taken: list[int] = []

    def quiet_ns(self) -> int:
        return max(0, self.until_ns - int(self.clock.monotonic_ns()))

    def keep_quiet(self, duration_ns: int, status: int) -> None:
        self.until_ns = self.clock.monotonic_ns() + duration_ns

    def take_weight(self, weight: int) -> bool:
        self.taken.append(weight)
        return True


class Venue:
    """Makes a connection, during which `while_connecting` happens once, and takes what is then sent: (when, method, path)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.while_connecting: Callable[[], None] = lambda: None
        self.came: list[tuple[int, str, str]] = []
        self.stamps_ms: list[int] = []

    async def request(
        self, method: str, target: str, *, headers: Any = None, before_send: Callable[[], None] = lambda: None
    ) -> HttpResponse:
        assert headers is None or isinstance(headers, dict)
        happens, self.while_connecting = self.while_connecting, lambda: None
        happens()
        before_send()
        parts = urlsplit(target)
        self.came.append((self.clock.monotonic_ns(), method, parts.path))
        self.stamps_ms += [int(text) for text in parse_qs(parts.query).get("timestamp", ())]
        return HttpResponse(200, {}, json.dumps(BODIES.get(parts.path, {})).encode())


class Stand:
    """A client, a venue and the order session beside it, under a clock that only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock.virtual()
        self.venue = Venue(self.clock)
        self.orders = OrderSide(self.clock)

        async def sleep(seconds: float) -> None:
            self.clock.advance(int(seconds * S))

        monkeypatch.setattr("engine.venues.binance.rest_market.asyncio.sleep", sleep)

    def usdm(self) -> UsdmRest:
        rest = UsdmRest(self.venue, self.clock)  # type: ignore[arg-type]
        rest.authorize(Credentials("hmac", "key-1", b"secret"))
        rest.offset_ns = 0
        rest.share(self.orders)
        return rest

    def spot(self) -> RestMarket:
        rest = RestMarket(self.venue, self.clock)  # type: ignore[arg-type]
        rest.share(self.orders)
        return rest

    def told_while_connecting(self, status: int) -> int:
        """The order connection is told 429 or 418 as the next request's is being made; returns when the quiet ends."""
        self.venue.while_connecting = lambda: self.orders.keep_quiet(QUIET_S * S, status)
        return int(self.clock.monotonic_ns()) + QUIET_S * S


KINDS: dict[str, Callable[[UsdmRest], Awaitable[Any]]] = {
    "GET /fapi/v1/time": lambda rest: rest.server_time(),
    "GET /fapi/v1/depth": lambda rest: rest.depth("BTCUSDT"),
    "GET /fapi/v1/openInterest": lambda rest: rest.poll("/fapi/v1/openInterest", {"symbol": "BTCUSDT"}, 1),
    "GET /fapi/v1/openOrders": lambda rest: rest.fetch("/fapi/v1/openOrders", {}),
    "GET /fapi/v1/openAlgoOrders": lambda rest: rest.fetch("/fapi/v1/openAlgoOrders", {}),
    "GET /fapi/v3/balance": lambda rest: rest.signed("GET", "/fapi/v3/balance"),
    "POST /fapi/v1/leverage": lambda rest: rest.signed("POST", "/fapi/v1/leverage", {"leverage": 3}),
    "POST /fapi/v1/listenKey": lambda rest: rest.start_listen_key(),
    "PUT /fapi/v1/listenKey": lambda rest: rest.keep_listen_key(),
    "POST /fapi/v1/countdownCancelAll": lambda rest: rest.countdown_cancel_all("BTCUSDT", 60_000),
}


@pytest.mark.invariant("R17")
@pytest.mark.parametrize("status", [429, 418])
@pytest.mark.parametrize("kind", KINDS)
def test_what_waited_for_its_connection_leaves_when_the_quiet_is_over(
    kind: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(monkeypatch)
    until_ns = stand.told_while_connecting(status)
    asyncio.run(KINDS[kind](stand.usdm()))  # type: ignore[arg-type]
    ((came_ns, method, path),) = stand.venue.came
    assert f"{method} {path}" == kind
    assert until_ns <= came_ns <= until_ns + S
    # signed when it left, not when it was wished for
    assert all(stamp_ms * 1_000_000 >= stand.clock.time_ns() - S for stamp_ms in stand.venue.stamps_ms)


@pytest.mark.invariant("R17")
def test_a_snapshot_of_spot_waits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch)
    until_ns = stand.told_while_connecting(429)
    asyncio.run(stand.spot().depth("BTCUSDT"))
    assert [came_ns >= until_ns for came_ns, _, _ in stand.venue.came] == [True]


@pytest.mark.invariant("R17")
@pytest.mark.parametrize("is_told_before", [True, False])
def test_a_cancel_of_all_is_not_sent_inside_a_ban_and_not_later_either(
    is_told_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(monkeypatch)
    rest = stand.usdm()
    if is_told_before:
        stand.orders.keep_quiet(QUIET_S * S, 418)
    else:
        stand.told_while_connecting(418)
    with pytest.raises(QuietWanted, match=r"5\.0 s are left"):
        asyncio.run(rest.cancel_all("BTCUSDT"))
    assert stand.venue.came == []
    # what is known to be in vain asks for no connection and takes no weight
    assert stand.orders.taken == ([] if is_told_before else [2])
    assert issubclass(QuietWanted, NetError)  # what a kill's cancel-all is ready for


@pytest.mark.invariant("R17")
def test_a_cancel_of_all_whose_first_half_was_done_leaves_the_second_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch)
    rest = stand.usdm()

    async def told_after_the_first(method: str, target: str, **options: Any) -> HttpResponse:
        response = await Venue.request(stand.venue, method, target, **options)
        stand.orders.keep_quiet(QUIET_S * S, 418)
        return response

    monkeypatch.setattr(stand.venue, "request", told_after_the_first)
    with pytest.raises(QuietWanted):
        asyncio.run(rest.cancel_all("BTCUSDT"))
    assert [path for _, _, path in stand.venue.came] == ["/fapi/v1/allOpenOrders"]


def test_a_wait_for_quiet_is_no_part_of_the_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch)
    stand.told_while_connecting(429)
    assert asyncio.run(stand.usdm().server_time()).round_trip_ns == 0
    stand.told_while_connecting(429)
    left_ns: list[int] = []
    fetched = stand.usdm().fetch(
        "/fapi/v1/time", {}, is_signed=False, on_leave=lambda: left_ns.append(stand.clock.monotonic_ns())
    )
    asyncio.run(fetched)
    assert left_ns == [stand.venue.came[-1][0]]


@pytest.mark.invariant("R17")
def test_a_shorter_wish_does_not_cut_a_longer_one_short(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch)
    rest = RestMarket(stand.venue, stand.clock)  # type: ignore[arg-type]
    rest._refusal("/x", BANNED)
    rest._refusal("/x", HttpResponse(429, {"retry-after": "1"}, b""))
    assert rest.quiet_left_ns() == QUIET_S * S


@pytest.mark.invariant("R17")
def test_the_guards_cancel_of_one_symbol_is_kept_back_when_anothers_was_banned_meanwhile() -> None:
    clock = Clock.virtual()
    venue = Venue(clock)
    canceller = RestCancel(venue, clock, USDM_ROUTES, "key", lambda _message: "s", 5_000)  # type: ignore[arg-type]
    venue.while_connecting = lambda: (canceller._refusal("/fapi/v1/allOpenOrders", BANNED), None)[1]
    with pytest.raises(VenueQuiet) as told:
        asyncio.run(canceller.cancel_all("ETHUSDT"))
    assert (told.value.wait_s, venue.came) == (QUIET_S, [])
    assert issubclass(QuietWanted, NotAskedError)
