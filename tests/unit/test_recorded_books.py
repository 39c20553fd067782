"""Recorded frames through the whole feed: no gap, and every book equal to the ticker that the exchange sent beside it."""

from __future__ import annotations

import pytest

from engine.model.codes import BookState, Counter
from tests.feed_harness import FeedHarness
from tests.recorded import Recording, instrument_of, recordings

ABSENT = "no recorded data: set TRADEWIND_DATA to the folder that holds binance_raw"


def replay(recording: Recording) -> FeedHarness:
    harness = FeedHarness(instrument_of(recording), ring_bytes=1 << 23)
    for stamp, text in recording.lines():
        harness.clock.advance(max(0, stamp - harness.clock.time_ns()))
        if text.startswith(b'{"stream"'):
            harness.frame(text)
        else:
            harness.snapshot(text)
        while harness.market_events.poll():
            pass
    return harness


@pytest.mark.parametrize("recording", recordings() or [None], ids=str)
def test_recorded_books_have_no_gap_and_equal_the_exchanges_ticker(recording: Recording | None) -> None:
    if recording is None:
        pytest.skip(ABSENT)
    harness = replay(recording)
    seen, checked, equal = (
        harness.count(counter) for counter in (Counter.TICKERS_SEEN, Counter.TICKERS_CHECKED, Counter.TICKERS_EQUAL)
    )
    assert harness.count(Counter.BOOK_GAPS) == 0
    assert harness.count(Counter.MALFORMED_FRAMES) == 0
    assert harness.state() == BookState.VALID
    assert harness.count(Counter.BOOK_RESYNCS) == 1
    assert seen > 1000
    assert checked >= 0.95 * seen
    assert equal == checked if recording.market == "usdm" else equal > 0.999 * checked
