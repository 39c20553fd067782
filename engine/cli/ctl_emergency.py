"""`tradewind ctl flatten` waits until the venue says flat; `tradewind ctl hedge` says what it did."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from engine.cli.ctl_commands import accepted_of, add_command_options, answer_of, ask, command
from engine.cli.render import print_json
from engine.cli.target import Target, find_target
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.control.messages import Accepted, Flatten, FlattenRow, FlattenState, HedgeState

POLL_S = 0.2


def add_flatten_options(parser: argparse.ArgumentParser) -> None:
    """What `flatten` takes beside its scope."""
    text = "do not wait until the venue says flat: 0 as soon as it is under way"
    parser.add_argument("--no-wait", action="store_true", help=text)


def add_hedge_options(parser: argparse.ArgumentParser) -> None:
    """What `hedge` takes."""
    add_command_options(parser)
    parser.add_argument(
        "--symbol", required=True, help="whose exposure is offset (VENUE:SYMBOL where several trade it)"
    )
    parser.add_argument("--with", dest="with_symbol", required=True, metavar="SYMBOL", help="the instrument to trade")
    parser.add_argument("--ratio", default="1", help="how much of the exposure's value is offset (1)")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for its end: 0 as soon as it is under way")


def flatten(args: argparse.Namespace, target: Target, request: Flatten) -> int:
    """Send it and wait for its end: 0 when the venue says flat, 1 with what remains."""
    accepted = command(target, request, args.timeout)
    if args.no_wait:
        return told(args, accepted, None)
    state, shown = asked(target, accepted, args.timeout), ""
    while not state.is_done:
        text = rest_text(state.rows) or "asks the venue"
        if text != shown and not args.json:
            shown = text
            sys.stderr.write(f"flatten: {text}\n")
        time.sleep(POLL_S)
        state = asked(target, accepted, args.timeout)
    return told(args, accepted, state)


def asked(target: Target, accepted: Accepted, timeout_s: float) -> FlattenState:
    """How far it is. One that another has taken over goes on in it."""
    from engine.control.messages import FlattenState, FlattenStatus

    reply = answer_of(ask(target, FlattenStatus(), timeout_s), FlattenState)
    if reply.sequence < accepted.sequence:
        raise CommandError(ExitCode.UNAVAILABLE, "the engine no longer knows of this flatten: was it restarted?")
    return reply


def rest_text(rows: tuple[FlattenRow, ...]) -> str:
    """What is left, and why it stays."""
    left = [row for row in rows if row.position != "0" or row.open_orders or row.why]
    return "; ".join(
        f"{row.symbol} {row.position}, {row.open_orders} orders open" + (f" ({row.why})" if row.why else "")
        for row in left
    )


def told(args: argparse.Namespace, accepted: Accepted, state: FlattenState | None) -> int:
    """The end in words, with the venue's own reading."""
    import msgspec

    rows = () if state is None else state.rows
    if args.json:
        print_json(
            {
                "action": "flatten",
                "sequence": accepted.sequence,
                "is_flat": None if state is None else state.is_flat,
                "rows": [msgspec.structs.asdict(row) for row in rows],
            }
        )
    elif state is None:
        print(f"flatten: sequence {accepted.sequence}; under way")
    else:
        print(f"flatten: {'flat' if state.is_flat else 'NOT FLAT'} after {state.elapsed_ns / 1e9:.1f} s")
        for row in rows:
            print(f"  {row.symbol}: {row.position}; the venue: {row.venue}" + (f"; {row.why}" if row.why else ""))
    return ExitCode.OK if state is None or state.is_flat else ExitCode.REFUSED


def hedge(args: argparse.Namespace) -> int:
    """Send it and wait for its end: 0 where all of it is traded, 1 with what remains and why."""
    from engine.control.messages import Hedge, Scope

    request = Hedge(reason=args.reason, scope=Scope(symbol=args.symbol), with_symbol=args.with_symbol, ratio=args.ratio)
    target = find_target(args)
    accepted = accepted_of(ask(target, request, args.timeout))
    state, shown = hedge_state(target, accepted, args.timeout), ""
    while not state.is_done and not args.no_wait:
        text = hedge_text(state)
        if text != shown and not args.json:
            shown = text
            sys.stderr.write(f"hedge: {text}\n")
        time.sleep(POLL_S)
        state = hedge_state(target, accepted, args.timeout)
    return told_hedge(args, accepted, state)


def hedge_state(target: Target, accepted: Accepted, timeout_s: float) -> HedgeState:
    """How far it is."""
    from engine.control.messages import HedgeState, HedgeStatus

    reply = answer_of(ask(target, HedgeStatus(), timeout_s), HedgeState)
    if reply.sequence != accepted.sequence:
        raise CommandError(ExitCode.UNAVAILABLE, "the engine no longer knows of this hedge: was it restarted?")
    return reply


def hedge_text(state: HedgeState) -> str:
    """What is traded of how much, and what is left."""
    done = f"{state.side} {state.qty} {state.symbol}: {state.filled} done in {state.orders} orders"
    left = f", {state.remaining} left" if state.remaining != "0" else ""
    return done + left + (f" ({state.why})" if state.why else "")


def told_hedge(args: argparse.Namespace, accepted: Accepted, state: HedgeState) -> int:
    """The end in words, or how far it is where nobody waits."""
    import msgspec

    if args.json:
        print_json({"action": "hedge", **msgspec.structs.asdict(state)})
    else:
        ended = ("hedged" if state.is_hedged else "NOT HEDGED") if state.is_done else "under way"
        print(f"hedge: {ended}; {hedge_text(state)}; sequence {accepted.sequence}")
    return ExitCode.REFUSED if state.is_done and not state.is_hedged else ExitCode.OK
