"""How much to trade: fixed, a share of the capital at risk, a volatility target, a fraction of Kelly's bet.

Pure: numbers in, a `Size` out. Capital is in the asset that the instrument is settled in: the quote asset, or an inverse
contract's coin. Money and prices are decimals at the edge, exact fractions inside; the answer is whole lots, rounded down, never
more than the limits in force would let pass. Less than the venue's smallest order is 0, with the reason. The gate judges the
order all the same: a size is a wish.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from fractions import Fraction

import msgspec

from engine.model.codes import Side
from engine.strategy.instrument import Amount, Instrument, to_decimal

UNLIMITED = 0x7FFF_FFFF_FFFF_FFFF


class Bound(Enum):
    """What made a size smaller than wished, or 0."""

    NONE = "nothing"
    NO_EDGE = "no edge: the bet would lose on average"
    NO_CAPITAL = "no capital"
    MIN_QTY = "below the venue's smallest quantity"
    MIN_NOTIONAL = "below the venue's smallest value"
    MAX_QTY = "the venue's largest quantity"
    ORDER_QTY = "the largest order"
    ORDER_NOTIONAL = "the largest value of one order"
    POSITION = "the largest position"
    POSITION_NOTIONAL = "the largest value of a position"
    BUDGET = "the exposure, leverage or capital budget"


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """The limits in force for one order: lots and quote money in 10^-8; UNLIMITED = none.

    `position_left_lots` and the money left count what is held and working already, on the side of the order.
    """

    order_lots: int = UNLIMITED
    order_notional_e8: int = UNLIMITED
    position_left_lots: int = UNLIMITED
    position_left_e8: int = UNLIMITED
    budget_left_e8: int = UNLIMITED


class Size(msgspec.Struct, frozen=True):
    """Whole lots to trade, the same as a decimal of the base asset or of contracts, what was wished, and what bounded it."""

    lots: int
    qty: Decimal
    wished_lots: int
    bound: Bound

    def __bool__(self) -> bool:
        return self.lots > 0


def fixed(instrument: Instrument, qty: Amount, price: Amount, caps: Caps) -> Size:
    """Always the same quantity."""
    return bounded(instrument, positive(qty, "quantity"), positive(price, "price"), caps)


def percent_at_risk(
    instrument: Instrument, capital: Amount, percent: Amount, entry: Amount, stop: Amount, caps: Caps
) -> Size:
    """So much that the way from `entry` to `stop` costs `percent` of the capital: capital x percent / 100 / loss of one contract.

    Raises ValueError where entry and stop are the same.
    """
    entry_price, stop_price = positive(entry, "entry"), positive(stop, "stop")
    if entry_price == stop_price:
        raise ValueError("entry and stop are the same price: nothing would be at risk")
    loss = abs(instrument.settle_value(entry_price) - instrument.settle_value(stop_price))
    wished = fraction(capital, "capital") * positive(percent, "percent") / 100 / loss
    return bounded(instrument, wished, entry_price, caps)


def volatility_target(
    instrument: Instrument, capital: Amount, target_bps: Amount, volatility_bps: Amount, price: Amount, caps: Caps
) -> Size:
    """So much that the position moves the capital by `target_bps`: capital x target / volatility / value of one contract.

    Both volatilities are of the same period (a day's, a minute's). Raises ValueError for a volatility of 0.
    """
    at = positive(price, "price")
    moved = positive(volatility_bps, "volatility")
    wished = fraction(capital, "capital") * positive(target_bps, "target") / moved / instrument.settle_value(at)
    return bounded(instrument, wished, at, caps)


def kelly(
    instrument: Instrument,
    capital: Amount,
    win_rate: Amount,
    win_loss_ratio: Amount,
    price: Amount,
    caps: Caps,
    share: Amount = "0.5",
) -> Size:
    """`share` of Kelly's fraction p - (1 - p) / b of the capital, p how often a trade wins, b what it wins by what it loses.

    0 with NO_EDGE where the fraction is not above 0; never more than the capital. ValueError where p or `share` is outside 0..1.
    """
    wins, ratio, part = fraction(win_rate, "win rate"), positive(win_loss_ratio, "ratio"), fraction(share, "share")
    if not 0 <= wins <= 1 or not 0 < part <= 1:
        raise ValueError("win rate must be 0 to 1, share above 0 to 1")
    edge = wins - (1 - wins) / ratio
    at = positive(price, "price")
    if edge <= 0:
        return Size(0, Decimal(0), 0, Bound.NO_EDGE)
    wished = fraction(capital, "capital") * min(edge * part, Fraction(1)) / instrument.settle_value(at)
    return bounded(instrument, wished, at, caps)


def bounded(instrument: Instrument, wished: Fraction, price: Fraction, caps: Caps) -> Size:
    """A wished quantity as whole lots within the limits and the venue's rules."""
    lot = Fraction(instrument.lot_size_e8, 10**8)
    lot_value_e8 = lot * instrument.quote_value(price) * 10**8
    wished_lots = max(int(wished / lot), 0)
    if wished <= 0:
        return Size(0, Decimal(0), 0, Bound.NO_CAPITAL)
    lots, bound = wished_lots, Bound.NONE
    for most, why in (
        (instrument.max_qty_lots or UNLIMITED, Bound.MAX_QTY),
        (caps.order_lots, Bound.ORDER_QTY),
        (lots_of(caps.order_notional_e8, lot_value_e8), Bound.ORDER_NOTIONAL),
        (caps.position_left_lots, Bound.POSITION),
        (lots_of(caps.position_left_e8, lot_value_e8), Bound.POSITION_NOTIONAL),
        (lots_of(caps.budget_left_e8, lot_value_e8), Bound.BUDGET),
    ):
        if most < lots:
            lots, bound = max(most, 0), why
    if lots < max(instrument.min_qty_lots, 1):
        return Size(0, Decimal(0), wished_lots, bound if lots < wished_lots else Bound.MIN_QTY)
    if lots * lot_value_e8 < fraction(instrument.min_notional, "smallest value") * 10**8:
        return Size(0, Decimal(0), wished_lots, bound if lots < wished_lots else Bound.MIN_NOTIONAL)
    return Size(lots, instrument.qty(lots), wished_lots, bound)


def lots_of(money_e8: int, lot_value_e8: Fraction) -> int:
    """How many whole lots an amount of money pays for."""
    return UNLIMITED if money_e8 >= UNLIMITED else int(Fraction(max(money_e8, 0)) / lot_value_e8)


def fraction(amount: Amount, what: str) -> Fraction:
    """An amount, exactly; floats are refused."""
    return Fraction(to_decimal(amount, what))


def positive(amount: Amount, what: str) -> Fraction:
    """An amount above 0."""
    value = fraction(amount, what)
    if value <= 0:
        raise ValueError(f"{what} {amount} must be above 0")
    return value


class Sizer:
    """Sizing for one strategy: by symbol and side, capped by the limits in force at this moment."""

    def __init__(
        self, instrument: Callable[[str], Instrument], room: Callable[[str, int], tuple[int, int, int, int, int]]
    ) -> None:
        self._instrument = instrument
        self._room = room

    def caps(self, symbol: str, side: int) -> Caps:
        """What the limits leave for one order."""
        order_lots, order_e8, position_lots, position_e8, exposure_e8 = self._room(symbol, side)
        return Caps(
            order_lots=order_lots,
            order_notional_e8=order_e8,
            position_left_lots=position_lots,
            position_left_e8=position_e8,
            budget_left_e8=exposure_e8,
        )

    def fixed(self, symbol: str, side: int, qty: Amount, price: Amount) -> Size:
        """Always the same quantity."""
        return fixed(self._instrument(symbol), qty, price, self.caps(symbol, side))

    def percent_at_risk(
        self, symbol: str, side: int, *, capital: Amount, percent: Amount, entry: Amount, stop: Amount
    ) -> Size:
        """So much that reaching `stop` costs `percent` of the capital. ValueError: a stop on the wrong side of the entry."""
        if (to_decimal(stop, "stop") < to_decimal(entry, "entry")) != (side == Side.BUY):
            raise ValueError("the stop of a buy lies below its entry, of a sell above")
        instrument = self._instrument(symbol)
        return percent_at_risk(instrument, capital, percent, entry, stop, self.caps(symbol, side))

    def volatility_target(
        self, symbol: str, side: int, *, capital: Amount, target_bps: Amount, volatility_bps: Amount, price: Amount
    ) -> Size:
        """So much that the position moves the capital by `target_bps`."""
        instrument, caps = self._instrument(symbol), self.caps(symbol, side)
        return volatility_target(instrument, capital, target_bps, volatility_bps, price, caps)

    def kelly(
        self,
        symbol: str,
        side: int,
        *,
        capital: Amount,
        win_rate: Amount,
        win_loss_ratio: Amount,
        price: Amount,
        share: Amount = "0.5",
    ) -> Size:
        """`share` of Kelly's fraction of the capital."""
        instrument, caps = self._instrument(symbol), self.caps(symbol, side)
        return kelly(instrument, capital, win_rate, win_loss_ratio, price, caps, share)
