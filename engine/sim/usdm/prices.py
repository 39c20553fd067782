"""Index price, mark price, premium and funding rate of every contract, sampled once a second; their candles.

Source: the exchange's pages "Mark Price in USD-M Futures" and "Introduction to Funding Rates".
- Index: the value that the generated market's agents believe in, or what a ``PriceSource`` says.
- Mark: the median of index * (1 + funding rate * time left / interval), of index + the mean of (middle of the book -
  index) over the last 30 seconds, and of the last trade price.
- Premium: (middle of the book - index) / index. Funding rate: mean premium since the last settlement, plus the interest
  rate less it, held within +-0.05 %, all held within the contract's cap. The interest rate is 0.01 % in 8 hours.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from engine.sim.api import Interval, Kline
from engine.sim.candles import HOUR_NS, MILLISECOND_NS, MINUTE_NS, SECOND_NS, WIDTHS_NS, CandleSeries
from engine.sim.decimals import E8
from engine.sim.floor import Listing
from engine.sim.reject import VenueReject
from engine.sim.usdm.events import MarkPriceUpdate
from engine.sim.usdm.records import FundingRate, PremiumIndex, UsdmSymbolRules

BASIS_SAMPLES = 30
AVERAGE_SAMPLES = 300
CLAMP_E8 = 50_000
EIGHT_HOURS = 8
FUNDING_HISTORY_MAX = 1_000


class PriceSource(Protocol):
    """Prices from outside the generated market; 0 where it has none."""

    def index_e8(self, symbol: str) -> int:
        """The index price."""

    def mark_e8(self, symbol: str) -> int:
        """The mark price, when it is not to be computed."""


class PriceCandles:
    """Candles of a sampled price, every interval of a minute or more. They count samples and have no volume."""

    def __init__(self, start_ns: int, price_e8: int, candles_max: int) -> None:
        self._series = {name: CandleSeries(name, start_ns, price_e8, candles_max) for name in WIDTHS_NS if name != "1s"}

    def fill_history(self, minutes: list[Kline]) -> None:
        """Put past minutes in front."""
        for series in self._series.values():
            series.fill_history(minutes)

    def add(self, price_e8: int, now_ns: int) -> None:
        """Take a sample."""
        for series in self._series.values():
            series.roll(now_ns)
            candle = series.running
            if candle.trade_count == 0:
                candle.open_e8 = candle.high_e8 = candle.low_e8 = price_e8
            candle.high_e8 = max(candle.high_e8, price_e8)
            candle.low_e8 = min(candle.low_e8, price_e8)
            candle.close_e8 = price_e8
            candle.trade_count += 1

    def series(self, interval: Interval | str, now_ns: int) -> CandleSeries:
        """The candles of an interval up to now; -1120 for an unknown one."""
        series = self._series.get(interval)
        if series is None:
            raise VenueReject(-1120, "Invalid interval.")
        series.roll(now_ns)
        return series


class ContractPrices:
    """One contract."""

    def __init__(self, rules: UsdmSymbolRules, listing: Listing, interest_e8: int, start_ns: int, klines: int) -> None:
        self.rules = rules
        self._listing = listing
        start_e8 = listing.tape.last_price_e8
        self.index_e8 = self.mark_e8 = start_e8
        self.interval_ns = rules.funding_interval_hours * HOUR_NS
        self.interest_e8 = interest_e8 * rules.funding_interval_hours // EIGHT_HOURS
        self.next_funding_ns = start_ns // self.interval_ns * self.interval_ns + self.interval_ns
        self.rate_e8 = self.interest_e8
        self.time_ns = self._opened_ns = start_ns
        self.settled: deque[FundingRate] = deque(maxlen=FUNDING_HISTORY_MAX)
        self._basis: deque[int] = deque(maxlen=BASIS_SAMPLES)
        self._marks: deque[int] = deque((start_e8,), maxlen=AVERAGE_SAMPLES)
        self._premium_sum_e8 = self._premium_count = 0
        self.candles = {
            name: PriceCandles(start_ns, 0 if name == "PREMIUM" else start_e8, klines)
            for name in ("INDEX", "MARK", "PREMIUM")
        }
        self._backfill(start_ns)

    def _backfill(self, start_ns: int) -> None:
        """Past mark and index prices are those of the contract, premiums 0, so that charts are full."""
        past = self._listing.tape.klines("1m", start_ns, None, None, 1 << 30)[:-1]
        for name in ("INDEX", "MARK"):
            self.candles[name].fill_history([_sampled(row) for row in past])

    def middle_e8(self) -> int:
        """The middle of the book; the last price when a side is empty."""
        bid, _, ask, _ = self._listing.best
        return (bid + ask) * self._listing.tick_e8 // 2 if bid and ask else self._listing.tape.last_price_e8

    def sample(self, index_e8: int, given_mark_e8: int, now_ns: int) -> MarkPriceUpdate:
        """Take this second's prices. Those of the opening, before anybody could trade, do not count as premium."""
        self.index_e8, self.time_ns = index_e8, now_ns
        basis_e8 = self.middle_e8() - index_e8
        premium_e8 = basis_e8 * E8 // index_e8
        if now_ns > self._opened_ns:
            self._basis.append(basis_e8)
            self._premium_sum_e8 += premium_e8
            self._premium_count += 1
        self.rate_e8 = self._rate_e8()
        self.mark_e8 = given_mark_e8 or self._mark_e8(now_ns)
        self._marks.append(self.mark_e8)
        for name, value_e8 in (("INDEX", index_e8), ("MARK", self.mark_e8), ("PREMIUM", premium_e8)):
            self.candles[name].add(value_e8, now_ns)
        return MarkPriceUpdate(
            self.rules.symbol,
            now_ns,
            self.mark_e8,
            self.average_e8(),
            index_e8,
            index_e8,
            self.rate_e8,
            self.next_funding_ns,
        )

    def average_e8(self) -> int:
        """Mean mark price of the last five minutes."""
        return sum(self._marks) // len(self._marks)

    def _mark_e8(self, now_ns: int) -> int:
        left_ns = max(0, self.next_funding_ns - now_ns)
        by_funding_e8 = self.index_e8 + self.index_e8 * self.rate_e8 * left_ns // (E8 * self.interval_ns)
        by_basis_e8 = self.index_e8 + sum(self._basis) // max(1, len(self._basis))
        return sorted((by_funding_e8, by_basis_e8, self._listing.tape.last_price_e8))[1]

    def _rate_e8(self) -> int:
        premium_e8 = self._premium_sum_e8 // self._premium_count if self._premium_count else 0
        rate_e8 = premium_e8 + min(CLAMP_E8, max(-CLAMP_E8, self.interest_e8 - premium_e8))
        cap_e8 = self.rules.funding_rate_cap_e8
        return min(cap_e8, max(-cap_e8, rate_e8))

    def settle(self) -> FundingRate:
        """End a funding interval: its rate is final, the next one's premium starts from nothing."""
        row = FundingRate(self.rules.symbol, self.rate_e8, self.next_funding_ns, self.mark_e8)
        self.settled.append(row)
        self.next_funding_ns += self.interval_ns
        self._premium_sum_e8 = self._premium_count = 0
        return row

    def premium_index(self) -> PremiumIndex:
        """The prices as an answer."""
        return PremiumIndex(
            self.rules.symbol,
            self.mark_e8,
            self.index_e8,
            self.average_e8(),
            self.index_e8,
            self.rate_e8,
            self.interest_e8,
            self.next_funding_ns,
            self.time_ns,
        )


def _sampled(minute: Kline) -> Kline:
    """A minute of trades as one of samples."""
    row = Kline(*(getattr(minute, name) for name in Kline.__struct_fields__))
    row.volume_e8 = row.quote_volume_e8 = row.taker_base_e8 = row.taker_quote_e8 = 0
    row.trade_count = MINUTE_NS // SECOND_NS
    row.first_trade_id = row.last_trade_id = -1
    row.close_ns = row.open_ns + MINUTE_NS - MILLISECOND_NS
    return row
