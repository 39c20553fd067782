"""`tradewind explain ORDER`: why an order came to be, and what became of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from engine.cli.journal import add_place_options, failure, json_line, open_reader, plain
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.journal.explain import Explanation, Step
    from engine.journal.reader import JournalReader

LEVELS_SHOWN = 3


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`explain ORDER [--dir D] [--json]`."""
    parser = subparsers.add_parser(
        "explain", help="why an order came to be, and what became of it", description=__doc__
    )
    parser.add_argument("order", metavar="ORDER", help="client order id, order handle, or the venue's order id")
    add_place_options(parser)
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the chain; exit 66 where the ledger does not know the order."""
    from engine.journal.errors import JournalError
    from engine.journal.explain import explain

    try:
        reader = open_reader(args)
        found = explain(reader, args.order)
    except JournalError as error:
        raise failure(error) from None
    if found is None:
        raise CommandError(ExitCode.NO_INPUT, f"no order {args.order!r} in this journal")
    if args.json:
        import msgspec

        print(json_line(msgspec.to_builtins(found)))
    else:
        print("\n".join([*lines(found), *refusals(found, reader)]))
    return ExitCode.OK


def lines(found: Explanation) -> list[str]:
    """The chain for a person: sequence, cause, time since the chain began, what it says."""
    names = f"client order id {found.client_order_id or 'none'}, venue order id {found.venue_order_id or 'none'}"
    return [f"order {found.order_handle}: {names}", *(step_line(step) for step in found.steps)]


def refusals(found: Explanation, reader: JournalReader) -> list[str]:
    """What the gate refused, in the units of the instrument: its record holds whole numbers of ticks and lots."""
    from engine.control.refusals import refusal_text
    from engine.desk.ledger import Catalog
    from engine.model.codes import Lane, LimitScope, Reason, RecordKind

    refused = [step.record for step in found.steps if step.name == "verdict" and not step.record["payload"]["approved"]]
    if not refused:
        return []
    catalog = Catalog()
    for record in reader.records(Lane.LEDGER):
        if record.kind == RecordKind.INSTRUMENT:
            catalog.take(record)
    texts = []
    for row in refused:
        payload, units = row["payload"], catalog.units(row["instrument_id"])
        reason = Reason[payload["reason"]]
        scope = payload["scope"]
        code = 1 + LimitScope[scope] if scope in LimitScope.__members__ else 0
        numbers = code, payload["value"], payload["limit_value"]
        texts.append(f"refused by the gate: {refusal_text(reason, *numbers, units)}")
    return texts


def step_line(step: Step) -> str:
    """One step; levels of a book frame beyond the first few are counted only."""
    payload = {name: shortened(value) for name, value in step.record["payload"].items()}
    text = " ".join(f"{name}={plain(value)}" for name, value in payload.items() if value not in ("", [], 0))
    cause = f"<-{step.cause_seq}" if step.cause_seq else ""
    place = f"{step.seq}{cause}"
    return f"{place:>22} {duration(step.since_start_ns):>10} {step.name:9} {step.record['kind']} {text}".rstrip()


def shortened(value: Any) -> Any:
    if isinstance(value, list) and len(value) > LEVELS_SHOWN:
        return [*value[:LEVELS_SHOWN], f"... {len(value) - LEVELS_SHOWN} more"]
    return value


def duration(ns: int) -> str:
    """+12 ns, +3.4 us, +5.6 ms, +7.8 s."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if abs(ns) >= size:
            return f"{ns / size:+.1f} {unit}"
    return f"{ns:+d} ns"
