"""`tradewind statement`: a day's orders, fills, fees, funding and profit, held against the venue's balances."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.cli.past import add_past_options, faults_told, find_past, require_known, tell
from engine.cli.render import print_json, print_table, time_text
from engine.exit_codes import CommandError, ExitCode

NS_PER_S = 1_000_000_000
Columns = tuple[str, ...]
BALANCES: Columns = (
    "account",
    "asset",
    "opening",
    "trades",
    "realised",
    "fees",
    "funding",
    "transfers",
    "closing",
    "unexplained",
)
POSITIONS: Columns = (
    "account",
    "symbol",
    "side",
    "opening",
    "bought",
    "sold",
    "closing",
    "average_price",
    "mark",
    "realised",
)
POSITIONS += ("unrealised_opening", "unrealised", "fees", "money")
FUNDING: Columns = ("wall_ns", "account", "symbol", "asset", "amount", "seq")
FILLS: Columns = (
    "wall_ns",
    "account",
    "venue",
    "symbol",
    "strategy",
    "side",
    "position_side",
    "price",
    "qty",
    "fee",
    "fee_asset",
)
FILLS += ("liquidity", "external", "client_order_id", "trade_id", "handle", "seq")
ORDERS: Columns = (
    "first_wall_ns",
    "account",
    "venue",
    "symbol",
    "strategy",
    "client_order_id",
    "side",
    "type",
    "price",
    "qty",
)
ORDERS += ("filled", "state", "reason", "is_carried", "changes", "handle", "seq")
TABLES = {"balances": BALANCES, "positions": POSITIONS, "funding": FUNDING, "orders": ORDERS, "fills": FILLS}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`statement --day YYYY-MM-DD`."""
    parser = subparsers.add_parser("statement", help="a day's orders, fills, fees and profit", description=__doc__)
    parser.add_argument("--day", required=True, metavar="YYYY-MM-DD", help="the day, UTC")
    parser.add_argument("--account", type=int, default=0, metavar="N", help="this account alone (its number)")
    parser.add_argument(
        "--format", choices=("text", "json", "csv"), default="text", help="csv: a file for each table, in --out"
    )
    parser.add_argument("--out", metavar="DIR", help="where the CSV files go; no file is overwritten")
    add_past_options(parser)
    parser.add_argument("--json", action="store_true", help="the same as --format json")


def run(args: argparse.Namespace) -> int:
    """Print or write it; exit code 1 where it does not add up, 66 where its past, the day or the account is not there."""
    from engine.desk.statement import KINDS, UnknownAccountError, statement

    start_ns = day_ns(args.day)
    end_ns = start_ns + int(timedelta(days=1).total_seconds()) * NS_PER_S
    source = find_past(args, KINDS, 0)
    require_known(source, KINDS, start_ns, end_ns, f"--day {args.day}")
    try:
        with faults_told():
            found = statement(source, start_ns, end_ns, args.account)
    except UnknownAccountError as error:
        raise CommandError(ExitCode.NO_INPUT, f"--account {args.account}: {error}") from None
    found = {"day": args.day, **found}
    if not found["has_records"]:
        of = f" of account {args.account}" if args.account else ""
        tell(f"--day {args.day}: no record{of} is of this day; what stood before it stands, as far as is known")
    if args.json or args.format == "json":
        print_json(found)
    elif args.format == "csv":
        write_tables(args, found)
    else:
        print_statement(found)
    return ExitCode.OK if found["ties_out"] else ExitCode.REFUSED


def day_ns(text: str) -> int:
    """The beginning of a day in UTC, nanoseconds since 1970."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise CommandError(ExitCode.USAGE, f"--day {text}: must be YYYY-MM-DD")
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * NS_PER_S
    except ValueError:
        raise CommandError(ExitCode.USAGE, f"--day {text}: there is no such day") from None


def write_tables(args: argparse.Namespace, found: dict[str, Any]) -> None:
    """Each table as a CSV file."""
    from engine.desk.sheets import write_csv

    if not args.out:
        raise CommandError(ExitCode.USAGE, "--format csv needs --out DIR")
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns in TABLES.items():
        path = folder / f"{found['day']}-{name}.csv"
        try:
            write_csv(path, columns, found[name])
        except FileExistsError:
            raise CommandError(ExitCode.CANNOT_CREATE, f"{path}: is there already; nothing is overwritten") from None
        print(path)
    for text in found["differences"]:
        print(f"does not add up: {text}")


def print_statement(found: dict[str, Any]) -> None:
    """For a person: the sums, then fills, then whether it adds up."""
    print(f"{found['engine']} {found['day']} UTC, sequence {found['first_seq']} to {found['last_seq']}")
    print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found["counts"].items()))
    for name in ("balances", "positions", "funding", "fills"):
        rows = [shown(row) for row in found[name]]
        if rows:
            print(f"\n{name}")
            print_table(rows, ["time" if column == "wall_ns" else column for column in TABLES[name]])
    adds_up = "all adds up" if found["has_records"] else "no record is of this day"
    print(f"\n{adds_up}" if found["ties_out"] else "")
    for text in found["differences"]:
        print(f"does not add up: {text}")


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its time in words, and fees on one line."""
    from engine.desk.sheets import cell

    told = {name: cell(value) if isinstance(value, dict) else value for name, value in row.items()}
    return told | ({"time": time_text(row["wall_ns"])} if "wall_ns" in row else {})
