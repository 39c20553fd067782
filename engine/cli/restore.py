"""`tradewind restore`: put a backup back into an empty directory, verified; no client order id is used again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from engine.cli.backup import facts, failures_told, progress, show
from engine.exit_codes import CommandError, ExitCode


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`restore DIR --to DATA_DIR [--database URL]`."""
    parser = subparsers.add_parser("restore", help="put a backup back, verified", description=__doc__)
    parser.add_argument("directory", metavar="DIR", help="where the copies are (`tradewind backup DIR`)")
    parser.add_argument("--to", default="", metavar="DATA_DIR", help="the new data_dir: absent or empty")
    parser.add_argument(
        "--database",
        default="",
        metavar="URL",
        help="put the recorder's database on PostgreSQL back into this empty one",
    )
    parser.add_argument("--point", default="", metavar="NAME", help="this copy, not the latest")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Restore; nothing is overwritten (73), what is damaged is not restored (74)."""
    if not args.to and not args.database:
        raise CommandError(ExitCode.USAGE, "give --to DATA_DIR, or --database URL, or both")
    told: dict[str, Any] = {}
    with failures_told():
        if args.database:
            told |= run_database(args)
        if args.to:
            told |= run_data_dir(args)
    show(args, {**told, "verified": True})
    return ExitCode.OK


def run_database(args: argparse.Namespace) -> dict[str, Any]:
    """The recorder's database."""
    from engine.backup.restore import restore_database
    from engine.desk.recorder.address import database_fault, resolve

    fault = database_fault(args.database)
    if fault or not args.database.startswith("postgresql:"):
        what = fault or "must be a PostgreSQL database; one of SQLite comes back with the data directory"
        raise CommandError(ExitCode.USAGE, f"--database {args.database}: {what}")
    point = restore_database(Path(args.directory), args.point, resolve(args.database, Path()))
    return {"database": args.database, "database_rows": sum(point.rows.values())}


def run_data_dir(args: argparse.Namespace) -> dict[str, Any]:
    """The data directory."""
    from engine.backup.place import is_free
    from engine.backup.restore import restore
    from engine.runtime.clock import Clock

    target = Path(args.to)
    if not is_free(target):
        raise CommandError(ExitCode.CANNOT_CREATE, f"{target}: is not empty; nothing is overwritten")
    manifest, epoch = restore(Path(args.directory), args.point, target.absolute(), Clock(), progress())
    sys.stderr.write(
        f"tradewind: runs go on from epoch {epoch + 1}, so that no client order id comes again. What happened after sequence"
        f" {manifest.seq} is not in it: the start reads orders, fills and balances from the venue. Never start the engine on"
        " the old directory beside it.\n"
    )
    if manifest.database is not None and not args.database:
        sys.stderr.write(
            "tradewind: the copy holds the recorder's database on PostgreSQL too: `tradewind restore DIR --database URL` puts it"
            " into an empty one. The one that was recorded into until now knows what this journal does not.\n"
        )
    return {"data_dir": str(target), **facts(manifest), "next_epoch": epoch + 1}
