"""`tradewind ctl orders` as a tree - parents, what they hold, their orders - and `ctl algos`: from the ledger's fold."""

from __future__ import annotations

import argparse
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from engine.cli.ctl_commands import ask
from engine.cli.ctl_listings import refreshed
from engine.cli.ctl_symbols import named, wanted
from engine.cli.render import duration_text, print_json, print_table
from engine.cli.target import Target
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.desk.ledger import LedgerFold, LedgerState
    from engine.desk.parents import Node

FLAT_COLUMNS = ["client_order_id", "symbol", "strategy", "side", "type", "price", "qty", "filled", "state", "reason"]
TREE_COLUMNS = [
    *(
        "order",
        "symbol",
        "strategy",
        "side",
        "type",
        "price",
        "trigger",
        "trail",
        "distance",
        "qty",
        "filled",
        "state",
        "note",
    ),
]
ALGO_COLUMNS = [
    *("handle", "algo", "symbol", "strategy", "side", "qty", "filled", "remaining", "children", "average_price"),
    *("slippage_bps", "ahead_bps", "time", "state", "reason"),
]
ASK_WAIT_S = 0.5
Row = dict[str, Any]


class Tree:
    """`ctl orders` and `ctl algos`."""

    def __init__(self, target: Target, fold: LedgerFold) -> None:
        self.target, self.fold = target, fold

    def show(self, args: argparse.Namespace) -> int:
        """The listing, and as of which sequence."""
        state = refreshed(self.fold)
        parents = list(state.family.parents.values()) if args.all else state.open_parents()
        parents = wanted(state.catalog, args.symbol, parents)
        if args.action == "algos":
            rows = [algo_row(row) for row in parents if row["kind"] == "ALGO"]
            self.tell(args, {"algos": rows}, rows, ALGO_COLUMNS)
            return ExitCode.OK
        orders = list(state.orders.values()) if args.all else state.open_orders()
        orders = wanted(state.catalog, args.symbol, orders)
        held = [exit_row(parent, row) for parent in parents for row in parent["held_exits"]]
        self.measure([*orders, *held])
        rows = shown(args, state, parents, orders, held)
        self.tell(args, {"orders": orders, "parents": parents}, rows, columns_of(args, rows))
        return ExitCode.OK

    def tell(self, args: argparse.Namespace, answer: Row, rows: list[Row], columns: list[str]) -> None:
        """The table, or the answer as JSON."""
        state, lag = self.fold.state, self.fold.lag_records()
        if args.json:
            print_json(answer | {"as_of_sequence": state.as_of, "since_sequence": state.since, "lag": lag})
        else:
            print_table(named(state.catalog, rows), columns, empty=f"no {args.action}")
            print(f"as of sequence {state.as_of}, lag {lag}")

    def measure(self, orders: list[Row]) -> None:
        """How far the price is from the trigger of what waits, by the engine's book; not told where it does not answer."""
        waiting = [row for row in orders if row["trigger"] and row["state"] in ("HELD", "NEW")]
        mids: dict[tuple[str, str], Decimal | None] = {}
        for row in waiting:
            place = row["venue"], row["symbol"]
            if place not in mids:
                mids[place] = self.mid(row)
            row["distance"] = distance_text(row["trigger"], mids[place])

    def mid(self, row: Row) -> Decimal | None:
        """Half way between bid and ask of the row's symbol; None where the engine cannot be asked."""
        from engine.control.messages import Book, BookStatus

        try:
            reply = ask(self.target, Book(symbol=row["symbol"], venue=row["venue"]), ASK_WAIT_S)
        except CommandError:
            return None
        if not isinstance(reply, BookStatus):
            return None
        try:
            return (Decimal(reply.bid) + Decimal(reply.ask)) / 2
        except InvalidOperation:
            return None


def columns_of(args: argparse.Namespace, rows: list[Row]) -> list[str]:
    """The columns to show; which position an order is of only where an account keeps two of a symbol."""
    columns = FLAT_COLUMNS if args.flat else TREE_COLUMNS
    if any(row.get("position_side") in ("long", "short") for row in rows):
        at = columns.index("side") + 1
        return [*columns[:at], "position_side", *columns[at:]]
    return columns


def exit_row(parent: Row, held: Row) -> Row:
    """What a parent holds for its position, as a row below it: no order yet, so that it has no handle."""
    return held | {
        "handle": 0,
        "client_order_id": held["exit"],
        "parent": parent["handle"],
        "venue": parent["venue"],
        "symbol": parent["symbol"],
        "strategy": parent["strategy"],
        "position_side": parent["position_side"],
        "filled": "",
        "reason": "NONE",
        "seq": parent["seq"],
    }


def shown(
    args: argparse.Namespace, state: LedgerState, parents: list[Row], orders: list[Row], held: list[Row]
) -> list[Row]:
    """The rows to print; a parent that is over is shown where one of its orders is open still."""
    if args.flat:
        return orders
    from engine.desk.parents import tree

    there = {row["handle"] for row in parents}
    missing = {row["parent"] for row in orders} - there
    late = [state.family.parents[handle] for handle in sorted(missing) if handle in state.family.parents]
    open_below = Counter(row["parent"] for row in state.open_orders())
    above = [
        row | {"open_children": open_below[row["handle"]]} | ({"reason": "NONE"} if state.family.is_stale(row) else {})
        for row in [*parents, *late]
    ]
    return [tree_row(node) for node in tree(above, [*orders, *held])]


def tree_row(node: Node) -> Row:
    """A row of the tree: its branch before the order's name."""
    row = node.row
    if node.is_parent:
        return row | {
            "order": str(row["handle"]),
            "type": row["what"].upper(),
            "price": row["average_price"],
            "note": parent_note(row),
        }
    branch = ("└─ " if node.is_last else "├─ ") if node.depth else ""
    name = row["client_order_id"] or row["handle"]
    return row | {
        "order": f"{branch}{name}",
        "note": row.get("note", "") if row["reason"] == "NONE" else row["reason"],
    }


def parent_note(row: Row) -> str:
    """What a parent's row says beside its quantities."""
    found = algo_row(row)
    parts = [f"{row['open_children']} open"] if "open_children" in row else []
    if found["slippage_bps"]:
        parts.append(f"slippage {found['slippage_bps']} bps")
    if found["ahead_bps"] != "":
        parts.append(f"schedule {int(found['ahead_bps']):+d} bps")
    if row["reason"] != "NONE":
        parts.append(row["reason"])
    return ", ".join(parts)


def algo_row(parent: Row) -> Row:
    """A parent with its progress in words. `slippage_bps`: positive = worse than arrival; `ahead_bps`: of the whole quantity."""
    progress = parent["progress"]
    slippage = progress.get("slippage_centibps")
    elapsed_ns, duration_ns = progress.get("elapsed_ns", 0), progress.get("duration_ns", 0)
    time = duration_text(elapsed_ns) + (f" of {duration_text(duration_ns)}" if duration_ns else "")
    return parent | {
        "algo": parent["what"],
        "remaining": plain_difference(parent["qty"], parent["filled"]),
        "slippage_bps": "" if slippage is None else f"{Decimal(slippage) / 100:.2f}",
        "ahead_bps": progress.get("ahead_bps", ""),
        "time": time if progress else "",
    }


def plain_difference(whole: str, part: str) -> str:
    """Decimal texts subtracted, without trailing zeros; empty where they are none."""
    try:
        left = Decimal(whole) - Decimal(part)
    except InvalidOperation:
        return ""
    return f"{left.normalize():f}"


def distance_text(trigger: str, mid: Decimal | None) -> str:
    """Trigger less mid in the price's unit and in basis points of the mid."""
    try:
        away = Decimal(trigger) - mid if mid else None
    except InvalidOperation:
        return ""
    if away is None or not mid:
        return ""
    return f"{away.normalize():+f} ({away / mid * 10_000:+.1f} bps)"
