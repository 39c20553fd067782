"""A saved matching engine comes back as it was, and nothing that was damaged comes back at all."""

from __future__ import annotations

import numpy as np
import pytest

from engine.book.matching import OP_DTYPE, MatchingEngine

LIMIT, STOP, TRAILING_STOP = 0, 2, 6
GTC, GTD, DAY = 0, 3, 4
HIDDEN, REDUCE_ONLY = 4, 8
PHASE, BAND = 5, 6


def busy(*, own_handles: bool = False) -> MatchingEngine:
    """Two books with orders of every container but the call's, positions, trades, a band and a date."""
    engine = MatchingEngine(2, 32, 32, positions_max=16, trades_kept=8, own_handles=own_handles)
    for number in range(4):
        engine.submit(0, number % 2, LIMIT, GTC, 0, 1 + number, 10 + number, 1_000 + 5 * (number % 2) + number, 10)
    engine.submit(0, 0, LIMIT, GTC, 0, 5, 20, 1_006, 4, display=3)
    engine.submit(0, 1, LIMIT, GTC, 0, 6, 21, 1_030, 9, display=2)
    engine.submit(0, 1, LIMIT, GTC, 0, 6, 22, 1_031, 9, flags=HIDDEN)
    engine.submit(0, 1, LIMIT, GTC, 0, 5, 23, 1_040, 2, flags=REDUCE_ONLY)
    engine.submit(0, 0, STOP, DAY, 0, 7, 24, 0, 3, trigger=1_100)
    engine.submit(0, 1, TRAILING_STOP, GTC, 0, 7, 25, 0, 3, display=50)
    engine.submit(0, 0, LIMIT, GTD, 1, 7, 26, 500, 3, expire_ns=99)
    engine.submit(BAND, 0, 0, 0, 1, 0, 0, 100, 0, trigger=900)
    return engine


def later_operations() -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """What comes after the save: sells that sweep the bids, and new orders."""
    ops = np.zeros(40, OP_DTYPE)
    number = np.arange(40)
    ops["side"], ops["order_id"], ops["owner"] = number % 3 != 0, 100 + number, 1 + number % 9
    ops["price"], ops["qty"], ops["stp"] = 990 + number % 25, 1 + number % 4, number % 5
    return ops


@pytest.mark.parametrize("own_handles", [False, True])
def test_a_restored_engine_goes_on_as_the_saved_one_would_have(own_handles: bool) -> None:
    engine = busy(own_handles=own_handles)
    again = MatchingEngine.restore(engine.save())
    assert again.state_hash() == engine.state_hash()
    for part in np.split(later_operations(), 8):
        assert again.submit_batch(part).tolist() == engine.submit_batch(part).tolist()
        assert again.state_hash() == engine.state_hash()


def test_every_flipped_bit_of_a_saved_state_is_refused() -> None:
    image = bytearray(busy().save())
    taken = []
    for at in range(len(image)):
        image[at] ^= 1 << at % 8
        try:
            MatchingEngine.restore(bytes(image))
            taken.append(at)
        except ValueError:
            pass
        image[at] ^= 1 << at % 8
    assert taken == []


def test_a_saved_state_that_is_cut_or_longer_is_refused() -> None:
    image = busy().save()
    for data in (b"", image[:1], image[:-1], image[: len(image) // 2], image + b"\0"):
        with pytest.raises(ValueError):
            MatchingEngine.restore(data)
