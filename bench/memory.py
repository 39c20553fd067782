"""Memory: 10^8 operations leave a matching engine's as it is; a million live orders; the daemon with ten symbols of a recorded day.

Anonymous and shared memory of a process of its own each time; mapped files (code) apart. The day is a recorded one of a symbol,
told ten times under ten names at ten prices, played at full speed by the simulated venue to the daemon of ``tradewind demo`` with a
market maker on each symbol. Run: ``python bench/memory.py [--operations N] [--json] [--record]``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from parts import ten_symbols
from parts.history import arguments
from parts.rows import Row, report

ROOT = Path(__file__).resolve().parents[1]
PART = ROOT / "bench" / "parts" / "matching_memory.py"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
DRIFT_MAX = 1.01
MILLION_MB_MAX = 120
DAEMON_MB_MAX = 90
IDLE = "import picows, uvloop, time; print(flush=True); time.sleep(60)"
SAMPLE_S = 0.1


def part(*words: str) -> dict[str, float]:
    """One part of matching_memory.py in a fresh process."""
    done = subprocess.run(
        [sys.executable, str(PART), *words], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def resident_mb(pid: int) -> float:
    """Anonymous and shared memory of a process; 0 when it has ended."""
    try:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(fields.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem")) / 1024


def engine_below(pid: int) -> int | None:
    """The `engine run` among a process' children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in map(int, children):
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"run" in words and b"--config" in words:
                return child
    except (FileNotFoundError, ProcessLookupError):
        pass
    return None


def recorded_day() -> Path | None:
    """A spot recording that begins with a snapshot, or None where there is no recorded data."""
    root = Path(os.environ.get("TRADEWIND_DATA", ROOT.parent / "shared" / "data"))
    found = sorted(root.glob("binance_raw/spot/*.gz"))
    return found[0] if found else None


def daemon_mb(day: Path, lines: int) -> dict[str, Any]:
    """The most that the daemon took while it played the day for ten symbols. Raises SystemExit where the demo fails."""
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as name:
        recording = Path(name) / "ten.txt"
        ten_symbols.write(day, recording, lines)
        command = [sys.executable, "-m", "engine", "demo", "--replay", str(recording), "--speed", "max", "--json"]
        with (Path(name) / "demo.json").open("wb") as out:
            demo = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=out, stderr=subprocess.DEVNULL)
            samples = sampled(demo)
        told = json.loads((Path(name) / "demo.json").read_text().splitlines()[-1])
    if demo.returncode:
        raise SystemExit(f"the demo with ten symbols ended with {demo.returncode}: {str(told)[:500]}")
    return {"mb": max(samples), "frames": told["replay"]["frames_played"], "symbols": len(told["replay"]["symbols"])}


def sampled(demo: subprocess.Popen[bytes]) -> list[float]:
    """The daemon's memory, every 100 ms while the demo runs."""
    samples = [0.0]
    engine: int | None = None
    while demo.poll() is None:
        engine = engine or engine_below(demo.pid)
        if engine is not None:
            samples.append(resident_mb(engine))
        time.sleep(SAMPLE_S)
    return samples


def idle_mb() -> float:
    """An interpreter with the WebSocket client and the event loop, and nothing else."""
    with subprocess.Popen([sys.executable, "-c", IDLE], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = resident_mb(child.pid)
        child.kill()
    return found


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--operations", type=int, default=100_000_000)
    parser.add_argument("--lines", type=int, default=10**9, help="of the recorded day, a symbol")
    options = parser.parse_args()
    flat, million, least = part("flat", str(options.operations)), part("million"), part("c-million")
    told = f"{flat['operations'] / 1e6:.0f}M operations"
    rows = [
        Row(f"RSS after {told}", "MB", flat["end_mb"], "after 3M", flat["warm_mb"], DRIFT_MAX, target_is_ratio=True),
        Row("a million live orders", "MB", million["growth_mb"], "C loop", least["growth_mb"], MILLION_MB_MAX),
    ]
    day = recorded_day()
    if day is None:
        print("no recorded data: the daemon with ten symbols is left out", file=sys.stderr)
    else:
        found = daemon_mb(day, options.lines)
        name = f"daemon, {found['symbols']} symbols, {found['frames'] / 1000:.0f}k frames"
        rows.append(Row(name, "MB", found["mb"], "idle Python, picows, uvloop", idle_mb(), DAEMON_MB_MAX))
    report("memory", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
