"""How much the simulated venue publishes and matches: it must never be the bottleneck of what is measured with it.

The venue runs as its own process on one core, its generated market in one long burst of takers, about as lively as the core can
make it. Clients in another process count what arrives over loopback WebSockets (depth, bookTicker, trade and aggTrade of three
symbols) and check that no depth update is missing. Measured for one client and for a hundred. Quoted: the median of rounds.
Run: ``python bench/venue.py [--rounds N] [--seconds S] [--json] [--record]``.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from parts.history import arguments, finish

from engine.sim.config import default_symbols

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "bench" / "parts" / "stream_client.py"
SYMBOLS = ("btcusdt", "ethusdt", "solusdt")
KINDS = ("depth@100ms", "bookTicker", "trade", "aggTrade")
STREAMS = [f"{symbol}@{kind}" for symbol in SYMBOLS for kind in KINDS]
FRAMES_A_SECOND_MIN = 100_000
TAKER_WEIGHT = 10.0
WARM_S = 1.0
START_S_MAX = 30.0
CONNECTIONS_MAX = 1_000_000
CPUS = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Case:
    """One measurement: how lively the market is and how many listen."""

    name: str
    activity: float
    clients: int


CASES = (Case("one client", 300.0, 1), Case("100 clients", 2.0, 100))


@contextlib.contextmanager
def running_venue(activity: float) -> Iterator[dict[str, Any]]:
    """A venue process on the first core; yields its addresses and its pid."""
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as folder:
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "engine", "venue", "--config", str(write_config(Path(folder)))]
        process = subprocess.Popen(
            [*command, "--activity", str(activity), "--ready-file", str(ready)],
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            preexec_fn=lambda: os.sched_setaffinity(0, {CPUS[0]}),
        )
        try:
            yield {**wait_for(ready, process), "pid": process.pid}
        finally:
            process.terminate()
            process.wait(10)


def write_config(folder: Path) -> Path:
    """The usual symbols in a burst that does not end; rounds of a hundred clients are more than the exchange's 300 connections."""
    lines = ["[limits]", f"connections_5m = {CONNECTIONS_MAX}"]
    for symbol in default_symbols():
        row = msgspec.structs.asdict(msgspec.structs.replace(symbol, activity=1.0, taker_weight=TAKER_WEIGHT))
        lines += ["[[venue.symbols]]", *(f"{name} = {json.dumps(value)}" for name, value in row.items())]
    path = folder / "venue.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def wait_for(ready: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the venue wrote when it listened."""
    deadline_s = time.monotonic() + START_S_MAX
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError("the venue did not start")
        time.sleep(0.05)
    told: dict[str, Any] = json.loads(ready.read_text())
    return told


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listen(port: int, pid: int, case: Case, seconds: float) -> dict[str, Any]:
    """Let the clients count for a while."""
    url = f"ws://127.0.0.1:{port}/stream"
    before_s, began_s = cpu_seconds(pid), time.monotonic()
    done = subprocess.run(
        [sys.executable, str(CLIENT), url, str(case.clients), str(WARM_S), str(seconds), *STREAMS],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {CPUS[-1]}),
    )
    told: dict[str, Any] = json.loads(done.stdout)
    told["frames_s"] = told["frames"] / told["seconds"]
    told["cpu"] = (cpu_seconds(pid) - before_s) / (time.monotonic() - began_s)
    return told


def measure(case: Case, rounds: int, seconds: float) -> dict[str, Any]:
    """Rounds of one case; the medians."""
    with running_venue(case.activity) as venue:
        told = [listen(venue["ws"], venue["pid"], case, seconds) for _ in range(rounds)]
    return {
        "case": case.name,
        "clients": case.clients,
        "frames_s": statistics.median(row["frames_s"] for row in told),
        "mbytes_s": statistics.median(row["bytes"] / row["seconds"] for row in told) / 1e6,
        "venue_cpu": statistics.median(row["cpu"] for row in told),
        "fairness": statistics.median(row["least"] / max(1, row["most"]) for row in told),
        "gaps": sum(row["gaps"] for row in told),
    }


def main() -> int:
    """Measure and print; exit code 1 where the target is missed."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    results = [measure(case, options.rounds, options.seconds) for case in CASES]
    if not options.json:
        for row in results:
            print(
                f"{row['case']:12} {row['frames_s']:10,.0f} frames/s  {row['mbytes_s']:6.1f} MB/s  venue's core "
                f"{row['venue_cpu']:4.0%} busy  slowest/fastest client {row['fairness']:.3f}  gaps {row['gaps']}"
            )
        met = results[0]["frames_s"] >= FRAMES_A_SECOND_MIN
        print(f"target {FRAMES_A_SECOND_MIN:,} frames/s to one client: {'met' if met else 'NOT MET'}")
    finish("venue", results, options)
    return 0 if all(row["frames_s"] >= FRAMES_A_SECOND_MIN and not row["gaps"] for row in results) else 1


if __name__ == "__main__":
    sys.exit(main())
