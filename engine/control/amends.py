"""What an amendment is about, and whether it can be at all: asked before anything is journaled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.control.exact import RefusedCommandError, bad
from engine.control.messages import Amend, RefusalCode
from engine.control.order_words import Place, exits_of
from engine.execution.amending import amended, fault_of_change
from engine.execution.protection import Guarding
from engine.model.codes import OrderType, Reason
from engine.model.instructions import Change, fault_of_exits

if TYPE_CHECKING:
    from engine.control.commands import OperatorCommand
    from engine.control.outcomes import Before, Outcomes
    from engine.execution.parent import Parent

PRICED = frozenset(
    {OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED, OrderType.TRAILING_STOP_LIMIT}
)  # fmt: skip


def is_of_parent(command: OperatorCommand, trigger_ticks: int, outcomes: Outcomes) -> bool:
    """True: the parent that the order belongs to changes it; False: it is changed at the venue.

    Raises RefusedCommandError with a reason where neither can be.
    """
    before = outcomes.before(command)
    parent = before.parent
    if parent is not None:
        require_symbol(parent.instrument_id, command)
        require_terms(parent, command, trigger_ticks)
        return True
    order = before.order
    if order is None or not order["is_open"]:
        raise not_open(command, before, outcomes)
    require_symbol(order["instrument_id"], command)
    if order.get("list_size", 0) > 1:
        raise unsupported(list_text(order))
    if trigger_ticks:
        raise unsupported(
            "the order waits at the venue, where no trigger price is changed: cancel it and place another"
        )
    if command.price_ticks and OrderType[order["order_type"]] not in PRICED:
        raise unsupported(f"a {order['order_type']} order has no limit price")
    require_change(command, order)
    return False


def require_terms(parent: Parent, command: OperatorCommand, trigger_ticks: int) -> None:
    """What the parent holds or has sent: numbers that its type has, other than they are."""
    terms = parent.terms_of(command.order_handle)
    if terms is None:
        return
    if fault := fault_of_change(terms, command.price_ticks, trigger_ticks):
        raise unsupported(fault)
    if amended(terms, command.price_ticks, command.qty_lots, trigger_ticks) == terms:
        raise RefusedCommandError(RefusalCode.STATE, "nothing to change: the order has these numbers already")


def exits_change(request: Amend, command: OperatorCommand, place: Place, outcomes: Outcomes | None) -> Change:
    """Other exits of a bracket or a protection: a stop-loss or take-profits that are not named stay as they are."""
    before = outcomes.before(command) if outcomes is not None else None
    if outcomes is None or before is None or (before.parent is None and before.order is None):
        raise (
            not_open(command, before, outcomes) if before is not None and outcomes is not None else bad("no such order")
        )
    if not isinstance(before.parent, Guarding) or request.exits is None:
        raise unsupported("only a bracket or a protection has exits: name it by its handle, as `ctl orders` shows it")
    if request.price or request.qty or request.trigger:
        raise bad("exits, or a price, a quantity or a trigger: one after the other")
    require_symbol(before.parent.instrument_id, command)
    old, new = before.parent.exits.plan, exits_of(request.exits, place)
    plan = msgspec.structs.replace(
        old,
        stop=new.stop or old.stop,
        targets=new.targets or old.targets,
        break_even=new.break_even or old.break_even,
        placement=new.placement if new.stop is not None else old.placement,
    )
    if plan == old:
        raise RefusedCommandError(RefusalCode.STATE, "nothing to change: these are its exits already")
    if fault := fault_of_exits(plan):
        raise bad(fault)
    return Change(handle=command.order_handle, action="amend", exits=plan)


def instrument_of(command: OperatorCommand, outcomes: Outcomes) -> int:
    """What the order is an order of. Raises RefusedCommandError where there is none."""
    before = outcomes.before(command)
    if before.parent is not None:
        return before.parent.instrument_id
    if before.order is None:
        raise not_open(command, before, outcomes)
    return int(before.order["instrument_id"])


def require_symbol(instrument_id: int, command: OperatorCommand) -> None:
    """The grid of another symbol would make another price of the same words."""
    if instrument_id != command.instrument_id:
        raise bad("the order is of another symbol")


def require_change(command: OperatorCommand, order: dict[str, Any]) -> None:
    """Something must be other than it is."""
    price_ticks = command.price_ticks or order["price_ticks"]
    qty_lots = command.qty_lots or order["qty_lots"]
    if (price_ticks, qty_lots) == (order["price_ticks"], order["qty_lots"]):
        raise RefusedCommandError(RefusalCode.STATE, "nothing to change: the order has this price and quantity already")


def not_open(command: OperatorCommand, before: Before, outcomes: Outcomes) -> RefusedCommandError:
    """There is no such order, or it has ended."""
    found = outcomes.why_not(command.order_handle, before)
    code = RefusalCode.UNKNOWN_NAME if found.reason == Reason.UNKNOWN_ORDER else RefusalCode.STATE
    return RefusedCommandError(code, found.text, found.reason)


def unsupported(why: str) -> RefusedCommandError:
    """There is another way."""
    return RefusedCommandError(RefusalCode.STATE, f"UNSUPPORTED: {why}", Reason.UNSUPPORTED)


def list_text(order: dict[str, Any]) -> str:
    """Why no order of a venue's list is changed alone."""
    first = order["list_handle"]
    return (
        "the order is one of an order list at the venue, which amends and replaces none of them alone, and cancels all with one: "
        f"`ctl cancel --order {first}`, then place another list; or place it with --emulated: the engine then holds it, "
        "and what waits there can be amended"
    )
