"""`tradewind ctl proposals`, `approve` and `reject`: what a second person decides."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from engine.cli.ctl_commands import add_command_options, add_timeout, answer_of, ask, command, has_guard, tell
from engine.cli.render import duration_text, print_json, print_table, time_text
from engine.cli.target import Target, find_target
from engine.exit_codes import ExitCode

if TYPE_CHECKING:
    from engine.control.messages import ProposalRow

ACTIONS = {
    "proposals": "what waits for a second person",
    "approve": "let another person's proposal take effect",
    "reject": "drop a proposal",
}
COLUMNS = ("proposal", "action", "words", "uid", "when", "expires_in", "reason")


def add_options(name: str, parser: argparse.ArgumentParser) -> None:
    """NUMBER and --reason; of the list nothing."""
    if name == "proposals":
        add_timeout(parser)
        return
    parser.add_argument("proposal", type=int, metavar="NUMBER", help="as `ctl proposals` shows it")
    add_command_options(parser)


def run(args: argparse.Namespace) -> int:
    """List, approve or reject; a refusal is exit code 1, one's own proposal 77."""
    from engine.control.messages import Approve, Reject

    if args.action == "proposals":
        return show(args)
    target = find_target(args)
    if args.action == "reject":
        return tell(args, command(target, Reject(proposal=args.proposal, reason=args.reason), args.timeout))
    row = next((row for row in waiting(target, args.timeout) if row.proposal == args.proposal), None)
    accepted = command(target, Approve(proposal=args.proposal, reason=args.reason), args.timeout)
    if row is not None and row.action == "arm" and has_guard(target):
        from engine.cli.ctl_guard import tell_approved_arm

        return tell_approved_arm(args, row, accepted)
    return tell(args, accepted)


def waiting(target: Target, timeout_s: float) -> tuple[ProposalRow, ...]:
    """What waits, as the engine tells it."""
    from engine.control.messages import Proposals, ProposalTable

    return answer_of(ask(target, Proposals(), timeout_s), ProposalTable).rows


def show(args: argparse.Namespace) -> int:
    """The list."""
    import msgspec

    rows: list[dict[str, Any]] = [msgspec.to_builtins(row) for row in waiting(find_target(args), args.timeout)]
    if args.json:
        print_json({"proposals": rows})
        return ExitCode.OK
    for row in rows:
        row["when"], row["expires_in"] = time_text(row["wall_ns"]), duration_text(row["expires_in_ns"])
    print_table(rows, list(COLUMNS), empty="nothing waits")
    return ExitCode.OK
