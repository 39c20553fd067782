"""An instrument as a strategy's author sees it: decimals on one side, ticks and lots on the other, exact both ways."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, InvalidOperation
from fractions import Fraction
from typing import Literal

import msgspec

E8 = 100_000_000
Amount = Decimal | str | int
Rounding = Literal["down", "up", "nearest"]

_ROUNDINGS = {"down": ROUND_FLOOR, "up": ROUND_CEILING, "nearest": ROUND_HALF_EVEN}


def to_decimal(amount: Amount, what: str) -> Decimal:
    """A price or quantity in units, finite. Floats are refused: 0.1 is not a tenth; write Decimal("0.1")."""
    if isinstance(amount, bool) or not isinstance(amount, (Decimal, str, int)):
        raise TypeError(
            f"{what} {amount!r} is a {type(amount).__name__}: give a Decimal, text or a whole number of units"
        )
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise ValueError(f"{what} {amount!r} is no number") from None
    if not value.is_finite():
        raise ValueError(f"{what} {amount!r} is not finite")
    return value


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """Reference data of one symbol. ``version`` changes when the venue changes its tick or lot."""

    instrument_id: int
    symbol: str
    version: int
    base_asset: str
    quote_asset: str
    is_trading: bool
    tick_size: Decimal
    lot_size: Decimal
    min_qty_lots: int
    max_qty_lots: int
    min_notional: Decimal
    tick_size_e8: int
    lot_size_e8: int
    settle_asset: str = ""
    multiplier_e8: int = E8
    inverse: bool = False

    def price(self, price_ticks: int) -> Decimal:
        """Ticks to the price in the quote asset."""
        return Decimal(price_ticks * self.tick_size_e8).scaleb(-8)

    def qty(self, qty_lots: int) -> Decimal:
        """Lots to the quantity: of the base asset, or contracts."""
        return Decimal(qty_lots * self.lot_size_e8).scaleb(-8)

    def settle_value(self, price: Fraction) -> Fraction:
        """What one contract (or one unit of the base asset) is worth in the settle asset at a price above 0, without sign."""
        return Fraction(self.multiplier_e8, E8) * (1 / price if self.inverse else price)

    def quote_value(self, price: Fraction) -> Fraction:
        """The same in the quote asset, as limits count it: an inverse contract's is its multiplier, whatever the price."""
        return Fraction(self.multiplier_e8, E8) * (1 if self.inverse else price)

    def price_ticks(self, price: Amount, rounding: Rounding | None = None) -> int:
        """A price to ticks; off the tick raises ValueError unless ``rounding`` says which way to go."""
        return self._steps(to_decimal(price, "price"), self.tick_size, "tick", rounding)

    def qty_lots(self, qty: Amount, rounding: Rounding | None = None) -> int:
        """A quantity to lots; off the lot raises ValueError unless ``rounding`` says which way to go."""
        return self._steps(to_decimal(qty, "quantity"), self.lot_size, "lot", rounding)

    def _steps(self, value: Decimal, size: Decimal, unit: str, rounding: Rounding | None) -> int:
        steps = value / size
        if rounding is not None:
            return int(steps.to_integral_value(_ROUNDINGS[rounding]))
        whole = int(steps.to_integral_value())
        if whole * size != value:
            raise ValueError(f"{self.symbol}: {value} is no multiple of the {unit} {size}: round it")
        return whole


def instrument_from_row(row: Mapping[str, int | bytes], symbol: str, base_asset: str, quote_asset: str) -> Instrument:
    """Make it from a row of the shared tables; it is settled in one asset of its pair."""

    def number(name: str) -> int:
        return int(row[name])

    return Instrument(
        instrument_id=number("instrument_id"),
        symbol=symbol,
        version=number("version"),
        base_asset=base_asset,
        quote_asset=quote_asset,
        is_trading=bool(row["is_trading"]),
        tick_size=Decimal(number("tick_size_e8")).scaleb(-8).normalize(),
        lot_size=Decimal(number("lot_size_e8")).scaleb(-8).normalize(),
        min_qty_lots=number("min_qty_lots"),
        max_qty_lots=number("max_qty_lots"),
        min_notional=Decimal(number("min_notional_e8")).scaleb(-8).normalize(),
        tick_size_e8=number("tick_size_e8"),
        lot_size_e8=number("lot_size_e8"),
        settle_asset=base_asset if number("settle_asset_id") == number("base_asset_id") else quote_asset,
        multiplier_e8=number("multiplier_e8"),
        inverse=bool(row["inverse"]),
    )
