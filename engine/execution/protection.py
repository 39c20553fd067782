"""Exits that follow a position, whoever made it: their size is the position's, whatever changes it.

It ends with the position, or by a person; a strategy can give it another plan, not take it away. Kill cancels its take-profits and
leaves the stop held: it goes on after `arm`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.execution.exit_changes import move_stop, move_target, take_plan
from engine.execution.exit_state import ROLE_NATIVE_STOP, ROLE_STOP, ROLE_TARGET, ExitState
from engine.execution.exits import Exits
from engine.execution.parent import Child, ChildTerms, FillFact, MarketView, Parent
from engine.model.codes import InstructionKind, ParentState, Reason, Side
from engine.model.instructions import ExitPlan, Protection, fault_of_exits


class Guarding(Parent):
    """Base of what has exits: events go to the exits, then everything is looked at."""

    is_protective = True
    exits: Exits

    def work(self) -> None:
        """Do what is to be done now."""
        self.exits.work()

    def on_child(self, child: Child) -> None:
        """An order moved."""
        self.exits.on_child(child)
        self.work()

    def on_fill(self, child: Child, fill: FillFact) -> None:
        """An order was filled."""
        del child, fill
        self.work()

    def on_position(self, position_lots: int) -> None:
        """The position changed, by us or by somebody else."""
        del position_lots
        self.exits.on_room()
        self.work()

    def on_trigger(self, watch_id: int, price: int) -> None:
        """A price was seen; a gap through it is seen once."""
        del price
        self.exits.on_trigger(watch_id)
        self.work()

    def on_trail(self, watch_id: int, level: int) -> None:
        """The stop trailed."""
        self.exits.on_trail(watch_id, level)

    def on_market(self, view: MarketView) -> None:
        """Trades, for the average range."""
        self.exits.on_market(view)
        self.work()

    def on_timer(self, timer_id: int, data: int) -> None:
        """To be tried again."""
        del data
        self.exits.on_timer(timer_id)
        self.work()

    def on_room(self) -> None:
        """What a fired stop waited for may be there."""
        self.exits.on_room()
        self.work()

    def on_open(self) -> None:
        """What was refused for the moment's sake may pass."""
        self.exits.on_open()
        self.work()

    def presses(self, child: Child) -> bool:
        """The stop's own orders."""
        return child.role == ROLE_STOP

    def on_armed(self) -> None:
        """A person armed the engine."""
        self.exits.retry_now()
        self.reason = Reason.NONE
        self.is_changed = True
        self.work()

    def resume_exits(self) -> None:
        """After a restart: what listened listens again."""
        if self.exits.range is not None and self.exits.state.is_known:
            self.port.listen()

    def amend_exits(self, exits: ExitPlan) -> int:
        """Another plan for what is protected."""
        if fault_of_exits(exits):
            return Reason.UNSUPPORTED
        take_plan(self.exits, exits)
        self.work()
        return Reason.NONE

    def amend(self, handle: int, price_ticks: int, qty_lots: int, trigger_ticks: int) -> int:
        """Another price of one take-profit, by its handle; another trigger of the stop, by the parent's or its own."""
        child = self.children.get(handle)
        reason: int = Reason.UNSUPPORTED
        if qty_lots or bool(price_ticks) == bool(trigger_ticks):
            return reason  # sizes follow what is protected
        if price_ticks and child is not None and child.role >= ROLE_TARGET:
            reason = move_target(self.exits, handle, price_ticks)
        elif trigger_ticks and (handle == self.handle or (child is not None and child.role == ROLE_NATIVE_STOP)):
            reason = move_stop(self.exits, trigger_ticks)
        self.work()
        return reason

    def pause(self) -> None:
        """Protection is not paused: that would be to leave the position alone."""


class ProtectionParent(Guarding):
    """See the module."""

    kind = InstructionKind.PROTECTION
    follows_position = True
    can_grow = False

    def __init__(self, instruction: Protection, handle: int, strategy_id: int) -> None:
        super().__init__(instruction, handle, strategy_id)
        self.position_side = instruction.position_side
        self.direction = 0
        # its stop has fired and closed all: what is opened from then on is not what it was to protect
        self.is_spent = False
        self.exits = Exits(self, self, instruction.exits, Side.SELL)

    def on_start(self) -> None:
        """A position must be there."""
        lots = self.port.position_lots()
        if lots == 0:
            self.end(ParentState.REJECTED, Reason.NOT_FOUND)
            return
        self.take_direction(1 if lots > 0 else -1)
        self.move_to(ParentState.WORKING)
        self.work()

    def on_resume_run(self) -> None:
        """Take up where it stood: the position may be another by now."""
        self.resume_exits()
        self.work()

    def take_direction(self, direction: int) -> None:
        """Long or short: it protects that, and never what is turned into the other."""
        self.direction = direction
        self.side = self.exits.side = Side.SELL if direction > 0 else Side.BUY

    def guarded_lots(self) -> int:
        """The position's size, as long as it is on the side that was to be protected."""
        lots = 0 if self.is_spent else max(self.port.position_lots() * self.direction, 0)
        self.is_spent |= self.exits.state.is_stopping and lots == 0
        if lots != self.qty_lots:
            self.qty_lots, self.is_changed = lots, True  # told, also where no order of ours has to move
        return lots

    def reference_ticks(self) -> int:
        """What distances count from."""
        return self.port.entry_price_ticks()

    def room_for(self, terms: ChildTerms) -> int:
        """Exits never exceed the position, with everything that closes it already; a fired stop's: `Exits.free_lots`."""
        if terms.role == ROLE_STOP:
            return self.exits.room_for_stop(terms.order_type)
        return self.port.closable_lots(terms.side)

    def work(self) -> None:
        """As the position is; flat ends it, and one that was taken away places nothing any more."""
        if self.is_over:
            return
        if self.status == ParentState.CANCELING:
            self.exits.rest()
            return
        self.exits.work()
        if self.exits.dust.is_final and self.exits.is_idle:
            self.end(ParentState.DONE, Reason.QTY_BELOW_MIN)
        elif self.guarded_lots() == 0 and self.exits.is_idle:
            self.end(ParentState.CANCELED if self.status == ParentState.CANCELING else ParentState.DONE, self.reason)

    def cancel_by(self, *, by_person: bool) -> None:
        """Only a person takes protection away."""
        if by_person:
            self.cancel()
        else:
            self.reason = Reason.UNSUPPORTED
            self.is_changed = True

    def cancel(self, reason: int = Reason.NONE) -> None:
        """The end of it."""
        self.exits.disarm()
        self.exits.drop_timers()
        super().cancel(reason)

    def on_sweep(self, *, is_kill: bool) -> None:
        """The stop stands; take-profits are orders like others. After a kill they come back with `arm`."""
        if is_kill:
            self.reason = Reason.HALTED
            self.is_changed = True
        else:
            self.exits.targets.drop()

    def cancel_order(self, handle: int) -> bool:
        """One of its orders: a take-profit stays away then, anything else comes back where it is wanted, so nothing is done."""
        return self.exits.targets.take_away(handle)

    def state(self) -> Any:
        """Direction and exits."""
        return {
            "direction": self.direction,
            "is_spent": self.is_spent,
            "exits": self.exits.state,
            "plan": self.exits.plan,
        }

    def restore(self, saved: Any) -> None:
        """Where it stood."""
        plan = msgspec.convert(saved["plan"], ExitPlan)
        self.exits = Exits(self, self, plan, Side.SELL)
        self.exits.restore(msgspec.convert(saved["exits"], ExitState))
        self.take_direction(saved["direction"])
        self.is_spent = saved.get("is_spent", False)
