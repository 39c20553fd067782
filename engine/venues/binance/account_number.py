"""Which account a key is of, by the venue's word: an account may have several keys.

Spot: `uid` of GET /api/v3/account (weight 20). USD-M futures: `accountAlias` of GET /fapi/v3/balance (weight 5), on every row.
"""

from __future__ import annotations

import msgspec

from engine.venues.binance.signed_rest import SignedRest

SPOT_WEIGHT = 20
USDM_WEIGHT = 5


class _SpotAccount(msgspec.Struct):
    uid: int = 0


class _Balance(msgspec.Struct):
    accountAlias: str = ""  # noqa: N815 - the venue's spelling


async def of_spot(rest: SignedRest) -> str:
    """Empty where the venue does not say. VenueError, NetError as `SignedRest.signed`."""
    found = await rest.ask("/api/v3/account", _SpotAccount, SPOT_WEIGHT, omitZeroBalances="true")
    return str(found.uid) if found.uid else ""


async def of_usdm(rest: SignedRest) -> str:
    """As `of_spot`."""
    rows = await rest.ask("/fapi/v3/balance", list[_Balance], USDM_WEIGHT)
    return next((row.accountAlias for row in rows), "")
