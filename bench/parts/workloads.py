"""The common matching workload: w1 (1M operations on a dense book), w1wide, and w1 with gaps between its prices.

The generator with the published results stands beside the recorded data (`TRADEWIND_DATA`, or `../shared`) in a folder `bench`; its
files are kept in build/bench. Where it is not there, operations of the same recipe are drawn here, with their own results.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.book.matching import OP_DTYPE
from parts.python_matcher import PriceTimeBook

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "bench"
LEAST_DTYPE = np.dtype(
    [("type", "u1"), ("side", "u1"), ("pad", "<u2"), ("qty", "<u4"), ("price", "<i8"), ("oid", "<u8"), ("seq", "<u8")]
)
ADD, CANCEL, TAKE = range(3)
SHAPES = {
    "w1": {"prefill": 10_000, "width": 50, "floor": 5_000, "walk": 0.01},
    "w1wide": {"prefill": 100_000, "width": 5_000, "floor": 50_000, "walk": 0.2},
}
COUNT = 1_000_000
MID = 100_000


@dataclass(frozen=True)
class Expected:
    """What the timed operations trade: count, lots, lots times ticks, and the hash over (maker's id, lots, ticks)."""

    trades: int
    qty: int
    value: int
    hash: int


@dataclass(frozen=True)
class Workload:
    """`prefill` operations that fill the book, then those that are timed; `least` in 32-byte records for the C loop."""

    name: str
    prefill: int
    least: npt.NDArray[np.void]
    expected: Expected
    source: str

    @property
    def timed(self) -> int:
        """How many operations are measured."""
        return len(self.least) - self.prefill

    def ops(self) -> npt.NDArray[np.void]:
        """The same operations for the engine."""
        return as_ops(self.least)


def as_ops(least: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """32-byte records as operations of one symbol, of nobody."""
    ops = np.zeros(len(least), OP_DTYPE)
    ops["op"] = least["type"] == CANCEL
    ops["side"], ops["order_id"] = least["side"], least["oid"]
    ops["tif"] = least["type"] == TAKE
    is_new = least["type"] != CANCEL
    ops["price"], ops["qty"] = np.where(is_new, least["price"], 0), np.where(is_new, least["qty"], 0)
    return ops


def generator() -> Path | None:
    """The published generator, or None."""
    named = os.environ.get("TRADEWIND_DATA")
    data = Path(named) if named else ROOT.parent / "shared" / "data"
    path = data.parent / "bench" / "matching_workload.py"
    return path if path.is_file() else None


def load(name: str) -> Workload:
    """w1 or w1wide, from build/bench or generated into it (some seconds)."""
    published = generator()
    CACHE.mkdir(parents=True, exist_ok=True)
    kept = CACHE / f"{name}.{'published' if published else 'own'}"
    done = CACHE / f"{kept.name}.done"
    if not done.exists():
        _generate(name, published)
        for suffix in (".bin", ".json"):
            (CACHE / f"{name}{suffix}").replace(CACHE / f"{kept.name}{suffix}")
        done.touch()
    found = json.loads(kept.with_name(f"{kept.name}.json").read_text())
    least = np.fromfile(kept.with_name(f"{kept.name}.bin"), LEAST_DTYPE)
    expected = Expected(found["trades"], found["tqty"], found["tval"], found["h"])
    source = "published generator" if published else "own dice: the published generator is not here"
    return Workload(name, len(least) - COUNT, least, expected, source)


def _generate(name: str, published: Path | None) -> None:
    shape = SHAPES[name]
    if published is None:
        least, found = drawn(**shape)  # type: ignore[arg-type]
        least.tofile(CACHE / f"{name}.bin")
        (CACHE / f"{name}.json").write_text(json.dumps(found))
        return
    spec = importlib.util.spec_from_file_location("matching_workload", published)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with contextlib.chdir(CACHE):
        module.gen(
            name=name, prefill=shape["prefill"], width=shape["width"], floor=shape["floor"], walk_p=shape["walk"]
        )
        Path(f"{name}.npy").unlink()


def drawn(
    prefill: int, width: int, floor: int, walk: float, count: int = COUNT
) -> tuple[npt.NDArray[np.void], dict[str, int]]:
    """The recipe of w1 with own dice: 45 % adds near the middle, 45 % cancels of a live order, 10 % marketable."""
    dice = random.Random(7)
    book, out = PriceTimeBook(), np.zeros(prefill + count, LEAST_DTYPE)
    candidates: list[tuple[int, int]] = []
    mid = MID
    for number in range(prefill + count):
        if number == prefill:
            book.count_anew()
        if number >= prefill and dice.random() < walk:
            mid += dice.choice((-1, 1))
        share = dice.random() if number >= prefill else 0.0
        if 0.45 <= share < 0.9 and len(book.orders) > floor:
            order_id, side = _live(candidates, book, dice)
            out[number] = (CANCEL, side, 0, 0, 0, order_id, number)
            book.cancel(order_id)
            continue
        side, order_id = dice.randrange(2), number + 1
        if share < 0.9:
            away = 1 + dice.randrange(width)
            price, qty = (mid + away if side else mid - away), 1 + dice.randrange(100)
            out[number] = (ADD, side, 0, qty, price, order_id, number)
            book.add(side, order_id, price, qty)
            candidates.append((order_id, side))
        else:
            price, qty = (mid - 200 if side else mid + 200), 1 + dice.randrange(20)
            out[number] = (TAKE, side, 0, qty, price, order_id, number)
            book.take(side, price, qty)
    return out, {"trades": book.trades, "tqty": book.qty, "tval": book.value, "h": book.hash}


def _live(candidates: list[tuple[int, int]], book: PriceTimeBook, dice: random.Random) -> tuple[int, int]:
    """A live order at random; those that are gone are dropped as they are met."""
    while True:
        at = dice.randrange(len(candidates))
        candidates[at], candidates[-1] = candidates[-1], candidates[at]
        found = candidates.pop()
        if found[0] in book.orders:
            return found


def gapped(workload: Workload) -> Workload:
    """The same orders after a crash: 1 to 8,191 empty ticks, most often few, between one price and the next.

    Which orders meet is as before, for prices keep their order; the trades' value and hash are new and left to be found.
    """
    prices = workload.least["price"].astype(np.int64)
    low, high = int(prices.min()), int(prices.max())
    steps = np.random.default_rng(11).integers(0, 14, high - low + 1)
    places = 1 + np.cumsum(1 << np.minimum(steps, 13))
    least = workload.least.copy()
    least["price"] = places[prices - low]
    expected = replace(workload.expected, value=0, hash=0)
    return Workload(f"{workload.name} gapped", workload.prefill, least, expected, workload.source)


def trade_hash(maker_ids: npt.NDArray[Any], qty: npt.NDArray[Any], price: npt.NDArray[Any]) -> int:
    """h = h * 1000003 + maker * 31 + lots * 7 + ticks over the trades in order, modulo 2^64."""
    terms = maker_ids.astype(np.uint64) * np.uint64(31) + qty.astype(np.uint64) * np.uint64(7) + price.astype(np.uint64)
    powers = np.full(len(terms), 1000003, np.uint64)
    powers[:1] = 1
    return int((terms[::-1] * np.cumprod(powers, dtype=np.uint64)).sum(dtype=np.uint64))
