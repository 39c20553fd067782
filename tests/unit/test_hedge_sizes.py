"""How large a hedge is, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from engine.control.hedge import hedge_need
from engine.model.codes import BookState, Side
from engine.model.instruments import E8, InstrumentSpec
from engine.model.tables import Tables
from engine.risk.rehearsal import set_market


def market(multiplier_e8: int, inverse: bool) -> Tables:
    """Half a bitcoin at 40 000 in spot (1), and a perpetual (2) of whole contracts."""
    tables = Tables()
    common: dict[str, Any] = {"venue_id": 1, "base_asset": "BTC", "tick_size_e8": 1_000_000}
    tables.add_instrument(InstrumentSpec(symbol="BTCUSDT", quote_asset="USDT", lot_size_e8=1_000, **common))
    tables.add_instrument(
        InstrumentSpec(
            symbol="BTC_PERP", quote_asset="USDT", settle_asset="BTC" if inverse else "USDT", kind=1, lot_size_e8=E8,
            multiplier_e8=multiplier_e8, inverse=inverse, **common,
        )
    )  # fmt: skip
    for row in (1, 2):
        set_market(tables, row, book_state=int(BookState.VALID), bid_ticks=3_999_900, ask_ticks=4_000_100)
    tables.move(1, position_lots=50_000)
    return tables


@pytest.mark.parametrize(
    ("multiplier_e8", "inverse", "contracts"),
    [(100 * E8, True, 200), (E8 // 1000, False, 500), (E8 // 10, False, 5)],
    ids=["inverse: 20 000 / 100", "0.5 / 0.001", "0.5 / 0.1"],
)
def test_a_hedge_counts_contracts_at_their_own_value(multiplier_e8: int, inverse: bool, contracts: int) -> None:
    need = hedge_need(market(multiplier_e8, inverse), 1, 2, E8, 0)
    assert (need.side, need.qty_lots) == (Side.SELL, contracts)
    assert need.detail.exposed_value_e8 == 20_000 * E8
