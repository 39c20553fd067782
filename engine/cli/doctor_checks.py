"""What a check of `tradewind doctor` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

State = Literal["ok", "warn", "fail"]


class Check(msgspec.Struct, frozen=True):
    """One line of the doctor's report. `mend` says what to do where the state is not ok."""

    name: str
    state: State
    text: str
    mend: str = ""


def ok(name: str, text: str) -> Check:
    """As it should be."""
    return Check(name, "ok", text)


def warn(name: str, text: str, mend: str) -> Check:
    """The engine runs, but worse than it could, or not for long."""
    return Check(name, "warn", text, mend)


def fail(name: str, text: str, mend: str) -> Check:
    """The engine would not start, or must not trade like this."""
    return Check(name, "fail", text, mend)


def guarded(name: str, check: Callable[[], Iterator[Check]]) -> list[Check]:
    """The results of a check; one that the system does not let us make is a warning, not the end of the report."""
    found: list[Check] = []
    try:
        found.extend(check())
    except (OSError, ValueError) as error:
        found.append(warn(name, f"cannot be looked at: {error}", "run as the engine's user on the engine's host"))
    return found
