"""Size, profit and cost of linear and inverse contracts with any multiplier: exact, rounded once, against the account."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.oms.positions import PositionBook
from tests.usdm_rig import UsdmRig

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
    if size_e8 < 1 << 62 and abs(cost_e16) < E8 << 62:
        assert found["position_margin_e8"] == size_e8
        assert found["maintenance_e8"] == math.ceil(Fraction(size_e8, 100))
        assert found["cost_e8"] == round(Fraction(cost_e16, E8))
        assert found["unrealised_e8"] == math.floor(exact * E8) - found["cost_e8"]
    assert book.wide(1, row)["cost_e16"] == cost_e16
    worth_e16 = (1 if lots > 0 else -1) * round(value(mark_e8, abs(qty_e8), multiplier_e8, inverse) * 10**16)
    if abs(worth_e16 - cost_e16) < 1 << 85:
        assert book.unrealised(1, row, mark_e8) == (worth_e16 - cost_e16) // E8


@settings(max_examples=200, deadline=None)
@given(
    lots=st.integers(-(10**6), 10**6).filter(bool),
    lot_e8=st.sampled_from([1, 1_000, 100_000, E8]),
    entry_ticks=st.integers(10_000, 10**7),
    wallet_e8=st.integers(1, 10**12),
    multiplier_e8=st.sampled_from(MULTIPLIERS_E8),
    inverse=st.booleans(),
)
def test_the_liquidation_price_is_the_exact_solution_rounded_down(
    lots: int, lot_e8: int, entry_ticks: int, wallet_e8: int, multiplier_e8: int, inverse: bool
) -> None:
    """One isolated position, one tier of 1 % less 0.00000007: wallet + profit = 1 % of the size less that."""
    rig = UsdmRig(connect=False)
    row = rig.tables.add_instrument(
        InstrumentSpec(
            venue_id=1, symbol="BTCUSD", base_asset="BTC", quote_asset="USD", settle_asset="BTC" if inverse else "USD", kind=1,
            inverse=inverse, multiplier_e8=multiplier_e8, tick_size_e8=1_000_000, lot_size_e8=lot_e8,
        )
    )  # fmt: skip
    rig.tables.set_margin_terms(row, leverage=1, is_isolated=True, tiers=[(0, NO_END_E8, E8 // 100, 7, 125)])
    rig.oms.positions_book.add_fill(1, row, int(lots < 0), entry_ticks, abs(lots))
    rig.tables.set_isolated_wallet(row, 0, wallet_e8)
    rig.tables.set_mark(row, entry_ticks * 1_000_000)
    units = Fraction(lots * lot_e8 * multiplier_e8, E8 * E8)
    kept = abs(units) / 100
    # what profit must be beside price x units (inverse: units / price), in units of the settle asset
    over = Fraction(rig.tables.margin_row(row)["cost_e8"] - wallet_e8 - 7, E8)
    slope = units + kept if inverse else units - kept
    solved = Fraction(0) if over == 0 else -slope / over if inverse else over / slope
    expected = math.floor(solved * E8) if solved > 0 else 0
    assert abs(rig.oms.account_book.liquidation_price(row) - min(expected, (1 << 63) - 1)) <= expected * SHARE_OF_SLOPE


# the share of the size that is kept is cut off at 10^-16 of a unit: of the smallest positions that is a part of the slope
SHARE_OF_SLOPE = Fraction(1, 10**6)
