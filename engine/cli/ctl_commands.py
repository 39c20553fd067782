"""The commands of `tradewind ctl`: one request, one answer, one exit code."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, TypeVar

from engine.cli.render import print_json
from engine.cli.target import Target, find_target
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.control.client import EngineUnreachableError
    from engine.control.messages import Accepted, AnyReply, AnyRequest

Wanted = TypeVar("Wanted")

SCOPES: dict[str, tuple[str, ...]] = {
    "pause": ("strategy", "order"),
    "resume": ("strategy", "order"),
    "kill": ("venue", "account", "symbol", "strategy"),
    "arm": ("venue", "account", "symbol", "strategy"),
    "flatten": ("venue", "account", "symbol"),
    "cancel": ("venue", "account", "symbol", "strategy", "order"),
    "stop": (),
    "reconcile": ("venue", "account", "symbol"),
}
# what goes to the engine and to its guard
GUARDED = ("kill", "arm")
SCOPE_HELP = {
    "venue": "only at this venue",
    "account": "only this account (its number)",
    "symbol": "only this symbol (VENUE:SYMBOL where several trade it)",
    "strategy": "only this strategy",
    "order": "this one order: client order id or handle; a parent with all its orders",
}


def add_options(name: str, parser: argparse.ArgumentParser) -> None:
    """--reason, --timeout and the scopes that the command knows."""
    add_command_options(parser)
    if name == "flatten":
        from engine.cli.ctl_emergency import add_flatten_options

        add_flatten_options(parser)
    if name == "reconcile":
        from engine.cli.ctl_reconcile import add_reconcile_options

        add_reconcile_options(parser)
    for scope in SCOPES[name]:
        kind = int if scope == "account" else str
        parser.add_argument(f"--{scope}", type=kind, metavar=scope.upper(), help=SCOPE_HELP[scope])


def add_command_options(parser: argparse.ArgumentParser) -> None:
    """What every command takes."""
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; stands in the journal beside your uid")
    add_timeout(parser)


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """How long an answer is waited for."""
    text = "wait so long for the answer (2)"
    parser.add_argument("--timeout", type=patience, default=2.0, metavar="SECONDS", help=text)


def patience(text: str) -> float:
    """A number of seconds above 0 and up to an hour: neither `nan` nor for ever."""
    value = float(text)
    if not 0 < value <= 3_600:
        raise argparse.ArgumentTypeError("must be above 0 and at most 3600 seconds")
    return value


def run(args: argparse.Namespace) -> int:
    """Send the command; 0 when it is in the journal and had its effect, 3 when it waits for a second person."""
    from engine.control import messages

    for name in SCOPE_HELP:
        if getattr(args, name, None) == "":
            raise CommandError(
                ExitCode.USAGE, f"--{name} is empty: an empty scope would mean everything; leave the option out"
            )
    scope = messages.Scope(**{name: value for name in SCOPE_HELP if (value := getattr(args, name, None)) is not None})
    kind = getattr(messages, args.action.capitalize())
    target, request = find_target(args), kind(reason=args.reason, scope=scope)
    if args.action in GUARDED and has_guard(target):
        from engine.cli.ctl_guard import command_both

        return command_both(args, target, request)
    if args.action == "flatten":
        from engine.cli.ctl_emergency import flatten

        return flatten(args, target, request)
    if args.action == "reconcile":
        from engine.cli.ctl_reconcile import reconcile

        return reconcile(args, target, scope)
    if args.action == "stop":
        from engine.cli.ctl_reconcile import tell_stop

        return tell_stop(args, command(target, request, args.timeout))
    return tell(args, command(target, request, args.timeout))


def has_guard(target: Target) -> bool:
    """Is a guard's socket there, or does the configuration, where it is known, ask for a guard."""
    is_configured = target.loaded is not None and target.loaded.config.guard is not None
    return is_configured or os.path.exists(target.guard_socket)


def ask(target: Target, request: AnyRequest, timeout_s: float) -> AnyReply:
    """One request to the engine; unreachable is exit code 69, not open to the caller 77."""
    from engine.control.client import ControlClient, EngineUnreachableError

    try:
        with ControlClient(target.socket, timeout_ms=max(1, int(timeout_s * 1000))) as client:
            return client.request(request)
    except EngineUnreachableError as error:
        raise unreachable(error) from None


def unreachable(error: EngineUnreachableError) -> CommandError:
    """Nobody answers, or nobody whom the caller may ask."""
    from engine.control.client import NotAllowedError

    is_closed = isinstance(error, NotAllowedError)
    return CommandError(ExitCode.NO_PERMISSION if is_closed else ExitCode.UNAVAILABLE, str(error))


def answer_of(reply: AnyReply, kind: type[Wanted], who: str = "the engine") -> Wanted:
    """The answer of the kind wanted; a refusal is exit code 1, or 77 where the caller may not, anything else 76."""
    from engine.control.messages import RefusalCode, Refused

    if isinstance(reply, kind):
        return reply
    if not isinstance(reply, Refused):
        raise CommandError(ExitCode.PROTOCOL, f"{who} answered {type(reply).__name__}, not {kind.__name__}")
    code = ExitCode.NO_PERMISSION if reply.code == RefusalCode.FORBIDDEN else ExitCode.REFUSED
    raise CommandError(code, f"refused: {reply.text}")


def command(target: Target, request: AnyRequest, timeout_s: float) -> Accepted:
    """A command's acceptance; a refusal is exit code 1, or 77 where the caller may not."""
    return accepted_of(ask(target, request, timeout_s))


def accepted_of(reply: AnyReply) -> Accepted:
    """The acceptance that a reply is, or its refusal raised."""
    from engine.control.messages import Accepted

    return answer_of(reply, Accepted)


def tell(args: argparse.Namespace, accepted: Accepted, **more: str) -> int:
    """Say what happened; 3 where it waits for a second person. An `arm` of everything that left the kill switch on is a refusal."""
    from engine.model.codes import HaltReason, TradingState

    state, halt = TradingState(accepted.trading_state).name, HaltReason(accepted.halt_reason).name
    answer = {"action": args.action, "sequence": accepted.sequence, "trading_state": state, "halt_reason": halt, **more}
    if accepted.note:
        answer["note"] = accepted.note
    if accepted.order_handle:
        answer["order_handle"] = accepted.order_handle
    if accepted.proposal:
        answer["proposal"] = accepted.proposal
    if args.json:
        print_json(answer)
    else:
        handle = f", handle {accepted.order_handle}" if accepted.order_handle else ""
        note = f"{accepted.note}; " if accepted.note else ""
        print(f"{args.action}: {note}sequence {accepted.sequence}{handle}; trading is {state}" + halted(halt))
        for name, text in more.items():
            print(f"{name}: {text}")
    if accepted.proposal:
        return ExitCode.PROPOSED
    still_killed = args.action == "arm" and accepted.kill and not scoped(args)
    return ExitCode.REFUSED if still_killed else ExitCode.OK


def halted(halt: str) -> str:
    """The reason of a halt in brackets; nothing where there is none."""
    return f" ({halt})" if halt != "NONE" else ""


def scoped(args: argparse.Namespace) -> bool:
    """Is the command about less than the whole engine."""
    return any(getattr(args, name, None) is not None for name in SCOPE_HELP)
