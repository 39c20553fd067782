"""All benchmarks, one after the other, each in a process of its own; at the end one table of all that was measured beside a target.

A benchmark that fails is told and does not keep the others from running; the exit code is 1 then. ``--record`` appends each one's
results to bench/history.ndjson. Run: ``python bench/all.py [--record] [--only matching,wire]``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from parts.figures import FIGURES
from parts.history import arguments, record
from parts.rows import HEAD, Row, told

HERE = Path(__file__).resolve().parent
FIELDS = set(Row.__dataclass_fields__)


def benches(only: str) -> list[Path]:
    """Every file of this folder but this one, or those named. Raises SystemExit for a name that is not there."""
    found = {path.stem: path for path in sorted(HERE.glob("[a-z]*.py")) if path.name != Path(__file__).name}
    if not only:
        return list(found.values())
    unknown = sorted(set(only.split(",")) - found.keys())
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(unknown)}; there are {', '.join(found)}")
    return [found[name] for name in only.split(",")]


def measured(path: Path) -> Any | None:
    """The results of one, None where it failed; what it says on stderr passes through."""
    done = subprocess.run([sys.executable, str(path), "--json"], stdout=subprocess.PIPE, text=True, check=False)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    try:
        return json.loads(last)  # some exit with 1 where they miss their mark, and have measured all the same
    except ValueError:
        print(f"   failed with {done.returncode}: {last[:200]}", flush=True)
        return None


def rows_of(bench: str, results: Any) -> list[Row]:
    """The results as rows of the table, whichever of both forms they have."""
    entries = results if isinstance(results, list) else []
    rows = [
        Row(**{name: value for name, value in entry.items() if name in FIELDS})
        for entry in entries
        if isinstance(entry, dict) and entry.keys() >= FIELDS
    ]
    return FIGURES[bench](results) if bench in FIGURES and not rows else rows


def flat(results: Any) -> str:
    """Results of another form, on one line."""
    return json.dumps(results, separators=(", ", "=")).replace('"', "")


def table(found: dict[str, Any]) -> None:
    """All rows, by benchmark; behind them what has another form."""
    print(f"\n{HEAD}")
    for bench, results in found.items():
        rows = rows_of(bench, results)
        if rows:
            print(bench)
        for row in rows:
            print(told(row))
    for bench, results in found.items():
        if not rows_of(bench, results):
            print(f"{bench}: {flat(results)}")


def main() -> int:
    """Run, record, print."""
    parser = arguments(__doc__)
    parser.add_argument("--only", default="", help="names of benchmarks, comma between")
    options = parser.parse_args()
    paths = benches(options.only)
    found: dict[str, Any] = {}
    for number, path in enumerate(paths, 1):
        print(f"== {number}/{len(paths)} {path.stem}", flush=True)
        began = time.monotonic()
        results = measured(path)
        if results is None:
            continue
        found[path.stem] = results
        print(f"   {time.monotonic() - began:.0f} s", flush=True)
        if options.record:
            record(path.stem, results)
    if options.json:
        print(json.dumps(found))
    else:
        table(found)
    failed = [path.stem for path in paths if path.stem not in found]
    rows = [row for bench, results in found.items() for row in rows_of(bench, results)]
    missed = [row.name for row in rows if row.met is False]
    met = sum(row.met is True for row in rows)
    if not options.json:
        print(f"\n{met} targets met, {len(missed)} not{': ' if missed else ''}{'; '.join(missed)}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
