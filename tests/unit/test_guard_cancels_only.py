"""The guard's session at the venue: what it sends, what it takes for an answer, and that nothing in it opens an order."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from engine.guard.sweep import Progress, Sweep
from engine.runtime.clock import Clock
from engine.runtime.net import HttpResponse, NetError
from engine.venues.binance.rest_cancel import (
    SPOT_ROUTES,
    USDM_ROUTES,
    CancelRefused,
    CancelRoutes,
    RestCancel,
    VenueQuiet,
    signer,
)

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"of-the-guard"
UNKNOWN = HttpResponse(400, {}, b'{"code":-2011,"msg":"Unknown order sent."}')
TIME = HttpResponse(200, {}, b'{"serverTime":1763640000123}')


class FakeHttp:
    """Answers by method and path; what is not given is an empty list."""

    def __init__(self, answers: dict[tuple[str, str], list[HttpResponse | NetError]] | None = None) -> None:
        self.sent: list[tuple[str, str, dict[str, str]]] = []
        self.raw: list[str] = []
        self._answers = answers or {}

    async def request(self, method: str, target: str, **options: Any) -> HttpResponse:
        path, _, query = target.partition("?")
        self.sent.append((method, path, dict(parse_qsl(query))))
        self.raw.append(query)
        waiting = self._answers.get((method, path), [])
        answer = waiting.pop(0) if waiting else TIME if path.endswith("/time") else HttpResponse(200, {}, b"[]")
        if isinstance(answer, NetError):
            raise answer
        return answer


def session(http: FakeHttp, routes: CancelRoutes = SPOT_ROUTES, clock: Clock | None = None) -> RestCancel:
    """A canceller on the fake."""
    sign = signer("hmac", SECRET, lambda _: lambda message: message)
    return RestCancel(http, clock or Clock.virtual(), routes, "key", sign, 5000)  # type: ignore[arg-type]


def run(job: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end."""
    return asyncio.run(job)


def test_a_cancel_all_is_signed_over_the_query_as_it_is_sent() -> None:
    http = FakeHttp()
    assert run(session(http).cancel_all("BTCUSDT")) == 1
    [(method, path, query)] = http.sent
    assert (method, path, query["symbol"], query["recvWindow"]) == ("DELETE", "/api/v3/openOrders", "BTCUSDT", "5000")
    signed, _, signature = http.raw[0].partition("&signature=")
    assert signature == hmac.new(SECRET, signed.encode(), hashlib.sha256).hexdigest()


def test_futures_are_cancelled_and_verified_in_both_services() -> None:
    http = FakeHttp()
    canceller = session(http, USDM_ROUTES)
    run(canceller.cancel_all("BTCUSDT"))
    run(canceller.open_orders("BTCUSDT"))
    assert [(method, path) for method, path, _ in http.sent] == [
        ("DELETE", "/fapi/v1/allOpenOrders"),
        ("DELETE", "/fapi/v1/algoOpenOrders"),
        ("GET", "/fapi/v1/openOrders"),
        ("GET", "/fapi/v1/openAlgoOrders"),
    ]


def test_nothing_open_is_an_answer_and_not_a_fault() -> None:
    http = FakeHttp({("DELETE", "/api/v3/openOrders"): [UNKNOWN], ("DELETE", "/api/v3/order"): [UNKNOWN]})
    canceller = session(http)
    assert run(canceller.cancel_all("BTCUSDT")) == 0
    run(canceller.prove_rights("BTCUSDT"))


def test_a_key_that_may_not_cancel_is_told_apart() -> None:
    refused = HttpResponse(401, {}, b'{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}')
    with pytest.raises(CancelRefused) as caught:
        run(session(FakeHttp({("DELETE", "/api/v3/order"): [refused]})).prove_rights("BTCUSDT"))
    assert caught.value.is_key


def test_a_timestamp_that_is_refused_is_mended_by_the_venues_clock_and_tried_once_more() -> None:
    late = HttpResponse(400, {}, b'{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}')
    http = FakeHttp({("DELETE", "/api/v3/openOrders"): [late]})
    assert run(session(http).cancel_all("BTCUSDT")) == 1
    assert [path for _, path, _ in http.sent] == ["/api/v3/openOrders", "/api/v3/time", "/api/v3/openOrders"]
    assert http.sent[2][2]["timestamp"] == "1763640000123"


@pytest.mark.invariant("R17")
def test_inside_a_retry_after_nothing_leaves_not_even_a_cancel() -> None:
    clock = Clock.virtual()
    http = FakeHttp({("DELETE", "/api/v3/openOrders"): [HttpResponse(429, {"retry-after": "7"}, b'{"code":-1003}')]})
    canceller = session(http, clock=clock)
    with pytest.raises(VenueQuiet) as quiet:
        run(canceller.cancel_all("BTCUSDT"))
    assert quiet.value.wait_s == 7
    with pytest.raises(VenueQuiet):
        run(canceller.open_orders("BTCUSDT"))
    assert len(http.sent) == 1
    clock.advance(7_000_000_000)
    assert run(canceller.open_orders("BTCUSDT")) == 0


def test_a_sweep_goes_on_until_the_venue_says_that_nothing_is_open() -> None:
    one = HttpResponse(200, {}, b'[{"orderId":1}]')
    http = FakeHttp(
        {
            ("DELETE", "/api/v3/openOrders"): [NetError("cut"), HttpResponse(500, {}, b"down")],
            ("GET", "/api/v3/openOrders"): [one, one],
        }
    )
    told: list[str] = []
    progress = Progress("drill", ("BTCUSDT", "ETHUSDT"), 0)
    sweep = Sweep("venue", session(http), Clock.virtual(), lambda event, **_: told.append(event))
    run(sweep.run(progress))
    assert progress.is_verified
    assert progress.open_left == {"BTCUSDT": 0, "ETHUSDT": 0}
    assert (told.count("failed"), told[-1]) == (2, "verified")


@pytest.mark.invariant("R24")
def test_nothing_that_the_guard_runs_could_open_an_order() -> None:
    sources = [*(ROOT / "engine/guard").glob("*.py"), ROOT / "engine/venues/binance/rest_cancel.py"]
    assert len(sources) > 5
    for path in sources:
        text = path.read_text()
        assert not re.search(r"\"(POST|PUT|PATCH)\"|order\.place|batchOrders|cancelReplace|ApprovedOrder", text), path
    http = FakeHttp({("DELETE", "/api/v3/order"): [UNKNOWN]})
    canceller = session(http)
    named = {"prove_rights", "cancel_all", "cancel_open", "open_orders"}
    bare = {"measure_time", "open_symbols"}
    for name in sorted(named | bare):
        run(getattr(canceller, name)(*(["BTCUSDT"] if name in named else [])))
    assert {method for method, _, _ in http.sent} == {"GET", "DELETE"}
    public = {name for name in vars(RestCancel) if not name.startswith("_")}
    assert public == named | bare | {"rest_s"}
