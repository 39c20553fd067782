"""What the risk monitor measures with, against numbers worked by hand and against slow twins."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.risk.measures import CircuitBreaker, MeasuredLosses, MeasuredPrices, MeasuredTrades
from tests.reference.risk import TradesTwin, breaker_states, move_bps

E8 = 10**8
S = 10**9


def test_profit_is_cash_and_open_lots_at_their_mark() -> None:
    """Bought 3 at 100 with a fee of 0.3, sold 1 at 110: 2 left at 105 are worth 210; -300.3 + 110 + 210 = 19.7."""
    trades = MeasuredTrades(E8)
    assert trades.book(3, 100 * E8, fee_e16=30_000_000 * E8) == 0
    assert trades.book(-1, 110 * E8) == 0
    assert trades.lots == 2
    assert trades.profit_e16(105 * E8) == 1_970_000_000 * E8


def test_a_round_trip_counts_its_fees_and_a_turn_ends_one() -> None:
    trades = MeasuredTrades(E8)
    assert trades.book(1, 100 * E8, fee_e16=E8 * E8) == 0
    assert trades.book(-1, 101 * E8) == 0  # gained 1, paid 1: even
    assert trades.book(1, 100 * E8) == 0
    assert trades.book(-3, 101 * E8) == 1  # ends the long, begins a short of 2
    assert trades.lots == -2
    assert trades.book(2, 102 * E8) == -1
    assert trades.lots == 0


def test_a_fee_in_a_third_asset_makes_a_trip_lose_but_leaves_cash_alone() -> None:
    trades = MeasuredTrades(E8)
    trades.book(1, 100 * E8, other_fee_e8=5, other_fee_settle_e8=2 * E8, other_fee_asset_id=9)
    assert trades.book(-1, 101 * E8) == -1
    assert trades.profit_e16(0) == E8 * E8


FILLS = st.lists(
    st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 10**12), st.integers(-(10**10), 10**10)), max_size=40
)


MULTIPLIERS_E8 = (E8, 10 * E8, 100 * E8, E8 // 1000, 12_345_679)


@given(
    fills=FILLS, lot_e8=st.integers(1, 10**7), mark_e8=st.integers(1, 10**12), multiplier_e8=st.sampled_from(MULTIPLIERS_E8),
    inverse=st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_profit_and_round_trips_equal_their_slow_twin(
    fills: list[tuple[int, int, int]], lot_e8: int, mark_e8: int, multiplier_e8: int, inverse: bool
) -> None:
    ours = MeasuredTrades(lot_e8, multiplier_e8=multiplier_e8, inverse=inverse)
    twin = TradesTwin(Fraction(multiplier_e8, E8), inverse)
    for lots, price_e8, fee_e8 in fills:
        expected = twin.book(Fraction(lots * lot_e8, E8), Fraction(price_e8, E8), Fraction(fee_e8, E8))
        assert ours.book(lots, price_e8, fee_e16=fee_e8 * E8) == expected
        assert ours.profit_e16(mark_e8) == twin.profit(Fraction(mark_e8, E8)) * 10**16


def test_a_contract_earns_by_its_multiplier() -> None:
    """3 contracts of 10 units from 100 to 110: 300 earned; of a thousandth: 0.03."""
    for multiplier_e8, earned_e8 in ((10 * E8, 300 * E8), (E8 // 1000, 3_000_000)):
        trades = MeasuredTrades(E8, multiplier_e8=multiplier_e8)
        trades.book(3, 100 * E8)
        assert trades.profit_e16(110 * E8) == earned_e8 * E8


def test_an_inverse_contract_earns_in_its_coin() -> None:
    """200 contracts of 100 USD from 40 000 to 50 000: 0.5 - 0.4 = 0.1 BTC; a short loses as much."""
    for sign in (1, -1):
        trades = MeasuredTrades(E8, multiplier_e8=100 * E8, inverse=True)
        trades.book(sign * 200, 40_000 * E8)
        assert trades.profit_e16(50_000 * E8) == sign * E8 // 10 * E8
        assert trades.book(-sign * 200, 50_000 * E8) == sign


def test_a_price_move_is_measured_from_the_extremes_of_its_window() -> None:
    """From 10 000 up to 10 101: 101 bp of the low; down to 10 050: 50 of 10 000 up, 51 of 10 101 down, rounded up to 51."""
    prices = MeasuredPrices()
    window = 31 * S
    assert prices.move_bps(window, 0, 10_000) == 0
    assert prices.move_bps(window, 5 * S, 10_101) == 101
    assert prices.move_bps(window, 10 * S, 10_050) == 51
    assert prices.move_bps(window, 33 * S, 10_050) == 51  # the low is forgotten, the high is not
    assert prices.move_bps(window, 38 * S, 10_050) == 0
    prices.move_bps(window, 39 * S, 10_151)
    prices.forget()
    assert prices.move_bps(window, 40 * S, 10_151) == 0


@given(
    steps=st.lists(st.tuples(st.integers(0, 20 * S), st.integers(900_000, 1_100_000)), min_size=1, max_size=60),
    window=st.integers(31, 60 * S),
)
@settings(max_examples=100, deadline=None)
def test_a_price_move_lies_between_the_window_and_one_bucket_more(steps: list[tuple[int, int]], window: int) -> None:
    prices, now, seen = MeasuredPrices(), 0, []
    for step, mid in steps:
        now += step
        seen.append((now, mid))
        least, most = move_bps(seen, now, window, slack=-(-window // 31))
        assert least <= prices.move_bps(window, now, mid) <= most


def test_volatility_is_the_deviation_of_one_minute_moves() -> None:
    """10 bp each second, up and down by turns: the variance tends to (10 bp)^2, a minute's deviation to 10 x sqrt(60) = 77.4 bp."""
    prices, bps = MeasuredPrices(), 0
    for second in range(2000):
        bps = prices.sample(30, second * S, 1_000_000 + 1_000 * (second % 2))
    assert 76 <= bps <= 78
    for second in range(2000, 2030):
        bps = prices.sample(30, second * S, 1_000_000)
    assert 50 <= bps <= 57  # a half-life later the variance is half: 77 / sqrt 2


def test_volatility_of_a_market_that_stands_still_is_nothing_and_a_gap_counts_as_its_time() -> None:
    prices = MeasuredPrices()
    assert [prices.sample(300, second * S, 500) for second in range(5)] == [0] * 5
    assert prices.sample(300, 100 * S, 0) == 0  # no market
    assert prices.sample(300, 101 * S, 10_000) == 0  # nothing to compare with


def test_the_loss_of_a_window_forgets_what_is_older() -> None:
    losses = MeasuredLosses()
    assert losses.add(60 * S, 0, 100) == 0
    assert losses.add(60 * S, S // 2, 40) == 60
    assert losses.add(60 * S, 10 * S, 30) == 70
    assert losses.add(60 * S, 12 * S, 130) == 0
    for second in range(13, 130):
        found = losses.add(60 * S, second * S, 20)
    assert found == 0


def breaker() -> CircuitBreaker:
    return CircuitBreaker(failures=3, window_ns=10 * S, cooldown_ns=5 * S, probes=2)


def test_a_breaker_opens_at_its_failures_within_the_window_and_closes_by_probes() -> None:
    found = breaker()
    for second in (0, 11, 12):
        found.fail(second * S)
    assert found.state.name == "CLOSED"  # the first is older than the window
    found.fail(13 * S)
    assert found.state.name == "OPEN"
    assert not found.allows(17 * S)
    assert found.left_ns(17 * S) == S
    assert found.allows(18 * S)
    assert found.state.name == "HALF_OPEN"
    found.begin()
    assert not found.allows(18 * S)  # one at a time
    found.succeed()
    assert found.allows(18 * S)
    found.begin()
    found.succeed()
    assert found.state.name == "CLOSED"


def test_a_failed_probe_opens_again_and_a_late_answer_does_not_close() -> None:
    found = breaker()
    for _ in range(3):
        found.fail(0)
    found.succeed()
    assert found.state.name == "OPEN"
    assert found.allows(5 * S)
    found.begin()
    found.fail(6 * S)
    assert found.state.name == "OPEN"
    assert not found.allows(10 * S)


@given(
    events=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["fail", "fail", "ok", "look"])), min_size=1, max_size=80
    ),
    failures=st.integers(1, 6),
    probes=st.integers(1, 3),
)
@settings(max_examples=200, deadline=None)
def test_a_breaker_equals_its_slow_twin(events: list[tuple[int, str]], failures: int, probes: int) -> None:
    found = CircuitBreaker(failures=failures, window_ns=10, cooldown_ns=5, probes=probes)
    now, history, states = 0, [], []
    for step, event in events:
        now += step
        history.append((now, event))
        found.allows(now)
        if event == "fail":
            found.fail(now)
        elif event == "ok":
            found.succeed()
        states.append(found.state.name.lower().replace("_", "-"))
    assert states == breaker_states(history, failures=failures, window=10, cooldown=5, probes=probes)


@pytest.mark.parametrize("field", ["failures", "window_ns", "cooldown_ns", "probes"])
def test_a_breaker_without_terms_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        CircuitBreaker(**({"failures": 1, "window_ns": 1, "cooldown_ns": 1, "probes": 1} | {field: 0}))
