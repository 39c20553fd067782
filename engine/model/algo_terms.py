"""What is particular to each execution algorithm: the terms of an ALGO instruction, as JSON in its record.

Instrument, side and quantity are the instruction's own. Prices are ticks (0 = none), quantities lots, times nanoseconds, shares
basis points; decimals and names were resolved at the edge. `check` says what is wrong with terms, in words.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

E18 = 10**18
WHOLE_BPS = 10_000
SLICES_MAX = 1_000
DURATION_NS_MAX = 7 * 86_400 * 10**9

Ticks = Annotated[int, Meta(ge=0, le=(1 << 62))]
Lots = Annotated[int, Meta(ge=0, le=(1 << 62))]
Ns = Annotated[int, Meta(ge=0, le=DURATION_NS_MAX)]
Bps = Annotated[int, Meta(ge=0, le=WHOLE_BPS)]
Count = Annotated[int, Meta(ge=1, le=SLICES_MAX)]

# TAKE: IOC at the opposite price. JOIN: rests at the best price of its own side.
Style = Literal["take", "join"]
# NEXT: what a slice missed is added to the next. SPREAD: it is spread over all that follow. NONE: it is left to the end.
CatchUp = Literal["next", "spread", "none"]
# when the time is over: CANCEL leaves the rest undone, CROSS takes it at the opposite price, within the limit
AtEnd = Literal["cancel", "cross"]
# BEST: own side's best price. MID: between. OPPOSITE: the other side's best price.
PegTo = Literal["best", "mid", "opposite"]


class _Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="algo", tag=str.lower):
    """Base of all: no child is priced worse than `limit_ticks`."""

    limit_ticks: Ticks = 0


class _Timed(_Terms, frozen=True, kw_only=True):
    """A duration in slices. `retry_ns`: a slice that could not be done whole is tried again no sooner."""

    duration_ns: Ns
    slices: Count = 10
    style: Style = "take"
    catch_up: CatchUp = "next"
    at_end: AtEnd = "cancel"
    time_jitter_bps: Bps = 0
    size_jitter_bps: Bps = 0
    retry_ns: Ns = 1_000_000_000


class Twap(_Timed, frozen=True, kw_only=True):
    """Equal shares of the quantity in equal times. Jitter: of an interval, and of a slice's share; seeded by the handle."""


class Vwap(_Timed, frozen=True, kw_only=True):
    """Shares by the volume expected: `weights`, one for each slice, of a profile from history."""

    weights: Annotated[tuple[Annotated[int, Meta(ge=0, le=(1 << 62))], ...], Meta(min_length=1, max_length=SLICES_MAX)]


class Shortfall(_Timed, frozen=True, kw_only=True):
    """Implementation shortfall (Almgren and Chriss, 2000): sooner, the more the risk costs beside the impact.

    In units of the base asset (B), the quote asset (Q) and seconds: `risk_aversion_e18` 10^-18/Q, `volatility_e8` 10^-8 Q/B per
    root of a second, `temporary_impact_e18` 10^-18 Q s/B^2, `permanent_impact_e18` 10^-18 Q/B^2.
    """

    risk_aversion_e18: Annotated[int, Meta(ge=0)]
    volatility_e8: Annotated[int, Meta(ge=0)]
    temporary_impact_e18: Annotated[int, Meta(gt=0)]
    permanent_impact_e18: Annotated[int, Meta(ge=0)] = 0


class Pov(_Terms, frozen=True, kw_only=True):
    """A share of the volume that is traded while it works, our own part of it included.

    Behind `min_bps` of the volume it takes; otherwise it rests (JOIN) or takes (TAKE) up to `participation_bps`; never a child that
    could bring it above `max_bps`. `duration_ns` 0: until it is done.
    """

    participation_bps: Annotated[int, Meta(ge=1, le=WHOLE_BPS)]
    min_bps: Bps = 0
    max_bps: Bps = 0
    child_lots_min: Lots = 0
    child_lots_max: Lots = 0
    style: Style = "join"
    duration_ns: Ns = 0
    at_end: AtEnd = "cancel"
    retry_ns: Ns = 1_000_000_000


class Iceberg(_Terms, frozen=True, kw_only=True):
    """A part is shown, at the limit price; parts differ by up to `size_jitter_bps`, the next comes after up to `refresh_ns`."""

    display_lots: Annotated[int, Meta(ge=1, le=(1 << 62))]
    size_jitter_bps: Bps = 2_000
    refresh_ns: Ns = 0
    duration_ns: Ns = 0


class Sniper(_Terms, frozen=True, kw_only=True):
    """Takes by IOC what stands at the limit price or better, when at least `take_lots_min` stand there; nothing ever rests."""

    take_lots_min: Lots = 0
    retry_ns: Ns = 0
    duration_ns: Ns = 0


class Peg(_Terms, frozen=True, kw_only=True):
    """One order that follows a price at `offset_ticks` (positive: further from the market), at most once in `replace_ns`.

    It moves only when it stands `tolerance_ticks` or more from where it should; `display_lots` above 0 shows so much at a time.
    """

    to: PegTo = "best"
    offset_ticks: Annotated[int, Meta(ge=-(1 << 31), le=(1 << 31))] = 0
    tolerance_ticks: Annotated[int, Meta(ge=1, le=(1 << 31))] = 1
    replace_ns: Annotated[int, Meta(ge=1_000_000, le=DURATION_NS_MAX)] = 1_000_000_000
    display_lots: Lots = 0
    post_only: bool = False
    duration_ns: Ns = 0
    at_end: AtEnd = "cancel"


AlgoTerms = Twap | Vwap | Shortfall | Pov | Iceberg | Sniper | Peg
Scheduled = Twap | Vwap | Shortfall


def fault_of_terms(terms: Any) -> str:
    """What is wrong with the terms as plain JSON values, in words; empty where nothing is."""
    try:
        return check(msgspec.convert(terms, AlgoTerms))
    except msgspec.ValidationError as error:
        return str(error)


def check(terms: AlgoTerms) -> str:
    """What is wrong with the terms, in words; empty where nothing is."""
    if isinstance(terms, Scheduled):
        return _check_timed(terms)
    if isinstance(terms, Pov):
        highest = terms.max_bps or terms.participation_bps
        if not terms.min_bps <= terms.participation_bps <= highest:
            return "participation must lie between its least and its most"
        if terms.child_lots_max and terms.child_lots_max < terms.child_lots_min:
            return "the largest child is smaller than the smallest"
    if isinstance(terms, Iceberg | Sniper) and not terms.limit_ticks:
        return "a limit price is needed"
    if isinstance(terms, Pov | Peg) and terms.at_end == "cross" and not terms.duration_ns:
        return "crossing at the end needs an end: give a duration"
    return ""


def _check_timed(terms: Scheduled) -> str:
    if terms.duration_ns < terms.slices * 1_000_000:
        return "a slice must last a millisecond at least"
    if isinstance(terms, Vwap) and (len(terms.weights) != terms.slices or not sum(terms.weights)):
        return "one weight is needed for each slice, and not all of them 0"
    if isinstance(terms, Shortfall):
        doubled = terms.permanent_impact_e18 * terms.duration_ns
        if doubled >= 2 * terms.temporary_impact_e18 * terms.slices * 10**9:
            return "the permanent impact of a slice must be less than twice the temporary: use more slices"
    return ""
