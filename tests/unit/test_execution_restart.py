"""What is held is rebuilt from the ledger exactly, wherever it is cut off."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from engine.execution.parent import ChildTerms
from engine.execution.parents import SavedParent
from engine.execution.rebuild import FILL, ORDER_STATE, PARENT_STATE_BYTES
from engine.journal import layout
from engine.model.codes import Contingency, OrderFlag, OrderState, OrderType, ParentState, RecordKind, Side, TrailKind
from engine.model.instructions import (
    Bracket,
    BreakEven,
    Distance,
    ExitPlan,
    Held,
    OrderList,
    OrderTerms,
    Protection,
    StopPlan,
    TargetPlan,
)
from tests.execution_rig import INSTRUMENT, PRICE, Rig

TRAILING = OrderTerms(
    side=Side.SELL,
    order_type=OrderType.TRAILING_STOP,
    qty_lots=10,
    trail_kind=TrailKind.BPS,
    trail_amount=100,
    activation_ticks=PRICE + 100,
)
EXITS = ExitPlan(
    stop=StopPlan(trail=Distance(unit=TrailKind.TICKS, amount=60)),
    targets=(TargetPlan(price_ticks=PRICE + 500, share_bps=5000),),
    break_even=BreakEven(after=Distance(unit=TrailKind.TICKS, amount=40)),
)


def told(rig: Rig) -> dict[str, object]:
    """The last PARENT_STATE, but for what only counts events."""
    saved = msgspec.json.decode(rig.told[-1].text, type=SavedParent)
    return {key: value for key, value in msgspec.to_builtins(saved).items() if key != "upto_seq"}


def test_the_layouts_read_here_are_the_journals() -> None:
    pxd = Path("ext/engine/model/records.pxd").read_text()
    assert PARENT_STATE_BYTES == 48
    names = re.findall(r"u?int\d+_t|char", pxd[pxd.index("cdef struct ParentStatePayload") :].split("# the whole")[0])
    assert len(names) == 11
    assert layout is not None
    assert ORDER_STATE.size == 24 + 48 + 8 + 5
    assert FILL.size == 24 + 56 + 2 + 3


def test_a_trailing_order_goes_on_from_where_it_stood() -> None:
    rig = Rig()
    rig.begin(Held(instrument_id=INSTRUMENT, order=TRAILING))
    rig.price(PRICE + 100)
    rig.price(PRICE + 1000)
    rig.price(PRICE + 900)
    before = told(rig)
    rig.crash()
    assert told(rig) == before
    assert rig.price(PRICE + 891) == 0
    assert rig.price(PRICE + 890) == 1


def test_a_released_order_is_not_released_again() -> None:
    rig = Rig()
    terms = OrderTerms(
        side=Side.SELL, order_type=OrderType.STOP_LIMIT, qty_lots=10, trigger_ticks=PRICE, price_ticks=PRICE
    )
    rig.begin(Held(instrument_id=INSTRUMENT, order=terms))
    rig.price(PRICE)
    rig.approve()
    rig.fill(1, 3)
    rig.crash()
    rig.price(PRICE)
    assert not rig.asked()
    rig.fill(1, 7)
    assert rig.last_status() == ParentState.DONE


def test_an_order_that_was_released_and_never_left_waits_for_its_price_again() -> None:
    rig = Rig()
    terms = OrderTerms(side=Side.SELL, order_type=OrderType.STOP, qty_lots=10, trigger_ticks=PRICE)
    rig.begin(Held(instrument_id=INSTRUMENT, order=terms))
    rig.price(PRICE)
    rig.crash()
    assert rig.price(PRICE + 1) == 0
    assert not rig.asked()
    rig.price(PRICE)
    assert [order.handle for order in rig.asked()] == [1]


@pytest.mark.parametrize("flags", [0, OrderFlag.REDUCE_ONLY])
def test_the_next_part_after_a_restart_waits_until_orders_pass(flags: int) -> None:
    rig = Rig(position=-10)
    terms = OrderTerms(side=Side.BUY, qty_lots=10, price_ticks=PRICE, display_lots=4, flags=flags)
    rig.begin(Held(instrument_id=INSTRUMENT, order=terms))
    rig.approve()
    (first,) = rig.open_orders()
    rig.fill(first.handle, 1)
    rig.parents.stop()
    rig.confirm_cancel(first.handle)  # as an orderly stop does
    rig.is_valid = False
    rig.crash()
    rig.parents.on_tick()
    assert not rig.asked()
    rig.is_valid = True
    rig.parents.on_tick()
    (second,) = rig.asked()
    assert (second.terms.qty_lots, rig.last_status()) == (4, ParentState.WORKING)
    assert not rig.alarms


def test_an_instruction_that_nobody_began_begins() -> None:
    rig = Rig()
    rig.begin(Held(instrument_id=INSTRUMENT, order=TRAILING))
    rig.crash(until=1)
    assert rig.last_status() == ParentState.WORKING
    assert rig.table.count == 1


def test_what_is_over_is_not_rebuilt() -> None:
    rig = Rig()
    rig.begin(Held(instrument_id=INSTRUMENT, order=TRAILING))
    rig.parents.sweep(is_kill=False)
    rig.crash()
    assert not rig.parents.parents


def test_fills_behind_the_last_state_count_once() -> None:
    rig = Rig()
    entry = OrderTerms(side=Side.BUY, qty_lots=10, price_ticks=PRICE, handle=10)
    rig.begin(Bracket(instrument_id=INSTRUMENT, entry=entry, exits=EXITS))
    rig.approve()
    rig.fill(10, 4)
    (parent,) = rig.parents.parents.values()
    assert parent.filled_lots == 4
    begun = next(line.seq for line in rig.ledger if line.kind == RecordKind.ORDER_STATE)
    for line in list(rig.ledger):
        if line.kind != RecordKind.PARENT_STATE or line.seq < begun:
            continue
        copy = Rig(position=4, orders=dict(rig.orders), ledger=rig.ledger, seq=rig.seq)
        copy.crash(until=line.seq)
        (again,) = copy.parents.parents.values()
        saved = msgspec.json.decode(line.payload[PARENT_STATE_BYTES:], type=SavedParent)
        later = [o for o in rig.ledger if o.kind == RecordKind.FILL and saved.upto_seq < o.seq < line.seq]
        assert again.filled_lots >= saved.filled_lots
        assert again.filled_lots <= 4
        assert again.valued_lots == saved.valued_lots + sum(FILL.unpack_from(o.payload)[3] for o in later)


def test_order_events_that_the_stage_did_not_live_to_hear_are_heard_now() -> None:
    rig = Rig(position=10)
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=EXITS))
    rig.approve()
    (target,) = rig.open_orders()
    target.filled_lots, target.state = 5, OrderState.FILLED
    rig.position = 5
    payload = ORDER_STATE.pack(b"", 0, target.terms.price_ticks, 5, 5, 0, 0, 0, 0, 0, OrderState.FILLED, 0, 1, 0, 0)
    rig.log(RecordKind.ORDER_STATE, target.handle, payload)
    rig.log(RecordKind.FILL, target.handle, FILL.pack(b"", 0, PRICE, 5, 0, 0, 0, 0, 0, 1, 0, 0))
    rig.crash()
    assert not rig.asked()
    rig.price(PRICE - 60)
    assert [order.terms.qty_lots for order in rig.asked()] == [5]


def test_break_even_and_trail_are_where_they_were() -> None:
    rig = Rig(position=10)
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=EXITS))
    rig.approve()
    rig.price(PRICE + 41)
    rig.price(PRICE + 90)
    before = told(rig)
    rig.crash()
    assert told(rig) == before
    assert rig.price(PRICE + 31) == 0
    assert rig.price(PRICE + 30) == 1


@pytest.mark.parametrize("contingency", [Contingency.OCO, Contingency.OUO])
def test_a_list_goes_on_in_every_phase(contingency: int) -> None:
    orders = (
        OrderTerms(side=Side.SELL, qty_lots=10, price_ticks=PRICE + 100, handle=11),
        OrderTerms(side=Side.SELL, order_type=OrderType.STOP, qty_lots=10, trigger_ticks=PRICE - 100, handle=12),
    )
    rig = Rig(position=10)
    rig.begin(OrderList(instrument_id=INSTRUMENT, contingency=contingency, orders=orders))
    rig.crash()
    rig.approve()
    rig.crash()
    rig.price(PRICE - 100)
    rig.crash()
    assert rig.orders[11].is_cancel_asked
    rig.fill(11, 3)
    rig.confirm_cancel(11)
    rig.crash()
    # the stop was asked for, and never left
    assert [order.handle for order in rig.asked()] == [12]
    assert rig.orders[12].terms.qty_lots == 7
    rig.approve()
    rig.fill(12, 7)
    assert rig.last_status() == ParentState.DONE


def test_a_child_beyond_the_bound_is_not_sent() -> None:
    rig = Rig()
    terms = OrderTerms(side=Side.BUY, qty_lots=10, price_ticks=PRICE, display_lots=4)
    parent = rig.begin(Held(instrument_id=INSTRUMENT, order=terms))
    rig.approve()
    assert parent.remaining_lots == 6
    assert parent.port.submit(ChildTerms(side=Side.BUY, qty_lots=7, price_ticks=PRICE)) == 0
    assert parent.refused_by_bound == 1
    assert parent.port.submit(ChildTerms(side=Side.BUY, qty_lots=6, price_ticks=PRICE, flags=OrderFlag.POST_ONLY))
