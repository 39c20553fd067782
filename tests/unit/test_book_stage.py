"""The book stage's promises, one by one: synchronisation, doubt, silence, conflation, what strategies are told."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from engine.book.stage import BookStage
from engine.model.codes import BookState, Counter, RecordKind
from engine.model.instruments import InstrumentSpec
from engine.venues.binance.market_session import BinanceMarketSession
from tests.feed_harness import STALE_AFTER_NS, FeedHarness

SPEC = InstrumentSpec(
    venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000_000
)
PERPETUAL = msgspec.structs.replace(SPEC, kind=1)
OTHER = InstrumentSpec(
    venue_id=1, symbol="ETHUSDT", base_asset="ETH", quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000_000
)
NS_PER_MS = 1_000_000
PHASE_LINKING = 2


def diff(
    first: int, last: int, bids: Any = (), asks: Any = (), *, previous: int | None = None, symbol: str = "BTCUSDT"
) -> bytes:
    fields = {"e": "depthUpdate", "E": 1_700_000_000_000, "s": symbol, "U": first, "u": last}
    if previous is not None:
        fields["pu"] = previous
    return json.dumps(fields | {"b": [*map(list, bids)], "a": [*map(list, asks)]}).encode()


def snapshot(last: int, bids: Any = (("100.00", "1.00"),), asks: Any = (("101.00", "2.00"),)) -> bytes:
    return json.dumps({"lastUpdateId": last, "bids": [*map(list, bids)], "asks": [*map(list, asks)]}).encode()


def ticker(
    update_id: int, bid: str = "100.00", bid_qty: str = "1.00", ask: str = "101.00", ask_qty: str = "2.00"
) -> bytes:
    return json.dumps({"u": update_id, "s": "BTCUSDT", "b": bid, "B": bid_qty, "a": ask, "A": ask_qty}).encode()


def trade(trade_id: int, price: str = "100.50") -> bytes:
    fields = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": trade_id, "p": price, "q": "1.00", "T": 1, "m": False}
    return json.dumps(fields).encode()


def valid_harness(**options: Any) -> FeedHarness:
    """A book that is VALID at update 10: 100.00 x 1 against 101.00 x 2."""
    harness = FeedHarness(SPEC, OTHER, **options)
    harness.frame(diff(5, 9))
    assert harness.book.take_resyncs() == [1]
    harness.snapshot(snapshot(9))
    harness.frame(diff(10, 10))
    assert harness.state() == BookState.VALID
    harness.events()
    return harness


def top(harness: FeedHarness) -> tuple[int, int, int, int]:
    market = harness.tables.market(1)
    return tuple(market[f"best_{name}"] for name in ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots"))


# --- synchronisation


def test_diffs_wait_for_a_snapshot_and_only_the_newer_ones_are_applied() -> None:
    harness = FeedHarness(SPEC)
    harness.frame(diff(5, 7, [("100.00", "9.00")]))
    harness.frame(diff(8, 9, [("99.00", "3.00")]))
    assert harness.state() == BookState.SYNCING
    harness.snapshot(snapshot(7))
    assert harness.state() == BookState.VALID
    book = harness.book.depth(1)
    assert book["bids"] == [(10000, 100), (9900, 300)]
    assert book["update_id"] == 9
    assert top(harness) == (10000, 100, 10100, 200)


def test_a_snapshot_alone_is_not_valid_until_a_diff_links_to_it() -> None:
    harness = FeedHarness(SPEC)
    harness.frame(diff(5, 7))
    harness.snapshot(snapshot(9))
    assert harness.state() == BookState.SYNCING
    assert harness.book.depth(1)["phase"] == PHASE_LINKING
    harness.frame(diff(8, 9))
    assert harness.state() == BookState.SYNCING
    harness.frame(diff(9, 11))
    assert harness.state() == BookState.VALID


def test_a_snapshot_older_than_the_first_kept_diff_is_asked_for_again() -> None:
    harness = FeedHarness(SPEC)
    harness.frame(diff(15, 17))
    assert harness.book.take_resyncs() == [1]
    harness.snapshot(snapshot(13))
    assert harness.book.take_resyncs() == [1]
    assert harness.state() == BookState.SYNCING
    harness.snapshot(snapshot(14))
    assert harness.state() == BookState.VALID


def test_futures_link_by_the_predecessor_and_contain_the_snapshot() -> None:
    harness = FeedHarness(PERPETUAL)
    harness.frame(diff(100, 110, previous=90))
    harness.frame(diff(120, 130, previous=110))
    harness.snapshot(snapshot(105))
    assert harness.state() == BookState.VALID
    harness.frame(diff(150, 160, previous=130))
    assert harness.state() == BookState.VALID
    harness.frame(diff(180, 190, previous=170))
    assert harness.state() == BookState.INVALID
    assert harness.count(Counter.BOOK_GAPS) == 1


def test_what_waits_is_bounded_and_survives_the_journals_wrapping() -> None:
    harness = FeedHarness(SPEC, ring_bytes=1 << 16)
    for i in range(3000):
        harness.frame(diff(10 + i, 10 + i, [(f"{90 + i % 10}.00", f"{i + 1}.00")]))
    harness.snapshot(snapshot(9))
    assert harness.state() == BookState.VALID
    assert harness.book.depth(1)["bids"] == [(10000, 100)] + [((99 - i) * 100, (3000 - i) * 100) for i in range(10)]


def test_an_update_that_is_known_already_changes_nothing() -> None:
    harness = valid_harness()
    harness.frame(diff(8, 10, [("100.00", "7.00")]))
    assert top(harness)[1] == 100
    assert harness.book.duplicates == 1
    harness.frame(diff(9, 11, [("100.00", "7.00")]))
    assert top(harness)[1] == 700


# --- doubt


@pytest.mark.invariant("R08")
def test_a_gap_is_invalid_in_the_same_event_and_the_tape_names_it() -> None:
    harness = valid_harness()
    harness.frame(diff(12, 13))
    assert harness.state() == BookState.INVALID
    assert [event["kind"] for event in harness.events()] == [RecordKind.BOOK_STATE]
    assert harness.book.take_resyncs() == [1]
    assert harness.count(Counter.ALARMS) == 1
    harness.snapshot(snapshot(12))
    assert harness.state() == BookState.VALID
    assert harness.book.depth(1)["update_id"] == 13


@pytest.mark.invariant("R09")
@pytest.mark.parametrize(
    ("frame", "state"),
    [
        (diff(11, 11, [("101.50", "1.00")]), BookState.CROSSED),
        (ticker(11, bid="102.00"), BookState.CROSSED),
        (diff(11, 11, [("0.00", "1.00")]), BookState.INVALID),
        (diff(11, 11, [("-1.00", "1.00")]), BookState.INVALID),
        (diff(11, 11, [("99.00", "-1.00")]), BookState.INVALID),
        (diff(11, 11, [("99.005", "1.00")]), BookState.INVALID),
        (diff(11, 11, [("100.00", "0"), ("50.00", "1")], [("101.00", "0"), ("51.00", "1")]), BookState.INVALID),
        (ticker(11, bid="150.00", ask="151.00"), BookState.INVALID),
        (b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":11,"u":11,"b":[[]],"a":[]}', BookState.INVALID),
    ],
    ids=[
        "crossed",
        "ticker-crossed",
        "zero",
        "negative-price",
        "negative-qty",
        "off-tick",
        "jump",
        "ticker-jump",
        "bad",
    ],
)
def test_nonsense_makes_the_book_untradable_at_once_and_a_snapshot_heals_it(frame: bytes, state: BookState) -> None:
    harness = valid_harness()
    harness.frame(frame)
    assert harness.state() == state
    assert harness.events()[0]["kind"] == RecordKind.BOOK_STATE
    assert harness.book.take_resyncs() == [1]
    harness.frame(diff(12, 20))
    harness.snapshot(snapshot(15, [("50.00", "1.00")], [("51.00", "1.00")]))
    assert harness.state() == BookState.VALID
    assert top(harness) == (5000, 100, 5100, 100)


@pytest.mark.invariant("R09")
def test_a_locked_book_is_borne_for_a_second_only() -> None:
    harness = valid_harness()
    harness.frame(diff(11, 11, [("101.00", "1.00")]))
    assert harness.state() == BookState.VALID
    harness.tick(900 * NS_PER_MS)
    assert harness.state() == BookState.VALID
    harness.tick(200 * NS_PER_MS)
    assert harness.state() == BookState.CROSSED
    assert harness.book.take_resyncs() == [1]


@pytest.mark.invariant("R09")
def test_a_crossed_snapshot_is_not_believed() -> None:
    harness = FeedHarness(SPEC)
    harness.frame(diff(5, 9))
    harness.snapshot(snapshot(9, [("102.00", "1.00")]))
    assert harness.state() == BookState.CROSSED
    assert harness.book.take_resyncs() == [1]


def test_a_snapshot_with_an_empty_level_is_not_believed() -> None:
    harness = FeedHarness(SPEC)
    harness.frame(diff(5, 9))
    harness.snapshot(snapshot(9, [("99.00", "0.00")]))
    assert harness.state() == BookState.INVALID


@pytest.mark.invariant("R10")
def test_silence_is_stale_at_the_first_tick_behind_the_threshold_and_an_update_ends_it() -> None:
    harness = valid_harness()
    harness.tick(STALE_AFTER_NS)
    assert harness.state() == BookState.VALID
    harness.tick(1)
    assert harness.state() == BookState.STALE
    assert harness.count(Counter.BOOK_STALE) == 1
    assert [event["kind"] for event in harness.events()] == [RecordKind.BOOK_STATE]
    assert harness.book.take_resyncs() == []
    harness.frame(diff(11, 11))
    assert harness.state() == BookState.VALID


def test_a_lost_connection_invalidates_its_books_and_a_second_one_keeps_them() -> None:
    harness = valid_harness()
    second = harness.connect(2)
    harness.session.on_close("gone")
    harness.run()
    assert harness.state() == BookState.VALID
    harness.frame(diff(11, 12), second)
    assert harness.state() == BookState.VALID
    second.on_close("gone too")
    harness.run()
    assert harness.state() == BookState.INVALID
    assert harness.count(Counter.FEED_SESSIONS_READY) == 0
    assert harness.book.take_resyncs() == []


def test_after_a_reconnect_the_book_waits_for_its_own_snapshot() -> None:
    harness = valid_harness()
    harness.session.on_close("gone")
    harness.run()
    second = harness.connect(2)
    harness.frame(diff(11, 12), second)
    assert harness.state() == BookState.INVALID
    assert harness.book.take_resyncs() == [1]
    harness.snapshot(snapshot(12))
    harness.frame(diff(13, 13), second)
    assert harness.state() == BookState.VALID


def test_a_frame_without_room_is_told_to_every_book_before_the_next_one() -> None:
    harness = valid_harness(inbound_capacity=4)
    for i in range(6):
        harness.session.feed(diff(11 + i, 11 + i), 1, 1)
    assert harness.session.lost == 2
    harness.run()
    harness.frame(diff(17, 17))
    assert harness.state() == BookState.INVALID
    assert harness.count(Counter.BOOK_GAPS) == 0


# --- tickers


def test_a_doubted_books_levels_are_given_back_with_the_first_diff_that_waits_for_a_snapshot() -> None:
    # not in the turn of the doubt, whose cancels are in a hurry, nor in the snapshot's, whose quotes are
    harness = valid_harness()
    harness.frame(diff(12, 13))
    doubted = harness.book.depth(1)
    assert doubted["bids"] != [] != doubted["asks"]
    harness.frame(diff(14, 15))
    waiting = harness.book.depth(1)
    assert waiting["bids"] == waiting["asks"] == []
    assert waiting["pending_bytes"] > doubted["pending_bytes"]


def test_a_ticker_is_the_top_at_once_and_is_checked_when_a_diff_covers_it() -> None:
    harness = valid_harness()
    harness.frame(ticker(11, bid_qty="5.00"))
    assert top(harness) == (10000, 500, 10100, 200)
    assert harness.count(Counter.TICKERS_CHECKED) == 0
    harness.frame(diff(11, 12, [("100.00", "5.00")]))
    harness.frame(ticker(13, bid_qty="5.00"))
    assert (harness.count(Counter.TICKERS_CHECKED), harness.count(Counter.TICKERS_EQUAL)) == (1, 1)


@pytest.mark.parametrize(
    "wrong",
    [{"bid_qty": "5.00"}, {"bid": "99.00"}, {"ask": "101.01"}, {"ask_qty": "2.01"}],
    ids=["bid-qty", "bid", "ask", "ask-qty"],
)
def test_a_last_ticker_that_differs_in_anything_is_counted_and_alarms(wrong: dict[str, str]) -> None:
    harness = valid_harness()
    harness.frame(ticker(11, **wrong))
    harness.frame(diff(11, 12))
    harness.frame(ticker(13))
    assert (harness.count(Counter.TICKERS_CHECKED), harness.count(Counter.TICKERS_EQUAL)) == (1, 0)
    assert harness.book.tickers_different == 1
    assert harness.count(Counter.ALARMS) == 1


@pytest.mark.parametrize(
    ("earlier", "equal"),
    [
        ({}, 2),
        ({"bid_qty": "7.00"}, 1),
        ({"bid": "99.50", "bid_qty": "7.00"}, 1),
        ({"ask": "100.50", "ask_qty": "9.00"}, 2),
    ],
    ids=["agrees", "qty-of-untouched", "untouched-better-level", "level-came-and-went"],
)
def test_an_earlier_ticker_must_not_contradict_what_the_diff_left_alone(earlier: dict[str, str], equal: int) -> None:
    harness = valid_harness()
    harness.frame(ticker(11, **earlier))
    harness.frame(ticker(12, bid="100.00"))
    harness.frame(diff(11, 12, [], [("100.50", "0.00")]))
    harness.frame(ticker(13))
    assert (harness.count(Counter.TICKERS_CHECKED), harness.count(Counter.TICKERS_EQUAL)) == (2, equal)


def test_a_ticker_behind_its_diff_takes_the_place_of_the_last_one() -> None:
    harness = valid_harness()
    harness.frame(ticker(11))
    harness.frame(diff(11, 14, [("100.00", "5.00")]))
    harness.frame(ticker(13, bid_qty="5.00"))
    harness.frame(ticker(15, bid_qty="6.00"))
    assert (harness.count(Counter.TICKERS_CHECKED), harness.count(Counter.TICKERS_EQUAL)) == (2, 2)
    assert top(harness)[1] == 600


# --- what strategies are told


def test_changes_of_one_batch_are_told_once_per_symbol_and_the_rest_is_counted() -> None:
    harness = valid_harness()
    for i in range(5):
        harness.session.feed(diff(11 + i, 11 + i), 1, 1)
    before = harness.count(Counter.STRATEGY_CONFLATED)
    harness.run()
    events = harness.events()
    assert [(event["kind"], event["instrument_id"]) for event in events] == [(RecordKind.DEPTH_DIFF, 1)]
    assert events[0]["seq"] == harness.tables.market(1)["last_seq"]
    assert harness.count(Counter.STRATEGY_CONFLATED) - before == 4


def test_trades_are_told_one_by_one_in_order_with_the_book_changes() -> None:
    harness = valid_harness()
    for frame in (diff(11, 11), trade(1), trade(2, "100.60"), diff(12, 12), trade(3)):
        harness.session.feed(frame, 1, 1)
    harness.run()
    events = harness.events()
    assert [event["kind"] for event in events] == [1, 4, 4, 1, 4]
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    assert harness.tables.market(1)["last_trade_ticks"] == 10050


def test_a_full_ring_merges_book_changes_and_counts_what_it_could_not_tell() -> None:
    harness = valid_harness(events_capacity=2)
    for i in range(4):
        harness.frame(trade(i))
    assert len(harness.market_events) == 2
    assert harness.count(Counter.STRATEGY_CONFLATED) == 2
    harness.frame(diff(11, 11))
    harness.frame(diff(12, 12))
    assert harness.count(Counter.STRATEGY_CONFLATED) == 3
    assert [event["kind"] for event in harness.events()] == [4, 4]
    harness.run()
    latest = harness.events()
    assert [event["kind"] for event in latest] == [RecordKind.DEPTH_DIFF]
    assert latest[0]["seq"] == harness.tables.market(1)["last_seq"]


def test_a_change_of_one_symbol_leaves_the_other_alone() -> None:
    harness = valid_harness()
    generation = harness.tables.market(1)["generation"]
    harness.frame(diff(1, 2, symbol="ETHUSDT"))
    harness.frame(diff(9, 9, symbol="ETHUSDT"))
    assert harness.state(2) == BookState.SYNCING
    assert harness.tables.market(1)["generation"] == generation


def test_levels_far_outside_the_ladder_are_counted_and_do_no_harm() -> None:
    harness = valid_harness()
    harness.frame(diff(11, 11, [], [("900000.00", "1.00")]))
    assert harness.book.depth(1)["far_levels"] == 1
    assert harness.state() == BookState.VALID


def test_a_connection_is_refused_more_streams_than_the_exchange_allows() -> None:
    harness = FeedHarness(SPEC)
    harness.symbols = ["BTCUSDT"] * 342
    with pytest.raises(ValueError, match="1026 streams"):
        harness.make_session(2)


@pytest.mark.parametrize("kind", RecordKind)
def test_a_descriptor_without_a_record_or_of_no_known_instrument_is_passed_over(kind: RecordKind) -> None:
    harness = valid_harness()
    before = harness.tables.market(1)
    for instrument_id in (0, 1, 3, 511, (1 << 31) - 1):
        harness.to_book.offer(kind, 0, instrument_id)
    harness.run()
    assert harness.tables.market(1) == before
    assert harness.events() == []


def test_books_of_one_stage_share_its_pool_and_a_used_up_pool_is_doubt() -> None:
    harness = FeedHarness(SPEC)
    harness.book = small = BookStage(
        "book", harness.journal, harness.tables, harness.counters, harness.to_book, harness.market_events, pages_max=2
    )
    harness.pipeline = type(harness.pipeline)([harness.sequencer, small])
    harness.frame(diff(5, 9))
    harness.snapshot(snapshot(9))
    harness.frame(diff(10, 10, [("1.00", "1.00")]))
    assert harness.state() == BookState.INVALID


# --- market statistics


def statistics_session(harness: FeedHarness, session_id: int = 132) -> BinanceMarketSession:
    """A connection that carries candles and no depth."""
    session = BinanceMarketSession(
        "market", session_id, harness.codec, harness.journal, harness.inbound, harness.counters, harness.clock,
        harness.symbols, stream_kinds=(), streams=["btcusdt@kline_1m"], feeds_books=False,
    )  # fmt: skip
    session.on_open()
    session.on_subscribed()
    harness.run()
    return session


def test_a_lost_connection_that_carries_no_depth_costs_no_book() -> None:
    harness = valid_harness()
    statistics = statistics_session(harness)
    harness.frame(TRADE_OF_AGG, statistics)
    harness.session.on_close("gone")
    harness.run()
    # the one that is left feeds no book
    assert harness.state() == BookState.INVALID
    harness = valid_harness()
    statistics = statistics_session(harness)
    harness.frame(TRADE_OF_AGG, statistics)
    statistics.on_close("gone")
    harness.run()
    assert harness.state() == BookState.VALID


TRADE_OF_AGG = (
    b'{"e":"aggTrade","E":2,"s":"BTCUSDT","a":7,"p":"100.00","q":"1.00","f":1,"l":2,"T":1,"m":false,"M":true}'
)


def test_what_a_connection_without_depth_could_not_pass_on_is_no_gap() -> None:
    harness = valid_harness(inbound_capacity=4)
    statistics = statistics_session(harness)
    for _ in range(8):
        statistics.feed(TRADE_OF_AGG, 1, 1)
    harness.run()
    assert statistics.lost > 0
    assert harness.state() == BookState.VALID


@pytest.mark.parametrize(("word", "told"), [("MARKET", 1), ("INSURANCE_FUND", 0), ("NA", 0)])
def test_a_trade_that_was_not_made_in_the_book_is_recorded_and_not_told(word: str, told: int) -> None:
    harness = valid_harness()
    fields = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": 5, "p": "100.50", "q": "1.00", "T": 1, "X": word, "m": False}
    harness.frame(json.dumps(fields).encode())
    assert len(harness.events()) == told
    assert harness.tables.market(1)["last_trade_ticks"] == (10050 if told else 0)
    assert harness.state() == BookState.VALID


def test_a_malformed_frame_of_statistics_is_counted_and_costs_no_book() -> None:
    harness = valid_harness()
    harness.frame(b'{"e":"kline","E":1,"s":"BTCUSDT","k":{"t":"x"}}')
    assert harness.count(Counter.MALFORMED_FRAMES) == 1
    assert harness.state() == BookState.VALID
