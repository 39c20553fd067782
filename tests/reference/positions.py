"""Positions, fees and margin from fills alone, in decimals: written from docs/positions.md, nothing shared with the engine.

All amounts are Decimal in whole units of their asset. Sixteen decimals are kept where the engine's rule says so, half to even.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

WIDE = Context(prec=120, rounding=ROUND_HALF_EVEN)
SIXTEEN = Decimal("1e-16")
EIGHT = Decimal("1e-8")
ZERO = Decimal(0)


@dataclass(frozen=True)
class Contract:
    """What is traded: assets by name; a spot pair is settled in its quote asset."""

    base: str
    quote: str
    settle: str
    tick: Decimal
    lot: Decimal
    multiplier: Decimal = Decimal(1)
    is_inverse: bool = False

    def value(self, price: Decimal, qty: Decimal) -> Decimal:
        """What a quantity is worth as it enters profit: rises with the price for a linear contract and for an inverse one."""
        units = WIDE.multiply(qty, self.multiplier)
        if self.is_inverse:
            return -WIDE.quantize(WIDE.divide(units, price), SIXTEEN)
        return WIDE.quantize(WIDE.multiply(units, price), SIXTEEN)


@dataclass
class Holding:
    """One position side: what was opened since it last changed direction of growth, and what of that was closed."""

    contract: Contract
    opened_qty: Decimal = ZERO
    opened_cost: Decimal = ZERO
    closed_qty: Decimal = ZERO
    closed_value: Decimal = ZERO
    booked: Decimal = ZERO
    direction: int = 1
    fees: Decimal = ZERO
    other_fees: dict[str, Decimal] = field(default_factory=dict)

    def qty(self) -> Decimal:
        """Signed."""
        return (self.opened_qty - self.closed_qty) * self.direction

    def _closed_cost(self) -> Decimal:
        if not self.closed_qty:
            return ZERO
        share = WIDE.divide(WIDE.multiply(self.opened_cost, self.closed_qty), self.opened_qty)
        return WIDE.quantize(share, SIXTEEN)

    def cost(self) -> Decimal:
        """Of what is open."""
        return WIDE.subtract(self.opened_cost, self._closed_cost())

    def realised(self) -> Decimal:
        """Profit of what was closed, before fees."""
        return WIDE.add(self.booked, WIDE.subtract(self.closed_value, self._closed_cost()))

    def fill(self, is_buy: bool, price: Decimal, qty: Decimal, fee_asset: str, fee: Decimal) -> None:
        """First what closes, then what opens."""
        towards = 1 if is_buy else -1
        left = self.opened_qty - self.closed_qty
        closing = min(qty, left) if left and towards != self.direction else ZERO
        if closing:
            self.closed_value = WIDE.subtract(self.closed_value, towards * self.contract.value(price, closing))
            self.closed_qty += closing
        if opening := qty - closing:
            self.opened_cost, self.booked, self.opened_qty = (
                self.cost(),
                self.realised(),
                self.opened_qty - self.closed_qty,
            )
            self.closed_qty = self.closed_value = ZERO
            self.direction = towards
            self.opened_qty += opening
            self.opened_cost = WIDE.add(self.opened_cost, towards * self.contract.value(price, opening))
        self._pay(price, fee_asset, fee)

    def _pay(self, price: Decimal, asset: str, fee: Decimal) -> None:
        contract = self.contract
        if asset == contract.settle:
            self.fees = WIDE.add(self.fees, fee)
        elif asset == contract.base:
            self.fees = WIDE.add(self.fees, WIDE.multiply(fee, price))
        elif asset == contract.quote:
            self.fees = WIDE.add(self.fees, WIDE.quantize(WIDE.divide(fee, price), SIXTEEN))
        else:
            self.other_fees[asset] = self.other_fees.get(asset, ZERO) + fee

    def unrealised(self, price: Decimal) -> Decimal:
        """Profit of what is open, down to eight decimals."""
        qty = self.qty()
        worth = self.contract.value(price, abs(qty))
        return down(WIDE.subtract(worth if qty >= 0 else -worth, self.cost())) if qty else ZERO


def down(value: Decimal) -> Decimal:
    """To eight decimals, towards minus infinity."""
    return value.quantize(EIGHT, ROUND_FLOOR, WIDE)


def up(value: Decimal) -> Decimal:
    """To eight decimals, towards plus infinity."""
    return value.quantize(EIGHT, ROUND_CEILING, WIDE)


class SlowBook:
    """Positions by (owner, contract, side), fees by asset, funding by contract."""

    def __init__(self, contracts: dict[str, Contract]) -> None:
        self.contracts = contracts
        self.rows: dict[tuple[int, str, int], Holding] = {}
        self.fees: dict[str, Decimal] = {}
        self.funding: dict[str, Decimal] = {}

    def fill(
        self, owner: int, symbol: str, side: int, is_buy: bool, price: Decimal, qty: Decimal, asset: str, fee: Decimal
    ) -> None:
        """One trade."""
        key = (owner, symbol, side)
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = Holding(self.contracts[symbol])
        row.fill(is_buy, price, qty, asset, fee)
        self.fees[asset] = self.fees.get(asset, ZERO) + fee

    def fund(self, symbol: str, amount: Decimal) -> None:
        """One settlement of a contract, whoever told of it: received, or paid where it is below zero."""
        self.funding[symbol] = self.funding.get(symbol, ZERO) + amount

    def funding_by_asset(self) -> dict[str, Decimal]:
        """Contracts are settled in different assets: a sum for each."""
        totals: dict[str, Decimal] = {}
        for symbol, amount in self.funding.items():
            asset = self.contracts[symbol].settle
            totals[asset] = totals.get(asset, ZERO) + amount
        return totals
