"""R08: frames lost, doubled, swapped and damaged; whenever the book says VALID it equals the exchange's at the same update id."""

from __future__ import annotations

from collections import deque

import msgspec
import pytest

from engine.model.codes import BookState, Counter
from engine.model.instruments import InstrumentSpec
from tests.depth_bodies import snapshot_of
from tests.feed_harness import FeedHarness
from tests.recorded import Recording, instrument_of, recordings
from tests.reference.exchange import DEPTH, SlowExchange

SPOT = InstrumentSpec(
    venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000_000
)
PERPETUAL = msgspec.structs.replace(SPOT, kind=1)
DAMAGED = b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":"?","u":2,"b":[],"a":[]}'
EVENTS_PER_SEED = 1500
SEEDS = range(12)


class Wire:
    """Delivers frames of an exchange badly, and snapshots late."""

    def __init__(self, seed: int, *, futures: bool, tickers: bool) -> None:
        self.exchange = SlowExchange(seed, futures=futures)
        self.random = self.exchange.random
        self.harness = FeedHarness(PERPETUAL if futures else SPOT, ring_bytes=1 << 20)
        self.held: deque[bytes] = deque()
        self.tickers = tickers
        self.snapshot_in = -1
        self.valid_seen = self.invalid_seen = 0

    def step(self) -> None:
        frame = self.exchange.frame(self.exchange.step())
        if self.tickers:
            self.deliver(self.exchange.ticker())
        chance = self.random.random()
        if chance < 0.01:
            pass
        elif chance < 0.02:
            self.deliver(frame)
            self.deliver(frame)
        elif chance < 0.03:
            self.held.append(frame)
        elif chance < 0.035:
            self.deliver(DAMAGED)
        else:
            self.deliver(frame)
            while self.held:
                self.deliver(self.held.popleft())
        self.serve_snapshot()

    def serve_snapshot(self) -> None:
        if self.harness.book.take_resyncs():
            self.snapshot_in = self.random.randint(0, 4)
        elif self.snapshot_in >= 0:
            self.snapshot_in -= 1
            if self.snapshot_in < 0:
                self.harness.snapshot(self.exchange.snapshot())
                self.check()

    def deliver(self, frame: bytes) -> None:
        self.harness.frame(frame)
        self.check()

    def check(self) -> None:
        self.harness.events()
        if self.harness.state() != BookState.VALID:
            self.invalid_seen += 1
            return
        self.valid_seen += 1
        book = self.harness.book.depth(1, DEPTH)
        assert (book["bids"], book["asks"]) == self.exchange.top_at[book["update_id"]]
        market = self.harness.tables.market(1)
        bids, asks = self.exchange.top_at[market["update_id"]]
        assert (market["best_bid_ticks"], market["best_bid_lots"]) == bids[0]
        assert (market["best_ask_ticks"], market["best_ask_lots"]) == asks[0]


@pytest.mark.invariant("R08")
@pytest.mark.parametrize("futures", [False, True], ids=["spot", "usdm"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_valid_book_equals_the_exchange_under_loss_doubles_and_swaps(seed: int, futures: bool) -> None:
    wire = Wire(seed, futures=futures, tickers=seed % 2 == 0)
    for _ in range(EVENTS_PER_SEED):
        wire.step()
    harness = wire.harness
    assert harness.count(Counter.BOOK_GAPS) > 5
    assert wire.valid_seen > EVENTS_PER_SEED // 2
    assert wire.invalid_seen > 20
    assert harness.book.duplicates > 5
    assert harness.count(Counter.TICKERS_EQUAL) == harness.count(Counter.TICKERS_CHECKED)
    for _ in range(50):
        # a clean line: it must come back by itself
        frame = wire.exchange.frame(wire.exchange.step())
        wire.deliver(frame)
        wire.serve_snapshot()
    assert harness.state() == BookState.VALID


@pytest.mark.invariant("R08")
@pytest.mark.parametrize("recording", recordings() or [None], ids=str)
def test_recorded_frames_with_losses_never_show_a_book_that_differs(recording: Recording | None) -> None:
    if recording is None:
        pytest.skip("no recorded data: set TRADEWIND_DATA to the folder that holds binance_raw")
    whole, lossy = (FeedHarness(instrument_of(recording)) for _ in range(2))
    random_ = SlowExchange(9).random
    valid = updates = 0
    for _, text in recording.lines():
        if not text.startswith(b'{"stream"'):
            whole.snapshot(text)
            lossy.snapshot(text)
            continue
        if b'"depthUpdate"' not in text[:80]:
            continue
        updates += 1
        whole.frame(text)
        if random_.random() < 0.99:
            lossy.frame(text)
        if lossy.state() == BookState.VALID:
            valid += 1
            theirs = lossy.book.depth(1, 10)
            if theirs["update_id"] == whole.book.depth(1, 1)["update_id"]:
                assert theirs["bids"] == whole.book.depth(1, 10)["bids"]
                assert theirs["asks"] == whole.book.depth(1, 10)["asks"]
        elif lossy.book.take_resyncs():
            lossy.snapshot(snapshot_of(whole, instrument_of(recording)))
        lossy.events()
        whole.events()
    assert lossy.count(Counter.BOOK_GAPS) > 10
    assert valid > updates // 2
