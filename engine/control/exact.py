"""Refusals of a request, names to ids, and numbers as text. Text to numbers: `engine.model.exact`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from engine.control.messages import RefusalCode
from engine.model.instruments import format_e8

Value = TypeVar("Value")


class RefusedCommandError(Exception):
    """A request that cannot become a command. `reason`: a `Reason`, where there is one."""

    def __init__(self, code: RefusalCode, text: str, reason: int = 0) -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason


def decimal_text(steps: int, step_e8: int, zero: str = "") -> str:
    """A number of ticks or lots as plain decimal text without trailing zeros; `zero` for none."""
    if steps == 0:
        return zero
    text = format_e8(steps * step_e8)
    return text.rstrip("0").rstrip(".")


def known(ids: Mapping[str, Value], name: str, what: str) -> Value:
    """The value of a name, or a refusal that lists the names there are."""
    if name not in ids:
        there_are = ", ".join(sorted(ids)) or "none"
        raise RefusedCommandError(RefusalCode.UNKNOWN_NAME, f"unknown {what} {name!r}; there are: {there_are}")
    return ids[name]


def bad(text: str) -> RefusedCommandError:
    """The refusal of a value."""
    return RefusedCommandError(RefusalCode.BAD_VALUE, text)
