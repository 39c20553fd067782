"""An event loop under virtual time: when nothing is left to do at this instant, the clock jumps to the next event.

It runs ordinary coroutines (`asyncio.sleep`, `timeout`, `wait`, futures, events), so that the code that keeps connections runs
unchanged. There are no files and no threads in it. Times are whole nanoseconds of the World's clock; what is due at the same
instant runs in the order in which it was asked for. Nothing depends on the machine: the same calls give the same run.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, Protocol, TypeVar

from engine.runtime.clock import Clock

NS_PER_S = 1_000_000_000
NEVER_NS = (1 << 63) - 1
# a callback that arms itself for the same instant again and again would keep time from ever moving
CALLS_AT_ONCE_MAX = 1_000_000
Result = TypeVar("Result")


class Source(Protocol):
    """Something with events of its own beside the loop's (the engine's timers)."""

    def next_ns(self) -> int:
        """When its next event is due (monotonic); `NEVER_NS` where none is."""

    def fire(self) -> None:
        """Let what is due now happen."""


class StandstillError(Exception):
    """What was waited for cannot come any more, or did not come in its time."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """The loop. `run_until_ns` and `run_until_complete` are its only ways to go on; `failure` ends both."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.failure: BaseException | None = None
        self.events = 0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._number = 0
        self._sources: list[Source] = []
        self._is_closed = False
        self._is_running = False

    def add_source(self, source: Source) -> None:
        """Let the events of `source` take part; of sources due at once the one added first comes first."""
        self._sources.append(source)

    # --- running -------------------------------------------------------------------------------------------------

    def run_until_ns(self, until_ns: int) -> None:
        """Everything that is due up to `until_ns` (monotonic), which is the time afterwards."""
        with self._running():
            while self._step(until_ns):
                pass
            if self.clock.monotonic_ns() < until_ns:
                self.clock.advance(until_ns - self.clock.monotonic_ns())

    def run_while(self, goes_on: Callable[[], bool], until_ns: int) -> None:
        """Event by event as long as `goes_on()`; StandstillError where it still does at `until_ns`."""
        with self._running():
            self._run_ready()
            while goes_on():
                if not self._step(until_ns):
                    raise StandstillError("what was waited for did not come in its time")

    def run_until_complete(self, future: Generator[Any, None, Result] | Coroutine[Any, Any, Result]) -> Result:  # type: ignore[override]
        """Run a coroutine to its end and return what it returns."""
        with self._running():
            task = self.create_task(future)
            while not task.done():
                if not self._step(NEVER_NS):
                    task.cancel()
                    raise StandstillError(f"nothing is left that could wake {future!r}")
            result: Result = task.result()
            return result

    @contextmanager
    def _running(self) -> Iterator[None]:
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        self._is_running = True
        try:
            yield
        finally:
            self._is_running = False
            asyncio._set_running_loop(before)

    def _step(self, until_ns: int) -> bool:
        """What is ready, then the next event, at its time; False where none is due by then."""
        self._run_ready()
        due_ns, source = self._next()
        if due_ns > until_ns or due_ns == NEVER_NS:
            return False
        now_ns = self.clock.monotonic_ns()
        if due_ns > now_ns:
            self.clock.advance(due_ns - now_ns)
        self.events += 1
        if source is not None:
            source.fire()
        else:
            heapq.heappop(self._timers)[2]._run()
        self._run_ready()
        return True

    def _run_ready(self) -> None:
        left = CALLS_AT_ONCE_MAX
        while self._ready:
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()
            if self.failure is not None:
                failure, self.failure = self.failure, None
                raise failure
            left -= 1
            if not left:
                raise StandstillError(f"{handle!r} runs without end at one instant: time cannot move")
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    def _next(self) -> tuple[int, Source | None]:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        due_ns, chosen = (self._timers[0][0] if self._timers else NEVER_NS), None
        for source in self._sources:
            if (at_ns := source.next_ns()) < due_ns:
                due_ns, chosen = at_ns, source
        return due_ns, chosen

    # --- asyncio's side of it ------------------------------------------------------------------------------------

    def time(self) -> float:
        """Monotonic seconds."""
        return self.clock.monotonic_ns() / NS_PER_S

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run at this instant, after what waits already."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `delay` seconds from now."""
        return self._at(self.clock.monotonic_ns() + max(0, round(delay * NS_PER_S)), callback, args, context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run at `when` (seconds of `time`)."""
        return self._at(round(when * NS_PER_S), callback, args, context)

    def call_at_ns(self, at_ns: int, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Run at `at_ns` (monotonic), exactly."""
        return self._at(at_ns, callback, args, None)

    def _at(
        self, at_ns: int, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.TimerHandle:
        at_ns = max(at_ns, self.clock.monotonic_ns())
        handle = asyncio.TimerHandle(at_ns / NS_PER_S, callback, args, self, context)
        self._number += 1
        heapq.heappush(self._timers, (at_ns, self._number, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Dropped when it comes up."""

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        """A task of this loop."""
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A failed callback ends the run."""
        self.failure = context.get("exception") or RuntimeError(str(context.get("message", context)))

    def get_debug(self) -> bool:
        """Never: debugging measures real time."""
        return False

    def is_running(self) -> bool:
        """Whether one of the run calls is on the way."""
        return self._is_running

    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def close(self) -> None:
        """Forget everything that waits."""
        self._is_closed = True
        self._ready.clear()
        self._timers.clear()
        self._sources.clear()

    async def shutdown_asyncgens(self) -> None:
        """There are none."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is none."""


def virtual_loop(clock: Clock) -> VirtualLoop:
    """A loop on this clock. It has none of what asyncio's loops have beside these calls (files, sockets, processes)."""
    return VirtualLoop(clock)  # type: ignore[abstract]
