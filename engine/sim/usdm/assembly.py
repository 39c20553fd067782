"""The parts of the USD-M core put together, and their time: market, mark prices, funding, timers, liquidation."""

from __future__ import annotations

from typing import Protocol

import msgspec

from engine.sim.candles import SECOND_NS
from engine.sim.config import AccountConfig, KeyConfig, VenueConfig
from engine.sim.decimals import config_e8
from engine.sim.market import GeneratedMarket
from engine.sim.seeded import SeededRandom
from engine.sim.usdm.algos import AlgoService
from engine.sim.usdm.amend import Amender
from engine.sim.usdm.brackets import BracketTable
from engine.sim.usdm.config import UsdmConfig
from engine.sim.usdm.draft import Drafter
from engine.sim.usdm.entry import OrderEntry
from engine.sim.usdm.events import UsdmEvent
from engine.sim.usdm.floor import UsdmFloor
from engine.sim.usdm.funding import Funding
from engine.sim.usdm.holdings import UsdmBook
from engine.sim.usdm.insurance import InsuranceFund
from engine.sim.usdm.liquidation import Liquidator
from engine.sim.usdm.margin import Margins
from engine.sim.usdm.money import Ledger
from engine.sim.usdm.prices import ContractPrices, PriceSource
from engine.sim.usdm.reports import Reporter
from engine.sim.usdm.rules import book_symbol, rules_from_config
from engine.sim.usdm.settlement import Settlement
from engine.sim.usdm.statistics import SAMPLE_NS, Statistics
from engine.sim.usdm.timers import Timers

CATCH_UP_NS_MAX = 30 * SECOND_NS


class Market(Protocol):
    """Who moves the books."""

    def run(self, now_ns: int) -> None:
        """Act up to a time."""

    def next_wake_ns(self) -> int:
        """When it acts next (Unix ns)."""

    def fair_e8(self, symbol: str) -> int:
        """An index price for those who need one."""


class Assembly:
    """Everything behind ``UsdmVenue``; raises ``ValueError`` for an unusable configuration."""

    def __init__(
        self,
        config: UsdmConfig,
        accounts: tuple[AccountConfig, ...],
        seed: int,
        start_ns: int,
        *,
        prices: PriceSource | None = None,
    ) -> None:
        self.config = config
        self._now_ns = self._target_ns = start_ns
        self._source = prices
        self._dice = SeededRandom(seed)
        self._rules = {row.symbol: rules_from_config(row) for row in config.symbols}
        self._tables = {row.symbol: BracketTable(row.symbol, row.brackets) for row in config.symbols}
        self._floor = self._make_floor(_book_config(config), start_ns)
        self._backfill(start_ns)
        self._prices = {
            row.symbol: ContractPrices(
                self._rules[row.symbol],
                self._floor.by_symbol[row.symbol],
                config_e8(row.interest_rate),
                start_ns,
                config.history_klines_max,
            )
            for row in config.symbols
        }
        self._marks = {symbol: prices.mark_e8 for symbol, prices in self._prices.items()}
        self._keys = _key_table(accounts)
        self._build(accounts)
        self._open(start_ns)

    def _make_floor(self, config: VenueConfig, start_ns: int) -> UsdmFloor:
        """The books; a replay has others."""
        return UsdmFloor(config, start_ns)

    def _make_market(self, start_ns: int) -> Market:
        """Who moves the books; a replay has a recording."""
        return GeneratedMarket(self._floor, self.config.activity, self._dice.bits64(), start_ns)

    def _backfill(self, start_ns: int) -> None:
        for listing in self._floor.listings:
            row = listing.config
            mean_qty_e8 = config_e8(row.mean_order_qty)
            minutes = self.config.backfill_minutes
            listing.tape.backfill(minutes, start_ns, row.volatility_bps_minute, mean_qty_e8, self._dice.bits64())

    def _build(self, accounts: tuple[AccountConfig, ...]) -> None:
        config = self.config
        self._books = [_book(config, number, account) for number, account in enumerate(accounts, start=1)]
        _refuse_unknown_names(config, accounts)
        fund_e8 = config_e8(config.insurance_fund)
        deposits_e8 = sum(book.wallet_e8 for book in self._books)
        self._ledger = Ledger(deposits_e8=deposits_e8, insurance_start_e8=fund_e8, insurance_e8=fund_e8)
        self._timers = Timers()
        self._margins = Margins(self._tables, self._marks)
        self._reporter = Reporter(self._floor.events.append, self._margins)  # type: ignore[arg-type]
        self._fund = InsuranceFund(self._floor, self._ledger)
        names = SeededRandom(self._dice.bits64())
        self._drafter = Drafter(config, self._floor, self._rules, self._margins, names)
        self._entry = OrderEntry(
            self._floor,
            self._rules,
            self._margins,
            self._books,
            self._drafter,
            self._reporter,
            self._ledger,
            self._fund,
            self._timers,
        )
        self._amender = Amender(self._entry, self._drafter, self._reporter)
        self._algos = AlgoService(self._entry, self._reporter, self._timers, names)
        self._settlement = Settlement(self._entry, self._algos)
        self._funding = Funding(self._books, self._reporter, self._ledger)
        self._liquidator = Liquidator(
            self._entry, self._margins, self._reporter, self._ledger, self._fund, config.margin_call_percent
        )

    def _open(self, start_ns: int) -> None:
        """Fill the books, take the first prices and set the clocks going."""
        self._is_following = False
        self._market = self._make_market(start_ns)
        self._statistics = Statistics(self._floor, self._books, self._fund, self._dice.bits64())
        self._floor.after_operation = self._follow
        self._sample_prices(start_ns)
        self._sample_statistics(start_ns // SAMPLE_NS * SAMPLE_NS)
        self._timers.at(start_ns // SECOND_NS * SECOND_NS + SECOND_NS, self._tick)
        self._timers.at(start_ns // SAMPLE_NS * SAMPLE_NS + SAMPLE_NS, self._tick_statistics)
        for symbol, prices in self._prices.items():
            self._set_funding(symbol, prices)
        self._floor.drain()

    # --- time ----------------------------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """See ``UsdmVenue``."""
        if now_ns <= self._now_ns:
            return
        self._target_ns = now_ns
        while (due_ns := self._timers.next_ns()) <= now_ns:
            self._market.run(due_ns)
            self._now_ns = max(self._now_ns, due_ns)
            self._timers.fire_next()
        self._market.run(now_ns)
        self._now_ns = now_ns

    def drain(self) -> list[UsdmEvent]:
        """See ``UsdmVenue``."""
        return self._floor.drain()  # type: ignore[return-value]

    def next_wake_ns(self) -> int:
        """See ``UsdmVenue``."""
        return min(self._market.next_wake_ns(), self._timers.next_ns())

    def key(self, api_key: str) -> tuple[int, KeyConfig] | None:
        """See ``UsdmVenue``."""
        return self._keys.get(api_key)

    def _tick(self, now_ns: int) -> None:
        """Once a second: prices, what they trigger, liquidation, the fund's work. A long absence is skipped."""
        self._sample_prices(now_ns)
        for symbol in self._rules:
            self._algos.on_mark_price(symbol, now_ns)
        self._liquidator.watch(now_ns)
        for symbol, mark_e8 in self._marks.items():
            self._fund.work_off(symbol, mark_e8, now_ns)
        late_from_ns = (self._target_ns - CATCH_UP_NS_MAX) // SECOND_NS * SECOND_NS
        self._timers.at(max(now_ns + SECOND_NS, late_from_ns), self._tick)

    def _sample_prices(self, now_ns: int) -> None:
        source = self._source
        for symbol, prices in self._prices.items():
            index_e8 = (source.index_e8(symbol) if source else 0) or self._market.fair_e8(symbol)
            update = prices.sample(index_e8, source.mark_e8(symbol) if source else 0, now_ns)
            self._marks[symbol] = prices.mark_e8
            self._reporter.sink(update)

    def _tick_statistics(self, now_ns: int) -> None:
        self._sample_statistics(now_ns)
        late_from_ns = (self._target_ns - SAMPLE_NS) // SAMPLE_NS * SAMPLE_NS
        self._timers.at(max(now_ns + SAMPLE_NS, late_from_ns), self._tick_statistics)

    def _sample_statistics(self, time_ns: int) -> None:
        for symbol, prices in self._prices.items():
            last_e8 = self._floor.by_symbol[symbol].tape.last_price_e8
            self._statistics.sample(symbol, prices.mark_e8, prices.index_e8, last_e8, time_ns)

    def _set_funding(self, symbol: str, prices: ContractPrices) -> None:
        def settle(now_ns: int) -> None:
            self._funding.settle(prices.settle(), now_ns)
            self._set_funding(symbol, prices)

        self._timers.at(prices.next_funding_ns, settle)

    def _follow(self, now_ns: int) -> None:
        """After each operation on a book: cut reduce-only orders, trigger conditional ones, till nothing changes."""
        if self._is_following:
            return
        self._is_following = True
        try:
            while True:
                if self._entry.dirty:
                    key = next(iter(self._entry.dirty))
                    holding, book = self._entry.dirty.pop(key), self._books[key[0] - 1]
                    self._entry.trim(book, holding, now_ns)
                    self._algos.expire_closers(book, holding, now_ns)
                elif not self._algos.on_last_prices(now_ns):
                    return
        finally:
            self._is_following = False

    def ledger(self) -> Ledger:
        """The venue's own books of money, as they stand now."""
        return msgspec.structs.replace(
            self._ledger,
            fund_cost_e8=sum(holding.cost_e8 for holding in self._fund.holdings.values()),
            street_paid_e8=sum(self._floor.street.paid_e8),
        )


def _book_config(config: UsdmConfig) -> VenueConfig:
    """The configuration of the floor and the tapes."""
    return VenueConfig(
        symbols=tuple(book_symbol(row) for row in config.symbols),
        activity=config.activity,
        orders_resting_max=config.orders_resting_max,
        history_trades_max=config.history_trades_max,
        history_orders_max=config.history_orders_max,
        history_klines_max=config.history_klines_max,
        backfill_minutes=config.backfill_minutes,
    )


def _book(config: UsdmConfig, number: int, account: AccountConfig) -> UsdmBook:
    wallet_e8 = config_e8(config.wallets.get(account.name, config.default_wallet))
    orders_max, income_max = config.history_orders_max, config.history_income_max
    book = UsdmBook(number, account.name, account.can_trade, wallet_e8, orders_max, income_max)
    book.dual_side = account.name in config.hedge_accounts
    for row in config.symbols:
        highest = row.brackets[0].initial_leverage
        book.list_contract(row.symbol, min(config.default_leverage, highest))
    return book


def _refuse_unknown_names(config: UsdmConfig, accounts: tuple[AccountConfig, ...]) -> None:
    unknown = {*config.wallets, *config.hedge_accounts} - {account.name for account in accounts}
    if unknown:
        raise ValueError(f"wallets or hedge_accounts name accounts that do not exist: {', '.join(sorted(unknown))}")


def _key_table(accounts: tuple[AccountConfig, ...]) -> dict[str, tuple[int, KeyConfig]]:
    rows = [(key.api_key, number, key) for number, account in enumerate(accounts, start=1) for key in account.keys]
    if len({row[0] for row in rows}) != len(rows):
        raise ValueError("two accounts have the same API key")
    return {api_key: (number, key) for api_key, number, key in rows}
