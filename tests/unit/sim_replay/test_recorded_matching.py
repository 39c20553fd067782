"""Own orders against a recorded book: what they take, what fills them, and that the recording stays as it is."""

from __future__ import annotations

from engine.book.matching import EventKind, KindOfOrder, OpFlag, OpKind, Reason, StpKind, TifKind
from engine.sim.replay.book import BUY, SELL, RecordedBook
from engine.sim.replay.frames import Diff, Ticker
from engine.sim.replay.matching import RecordedMarket, RecordedMatching, Row

BOOK = ([(100, 5), (99, 6), (98, 7)], [(102, 4), (103, 8), (105, 9)])
GTC, IOC, FOK = TifKind.TIF_GTC, TifKind.TIF_IOC, TifKind.TIF_FOK
TRADE, EXPIRED = EventKind.EVENT_TRADE, EventKind.EVENT_EXPIRED


class Stage:
    """One market with ticks and lots of one unit."""

    def __init__(self) -> None:
        self.matching = RecordedMatching(100)
        self.market = RecordedMarket(0, RecordedBook(10, *BOOK), 1, 1)
        self.matching.markets.append(self.market)
        self.next_id = 0

    def new(
        self,
        side: int,
        price: int,
        qty: int,
        tif: int = GTC,
        *,
        owner: int = 1,
        kind: int = KindOfOrder.TYPE_LIMIT,
        flags: int = 0,
        stp: int = StpKind.STP_EXPIRE_MAKER,
    ) -> list[Row]:
        self.next_id += 1
        self.matching.submit(OpKind.OP_NEW, side, kind, tif, 0, owner, self.next_id, price, qty, flags, stp)
        return self.matching.events()

    def diff(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> list[Row]:
        book = self.market.book
        diff = Diff(book.update_id + 1, book.update_id + 1, -1, 0, bids, asks)
        assert book.apply(diff)
        self.matching.on_diff(self.market, diff)
        return self.matching.events()

    def ticker(self, *top: int) -> list[Row]:
        assert self.market.book.note_ticker(Ticker(self.market.book.update_id + 1, *top))
        self.matching.on_ticker(self.market)
        return self.matching.events()

    def trade(self, maker_side: int, price: int, lots: int) -> list[Row]:
        self.matching.on_trade(self.market, maker_side, price, lots)
        return self.matching.events()


def fills(rows: list[Row]) -> list[tuple[int, int]]:
    """(price, lots) of each trade."""
    return [(row[7], row[8]) for row in rows if row[0] == TRADE]


def kinds(rows: list[Row]) -> list[int]:
    return [row[0] for row in rows]


def test_a_taker_walks_the_recorded_levels() -> None:
    rows = Stage().new(BUY, 103, 7, IOC)
    assert fills(rows) == [(102, 4), (103, 3)]


def test_what_was_taken_is_not_taken_twice() -> None:
    stage = Stage()
    assert fills(stage.new(BUY, 102, 3, IOC)) == [(102, 3)]
    rows = stage.new(BUY, 102, 3, IOC)
    assert fills(rows) == [(102, 1)]
    assert rows[-1][0] == EXPIRED
    assert rows[-1][2] == Reason.REASON_IOC_REMAINDER
    assert fills(stage.new(BUY, 102, 3, IOC)) == []


def test_a_level_is_whole_again_when_the_recording_touches_it() -> None:
    stage = Stage()
    stage.new(BUY, 102, 4, IOC)
    stage.diff([], [(103, 9)])
    assert fills(stage.new(BUY, 102, 4, IOC)) == []
    stage.diff([], [(102, 4)])
    assert fills(stage.new(BUY, 102, 4, IOC)) == [(102, 4)]


def test_the_recorded_book_never_changes_by_own_orders() -> None:
    stage = Stage()
    stage.new(BUY, 105, 12, IOC)
    stage.new(BUY, 101, 3)
    assert stage.market.book.snapshot(10) == BOOK


def test_post_only_is_judged_by_the_recorded_book() -> None:
    stage = Stage()
    rows = stage.new(BUY, 102, 1, flags=OpFlag.FLAG_POST_ONLY)
    assert [(row[0], row[2]) for row in rows] == [(EventKind.EVENT_REJECTED, Reason.REASON_WOULD_CROSS)]
    assert kinds(stage.new(BUY, 101, 1, flags=OpFlag.FLAG_POST_ONLY)) == [EventKind.EVENT_ACCEPTED]


def test_post_only_is_judged_by_the_newest_ticker() -> None:
    stage = Stage()
    stage.ticker(100, 5, 101, 1)
    assert kinds(stage.new(BUY, 101, 1, flags=OpFlag.FLAG_POST_ONLY)) == [EventKind.EVENT_REJECTED]


def test_fill_or_kill_takes_all_or_nothing() -> None:
    stage = Stage()
    rows = stage.new(SELL, 99, 12, FOK)
    assert (kinds(rows), rows[-1][2]) == ([EventKind.EVENT_ACCEPTED, EXPIRED], Reason.REASON_FOK_UNFILLED)
    assert fills(stage.new(SELL, 99, 11, FOK)) == [(100, 5), (99, 6)]


def test_a_market_order_ends_where_the_book_does() -> None:
    rows = Stage().new(BUY, 0, 30, IOC, kind=KindOfOrder.TYPE_MARKET)
    assert fills(rows) == [(102, 4), (103, 8), (105, 9)]
    assert rows[-1][2] == Reason.REASON_NO_LIQUIDITY


def test_a_resting_order_waits_for_what_is_recorded_ahead_of_it() -> None:
    stage = Stage()
    stage.new(BUY, 100, 3)
    assert stage.trade(BUY, 100, 5) == []
    assert fills(stage.trade(BUY, 100, 2)) == [(100, 2)]
    assert fills(stage.trade(BUY, 100, 9)) == [(100, 1)]


def test_a_trade_on_the_other_side_fills_nothing() -> None:
    stage = Stage()
    stage.new(BUY, 100, 3)
    assert stage.trade(SELL, 102, 50) == []


def test_a_trade_through_the_price_fills_whole() -> None:
    stage = Stage()
    stage.new(BUY, 100, 3)
    stage.new(BUY, 99, 2)
    assert fills(stage.trade(BUY, 99, 1)) == [(100, 3)]


def test_an_order_alone_inside_the_spread_is_first() -> None:
    stage = Stage()
    stage.new(BUY, 101, 3)
    assert fills(stage.trade(BUY, 101, 2)) == [(101, 2)]


def test_the_other_side_coming_to_the_price_fills_with_what_it_shows() -> None:
    stage = Stage()
    stage.new(BUY, 101, 5)
    rows = stage.ticker(100, 5, 101, 2)
    assert fills(rows) == [(101, 2)]
    assert stage.matching.order(1) == (0, BUY, 101, 3, 1)
    assert stage.ticker(100, 4, 101, 2) == []
    assert fills(stage.ticker(100, 4, 101, 6)) == [(101, 3)]


def test_own_orders_of_two_accounts_trade_in_their_place_in_the_queue() -> None:
    stage = Stage()
    stage.new(SELL, 102, 2, owner=1)
    rows = stage.new(BUY, 102, 5, IOC, owner=2)
    assert [(row[6], row[7], row[8]) for row in rows if row[0] == TRADE] == [(0, 102, 4), (1, 102, 1)]


def test_self_trade_prevention_is_the_takers() -> None:
    stage = Stage()
    stage.new(SELL, 101, 2)
    rows = stage.new(BUY, 101, 1, IOC)
    assert [(row[0], row[5], row[2]) for row in rows[1:2]] == [(EXPIRED, 1, Reason.REASON_SELF_TRADE)]
    stage.new(SELL, 101, 2)
    rows = stage.new(BUY, 101, 1, stp=StpKind.STP_EXPIRE_TAKER)
    assert [(row[0], row[5]) for row in rows[1:]] == [(EXPIRED, 4)]
    assert stage.matching.order(3) is not None


def test_the_decrement_mode_takes_from_both() -> None:
    stage = Stage()
    stage.new(SELL, 101, 5)
    rows = stage.new(BUY, 101, 2, stp=StpKind.STP_DECREMENT)
    assert kinds(rows) == [EventKind.EVENT_ACCEPTED, EventKind.EVENT_PREVENTED]
    assert stage.matching.order(1) == (0, SELL, 101, 3, 1)


def test_less_quantity_keeps_the_place_and_a_new_price_loses_it() -> None:
    stage = Stage()
    stage.new(BUY, 100, 3)
    stage.trade(BUY, 100, 4)
    stage.matching.submit(OpKind.OP_AMEND, BUY, KindOfOrder.TYPE_LIMIT, GTC, 0, 1, 1, 100, 2)
    stage.matching.events()
    assert fills(stage.trade(BUY, 100, 2)) == [(100, 1)]
    stage.matching.submit(OpKind.OP_AMEND, BUY, KindOfOrder.TYPE_LIMIT, GTC, 0, 1, 1, 99, 1)
    assert kinds(stage.matching.events()) == [EventKind.EVENT_AMENDED]
    assert stage.trade(BUY, 99, 6) == []
    assert fills(stage.trade(BUY, 99, 1)) == [(99, 1)]


def test_a_cancel_is_the_owners_only() -> None:
    stage = Stage()
    stage.new(BUY, 100, 3)
    stage.matching.submit(OpKind.OP_CANCEL, 0, 0, 0, 0, 2, 1, 0, 0)
    assert [(row[0], row[2]) for row in stage.matching.events()] == [
        (EventKind.EVENT_REJECTED, Reason.REASON_NOT_OWNER)
    ]
    stage.matching.submit(OpKind.OP_CANCEL, 0, 0, 0, 0, 1, 1, 0, 0)
    assert kinds(stage.matching.events()) == [EventKind.EVENT_CANCELED]
    assert stage.matching.order(1) is None


def test_the_cost_of_a_market_order_counts_only_what_can_be_had() -> None:
    stage = Stage()
    stage.new(BUY, 102, 1, IOC)
    assert stage.matching.takeable(0, BUY, 5, 0) == (5, 3 * 102 + 2 * 103)
    assert stage.matching.lots_for_cost(0, BUY, 3 * 102 + 103, 0) == 4


def test_a_new_pass_puts_own_orders_at_the_end_of_their_queues() -> None:
    stage = Stage()
    stage.new(BUY, 100, 3)
    stage.trade(BUY, 100, 5)
    stage.market.book = RecordedBook(10, *BOOK)
    stage.matching.restart(stage.market)
    assert stage.trade(BUY, 100, 5) == []
    assert fills(stage.trade(BUY, 100, 1)) == [(100, 1)]
