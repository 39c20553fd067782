"""What readers make of FILL records, by strategy and symbol, is what the engine's own books hold, to the last unit."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from engine.control.catalog import InstrumentRow, instrument_row
from engine.desk.profit import Holding
from engine.model.codes import Side
from engine.model.tables import Tables
from engine.oms.positions import PositionBook
from tests.property.test_positions_equal_their_slow_twin import ASSETS, CONTRACTS, PRICES, add

FILLS = 1_000_000 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 20_000


def fill(rng: random.Random, row: InstrumentRow, price_ticks: int, assets: list[int]) -> dict[str, Any]:
    return {
        "price_ticks": max(100, price_ticks + rng.randrange(-400, 401)),
        "qty_lots": rng.choice((1, rng.randrange(1, 50), rng.randrange(1, 5_000))),
        "side": rng.choice((Side.BUY.name, Side.SELL.name)),
        "commission_asset_id": rng.choice(assets),
        "commission_e8": rng.choice((0, rng.randrange(-5_000, 20_000), rng.randrange(0, 10**9))),
    }


@pytest.mark.invariant("R11")
@pytest.mark.parametrize("symbol", CONTRACTS)
def test_a_holding_is_what_the_book_of_strategies_says(symbol: str) -> None:
    rng, tables = random.Random(symbol), Tables()
    number = add(tables, symbol, CONTRACTS[symbol])
    assets = [tables.asset_id(name) for name in ASSETS if name in (*symbol_assets(symbol), "BNB")]
    row, book = instrument_row(tables, number), PositionBook(tables, 64, False)
    holding, price = Holding(row), PRICES.get(symbol, 250_000)
    for count in range(FILLS // len(CONTRACTS)):
        told = fill(rng, row, price, assets)
        holding.take(row, told)
        words = (told["price_ticks"], told["qty_lots"], told["commission_asset_id"], told["commission_e8"])
        book.add_fill(1, number, int(Side[told["side"]]), *words)
        if count % 97 == 0:
            assert_same(holding, book, row, number, told["price_ticks"] * row.tick_size_e8)
    assert holding.fills == FILLS // len(CONTRACTS)


def symbol_assets(symbol: str) -> tuple[str, ...]:
    contract = CONTRACTS[symbol]
    return contract.base, contract.quote, contract.settle


def assert_same(holding: Holding, book: PositionBook, row: InstrumentRow, number: int, mark_e8: int) -> None:
    wide = book.wide(1, number)
    assert holding.qty_e8 == wide["position_lots"] * row.lot_size_e8
    assert (holding.cost_e16(), holding.realised_e16()) == (wide["cost_e16"], wide["realised_e16"])
    assert holding.fees_e16 == wide["fees_quote_e16"]
    assert {k: v for k, v in holding.third_fees_e8.items() if v} == {
        k: v for k, v in wide["other_fees_e8"].items() if v
    }
    assert holding.unrealised_e8(mark_e8) == book.unrealised(1, number, mark_e8)
