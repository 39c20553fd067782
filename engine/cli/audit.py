"""`tradewind audit`: who commanded an engine, when, why, and with what outcome; from its ledger, beside it or without it."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from engine.cli.journal import add_place_options, failure, json_line, open_reader
from engine.cli.render import print_table, time_text
from engine.exit_codes import CommandError, ExitCode

COLUMNS = ("when", "sequence", "uid", "pid", "action", "about", "outcome", "reason", "text")
NS_PER_S = 1_000_000_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`audit [--from TIME] [--to TIME] [--uid UID] [--dir D] [--json]`."""
    parser = subparsers.add_parser("audit", help="who commanded an engine, when and why", description=__doc__)
    parser.add_argument(
        "--from", dest="from_time", type=moment, metavar="TIME", help="from here on: 2026-01-31[T12:00[:00]], UTC"
    )
    parser.add_argument("--to", dest="to_time", type=moment, metavar="TIME", help="up to here")
    parser.add_argument("--uid", type=int, metavar="UID", help="what this user asked for or approved")
    add_place_options(parser)
    parser.add_argument("--json", action="store_true", help="one object a line")


def moment(text: str) -> int:
    """A time in nanoseconds since 1970; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 2026-01-31 or 2026-01-31T12:00") from None
    from datetime import UTC

    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * NS_PER_S)


def run(args: argparse.Namespace) -> int:
    """Print the rows; a damaged journal is exit code 74."""
    import msgspec

    from engine.journal.errors import JournalError
    from engine.journal.operators import operator_rows

    if args.from_time is not None and args.to_time is not None and args.from_time > args.to_time:
        raise CommandError(ExitCode.USAGE, "--from lies behind --to")
    try:
        rows = [
            msgspec.to_builtins(row)
            for row in operator_rows(open_reader(args), from_ns=args.from_time or 0, to_ns=args.to_time, uid=args.uid)
        ]
    except JournalError as error:
        raise failure(error) from None
    if args.json:
        for row in rows:
            print(json_line(row))
    else:
        print_table([shown(row) for row in rows], list(COLUMNS), empty="no commands")
    return ExitCode.OK


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table: scope and words in one cell, of two people both."""
    about = [f"{name}={value}" for name, value in row["scope"].items()]
    about += [f"{name}={value}" for name, value in (row["words"].get("values") or {}).items()]
    about += [str(name) for name in row["words"].get("names") or ()]
    outcome = row["outcome"] + (f" ({row['code']})" if row["code"] else "")
    if row["proposal"]:
        outcome += f", proposal {row['proposal']}"
    uid = f"{row['uid']}+{row['approver_uid']}" if row["approver_uid"] >= 0 else str(row["uid"])
    when = time_text(row["wall_ns"])
    return row | {"when": when, "about": " ".join(about), "outcome": outcome, "uid": uid, "pid": row["pid"] or ""}
