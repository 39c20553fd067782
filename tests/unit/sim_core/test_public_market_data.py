"""Books, trades, candles and tickers, as the public sees them, agree with one another."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.sim.api import AggTrade, BookDelta, TopOfBook, Trade, VenueEvent
from engine.sim.candles import WIDTHS_NS, period_end_ns, period_start_ns
from engine.sim.config import VenueConfig
from engine.sim.core import VenueCore
from engine.sim.decimals import E8, format_e8
from engine.sim.reject import VenueReject
from tests.unit.sim_core.stage import ANNE, BOB, SECOND_NS, START_NS, e8, empty_venue, limit


def lively(seconds: int, seed: int = 3) -> tuple[VenueCore, list[VenueEvent], dict[str, dict[tuple[bool, int], int]]]:
    """A venue after some seconds, its events, and its books as they were at the start."""
    venue = VenueCore(VenueConfig(backfill_minutes=30), seed, START_NS)
    books: dict[str, dict[tuple[bool, int], int]] = {}
    for symbol in venue.symbols():
        depth = venue.depth(symbol, 5000)
        books[symbol] = {(True, price): qty for price, qty in depth.bids}
        books[symbol] |= {(False, price): qty for price, qty in depth.asks}
    venue.advance(START_NS + seconds * SECOND_NS)
    return venue, venue.drain(), books


def test_the_book_at_the_start_and_the_deltas_give_the_book_at_the_end() -> None:
    venue, events, books = lively(20)
    for event in events:
        if isinstance(event, BookDelta):
            key = (event.is_bid, event.price_e8)
            if event.qty_e8:
                books[event.symbol][key] = event.qty_e8
            else:
                del books[event.symbol][key]
    for symbol, book in books.items():
        depth = venue.depth(symbol, 5000)
        assert depth.bids == sorted(((p, q) for (bid, p), q in book.items() if bid), reverse=True)
        assert depth.asks == sorted((p, q) for (bid, p), q in book.items() if not bid)


def test_update_ids_run_without_a_hole_and_every_top_is_the_book_at_its_id() -> None:
    venue, events, books = lively(20)
    update_ids: dict[str, int] = {}
    tops = 0
    for event in events:
        if isinstance(event, BookDelta):
            assert event.update_id == update_ids.get(event.symbol, event.update_id - 1) + 1
            update_ids[event.symbol] = event.update_id
            books[event.symbol][(event.is_bid, event.price_e8)] = event.qty_e8
        elif isinstance(event, TopOfBook):
            tops += 1
            book = {key: qty for key, qty in books[event.symbol].items() if qty}
            bid = max(price for is_bid, price in book if is_bid)
            ask = min(price for is_bid, price in book if not is_bid)
            assert event.update_id == update_ids[event.symbol]
            assert (event.bid_price_e8, event.bid_qty_e8) == (bid, book[(True, bid)])
            assert (event.ask_price_e8, event.ask_qty_e8) == (ask, book[(False, ask)])
            assert bid < ask
    assert tops > 100
    assert {symbol: venue.depth(symbol, 1).last_update_id for symbol in venue.symbols()} == update_ids


def test_no_delta_on_the_way_shows_a_crossed_book() -> None:
    _, events, books = lively(20)
    for event in events:
        if isinstance(event, BookDelta):
            book = books[event.symbol]
            book[(event.is_bid, event.price_e8)] = event.qty_e8
            bids = [price for (is_bid, price), qty in book.items() if is_bid and qty]
            asks = [price for (is_bid, price), qty in book.items() if not is_bid and qty]
            assert max(bids) < min(asks)


def test_aggregates_sum_the_trades_they_follow() -> None:
    venue, events, _ = lively(30)
    pending: dict[str, list[Trade]] = {symbol: [] for symbol in venue.symbols()}
    merged = 0
    for event in events:
        if isinstance(event, Trade):
            pending[event.symbol].append(event)
        elif isinstance(event, AggTrade):
            part = [t for t in pending[event.symbol] if event.first_trade_id <= t.trade_id <= event.last_trade_id]
            assert sum(trade.qty_e8 for trade in part) == event.qty_e8
            assert {(t.price_e8, t.is_buyer_maker) for t in part} == {(event.price_e8, event.is_buyer_maker)}
            pending[event.symbol] = [t for t in pending[event.symbol] if t not in part]
            merged += len(part) > 1
    assert pending == {symbol: [] for symbol in venue.symbols()}
    assert merged > 0


def test_the_fills_of_one_taker_at_one_price_are_one_aggregate() -> None:
    venue = empty_venue()
    for price, qty in (("100.10", "1"), ("100.10", "2"), ("100.20", "1")):
        venue.place(BOB, limit("SELL", price, qty), START_NS)
    venue.drain()
    venue.place(ANNE, limit("BUY", "100.20", "4"), START_NS)
    aggs = [event for event in venue.drain() if isinstance(event, AggTrade)]
    assert [(a.price_e8, a.qty_e8, a.last_trade_id - a.first_trade_id) for a in aggs] == [
        (e8("100.10"), e8("3"), 1),
        (e8("100.20"), e8("1"), 0),
    ]
    assert venue.agg_trades("AAAUSDT") == aggs
    assert venue.agg_trades("AAAUSDT", from_id=aggs[1].agg_id) == aggs[1:]
    assert venue.agg_trades("AAAUSDT", end_ns=START_NS - 1) == []


def test_recent_trades_are_the_newest_or_those_from_an_id() -> None:
    venue, events, _ = lively(20)
    trades = [event for event in events if isinstance(event, Trade) and event.symbol == "BTCUSDT"]
    assert venue.recent_trades("BTCUSDT", 7) == trades[-7:]
    assert venue.recent_trades("BTCUSDT", 3, from_id=trades[5].trade_id) == trades[5:8]


@pytest.mark.parametrize("interval", ["1s", "1m", "1h", "1w", "1M"])
def test_candles_hold_exactly_the_trades_of_their_time(interval: str) -> None:
    venue, events, _ = lively(75)
    now_ns = START_NS + 75 * SECOND_NS
    for candle in venue.klines("BTCUSDT", interval, now_ns, start_ns=START_NS, limit=1000):
        trades = [
            event
            for event in events
            if isinstance(event, Trade)
            and event.symbol == "BTCUSDT"
            and candle.open_ns <= event.time_ns <= candle.close_ns + 999_999
        ]
        assert candle.close_ns + 1_000_000 == period_end_ns(interval, candle.open_ns)
        assert (candle.trade_count, candle.volume_e8) == (len(trades), sum(t.qty_e8 for t in trades))
        assert candle.quote_volume_e8 == sum(t.price_e8 * t.qty_e8 // E8 for t in trades)
        assert candle.taker_base_e8 == sum(t.qty_e8 for t in trades if not t.is_buyer_maker)
        if trades:
            prices = [trade.price_e8 for trade in trades]
            assert (candle.open_e8, candle.close_e8) == (prices[0], prices[-1])
            assert (candle.high_e8, candle.low_e8) == (max(prices), min(prices))
            assert (candle.first_trade_id, candle.last_trade_id) == (trades[0].trade_id, trades[-1].trade_id)


def test_periods_without_trades_are_flat_candles() -> None:
    venue = empty_venue()
    venue.place(BOB, limit("SELL", "100.10", "1"), START_NS)
    venue.place(ANNE, limit("BUY", "100.10", "1"), START_NS)
    rows = venue.klines("AAAUSDT", "1s", START_NS + 5 * SECOND_NS)
    assert [row.trade_count for row in rows] == [1, 0, 0, 0, 0, 0]
    assert [row.open_ns for row in rows] == [START_NS + i * SECOND_NS for i in range(6)]
    assert {(row.open_e8, row.high_e8, row.low_e8, row.close_e8) for row in rows[1:]} == {(e8("100.10"),) * 4}
    assert rows[1].first_trade_id == -1


def test_a_very_long_silence_fills_no_more_candles_than_are_kept() -> None:
    venue = empty_venue()
    later_ns = START_NS + 10**6 * SECOND_NS
    rows = venue.klines("AAAUSDT", "1s", later_ns, limit=10**6)
    assert len(rows) <= 1_500
    assert rows[-1].open_ns == later_ns
    assert all(after.open_ns - before.open_ns == SECOND_NS for before, after in pairwise(rows))


@pytest.mark.parametrize("interval", list(WIDTHS_NS))
def test_every_interval_has_a_past_that_ends_at_the_start(interval: str) -> None:
    venue = VenueCore(VenueConfig(activity=0.0), 1, START_NS)
    rows = venue.klines("ETHUSDT", interval, START_NS, limit=1_500)
    assert rows[-1] == venue.current_kline("ETHUSDT", interval, START_NS)
    assert rows[-1].open_ns == period_start_ns(interval, START_NS)
    assert rows[-1].close_e8 == e8("3200")
    assert all(row.low_e8 <= min(row.open_e8, row.close_e8) for row in rows)
    assert all(row.high_e8 >= max(row.open_e8, row.close_e8) for row in rows)
    assert all(period_end_ns(interval, a.open_ns) == b.open_ns for a, b in pairwise(rows))


def test_weeks_open_on_monday_and_months_on_the_first() -> None:
    monday_ns = 1_763_337_600 * SECOND_NS  # 2025-11-17 00:00 UTC
    november_ns, december_ns = 1_761_955_200 * SECOND_NS, 1_764_547_200 * SECOND_NS
    assert period_start_ns("1w", START_NS) == monday_ns
    assert (period_start_ns("1M", START_NS), period_end_ns("1M", november_ns)) == (november_ns, december_ns)


def test_an_unknown_interval_or_symbol_is_refused() -> None:
    venue = empty_venue()
    with pytest.raises(VenueReject) as interval:
        venue.klines("AAAUSDT", "7m", START_NS)
    with pytest.raises(VenueReject) as symbol:
        venue.depth("NONE")
    assert (interval.value.code, symbol.value.code) == (-1120, -1121)


def test_the_ticker_sums_the_day_and_shows_the_best_prices() -> None:
    venue, events, _ = lively(10)
    now_ns = START_NS + 10 * SECOND_NS
    ticker, top = venue.ticker_24h("SOLUSDT", now_ns), venue.book_ticker("SOLUSDT")
    candles = venue.klines("SOLUSDT", "1m", now_ns, limit=1_440)
    trades = [event for event in events if isinstance(event, Trade) and event.symbol == "SOLUSDT"]
    assert ticker.volume_e8 == sum(candle.volume_e8 for candle in candles)
    assert ticker.trade_count == sum(candle.trade_count for candle in candles)
    assert ticker.high_e8 == max(candle.high_e8 for candle in candles)
    assert (ticker.last_e8, ticker.last_trade_id) == (trades[-1].price_e8, trades[-1].trade_id)
    assert (ticker.bid_price_e8, ticker.ask_qty_e8) == (top.bid_price_e8, top.ask_qty_e8)
    assert ticker.change_e8 == ticker.last_e8 - ticker.open_e8
    assert ticker.close_ns - ticker.open_ns == 86_400 * SECOND_NS
    hour = venue.ticker_window("SOLUSDT", 3_600 * SECOND_NS, now_ns)
    assert 0 < hour.volume_e8 <= ticker.volume_e8


def test_a_ticker_forgets_what_is_older_than_its_window() -> None:
    venue = empty_venue()
    venue.place(BOB, limit("SELL", "100.10", "1"), START_NS)
    venue.place(ANNE, limit("BUY", "100.10", "1"), START_NS)
    window_ns = 60 * 60 * SECOND_NS
    assert venue.ticker_window("AAAUSDT", window_ns, START_NS + 50 * 60 * SECOND_NS).trade_count == 1
    later = venue.ticker_window("AAAUSDT", window_ns, START_NS + 61 * 60 * SECOND_NS)
    assert (later.trade_count, later.volume_e8, later.first_trade_id) == (0, 0, -1)
    assert later.open_e8 == later.high_e8 == later.last_e8 == e8("100.10")


def test_the_average_price_weighs_by_volume_over_five_minutes() -> None:
    venue = empty_venue()
    for price, qty in (("100.00", "1"), ("101.00", "3")):
        venue.place(BOB, limit("SELL", price, qty), START_NS)
        venue.place(ANNE, limit("BUY", price, qty), START_NS)
    average = venue.avg_price("AAAUSDT", START_NS)
    assert (average.mins, average.price_e8, average.last_trade_ns) == (5, e8("100.75"), START_NS)
    assert venue.avg_price("AAAUSDT", START_NS + 360 * SECOND_NS).price_e8 == e8("101")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00000000"), (1, "0.00000001"), (-150_000_000, "-1.50000000"), (10**16, "100000000.00000000")],
)
def test_amounts_are_written_with_eight_decimals(value: int, text: str) -> None:
    assert format_e8(value) == text


@pytest.mark.parametrize("interval", ["1m", "5m", "1h"])
def test_the_invented_past_is_consistent_in_itself(interval: str) -> None:
    venue = VenueCore(VenueConfig(activity=0.0), 1, START_NS)
    past = venue.klines("BTCUSDT", interval, START_NS, limit=1_500)[:-1]
    assert len(past) > 20
    for candle in past:
        assert candle.close_ns == period_end_ns(interval, candle.open_ns) - 1_000_000
        assert 0 < candle.taker_base_e8 < candle.volume_e8
        assert candle.low_e8 <= candle.quote_volume_e8 * E8 // candle.volume_e8 <= candle.high_e8
        assert candle.low_e8 <= candle.taker_quote_e8 * E8 // candle.taker_base_e8 <= candle.high_e8
        assert candle.last_trade_id - candle.first_trade_id + 1 == candle.trade_count
    for before, after in pairwise(past):
        assert (before.close_e8, before.last_trade_id + 1) == (after.open_e8, after.first_trade_id)


def test_a_day_is_summed_even_when_few_candles_are_to_be_kept() -> None:
    short = VenueCore(VenueConfig(activity=0.0, history_klines_max=3), 1, START_NS)
    long = VenueCore(VenueConfig(activity=0.0), 1, START_NS)
    assert short.ticker_24h("BTCUSDT", START_NS) == long.ticker_24h("BTCUSDT", START_NS)
