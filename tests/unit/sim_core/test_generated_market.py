"""The generated market: full at once, the same for the same seed, alive enough to be worth trading."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.sim.api import ExecutionReport, OrderRequest, Trade, VenueEvent
from engine.sim.config import AccountConfig, SymbolConfig, VenueConfig
from engine.sim.core import VenueCore
from tests.unit.sim_core.stage import ANNE, SECOND_NS, START_NS, e8, symbol

FUNDS = {"USDT": "1000000", "BTC": "10", "ETH": "100", "SOL": "1000"}


def venue_of(seed: int, activity: float = 1.0) -> VenueCore:
    return VenueCore(
        VenueConfig(accounts=(AccountConfig("anne", (), FUNDS),), activity=activity, backfill_minutes=10),
        seed,
        START_NS,
    )


def quote_at_the_touch(venue: VenueCore, now_ns: int) -> int:
    """Replace both quotes; returns how many orders were placed."""
    for order in venue.open_orders(ANNE, "BTCUSDT"):
        venue.cancel(ANNE, "BTCUSDT", now_ns, order_id=order.order_id)
    top = venue.book_ticker("BTCUSDT")
    for side, price_e8 in (("BUY", top.bid_price_e8), ("SELL", top.ask_price_e8)):
        request = OrderRequest(
            symbol="BTCUSDT", side=side, type="LIMIT_MAKER", price_e8=price_e8, quantity_e8=e8("0.002")
        )
        venue.place(ANNE, request, now_ns)
    return 2


def test_every_book_is_full_at_construction() -> None:
    venue = venue_of(1)
    for name in venue.symbols():
        depth = venue.depth(name, 5000)
        assert min(len(depth.bids), len(depth.asks)) >= 50
        assert depth.bids[0][0] < depth.asks[0][0]
    assert venue.drain() == []


def test_the_same_seed_and_calls_give_the_same_events() -> None:
    def run(seed: int) -> list[VenueEvent]:
        venue, events = venue_of(seed), []
        for step in range(1, 6):
            venue.advance(START_NS + step * SECOND_NS)
            quote_at_the_touch(venue, START_NS + step * SECOND_NS)
            events += venue.drain()
        return events

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_how_often_the_market_is_advanced_changes_nothing() -> None:
    coarse, fine = venue_of(2), venue_of(2)
    coarse.advance(START_NS + 5 * SECOND_NS)
    for step in range(1, 1001):
        fine.advance(START_NS + step * 5_000_000)
    assert coarse.drain() == fine.drain()


def test_the_next_wake_is_when_something_happens() -> None:
    venue = venue_of(3)
    for _ in range(200):
        wake_ns = venue.next_wake_ns()
        venue.advance(wake_ns - 1)
        assert venue.drain() == []
        venue.advance(wake_ns)
        venue.drain()
        assert venue.next_wake_ns() > wake_ns


@pytest.mark.parametrize("seed", range(8))
def test_quotes_at_the_touch_are_filled_on_both_sides_in_half_a_minute(seed: int) -> None:
    venue = venue_of(seed)
    orders = 0
    for step in range(300):
        now_ns = START_NS + step * SECOND_NS // 10
        venue.advance(now_ns)
        if step % 5 == 0:
            orders += quote_at_the_touch(venue, now_ns)
    fills = [e for e in venue.drain() if isinstance(e, ExecutionReport) and e.execution_type == "TRADE"]
    assert orders >= 100
    assert len(fills) >= 10
    assert {fill.side for fill in fills} == {"BUY", "SELL"}


@pytest.mark.parametrize("seed", range(4))
def test_every_symbol_trades_and_stays_near_its_home(seed: int) -> None:
    venue = venue_of(seed)
    venue.advance(START_NS + 30 * SECOND_NS)
    events = venue.drain()
    trades = Counter(event.symbol for event in events if isinstance(event, Trade))
    assert min(trades[name] for name in venue.symbols()) >= 20
    assert 50 * 30 <= len(events) <= 600 * 30
    for name in venue.symbols():
        rules, top = venue.rules(name), venue.book_ticker(name)
        assert 0 < (top.ask_price_e8 - top.bid_price_e8) * 10_000 < 20 * top.bid_price_e8
        assert top.bid_price_e8 % rules.tick_e8 == 0


def test_activity_scales_the_market_and_zero_stills_it() -> None:
    counts = []
    for activity in (0.0, 0.5, 4.0):
        venue = venue_of(1, activity)
        venue.advance(START_NS + 20 * SECOND_NS)
        counts.append(len(venue.drain()))
    assert counts[0] == 0
    assert 0 < counts[1] < counts[2] / 3


def test_the_market_survives_a_long_absence() -> None:
    venue = venue_of(1)
    venue.advance(START_NS + 3_600 * SECOND_NS)
    events = venue.drain()
    assert 0 < len(events) < 30_000
    venue.advance(START_NS + 3_601 * SECOND_NS)
    assert len(venue.drain()) > 0


def test_a_swept_book_fills_again() -> None:
    venue = venue_of(4)
    order = venue.place(
        ANNE,
        OrderRequest(symbol="BTCUSDT", side="SELL", type="MARKET", quantity_e8=e8("9")),
        START_NS + SECOND_NS,
    ).order
    assert order.executed_e8 > 0
    venue.advance(START_NS + 60 * SECOND_NS)
    top = venue.book_ticker("BTCUSDT")
    assert (top.ask_price_e8 - top.bid_price_e8) * 10_000 < 20 * top.bid_price_e8
    assert len(venue.depth("BTCUSDT", 5000).bids) >= 50


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (symbol(tick_size="0.000001", step_size="0.001"), "multiple of 1e-8"),
        (symbol(max_price="1000000"), "larger tick_size"),
        (symbol(tick_size="0"), "must be above 0"),
        (symbol(min_qty="0.0005"), "min_qty"),
        (symbol(start_price="cheap"), "not a decimal"),
    ],
)
def test_an_unusable_symbol_is_refused_with_the_mend(bad: SymbolConfig, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        VenueCore(VenueConfig(symbols=(bad,)), 1, START_NS)


def test_a_symbol_or_key_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        VenueCore(VenueConfig(symbols=(symbol(), symbol())), 1, START_NS)
