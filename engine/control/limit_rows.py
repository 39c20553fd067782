"""A row of the control port's table of limits."""

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
