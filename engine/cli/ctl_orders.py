"""`tradewind ctl order`, `protect`, `amend`: an operator's orders of every type, and what the gate or the engine said to them."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from engine.cli import ctl_commands
from engine.cli.ctl_order_words import add_algo_words, add_exit_words, add_list_words, algo_of, exits_of, list_of
from engine.cli.render import print_json
from engine.cli.target import Target, find_target
from engine.exit_codes import ExitCode

if TYPE_CHECKING:
    from engine.control.messages import Accepted, Order

VERDICT_WAIT_S = 1.0
TYPES = (
    *("limit", "market", "stop", "stop-limit", "market-if-touched", "limit-if-touched", "trailing-stop"),
    *("trailing-stop-limit", "take-profit", "take-profit-limit"),
)
SHORT_TYPES = {"mit": "market-if-touched", "lit": "limit-if-touched", "trail": "trailing-stop"}
EXAMPLES = """examples:
  a limit order, and a market order:
    tradewind ctl order buy BTCUSDT 0.01 --price 30000 --post-only
    tradewind ctl order sell BTCUSDT 0.01
  stop-loss, stop-limit by the mark price, take-profit, trailing stop that begins at 31000:
    tradewind ctl order sell BTCUSDT 0.01 --type stop --trigger 29000
    tradewind ctl order sell BTCUSDT 0.01 --type stop-limit --trigger 29000 --price 28990 --trigger-by mark
    tradewind ctl order sell BTCUSDT 0.01 --type take-profit --trigger 31000
    tradewind ctl order sell BTCUSDT 0.01 --type trailing-stop --trail 50bps --activate 31000
  shows a tenth of it; works until a date:
    tradewind ctl order buy BTCUSDT 1 --price 30000 --display 0.1
    tradewind ctl order buy BTCUSDT 0.01 --price 30000 --tif gtd --expire 2099-01-31T10:00Z
  a bracket: entry, stop-loss 1 % away, half out at 31000 and half at 32000:
    tradewind ctl order buy BTCUSDT 0.01 --price 30000 --stop-loss 1% --take-profit 31000@50% --take-profit 32000@50%
  one cancels the other; one releases another:
    tradewind ctl order sell BTCUSDT 0.01 --price 31000 --oco stop:29000
    tradewind ctl order buy BTCUSDT 0.01 --price 30000 --then limit:31000
  in an account that keeps a long and a short position apart (hedge mode): open a long, close a short:
    tradewind ctl order buy BTCUSDT 0.01 --price 30000 --position-side long
    tradewind ctl order buy BTCUSDT 0.01 --price 30000 --position-side short
  over ten minutes in twenty slices; a tenth of the volume; following the mid:
    tradewind ctl order buy BTCUSDT 1 --algo twap --duration 10m --slices 20 --time-jitter 30% --price 30500
    tradewind ctl order buy BTCUSDT 1 --algo pov --participation 10% --duration 1h
    tradewind ctl order buy BTCUSDT 1 --algo peg --to mid --offset 2ticks

Lists are one request where the venue has them (spot), else the engine holds them; --emulated: it holds them there, too.
Each order passes the gate like any other; its verdict is the exit code (0 passed or taken up, 1 refused and why)."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """`ctl order buy BTCUSDT 0.01 --price 30000`, and everything else that an order can say."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    ctl_commands.add_command_options(parser)
    parser.add_argument("side", choices=("buy", "sell"))
    parser.add_argument("symbol")
    parser.add_argument("qty", nargs="?", default="", help="decimal, in the base asset; not with --close-position")
    parser.add_argument(
        "--price", default="", help="decimal; the limit price, also an algorithm's; without it a market order"
    )
    parser.add_argument("--type", choices=(*TYPES, *SHORT_TYPES), help="limit where there is a price, else market")
    parser.add_argument("--tif", choices=("gtc", "ioc", "fok", "gtd", "day"), help="time in force (gtc)")
    parser.add_argument("--expire", default="", metavar="DATE", help="of gtd: 2099-01-31T10:00Z, or +30m from now")
    parser.add_argument("--post-only", action="store_true", help="never take: refused where it would cross")
    parser.add_argument("--reduce-only", action="store_true", help="never open or enlarge a position")
    parser.add_argument("--close-position", action="store_true", help="close whatever the position is when it triggers")
    add_position_side(parser)
    parser.add_argument("--display", default="", metavar="QTY", help="show only so much at a time (iceberg)")
    parser.add_argument("--emulated", action="store_true", help="the engine holds it, also where the venue could")
    parser.add_argument("--venue", help="where the symbol is traded at several")
    _add_trigger_words(parser)
    add_exit_words(parser.add_argument_group("a bracket: the exits of what this order fills"))
    add_list_words(
        parser.add_argument_group("a list; a LEG is [buy:|sell:]TYPE:PRICE[:LIMIT], as stop-limit:29000:28990")
    )
    add_algo_words(parser.add_argument_group("an execution algorithm: child orders until the quantity is done"))


def add_position_side(parser: argparse.ArgumentParser) -> None:
    """--position-side, which a hedged account needs and no other knows."""
    text = (
        "of which position the order is, in an account that keeps long and short apart (hedge mode): needed there, refused "
        "elsewhere; buy opens a long and closes a short"
    )
    parser.add_argument("--position-side", choices=("long", "short"), default="", help=text)


def _add_trigger_words(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("conditional orders")
    group.add_argument("--trigger", default="", metavar="PRICE", help="the price that is waited for")
    group.add_argument(
        "--trigger-by",
        choices=("last", "bid-ask", "mark", "index"),
        default="last",
        help="which price is watched (last)",
    )
    group.add_argument(
        "--trail", default="", metavar="DISTANCE", help="of a trailing stop: 50bps, 0.5%%, 20ticks, or 12.5"
    )
    group.add_argument("--activate", default="", metavar="PRICE", help="a trailing stop begins to follow here")
    group.add_argument(
        "--limit-offset", default="", metavar="DISTANCE", help="of a trailing-stop-limit: its limit beyond the trigger"
    )


def run(args: argparse.Namespace) -> int:
    """Send it; 0 when the gate let it pass (or the engine took it up), 1 when it was refused."""
    target = find_target(args)
    accepted = ctl_commands.command(target, request_of(args), args.timeout)
    return tell(args, accepted, verdict_of(target, accepted))


def request_of(args: argparse.Namespace) -> Order:
    """The order as text; the engine resolves it."""
    from engine.control.messages import Order, Scope

    kind: Any = SHORT_TYPES.get(args.type, args.type) or ("limit" if args.price or args.algo else "market")
    contingency, legs = list_of(args)
    algo, words, profile = algo_of(args)
    return Order(
        reason=args.reason,
        scope=Scope(symbol=args.symbol, venue=args.venue or ""),
        side=args.side,
        qty=args.qty,
        price=args.price,
        order_type=kind,
        time_in_force=args.tif or ("gtd" if args.expire else "gtc"),
        expire=args.expire,
        post_only=args.post_only and not algo,
        reduce_only=args.reduce_only,
        close_position=args.close_position,
        position_side=args.position_side,
        trigger=args.trigger,
        trigger_by=args.trigger_by,
        trail=args.trail,
        activate=args.activate,
        limit_offset=args.limit_offset,
        display=args.display,
        emulated=args.emulated,
        exits=exits_of(args),
        contingency=contingency,
        legs=legs,
        algo=algo,
        algo_words=words,
        profile=profile,
    )


def add_protect_options(parser: argparse.ArgumentParser) -> None:
    """`ctl protect BTCUSDT --stop-loss 1% --take-profit 2%`."""
    ctl_commands.add_command_options(parser)
    parser.add_argument("symbol")
    add_position_side(parser)
    parser.add_argument("--venue", help="where the symbol is traded at several")
    add_exit_words(parser)


def protect(args: argparse.Namespace) -> int:
    """Exits that follow the position."""
    from engine.control.messages import ExitsText, Protect, Scope

    scope = Scope(symbol=args.symbol, venue=args.venue or "")
    exits = exits_of(args) or ExitsText()
    request = Protect(reason=args.reason, scope=scope, exits=exits, position_side=args.position_side)
    target = find_target(args)
    accepted = ctl_commands.command(target, request, args.timeout)
    return tell(args, accepted, verdict_of(target, accepted))


def add_amend_options(parser: argparse.ArgumentParser) -> None:
    """`ctl amend ORDER --price 30001`."""
    ctl_commands.add_command_options(parser)
    parser.add_argument("order", help="client order id or handle")
    parser.add_argument("symbol", nargs="?", default="", help="the order's symbol; the engine knows it")
    parser.add_argument("--price", default="", help="another limit price")
    parser.add_argument("--qty", default="", help="another total quantity")
    parser.add_argument(
        "--trigger", default="", metavar="PRICE", help="another trigger price, where the engine holds it"
    )
    parser.add_argument("--venue", help="where the symbol is traded at several")
    add_exit_words(parser.add_argument_group("other exits of a bracket or a protection; what is not named stays"))


def amend(args: argparse.Namespace) -> int:
    """Ask for another price, quantity or trigger price, or for other exits."""
    from engine.control.messages import Amend, Scope

    request = Amend(
        reason=args.reason,
        scope=Scope(order=args.order),
        symbol=args.symbol,
        venue=args.venue or "",
        price=args.price,
        qty=args.qty,
        trigger=args.trigger,
        exits=exits_of(args),
    )
    return ctl_commands.tell(args, ctl_commands.command(find_target(args), request, args.timeout))


def verdict_of(target: Target, accepted: Accepted) -> dict[str, Any] | None:
    """What became of the order, read from the ledger behind the command; None where it is not there in time.

    `reason` and `approved`: the gate's verdict; of what the engine holds or carries out, whether it was taken up (`state`).
    """
    from engine.journal.reader import JournalReader
    from engine.model.codes import Lane

    if target.data_dir is None or accepted.reason:
        return None
    follower = JournalReader(target.journal_dir()).follow(accepted.sequence - 1, Lane.LEDGER)
    deadline = time.monotonic() + VERDICT_WAIT_S
    while time.monotonic() < deadline:
        record = follower.next_record()
        if record is None:
            time.sleep(0.005)
        elif record.order_handle == accepted.order_handle and (found := _verdict(record)):
            return found | {"seq": record.seq}
    return None


def _verdict(record: Any) -> dict[str, Any] | None:
    """The verdict that a record is: the gate's, or the engine's on a held order or an instruction."""
    from engine.journal import decode
    from engine.model.codes import RecordKind

    if record.kind == RecordKind.VERDICT:
        return decode.payload(record)
    if record.kind not in (RecordKind.HELD_ORDER, RecordKind.PARENT_STATE):
        return None
    payload = decode.payload(record)
    passed = payload["state"] not in ("REJECTED", "REFUSED")
    return {"approved": passed, "reason": payload["reason"], "state": payload["state"]}


def tell(args: argparse.Namespace, accepted: Accepted, verdict: dict[str, Any] | None) -> int:
    """Say what became of it."""
    from engine.model.codes import Reason

    passed = False if accepted.reason else None if verdict is None else bool(verdict["approved"])
    reason = Reason(accepted.reason).name if accepted.reason else None if verdict is None else verdict["reason"]
    answer = {
        "action": args.action,
        "sequence": accepted.sequence,
        "order_handle": accepted.order_handle,
        "approved": passed,
        "reason": reason,
    }
    if accepted.note:
        answer["note"] = accepted.note
    if verdict is not None and "state" in verdict:
        answer["state"] = verdict["state"]
    if args.json:
        print_json(answer)
    else:
        print(f"{args.action}: {said(accepted, verdict)}")
    return ExitCode.REFUSED if passed is False else ExitCode.OK


def said(accepted: Accepted, verdict: dict[str, Any] | None) -> str:
    """The answer in words."""
    where = f"sequence {accepted.sequence}, handle {accepted.order_handle}"
    if accepted.reason:
        return f"refused: {accepted.note}; {where}"
    if verdict is None:
        return f"{where}; the verdict stands in the journal"
    if "state" in verdict:
        return f"{verdict['state'].lower()}, {where}" + (f" ({verdict['reason']})" if not verdict["approved"] else "")
    if verdict["approved"]:
        return f"approved, {where}"
    return f"refused by the gate: {verdict['reason']}; {where}, `tradewind explain {accepted.order_handle}` tells more"
