"""Binance's klines in the recorded captures, where all of their trades were captured too, are the bars that we make of these."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from engine.model.instruments import InstrumentSpec, to_e8
from engine.model.tables import Tables
from engine.strategy.bars import BarBuilder

E8_SPEC = InstrumentSpec(venue_id=1, symbol="E8", base_asset="X", quote_asset="Y", tick_size_e8=1, lot_size_e8=1)
UNITS_NS = {"s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000, "d": 86_400_000_000_000}

Row = dict[str, Any]


def frames(path: Path) -> list[Row]:
    """The data of every frame of a capture (`<receive time>: <json>`), in order."""
    found = []
    with gzip.open(path, "rt") as lines:
        for line in lines:
            time_text, _, body = line.partition(": ")
            if body.startswith("{") and time_text.replace(".", "").isdigit():
                data = json.loads(body)
                found.append(data.get("data", data))
    return [row for row in found if isinstance(row, dict)]


def whole_klines(rows: list[Row]) -> list[tuple[Row, list[Row]]]:
    """Klines with the (aggregate) trades that they are made of, where those are all there, to the last one."""
    trades: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.get("e") == "aggTrade":
            trades[row["s"]].append(row)
    found = []
    for kline in (row["k"] for row in rows if row.get("e") == "kline"):
        inside = [trade for trade in trades[kline["s"]] if kline["f"] <= trade["f"] and trade["l"] <= kline["L"]]
        if inside and sum(trade["l"] - trade["f"] + 1 for trade in inside) == kline["n"]:
            found.append((kline, inside))
    return found


def bar_of(kline: Row, trades: list[Row]) -> dict[str, int]:
    """One bar of the product's builder over the kline's interval."""
    tables = Tables()
    interval = kline["i"]
    builder = BarBuilder(tables, tables.add_instrument(E8_SPEC), int(interval[:-1]) * UNITS_NS[interval[-1]])
    for trade in trades:
        assert builder.push(trade["T"] * 1_000_000, to_e8(trade["p"]), to_e8(trade["q"]), int(trade["m"])) == []
    [bar] = builder.close_until((kline["T"] + 1) * 1_000_000)
    return bar


def test_klines_of_captured_trades_are_our_bars(data_root: Path) -> None:
    compared = 0
    for path in sorted(data_root.glob("captures/BINANCE*.ws.*.gz")):
        for kline, trades in whole_klines(frames(path)):
            bar = bar_of(kline, trades)
            ours = [bar[f"{name}_ticks"] for name in ("open", "high", "low", "close")]
            ours += [
                bar["volume_lots"],
                bar["buy_volume_lots"],
                bar["quote_value_e8"],
                bar["open_wall_ns"] // 1_000_000,
            ]
            assert ours == [*(to_e8(kline[name]) for name in "ohlcvVq"), kline["t"]]
            compared += 1
    if not compared:
        pytest.skip(f"no kline below {data_root}/captures has all of its trades there")
