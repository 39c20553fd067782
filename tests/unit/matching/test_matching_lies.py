"""Objects that lie about what they are: a call that takes arrays believes memory alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.book.l3 import L3_OP_DTYPE, L3_OUTCOME_DTYPE, L3Book
from engine.book.matching import EVENT_DTYPE, OP_DTYPE, MatchingEngine


class Liar:
    """Says that it is an array of operations, and gives a few bytes."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.zeros(1_000, np.uint8)


class Shrinking(np.ndarray):
    """Its view is shorter than it is."""

    def view(self, *words: Any) -> Any:  # type: ignore[override]
        return np.zeros(8, np.uint8)

    def reshape(self, *words: Any, **named: Any) -> Any:
        return self

    def __array_function__(self, *words: Any, **named: Any) -> Any:
        return False


def orders(dtype: np.dtype[Any], count: int = 500) -> np.ndarray:
    ops = np.zeros(count, dtype)
    ops["order_id"], ops["price"], ops["qty"] = np.arange(count) + 1, 5, 1
    return ops


def test_operations_that_are_none_are_refused() -> None:
    with pytest.raises(TypeError):
        MatchingEngine(1).submit_batch(Liar(OP_DTYPE))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        L3Book(1).apply_batch(Liar(L3_OP_DTYPE))  # type: ignore[arg-type]


def test_room_for_rows_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError):
        MatchingEngine(1).submit_batch(orders(OP_DTYPE), Liar(EVENT_DTYPE))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        L3Book(1).apply_batch(orders(L3_OP_DTYPE), Liar(L3_OUTCOME_DTYPE))  # type: ignore[arg-type]


def test_a_subclass_is_taken_as_the_memory_it_is() -> None:
    room = np.zeros(2_000, EVENT_DTYPE)
    rows = MatchingEngine(1).submit_batch(orders(OP_DTYPE).view(Shrinking), room.view(Shrinking))
    assert type(rows) is np.ndarray
    assert len(rows) == 500
    assert np.shares_memory(rows, room)
    outcomes = np.zeros(500, L3_OUTCOME_DTYPE)
    given = L3Book(1).apply_batch(orders(L3_OP_DTYPE).view(Shrinking), outcomes.view(Shrinking))
    assert type(given) is np.ndarray
    assert len(given) == 500
    assert np.shares_memory(given, outcomes)


def test_room_that_cannot_be_written_is_refused() -> None:
    room = np.zeros(2_000, EVENT_DTYPE)
    room.setflags(write=False)
    with pytest.raises(ValueError, match="writable"):
        MatchingEngine(1).submit_batch(orders(OP_DTYPE), room)
    outcomes = np.zeros(500, L3_OUTCOME_DTYPE)
    outcomes.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        L3Book(1).apply_batch(orders(L3_OP_DTYPE), outcomes)
