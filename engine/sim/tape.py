"""One symbol's public trade history: trades, aggregate trades, candles, rolling tickers and the average price."""

from __future__ import annotations

from collections import deque
from itertools import islice

from engine.sim.api import AggTrade, AvgPrice, BookTicker, Interval, Kline, SymbolRules, Ticker24h, Trade
from engine.sim.candles import DAY_NS, MILLISECOND_NS, MINUTE_NS, WIDTHS_NS, CandleSeries, RollingWindow, vwap_e8
from engine.sim.config import VenueConfig
from engine.sim.decimals import E8
from engine.sim.reject import VenueReject
from engine.sim.seeded import SeededRandom

DAY_MINUTES = 1440


class Tape:
    """Takes each trade once, in order; answers every public query about the past."""

    def __init__(self, rules: SymbolRules, config: VenueConfig, start_ns: int, start_price_e8: int) -> None:
        self.rules = rules
        self.last_price_e8 = start_price_e8
        self.last_qty_e8 = 0
        self.last_trade_ns = start_ns
        self.next_trade_id = 1
        self.next_agg_id = 1
        self.trades: deque[Trade] = deque(maxlen=config.history_trades_max)
        self.agg_trades: deque[AggTrade] = deque(maxlen=config.history_trades_max)
        self._pending: Trade | None = None
        self._pending_qty_e8 = 0
        self._pending_first_id = 0
        candles_max = max(config.history_klines_max, DAY_MINUTES + 1)
        self._series = {name: CandleSeries(name, start_ns, start_price_e8, candles_max) for name in WIDTHS_NS}
        self._minutes, self._seconds = self._series["1m"], self._series["1s"]
        self._longer = [self._series[name] for name in WIDTHS_NS if name not in ("1s", "1m")]
        self._windows: dict[int, RollingWindow] = {}
        self._average = RollingWindow(self._minutes, rules.avg_price_mins)

    # --- writing -------------------------------------------------------------------------------------------------

    def add(self, trade: Trade, quote_e8: int) -> AggTrade | None:
        """Count a trade; returns the aggregate that it closed, of an earlier price of the same taker."""
        self.trades.append(trade)
        self.next_trade_id = trade.trade_id + 1
        self.last_price_e8 = trade.price_e8
        self.last_qty_e8 = trade.qty_e8
        self.last_trade_ns = trade.time_ns
        if trade.time_ns >= self._minutes.ends_ns:
            self._roll_minutes(trade.time_ns)
        self._minutes.add(trade, quote_e8)
        self._seconds.add(trade, quote_e8)
        return self._aggregate(trade)

    def _roll_minutes(self, now_ns: int) -> None:
        """Close the running minute: every longer candle takes it as a whole, not trade by trade."""
        closed = self._minutes.running
        self._minutes.roll(now_ns)
        if self._minutes.running is not closed:
            for series in self._longer:
                series.absorb(closed)

    def _aggregate(self, trade: Trade) -> AggTrade | None:
        pending = self._pending
        if pending is not None and pending.price_e8 == trade.price_e8:
            self._pending = trade
            self._pending_qty_e8 += trade.qty_e8
            return None
        closed = self.close_aggregate()
        self._pending = trade
        self._pending_qty_e8 = trade.qty_e8
        self._pending_first_id = trade.trade_id
        return closed

    def close_aggregate(self) -> AggTrade | None:
        """End the running aggregate, for its taker is done; None when there is none."""
        last = self._pending
        if last is None:
            return None
        self._pending = None
        agg = AggTrade(
            last.symbol,
            self.next_agg_id,
            last.price_e8,
            self._pending_qty_e8,
            self._pending_first_id,
            last.trade_id,
            last.time_ns,
            last.is_buyer_maker,
        )
        self.next_agg_id += 1
        self.agg_trades.append(agg)
        return agg

    def backfill(self, minutes: int, start_ns: int, volatility_bps: float, mean_qty_e8: int, seed: int) -> None:
        """Invent a past of one-minute candles that ends at the present price, so that charts and tickers are full."""
        if minutes <= 0:
            return
        past = list(self._invent(minutes, start_ns, volatility_bps, mean_qty_e8, SeededRandom(seed)))
        first_id = self.next_trade_id
        for candle in past:
            candle.first_trade_id, candle.last_trade_id = first_id, first_id + candle.trade_count - 1
            first_id = candle.last_trade_id + 1
        self.next_trade_id = first_id
        for interval, series in self._series.items():
            if interval != "1s":
                series.fill_history(past)

    def _invent(
        self, minutes: int, start_ns: int, volatility_bps: float, mean_qty_e8: int, dice: SeededRandom
    ) -> list[Kline]:
        """Walk backwards from the present price; times are of the minutes before the one of ``start_ns``."""
        tick_e8, step_e8 = self.rules.tick_e8, self.rules.step_e8
        close_e8 = self.last_price_e8
        open_ns = start_ns // MINUTE_NS * MINUTE_NS
        candles = []
        for _ in range(minutes):
            open_ns -= MINUTE_NS
            move = close_e8 * volatility_bps / 10_000
            open_e8 = _on_grid(close_e8 + move * dice.gauss(), tick_e8)
            high_e8 = _on_grid(max(open_e8, close_e8) + move * dice.unit() / 2, tick_e8)
            low_e8 = _on_grid(min(open_e8, close_e8) - move * dice.unit() / 2, tick_e8)
            count = 20 + dice.below(200)
            volume_e8 = _on_grid(mean_qty_e8 * count * dice.between(0.5, 1.5), step_e8)
            quote_e8 = volume_e8 * ((open_e8 + close_e8) // 2) // E8
            share = dice.between(0.35, 0.65)
            taker_e8 = _on_grid(volume_e8 * share, step_e8)
            candles.append(
                Kline(
                    open_ns,
                    open_ns + MINUTE_NS - MILLISECOND_NS,
                    open_e8,
                    max(high_e8, open_e8, close_e8),
                    min(low_e8, open_e8, close_e8),
                    close_e8,
                    volume_e8,
                    quote_e8,
                    count,
                    taker_e8,
                    taker_e8 * ((open_e8 + close_e8) // 2) // E8,
                    -1,
                    -1,
                )
            )
            close_e8 = open_e8
        candles.reverse()
        return candles

    # --- reading -------------------------------------------------------------------------------------------------

    def roll(self, now_ns: int) -> None:
        """Let the candles' time pass without a trade."""
        self._roll_minutes(now_ns)
        for series in self._series.values():
            series.roll(now_ns)

    def recent(self, limit: int, from_id: int | None) -> list[Trade]:
        """The newest ``limit`` trades, or the first ``limit`` from ``from_id`` up."""
        if from_id is None:
            return _newest(self.trades, limit)
        return list(islice((trade for trade in self.trades if trade.trade_id >= from_id), limit))

    def aggregates(self, from_id: int | None, start_ns: int | None, end_ns: int | None, limit: int) -> list[AggTrade]:
        """Aggregates from an id or a time up, else the newest up to ``end_ns``."""
        rows = [agg for agg in self.agg_trades if end_ns is None or agg.time_ns <= end_ns]
        if from_id is not None:
            return [agg for agg in rows if agg.agg_id >= from_id][:limit]
        if start_ns is not None:
            return [agg for agg in rows if agg.time_ns >= start_ns][:limit]
        return rows[-limit:]

    def _rows(self, interval: str, now_ns: int) -> list[Kline]:
        """The candles of an interval up to now; -1120 for an unknown one."""
        series = self._series.get(interval)
        if series is None:
            raise VenueReject(-1120, "Invalid interval.")
        self._roll_minutes(now_ns)
        series.roll(now_ns)
        return list(series.candles) if interval in ("1s", "1m") else series.rows(self._minutes.running)

    def klines(self, interval: str, now_ns: int, start_ns: int | None, end_ns: int | None, limit: int) -> list[Kline]:
        """Candles by opening time: the first from ``start_ns`` up, else the newest up to ``end_ns``."""
        rows = self._rows(interval, now_ns)
        if end_ns is not None:
            rows = [row for row in rows if row.open_ns <= end_ns]
        if start_ns is not None:
            return [row for row in rows if row.open_ns >= start_ns][:limit]
        return rows[-limit:]

    def running(self, interval: Interval | str, now_ns: int) -> Kline:
        """The candle that holds ``now_ns``."""
        return self._rows(interval, now_ns)[-1]

    def average_e8(self, now_ns: int) -> int:
        """The volume-weighted price that the filters use; the last price when nothing traded."""
        self._roll_minutes(now_ns)
        candle = self._average.candle()
        return vwap_e8(candle) if candle.volume_e8 else self.last_price_e8

    def avg_price(self, now_ns: int) -> AvgPrice:
        """The same as an answer."""
        return AvgPrice(self.rules.symbol, self.rules.avg_price_mins, self.average_e8(now_ns), self.last_trade_ns)

    def ticker(self, window_ns: int, now_ns: int, best: BookTicker) -> Ticker24h:
        """Statistics of the last ``window_ns`` in whole minutes, at most a day of which is kept."""
        minutes = max(1, min(window_ns // MINUTE_NS, DAY_MINUTES))
        self._roll_minutes(now_ns)
        window = self._windows.get(minutes)
        if window is None:
            window = self._windows.setdefault(minutes, RollingWindow(self._minutes, minutes))
        total = window.candle()
        return Ticker24h(
            symbol=self.rules.symbol,
            open_e8=total.open_e8,
            high_e8=total.high_e8,
            low_e8=total.low_e8,
            last_e8=self.last_price_e8,
            last_qty_e8=self.last_qty_e8,
            prev_close_e8=total.open_e8,
            weighted_avg_e8=vwap_e8(total),
            volume_e8=total.volume_e8,
            quote_volume_e8=total.quote_volume_e8,
            bid_price_e8=best.bid_price_e8,
            bid_qty_e8=best.bid_qty_e8,
            ask_price_e8=best.ask_price_e8,
            ask_qty_e8=best.ask_qty_e8,
            open_ns=now_ns - min(window_ns, DAY_NS),
            close_ns=now_ns,
            first_trade_id=total.first_trade_id,
            last_trade_id=total.last_trade_id,
            trade_count=total.trade_count,
        )


def _on_grid(value_e8: float, unit_e8: int) -> int:
    return max(1, round(value_e8 / unit_e8)) * unit_e8


def _newest(rows: deque[Trade], limit: int) -> list[Trade]:
    start = max(0, len(rows) - limit)
    return list(islice(rows, start, None))
