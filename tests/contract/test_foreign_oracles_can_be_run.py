"""The program that streams operations from a file, against a toy oracle that knows nothing of the engine."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parents[2]
# The records as docs/matching.md tells them, spelt here as a stranger would.
OPERATION = np.dtype(
    [("op", "u1"), ("side", "u1"), ("type", "u1"), ("tif", "u1"), ("flags", "<u2"), ("stp", "u1"), ("pad", "u1")]
    + [("symbol", "<u4"), ("owner", "<u4"), ("order_id", "<u8")]
    + [(name, "<i8") for name in ("price", "qty", "display", "trigger", "expire_ns")]
)
EVENT = np.dtype(
    [("kind", "u1"), ("side", "u1"), ("reason", "<u2"), ("symbol", "<u4")]
    + [(name, "<u8") for name in ("op_index", "order_id", "maker_id")]
    + [(name, "<i8") for name in ("price", "qty", "leaves", "maker_leaves")]
)
Trade = tuple[int, int, int, int, int]


class ToyOracle:
    """A book as one list of [side, price, arrival, id, qty]; a taker looks for the best of it, again and again."""

    def __init__(self) -> None:
        self.orders: list[list[int]] = []
        self.arrivals = 0
        self.trades: list[Trade] = []

    def take(self, number: int, side: int, price: int | None, order_id: int, qty: int) -> int:
        while qty:
            sign = 1 if side == 0 else -1
            facing = [row for row in self.orders if row[0] != side and (price is None or sign * row[1] <= sign * price)]
            if not facing:
                break
            best = min(facing, key=lambda row: (sign * row[1], row[2]))
            lots = min(qty, best[4])
            qty -= lots
            best[4] -= lots
            self.trades.append((number, order_id, best[3], best[1], lots))
            self.orders = [row for row in self.orders if row[4]]
        return qty

    def add(self, number: int, side: int, price: int, order_id: int, qty: int) -> None:
        left = self.take(number, side, price, order_id, qty)
        if left:
            self.arrivals += 1
            self.orders.append([side, price, self.arrivals, order_id, left])

    def cancel(self, order_id: int) -> None:
        self.orders = [row for row in self.orders if row[3] != order_id]

    def modify(self, number: int, order_id: int, price: int, qty: int) -> None:
        for row in self.orders:
            if row[3] == order_id:
                if price == row[1] and qty <= row[4]:
                    row[4] = qty
                else:
                    self.cancel(order_id)
                    self.add(number, row[0], price, order_id, qty)
                return


def foreign_history(count: int) -> tuple[np.ndarray, ToyOracle]:
    """Adds, immediate and market orders, cancels and modifies, and what the oracle makes of them."""
    source, oracle, ops = random.Random(7), ToyOracle(), np.zeros(count, OPERATION)
    for number in range(count):
        op, order_id = ops[number], number + 1
        side, price, qty = source.randrange(2), source.randint(95, 105), source.randint(1, 9)
        kind = source.choice(["add", "add", "add", "ioc", "market", "cancel", "modify"])
        if kind in ("cancel", "modify") and oracle.orders:
            order_id = source.choice(oracle.orders)[3]
        op["order_id"] = order_id
        if kind == "cancel":
            op["op"] = 1
            oracle.cancel(order_id)
        elif kind == "modify":
            op["op"], op["price"], op["qty"] = 2, price, qty
            oracle.modify(number, order_id, price, qty)
        else:
            op["side"], op["qty"], op["price"] = side, qty, 0 if kind == "market" else price
            op["type"], op["tif"] = kind == "market", kind == "ioc"
            if kind == "add":
                oracle.add(number, side, price, order_id, qty)
            else:
                oracle.take(number, side, None if kind == "market" else price, order_id, qty)
    return ops, oracle


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.stream_operations", *map(str, words)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)


def trades_of(events: np.ndarray) -> list[Trade]:
    rows = events[events["kind"] == 1]
    return [
        tuple(int(row[name]) for name in ("op_index", "order_id", "maker_id", "price", "qty"))  # type: ignore[misc]
        for row in rows
    ]


def test_a_strangers_oracle_finds_its_trades_in_the_file(tmp_path: Path) -> None:
    ops, oracle = foreign_history(3_000)
    ops.tofile(tmp_path / "ops.bin")
    done = run(tmp_path / "ops.bin", tmp_path / "events.bin", "--batch", "250", "--orders", "4000")
    assert done.returncode == 0, done.stderr
    events = np.fromfile(tmp_path / "events.bin", EVENT)
    assert len(oracle.trades) > 500
    assert trades_of(events) == oracle.trades
    assert sorted(set(events["op_index"].tolist())) == list(range(3_000))
    assert f"{len(oracle.trades)} trades, {len(oracle.orders)} orders left" in done.stderr
    again = run(tmp_path / "ops.bin", tmp_path / "trades.bin", "--trades-only")
    assert again.returncode == 0, again.stderr
    assert trades_of(np.fromfile(tmp_path / "trades.bin", EVENT)) == oracle.trades
    assert (tmp_path / "trades.bin").stat().st_size == 64 * len(oracle.trades)


@pytest.mark.parametrize(
    ("size", "words", "complaint"),
    [
        (130, [], "130 bytes are 2 records of 64 and 2 bytes too many"),
        (None, [], "no such file"),
        (64, ["--batch", "0"], "--batch 0: at least 1"),
        (64, ["--orders", "0"], "orders_max"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(tmp_path: Path, size: int | None, words: list[str], complaint: str) -> None:
    if size is not None:
        (tmp_path / "ops.bin").write_bytes(bytes(size))
    done = run(tmp_path / "ops.bin", tmp_path / "events.bin", *words)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_teaches_the_layout() -> None:
    done = run("--help")
    assert done.returncode == 0
    for words in (
        "24  i8  price",
        " 16  u8  order_id",
        "immediate-or-cancel",
        "op=1",
        "order_id is the taker, maker_id the maker",
    ):
        assert words in done.stdout
