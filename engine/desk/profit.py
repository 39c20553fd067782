"""Profit by strategy and fees by asset, from the ledger's FILL records: a reader's copy of the arithmetic in
`ext/engine/oms/positions`.

Kept by symbol in units, not by row in lots, so that what was held goes on when a venue changes tick or lot. Money is whole numbers
of 10^-16 of the settle asset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.control.catalog import InstrumentRow
from engine.desk.accounts import average_units_e8, plain
from engine.journal import decode
from engine.journal.cursor import Record
from engine.model.codes import Side
from engine.model.instruments import E8, to_e8

if TYPE_CHECKING:
    from engine.desk.ledger import Catalog

SIDES = ("both", "long", "short")
Rates = Mapping[int, int]
# strategy, account, venue, symbol, position side
Key = tuple[int, int, int, str, int]


def half_even(numerator: int, denominator: int) -> int:
    """The quotient, rounded half to even; the denominator is above 0."""
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))


def value_e16(row: InstrumentRow, price_e8: int, qty_e8: int) -> int:
    """What a quantity is worth in the settle asset, as it enters profit; of an inverse contract below 0."""
    if row.inverse:
        return -half_even(qty_e8 * row.multiplier_e8 * E8, price_e8)
    return half_even(price_e8 * qty_e8 * row.multiplier_e8, E8)


@dataclass
class Holding:
    """What one owner holds of one symbol: average cost as a ratio, so that closing fills commute."""

    row: InstrumentRow
    qty_e8: int = 0
    basis_cost_e16: int = 0
    closed_value_e16: int = 0
    realised_base_e16: int = 0
    fees_e16: int = 0
    basis_e8: int = 0
    closed_e8: int = 0
    fills: int = 0
    third_fees_e8: dict[int, int] = field(default_factory=dict)

    def take(self, row: InstrumentRow, body: Mapping[str, Any]) -> None:
        """Book one FILL record."""
        self.row = row
        price_e8 = body["price_ticks"] * row.tick_size_e8
        self._book(price_e8, body["qty_lots"] * row.lot_size_e8, 1 if body["side"] == Side.BUY.name else -1)
        self._pay(price_e8, body["commission_asset_id"], body["commission_e8"])
        self.fills += 1

    def _book(self, price_e8: int, qty_e8: int, sign: int) -> None:
        closing_e8 = min(qty_e8, self.basis_e8 - self.closed_e8) if self.qty_e8 * sign < 0 else 0
        opening_e8 = qty_e8 - closing_e8
        if closing_e8:
            self.closed_value_e16 -= sign * value_e16(self.row, price_e8, closing_e8)
            self.closed_e8 += closing_e8
        if opening_e8:
            self._fold()
            self.basis_e8 += opening_e8
            self.basis_cost_e16 += sign * value_e16(self.row, price_e8, opening_e8)
        self.qty_e8 += sign * qty_e8

    def _fold(self) -> None:
        """Make what is open the new basis."""
        self.realised_base_e16, self.basis_cost_e16 = self.realised_e16(), self.cost_e16()
        self.basis_e8 -= self.closed_e8
        self.closed_e8 = self.closed_value_e16 = 0

    def _closed_cost_e16(self) -> int:
        return half_even(self.basis_cost_e16 * self.closed_e8, self.basis_e8) if self.closed_e8 else 0

    def cost_e16(self) -> int:
        """What is open has cost; signed like the position."""
        return self.basis_cost_e16 - self._closed_cost_e16()

    def realised_e16(self) -> int:
        """Profit of what was closed, before fees."""
        return self.realised_base_e16 + self.closed_value_e16 - self._closed_cost_e16()

    def unrealised_e8(self, mark_e8: int) -> int:
        """Profit of what is open at a price, rounded down."""
        if self.qty_e8 == 0:
            return 0
        value = value_e16(self.row, mark_e8, abs(self.qty_e8))
        return ((value if self.qty_e8 > 0 else -value) - self.cost_e16()) // E8

    def _pay(self, price_e8: int, asset_id: int, fee_e8: int) -> None:
        """In the settle asset as it is, in the pair's other asset at the fill's price, in a third by itself."""
        if fee_e8 == 0 or asset_id == 0:
            return
        if asset_id == self.row.settle_asset_id:
            self.fees_e16 += fee_e8 * E8
        elif asset_id == self.row.base_asset_id:
            self.fees_e16 += fee_e8 * price_e8
        elif asset_id == self.row.quote_asset_id:
            self.fees_e16 += half_even(fee_e8 * E8 * E8, price_e8)
        else:
            self.third_fees_e8[asset_id] = self.third_fees_e8.get(asset_id, 0) + fee_e8


def fees_shown(
    catalog: Catalog, own_e8: int, settle_id: int, third_e8: Mapping[int, int], rates: Rates
) -> dict[str, Any]:
    """`fees` in the settle asset with third assets at their present rates, rounded up; `fees_unvalued`: those without one.

    `own_e8`: in the settle asset. `rates`: 10^-8 of the reporting currency by asset, absent where nothing values it.
    """
    unvalued = []
    for asset_id, fee_e8 in sorted(third_e8.items()):
        if rates.get(asset_id) and rates.get(settle_id):
            own_e8 -= -fee_e8 * rates[asset_id] // rates[settle_id]
        elif fee_e8:
            unvalued.append(f"{plain(fee_e8)} {catalog.asset(asset_id)}")
    by_asset = {catalog.asset(asset_id): plain(fee_e8) for asset_id, fee_e8 in sorted(third_e8.items()) if fee_e8}
    return {"fees": plain(own_e8), "fees_unvalued": ", ".join(unvalued), "third_fees": by_asset}


@dataclass
class Profits:
    """Holdings by strategy, account, symbol and position side."""

    holdings: dict[Key, Holding] = field(default_factory=dict)

    def take(self, catalog: Catalog, record: Record) -> None:
        """Book one FILL record; one of an instrument that the catalog does not know is passed over."""
        row = catalog.instruments.get(record.instrument_id)
        if row is None:
            return
        key = (record.strategy_id, record.account_id, record.venue_id, row.symbol, record.position_side)
        self.holdings.setdefault(key, Holding(row)).take(row, decode.payload(record))

    def third_fees(self, account_id: int, venue: int, symbol: str, side: int) -> dict[int, int]:
        """Fees in third assets of an account's position, all its strategies together: asset to 10^-8."""
        paid: dict[int, int] = {}
        for key, holding in self.holdings.items():
            if key[1:] == (account_id, venue, symbol, side):
                for asset_id, fee_e8 in holding.third_fees_e8.items():
                    paid[asset_id] = paid.get(asset_id, 0) + fee_e8
        return paid

    def rows(self, catalog: Catalog, marks: Mapping[int, str], rates: Rates) -> Iterable[dict[str, Any]]:
        """A row of text for each; `marks`: price text by instrument. Without a mark unrealised and net are empty."""
        for (strategy_id, account_id, venue_id, symbol, side), holding in sorted(self.holdings.items()):
            row, mark = holding.row, marks.get(holding.row.instrument_id, "")
            realised_e8 = half_even(holding.realised_e16(), E8)
            known = mark != "" or holding.qty_e8 == 0
            unrealised_e8 = holding.unrealised_e8(to_e8(mark or "0")) if known else 0
            own_e8 = half_even(holding.fees_e16, E8)
            fees = fees_shown(catalog, own_e8, row.settle_asset_id, holding.third_fees_e8, rates)
            is_whole = known and not fees["fees_unvalued"]
            average_e8 = average_units_e8(row, holding.qty_e8, half_even(holding.cost_e16(), E8))
            yield {
                "strategy": catalog.strategy(strategy_id) or "-",
                "account": account_id,
                "venue": catalog.venue(venue_id),
                "symbol": symbol,
                "side": SIDES[side] if side < len(SIDES) else "",
                "position": plain(holding.qty_e8),
                "average_price": plain(average_e8) if holding.qty_e8 else "",
                "mark": mark,
                "realised_pnl": plain(realised_e8),
                "unrealised_pnl": plain(unrealised_e8) if known else "",
                **fees,
                "net_pnl": plain(realised_e8 + unrealised_e8 - to_e8(fees["fees"])) if is_whole else "",
                "money": catalog.asset(row.settle_asset_id),
                "fills": holding.fills,
            }
