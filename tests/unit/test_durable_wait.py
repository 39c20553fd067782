"""At the durability level `order` no new order leaves before its records are on the platter; nothing else waits."""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Iterator

import pytest

from engine.model.codes import CommandKind, Counter, OrderFlag, OrderState, OrderType, Reason, RecordKind, Side, Stage
from engine.runtime.clock import Clock
from engine.runtime.counters_reader import CountersReader
from tests.durable_rig import DurableRig
from tests.journal_harness import memory_folder

WAITING_MAX = 256
MS_NS = 1_000_000
E8 = 100_000_000


@pytest.fixture
def rig() -> Iterator[DurableRig]:
    with memory_folder() as folder:
        made = DurableRig(folder, capacity=1024, order_timeout_ns=3_600_000 * MS_NS)
        yield made
        made.journal.crash()


def reason_of(rig: DurableRig, handle: int) -> Reason:
    """Why an order that never left was answered."""
    state = rig.last_state(handle)
    assert state["state"] == OrderState.REJECTED
    return Reason(state["reason"])


@pytest.mark.invariant("R02")
def test_an_order_leaves_only_when_its_records_are_on_the_platter(rig: DurableRig) -> None:
    rig.hold()
    handle = rig.intend()
    rig.tick(10 * MS_NS)
    assert rig.orders_sent() == []
    assert rig.session.orders_waiting == rig.count(Counter.DURABLE_WAITING) == 1
    rig.let_go()
    assert len(rig.orders_sent()) == 1
    assert rig.session.orders_waiting == rig.count(Counter.DURABLE_WAITING) == 0
    assert rig.count(Counter.DURABLE_WAITS) == 1
    assert CountersReader.of_image(rig.counters.image()).histogram(Stage.DURABLE_WAIT).count == 1
    states = [record for record in rig.ledger(RecordKind.ORDER_STATE) if record.order_handle == handle]
    sent = [record for record in rig.ledger(RecordKind.ORDER_BYTES) if record.order_handle == handle]
    assert sent[0].cause_seq == states[0].seq < sent[0].seq


@pytest.mark.parametrize("level", ["os", "group"])
def test_at_the_other_levels_no_order_waits(level: str) -> None:
    with memory_folder() as folder:
        rig = DurableRig(folder, level=level)
        rig.hold()
        rig.intend()
        assert len(rig.orders_sent()) == 1
        assert rig.count(Counter.DURABLE_WAITS) == 0
        rig.journal.crash()


def test_orders_leave_in_the_order_in_which_they_came(rig: DurableRig) -> None:
    rig.hold()
    handles = [rig.intend(price_ticks=9_900 + number) for number in range(5)]
    assert rig.orders_sent() == []
    rig.let_go()
    left = [record.order_handle for record in rig.ledger(RecordKind.ORDER_BYTES) if record.order_handle in handles]
    assert left == handles


def test_a_cancel_never_waits(rig: DurableRig) -> None:
    handle = rig.open_order()
    rig.hold()
    rig.cancel(handle)
    assert len(rig.requests("order.cancel")) == 1


def test_a_cancel_of_an_order_that_waits_takes_it_back_and_nothing_leaves(rig: DurableRig) -> None:
    rig.hold()
    handle = rig.intend()
    rig.cancel(handle)
    rig.tick(30 * MS_NS)
    rig.let_go()
    assert rig.orders_sent() == []
    assert rig.requests("order.cancel") == []
    assert reason_of(rig, handle) is Reason.ORDER_NOT_OPEN
    assert rig.session.orders_waiting == 0


def test_a_replace_waits_and_a_cancel_of_the_order_that_it_replaces_stops_it(rig: DurableRig) -> None:
    from engine.model.codes import IntentAction

    old = rig.open_order()
    rig.hold()
    new = rig.intend(action=int(IntentAction.REPLACE), target_handle=old, price_ticks=9_990)
    assert rig.requests("order.cancelReplace") == []
    rig.cancel(old)
    rig.tick(30 * MS_NS)
    assert reason_of(rig, new) is Reason.ORDER_NOT_OPEN
    rig.tick(30 * MS_NS)
    assert len(rig.requests("order.cancel")) == 1
    rig.let_go()
    assert rig.requests("order.cancelReplace") == []


@pytest.mark.invariant("R25")
def test_a_kill_does_not_wait_and_what_waits_never_leaves(rig: DurableRig) -> None:
    resting = rig.open_order()
    rig.hold()
    waiting = rig.intend(price_ticks=9_950)
    before = len(rig.orders_sent())
    rig.command(CommandKind.KILL)
    rig.tick(30 * MS_NS)
    assert rig.requests("order.cancel", "openOrders.cancelAll")
    rig.let_go()
    rig.tick(30 * MS_NS)
    assert len(rig.orders_sent()) == before
    assert reason_of(rig, waiting) in (Reason.ORDER_NOT_OPEN, Reason.HALTED)
    assert resting != waiting


def test_what_closes_a_position_in_a_panic_does_not_wait(rig: DurableRig) -> None:
    handle = rig.open_order(qty_lots=30)
    rig.trade(handle, 30, 30)
    before = len(rig.orders_sent())
    rig.hold()
    rig.command(CommandKind.KILL)
    rig.freshen(1)
    rig.command(
        CommandKind.ORDER, instrument_id=1, side=int(Side.SELL), qty_lots=30, order_type=int(OrderType.MARKET),
        flags=int(OrderFlag.PANIC),
    )  # fmt: skip
    assert len(rig.orders_sent()) == before + 1


@pytest.mark.invariant("R05")
def test_a_full_wait_refuses_with_a_reason(rig: DurableRig) -> None:
    rig.hold()
    rig.tables.set_limits(
        1, max_order_qty_lots=100_000, max_order_notional_e8=20_000 * E8, max_position_lots=500_000, price_collar_bps=500,
        max_open_orders=1_000,
    )  # fmt: skip
    handles = [rig.intend(price_ticks=9_700 + number) for number in range(WAITING_MAX + 1)]
    rig.tick()
    assert rig.session.orders_waiting == WAITING_MAX
    assert reason_of(rig, handles[-1]) is Reason.NOT_DURABLE
    assert rig.count(Counter.DURABLE_REFUSED) == 1
    assert rig.orders_sent() == []


@pytest.mark.invariant("R05")
def test_an_order_that_the_disk_keeps_for_too_long_is_refused(rig: DurableRig) -> None:
    rig.hold()
    handle = rig.intend()
    rig.tick(400 * MS_NS)
    assert rig.session.orders_waiting == 1
    rig.tick(200 * MS_NS)
    rig.tick(MS_NS)
    assert rig.session.orders_waiting == 0
    assert reason_of(rig, handle) is Reason.NOT_DURABLE
    rig.let_go()
    assert rig.orders_sent() == []


@pytest.mark.invariant("R05")
def test_a_disk_that_fails_while_an_order_waits_refuses_it_and_cancels_still_leave(rig: DurableRig) -> None:
    resting = rig.open_order()
    sent = len(rig.orders_sent())
    rig.hold()
    handle = rig.intend(price_ticks=9_950)
    rig.journal.set_fault("sticky", rig.journal.io_count + 1, errno.EIO)
    rig.let_go()
    rig.tick(MS_NS)
    assert len(rig.orders_sent()) == sent
    assert rig.states_in_front(handle)[-1] == (OrderState.REJECTED, Reason.NOT_DURABLE)
    rig.cancel(resting)
    assert len(rig.requests("order.cancel")) == 1


def test_an_order_that_waits_when_the_session_goes_down_never_leaves(rig: DurableRig) -> None:
    rig.hold()
    handle = rig.intend()
    rig.session.on_close("gone")
    rig.pipeline.run_to_completion()
    rig.journal.hold_disk(False)
    rig.connect()
    rig.tick(MS_NS)
    assert rig.orders_sent() == []
    assert rig.session.orders_waiting == 0
    assert rig.last_state(handle)["state"] in (OrderState.REJECTED, OrderState.UNKNOWN)


def test_the_writer_syncs_at_once_and_the_alarm_wakes_the_loop() -> None:
    with memory_folder() as folder:
        rig = DurableRig(folder, threaded=True, clock=Clock(), order_timeout_ns=60_000 * MS_NS)
        rig.session.set_wait_max(60_000 * MS_NS)
        alarm = rig.journal.open_alarm()
        before = len(rig.orders_sent())
        began = time.monotonic()
        rig.freshen(1)
        rig.hold()
        rig.intend()
        assert len(rig.orders_sent()) == before
        rig.journal.hold_disk(False)
        deadline = began + 30
        while len(rig.orders_sent()) == before and time.monotonic() < deadline:
            if select.select([alarm], [], [], 1.0)[0]:
                rig.journal.acknowledge()
                rig.freshen(1)
                rig.pipeline.run_to_completion()
        # the interval of this journal is ten seconds: it was asked for
        assert len(rig.orders_sent()) == before + 1
        assert os.fstat(alarm)
        rig.journal.close()
