"""Keeps what the venue gives only over REST: asks at a stated interval and hands each body to a session, as an input like a frame.

Orders come first: a poll is put off while the minute's weight is more than half used, at most one is under way, and they start no
faster than `polls_per_s`. An answer that is the one before, byte for byte, is not recorded.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock

NS_PER_S = 1_000_000_000
POLLS_PER_S = 1.5
RETRY_S = 5.0
FIRST_WITHIN_S = 0.5


class Poll(Protocol):
    """What is asked: see `PollSource` of the venue."""

    @property
    def code(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def interval_s(self) -> float: ...
    @property
    def weight(self) -> int: ...
    @property
    def is_history(self) -> bool: ...


class PollSession(Protocol):
    """Where the bodies go."""

    def put_poll(self, poll: int, instrument_id: int, body: bytes) -> bool: ...


Fetch = Callable[[str, Mapping[str, str], int], Awaitable[bytes]]


class _FundingTime(msgspec.Struct):
    fundingTime: int  # noqa: N815 - the venue's spelling


@dataclass(order=True)
class _Due:
    at_s: float
    order: int
    poll: Any = field(compare=False)
    symbol: str = field(compare=False)
    instrument_id: int = field(compare=False)
    latest: bytes = field(compare=False, default=b"")
    after_ms: int = field(compare=False, default=0)


class PollKeeper:
    """`run` until cancelled. `fetch(path, query, weight)` gives a body, or raises; `errors` counts, `last_error` says why."""

    def __init__(
        self,
        *,
        clock: Clock,
        pipeline: Pipeline,
        session: PollSession,
        polls: Iterable[tuple[Poll, str, int]],
        fetch: Fetch,
        expected: tuple[type[Exception], ...],
        polls_per_s: float = POLLS_PER_S,
    ) -> None:
        self._clock = clock
        self._pipeline = pipeline
        self._session = session
        self._fetch = fetch
        self._expected = expected
        self._pause_s = 1.0 / polls_per_s
        start_s = clock.monotonic_ns() / NS_PER_S
        self._due = [_Due(start_s + FIRST_WITHIN_S, order, *row) for order, row in enumerate(polls)]
        heapq.heapify(self._due)
        self.errors = 0
        self.recorded = 0
        self.last_error = ""

    async def run(self) -> None:
        """Ask for whatever is due, one at a time."""
        while self._due:
            wait_s = self._due[0].at_s - self._clock.monotonic_ns() / NS_PER_S
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            due = heapq.heappop(self._due)
            due.at_s = self._clock.monotonic_ns() / NS_PER_S + await self._ask(due)
            heapq.heappush(self._due, due)
            await asyncio.sleep(self._pause_s)

    async def _ask(self, due: _Due) -> float:
        """One request; seconds until the next one of its kind."""
        query = {"symbol": due.symbol, **dict(due.poll.query)}
        if due.poll.is_history and due.after_ms:
            query["startTime"] = str(due.after_ms)
        try:
            body = await self._fetch(due.poll.path, query, due.poll.weight)
        except self._expected as error:
            self.errors += 1
            self.last_error = f"{due.poll.path} of {due.symbol}: {error}"
            return max(RETRY_S, float(due.poll.interval_s))
        if body != due.latest and not self._record(due, body):
            return RETRY_S
        return float(due.poll.interval_s)

    def _record(self, due: _Due, body: bytes) -> bool:
        """Into the journal and to whoever subscribed; False where there was no room for it."""
        if due.poll.is_history and body.strip() == b"[]":
            return True
        if not self._session.put_poll(due.poll.code, due.instrument_id, body):
            return False
        self.recorded += 1
        due.latest = body
        if due.poll.is_history:
            due.after_ms = self._next_start_ms(body, due.after_ms)
        self._pipeline.run_to_completion()
        return True

    def _next_start_ms(self, body: bytes, present_ms: int) -> int:
        """From behind the newest row on."""
        try:
            rows = msgspec.json.decode(body, type=list[_FundingTime])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return present_ms
        return max([present_ms, *(row.fundingTime + 1 for row in rows)])


__all__ = ["PollKeeper"]
