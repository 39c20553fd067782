"""The compiled order-by-order book and the slow one give the same outcomes, views and hash after every operation."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import astuple, dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book.l3 import L3_OP_DTYPE, L3_OUTCOME_DTYPE, L3Book, L3Reason
from tests.reference.l3_book import (
    ADD,
    BEST_OF_SIDE,
    CLEAR,
    DELETE,
    DUPLICATE,
    EXECUTE,
    EXECUTE_AT,
    FIRST_OF_LEVEL,
    LEVELS_FULL,
    ORDERS_FULL,
    REDUCE,
    REPLACE,
    SET_QTY,
    TRIM,
    WELL,
    Outcome,
    SlowL3Book,
    Step,
)

SYMBOLS = 3
NAMES = ("op", "side", "symbol", "owner", "order_id", "new_id", "price", "qty")


def call(book: L3Book, step: Step) -> Outcome:
    """One call of Python; what those calls cannot say goes through a batch of one."""
    s = step
    calls = {
        ADD: lambda: book.add(s.symbol, s.side, s.order_id, s.price, s.qty, s.owner),
        REDUCE: lambda: book.reduce(s.symbol, s.order_id, s.qty),
        SET_QTY: lambda: book.set_qty(s.symbol, s.order_id, s.qty),
        REPLACE: lambda: book.replace(s.symbol, s.order_id, s.new_id, s.price, s.qty),
        DELETE: lambda: book.delete(s.symbol, s.order_id),
        EXECUTE: lambda: book.execute(s.symbol, s.order_id, s.qty),
        EXECUTE_AT: lambda: book.execute_at(s.symbol, s.side, s.price, s.qty),
        CLEAR: lambda: book.clear(s.symbol, s.side),
        TRIM: lambda: book.trim(s.symbol, s.side, s.price),
    }
    if step.op not in calls:
        return outcomes_of(book, [step])[0]
    reason = calls[step.op]()
    outcome = book.outcome()
    assert outcome[2] == reason
    return outcome


def outcomes_of(book: L3Book, steps: list[Step]) -> list[Outcome]:
    rows = np.zeros(len(steps), L3_OP_DTYPE)
    for row, step in zip(rows, steps, strict=True):
        for name, value in zip(NAMES, astuple(step), strict=True):
            row[name] = value
    found = book.apply_batch(rows)
    assert found.dtype == L3_OUTCOME_DTYPE
    return [tuple(row) for row in found.tolist()]


def told(step: Step, outcome: Outcome) -> Outcome:
    """What a single call can tell: of a refusal only what the call was given."""
    if outcome[2] == WELL or step.op > TRIM:
        return outcome
    given = {
        ADD: ("side", "order_id", "price", "qty"),
        REDUCE: ("order_id", "qty"),
        SET_QTY: ("order_id", "qty"),
        REPLACE: ("order_id", "price", "qty"),
        DELETE: ("order_id",),
        EXECUTE: ("order_id", "qty"),
        EXECUTE_AT: ("side", "price", "qty"),
        CLEAR: ("side",),
        TRIM: ("side", "price"),
    }[step.op]
    side, order_id, price, qty = (
        getattr(step, name) if name in given else 0 for name in ("side", "order_id", "price", "qty")
    )
    return step.op, side, outcome[2], 0, step.symbol, order_id, price, qty, 0


def assert_same_books(book: L3Book, twin: SlowL3Book) -> None:
    assert book.check() == []
    assert book.state_hash() == twin.state_hash()
    assert book.live_orders == twin.live()
    assert book.free_pages == twin.pages_max - twin.pages()
    for symbol in range(SYMBOLS):
        for side in (0, 1):
            assert_same_side(book, twin, symbol, side)
        bid, ask = ((twin.depth(symbol, side, 1) or [(0, 0)])[0] for side in (0, 1))
        assert book.snapshot_l1(symbol) == (*bid, *ask)


def assert_same_side(book: L3Book, twin: SlowL3Book, symbol: int, side: int) -> None:
    orders = twin.queue(symbol, side)
    rows = book.orders(symbol, side)
    assert [(r["order_id"], r["price"], r["qty"], r["owner"]) for r in rows] == orders
    for order_id, price, qty, owner in orders:
        assert book.order(symbol, order_id) == (side, price, qty, owner)
        assert book.ahead(symbol, order_id) == twin.ahead(symbol, order_id)
    for limit, without in ((1000, 0), (2, 0), (1000, 1), (1, 2)):
        levels = book.depth(symbol, side, limit, without).tolist()
        assert [tuple(level) for level in levels] == twin.depth(symbol, side, limit, without)
    for price, qty in twin.depth(symbol, side):
        assert book.level_qty(symbol, side, price) == qty


EDGES = [0, -1, 1, 63, 64, 127, 4095, 4096, 2**18 - 1, 2**18, 2**40]
steps = st.builds(
    Step,
    op=st.sampled_from([ADD] * 5 + [*range(9), EXECUTE_AT, SET_QTY, REPLACE, 9]),
    side=st.sampled_from([0, 1, 0, 1, 0, 1, 2]),
    symbol=st.sampled_from([0, 0, 0, 1, 2, 3]),
    owner=st.sampled_from([0, 1, 1, 2, 2**32 - 1]),
    order_id=st.one_of(st.integers(0, 9), st.sampled_from([2**32, 2**64 - 1, 1 << 32 | 1, 2 << 32])),
    new_id=st.integers(0, 12),
    price=st.one_of(st.integers(98, 103), st.sampled_from(EDGES)),
    qty=st.one_of(st.integers(1, 9), st.sampled_from([0, -5, 2**58, 2**62])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=40), st.booleans())
def test_any_operations_give_the_outcomes_and_books_of_the_slow_twin(found: list[Step], own_handles: bool) -> None:
    book = L3Book(SYMBOLS, 8, 5, price_bits=18, own_handles=own_handles)
    twin = SlowL3Book(SYMBOLS, 8, 5, price_bits=18, own_handles=own_handles)
    for step in found:
        assert call(book, step) == told(step, twin.apply(step))
        assert_same_books(book, twin)


@dataclass
class Traffic:
    """Mostly sensible operations around a middle that wanders, so that books grow, cross, thin out and fill the pools."""

    source: random.Random
    twin: SlowL3Book
    middle: int = 5_000
    next_id: int = 1
    reached: Counter[str] = field(default_factory=Counter)

    def step(self) -> Step:
        source = self.source
        if source.random() < 0.01:
            self.middle += source.randrange(-400, 400)
        symbol, side = source.randrange(SYMBOLS), source.randrange(2)
        price = max(1, self.middle + source.randrange(-60, 60) + (25 if side else -25))
        live = self.twin.orders[symbol]
        op = source.choices(range(9), (44, 8, 8, 10, 14, 10, 6, 0.2, 0.6))[0]
        step = Step(op, side, symbol, source.randrange(4), price=price, qty=source.randrange(1, 40))
        self.next_id += 1
        step.order_id = self.next_id if op == ADD else source.choice(list(live) or [0])
        step.new_id = source.choice([self.next_id, self.next_id, step.order_id, source.choice(list(live) or [0])])
        if op == EXECUTE_AT and self.twin.prices(symbol, side):
            step.price = self.twin.prices(symbol, side)[0]
        if op in (REDUCE, EXECUTE, EXECUTE_AT) and step.order_id in live and source.random() < 0.6:
            step.qty = source.choice([live[step.order_id].qty, max(1, live[step.order_id].qty // 2)])
        if op == TRIM:
            step.price += -90 if side == 0 else 90
        return step

    def note(self, step: Step, outcome: Outcome, before: int) -> None:
        """Count the rare states that the run is meant to reach."""
        op, _, reason, place, symbol, *_, leaves = outcome
        bids, asks = (self.twin.prices(symbol, which) for which in (0, 1))
        states = {
            "crossed": bool(bids and asks and bids[0] > asks[0]),
            "locked": bool(bids and asks and bids[0] == asks[0]),
            "no order left": reason == WELL and op == ADD and len(self.twin.free_slots) == 0,
            "orders full": reason == ORDERS_FULL,
            "levels full": reason == LEVELS_FULL,
            "replace refused for a page": reason == LEVELS_FULL and op == REPLACE,
            "replaced under its own number": op == REPLACE and reason == WELL and step.order_id == step.new_id,
            "replaced under another's number": reason == DUPLICATE and op == REPLACE,
            "executed out of its turn": op == EXECUTE and reason == WELL and not place & FIRST_OF_LEVEL,
            "executed behind the best": op == EXECUTE and reason == WELL and not place & BEST_OF_SIDE,
            "a reduction took the whole": op in (REDUCE, EXECUTE) and reason == WELL and leaves == 0,
            "more than was open": reason == 64,
            "quantity raised": op == SET_QTY and reason == WELL and before < leaves,
            "trimmed": op == TRIM and outcome[7] > 0,
            "cleared": op == CLEAR and outcome[7] > 0,
        }
        self.reached.update(name for name, is_so in states.items() if is_so)
        for name in states:
            self.reached.setdefault(name, 0)


@pytest.mark.parametrize("own_handles", [False, True], ids=["foreign", "own"])
def test_long_traffic_reaches_the_rare_states_and_stays_the_twins(own_handles: bool, amount: str) -> None:
    reached = Counter[str]()
    for seed in range(4 if amount == "commit" else 200):
        book = L3Book(SYMBOLS, 50, 13, price_bits=18, own_handles=own_handles)
        twin = SlowL3Book(SYMBOLS, 50, 13, price_bits=18, own_handles=own_handles)
        traffic = Traffic(random.Random(seed), twin, reached=reached)
        for number in range(5_000):
            step = traffic.step()
            known = twin.orders[step.symbol].get(step.order_id)
            before = known.qty if known else 0
            outcome = twin.apply(step)
            assert call(book, step) == told(step, outcome)
            assert book.state_hash() == twin.state_hash()
            traffic.note(step, outcome, before)
            if number % 50 == 0:
                assert_same_books(book, twin)
                book = L3Book.restore(book.save()) if number % 500 == 0 else book
        assert_same_books(book, twin)
    foreign_only = {"replaced under another's number"} if own_handles else set()
    assert {name for name, count in reached.items() if count == 0} == foreign_only


def test_a_batch_gives_what_single_operations_give() -> None:
    twin = SlowL3Book(SYMBOLS, 300, 64, price_bits=18)
    traffic = Traffic(random.Random(7), twin)
    done = []
    for _ in range(4_000):
        step = traffic.step()
        done.append((step, twin.apply(step)))
    batch = L3Book(SYMBOLS, 300, 64, price_bits=18)
    found = [
        outcome
        for start in range(0, len(done), 700)
        for outcome in outcomes_of(batch, [step for step, _ in done[start : start + 700]])
    ]
    assert found == [outcome for _, outcome in done]
    assert_same_books(batch, twin)


def bytes_as_operations(dice: np.random.Generator, count: int) -> npt.NDArray[np.void]:
    """Records of any bytes; in most of them the fields are then brought near to what a book knows."""
    rows = np.frombuffer(dice.bytes(count * L3_OP_DTYPE.itemsize), L3_OP_DTYPE).copy()
    for name, span, share in (
        ("op", 9, 0.99),
        ("side", 2, 0.97),
        ("symbol", SYMBOLS, 0.99),
        ("order_id", 400, 0.98),
        ("new_id", 400, 0.98),
        ("price", 1500, 0.97),
        ("qty", 30, 0.97),
    ):
        near = dice.random(count) < share
        rows[name][near] = dice.integers(0, span, int(near.sum()))
    rows["op"][dice.random(count) < 0.3] = ADD
    rows["op"][(rows["op"] == CLEAR) & (dice.random(count) < 0.995)] = REDUCE
    return rows


@pytest.mark.parametrize("own_handles", [False, True], ids=["foreign", "own"])
def test_operations_of_any_bytes_leave_a_sound_book(own_handles: bool, amount: str) -> None:
    dice = np.random.default_rng(11)
    book = L3Book(SYMBOLS, 60, 24, price_bits=18, own_handles=own_handles)
    reasons = Counter[int]()
    for _ in range(20 if amount == "commit" else 1_000):
        rows = bytes_as_operations(dice, 10_000)
        if own_handles and book.live_orders:
            handles = np.concatenate([book.snapshot_l3(symbol)["order_id"] for symbol in range(SYMBOLS)])
            rows["order_id"] = dice.choice(handles, len(rows))
        outcomes = book.apply_batch(rows)
        reasons.update(outcomes["reason"].tolist())
        assert book.check() == []
        assert L3Book.restore(book.save()).state_hash() == book.state_hash()
    assert set(reasons) == {int(reason) for reason in L3Reason} - (
        {L3Reason.L3_DUPLICATE_ORDER_ID} if own_handles else set()
    )
