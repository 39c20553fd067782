"""`tradewind export`: orders, fills, positions, profit, decisions and commands as CSV or Parquet, exact."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.cli.past import add_past_options, faults_told, find_past, require_known
from engine.cli.render import print_json
from engine.exit_codes import CommandError, ExitCode

NAMES = (
    "orders",
    "order_states",
    "fills",
    "positions",
    "pnl",
    "balances",
    "funding",
    "decisions",
    "commands",
    "alarms",
)
END_NS = (1 << 63) - 1


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`export TABLE --out FILE`."""
    parser = subparsers.add_parser("export", help="tables of a ledger as CSV or Parquet", description=__doc__)
    parser.add_argument("table", choices=NAMES, metavar="TABLE", help=", ".join(NAMES))
    parser.add_argument("--format", choices=("csv", "parquet"), help="absent: by the file's ending")
    parser.add_argument(
        "--from", dest="from_time", default="", metavar="TIME", help="YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, UTC"
    )
    parser.add_argument("--to", dest="to_time", default="", metavar="TIME", help="up to and without; a day as a whole")
    parser.add_argument("--out", required=True, metavar="FILE", help="a new file")
    add_past_options(parser)
    parser.add_argument("--json", action="store_true", help="what was written, as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Write one table; 73 where the file is there or cannot be made, 66 where its past is not there, or not of that time, 69, 78:
    the database.
    """
    from engine.desk.export import TABLES, Window
    from engine.desk.export_files import ExportError, write

    path, form = Path(args.out), chosen_format(args)
    from_ns, to_ns = time_ns(args.from_time, 0), time_ns(args.to_time, END_NS, is_end=True)
    if from_ns >= to_ns:
        raise CommandError(ExitCode.USAGE, f"--from {args.from_time} does not lie before --to {args.to_time}")
    table = TABLES[args.table]
    source = find_past(args, table.kinds, 0 if table.is_folded else from_ns)
    if args.from_time or args.to_time:
        asked = " ".join(f"--{name} {text}" for name, text in (("from", args.from_time), ("to", args.to_time)) if text)
        require_known(source, table.kinds, from_ns, to_ns, asked)
    try:
        with faults_told():
            count = write(path, form, table.columns, table.rows(Window(source, from_ns, to_ns)))
    except ExportError as error:
        raise CommandError(ExitCode.UNAVAILABLE, str(error)) from None
    except OSError as error:
        raise CommandError(ExitCode.CANNOT_CREATE, f"{error.filename}: {error.strerror}") from None
    if args.json:
        print_json({"table": args.table, "rows": count, "file": str(path), "format": form})
    else:
        print(f"{count} rows of {args.table} in {path}")
    return ExitCode.OK


def chosen_format(args: argparse.Namespace) -> str:
    """What was asked for, or what the file's ending says."""
    ending = Path(args.out).suffix.removeprefix(".")
    form = str(args.format or ending)
    if form not in ("csv", "parquet"):
        raise CommandError(ExitCode.USAGE, f"--out {args.out}: end it with .csv or .parquet, or give --format")
    return form


def time_ns(text: str, absent: int, *, is_end: bool = False) -> int:
    """A time as nanoseconds since 1970; a day as an end is its last instant."""
    if not text:
        return absent
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(ExitCode.USAGE, f"{text}: must be YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if is_end and len(text) == len("2026-01-01"):
        moment += timedelta(days=1)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
