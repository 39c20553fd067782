"""The live feed, as the paper venue hears it: frames and depth snapshots become its books, its trades and its mark prices.

The same frames go to the engine's own books. A book begins with a snapshot and the diffs that were held back for it; one with a
hole in its sequence is doubtful until the next snapshot, which the engine's book asks for too, having the same hole. A trade or a
diff that two overlapping connections both bring counts once.
"""

from __future__ import annotations

from collections import deque

import msgspec

from engine.sim.inprocess.host import VenueHost
from engine.sim.replay.book import RecordedBook
from engine.sim.replay.floor import RecordedFloor
from engine.sim.replay.frames import READERS, Diff, Event, PublicTrade, kind_of, read_snapshot, split, symbol_of, to_e8

# more than any venue sends while one snapshot is asked for
DIFFS_HELD_MAX = 8_192


class LivePrices:
    """Mark and index prices as the venue tells them (a ``PriceSource``); 0 where it has told none yet."""

    def __init__(self) -> None:
        self._mark_e8: dict[str, int] = {}
        self._index_e8: dict[str, int] = {}

    def take(self, event: bytes) -> None:
        """A ``markPriceUpdate``."""
        row = _MARK.decode(event)
        self._mark_e8[row.s] = to_e8(row.p)
        self._index_e8[row.s] = to_e8(row.i)

    def mark_e8(self, symbol: str) -> int:
        """The mark price."""
        return self._mark_e8.get(symbol, 0)

    def index_e8(self, symbol: str) -> int:
        """The index price."""
        return self._index_e8.get(symbol, 0)


class _MarkText(msgspec.Struct):
    s: str
    p: str
    i: str


_MARK = msgspec.json.Decoder(_MarkText)


class _LiveMarket:
    """One symbol: whether its book can be trusted, diffs held back for a snapshot, the newest trade."""

    def __init__(self) -> None:
        self.has_book = False
        self.is_doubtful = True
        self.held: deque[Diff] = deque(maxlen=DIFFS_HELD_MAX)
        self.trade_id = -1


class LiveFeed:
    """Takes what the venue sends and lets the floor act on it, a turn of the venue for each."""

    def __init__(self, host: VenueHost, floor: RecordedFloor, prices: LivePrices | None = None) -> None:
        self._host = host
        self._floor = floor
        self._prices = prices
        self._markets = {symbol: _LiveMarket() for symbol in floor.by_symbol}
        self.frames = 0
        self.snapshots = 0

    def is_synced(self, symbol: str) -> bool:
        """Whether the symbol has a book without a hole."""
        return not self._markets[symbol].is_doubtful

    def on_frame(self, text: bytes) -> None:
        """A frame of a combined stream; what is none (an acknowledgement), or of no market of ours, is passed over."""
        parts = split(text)
        if parts is None:
            return
        stream, event = parts[0].decode("latin-1"), parts[1]
        kind, symbol = kind_of(stream), symbol_of(stream)
        if symbol not in self._markets:
            return
        if kind.startswith("markPrice") and self._prices is not None:
            self._prices.take(event)
        elif kind in READERS:
            self.frames += 1
            self.take(symbol, READERS[kind](event))

    def take(self, symbol: str, event: Event) -> None:
        """One event of a market."""
        market = self._markets[symbol]
        if isinstance(event, PublicTrade):
            if event.trade_id <= market.trade_id:
                return
            market.trade_id = event.trade_id
        elif market.is_doubtful and isinstance(event, Diff):
            market.held.append(event)
        if isinstance(event, PublicTrade) or market.has_book:
            self._host.turn(lambda now_ns: self._play(symbol, market, event, now_ns))

    def _play(self, symbol: str, market: _LiveMarket, event: Event, now_ns: int) -> None:
        book = self._floor.recorded.markets[self._floor.by_symbol[symbol].index].book
        holes = book.gaps
        self._floor.play(symbol, event, now_ns)
        if isinstance(event, Diff) and book.gaps > holes and not market.is_doubtful:
            market.is_doubtful = True
            market.held.clear()
            market.held.append(event)

    def on_snapshot(self, symbol: str, body: bytes) -> None:
        """The body of GET depth, as the engine's own book got it."""
        if symbol in self._markets and self._markets[symbol].is_doubtful:
            self.snapshots += 1
            self._host.turn(lambda now_ns: self._begin_book(symbol, body, now_ns))

    def _begin_book(self, symbol: str, body: bytes, now_ns: int) -> None:
        market, listing = self._markets[symbol], self._floor.by_symbol[symbol]
        snapshot = read_snapshot(body)
        book = RecordedBook(snapshot.update_id, snapshot.bids, snapshot.asks)
        for diff in market.held:
            book.apply(diff)
        recorded = self._floor.recorded.markets[listing.index]
        if recorded.book.update_id > book.update_id and market.has_book:
            return  # an old answer: what is known already goes further
        recorded.book, listing.update_id = book, book.update_id
        if not market.has_book:
            # orders of an earlier run stand at the end of their queues
            self._floor.recorded.restart(recorded)
        market.has_book, market.is_doubtful = True, book.gaps > 0
        if not market.is_doubtful:
            market.held.clear()
        self._floor.recorded.on_ticker(recorded)
        self._floor.tell_accounts(listing, now_ns)
