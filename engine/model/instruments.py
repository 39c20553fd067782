"""Reference data of one instrument, at the edge: exact decimals in, integers of 10^-8 out."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from math import gcd

import msgspec

E8 = 100_000_000
INT64_MAX = (1 << 63) - 1
# the caller's context (28 digits unless told) would round a longer number and say nothing
EXACT = Context(prec=64, traps=[InvalidOperation, Inexact, Overflow])


def to_e8(text: str | Decimal) -> int:
    """Decimal text to an integer of 10^-8.

    ValueError where it is no finite number, has more than 8 decimals or does not fit 64 bits.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    try:
        scaled = EXACT.multiply(value, E8)
    except (Inexact, Overflow):
        raise ValueError(f"{text!r} has more digits than 64 bits hold") from None
    # compared as a decimal first: 1e999999 must not become an integer of a million digits
    if abs(scaled) > INT64_MAX:
        raise ValueError(f"{text!r} does not fit 64 bits")
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{text!r} has more than 8 decimals")
    return int(scaled)


def format_e8(value_e8: int) -> str:
    """An integer of 10^-8 as decimal text with 8 decimals, exact."""
    sign = "-" if value_e8 < 0 else ""
    whole, part = divmod(abs(value_e8), E8)
    return f"{sign}{whole}.{part:08d}"


class InstrumentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument; `status` is the venue's word. Sizes and notionals in 10^-8, quantities in lots, prices in ticks."""

    venue_id: int
    symbol: str
    base_asset: str
    quote_asset: str
    tick_size_e8: int
    lot_size_e8: int
    settle_asset: str = ""
    kind: int = 0
    inverse: bool = False
    is_trading: bool = True
    status: str = ""
    min_qty_lots: int = 1
    max_qty_lots: int = INT64_MAX
    min_price_ticks: int = 1
    max_price_ticks: int = INT64_MAX
    min_notional_e8: int = 0
    max_notional_e8: int = INT64_MAX
    multiplier_e8: int = E8
    expiry_ns: int = 0
    strike_ticks: int = 0
    underlying_id: int = 0
    native_order_types: int = 0b11
    price_step_ticks: int = 1
    qty_step_lots: int = 1
    # 0 = market orders have no rule of their own
    market_min_qty_lots: int = 0
    market_max_qty_lots: int = 0
    market_qty_step_lots: int = 0
    # how many orders the venue lets be open at once, of the symbol but for the account's; 0 = it says nothing
    max_orders: int = 0
    max_conditional_orders: int = 0
    max_account_conditional_orders: int = 0
    max_iceberg_orders: int = 0
    max_order_lists: int = 0

    @property
    def tick_lot_value(self) -> tuple[int, int]:
        """Quote value of one tick times one lot in 10^-8, as a reduced ratio; of an inverse contract that of a lot at any price."""
        numerator = self.lot_size_e8 * self.multiplier_e8 * (1 if self.inverse else self.tick_size_e8)
        denominator = E8 if self.inverse else E8 * E8
        divisor = gcd(numerator, denominator)
        return numerator // divisor, denominator // divisor
