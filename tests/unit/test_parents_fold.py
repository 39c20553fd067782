"""Parents, held orders and children in the ledger's fold, in the tree that the command line shows, and in `explain`."""

from __future__ import annotations

import struct
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from engine.cli.ctl_tree import algo_row, columns_of, distance_text, tree_row
from engine.cli.explain import lines
from engine.desk.ledger import LedgerFold, LedgerState
from engine.desk.parents import tree
from engine.journal import layout
from engine.journal.cursor import Record
from engine.journal.explain import explain
from engine.journal.reader import JournalReader
from engine.model.codes import (
    Contingency,
    InstructionKind,
    Lane,
    OrderState,
    OrderType,
    ParentState,
    Reason,
    RecordKind,
    Side,
    TrailKind,
)
from tests.ledger_harness import Ledger, body

PARENT, CHILD, SECOND, ALONE = (9 << 32) + 1, (9 << 32) + 2, (9 << 32) + 3, (9 << 32) + 4
WHERE = {"instrument_id": 1, "venue_id": 1, "strategy_id": 1}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    yield made
    made.journal.close(reason="test")


def state_of(ledger: Ledger) -> LedgerState:
    ledger.journal.flush()
    return LedgerFold(ledger.data_dir, ledger.runtime_dir).refresh()


def parent(
    ledger: Ledger, state: ParentState = ParentState.WORKING, children: tuple[int, ...] = (), **instruction: Any
) -> int:
    """A PARENT_STATE as the stage writes it."""
    said = instruction or {"kind": "algo", "terms": {"algo": "twap"}}
    progress = {"elapsed_ns": 10**9, "duration_ns": 60 * 10**9, "slippage_centibps": 125, "ahead_bps": -40}
    saved = {
        "instruction": said | {"instrument_id": 1},
        "children": [{"handle": handle} for handle in children],
        "own": {"progress": progress},
    }
    payload = body(
        RecordKind.PARENT_STATE,
        qty_lots=100_000,
        filled_lots=20_000,
        working_lots=5_000,
        average_price_e8=30_000 * 10**8,
        children=2,
        kind=InstructionKind.ALGO if not instruction else InstructionKind.BRACKET,
        state=state,
        side=Side.BUY,
    )
    return ledger.add(RecordKind.PARENT_STATE, payload + msgspec.json.encode(saved), order_handle=PARENT, **WHERE)


def intent(ledger: Ledger, handle: int, parent_handle: int, trigger_ticks: int = 0, cause: int = 0) -> int:
    payload = body(
        RecordKind.INTENT, has_conditions=1, price_ticks=3_000_000, qty_lots=100, trigger_ticks=trigger_ticks
    )
    form, _ = layout.conditions_format()
    conditions = struct.pack("<Q", parent_handle).ljust(form.size, b"\0")
    return ledger.add(RecordKind.INTENT, payload + conditions, order_handle=handle, cause_seq=cause, **WHERE)


def held(
    ledger: Ledger, handle: int, parent_handle: int, state: OrderState = OrderState.HELD, order_type: int = 0
) -> int:
    fields = {"qty_lots": 50_000, "state": state, "side": Side.SELL, "order_type": order_type}
    payload = bytearray(body(RecordKind.HELD_ORDER, venue_order_id=parent_handle, **fields))
    return ledger.add(RecordKind.HELD_ORDER, bytes(payload), order_handle=handle, **WHERE)


def test_a_parent_is_listed_with_its_progress_until_it_is_over(ledger: Ledger) -> None:
    parent(ledger)
    [row] = state_of(ledger).open_parents()
    assert (row["what"], row["symbol"], row["strategy"], row["side"]) == ("twap", "BTCUSDT", "maker", "BUY")
    assert (row["qty"], row["filled"], row["average_price"], row["state"]) == ("1", "0.2", "30000", "WORKING")
    told = algo_row(row)
    assert (told["remaining"], told["slippage_bps"], told["ahead_bps"]) == ("0.8", "1.25", -40)
    assert told["time"] == "1 s of 60 s"
    parent(ledger, ParentState.DONE)
    state = state_of(ledger)
    assert (state.open_parents(), len(state.family.parents)) == ([], 1)


def test_children_stand_below_their_parent_and_others_by_themselves(ledger: Ledger) -> None:
    intent(ledger, CHILD, PARENT)
    ledger.order(CHILD, OrderState.NEW)
    parent(ledger, children=(CHILD, SECOND), kind="bracket")
    held(ledger, SECOND, PARENT)
    ledger.order(ALONE, OrderState.NEW)
    state = state_of(ledger)
    rows = [tree_row(node) for node in tree(state.open_parents(), state.open_orders())]
    assert [row["order"] for row in rows] == [str(PARENT), f"├─ 07c{CHILD}", f"└─ {SECOND}", f"07c{ALONE}"]
    assert next(row["type"] for row in rows) == "BRACKET"
    assert rows[2]["state"] == "HELD"


def test_an_order_that_is_its_own_parent_is_one_row(ledger: Ledger) -> None:
    parent(ledger, kind="held")
    held(ledger, PARENT, PARENT)
    state = state_of(ledger)
    [node] = tree(state.open_parents(), state.open_orders())
    assert (node.is_parent, node.depth, node.row["state"]) == (False, 0, "HELD")


def test_the_parts_of_a_held_order_stand_below_it(ledger: Ledger) -> None:
    parent(ledger, children=(CHILD,), kind="held")
    held(ledger, PARENT, PARENT)
    intent(ledger, CHILD, PARENT)
    ledger.order(CHILD, OrderState.NEW)
    ledger.order(ALONE, OrderState.NEW)
    state = state_of(ledger)
    rows = [tree_row(node) for node in tree(state.open_parents(), state.open_orders())]
    assert [(row["order"], row["state"]) for row in rows] == [
        (str(PARENT), "HELD"),
        (f"└─ 07c{CHILD}", "NEW"),
        (f"07c{ALONE}", "NEW"),
    ]


def test_orders_of_a_list_at_the_venue_stand_below_a_row_for_the_list(ledger: Ledger) -> None:
    form, names = layout.conditions_format()
    ledger.order(ALONE, OrderState.NEW)
    for handle in (CHILD, SECOND):
        said = {"list_handle": CHILD, "list_size": 2, "contingency": Contingency.OCO}
        conditions = form.pack(*(said.get(name, 0) for name in names))
        intended = body(RecordKind.INTENT, has_conditions=1, qty_lots=100) + conditions
        ledger.add(RecordKind.INTENT, intended, order_handle=handle, **WHERE)
        ledger.order(handle, OrderState.NEW)
    state = state_of(ledger)
    rows = [tree_row(node) for node in tree(state.open_parents(), state.open_orders())]
    shown = [f"07c{ALONE}", str(CHILD), f"├─ 07c{CHILD}", f"└─ 07c{SECOND}"]
    assert [row["order"] for row in rows] == shown
    assert (rows[1]["type"], rows[1]["symbol"], rows[1]["state"]) == ("OCO", "BTCUSDT", "AT VENUE")
    assert [order["list"] for order in state.open_orders()] == ["", f"OCO {CHILD}", f"OCO {CHILD}"]


class Sided:
    """A record of a hedged account."""

    def __init__(self, record: Record, position_side: int) -> None:
        self._record, self.position_side = record, position_side

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)


@pytest.mark.parametrize(("number", "word"), [(0, "both"), (1, "long"), (2, "short")])
def test_an_order_tells_of_which_position_it_is(ledger: Ledger, number: int, word: str) -> None:
    ledger.order(ALONE, OrderState.NEW)
    held(ledger, PARENT, PARENT)  # its record does not say it, its parent's does
    parent(ledger, kind="held")
    held(ledger, PARENT, PARENT)
    ledger.journal.flush()
    state = LedgerState()
    for record in JournalReader(ledger.data_dir).records(Lane.LEDGER):
        is_told = record.kind in (RecordKind.ORDER_STATE, RecordKind.PARENT_STATE)
        state.take(cast(Record, Sided(record, number)) if is_told else record)
    rows = state.open_orders()
    assert [row["position_side"] for row in rows] == [word, word]
    assert ("position_side" in columns_of(Namespace(flat=False), rows)) == (number > 0)


def test_a_held_order_outlives_a_reconciliation_and_ends_as_an_order_does(ledger: Ledger) -> None:
    held(ledger, SECOND, PARENT)
    ledger.restart()
    ledger.add(RecordKind.RECONCILE_END, body(RecordKind.RECONCILE_END))
    assert [row["handle"] for row in state_of(ledger).open_orders()] == [SECOND]
    ledger.order(SECOND, OrderState.FILLED, filled=50_000)
    assert state_of(ledger).open_orders() == []


def test_the_trigger_of_an_order_at_the_venue_is_what_its_intent_said(ledger: Ledger) -> None:
    intent(ledger, ALONE, 0, trigger_ticks=2_900_000)
    ledger.order(ALONE, OrderState.NEW)
    [order] = state_of(ledger).open_orders()
    assert (order["trigger"], order["parent"]) == ("29000", 0)


@pytest.mark.parametrize("text", [b"", b"{", b'{"own":3}', b'{"instruction":{"kind":7}}'])
def test_a_parent_whose_json_is_not_known_is_listed_all_the_same(ledger: Ledger, text: bytes) -> None:
    payload = body(RecordKind.PARENT_STATE, qty_lots=100_000, state=ParentState.WORKING)
    ledger.add(RecordKind.PARENT_STATE, payload + text, order_handle=PARENT, **WHERE)
    [row] = state_of(ledger).open_parents()
    assert (row["qty"], row["progress"]) == ("1", {})


def test_how_far_a_trigger_is_away_is_told_in_price_and_basis_points() -> None:
    from decimal import Decimal

    assert distance_text("29000", Decimal(30_000)) == "-1000 (-333.3 bps)"
    assert distance_text("29000", None) == ""


def test_explaining_a_child_shows_what_its_parent_was_asked_and_a_parent_shows_its_children(ledger: Ledger) -> None:
    asked = ledger.add(RecordKind.INSTRUCTION, b'{"kind":"algo"}', order_handle=PARENT, **WHERE)
    intent(ledger, CHILD, PARENT)
    ledger.order(CHILD, OrderState.FILLED, filled=50_000, reason=Reason.NONE)
    intent(ledger, SECOND, PARENT)
    ledger.order(SECOND, OrderState.NEW)
    parent(ledger, ParentState.DONE)
    ledger.journal.flush()
    reader = JournalReader(ledger.data_dir)
    child = explain(reader, str(CHILD))
    assert child is not None
    assert [step.name for step in child.steps] == ["asked", "signal", "state", "parent"]
    whole = explain(reader, str(PARENT))
    assert whole is not None
    assert [step.name for step in whole.steps] == ["asked", "signal", "state", "signal", "state", "parent"]
    assert whole.steps[0].seq == asked
    assert "INSTRUCTION" in lines(whole)[1]


def guarded(ledger: Ledger, children: tuple[Any, ...] = (), filled: int = 50_000, **more: Any) -> LedgerState:
    """A bracket that bought 0.5 at 30000: a stop 1 % below that trails by 50 bps, and two targets."""
    plan = {
        "stop": {"distance": {"unit": 2, "amount": 100}, "trail": {"unit": 2, "amount": 50}},
        "targets": [{"price_ticks": 3_100_000, "share_bps": 5_000}, {"distance": {"unit": 1, "amount": 200_000}}],
    }
    exits = {"is_known": filled > 0, "reference_ticks": 3_000_000 if filled else 0, "trail_level": 2_985_000}
    saved = {
        "instruction": {"kind": "bracket", "instrument_id": 1},
        "children": children,
        "own": {"exits": exits if filled else {}, "plan": plan, "entry_handle": CHILD, "exit_filled": 0} | more,
    }
    fields = {"state": ParentState.WORKING, "kind": InstructionKind.BRACKET, "side": Side.BUY, "children": 7}
    payload = body(RecordKind.PARENT_STATE, qty_lots=50_000, filled_lots=filled, reason=Reason.MESSAGE_RATE, **fields)
    ledger.add(RecordKind.PARENT_STATE, payload + msgspec.json.encode(saved), order_handle=PARENT, **WHERE)
    return state_of(ledger)


def test_the_stop_and_the_targets_that_a_bracket_holds_are_told(ledger: Ledger) -> None:
    [row] = guarded(ledger, ({"handle": SECOND, "role": 200, "state": OrderState.NEW},)).open_parents()
    stop, target = row["held_exits"]
    assert (stop["exit"], stop["side"], stop["type"], stop["qty"]) == ("stop", "SELL", "TRAILING_STOP", "0.5")
    assert (stop["state"], stop["trigger"], stop["trail"]) == ("HELD", "29850", "50 bps")
    assert (target["exit"], target["price"], target["qty"]) == ("target 2", "32000", "0.25")


def test_what_rests_or_has_fired_is_not_told_as_held(ledger: Ledger) -> None:
    native = {"handle": SECOND, "role": 101, "state": OrderState.NEW}
    [row] = guarded(ledger, (native,)).open_parents()
    assert [held["exit"] for held in row["held_exits"]] == ["target 1", "target 2"]


def test_before_the_entry_is_filled_what_counts_from_it_is_not_known(ledger: Ledger) -> None:
    [row] = guarded(ledger, filled=0).open_parents()
    told = [(held["exit"], held["trigger"], held["price"], held["note"]) for held in row["held_exits"]]
    waits = "from the entry's fill on"
    assert told == [("stop", "", "", waits), ("target 1", "", "31000", waits), ("target 2", "", "", waits)]


def test_a_refusal_is_told_until_an_order_was_approved(ledger: Ledger) -> None:
    state = guarded(ledger)
    assert not state.family.is_stale(state.open_parents()[0])
    for handle, is_stale in ((SECOND, True), (ALONE, False)):
        intent(ledger, handle, PARENT)
        approved = int(is_stale)
        ledger.add(RecordKind.VERDICT, body(RecordKind.VERDICT, approved=approved), order_handle=handle, **WHERE)
        if approved:
            ledger.order(handle, OrderState.APPROVED)
        state = guarded(ledger)
        assert state.family.is_stale(state.open_parents()[0]) == is_stale
    ledger.order(SECOND, OrderState.FILLED, filled=50_000)
    assert not state_of(ledger).family.is_stale(state.open_parents()[0])


def test_a_trailing_order_at_the_venue_tells_its_trail_and_has_no_price(ledger: Ledger) -> None:
    payload = body(RecordKind.INTENT, has_conditions=1, qty_lots=100)
    form, names = layout.conditions_format()
    said = {"activation_ticks": 3_100_000, "trail_amount": 50, "trail_kind": TrailKind.BPS}
    conditions = form.pack(*(said.get(name, 0) for name in names))
    ledger.add(RecordKind.INTENT, payload + conditions, order_handle=ALONE, **WHERE)
    state = body(RecordKind.ORDER_STATE, state=OrderState.NEW, order_type=OrderType.TRAILING_STOP, qty_lots=100)
    ledger.add(RecordKind.ORDER_STATE, state, order_handle=ALONE, **WHERE)
    [order] = state_of(ledger).open_orders()
    assert (order["trigger"], order["trail"], order["price"]) == ("31000", "50 bps", "")


@pytest.mark.parametrize(("kind", "price"), [(OrderType.MARKET, ""), (OrderType.LIMIT, "30000")])
def test_only_what_has_a_limit_price_shows_one(ledger: Ledger, kind: OrderType, price: str) -> None:
    ticks = 3_000_000 if kind is OrderType.LIMIT else 0
    fields = {"state": OrderState.NEW, "order_type": kind, "price_ticks": ticks, "qty_lots": 100}
    ledger.add(RecordKind.ORDER_STATE, body(RecordKind.ORDER_STATE, **fields), order_handle=ALONE, **WHERE)
    assert [order["price"] for order in state_of(ledger).open_orders()] == [price]


@pytest.mark.parametrize("is_told_first", [True, False])
def test_a_trailing_order_that_the_engine_holds_tells_its_trail(ledger: Ledger, is_told_first: bool) -> None:
    if is_told_first:
        held(ledger, PARENT, PARENT, order_type=OrderType.TRAILING_STOP_LIMIT)
    order = {"trail_kind": TrailKind.TICKS, "trail_amount": 1_250, "activation_ticks": 3_100_000}
    saved = msgspec.json.encode({"instruction": {"kind": "held", "order": order}})
    payload = body(RecordKind.PARENT_STATE, kind=InstructionKind.HELD, state=ParentState.WORKING) + saved
    ledger.add(RecordKind.PARENT_STATE, payload, order_handle=PARENT, **WHERE)
    if not is_told_first:
        held(ledger, PARENT, PARENT, order_type=OrderType.TRAILING_STOP_LIMIT)
    [found] = state_of(ledger).open_orders()
    assert (found["trail"], found["trigger"], found["price"]) == ("12.5", "31000", "")
