"""`tradewind backup`: a verified copy of an engine's data, beside the running engine; list and verify what was copied."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.database_faults import database_faults
from engine.cli.render import print_fields, print_json, print_table, time_text
from engine.cli.target import add_target_options, find_journal
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.backup.make import Source
    from engine.config import LoadedConfig

COLUMNS = ("point", "time", "epoch", "seq", "bytes", "files")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`backup DIR [--verify|--list]`."""
    parser = subparsers.add_parser("backup", help="copy an engine's data, verified", description=__doc__)
    parser.add_argument("directory", metavar="DIR", help="where the copies are; a second one copies only what is new")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--verify", action="store_true", help="read a copy back and fold it; nothing is copied")
    action.add_argument("--list", action="store_true", help="which copies there are")
    parser.add_argument("--point", default="", metavar="NAME", help="with --verify: this copy, not the latest")
    parser.add_argument("--tape", action="store_true", help="market data too: much larger, and needed only to replay")
    parser.add_argument(
        "--without-database",
        action="store_true",
        help="leave out the recorder's database where it is not in data_dir: it can be made again from a whole ledger",
    )
    add_target_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Copy, verify or list; 74 where something is damaged, 73 where the place cannot be used."""
    with failures_told():
        if args.list:
            return run_list(args)
        return run_verify(args) if args.verify else run_backup(args)


@contextmanager
def failures_told() -> Iterator[None]:
    """Errors of backups as exit codes."""
    from engine.backup.layout import BackupError
    from engine.journal.errors import JournalError

    try:
        with database_faults():
            yield
    except (BackupError, JournalError) as error:
        raise CommandError(ExitCode.IO_ERROR, str(error)) from None
    except FileExistsError as error:
        raise CommandError(ExitCode.CANNOT_CREATE, f"{error.filename}: is no directory") from None
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        raise CommandError(ExitCode.IO_ERROR, f"{error.filename}: {error.strerror}") from None


def run_backup(args: argparse.Namespace) -> int:
    """Make a copy."""
    from engine.backup.make import Source, make
    from engine.cli.main import version
    from engine.runtime.clock import Clock

    target = find_journal(args)
    loaded = target.loaded
    source = Source(target.journal_dir(), loaded.path if loaded else None, with_tape=args.tape)
    if not args.tape:
        source.notes.append("the tape is not in it")
    if loaded is not None and loaded.config.recorder is not None and loaded.config.recorder.database != "sqlite":
        if args.without_database:
            source.notes.append(
                "the recorder's database is not in it: `tradewind sql import` makes it again from a ledger"
            )
        else:
            add_database(source, loaded)
    name, manifest = make(source, Path(args.directory), version(), Clock(), progress())
    show(args, {"point": name, **facts(manifest), "verified": True})
    return ExitCode.OK


def add_database(source: Source, loaded: LoadedConfig) -> None:
    """The recorder's database, which does not lie in the data directory."""
    from engine.backup.external import database_source
    from engine.desk.recorder.faults import RecorderFault
    from engine.desk.recorder.settings import plan_of

    try:
        source.database, note = database_source(plan_of(loaded).url)
    except RecorderFault as error:
        raise type(error)(f"{error}; or leave it out: --without-database") from None
    if note:
        source.notes.append(note)


def run_verify(args: argparse.Namespace) -> int:
    """Read a copy back."""
    from engine.backup.restore import latest
    from engine.backup.verify import check_point

    directory = Path(args.directory)
    name = args.point or latest(directory)
    manifest = check_point(directory, name, progress())
    show(args, {"point": name, **facts(manifest), "verified": True})
    return ExitCode.OK


def run_list(args: argparse.Namespace) -> int:
    """Every copy."""
    from engine.backup.layout import point_names, read_manifest

    directory = Path(args.directory)
    rows = [{"point": name, **facts(read_manifest(directory, name))} for name in point_names(directory)]
    if args.json:
        print_json(rows)
    else:
        print_table(rows, COLUMNS)
    return ExitCode.OK


def facts(manifest: Any) -> dict[str, Any]:
    """A manifest in a few words."""
    files = [*manifest.segments, *manifest.files]
    return {
        "time": time_text(manifest.created_wall_ns),
        "epoch": manifest.epoch,
        "seq": manifest.seq,
        "files": len(files),
        "bytes": sum(file.bytes for file in files),
        "state_hash": manifest.fold,
        **({} if manifest.database is None else {"database_rows": sum(manifest.database.rows.values())}),
        "notes": "; ".join(manifest.notes),
    }


def show(args: argparse.Namespace, told: dict[str, Any]) -> None:
    """One result."""
    if args.json:
        print_json(told)
    else:
        print_fields(told)


def progress() -> Callable[[int, int, str], None]:
    """How far it is, on a terminal's stderr; nothing anywhere else."""
    if not sys.stderr.isatty():
        return lambda *_: None

    def tell(done: int, total: int, what: str) -> None:
        share = done * 100 // total if total else 100
        sys.stderr.write(f"\r\x1b[K{share:3d} % {what}" + ("\n" if done >= total else ""))
        sys.stderr.flush()

    return tell
