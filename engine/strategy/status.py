"""The life of a strategy, as STRATEGY_STATE records tell it."""

from __future__ import annotations

from enum import IntEnum


class StrategyStatus(IntEnum):
    """``state`` of a STRATEGY_STATE record. DISABLED carries an `AlarmCode`; only arming by name ends it."""

    CREATED = 0
    RUNNING = 1
    PAUSED = 2
    DISABLED = 3
    STOPPED = 4
