"""`tradewind ctl guard`, and the commands that go to the engine and to its guard: a kill must work when one of them is dead."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from engine.cli.ctl_commands import accepted_of, answer_of, ask, command, tell, unreachable
from engine.cli.render import print_fields, print_json
from engine.cli.target import Target, find_target
from engine.control.client import ControlClient, EngineUnreachableError, NotAllowedError, refuse_closed
from engine.control.messages import (
    Accepted,
    AnyReply,
    Arm,
    EngineStatus,
    GuardStatus,
    Kill,
    ProposalRow,
    RefusalCode,
    Refused,
    Scope,
    Status,
)
from engine.exit_codes import CommandError, ExitCode

TAKEN = {"kill": "cancelling", "arm": "armed"}


def run(args: argparse.Namespace) -> int:
    """Show the guard's status."""
    path = find_target(args).guard_socket
    try:
        with ControlClient(path, timeout_ms=max(1, int(args.timeout * 1000))) as client:
            reply = client.request(Status())
    except NotAllowedError as error:
        raise unreachable(error) from None
    except EngineUnreachableError:
        raise CommandError(ExitCode.UNAVAILABLE, f"no guard answers at {path}") from None
    reply = answer_of(reply, GuardStatus, "the guard")
    fields = msgspec.structs.asdict(reply)
    if args.json:
        print_json(fields)
    else:
        print_fields(fields | {"killed": ", ".join(reply.killed) or "nothing"})
    return ExitCode.OK


def command_both(args: argparse.Namespace, target: Target, request: Kill | Arm) -> int:
    """The engine's answer counts; of a kill the guard's does, too, where the engine cannot be reached."""
    if request.scope.strategy:
        return told(args, command(target, request, args.timeout), "not told: it knows no strategies")
    if isinstance(request, Arm):
        reply = ask(target, request, args.timeout)
        if isinstance(reply, Refused) and reply.code == RefusalCode.UNKNOWN_NAME and names_line(request.scope):
            return arm_kept(args, target, request, reply)
        accepted = accepted_of(reply)
        if accepted.proposal:
            return tell(args, accepted, guard="not told: nothing has changed yet")
        return told(args, accepted, *exchange(target, request, args.timeout, engine_too=False).values())
    replies = exchange(target, request, args.timeout, engine_too=True)
    engine, guard = replies["engine"], replies["guard"]
    if isinstance(engine, str) and isinstance(guard, Accepted):
        warn(f"{engine}; its guard was told")
        note = "" if guard.kill else "what was named is HALTED, of the rest only the engine could tell"
        return told(args, msgspec.structs.replace(guard, note=note), guard)
    if isinstance(engine, str):
        raise CommandError(nobody_code(target, guard), f"{engine}; its guard: {words(args.action, guard)}")
    return told(args, accepted_of(engine), guard)


def nobody_code(target: Target, guard: AnyReply | str) -> ExitCode:
    """Neither has taken it: 77 where the caller may not ask the one or the other, else 69."""
    is_refused = isinstance(guard, Refused) and guard.code == RefusalCode.FORBIDDEN
    try:
        refuse_closed(str(target.socket))
    except NotAllowedError:
        is_refused = True
    except EngineUnreachableError:
        pass
    return ExitCode.NO_PERMISSION if is_refused else ExitCode.UNAVAILABLE


def arm_kept(args: argparse.Namespace, target: Target, request: Arm, refused: Refused) -> int:
    """A line that the engine does not have may be that of a kill that its guard keeps from an earlier configuration."""
    guard = exchange(target, request, args.timeout, engine_too=False)["guard"]
    state = ask(target, Status(), args.timeout)
    if not isinstance(guard, Accepted) or not isinstance(state, EngineStatus):
        raise CommandError(ExitCode.REFUSED, f"refused: {refused.text}; its guard: {words(args.action, guard)}")
    note = f"the engine has no such name ({refused.text}): what it made of that kill stands until it is armed itself"
    states = {name: getattr(state, name) for name in ("trading_state", "halt_reason", "kill")}
    return told(args, Accepted(sequence=0, note=note, **states), guard)


def names_line(scope: Scope) -> bool:
    """Does it name one line: a symbol alone that is refused may be several lines'."""
    return bool(scope.venue or scope.account or ":" in scope.symbol)


def tell_approved_arm(args: argparse.Namespace, row: ProposalRow, accepted: Accepted) -> int:
    """An `arm` that a second person has let the engine carry out; `args` are those of `approve`."""
    args.action = "arm"
    known = "knows no strategies" if row.scope.strategy else "its kills are cleared by the engine"
    return tell(args, accepted, guard=f"not told: {known}")


def exchange(target: Target, request: Kill | Arm, timeout_s: float, *, engine_too: bool) -> dict[str, AnyReply | str]:
    """Send to the guard, which acts whatever the engine is doing, and to the engine, before waiting for either."""
    links = [Link("guard", target.guard_socket, timeout_s)]
    if engine_too:
        links.append(Link("engine", target.socket, timeout_s))
    try:
        for link in links:
            link.send(request)
        return {link.name: link.receive() for link in links}
    finally:
        for link in links:
            link.close()


def told(args: argparse.Namespace, accepted: Accepted, guard: AnyReply | str) -> int:
    """Say what happened; a guard that did not take it is told on stderr, too."""
    text = guard if isinstance(guard, str) else words(args.action, guard)
    if text not in TAKEN.values():
        warn(f"the guard: {text}")
    return tell(args, accepted, guard=text)


def warn(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"tradewind: {text}\n")


def words(action: str, reply: AnyReply | str) -> str:
    """What the guard does, in words."""
    if isinstance(reply, Accepted):
        return f"{TAKEN[action]}; {reply.note}" if reply.note else TAKEN[action]
    if isinstance(reply, Refused):
        return f"refused: {reply.text}"
    return reply if isinstance(reply, str) else f"answered {type(reply).__name__}"


class Link:
    """A connection to the engine or to its guard; what fails becomes text, so that the other one is still told."""

    def __init__(self, name: str, path: Path, timeout_s: float) -> None:
        self.name = name
        self._fault = ""
        self._client: ControlClient | None = None
        try:
            self._client = ControlClient(path, timeout_ms=max(1, int(timeout_s * 1000)))
        except EngineUnreachableError as error:
            self._fault = str(error)

    def send(self, request: Kill | Arm) -> None:
        """Send without waiting."""
        if self._client is not None:
            self._client.send(request)

    def receive(self) -> AnyReply | str:
        """The reply, or why there is none."""
        if self._client is None:
            return self._fault
        try:
            return self._client.receive()
        except EngineUnreachableError as error:
            return str(error)

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None
