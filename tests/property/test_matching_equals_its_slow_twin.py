"""The compiled matching engine and the slow one give the same rows and the same state after every operation."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book.matching import MatchingEngine
from tests.matching_pair import assert_same, assert_same_state, fast_engine, restored, submit, submit_array, told
from tests.matching_sometimes import Sometimes
from tests.matching_traffic import PROFILES, Profile, Traffic
from tests.reference.matching_records import ANY, Event, Operation

TINY = next(profile for profile in PROFILES if profile.name == "tiny")
RESTORED_EVERY = 97


class Pair:
    """Both engines under one history; every operation given is kept, so that a difference can be made again."""

    def __init__(self, profile: Profile) -> None:
        self.slow = profile.twin()
        self.fast: MatchingEngine = fast_engine(profile)
        self.ops: list[Operation] = []

    def check(self, op: Operation) -> list[Event]:
        """One operation on its own call, everything compared behind it."""
        self.ops.append(op)
        expected = self.slow.apply(op)
        assert submit(self.fast, op) == expected
        if len(self.ops) % RESTORED_EVERY == 0:
            self.fast = restored(self.fast)
        assert_same(self.fast, self.slow)
        return expected

    def check_array(self, ops: list[Operation], expected: list[Event]) -> None:
        """A batch that the slow engine has been given already."""
        assert submit_array(self.fast, ops) == expected
        assert_same_state(self.fast, self.slow)


def history_singly(profile: Profile, seed: int, count: int, sometimes: Sometimes) -> None:
    """Operation by operation, each compared in full."""
    pair = Pair(profile)
    traffic = Traffic(profile, seed, pair.slow)
    for number in range(count):
        op = traffic.next()
        sometimes.before(op, pair.slow)
        try:
            sometimes.after(op, pair.check(op))
        except AssertionError as difference:
            difference.add_note(f"profile {profile.name}, seed {seed}, operation {number}: {told(op)}")
            raise
        sometimes.look_into(pair.slow)
    sometimes.end(pair.slow)


def history_in_arrays(profile: Profile, seed: int, count: int, sometimes: Sometimes) -> None:
    """The same in arrays of any length; save and restore between them."""
    pair = Pair(profile)
    traffic, source = Traffic(profile, seed, pair.slow), random.Random(seed)
    while pair.slow.op_count < count:
        ops, expected = list[Operation](), list[Event]()
        for _ in range(source.choice([1, 2, 7, 40])):
            op = traffic.next()
            rows = pair.slow.apply(op)
            sometimes.after(op, rows)
            ops.append(op)
            expected += rows
        try:
            pair.check_array(ops, expected)
        except AssertionError as difference:
            difference.add_note(f"profile {profile.name}, seed {seed}, operations up to {pair.slow.op_count}")
            raise
        if source.random() < 0.1:
            pair.fast = restored(pair.fast)
    assert_same(pair.fast, pair.slow)
    sometimes.end(pair.slow)


def test_long_histories_are_equal_and_reach_every_rare_state(amount: str) -> None:
    seeds, count = (4, 250) if amount == "commit" else (20, 2_500)
    sometimes = Sometimes()
    for seed in range(seeds):
        for profile in PROFILES:
            history_singly(profile, seed, count, sometimes)
            history_in_arrays(profile, 1_000 + seed, 2 * count, sometimes)
    assert sometimes.missing() == []


FIELDS = {
    "op": st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8]),
    "side": st.sampled_from([0, 1, 0, 1, 0, 1, 2, 3, 4]),
    "type": st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]),
    "tif": st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4, 5]),
    "flags": st.sampled_from([0, 0, 0, 0, 1, 2, 4, 8, 8, 9, 10, 12, 16, 17, 32, 40, 64]),
    "stp": st.sampled_from([0, 1, 2, 3, 4, 5]),
    "symbol": st.sampled_from([0, 0, 0, 0, 1, ANY]),
    "owner": st.sampled_from([0, 1, 1, 2, 3, ANY]),
    "order_id": st.integers(0, 9),
    "price": st.one_of(st.integers(4094, 4098), st.sampled_from([0, -1, 1, 63, 64, 2**24 - 1, 2**24])),
    "qty": st.one_of(st.integers(1, 6), st.sampled_from([0, -5, 2**62, (2**63 - 1) // 8])),
    "display": st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 3, -1]),
    "trigger": st.one_of(st.just(0), st.just(0), st.integers(4094, 4098)),
    "expire_ns": st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3]),
}


@settings(max_examples=max(300, settings().max_examples))
@given(st.lists(st.builds(Operation, **FIELDS), max_size=40))
def test_any_operations_give_the_rows_and_books_of_the_slow_twin(ops: list[Operation]) -> None:
    pair = Pair(TINY)
    for op in ops:
        pair.check(op)


def test_own_handles_and_foreign_ids_tell_the_same_story() -> None:
    """The same operations under either kind of name: rows differ in nothing but the names of orders."""
    profile = replace(TINY, orders_max=40, pages_max=40, positions_max=40)
    foreign, own = profile.twin(), fast_engine(replace(profile, own_handles=True))
    traffic = Traffic(profile, 5, foreign)
    names: dict[int, int] = {}
    for _ in range(600):
        op = traffic.next()
        rows = foreign.apply(op)
        if rows[0][2] == 4:  # a number given twice is what own handles do not know
            continue
        mine = submit(own, replace(op, order_id=names.get(op.order_id, 0) if op.op in (1, 2) else op.order_id))
        if rows[0][0] == 0:
            names[op.order_id] = mine[0][5]
        assert [row[:4] + row[7:] for row in mine] == [row[:4] + row[7:] for row in rows]
