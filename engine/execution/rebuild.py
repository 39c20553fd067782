"""What earlier runs held, from their ledger: the last PARENT_STATE of each parent, and the order events behind it.

An INSTRUCTION without a PARENT_STATE never began: it begins now. PARENT_STATE is written in the same breath as a child's INTENT,
before anyone else runs: so a child without any ORDER_STATE has never left. `upto_seq` says which order events a PARENT_STATE has
worked off; later ones move the children now, as they would have then.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import msgspec

from engine.execution.parent import Child, FillFact, Parent
from engine.execution.parents import OrderNews, Parents, SavedParent
from engine.model.codes import OrderState, ParentState, Reason, RecordKind
from engine.model.instructions import Change, decode

# layouts of ext/engine/model/records.pxd, as far as they are read here
ORDER_STATE = struct.Struct("<24sqqqqqqHhiBBBBB")
FILL = struct.Struct("<24sqqqqqqqHBBB")
PARENT_STATE_BYTES = 48
OVER = frozenset({ParentState.DONE, ParentState.CANCELED, ParentState.REJECTED, ParentState.EXPIRED})


class Ledger:
    """Folds records: what is alive, and its orders' events that were not worked off."""

    def __init__(self, parents: Parents) -> None:
        self.parents = parents
        self.instructions: dict[int, tuple[bytes, int]] = {}
        self.saved: dict[int, SavedParent] = {}
        self.owners: dict[int, int] = {}
        self.events: dict[int, list[Any]] = {}

    def take(self, record: Any) -> None:
        """One record, in sequence order."""
        if record.kind == RecordKind.PARENT_STATE:
            self.on_parent_state(record)
        elif record.kind == RecordKind.INSTRUCTION:
            self.instructions[record.order_handle] = (bytes(record.payload), record.strategy_id)
        elif record.kind in (RecordKind.ORDER_STATE, RecordKind.FILL) and record.order_handle in self.owners:
            self.events.setdefault(self.owners[record.order_handle], []).append(record)

    def on_parent_state(self, record: Any) -> None:
        """The latest word; nothing more is wanted of what is over."""
        handle = record.order_handle
        saved = msgspec.json.decode(bytes(record.payload[PARENT_STATE_BYTES:]).rstrip(b"\0"), type=SavedParent)
        self.instructions.pop(handle, None)
        if saved.status in OVER:
            self.drop(handle)
            return
        self.saved[handle] = saved
        for child in saved.children:
            self.owners[child.handle] = handle
        self.events[handle] = [event for event in self.events.get(handle, ()) if event.seq > saved.upto_seq]

    def drop(self, handle: int) -> None:
        """It was over."""
        for child in self.saved.pop(handle).children if handle in self.saved else ():
            self.owners.pop(child.handle, None)
        self.events.pop(handle, None)

    def revive(self) -> None:
        """Make the parents."""
        for handle, saved in self.saved.items():
            parent = self.parents.make(saved.instruction, handle, saved.strategy_id)
            self.fill_in(parent, saved)
            for event in self.events.get(handle, ()):
                self.replay(parent, event)
            self.settle(parent)
            self.parents.told[handle] = parent.status
            self.parents.add(parent)
        for handle, (text, strategy_id) in self.instructions.items():
            self.begin(handle, text, strategy_id)

    def fill_in(self, parent: Parent, saved: SavedParent) -> None:
        """As it was told last."""
        parent.status, parent.reason = saved.status, saved.reason
        if saved.own is not None:
            parent.restore(saved.own)
        parent.filled_lots, parent.filled_value = saved.filled_lots, saved.filled_value
        parent.valued_lots, parent.qty_lots = saved.valued_lots, saved.qty_lots
        parent.children = {child.handle: child for child in saved.children}
        parent.child_count = saved.child_count
        for child in saved.children:
            self.parents.parent_of[child.handle] = parent

    def replay(self, parent: Parent, event: Any) -> None:
        """An order event that it did not live to hear."""
        child = parent.children.get(event.order_handle)
        if child is None:
            return
        if event.kind == RecordKind.FILL:
            row = FILL.unpack_from(bytes(event.payload))
            self.parents.note_fill(parent, child, FillFact(price_ticks=row[2], qty_lots=row[3], side=row[9]))
        else:
            row = ORDER_STATE.unpack_from(bytes(event.payload))
            news = OrderNews(
                state=row[10], reason=row[7], price_ticks=row[2], qty_lots=row[3], cum_lots=row[4], leaves_lots=row[5]
            )
            self.parents.note_state(parent, child, news)

    def settle(self, parent: Parent) -> None:
        """What was only asked for has never left."""
        for child in parent.children.values():
            child.is_cancel_wanted = False
            if never_left(child):
                child.state, child.reason = OrderState.REFUSED, Reason.SESSION_DOWN

    def begin(self, handle: int, text: bytes, strategy_id: int) -> None:
        """An instruction that nobody had begun."""
        try:
            wish = decode(text)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return
        if not isinstance(wish, Change):
            self.parents.add(self.parents.make(wish, handle, strategy_id))


def never_left(child: Child) -> bool:
    """Asked for, and no order event since."""
    return child.state in (OrderState.NONE, OrderState.APPROVED)


def rebuild(parents: Parents, records: Iterable[Any]) -> int:
    """Fold the records; how many parents are alive."""
    ledger = Ledger(parents)
    for record in records:
        ledger.take(record)
    ledger.revive()
    return len(parents.parents)
