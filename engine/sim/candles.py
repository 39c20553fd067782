"""Candles of every interval and rolling windows over the one-minute candles, made from trades."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice

import msgspec

from engine.sim.api import Kline, Trade
from engine.sim.decimals import E8

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
WEEK_NS = 7 * DAY_NS
MILLISECOND_NS = 1_000_000

WIDTHS_NS = {
    "1s": SECOND_NS,
    "1m": MINUTE_NS,
    "3m": 3 * MINUTE_NS,
    "5m": 5 * MINUTE_NS,
    "15m": 15 * MINUTE_NS,
    "30m": 30 * MINUTE_NS,
    "1h": HOUR_NS,
    "2h": 2 * HOUR_NS,
    "4h": 4 * HOUR_NS,
    "6h": 6 * HOUR_NS,
    "8h": 8 * HOUR_NS,
    "12h": 12 * HOUR_NS,
    "1d": DAY_NS,
    "3d": 3 * DAY_NS,
    "1w": WEEK_NS,
    "1M": 0,
}
_MONDAY_NS = 4 * DAY_NS  # 1970-01-05


def period_start_ns(interval: str, time_ns: int) -> int:
    """When the candle that holds ``time_ns`` opened: weeks on Monday, months on the first, all UTC."""
    if interval == "1M":
        moment = datetime.fromtimestamp(time_ns // SECOND_NS, UTC)
        return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * SECOND_NS
    offset_ns = _MONDAY_NS if interval == "1w" else 0
    width_ns = WIDTHS_NS[interval]
    return (time_ns - offset_ns) // width_ns * width_ns + offset_ns


def period_end_ns(interval: str, start_ns: int) -> int:
    """When the candle after the one opened at ``start_ns`` opens."""
    if interval == "1M":
        return period_start_ns("1M", start_ns + 32 * DAY_NS)
    return start_ns + WIDTHS_NS[interval]


def flat_candle(interval: str, start_ns: int, price_e8: int) -> Kline:
    """A candle without a trade, at the last price. It closes a millisecond before the next one opens."""
    close_ns = period_end_ns(interval, start_ns) - MILLISECOND_NS
    return Kline(start_ns, close_ns, price_e8, price_e8, price_e8, price_e8, 0, 0, 0, 0, 0, -1, -1)


class CandleSeries:
    """The newest candles of one interval, the running one last; periods without trades are filled flat."""

    def __init__(self, interval: str, start_ns: int, price_e8: int, candles_max: int) -> None:
        self.interval = interval
        self.candles_max = candles_max
        self.running = flat_candle(interval, period_start_ns(interval, start_ns), price_e8)
        self.candles: deque[Kline] = deque([self.running], maxlen=candles_max)
        self.ends_ns = period_end_ns(interval, self.running.open_ns)

    def roll(self, now_ns: int) -> None:
        """Open candles until the running one holds ``now_ns``."""
        if now_ns < self.ends_ns:
            return
        width_ns = WIDTHS_NS[self.interval]
        if width_ns and (now_ns - self.ends_ns) // width_ns > self.candles_max:
            self.ends_ns = period_start_ns(self.interval, now_ns - width_ns * self.candles_max)
        while self.ends_ns <= now_ns:
            self.running = flat_candle(self.interval, self.ends_ns, self.running.close_e8)
            self.candles.append(self.running)
            self.ends_ns = period_end_ns(self.interval, self.ends_ns)

    def absorb(self, minute: Kline) -> None:
        """Count a closed one-minute candle; the trades of the minute that still runs are merged in when it is read."""
        self.roll(minute.open_ns)
        merge(self.running, minute)

    def rows(self, minute: Kline) -> list[Kline]:
        """The candles up to the running one, with the running minute in it."""
        last = msgspec.structs.replace(self.running)
        merge(last, minute)
        return [*islice(self.candles, len(self.candles) - 1), last]

    def add(self, trade: Trade, quote_e8: int) -> None:
        """Count a trade."""
        if trade.time_ns >= self.ends_ns:
            self.roll(trade.time_ns)
        candle = self.running
        price_e8 = trade.price_e8
        if candle.trade_count == 0:
            candle.open_e8 = candle.high_e8 = candle.low_e8 = price_e8
            candle.first_trade_id = trade.trade_id
        elif price_e8 > candle.high_e8:
            candle.high_e8 = price_e8
        elif price_e8 < candle.low_e8:
            candle.low_e8 = price_e8
        candle.close_e8 = price_e8
        candle.volume_e8 += trade.qty_e8
        candle.quote_volume_e8 += quote_e8
        candle.trade_count += 1
        candle.last_trade_id = trade.trade_id
        if not trade.is_buyer_maker:
            candle.taker_base_e8 += trade.qty_e8
            candle.taker_quote_e8 += quote_e8

    def fill_history(self, minutes: Iterable[Kline]) -> None:
        """Put one-minute candles of the past in front (the series must be fresh), gathered to this interval."""
        for minute in minutes:
            start_ns = period_start_ns(self.interval, minute.open_ns)
            if self.candles[-1] is self.running and len(self.candles) == 1:
                self.candles.pop()
            if not self.candles or self.candles[-1].open_ns != start_ns:
                self.candles.append(flat_candle(self.interval, start_ns, minute.open_e8))
            merge(self.candles[-1], minute)
        self._join_running()

    def _join_running(self) -> None:
        """Make the last gathered candle the running one when it is of the same period."""
        if self.candles and self.candles[-1].open_ns == self.running.open_ns:
            self.running = self.candles[-1]
        else:
            self.candles.append(self.running)


def merge(into: Kline, part: Kline) -> None:
    """Add a later candle's trades to a longer candle."""
    if part.trade_count == 0:
        return
    if into.trade_count == 0:
        into.open_e8, into.high_e8, into.low_e8 = part.open_e8, part.high_e8, part.low_e8
        into.first_trade_id = part.first_trade_id
    into.high_e8 = max(into.high_e8, part.high_e8)
    into.low_e8 = min(into.low_e8, part.low_e8)
    into.close_e8 = part.close_e8
    into.volume_e8 += part.volume_e8
    into.quote_volume_e8 += part.quote_volume_e8
    into.trade_count += part.trade_count
    into.taker_base_e8 += part.taker_base_e8
    into.taker_quote_e8 += part.taker_quote_e8
    into.last_trade_id = part.last_trade_id


class RollingWindow:
    """The last ``minutes`` one-minute candles as one, summed again only when a minute ends."""

    def __init__(self, series: CandleSeries, minutes: int) -> None:
        self._series = series
        self._minutes = minutes
        self._running: Kline | None = None
        self._closed: Kline | None = None

    def candle(self) -> Kline:
        """The whole window, the running minute included; the caller rolled the series."""
        if self._running is not self._series.running:
            self._running = self._series.running
            self._closed = self._sum_closed()
        total = Kline(*(getattr(self._closed, name) for name in Kline.__struct_fields__))
        merge(total, self._series.running)
        return total

    def _sum_closed(self) -> Kline:
        candles = list(self._series.candles)[-self._minutes : -1]
        first = candles[0] if candles else self._series.running
        total = flat_candle("1m", first.open_ns, first.open_e8)
        for candle in candles:
            merge(total, candle)
        return total


def vwap_e8(candle: Kline) -> int:
    """Quote volume by base volume, rounded down; the closing price without a trade."""
    return candle.quote_volume_e8 * E8 // candle.volume_e8 if candle.volume_e8 else candle.close_e8
