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


def test_where_more_orders_of_others_may_be_than_are_listed_a_cancel_takes_singles(rig: Rig) -> None:
    for number in range(256):
        listed(rig, 1_000 + number)
    handle = rig.open_order(instrument_id=2)
    rig.sent()
    rig.command(CommandKind.CANCEL, instrument_id=2)
    assert rig.sent() == [(CANCEL, handle)]


@pytest.mark.invariant("R34")
def test_what_is_not_ours_and_no_longer_in_the_venues_list_is_open_no_more(rig: Rig) -> None:
    """Its end was told while nobody listened. One list that failed, or one in which it stands, takes nothing away."""
    read_again(rig)
    listed(rig, 777)
    listed(rig, 778)
    listed(rig, 779, handle=3 << 32 | 999_999)
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))
    marked = rig.exposure()["working_buy_lots"]
    assert marked == 5
    rig.tick(SECOND_NS)
    read_again(rig)
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END, state=1))
    assert len(rig.oms.external_open_orders()) == 3
    rig.tick(SECOND_NS)
    read_again(rig)
    alarms = rig.alarms().count(AlarmCode.RECONCILE_MISMATCH)
    listed(rig, 778)
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))
    assert [o["venue_order_id"] for o in rig.oms.external_open_orders()] == [778]
    assert rig.exposure()["working_buy_lots"] == 0
    assert rig.alarms().count(AlarmCode.RECONCILE_MISMATCH) == alarms
