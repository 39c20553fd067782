"""What hunts have found, by the least schedule that showed it."""

from __future__ import annotations

import pytest

from engine.hunt.party import hunt_once
from engine.hunt.schedule import Event, Schedule


def least(market: str, *events: Event, seed: int = 1) -> Schedule:
    """One symbol, the market maker alone, one storm and one calm."""
    return Schedule(seed=seed, market=market, seconds=260, symbols=("BTCUSDT",), events=events)


@pytest.mark.invariant("R15")
@pytest.mark.timeout(120)
def test_a_listen_key_whose_end_nobody_heard_of_is_found_dead_within_two_minutes() -> None:
    """The stream ends while its connection is open at the venue's end only: no event, no close, nothing comes any more."""
    half_open = Event(29_602, "links", "half_open", {"kind": "user", "for_s": 6.82, "new": False})
    told = hunt_once(least("usdm", half_open, Event(31_521, "links", "end_user_streams")))
    assert told.text == ""
    assert told.reached["halted for the venue"] == 1


@pytest.mark.invariant("R34")
@pytest.mark.timeout(120)
def test_a_wall_clock_that_is_set_for_a_while_leaves_nothing_to_adopt() -> None:
    told = hunt_once(least("usdm", Event(77_257, "clocks", "step", {"ms": -3_600_000, "for_s": 12.87})))
    assert told.text == ""
    assert told.reached["mismatch found"] == 0
