"""Callback to bytes: from a market frame's callback to the order's bytes, before the send call. No sockets.

The daemon's own stages (`parts/in_process.py`) with a compiled and a Python strategy, HMAC-signed and on a logged-on (Ed25519)
session, beside what a good all-Python client needs for the same ticker (typed msgspec decode, HMAC, no journal and no order
state), round by round in one process. Run: ``python bench/pipeline.py [--json] [--record]``.
"""

from __future__ import annotations

import contextlib
import gc
import statistics
from dataclasses import dataclass, field
from typing import Any

from parts.all_python import AllPython
from parts.history import arguments, finish
from parts.in_process import InProcess
from parts.wire_strategy import Reply
from parts.wire_venue import FrameFactory

from engine.model.codes import Stage, TimeInForce
from engine.strategy.base import StrategyBase
from engine.strategy.responder import Responder

TARGETS_US = {"compiled": (0.6, 1.0), "python": (0.9, 1.4)}
WARM_FRAMES = 500
FRAMES_A_BATCH = 16  # orders in flight together, before the venue's answers are given


def ticker(number: int) -> bytes:
    """A bookTicker frame whose sizes change each time."""
    return (
        b'{"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"59999.99000000","B":"%d.00000000",'
        b'"a":"60000.01000000","A":"2.00000000"}}' % (1_000_000 + number, number % 9 + 1)
    )


@dataclass
class Case:
    """One strategy with one kind of key; medians over rounds are quoted."""

    strategy: str
    key_type: str
    rig: InProcess
    p50_ns: list[int] = field(default_factory=list)
    p99_ns: list[int] = field(default_factory=list)
    stages_ns: dict[str, list[int]] = field(default_factory=dict)

    def round(self, frames: list[bytes]) -> None:
        """Deliver the frames; the venue answers between batches."""
        before = {stage: self.rig.histogram(stage) for stage in SHOWN}
        self.deliver(frames)
        for stage in SHOWN:
            inside = self.rig.histogram(stage).minus(before[stage])
            self.stages_ns.setdefault(stage.name.lower(), []).append(inside.quantile_ns(0.5))
            if stage is Stage.BYTES_READY:
                if inside.count != len(frames):
                    raise RuntimeError(
                        f"{inside.count} orders for {len(frames)} frames: what was measured is something else"
                    )
                self.p50_ns.append(inside.quantile_ns(0.5))
                self.p99_ns.append(inside.quantile_ns(0.99))

    def deliver(self, frames: list[bytes]) -> None:
        """Frames back to back, as a burst comes."""
        for start in range(0, len(frames), FRAMES_A_BATCH):
            for frame in frames[start : start + FRAMES_A_BATCH]:
                self.rig.market_frame(frame)
            self.rig.answer_requests()

    def row(self, yardstick_us: float) -> dict[str, Any]:
        """What is printed."""
        p50_us, p99_us = statistics.median(self.p50_ns) / 1000, statistics.median(self.p99_ns) / 1000
        limit50, limit99 = TARGETS_US[self.strategy]
        return {
            "strategy": self.strategy,
            "key": self.key_type,
            "p50_us": round(p50_us, 2),
            "p99_us": round(p99_us, 2),
            "ratio": round(p50_us / yardstick_us, 2),
            "target_us": [limit50, limit99],
            "met": p50_us <= limit50 and p99_us <= limit99,
            "stages_us": {name: round(statistics.median(values) / 1000, 2) for name, values in self.stages_ns.items()},
        }


SHOWN = (Stage.DECODED, Stage.BOOK_APPLIED, Stage.STRATEGY_DONE, Stage.GATE_DONE, Stage.BYTES_READY)


def strategies() -> dict[str, StrategyBase]:
    """A fresh one of each kind."""
    return {"compiled": Responder(100, time_in_force=TimeInForce.IOC), "python": Reply()}


def measured(rounds: int, count: int) -> dict[str, Any]:
    """Cases and yardstick in turn, with garbage collection off as in the daemon between its idle turns."""
    yardstick, yard_p50_ns, number = AllPython(), [], 0
    with contextlib.ExitStack() as stack:
        cases = [
            Case(name, key_type, stack.enter_context(InProcess(strategy, key_type)))
            for key_type in ("hmac", "ed25519")
            for name, strategy in strategies().items()
        ]
        gc.collect()
        gc.disable()
        stack.callback(gc.enable)
        for case in cases:
            case.rig.market_frame(FrameFactory().next_frame())
            case.rig.answer_requests()
            case.deliver([ticker(index) for index in range(WARM_FRAMES)])
        number = WARM_FRAMES
        for _ in range(rounds):
            frames = [ticker(number + index) for index in range(count)]
            number += count
            for case in cases:
                case.round(frames)
            yard_p50_ns.append(statistics.median(yardstick.latencies_ns(frames)))
    yardstick_us = statistics.median(yard_p50_ns) / 1000
    return {"yardstick_us": round(yardstick_us, 2), "rows": [case.row(yardstick_us) for case in cases]}


def print_table(results: dict[str, Any]) -> None:
    """One line a case."""
    print(f"all-Python client (msgspec, HMAC; no journal, book or order state): p50 {results['yardstick_us']:.2f} us")
    print(
        f"{'strategy':10}{'key':9}{'p50 us':>7}{'p99':>7}{'ratio':>7}  {'target':14}{'':9}p50 at the end of each stage"
    )
    for row in results["rows"]:
        limit = f"<= {row['target_us'][0]} / {row['target_us'][1]}"
        verdict = "met" if row["met"] else "NOT met"
        stages = ", ".join(f"{name} {value}" for name, value in row["stages_us"].items())
        numbers = f"{row['p50_us']:7.2f}{row['p99_us']:7.2f}{row['ratio']:7.2f}"
        print(f"{row['strategy']:10}{row['key']:9}{numbers}  {limit:14}{verdict:9}{stages}")


def main() -> int:
    """Parse, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--count", type=int, default=1600, help="frames a round")
    options = parser.parse_args()
    results = measured(options.rounds, options.count)
    if not options.json:
        print_table(results)
    finish("pipeline", results, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
