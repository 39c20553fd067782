"""10^5 hostile steps for each algorithm: nothing that a venue does makes it able to fill more than its parent's quantity."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest

from engine.model.algo_terms import AlgoTerms, Iceberg, Peg, Pov, Shortfall, Sniper, Twap, Vwap
from engine.model.codes import ParentState, Side
from engine.model.instructions import Change
from tests.hostile_parents import HostileOutside
from tests.hostile_venue import PARENT_HANDLE, RULES, HostileVenue, assert_lawful

SECOND_NS = 10**9
LIVES = 10_000 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 1_000
STEPS_A_LIFE = 100
OVER = {ParentState.DONE, ParentState.CANCELED, ParentState.EXPIRED, ParentState.REJECTED}


def timed(dice: Random) -> dict[str, object]:
    return {
        "duration_ns": dice.randint(5, 60) * SECOND_NS,
        "style": dice.choice(("take", "join")),
        "catch_up": dice.choice(("next", "spread", "none")),
        "at_end": dice.choice(("cancel", "cross")),
        "time_jitter_bps": dice.choice((0, 5_000)),
        "size_jitter_bps": dice.choice((0, 3_000)),
        "limit_ticks": dice.choice((0, 10_001)),
    }


def twap(dice: Random) -> AlgoTerms:
    return Twap(slices=dice.randint(1, 12), **timed(dice))  # type: ignore[arg-type]


def vwap(dice: Random) -> AlgoTerms:
    weights = (*tuple(dice.randint(0, 9) for _ in range(8)), 1)
    return Vwap(slices=9, weights=weights, **timed(dice))  # type: ignore[arg-type]


def shortfall(dice: Random) -> AlgoTerms:
    risk = {"risk_aversion_e18": 10**12, "volatility_e8": 10**9, "temporary_impact_e18": 10**17}
    return Shortfall(slices=dice.randint(1, 12), **risk, **timed(dice))  # type: ignore[arg-type]


def pov(dice: Random) -> AlgoTerms:
    return Pov(
        participation_bps=2_000,
        min_bps=dice.choice((0, 1_000)),
        max_bps=dice.choice((0, 3_000)),
        child_lots_max=dice.choice((0, 40)),
        style=dice.choice(("take", "join")),
        duration_ns=dice.choice((0, 60 * SECOND_NS)),
        limit_ticks=dice.choice((0, 10_001)),
    )


def iceberg(dice: Random) -> AlgoTerms:
    return Iceberg(limit_ticks=10_000, display_lots=dice.randint(5, 60), refresh_ns=dice.choice((0, SECOND_NS)))


def sniper(dice: Random) -> AlgoTerms:
    return Sniper(limit_ticks=10_002, take_lots_min=dice.choice((0, 100)), duration_ns=60 * SECOND_NS)


def peg(dice: Random) -> AlgoTerms:
    duration_ns = dice.choice((0, 40 * SECOND_NS))
    return Peg(
        to=dice.choice(("best", "mid", "opposite")),
        offset_ticks=dice.randint(-1, 3),
        replace_ns=dice.choice((10**6, SECOND_NS)),
        display_lots=dice.choice((0, 30)),
        post_only=dice.random() < 0.5,
        duration_ns=duration_ns,
        at_end="cross" if duration_ns else "cancel",
    )


@pytest.mark.parametrize("draw", [twap, vwap, shortfall, pov, iceberg, sniper, peg])
def test_whatever_the_children_do_the_parents_quantity_is_not_exceeded(draw: Callable[[Random], AlgoTerms]) -> None:
    filled = children = done = 0
    for seed in range(LIVES):
        venue = HostileVenue(seed)
        terms, side = draw(venue.dice), venue.dice.choice((Side.BUY, Side.SELL))
        if side == Side.SELL and terms.limit_ticks:
            venue.bid_ticks, venue.ask_ticks = terms.limit_ticks, terms.limit_ticks + 2
        venue.start(terms, venue.dice.randint(10, 600), side)
        live_through(venue)
        for child in venue.sent:
            assert_lawful(child, RULES, terms.limit_ticks, side)
        filled += venue.own_filled_lots
        children += len(venue.sent)
        done += venue.parent.status == ParentState.DONE
    # the test must see something happen: orders, fills, parents that come to their end
    assert children > LIVES
    assert filled > 10 * LIVES
    assert done


@pytest.mark.parametrize("draw", [twap, vwap, shortfall, pov, iceberg, sniper, peg])
def test_the_same_holds_behind_the_books_that_the_engine_keeps(draw: Callable[[Random], AlgoTerms]) -> None:
    children = filled = 0
    for seed in range(LIVES // 4):
        venue = HostileOutside(seed)
        terms, side = draw(venue.dice), venue.dice.choice((Side.BUY, Side.SELL))
        venue.start(terms, venue.dice.randint(10, 600), side)
        for _ in range(STEPS_A_LIFE):
            venue.step()
        venue.parents.change(Change(handle=PARENT_HANDLE, action="cancel"), 0)
        venue.drain()
        assert venue.parent.status in OVER
        assert not venue.live_lots()
        assert (
            venue.parent.filled_lots == venue.parent.valued_lots == venue.own_filled_lots <= venue.instruction.qty_lots
        )
        assert (venue.told[-1].filled_lots, venue.told[-1].working_lots) == (venue.own_filled_lots, 0)
        children += len(venue.sent)
        filled += venue.own_filled_lots
    assert children > LIVES // 4
    assert filled > LIVES


def live_through(venue: HostileVenue) -> None:
    """Hostile steps with pauses and restarts, then an honest venue and a cancel: it must come to an end, nothing left open."""
    for number in range(STEPS_A_LIFE):
        venue.step()
        if number == 40 and venue.dice.random() < 0.3:
            venue.parent.pause()
        if number == 55:
            venue.parent.resume()
        if number == 70 and venue.dice.random() < 0.5:
            venue.restart(venue.dice.randint(0, 3) * SECOND_NS)
    venue.parent.cancel()
    venue.drain()
    assert venue.parent.status in OVER
    assert not venue.live_lots()
    assert venue.parent.filled_lots == venue.own_filled_lots <= venue.instruction.qty_lots
    assert not venue.timers
