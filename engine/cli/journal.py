"""`tradewind journal`: print, verify or measure a journal, beside a running engine or without one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.journal_audit import add_audit_options, add_head_options, run_audit, run_head
from engine.cli.target import add_target_options, find_target
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.journal.cursor import Record
    from engine.journal.errors import JournalError
    from engine.journal.reader import JournalReader
    from engine.journal.verify import Damage


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`journal cat|verify|head|stats [--dir D] [--json]`."""
    parser = subparsers.add_parser("journal", help="read, verify or measure a journal", description=__doc__)
    verbs = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    cat = verbs.add_parser("cat", help="print records in sequence order")
    cat.add_argument("--lane", choices=("ledger", "tape"), help="this lane alone")
    cat.add_argument(
        "--kind", action="append", metavar="KIND", help="this kind alone (FILL, ORDER_STATE, ...); may be repeated"
    )
    cat.add_argument("--from", dest="from_seq", type=int, default=0, metavar="SEQ", help="from this sequence number on")
    cat.add_argument("--to", dest="to_seq", type=int, metavar="SEQ", help="up to this sequence number")
    cat.add_argument("--follow", action="store_true", help="go on as the engine writes; end with Ctrl-C")
    verify = verbs.add_parser(
        "verify", help="read every byte; exit 0 when whole, 74 when damaged or refused by a start"
    )
    add_audit_options(verify)
    head = verbs.add_parser("head", help="the head of the hash chain: show it, or sign and export it")
    add_head_options(head)
    stats = verbs.add_parser("stats", help="counts, bytes and rates by lane and kind")
    for verb in (cat, verify, head, stats):
        add_place_options(verb)
        verb.add_argument("--json", action="store_true", help="JSON (cat: one object a line)")


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """--dir, or the options that name an engine."""
    parser.add_argument("--dir", metavar="DIR", help="the journal's directory (an engine's data_dir)")
    add_target_options(parser)


def run(args: argparse.Namespace) -> int:
    """Do one of the three; damage is exit code 74, no journal 66."""
    from engine.journal.errors import JournalError

    try:
        return {"cat": run_cat, "verify": run_verify, "head": run_head, "stats": run_stats}[args.action](args)
    except JournalError as error:
        raise failure(error) from None


def failure(error: JournalError, otherwise: ExitCode = ExitCode.NO_INPUT) -> CommandError:
    """A journal that cannot be read, as its exit code: 74 damaged, 65 of a build that this one does not read."""
    from engine.journal.errors import JournalCorrupt, JournalForeign

    if isinstance(error, JournalForeign):
        return CommandError(ExitCode.DATA_ERROR, str(error))
    return CommandError(ExitCode.IO_ERROR if isinstance(error, JournalCorrupt) else otherwise, str(error))


def open_reader(args: argparse.Namespace) -> JournalReader:
    """The reader of the journal that the options name; with the front where the runtime directory is known."""
    from engine.journal.reader import JournalReader

    if args.dir:
        return JournalReader(args.dir, args.runtime_dir)
    target = find_target(args)
    return JournalReader(target.journal_dir(), target.runtime_dir)


def wanted_kinds(names: list[str] | None) -> set[int] | None:
    """Kinds by name or number; None = all."""
    from engine.model.codes import RecordKind

    if not names:
        return None
    try:
        return {int(name) if name.isdecimal() else RecordKind[name.upper()].value for name in names}
    except KeyError as error:
        known = ", ".join(kind.name for kind in RecordKind)
        raise CommandError(ExitCode.USAGE, f"no record kind {error}; there are {known}") from None


def selected(args: argparse.Namespace, reader: JournalReader) -> Iterator[Record]:
    """The records that the options select."""
    from engine.journal.places import LANE_NAMES

    lane = LANE_NAMES.index(args.lane) if args.lane else None
    kinds = wanted_kinds(args.kind)
    records = (
        reader.tail(max(args.from_seq - 1, 0), lane) if args.follow else reader.records(lane, from_seq=args.from_seq)
    )
    for record in records:
        if args.to_seq is not None and record.seq > args.to_seq:
            return
        if kinds is None or record.kind in kinds:
            yield record


def run_cat(args: argparse.Namespace) -> int:
    """Print records, one a line."""
    from engine.journal.decode import as_dict

    for record in selected(args, open_reader(args)):
        fields = as_dict(record)
        sys.stdout.write((json_line(fields) if args.json else text_line(fields)) + "\n")
        if args.follow:
            sys.stdout.flush()
    return ExitCode.OK


def json_line(fields: Any) -> str:
    import orjson

    return orjson.dumps(fields).decode()


def text_line(fields: dict[str, Any]) -> str:
    """seq <- cause, time, kind, then what is not nothing."""
    from datetime import UTC, datetime

    stamp = datetime.fromtimestamp(fields["wall_ns"] // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    stamp += f".{fields['wall_ns'] % 1_000_000_000 // 1000:06d}Z"
    shown = ("venue_id", "account_id", "strategy_id", "instrument_id", "order_handle", "position_side")
    parts = [f"{name}={fields[name]}" for name in shown if name in fields]
    parts += [f"{name}={plain(value)}" for name, value in fields["payload"].items() if value not in ("", [])]
    cause = f"<-{fields['cause_seq']}" if fields.get("cause_seq") else ""
    return f"{fields['seq']}{cause} {stamp} {fields['kind']} {' '.join(parts)}".rstrip()


def plain(value: Any) -> str:
    """A payload value in one line: strings as they are, lists and objects as JSON."""
    if isinstance(value, str):
        return value.replace("\n", "\\n")
    return json_line(value) if isinstance(value, (list, dict)) else str(value)


def run_verify(args: argparse.Namespace) -> int:
    """Print the report; 74 where the journal is not whole."""
    from engine.journal.verify import verify

    if args.audit:
        return run_audit(args)

    directory = Path(args.dir) if args.dir else find_target(args).journal_dir()
    report = verify(directory)
    if report.is_whole:
        report.damage += names_damage(directory)
    if args.json:
        print(json_line(report.as_dict()))
    else:
        print("\n".join(verify_lines(report.as_dict())))
    return ExitCode.OK if report.is_whole else ExitCode.IO_ERROR


def names_damage(directory: Path) -> list[Damage]:
    """What a start would refuse of the registry beside a whole ledger."""
    from engine.given_numbers import NAMES_FILE, refusal_of_names
    from engine.journal.verify import Damage

    path = str(directory / NAMES_FILE)
    text = refusal_of_names(directory)
    return [Damage(path, 0, text.removeprefix(f"{path}: "), below_watermark=True)] if text else []


def verify_lines(report: dict[str, Any]) -> list[str]:
    """The report for a person."""
    lines = ["whole" if report["whole"] else "NOT WHOLE"]
    for name, lane in report["lanes"].items():
        span = f"sequence {lane['first_seq']} to {lane['last_seq']}"
        lines.append(f"{name}: {lane['records']} records, {lane['bytes']} bytes in {lane['segments']} segments, {span}")
    stopped = sum(run["stopped"] for run in report["runs"])
    lines.append(f"runs: {len(report['runs'])}, {stopped} ended in order")
    for item in report["damage"]:
        place = "below the watermark" if item["below_watermark"] else "above the watermark: the next start cuts here"
        lines.append(f"damage: {item['path']} byte {item['offset']}: {item['what']} ({place})")
    for first, last in report["unexplained"]:
        lines.append(f"missing: sequence {first} to {last}: in the midst of both lanes, or below the watermark")
    lines += [f"note: {text}" for text in report["notes"]]
    lines += [f"cut tail kept: {path}" for path in report["cut_tails"]]
    return lines


def run_stats(args: argparse.Namespace) -> int:
    """Print counts, bytes and rates."""
    from engine.journal.verify import stats

    found = stats(open_reader(args))
    if args.json:
        print(json_line(found))
        return ExitCode.OK
    print(f"{'lane':7} {'kind':24} {'records':>12} {'bytes':>15}")
    for row in found["kinds"]:
        print(f"{row['lane']:7} {row['kind']:24} {row['records']:12} {row['bytes']:15}")
    for name, lane in found["lanes"].items():
        a_day = f"{lane['bytes_per_day'] / 1e9:.2f} GB a day at this rate"
        print(f"{name:7} {'all':24} {lane['records']:12} {lane['bytes']:15}  {a_day}")
    print(f"last sequence {found['last_seq']}, over {found['span_s']:.1f} s")
    return ExitCode.OK
