"""Positions, fees and profit recomputed from the fills alone, to the last unit of 10^-16, whatever the fills are."""

from __future__ import annotations

import os
import random
from decimal import Decimal
from typing import Any

import pytest

from engine.journal.cursor import parse
from engine.model.codes import RecordKind
from engine.model.instruments import InstrumentSpec, to_e8
from engine.model.tables import Tables
from engine.oms.positions import PositionBook
from tests.orders_harness import Rig, payload
from tests.reference.positions import SIXTEEN, Contract, Holding, SlowBook

FILLS = 10_000_000 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 1_000_000
ACCOUNTS, STRATEGIES = 3, 4
SIDES = (0, 1, 2)
THIRDS = ("BNB", "SOL", "XRP", "FDUSD", "TUSD")
ASSETS = ("BTC", "ETH", "USDT", "USDC", "USD", *THIRDS)
HOUR_NS = 3_600_000_000_000

CONTRACTS = {
    "BTCUSDT": Contract("BTC", "USDT", "USDT", Decimal("0.01"), Decimal("0.00001")),
    "ETHBTC": Contract("ETH", "BTC", "BTC", Decimal("0.00001"), Decimal("0.0001")),
    "BTCUSDT.P": Contract("BTC", "USDT", "USDT", Decimal("0.1"), Decimal("0.001")),
    "ETHUSDC.P": Contract("ETH", "USDC", "USDC", Decimal("0.01"), Decimal("0.001"), Decimal("0.07")),
    "BTCUSD.P": Contract("BTC", "USD", "BTC", Decimal("0.1"), Decimal("1"), Decimal("100"), is_inverse=True),
    "ETHUSD.P": Contract("ETH", "USD", "ETH", Decimal("0.01"), Decimal("1"), Decimal("10"), is_inverse=True),
}
PRICES = {"BTCUSDT": 6_000_000, "ETHBTC": 5_000, "BTCUSDT.P": 600_000, "ETHUSDC.P": 300_000, "BTCUSD.P": 600_000}
NEW_GRIDS = {"BTCUSDT": (Decimal("0.001"), Decimal("0.000001")), "BTCUSD.P": (Decimal("0.5"), Decimal("1"))}


def add(tables: Tables, symbol: str, contract: Contract) -> int:
    spec = InstrumentSpec(
        venue_id=1, symbol=symbol, base_asset=contract.base, quote_asset=contract.quote, settle_asset=contract.settle,
        tick_size_e8=to_e8(contract.tick), lot_size_e8=to_e8(contract.lot), multiplier_e8=to_e8(contract.multiplier),
        inverse=contract.is_inverse, kind=int(symbol.endswith(".P")),
    )  # fmt: skip
    return int(tables.append_instrument(spec))


class Pair:
    """The engine's books of accounts and strategies beside the slow ones; both see the same fills."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.tables = Tables()
        self.contracts = dict(CONTRACTS)
        self.rows = {symbol: add(self.tables, symbol, contract) for symbol, contract in CONTRACTS.items()}
        self.assets = {name: self.tables.asset_id(name) for name in ASSETS}
        self.accounts = PositionBook(self.tables)
        self.strategies = PositionBook(self.tables, 64, False)
        self.slow_accounts, self.slow_strategies = SlowBook(self.contracts), SlowBook(self.contracts)
        self.venue = Rig(active=False, ring_bytes=1 << 24)
        self.funded_rows = {symbol: [row] for symbol, row in self.rows.items()}
        self.hour = 0
        self.price = {symbol: PRICES.get(symbol, 250_000) for symbol in CONTRACTS}

    def fill(self) -> None:
        rng = self.rng
        symbol = rng.choice(tuple(self.price))
        contract = self.contracts[symbol]
        price = self.price[symbol] = max(100, self.price[symbol] + rng.randrange(-40, 41))
        side = rng.choice(SIDES) if symbol.endswith(".P") else 0
        account, strategy = rng.randrange(1, 1 + ACCOUNTS), rng.randrange(STRATEGIES)
        is_buy = rng.random() < 0.5
        lots = rng.choice((1, rng.randrange(1, 50), rng.randrange(1, 5_000)))
        asset = rng.choice((contract.settle, contract.settle, contract.base, contract.quote, rng.choice(THIRDS)))
        fee_e8 = rng.choice((0, rng.randrange(-5_000, 20_000), rng.randrange(0, 10**9)))
        self.book(symbol, account, strategy, side, is_buy, price, lots, asset, fee_e8)

    def book(
        self, symbol: str, account: int, strategy: int, side: int, is_buy: bool, price: int, lots: int, asset: str, fee_e8: int
    ) -> None:  # fmt: skip
        row, contract = self.rows[symbol], self.contracts[symbol]
        words = (int(not is_buy), price, lots, self.assets[asset], fee_e8, side)
        self.accounts.add_fill(account, row, *words)
        self.strategies.add_fill(strategy, row, *words)
        told = (side, is_buy, contract.tick * price, contract.lot * lots, asset, Decimal(fee_e8).scaleb(-8))
        self.slow_accounts.fill(account, symbol, *told)
        self.slow_strategies.fill(strategy, symbol, *told)

    def settle(self) -> None:
        """Every contract pays its funding in one or two payments: the stream tells them, a list, or both in any order."""
        rng = self.rng
        self.hour += 8
        for symbol, contract in self.contracts.items():
            if not symbol.endswith(".P"):
                continue
            first_e8 = rng.choice((1, -1)) * rng.randrange(1, 10**9)
            amounts = rng.choice(([first_e8], [first_e8, first_e8], [first_e8, first_e8 + 1]))
            told_by = rng.choice(("stream", "list", "both", "unnamed"))
            row, asset = self.rows[symbol], self.assets[contract.settle]
            stream = [(0 if told_by == "unnamed" else row, amount_e8, 0) for amount_e8 in amounts]
            listed = [(row, amount_e8, amounts.count(amount_e8)) for amount_e8 in dict.fromkeys(amounts)]
            news = (stream if told_by != "list" else []) + (listed if told_by != "stream" else [])
            for told_row, amount_e8, payments in rng.sample(news, len(news)):
                self._tell_funding(told_row, asset, amount_e8, payments)
            self.slow_accounts.fund(symbol, Decimal(sum(amounts)).scaleb(-8))

    def _tell_funding(self, row: int, asset: int, amount_e8: int, payments: int) -> None:
        """`payments`: how many of this amount a list names; 0: the stream tells of one."""
        event_ns = self.hour * HOUR_NS + self.rng.randrange(0, 60_000_000_000)
        told = {"amount_e8": amount_e8, "asset_id": asset, "event_ns": event_ns, "payments": payments}
        data = payload(RecordKind.FUNDING_PAYMENT, **told, is_answer=int(payments > 0))
        self.venue.give(RecordKind.FUNDING_PAYMENT, data, instrument_id=row)

    def compare_funding(self, found: dict[int, int]) -> None:
        """By contract, over every row it has had, and by the asset of settlement; what no contract has is nothing."""
        slow = self.slow_accounts
        sums = {s: Decimal(sum(found.get(row, 0) for row in rows)).scaleb(-8) for s, rows in self.funded_rows.items()}
        assert {symbol: amount for symbol, amount in sums.items() if amount} == {
            s: a for s, a in slow.funding.items() if a
        }
        totals: dict[str, Decimal] = {}
        for symbol, amount in sums.items():
            asset = self.contracts[symbol].settle
            totals[asset] = totals.get(asset, Decimal(0)) + amount
        assert {a: n for a, n in totals.items() if n} == {a: n for a, n in slow.funding_by_asset().items() if n}
        assert sum(found.values()) == sum(int(amount.scaleb(8)) for amount in slow.funding.values())

    def change_grid(self, symbol: str) -> None:
        """The venue changes tick and lot: the symbol has another row, and what was held goes on there."""
        old, contract = self.rows[symbol], self.contracts[symbol]
        tick, lot = NEW_GRIDS[symbol]
        self.price[symbol] = int(self.price[symbol] * contract.tick / tick)
        new = Contract(
            contract.base, contract.quote, contract.settle, tick, lot, contract.multiplier, contract.is_inverse
        )
        self.contracts[symbol] = new
        self.rows[symbol] = add(self.tables, symbol, new)
        self.funded_rows[symbol].append(self.rows[symbol])
        for book in (self.accounts, self.strategies):
            assert book.carry(old, self.rows[symbol])
        for slow in (self.slow_accounts, self.slow_strategies):
            for (_, name, _), holding in slow.rows.items():
                if name == symbol:
                    holding.contract = new

    def held(self) -> list[dict[str, Any]]:
        """Every row of the book of accounts that has fills."""
        keys = ((owner, row, side) for owner, symbol, side in self.slow_accounts.rows for row in [self.rows[symbol]])
        return [self.accounts.wide(owner, row, side) for owner, row, side in keys]

    def compare(self) -> None:
        for book, slow in ((self.accounts, self.slow_accounts), (self.strategies, self.slow_strategies)):
            for (owner, symbol, side), holding in slow.rows.items():
                assert_equal(book.wide(owner, self.rows[symbol], side), holding, self.contracts[symbol], self.assets)
                mark = self.contracts[symbol].tick * self.price[symbol]
                found = book.unrealised(owner, self.rows[symbol], to_e8(mark), side)
                assert Decimal(found).scaleb(-8) == holding.unrealised(mark)
            paid = {name: Decimal(book.fees().get(number, 0)).scaleb(-8) for name, number in self.assets.items()}
            assert {name: fee for name, fee in paid.items() if fee} == {n: f for n, f in slow.fees.items() if f}
        self.compare_funding(self.venue.oms.funding())
        for symbol, row in self.rows.items():
            for side in SIDES:
                held = [h.qty() for (_, name, s), h in self.slow_accounts.rows.items() if (name, s) == (symbol, side)]
                lots = self.tables.exposure(row, side)["position_lots"]
                assert self.contracts[symbol].lot * lots == sum(held)


def assert_equal(row: dict[str, Any], holding: Holding, contract: Contract, assets: dict[str, int]) -> None:
    assert contract.lot * row["position_lots"] == holding.qty()
    assert row["cost_e16"] * SIXTEEN == holding.cost()
    assert row["realised_e16"] * SIXTEEN == holding.realised()
    assert row["fees_quote_e16"] * SIXTEEN == holding.fees
    others = {assets[name]: int(fee.scaleb(8)) for name, fee in holding.other_fees.items() if fee}
    assert {asset: fee for asset, fee in row["other_fees_e8"].items() if fee} == others


@pytest.mark.invariant("R11")
def test_every_number_of_a_position_is_what_its_fills_make_to_the_last_unit() -> None:
    """Flips, partial closes, hedged sides, inverse contracts, rebates, fees in any asset, tick and lot changed on the way."""
    pair = Pair(20_261_121)
    for number in range(1, FILLS + 1):
        pair.fill()
        if number % (FILLS // 500) == 0:
            pair.settle()
        if number % (FILLS // 50) == 0:
            pair.compare()
        if number == FILLS // 3:
            pair.change_grid("BTCUSDT")
        if number == FILLS // 2:
            pair.change_grid("BTCUSD.P")
    pair.compare()
    assert sum(row["fills"] for row in pair.held()) == FILLS
    assert max(len(row["other_fees_e8"]) for row in pair.held()) == len(THIRDS)
    later = Rig(active=False)
    later.oms.restore(parse(pair.venue.journal.front_bytes(0)))
    pair.compare_funding(later.oms.funding())


def test_fees_in_five_assets_all_stand_with_their_position() -> None:
    """Two rows and their totals; a row that moves to another grid takes its fees along."""
    tables = Tables()
    row, other = (add(tables, symbol, CONTRACTS[symbol]) for symbol in ("BTCUSDT", "BTCUSDT.P"))
    book = PositionBook(tables)
    assets = [tables.asset_id(name) for name in THIRDS]
    for number, asset in enumerate(assets * 2, 1):
        book.add_fill(1, row, 0, 6_000_000, 10, asset, number)
    book.add_fill(1, other, 0, 600_000, 10, assets[4], 7)
    paid = dict(zip(assets, (7, 9, 11, 13, 15), strict=True))
    assert book.wide(1, row)["other_fees_e8"] == paid
    assert not book.wide(1, row)["fees_incomplete"]
    assert book.wide(1, other)["other_fees_e8"] == {assets[4]: 7}
    assert book.fees() == paid | {assets[4]: 22}
    new = add(tables, "BTCUSDT", Contract("BTC", "USDT", "USDT", *NEW_GRIDS["BTCUSDT"]))
    assert book.carry(row, new)
    assert book.wide(1, new)["other_fees_e8"] == paid
    assert book.wide(1, row)["other_fees_e8"] == {}


def test_a_coarser_lot_that_a_position_does_not_fit_moves_nothing() -> None:
    tables = Tables()
    old = add(tables, "BTCUSDT", CONTRACTS["BTCUSDT"])
    coarse = Contract("BTC", "USDT", "USDT", Decimal("0.01"), Decimal("0.001"))
    book = PositionBook(tables)
    book.add_fill(1, old, 0, 6_000_000, 150)
    new = add(tables, "BTCUSDT", coarse)
    assert not book.carry(old, new)
    assert book.wide(1, old)["position_lots"] == 150
    book.add_fill(1, old, 0, 6_000_000, 50)
    assert book.carry(old, new)
    assert (tables.exposure(old)["position_lots"], tables.exposure(new)["position_lots"]) == (0, 2)
    assert not book.carry(old, new), "the new row has fills of its own"
