"""A venue's HTTP behind circuit breakers, one for each endpoint; what is idempotent is asked again with back-off and jitter.

A failure is no whole reply, or a status of 500 and above: the venue could not answer. What it refuses (4xx) it has answered.
An open breaker fails requests at once, without asking the venue; after the cool-down one request at a time shows whether it
is well again. Nothing that cancels ever waits for a breaker: DELETE and the dead-man switch go always. A wish
for quiet (429, 418) is no breaker and holds for them too, behind this guard: what it keeps back (NotAskedError) is no failure and
not asked again here. Only GET and DELETE are asked again, never a POST or PUT: it may have been carried out.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.config_risk_schema import HealthSection
from engine.model.codes import BreakerState
from engine.risk.measures import CircuitBreaker
from engine.runtime.clock import Clock
from engine.runtime.net import HttpResponse, NetError, NotAskedError

NS_PER_MS = 1_000_000
MS_PER_S = 1000
IDEMPOTENT = frozenset({"GET", "DELETE"})
# they take risk away: no breaker stands before them (a venue's wish for quiet does, see RestMarket)
ALWAYS = ("/countdownCancelAll",)


class BreakerOpenError(NotAskedError):
    """The endpoint's breaker is open."""


@dataclass(frozen=True)
class GuardTerms:
    """When breakers open and close (see `CircuitBreaker`), and how often and after what pauses a request is repeated."""

    failures: int
    window_ns: int
    cooldown_ns: int
    probes: int
    retries: int
    retry_first_ms: int
    retry_most_ms: int


def guard_terms(health: HealthSection) -> GuardTerms:
    """The configuration's table in the guard's units."""
    return GuardTerms(
        failures=health.failures,
        window_ns=health.window_ms * NS_PER_MS,
        cooldown_ns=health.cooldown_ms * NS_PER_MS,
        probes=health.probes,
        retries=health.retries,
        retry_first_ms=health.retry_first_ms,
        retry_most_ms=health.retry_most_ms,
    )


@dataclass(frozen=True)
class HealthChange:
    """One endpoint's breaker moved; `worst` is the worst of all endpoints now."""

    endpoint: str
    state: BreakerState
    previous: BreakerState
    worst: BreakerState


class Http(Protocol):
    """What is guarded: `engine.runtime.net.HttpClient`."""

    async def request(self, method: str, target: str, **options: Any) -> HttpResponse: ...
    async def close(self) -> None: ...


class GuardedHttp:
    """Stands where the client stood. Until `watch` it only passes on: a start that cannot reach its venue ends by itself."""

    def __init__(
        self,
        http: Http,
        clock: Clock,
        rng: random.Random,
        terms: GuardTerms,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._clock = clock
        self._rng = rng
        self._terms = terms
        self._sleep = sleep
        self._breakers: dict[str, tuple[CircuitBreaker, int]] = {}
        self._tell: Callable[[HealthChange], None] | None = None

    def watch(self, tell: Callable[[HealthChange], None]) -> None:
        """Guard from now on; `tell` hears of every breaker that moves."""
        self._tell = tell

    async def get(self, target: str, **options: Any) -> HttpResponse:
        """A GET."""
        return await self.request("GET", target, **options)

    async def request(self, method: str, target: str, **options: Any) -> HttpResponse:
        """As the client's; BreakerOpenError (a NetError) where the endpoint's breaker is open."""
        if self._tell is None:
            return await self._http.request(method, target, **options)
        endpoint = f"{method} {target.split('?')[0]}"
        is_free = method == "DELETE" or endpoint.endswith(ALWAYS)
        for attempt in range(self._terms.retries + 1):
            is_last = method not in IDEMPOTENT or attempt == self._terms.retries
            try:
                response = await self._ask(endpoint, is_free, method, target, options)
            except NotAskedError:
                raise
            except NetError:
                if is_last:
                    raise
            else:
                if response.status < 500 or is_last:
                    return response
            await self._sleep(self._pause_s(attempt))
        raise AssertionError("the last attempt returns or raises")

    async def _ask(
        self, endpoint: str, is_free: bool, method: str, target: str, options: Mapping[str, Any]
    ) -> HttpResponse:
        """One request and what it says of the endpoint."""
        breaker = self._breaker(endpoint)
        if not self._allows(endpoint, breaker) and not is_free:
            left_s = breaker.left_ns(self._clock.monotonic_ns()) / 1e9
            raise BreakerOpenError(f"{endpoint}: the circuit breaker is open, {left_s:.1f} s are left")
        breaker.begin()
        try:
            response = await self._http.request(method, target, **options)
        except BaseException as error:
            # a request that was given up says nothing good either: a probe must not wait for it
            is_probe = breaker.state is BreakerState.HALF_OPEN
            if isinstance(error, NetError | asyncio.CancelledError) and (
                is_probe or not isinstance(error, NotAskedError)
            ):
                self._note(endpoint, breaker, is_good=False)
            raise
        self._note(endpoint, breaker, is_good=response.status < 500)
        return response

    def _breaker(self, endpoint: str) -> CircuitBreaker:
        """The endpoint's own, made at first sight; when it was used last is kept beside it."""
        found = self._breakers.get(endpoint)
        breaker = found[0] if found else self._new()
        self._breakers[endpoint] = breaker, self._clock.monotonic_ns()
        return breaker

    def _new(self) -> CircuitBreaker:
        terms = self._terms
        return CircuitBreaker(
            failures=terms.failures, window_ns=terms.window_ns, cooldown_ns=terms.cooldown_ns, probes=terms.probes
        )

    def _allows(self, endpoint: str, breaker: CircuitBreaker) -> bool:
        before = breaker.state
        is_allowed = breaker.allows(self._clock.monotonic_ns())
        self._told(endpoint, breaker, before)
        return is_allowed

    def _note(self, endpoint: str, breaker: CircuitBreaker, *, is_good: bool) -> None:
        before = breaker.state
        if is_good:
            breaker.succeed()
        else:
            breaker.fail(self._clock.monotonic_ns())
        self._told(endpoint, breaker, before)

    def _told(self, endpoint: str, breaker: CircuitBreaker, before: BreakerState) -> None:
        if breaker.state is not before and self._tell is not None:
            self._tell(HealthChange(endpoint, breaker.state, before, self.worst()))

    def worst(self) -> BreakerState:
        """The worst breaker of all endpoints."""
        return max((breaker.state for breaker, _ in self._breakers.values()), default=BreakerState.CLOSED)

    def look(self) -> None:
        """Between requests: cool-downs end, and an endpoint that nobody asks any more is forgotten."""
        now_ns = self._clock.monotonic_ns()
        for endpoint, (breaker, used_ns) in list(self._breakers.items()):
            if breaker.state is BreakerState.CLOSED:
                continue
            self._allows(endpoint, breaker)
            if now_ns - used_ns > self._terms.cooldown_ns + self._terms.window_ns:
                before = breaker.state
                del self._breakers[endpoint]
                if self._tell is not None:
                    self._tell(HealthChange(endpoint, BreakerState.CLOSED, before, self.worst()))

    def _pause_s(self, attempt: int) -> float:
        """Doubled each time up to the most, of which a random part between half and all is waited."""
        longest_ms = min(self._terms.retry_first_ms << attempt, self._terms.retry_most_ms)
        return longest_ms * (0.5 + self._rng.random() / 2) / MS_PER_S

    async def close(self) -> None:
        """Close what is kept alive."""
        await self._http.close()
