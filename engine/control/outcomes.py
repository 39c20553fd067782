"""What a command did, told in its answer: orders and parents as they stood before it, and the stages' word after it.

A command runs through all stages before its answer leaves, so that a cancel of an order that has ended, a pause of what is paused
or an amendment that the gate refused is known by then. Nothing here changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.control.messages import ScopeKind
from engine.control.refusals import Units, refusal_text
from engine.model import clientid
from engine.model.codes import CommandKind, ParentState, Reason
from engine.model.instructions import Algo, Bracket, Held, OrderList, Protection
from engine.risk.reasons import MEANINGS

if TYPE_CHECKING:
    from engine.control.commands import OperatorCommand
    from engine.control.engine_parts import EngineParts
    from engine.execution.parent import Parent

PAUSING = (CommandKind.PAUSE, CommandKind.RESUME)
TAKEN_BACK = "taken back at the venue, then sent again with these numbers; with the old ones where these are refused"
ASK_ORDERS = "`ctl orders --all` lists what the engine knows"


@dataclass(frozen=True)
class Outcome:
    """`is_done` False: nothing was done, and `text` says why. Else `text` says what there was to do, where that is worth it."""

    is_done: bool = True
    reason: Reason = Reason.NONE
    text: str = ""


def undone(reason: Reason, why: str) -> Outcome:
    """Nothing was done."""
    return Outcome(False, reason, why)


@dataclass(frozen=True)
class Before:
    """What a command is about, before it: an order (`others`: what else is open), a parent that is not over, or how many orders and
    which parents a scope has."""

    order: dict[str, Any] | None = None
    is_external: bool = False
    parent: Parent | None = None
    others: frozenset[int] = frozenset()
    orders: int = 0
    parents: tuple[Parent, ...] = ()
    changeable: int = 0


class Outcomes:
    """Reads the engine's stages. Every order is known to one line's OMS, every parent to the execution stage."""

    def __init__(self, engine: EngineParts, currency: str = "") -> None:
        self._engine = engine
        self._currency = currency

    # --- what there is ---

    def order(self, handle: int) -> dict[str, Any] | None:
        """An order that some line remembers; None where none does."""
        found = (line.oms.order(handle) for line in self._engine.lines)
        return next((row for row in found if row is not None), None)

    def parent(self, handle: int) -> Parent | None:
        """The parent that is under way and has this handle, or an order of this handle."""
        found = self._engine.execution.parents.find(handle)
        return None if found is None or found.is_over else found

    def units(self, instrument_id: int) -> Units:
        """The words of an instrument."""
        return units_of(self._engine.tables, instrument_id, self._currency)

    def before(self, command: OperatorCommand) -> Before:
        """How things stand."""
        handle = command.order_handle
        if command.kind in (CommandKind.CANCEL, CommandKind.AMEND, CommandKind.INSTRUCT) and handle:
            external = (row for line in self._engine.lines for row in line.oms.external_open_orders())
            return Before(
                order=self.order(handle),
                is_external=any(clientid.decode(row["client_order_id"]) == handle for row in external),
                parent=self.parent(handle),
                others=self._open_handles() if command.kind == CommandKind.AMEND else frozenset(),
            )
        if command.kind == CommandKind.CANCEL:
            return Before(orders=self._open_orders(command), parents=self._parents(command))
        if command.kind in PAUSING:
            return Before(changeable=self._changeable(command))
        return Before()

    def _open_orders(self, command: OperatorCommand) -> int:
        """Orders at the venues, or on their way there, in a scope."""
        tables = self._engine.tables
        if command.strategy_id:
            return int(tables.strategy(command.strategy_id)["open_orders"])
        if command.instrument_id:
            return sum(int(tables.exposure(command.instrument_id, side)["open_orders"]) for side in range(3))
        wanted = command.venue_id or command.account_id
        lines = [line.venue_id for line in self._engine.lines if wanted in (0, line.venue_id)]
        return sum(int(tables.line_state(line)["open_orders"]) for line in lines)

    def _open_handles(self) -> frozenset[int]:
        """Every order that is open, by its handle."""
        return frozenset(row["order_handle"] for line in self._engine.lines for row in line.oms.orders())

    def _parents(self, command: OperatorCommand) -> tuple[Parent, ...]:
        """Parents in a scope."""
        tables, wanted = self._engine.tables, command.venue_id or command.account_id
        found = self._engine.execution.parents.in_scope(
            venue_instruments=None, strategy_id=command.strategy_id, instrument_id=command.instrument_id
        )
        return tuple(parent for parent in found if wanted in (0, tables.instrument(parent.instrument_id)["venue_id"]))

    def _changeable(self, command: OperatorCommand) -> int:
        """Strategies that a pause or a resume would change."""
        wanted = command.kind == CommandKind.PAUSE
        ids = [command.strategy_id] if command.strategy_id else self._engine.strategy_ids.values()
        rows = [self._engine.tables.strategy(number) for number in ids]
        return sum(bool(row["paused"]) != wanted for row in rows)

    # --- what became of it ---

    def after(self, command: OperatorCommand, sequence: int, before: Before) -> Outcome:
        """What the command did."""
        if command.kind == CommandKind.CANCEL and command.order_handle:
            return self._of_one_cancel(command, sequence, before)
        if command.kind == CommandKind.CANCEL:
            return cancelled(before)
        if command.kind in PAUSING:
            return paused(command, before)
        if command.kind == CommandKind.AMEND:
            return self._of_amend(command, sequence, before)
        if command.kind == CommandKind.INSTRUCT and before.parent is not None:
            return self._of_change(command, sequence, before.parent)
        if command.kind == CommandKind.INSTRUCT and command.scope_kind == ScopeKind.ORDER:
            return self.why_not(command.order_handle, before)
        if command.kind == CommandKind.INSTRUCT:
            return self._of_instruction(command, sequence)
        return self._gates(command, sequence) if command.kind in (CommandKind.ORDER, CommandKind.HEDGE) else Outcome()

    def _of_one_cancel(self, command: OperatorCommand, sequence: int, before: Before) -> Outcome:
        """It was asked of the venue, or its parent took it: done. Else it was over before, or never there."""
        is_open = before.order is not None and before.order["is_open"]
        if is_open or before.is_external or self._stages(sequence) == Reason.NONE:
            return Outcome()
        return self.why_not(command.order_handle, before)

    def _of_amend(self, command: OperatorCommand, sequence: int, before: Before) -> Outcome:
        """Less of it in its place under its own handle, or a new order in its place."""
        refused = self._gates(command, sequence)
        made = self._open_handles() - before.others
        if not refused.is_done or len(made) != 1:
            return refused
        return Outcome(text=f"an order in its place was asked for, handle {next(iter(made))}")

    def _of_change(self, command: OperatorCommand, sequence: int, parent: Parent) -> Outcome:
        """A pause, a resume or an amendment of a parent, or of an order of one."""
        reason = self._stages(sequence)
        refused = self._gates(command, sequence)
        if reason == Reason.NONE and refused.is_done and parent.is_moving:
            return Outcome(text=TAKEN_BACK)
        if reason == Reason.NONE:
            return refused
        is_amend = command.detail and b'"action":"amend"' in command.detail
        text = amend_text(parent, reason) if is_amend else ""
        return undone(reason, f"{reason.name}: {text or parent_text(parent, reason)}")

    def _of_instruction(self, command: OperatorCommand, sequence: int) -> Outcome:
        """What was to begin: it is under way, it has gone to the venue as it is, or it ended where it began."""
        parents = self._engine.execution.parents
        refused = self._gates(command, sequence)
        if command.order_handle in parents.parents:
            return Outcome(text="" if refused.is_done else f"an order of it is refused for now: {refused.text}")
        over = parents.over.get(command.order_handle)
        if over is None:
            reason = self._stages(sequence)
            return refused if reason == Reason.NONE else undone(reason, f"{reason.name}: {MEANINGS[reason].check}")
        if over.status != ParentState.REJECTED:
            return Outcome()
        reason = Reason(over.reason)
        if not refused.is_done and reason in (refused.reason, Reason.NONE):
            return refused
        return undone(reason, f"{reason.name}: {rejected_text(over, reason)}")

    def why_not(self, handle: int, before: Before) -> Outcome:
        """Why nothing can be done about an order or a parent."""
        over = self._engine.execution.parents.over.get(handle)
        if before.order is not None and before.order["is_open"]:
            return undone(Reason.UNKNOWN_ORDER, "UNKNOWN_ORDER: an order at the venue is not paused: cancel it")
        if before.order is not None:
            return undone(Reason.ORDER_NOT_OPEN, f"ORDER_NOT_OPEN: the order is {before.order['state']}")
        if over is not None:
            state = ParentState(over.status).name
            return undone(Reason.ORDER_NOT_OPEN, f"ORDER_NOT_OPEN: it is over ({state})")
        return undone(Reason.UNKNOWN_ORDER, f"UNKNOWN_ORDER: the engine holds no such order; {ASK_ORDERS}")

    def _stages(self, sequence: int) -> Reason:
        """What the execution stage said to a command about one order or parent; INTERNAL where it has not spoken."""
        stage = self._engine.execution
        return Reason(stage.answered_reason) if stage.answered_seq == sequence else Reason.INTERNAL

    def _gates(self, command: OperatorCommand, sequence: int) -> Outcome:
        """What the gate refused of a command, in the instrument's units."""
        gate = self._engine.gate
        if gate.operator_refused_cause != sequence or not sequence:
            return Outcome()
        instrument_id = command.instrument_id
        if not instrument_id and (order := self.order(command.order_handle)):
            instrument_id = order["instrument_id"]
        return undone(Reason(gate.operator_refused_reason), self.refusal(instrument_id))

    def refusal(self, instrument_id: int) -> str:
        """The gate's latest refusal of what a person asked for, in the words of its instrument."""
        gate = self._engine.gate
        numbers = gate.operator_refused_scope, gate.operator_refused_value, gate.operator_refused_limit
        return refusal_text(gate.operator_refused_reason, *numbers, self.units(instrument_id))


def units_of(tables: Any, instrument_id: int, currency: str = "") -> Units:
    """The words of an instrument of the tables."""
    if not 0 < instrument_id <= tables.instrument_count:
        return Units(currency=currency)
    row = tables.instrument(instrument_id)
    base, quote = (tables.asset_name(row[f"{what}_asset_id"]).rsplit(":", 1)[-1] for what in ("base", "quote"))
    return Units(tables.symbol(instrument_id), row["tick_size_e8"], row["lot_size_e8"], base, quote, currency)


def cancelled(before: Before) -> Outcome:
    """A cancel of a scope; that there is nothing is no fault. Exits that follow a position stay, and that is said."""
    ended = sum(parent.is_over or parent.status == ParentState.CANCELING for parent in before.parents)
    stays = len(before.parents) - ended
    counts = [(before.orders, "open order"), (ended, "parent")]
    told = [f"{count} {what}{'s' * (count > 1)}" for count, what in counts if count]
    text = f"cancels {' and '.join(told)}" if told else "nothing to cancel"
    return Outcome(
        text=f"{text}; {stays} with exits of a position stay: cancel them by their handle" if stays else text
    )


def paused(command: OperatorCommand, before: Before) -> Outcome:
    """A pause or a resume of strategies; of one by name it must change something."""
    word = "pause" if command.kind == CommandKind.PAUSE else "resume"
    if before.changeable:
        return Outcome()
    if not command.strategy_id:
        return Outcome(text=f"nothing to {word}")
    if word == "pause":
        return undone(Reason.STRATEGY_PAUSED, "STRATEGY_PAUSED: it is paused already")
    return undone(Reason.NONE, "it is not paused; one that was killed or disabled is enabled by `ctl arm --strategy`")


def rejected_text(parent: Parent, reason: Reason) -> str:
    """Why an instruction ended where it began."""
    if isinstance(parent.instruction, Bracket) and reason == Reason.POSITION_SIDE:
        return (
            "the account's position is on the other side: the entry would close some of it, and stop-loss and take-profit would "
            "have nothing to close; close that position first, or send the order without exits"
        )
    if isinstance(parent.instruction, Bracket) and reason == Reason.TRIGGERED_AT_ONCE:
        return (
            "the market has met the entry's trigger, the stop-loss or a take-profit: it would go out, or close, at once"
        )
    return MEANINGS[reason].check


def amend_text(parent: Parent, reason: Reason) -> str:
    """Why something of a parent is not given other numbers; empty where the reason says it all."""
    has_exits = isinstance(parent.instruction, Bracket | Protection)
    if reason == Reason.UNSUPPORTED and has_exits:
        return (
            "its exits are changed by --stop-loss and --take-profit of its own handle, the stop alone by --trigger, a "
            "take-profit by --price of the take-profit's; sizes follow what is protected: cancel what is not wanted"
        )
    if reason == Reason.ORDER_NOT_OPEN and has_exits:
        return "the order has ended, goes out at the market, or its stop has fired already"
    if reason == Reason.TRIGGERED_AT_ONCE:
        return "the market, or the entry, has met that price: it would go out, or close, at once; nothing was changed"
    if reason == Reason.QTY_BELOW_MIN:
        return "so much of it is filled already"
    if reason in (Reason.HALTED, Reason.BOOK_INVALID):
        return "no order can leave now; the order stays where it is"
    return ""


def parent_text(parent: Parent, reason: Reason) -> str:
    """Why a parent, or an order of one, is not changed; and what can be done instead."""
    state = ParentState(parent.status).name
    if reason == Reason.UNSUPPORTED and isinstance(parent.instruction, Protection):
        return "exits that follow a position are not paused: that would leave the position alone; cancel them, or protect anew"
    if reason == Reason.UNSUPPORTED and isinstance(parent.instruction, Algo):
        return "orders of an algorithm are its own: cancel the algorithm and begin another"
    if reason == Reason.UNSUPPORTED and isinstance(parent.instruction, OrderList):
        return "an order of a list that works at the venue is not changed alone: cancel the list and place another"
    if reason == Reason.UNSUPPORTED:
        return f"a {type(parent.instruction).__name__.lower()} cannot be changed so: cancel it and place another"
    if reason == Reason.ORDER_NOT_OPEN and isinstance(parent.instruction, Held | OrderList):
        return f"the order has ended, works at the venue by now, or is {state} already"
    if reason == Reason.ORDER_NOT_OPEN:
        return f"it is {state}"
    return MEANINGS[reason].check
