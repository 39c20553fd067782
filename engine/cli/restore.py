"""`tradewind restore`: put a backup back into an empty directory, verified; no client order id is used again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from engine.cli.backup import facts, failures_told, progress, show
from engine.exit_codes import CommandError, ExitCode


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`restore DIR --to DATA_DIR`."""
    parser = subparsers.add_parser("restore", help="put a backup back, verified", description=__doc__)
    parser.add_argument("directory", metavar="DIR", help="where the copies are (`tradewind backup DIR`)")
    parser.add_argument("--to", required=True, metavar="DATA_DIR", help="the new data_dir: absent or empty")
    parser.add_argument("--point", default="", metavar="NAME", help="this copy, not the latest")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Restore; nothing is overwritten (73), what is damaged is not restored (74)."""
    from engine.backup.restore import restore
    from engine.runtime.clock import Clock

    target = Path(args.to)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CommandError(ExitCode.CANNOT_CREATE, f"{target}: is not empty; nothing is overwritten")
    with failures_told():
        manifest, epoch = restore(Path(args.directory), args.point, target.absolute(), Clock(), progress())
    show(args, {"data_dir": str(target), **facts(manifest), "next_epoch": epoch + 1, "verified": True})
    sys.stderr.write(
        f"tradewind: runs go on from epoch {epoch + 1}, so that no client order id comes again. What happened after sequence"
        f" {manifest.seq} is not in it: the start reads orders, fills and balances from the venue. Never start the engine on"
        " the old directory beside it.\n"
    )
    return ExitCode.OK
