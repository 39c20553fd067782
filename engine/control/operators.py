"""What people do at the control port, written down: who, from which process, why, and with what outcome.

Every command leaves one OPERATOR record in the ledger, whether it was carried out, refused or only proposed; its cause is
the COMMAND record where there is one. Here too stands the second person: a command that loosens waits for another uid's
approval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from engine.control.command_kinds import KINDS, AnyCommand
from engine.control.commands import EngineControl
from engine.control.exact import RefusedCommandError
from engine.control.messages import (
    Accepted,
    AnyReply,
    AnyRequest,
    Approve,
    Arm,
    EngineStatus,
    Proposals,
    ProposalTable,
    RefusalCode,
    Refused,
    Reject,
    ResetLimits,
    Resume,
    SetLimits,
)
from engine.control.second_person import Proposal, SecondPerson
from engine.control.server import Caller
from engine.model.exact import WordError

COMMANDS = tuple(KINDS)
Write = Callable[[bytes, int], None]


class OperatorNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The text of an OPERATOR record, as JSON. `sequence`: of the COMMAND, 0 where none was journaled.

    `outcome`: done, refused, proposed, approved, rejected or expired; `code` names the refusal, `words` what was asked for
    beside scope and reason. Of an approved command `uid` is who proposed it, `approver_uid` who approved.
    """

    action: str
    uid: int
    pid: int
    outcome: str
    reason: str = ""
    scope: dict[str, Any] = {}
    words: dict[str, Any] = {}
    sequence: int = 0
    order_handle: int = 0
    code: str = ""
    text: str = ""
    proposal: int = 0
    approver_uid: int = -1


class Operators:
    """The handler of a `ControlServer`, around an `EngineControl`. `write` journals a note's JSON with its cause's sequence."""

    def __init__(self, control: EngineControl, second: SecondPerson, write: Write) -> None:
        self._control = control
        self._second = second
        self._write = write

    def __call__(self, request: AnyRequest, caller: Caller) -> AnyReply:
        self.note_expired()
        if isinstance(request, Proposals):
            return ProposalTable(rows=self._second.rows())
        if isinstance(request, Approve | Reject):
            return self._settle(request, caller)
        if not isinstance(request, COMMANDS):
            reply = self._control(request, caller)
            waiting = len(self._second.rows()) if isinstance(reply, EngineStatus) else 0
            return msgspec.structs.replace(reply, proposals=waiting) if waiting else reply
        try:
            action = self._loosened(request, caller)
            reply = self._propose(action, request, caller) if action else self._control(request, caller)
        except Exception as error:
            self._note(request, caller, "refused", code="INTERNAL", text=f"{type(error).__name__}: {error}")
            raise
        self._note_reply(request, caller, reply)
        return reply

    def forbidden(self, caller: Caller) -> None:
        """Somebody asked whom the engine does not serve."""
        note = OperatorNote(
            action="", uid=caller.uid, pid=caller.pid, outcome="refused", code=RefusalCode.FORBIDDEN.name
        )
        self._write(msgspec.json.encode(note), 0)

    def note_expired(self) -> None:
        """What has waited too long is gone, and written down when it goes: call it often."""
        for gone in self._second.expire():
            self._note(gone.request, gone.proposer, "expired", proposal=gone.number)

    def end(self) -> None:
        """The engine ends, and with it whatever waits for a second person."""
        self.note_expired()
        for left in self._second.end():
            text = "the engine ended before another person answered"
            self._note(left.request, left.proposer, "expired", proposal=left.number, text=text)

    # --- the second person ---

    def _loosened(self, request: AnyCommand, caller: Caller) -> str:
        """The action that two people are needed for; empty where one is enough."""
        if isinstance(request, Arm) and self._second.is_needed("arm"):
            return "arm"
        if isinstance(request, Resume) and self._second.is_needed("resume"):
            return "resume"
        if isinstance(request, SetLimits | ResetLimits) and request.loosen and self._second.is_needed("limits"):
            return "" if self._is_possible(msgspec.structs.replace(request, loosen=False), caller) else "limits"
        return ""

    def _is_possible(self, request: AnyCommand, caller: Caller) -> bool:
        """Would it be carried out: of limits without leave to loosen, does it not loosen."""
        try:
            self._control.prepare(request, caller)
        except (RefusedCommandError, WordError):
            return False
        return True

    def _propose(self, action: str, request: AnyCommand, caller: Caller) -> AnyReply:
        """What would be refused is refused now; else it waits."""
        try:
            self._control.prepare(request, caller)
            proposal = self._second.propose(action, request, caller, shown_words(request))
        except RefusedCommandError as refusal:
            return Refused(code=refusal.code, text=str(refusal), reason=refusal.reason)
        except WordError as fault:
            return Refused(code=RefusalCode.BAD_VALUE, text=str(fault))
        return self._control.unchanged(
            f"proposed as {proposal.number}: nothing has changed until another person says "
            f"`tradewind ctl approve {proposal.number}`",
            proposal.number,
        )

    def _settle(self, request: Approve | Reject, caller: Caller) -> AnyReply:
        """Carry a proposal out in its maker's name, or drop it."""
        try:
            if isinstance(request, Reject):
                dropped = self._second.reject(request.proposal)
                self._note(
                    dropped.request,
                    dropped.proposer,
                    "rejected",
                    proposal=dropped.number,
                    text=told_by(caller, request),
                )
                return self._control.unchanged(f"proposal {dropped.number} is rejected", 0)
            proposal = self._second.approve(request.proposal, caller)
        except RefusedCommandError as refusal:
            reply = Refused(code=refusal.code, text=str(refusal))
            self._note_answer(request, caller, reply)
            return reply
        return self._carry_out(proposal, request, caller)

    def _carry_out(self, proposal: Proposal, request: Approve, caller: Caller) -> AnyReply:
        reply = self._control(proposal.request, proposal.proposer)
        self._note_reply(
            proposal.request, proposal.proposer, reply, proposal.number, caller.uid, told_by(caller, request)
        )
        return reply

    # --- the notes ---

    def _note_answer(self, request: Approve | Reject, caller: Caller, reply: Refused) -> None:
        note = OperatorNote(
            action=tag_of(request), uid=caller.uid, pid=caller.pid, outcome="refused", reason=request.reason,
            proposal=request.proposal, code=RefusalCode(reply.code).name, text=reply.text,
        )  # fmt: skip
        self._write(msgspec.json.encode(note), 0)

    def _note_reply(
        self,
        request: AnyCommand,
        caller: Caller,
        reply: AnyReply,
        proposal: int = 0,
        approver_uid: int = -1,
        text: str = "",
    ) -> None:
        if isinstance(reply, Refused):
            told = "; ".join(filter(None, (text, reply.text)))
            self._note(request, caller, "refused", sequence=reply.sequence, code=RefusalCode(reply.code).name, text=told,
                       proposal=proposal, approver_uid=approver_uid)  # fmt: skip
        elif isinstance(reply, Accepted):
            outcome = "approved" if proposal else "proposed" if reply.proposal else "done"
            told = "; ".join(filter(None, (text, reply.note)))
            self._note(request, caller, outcome, sequence=reply.sequence if outcome != "proposed" else 0,
                       order_handle=reply.order_handle, text=told, proposal=proposal or reply.proposal,
                       approver_uid=approver_uid)  # fmt: skip

    def _note(self, request: AnyCommand, caller: Caller, outcome: str, **more: Any) -> None:
        words = words_of(request)
        note = OperatorNote(
            action=tag_of(request), uid=caller.uid, pid=caller.pid, outcome=outcome, reason=request.reason,
            scope={name: value for name, value in words.pop("scope", {}).items() if value}, words=words, **more,
        )  # fmt: skip
        self._write(msgspec.json.encode(note), int(more.get("sequence", 0)))


def tag_of(request: AnyCommand | Approve | Reject) -> str:
    """What the control port calls it."""
    return str(type(request).__struct_config__.tag)


def words_of(request: AnyCommand) -> dict[str, Any]:
    """A request's fields that say something, but for what stands beside them in a note."""
    fields: dict[str, Any] = msgspec.to_builtins(request)
    return {name: value for name, value in fields.items() if value and name not in ("type", "version", "reason")}


def shown_words(request: AnyCommand) -> str:
    """What is asked for, in one line."""
    words = words_of(request)
    scope = " ".join(f"{name}={value}" for name, value in words.pop("scope", {}).items() if value)
    rest = " ".join(f"{name}={value}" for name, value in words.get("values", {}).items()) or " ".join(
        words.get("names", ())
    )
    return " ".join(filter(None, (tag_of(request), scope, rest)))


def told_by(caller: Caller, request: Approve | Reject) -> str:
    """Who settled a proposal, and why."""
    return f"by uid {caller.uid}" + (f": {request.reason}" if request.reason else "")
