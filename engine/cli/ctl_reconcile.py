"""`tradewind ctl reconcile` shows what of the venue's word is not booked, and open orders that are not ours; `tradewind ctl stop`
which positions stay, and how."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import msgspec

from engine.cli.ctl_commands import answer_of, ask, command, tell
from engine.cli.render import print_json, print_table
from engine.cli.target import Target
from engine.control.venue_rows import left_text
from engine.exit_codes import ExitCode

if TYPE_CHECKING:
    from engine.control.messages import Accepted, EngineStatus, LineStatus, Scope

POLL_S = 0.05
READ_S_MAX = 10.0
COLUMNS = ["line", "symbol", "kind", "side", "booked", "venue", "price", "order", "trade_id", "is_anew"]
NOT_OURS = ["line", "symbol", "side", "qty", "price", "venue_order_id", "client_order_id", "is_marked"]
MARKED = "is_marked: it bears our mark, its symbol is halted; find its cause, `cancel --order CLIENT_ORDER_ID`, then `arm --symbol`"
ANOTHERS = "not marked: another's, told and nothing more: it halts nothing and counts in no limit; end it where it was sent from"


def add_reconcile_options(parser: argparse.ArgumentParser) -> None:
    """What `reconcile` takes beside its scope."""
    text = "first book what is in dispute as the venue says; its symbol trades again after `arm --symbol`"
    parser.add_argument("--adopt", action="store_true", help=text)


def reconcile(args: argparse.Namespace, target: Target, scope: Scope) -> int:
    """Read the account until it is known whether it agrees, show the differences: 0 where there are none, 1 else.

    An open order there that bears our mark and is not in our ledger is one; another's is told and is none.
    """
    from engine.control.messages import Reconcile

    before = {line.line: line.reconciles for line in lines_of(status_of(target, args.timeout), scope)}
    accepted = command(target, Reconcile(reason=args.reason, scope=scope, adopt=args.adopt), args.timeout)
    until_s = time.monotonic() + max(READ_S_MAX, args.timeout)
    while True:
        status = status_of(target, args.timeout)
        lines = lines_of(status, scope)
        is_read = all(is_compared(line, before[line.line]) for line in lines)
        if is_read or time.monotonic() > until_s:
            return told(args, accepted, lines, mismatched(status, lines), is_read=is_read)
        time.sleep(POLL_S)


def is_compared(line: LineStatus, reconciles_before: int) -> bool:
    """Was it read since, with nothing to be read once more: a position that disagrees is a difference from the third reading on."""
    return line.reconciled and not line.is_reading and line.reconciles > reconciles_before


def mismatched(status: EngineStatus, lines: list[LineStatus]) -> list[str]:
    """Symbols of these lines that stand still since the venue's word was another than ours."""
    from engine.model.codes import HaltReason

    halted = [symbol for symbol, reason in status.halted_symbols.items() if reason == HaltReason.MISMATCH]
    names = {line.line for line in lines}
    return [symbol for symbol in halted if ":" not in symbol or symbol.split(":")[0] in names]


def status_of(target: Target, timeout_s: float) -> EngineStatus:
    """The engine's state."""
    from engine.control.messages import EngineStatus, Status

    return answer_of(ask(target, Status(), timeout_s), EngineStatus)


def lines_of(status: EngineStatus, scope: Scope) -> list[LineStatus]:
    """The lines that are meant. One of a venue is named after it, or VENUE-something."""
    return [line for line in status.lines if scope.venue in ("", line.line) and scope.account in (0, line.account)]


def told(
    args: argparse.Namespace, accepted: Accepted, lines: list[LineStatus], halted: list[str], *, is_read: bool
) -> int:
    """What is left to decide, and how."""
    rows = [difference_row(line.line, item) for line in lines for item in line.differences]
    not_ours = [{"line": line.line, **msgspec.structs.asdict(item)} for line in lines for item in line.not_ours]
    count = sum(line.not_ours_count for line in lines)
    if args.json:
        answer = {"action": "reconcile", "sequence": accepted.sequence, "is_read": is_read, "differences": rows}
        print_json(answer | {"halted_symbols": halted, "not_ours": not_ours, "not_ours_count": count})
    else:
        print(f"reconcile: sequence {accepted.sequence}; " + ("read" if is_read else "NOT READ in time"))
        print_table(rows, COLUMNS, empty="no differences" if is_read else "no differences so far: ask again")
        if any(row["kind"] != "unknown" for row in rows):
            print("reconcile --adopt books what the venue says; then arm --symbol SYMBOL")
        if halted:
            print(f"halted by a mismatch, until arm --symbol: {', '.join(halted)}")
        if not_ours:
            print_not_ours(not_ours, count)
    is_marked = any(row["is_marked"] for row in not_ours)
    return ExitCode.OK if is_read and not rows and not is_marked else ExitCode.REFUSED


def print_not_ours(rows: list[dict[str, Any]], count: int) -> None:
    """Open orders at the venue that are not ours: what each is, and what it means."""
    print("\nopen at the venue and not ours")
    print_table([row | {"price": row["price"] or "none"} for row in rows], NOT_OURS)
    if count > len(rows):
        print(f"and {count - len(rows)} more: the venue's own list of open orders has them")
    if any(row["is_marked"] for row in rows):
        print(MARKED)
    if not all(row["is_marked"] for row in rows):
        print(ANOTHERS)


def difference_row(line: str, item: Any) -> dict[str, Any]:
    """One difference as it is shown; a trade without a number has none."""
    row = {"line": line, **msgspec.structs.asdict(item)}
    return row | {"trade_id": None if item.trade_id < 0 else item.trade_id, "order": item.order or None}


def tell_stop(args: argparse.Namespace, accepted: Accepted) -> int:
    """The acceptance, and each position with what protects it while the engine is away."""
    if args.json:
        from engine.model.codes import HaltReason, TradingState

        left = [msgspec.structs.asdict(row) | {"is_bare": row.is_bare} for row in accepted.left]
        state, halt = TradingState(accepted.trading_state).name, HaltReason(accepted.halt_reason).name
        answer = {"action": "stop", "sequence": accepted.sequence, "trading_state": state, "halt_reason": halt}
        print_json(answer | {"left": left})
        return ExitCode.OK
    code = tell(args, accepted)
    for row in accepted.left:
        print(left_text(row))
    return code
