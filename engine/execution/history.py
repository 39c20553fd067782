"""Rows (time in ns, volume in 10^-8) out of what venues give: candles and trades as CSV or JSON, raw frames as recorded.

Understood: Binance's candle files and REST bodies of `/klines` (opening time first, volume sixth), files with a header that names
a time (`open_time`, `timestamp`, `time`) and a `volume` or a `qty`, Binance's trade files (no header: id, price, quantity ...
time), and lines of `tradewind record` (`<ns> <frame>`), of which the trades count, or closed candles where there are no trades.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

Row = tuple[int, int]
TIME_NAMES = ("open_time", "opentime", "timestamp", "time", "date", "start")
VOLUME_NAMES = ("volume", "qty", "quantity", "amount", "size")
CANDLE_COLUMNS_LEAST = 11
E8 = Decimal(10**8)
YEAR_3000 = 32_503_680_000


def rows_of_lines(lines: Iterable[str]) -> Iterator[Row]:
    """Rows of a file's lines, by what the first of them is. ValueError where it is nothing of the kind."""
    reading = iter(lines)
    first = next((line for line in reading if line.strip()), "")
    if first.lstrip().startswith("["):
        yield from rows_of_json(first + "".join(reading))
    elif is_frame(first):
        yield from rows_of_frames(first, reading)
    else:
        yield from rows_of_csv(first, reading)


def is_frame(line: str) -> bool:
    """A line of a recording: `<receive time> <json>` or bare JSON."""
    return line.partition(" ")[2].lstrip(":").lstrip().startswith("{") or line.startswith("{")


def rows_of_json(text: str) -> Iterator[Row]:
    """A REST body of candles: rows of a list."""
    for row in msgspec.json.decode(text):
        yield time_ns(str(row[0])), volume_e8(str(row[5]))


def rows_of_frames(first: str, rest: Iterator[str]) -> Iterator[Row]:
    """Public trades of a recording; aggregate trades or closed candles where it has none of these."""
    kinds: dict[str, list[Row]] = {"trade": [], "aggTrade": [], "kline": []}
    for line in _chained(first, rest):
        body = line[line.find("{") :]
        if '"trade"' not in body and '"aggTrade"' not in body and '"kline"' not in body:
            continue
        data = msgspec.json.decode(body)
        data = data.get("data", data)
        row = _frame_row(data)
        if row is not None:
            kinds[data["e"]].append(row)
    yield from kinds["trade"] or kinds["aggTrade"] or kinds["kline"]


def _frame_row(data: dict[str, Any]) -> Row | None:
    kind = data.get("e")
    if kind in ("trade", "aggTrade"):
        return int(data["T"]) * 10**6, volume_e8(data["q"])
    if kind == "kline" and data["k"]["x"]:
        return int(data["k"]["t"]) * 10**6, volume_e8(data["k"]["v"])
    return None


def rows_of_csv(first: str, rest: Iterator[str]) -> Iterator[Row]:
    """A table; with a header its columns are found by name."""
    reader = csv.reader(_chained(first, rest))
    head = next(reader, [])
    names = [name.strip().lower() for name in head]
    time_at = next((names.index(name) for name in TIME_NAMES if name in names), -1)
    volume_at = next((names.index(name) for name in VOLUME_NAMES if name in names), -1)
    if time_at < 0 or volume_at < 0:
        time_at, volume_at = _columns_of(head)
        yield time_ns(head[time_at]), volume_e8(head[volume_at])
    for row in reader:
        if len(row) > max(time_at, volume_at):
            yield time_ns(row[time_at]), volume_e8(row[volume_at])


def _columns_of(row: list[str]) -> tuple[int, int]:
    """Of a table without a header: candles by their number of columns, else the venue's trades, aggregate or not."""
    if not row or not row[0].strip().isdigit():
        raise ValueError("neither candles nor trades: no header that names a time and a volume")
    if len(row) >= CANDLE_COLUMNS_LEAST:
        return 0, 5
    if len(row) >= 6:
        return (5, 2) if row[4].isdigit() and row[5].isdigit() and len(row[5]) >= 13 else (4, 2)
    raise ValueError("neither candles nor trades: too few columns")


def time_ns(text: str) -> int:
    """A moment in s, ms, us or ns since 1970 (by its size), or as a date, which is UTC where it names no zone."""
    text = text.strip()
    if text.isdigit():
        value = int(text)
        for scale in (10**9, 10**6, 10**3):
            if value < YEAR_3000 * 10**9 // scale:
                return value * scale
        return value
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def volume_e8(text: str) -> int:
    """A volume in 10^-8, rounded down; ValueError where it is none."""
    try:
        value = Decimal(text.strip() or "0")
    except InvalidOperation:
        raise ValueError(f"{text!r} is no volume") from None
    if not value.is_finite() or value < 0:
        raise ValueError(f"{text!r} is no volume")
    return int(value * E8)


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
