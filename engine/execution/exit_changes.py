"""Other prices for exits that are at work: one stop, one take-profit, or the part of a plan that is another.

What stays the same is left as it is: a new stop takes no take-profit back, new take-profits do not loosen a stop that has moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.execution.atr import AverageRange
from engine.execution.exit_state import ROLE_STOP, ROLE_TARGET
from engine.execution.hold import is_reached
from engine.execution.parent import Watch
from engine.model.codes import Reason, Side, TriggerSource
from engine.model.instructions import ExitPlan

if TYPE_CHECKING:
    from engine.execution.exits import Exits


def is_stop_met(exits: Exits, plan: ExitPlan) -> bool:
    """Would a stop at the plan's price fire on what is seen now."""
    if plan.stop is None:
        return False
    watch = Watch(
        instrument_id=0,
        side=exits.side,
        is_above=exits.side == Side.BUY,
        trigger_source=plan.stop.trigger_source,
        level_ticks=plan.stop.trigger_ticks,
    )
    return is_reached(exits.port, watch)


def is_target_met(exits: Exits, plan: ExitPlan) -> bool:
    """Would a take-profit at one of the plan's prices trade at once."""
    is_above = exits.side == Side.SELL
    source = TriggerSource.BID_ASK
    watches = [
        Watch(
            instrument_id=0, side=exits.side, is_above=is_above, trigger_source=source, level_ticks=target.price_ticks
        )
        for target in plan.targets
    ]
    return any(is_reached(exits.port, watch) for watch in watches)


def move_stop(exits: Exits, trigger_ticks: int) -> int:
    """The stop at another price, nearer or farther; one that trails follows from there. A Reason where it cannot be."""
    stop = exits.plan.stop
    if stop is None or exits.state.is_stopping:
        return Reason.ORDER_NOT_OPEN
    plan = msgspec.structs.replace(
        exits.plan, stop=msgspec.structs.replace(stop, trigger_ticks=trigger_ticks, distance=None)
    )
    if is_stop_met(exits, plan):
        return Reason.TRIGGERED_AT_ONCE
    renew_stop(exits, plan)
    return Reason.NONE


def move_target(exits: Exits, handle: int, price_ticks: int) -> int:
    """One take-profit at another price, by its order's handle: taken back, then sent anew. A Reason where it cannot be."""
    child = exits.parent.children.get(handle)
    number = None if child is None else exits.targets.number_of(child)
    if number is None or child is None or child.is_ended or exits.state.is_stopping or exits.state.target_off[number]:
        return Reason.ORDER_NOT_OPEN
    targets = list(exits.plan.targets)
    targets[number] = msgspec.structs.replace(targets[number], price_ticks=price_ticks, distance=None)
    plan = msgspec.structs.replace(exits.plan, targets=tuple(targets))
    if is_target_met(exits, msgspec.structs.replace(plan, targets=(targets[number],))):
        return Reason.TRIGGERED_AT_ONCE
    exits.plan = plan
    exits.parent.is_changed = True
    return Reason.NONE


def take_plan(exits: Exits, plan: ExitPlan) -> None:
    """Another plan: what of it is another is made anew."""
    has_same_targets = plan.targets == exits.plan.targets
    has_same_stop = (plan.stop, plan.break_even, plan.placement) == (
        exits.plan.stop,
        exits.plan.break_even,
        exits.plan.placement,
    )
    if has_same_targets and not has_same_stop:
        renew_stop(exits, plan)
    elif has_same_stop and not has_same_targets:
        renew_targets(exits, plan)
    elif not has_same_stop:
        exits.amend(plan)


def renew_stop(exits: Exits, plan: ExitPlan) -> None:
    """The stop of another plan, its distances from the average entry price as it is now; take-profits stay."""
    exits.release_stop_watch()
    exits.port.disarm(exits.even_watch)
    exits.even_watch = 0
    exits.plan, state = plan, exits.state
    reference_ticks, was_known = state.reference_ticks, state.is_known
    state.level_ticks = state.trail_level = state.extreme = state.trail_ticks = 0
    state.is_known = state.is_even = False
    exits.range = None if plan.stop is None or plan.stop.atr is None else AverageRange(plan.stop.atr)
    exits.parent.is_changed = True
    if was_known:
        exits.know_levels()
        state.reference_ticks, state.is_known = reference_ticks, True


def renew_targets(exits: Exits, plan: ExitPlan) -> None:
    """The take-profits of another plan for what is open; the stop stays where it is."""
    exits.targets.disarm()
    exits.targets.drop_timers()
    exits.targets.cancel()
    exits.plan, state = plan, exits.state
    state.target_filled, state.target_fired, state.target_off, state.target_renewals = [], [], [], []
    state.targets_off = False
    exits.targets.fit()
    for child in exits.parent.children.values():
        if child.role >= ROLE_TARGET:
            child.role = ROLE_STOP + 2  # an exit of the old plan: it counts, but for no target
    exits.parent.is_changed = True
