"""The engine's margin and liquidation prices against those of the simulated venue, which computes them by other code."""

from __future__ import annotations

import os
import random
import struct
from typing import Any

from engine.model.codes import RecordKind
from engine.sim.usdm.brackets import BracketTable
from engine.sim.usdm.config import BracketConfig
from engine.sim.usdm.holdings import UsdmBook
from engine.sim.usdm.margin import Margins
from tests.orders_harness import payload
from tests.usdm_rig import UsdmRig

E8 = 10**8
ACCOUNTS = 20_000 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 400
SYMBOLS = ("BTCUSDT", "ETHUSDT")
SIDES = {"BOTH": 0, "LONG": 1, "SHORT": 2}
TABLES = {
    "BTCUSDT": (("50000", "0.004", 125), ("500000", "0.005", 100), ("1000000", "0.01", 50), ("10000000", "0.025", 20)),
    "ETHUSDT": (("10000", "0.005", 100), ("100000", "0.0065", 75), ("500000", "0.01", 50), ("5000000", "0.02", 25)),
}


def bracket_table(symbol: str) -> BracketTable:
    rows = [
        BracketConfig(notional_cap=cap, maint_ratio=ratio, initial_leverage=most) for cap, ratio, most in TABLES[symbol]
    ]
    return BracketTable(symbol, tuple(rows))


class Pair:
    """One account at the engine and at the venue's model, dealt from dice."""

    def __init__(self, rig: UsdmRig, rng: random.Random, tables: dict[str, BracketTable]) -> None:
        self.rig, self.rng = rig, rng
        self.marks = {
            "BTCUSDT": rng.randrange(1_000, 90_000) * E8 + rng.randrange(E8),
            "ETHUSDT": rng.randrange(50, 5_000) * E8,
        }
        wallet_e8 = rng.choice((rng.randrange(E8, 10**4 * E8), rng.randrange(E8, 10**7 * E8)))
        self.book = UsdmBook(1, "x", True, wallet_e8, 100, 100)
        self.margins = Margins(tables, self.marks)
        is_hedged = rng.random() < 0.5
        for symbol in SYMBOLS:
            self.deal(symbol, ("LONG", "SHORT") if is_hedged else ("BOTH",))
        rig.tables.set_margin_wallet(rig.tables.asset_id("USDT"), wallet_e8)

    def deal(self, symbol: str, sides: tuple[str, ...]) -> None:
        row, rng = SYMBOLS.index(symbol) + 1, self.rng
        leverage = rng.choice((1, 3, 10, 20))
        self.book.list_contract(symbol, leverage)
        is_isolated = rng.random() < 0.3
        self.book.settings[symbol].margin_type = "ISOLATED" if is_isolated else "CROSSED"
        self.terms(row, leverage, is_isolated, self.margins.tables[symbol])
        self.rig.tables.set_mark(row, self.marks[symbol])
        for side in sides:
            if rng.random() < 0.8:
                self.open(symbol, row, side)

    def terms(self, row: int, leverage: int, is_isolated: bool, table: BracketTable) -> None:
        rows = [
            (b.notional_floor_e8, b.notional_cap_e8, b.maint_ratio_e8, b.cum_e8, b.initial_leverage)
            for b in table.brackets
        ]
        fixed = payload(RecordKind.MARGIN_TIERS, leverage=leverage, is_isolated=is_isolated, count=len(rows))
        data = fixed + b"".join(struct.pack("<qqqqi4x", *each) for each in rows)
        self.rig.give(RecordKind.MARGIN_TIERS, data, instrument_id=row)

    def open(self, symbol: str, row: int, side: Any) -> None:
        rng, holding = self.rng, self.book.holdings[(symbol, side)]
        is_buy = side == "LONG" or (side == "BOTH" and rng.random() < 0.5)
        for _ in range(rng.randrange(1, 4)):
            lots = rng.choice((rng.randrange(1, 100), rng.randrange(1, 20_000)))
            ticks = max(1, self.marks[symbol] // 10**6 * rng.randrange(80, 120) // 100)
            delta_e8 = lots * 100_000 if is_buy else -lots * 100_000
            self.book.fill(holding, delta_e8, ticks * 10**6, 0, 1)
            self.rig.oms.positions_book.add_fill(1, row, int(not is_buy), ticks, lots, position_side=SIDES[side])
        self.rig.tables.set_isolated_wallet(row, SIDES[side], holding.isolated_wallet_e8)

    def compare(self) -> int:
        """Equal in every number; returns how many liquidation prices there were."""
        totals, found = self.margins.totals(self.book), self.rig.tables.margin_account(self.rig.tables.asset_id("USDT"))
        assert found["unrealised_e8"] == totals.unrealized_e8
        assert found["cross_unrealised_e8"] == totals.cross_unrealized_e8
        assert found["maintenance_e8"] == totals.maint_e8
        assert found["cross_maintenance_e8"] == totals.cross_maint_e8
        assert found["initial_margin_e8"] == totals.position_margin_e8
        assert found["available_e8"] == totals.free_e8
        prices = 0
        for (symbol, side), holding in self.book.holdings.items():
            row = SYMBOLS.index(symbol) + 1
            expected = self.margins.liquidation_price_e8(self.book, holding)
            assert self.rig.oms.account_book.liquidation_price(row, SIDES[side]) == expected, (symbol, side)
            prices += expected > 0
        return prices


def test_margin_and_liquidation_prices_are_the_venues_own() -> None:
    rng = random.Random(125)
    tables = {symbol: bracket_table(symbol) for symbol in SYMBOLS}
    prices = 0
    for _ in range(ACCOUNTS):
        pair = Pair(UsdmRig(connect=False, ring_bytes=1 << 16), rng, tables)
        prices += pair.compare()
    assert prices > ACCOUNTS // 2


def test_margin_that_moved_fill_by_fill_is_margin_counted_anew() -> None:
    """Sums that follow every fill, mark price and change of terms never drift from what one counting from nothing gives."""
    rng = random.Random(126)
    rig, rows = UsdmRig(connect=False), {symbol: bracket_table(symbol) for symbol in SYMBOLS}
    pair = Pair(rig, rng, rows)
    asset = rig.tables.asset_id("USDT")
    for _ in range(3_000):
        row = rng.randrange(1, 3)
        act = rng.randrange(4)
        if act == 0:
            rig.tables.set_mark(row, rng.randrange(100, 90_000) * E8)
        elif act == 1:
            rig.tables.set_isolated_wallet(row, rng.randrange(3), rng.randrange(0, 1_000 * E8))
        elif act == 2 and rng.random() < 0.1:
            pair.terms(row, rng.choice((1, 5, 20)), rng.random() < 0.5, rows[SYMBOLS[row - 1]])
        else:
            lots = rng.randrange(1, 500)
            side, price_ticks = rng.randrange(2), rng.randrange(1_000, 10**7)
            rig.oms.positions_book.add_fill(1, row, side, price_ticks, lots, position_side=rng.randrange(3))
    found = rig.tables.margin_account(asset)
    rows_now = [(row, rig.tables.margin_row(row, side)) for row in (1, 2) for side in range(3)]
    assert found["unrealised_e8"] == sum(each["unrealised_e8"] for _, each in rows_now)
    assert found["initial_margin_e8"] == sum(
        each["position_margin_e8"] + each["order_margin_e8"] for _, each in rows_now
    )
    assert found["maintenance_e8"] == sum(each["maintenance_e8"] for _, each in rows_now)
    crossed = [each for row, each in rows_now if not rig.tables.margin_terms_of(row)["is_isolated"]]
    assert found["cross_maintenance_e8"] == sum(each["maintenance_e8"] for each in crossed)
    assert found["available_e8"] == (
        found["wallet_e8"] - found["isolated_wallets_e8"] + sum(each["unrealised_e8"] for each in crossed)
        - sum(each["position_margin_e8"] for each in crossed) - found["order_margin_e8"]
    )  # fmt: skip
