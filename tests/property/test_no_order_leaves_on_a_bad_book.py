"""R08, R09, R10 at their numbers: millions of events of a line that loses, repeats, swaps and lies, with an order asked for after
every one of them. An order that passes needs a book that is VALID, and a VALID book is the exchange's own."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable, Iterator

import msgspec
import pytest

from engine.model.codes import BookState, Counter, Reason
from engine.model.instruments import InstrumentSpec
from engine.venues.binance.seeded_exchange import SeededExchange
from tests.depth_bodies import snapshot_of
from tests.feed_harness import STALE_AFTER_NS
from tests.gated_feed import GatedFeed
from tests.recorded import Recording, instrument_of, recordings
from tests.reference.book import SlowBook, Update

SPOT = InstrumentSpec(
    venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000_000
)
PERPETUAL = msgspec.structs.replace(SPOT, kind=1)
EVENTS_PER_SEED = 62_500
SEEDS = range(8)
NS_PER_MS = 1_000_000
EVENT_NS = 10 * NS_PER_MS
# the keeper's first pause before it asks for a snapshot, a round trip, and what the venue takes for it
SNAPSHOT_AFTER_EVENTS = (5, 60)
# no order ends here, so the gate's register bounds how many can pass
ORDERS_MAX = 60_000
REBUILT_WITHIN_NS = 2_000_000_000
DAMAGED = b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":"?","u":2,"b":[],"a":[]}'


class BadLine:
    """Delivers an exchange's frames badly and its snapshots late; after each frame an order is asked for."""

    def __init__(self, seed: int, *, futures: bool) -> None:
        self.exchange = SeededExchange(seed, futures=futures)
        self.feed = GatedFeed(PERPETUAL if futures else SPOT, ring_bytes=1 << 26)
        self.random = random.Random(seed)
        self.held: deque[bytes] = deque()
        self.with_tickers = seed % 2 == 0
        self.snapshot_in = -1
        self.lost_at_ns: int | None = None
        self.rebuilt_ns_max = 0
        self.events = self.orders = self.refused = self.compared = 0

    def step(self) -> None:
        self.exchange.step()
        frame = self.exchange.frame()
        if self.with_tickers:
            self.deliver(self.exchange.ticker())
        chance = self.random.random()
        if chance < 0.003:
            pass
        elif chance < 0.01:
            self.deliver(frame)
            self.deliver(frame)
        elif chance < 0.013:
            self.held.append(frame)
        elif chance < 0.014:
            self.deliver(DAMAGED)
        else:
            self.deliver(frame)
            while self.held:
                self.deliver(self.held.popleft())
        self.serve_snapshot()

    def serve_snapshot(self) -> None:
        if self.feed.book.take_resyncs():
            self.snapshot_in = self.random.randint(*SNAPSHOT_AFTER_EVENTS)
        elif self.snapshot_in >= 0:
            self.snapshot_in -= 1
            if self.snapshot_in < 0:
                self.feed.snapshot(self.exchange.snapshot())
                self.check()

    def deliver(self, frame: bytes) -> None:
        self.feed.clock.advance(EVENT_NS)
        self.feed.session.feed(frame, self.feed.clock.monotonic_ns(), self.feed.clock.time_ns())
        self.feed.pipeline.run_to_completion()
        self.events += 1
        self.check()

    def check(self) -> None:
        feed, now_ns = self.feed, self.feed.clock.monotonic_ns()
        verdict = feed.ask()
        while feed.market_events.poll() is not None:
            pass
        if not feed.is_valid:
            assert verdict in (Reason.BOOK_INVALID, Reason.STALE)
            self.refused += 1
            self.lost_at_ns = now_ns if self.lost_at_ns is None else self.lost_at_ns
            return
        assert verdict == Reason.NONE
        self.orders += 1
        ladder_id = feed.book.depth(1, 1)["update_id"]
        assert self.exchange.compare(feed.tables, feed.book.reader, 1, ladder_id) == 1
        if self.lost_at_ns is not None:
            self.rebuilt_ns_max = max(self.rebuilt_ns_max, now_ns - self.lost_at_ns)
            self.lost_at_ns = None


@pytest.mark.invariant("R08")
@pytest.mark.parametrize("futures", [False, True], ids=["spot", "usdm"])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_order_passes_on_an_invalid_book_in_a_million_bad_events(
    seed: int, futures: bool, tried: Callable[[str, int], None]
) -> None:
    line = BadLine(seed, futures=futures)
    while line.events < EVENTS_PER_SEED:
        line.step()
    feed = line.feed
    assert feed.count(Counter.BOOK_GAPS) > 50
    assert feed.book.duplicates > 100
    assert feed.count(Counter.MALFORMED_FRAMES) > 10
    assert line.orders > EVENTS_PER_SEED // 3
    assert line.refused > 1000
    assert feed.count(Counter.TICKERS_EQUAL) == feed.count(Counter.TICKERS_CHECKED)
    assert line.rebuilt_ns_max <= REBUILT_WITHIN_NS
    tried("R08", line.events)


@pytest.mark.parametrize("futures", [False, True], ids=["spot", "usdm"])
def test_the_quick_exchange_writes_what_the_slow_book_makes_of_it(futures: bool) -> None:
    exchange, slow = SeededExchange(5, futures=futures), SlowBook()
    snapshot = json.loads(exchange.snapshot())
    slow.apply(Update(1, 1, *(levels(snapshot[side]) for side in ("bids", "asks"))))
    for _ in range(3000):
        exchange.step()
        frame = json.loads(exchange.frame())
        assert frame["U"] <= frame["u"]
        assert frame["pu"] == slow.update_id if futures else frame["U"] == slow.update_id + 1
        slow.apply(Update(frame["U"], frame["u"], levels(frame["b"]), levels(frame["a"])))
        assert exchange.levels(0) == slow.bids.levels()
        assert exchange.levels(1) == slow.asks.levels()
        assert exchange.levels(0)[0][0] < exchange.levels(1)[0][0]


def levels(rows: list[list[str]]) -> tuple[tuple[int, int], ...]:
    return tuple((int(price.replace(".", "")), int(qty.replace(".", ""))) for price, qty in rows)


@pytest.mark.invariant("R08")
@pytest.mark.parametrize("recording", recordings() or [None], ids=str)
def test_no_order_passes_on_an_invalid_book_of_recorded_frames_that_are_lost_doubled_and_swapped(
    recording: Recording | None,
) -> None:
    if recording is None:
        pytest.skip("no recorded data: set TRADEWIND_DATA to the folder that holds binance_raw")
    spec = instrument_of(recording)
    whole, lossy, dice = GatedFeed(spec), GatedFeed(spec, ring_bytes=1 << 27), random.Random(17)
    approved = refused = 0
    for frame in bad_frames(recording, whole, lossy, dice):
        lossy.frame(frame)
        if not lossy.is_valid:
            assert lossy.ask() in (Reason.BOOK_INVALID, Reason.STALE)
            refused += 1
            if lossy.book.take_resyncs():
                lossy.snapshot(snapshot_of(whole, spec))
        elif approved < ORDERS_MAX:
            assert lossy.ask() == Reason.NONE
            approved += 1
            theirs, ours = lossy.book.depth(1, 10), whole.book.depth(1, 10)
            assert theirs["update_id"] != ours["update_id"] or (theirs["bids"], theirs["asks"]) == (
                ours["bids"],
                ours["asks"],
            )
        lossy.events()
    assert lossy.count(Counter.BOOK_GAPS) > 10
    assert refused > 10
    assert approved > 1000


def bad_frames(recording: Recording, whole: GatedFeed, lossy: GatedFeed, dice: random.Random) -> Iterator[bytes]:
    """The recording's frames: one in 400 lost, one in 200 doubled, one in 300 swapped with the next. `whole` gets all, in order."""
    late: bytes | None = None
    for _, text in recording.lines():
        if not text.startswith(b'{"stream"'):
            whole.snapshot(text)
            lossy.snapshot(text)
            continue
        whole.frame(text)
        whole.events()
        chance = dice.random()
        if chance < 0.0025:
            continue
        if late is None and chance < 0.006:
            late = text
            continue
        yield text
        if chance > 0.995:
            yield text
        if late is not None:
            yield late
            late = None


# --- R09: nonsense


def diff(exchange: SeededExchange, bids: list[list[str]], asks: list[list[str]]) -> bytes:
    """The next update of the line, whatever stands in it."""
    last = exchange.update_id
    fields = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": last + 1, "u": last + 1, "pu": last}
    return json.dumps(fields | {"b": bids, "a": asks}).encode()


def text_of(ticks: int) -> str:
    return f"{ticks // 100}.{ticks % 100:02d}"


def crossed(exchange: SeededExchange, dice: random.Random) -> bytes:
    ask = exchange.levels(1)[0][0]
    return diff(exchange, [[text_of(ask + dice.randint(1, 500)), "1.00"]], [])


def ticker_crossed(exchange: SeededExchange, dice: random.Random) -> bytes:
    ask = exchange.levels(1)[0][0]
    bid = text_of(ask + dice.randint(1, 500))
    fields = {"u": exchange.update_id + 1, "s": "BTCUSDT", "b": bid, "B": "1.00", "a": text_of(ask), "A": "1.00"}
    return json.dumps(fields).encode()


def zero_price(exchange: SeededExchange, dice: random.Random) -> bytes:
    return diff(exchange, *dice.choice([([["0.00", "1.00"]], []), ([], [["0.00", "1.00"]])]))


def negative(exchange: SeededExchange, dice: random.Random) -> bytes:
    row = dice.choice([["-5.00", "1.00"], ["980.00", "-1.00"], ["-0.01", "-1.00"]])
    return diff(exchange, *dice.choice([([row], []), ([], [row])]))


def jump(exchange: SeededExchange, dice: random.Random) -> bytes:
    """Everything near goes, and the market stands at half the price."""
    bids = [[text_of(price), "0.00"] for price, _ in exchange.levels(0)] + [["500.00", "1.00"]]
    asks = [[text_of(price), "0.00"] for price, _ in exchange.levels(1)] + [["501.00", "1.00"]]
    return diff(exchange, bids, asks)


NONSENSE: list[Callable[[SeededExchange, random.Random], bytes]] = [crossed, ticker_crossed, zero_price, negative, jump]


@pytest.mark.invariant("R09")
@pytest.mark.parametrize("futures", [False, True], ids=["spot", "usdm"])
@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda make: make.__name__)
def test_nonsense_stops_orders_in_its_own_event_and_a_snapshot_brings_them_back(
    nonsense: Callable[[SeededExchange, random.Random], bytes], futures: bool
) -> None:
    line, dice = BadLine(3, futures=futures), random.Random(4)
    feed, exchange = line.feed, line.exchange
    for _ in range(400):
        while not feed.is_valid:
            exchange.step()
            feed.frame(exchange.frame())
            if feed.book.take_resyncs():
                feed.snapshot(exchange.snapshot())
        assert feed.ask() == Reason.NONE
        feed.frame(nonsense(exchange, dice))
        assert feed.ask() == Reason.BOOK_INVALID
        assert feed.state() in (BookState.CROSSED, BookState.INVALID)
        assert feed.book.take_resyncs() == [1]
        feed.snapshot(exchange.snapshot())
        feed.events()


@pytest.mark.invariant("R09")
@pytest.mark.parametrize("futures", [False, True], ids=["spot", "usdm"])
def test_a_lock_is_borne_for_a_second_and_no_longer(futures: bool) -> None:
    dice = random.Random(6)
    for _ in range(200):
        line = BadLine(dice.randint(0, 1 << 30), futures=futures)
        feed, exchange = line.feed, line.exchange
        feed.frame(frame_behind(exchange))
        feed.snapshot(exchange.snapshot())
        feed.frame(frame_behind(exchange))
        assert feed.ask() == Reason.NONE
        ask = exchange.levels(1)[0][0]
        feed.frame(diff(exchange, [[text_of(ask), "1.00"]], []))
        feed.tick(dice.randint(1, 1_000_000_000))
        assert feed.ask() == Reason.NONE
        feed.tick(1_000_000_001)
        assert feed.ask() == Reason.BOOK_INVALID
        assert feed.state() == BookState.CROSSED


def frame_behind(exchange: SeededExchange) -> bytes:
    exchange.step()
    return exchange.frame()


# --- R10: silence


@pytest.mark.invariant("R10")
@pytest.mark.parametrize("futures", [False, True], ids=["spot", "usdm"])
def test_silence_is_refused_at_the_threshold_and_told_within_a_hundred_milliseconds(futures: bool) -> None:
    line, dice = BadLine(8, futures=futures), random.Random(9)
    feed, exchange = line.feed, line.exchange
    feed.frame(frame_behind(exchange))
    feed.snapshot(exchange.snapshot())
    late_ns_max = 0
    for _ in range(1000):
        feed.frame(frame_behind(exchange))
        heard_ns = feed.clock.monotonic_ns()
        assert feed.ask() == Reason.NONE
        feed.clock.advance(dice.randint(1, 50 * NS_PER_MS))
        while feed.state() == BookState.VALID:
            feed.tick(50 * NS_PER_MS)  # as often as the engine's loop ticks
            age_ns = feed.clock.monotonic_ns() - heard_ns
            assert feed.ask() == (Reason.STALE if age_ns > STALE_AFTER_NS else Reason.NONE)
        late_ns_max = max(late_ns_max, feed.clock.monotonic_ns() - heard_ns - STALE_AFTER_NS)
        assert feed.state() == BookState.STALE
        assert feed.events()
    assert 0 < late_ns_max <= 100 * NS_PER_MS
