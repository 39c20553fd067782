"""R34: a trade of ours with ourselves is two fills, one of each order, in whatever order and however often it is told."""

from __future__ import annotations

import itertools
import random
from collections import Counter as Tally
from typing import NamedTuple

import pytest

from engine.journal.cursor import parse
from engine.model.codes import AlarmCode, CommandKind, RecordKind, Side
from engine.oms.trades import TradeSet
from tests.orders_harness import SECOND_NS, TRADES, Rig, decoded, payload

SOCKET, REST = RecordKind.EXECUTION_REPORT, RecordKind.OWN_TRADE
SIZES = {201: 4, 202: 3}
STRANGER = 77


class Told(NamedTuple):
    """One side of a trade, as one of the venue's ways tells it."""

    trade_id: int
    side: int
    kind: RecordKind


ALL = [Told(trade_id, side, kind) for trade_id in SIZES for side in (Side.BUY, Side.SELL) for kind in (SOCKET, REST)]


class Account:
    """A buyer and a seller of ours, or - `has_stranger` - a buyer of ours and a seller that no engine knows."""

    def __init__(self, *, has_stranger: bool = False) -> None:
        self.rig = Rig(ring_bytes=1 << 20)
        self.numbers = itertools.count(1)
        self.handles = {Side.BUY: self.open(), Side.SELL: 0}
        if not has_stranger:
            self.handles[Side.SELL] = self.open(side=int(Side.SELL), price_ticks=10_010)
        self.counted: Tally[int] = Tally()
        self.seen: set[tuple[int, int]] = set()

    def open(self, **fields: int) -> int:
        """An order of before: no younger than the youngest that there is when the trades come."""
        return self.rig.open_order(order_handle=(2 << 32) + next(self.numbers), **fields)

    def tell(self, told: Told, rig: Rig | None = None) -> None:
        """The venue counts what its socket tells, in its own order; a list tells no count."""
        lots = SIZES[told.trade_id]
        if told.kind == SOCKET and (told.trade_id, told.side) not in self.seen:
            self.seen.add((told.trade_id, told.side))
            self.counted[told.side] += lots
        handle = self.handles[Side(told.side)]
        where = {} if handle else {"venue_order_id": STRANGER}
        counted = self.counted[told.side] if told.kind == SOCKET else 0
        (rig or self.rig).trade(
            handle, lots, counted, trade_id=told.trade_id, kind=told.kind, side=int(told.side), **where
        )

    def fills(self) -> Tally[tuple[int, int, int]]:
        """How often each side of each trade was booked, by its order."""
        rows: Tally[tuple[int, int, int]] = Tally()
        for record in self.rig.records(RecordKind.FILL):
            fill = decoded(record)
            rows[fill["trade_id"], fill["side"], record.order_handle] += 1
        return rows

    def wanted(self) -> Tally[tuple[int, int, int]]:
        """Each once."""
        return Tally((trade_id, int(side), handle) for trade_id in SIZES for side, handle in self.handles.items())


def restored(rig: Rig) -> Rig:
    later = Rig(active=False)
    later.oms.restore(parse(rig.journal.front_bytes(0)))
    return later


def check(account: Account) -> None:
    rig = account.rig
    assert account.fills() == account.wanted()
    assert rig.exposure()["position_lots"] == 0
    assert AlarmCode.TRADE_ID_CONFLICT not in rig.alarms()
    assert rig.oms.differences() == []
    for handle in filter(None, account.handles.values()):
        order = rig.oms.order(handle)
        assert order is not None
        assert order["cum_qty_lots"] == sum(SIZES.values())


@pytest.mark.invariant("R34")
def test_both_sides_are_booked_once_in_every_order_of_reports() -> None:
    """All 24 orders of what the socket tells, all of it told a second time by a list."""
    reports = [told for told in ALL if told.kind == SOCKET]
    for order in itertools.permutations(reports):
        account = Account()
        for told in [*order, *(told._replace(kind=REST) for told in order)]:
            account.tell(told)
        check(account)
        assert account.rig.register.halts()["instruments"] == {}


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("has_stranger", [False, True])
def test_socket_and_list_may_tell_in_any_order_and_again(has_stranger: bool) -> None:
    dice = random.Random(34)
    for _ in range(60):
        account = Account(has_stranger=has_stranger)
        reports = ALL + dice.choices(ALL, k=4)
        dice.shuffle(reports)
        if has_stranger:  # what no order explains waits for the end of the account's reading
            account.rig.command(CommandKind.RECONCILE)
            account.rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))
        for told in reports:
            account.tell(told)
        if has_stranger:
            account.rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))
            account.rig.tick(2 * SECOND_NS)
        check(account)
        assert (AlarmCode.UNKNOWN_FILL in account.rig.alarms()) is has_stranger


@pytest.mark.invariant("R34")
def test_a_restart_between_the_sides_knows_the_one_and_books_the_other() -> None:
    for cut in range(len(ALL) + 1):
        account = Account()
        for told in ALL[:cut]:
            account.tell(told)
        later = restored(account.rig)
        later.go_active()
        for told in ALL:
            account.tell(told, later)
        assert later.exposure()["position_lots"] == 0
        assert AlarmCode.TRADE_ID_CONFLICT not in later.alarms()
        for handle in account.handles.values():
            order = later.oms.order(handle)
            assert order is not None
            assert order["cum_qty_lots"] == sum(SIZES.values())


@pytest.mark.invariant("R34")
def test_reconciliation_asks_for_the_newest_trade_again_since_its_other_side_may_be_ours() -> None:
    account = Account()
    account.tell(Told(202, Side.BUY, SOCKET))
    account.rig.sent()
    account.rig.command(CommandKind.RECONCILE)
    [asked] = [item for item in account.rig.drain("outbound") if item["data"] == TRADES]
    assert asked["cause_seq"] == 202
    account.rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))
    account.tell(Told(202, Side.BUY, REST))
    account.tell(Told(202, Side.SELL, REST))
    assert account.rig.exposure()["position_lots"] == 0
    assert set(account.fills().values()) == {1}


@pytest.mark.invariant("R34")
def test_a_third_order_of_a_trade_is_in_dispute() -> None:
    account = Account()
    third = account.open(price_ticks=9_990)
    for side in (Side.BUY, Side.SELL):
        account.tell(Told(201, side, SOCKET))
    account.rig.trade(third, 4, 4, trade_id=201)
    [trade, _] = account.rig.oms.differences()
    assert (trade["kind"], trade["order_handle"]) == ("trade", third)
    assert account.rig.alarms().count(AlarmCode.TRADE_ID_CONFLICT) == 1
    # adopted it takes its side of the id; the other side is known as before
    account.rig.command(CommandKind.ARM, instrument_id=1)
    account.tell(Told(201, Side.SELL, REST))
    account.rig.trade(third, 4, 0, trade_id=201, kind=REST)
    assert account.rig.exposure()["position_lots"] == 4
    assert account.rig.oms.differences() == []


def told_of(trades: TradeSet, trade_id: int, side: int, order_handle: int, price_ticks: int = 1) -> str:
    try:
        is_new = trades.book(
            1, trade_id, side=side, order_handle=order_handle, youngest_handle=20, price_ticks=price_ticks
        )
    except ValueError:
        return "another"
    return "new" if is_new else "again"


def test_an_order_that_changes_sides_or_comes_later_is_another_trades() -> None:
    trades = TradeSet()
    assert told_of(trades, 9, 0, 10) == "new"
    assert told_of(trades, 9, 1, 10) == "another"
    assert told_of(trades, 9, 1, 21) == "another"  # it was not there when the trade was booked
    assert told_of(trades, 9, 1, 20, price_ticks=2) == "another"
    assert told_of(trades, 9, 1, 20) == "new"
    assert told_of(trades, 9, 1, 19) == "another"
    assert [told_of(trades, 9, side, handle) for side, handle in ((0, 10), (1, 20), (0, 0), (1, 0))] == ["again"] * 4


def test_both_sides_are_remembered_when_another_symbols_numbers_begin_anew() -> None:
    trades = TradeSet(8)
    trades.book(1, 5, order_handle=10, youngest_handle=20)
    for side, handle in ((0, 10), (1, 11)):
        assert trades.book(2, 5, side=side, order_handle=handle, youngest_handle=20)
    assert trades.rebook(1, 5, 3, order_handle=21, youngest_handle=21)
    for side, handle in ((0, 10), (1, 11)):
        assert not trades.book(2, 5, side=side, order_handle=handle, youngest_handle=20)
