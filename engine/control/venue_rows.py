"""Rows of answers about what the venue's word leaves open: differences for a person to decide, positions that a stop leaves."""

from __future__ import annotations

import msgspec


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue says and we have not booked.

    `kind`: a trade under another one's id, an order's untold fills, an order of unknown fate, a position.
    Decimals of the base asset, signed where they move or are a position. `is_anew`: by this trade the venue's ids began anew.
    """

    kind: str
    symbol: str
    side: str
    booked: str
    venue: str
    order: int = 0
    trade_id: int = -1
    price: str = ""
    is_anew: bool = False


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A position that an orderly stop leaves. `unprotected`: what of it no stop order at the venue closes; `orders` stay there.

    `line`: the name of its venue and account; empty where the engine trades no other.
    """

    symbol: str
    line: str = ""
    side: str
    position: str
    unprotected: str
    orders: tuple[int, ...] = ()

    @property
    def is_bare(self) -> bool:
        """Is there something of it that nothing protects while the engine is away."""
        return self.unprotected != "0"


class FlattenRow(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol of a flatten: our position, the venue's own word, orders still open, closing orders sent, why it is not flat."""

    symbol: str
    position: str
    venue: str
    open_orders: int
    orders: int
    why: str


def left_text(row: Left) -> str:
    """In words: what protects it, or that nothing does."""
    symbol = f"{row.line}:{row.symbol}" if row.line else row.symbol
    held = f"{symbol} {row.position}" + ("" if row.side == "BOTH" else f" ({row.side})")
    stays = f"{len(row.orders)} orders stay at the venue" if row.orders else "no order stays at the venue"
    if row.is_bare:
        return f"UNPROTECTED: {row.unprotected} of {held}: no stop at the venue closes it while the engine is away; {stays}"
    return f"protected: {held}; {stays}" if row.position != "0" else f"flat: {symbol}; {stays}"
