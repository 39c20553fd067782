"""What readers that stand still cost the engine: nothing that callback-to-bytes shows.

The engine (in process, `parts/in_process.py`: journal, writer thread and all) answers frames without a pause in windows: with
readers that were stopped in the middle of their work (SIGSTOP: `tradewind desk` with a scrape under way, `journal cat --follow`;
another of these has an output that nobody reads), and without any, in turn. Quoted is the median ratio over the pairs, which may be
1.05 at most, of the p99 of the quietest of ten windows: a shared machine doubles a window's p99 now and then, with readers or
without, and what readers cost is in every window. Windows without readers, paired the same way, tell what chance does.
Afterwards a reader must have every record that the engine wrote. Run: ``python bench/stalled_reader.py [--json] [--record]``.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from parts.history import arguments
from parts.in_process import InProcess
from parts.rows import Row, report
from parts.wire_venue import FrameFactory
from scrape import FRAMES_A_BATCH, RATIO_MAX, ROOT, child

from engine.journal.reader import JournalReader
from engine.model.codes import Stage, TimeInForce
from engine.runtime.counters_reader import Histogram
from engine.strategy.responder import Responder

WARM_S = 0.25
WINDOWS = 10
NAME = "callback to bytes p99, readers stalled / none"


class Readers:
    """Readers of one engine's files, each in a process of its own."""

    def __init__(self, rig: InProcess) -> None:
        config = str(rig.folder / "tradewind.toml")
        self.desk = [sys.executable, "-m", "engine", "desk", "--config", config, "--listen", "127.0.0.1:0"]
        self.follow = [sys.executable, "-m", "engine", "journal", "cat", "--config", config, "--follow", "--json"]

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """All of them have begun to read, and are stopped; ended with the block."""
        with contextlib.ExitStack() as stack:
            pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            desk = stack.enter_context(child(self.desk, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
            followers = [stack.enter_context(child(self.follow, **pipes)) for _ in range(2)]
            for follower in followers:
                assert follower.stdout is not None
                if not follower.stdout.readline():
                    raise RuntimeError("a follower read nothing")
            self._scrape_begun(stack, desk)
            # the second one is left running until its pipe is full: it stands still by itself
            for process in (desk, followers[0]):
                process.send_signal(signal.SIGSTOP)
            yield

    @staticmethod
    def _scrape_begun(stack: contextlib.ExitStack, desk: subprocess.Popen[str]) -> None:
        assert desk.stderr is not None
        line = desk.stderr.readline()
        if "http://" not in line:
            raise RuntimeError(f"the desk did not start: {line}{desk.stderr.read()}")
        address = line.split(" on ")[1].strip()
        scraper = [sys.executable, str(ROOT / "bench" / "parts" / "scraper.py"), f"{address}/metrics"]
        asked = stack.enter_context(child(scraper, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert asked.stdin is not None
        asked.stdin.write("\n")
        asked.stdin.flush()


def window(rig: InProcess, frames: FrameFactory, window_s: float) -> Histogram:
    """Answer frames for so long; the latencies of the window alone."""
    before = rig.histogram(Stage.BYTES_READY)
    end = time.monotonic() + window_s
    while time.monotonic() < end:
        for frame in [frames.next_frame() for _ in range(FRAMES_A_BATCH)]:
            rig.market_frame(frame)
        rig.answer_requests()
    return rig.histogram(Stage.BYTES_READY).minus(before)


def p99_of(rig: InProcess, frames: FrameFactory, window_s: float) -> int:
    """The p99 of the quietest of some windows, in nanoseconds; together they last `window_s`.

    Before them one is not looked at: caches that went cold while readers began are not what readers cost.
    """
    window(rig, frames, WARM_S)
    return min(window(rig, frames, window_s / WINDOWS).quantile_ns(0.99) for _ in range(WINDOWS))


def measured(rig: InProcess, pairs: int, window_s: float) -> dict[str, list[float]]:
    """Ratios with readers, ratios by chance, and p99 in microseconds of the windows without; the order within a pair changes."""
    frames, readers = FrameFactory(), Readers(rig)
    found: dict[str, list[float]] = {"stalled": [], "by_chance": [], "p99_us": []}
    window(rig, frames, window_s)
    for pair in range(pairs):
        p99_ns: dict[bool, int] = {}
        for is_stalled in (True, False) if pair % 2 else (False, True):
            with readers.stalled() if is_stalled else contextlib.nullcontext():
                p99_ns[is_stalled] = p99_of(rig, frames, window_s)
        other_ns = p99_of(rig, frames, window_s)
        found["stalled"].append(p99_ns[True] / p99_ns[False])
        found["by_chance"].append(other_ns / p99_ns[False])
        found["p99_us"].append(p99_ns[False] / 1000)
    return found


def lost(rig: InProcess) -> int:
    """Records that the engine numbered and a reader of its files does not find."""
    rig.journal.flush()
    last = rig.journal.sequence
    return last - sum(1 for _ in JournalReader(rig.folder / "data").records())


def main() -> int:
    """Parse, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--window-s", type=float, default=1.0)
    options = parser.parse_args()
    with InProcess(Responder(100, time_in_force=TimeInForce.IOC), "hmac") as rig:
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, {0})
        gc.collect()
        gc.disable()
        found = measured(rig, options.pairs, options.window_s)
        missing = lost(rig)
    p99_us = statistics.median(found["p99_us"])
    ours = p99_us * statistics.median(found["stalled"])
    rows = [
        Row(NAME, "us", ours, "none", p99_us, RATIO_MAX, target_is_ratio=True),
        Row("the same by chance", "us", p99_us * statistics.median(found["by_chance"]), "none", p99_us),
    ]
    if missing:
        raise SystemExit(f"{missing} records were lost")
    report("stalled_reader", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
