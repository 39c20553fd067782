"""Circuit breakers around a venue's HTTP: what opens them, what passes all the same, what is asked again and what never is."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from engine.guarded_http import BreakerOpenError, GuardedHttp, GuardTerms, HealthChange
from engine.model.codes import BreakerState
from engine.runtime.clock import Clock
from engine.runtime.net import HttpResponse, NetError, NotAskedError

S = 1_000_000_000
TERMS = GuardTerms(
    failures=3, window_ns=30 * S, cooldown_ns=10 * S, probes=2, retries=2, retry_first_ms=100, retry_most_ms=150
)


class Venue:
    """Answers from a list: a status, None for no reply, 0 for what is kept back on its way out; the last one stays."""

    def __init__(self, *answers: int | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def request(self, method: str, target: str, **_options: Any) -> HttpResponse:
        self.asked.append(f"{method} {target}")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise NetError("no reply")
        if answer == 0:
            raise NotAskedError("the venue wants quiet")
        return HttpResponse(answer, {}, b"")

    async def close(self) -> None: ...


class Rig:
    """A guard over a venue, under a clock that stands; pauses and changes are noted."""

    def __init__(self, *answers: int | None, terms: GuardTerms = TERMS) -> None:
        self.clock = Clock.virtual()
        self.venue = Venue(*answers)
        self.pauses: list[float] = []
        self.changes: list[HealthChange] = []
        self.http = GuardedHttp(self.venue, self.clock, random.Random(1), terms, sleep=self.sleep)
        self.http.watch(self.changes.append)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def ask(self, method: str = "GET", target: str = "/fapi/v1/depth?symbol=X") -> int:
        return asyncio.run(self.http.request(method, target)).status

    def fail(self, method: str = "GET", target: str = "/fapi/v1/depth?symbol=X") -> None:
        with pytest.raises(NetError):
            self.ask(method, target)


def test_a_get_is_asked_again_with_growing_pauses_and_jitter() -> None:
    rig = Rig(None, 503, 200)
    assert rig.ask() == 200
    assert len(rig.venue.asked) == 3
    assert 0.05 <= rig.pauses[0] <= 0.1
    assert 0.075 <= rig.pauses[1] <= 0.15


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("answer", [None, 503])
def test_what_may_have_been_carried_out_is_never_asked_again(method: str, answer: int | None) -> None:
    rig = Rig(answer)
    if answer is None:
        rig.fail(method, "/fapi/v1/order")
    else:
        assert rig.ask(method, "/fapi/v1/order") == 503
    assert len(rig.venue.asked) == 1


def test_a_refusal_is_an_answer_not_a_failure() -> None:
    rig = Rig(429)
    assert [rig.ask() for _ in range(5)] == [429] * 5
    assert rig.changes == []


def test_an_open_breaker_asks_nobody_and_one_endpoints_is_not_anothers() -> None:
    rig = Rig(None)
    rig.fail()
    assert [(change.endpoint, change.state) for change in rig.changes] == [("GET /fapi/v1/depth", BreakerState.OPEN)]
    asked = len(rig.venue.asked)
    with pytest.raises(BreakerOpenError, match=r"10\.0 s are left"):
        rig.ask()
    assert len(rig.venue.asked) == asked
    rig.venue.answers = [200]
    assert rig.ask(target="/fapi/v1/time") == 200


def test_cancels_and_the_dead_man_switch_pass_an_open_breaker() -> None:
    rig = Rig(None)
    for method, target in (("DELETE", "/fapi/v1/allOpenOrders"), ("POST", "/fapi/v1/countdownCancelAll")):
        for _ in range(3):
            rig.fail(method, target)
    rig.venue.answers = [200]
    assert rig.ask("DELETE", "/fapi/v1/allOpenOrders?symbol=X") == 200
    assert rig.ask("POST", "/fapi/v1/countdownCancelAll?symbol=X") == 200


def test_it_closes_after_its_cooldown_and_probes_and_a_forgotten_endpoint_too() -> None:
    rig = Rig(None, terms=GuardTerms(**{**vars(TERMS), "retries": 0}))
    for _ in range(3):
        rig.fail()
    rig.clock.advance(10 * S)
    rig.http.look()
    assert rig.changes[-1].state.name == "HALF_OPEN"
    rig.venue.answers = [200]
    assert [rig.ask(), rig.ask()] == [200, 200]
    assert rig.changes[-1].state.name == "CLOSED"
    rig.venue.answers = [None]
    for _ in range(3):
        rig.fail()
    assert rig.http.worst() == BreakerState.OPEN
    rig.clock.advance(41 * S)
    rig.http.look()
    assert (rig.changes[-1].state, rig.http.worst()) == (BreakerState.CLOSED, BreakerState.CLOSED)


@pytest.mark.invariant("R17")
def test_what_was_kept_back_on_its_way_out_is_not_asked_again_and_opens_no_breaker() -> None:
    rig = Rig(0)
    for method in ("GET", "DELETE", "POST"):
        for _ in range(5):
            with pytest.raises(NotAskedError):
                rig.ask(method)
    assert (len(rig.venue.asked), rig.pauses, rig.changes) == (15, [], [])


def test_a_probe_that_was_kept_back_holds_up_no_later_one() -> None:
    rig = Rig(None, terms=GuardTerms(**{**vars(TERMS), "retries": 0}))
    for _ in range(3):
        rig.fail()
    rig.clock.advance(10 * S)
    rig.venue.answers = [0]
    with pytest.raises(NotAskedError):
        rig.ask()
    rig.clock.advance(10 * S)
    rig.venue.answers = [200]
    assert [rig.ask(), rig.ask()] == [200, 200]
    assert rig.changes[-1].state.name == "CLOSED"


def test_a_start_is_not_guarded() -> None:
    venue = Venue(None)
    http = GuardedHttp(venue, Clock.virtual(), random.Random(1), TERMS)
    with pytest.raises(NetError):
        asyncio.run(http.get("/fapi/v1/exchangeInfo"))
    assert len(venue.asked) == 1
