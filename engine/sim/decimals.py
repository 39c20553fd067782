"""Decimal text to and from integer units of 1e-8, the only scale that crosses the venue core's border.

Spot writes every price, quantity and amount with exactly eight decimals.
"""

from __future__ import annotations

import re

from engine.sim.reject import VenueReject

E8 = 100_000_000
DECIMAL_PATTERN = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_DECIMAL = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?")


def format_e8(value_e8: int) -> str:
    """Write ``value_e8`` (units of 1e-8) with eight decimals: 150000000 is "1.50000000"."""
    if value_e8 < 0:
        return "-" + format_e8(-value_e8)
    whole, fraction = divmod(value_e8, E8)
    return f"{whole}.{fraction:08d}"


def parse_e8(text: str, parameter: str) -> int:
    """Read a request's decimal ``text`` as units of 1e-8.

    Raises ``VenueReject``: -1100 for a malformed number, -1111 for a digit below 1e-8.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise VenueReject(
            -1100, f"Illegal characters found in parameter '{parameter}'; legal range is '{DECIMAL_PATTERN}'."
        )
    fraction = match[2] or ""
    if len(fraction.rstrip("0")) > 8:
        raise VenueReject(-1111, f"Parameter '{parameter}' has too much precision.")
    return int(match[1]) * E8 + int(fraction[:8].ljust(8, "0"))


def config_e8(text: str) -> int:
    """Read a configuration's decimal ``text`` as units of 1e-8; raises ``ValueError`` when it is no such number."""
    try:
        return parse_e8(text, "config")
    except VenueReject as reject:
        raise ValueError(f"{text!r} is not a decimal number of at most 8 decimals") from reject
