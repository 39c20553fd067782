"""`bench/history.ndjson`: one line a recorded run, appended only where `--record` asks for it."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

HISTORY = Path(__file__).resolve().parents[1] / "history.ndjson"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes: `--json` and `--record`."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print the results as one line of JSON")
    parser.add_argument("--record", action="store_true", help="append them to bench/history.ndjson")
    return parser


def commit() -> str:
    """The commit that was measured, with a '+' where the tree differs from it; empty outside a repository."""
    folder = HISTORY.parent
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=folder, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def record(bench: str, results: Any) -> None:
    """Append one line."""
    line = {
        "bench": bench,
        "at": int(time.time()),
        "commit": commit(),
        "machine": platform.machine(),
        "results": results,
    }
    with HISTORY.open("a") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def finish(bench: str, results: Any, options: argparse.Namespace) -> None:
    """Print JSON and record, as asked."""
    if options.json:
        print(json.dumps(results))
    if options.record:
        record(bench, results)
