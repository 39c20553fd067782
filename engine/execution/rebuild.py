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


class Event(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a record: an instruction, or an order event that a PARENT_STATE has not worked off."""

    kind: int
    seq: int
    order_handle: int
    strategy_id: int
    payload: bytes


class Glance(msgspec.Struct, frozen=True):
    """Of a SavedParent what the fold needs at each record; the rest is read of the last one alone."""

    status: int
    upto_seq: int
    children: list[ChildGlance] = []


class ChildGlance(msgspec.Struct, frozen=True):
    """Of a child its handle."""

    handle: int


class Saved(msgspec.Struct, array_like=True):
    """The last word about a parent that is alive, and the events behind it."""

    handle: int
    text: bytes
    children: list[int]
    events: list[Event]


class Image(msgspec.Struct, array_like=True):
    """What a snapshot keeps of the fold, in the order of the ledger."""

    instructions: list[Event]
    saved: list[Saved]


glance = msgspec.json.Decoder(Glance).decode


class Ledger:
    """Folds records: what is alive, and its orders' events that were not worked off. Without `parents` it only folds."""

    def __init__(self, parents: Parents | None = None) -> None:
        self.parents = parents
        self.instructions: dict[int, Event] = {}
        self.saved: dict[int, Saved] = {}
        self.owners: dict[int, int] = {}

    def take(self, record: Any) -> None:
        """One record, in sequence order: of these kinds, and of orders that have an owner, every one must come."""
        if record.kind == RecordKind.PARENT_STATE:
            self.on_parent_state(record.order_handle, bytes(record.payload))
        elif record.kind == RecordKind.INSTRUCTION:
            self.instructions[record.order_handle] = kept(record)
        elif record.kind in (RecordKind.ORDER_STATE, RecordKind.FILL) and record.order_handle in self.owners:
            self.saved[self.owners[record.order_handle]].events.append(kept(record))

    def on_parent_state(self, handle: int, payload: bytes) -> None:
        """The latest word; nothing more is wanted of what is over."""
        text = payload[PARENT_STATE_BYTES:].rstrip(b"\0")
        seen = glance(text)
        self.instructions.pop(handle, None)
        known = self.saved.get(handle) or Saved(handle, b"", [], [])
        for child in known.children:
            self.owners.pop(child, None)
        if seen.status in OVER:
            self.saved.pop(handle, None)
            return
        known.text, known.children = text, [child.handle for child in seen.children]
        known.events = [event for event in known.events if event.seq > seen.upto_seq]
        self.saved[handle] = known
        for child in known.children:
            self.owners[child] = handle

    def image(self) -> bytes:
        """What was folded."""
        return msgspec.msgpack.encode(Image(list(self.instructions.values()), list(self.saved.values())))

    def load(self, image: bytes) -> None:
        """What `image` gave."""
        told = msgspec.msgpack.decode(image, type=Image)
        self.instructions = {event.order_handle: event for event in told.instructions}
        self.saved = {row.handle: row for row in told.saved}
        self.owners = {child: row.handle for row in told.saved for child in row.children}

    def revive(self) -> None:
        """Make the parents."""
        if self.parents is None:
            raise ValueError("this fold has nobody to revive parents for")
        for handle, row in self.saved.items():
            saved = msgspec.json.decode(row.text, type=SavedParent)
            parent = self.parents.make(saved.instruction, handle, saved.strategy_id)
            self.fill_in(self.parents, parent, saved)
            for event in row.events:
                self.replay(self.parents, parent, event)
            self.settle(parent)
            self.parents.told[handle] = parent.status
            self.parents.add(parent)
        for handle, event in self.instructions.items():
            self.begin(self.parents, handle, event)

    def fill_in(self, parents: Parents, parent: Parent, saved: SavedParent) -> None:
        """As it was told last."""
        parent.status, parent.reason = saved.status, saved.reason
        if saved.own is not None:
            parent.restore(saved.own)
        parent.filled_lots, parent.filled_value = saved.filled_lots, saved.filled_value
        parent.valued_lots, parent.qty_lots = saved.valued_lots, saved.qty_lots
        parent.children = {child.handle: child for child in saved.children}
        parent.child_count = saved.child_count
        for child in saved.children:
            parents.parent_of[child.handle] = parent

    def replay(self, parents: Parents, parent: Parent, event: Event) -> None:
        """An order event that it did not live to hear."""
        child = parent.children.get(event.order_handle)
        if child is None:
            return
        if event.kind == RecordKind.FILL:
            row = FILL.unpack_from(event.payload)
            parents.note_fill(parent, child, FillFact(price_ticks=row[2], qty_lots=row[3], side=row[9]))
        else:
            row = ORDER_STATE.unpack_from(event.payload)
            news = OrderNews(
                state=row[10], reason=row[7], price_ticks=row[2], qty_lots=row[3], cum_lots=row[4], leaves_lots=row[5]
            )
            parents.note_state(parent, child, news)

    def settle(self, parent: Parent) -> None:
        """What was only asked for has never left."""
        for child in parent.children.values():
            child.is_cancel_wanted = False
            if never_left(child):
                child.state, child.reason = OrderState.REFUSED, Reason.SESSION_DOWN

    def begin(self, parents: Parents, handle: int, event: Event) -> None:
        """An instruction that nobody had begun."""
        try:
            wish = decode(event.payload)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return
        if not isinstance(wish, Change):
            parents.add(parents.make(wish, handle, event.strategy_id))


def kept(record: Any) -> Event:
    """A record as the fold keeps it."""
    return Event(
        int(record.kind), record.seq, record.order_handle, getattr(record, "strategy_id", 0), bytes(record.payload)
    )


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
