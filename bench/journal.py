"""An append on the busy thread while the writer thread writes and syncs every 10 ms, beside the other ways to keep a record.

Records of 64 bytes of payload (144 with our header), and bare headers (80). The mean is that of bursts of 32 with a pause between,
so that disk and writer keep up; quantiles are those of single appends, one every two microseconds, each with the reading of the
processor's counter in it (its own cost is told first). Yardsticks write a record of 64 bytes with its CRC-32C at the same pace:
into a ring of memory that nobody drains (the least a front can be in C), into a mapped file of the disk, and by write(). The front
lies on a tmpfs, segments and yardsticks' files on the disk of `--dir` (default: the temporary folder).
Run: ``python bench/journal.py [--dir D] [--json] [--record]``.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from parts.compiled import library
from parts.history import arguments
from parts.quiet import quiet
from parts.rows import Row, report

from engine.journal.journal import Journal
from engine.journal.rehearsal import append_paced, empty_ticks, read_ticks
from engine.journal.settings import JournalConfig
from engine.model.codes import Lane, RecordKind
from engine.runtime.world import World

ROUNDS = 11
BURST = 32
BURSTS = 1_000
APPENDS = 40_000
PAUSE_NS = 100_000
SINGLE_PAUSE_NS = 2_000
SLOW_APPENDS = 8_000
MEAN_TARGET_NS, P99_9_TARGET_NS = 15.0, 60.0
RING_BYTES = 1 << 23
DISK_FILE_BYTES = 1 << 26
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}
Ticks = npt.NDArray[np.uint64]
Paced = Callable[[Ticks, bool], None]
Pauses = tuple[int, int]  # ticks before a burst, before a single append


class PacedRun(ctypes.Structure):
    """`Run` of bench/parts/front.c."""

    _fields_ = [
        *((name, ctypes.c_uint64) for name in ("pause_ticks", "count", "burst", "bytes")),
        ("ticks", ctypes.c_void_p),
        ("each", ctypes.c_int),
    ]


class Yardstick:
    """One of the ways in C; records of 64 bytes."""

    def __init__(self, loaded: ctypes.CDLL, call: str, path: Path | None, mapped_bytes: int, pauses: Pauses) -> None:
        loaded.place_open.restype = ctypes.c_void_p
        loaded.place_open.argtypes = [ctypes.c_char_p, ctypes.c_uint64]
        self._call = getattr(loaded, call)
        self._call.argtypes = [ctypes.c_void_p, ctypes.POINTER(PacedRun)]
        self._place = loaded.place_open(bytes(path) if path else None, mapped_bytes)
        self._pauses = pauses
        if not self._place:
            raise SystemExit(f"no place to append to: {path or 'memory'}")

    def __call__(self, ticks: Ticks, each: bool) -> None:
        """Append and note."""
        run = PacedRun(self._pauses[each], len(ticks), 1 if each else BURST, 64, ticks.ctypes.data, int(each))
        self._call(self._place, ctypes.byref(run))


@contextmanager
def journal_on(disk: Path) -> Iterator[Journal]:
    """A journal as the daemon's: fronts on tmpfs, segments on the disk, the writer's thread at work."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as run:
        config = JournalConfig(data_dir=disk / "data", runtime_dir=Path(run), engine_id=1, sync_interval_ms=10.0)
        journal = Journal.open(config, World.live())
        try:
            yield journal
        finally:
            journal.close()


def appending(journal: Journal, payload_bytes: int, pauses: Pauses) -> Paced:
    """Ours, by the same pacing. SystemExit where an append found no room: something else was measured then."""

    def run(ticks: Ticks, each: bool) -> None:
        kind = RecordKind.OWN_FRAME_OTHER
        burst = 1 if each else BURST
        if append_paced(journal, Lane.LEDGER, kind, payload_bytes, pauses[each], burst, ticks, each):
            raise SystemExit("the front was full: the disk does not keep up with the pacing")

    return run


def figures(ways: dict[str, Paced], scale: float) -> dict[str, dict[str, float]]:
    """For each way, medians over the rounds of the mean and the quantiles, nanoseconds an append."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            appends = SLOW_APPENDS if name == "write()" else APPENDS
            whole, single = np.zeros(BURSTS, np.uint64), np.zeros(appends, np.uint64)
            way(whole, False)
            way(single, True)
            told = {"mean": float(np.median(whole)) / BURST / scale}
            told |= {key: float(np.quantile(single, share)) / scale for key, share in QUANTILES.items()}
            for key, value in told.items() if number else ():
                found[name].setdefault(key, []).append(value)
    return {name: {key: statistics.median(values) for key, values in row.items()} for name, row in found.items()}


def rows(found: dict[str, dict[str, float]]) -> list[Row]:
    """Ours beside each yardstick; the targets are those of a payload of 64 bytes."""
    made = []
    targets = {"mean": MEAN_TARGET_NS, "p99.9": P99_9_TARGET_NS}
    for ours in ("64 bytes of payload", "a bare header"):
        for key in ("mean", *QUANTILES):
            front = found["C front"][key]
            made.append(Row(f"journal, {ours}, {key}", "ns", found[ours][key], "C front", front, targets.get(key)))
    for yardstick in ("mapped disk file", "write()"):
        for key in ("mean", "p99.9", "p99.99"):
            other = found[yardstick][key]
            ours_ns = found["64 bytes of payload"][key]
            made.append(Row(f"journal, 64 bytes of payload, {key}", "ns", ours_ns, yardstick, other, targets.get(key)))
    return made


def ticks_per_ns() -> float:
    """Ticks of the processor's counter in a nanosecond."""
    began_ns, began = time.perf_counter_ns(), read_ticks()
    while time.perf_counter_ns() - began_ns < 50_000_000:
        pass
    return (read_ticks() - began) / (time.perf_counter_ns() - began_ns)


def options_of() -> argparse.Namespace:
    """What the command line says."""
    parser = arguments(__doc__)
    parser.add_argument("--dir", type=Path, default=None, help="folder on the disk to measure on")
    return parser.parse_args()


def main() -> int:
    """Print a row each."""
    options = options_of()
    loaded, scale = library("front.c"), ticks_per_ns()
    pauses = int(PAUSE_NS * scale), int(SINGLE_PAUSE_NS * scale)
    empty = np.zeros(100_000, np.uint64)
    empty_ticks(empty)
    # pinned after the journal is open: its writer's thread is to have the other core
    with tempfile.TemporaryDirectory(dir=options.dir) as name, journal_on(Path(name)) as journal, quiet():
        disk = Path(name)
        found = figures(
            {
                "64 bytes of payload": appending(journal, 64, pauses),
                "a bare header": appending(journal, 0, pauses),
                "C front": Yardstick(loaded, "paced_ring", None, RING_BYTES, pauses),
                "mapped disk file": Yardstick(loaded, "paced_ring", disk / "mapped", DISK_FILE_BYTES, pauses),
                "write()": Yardstick(loaded, "paced_write", disk / "written", 0, pauses),
            },
            scale,
        )
    if not options.json:
        print(f"the counter's own reading: p50 {np.median(empty) / scale:.1f} ns")
    report("journal", rows(found), options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
