"""Parents in the ledger's fold: what was asked for over several orders, how far it is, and which orders belong to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from engine.desk.exits import ChildOrder, Text, held_exits
from engine.journal import decode, layout
from engine.journal.cursor import Record
from engine.model.codes import Contingency, OrderState, ParentState, RecordKind

OPEN_PARENTS = frozenset(state.name for state in (ParentState.WORKING, ParentState.PAUSED, ParentState.CANCELING))
PARENTS_KEPT_MAX = 20_000
REFUSED_STATES = frozenset({OrderState.REFUSED.name, OrderState.REJECTED.name})
_INTENT, _INTENT_NAMES = layout.payload_format(RecordKind.INTENT)
_HAS_CONDITIONS = 7
_CONDITIONS, _CONDITION_NAMES = layout.conditions_format()


class _Instruction(msgspec.Struct):
    """What a listing wants of an instruction: see `engine.model.instructions`."""

    kind: str = ""
    contingency: int = 0
    terms: dict[str, Any] = {}
    order: dict[str, Any] = {}
    orders: list[dict[str, Any]] = []


class _Own(msgspec.Struct):
    progress: dict[str, int] = {}


class _Saved(msgspec.Struct):
    instruction: _Instruction = msgspec.field(default_factory=_Instruction)
    children: list[ChildOrder] = []
    own: Any = None


@dataclass
class Family:
    """`parent_of`: handle of an order to its parent's; `conditions`: what an order's intent said beyond price and quantity."""

    parent_of: dict[int, int] = field(default_factory=dict)
    conditions: dict[int, dict[str, Any]] = field(default_factory=dict)
    parents: dict[int, dict[str, Any]] = field(default_factory=dict)
    # of each parent, whether the order that was judged last was refused
    is_refused: dict[int, bool] = field(default_factory=dict)

    def take_verdict(self, record: Record) -> None:
        """The gate refused an order of a parent."""
        parent = self.parent_of.get(record.order_handle)
        if parent is not None and not decode.payload(record)["approved"]:
            self.is_refused[parent] = True

    def take_state(self, handle: int, state: str, *, is_first: bool) -> None:
        """An order of a parent was let through, which its first state tells, or refused by the gate or the venue."""
        parent = self.parent_of.get(handle)
        if parent is not None and (state in REFUSED_STATES or (is_first and state != OrderState.HELD.name)):
            self.is_refused[parent] = state in REFUSED_STATES

    def take_intent(self, record: Record) -> None:
        """An order with conditions: its parent, trigger, display."""
        payload = record.payload
        if len(payload) < _INTENT.size + _CONDITIONS.size or not payload[_HAS_CONDITIONS]:
            return
        found = dict(zip(_INTENT_NAMES, _INTENT.unpack_from(payload), strict=True))
        found |= zip(_CONDITION_NAMES, _CONDITIONS.unpack_from(payload, _INTENT.size), strict=True)
        self.conditions[record.order_handle] = found
        self.adopt(record.order_handle, found["parent_handle"])

    def list_of(self, handle: int) -> str:
        """Of an order of a venue's list: its rule and the list's handle; empty for others."""
        asked = self.conditions.get(handle, {})
        if not asked.get("list_size"):
            return ""
        return f"{decode.enum_name(Contingency, asked['contingency'])} {asked['list_handle']}"

    def adopt(self, handle: int, parent_handle: int) -> None:
        """An order belongs to a parent; one that is its own parent (a held order) stands alone."""
        if parent_handle and parent_handle != handle:
            self.parent_of[handle] = parent_handle

    def take_parent(self, record: Record, price: Text, qty: Text) -> dict[str, Any]:
        """Payload and JSON of a PARENT_STATE: what it is, its progress, what it holds; its children are noted."""
        body = decode.payload(record)
        saved = saved_of(body.get("text", ""))
        for child in saved.children:
            self.adopt(child.handle, record.order_handle)
        for order in saved.instruction.orders:
            self.adopt(int(order.get("handle", 0)), record.order_handle)
        if saved.instruction.order:
            # a held order has its parent's handle, and no intent yet
            self.conditions.setdefault(record.order_handle, saved.instruction.order)
        former = self.parents.pop(record.order_handle, None)
        if former is not None and body["reason"] not in ("NONE", former["reason"]):
            self.is_refused[record.order_handle] = True
        if len(self.parents) >= PARENTS_KEPT_MAX:
            self._forget_closed()
        held = held_exits(saved.own, body, saved.children, price, qty) if body["state"] in OPEN_PARENTS else []
        return body | {
            "what": what_of(saved.instruction),
            "progress": progress_of(saved.own),
            "held_exits": held,
            "order_handles": [int(order.get("handle", 0)) for order in saved.instruction.orders],
        }

    def is_stale(self, parent: dict[str, Any]) -> bool:
        """Is its reason a refusal from before an order that was approved: it is at work again."""
        return parent["state"] in OPEN_PARENTS and self.is_refused.get(parent["handle"]) is False

    def _forget_closed(self) -> None:
        """Keep those at work and the younger half of the others."""
        closed = [handle for handle, row in self.parents.items() if row["state"] not in OPEN_PARENTS]
        for handle in closed[: PARENTS_KEPT_MAX // 2]:
            del self.parents[handle]
            self.is_refused.pop(handle, None)
        self.parent_of = {child: parent for child, parent in self.parent_of.items() if parent in self.parents}

    def forget_order(self, handle: int) -> None:
        """An order that is not listed any more."""
        self.parent_of.pop(handle, None)
        self.conditions.pop(handle, None)


def saved_of(text: str) -> _Saved:
    """The JSON of a PARENT_STATE; empty where it is none that this build knows."""
    try:
        return msgspec.json.decode(text or "{}", type=_Saved)
    except msgspec.DecodeError:
        return _Saved()


def what_of(instruction: _Instruction) -> str:
    """An instruction in a word: `twap`, `bracket`, `oco`, `protection`, `held`."""
    if instruction.kind == "algo":
        return str(instruction.terms.get("algo", "algo"))
    if instruction.kind == "orderlist" and instruction.contingency in Contingency._value2member_map_:
        return Contingency(instruction.contingency).name.lower()
    return instruction.kind


def progress_of(own: Any) -> dict[str, int]:
    """The progress in a parent's own state; empty where it tells none."""
    try:
        return msgspec.convert(own, _Own).progress
    except msgspec.ValidationError:
        return {}


@dataclass(frozen=True)
class Node:
    """A row of the tree: a parent, or an order; `depth` 0 = stands by itself."""

    row: dict[str, Any]
    is_parent: bool
    depth: int
    is_last: bool


def tree(parents: Iterable[dict[str, Any]], orders: Iterable[dict[str, Any]]) -> list[Node]:
    """Parents with their orders below, then orders of nobody and lists at the venue, by their latest change.

    A parent whose own order has its handle is that order's row, and its other orders, as the parts that it shows, stand below it.
    """
    below: dict[int, list[dict[str, Any]]] = {}
    for order in orders:
        below.setdefault(order.get("parent", 0), []).append(order)
    alone = {order["handle"] for order in below.get(0, [])}
    found: list[Node] = []
    for parent in parents:
        if parent["handle"] not in alone:
            found += branch(parent, below.pop(parent["handle"], []), is_parent=True)
    own = listed(below.pop(0, []))
    groups = [branch(row, [*below.pop(row["handle"], []), *legs], is_parent=bool(legs)) for row, legs in own]
    groups += [branch(order, [], is_parent=False) for left in below.values() for order in left]
    return found + [node for group in sorted(groups, key=latest) for node in group]


def branch(row: dict[str, Any], below: list[dict[str, Any]], *, is_parent: bool) -> list[Node]:
    """A row and those below it."""
    return [
        Node(row, is_parent, 0, False),
        *(Node(child, False, 1, number == len(below) - 1) for number, child in enumerate(below)),
    ]


def latest(group: list[Node]) -> int:
    """The sequence of the group's latest change."""
    return max(int(node.row["seq"]) for node in group)


def listed(orders: list[dict[str, Any]]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Orders of nobody, each with nothing below; those of a list that the venue carries out below a row for the list."""
    found: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    lists: dict[str, list[dict[str, Any]]] = {}
    for order in orders:
        name = order.get("list", "")
        if not name:
            found.append((order, []))
        elif name in lists:
            lists[name].append(order)
        else:
            lists[name] = [order]
            found.append((list_row(name, order), lists[name]))
    return found


def list_row(name: str, order: dict[str, Any]) -> dict[str, Any]:
    """The heading of a list at the venue; it has no state of its own."""
    what, _, handle = name.partition(" ")
    told = {key: order[key] for key in ("venue", "symbol", "strategy", "seq")}
    empty = dict.fromkeys(("side", "qty", "filled", "average_price"), "")
    more = {"state": "AT VENUE", "reason": "NONE", "progress": {}}
    return told | empty | more | {"handle": int(handle), "what": what.lower()}
