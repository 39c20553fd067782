"""The level-2 book: raw depth bytes, single and batch updates, views, a gapped book, checksums, memory.

Yardsticks take turns with it in the same rounds: msgspec with typed structs (decoding alone), the same with floats in sorted
dicts, sorted dicts of integers. Recorded frames where TRADEWIND_DATA (or shared/data) has them, else made up.
Run: ``python bench/l2.py``.
"""

from __future__ import annotations

import multiprocessing
import random
import time
import zlib
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from parts.depth_frames import DepthStream, recorded_streams, synthetic_stream
from parts.history import arguments
from parts.quiet import interleaved
from parts.rows import Row, report
from sortedcontainers import SortedDict

from engine.book.checksums import kraken_crc32
from engine.book.l2 import L2Book, LevelPool
from engine.model.tables import Tables
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.raw_depth import RawDepth

ROUNDS = 11
OPERATIONS = 60_000
BATCH = 64
VIEWS = 2_000
SYMBOLS = 10
Rows = npt.NDArray[np.int64]


class Diff(msgspec.Struct):
    """What a user needs of a depth update, numbers as texts."""

    U: int
    u: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class Wrapped(msgspec.Struct):
    """The combined stream's wrapper."""

    data: Diff


class Snapshot(msgspec.Struct):
    """GET depth."""

    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


DECODE = msgspec.json.Decoder(Wrapped).decode


def timed(work: Callable[[], object]) -> int:
    """Nanoseconds of one call on the processor: what others take of a shared machine in between is not counted."""
    began_ns = time.thread_time_ns()
    work()
    return time.thread_time_ns() - began_ns


def once(make: Callable[[], Callable[[], object]]) -> float:
    """Made anew, and timed."""
    return float(timed(make()))


def medians(works: dict[str, Callable[[], Callable[[], object]]]) -> dict[str, float]:
    """Median nanoseconds of each work; they take turns, and each is made anew before its turn."""
    return interleaved({name: partial(once, make) for name, make in works.items()}, ROUNDS)


# --- raw bytes ------------------------------------------------------------------------------------------------------------


def fed_book(stream: DepthStream, pool: LevelPool | None = None) -> tuple[RawDepth, L2Book]:
    """A book behind its snapshot."""
    tables = Tables()
    instrument_id = tables.add_instrument(stream.spec)
    feed, book = RawDepth(MarketCodec(tables, 1)), L2Book(pool)
    feed.attach(stream.spec.symbol, book)
    feed.snapshot(instrument_id, stream.snapshot)
    return feed, book


def ours_raw(stream: DepthStream) -> Callable[[], object]:
    """Bytes to book."""
    feed, frames = fed_book(stream)[0], stream.frames

    def work() -> None:
        apply = feed.apply
        for frame in frames:
            apply(frame)

    return work


def decode_alone(stream: DepthStream) -> Callable[[], object]:
    """msgspec, typed, and nothing done with it."""
    frames = stream.frames

    def work() -> None:
        for frame in frames:
            DECODE(frame)

    return work


def put_floats(side: Any, levels: list[tuple[str, str]]) -> None:
    """The usual loop of a book in Python."""
    for price, qty in levels:
        size = float(qty)
        if size:
            side[float(price)] = size
        else:
            side.pop(float(price), None)


def decode_into_dicts(stream: DepthStream) -> Callable[[], object]:
    """msgspec, typed; floats into two sorted dicts."""
    bids, asks = sorted_dicts_of(stream)
    frames = stream.frames

    def work() -> None:
        for frame in frames:
            data = DECODE(frame).data
            put_floats(bids, data.b)
            put_floats(asks, data.a)

    return work


def sorted_dicts_of(stream: DepthStream) -> tuple[Any, Any]:
    """The snapshot as two sorted dicts."""
    bids, asks = SortedDict(), SortedDict()
    start = msgspec.json.decode(stream.snapshot, type=Snapshot)
    put_floats(bids, start.bids)
    put_floats(asks, start.asks)
    return bids, asks


def raw_rows(stream: DepthStream, with_targets: bool) -> list[Row]:
    """Per message and per level."""
    feed, _ = fed_book(stream)
    for frame in stream.frames:
        feed.apply(frame)
    messages, levels = len(stream.frames), feed.levels
    found = medians(
        {
            "ours": lambda: ours_raw(stream),
            "decode": lambda: decode_alone(stream),
            "dicts": lambda: decode_into_dicts(stream),
        }
    )
    each = {name: value / messages / 1000 for name, value in found.items()}
    title = f"raw depth, {stream.name}, {levels / messages:.0f} levels"
    ratio, level_ns = (0.35, 21.0) if with_targets else (None, None)
    alone = "msgspec typed decode alone"
    return [
        Row(title, "us", each["ours"], alone, each["decode"], ratio, True),
        Row(
            f"raw depth, {stream.name}, a level",
            "ns",
            found["ours"] / levels,
            alone,
            found["decode"] / levels,
            level_ns,
        ),
        Row(title, "us", each["ours"], "decode, float, sorted dict", each["dicts"], 0.1, True),
    ]


# --- updates and views ------------------------------------------------------------------------------------------------------


def walk_rows(step_ticks: int) -> Rows:
    """Updates (side, price, quantity) of a walking market whose levels stand `step_ticks` apart."""
    source = random.Random(4)
    middle, rows = 800, []
    for _ in range(OPERATIONS):
        middle += source.randint(-1, 1)
        side = source.randint(0, 1)
        away = 1 + int(source.expovariate(0.08))
        price = (middle + (away if side else -away)) * step_ticks
        rows.append((side, max(price, 0), source.randint(1, 5000) if source.random() < 0.6 else 0))
    return np.array(rows, dtype=np.int64)


def single_calls(rows: list[list[int]]) -> Callable[[], object]:
    """One Python call a level."""
    book = L2Book()

    def work() -> None:
        put = book.set
        for side, price, qty in rows:
            put(side, price, qty)

    return work


def empty_loop(rows: list[list[int]]) -> Callable[[], object]:
    """What the loop itself costs."""

    def work() -> None:
        for _side, _price, _qty in rows:
            pass

    return work


def dict_calls(rows: list[list[int]]) -> Callable[[], object]:
    """Two sorted dicts of integers."""
    sides = (SortedDict(), SortedDict())

    def work() -> None:
        for side, price, qty in rows:
            if qty:
                sides[side][price] = qty
            else:
                sides[side].pop(price, None)

    return work


def batch_calls(rows: Rows) -> Callable[[], object]:
    """`apply` of 64 rows a time."""
    book = L2Book(LevelPool(pages_ready=4096))
    batches = [np.ascontiguousarray(rows[at : at + BATCH]) for at in range(0, len(rows), BATCH)]
    book.apply(rows)  # memory that is touched for the first time is the kernel's work
    book.clear()

    def work() -> None:
        apply = book.apply
        for batch in batches:
            apply(batch)

    return work


def update_rows() -> list[Row]:
    """Single, batch, gapped."""
    dense, gapped = walk_rows(1), walk_rows(10_000)
    listed = dense.tolist()
    found = medians(
        {
            "single": lambda: single_calls(listed),
            "loop": lambda: empty_loop(listed),
            "dict": lambda: dict_calls(listed),
            "batch": lambda: batch_calls(dense),
            "gapped": lambda: batch_calls(gapped),
            "gapped dict": lambda: dict_calls(gapped.tolist()),
        }
    )
    each = {name: value / OPERATIONS for name, value in found.items()}
    single, plain = each["single"] - each["loop"], each["dict"] - each["loop"]
    gapped_dict = each["gapped dict"] - each["loop"]
    return [
        Row("L2 update, one Python call, loop taken off", "ns", single, "sorted dict of ints", plain, 60.0),
        Row(f"L2 update, {BATCH} rows a call, a level", "ns", each["batch"], "sorted dict of ints", plain, 25.0),
        Row("L2 gapped book, 64 rows a call, a level", "ns", each["gapped"], "sorted dict of ints", gapped_dict, 25.0),
        Row("L2 gapped book, 64 rows a call, a level", "ns", each["gapped"], "dense book", each["batch"]),
    ]


def view_rows() -> list[Row]:
    """Views of a book of 400 levels a side."""
    book, dicts = L2Book(), (SortedDict(), SortedDict())
    for step in range(1, 401):
        for side, price in ((0, 600_000 - 3 * step), (1, 600_000 + 3 * step)):
            book.set(side, price, step * 7)
            dicts[side][-price if side == 0 else price] = step * 7
    out = np.empty((20, 2), np.int64)

    def repeat(call: Callable[[], object]) -> Callable[[], Callable[[], object]]:
        def work() -> None:
            for _ in range(VIEWS):
                call()

        return lambda: work

    found = medians(
        {
            "depth": repeat(lambda: (book.depth_into(0, out), book.depth_into(1, out))),
            "list": repeat(lambda: (list(islice(dicts[0].items(), 20)), list(islice(dicts[1].items(), 20)))),
            "sweep": repeat(lambda: book.sweep(1, 5_000)),
            "plain sweep": repeat(lambda: plain_sweep(dicts[1], 5_000)),
            "kraken": repeat(lambda: kraken_crc32(book)),
            "plain kraken": repeat(lambda: plain_kraken(dicts)),
        }
    )
    each = {name: value / VIEWS for name, value in found.items()}
    return [
        Row("depth 20 of both sides, into an array", "ns", each["depth"], "sorted dicts, two lists", each["list"]),
        Row("sweep of 37 levels: value, worst price", "ns", each["sweep"], "sorted dict", each["plain sweep"]),
        Row("Kraken's checksum", "ns", each["kraken"], "sorted dicts, zlib", each["plain kraken"]),
    ]


def plain_sweep(side: Any, wanted: int) -> tuple[int, int, int]:
    """The loop of a Python book."""
    filled = value = worst = 0
    for price, qty in side.items():
        part = min(qty, wanted - filled)
        if not part:
            break
        filled, value, worst = filled + part, value + part * price, price
    return filled, value, worst


def plain_kraken(dicts: tuple[Any, Any]) -> int:
    """The text joined in Python."""
    text = "".join(f"{price}{qty}" for price, qty in islice(dicts[1].items(), 10))
    text += "".join(f"{-price}{qty}" for price, qty in islice(dicts[0].items(), 10))
    return zlib.crc32(text.encode())


# --- memory -------------------------------------------------------------------------------------------------------------------


def anonymous_kib() -> int:
    """Anonymous memory of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise OSError("no RssAnon in /proc/self/status")


def grown_kib(streams: list[DepthStream], is_ours: bool, told: Any) -> None:
    """Growth by ten books of recorded days, in a process of its own."""
    before_kib = anonymous_kib()
    pool = LevelPool()
    kept: list[object] = []
    for number in range(SYMBOLS):
        stream = streams[number % len(streams)]
        if is_ours:
            feed, book = fed_book(stream, pool)
            for frame in stream.frames:
                feed.apply(frame)
            kept.append(book)
        else:
            sides = sorted_dicts_of(stream)
            for frame in stream.frames:
                data = DECODE(frame).data
                put_floats(sides[0], data.b)
                put_floats(sides[1], data.a)
            kept.append(sides)
    told.put(anonymous_kib() - before_kib)


def memory_rows(streams: list[DepthStream]) -> list[Row]:
    """Anonymous memory of ten books, each in a forked process."""
    context = multiprocessing.get_context("fork")
    grown = []
    for is_ours in (True, False):
        told = context.SimpleQueue()
        child = context.Process(target=grown_kib, args=(streams, is_ours, told))
        child.start()
        grown.append(told.get() / 1024)
        child.join()
    return [Row(f"memory of {SYMBOLS} books of recorded days", "MB", grown[0], "sorted dicts of floats", grown[1])]


def main() -> int:
    """Every row."""
    options = arguments(__doc__).parse_args()
    futures, spot = recorded_streams("usdm"), recorded_streams("spot")
    streams = futures or [synthetic_stream()]
    rows = raw_rows(streams[0], with_targets=True)
    for stream in (streams[1:] + spot)[:3]:
        rows += raw_rows(stream, with_targets=False)
    rows += update_rows() + view_rows() + memory_rows(streams + spot)
    report("l2", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
