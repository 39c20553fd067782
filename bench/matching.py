"""The matching engine on the common workload w1 and beyond, beside a minimal C loop and a matcher in plain Python.

Every run's trades are compared with the published result hash (or that of the generator here) before anything is timed. Batches are
slices of 8,192 operations into one array of events that is used again; one row is a single call over everything. The C loop gives
no events and checks nothing, so it tells the machine's state too: where its nanoseconds are half as many again, so are ours.
Run: ``python bench/matching.py [--json] [--record]``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
from parts import mixed_workload, workloads
from parts.c_loop import SLICE, CLoop, Ops, by_slices, orders_max
from parts.compiled import library
from parts.history import arguments
from parts.python_matcher import PriceTimeBook
from parts.quiet import interleaved
from parts.rows import Row, report
from parts.workloads import Expected, Workload

from engine.book.matching import EVENT_DTYPE, MatchingEngine

BATCH_TARGET_NS = 25.0
CALL_TARGET_NS = 75.0
GAPPED_TIMES_W1 = 2.0
CALL_OPS = 262_144  # of one Python call each, a round
CHUNK = 1024
TRADE = 1


def filled(work: Workload, ops: Ops, *, own_handles: bool = False) -> MatchingEngine:
    """An engine with the untimed part in it."""
    engine = MatchingEngine(1, orders_max(work), own_handles=own_handles)
    engine.submit_batch(ops[: work.prefill])
    return engine


def batch_ns(work: Workload, ops: Ops, size: int = SLICE, *, own_handles: bool = False) -> float:
    """Nanoseconds an operation in slices of `size`. Raises SystemExit where the trades' number is wrong."""
    engine, timed_ops = filled(work, ops, own_handles=own_handles), ops[work.prefill :]
    out = np.zeros(4 * size if size < work.timed else 1, EVENT_DTYPE)
    began_ns = time.thread_time_ns()
    by_slices(engine, timed_ops, out, size)
    took_ns = time.thread_time_ns() - began_ns
    same(f"{work.name}, trades of a timed run", engine.trade_count, work.expected.trades)
    return took_ns / work.timed


def same(what: str, found: object, expected: object) -> None:
    """Raises SystemExit where they differ: a fast answer that is wrong is none."""
    if found != expected:
        raise SystemExit(f"{what}: {found}, expected {expected}")


def traded(work: Workload, ops: Ops, handles: npt.NDArray[np.uint64] | None = None) -> Expected:
    """What the engine trades on the timed part, makers by their foreign ids."""
    engine = filled(work, ops, own_handles=handles is not None)
    rows = engine.submit_batch(ops[work.prefill :])
    trades = rows[rows["kind"] == TRADE]
    makers = trades["maker_id"].astype(np.uint64)
    if handles is not None:
        order = np.argsort(handles)
        makers = order[np.searchsorted(handles, makers, sorter=order)].astype(np.uint64)
    value = int((trades["qty"] * trades["price"]).sum())
    return Expected(
        len(trades), int(trades["qty"].sum()), value, workloads.trade_hash(makers, trades["qty"], trades["price"])
    )


def verify(work: Workload, loop: CLoop) -> Workload:
    """The C loop and the engine trade what is expected; where the prices are new, the engine must equal the C loop."""
    _, by_loop = loop.run(work)
    expected = work.expected if work.expected.hash else by_loop
    same(f"{work.name}, trades and quantity", (by_loop.trades, by_loop.qty), (work.expected.trades, work.expected.qty))
    same(f"{work.name}, C loop", by_loop, expected)
    same(f"{work.name}, engine", traded(work, work.ops()), expected)
    return replace(work, expected=expected)


class SingleCalls:
    """The first operations of w1, one Python call each, on the engine and on the plain Python matcher.

    Python's integers are made anew every `CHUNK` operations, outside the measured time, so that the caches hold them, as they
    hold an integer that a program has just computed.
    """

    def __init__(self, work: Workload) -> None:
        self._work, self._ops = work, work.ops()

    def _chunks(self) -> Iterator[list[list[int]]]:
        for start in range(self._work.prefill, self._work.prefill + CALL_OPS, CHUNK):
            part = self._work.least[start : start + CHUNK]
            yield [part[name].tolist() for name in ("type", "side", "oid", "price", "qty")]

    def _measured(self, apply: Callable[[list[list[int]]], None]) -> float:
        took_ns = 0
        for columns in self._chunks():
            began_ns = time.thread_time_ns()
            apply(columns)
            took_ns += time.thread_time_ns() - began_ns
        return took_ns / CALL_OPS

    def engine_ns(self) -> float:
        """The loop's own cost is in it."""
        engine = filled(self._work, self._ops)
        limit, cancel, ioc = engine.limit, engine.cancel, engine.ioc

        def apply(columns: list[list[int]]) -> None:
            for kind, side, order_id, price, qty in zip(*columns, strict=True):
                if kind == 0:
                    limit(0, side, order_id, price, qty)
                elif kind == 1:
                    cancel(0, order_id)
                else:
                    ioc(0, side, order_id, price, qty)

        return self._measured(apply)

    def loop_ns(self) -> float:
        """The same loop around nothing."""

        def apply(columns: list[list[int]]) -> None:
            for kind, _side, _order_id, _price, _qty in zip(*columns, strict=True):
                if kind == 0 or kind == 1:
                    pass

        return self._measured(apply)

    def python_ns(self) -> float:
        """The same operations on a matcher that is Python itself."""
        book = PriceTimeBook()
        before = self._work.least[: self._work.prefill]
        for fields in zip(*(before[name].tolist() for name in ("side", "oid", "price", "qty")), strict=True):
            book.add(*fields)
        add, cancel, take = book.add, book.cancel, book.take

        def apply(columns: list[list[int]]) -> None:
            for kind, side, order_id, price, qty in zip(*columns, strict=True):
                if kind == 0:
                    add(side, order_id, price, qty)
                elif kind == 1:
                    cancel(order_id)
                else:
                    take(side, price, qty)

        return self._measured(apply)


def mixed_ns(mixed: mixed_workload.Mixed) -> float:
    """Nanoseconds an operation over all of the mixed workload. Raises SystemExit where the state's hash is another."""
    engine, out = mixed_workload.engine(), np.zeros(4 * SLICE, EVENT_DTYPE)
    began_ns = time.thread_time_ns()
    by_slices(engine, mixed.ops, out)
    took_ns = time.thread_time_ns() - began_ns
    same("mixed, state hash of a timed run", engine.state_hash(), mixed.state_hash)
    return took_ns / len(mixed.ops)


def cases(loop: CLoop, mixed: mixed_workload.Mixed) -> dict[str, Callable[[], float]]:
    """All that is measured, by name; verified before."""
    w1, wide = (verify(workloads.load(name), loop) for name in ("w1", "w1wide"))
    gapped = verify(workloads.gapped(w1), loop)
    handled, handles = loop.with_handles(w1)
    same("w1 with handles, C loop", loop.run(handled, by_handle=True)[1], w1.expected)
    same("w1 with handles, engine", traded(handled, handled.ops(), handles), w1.expected)
    found: dict[str, Callable[[], float]] = {}
    for work, own in ((w1, False), (handled, True), (wide, False), (gapped, False)):
        name, ops = ("w1 handles" if own else work.name), work.ops()
        found[name] = partial(batch_ns, work, ops, own_handles=own)
        found[f"C {name}"] = partial(loop.ns, work, by_handle=own)
    found["w1 at once"] = partial(batch_ns, w1, w1.ops(), w1.timed)
    single = SingleCalls(w1)
    found |= {"call": single.engine_ns, "Python": single.python_ns, "loop": single.loop_ns}
    found["mixed"] = partial(mixed_ns, mixed)
    return found


def rows(ns: dict[str, float]) -> list[Row]:
    """The rows of targets.md that concern matching, and some beside."""
    c_ids, c_handles = "C loop, foreign ids", "C loop, handles"

    def row(name: str, ours: str, theirs: str, yardstick: str, target: float | None, *, ratio: bool = False) -> Row:
        return Row(name, "ns/op", ns[ours], yardstick, ns[theirs], target, ratio)

    return [
        row("w1, batches, foreign ids", "w1", "C w1", c_ids, BATCH_TARGET_NS),
        row("w1, batches, own handles", "w1 handles", "C w1 handles", c_handles, BATCH_TARGET_NS),
        row("w1, one call over everything", "w1 at once", "C w1", c_ids, None),
        Row(
            "w1, one Python call an op, loop taken off",
            "ns/op",
            ns["call"] - ns["loop"],
            "a matcher in plain Python",
            ns["Python"] - ns["loop"],
            CALL_TARGET_NS,
        ),
        row("w1, one Python call an op, loop included", "call", "Python", "a matcher in plain Python", None),
        row("w1 gapped, beside w1", "w1 gapped", "w1", "w1, batches, foreign ids", GAPPED_TIMES_W1, ratio=True),
        row("w1 gapped", "w1 gapped", "C w1 gapped", c_ids, None),
        row("w1wide", "w1wide", "C w1wide", c_ids, None),
        row("mixed, 20 symbols, every type", "mixed", "w1", "w1, batches, foreign ids", None),
    ]


def told_of_mixed(mixed: mixed_workload.Mixed) -> str:
    """How much of each there is."""
    total = len(mixed.ops)
    mix = ", ".join(f"{name} {100 * number / total:.2f} %" for name, number in mixed.mix.items())
    events = ", ".join(f"{name} {number:,}" for name, number in mixed.events.items())
    return f"mixed: {total:,} operations: {mix}\nmixed, events: {events}"


def main() -> int:
    """Verify, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    loop = CLoop(library("matching_loop.c"))
    mixed = mixed_workload.drawn()
    ns = interleaved(cases(loop, mixed), options.rounds)
    report("matching", rows(ns), options)
    if not options.json:
        source = "published" if workloads.generator() else "own dice, the published generator is not here"
        print(f"workload w1: {source}; hash of its trades verified in the C loop and in the engine, ids and handles")
        print(f"of one Python call an op, the loop around it takes {ns['loop']:.1f} ns")
        print(told_of_mixed(mixed))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
