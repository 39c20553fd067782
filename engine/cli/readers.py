"""`tradewind readers`: the journal's named readers, where each is and how far behind."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.cli.render import print_json, print_table
from engine.cli.target import add_target_options, find_target
from engine.exit_codes import ExitCode

COLUMNS = ("reader", "lane", "epoch", "seq", "lag records", "lag bytes", "lag seconds", "kept", "note")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`readers [--dir D] [--json]`."""
    parser = subparsers.add_parser(
        "readers",
        help="the journal's readers and how far each is behind",
        description=__doc__,
        epilog="Lag counts what is durable and not read yet. Far behind, records are counted in 4 MiB and extrapolated (~).",
    )
    parser.add_argument("--dir", metavar="DIR", help="the journal's directory (an engine's data_dir)")
    add_target_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON array")


def run(args: argparse.Namespace) -> int:
    """List them; exit 0."""
    from engine.desk.readers import reader_rows
    from engine.runtime.clock import Clock

    data_dir = Path(args.dir) if args.dir else find_target(args).journal_dir()
    rows = reader_rows(data_dir, Clock().time_ns())
    if args.json:
        print_json(rows)
        return ExitCode.OK
    for row in rows:
        about = "" if row.get("exact", True) else "~"
        row["lag records"] = f"{about}{row.get('lag_records', '')}"
        row["lag bytes"], row["lag seconds"] = row.get("lag_bytes", ""), row.get("lag_seconds", "")
        row["note"] = row["fault"] or row.get("note", "")
    print_table(rows, COLUMNS, empty="no reader has left an offset here")
    return ExitCode.OK
