"""What the guard's control socket understands: ping, status, kill, arm. The messages are the engine's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from engine.control.messages import (
    Accepted,
    AnyReply,
    AnyRequest,
    Arm,
    GuardStatus,
    Kill,
    Ping,
    Pong,
    RefusalCode,
    Refused,
    Scope,
    Status,
)
from engine.control.server import Caller
from engine.guard.kills import KillOrder, KillsUnreadable
from engine.guard.process import Guard
from engine.model.codes import HaltReason, TradingState
from engine.runtime.clock import Clock


@dataclass(frozen=True)
class GuardNames:
    """Whose guard this is, and of which build."""

    engine: str
    version: str


class GuardControl:
    """The handler of the guard's `ControlServer`; it never waits."""

    def __init__(self, guard: Guard, names: GuardNames, clock: Clock) -> None:
        self._guard = guard
        self._names = names
        self._clock = clock
        self._answers: dict[type, Callable[..., AnyReply]] = {Kill: self._kill, Arm: self._arm}

    def __call__(self, request: AnyRequest, caller: Caller) -> AnyReply:
        if isinstance(request, Ping):
            return Pong(engine=f"guard of {self._names.engine}", pid=os.getpid())
        if isinstance(request, Status):
            return self.status()
        if not isinstance(request, Kill | Arm):
            text = "the guard only cancels: it knows status, kill and arm"
            return Refused(code=RefusalCode.STATE, text=text)
        fault = self.scope_fault(request.scope)
        return fault or self._answers[type(request)](request, caller)

    def scope_fault(self, scope: Scope) -> Refused | None:
        """The guard knows venues and symbols. What it cannot tell apart it refuses: it never cancels wider than it was asked."""
        if scope.strategy or scope.order:
            text = "the guard knows no strategies and no orders: name a symbol, or nothing for everything"
            return Refused(code=RefusalCode.BAD_VALUE, text=text)
        symbols = {symbol for venue in self._guard.venues for symbol in venue.symbols}
        if scope.symbol and scope.symbol.upper() not in symbols:
            return Refused(code=RefusalCode.UNKNOWN_NAME, text=f"unknown symbol {scope.symbol!r}")
        if scope.venue and scope.venue not in {venue.name for venue in self._guard.venues}:
            return Refused(code=RefusalCode.UNKNOWN_NAME, text=f"unknown venue {scope.venue!r}")
        return None

    def _kill(self, request: Kill, caller: Caller) -> AnyReply:
        order = KillOrder(request.scope.symbol.upper(), caller.uid, request.reason, self._clock.time_ns())
        self._guard.kill(order)
        return Accepted(
            sequence=0, trading_state=TradingState.HALTED, halt_reason=HaltReason.KILL, kill=not order.symbol
        )

    def _arm(self, request: Arm, caller: Caller) -> AnyReply:
        self._guard.arm(request.scope.symbol.upper(), caller.uid, request.reason)
        return Accepted(sequence=0, kill=self._guard.is_killed_whole())

    def status(self) -> GuardStatus:
        """What the guard sees and what it did last."""
        guard = self._guard
        last = guard.last[0] if guard.last else None
        return GuardStatus(
            engine=self._names.engine,
            version=self._names.version,
            pid=os.getpid(),
            sight=guard.look.sight.name,
            engine_pid=guard.look.pid,
            heartbeat_age_ns=guard.look.beat_age_ns,
            killed=self._killed(),
            is_sweeping=guard.is_sweeping,
            sweeps=guard.sweeps,
            last_cause=last.cause if last else "",
            first_cancel_ns=last.first_cancel_ns if last else -1,
            verified_ns=max((item.verified_ns if item.is_verified else -1 for item in guard.last), default=-1),
            open_left=sum(sum(item.open_left.values()) for item in guard.last),
            may_cancel=all(venue.is_proven for venue in guard.venues),
            troubles="; ".join(venue.trouble for venue in guard.venues if venue.trouble),
        )

    def _killed(self) -> tuple[str, ...]:
        try:
            return tuple(item.symbol or "ALL" for item in self._guard.kills.read())
        except KillsUnreadable:
            return ("ALL",)
