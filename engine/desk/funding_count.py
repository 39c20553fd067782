"""Funding counted once by a reader: what the stream tells and what the income list names are the same payments.

The arithmetic of `ext/engine/model/funding`: payments are known by contract, asset, hour and amount; booked is the larger count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HOUR_NS = 3_600_000_000_000

# instrument, asset, hour, amount
Key = tuple[int, int, int, int]


@dataclass
class FundingCount:
    """One account's payments: how often each was told and how often it was listed."""

    counts: dict[Key, list[int]] = field(default_factory=dict)

    def take(self, instrument_id: int, body: dict[str, Any]) -> int:
        """A FUNDING_PAYMENT; returns what it adds to the account in 10^-8, 0 where it was counted before."""
        hour = (body["event_ns"] + HOUR_NS // 2) // HOUR_NS
        rest = (body["asset_id"], hour, body["amount_e8"])
        if body["is_answer"]:
            return self._listed(instrument_id, rest, max(body["payments"], 1))
        return self._told(instrument_id, rest)

    def _told(self, instrument_id: int, rest: tuple[int, int, int]) -> int:
        key = (instrument_id, *rest)
        if instrument_id == 0:
            # of a contract that the list has named and the stream has not told yet
            named = (
                item for item, (told, listed) in self.counts.items() if item[0] and item[1:] == rest and told < listed
            )
            key = next(named, key)
        count = self.counts.setdefault(key, [0, 0])
        count[0] += 1
        return rest[2] if count[0] > count[1] else 0

    def _listed(self, instrument_id: int, rest: tuple[int, int, int], payments: int) -> int:
        count = self.counts.setdefault((instrument_id, *rest), [0, 0])
        unnamed = self.counts.get((0, *rest), [0, 0])
        booked = max(count)
        count[1] = max(count[1], payments)
        new = max(0, count[1] - booked)
        # what the stream told without a contract is in the account already
        known = min(new, unnamed[0]) if instrument_id else 0
        unnamed[0] -= known
        count[0] += known
        return (new - known) * rest[2]
