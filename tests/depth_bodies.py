"""GET depth as a book that saw everything would answer it."""

from __future__ import annotations

from engine.model.instruments import InstrumentSpec
from tests.feed_harness import FeedHarness


def snapshot_of(harness: FeedHarness, spec: InstrumentSpec) -> bytes:
    """GET depth from a book that saw everything."""
    book = harness.book.depth(1, 1 << 20)

    def side(levels: list[tuple[int, int]]) -> str:
        rows = (
            f'["{price * spec.tick_size_e8 // 10**8}.{price * spec.tick_size_e8 % 10**8:08d}",'
            f'"{qty * spec.lot_size_e8 // 10**8}.{qty * spec.lot_size_e8 % 10**8:08d}"]'
            for price, qty in levels
        )
        return "[" + ",".join(rows) + "]"

    bids, asks = side(book["bids"]), side(book["asks"])
    return f'{{"lastUpdateId":{book["update_id"]},"bids":{bids},"asks":{asks}}}'.encode()
