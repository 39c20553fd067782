"""Rows of the control port's tables about limits, and about what waits for a second person."""

from __future__ import annotations

import msgspec


class LimitRowText(msgspec.Struct, frozen=True, kw_only=True):
    """One limit as text: as set, as the risk mode leaves it, and what is used of it (empty: nothing is counted against it).

    `source` is `config` or `command`; of a command uid (else -1), wall clock and reason.
    """

    scope: str
    name: str
    limit: str
    value: str
    in_force: str
    used: str
    used_percent: int
    source: str
    uid: int
    wall_ns: int
    reason: str


class ProposalRow(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a second person. `action`: limits, arm or resume; times in nanoseconds."""

    proposal: int
    action: str
    words: str
    uid: int
    reason: str
    wall_ns: int
    expires_in_ns: int
