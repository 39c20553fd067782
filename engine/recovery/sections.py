"""The parts of a snapshot: what each holds, and in which version."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class SectionKind(IntEnum):
    """What a section holds; numbers are never given again."""

    CONTROL = 1  # kills, halts, margin terms
    ORDERS = 2  # open orders, and those that are over and kept for late fills
    LINE = 3  # one line's positions, funding, booked trades
    RISK = 4  # profit, peaks, latches, streaks, commanded limits
    EXECUTION = 5  # instructions and parents under way
    GRID = 6  # instruments by number, with tick and lot: what the other sections count in


# What this build writes. A build reads these and the versions that the build before it wrote (`READABLE`).
SECTION_VERSIONS: dict[SectionKind, int] = dict.fromkeys(SectionKind, 1)
READABLE: dict[SectionKind, frozenset[int]] = {kind: frozenset({1}) for kind in SectionKind}


class Section(msgspec.Struct, frozen=True):
    """One part; `line` is the line's number, 0 where it is of all."""

    kind: SectionKind
    line: int
    version: int
    data: bytes
