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
from engine.line_names import lines_trading, shown_name
from engine.model.codes import HaltReason, TradingState
from engine.runtime.clock import Clock


@dataclass(frozen=True)
class GuardNames:
    """Whose guard this is, and of which build."""

    engine: str
    version: str


class GuardControl:
    """The handler of the guard's `ControlServer`; it never waits.

    `two_people_arm`: the engine's second person stands before an `arm`, so nobody alone may forget a kill here.
    """

    def __init__(
        self,
        guard: Guard,
        names: GuardNames,
        clock: Clock,
        *,
        two_people_arm: bool = False,
        line_of_account: Callable[[int], str] = lambda _number: "",
    ) -> None:
        self._guard = guard
        self._names = names
        self._clock = clock
        self._two_people_arm = two_people_arm
        self._line_of_account = line_of_account
        self._lines = {venue.name: venue for venue in guard.venues}
        self._answers: dict[type, Callable[..., AnyReply]] = {Kill: self._kill, Arm: self._arm}

    def __call__(self, request: AnyRequest, caller: Caller) -> AnyReply:
        if isinstance(request, Ping):
            return Pong(engine=f"guard of {self._names.engine}", pid=os.getpid())
        if isinstance(request, Status):
            return self.status()
        if not isinstance(request, Kill | Arm):
            text = "the guard only cancels: it knows status, kill and arm"
            return Refused(code=RefusalCode.STATE, text=text)
        fault = self.scope_fault(request.scope, is_kept=isinstance(request, Arm) and self._is_kept(request.scope))
        return fault or self._answers[type(request)](request, caller)

    def scope_fault(self, scope: Scope, *, is_kept: bool = False) -> Refused | None:
        """The guard knows venues and symbols. What it cannot tell apart it refuses: it never cancels wider than it was asked.

        `is_kept`: an `arm` of something that it keeps a kill of, under a name that the configuration may have no more.
        """
        if scope.strategy or scope.order:
            text = "the guard knows no strategies and no orders: name a symbol, or nothing for everything"
            return Refused(code=RefusalCode.BAD_VALUE, text=text)
        if scope.account and (scope.venue or scope.symbol):
            return Refused(code=RefusalCode.BAD_VALUE, text="name one scope: an account, or a venue and a symbol")
        if is_kept:
            return None
        if scope.account and self._line_of_account(scope.account) not in self._lines:
            return Refused(code=RefusalCode.UNKNOWN_NAME, text=f"unknown account {scope.account}")
        if scope.venue and scope.venue not in self._lines:
            return Refused(code=RefusalCode.UNKNOWN_NAME, text=f"unknown venue {scope.venue!r}")
        if scope.symbol and not self._meant(scope):
            return Refused(code=RefusalCode.UNKNOWN_NAME, text=f"unknown symbol {scope.symbol!r}")
        return None

    def _named(self, scope: Scope) -> tuple[str, str]:
        """(line, symbol) as they are named, "" = all, whatever is configured."""
        named, _, symbol = scope.symbol.rpartition(":")
        line = self._line_of_account(scope.account) if scope.account else named or scope.venue
        return line, symbol.upper()

    def _is_kept(self, scope: Scope) -> bool:
        """Does a scope name the line or the symbol of a kill that the guard keeps."""
        line, symbol = self._named(scope)
        try:
            return any(kill.is_in(symbol, line) for kill in self._guard.standing()) and bool(line or symbol)
        except KillsUnreadable:
            return False

    def _meant(self, scope: Scope) -> list[tuple[str, str]]:
        """(line, symbol) of what a scope is about, "" = all of them; a symbol is named with each line that trades it."""
        line, symbol = self._named(scope)
        if not symbol:
            return [(line, "")]
        return lines_trading(self._lines, f"{line}:{symbol}" if line else symbol)

    def _kill(self, request: Kill, caller: Caller) -> AnyReply:
        now_ns = self._clock.time_ns()
        orders = [
            KillOrder(symbol, caller.uid, request.reason, now_ns, line) for line, symbol in self._meant(request.scope)
        ]
        self._guard.kill(*orders)
        is_whole = any(order.is_whole for order in orders)
        fault = self._guard.keeping_fault
        return Accepted(
            sequence=0,
            trading_state=TradingState.HALTED,
            halt_reason=HaltReason.KILL,
            kill=is_whole,
            note=f"the kill stands while this guard lives, its file is not written yet: {fault}" if fault else "",
        )

    def _arm(self, request: Arm, caller: Caller) -> AnyReply:
        if self._two_people_arm:
            text = "two people arm this engine: its own `arm`, once approved, clears what the guard keeps"
            return Refused(code=RefusalCode.FORBIDDEN, text=text)
        line, symbol = self._named(request.scope)
        self._guard.arm(symbol, line, caller.uid, request.reason)
        fault = self._guard.keeping_fault
        return Accepted(
            sequence=0,
            kill=self._guard.is_killed_whole(),
            note=f"a guard that starts anew finds the kill again, its file is not written yet: {fault}"
            if fault
            else "",
        )

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
            return tuple(self._shown(item) for item in self._guard.standing())
        except KillsUnreadable:
            return ("ALL",)

    def _shown(self, kill: KillOrder) -> str:
        """What is killed, as a person names it."""
        if kill.symbol and kill.venue in self._lines:
            return shown_name(self._lines, kill.venue, kill.symbol)
        return kill.shown
