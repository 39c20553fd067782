"""Market data of the USD-M core."""

from __future__ import annotations

import msgspec

from engine.sim.candles import DAY_NS
from engine.sim.decimals import E8
from engine.sim.events import AggTrade, Trade
from engine.sim.records import BookTicker, DepthSnapshot, Kline, Ticker24h
from engine.sim.reject import VenueReject
from engine.sim.usdm.assembly import Assembly
from engine.sim.usdm.events import ContractInfo
from engine.sim.usdm.queries import in_window
from engine.sim.usdm.records import (
    Basis,
    FundingRate,
    LongShortRatio,
    OpenInterest,
    PremiumIndex,
    RatioKind,
    TakerVolume,
    UsdmSymbolRules,
)
from engine.sim.usdm.rejects import invalid
from engine.sim.usdm.rules import STATUSES
from engine.sim.usdm.statistics import check_period

DEPTH_LEVELS_MAX = 1000
ALL = 1 << 30
PRICE_KINDS = ("MARK", "INDEX", "PREMIUM")


class MarketDesk(Assembly):
    """Methods are documented in ``UsdmVenue``."""

    def symbols(self) -> tuple[str, ...]:
        return tuple(self._rules)

    def exchange_info(self) -> tuple[UsdmSymbolRules, ...]:
        return tuple(self._rules.values())

    def rules(self, symbol: str) -> UsdmSymbolRules:
        self._floor.listing(symbol)
        return self._rules[symbol]

    def set_status(self, symbol: str, status: str, now_ns: int) -> None:
        self.advance(now_ns)
        self._floor.listing(symbol)
        if status not in STATUSES:
            raise invalid("status")
        self._rules[symbol] = msgspec.structs.replace(self._rules[symbol], status=status)
        self._reporter.sink(ContractInfo(symbol, self._now_ns, status))
        if status == "SETTLING":
            self._settlement.settle(symbol, self._now_ns)

    # --- book and trades -----------------------------------------------------------------------------------------

    def depth(self, symbol: str, limit: int = 500) -> DepthSnapshot:
        return self._floor.depth(self._floor.listing(symbol), max(1, min(limit, DEPTH_LEVELS_MAX)))

    def book_ticker(self, symbol: str) -> BookTicker:
        return self._floor.book_ticker(self._floor.listing(symbol))

    def recent_trades(self, symbol: str, limit: int = 500, from_id: int | None = None) -> list[Trade]:
        return self._floor.listing(symbol).tape.recent(limit, from_id)

    def agg_trades(
        self,
        symbol: str,
        *,
        from_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[AggTrade]:
        return self._floor.listing(symbol).tape.aggregates(from_id, start_ns, end_ns, limit)

    def last_price(self, symbol: str) -> tuple[int, int]:
        tape = self._floor.listing(symbol).tape
        return tape.last_price_e8, tape.last_trade_ns

    # --- candles and tickers -------------------------------------------------------------------------------------

    def klines(
        self,
        symbol: str,
        interval: str,
        now_ns: int,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
        price: str = "CONTRACT",
    ) -> list[Kline]:
        rows = self._candles(symbol, interval, now_ns, price)
        return in_window(rows, lambda row: row.open_ns, start_ns, end_ns, limit)

    def current_kline(self, symbol: str, interval: str, now_ns: int, price: str = "CONTRACT") -> Kline:
        return self._candles(symbol, interval, now_ns, price)[-1]

    def _candles(self, symbol: str, interval: str, now_ns: int, price: str) -> list[Kline]:
        tape = self._floor.listing(symbol).tape
        if interval == "1s":
            raise VenueReject(-1120, "Invalid interval.")
        if price == "CONTRACT":
            return tape.klines(interval, now_ns, None, None, ALL)
        if price not in PRICE_KINDS:
            raise invalid("price")
        return list(self._prices[symbol].candles[price].series(interval, now_ns).candles)

    def ticker_24h(self, symbol: str, now_ns: int) -> Ticker24h:
        listing = self._floor.listing(symbol)
        return listing.tape.ticker(DAY_NS, now_ns, self._floor.book_ticker(listing))

    # --- mark price and funding ----------------------------------------------------------------------------------

    def premium_index(self, symbol: str) -> PremiumIndex:
        self._floor.listing(symbol)
        return self._prices[symbol].premium_index()

    def funding_history(
        self, symbol: str | None = None, *, start_ns: int | None = None, end_ns: int | None = None, limit: int = 100
    ) -> list[FundingRate]:
        if symbol is not None:
            self._floor.listing(symbol)
        settled = [row for name, prices in self._prices.items() if symbol in (None, name) for row in prices.settled]
        rows = sorted(settled, key=lambda row: row.time_ns)
        return in_window(rows, lambda row: row.time_ns, start_ns, end_ns, limit)

    # --- statistics ----------------------------------------------------------------------------------------------

    def open_interest(self, symbol: str) -> OpenInterest:
        self._floor.listing(symbol)
        return self._statistics.interest(symbol, self._prices[symbol].mark_e8, self._now_ns)

    def open_interest_history(
        self, symbol: str, period: str, *, start_ns: int | None = None, end_ns: int | None = None, limit: int = 30
    ) -> list[OpenInterest]:
        return self._statistics.interest_history(symbol, period, start_ns, end_ns, limit)

    def long_short_history(
        self,
        symbol: str,
        kind: RatioKind,
        period: str,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 30,
    ) -> list[LongShortRatio]:
        return self._statistics.ratio_history(symbol, kind, period, start_ns, end_ns, limit)

    def taker_volume_history(
        self, symbol: str, period: str, *, start_ns: int | None = None, end_ns: int | None = None, limit: int = 30
    ) -> list[TakerVolume]:
        listing = self._floor.listing(symbol)
        check_period(period)
        rows = [_taker_volume(symbol, row) for row in listing.tape.klines(period, self._now_ns, None, None, ALL)]
        return in_window(rows, lambda row: row.time_ns, start_ns, end_ns, limit)

    def basis_history(
        self, symbol: str, period: str, *, start_ns: int | None = None, end_ns: int | None = None, limit: int = 30
    ) -> list[Basis]:
        return self._statistics.basis_history(symbol, period, start_ns, end_ns, limit)


def _taker_volume(symbol: str, candle: Kline) -> TakerVolume:
    buy_e8, sell_e8 = candle.taker_base_e8, candle.volume_e8 - candle.taker_base_e8
    return TakerVolume(symbol, buy_e8 * E8 // sell_e8 if sell_e8 else 0, buy_e8, sell_e8, candle.open_ns)
