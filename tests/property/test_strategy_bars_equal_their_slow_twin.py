"""Bars against their slow twin: random trades, and every recorded trade there is."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.instruments import InstrumentSpec, to_e8
from engine.model.tables import Tables
from engine.sim.api import Kline
from engine.sim.api import Trade as VenueTrade
from engine.sim.candles import CandleSeries
from engine.strategy.bars import BarBuilder
from tests.reference.bars import GAP_MAX, Trade, bars_of

SECOND_NS = 1_000_000_000
SPEC = InstrumentSpec(
    venue_id=1,
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size_e8=1_000_000,
    lot_size_e8=1_000,
)


def make_builder(interval_ns: int, spec: InstrumentSpec = SPEC) -> BarBuilder:
    tables = Tables()
    return BarBuilder(tables, tables.add_instrument(spec), interval_ns)


def build(
    trades: list[Trade], interval_ns: int, end_ns: int, spec: InstrumentSpec = SPEC
) -> tuple[list[dict[str, int]], int]:
    builder = make_builder(interval_ns, spec)
    bars = [bar for trade in trades for bar in builder.push(*trade)]
    bars += builder.close_until(end_ns)
    return bars, builder.late_trades


def value_of(spec: InstrumentSpec) -> Fraction:
    return Fraction(*spec.tick_lot_value)


STEPS = st.tuples(
    st.integers(-2 * SECOND_NS, 4 * SECOND_NS),
    st.integers(1, 10_000_000),
    st.integers(1, 10_000_000),
    st.integers(0, 1),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(STEPS, max_size=60),
    st.sampled_from([SECOND_NS // 10, SECOND_NS, 7 * SECOND_NS]),
    st.integers(0, 20 * SECOND_NS),
)
def test_bars_equal_their_slow_twin(steps: list[tuple[int, int, int, int]], interval_ns: int, rest_ns: int) -> None:
    now_ns = 1_700_000_000 * SECOND_NS
    newest_ns = now_ns
    trades: list[Trade] = []
    for delta_ns, price, qty, side in steps:
        now_ns += delta_ns
        newest_ns = max(newest_ns, now_ns)
        trades.append((now_ns, price, qty, side))
    end_ns = newest_ns + rest_ns
    assert build(trades, interval_ns, end_ns) == bars_of(trades, interval_ns, end_ns, value_of(SPEC))


def test_a_silence_that_is_too_long_is_skipped_and_counted() -> None:
    builder = make_builder(SECOND_NS)
    assert builder.push(0, 10, 1) == []
    [bar] = builder.push((GAP_MAX + 2) * SECOND_NS, 20, 1)
    assert (bar["open_wall_ns"], builder.skipped_bars) == (0, GAP_MAX + 1)
    assert builder.push((GAP_MAX + 3) * SECOND_NS, 30, 1)[0]["open_ticks"] == 20


def test_a_silence_that_is_just_short_enough_gives_flat_bars() -> None:
    builder = make_builder(SECOND_NS)
    builder.push(0, 10, 1)
    bars = builder.push((GAP_MAX + 1) * SECOND_NS, 20, 1)
    assert len(bars) == GAP_MAX + 1
    assert {(bar["open_ticks"], bar["close_ticks"], bar["count"]) for bar in bars[1:]} == {(10, 10, 0)}


def test_bars_before_the_epoch_are_aligned_all_the_same() -> None:
    builder = make_builder(SECOND_NS)
    builder.push(-SECOND_NS - 1, 10, 1)
    assert [bar["open_wall_ns"] for bar in builder.close_until(0)] == [-2 * SECOND_NS, -SECOND_NS]


def test_a_quote_value_beyond_64_bits_stops_at_their_end() -> None:
    builder = make_builder(SECOND_NS)
    for _ in range(3):
        builder.push(1, (1 << 62), (1 << 62))
    assert builder.close_until(SECOND_NS)[0]["quote_value_e8"] == (1 << 63) - 1


def test_a_bar_of_an_inverse_contract_is_worth_its_contracts() -> None:
    """3 contracts of 100 at two prices: 300 of the quote asset."""
    terms = {"lot_size_e8": 10**8, "multiplier_e8": 100 * 10**8, "inverse": True, "settle_asset": "BTC"}
    builder = make_builder(SECOND_NS, msgspec.structs.replace(SPEC, **terms))
    builder.push(1, 4_000_000, 1)
    builder.push(2, 5_000_000, 2)
    assert builder.close_until(SECOND_NS)[0]["quote_value_e8"] == 300 * 10**8


def recorded_trades(path: Path, spec: InstrumentSpec) -> Iterator[Trade]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if '@trade"' not in line[:80]:
                continue
            data = json.loads(line.split(" ", 1)[1])["data"]
            price, rest = divmod(to_e8(data["p"]), spec.tick_size_e8)
            lots, rest_lots = divmod(to_e8(data["q"]), spec.lot_size_e8)
            assert (rest, rest_lots) == (0, 0)
            yield data["T"] * 1_000_000, price, lots, int(data["m"])


@pytest.mark.parametrize("interval_ns", [SECOND_NS, 60 * SECOND_NS])
def test_recorded_trades_give_the_twins_bars(data_root: Path, interval_ns: int) -> None:
    files = sorted(data_root.glob("binance_raw/*/*.gz"))
    if not files:
        pytest.skip(f"no recorded Binance frames below {data_root}")
    bars_seen = 0
    for path in files:
        trades = list(recorded_trades(path, SPEC))
        end_ns = max(trade[0] for trade in trades) + 1
        bars, late = build(trades, interval_ns, end_ns)
        assert (bars, late) == bars_of(trades, interval_ns, end_ns, value_of(SPEC))
        assert sum(bar["count"] for bar in bars) > 0
        bars_seen += len(bars)
    assert bars_seen >= len(files)


E8_SPEC = InstrumentSpec(venue_id=1, symbol="E8", base_asset="X", quote_asset="Y", tick_size_e8=1, lot_size_e8=1)


Candle = tuple[int, int, int, int, int]  # open, high, low, close, volume, times 10^8


@dataclass(frozen=True)
class CandleFile:
    """Candles that others made of trades, and those trades; all times 10^8, by opening time."""

    name: str
    minutes: int
    trades: list[Trade]
    candles: dict[int, Candle]

    @property
    def interval_ns(self) -> int:
        return self.minutes * 60 * SECOND_NS


def candle_files(root: Path) -> list[CandleFile]:
    """Every `PAIR-Nm.feather` that has a `PAIR-trades.feather` beside it."""
    feather = pytest.importorskip("pyarrow.feather", reason="pyarrow is not installed: the candles are feather files")
    files = []
    for trades_path in sorted(root.glob("trades_to_candles/*-trades.feather")):
        trades = feather_trades(feather.read_table(trades_path).to_pydict())
        pair = trades_path.name.removesuffix("-trades.feather")
        for path in sorted(trades_path.parent.glob(f"{pair}-*m.feather")):
            minutes = int(path.name.removeprefix(f"{pair}-").removesuffix("m.feather"))
            candles = feather_candles(feather.read_table(path).to_pydict())
            files.append(CandleFile(path.stem, minutes, trades, candles))
    if not files:
        pytest.skip(f"no trades with candles below {root}/trades_to_candles")
    return files


def e8(number: object) -> int:
    return round(float(str(number)) * 1e8)


def feather_trades(columns: dict[str, list[object]]) -> list[Trade]:
    rows = zip(columns["timestamp"], columns["price"], columns["amount"], columns["side"], strict=True)
    trades = [
        (int(str(stamp)) * 1_000_000, e8(price), e8(qty), int(side == "sell")) for stamp, price, qty, side in rows
    ]
    return sorted(trades, key=lambda trade: trade[0])


def feather_candles(columns: dict[str, list[Any]]) -> dict[int, Candle]:
    values = [[e8(value) for value in columns[name]] for name in ("open", "high", "low", "close", "volume")]
    opens = [round(date.timestamp()) * SECOND_NS for date in columns["date"]]
    return dict(zip(opens, zip(*values, strict=True), strict=True))


def assert_every_candle_is_ours(file: CandleFile, ours: dict[int, Candle]) -> None:
    """`ours` holds the periods with trades; recorded ones without are flat, and may be of times that no trade was kept of."""
    first, last = min(ours), max(ours)
    recorded = {start: candle for start, candle in file.candles.items() if first <= start <= last and candle[4]}
    assert len(recorded) > 10
    assert ours == recorded


def test_recorded_trades_give_the_recorded_candles(data_root: Path) -> None:
    """The bars of strategies: every candle of every file, all of its prices and its volume."""
    for file in candle_files(data_root):
        bars, late = build(file.trades, file.interval_ns, file.trades[-1][0] + file.interval_ns, E8_SPEC)
        assert late == 0
        ours = {bar["open_wall_ns"]: candle_of_bar(bar) for bar in bars if bar["count"]}
        assert_every_candle_is_ours(file, ours)


def test_recorded_trades_give_the_recorded_candles_of_the_venue(data_root: Path) -> None:
    """The same of the venue's klines: each interval from the trades, and longer ones gathered from its minutes."""
    for file in candle_files(data_root):
        start_ns = file.trades[0][0]
        series = CandleSeries(f"{file.minutes}m", start_ns, file.trades[0][1], len(file.candles) + 2000)
        minutes = CandleSeries("1m", start_ns, file.trades[0][1], 1 << 20)
        for number, (time_ns, price_e8, qty_e8, maker_bought) in enumerate(file.trades):
            trade = VenueTrade("", number, price_e8, qty_e8, time_ns, bool(maker_bought), 0, 0)
            for one in (series, minutes):
                one.add(trade, price_e8 * qty_e8 // 10**8)
        gathered = CandleSeries(f"{file.minutes}m", start_ns, file.trades[0][1], len(file.candles) + 2000)
        for minute in minutes.candles:
            gathered.absorb(minute)
        for one in (series, gathered):
            assert_every_candle_is_ours(file, {k.open_ns: candle_of(k) for k in one.candles if k.trade_count})


def candle_of_bar(bar: dict[str, int]) -> Candle:
    return bar["open_ticks"], bar["high_ticks"], bar["low_ticks"], bar["close_ticks"], bar["volume_lots"]


def candle_of(kline: Kline) -> Candle:
    return kline.open_e8, kline.high_e8, kline.low_e8, kline.close_e8, kline.volume_e8
