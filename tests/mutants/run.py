"""`make mutants`: take each guard away and see the tests notice. `python -m tests.mutants.run [names] [--jobs N]`.

A line for each patch; the exit code is 1 where one survives, does not apply any more, or cannot be told.
"""

from __future__ import annotations

import argparse
import queue
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.mutants.patch import ROOT, DoesNotApply, Patch, every
from tests.mutants.workshop import CannotTell, Verdict, Workshop

FOLDER = ROOT / "build" / "mutants"


def chosen(names: list[str]) -> list[Patch]:
    """Those named (or whose name begins so), or all. Raises SystemExit for a name that is none."""
    patches = every()
    for name in names:
        if not any(patch.name.startswith(name) for patch in patches):
            raise SystemExit(f"no patch {name}; there are {', '.join(patch.name for patch in patches)}")
    return [patch for patch in patches if not names or any(patch.name.startswith(name) for name in names)]


def attempted(workshops: queue.Queue[Workshop], patch: Patch) -> tuple[Verdict | None, str, float]:
    """(verdict, word, seconds) of one patch in the next free workshop; no verdict where there is none."""
    workshop = workshops.get()
    began = time.monotonic()
    try:
        verdict = workshop.verdict(patch)
        return verdict, verdict.word, time.monotonic() - began
    except (CannotTell, DoesNotApply) as error:
        return None, str(error), time.monotonic() - began
    finally:
        workshops.put(workshop)


def told(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run them all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="patches, or how their names begin; all where none is given")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--no-baseline",
        action="store_true",
        help="do not run the named tests without a patch first: one that fails by itself then counts as a kill",
    )
    options = parser.parse_args()
    patches = chosen(options.names)
    workshops: queue.Queue[Workshop] = queue.Queue()
    made = [Workshop(Path(FOLDER) / str(number)) for number in range(min(options.jobs, len(patches)))]
    for workshop in made:
        workshops.put(workshop)
    if not options.no_baseline:
        began = time.monotonic()
        made[0].baseline(sorted({killer for patch in patches for killer in patch.killers}))
        told(f"without any patch all the named tests pass ({time.monotonic() - began:.0f} s)")
    bad: list[str] = []
    with ThreadPoolExecutor(len(made)) as pool:
        futures = {pool.submit(attempted, workshops, patch): patch for patch in patches}
        for number, future in enumerate(as_completed(futures), 1):
            patch, (verdict, word, seconds) = futures[future], future.result()
            state = "no verdict" if verdict is None else "killed" if verdict.is_killed else "SURVIVED"
            told(f"{number:3}/{len(patches)} {state:10} {patch.name:34} {seconds:5.0f} s  {patch.guard}: {word}")
            if state != "killed":
                bad.append(patch.name)
    told(f"{len(patches) - len(bad)} of {len(patches)} killed{'; not: ' + ', '.join(sorted(bad)) if bad else ''}")
    return int(bool(bad))


if __name__ == "__main__":
    raise SystemExit(main())
