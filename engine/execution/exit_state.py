"""What exits remember, who owns them, and the roles of their orders."""

from __future__ import annotations

from typing import Protocol

import msgspec

from engine.model.instructions import WHOLE_BPS, TargetPlan

ROLE_ENTRY = 0
ROLE_STOP = 100
ROLE_NATIVE_STOP = 101
ROLE_TARGET = 200
# a target's orders are put together again when there are more of them
PARTS_MAX = 3
TARGET_RETRY_NS = 10_000_000_000


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
    targets_off: bool = False
    attempts: int = 0
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
