"""Raw Binance frames into L2 books: how diffs link, what is refused, and that what is refused leaves the book as it was."""

from __future__ import annotations

import random

import pytest

from engine.book.l2 import ASK, BID, L2Book, LevelPool
from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.raw_depth import APPLIED, GAP, NO_SNAPSHOT, OLD, OTHER, POOL_EMPTY, REFUSED, RawDepth

SNAPSHOT = b'{"lastUpdateId":100,"bids":[["10.00","1.5"],["9.99","2"]],"asks":[["10.01","3"],["10.05","4.25"]]}'


def diff(
    first: int, last: int, bids: str = "", asks: str = "", previous: int | None = None, symbol: str = "ABCUSDT"
) -> bytes:
    chain = "" if previous is None else f'"pu":{previous},'
    return (
        f'{{"e":"depthUpdate","E":1700000000000,"s":"{symbol}","U":{first},"u":{last},{chain}"b":[{bids}],"a":[{asks}]}}'
    ).encode()


def make_feed(kind: int = 0, pool: LevelPool | None = None) -> tuple[RawDepth, L2Book, int]:
    tables = Tables()
    instrument_id = tables.add_instrument(
        InstrumentSpec(
            venue_id=1,
            symbol="ABCUSDT",
            base_asset="ABC",
            quote_asset="USDT",
            tick_size_e8=1_000_000,
            lot_size_e8=1_000_000,
            kind=kind,
        )
    )
    feed, book = RawDepth(MarketCodec(tables, 1)), L2Book(pool)
    assert feed.attach("ABCUSDT", book) == instrument_id
    return feed, book, instrument_id


def synchronised(kind: int = 0) -> tuple[RawDepth, L2Book, int]:
    feed, book, instrument_id = make_feed(kind)
    assert feed.snapshot(instrument_id, SNAPSHOT) == APPLIED
    return feed, book, instrument_id


def state(book: L2Book) -> tuple[object, ...]:
    return book.levels(BID), book.levels(ASK), book.update_id


def test_a_snapshot_and_the_diffs_that_link_make_the_book() -> None:
    feed, book, instrument_id = synchronised()
    assert book.levels(BID) == [(1000, 150), (999, 200)]
    assert not feed.is_live(instrument_id)
    assert feed.apply(diff(95, 103, '["10.00","0"],["9.98","7"]', '["10.01","1"]')) == APPLIED
    assert feed.is_live(instrument_id)
    assert feed.apply(b'{"stream":"abcusdt@depth","data":' + diff(104, 104, '["9.97","1.00"]') + b"}") == APPLIED
    assert book.levels(BID) == [(999, 200), (998, 700), (997, 100)]
    assert book.levels(ASK) == [(1001, 100), (1005, 425)]
    assert (book.update_id, feed.applied, feed.levels) == (104, 2, 4)


def test_diffs_before_a_snapshot_wait_and_older_ones_are_dropped_behind_it() -> None:
    feed, book, instrument_id = make_feed()
    assert feed.apply(diff(90, 99)) == NO_SNAPSHOT
    assert feed.snapshot(instrument_id, SNAPSHOT) == APPLIED
    assert feed.apply(diff(90, 99, '["10.00","9"]')) == OLD
    assert feed.apply(diff(90, 100, '["10.00","9"]')) == OLD
    assert feed.apply(diff(101, 101, '["10.00","8"]')) == APPLIED
    assert book.best(BID) == (1000, 800)


def test_a_gap_leaves_the_book_and_asks_for_a_snapshot() -> None:
    feed, book, instrument_id = synchronised()
    before = state(book)
    assert feed.apply(diff(102, 103, '["10.00","9"]')) == GAP
    assert feed.apply(diff(104, 105, '["10.00","9"]')) == NO_SNAPSHOT
    assert (state(book), feed.gaps, feed.is_live(instrument_id)) == (before, 1, False)
    assert feed.snapshot(instrument_id, SNAPSHOT) == APPLIED
    assert feed.apply(diff(101, 105, '["10.00","9"]')) == APPLIED


def test_a_derivatives_diffs_are_chained_by_their_previous_id() -> None:
    feed, book, _ = synchronised(kind=1)
    assert feed.apply(diff(90, 99, previous=80)) == OLD
    assert feed.apply(diff(96, 102, '["10.00","5"]', previous=95)) == APPLIED
    assert feed.apply(diff(150, 160, '["10.00","6"]', previous=102)) == APPLIED
    assert feed.apply(diff(161, 170, '["10.00","7"]', previous=160)) == APPLIED
    assert feed.apply(diff(171, 180, '["10.00","8"]', previous=165)) == APPLIED  # overlaps: quantities are absolute
    assert feed.apply(diff(182, 190, '["10.00","9"]', previous=181)) == GAP
    assert book.best(BID) == (1000, 800)
    assert feed.apply(diff(191, 192)) == REFUSED
    assert feed.reason == "MISSING_FIELD"


def test_an_older_snapshot_of_a_book_in_sequence_is_left_out() -> None:
    feed, book, instrument_id = synchronised()
    assert feed.apply(diff(101, 120, '["10.00","9"]')) == APPLIED
    before = state(book)
    assert feed.snapshot(instrument_id, SNAPSHOT) == OLD
    assert state(book) == before


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (diff(101, 102, '["10.00","9"],["10.003","1"]'), "OFF_TICK"),
        (diff(101, 102, '["10.00","9"],["0.00","1"]'), "NUMBER"),
        (diff(101, 102, '["10.00","9"],["1e3","1"]'), "NUMBER"),
        (diff(101, 102, '["10.00","9"],["9.00","-1"]'), "NUMBER"),
        (diff(103, 102, '["10.00","9"]'), "CONTRADICTION"),
        (diff(101, 102, '["10.00","9"]')[:-1], "TRUNCATED"),
        (diff(101, 102, '["10.00","9"]') + b"x", "TRAILING_BYTES"),
        (diff(101, 102).replace(b'"U":101,', b""), "MISSING_FIELD"),
        (diff(101, 102).replace(b'"U":101,', b'"U":101,"U":101,'), "REPEATED_FIELD"),
    ],
)
def test_a_malformed_frame_is_refused_with_a_reason_and_the_book_is_untouched(frame: bytes, reason: str) -> None:
    feed, book, _ = synchronised()
    before = state(book)
    assert feed.apply(frame) == REFUSED
    assert (feed.reason, state(book), feed.refused) == (reason, before, 1)
    assert feed.apply(diff(101, 102, '["10.00","9"]')) == APPLIED
    assert feed.reason == ""


def test_other_frames_and_other_symbols_are_not_ours() -> None:
    feed, book, instrument_id = synchronised()
    before = state(book)
    assert feed.apply(diff(101, 102, '["10.00","9"]', symbol="XYZUSDT")) == OTHER
    assert feed.apply(b'{"result":null,"id":1}') == OTHER
    ticker = b'{"u":400,"s":"ABCUSDT","b":"10.00","B":"1.00","a":"10.01","A":"1.00"}'
    assert feed.apply(ticker) == OTHER
    assert state(book) == before
    with pytest.raises(KeyError):
        feed.snapshot(instrument_id + 1, SNAPSHOT)
    with pytest.raises(KeyError):
        feed.attach("XYZUSDT", L2Book())


@pytest.mark.parametrize("body", [b"", b"{}", SNAPSHOT[:-1], SNAPSHOT.replace(b"10.05", b"10.0501"), SNAPSHOT + b"1"])
def test_a_malformed_snapshot_is_refused_and_the_book_is_untouched(body: bytes) -> None:
    feed, book, instrument_id = synchronised()
    before = state(book)
    assert feed.snapshot(instrument_id, body) == REFUSED
    assert feed.reason
    assert state(book) == before


def test_a_used_up_pool_tells_so_and_the_book_waits_for_a_snapshot() -> None:
    feed, _, instrument_id = make_feed(pool=LevelPool(pages_max=2))
    assert feed.snapshot(instrument_id, SNAPSHOT) == APPLIED
    assert feed.apply(diff(101, 102, '["5.00","1"],["4.00","1"]')) == POOL_EMPTY
    assert feed.apply(diff(103, 104)) == NO_SNAPSHOT


def test_the_ladders_lie_around_the_snapshots_best_bid() -> None:
    feed, book, instrument_id = make_feed()
    body = b'{"lastUpdateId":7,"bids":[["900000.00","1"],["0.01","5"]],"asks":[["900000.01","2"]]}'
    assert feed.snapshot(instrument_id, body) == APPLIED
    assert book.best(BID) == (90_000_000, 100)
    assert (book.far_levels, book.base_ticks) == (1, 90_000_000 - (1 << 23))


def test_mutated_frames_never_change_the_book_unless_they_are_applied_whole() -> None:
    source = random.Random(3)
    feed, book, instrument_id = synchronised()
    frame = diff(101, 110, '["10.00","9"],["9.95","1.25"]', '["10.07","12.5"]')
    verdicts = set()
    for _ in range(3_000):
        text = bytearray(frame)
        for _ in range(source.randint(1, 3)):
            at = source.randrange(len(text))
            text[at : at + source.randint(0, 2)] = bytes(source.choices(b'0129.,:"[]{}e-\\ xU', k=source.randint(0, 2)))
        before = state(book)
        verdict = feed.apply(bytes(text))
        verdicts.add(verdict)
        if verdict == APPLIED:
            feed, book, instrument_id = synchronised()
        else:
            assert state(book) == before
        if verdict == GAP:
            feed.snapshot(instrument_id, SNAPSHOT)
    assert {APPLIED, REFUSED, OTHER} <= verdicts
    assert book.check() == ()
