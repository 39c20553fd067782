"""Is the engine alive, and may it trade: from the counters file alone."""

from __future__ import annotations

import os
from typing import Any

from engine.desk.counters_source import CountersSource
from engine.model.codes import Counter, HaltReason, TradingState
from engine.runtime.clock import Clock

HEARTBEAT_AGE_S_MAX = 5.0


class Health:
    """`alive`: the process is there and polled every actor lately. `ready`: alive and trading is ACTIVE."""

    def __init__(self, source: CountersSource, clock: Clock, heartbeat_age_s_max: float = HEARTBEAT_AGE_S_MAX) -> None:
        self._source = source
        self._clock = clock
        self._age_s_max = heartbeat_age_s_max

    def state(self) -> dict[str, Any]:
        """alive, ready, heartbeat_age_s, trading_state, halt_reason, reconciled, and the cause where not ready."""
        reader = self._source.reader()
        if reader is None:
            return unknown(self._source.fault)
        beat_ns = reader.value(Counter.HEARTBEAT_MONO_NS)
        age_s = round((self._clock.monotonic_ns() - beat_ns) / 1e9, 3) if beat_ns else None
        cause = self._cause(reader.value(Counter.PID), age_s)
        trading, halt = reader.value(Counter.TRADING_STATE), reader.value(Counter.HALT_REASON)
        alive = not cause
        if alive and trading != TradingState.ACTIVE:
            cause = f"trading is {name_of(TradingState, trading)} ({name_of(HaltReason, halt)})"
        return {
            "alive": alive,
            "ready": alive and trading == TradingState.ACTIVE,
            "heartbeat_age_s": age_s,
            "trading_state": name_of(TradingState, trading),
            "halt_reason": name_of(HaltReason, halt),
            "reconciled": bool(reader.value(Counter.RECONCILED)),
            "cause": cause,
        }

    def _cause(self, pid: int, age_s: float | None) -> str:
        """Why the engine is not alive; empty where it is."""
        if not pid or not process_exists(pid):
            return "the engine does not run"
        if age_s is None:
            return "the engine has not begun to poll its actors"
        return "" if age_s <= self._age_s_max else f"no progress for {age_s} s"


def unknown(cause: str) -> dict[str, Any]:
    """The state while there is nothing to read."""
    return {
        "alive": False,
        "ready": False,
        "heartbeat_age_s": None,
        "trading_state": "",
        "halt_reason": "",
        "reconciled": False,
        "cause": cause,
    }


def name_of(enum: type[TradingState] | type[HaltReason], number: int) -> str:
    """A code's name, or its number."""
    return enum(number).name if number in enum._value2member_map_ else str(number)


def process_exists(pid: int) -> bool:
    """Does a process with this id exist (a user's own or not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
