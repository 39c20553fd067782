"""Size, profit and cost of linear and inverse contracts with any multiplier: exact, rounded once, against the account."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.oms.positions import PositionBook

E8 = 10**8
NO_END_E8 = (1 << 62) - 1
MULTIPLIERS_E8 = (E8, 10 * E8, 100 * E8, E8 // 1000, 12_345_679, 1)


def value(price_e8: int, qty_e8: int, multiplier_e8: int, inverse: bool) -> Fraction:
    """In units of the settle asset, as it enters profit."""
    units, price = Fraction(qty_e8 * multiplier_e8, E8 * E8), Fraction(price_e8, E8)
    return -units / price if inverse else units * price


@settings(max_examples=300, deadline=None)
@given(
    lots=st.integers(-(10**6), 10**6).filter(bool),
    lot_e8=st.sampled_from([1, 1_000, 100_000, E8]),
    entry_ticks=st.integers(1, 10**7),
    mark_e8=st.integers(1, 10**13),
    multiplier_e8=st.sampled_from(MULTIPLIERS_E8),
    inverse=st.booleans(),
)
def test_size_is_rounded_up_and_profit_down(
    lots: int, lot_e8: int, entry_ticks: int, mark_e8: int, multiplier_e8: int, inverse: bool
) -> None:
    tables = Tables()
    row = tables.add_instrument(
        InstrumentSpec(
            venue_id=1, symbol="BTCUSD", base_asset="BTC", quote_asset="USD", settle_asset="BTC" if inverse else "USD", kind=1,
            inverse=inverse, multiplier_e8=multiplier_e8, tick_size_e8=1_000_000, lot_size_e8=lot_e8,
        )
    )  # fmt: skip
    tables.set_margin_terms(row, leverage=1, is_isolated=False, tiers=[(0, NO_END_E8, E8 // 100, 0, 125)])
    book = PositionBook(tables)
    book.add_fill(1, row, int(lots < 0), entry_ticks, abs(lots))
    tables.set_mark(row, mark_e8)
    qty_e8 = lots * lot_e8
    exact, cost = (value(price_e8, qty_e8, multiplier_e8, inverse) for price_e8 in (mark_e8, entry_ticks * 1_000_000))
    size_e8, cost_e16 = math.ceil(abs(exact) * E8), round(cost * 10**16)
    found = tables.margin_row(row)
    if size_e8 < 1 << 62:
        assert found["position_margin_e8"] == size_e8
        assert found["maintenance_e8"] == math.ceil(Fraction(size_e8, 100))
        assert found["cost_e8"] == round(Fraction(cost_e16, E8))
        assert found["unrealised_e8"] == math.floor(exact * E8) - found["cost_e8"]
    assert book.wide(1, row)["cost_e16"] == cost_e16
    worth_e16 = (1 if lots > 0 else -1) * round(value(mark_e8, abs(qty_e8), multiplier_e8, inverse) * 10**16)
    if abs(worth_e16 - cost_e16) < 1 << 85:
        assert book.unrealised(1, row, mark_e8) == (worth_e16 - cost_e16) // E8
