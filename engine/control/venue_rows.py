"""Rows of answers about a line and what the venue's word leaves open: differences, orders not ours, positions left by a stop."""

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


class NotOurs(msgspec.Struct, frozen=True, kw_only=True):
    """An order open at the venue that our ledger does not hold as open. Decimals; `qty` is all of it, an empty `price` none.

    `is_marked`: it bears this engine's mark - unknown to the ledger, or ended there: its symbol is halted and it counts in the
    limits. Else it is another's, which halts nothing and counts in none. Of another's long client order id the first 23 characters.
    """

    venue_order_id: int
    client_order_id: str
    symbol: str
    side: str
    qty: str
    price: str
    is_marked: bool


class LineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One venue and account: numbers of `engine.model.codes`. `account` is what `--account` takes; `kill`: this line's own."""

    line: str
    account: int
    trading_state: int
    halt_reason: int
    reconciled: bool
    gateway_ready: bool
    user_stream_ready: bool
    kill: bool
    clock_drift_ns: int
    open_orders: int
    reconciles: int
    is_reading: bool = False
    differences: tuple[Difference, ...] = ()
    # the first of them and how many there are
    not_ours: tuple[NotOurs, ...] = ()
    not_ours_count: int = 0


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
