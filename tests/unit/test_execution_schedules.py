"""Plans, trajectories and profiles: the quantity exactly, whatever weights, jitter and rule."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.execution.algos.dice import mixed, roll, spread
from engine.execution.algos.schedule import Plan, make_plan
from engine.execution.algos.trajectory import curvature, shares, shares_of
from engine.model.algo_terms import E18, Shortfall, Twap, Vwap, check
from engine.model.volume_profile import DAY_NS, VolumeProfile, profile_of

SECOND_NS = 10**9
HOUR_NS = 3_600 * SECOND_NS


def test_the_mixing_function_is_splitmix64_as_published() -> None:
    # the first outputs of the generator seeded with 1234567, from its authors' reference program
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [mixed(1234567, number) for number in range(4)] == published


def test_a_roll_stays_on_the_die_and_a_spread_on_both_sides() -> None:
    rolls = {roll(7, number, 6) for number in range(500)}
    spreads = {spread(7, number, 3) for number in range(500)}
    assert (rolls, spreads) == (set(range(6)), set(range(-3, 4)))
    assert (roll(7, 1, 0), spread(7, 1, 0)) == (0, 0)


@settings(max_examples=200, deadline=None)
@given(
    weights=st.lists(st.integers(0, 10**12), min_size=1, max_size=60).filter(any),
    qty_lots=st.integers(1, 1 << 62),
    duration_ns=st.integers(SECOND_NS, 10**15),
    seed=st.integers(0, (1 << 64) - 1),
    jitter=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)),
)
def test_a_plan_ends_with_the_whole_quantity_and_never_goes_back(
    weights: list[int], qty_lots: int, duration_ns: int, seed: int, jitter: tuple[int, int]
) -> None:
    plan = make_plan(weights, qty_lots, duration_ns, seed, jitter)
    assert plan.targets_lots[-1] == qty_lots
    assert list(plan.targets_lots) == sorted(plan.targets_lots)
    assert list(plan.begins_ns) == sorted(plan.begins_ns)
    assert plan.begins_ns[0] >= 0
    assert plan.begins_ns[-1] < duration_ns
    assert plan == make_plan(weights, qty_lots, duration_ns, seed, jitter)


def test_without_jitter_a_twap_is_the_same_in_every_slice() -> None:
    plan = make_plan([1] * 4, 10, 4 * SECOND_NS, 9, (0, 0))
    assert plan.targets_lots == (2, 5, 7, 10)
    assert plan.begins_ns == tuple(number * SECOND_NS for number in range(4))
    assert [plan.due_lots(ns) for ns in (0, SECOND_NS, 3 * SECOND_NS + SECOND_NS // 2, 9 * SECOND_NS)] == [0, 2, 8, 10]


@pytest.mark.parametrize(("rule", "goals"), [("next", [75, 100]), ("spread", [60, 100]), ("none", [45, 45])])
def test_what_a_slice_missed_is_made_up_by_the_rule(rule: str, goals: list[int]) -> None:
    plan = Plan((0, 1, 2, 3), (25, 50, 75, 100), 4)
    # 20 lots are filled when the third slice begins, and when the last one does
    assert [plan.goal_lots(index, 20, rule) for index in (2, 3)] == goals  # type: ignore[arg-type]
    assert plan.goal_lots(2, 80, rule) == 75  # type: ignore[arg-type]


def shortfall(**changes: int) -> Shortfall:
    """The paper's own example in our units: eta 2.5e-6, gamma 2.5e-7, sigma 0.95 a root day, five days, lambda 1e-6."""
    day_s = 86_400
    terms = {
        "duration_ns": 5 * day_s * SECOND_NS,
        "slices": 5,
        "risk_aversion_e18": 10**12,
        "volatility_e8": round(0.95 / math.sqrt(day_s) * 10**8),
        "temporary_impact_e18": round(2.5e-6 * day_s * E18),
        "permanent_impact_e18": round(2.5e-7 * E18),
    }
    return Shortfall(**(terms | changes))  # type: ignore[arg-type]


def test_the_papers_example_has_the_papers_kappa() -> None:
    # Almgren and Chriss state kappa of about 0.61 a day for the parameters of their table 1
    bend = float(curvature(shortfall()))
    assert math.acosh(bend / 2 + 1) == pytest.approx(0.61, abs=0.01)


@pytest.mark.parametrize("bend", [Fraction(1, 10**9), Fraction(1, 1000), Fraction(38, 100), Fraction(7), Fraction(400)])
@pytest.mark.parametrize("slices", [1, 2, 5, 37])
def test_the_recurrence_is_the_closed_form_of_hyperbolic_sines(bend: Fraction, slices: int) -> None:
    kappa = math.acosh(float(bend) / 2 + 1)
    left = [math.sinh(kappa * (slices - number)) / math.sinh(kappa * slices) for number in range(slices + 1)]
    expected = [before - after for before, after in itertools.pairwise(left)]
    assert [share / E18 for share in shares_of(bend, slices)] == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    "changes", [{}, {"risk_aversion_e18": 2 * 10**13}, {"permanent_impact_e18": 0, "slices": 12}, {"slices": 30}]
)
def test_an_independent_minimisation_of_the_papers_cost_finds_the_same_trades(changes: dict[str, int]) -> None:
    terms = shortfall(**changes)
    count, tau = terms.slices, terms.duration_ns / SECOND_NS / terms.slices
    eta = terms.temporary_impact_e18 / E18 - terms.permanent_impact_e18 / E18 * tau / 2
    risk = terms.risk_aversion_e18 / E18 * (terms.volatility_e8 / 1e8) ** 2 * tau

    # E + lambda V over the trades n, whose sum is 1: a quadratic form, walked down along its conjugate directions
    left_of = -np.tril(np.ones((count, count)))
    quadratic = 2 * (eta / tau * np.eye(count) + risk * left_of.T @ left_of)
    linear = 2 * risk * left_of.T @ np.ones(count)
    project = np.eye(count) - np.ones((count, count)) / count
    trades = np.full(count, 1 / count)
    slope = -project @ (quadratic @ trades + linear)
    step = slope.copy()
    for _ in range(4 * count):
        if slope @ slope < 1e-40:
            break
        length = (slope @ slope) / (step @ quadratic @ step)
        trades = trades + length * step
        after = slope - length * (project @ quadratic @ step)
        step, slope = after + (after @ after) / (slope @ slope) * step, after
    assert [share / E18 for share in shares(terms)] == pytest.approx(list(trades), rel=1e-5, abs=1e-9)


def test_no_risk_aversion_is_a_twap_and_a_huge_one_sells_at_once() -> None:
    even = shares(shortfall(risk_aversion_e18=0))
    assert max(even) - min(even) <= 1
    assert shares(shortfall(risk_aversion_e18=10**30))[0] > 0.999 * E18


def test_terms_that_cannot_work_are_told_in_words() -> None:
    assert check(Twap(duration_ns=1000, slices=10)) == "a slice must last a millisecond at least"
    assert "one weight" in check(Vwap(duration_ns=SECOND_NS, slices=2, weights=(1,)))
    assert "more slices" in check(shortfall(permanent_impact_e18=10**18))
    assert check(shortfall()) == ""


def test_a_profile_is_the_mean_of_its_days_also_where_the_first_and_last_are_cut_off() -> None:
    rows = [(number * HOUR_NS, 100 + number % 24) for number in range(30, 24 * 3 + 5)]
    profile = profile_of("BTCUSDT", rows, HOUR_NS)
    assert profile.bins_e8 == tuple(range(100, 124))
    assert profile.days == 2


def test_weights_of_a_profile_follow_the_clock_and_wrap_over_midnight() -> None:
    bins = tuple([10] * 23 + [30])
    profile = VolumeProfile(symbol="X", bin_ns=HOUR_NS, days=1, bins_e8=bins)
    begin = 500 * DAY_NS + 22 * HOUR_NS
    first, second, third = profile.weights(begin, 3 * HOUR_NS, 3)
    assert (second // first, third // first) == (3, 1)
    assert abs(sum((first, second, third)) - 10**9) < 3
    assert profile.expected(begin, begin + DAY_NS) == sum(bins) * HOUR_NS


def test_where_nothing_is_expected_the_weights_are_even() -> None:
    profile = VolumeProfile(symbol="X", bin_ns=12 * HOUR_NS, days=1, bins_e8=(0, 5))
    assert profile.weights(DAY_NS, HOUR_NS, 4) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("bin_ns", "bins"), [(HOUR_NS, (1,) * 23), (HOUR_NS, (0,) * 24)], ids=["not a day", "never traded"]
)
def test_what_is_no_profile_is_refused(bin_ns: int, bins: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        VolumeProfile(symbol="X", bin_ns=bin_ns, days=1, bins_e8=bins)
