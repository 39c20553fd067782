"""The volume of a day by the time of day, from history: what a VWAP's slices are weighted by.

A profile is a JSON object: `symbol`, `bin_ns` (how long a bin is; a day is a whole number of them), `days` (how many days were
looked at), `bins_e8` (mean volume of each bin, in 10^-8 of the base asset; the first begins at midnight UTC), `version` 1.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

DAY_NS = 86_400 * 10**9
MINUTE_NS = 60 * 10**9
VERSION = 1
# weights are parts of so many: they stand in every record of the parent
WEIGHT_WHOLE = 10**9


class VolumeProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day of volume; see the module. ValueError where it is not a day, or empty."""

    symbol: str
    bin_ns: Annotated[int, Meta(ge=10**9, le=DAY_NS)]
    days: Annotated[int, Meta(ge=1)]
    bins_e8: tuple[Annotated[int, Meta(ge=0)], ...]
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"a volume profile of version {self.version}; this build reads {VERSION}")
        if self.bin_ns * len(self.bins_e8) != DAY_NS:
            raise ValueError(f"{len(self.bins_e8)} bins of {self.bin_ns} ns are not a day")
        if not any(self.bins_e8):
            raise ValueError("nothing was ever traded in this profile")

    def coarser(self) -> VolumeProfile:
        """The same day in fewer bins, each of the smallest number of these that divides them."""
        count = len(self.bins_e8)
        step = next((number for number in range(2, count + 1) if count % number == 0), 1)
        bins = tuple(sum(self.bins_e8[at : at + step]) for at in range(0, count, step))
        return VolumeProfile(symbol=self.symbol, bin_ns=self.bin_ns * step, days=self.days, bins_e8=bins)

    def weights(self, start_wall_ns: int, duration_ns: int, slices: int) -> tuple[int, ...]:
        """One weight for each slice of equal length: its share of the volume expected, in parts of 10^9.

        Where nothing is expected in the whole time, all weights are equal.
        """
        edges = [start_wall_ns + duration_ns * number // slices for number in range(slices + 1)]
        found = [self.expected(begin, end) for begin, end in itertools.pairwise(edges)]
        whole = sum(found)
        return tuple(WEIGHT_WHOLE * value // whole for value in found) if whole else (1,) * slices

    def expected(self, begin_ns: int, end_ns: int) -> int:
        """Volume expected between two times, times `bin_ns`: bins are even within."""
        days, rest_ns = divmod(end_ns - begin_ns, DAY_NS)
        found = days * sum(self.bins_e8) * self.bin_ns
        at, end = begin_ns % DAY_NS, begin_ns % DAY_NS + rest_ns
        while at < end:
            number = at // self.bin_ns
            until = min(end, (number + 1) * self.bin_ns)
            found += self.bins_e8[number % len(self.bins_e8)] * (until - at)
            at = until
        return found


def profile_of(symbol: str, rows: Iterable[tuple[int, int]], bin_ns: int) -> VolumeProfile:
    """The profile of rows (time in ns, volume in 10^-8): trades, or candles by their opening time.

    A bin's mean is over the days between the first row and the last that hold it: a first and last day that are cut off do not pull
    their missing hours down. ValueError for no rows, or a bin that does not divide a day,
    or candles that are longer than a bin.
    """
    if bin_ns <= 0 or DAY_NS % bin_ns:
        raise ValueError("a bin must divide a day: 1m, 5m, 15m, 1h ...")
    sums: dict[int, int] = defaultdict(int)
    before, apart = 0, DAY_NS
    for time_ns, volume_e8 in rows:
        sums[time_ns // bin_ns] += volume_e8
        if before and time_ns != before:
            apart = min(apart, abs(time_ns - before))
        before = time_ns
    if not sums:
        raise ValueError("no trades and no candles to make a profile of")
    if len(sums) > 1 and apart > bin_ns:
        raise ValueError(
            f"candles of {apart // MINUTE_NS} minutes cannot fill bins of {bin_ns // MINUTE_NS}: ask for longer ones"
        )
    a_day = DAY_NS // bin_ns
    first, last = min(sums), max(sums)
    totals = [0] * a_day
    for number, volume_e8 in sums.items():
        totals[number % a_day] += volume_e8
    seen = [days_seen(bin_number, first, last, a_day) for bin_number in range(a_day)]
    bins = tuple(total // max(1, count) for total, count in zip(totals, seen, strict=True))
    return VolumeProfile(symbol=symbol, bin_ns=bin_ns, days=max(seen), bins_e8=bins)


def days_seen(bin_number: int, first: int, last: int, a_day: int) -> int:
    """How many of the bins first .. last are this one of their day."""
    return (last - bin_number) // a_day - (first - bin_number - 1) // a_day
