"""The published matching workload: its generator beside the recorded data, its records as operations, its result hash."""

from __future__ import annotations

import importlib.util
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.book.matching import OP_DTYPE, MatchingEngine

ADD, CANCEL, IMMEDIATE = 0, 1, 2
TRADE = 1


@dataclass(frozen=True)
class Workload:
    """Operations, how many of them only fill the book, and what the generator says comes of the rest."""

    ops: npt.NDArray[np.void]
    prefill: int
    expected: dict[str, int]


def generator(data_root: Path) -> ModuleType | None:
    """The generator in the folder ``bench`` beside the recorded data, or None."""
    path = data_root.parent / "bench" / "matching_workload.py"
    spec = (
        importlib.util.spec_from_file_location("matching_workload_of_the_benchmark", path) if path.is_file() else None
    )
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def generated(module: ModuleType, folder: Path, **choices: Any) -> Workload:
    """Run the generator into a folder; ``choices`` are its own (n, prefill, width, ...)."""
    name = str(folder / "workload")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the generator leaves closing its files to the interpreter
        module.gen(name=name, **choices)
    records = np.load(f"{name}.npy")
    expected = json.loads(Path(f"{name}.json").read_text())
    return Workload(as_operations(records), expected["prefill"], expected)


def as_operations(records: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """The generator's records of 32 bytes as operations: owner 0, no self-trade prevention, one book."""
    ops = np.zeros(len(records), OP_DTYPE)
    is_cancel = records["type"] == CANCEL
    ops["op"] = is_cancel
    ops["tif"] = records["type"] == IMMEDIATE
    for theirs, ours in (("side", "side"), ("oid", "order_id"), ("price", "price"), ("qty", "qty")):
        ops[ours] = records[theirs]
    return ops


def result_of(workload: Workload, engine: MatchingEngine, batch: int = 50_000) -> dict[str, int]:
    """The generator's figures, as the engine's events tell them; only what follows the prefill is counted."""
    engine.submit_batch(workload.ops[: workload.prefill])
    trades = qty = value = folded = 0
    for start in range(workload.prefill, len(workload.ops), batch):
        rows = engine.submit_batch(workload.ops[start : start + batch])
        rows = rows[rows["kind"] == TRADE]
        trades += len(rows)
        for maker_id, lots, price in zip(
            rows["maker_id"].tolist(), rows["qty"].tolist(), rows["price"].tolist(), strict=True
        ):
            qty += lots
            value += lots * price
            folded = (folded * 1_000_003 + maker_id * 31 + lots * 7 + price) % 2**64
    return {"trades": trades, "tqty": qty, "tval": value, "h": folded}


def standing(engine: MatchingEngine) -> dict[str, int]:
    """What is left in the book, by the generator's names."""
    queues = [engine.queue(0, side) for side in (0, 1)]
    return {
        "live": engine.live_orders,
        "live_qty": sum(row[2] for queue in queues for row in queue),
        "best_bid": engine.best(0, 0)[0],
        "best_ask": engine.best(0, 1)[0],
    }
