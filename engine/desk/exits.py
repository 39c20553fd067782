"""What a parent holds for its position in the ledger's fold: the stop, and take-profits that are not at the venue (yet).

They have no order and no handle until they are sent; what is known of them stands in the parent's own state (PARENT_STATE).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from engine.execution.exit_state import ROLE_NATIVE_STOP, ROLE_STOP, ROLE_TARGET, ExitState, wanted_lots
from engine.model.codes import OrderState, Side, TrailKind
from engine.model.instructions import ExitPlan, StopPlan, TargetPlan

Text = Callable[[int], str]
Row = dict[str, Any]
OVER = frozenset(
    {OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED, OrderState.ABSENT}
    | {OrderState.REFUSED}
)


class _Own(msgspec.Struct):
    """What brackets and protections alike say of their exits; `direction` is a protection's."""

    exits: ExitState
    plan: ExitPlan
    exit_filled: int = 0
    direction: int = 0


class ChildOrder(msgspec.Struct):
    """What is wanted of a child: which exit it is, and whether it works."""

    handle: int = 0
    role: int = 0
    state: int = 0

    @property
    def is_open(self) -> bool:
        """May it still be filled."""
        return self.state not in OVER


def held_exits(own: Any, body: dict[str, Any], children: list[ChildOrder], price: Text, qty: Text) -> list[Row]:
    """Rows of what waits in the engine: side, type, trigger, trail, quantity. Empty where the parent has no exits.

    `body`: payload of the PARENT_STATE. Without a fill of the entry the levels that count from it are not known: empty.
    """
    try:
        found = msgspec.convert(own, _Own)
    except msgspec.ValidationError:
        return []
    roles = {child.role for child in children if child.is_open}
    side = exit_side(found.direction, body["side"])
    lots = body["qty_lots"] if found.direction else max(body["filled_lots"] - found.exit_filled, 0)
    planned = lots or body["qty_lots"]
    rows = [
        *stop_rows(found, roles, side, planned, price),
        *target_rows(found, roles, side, planned, price),
    ]
    note = "" if lots else "from the entry's fill on"
    return [row | {"qty": qty(row.pop("lots")), "state": OrderState.HELD.name, "note": note} for row in rows]


def exit_side(direction: int, side: str) -> str:
    """A protection's own side; the other one of a bracket's entry."""
    if direction:
        return Side.SELL.name if direction > 0 else Side.BUY.name
    return Side.BUY.name if side == Side.SELL.name else Side.SELL.name


def stop_rows(own: _Own, roles: set[int], side: str, lots: int, price: Text) -> list[Row]:
    """The stop, unless it has fired, or rests at the venue as an order of its own."""
    stop = own.plan.stop
    if stop is None or own.exits.is_stopping or roles & {ROLE_STOP, ROLE_NATIVE_STOP}:
        return []
    ticks = stop_ticks(own.exits, stop, side)
    trailing = "TRAILING_" if stop.trail is not None or stop.atr is not None else ""
    kind = f"{trailing}STOP{'_LIMIT' if stop.limit_offset_ticks else ''}"
    trigger = price(ticks) if ticks else ""
    where = {"trigger": trigger, "trail": trail(own, stop, price), "price": ""}
    return [{"exit": "stop", "side": side, "type": kind, "lots": lots} | where]


def stop_ticks(state: ExitState, stop: StopPlan, side: str) -> int:
    """Where it would fire now: the nearer of its fixed level and of how far it has trailed; 0 = not known yet."""
    levels = [ticks for ticks in (state.level_ticks, state.trail_level) if ticks]
    if not levels:
        return stop.trigger_ticks
    return max(levels) if side == Side.SELL.name else min(levels)


def trail(own: _Own, stop: StopPlan, price: Text) -> str:
    """The distance at which the stop follows; empty where it does not."""
    if own.exits.trail_ticks:
        return price(own.exits.trail_ticks)
    return trail_text(stop.trail.unit, stop.trail.amount, price) if stop.trail is not None else ""


def trail_text(kind: int, amount: int, price: Text) -> str:
    """A trailing distance as text; empty for none."""
    if kind == TrailKind.BPS:
        return f"{amount} bps"
    return price(amount) if kind == TrailKind.TICKS else ""


def target_rows(own: _Own, roles: set[int], side: str, lots: int, price: Text) -> list[Row]:
    """Take-profits that have no order at the venue and something left to take."""
    rows: list[Row] = []
    if own.exits.targets_off or own.exits.is_stopping:
        return rows
    count = len(own.plan.targets)
    taken = (own.exits.target_filled + [0] * count)[:count]
    fired = (own.exits.target_fired + [False] * count)[:count]
    shares = wanted_lots(lots, taken, own.plan.targets)
    for number, target in enumerate(own.plan.targets):
        if ROLE_TARGET + number in roles or fired[number] or not shares[number]:
            continue
        ticks = target_ticks(own.exits, target, side)
        kind = "MARKET_IF_TOUCHED" if target.is_held else "LIMIT"
        shown = price(ticks) if ticks else ""
        where = {"trigger": shown, "price": ""} if target.is_held else {"trigger": "", "price": shown}
        row = {"exit": f"target {number + 1}", "side": side, "type": kind, "lots": shares[number], "trail": ""}
        rows.append(row | where)
    return rows


def target_ticks(state: ExitState, target: TargetPlan, side: str) -> int:
    """Its price; 0 = not known yet."""
    if target.distance is None:
        return target.price_ticks
    reference_ticks = state.reference_ticks
    away = target.distance.ticks_of(reference_ticks) * (1 if side == Side.SELL.name else -1)
    return max(reference_ticks + away, 1) if reference_ticks else 0
