"""What a scrape of /metrics costs the engine: nothing that callback-to-bytes shows.

`tradewind desk` serves an engine's counters file from a process of its own. The engine (in process, `parts/in_process.py`) answers
frames without a pause in windows with a scrape inside and without, in turn; quoted is the median ratio of the windows' p99 over
the pairs, which may be 1.05 at most. Two windows without a scrape, paired the same way, tell what chance does.
Run: ``python bench/scrape.py [--json] [--record]``.
"""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parts.history import arguments, finish
from parts.in_process import InProcess
from parts.wire_venue import FrameFactory

from engine.model.codes import Stage, TimeInForce
from engine.runtime.counters_reader import Histogram
from engine.strategy.responder import Responder

ROOT = Path(__file__).resolve().parent.parent
RATIO_MAX = 1.05
FRAMES_A_BATCH = 16
SCRAPE_BYTES_MIN = 1_000


@contextlib.contextmanager
def child(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A child process with text pipes, on another core than ours, ended with the block."""
    pin = (lambda: os.sched_setaffinity(0, {1})) if (os.cpu_count() or 1) > 1 else None
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, text=True, env=environment, preexec_fn=pin, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Scrape:
    """An engine, its desk, and a scraper that scrapes when told."""

    def __init__(self, stack: contextlib.ExitStack, rig: InProcess) -> None:
        self.rig = rig
        self.frames = FrameFactory()
        desk = [sys.executable, "-m", "engine", "desk", "--config", str(rig.folder / "tradewind.toml")]
        served = stack.enter_context(
            child([*desk, "--listen", "127.0.0.1:0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        )
        address = self._address(served)
        command = [sys.executable, str(ROOT / "bench" / "parts" / "scraper.py"), f"{address}/metrics"]
        self._scraper = stack.enter_context(child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        self.scrape_begin()
        self.scrape_end()

    @staticmethod
    def _address(desk: subprocess.Popen[str]) -> str:
        assert desk.stderr is not None
        line = desk.stderr.readline()
        if "http://" not in line:
            raise RuntimeError(f"the desk did not start: {line}{desk.stderr.read()}")
        return line.split(" on ")[1].strip()

    def scrape_begin(self) -> None:
        """Tell the scraper to scrape now."""
        assert self._scraper.stdin is not None
        self._scraper.stdin.write("\n")
        self._scraper.stdin.flush()

    def scrape_end(self) -> None:
        """Wait for its answer; raises RuntimeError where that was no scrape."""
        assert self._scraper.stdout is not None
        line = self._scraper.stdout.readline()
        if not line or int(line) < SCRAPE_BYTES_MIN:
            raise RuntimeError(f"the scrape brought nothing: {line!r}")

    def window(self, window_s: float, *, is_scraped: bool) -> Histogram:
        """Answer frames for `window_s`; the latencies of the window alone."""
        before = self.rig.histogram(Stage.BYTES_READY)
        end = time.monotonic() + window_s
        if is_scraped:
            self.scrape_begin()
        while time.monotonic() < end:
            for frame in [self.frames.next_frame() for _ in range(FRAMES_A_BATCH)]:
                self.rig.market_frame(frame)
            self.rig.answer_requests()
        if is_scraped:
            self.scrape_end()
        return self.rig.histogram(Stage.BYTES_READY).minus(before)


def ratios(scrape: Scrape, pairs: int, window_s: float) -> dict[str, Any]:
    """p99 with a scrape over p99 without; the order within a pair changes, so that drift does not favour one."""
    with_scrape, by_chance, p99_us = [], [], []
    for pair in range(pairs):
        order = (True, False) if pair % 2 else (False, True)
        found = {is_scraped: scrape.window(window_s, is_scraped=is_scraped) for is_scraped in order}
        other = scrape.window(window_s, is_scraped=False)
        plain = found[False].quantile_ns(0.99)
        with_scrape.append(found[True].quantile_ns(0.99) / plain)
        by_chance.append(other.quantile_ns(0.99) / plain)
        p99_us.append(plain / 1000)
    ratio = statistics.median(with_scrape)
    return {
        "ratio_p99": round(ratio, 3),
        "ratio_p99_by_chance": round(statistics.median(by_chance), 3),
        "p99_us": round(statistics.median(p99_us), 2),
        "pairs": pairs,
        "window_s": window_s,
        "limit": RATIO_MAX,
        "met": ratio <= RATIO_MAX,
    }


def main() -> int:
    """Parse, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--window-s", type=float, default=0.5, help="one scrape in each, so 1.0 is a scrape a second")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        rig = stack.enter_context(InProcess(Responder(100, time_in_force=TimeInForce.IOC), "hmac"))
        scrape = Scrape(stack, rig)
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, {0})
        gc.collect()
        gc.disable()
        scrape.window(options.window_s, is_scraped=True)
        results = ratios(scrape, options.pairs, options.window_s)
    if not options.json:
        verdict = "met" if results["met"] else "NOT met"
        print(
            f"callback-to-bytes p99 with a scrape in each {results['window_s']} s / without: {results['ratio_p99']:.3f} "
            f"(median of {results['pairs']} pairs; by chance {results['ratio_p99_by_chance']:.3f}; "
            f"p99 {results['p99_us']:.2f} us)  target <= {RATIO_MAX}: {verdict}"
        )
    finish("scrape", results, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
