"""`tradewind snapshot`: by hand what desk does by itself, a snapshot of the ledger as it is synced; or those that there are."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from engine.cli.render import print_json
from engine.cli.target import load_config
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`snapshot --config FILE [--list]`."""
    parser = subparsers.add_parser(
        "snapshot",
        help="make or list snapshots of the ledger, which keep starts short",
        description="Fold the ledger up to its watermark and write a snapshot; safe beside a running engine and its desk. "
        "Exit code 0: written, or nothing was new.",
    )
    parser.add_argument("--config", "-c", metavar="FILE", required=True, help="the engine's configuration")
    parser.add_argument("--list", action="store_true", help="say which there are and whether a start would take them")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Write or list; exit 66 where there is no ledger, 74 where it cannot be read or a snapshot cannot be written."""
    from engine.journal.errors import ImageError, JournalError
    from engine.recovery.maker import SnapshotMaker

    loaded = load_config(args.config)
    data_dir = loaded.data_dir
    if not (data_dir / "ledger").is_dir() or not (data_dir / "names.json").exists():
        raise CommandError(ExitCode.NO_INPUT, f"{data_dir}: no engine has written a ledger here")
    if args.list:
        return show(rows(data_dir), as_json=args.json)
    maker = SnapshotMaker(loaded.config, data_dir)
    try:
        while maker.step():
            continue
        path = maker.write()
    except (ImageError, JournalError, OSError) as error:
        raise CommandError(ExitCode.IO_ERROR, f"no snapshot: {error}") from None
    told = {"snapshot": path.name if path else "", "last_seq": maker.last_seq, "records": maker.records}
    if args.json:
        print_json(told)
    elif path is None:
        print(f"nothing new since sequence {maker.last_seq}")
    else:
        print(f"{path}: {maker.records} records up to sequence {maker.last_seq}, {path.stat().st_size} bytes")
    return ExitCode.OK


def rows(data_dir: Path) -> list[dict[str, Any]]:
    """Every snapshot, the newest first; `fault` is why a start passes it over."""
    from engine.journal.errors import ImageError
    from engine.recovery.earlier import require_standing
    from engine.recovery.pour import UINT32_MAX
    from engine.recovery.snapshot import parse, paths

    found = []
    for path in paths(data_dir):
        row: dict[str, Any] = {"name": path.name, "bytes": path.stat().st_size, "fault": ""}
        try:
            snapshot = parse(path.read_bytes())
            row |= {"epoch": snapshot.place.epoch, "seq": snapshot.place.seq, "records": snapshot.records}
            require_standing(data_dir, snapshot, UINT32_MAX)
        except (ImageError, OSError) as error:
            row["fault"] = str(error)
        found.append(row)
    return found


def show(found: list[dict[str, Any]], *, as_json: bool) -> int:
    """As JSON, or a line each."""
    if as_json:
        print_json({"snapshots": found})
        return ExitCode.OK
    for row in found:
        state = row["fault"] or f"{row['records']} records up to sequence {row['seq']}"
        print(f"{row['name']}  {row['bytes']} bytes  {state}")
    if not found:
        print("no snapshots")
    return ExitCode.OK
