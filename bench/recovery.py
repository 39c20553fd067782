"""How long a start takes with the ledger of earlier runs: all of it folded, and a snapshot with what came since.

    python bench/recovery.py [--records N] [--keep DIR] [--json] [--record]

Against a plain scan of the same file in the same run: every record found, its checksum compared, nothing made of it. The ledger is
written with the journal's own writer; DIR keeps it for a further run. Rounds are interleaved, figures are medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from parts.history import arguments
from parts.ledger_writer import write_ledger
from parts.rows import Row, report

from engine.config import Config, load
from engine.journal.cursor import RecordSink
from engine.journal.places import segments
from engine.journal.reader import JournalReader
from engine.model.codes import Lane
from engine.recovery.earlier import EarlierRuns
from engine.recovery.maker import SnapshotMaker
from engine.recovery.pour import UINT32_MAX, LedgerPour
from engine.recovery.shadow import Shadow
from engine.recovery.snapshot import paths

REPOSITORY = Path(__file__).parents[1]
ROUNDS = 11
TARGET_S = 1.0
TAIL_RECORDS = 200_000


def main() -> None:
    """Write a ledger where there is none, then measure."""
    parser = arguments(__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--keep", metavar="DIR", type=Path)
    options = parser.parse_args()
    if options.keep:
        report("recovery", measured(options.keep, options), options)
        return
    with tempfile.TemporaryDirectory() as folder:
        report("recovery", measured(Path(folder), options), options)


def measured(root: Path, options: argparse.Namespace) -> list[Row]:
    """The rows."""
    data_dir = root / "data"
    if not (data_dir / "ledger").exists():
        write_ledger(root, options.records)
    config = load(REPOSITORY / "config" / "demo.toml").config
    bytes_there = sum(path.stat().st_size for _, path in segments(data_dir, Lane.LEDGER))

    def scan() -> int:
        pour = LedgerPour(data_dir)
        return pour.into(RecordSink())

    def start(uses_snapshots: bool) -> int:
        shadow = Shadow(config, data_dir / "names.json")
        runs = EarlierRuns(data_dir, UINT32_MAX, uses_snapshots=uses_snapshots)
        told = runs.fold_into(shadow.fold, lambda snapshot: Shadow(config, data_dir / "names.json").load(snapshot))
        shadow.fold.finish()
        assert bool(told.snapshot) == uses_snapshots
        return told.records

    for path in paths(data_dir):
        path.unlink()
    records = scan()
    snapshot_behind(config, data_dir, TAIL_RECORDS)
    tail = start(True)
    rounds = [(took(scan), took(lambda: start(False)), took(lambda: start(True))) for _ in range(options.rounds)]
    scans, wholes, tails = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{records:,} records, {bytes_there / 2**20:,.0f} MiB: folded {records / wholes:,.0f} records/s; "
          f"behind the snapshot {tail:,}; its file {paths(data_dir)[0].stat().st_size:,} bytes", file=sys.stderr)  # fmt: skip
    scan_name = "a plain scan of the whole ledger"
    return [
        Row(f"start without snapshot, {records:,} records", "s", wholes, scan_name, scans),
        Row(f"start from a snapshot, {tail:,} records since", "s", tails, scan_name, scans, TARGET_S),
    ]


def snapshot_behind(config: Config, data_dir: Path, records: int) -> None:
    """One snapshot, `records` before the ledger's end."""
    maker = SnapshotMaker(config, data_dir)
    last_seq = JournalReader(data_dir).last_seq(Lane.LEDGER)
    while maker.step(last_seq - records):
        continue
    maker.write()


def took(work: Callable[[], object]) -> float:
    """Seconds."""
    begun_ns = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - begun_ns) / 1e9


if __name__ == "__main__":
    main()
