"""`tradewind ctl limits`: every limit with its use and its source; set some, or go back to the configuration."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from engine.cli import ctl_commands
from engine.cli.render import print_json, print_table, time_text
from engine.cli.target import find_target
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.control.messages import LimitRowText, LimitTable, Scope

SCOPES = ("venue", "account", "symbol", "strategy")
COLUMNS = ("scope", "name", "limit", "value", "in_force", "used", "percent", "source", "by", "when", "reason")


class Parser(argparse.ArgumentParser):
    """Keys may stand behind options too: argparse gives `*` only the words of its first run."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As the base, with what is left of bare words among the limits."""
        found, left = super().parse_known_args(args, namespace)
        keys = getattr(found, "limits", None)
        if isinstance(keys, list) and not any(word.startswith("-") for word in left):
            found.limits, left = [*keys, *left], []
        return found, left


def add_options(parser: argparse.ArgumentParser) -> None:
    """`ctl limits get`, `ctl limits set KEY=VALUE ... --symbol S [--loosen]`, `ctl limits reset [KEY ...]`."""
    ctl_commands.add_command_options(parser)
    parser.add_argument("what", choices=("get", "set", "reset"), help="show, change, or go back to the configuration")
    parser.add_argument("limits", nargs="*", metavar="KEY[=VALUE]", help="as in the configuration; VALUE `none` lifts")
    parser.add_argument("--loosen", action="store_true", help="let more through than before; refused without this")
    for scope in SCOPES:
        kind = int if scope == "account" else str
        text = f"of this {scope}; without a scope: of the engine, with get of all"
        parser.add_argument(f"--{scope}", type=kind, metavar=scope.upper(), help=text)


def run(args: argparse.Namespace) -> int:
    """Show or change; a refused change is exit code 1 and changed nothing."""
    if args.what == "get":
        return show(args)
    from engine.control.messages import ResetLimits, SetLimits

    scope, target = scope_of(args), find_target(args)
    if args.what == "reset":
        names = tuple(args.limits)
        request: Any = ResetLimits(reason=args.reason, scope=scope, names=names, loosen=args.loosen)
    else:
        request = SetLimits(reason=args.reason, scope=scope, values=pairs_of(args.limits), loosen=args.loosen)
    accepted = ctl_commands.command(target, request, args.timeout)
    return ctl_commands.tell(args, accepted)


def scope_of(args: argparse.Namespace) -> Scope:
    """The scope that is named; an empty name would mean everything."""
    from engine.control.messages import Scope

    given = {name: value for name in SCOPES if (value := getattr(args, name)) is not None}
    if "" in given.values():
        raise CommandError(ExitCode.USAGE, "an empty scope would mean everything; leave the option out")
    return Scope(**given)


def pairs_of(words: list[str]) -> dict[str, str]:
    """KEY=VALUE words; each key once."""
    pairs: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name or not value:
            raise CommandError(ExitCode.USAGE, f"{word!r} is not KEY=VALUE")
        if name in pairs:
            raise CommandError(ExitCode.USAGE, f"{name} is given twice")
        pairs[name] = value
    if not pairs:
        raise CommandError(ExitCode.USAGE, "name at least one limit, as max_order_notional=1000")
    return pairs


def show(args: argparse.Namespace) -> int:
    """The table of limits, all of them or of one scope; keys on the command line choose among them."""
    from engine.control.messages import Limits, LimitTable

    answer = ctl_commands.ask(find_target(args), Limits(scope=scope_of(args)), args.timeout)
    reply = ctl_commands.answer_of(answer, LimitTable)
    rows = [row for row in reply.rows if not args.limits or row.limit in args.limits]
    if args.json:
        print_json(as_json(reply, rows))
    else:
        print_table([cells(row) for row in rows], COLUMNS)
        print(f"as of sequence {reply.sequence}")
    return ExitCode.OK


def as_json(table: LimitTable, rows: list[LimitRowText]) -> dict[str, Any]:
    """The table for programs."""
    import msgspec

    return {"sequence": table.sequence, "limits": [msgspec.to_builtins(row) for row in rows]}


def cells(row: LimitRowText) -> dict[str, Any]:
    """One limit for people; what a risk mode leaves is shown only where it is less."""
    return {
        "scope": row.scope,
        "name": row.name,
        "limit": row.limit,
        "value": row.value,
        "in_force": row.in_force if row.in_force != row.value else "",
        "used": row.used,
        "percent": f"{row.used_percent} %" if row.used else "",
        "source": row.source,
        "by": "" if row.uid < 0 else f"uid {row.uid}",
        "when": time_text(row.wall_ns) if row.wall_ns else "",
        "reason": row.reason,
    }
