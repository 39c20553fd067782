"""`tradewind ctl order`: an operator's order, and what the gate said to it."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from engine.cli import ctl_commands
from engine.cli.render import print_json
from engine.cli.target import Target, find_target
from engine.exit_codes import ExitCode

if TYPE_CHECKING:
    from engine.control.messages import Accepted

VERDICT_WAIT_S = 1.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """`ctl order buy BTCUSDT 0.01 --price 30000`."""
    ctl_commands.add_command_options(parser)
    parser.add_argument("side", choices=("buy", "sell"))
    parser.add_argument("symbol")
    parser.add_argument("qty", help="decimal, in the base asset")
    parser.add_argument("--price", default="", help="decimal; without it a market order")
    parser.add_argument("--tif", choices=("gtc", "ioc", "fok"), default="gtc", help="time in force (gtc)")
    parser.add_argument("--post-only", action="store_true", help="never take: refused where it would cross")
    parser.add_argument("--reduce-only", action="store_true", help="never open or enlarge a position")
    parser.add_argument("--venue", help="where the symbol is traded at several")


def run(args: argparse.Namespace) -> int:
    """Send it; 0 when the gate let it pass, 1 when it refused."""
    from engine.control.messages import Order, Scope

    target = find_target(args)
    request = Order(
        reason=args.reason,
        scope=Scope(symbol=args.symbol, venue=args.venue or ""),
        side=args.side,
        qty=args.qty,
        price=args.price,
        order_type="limit" if args.price else "market",
        time_in_force=args.tif if args.price else "gtc",
        post_only=args.post_only,
        reduce_only=args.reduce_only,
    )
    accepted = ctl_commands.command(target, request, args.timeout)
    verdict = verdict_of(target, accepted) if target.data_dir is not None else None
    return tell(args, accepted, verdict)


def verdict_of(target: Target, accepted: Accepted) -> dict[str, Any] | None:
    """The gate's verdict on the order, read from the ledger behind the command; None where it is not there in time."""
    from engine.journal import decode
    from engine.journal.reader import JournalReader
    from engine.model.codes import Lane, RecordKind

    follower = JournalReader(target.journal_dir()).follow(accepted.sequence - 1, Lane.LEDGER)
    deadline = time.monotonic() + VERDICT_WAIT_S
    while time.monotonic() < deadline:
        record = follower.next_record()
        if record is None:
            time.sleep(0.005)
        elif record.kind == RecordKind.VERDICT and record.order_handle == accepted.order_handle:
            return decode.payload(record) | {"seq": record.seq}
    return None


def tell(args: argparse.Namespace, accepted: Accepted, verdict: dict[str, Any] | None) -> int:
    """Say what became of it."""
    passed = None if verdict is None else bool(verdict["approved"])
    answer = {
        "action": "order",
        "sequence": accepted.sequence,
        "order_handle": accepted.order_handle,
        "approved": passed,
        "reason": None if verdict is None else verdict["reason"],
    }
    if args.json:
        print_json(answer)
    elif verdict is None:
        print(f"order: sequence {accepted.sequence}, handle {accepted.order_handle}; the verdict stands in the journal")
    elif passed:
        print(f"order: approved, sequence {accepted.sequence}, handle {accepted.order_handle}")
    else:
        value, limit = verdict["value"], verdict["limit_value"]
        print(f"order: refused by the gate: {verdict['reason']} (value {value}, limit {limit})")
    return ExitCode.REFUSED if passed is False else ExitCode.OK
