"""How an account stands in one contract, and the payload of MARGIN_TIERS that tells the engine so."""

from __future__ import annotations

import struct

import msgspec

TIERS_MAX = 16
_FIXED = struct.Struct("<iB3xI4x")
_TIER = struct.Struct("<qqqqi4x")


class MarginTier(msgspec.Struct, frozen=True, kw_only=True):
    """Up to `cap_e8` of notional: maintenance margin = notional * ratio - cum; `leverage` is the highest there."""

    floor_e8: int
    cap_e8: int
    ratio_e8: int
    cum_e8: int
    leverage: int


class ContractMargin(msgspec.Struct, frozen=True):
    """Tiers from the smallest notional up."""

    symbol: str
    leverage: int
    is_isolated: bool
    tiers: tuple[MarginTier, ...]

    def payload(self) -> bytes:
        """Of a MARGIN_TIERS record. ValueError for more tiers than the tables hold."""
        if len(self.tiers) > TIERS_MAX:
            raise ValueError(f"{self.symbol}: {len(self.tiers)} tiers, at most {TIERS_MAX}")
        rows = (_TIER.pack(t.floor_e8, t.cap_e8, t.ratio_e8, t.cum_e8, t.leverage) for t in self.tiers)
        return _FIXED.pack(self.leverage, self.is_isolated, len(self.tiers)) + b"".join(rows)
