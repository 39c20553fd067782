"""Two people for what loosens: a proposal waits for another uid, or expires.

A proposal lives in the process: it does not survive a restart, and whoever approves it afterwards is told so. What it asks for is
resolved and judged again when it is approved, since limits and states may have moved meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.control.exact import RefusedCommandError
from engine.control.messages import ProposalRow, RefusalCode

if TYPE_CHECKING:
    from engine.control.command_kinds import AnyCommand
    from engine.control.server import Caller
    from engine.runtime.clock import Clock

PROPOSALS_MAX = 64
NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Proposal:
    """What one person asks for and another must approve. Times in nanoseconds."""

    number: int
    action: str
    request: AnyCommand
    proposer: Caller
    wall_ns: int
    expires_mono_ns: int
    words: str = field(repr=False, default="")


class SecondPerson:
    """Which actions need two people, and what of them waits. `actions`: limits, arm, resume."""

    def __init__(self, actions: frozenset[str], expiry_s: int, clock: Clock, *, first_number: int = 1) -> None:
        self._actions = actions
        self._expiry_ns = expiry_s * NS_PER_S
        self._clock = clock
        self._next_number = first_number
        self._waiting: dict[int, Proposal] = {}

    def is_needed(self, action: str) -> bool:
        """Must another person approve this."""
        return action in self._actions

    def propose(self, action: str, request: AnyCommand, proposer: Caller, words: str) -> Proposal:
        """Let it wait; RefusedCommandError where too much waits already."""
        if len(self._waiting) >= PROPOSALS_MAX:
            text = f"{PROPOSALS_MAX} proposals wait already: approve or reject some"
            raise RefusedCommandError(RefusalCode.STATE, text)
        now_ns = self._clock.time_ns()
        expires_ns = self._clock.monotonic_ns() + self._expiry_ns
        proposal = Proposal(self._next_number, action, request, proposer, now_ns, expires_ns, words)
        self._next_number += 1
        self._waiting[proposal.number] = proposal
        return proposal

    def approve(self, number: int, approver: Caller) -> Proposal:
        """Take the proposal out for carrying it out; who made it cannot approve it."""
        proposal = self._find(number)
        if approver.uid == proposal.proposer.uid:
            text = f"proposal {number} is your own (uid {approver.uid}): another person must approve it"
            raise RefusedCommandError(RefusalCode.FORBIDDEN, text)
        return self._waiting.pop(number)

    def reject(self, number: int) -> Proposal:
        """Drop a proposal: anybody may, its maker too."""
        self._find(number)
        return self._waiting.pop(number)

    def rows(self) -> tuple[ProposalRow, ...]:
        """What waits, oldest first."""
        now_ns = self._clock.monotonic_ns()
        return tuple(
            ProposalRow(
                proposal=item.number,
                action=item.action,
                scope=item.request.scope,
                words=item.words,
                uid=item.proposer.uid,
                reason=item.request.reason,
                wall_ns=item.wall_ns,
                expires_in_ns=item.expires_mono_ns - now_ns,
            )
            for item in self._waiting.values()
            if item.expires_mono_ns > now_ns
        )

    def expire(self) -> list[Proposal]:
        """Drop what has waited too long; returns it, so that whoever calls can write it down."""
        if not self._waiting:
            return []
        now_ns = self._clock.monotonic_ns()
        gone = [item for item in self._waiting.values() if item.expires_mono_ns <= now_ns]
        for item in gone:
            del self._waiting[item.number]
        return gone

    def end(self) -> list[Proposal]:
        """The process ends: nothing waits any more; returns what did."""
        left, self._waiting = list(self._waiting.values()), {}
        return left

    def _find(self, number: int) -> Proposal:
        found = self._waiting.get(number)
        if found is None or found.expires_mono_ns <= self._clock.monotonic_ns():
            text = f"no proposal {number} waits: it is done, was rejected, has expired, or the engine has been restarted since"
            raise RefusedCommandError(RefusalCode.UNKNOWN_NAME, text)
        return found
