"""`tradewind sql`: the ledger in a database, without a desk: import what there is, tell how far it is, delete old rows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.database_faults import database_faults
from engine.cli.journal import failure
from engine.cli.render import print_fields, print_json, print_table
from engine.cli.target import add_target_options, find_target
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.desk.recorder.recorder import Recorder
    from engine.desk.recorder.settings import RecorderPlan

NS_PER_S = 1_000_000_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`sql import|status|expire`."""
    parser = subparsers.add_parser(
        "sql",
        help="the ledger in a database: import, state, retention",
        description=__doc__,
        epilog="Exit codes: 0 done, 65 a ledger of another layout, 66 no journal, or (status) it is not recorded there, "
        "69 the database does not answer, 74 damaged, 78 something must be mended first.",
    )
    verbs = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    load = verbs.add_parser("import", help="record everything there is, show progress, end")
    load.add_argument("--skip-expired", action="store_true", help="go on behind records that were deleted unrecorded")
    status = verbs.add_parser("status", help="schema, offset, rows of each table; writes nothing")
    expire = verbs.add_parser("expire", help="delete rows older than [recorder] keep_days now")
    for verb in (load, status, expire):
        verb.add_argument(
            "--dir", metavar="DIR", help="the journal's directory (an engine's data_dir), with --database"
        )
        verb.add_argument("--database", metavar="URL", help='"sqlite" or a URL, instead of the configuration\'s')
        add_target_options(verb)
        verb.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do one of the three."""
    from engine.journal.errors import JournalError

    try:
        with database_faults():
            plan = find_plan(args)
            from engine.desk.recorder.recorder import Recorder
            from engine.runtime.clock import Clock

            recorder = Recorder(plan, Clock())
            try:
                return {"import": run_import, "status": run_status, "expire": run_expire}[args.action](args, recorder)
            finally:
                recorder.close()
    except JournalError as error:
        raise failure(error) from None


def find_plan(args: argparse.Namespace) -> RecorderPlan:
    """What the options name: a configuration's recorder, or a directory and a database."""
    from engine.desk.recorder.address import database_fault, resolve
    from engine.desk.recorder.settings import RecorderPlan, plan_of

    target = None if args.dir else find_target(args)
    if args.database is None and target is not None and target.loaded is not None:
        return plan_of(target.loaded)
    fault = database_fault(args.database or "sqlite")
    if fault:
        raise CommandError(ExitCode.USAGE, f"--database {args.database}: {fault}")
    data_dir = Path(args.dir) if args.dir else target.journal_dir() if target is not None else Path()
    keep_days: dict[str, int] = {}
    if target is not None and target.loaded is not None and target.loaded.config.recorder is not None:
        keep_days = {str(table): days for table, days in target.loaded.config.recorder.keep_days.items()}
    return RecorderPlan(data_dir, resolve(args.database or "sqlite", data_dir), keep_days)


def run_import(args: argparse.Namespace, recorder: Recorder) -> int:
    """Record until nothing is left that is durable."""
    from engine.runtime.clock import Clock

    clock = Clock()
    started_ns = shown_ns = clock.monotonic_ns()
    tail = recorder.open()
    if args.skip_expired:
        recorder.skip_expired()
    total = tail.lag(clock.time_ns()).bytes
    while recorder.step():
        now_ns = clock.monotonic_ns()
        if now_ns - shown_ns >= NS_PER_S and not args.json:
            shown_ns = now_ns
            left = recorder.open().lag(clock.time_ns()).bytes
            percent = 100 - left * 100 // total if total else 100
            show_progress(recorder, percent, (now_ns - started_ns) / NS_PER_S)
    recorder.show("imported", now=True)
    took_s = (clock.monotonic_ns() - started_ns) / NS_PER_S
    if args.json:
        print_json({"records": recorder.records, "rows": recorder.rows, "skipped": recorder.skipped, "seconds": took_s})
    else:
        show_progress(recorder, 100, took_s)
    return ExitCode.OK


def show_progress(recorder: Recorder, percent: int, took_s: float) -> None:
    """One line on stderr; on a terminal in the place of the last."""
    rate = int(recorder.rows / took_s) if took_s else 0
    text = f"{percent:3} %  {recorder.records:,} records, {recorder.rows:,} rows, {rate:,} rows/s"
    end = "\r" if sys.stderr.isatty() and percent < 100 else "\n"
    print(text, end=end, file=sys.stderr, flush=True)


def run_status(args: argparse.Namespace, recorder: Recorder) -> int:
    """What the database holds of this journal; nothing is written there."""
    from engine.desk.recorder.state import recorded_state
    from engine.journal.tailing import TailingReader
    from engine.model.codes import Lane
    from engine.runtime.clock import Clock

    found = recorded_state(recorder.plan)
    tail = TailingReader(recorder.plan.data_dir, Lane.LEDGER, found.offset)
    try:
        lag = tail.lag(Clock().time_ns())
    finally:
        tail.close()
    state: dict[str, Any] = {
        "database": found.database,
        "schema": found.schema,
        "journal": found.offset.journal_id,
        "number": found.number,
        "epoch": found.offset.epoch,
        "seq": found.offset.seq,
        "lag_records": lag.records,
        "lag_bytes": lag.bytes,
        "lag_seconds": round(lag.age_ns / NS_PER_S, 3),
    }
    if args.json:
        print_json(state | {"rows": found.rows})
    else:
        print_fields(state)
        print_table([{"table": name, "rows": count} for name, count in found.rows.items()], ("table", "rows"))
    return ExitCode.OK


def run_expire(args: argparse.Namespace, recorder: Recorder) -> int:
    """Delete until nothing old is left."""
    gone: dict[str, int] = {}
    while found := recorder.expire(now=True):
        for name, count in found.items():
            gone[name] = gone.get(name, 0) + count
    if args.json:
        print_json(gone)
    else:
        print_table(
            [{"table": name, "deleted": count} for name, count in gone.items()],
            ("table", "deleted"),
            empty="nothing is old",
        )
    return ExitCode.OK
