"""`tradewind sim`: engine and venue under a seed's faults and virtual time, with checkers; a failure is cut down and saved."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.hunt.party import Told
    from engine.hunt.schedule import Schedule

HOURS = 0.25
S_PER_HOUR = 3_600
LAST_SHOWN = 25


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`sim --seed N --hours H`."""
    parser = subparsers.add_parser(
        "sim",
        help="hunt for faults: engine and venue under virtual time, by a seed",
        description="Runs the engine and a simulated exchange in one process under virtual time. A seed decides what is traded "
        "and what fails: connections, answers, events, books, frames, limits, clocks, the disk, the engine itself. Checkers "
        "look on. A failing schedule is cut down and saved. Exit codes: 0 nothing was violated, 1 something was.",
    )
    parser.add_argument("--seed", type=int, default=1, help="the seed (default: %(default)s)")
    parser.add_argument("--seeds", metavar="A..B", help="every seed from A to B instead")
    parser.add_argument("--hours", type=float, default=HOURS, help="virtual hours of each seed (default: %(default)s)")
    parser.add_argument(
        "--market", choices=("spot", "usdm"), default="", help="the kind of venue (default: the seed's)"
    )
    parser.add_argument("--faults", metavar="A,B", help="only these families of faults; `none` for none")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once, each a process (default: %(default)s)")
    parser.add_argument("--schedule", type=Path, metavar="FILE", help="run a saved schedule instead of a seed's")
    parser.add_argument("--save", type=Path, default=Path(), metavar="DIR", help="where a failing schedule is saved")
    parser.add_argument("--no-shrink", action="store_true", help="save a failing schedule as it is")
    parser.add_argument("--json", action="store_true", help="print one summary object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Hunt; REFUSED where an invariant was violated."""
    from engine.hunt.party import hunt_all

    began_s = time.monotonic()
    schedules = chosen(args)
    failed: list[Told] = []
    totals: Counter[str] = Counter()
    virtual_s = 0.0
    for told in hunt_all(schedules, args.jobs):
        virtual_s += told.seconds
        totals.update(told.reached)
        if told.key:
            failed.append(told)
        if not args.json:
            print(row(told), flush=True)
    summary = {
        "seeds": len(schedules), "virtual_hours": round(virtual_s / S_PER_HOUR, 3),
        "seconds": round(time.monotonic() - began_s, 1), "violations": len(failed),
    }  # fmt: skip
    saved = [report(told, args) for told in failed]
    if args.json:
        print(json.dumps({**summary, "failed": saved, "reached": dict(sorted(totals.items()))}))
    else:
        print_totals(summary, totals)
    return ExitCode.REFUSED if failed else ExitCode.OK


def chosen(args: argparse.Namespace) -> list[Schedule]:
    """What is to be run."""
    from engine.hunt.schedule import draw, load

    try:
        if args.schedule is not None:
            return [load(args.schedule)]
        faults = None if args.faults is None else [word for word in args.faults.split(",") if word not in ("", "none")]
        return [draw(seed, args.hours * S_PER_HOUR, faults, args.market) for seed in seeds_of(args)]
    except ValueError as error:
        raise CommandError(ExitCode.USAGE, str(error)) from None


def seeds_of(args: argparse.Namespace) -> list[int]:
    """One seed, or a range of them."""
    if args.seeds is None:
        return [args.seed]
    first, dots, last = args.seeds.partition("..")
    if not (dots and first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise CommandError(ExitCode.USAGE, f"--seeds: {args.seeds!r} must be A..B, as 1..100")
    return list(range(int(first), int(last) + 1))


def row(told: Told) -> str:
    """One run's line."""
    what = told.text or "nothing violated"
    where = f"seed {told.schedule.seed:6d} {told.schedule.market:4s}"
    return f"{where} {told.seconds:8.0f} s {told.lives:3d} lives {told.orders:6d} orders {told.fills:6d} fills  {what}"


def report(told: Told, args: argparse.Namespace) -> dict[str, object]:
    """Tell a failure: the last events, the least schedule that breaks the same, and the command that runs it again."""
    from engine.hunt.party import key_of
    from engine.hunt.shrink import Shrinker

    quiet = args.json
    if not quiet:
        print(f"\nseed {told.schedule.seed}: {told.text}\nthe last events:")
        print("\n".join(told.last[-LAST_SHOWN:]))
    schedule = told.schedule
    if not args.no_shrink:
        shrinker = Shrinker(
            key_of, say=(lambda _text: None) if quiet else (lambda text: print(f"  {text}", flush=True))
        )
        schedule = shrinker.shrink(schedule, told.key, told.seconds)
    path = args.save / f"sim-{told.schedule.seed}.json"
    schedule.save(path)
    again = f"tradewind sim --schedule {path}"
    if not quiet:
        print(f"cut down from {len(told.schedule.events)} to {len(schedule.events)} events:")
        print("\n".join(event.text() for event in schedule.events[:LAST_SHOWN]))
        print(f"run it again:  {again}")
        print(f"the whole of it:  {command_of(told, args)}\n")
    return {"seed": told.schedule.seed, "violation": told.text, "events": len(schedule.events), "again": again}


def command_of(told: Told, args: argparse.Namespace) -> str:
    """The one command that runs the whole seed again."""
    if args.schedule is not None:
        return f"tradewind sim --schedule {args.schedule}"
    faults = "" if args.faults is None else f" --faults {args.faults}"
    return f"tradewind sim --seed {told.schedule.seed} --hours {args.hours:g} --market {told.schedule.market}{faults}"


def print_totals(summary: Mapping[str, object], totals: Counter[str]) -> None:
    """How much was run, and which rare states were met how often."""
    from engine.hunt.sometimes import SOMETIMES

    print("; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in summary.items()))
    print("rare states met:")
    for state, invariant in SOMETIMES.items():
        print(f"  {totals[state]:8d}  {invariant:4s} {state}")
