"""The stage's outside, and what is written of a parent: rows of the trigger table, PARENT_STATE, order news."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from engine.execution.parent import Parent
from engine.execution.terms import Child, ChildTerms, ClosingOrder, HeldNews, InstrumentFacts, MarketView
from engine.model.instructions import Bracket, Held, Instruction, OrderList


class WatchRow(msgspec.Struct, kw_only=True, frozen=True):
    """A watch as the trigger table keeps it: prices and the distance in the source's units, a distance in basis points as such."""

    instrument_id: int
    is_above: bool
    is_ask: bool
    trigger_source: int
    level: int
    trail_kind: int
    trail_amount: int
    activation: int
    extreme: int


class ParentNews(msgspec.Struct, kw_only=True, frozen=True):
    """What PARENT_STATE says."""

    handle: int
    strategy_id: int
    instrument_id: int
    qty_lots: int
    filled_lots: int
    working_lots: int
    filled_value: int
    valued_lots: int
    children: int
    reason: int
    kind: int
    status: int
    previous_status: int
    side: int
    position_side: int
    text: bytes


class Outside(Protocol):
    """The engine around it: `ExecutionStage` (ext/engine/execution/stage.pyx), or a test. Stated here and nowhere else."""

    @property
    def now_wall_ns(self) -> int: ...
    @property
    def now_mono_ns(self) -> int: ...
    def next_handle(self) -> int: ...
    def write_intent(self, action: int, parent: Parent, handle: int, target_handle: int, terms: ChildTerms) -> bool: ...
    def write_instruction(self, handle: int, strategy_id: int, instrument_id: int, text: bytes) -> None: ...
    def write_parent(self, news: ParentNews) -> None: ...
    def write_held(self, strategy_id: int, instrument_id: int, parent_handle: int, news: HeldNews) -> None: ...
    def write_alarm(self, code: int, instrument_id: int, handle: int, text: bytes) -> None: ...
    def add_watch(self, row: WatchRow) -> int: ...
    def drop_watch(self, watch_id: int) -> None: ...
    def watch_extreme(self, watch_id: int) -> int: ...
    def set_holding(self, instrument_id: int, holds: bool) -> None: ...
    def set_listening(self, instrument_id: int, listens: bool) -> None: ...
    def schedule(self, deadline_mono_ns: int, data: int) -> int: ...
    def drop_timer(self, timer_id: int) -> None: ...
    def market(self, instrument_id: int) -> MarketView: ...
    def levels(self, instrument_id: int, side: int, depth: int) -> list[tuple[int, int]]: ...
    def position_lots(self, instrument_id: int, position_side: int) -> int: ...
    def strategy_lots(self, strategy_id: int, instrument_id: int, position_side: int) -> int: ...
    def entry_price_ticks(self, instrument_id: int, position_side: int) -> int: ...
    def working_lots(self, instrument_id: int, position_side: int, side: int) -> int: ...
    def held_lots(self, instrument_id: int) -> int: ...
    def closing_orders(self, instrument_id: int, position_side: int, side: int) -> list[ClosingOrder]: ...
    def is_open(self, instrument_id: int) -> bool: ...
    def instrument(self, instrument_id: int) -> InstrumentFacts: ...


class SavedParent(msgspec.Struct, kw_only=True):
    """The JSON of PARENT_STATE: everything that a restart begins with."""

    instruction: Instruction
    strategy_id: int
    status: int
    reason: int
    qty_lots: int
    filled_lots: int
    filled_value: int
    valued_lots: int
    child_count: int
    children: list[Child]
    # order events up to this record are worked off in it
    upto_seq: int = 0
    own: Any = None


class OrderNews(msgspec.Struct, kw_only=True, frozen=True):
    """What ORDER_STATE says of a child."""

    state: int
    reason: int
    price_ticks: int
    qty_lots: int
    cum_lots: int
    leaves_lots: int


def child_of(terms: ChildTerms, handle: int) -> Child:
    """The child that was just asked for."""
    return Child(
        handle=handle,
        role=terms.role,
        side=terms.side,
        order_type=terms.order_type,
        time_in_force=terms.time_in_force,
        flags=terms.flags,
        price_ticks=terms.price_ticks,
        qty_lots=terms.qty_lots,
        position_side=terms.position_side,
    )


def orders_of(wish: Instruction) -> tuple[Any, ...]:
    """The orders that an instruction names."""
    if isinstance(wish, Held):
        return (wish.order,)
    if isinstance(wish, OrderList):
        return wish.orders
    return (wish.entry,) if isinstance(wish, Bracket) else ()


def saved_of(parent: Parent, upto_seq: int) -> SavedParent:
    """Everything that a restart needs; of ended children only those whose fills have not all come."""
    return SavedParent(
        instruction=parent.instruction,
        strategy_id=parent.strategy_id,
        status=parent.status,
        reason=parent.reason,
        qty_lots=parent.qty_lots,
        filled_lots=parent.filled_lots,
        filled_value=parent.filled_value,
        valued_lots=parent.valued_lots,
        child_count=parent.child_count,
        children=saved_children(parent),
        upto_seq=upto_seq,
        own=parent.state(),
    )


def saved_children(parent: Parent) -> list[Child]:
    """Those that may still be filled, and as many ended ones as its kind needs to know of."""
    ended = [child.handle for child in parent.children.values() if child.is_over]
    left_out = set(ended[: len(ended) - parent.ended_saved] if parent.ended_saved else ended)
    return [child for child in parent.children.values() if child.handle not in left_out]
