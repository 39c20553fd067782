"""Text to whole numbers, exactly or not at all: ticks, lots, basis points, nanoseconds. What does not fit is refused with words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from engine.model.codes import TrailKind
from engine.model.instructions import Distance
from engine.model.instruments import E8, INT64_MAX

DURATION_UNITS_NS = {
    "d": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
DURATION_PART = re.compile(r"([0-9]{1,12})(ms|us|ns|d|h|m|s)")
PLAIN = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,18}))?")


class WordError(ValueError):
    """Text that is not what it should be; the message says so to who wrote it."""


def on_grid(text: str, step_e8: int, what: str) -> int:
    """Decimal text as a whole number of steps; refuses what is not plain digits, not above 0, or not on the grid."""
    found = PLAIN.fullmatch(text)
    if not found:
        raise WordError(f"{what} {text!r} must be plain decimal digits, as 0.25")
    decimals = found[2] or ""
    shift: int = 10 ** len(decimals)
    scaled, below_e8 = divmod(int(found[1] + decimals) * E8, shift)
    steps, rest = divmod(scaled, int(step_e8))
    if below_e8 or rest:
        step = Decimal(step_e8) / E8
        raise WordError(f"{what} {text!r} is not a multiple of {step.normalize():f}")
    if not 0 < steps <= INT64_MAX:
        raise WordError(f"{what} {text!r} is out of range")
    return steps


def scaled(text: str, decimals: int, what: str) -> int:
    """Decimal text (also 2.5e-6) as a whole number of 10^-decimals, not negative; refuses more decimals."""
    found = re.fullmatch(r"([0-9]{1,30})(?:\.([0-9]{1,30}))?(?:[eE]([+-]?[0-9]{1,2}))?", text)
    if not found:
        raise WordError(f"{what} {text!r} must be a number, as 0.25 or 2.5e-6")
    part = found[2] or ""
    digits, shift = int(found[1] + part), decimals - len(part) + int(found[3] or 0)
    whole, rest = (digits * 10**shift, 0) if shift >= 0 else divmod(digits, 10**-shift)
    if rest:
        raise WordError(f"{what} {text!r} has more than {decimals} decimals")
    return int(whole)


def duration_ns(text: str, what: str) -> int:
    """10m, 90s, 1h30m, 250ms; refuses what is not above 0."""
    parts = DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise WordError(f"{what} {text!r} must be a time as 90s, 10m or 1h30m")
    total = sum(int(number) * DURATION_UNITS_NS[unit] for number, unit in parts)
    if total <= 0:
        raise WordError(f"{what} {text!r} must be above 0")
    return total


def bps(text: str, what: str) -> int:
    """25bps or 0.25% as whole basis points."""
    if text.endswith("bps"):
        return int(scaled(text[:-3], 0, what))
    if text.endswith("%"):
        return int(scaled(text[:-1], 2, what))
    raise WordError(f"{what} {text!r} must be a share as 0.5% or 50bps")


def whole(text: str, what: str) -> int:
    """A whole number from 0 on."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise WordError(f"{what} {text!r} must be a whole number")
    return int(text)


def is_distance(text: str) -> bool:
    """Does the text name a distance by its unit; a bare number is a price."""
    return text.endswith(("%", "bps", "ticks"))


def distance(text: str, tick_e8: int, what: str) -> Distance:
    """50bps, 0.5%, 20ticks, or 12.5 in units of the price."""
    if text.endswith("ticks"):
        found = Distance(unit=TrailKind.TICKS, amount=max(1, whole(text[:-5], what)))
    elif is_distance(text):
        amount = bps(text, what)
        if amount <= 0:
            raise WordError(f"{what} {text!r} must be above 0")
        found = Distance(unit=TrailKind.BPS, amount=amount)
    else:
        found = Distance(unit=TrailKind.TICKS, amount=on_grid(text, tick_e8, what))
    return found


def moment_ns(text: str, what: str) -> int:
    """A date with its zone, as 2099-01-31T10:00Z, in ns since 1970."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WordError(f"{what} {text!r} must be a date as 2099-01-31T10:00Z") from None
    if moment.tzinfo is None:
        raise WordError(f"{what} {text!r} has no zone: write 2099-01-31T10:00Z")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000
