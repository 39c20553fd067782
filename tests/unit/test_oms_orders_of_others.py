"""Open orders of others on the account: no cancel and no stop takes them along, a kill does; they go with the venue's list."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import AlarmCode, CommandKind, OrderState, RecordKind, SessionState
from tests.orders_harness import CANCEL, CANCEL_ALL, SECOND_NS, Rig, payload


@pytest.fixture
def rig() -> Rig:
    return Rig()


def listed(rig: Rig, number: int, state: OrderState = OrderState.NEW, handle: int = 0) -> None:
    """The venue's word on an order of 5 lots in the first symbol, of another client or with our mark."""
    told: dict[str, Any] = {"venue_order_id": number, "client_order_id": b"web_1", "qty_lots": 5, "price_ticks": 9_000}
    rig.report(handle, RecordKind.ORDER_STATUS, order_state=int(state), cum_qty_lots=0, **told)


def read_again(rig: Rig) -> None:
    """The connection was lost and is back: the account is being read."""
    rig.session_is(SessionState.DOWN)
    rig.session_is(SessionState.READY)
    rig.sent()
    rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))


def finish(rig: Rig) -> None:
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))


@pytest.mark.parametrize("command", [{"instrument_id": 1}, {}, None])
def test_an_order_of_others_is_not_taken_along_by_a_cancel_or_a_stop(rig: Rig, command: dict[str, int] | None) -> None:
    listed(rig, 777)
    handle, other = rig.open_order(), rig.open_order(instrument_id=2)
    rig.sent()
    if command is None:
        rig.command(CommandKind.STOP)
    else:
        rig.command(CommandKind.CANCEL, **command)
    singles = [(CANCEL, handle)]
    assert sorted(rig.sent()) == sorted(singles if command else [*singles, (CANCEL_ALL, 2)])
    rig.canceled(handle)
    rig.canceled(other, row=2)
    # gone: nothing to spare any more
    listed(rig, 777, OrderState.CANCELED)
    if command is not None:
        rig.open_order()
        rig.sent()
        rig.command(CommandKind.CANCEL, **command)
        assert (CANCEL_ALL, 1) in rig.sent()


def test_a_kill_takes_the_whole_symbol_with_orders_of_others(rig: Rig) -> None:
    listed(rig, 777)
    rig.open_order()
    rig.sent()
    rig.command(CommandKind.KILL)
    assert rig.sent() == [(CANCEL_ALL, 1)]


@pytest.mark.invariant("R34")
def test_what_is_not_ours_and_no_longer_in_the_venues_list_is_open_no_more(rig: Rig) -> None:
    """Its end was told while nobody listened. One list that failed, or one in which it stands, takes nothing away."""
    read_again(rig)
    listed(rig, 777)
    listed(rig, 778)
    listed(rig, 779, handle=3 << 32 | 999_999)
    finish(rig)
    marked = rig.exposure()["working_buy_lots"]
    assert marked == 5
    rig.tick(10 * SECOND_NS)
    read_again(rig)
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END, state=1))
    assert len(rig.oms.external_open_orders()) == 3
    rig.tick(10 * SECOND_NS)
    read_again(rig)
    alarms = rig.alarms().count(AlarmCode.RECONCILE_MISMATCH)
    listed(rig, 778)
    finish(rig)
    assert [o["venue_order_id"] for o in rig.oms.external_open_orders()] == [778]
    assert rig.exposure()["working_buy_lots"] == 0
    assert rig.alarms().count(AlarmCode.RECONCILE_MISMATCH) == alarms


@pytest.mark.parametrize("command", [CommandKind.CANCEL, CommandKind.STOP])
def test_before_the_account_was_read_anybodys_order_may_be_there(rig: Rig, command: CommandKind) -> None:
    """A stop that a person placed while the engine was blind, above all."""
    handle = rig.open_order()
    rig.session_is(SessionState.DOWN)
    rig.session_is(SessionState.READY)
    rig.sent()
    rig.command(command)
    assert [sent for sent in rig.sent() if sent[0] in (CANCEL, CANCEL_ALL)] == [(CANCEL, handle)]


def test_more_than_are_listed_stay_unknown_until_the_account_is_read_again(rig: Rig) -> None:
    for number in range(257):
        listed(rig, 1_000 + number)
    listed(rig, 1_000, OrderState.CANCELED)
    handle = rig.open_order(instrument_id=2)
    rig.sent()
    rig.command(CommandKind.CANCEL, instrument_id=2)
    assert rig.sent() == [(CANCEL, handle)]


@pytest.mark.invariant("R34")
def test_the_end_of_an_earlier_reading_takes_away_nothing_that_its_list_named(rig: Rig) -> None:
    """An `arm` in the midst of a reading begins another one; the first one's end comes first."""
    rig.command(CommandKind.RECONCILE)
    rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))
    listed(rig, 777)
    listed(rig, 779, handle=3 << 32 | 999_999)
    rig.tick(10 * SECOND_NS)
    rig.command(CommandKind.ARM)
    finish(rig)
    assert [o["venue_order_id"] for o in rig.oms.external_open_orders()] == [777, 779]
    assert rig.exposure()["working_buy_lots"] == 5


@pytest.mark.invariant("R34")
def test_what_was_told_a_moment_before_the_reading_may_not_be_in_its_list_yet(rig: Rig) -> None:
    listed(rig, 777)
    rig.tick(1_000)
    read_again(rig)
    finish(rig)
    assert [o["venue_order_id"] for o in rig.oms.external_open_orders()] == [777]
