"""What exits remember, who owns them, and the roles of their orders."""

from __future__ import annotations

from typing import Protocol

import msgspec

from engine.execution.terms import InstrumentFacts
from engine.model.codes import NativeFeature, OrderType, Side, TrailKind, TriggerSource
from engine.model.instructions import WHOLE_BPS, ExitPlan, StopPlan, TargetPlan

ROLE_ENTRY = 0
ROLE_STOP = 100
ROLE_NATIVE_STOP = 101
ROLE_TARGET = 200
TARGET_RETRY_NS = 10_000_000_000
# fills that come within this time make a target's order larger once
GROW_NS = 250_000_000
# a target's order that the venue has ended comes back after this, then twice as long each time; no more often than that in a row
RENEW_NS = 1_000_000_000
RENEWALS_MAX = 5
RENEWALS_FORGOTTEN_NS = 600_000_000_000


class Owner(Protocol):
    """The parent whose exits these are. `can_grow`: more may yet be opened that its exits are for."""

    @property
    def can_grow(self) -> bool: ...
    def guarded_lots(self) -> int: ...
    def reference_ticks(self) -> int: ...


class ExitState(msgspec.Struct, kw_only=True):
    """What a restart needs. Levels in ticks; `level_ticks`: the stop's fixed level, which only ever moves towards the price."""

    is_known: bool = False
    reference_ticks: int = 0
    level_ticks: int = 0
    trail_level: int = 0
    extreme: int = 0
    trail_ticks: int = 0
    is_stopping: bool = False
    is_even: bool = False
    even_armed: bool = False
    target_filled: list[int] = []
    target_fired: list[bool] = []
    target_off: list[bool] = []
    target_renewals: list[int] = []
    targets_off: bool = False
    # the limit of a stop-limit has failed: at the market from now on
    is_at_market: bool = False
    is_alarmed: bool = False


def wanted_lots(lots: int, taken: list[int], targets: tuple[TargetPlan, ...]) -> list[int]:
    """What each target still has to take: its share of all that was to be taken, less what it took; no more than there is."""
    whole, left, wanted, before = lots + sum(taken), lots, [], 0
    for target, done in zip(targets, taken, strict=True):
        until = before + target.share_bps
        mine = whole * until // WHOLE_BPS - whole * before // WHOLE_BPS
        wanted.append(min(max(mine - done, 0), left))
        left, before = left - wanted[-1], until
    return wanted


def can_rest(plan: ExitPlan, native_order_types: int) -> bool:
    """Can the stop be an order at the venue that follows the position: one that does not move on its own."""
    stop = plan.stop
    if stop is None or plan.placement == "engine" or stop.trail is not None or stop.atr is not None:
        return False
    can_watch = stop.trigger_source == TriggerSource.LAST or (
        stop.trigger_source == TriggerSource.MARK and bool(native_order_types & NativeFeature.TRIGGER_MARK)
    )
    can_follow = native_order_types >> OrderType.STOP & 1 and native_order_types & NativeFeature.CLOSE_POSITION
    return bool(can_follow) and can_watch and not stop.limit_offset_ticks


def release_terms(plan: ExitPlan, state: ExitState, facts: InstrumentFacts, side: int) -> tuple[int, int]:
    """Type and price of the order that the stop becomes: a limit so far beyond the trigger, or at the market."""
    stop = plan.stop
    if stop is None or not stop.limit_offset_ticks or state.is_at_market:
        return OrderType.MARKET, 0
    price = (state.trail_level or state.level_ticks) + stop.limit_offset_ticks * (-1 if side == Side.SELL else 1)
    return OrderType.LIMIT, min(max(price, facts.min_price_ticks, 1), facts.max_price_ticks)


def trail_terms(stop: StopPlan, state: ExitState) -> tuple[int, int]:
    """Kind and amount of the trail that holds now."""
    if state.trail_ticks:
        return TrailKind.TICKS, state.trail_ticks
    return (TrailKind.NONE, 0) if stop.trail is None else (stop.trail.unit, stop.trail.amount)
