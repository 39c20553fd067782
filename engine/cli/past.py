"""Where a verb reads an engine's past: its ledger, or the recorder's database, which also has what the ledger let go."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.database_faults import database_faults
from engine.cli.render import time_text
from engine.cli.target import Target, add_target_options, find_journal
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.desk.recorder.history import RecordedLedger
    from engine.desk.source import LedgerSource, Past
    from engine.model.codes import RecordKind

CONFIGURED = "configured"


def add_past_options(parser: argparse.ArgumentParser) -> None:
    """Which engine, and which of its records."""
    parser.add_argument("--dir", metavar="DIR", help="the journal's directory (an engine's data_dir)")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--from-database",
        nargs="?",
        const=CONFIGURED,
        metavar="URL",
        help='read the recorder\'s database: the configured one, or "sqlite" in DIR, or a URL',
    )
    group.add_argument(
        "--from-ledger", action="store_true", help="read the ledger, though it does not reach back so far"
    )
    parser.add_argument("--journal", default="", metavar="ID", help="with --from-database: of this journal")
    add_target_options(parser)


def find_past(args: argparse.Namespace, kinds: Iterable[RecordKind], from_ns: int) -> Past:
    """Records of `kinds` from `from_ns` on. Without an option: the ledger where it reaches back so far, else what is recorded.

    What was chosen for the caller is told on stderr. Raises CommandError.
    """
    from engine.desk.source import LedgerSource

    target = None if args.dir and not args.config else find_journal(args)
    data_dir = Path(args.dir) if args.dir else target.journal_dir() if target is not None else Path()
    if args.from_database is not None:
        return recorded(args, target, data_dir, kinds, from_ns)
    ledger = LedgerSource(data_dir)
    with faults_told():
        begins_ns = ledger.begins_ns()
    if begins_ns <= from_ns or args.from_ledger or not begins_ns:
        return ledger
    if has_recorder(target):
        tell(f"{beginning(begins_ns)}: it is read from the recorder's database")
        return recorded(args, target, data_dir, kinds, from_ns)
    return told_short(ledger, begins_ns)


def require_known(source: Past, kinds: Iterable[RecordKind], from_ns: int, to_ns: int, asked: str) -> None:
    """CommandError (66) where a time lies wholly before or after all that there is: nothing known is not nothing done."""
    from engine.desk.source import holds

    with faults_told():
        if holds(source, kinds, from_ns, to_ns):
            return
        first_ns, last_ns = source.span_ns()
    if not last_ns:
        why = "no record is there"
    elif to_ns <= first_ns:
        why = f"it begins at {time_text(first_ns)}"
    else:
        why = f"its last record is of {time_text(last_ns)}"
    raise CommandError(ExitCode.NO_INPUT, f"{asked}: {source.where} has nothing of that time: {why}")


def told_short(ledger: LedgerSource, begins_ns: int) -> LedgerSource:
    """There is nothing else to read."""
    tell(f"{beginning(begins_ns)}: `--from-database` reads what was recorded, where something was")
    return ledger


def beginning(begins_ns: int) -> str:
    """What retention has left of a ledger."""
    from engine.desk.source import UNNAMED_NS

    if begins_ns == UNNAMED_NS:
        return "the ledger has let go of the beginning of its only run, which names its instruments"
    return f"the ledger begins at {time_text(begins_ns)}, and what came before is not in it, or not by name"


def has_recorder(target: Target | None) -> bool:
    """Does the configuration name a database."""
    return target is not None and target.loaded is not None and target.loaded.config.recorder is not None


def recorded(
    args: argparse.Namespace, target: Target | None, data_dir: Path, kinds: Iterable[RecordKind], from_ns: int
) -> RecordedLedger:
    """The recorder's database. CommandError where it does not hold what is asked for."""
    from engine.desk.recorder.faults import RecorderFault

    with faults_told():
        url = url_of(args.from_database, target, data_dir)
        try:
            from engine.desk.recorder.history import RecordedLedger
        except ImportError as error:
            raise RecorderFault(f"{error}: pip install 'tradewind[sql]'") from None
        found = RecordedLedger(url, data_dir if data_dir.parts else None, args.journal)
    missing = found.missing(kinds, from_ns)
    if missing:
        gone = ", ".join(f"{name} up to {time_text(until)}" for name, until in missing.items())
        raise CommandError(
            ExitCode.NO_INPUT, f"{found.where} does not hold everything that this is made of: without {gone}"
        )
    tell(f"read from {found.where}, recorded up to {time_text(found.offset.wall_ns)}, sequence {found.offset.seq}")
    return found


def url_of(asked: str | None, target: Target | None, data_dir: Path) -> str:
    """The database that was asked for, or the configuration's."""
    from engine.desk.recorder.address import database_fault, resolve
    from engine.desk.recorder.settings import plan_of

    if asked in (None, CONFIGURED):
        if target is not None and target.loaded is not None and target.loaded.config.recorder is not None:
            return plan_of(target.loaded).url
        asked = "sqlite"
    fault = database_fault(str(asked))
    if fault:
        raise CommandError(ExitCode.USAGE, f"--from-database {asked}: {fault}")
    return resolve(str(asked), data_dir)


@contextmanager
def faults_told() -> Iterator[None]:
    """What keeps from reading, as exit codes."""
    from engine.journal.errors import JournalCorrupt, JournalError

    try:
        with database_faults():
            yield
    except JournalCorrupt as error:
        raise CommandError(ExitCode.IO_ERROR, str(error)) from None
    except JournalError as error:
        raise CommandError(ExitCode.NO_INPUT, str(error)) from None


def tell(text: str) -> None:
    """A line for the person; the output stays as it is."""
    sys.stderr.write(f"tradewind: {text}\n")
