"""Order management: fills booked as another's that are our order's, over restarts and in ledgers of earlier builds."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from engine.journal import layout
from engine.model.codes import AlarmCode, CommandKind, RecordKind
from tests.orders_harness import FORMATS, QUERY, SECOND_NS, TRADES, Rig, decoded
from tests.others_fills import (
    ADOPT,
    ENDED,
    MORE,
    NO_TRADE_ID,
    PART,
    TAKEN_BACK,
    TRADE_ID,
    adopted_before_it_was_listed,
    again,
    alarms,
    asked,
    fills,
    halted,
    in_vain,
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


# --- a halt that was not adopted, over a restart ---


@pytest.mark.invariant("R26")
@pytest.mark.invariant("R34")
@pytest.mark.parametrize("by_snapshot", [False, True])
def test_what_was_not_adopted_stays_halted_over_restarts_until_the_venue_was_asked_again(
    rig: Rig, by_snapshot: bool
) -> None:
    trades = ((TRADE_ID, 4), (TRADE_ID + 1, 6))
    handle, number = unanswered(rig, 4, trades=trades)
    listed_again(rig, handle, number, 4, 4, order_state=PART, trades=trades)
    rig.command(CommandKind.ARM, instrument_id=1)
    records = []
    for kind, scope in ((CommandKind.ARM, {"instrument_id": 1}), (CommandKind.ARM, {}), (CommandKind.RECONCILE, {})):
        records += written(rig)
        rig = again(records, by_snapshot=by_snapshot)
        assert halted(rig)
        rig.go_active()
        rig.command(kind, flags=ADOPT if kind == CommandKind.RECONCILE else 0, **scope)
        assert (rig.exposure()["position_lots"], halted(rig)) == (10, True)
        assert [(row["kind"], row["venue_lots"]) for row in rig.oms.differences()] == [("order", 4)]
    rig.finish_reconcile()
    listed_again(rig, handle, number, 4, 7, order_state=ENDED, trades=trades)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert (rig.exposure()["position_lots"], halted(rig)) == (7, False)
    later = again([*records, *written(rig)], by_snapshot=by_snapshot)
    assert (later.exposure()["position_lots"], halted(later)) == (7, False)


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("by_snapshot", [False, True])
def test_what_turns_up_after_the_restart_ends_the_dispute(rig: Rig, by_snapshot: bool) -> None:
    handle = rig.open_order()
    number = 900 + (handle & 0xFFFF)
    told_of(rig, handle, number, PART, 4)
    in_vain(rig, number)
    assert halted(rig)
    later = again(written(rig), by_snapshot=by_snapshot)
    later.go_active()
    for lots, cum_lots in ((3, 3), (1, 4)):
        later.command(CommandKind.ARM, instrument_id=1)
        assert halted(later)
        later.trade(handle, lots, cum_lots, venue_order_id=number)
    later.command(CommandKind.ARM, instrument_id=1)
    assert (later.exposure()["position_lots"], halted(later), later.oms.differences()) == (4, False, [])


def test_what_is_adopted_after_a_restart_has_the_venues_price(rig: Rig) -> None:
    handle = rig.open_order()
    number = 900 + (handle & 0xFFFF)
    told_of(rig, handle, number, PART, 4)
    in_vain(rig, number)
    later = restored(rig)
    later.go_active()
    cost_e8 = later.tables.notional(1, 9_990, 4)
    numbers = {"cum_qty_lots": 4, "cum_quote_e8": cost_e8, "venue_order_id": number}
    later.report(handle, RecordKind.ORDER_STATUS, order_state=PART, **numbers)
    in_vain(later, number)
    later.command(CommandKind.ARM, instrument_id=1)
    assert [(fill["qty_lots"], fill["price_ticks"]) for fill in fills(later)] == [(4, 9_990)]
    assert not halted(later)


def test_an_order_that_can_be_asked_for_no_more_is_adopted_as_it_was_counted(rig: Rig) -> None:
    handle = rig.open_order()
    told_of(rig, handle, 900 + (handle & 0xFFFF), PART, 4)
    in_vain(rig, 900 + (handle & 0xFFFF))
    ledger = [
        record if record.kind != RecordKind.ORDER_STATE else rewritten(record, venue_order_id=0)
        for record in written(rig)
    ]
    later = again(ledger)
    later.go_active()
    later.command(CommandKind.ARM, instrument_id=1)
    assert halted(later)  # it may still be named
    for _ in range(3):
        later.tick(30 * SECOND_NS)
        later.reply(handle, QUERY, status=400, error_code=-2013)
    assert later.state(handle) == "ABSENT"
    later.command(CommandKind.ARM, instrument_id=1)
    assert (later.exposure()["position_lots"], halted(later)) == (4, False)


# --- a halt that nobody gets free ---


def disputed_before(rig: Rig, *, by_snapshot: bool = False) -> tuple[Rig, int, int]:
    """An engine whose earlier run left an order disputed, its account read: (rig, handle, number)."""
    handle = rig.open_order()
    number = 900 + (handle & 0xFFFF)
    told_of(rig, handle, number, PART, 4)
    in_vain(rig, number)
    assert halted(rig)
    later = again(written(rig), by_snapshot=by_snapshot)
    later.go_active()
    told_of(later, handle, number, PART, 4)
    return later, handle, number


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("scope", [{"instrument_id": 1}, {}])
@pytest.mark.parametrize("is_answered", [True, False])
def test_however_often_the_account_is_read_a_disputed_order_is_asked_in_vain_some_day(
    rig: Rig, is_answered: bool, scope: dict[str, int]
) -> None:
    rig, handle, number = disputed_before(rig)
    # four lists take longer than the readings are apart, whether they are answered or not
    for _ in range(4 if is_answered else 36):
        rig.tick(2 * SECOND_NS)
        if is_answered and number in [row["cause_seq"] for row in rig.drain("outbound") if row["data"] == TRADES]:
            rig.reply(0, TRADES, venue_order_id=number)
        rig.command(CommandKind.ARM, **scope)
        assert (rig.exposure()["position_lots"], halted(rig)) == (0, True)
        rig.command(CommandKind.RECONCILE)
        rig.finish_reconcile()
        told_of(rig, handle, number, PART, 4)
    rig.tick(2 * SECOND_NS)
    for _ in range(2):
        rig.command(CommandKind.ARM, **scope)
        assert (rig.exposure()["position_lots"], halted(rig), rig.oms.differences()) == (4, False, [])


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("is_answered", [True, False])
def test_after_a_restart_who_adopts_by_name_waits_for_one_list_or_some_questions_without_an_answer(
    rig: Rig, is_answered: bool
) -> None:
    rig, _, number = disputed_before(rig)
    for _ in range(1 if is_answered else 7):
        for kind, flags in ((CommandKind.RECONCILE, ADOPT), (CommandKind.ARM, 0)):
            rig.command(kind, flags=flags, instrument_id=1)
            assert (rig.exposure()["position_lots"], halted(rig)) == (0, True)
        assert number in asked(rig)
    if is_answered:
        rig.reply(0, TRADES, venue_order_id=number)
    else:
        assert [number in asked(rig) for _ in range(2)] == [True, True]
    rig.command(CommandKind.ARM, instrument_id=1)
    assert halted(rig)  # that takes longer
    rig.command(CommandKind.RECONCILE, flags=ADOPT, instrument_id=1)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert (rig.exposure()["position_lots"], halted(rig), rig.oms.differences()) == (4, False, [])


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("by_snapshot", [False, True])
@pytest.mark.parametrize("turns_up", [True, False])
def test_on_spot_too_early_arms_move_the_position_once(rig: Rig, turns_up: bool, by_snapshot: bool) -> None:
    rig, handle, number = disputed_before(rig, by_snapshot=by_snapshot)
    for scope in ({"instrument_id": 1}, {}, {"instrument_id": 1}):
        rig.command(CommandKind.ARM, **scope)
        assert (rig.exposure()["position_lots"], halted(rig)) == (0, True)
    if turns_up:
        rig.trade(handle, 4, 4, trade_id=TRADE_ID, venue_order_id=number)
    in_vain(rig, number)
    for _ in range(2):
        rig.command(CommandKind.ARM, instrument_id=1)
        assert (rig.exposure()["position_lots"], halted(rig)) == (4, False)
    assert [fill["trade_id"] for fill in fills(rig)] == [TRADE_ID if turns_up else NO_TRADE_ID]
    later = again(written(rig), by_snapshot=by_snapshot)
    assert halted(later) is False


# --- ledgers of the build that did not say which trades it took back ---


def rewritten(record: Any, **fields: Any) -> Any:
    """The same record with other values: of its payload, or `order_handle` of its header."""
    header = {name: getattr(record, name) for name in layout.HEADER_FIELDS}
    header |= {name: fields.pop(name) for name in list(fields) if name in header}
    form, names = FORMATS[RecordKind(record.kind)]
    values = decoded(record) | fields
    data = form.pack(*(values[name] for name in names)) + record.payload[form.size :]
    return SimpleNamespace(**header, payload=data)


def of_the_earlier_build(records: Iterable[Any], *, is_whole: bool = True) -> list[Any]:
    """Taken back by an external fill without an id, and (`is_whole`) told with the order's handle right behind it."""
    told, is_next = [], False
    for record in records:
        if record.kind == RecordKind.FILL and decoded(record)["is_external"] == TAKEN_BACK:
            is_next = True
            told.append(rewritten(record, is_external=1, trade_id=NO_TRADE_ID))
        elif is_next and record.kind == RecordKind.ALARM:
            is_next = False
            told.append(record if is_whole else rewritten(record, order_handle=0))
        else:
            told.append(record)
    return told


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("by_snapshot", [False, True])
def test_what_an_earlier_build_took_back_is_not_taken_back_again(rig: Rig, by_snapshot: bool) -> None:
    handle, number = unanswered(rig, 4)
    listed_again(rig, handle, number, 4, 4, order_state=PART)
    rig.command(CommandKind.ARM, instrument_id=1)
    records = of_the_earlier_build(written(rig))
    rig = again(records, by_snapshot=by_snapshot)
    assert rig.exposure()["position_lots"] == 4
    for cum_lots in (7, 10):
        rig.go_active()
        listed_again(rig, handle, number, 4, cum_lots, order_state=PART)
        rig.command(CommandKind.ARM, instrument_id=1)
        assert (rig.exposure()["position_lots"], halted(rig)) == (cum_lots, False)
        records += written(rig)
        rig = again(records, by_snapshot=by_snapshot)
        assert rig.exposure()["position_lots"] == cum_lots
    assert taken_back(records) == []


def test_of_a_trade_that_an_earlier_build_took_back_in_part_the_rest_is_taken_back(rig: Rig) -> None:
    handle, number = unanswered(rig, 10)
    listed_again(rig, handle, number, 10, 4, order_state=PART)
    rig.command(CommandKind.RECONCILE, flags=ADOPT, instrument_id=1)
    # that build took back no more than it booked
    records = [
        rewritten(record, qty_lots=4) if is_taken else rewritten(record, detail=4) if is_told else record
        for record, is_taken, is_told in marked(written(rig))
    ]
    rig = again(of_the_earlier_build(records))
    assert rig.exposure()["position_lots"] == 10
    rig.go_active()
    listed_again(rig, handle, number, 10, 10)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert (rig.exposure()["position_lots"], halted(rig)) == (10, False)
    assert taken_back(written(rig)) == [(TRADE_ID, "SELL", 6)]


def marked(records: list[Any]) -> list[tuple[Any, bool, bool]]:
    """Each record, whether it takes back, and whether it is the alarm that tells so."""
    rows = []
    for record in records:
        is_taken = record.kind == RecordKind.FILL and decoded(record)["is_external"] == TAKEN_BACK
        is_told = record.kind == RecordKind.ALARM and b"is taken back" in record.payload
        rows.append((record, is_taken, is_told))
    return rows


@pytest.mark.invariant("R34")
def test_where_it_cannot_be_known_what_was_taken_back_the_symbol_is_freed_and_it_is_told(rig: Rig) -> None:
    handle, number = unanswered(rig, 4)
    listed_again(rig, handle, number, 4, 4, order_state=PART)
    rig.command(CommandKind.ARM, instrument_id=1)
    rig = again(of_the_earlier_build(written(rig), is_whole=False))
    rig.go_active()
    rig.trade(handle, 3, 7, trade_id=TRADE_ID + 1, venue_order_id=number)
    listed_again(rig, handle, number, 4, 10)
    assert halted(rig)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert not halted(rig)
    assert alarms(rig, AlarmCode.POSITION_ADOPTED, MORE) == [handle]
    assert [row["kind"] for row in rig.oms.differences()] == []


@pytest.mark.invariant("R34")
def test_a_difference_of_a_position_that_was_adopted_is_no_part_of_an_order_that_was_adopted_after_it(rig: Rig) -> None:
    handle, number = adopted_before_it_was_listed(rig)
    records = written(rig)
    first = next(place for place, record in enumerate(records) if record.kind == RecordKind.FILL)
    # as large as what is adopted of the order, and the run ended before the alarm about it
    difference = rewritten(records[first], trade_id=NO_TRADE_ID)
    later = again([*records[:first], difference, *records[first:]])
    assert later.exposure()["position_lots"] == 12
    later.go_active()
    listed_again(later, handle, number, 4, 6, order_state=ENDED)
    later.command(CommandKind.ARM, instrument_id=1)
    assert (later.exposure()["position_lots"], halted(later)) == (4 + 6, False)
