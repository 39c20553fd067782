"""The counters file from outside: a read-only map, decoded without the engine noticing.

The layout stands in ``ext/engine/runtime/counters.pyx``. Every value is one 8-byte store, so a value is never torn;
values read one after another may be a few events apart.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.model.codes import Counter, Stage

MAGIC = b"TWCOUNT1"
LAYOUT_VERSION = 1
RINGS_OFFSET = 1024
LINES_OFFSET = 80
LINE_WORDS = 7
LINES_MAX = 16
LINE_FLAGS_BIT = 16
RING_WORDS = 8
RINGS_MAX = 48
COUNTERS_OFFSET = 4096
HISTOGRAMS_OFFSET = 6144
HISTOGRAM_HEAD = 8
BUCKETS = 2048
SUB_BUCKET_BITS = 6
SUB_BUCKETS = 1 << SUB_BUCKET_BITS
HISTOGRAM_SLOTS = HISTOGRAM_HEAD + BUCKETS
FILE_BYTES = 532480
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}


class CountersError(Exception):
    """The counters file is missing, is not one, or was written by another build."""


def names_hash() -> int:
    """CRC-32 over the names and numbers of ``Counter`` and ``Stage``; must equal the file's."""
    names = ";".join(f"{type(item).__name__}.{item.name}={int(item)}" for item in (*Counter, *Stage))
    return zlib.crc32(names.encode())


def bucket_bounds_ns(index: int) -> tuple[int, int]:
    """The values [low, high) that bucket ``index`` counts, in nanoseconds."""
    if index < 2 * SUB_BUCKETS:
        return index, index + 1
    shift = index // SUB_BUCKETS - 1
    low = (index - shift * SUB_BUCKETS) << shift
    return low, low + (1 << shift)


@dataclass(frozen=True)
class Histogram:
    """One stage's latencies, nanoseconds; ``buckets`` are sparse: index -> count."""

    sum_ns: int
    max_ns: int
    buckets: dict[int, int]

    @property
    def count(self) -> int:
        """How many values were recorded."""
        return sum(self.buckets.values())

    def quantile_ns(self, fraction: float) -> int:
        """The smallest recorded value that ``fraction`` of all values do not exceed, within 0.8 %; 0 when empty."""
        total = self.count
        rank = max(1, -(-int(fraction * total * 1_000_000) // 1_000_000)) if total else 0
        seen = 0
        for index, hits in sorted(self.buckets.items()):
            seen += hits
            if seen >= rank:
                low, high = bucket_bounds_ns(index)
                return min(self.max_ns, (low + high - 1) // 2)
        return 0

    def merged(self, other: Histogram) -> Histogram:
        """Both histograms' values in one (several engines, several runs)."""
        buckets = dict(self.buckets)
        for index, hits in other.buckets.items():
            buckets[index] = buckets.get(index, 0) + hits
        return Histogram(self.sum_ns + other.sum_ns, max(self.max_ns, other.max_ns), buckets)

    def minus(self, earlier: Histogram) -> Histogram:
        """What came in since ``earlier``, a snapshot of the same histogram; the maximum stays that of the whole."""
        buckets = {index: hits - earlier.buckets.get(index, 0) for index, hits in self.buckets.items()}
        kept = {index: hits for index, hits in buckets.items() if hits > 0}
        return Histogram(self.sum_ns - earlier.sum_ns, self.max_ns, kept)

    def summary(self) -> dict[str, int]:
        """count, sum, max and the usual quantiles."""
        quantiles = {name: self.quantile_ns(fraction) for name, fraction in QUANTILES.items()}
        return {"count": self.count, "sum": self.sum_ns, "max": self.max_ns, **quantiles}


@dataclass(frozen=True)
class RingFigures:
    """A ring between two stages: ``depth`` at the last tick; the rest since the engine's start."""

    name: str
    capacity: int
    depth: int
    high_water: int
    refused: int
    published: int


@dataclass(frozen=True)
class LineFigures:
    """A venue and account at the last tick; ``reconciles`` since the engine's start."""

    name: str
    trading_state: int
    halt_reason: int
    reconciled: bool
    gateway_ready: bool
    user_stream_ready: bool
    killed: bool
    open_orders: int
    clock_drift_ns: int
    reconciles: int


class CountersReader:
    """A read-only view of an engine's counters file.

    Raises ``CountersError`` with cause and mend. ``is_current()`` turns False when the file at the path was replaced
    by another (an engine of a newer layout): open it again.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        try:
            with open(self.path, "rb") as file:
                stat = os.fstat(file.fileno())
                self._identity = (stat.st_dev, stat.st_ino)
                if stat.st_size != FILE_BYTES:
                    raise CountersError(f"{self.path} is {stat.st_size} bytes long, not {FILE_BYTES}: no counters file")
                self._map: mmap.mmap | None = mmap.mmap(file.fileno(), FILE_BYTES, prot=mmap.PROT_READ)
        except OSError as error:
            raise CountersError(f"counters file {self.path}: {error.strerror}; is the engine running?") from error
        self._words = memoryview(self._map).cast("Q")
        self._check_header()

    @classmethod
    def of_image(cls, image: bytes) -> CountersReader:
        """Read a copy of a counters file (``Counters.image()``)."""
        reader = cls.__new__(cls)
        reader.path, reader._identity, reader._map = "", (0, 0), None
        reader._words = memoryview(image).cast("Q")
        reader._check_header()
        return reader

    def _check_header(self) -> None:
        words = self._words
        if words[0:1].tobytes() != MAGIC or words[1] != LAYOUT_VERSION:
            raise CountersError(f"{self.path} is not a counters file of layout {LAYOUT_VERSION}")
        if words[6] != names_hash():
            raise CountersError(
                f"{self.path} was written by another build: run the engine's own version of this command"
            )

    def close(self) -> None:
        """Unmap the file."""
        self._words.release()
        if self._map is not None:
            self._map.close()

    def __enter__(self) -> CountersReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_current(self) -> bool:
        """Is the mapped file still the one at the path."""
        try:
            stat = os.stat(self.path)
        except OSError:
            return False
        return (stat.st_dev, stat.st_ino) == self._identity

    @property
    def generation(self) -> int:
        """Counts the engines that have opened this file: a change means that the values began again at 0."""
        return self._words[7]

    def value(self, counter: int) -> int:
        """One counter or gauge, as a signed number."""
        raw = self._words[COUNTERS_OFFSET // 8 + counter]
        return raw - (1 << 64) if raw >> 63 else raw

    def values(self) -> dict[str, int]:
        """Every counter and gauge by its name in lower case."""
        return {counter.name.lower(): self.value(counter) for counter in Counter}

    def rings(self) -> list[RingFigures]:
        """The rings that the engine shows, in its order."""
        found = []
        for number in range(min(self._words[8], RINGS_MAX)):
            row = self._words[RINGS_OFFSET // 8 + number * RING_WORDS :][:RING_WORDS]
            name = row[:3].tobytes().rstrip(b"\0").decode("utf-8", "replace")
            found.append(RingFigures(name, *row[3:].tolist()))
        return found

    def lines(self) -> list[LineFigures]:
        """The venues and accounts of the engine, in the order of its configuration."""
        found = []
        for number in range(min(self._words[9], LINES_MAX)):
            row = self._words[LINES_OFFSET // 8 + number * LINE_WORDS :][:LINE_WORDS]
            name = row[:3].tobytes().rstrip(b"\0").decode("utf-8", "replace")
            state, open_orders, drift_ns, reconciles = row[3:].tolist()
            flags = state >> LINE_FLAGS_BIT
            found.append(
                LineFigures(
                    name=name,
                    trading_state=state & 255,
                    halt_reason=state >> 8 & 255,
                    reconciled=bool(flags & 1),
                    gateway_ready=bool(flags & 2),
                    user_stream_ready=bool(flags & 4),
                    killed=bool(flags & 8),
                    open_orders=open_orders,
                    clock_drift_ns=drift_ns - ((drift_ns >> 63) << 64),
                    reconciles=reconciles,
                )
            )
        return found

    def histogram(self, stage: int) -> Histogram:
        """One stage's histogram."""
        start = HISTOGRAMS_OFFSET // 8 + stage * HISTOGRAM_SLOTS
        sum_ns, max_ns = self._words[start : start + 2].tolist()
        body = self._words[start + HISTOGRAM_HEAD : start + HISTOGRAM_SLOTS].tolist()
        buckets = {index: hits for index, hits in enumerate(body) if hits}
        return Histogram(sum_ns, max_ns, buckets)

    def histograms(self) -> dict[str, Histogram]:
        """Every stage's histogram by its name in lower case."""
        return {stage.name.lower(): self.histogram(stage) for stage in Stage}

    def snapshot(self) -> dict[str, Any]:
        """``{"generation", "counters": {name: value}, "stages", "rings", "lines": {name: figures}}``; latencies in ns."""
        stages = {name: histogram.summary() for name, histogram in self.histograms().items()}
        rings = {ring.name: asdict(ring) for ring in self.rings()}
        lines = {line.name: asdict(line) for line in self.lines()}
        return {
            "generation": self.generation,
            "counters": self.values(),
            "stages": stages,
            "rings": rings,
            "lines": lines,
        }


def merged_histograms(readers: Iterable[CountersReader]) -> dict[str, Histogram]:
    """Every stage's values of several engines (or of copies of one engine's file over its runs) in one."""
    merged = {stage.name.lower(): Histogram(0, 0, {}) for stage in Stage}
    for reader in readers:
        for name, histogram in reader.histograms().items():
            merged[name] = merged[name].merged(histogram)
    return merged
