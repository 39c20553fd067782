"""Order management: a trade that was booked as another's is our order's. A person adopts it, and it moves the position once.

It comes so when an order's number stays unknown for a minute after its trade was listed, when the order ended for us
before, or in a ledger of a build that did not wait.
"""

from __future__ import annotations

import pytest

from engine.journal.cursor import parse
from engine.journal.decode import payload as fields_of
from engine.model.codes import AlarmCode, CommandKind, OrderState, RecordKind, Side
from tests.orders_harness import SECOND_NS, TRADES, Rig, payload
from tests.others_fills import (
    ADOPT,
    ENDED,
    FULL,
    MORE,
    PART,
    TAKEN_BACK,
    TRADE_ID,
    adopted_before_it_was_listed,
    again,
    alarms,
    asked,
    fills,
    halted,
    listed_again,
    restored,
    taken_back,
    told_of,
    unanswered,
    written,
)


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.mark.invariant("R11")
@pytest.mark.invariant("R34")
@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("lots", [10, 4])
def test_what_was_booked_as_anothers_moves_the_position_once_when_our_orders_fills_are_adopted(
    rig: Rig, lots: int, is_restarted: bool
) -> None:
    handle, number = unanswered(rig, lots)
    assert rig.exposure()["position_lots"] == lots
    if is_restarted:
        rig = restored(rig)
        rig.go_active()
    listed_again(rig, handle, number, lots, 10)
    assert rig.exposure()["position_lots"] == lots
    [row] = rig.oms.differences()
    assert (row["kind"], row["booked_lots"], row["venue_lots"]) == ("order", 0, 10)
    for _ in range(2):
        rig.command(CommandKind.ARM, instrument_id=1)
        assert rig.exposure()["position_lots"] == 10
    assert {
        row["strategy_id"]: row["position_lots"] for row in rig.oms.strategy_positions() if row["position_lots"]
    } == {1: 10}
    assert rig.exposure()["working_buy_lots"] == 0
    later = restored(rig) if not is_restarted else rig
    assert later.exposure()["position_lots"] == 10
    assert later.state(handle) == "FILLED"


@pytest.mark.invariant("R34")
def test_anothers_fill_of_another_order_is_no_part_of_it(rig: Rig) -> None:
    handle, number = unanswered(rig, 4, venue_order_id=5)
    listed_again(rig, handle, number, 6, 6)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert rig.exposure()["position_lots"] == 10


def test_the_side_of_what_is_taken_back_is_the_others(rig: Rig) -> None:
    handle, number = unanswered(rig, 10)
    listed_again(rig, handle, number, 10, 10)
    rig.command(CommandKind.ARM, instrument_id=1)
    told = [(fill["qty_lots"], fill["side"], fill["is_external"]) for fill in fills(rig)]
    assert told == [(10, "BUY", 1), (10, "SELL", TAKEN_BACK), (10, "BUY", 0)]


@pytest.mark.invariant("R11")
@pytest.mark.parametrize("restarts_before", [(), (7,), (10,), (7, 10)])
def test_what_was_taken_back_is_not_taken_back_again_when_its_order_is_disputed_once_more(
    rig: Rig, restarts_before: tuple[int, ...]
) -> None:
    handle, number = unanswered(rig, 4)
    ledger = b""
    booked_lots = 4  # as another's
    for cum_lots in (4, 7, 10):
        if cum_lots in restarts_before:
            ledger += rig.journal.front_bytes(0)
            rig = Rig(active=False)
            rig.oms.restore(parse(ledger))
            rig.go_active()
        assert rig.exposure()["position_lots"] == booked_lots
        listed_again(rig, handle, number, 4, cum_lots, order_state=int(OrderState.PARTIALLY_FILLED))
        assert rig.oms.differences() != []
        rig.command(CommandKind.ARM, instrument_id=1)
        assert rig.exposure()["position_lots"] == cum_lots
        booked_lots = cum_lots
    told = [
        fields_of(record) for record in parse(ledger + rig.journal.front_bytes(0)) if record.kind == RecordKind.FILL
    ]
    assert [fill["trade_id"] for fill in told if fill["is_external"] == TAKEN_BACK] == [TRADE_ID]


@pytest.mark.invariant("R11")
@pytest.mark.parametrize("is_restarted", [False, True])
def test_where_more_is_listed_than_counted_nothing_is_adopted_until_the_count_has_come(
    rig: Rig, is_restarted: bool
) -> None:
    trades = ((TRADE_ID, 4), (TRADE_ID + 1, 6))
    handle, number = unanswered(rig, 4, trades=trades)
    listed_again(rig, handle, number, 4, 4, order_state=int(OrderState.PARTIALLY_FILLED), trades=trades)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert rig.exposure()["position_lots"] == 10
    assert [fill["is_external"] for fill in fills(rig)] == [1, 1]
    assert halted(rig)
    rig.command(CommandKind.ARM)
    assert halted(rig)
    if is_restarted:
        rig = restored(rig)
        assert halted(rig)
        rig.go_active()
    listed_again(rig, handle, number, 4, 10, trades=trades)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert rig.exposure()["position_lots"] == 10
    assert not halted(rig)
    assert {row["strategy_id"]: row["position_lots"] for row in rig.oms.strategy_positions()}[1] == 10


@pytest.mark.invariant("R34")
def test_a_ledger_that_ends_behind_what_was_taken_back_is_disputed_again_and_moves_the_position_once(rig: Rig) -> None:
    handle, number = unanswered(rig, 4)
    listed_again(rig, handle, number, 4, 10)
    rig.command(CommandKind.ARM, instrument_id=1)
    records = list(parse(rig.journal.front_bytes(0)))
    [cut] = [
        place
        for place, record in enumerate(records)
        if record.kind == RecordKind.FILL and fields_of(record)["is_external"] == TAKEN_BACK
    ]
    later = Rig(active=False)
    later.oms.restore(iter(records[: cut + 1]))
    later.go_active()
    assert later.exposure()["position_lots"] == 0
    listed_again(later, handle, number, 4, 10)
    assert halted(later)
    later.command(CommandKind.ARM, instrument_id=1)
    assert later.exposure()["position_lots"] == 10


# --- both sides ---


def booked_as_anothers(rig: Rig, *sides: Side) -> list[int]:
    """An order of each side that nobody answers for, and one trade between them, listed under the numbers 901, 902..."""
    rig.tick(SECOND_NS)
    rig.command(CommandKind.RECONCILE)
    rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))
    handles = [rig.intend(side=int(side)) for side in sides]
    for place, side in enumerate(sides):
        rig.trade(0, 10, 0, **listed(901 + place, side))
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))
    for _ in range(62):
        rig.tick(SECOND_NS)
    return handles


def listed(number: int, side: Side) -> dict[str, int]:
    return {
        "trade_id": TRADE_ID,
        "kind": RecordKind.OWN_TRADE,
        "venue_order_id": number,
        "side": int(side),
    }


def counted(rig: Rig, handles: list[int], sides: tuple[Side, ...]) -> None:
    """All are known by their numbers, full, and asked for their trades until they are disputed."""
    for place, handle in enumerate(handles):
        told_of(rig, handle, 901 + place, FULL, 10)
    for _ in range(60):
        for number in asked(rig):
            rig.trade(0, 10, 0, **listed(number, sides[number - 901]))
            rig.reply(0, TRADES, venue_order_id=number)


@pytest.mark.invariant("R11")
@pytest.mark.invariant("R34")
@pytest.mark.parametrize("by_snapshot", [False, True])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_both_sides_of_a_trade_with_ourselves_are_taken_back_each_once(
    rig: Rig, is_restarted: bool, by_snapshot: bool
) -> None:
    sides = (Side.BUY, Side.SELL)
    handles = booked_as_anothers(rig, *sides)
    assert [(fill["side"], fill["is_external"]) for fill in fills(rig)] == [("BUY", 1), ("SELL", 1)]
    records = []
    if is_restarted:
        records = written(rig)
        rig = again(records, by_snapshot=by_snapshot)
        rig.go_active()
    counted(rig, handles, sides)
    for _ in range(2):
        rig.command(CommandKind.ARM, instrument_id=1)
        assert rig.exposure()["position_lots"] == 0
    records += written(rig)
    assert taken_back(records) == [(TRADE_ID, "SELL", 10), (TRADE_ID, "BUY", 10)]
    later = again(records, by_snapshot=by_snapshot)
    assert (later.exposure()["position_lots"], halted(later)) == (0, False)
    assert [later.state(handle) for handle in handles] == ["FILLED", "FILLED"]


@pytest.mark.invariant("R11")
@pytest.mark.parametrize("is_restarted", [False, True])
def test_of_two_orders_that_claim_one_side_of_a_trade_it_is_taken_back_once(rig: Rig, is_restarted: bool) -> None:
    sides = (Side.BUY, Side.BUY)
    handles = booked_as_anothers(rig, *sides)
    assert rig.exposure()["position_lots"] == 10
    counted(rig, handles, sides)
    records = []
    if is_restarted:
        # between the two: the second order's adoption was not written any more
        rig.command(CommandKind.ARM, instrument_id=1)
        adopted = [record.seq for record in rig.records(RecordKind.FILL) if record.order_handle]
        records = [record for record in written(rig) if record.seq <= adopted[0]]
        rig = again(records)
        rig.go_active()
        counted(rig, handles[1:], sides)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert taken_back([*records, *written(rig)]) == [(TRADE_ID, "SELL", 10)]
    assert rig.exposure()["position_lots"] == 20


# --- more was booked as another's than the venue counts ---


@pytest.mark.invariant("R34")
@pytest.mark.parametrize(("state", "told_lots", "cum_lots"), [(ENDED, 0, 6), (FULL, 5, 10)])
def test_of_an_order_whose_count_is_final_and_below_what_is_listed_the_count_is_booked(
    rig: Rig, state: int, told_lots: int, cum_lots: int
) -> None:
    handle, number = adopted_before_it_was_listed(rig)
    if told_lots:
        rig.trade(handle, told_lots, 4 + told_lots, trade_id=TRADE_ID + 1, venue_order_id=number)
    listed_again(rig, handle, number, 4, cum_lots, order_state=state)
    assert halted(rig)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert (rig.exposure()["position_lots"], halted(rig)) == (cum_lots, False)
    assert alarms(rig, AlarmCode.POSITION_ADOPTED, MORE) == [handle]
    assert taken_back(written(rig)) == [(TRADE_ID, "SELL", 4)]
    later = restored(rig)
    assert (later.exposure()["position_lots"], halted(later)) == (cum_lots, False)


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("is_restarted", [False, True])
def test_who_adopts_by_name_does_not_wait_for_an_open_orders_count(rig: Rig, is_restarted: bool) -> None:
    trades = ((TRADE_ID, 4), (TRADE_ID + 1, 6))
    handle, number = unanswered(rig, 4, trades=trades)
    listed_again(rig, handle, number, 4, 4, order_state=PART, trades=trades)
    records = []
    if is_restarted:
        records = written(rig)
        rig = again(records)
        rig.go_active()
        listed_again(rig, handle, number, 4, 4, order_state=PART, trades=trades)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert (rig.exposure()["position_lots"], halted(rig)) == (10, True)
    rig.command(CommandKind.RECONCILE, flags=ADOPT, instrument_id=1)
    rig.finish_reconcile()
    assert (rig.exposure()["position_lots"], rig.oms.differences()) == (4, [])
    rig.command(CommandKind.ARM, instrument_id=1)
    assert not halted(rig)
    assert alarms(rig, AlarmCode.POSITION_ADOPTED, MORE) == [handle]
    # the count comes, and what it says beyond is disputed as what any order misses
    listed_again(rig, handle, number, 4, 10, trades=trades)
    assert halted(rig)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert (rig.exposure()["position_lots"], halted(rig)) == (10, False)
    assert again([*records, *written(rig)]).exposure()["position_lots"] == 10
