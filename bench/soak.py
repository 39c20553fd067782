"""The busiest recorded minute played at twice its pace, then faster, until the engine cannot keep up: losses, memory, p99.9.

The minute is found in ``TRADEWIND_DATA`` or ``../shared/data`` (``binance_raw/*/*.gz``). At twice the pace nothing may be lost
(every frame that the venue sent is in the journal, no ring refused anything), anonymous memory may not drift by more than 1 %
between the end of the warm-up and the end, and p99.9 from a frame's callback to the order's bytes keeps its budget. The edge is
the greatest pace at which nothing is lost and the venue never has to wait for the engine to read.
Run: ``python bench/soak.py [--minutes 60] [--speeds 5,10,20,40] [--json] [--record]``; an hour is ``--minutes 60``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from parts.busiest_minute import Stretch, busiest, cut
from parts.engine_config import remove, runtime_folder
from parts.history import arguments, finish
from parts.rows import HEAD, Row, told
from parts.soaking import Soak, play

from engine.runtime.counters_reader import Histogram

ROOT = Path(__file__).resolve().parent.parent
TWICE = 2.0
DRIFT_MAX = 1.01
BUDGET_P99_9_US = 1_000.0
SHARES = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999}


def played(recording: Path, speed: float, passes: int) -> Soak:
    """One run in folders of its own; the journal's fronts in memory, the rest on disk."""
    runtime_dir = runtime_folder()
    try:
        with tempfile.TemporaryDirectory(prefix="tradewind-soak-") as root:
            return play(recording, Path(root), runtime_dir, speed, passes)
    finally:
        remove(runtime_dir)


def as_dict(run: Soak) -> dict[str, Any]:
    """What is printed and recorded of a run."""
    first_mb, last_mb = run.drift()
    return {
        "speed": run.speed,
        "passes": run.passes,
        "seconds": round(run.seconds, 1),
        "frames": run.sent,
        "frames_s": round(run.sent / run.seconds) if run.seconds else 0,
        "dropped": run.dropped,
        "held_back": run.held_back,
        "orders": run.counters["orders_sent"],
        "fills": run.counters["fills"],
        "book_gaps": run.counters["book_gaps"],
        "refused": run.rings_refused,
        "memory_mb": [round(first_mb, 2), round(last_mb, 2)],
        "machine_stood_still_1ms": [run.still_before, run.still_after],
        **{f"callback_to_{stage.name.lower()}_us": quantiles_us(found) for stage, found in run.inside.items()},
    }


def quantiles_us(found: Histogram) -> dict[str, float]:
    """Count, and the usual quantiles in microseconds."""
    return {"count": found.count} | {name: round(found.quantile_ns(share) / 1000, 2) for name, share in SHARES.items()}


def rows(stretch: Stretch, usual: dict[str, Any], twice: dict[str, Any], edge: float) -> list[Row]:
    """What has a target, and the edge."""
    first_mb, last_mb = twice["memory_mb"]
    told_s, p99_9 = f"{twice['seconds'] / 60:.1f} min at 2x", "p99_9"
    minute_s = stretch.frames / ((stretch.last_ns - stretch.first_ns) / 1e9)
    slowest_us = 1e6 / (minute_s * edge) if edge else float("inf")
    return [
        Row(f"dropped, {told_s}", "frames", twice["dropped"], "sent", twice["frames"], 0),
        Row(f"anonymous memory, {told_s}", "MB", last_mb, "after warm-up", first_mb, DRIFT_MAX, target_is_ratio=True),
        Row(
            f"callback to bytes p99.9, {told_s}",
            "us",
            twice["callback_to_bytes_ready_us"][p99_9],
            "at the recorded pace",
            usual["callback_to_bytes_ready_us"][p99_9],
            BUDGET_P99_9_US,
        ),
        Row(f"the edge: {edge:g}x", "us/frame", slowest_us, "the busiest minute, as recorded", 1e6 / minute_s),
    ]


def main() -> int:
    """Find the minute, soak, find the edge, print; 1 where something was lost at twice the pace."""
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="at twice the pace (default: %(default)s)")
    parser.add_argument(
        "--stretch-s", type=float, default=60.0, help="length of the busiest stretch (default: %(default)s)"
    )
    parser.add_argument("--speeds", default="5,10,20,40", help="then once at each of these (default: %(default)s)")
    parser.add_argument("--twice-only", action="store_true", help="without a run at the recorded pace to compare with")
    options = parser.parse_args()
    data = Path(os.environ.get("TRADEWIND_DATA", ROOT.parent / "shared" / "data"))
    paths = sorted(data.glob("binance_raw/*/*.gz"))
    if not paths:
        print(f"no recorded data below {data}: set TRADEWIND_DATA", file=sys.stderr)
        return 0
    os.environ["PYTHONPATH"] = str(ROOT)
    stretch = busiest(paths, options.stretch_s)
    with tempfile.TemporaryDirectory(prefix="tradewind-soak-minute-") as folder:
        recording = Path(folder) / "minute.txt"
        cut(stretch, recording)
        usual = None if options.twice_only else as_dict(played(recording, 1.0, 1))
        passes = max(1, round(options.minutes * 60 * TWICE / options.stretch_s))
        twice = as_dict(played(recording, TWICE, passes))
        faster = [as_dict(played(recording, float(speed), 1)) for speed in options.speeds.split(",") if speed]
    usual = usual or twice
    carried = [run["speed"] for run in (usual, twice, *faster) if run["dropped"] == run["held_back"] == 0]
    found = rows(stretch, usual, twice, max(carried, default=0.0))
    if not options.json:
        where = f"{stretch.path.parent.name}/{stretch.path.name}"
        print(f"busiest {options.stretch_s:g} s: {stretch.frames:,} frames of {where}")
        for run in (usual, twice, *faster):
            print(run)
        print(HEAD)
        for row in found:
            print(told(row))
    finish("soak", [*(row.as_dict() for row in found), {"runs": [usual, twice, *faster]}], options)
    return int(twice["dropped"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
