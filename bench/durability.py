"""What each durability level costs an order: from its market frame to its bytes, beside the disk's own write and fdatasync.

The daemon's stages without sockets (`parts/in_process.py`), fronts in memory, segments on the disk of `--dir`. One order at a time,
a millisecond apart; at level `order` the loop sleeps on the journal's alarm, as the daemon's does in block mode. Levels and the
yardstick (400 bytes appended to a file of the same disk, then fdatasync) are interleaved. Then the writer: how fast it carries
records to the disk with and without the hash chain, beside plain writes and fdatasyncs of the same bytes.
Run: ``python bench/durability.py [--dir D] [--json] [--record]``.
"""

from __future__ import annotations

import os
import select
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from parts.history import arguments
from parts.in_process import InProcess
from parts.rows import Row, report
from parts.wire_venue import FrameFactory

from engine.journal.journal import Journal
from engine.journal.settings import JournalConfig
from engine.model.codes import Lane, RecordKind, Stage, TimeInForce
from engine.runtime.world import World
from engine.strategy.responder import Responder

LEVELS = ("os", "group", "order")
ROUNDS = 11
ORDERS = 40
PAUSE_S = 0.001
RECORD_BYTES = 400
ALARM_S = 2.0
MIB = 1 << 20
WRITER_BYTES = 24 * MIB
PAYLOAD_BYTES = 176  # 256 with the header
WRITERS = {"with the chain": {}, "without a chain": {"chain": False}, "without SHA instructions": {"plain_hash": True}}


def ticker(number: int) -> bytes:
    """A bookTicker frame whose sizes change each time."""
    return (
        b'{"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"59999.99000000","B":"%d.00000000",'
        b'"a":"60000.01000000","A":"2.00000000"}}' % (1_000_000 + number, number % 9 + 1)
    )


class Level:
    """An engine at one level."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.rig = InProcess(
            Responder(100, every=1, time_in_force=TimeInForce.IOC), "ed25519", data_dir=folder / name, durability=name
        )
        self.alarm = self.rig.journal.open_alarm()
        self.number = 0
        # with the first depth frame the book is valid
        self.frame(FrameFactory().next_frame())
        self.p50_us: list[float] = []
        self.p99_us: list[float] = []

    def round(self) -> None:
        """Orders one by one; each has left before the next frame comes."""
        before = self.rig.histogram(Stage.BYTES_READY)
        for _ in range(ORDERS):
            self.number += 1
            self.frame(ticker(self.number))
            time.sleep(PAUSE_S)
        inside = self.rig.histogram(Stage.BYTES_READY).minus(before)
        if inside.count != ORDERS:
            raise SystemExit(f"{inside.count} orders for {ORDERS} frames: what was measured is something else")
        self.p50_us.append(inside.quantile_ns(0.5) / 1000)
        self.p99_us.append(inside.quantile_ns(0.99) / 1000)

    def frame(self, frame: bytes) -> None:
        """One frame; its order leaves before anything else happens, and is answered."""
        self.rig.market_frame(frame)
        while self.rig.line.session.orders_waiting:
            if not select.select([self.alarm], [], [], ALARM_S)[0]:
                raise SystemExit("the alarm of the journal did not come")
            self.rig.journal.acknowledge()
            self.rig.engine.pipeline.run_to_completion()
        self.rig.answer_requests()


class PlainSync:
    """Append and fdatasync, as often and as far apart as orders come."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.p50_us: list[float] = []
        self.p99_us: list[float] = []

    def round(self) -> None:
        """Write and sync, time each."""
        took = []
        for _ in range(ORDERS):
            began = time.perf_counter_ns()
            os.write(self.fd, bytes(RECORD_BYTES))
            os.fdatasync(self.fd)
            took.append((time.perf_counter_ns() - began) / 1000)
            time.sleep(PAUSE_S)
        self.p50_us.append(statistics.quantiles(took, n=100)[49])
        self.p99_us.append(statistics.quantiles(took, n=100)[98])


def level_rows(disk: Path) -> list[Row]:
    """Each level beside the disk's own sync."""
    levels, plain = [Level(name, disk) for name in LEVELS], PlainSync(disk / "plain")
    cases: list[Level | PlainSync] = [*levels, plain]
    for case in cases:
        case.round()
        case.p50_us.clear()
        case.p99_us.clear()
    for _ in range(ROUNDS):
        for case in cases:
            case.round()
    for level in levels:
        level.rig.__exit__(None, None, None)
    rows = []
    for level in levels:
        for key in ("p50", "p99"):
            ours, disks = (statistics.median(getattr(case, f"{key}_us")) for case in (level, plain))
            rows.append(
                Row(f"callback to bytes, level {level.name}, {key}", "us", ours, f"write + fdatasync, {key}", disks)
            )
    return rows


def written_by_us(folder: Path, options: dict[str, Any]) -> float:
    """Seconds for WRITER_BYTES from the front to the platter."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as run:
        config = JournalConfig(
            data_dir=folder,
            runtime_dir=Path(run),
            engine_id=1,
            ledger_front_bytes=32 * MIB,
            sync_interval_ms=10_000.0,
            **options,
        )
        journal = Journal.open(config, World.live(), threaded=False)
        journal.append_many(
            Lane.LEDGER, RecordKind.OWN_FRAME_OTHER, PAYLOAD_BYTES, WRITER_BYTES // (PAYLOAD_BYTES + 80)
        )
        began = time.perf_counter()
        journal.flush()
        took = time.perf_counter() - began
        journal.close()
    return took


def written_plainly(path: Path) -> float:
    """The same bytes in writes of a megabyte and one sync."""
    data = bytes(MIB)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    began = time.perf_counter()
    for _ in range(WRITER_BYTES // MIB):
        os.write(fd, data)
    os.fdatasync(fd)
    took = time.perf_counter() - began
    os.close(fd)
    path.unlink()
    return took


def writer_rows(disk: Path) -> list[Row]:
    """The writer's time for a megabyte, beside plain writes."""
    found: dict[str, list[float]] = {name: [] for name in (*WRITERS, "plain")}
    for number in range(ROUNDS + 1):
        for name, options in WRITERS.items():
            seconds = timed_in(disk, partial(written_by_us, options=options))
            found[name].extend([seconds] if number else [])
        seconds = timed_in(disk, lambda folder: written_plainly(folder / "plain"))
        found["plain"].extend([seconds] if number else [])
    scale = 1000 / (WRITER_BYTES / MIB)
    plain = statistics.median(found["plain"]) * scale
    return [
        Row(
            f"writer, a megabyte, {name}",
            "ms",
            statistics.median(found[name]) * scale,
            "plain writes + fdatasync",
            plain,
        )
        for name in WRITERS
    ]


def timed_in(disk: Path, run: Callable[[Path], float]) -> float:
    """In a folder of its own."""
    with tempfile.TemporaryDirectory(dir=disk) as folder:
        return run(Path(folder))


def main() -> int:
    """Print a row each."""
    parser = arguments(__doc__)
    parser.add_argument("--dir", type=Path, default=None, help="folder on the disk to measure on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        rows = [*level_rows(Path(name)), *writer_rows(Path(name))]
    report("durability", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
