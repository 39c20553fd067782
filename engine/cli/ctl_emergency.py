"""`tradewind ctl flatten` waits until the venue says flat; `tradewind ctl hedge` says what it did."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from engine.cli.ctl_commands import accepted_of, add_command_options, ask, command, halted
from engine.cli.render import print_json
from engine.cli.target import Target, find_target
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.control.messages import Accepted, Flatten, FlattenRow, FlattenState

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

    reply = ask(target, FlattenStatus(), timeout_s)
    if not isinstance(reply, FlattenState) or reply.sequence < accepted.sequence:
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
    """Send it; 0 where the gate let the order pass."""
    from engine.control.messages import Hedge, Scope
    from engine.model.codes import HaltReason, TradingState

    request = Hedge(reason=args.reason, scope=Scope(symbol=args.symbol), with_symbol=args.with_symbol, ratio=args.ratio)
    accepted = accepted_of(ask(find_target(args), request, args.timeout))
    is_refused = accepted.note.startswith("refused")
    if args.json:
        print_json(
            {
                "action": "hedge",
                "sequence": accepted.sequence,
                "order_handle": accepted.order_handle,
                "done": accepted.note,
                "is_refused": is_refused,
            }
        )
    else:
        state = TradingState(accepted.trading_state).name + halted(HaltReason(accepted.halt_reason).name)
        print(
            f"hedge: {accepted.note}; sequence {accepted.sequence}, handle {accepted.order_handle}; trading is {state}"
        )
    return ExitCode.REFUSED if is_refused else ExitCode.OK
