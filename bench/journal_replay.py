"""How fast a recorded session is replayed and compared, with the Python market maker.

Ours: `tradewind replay` from its first input to its end, each record compared, the core wired outside of the measured time. An
event is a record of the session: an input that is fed, an output or a request that is made and compared. Yardsticks: the
journal's own reader, which hands the same records to Python one by one, and a pass of C over the same bytes that checks each
record's checksum. The target is one of the clock on the wall; the processor's time beside it tells what a machine that does
nothing else would need.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from parts.history import arguments
from parts.recorded_session import record_session
from parts.rows import Row, report

from engine.journal.layout import SEGMENT_HEADER_BYTES
from engine.journal.reader import JournalReader
from engine.journal.scan import scan
from engine.model.codes import Lane
from engine.replay.core import build
from engine.replay.playing import Player
from engine.replay.recording import open_recording, paths_of

TARGET_NS = 2_000.0  # 500,000 events a second


def replayed_ns(data_dir: Path) -> tuple[float, float, int, dict[str, int]]:
    """(nanoseconds an event, of them the processor's, events, counts) of one replay."""
    with tempfile.TemporaryDirectory() as scratch:
        player = Player(build(open_recording(data_dir), Path(scratch)))
        began_ns, began_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        outcome = player.play()
        took_ns, took_cpu_ns = time.perf_counter_ns() - began_ns, time.thread_time_ns() - began_cpu_ns
    if outcome.state != "equal":
        raise SystemExit(f"the session does not replay equal: {outcome.differences}")
    counts = outcome.counts
    events = counts["inputs"] + counts["outputs"] + counts["requests"] + counts["successors"] + counts["edges"]
    return took_ns / events, took_cpu_ns / events, events, counts


def read_ns(data_dir: Path) -> float:
    """Nanoseconds a record of the journal's reader."""
    began_ns = time.perf_counter_ns()
    records = sum(1 for _ in JournalReader(data_dir).records())
    return (time.perf_counter_ns() - began_ns) / records


def scanned_ns(data_dir: Path) -> float:
    """Nanoseconds a record of a pass in C."""
    took_ns, records = 0, 0
    for lane in (Lane.LEDGER, Lane.TAPE):
        for _, path in paths_of(data_dir, lane, 1):
            data = path.read_bytes()
            began_ns = time.perf_counter_ns()
            records += scan(data, SEGMENT_HEADER_BYTES, lane).records
            took_ns += time.perf_counter_ns() - began_ns
    return took_ns / records


def options_of() -> argparse.Namespace:
    """What the command line says."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the recorded market")
    parser.add_argument("--activity", type=float, default=20.0, help="how lively it is")
    parser.add_argument("--rounds", type=int, default=11)
    return parser.parse_args()


def main() -> int:
    """Record once, replay and read in turn."""
    options = options_of()
    ours, ours_cpu, reader, passes = [], [], [], []
    counts: dict[str, int] = {}
    events = 0
    with tempfile.TemporaryDirectory() as name:
        data_dir = record_session(Path(name), options.seconds, options.activity)
        for _ in range(options.rounds):
            ns, cpu_ns, events, counts = replayed_ns(data_dir)
            ours.append(ns)
            ours_cpu.append(cpu_ns)
            reader.append(read_ns(data_dir))
            passes.append(scanned_ns(data_dir))
    middle, middle_cpu = statistics.median(ours), statistics.median(ours_cpu)
    rows = [
        Row(
            "replay, each event",
            "ns",
            middle,
            "the journal's reader, each record",
            statistics.median(reader),
            TARGET_NS,
        ),
        Row("replay, each event", "ns", middle, "a pass in C with checksums", statistics.median(passes), TARGET_NS),
        Row("replay, each event, processor", "ns", middle_cpu, "the same on the wall", middle),
    ]
    if not options.json:
        print(
            f"{events} events, of them {counts['inputs']} inputs in {counts['runs']} turns: {1e9 / middle:,.0f} events/s "
            f"({1e9 / middle_cpu:,.0f} in a second of the processor)"
        )
    report("journal_replay", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
