"""`tradewind sim`: engine and venue under a seed's faults and virtual time, with checkers; a failure is saved and cut down."""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.hunt.party import Party, Told
    from engine.hunt.schedule import Schedule

HOURS = 0.25
HOURS_MAX = 1_000.0
JOBS_MAX = 1_024
SHRINK_S = 300.0
S_PER_HOUR = 3_600
LAST_SHOWN = 25


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`sim --seed N --hours H`."""
    parser = subparsers.add_parser(
        "sim",
        help="hunt for faults: engine and venue under virtual time, by a seed",
        description="Runs the engine and a simulated exchange in one process under virtual time. A seed decides what is traded "
        "and what fails: connections, answers, events, books, frames, limits, clocks, the disk, the engine itself. Checkers "
        "look on. A failing schedule is told and saved at once, and cut down when all seeds have run. Exit codes: 0 nothing "
        "was violated, 1 something was, 2 a wrong command line, 130 Ctrl-C: what was saved stays.",
    )
    parser.add_argument("--seed", type=int, default=1, help="the seed (default: %(default)s)")
    parser.add_argument("--seeds", metavar="A..B", help="every seed from A to B instead")
    parser.add_argument(
        "--hours", type=float, default=HOURS,
        help="virtual hours of each seed, rounded to whole storms and their calms: 10 s and a multiple of 250 s, at least 260 s "
        "(default: %(default)s, which is 1010 s)",
    )  # fmt: skip
    parser.add_argument(
        "--market", choices=("spot", "usdm"), default="", help="the kind of venue (default: the seed's)"
    )
    parser.add_argument("--faults", metavar="A,B", help="only these families of faults; `none` for none")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once, each a process (default: %(default)s)")
    parser.add_argument("--schedule", type=Path, metavar="FILE", help="run a saved schedule instead of a seed's")
    parser.add_argument(
        "--save", type=Path, default=Path(), metavar="DIR", help="where failing schedules are saved (default: here)"
    )
    parser.add_argument("--no-shrink", action="store_true", help="save a failing schedule as it is")
    parser.add_argument(
        "--shrink-s", type=float, default=SHRINK_S, metavar="S",
        help="cut each failing schedule down for so many seconds at most (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one summary object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Hunt; REFUSED where an invariant was violated, INTERRUPTED after Ctrl-C."""
    check(args)
    schedules = chosen(args)
    from engine.hunt.party import Party

    hunted = Hunted(args)
    code = ExitCode.OK
    try:
        with Party(args.jobs) as party:
            for told in party.hunt(schedules):
                hunted.note(told)
            hunted.cut_down(party)
    except KeyboardInterrupt:
        hunted.interrupted()
        code = ExitCode.INTERRUPTED
    hunted.print_summary()
    return code or (ExitCode.REFUSED if hunted.failures else ExitCode.OK)


# --- what is asked for ---------------------------------------------------------------------------------------------------


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot be done before anything is hunted. Raises CommandError."""
    if not (math.isfinite(args.hours) and 0 < args.hours <= HOURS_MAX):
        raise wrong(f"--hours: {args.hours:g} must be more than 0 and at most {HOURS_MAX:g}")
    if not 1 <= args.jobs <= JOBS_MAX:
        raise wrong(f"--jobs: {args.jobs} must be 1 to {JOBS_MAX}")
    if not (math.isfinite(args.shrink_s) and args.shrink_s > 0):
        raise wrong(f"--shrink-s: {args.shrink_s:g} must be more than 0; --no-shrink cuts nothing down")
    if args.seed < 0:
        raise wrong(f"--seed: {args.seed} must not be negative")
    if not args.save.is_dir():
        raise wrong(f"--save: {args.save} is no directory: a failing schedule could not be saved")
    try:
        with tempfile.TemporaryFile(dir=args.save):
            pass
    except OSError as error:
        raise wrong(f"--save: nothing can be written into {args.save}: {error.strerror}") from None


def wrong(text: str) -> CommandError:
    """A wrong command line."""
    return CommandError(ExitCode.USAGE, text)


def chosen(args: argparse.Namespace) -> Iterator[Schedule]:
    """What is to be run: each is drawn when its turn comes. Raises CommandError at once."""
    from engine.hunt.breaks import BREAKS
    from engine.hunt.schedule import families, load

    try:
        if args.schedule is not None:
            given = load(args.schedule)
            if given.breaks not in BREAKS:
                raise ValueError(
                    f"{args.schedule}: breaks: {given.breaks!r} is none of {', '.join(filter(None, BREAKS))}"
                )
            return iter([given])
        faults = None if args.faults is None else [word for word in args.faults.split(",") if word not in ("", "none")]
        families(faults)
    except ValueError as error:
        raise wrong(str(error)) from None
    return drawn(args, seeds_of(args), faults)


def drawn(args: argparse.Namespace, seeds: range, faults: list[str] | None) -> Iterator[Schedule]:
    """A schedule for each seed."""
    from engine.hunt.schedule import draw

    for seed in seeds:
        yield draw(seed, args.hours * S_PER_HOUR, faults, args.market)


def seeds_of(args: argparse.Namespace) -> range:
    """One seed, or a range of them."""
    if args.seeds is None:
        return range(args.seed, args.seed + 1)
    first, dots, last = args.seeds.partition("..")
    if not (dots and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise wrong(f"--seeds: {args.seeds!r} must be A..B, as 1..100")
    return range(int(first), int(last) + 1)


# --- what was found ------------------------------------------------------------------------------------------------------


@dataclass
class Failure:
    """A violation and the file that its schedule is saved in."""

    told: Told
    path: Path
    events: int
    is_saved: bool = False

    @property
    def again(self) -> str:
        """The command that runs the saved schedule."""
        return f"tradewind sim --schedule {self.path}"


@dataclass
class Hunted:
    """What a hunt has found so far, and how it is told."""

    args: argparse.Namespace
    seeds: int = 0
    virtual_s: float = 0.0
    memory_mb: int = 0
    is_interrupted: bool = False
    totals: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """A line for people."""
        if not self.args.json:
            print(text, flush=True)

    def note(self, told: Told) -> None:
        """One run's outcome. What violates something is saved before anything else is run."""
        self.seeds += 1
        self.virtual_s += told.seconds
        self.totals.update(told.reached)
        self.memory_mb = max(self.memory_mb, told.memory_mb)
        self.say(row(told))
        if not told.key:
            return
        failure = Failure(told, self._path(told.schedule), len(told.schedule.events))
        self.failures.append(failure)
        self.say("the last events:\n" + "\n".join(told.last[-LAST_SHOWN:]))
        self._save(failure, told.schedule)
        self.say(f"run it again:  {failure.again}\nby its seed:  {command_of(told, self.args)}\n")

    def _path(self, schedule: Schedule) -> Path:
        """A file of its own: a schedule that was given is not written over."""
        path: Path = self.args.save / f"sim-{schedule.seed}.json"
        given: Path | None = self.args.schedule
        is_given = given is not None and path.exists() and path.samefile(given)
        return path.with_name(f"{path.stem}-cut.json") if is_given else path

    def _save(self, failure: Failure, schedule: Schedule) -> None:
        try:
            schedule.save(failure.path)
        except OSError as error:
            self.say(f"not saved: {error}")
            return
        failure.events, failure.is_saved = len(schedule.events), True

    def cut_down(self, party: Party) -> None:
        """Each failing schedule to the least that breaks the same; every lesser one that is found takes the file's place."""
        from engine.hunt.shrink import Shrinker

        for failure in () if self.args.no_shrink else self.failures:
            told = failure.told
            until_s = time.monotonic() + self.args.shrink_s
            self.say(
                f"seed {told.schedule.seed}: cutting down {len(told.schedule.events)} events, {self.args.shrink_s:g} s at most"
            )
            shrinker = Shrinker(party.trial(left_until(until_s)), better=partial(self._better, failure))
            least = shrinker.shrink(told.schedule, told.key, told.seconds)
            ends = "the time is over" if shrinker.is_out_of_time else "it is done"
            self.say(f"{len(least.events)} events are left, {ends} after {shrinker.trials} runs:")
            self.say("\n".join(event.text() for event in least.events[:LAST_SHOWN]))
            self.say(f"run it again:  {failure.again}\n")

    def _better(self, failure: Failure, less: Schedule, runs: int) -> None:
        self._save(failure, less)
        self.say(f"  {len(less.events)} events, {less.seconds} s of virtual time, after {runs} runs")

    def interrupted(self) -> None:
        """Ctrl-C."""
        self.is_interrupted = True
        saved = [str(failure.path) for failure in self.failures if failure.is_saved]
        self.say(f"interrupted; saved so far: {', '.join(saved) or 'nothing, since nothing was violated'}")

    def print_summary(self) -> None:
        """How much was run, and which rare states were met how often."""
        summary = {
            "seeds": self.seeds, "virtual_hours": round(self.virtual_s / S_PER_HOUR, 3),
            "seconds": round(time.monotonic() - self.began_s, 1), "memory_mb": self.memory_mb, "violations": len(self.failures),
        }  # fmt: skip
        if not self.args.json:
            print_totals(summary, self.totals)
            return
        failed = [
            {"seed": one.told.schedule.seed, "violation": one.told.text, "events": one.events, "again": one.again}
            for one in self.failures
        ]
        reached = dict(sorted(self.totals.items()))
        print(json.dumps({**summary, "interrupted": self.is_interrupted, "failed": failed, "reached": reached}))


def left_until(until_s: float) -> Callable[[], float]:
    """How many seconds are left."""
    return lambda: until_s - time.monotonic()


def row(told: Told) -> str:
    """One run's line."""
    what = told.text or "nothing violated"
    where = f"seed {told.schedule.seed:6d} {told.schedule.market:4s}"
    return f"{where} {told.seconds:8.0f} s {told.lives:3d} lives {told.orders:6d} orders {told.fills:6d} fills  {what}"


def command_of(told: Told, args: argparse.Namespace) -> str:
    """The one command that runs the whole seed again."""
    if args.schedule is not None:
        return f"tradewind sim --schedule {args.schedule}"
    faults = "" if args.faults is None else f" --faults {args.faults}"
    return f"tradewind sim --seed {told.schedule.seed} --hours {args.hours:g} --market {told.schedule.market}{faults}"


def print_totals(summary: Mapping[str, object], totals: Counter[str]) -> None:
    """The same for people."""
    from engine.hunt.sometimes import SOMETIMES

    print("; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in summary.items()))
    print("rare states met:")
    for state, invariant in SOMETIMES.items():
        print(f"  {totals[state]:8d}  {invariant:4s} {state}")
